"""Controls beside a picture and a player: one function from parameters to what is seen and heard."""

import base64
import contextvars
import functools
import html
from pathlib import Path

import anywidget
import traitlets
from IPython import get_ipython
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.display import display
from IPython.utils.capture import RichOutput

from .. import plots

STATIC = Path(__file__).parent / "static"
VIEW = "application/vnd.jupyter.widget-view+json"
_CAPTURING = contextvars.ContextVar("capturing", default=None)      # the publisher of a thread that runs `_run`


def static(*names):
    """Files of `STATIC`, one after the other: what a widget consists of in the browser."""
    return "\n".join((STATIC / name).read_text(encoding="utf-8") for name in names)


def slider(label, value, low, high, step=1):
    """A control for a number: from `low` to `high` in steps, with a label that names the unit.

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    return {"label": label, "value": value, "min": low, "max": high, "step": step}


def choice(label, value, options):
    """A control for one of several words.

    Taught in: notebooks/01_fundamentals.ipynb, "How many bits does an ear need?"
    """
    return {"label": label, "value": value, "options": list(options)}


def text(label, value, button):
    """A control for words, and a button that says what they are for.

    What is typed counts when the field is left. Enter or the button also start the player.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    return {"label": label, "value": value, "button": button}


def explore(function, **controls):
    """Redraw what `function` displays while a control moves.

    The cell also stores the first picture, so that a page without a kernel shows something. A
    function that takes longer than the learner moves is called with the last values only. An
    exception from it is shown below the controls, as one sentence.

    Parameters
    ----------
    function : callable
        Takes the controls' values by name and displays figures (`audiolab.plots`) and players
        (`audiolab.play`), as any cell would.
    **controls : dict
        One per parameter, made by `slider`, `choice` or `text`.

    Examples
    --------
    >>> explore(lambda hz: al.play(al.synth.tone(hz, 1, 8000), sr=8000),      # doctest: +SKIP
    ...         hz=slider("frequency (Hz)", 440, 100, 4000))

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    explorer = Explorer(function, controls)
    present(explorer, explorer.first)


def present(widget, outputs):
    """Display a widget, and with it the picture that a page without a kernel shows.

    Parameters
    ----------
    widget : anywidget.AnyWidget
    outputs : list of IPython.utils.capture.RichOutput
        The first picture among them is taken.
    """
    bundle, metadata = {VIEW: widget._repr_mimebundle_()[0][VIEW]}, {}
    if pictures := [o for o in outputs if "image/png" in o.data]:
        bundle |= {"image/png": pictures[0].data["image/png"], "text/plain": _alt(pictures[0])}
        metadata = {"image/png": _about(pictures[0]) | {"alt": _alt(pictures[0])}}
    display(bundle, metadata=metadata, raw=True)


class Explorer(anywidget.AnyWidget):
    """What `explore` shows.

    Attributes
    ----------
    values : dict
        The controls' values by name; setting it redraws.
    outputs : list of str
        What the function displayed for them, as HTML.
    problem : str
        What the function raised instead, as a sentence; empty when all is well.
    answered : int
        How many moves have been answered; the page waits for it to change, and says when it does not.
    first : list of IPython.utils.capture.RichOutput
        What the function displayed at first.
    """

    _esm = static("kernel.js", "explorer.js")
    _css = STATIC / "explorer.css"
    controls = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    outputs = traitlets.List().tag(sync=True)
    problem = traitlets.Unicode().tag(sync=True)
    answered = traitlets.Int().tag(sync=True)

    def __init__(self, function, controls):
        values = {name: control["value"] for name, control in controls.items()}
        self.first = _run(function, values)                     # an error here is the cell's own
        super().__init__(controls=[{"name": name, **control} for name, control in controls.items()], values=values,
                         outputs=[*map(_as_html, self.first)])
        self._function = function
        self.observe(self._redraw, "values")

    def _redraw(self, change):
        before = plots.QUICK.set(True)
        try:
            outputs, problem = [*map(_as_html, _run(self._function, self.values))], ""
        except Exception as e:
            outputs, problem = self.outputs, f"Nothing to show for these settings: {_sentence(e)}"
        finally:
            plots.QUICK.reset(before)
        with self.hold_sync():
            self.outputs, self.problem, self.answered = outputs, problem, self.answered + 1


def _run(function, values):
    """The rich outputs that a call displays, instead of displaying them.

    A slider that moves while a cell runs is answered in a thread of its own, and what the cell displays meanwhile
    is the cell's. So the notebook's publisher stays in its place, and asks the thread that displays.
    """
    publisher = getattr(get_ipython(), "display_pub", None)
    if publisher is not None and not getattr(publisher.publish, "asks_its_thread", False):
        for name in ("publish", "clear_output"):
            setattr(publisher, name, _asking_its_thread(getattr(publisher, name)))
    captured = CapturingDisplayPublisher()
    before = _CAPTURING.set(captured)
    try:
        function(**values)
    finally:
        _CAPTURING.reset(before)
    return [RichOutput(**output) for output in captured.outputs]


def _asking_its_thread(method):
    """A publisher's method that lets the publisher of `_CAPTURING` do it, in a thread that has one."""

    @functools.wraps(method)
    def ask(*args, **kwargs):
        return getattr(_CAPTURING.get(), method.__name__, method)(*args, **kwargs)

    ask.asks_its_thread = True
    return ask


def _sentence(error):
    """An exception as one line that ends with a full stop."""
    said = " ".join(str(error).split()) or "no reason given"
    return f"{type(error).__name__}: {said}".rstrip(".") + "."


def _as_html(output):
    """One rich output as HTML: players as they are, figures as embedded images."""
    if "text/html" in output.data:
        return output.data["text/html"]
    if "image/png" in output.data:
        image = output.data["image/png"]
        image = base64.b64encode(image).decode() if isinstance(image, bytes) else image.replace("\n", "")
        width = f' width="{_about(output)["width"]}"' if "width" in _about(output) else ""
        return f'<img src="data:image/png;base64,{image}" alt="{html.escape(_alt(output))}"{width}>'
    return f"<pre>{html.escape(output.data.get('text/plain', ''))}</pre>"


def _about(output):
    """What is known of a picture beside its pixels. ``plt.show()`` tells no width and no text for who cannot see it."""
    return output.metadata.get("image/png", {})


def _alt(output):
    return _about(output).get("alt") or output.data.get("text/plain", "")
