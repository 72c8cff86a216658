"""What the widgets share that run in step with their player."""

import anywidget
import traitlets

SLACK = 0.1                     # seconds by which something may outlast the sound: so little of it is hardly missed


class Played(anywidget.AnyWidget):
    """A drawing, and a player under it.

    Attributes
    ----------
    drawn : dict
        What is drawn.
    player : str
        As HTML.
    """

    drawn = traitlets.Dict().tag(sync=True)
    player = traitlets.Unicode().tag(sync=True)
