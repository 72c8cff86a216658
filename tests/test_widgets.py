"""Explorers redraw when a control moves, and leave a picture where no kernel runs; uploads are checked."""

import io

import numpy as np
import pytest
import soundfile

from audiolab import widgets
from audiolab.widgets import explorer, upload

Y = (0.4 * np.sin(np.arange(4000) / 7)).astype(np.float32)


@pytest.fixture
def shell():
    """A live IPython, since players and figures speak to its display."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr(explorer, "display", lambda data, metadata=None, **_: calls.append((data, metadata)))
    return calls


@pytest.fixture
def boxes(monkeypatch):
    import ipywidgets

    made = []
    real = ipywidgets.VBox
    monkeypatch.setattr(ipywidgets, "VBox", lambda children: made.append(real(children)) or made[-1])
    return made


@pytest.mark.parametrize("make, move", [
    (widgets.aliasing, {0: 3000}),
    (widgets.additive, {1: 0.0, 2: 1.0}),
    (lambda: widgets.bit_depth(Y, 8000), {0: 2, 1: True}),
])
def test_every_explorer_moves_its_picture(shell, shown, boxes, make, move):
    make()
    [(data, metadata)] = shown
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"]
    *controls, view = boxes[0].children
    assert "<audio" in view.value and 'alt="' in view.value
    assert all(control.description for control in controls)
    before = view.value
    for index, value in move.items():
        controls[index].value = value
    assert view.value != before


def wav(y):
    file = io.BytesIO()
    soundfile.write(file, y, 8000, format="WAV")
    return file.getvalue()


def test_upload_keeps_a_good_file_and_refuses_a_bad_one(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "work"))
    button = upload.Upload(default="sample.flac")
    button._receive({"new": [{"name": "notes.wav", "content": memoryview(b"not a sound")}]})
    assert button.path == "sample.flac" and "Not taken:</b> notes.wav" in button._message.value
    assert not (tmp_path / "work").exists()
    button._receive({"new": [{"name": "../../my voice.wav", "content": memoryview(wav(Y))}]})
    assert button.path.parent == tmp_path / "work" / "recordings" and button.path.name == "_.._my_voice.wav"
    assert soundfile.info(button.path).frames == len(Y)
    first = button.path
    button._receive({"new": [{"name": "../../my voice.wav", "content": memoryview(wav(Y[:2000]))}]})
    assert button.path.name == "_.._my_voice-2.wav" and soundfile.info(first).frames == len(Y)
    button._receive({"new": [{"name": "../../my voice.wav", "content": memoryview(wav(Y))}]})
    assert button.path == first
