"""What a learner reads: the outcome of a check, a hint, a sheet of progress — as HTML and as plain text."""

import base64
import html
import io
import linecache
import re
import sys
import textwrap
from dataclasses import dataclass, field

GREY, YOURS, EXPECTED = "#888888", "#e8751a", "#1f6fb4"

#: Symbol, words and colour of each state of an answer.
STATES = {
    "passed": ("✓", "right", "#2a9d5c"),
    "failed": ("✗", "not yet", YOURS),
    "unattempted": ("○", "not attempted", GREY),
    "error": ("!", "the check failed", GREY),
}


class CheckFailed(AssertionError):
    """An answer did not pass, with the message of the check (``check(…, strict=True)``)."""


@dataclass
class Note:
    """A titled text that shows itself in a notebook and in a terminal.

    Words may use ``**bold**`` and ```code```; nothing is said by colour alone.
    """

    title: str
    paragraphs: list = field(default_factory=list)
    small: str = ""
    edge: str = GREY
    refused: bool = False       # what was asked for could not be done

    def __repr__(self):
        """Plain text, wrapped at 88 columns; lines broken by the author stay broken."""
        lines = [line for part in (self.title, *self.paragraphs, self.small) if part for line in part.split("\n")]
        return "\n".join(map(_wrapped, lines))

    def __bool__(self):
        return not self.refused

    def _repr_html_(self):
        body = "".join(f"<p style='margin:.4em 0'>{marked(part)}</p>" for part in self.paragraphs if part)
        small = f"<p style='margin:.4em 0;opacity:.75;font-size:90%'>{marked(self.small)}</p>" if self.small else ""
        return (
            f"<div style='border-left:4px solid {self.edge};padding:.2em 0 .2em .9em;max-width:46em'>"
            f"<p style='margin:.2em 0'><b>{marked(self.title)}</b></p>{body}{self._picture_html()}{small}</div>"
        )

    def _picture_html(self):
        return ""


class Source(Note):
    """A note with code in it, as Markdown: the notebook colours it by its own theme."""

    def _repr_markdown_(self):
        title, (code, *rest) = self.title, self.paragraphs
        return "\n\n".join([f"**{title}**", f"```python\n{code}\n```", *rest])

    _repr_html_ = None      # else notebooks would prefer it to the Markdown

    def __repr__(self):
        return "\n\n".join([self.title, *self.paragraphs])


@dataclass
class Outcome:
    """What came of a check.

    Attributes
    ----------
    state : {"passed", "failed", "unattempted", "error"}
    stage : str
        At which it stopped (`spec.STAGES`); empty when it passed.
    says, named, ask : str
        What disagrees, the known mistake that it is, a question.
    place : tuple of (str, int, str) or None
        File, line and its text in the learner's own code.
    picture : tuple of (np.ndarray, np.ndarray, int) or None
        Yours, expected, index of the first value drawn.
    """

    id: str
    name: str
    state: str
    stage: str = ""
    says: str = ""
    named: str = ""
    ask: str = ""
    seed: int = 0
    comparisons: int = 0
    passed: tuple = ()
    asked: str = ""
    returned: str = ""
    place: tuple = None
    picture: tuple = None
    counted: bool = False       # as an attempt of the learner's

    def __bool__(self):
        return self.state == "passed"

    @property
    def text(self):
        """The message in one line of plain words, as `tests/mutants` quote it."""
        note = self.note()
        return plain(" ".join(part for part in (note.title, *note.paragraphs, note.small) if part))

    def note(self):
        """The words, in order: what is right, what is not, which mistake it is, a question."""
        symbol, verdict, edge = STATES[self.state]
        title = f"{symbol} {self.id} {self.name} — {verdict}."
        if self.state == "passed":
            stages = ", ".join(WORDS[stage] for stage in self.passed if stage in WORDS)
            return _Drawn(title, [self.says], f"Checked: {stages} ({self.comparisons} comparisons).", edge)
        if self.state == "unattempted":
            words = "Nothing is wrong: the cell still says that it is to be written."
            return _Drawn(title, [f'{words} A first nudge: `al.hint("{self.id}")`.'], edge=edge)
        if self.state == "error":
            words = "Your answer is not to blame: the check itself stopped, and should be reported."
            return _Drawn(title, [words, f"At {self.stage}: {self.says}"], f"seed {self.seed}", edge)
        tries = [f"Try: {self.ask}" if self.ask else "", f'`al.hint("{self.id}")`', f"seed {self.seed}"]
        asked = f"Called as `{self.asked}`." if self.asked else ""
        wrong = " ".join(filter(None, (self.says, at_line(self.place), self.named)))
        right = right_so_far(self.stage, self.passed, self.returned)
        note = _Drawn(title, [right, wrong, asked], " · ".join(filter(None, tries)), edge)
        note.picture = self.picture
        return note

    def __repr__(self):
        return repr(self.note())

    def _repr_html_(self):
        return self.note()._repr_html_()

    def _ipython_display_(self):
        """The report, with its buttons below where somebody can press them."""
        if not (self.counted and _somebody_is_there()):
            raise NotImplementedError           # IPython then shows the report alone
        from . import panel

        panel.show(self)


