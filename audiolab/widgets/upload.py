"""The way in for a learner's own recording."""

import html
import itertools
import re

from IPython.display import display

from .. import audio, paths
from .explorer import VIEW


class Upload:
    """A button that takes a sound file from the learner's computer into ``work/recordings``.

    Until a file is chosen, :attr:`path` is the default, so that the cells below run either way.

    Parameters
    ----------
    default : path
        The recording to use when none is uploaded.

    Attributes
    ----------
    path : pathlib.Path
        The chosen file, or the default.

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """

    def __init__(self, default):
        import ipywidgets

        self.path = default
        self._button = ipywidgets.FileUpload(accept="audio/*,.wav,.flac,.ogg,.opus,.mp3", description="choose a sound",
                                             layout={"width": "auto"})
        self._message = ipywidgets.HTML("Choose a WAV, FLAC, OGG or MP3 file, then run the cells below again.")
        self._button.observe(self._receive, "value")

    def _receive(self, change):
        for file in change["new"]:
            name = re.sub(r"[^\w.-]+", "_", file["name"]).lstrip(".") or "recording"
            content = bytes(file["content"])
            try:
                about = audio.info(content)
                path = _free(paths.work("recordings", name), content)
                with paths.replacing(path) as tmp:
                    tmp.write_bytes(content)
            except (audio.AudioError, OSError) as e:
                reason = html.escape(str(e).replace("the given data", name))
                self._message.value = f"<b>Not taken:</b> {reason}"
            else:
                self.path, name = path, path.name
                self._message.value = f"Took <b>{name}</b>, {about.duration:.1f} s. Run the cells below again."

    def _ipython_display_(self):
        import ipywidgets

        box = ipywidgets.VBox([self._button, self._message])
        note = "An upload button, in a running notebook. Without a file of your own the course's sample is used."
        display({VIEW: box._repr_mimebundle_()[VIEW], "text/plain": note}, raw=True)


def _free(path, content):
    """`path`, or with a number behind it where another recording has that name already."""
    for i in itertools.count(2):
        if not path.exists() or path.read_bytes() == content:
            return path
        path = path.with_stem(f"{re.sub(r'-[0-9]+$', '', path.stem)}-{i}")
