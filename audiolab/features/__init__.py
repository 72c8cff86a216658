"""What a model is given instead of samples: pictures and curves of a sound, for one signal, a batch or a corpus.

Functions take one signal as a NumPy array and are written to be read; `LogMel` takes a batch as a PyTorch tensor and
is written to be quick; `extract` goes over a whole corpus. Parameters have librosa's names. Where librosa or
torchaudio give other numbers, each docstring says why and how to make them agree.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "batched": ["LogMel"],
        "cepstrum": ["delta", "mfcc"],
        "corpuswide": ["FeatureSet", "extract"],
        "frames": ["StreamingISTFT", "StreamingSTFT", "frame", "istft", "stft"],
        "levels": ["amplitude_to_db", "pcen", "pcen_smoothing", "power_to_db"],
        "mel": ["hz_to_mel", "log_mel", "log_mel_sizes", "mel_filterbank", "mel_spectrogram", "mel_to_hz"],
        "notes": ["chroma", "chroma_filterbank", "cqt", "cqt_frequencies", "note_names", "vqt"],
        "pitch": ["yin"],
        "rhythm": ["beat_track", "onset_strength", "onset_times", "tempo", "tempogram"],
        "scale": ["Standardizer", "standardize"],
        "statistics": ["rms", "spectral_bandwidth", "spectral_centroid", "spectral_flatness", "spectral_flux",
                       "spectral_rolloff", "zero_crossing_rate"],
    },
)
