"""Explorers redraw when a control moves, say what went wrong, and leave a picture where no kernel runs."""

import base64
import threading
import time

import numpy as np
import pytest
import torch
from IPython.display import clear_output, display
from IPython.utils.capture import capture_output

from audiolab import models, plots, widgets
from audiolab.widgets import explorer

pytestmark = pytest.mark.usefixtures("shell")
Y = (0.4 * np.sin(np.arange(4000) / 7)).astype(np.float32)


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
    assert not plots.QUICK.get() and view.answered == 1


@pytest.fixture(scope="module")
def voice():
    """A network that has learnt nothing, and yet gives each phoneme six frames or so at 110 Hz."""
    torch.manual_seed(0)
    model = models.FastSpeech(dim=32, encoder=1, decoder=1)
    model.told_mean.copy_(torch.tensor([2.0, 4.7, -6.0]))
    model.told_std.fill_(0.1)
    model.picture_mean.fill_(-6.0)
    return model


def test_a_box_says_what_is_typed(shown, made, voice):
    widgets.speaker(voice)
    [(data, metadata)], [view] = shown, made
    assert explorer.VIEW in data and "s ˈɛ n t ə n s" in metadata["image/png"]["alt"]
    assert [control["label"] for control in view.controls] == [
        "text", "speed (×)", "pitch (semitones)", "melody (×)"] and view.controls[0]["button"] == "Speak"
    player, picture = view.outputs
    assert "Type a sentence here" in player and "<audio" in player and "<img" in picture
    view.values = {**view.values, "words": "Is it <b>five</b>? " + 30 * "Yes, it is. "}
    longer, _ = view.outputs
    assert "Is it &lt;b&gt;five&lt;/b&gt;? Yes, it is." in longer and len(longer) > 3 * len(player)
    view.values = {**view.values, "words": "Is it five?", "speed": 2.0, "pitch": -3.0, "melody": 0.0}
    assert view.problem == "" and view.answered == 2 and len(view.outputs) == 2


@pytest.mark.filterwarnings("ignore:Left out")
@pytest.mark.parametrize(("words", "says"), [
    ("", "nothing to say"), ("🙂 🙂", "nothing to say"), ("Привет", "only English is spoken here"),
    (501 * "a", "The text has 501 characters; 500 are said at once here")])
def test_what_a_box_cannot_say_is_told_in_place_of_the_sound(shown, made, voice, words, says):
    widgets.speaker(voice)
    [view] = made
    before = view.outputs
    view.values = {**view.values, "words": words}
    [told] = view.outputs
    assert told.startswith('<p role="alert">') and says in told and "Error" not in told and view.problem == ""
    view.values = {**view.values, "words": "Type a sentence here, and I will say it."}
    assert view.outputs[0] == before[0] and len(view.outputs) == 2


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
    assert view.outputs == before and not plots.QUICK.get() and view.answered == 1
    view.values = {"x": 5}
    assert view.problem == "" and view.outputs != before
    with pytest.raises(ValueError, match="too much"):           # at first it is the cell's own error
        widgets.explore(picture, x=widgets.slider("factor", 7, 0, 9))


def test_what_a_cell_displays_while_a_slider_moves_is_the_cells(shown, made):
    inside, leave, quick = threading.Event(), threading.Event(), []

    def picture(x):
        display({"text/plain": f"explorer {x}"}, raw=True)
        quick.append(plots.QUICK.get())
        if x:
            clear_output()
            display({"text/plain": "explorer again"}, raw=True)
            inside.set()
            leave.wait(60)

    widgets.explore(picture, x=widgets.slider("x", 0, 0, 9))
    [view] = made
    mover = threading.Thread(target=lambda: setattr(view, "values", {"x": 1}))
    mover.start()
    assert inside.wait(60)
    with capture_output() as cell:                              # as %%capture does, which swaps the publisher
        display({"text/plain": "cell"}, raw=True)
        assert not plots.QUICK.get()
        nested = explorer._run(picture, {"x": 0})
        leave.set()
        mover.join()
        display({"text/plain": "cell again"}, raw=True)
    assert [o.data["text/plain"] for o in cell.outputs] == ["cell", "cell again"]
    assert [o.data["text/plain"] for o in nested] == ["explorer 0"]
    assert view.outputs == ["<pre>explorer again</pre>"] and quick == [False, True, False]


def test_many_displays_beside_many_moves_lose_none(shell, shown, made, monkeypatch):
    def picture(x):
        for i in range(5):
            display({"text/plain": f"explorer {x} {i}"}, raw=True)
            time.sleep(0.001)

    widgets.explore(picture, x=widgets.slider("x", 0, 0, 99))
    [view] = made
    mover = threading.Thread(target=lambda: [setattr(view, "values", {"x": x}) for x in range(1, 30)])
    with capture_output() as cell:
        explorer._run(lambda: None, {})                         # as any earlier explorer of this publisher
        mover.start()
        for i in range(200):
            display({"text/plain": str(i)}, raw=True)
            time.sleep(0.0005)
        mover.join()
    assert [o.data["text/plain"] for o in cell.outputs] == [str(i) for i in range(200)]
    assert view.outputs == [f"<pre>explorer 29 {i}</pre>" for i in range(5)] and view.problem == ""


def test_what_two_threads_draw_leaves_the_settings_as_they_were(shown):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw = [threading.Thread(target=explorer._run, args=[lambda: plots.waveform(Y, 8000), {}]) for _ in range(4)]
    for thread in draw:
        thread.start()
    for thread in draw:
        thread.join()
    assert dict(matplotlib.rcParams) == before


def test_a_picture_by_pyplot_is_taken(shown, made):
    """What the inline backend displays: base64 already, and neither a width nor a text for who cannot see it."""
    picture = base64.encodebytes(bytes(range(256))).decode()

    def show(x):
        display({"image/png": picture, "text/plain": f"<Figure {x}>"}, raw=True)

    widgets.explore(show, x=widgets.slider("x", 0, 0, 9))
    [(data, metadata)], [view] = shown, made
    assert data["image/png"] == picture and metadata["image/png"] == {"alt": "<Figure 0>"}
    view.values = {"x": 1}
    image = base64.b64encode(bytes(range(256))).decode()
    assert view.outputs == [f'<img src="data:image/png;base64,{image}" alt="&lt;Figure 1&gt;">']
