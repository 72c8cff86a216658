"""Pictures of a corpus whose clips are heard: a confusion matrix by its cells, a map by its points."""

import base64
import html

import anywidget
import numpy as np
import traitlets

from .. import audio, metrics, plots
from .explorer import STATIC, _run, _sentence, present, static

MOST = 6                        # clips that are opened at a time
LONGEST = 30                    # seconds that each of them plays
POINTS = 3000                   # of a map: a page with more of them moves slowly
BOX = np.array([4.0, 3.0])      # width and height of a map, in its own unit


def confusion(truth, predicted, corpus, *, labels=None, title=None):
    """A confusion matrix whose cells play their clips: press one, and hear what was taken for what.

    Arrow keys go from cell to cell, Enter opens one. The cell of the notebook also stores a picture of the matrix, for
    pages without a kernel. Six clips are opened at a time, and of each the first 30 s.

    Parameters
    ----------
    truth, predicted : sequence of str, as long as `corpus`
        What each clip is, and what it was called.
    corpus : audiolab.corpus.Corpus
        The clips.
    labels : sequence of str, optional
        All classes, in the order of rows and columns; by default those of the corpus.
    title : str, optional
        What to see; by default how many clips are right.

    Raises
    ------
    ValueError
        If there is not one name for each clip, or a name that is no class.

    Examples
    --------
    >>> confusion(test.table.label, predicted, test)                     # doctest: +SKIP

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    labels = [str(label) for label in (corpus.labels if labels is None else labels)]
    truth, predicted = _names("truth", truth, corpus), _names("predicted", predicted, corpus)
    for what, names in (("truth", truth), ("predicted", predicted)):
        if unknown := sorted(set(names) - set(labels)):
            raise ValueError(f"{what} holds “{unknown[0]}”, which is none of the classes ({', '.join(labels)}): give "
                             "names of classes, or all classes as labels=.")
    matrix = metrics.confusion_matrix(truth, predicted, labels)
    right = f"{np.trace(matrix)} of {len(truth)} clips right"
    title = title or right
    widget = ConfusionMatrix(corpus, truth, predicted, drawn={
        "title": title, "labels": labels, "counts": matrix.tolist(), "tint": plots.tint(matrix).round(3).tolist()})
    alt = f"Confusion matrix: {right}. {_worst(matrix, labels)}"
    present(widget, _run(plots.confusion, {"matrix": matrix, "labels": labels, "title": title, "alt": alt}))


def sound_map(points, corpus, labels=None, *, title=None):
    """A map of a corpus that one can listen to: each clip a point, coloured by its class; press one to hear it.

    Arrow keys go to the nearest clip in their direction, Page Down and Page Up through all of them, and Enter plays.
    The cell of the notebook also stores a picture of the map, for pages without a kernel.

    Parameters
    ----------
    points : array_like, shape [n, 2]
        Where each clip lies, by t-SNE for example.
    corpus : audiolab.corpus.Corpus
        The n clips, 2 to 3000.
    labels : sequence of str, length n, optional
        What colours a clip; by default its label.
    title : str, optional
        What to see; by default how many clips there are.

    Raises
    ------
    ValueError
        If there is not one point and one label for each clip, a point is NaN or infinite, or there are too many.

    Examples
    --------
    >>> sound_map(TSNE(random_state=0).fit_transform(features), test)    # doctest: +SKIP

    Taught in: notebooks/06_classification.ipynb, "What is taken for what?"
    """
    points, n = np.asarray(points, dtype=float), len(corpus)
    if not 2 <= n <= POINTS:
        raise ValueError(f"A map holds 2 to {POINTS} clips, not {n}: take a part, as corpus.select(range({POINTS})).")
    if points.shape != (n, 2):
        raise ValueError(f"points has shape {list(points.shape)}: for {n} clips it must be [{n}, 2].")
    if bad := np.flatnonzero(~np.isfinite(points).all(axis=1)).tolist():
        raise ValueError(f"{len(bad)} of {n} points are NaN or infinite, the first is points[{bad[0]}]: look at what "
                         "made them.")
    if labels is None and "label" not in corpus.table:
        raise ValueError("This corpus has no labels: give one for each clip as labels=.")
    labels = _names("labels", corpus.table.label if labels is None else labels, corpus)
    classes, number = np.unique(labels, return_inverse=True)
    title = title or f"{n} clips in {len(classes)} classes"
    widget = SoundMap(corpus, labels, drawn={
        "title": title, "labels": classes.tolist(), "styles": [_style(i) for i in range(len(classes))],
        "box": BOX.tolist(), "points": _placed(points).round(4).tolist(), "classes": number.tolist()})
    alt = f"Map of {n} clips in {len(classes)} classes. {_together(points, labels)}"
    present(widget, _run(plots.scatter, {"points": points, "labels": labels, "title": title, "alt": alt}))


class Clips(anywidget.AnyWidget):
    """What the two have in common: the page asks for clips, and gets them ready to be heard.

    Attributes
    ----------
    drawn : dict
        What is drawn above the clips.
    chosen : dict
        What the page asks for; its `turn` grows, so that the same can be asked for again.
    opened : dict
        The answer to that `turn`: what is `said`, the `clips` as HTML, in which names are escaped, and how many `more`
        there are.
    """

    drawn = traitlets.Dict().tag(sync=True)
    chosen = traitlets.Dict().tag(sync=True)
    opened = traitlets.Dict().tag(sync=True)

    def __init__(self, corpus, drawn):
        super().__init__(drawn=drawn)
        self._corpus = corpus
        self.observe(self._open, "chosen")

    def _open(self, change):
        said, shown, more = self._find(**self.chosen)
        self.opened = {"turn": self.chosen["turn"], "said": f"{said}.", "more": more,
                       "clips": [self._clip(i, words) for i, words in shown.items()]}

    def _clip(self, i, words):
        """Clip i as HTML: a small spectrogram and a player. A file that is gone or broken leaves the others."""
        try:
            y, sr, _ = self._corpus[i]
            y = np.atleast_2d(y)[:2]
            if y.shape[1] > LONGEST * sr:
                y, words = y[:, : LONGEST * sr], f"{words}, its first {LONGEST} s"
            picture, player = base64.b64encode(plots.thumbnail(y, sr)).decode(), audio.player_html(y, sr, words)
        except Exception as error:
            return f"<p>{html.escape(f'{words}, cannot be played: {_sentence(error)}')}</p>"
        alt = html.escape(f"Spectrogram of {words}, up to {sr / 2000:g} kHz")
        return f'<img src="data:image/png;base64,{picture}" alt="{alt}" title="{alt}">{player}'


class ConfusionMatrix(Clips):
    """What `confusion` shows; `chosen` has a `row`, a `column` and, if not 0, which clip there comes `first`."""

    _esm = static("kernel.js", "clips.js", "confusion.js")
    _css = STATIC / "clips.css"

    def __init__(self, corpus, truth, predicted, drawn):
        super().__init__(corpus, drawn)
        self._truth, self._predicted = truth, predicted

    def _find(self, row, column, turn, first=0):
        true, called = self.drawn["labels"][row], self.drawn["labels"][column]
        found = np.flatnonzero((self._truth == true) & (self._predicted == called)).tolist()
        name, n, last = f"{true} called {called}", len(found), min(first + MOST, len(found))
        shown = {i: _which(name, k, k, n) for k, i in enumerate(found[first:last], first + 1)}
        return _which(name, first + 1, last, n) if shown else f"No {true} was called {called}", shown, n - last


class SoundMap(Clips):
    """What `sound_map` shows; `chosen` has the number of a `clip`."""

    _esm = static("kernel.js", "clips.js", "sound_map.js")
    _css = STATIC / "clips.css"

    def __init__(self, corpus, labels, drawn):
        super().__init__(corpus, drawn)
        self._labels = labels

    def _find(self, clip, turn):
        words = _which(self._labels[clip], clip + 1, clip + 1, len(self._labels))
        return words, {clip: words}, 0


def _which(name, first, last, n):
    return f"{name}, clip {first} of {n}" if first == last else f"{name}, clips {first} to {last} of {n}"


def _names(what, names, corpus):
    """A name for each clip, shape [n]."""
    names = np.array([str(name) or "no label" for name in names], dtype=object)
    if not len(corpus):
        raise ValueError("The corpus has no clips: there is nothing to hear.")
    if len(names) != len(corpus):
        raise ValueError(f"{what} has {len(names)} names and the corpus {len(corpus)} clips: give one for each, in the "
                         "order of the corpus.")
    return names


def _worst(matrix, labels):
    """The three most frequent confusions, in words."""
    wrong = matrix - np.diag(np.diag(matrix))
    pairs = [np.unravel_index(k, wrong.shape) for k in np.argsort(-wrong, axis=None, kind="stable")[:3]]
    said = [f"{labels[i]} called {labels[j]} ({wrong[i, j]})" for i, j in pairs if wrong[i, j]]
    return f"Most often wrong: {', '.join(said)}." if said else "None was taken for another class."


def _together(points, labels):
    """How well the classes hold together, in words."""
    from scipy.spatial import cKDTree

    two = cKDTree(points).query(points, k=2)[1]                         # itself and the nearest; in no order where
    nearest = np.where(two[:, 0] == np.arange(len(points)), two[:, 1], two[:, 0])       # clips lie on one another
    own = labels[nearest] == labels
    shares = {name: own[labels == name].mean() for name in np.unique(labels)}
    least = min(shares, key=shares.get)
    return (f"The nearest neighbour is of the same class for {own.mean():.0%} of them, and least often for {least}, "
            f"{shares[least]:.0%}.")


def _placed(points):
    """Points on a map, y downwards, with one scale for both axes and a margin: shape [n, 2]."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.94 / max(np.max((high - low) / BOX), 1e-12)
    return BOX / 2 + (points - (low + high) / 2) * scale * [1, -1]


def _style(i):
    """Colour of class i, and the outline of its marker as CSS has it, in a box of 1.5 times the marker's size."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.transforms import Affine2D

    color, name = plots.class_style(i)
    marker = MarkerStyle(name)
    to_percent = marker.get_transform() + Affine2D().scale(100 / 1.5, -100 / 1.5).translate(50, 50)
    [corners] = to_percent.transform_path(marker.get_path()).to_polygons()
    return {"color": color, "shape": f"polygon({', '.join(f'{x:.0f}% {y:.0f}%' for x, y in corners)})"}
