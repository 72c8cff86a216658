"""Sounds taken out of a mixture without learning: by masks, by what noise is like, by a second microphone.

Functions take one signal, or one for each source or microphone, as NumPy arrays. Spectra are those of
`audiolab.features.stft` with a hop of a quarter window.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adaptive": ["lms", "nlms"],
        "arrays": ["array_recording", "beam_pattern", "beamform", "covariance", "delay_and_sum", "delays", "fractional",
                   "mvdr", "steering"],
        "factorise": ["divergence", "nmf", "nmf_start", "score_informed"],
        "gains": ["wiener"],
        "masks": ["apply_masks", "binary_mask", "oracle", "phase_sensitive_mask", "ratio_mask"],
        "percussive": ["harmonic_percussive", "hpss", "median_filter"],
        "transcription": ["activations", "note_templates", "notes", "transcribe"],
    },
)
