"""What a learner moves: the explorers of the chapters, listening tests, and the way in for one's own voice."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["clips", "composing", "detection", "explorer", "features", "fundamentals", "listening", "live",
                "played", "preprocessing", "recorder", "speaking", "view"],
    submod_attrs={
        "clips": ["confusion", "sound_map"],
        "composing": ["piano_roll"],
        "detection": ["soundscape", "thresholds"],
        "explorer": ["choice", "explore", "slider", "text"],
        "features": ["mel_bands", "window_length"],
        "fundamentals": ["additive", "aliasing", "bit_depth"],
        "listening": ["ListeningTest", "abx", "abx_power", "abx_result", "abx_trials", "bootstrap_interval",
                      "level_match", "low_anchor", "mos", "mushra"],
        "live": ["LiveInput"],
        "preprocessing": ["filter_designer"],
        "recorder": ["Recorder"],
        "speaking": ["speaker"],
        "view": ["LiveView"],
    },
)
