"""Which sounds when: labels with times, decisions that have them, and the scores of the field."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "decisions": ["Rule", "active", "decide", "hysteresis", "median_filter", "tuned"],
        "labels": ["from_frames", "in_clips", "read_labels", "segments", "to_frames", "write_labels"],
        "normal": ["Normal"],
        "scores": ["average_precision", "event_f1", "pauc", "psds", "segment_f1"],
        "words": ["Vote", "Word"],
    },
)
