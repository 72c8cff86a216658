"""Every figure function draws a small picture, with its alt text, for every kind of signal."""

import io

import numpy as np
import pytest
from PIL import Image

from audiolab import plots

SR = 8000
Y = (0.3 * np.sin(np.arange(4000) / 9)).astype(np.float32)
CALLS = {
    "waveform": lambda **t: plots.waveform(Y, SR, **t),
    "waveform rows": lambda **t: plots.waveform({"a": Y, "b": np.stack([Y, -Y])}, SR, **t),
    "waveform points": lambda **t: plots.waveform(Y, SR, start=0.01, stop=0.02, points=True, **t),
    "spectrum": lambda **t: plots.spectrum({"a": Y, "b": Y / 2}, SR, **t),
    "spectrogram": lambda **t: plots.spectrogram({"a": Y, "b": Y}, SR, **t),
    "spectrogram with a pitch and onsets": lambda **t: plots.spectrogram(
        Y, SR, curve=(np.arange(5) / 10, np.array([900, 910, np.nan, 950, 980])), marks=[0.1, 0.2], **t),
    "overview": lambda **t: plots.overview(np.stack([Y, Y]), SR, **t),
    "lines": lambda **t: plots.lines(np.arange(9), {"a": np.arange(9)}, x_label="x (s)", y_label="y", **t),
    "compare": lambda **t: plots.compare([1, 2], [3, 4], [3, 4.1], x_label="x (s)", y_label="y", **t),
    "samples": lambda **t: plots.samples(np.arange(90) / 90, {"a": np.zeros(90)}, np.arange(9) / 9, np.zeros(9), **t),
}


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append((data, options["metadata"])))
    return calls


@pytest.mark.parametrize("name", CALLS)
def test_figure(shown, name):
    CALLS[name](title="What to see", alt="In words.")
    [(data, metadata)] = shown
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.width == 8 * plots.DPI
    assert len(np.unique(np.asarray(image.convert("L")))) > 10          # something was drawn
    assert len(data["image/png"]) < 80_000
    assert data["text/plain"] == metadata["image/png"]["alt"] == "In words."


@pytest.mark.parametrize("n", [1, 2, 5, 100])
def test_very_short_signals_are_drawn(shown, n):
    for call in (plots.waveform, plots.spectrogram, plots.overview):
        call(np.zeros(n, np.float32), SR, title="t", alt="a")
    assert len(shown) == 3


def test_spectrogram_shows_the_amplitude_of_a_sine():
    from matplotlib.figure import Figure

    y = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SR) / SR)
    image = plots._spectrogram(Figure().subplots(), y, SR, 256, None, -100.0)
    assert image.get_array()[:, 10:-10].max() == pytest.approx(-6.02, abs=0.1)
