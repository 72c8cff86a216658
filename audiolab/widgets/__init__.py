"""What a learner moves: explorers of chapter 01 and the way in for one's own recording."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["explorer", "fundamentals", "listening", "live", "recorder"],
    submod_attrs={
        "explorer": ["choice", "explore", "slider"],
        "fundamentals": ["additive", "aliasing", "bit_depth"],
        "listening": ["ListeningTest", "abx", "abx_power", "abx_result", "abx_trials", "bootstrap_interval",
                      "level_match", "low_anchor", "mos", "mushra"],
        "live": ["LiveInput"],
        "recorder": ["Recorder"],
    },
)
