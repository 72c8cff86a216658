"""Sliders beside a picture and a player: one function from parameters to what is seen and heard."""

import base64
import html

from IPython.display import display
from IPython.utils.capture import capture_output

VIEW = "application/vnd.jupyter.widget-view+json"


def explore(function, **controls):
    """Redraw what `function` displays whenever a control moves.

    The cell also stores the first picture, so that a page without a kernel shows something.

    Parameters
    ----------
    function : callable
        Takes the controls' values by name and displays figures (`audiolab.plots`) and players
        (`audiolab.play`), as any cell would.
    **controls : ipywidgets.Widget
        One per parameter; its `description` is its label.

    Examples
    --------
    >>> explore(lambda hz: al.play(al.synth.tone(hz, 1, 8000), sr=8000),      # doctest: +SKIP
    ...         hz=ipywidgets.IntSlider(440, 100, 4000, description="frequency (Hz)"))

    Taught in: notebooks/01_fundamentals.ipynb, "How often must we look?"
    """
    import ipywidgets

    view = ipywidgets.HTML()

    def redraw(change=None):
        outputs = _run(function, {name: control.value for name, control in controls.items()})
        view.value = "".join(map(_as_html, outputs))
        return outputs

    for control in controls.values():
        control.style.description_width = "10em"
        control.layout.width = "32em"
        if hasattr(control, "continuous_update"):
            control.continuous_update = False               # one redraw when the slider rests
        control.observe(redraw, "value")
    pictures = [o for o in redraw() if "image/png" in o.data]
    box = ipywidgets.VBox([*controls.values(), view])
    bundle, metadata = {VIEW: box._repr_mimebundle_()[VIEW]}, {}
    if pictures:
        bundle |= {"image/png": pictures[0].data["image/png"], "text/plain": pictures[0].data["text/plain"]}
        metadata = {"image/png": pictures[0].metadata["image/png"]}
    display(bundle, metadata=metadata, raw=True)


def _run(function, values):
    """The rich outputs that a call displays, instead of displaying them."""
    with capture_output(stdout=False, stderr=False) as captured:
        function(**values)
    return captured.outputs


def _as_html(output):
    """One rich output as HTML: players as they are, figures as embedded images."""
    if "text/html" in output.data:
        return output.data["text/html"]
    if "image/png" in output.data:
        image = base64.b64encode(output.data["image/png"]).decode()
        about = output.metadata["image/png"]
        return f'<img src="data:image/png;base64,{image}" alt="{html.escape(about["alt"])}" width="{about["width"]}">'
    return f"<pre>{html.escape(output.data.get('text/plain', ''))}</pre>"