def _somebody_is_there():
    """Whether a cell was run by a person: tools that run notebooks say that nobody can be asked anything."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return hasattr(shell, "kernel") and shell.get_parent().get("content", {}).get("allow_stdin", False)


class _Drawn(Note):
    """A note with the picture of yours beside expected."""

    picture = None

    def _picture_html(self):
        if self.picture is None:
            return ""
        png, alt = draw(*self.picture)
        data = base64.b64encode(png).decode()
        return f"<img alt='{html.escape(alt, quote=True)}' src='data:image/png;base64,{data}' style='max-width:100%'>"


#: How a passed stage is named in the message of success.
WORDS = {
    "output": "shape and type",
    "edges": "edge signals",
    "properties": "properties",
    "reference": "agreement with a reference",
}


def right_so_far(stage, passed, returned):
    """What is right about an answer that stopped at `stage`."""
    if stage == "attempted":        # its cell did not get as far as an answer
        return ""
    if stage == "signature":
        return "You have begun."
    if stage == "runs":
        return "Its parameters are right."
    if stage == "output":
        return "It runs."
    right = ["it runs", "its shape and type are right" if returned == "array" else "it returns the right kind of thing"]
    right += [words for name, words in (("edges", "edge signals pass"), ("properties", "its properties hold"))
              if name in passed]
    return f"{', '.join(right[:-1])}, and {right[-1]}.".capitalize()


def at_line(place):
    """``Line 3: `x = y / 0`.``: a cell's source is known to the kernel, where it was not to the worker."""
    if not place:
        return ""
    filename, number, text = place
    text = text or linecache.getline(filename, number).strip()
    return f"Line {number} of your code: `{text}`." if text else f"Line {number} of your code."


def plain(text):
    """Words without their marks of emphasis; code as it is."""
    return "".join(part if part.startswith("`") else part.replace("**", "") for part in _parts(text))


def marked(text):
    """Words as HTML: ``**bold**``, ```code```, line breaks; everything else escaped."""

    def one(part):
        if part.startswith("`"):
            return f"<code>{html.escape(part[1:-1])}</code>"
        return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", html.escape(part)).replace("\n", "<br>")

    return "".join(map(one, _parts(text)))


def _wrapped(line):
    """A line at 88 columns, its indentation kept."""
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(plain(line), 88, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _parts(text):
    """Text and code in turn."""
    return re.split(r"(`[^`\n]+`)", text)


def draw(got, want, start):
    """Yours (orange, dashed) and expected (blue); what hardly differs gets a panel of differences too.

    Returns
    -------
    tuple of (bytes, str)
        A PNG on white, readable in any theme, and words for those who do not see it.
    """
    import numpy as np
    from matplotlib.figure import Figure  # without pyplot: no backend, nothing shown twice

    got, want = (np.abs(x) if np.iscomplexobj(x) else np.asarray(x, float) for x in (got, want))
    got, want = (np.where(np.isfinite(x), x, np.nan) for x in (got, want))
    apart = got - want if got.shape == want.shape else np.array(np.inf)
    known, span = want[np.isfinite(want)], apart[~np.isnan(apart)]
    alike = known.size and span.size and 0 < np.abs(span).max() < 0.05 * np.ptp(known)
    figure = Figure(figsize=(6.4, 3.4 if alike and got.ndim == 1 else 2.4), dpi=90, layout="constrained")
    alt = (_lines if got.ndim == 1 else _matrices)(figure, got, want, apart if alike else None, start)
    alt += " A panel of its own shows the small difference." if alike else ""
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue(), f"{alt} {_ranges(got, want)}"


def _lines(figure, got, want, apart, start):
    """Two signals over each other, their difference below."""
    rows = figure.subplots(1 if apart is None else 2, 1, sharex=True, squeeze=False)[:, 0]
    style = {"marker": "o", "markersize": 3} if len(want) <= 40 else {}
    for name, y, colour, line in (("expected", want, EXPECTED, "-"), ("yours", got, YOURS, "--")):
        rows[0].plot(range(start, start + len(y)), y, line, color=colour, lw=2, label=name, **style)
    rows[0].set(ylabel="value")
    rows[0].legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8)
    if apart is not None:
        rows[1].plot(range(start, start + len(apart)), apart, color="black", lw=1)
        rows[1].set(ylabel="yours − expected")
        rows[1].ticklabel_format(axis="y", useOffset=False)
    rows[-1].set(xlabel="index")
    return f"Yours (orange, dashed) over expected (blue), from index {start}."


def _matrices(figure, got, want, apart, start):
    """Two matrices side by side, on one scale, and their difference."""
    panels = [("yours", got, YOURS), ("expected", want, EXPECTED)]
    panels += [] if apart is None else [("yours − expected", apart, "black")]
    drawn = []
    for axes, (name, y, colour) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        drawn.append(axes.imshow(y, aspect="auto", origin="lower", interpolation="nearest"))
        axes.set_title(name, color=colour, fontsize=10)
        figure.colorbar(drawn[-1], ax=axes)
    drawn[0].set_clim(drawn[1].get_clim())
    return "Two matrices, yours on the left, expected on the right."


def _ranges(got, want):
    """In words, what both pictures span."""
    def one(x):
        finite = x[abs(x) < float("inf")]
        return f"from {finite.min():.3g} to {finite.max():.3g}" if finite.size else "nowhere finite"

    return f"Yours runs {one(got)}, expected {one(want)}."
