"""The picture from which chapter 05 makes sound."""

from . import features

SR = 16000
SIZES = dict(n_fft=1024, hop_length=200, win_length=800, n_mels=80)


def picture(y):
    """The log-mel of chapter 05: 16 kHz, window 50 ms, hop 12.5 ms, 80 channels; [80, 1 + n // 200]."""
    return features.log_mel(y, SR, **SIZES)
