"""Explorers redraw when a control moves, say what went wrong, and leave a picture where no kernel runs."""

import numpy as np
import pytest

from audiolab import plots, widgets
from audiolab.widgets import explorer

Y = (0.4 * np.sin(np.arange(4000) / 7)).astype(np.float32)


@pytest.fixture(autouse=True)
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
def made(monkeypatch):
    explorers, real = [], explorer.Explorer
    monkeypatch.setattr(explorer, "Explorer", lambda *args: explorers.append(real(*args)) or explorers[-1])
    return explorers


@pytest.mark.parametrize("make, move", [
    (widgets.aliasing, {"frequency": 3000}),
    (widgets.additive, {"a1": 0.0, "a2": 1.0}),
    (lambda: widgets.bit_depth(Y, 8000), {"bits": 2, "dither": "triangular"}),
])
def test_every_explorer_moves_its_picture(shown, made, make, move):
    make()
    [(data, metadata)] = shown
    [view] = made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert all(control["label"] for control in view.controls)
    assert set(view.values) == {control["name"] for control in view.controls}
    for control in view.controls:                               # a native slider would move a start off its grid
        if "step" in control:
            steps = (control["value"] - control["min"]) / control["step"]
            assert steps == pytest.approx(round(steps))
    before = view.outputs
    picture, player = before
    assert 'alt="' in picture and "<audio" in player
    view.values = {**view.values, **move}
    assert view.problem == "" and len(view.outputs) == 2
    assert all(new != old for new, old in zip(view.outputs, before, strict=True))
    assert not plots.QUICK


def test_an_error_while_moving_is_one_sentence_and_goes_away(shown, made):
    def picture(x):
        if x > 5:
            raise ValueError("six is\ntoo much")
        plots.lines(np.arange(2), {"": np.arange(2) * x}, x_label="x", y_label="y", title=f"times {x}")

    widgets.explore(picture, x=widgets.slider("factor", 1, 0, 9))
    [view] = made
    before = view.outputs
    view.values = {"x": 6}
    assert view.problem == "Nothing to show for these settings: ValueError: six is too much."
    assert view.outputs == before and not plots.QUICK
    view.values = {"x": 5}
    assert view.problem == "" and view.outputs != before
    with pytest.raises(ValueError, match="too much"):           # at first it is the cell's own error
        widgets.explore(picture, x=widgets.slider("factor", 7, 0, 9))
