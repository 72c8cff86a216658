"""Real recordings load: all of FSDD and the librosa examples, from the folder that AUDIOLAB_MIRROR names."""

import os
from pathlib import Path

import numpy as np
import pytest

from audiolab import audio

MIRROR = Path(os.environ.get("AUDIOLAB_MIRROR") or ".").absolute()

pytestmark = pytest.mark.skipif(
    not os.environ.get("AUDIOLAB_MIRROR"),
    reason="AUDIOLAB_MIRROR is not set: it names a folder with fsdd/recordings and librosa-examples",
)


def check(path):
    """Load a file whole and in part, and compare with what it says of itself."""
    about = audio.info(path)
    y, sr = audio.load(path)
    assert sr == about.sr and y.dtype == np.float32
    assert y.shape == ((about.frames,) if about.channels == 1 else (about.channels, about.frames))
    assert np.isfinite(y).all() and y.any(), f"{path.name} is silent or broken"
    middle, _ = audio.load(path, offset=about.duration / 2, duration=0.1)
    start = round(about.duration / 2 * sr)
    np.testing.assert_allclose(middle, y[..., start : start + round(0.1 * sr)], atol=1e-6)
    return y, about


def test_all_of_fsdd_loads():
    paths = sorted((MIRROR / "fsdd" / "recordings").glob("*.wav"))
    assert len(paths) == 3000
    for path in paths:
        _, about = check(path)
        assert (about.sr, about.channels, about.subtype) == (8000, 1, "PCM_16"), path.name


def test_all_librosa_examples_load():
    paths = sorted((MIRROR / "librosa-examples").glob("*.ogg"))
    assert len(paths) == 28
    for path in paths:
        y, about = check(path)
        assert about.duration > 1 and np.abs(y).max() < 2, path.name


def test_a_player_of_real_speech_is_small():
    y, sr = audio.load(MIRROR / "librosa-examples" / "198-209-0000.ogg", sr=16000)
    kilobytes = len(audio.player_html(y, sr)) * 3 / 4 / 1000        # base64 is 4 characters for 3 bytes
    assert kilobytes / (len(y) / sr) <= 6
