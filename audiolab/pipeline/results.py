"""What a stage leaves behind: numbers, grades, figures and sounds, in a folder of its own."""

import base64
import dataclasses
import html
import json
from dataclasses import dataclass, field
from pathlib import Path

from .. import audio, claims, paths
from ..corpus import digest

FILE = "result.json"                        # written last: where it stands, the stage is finished


@dataclass(frozen=True)
class Grade:
    """A number that a stage must reach.

    Attributes
    ----------
    name : str
    value : float
    bound : dict of str to float
        ``{"at_least": 0.85}``, ``{"at_most": 50}``, or ``{"close_to": 0, "tol": 0}``: as `audiolab.verify` takes it.
    unit : str
    timing : bool
        Whether it depends on how busy the machine is: then it is shown, and not enforced.
    between : list of two float, optional
        The interval in which the value surely is.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """

    name: str
    value: float
    bound: dict
    unit: str = ""
    timing: bool = False
    between: list | None = None

    @property
    def holds(self):
        """Whether the bound is kept; a value that is no number keeps none."""
        return self._kept_by(self.value)

    @property
    def sure(self):
        """Whether both ends of the interval say of the bound what the value says."""
        return all(self._kept_by(end) == self.holds for end in self.between or ())

    @property
    def mark(self):
        """✓ for a bound that is kept, ✗ for one that is not, · for a time that is too long, or not surely short."""
        return "·" if self.timing and not (self.holds and self.sure) else "✓" if self.holds else "✗"

    @property
    def measured(self):
        """The value and its interval, in words."""
        ends = f", {self.between[0]:.4g} to {self.between[1]:.4g}" if self.between else ""
        return f"{self.value:.4g}{ends} {self.unit}".rstrip()

    @property
    def bounded(self):
        """The bound in words, and what more is to be said of it."""
        unsure = "" if self.sure else f": {'kept' if self.holds else 'missed'}, not surely"
        return claims.bound_text(vars(self)) + unsure + (", a time: not enforced" if self.timing else "")

    def _kept_by(self, value):
        kind, limit = next(iter(self.bound.items()))
        return {"at_least": value >= limit, "at_most": value <= limit,
                "close_to": abs(value - limit) <= self.bound.get("tol", 0)}[kind]

    def __str__(self):
        return f"{self.name} {self.measured} ({self.bounded})"


@dataclass
class Result:
    """What a stage has found.

    ``result["macro_f1"]`` is one of its numbers, `show` displays its figures and players, `verify` its grades.

    Attributes
    ----------
    stage, key : str
        Which stage, and what stands for its settings and all that it depends on.
    folder : pathlib.Path
        Where its files lie.
    says : str
        What happened, in a line.
    numbers : dict
        What was measured, by name.
    grades : list of Grade
    notes : list of str
        What else one should know.
    figures : list of dict
        `file` in the folder, `title` and `alt`.
    sounds : list of dict
        `file` in the folder, and `title`.
    seconds : float
    took : dict of str to str
        What stands for the numbers of each stage that it read.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """

    stage: str
    key: str
    folder: Path
    says: str = ""
    numbers: dict = field(default_factory=dict)
    grades: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    figures: list = field(default_factory=list)
    sounds: list = field(default_factory=list)
    seconds: float = 0.0
    took: dict = field(default_factory=dict)

    def __getitem__(self, name):
        return self.numbers[name]

    @property
    def ok(self):
        """Whether all grades hold, times left aside: a busy machine is no fault of the project."""
        return all(grade.holds or grade.timing for grade in self.grades)

    @property
    def mark(self):
        """✗ where a grade fails, · where a time is too long, or not surely short enough, else ✓."""
        marks = {grade.mark for grade in self.grades}
        return "✗" if "✗" in marks else "·" if "·" in marks else "✓"

    def __str__(self):
        graded = "; ".join(map(str, self.grades))
        return f"{self.mark} {self.stage:<10} {self.says}" + (f" · {graded}" if graded else "")

    def grade(self, name, value, unit="", timing=False, between=None, **bound):
        """Add a grade: ``result.grade("macro-F1", 0.9, at_least=0.85, between=[0.8, 0.95])``."""
        self.grades.append(Grade(name, float(value), bound, unit, timing, between))

    @property
    def known_by(self):
        """What stands for its numbers: other numbers, other digits."""
        return digest(json.dumps(self.numbers, default=_plain))

    def draw(self, file, figure):
        """Keep what a function of `audiolab.plots` draws, as a PNG.

        Parameters
        ----------
        file : str
        figure : callable
            Without arguments: it draws one figure.
        """
        from .. import plots

        with plots.kept() as drawn:
            figure()
        data, alt, title = drawn[0]
        with paths.replacing(self.folder / file) as tmp:
            tmp.write_bytes(data)
        self.figures.append({"file": file, "title": title, "alt": alt})

    def sound(self, file, y, sr, title):
        """Keep a sound, for a player."""
        audio.save(self.folder / file, y, sr)
        self.sounds.append({"file": file, "title": title})

    def players(self):
        """HTML of a player for each sound, compressed."""
        found = [(*audio.load(self.folder / one["file"]), one["title"]) for one in self.sounds]
        return [audio.player_html(y, sr, title) for y, sr, title in found]

    def show(self):
        """Display the figures and players.

        Taught in: notebooks/15_capstone.ipynb, "Are the clips fit to learn from?"
        """
        from IPython.display import display

        for one in self.figures:
            data = (self.folder / one["file"]).read_bytes()
            width = int.from_bytes(data[16:20], "big")                          # of the PNG
            display({"image/png": data, "text/plain": one["alt"]},
                    metadata={"image/png": {"alt": one["alt"], "width": width}}, raw=True)
        if self.sounds:
            row = f'<div style="display:flex; flex-wrap:wrap; gap:1em">{"".join(self.players())}</div>'
            says = ", ".join(one["title"] for one in self.sounds)
            display({"text/html": row, "text/plain": f"players: {says}"}, raw=True)

    def verify(self):
        """Have `audiolab.verify` judge each grade, in a notebook.

        Taught in: notebooks/15_capstone.ipynb, "Are the clips fit to learn from?"
        """
        for grade in self.grades:
            claims.verify(f"{self.stage}: {grade.name}", grade.value, unit=grade.unit, timing=grade.timing,
                          **grade.bound)

    def as_html(self):
        """Figures and players as HTML that needs no other file."""
        parts = []
        for one in self.figures:
            data = base64.b64encode((self.folder / one["file"]).read_bytes()).decode()
            parts.append(f'<img alt="{html.escape(one["alt"])}" src="data:image/png;base64,{data}">')
        if self.sounds:
            parts.append(f'<div class="players">{"".join(self.players())}</div>')
        return "\n".join(parts)

    def save(self):
        """Write it into its folder: from then on the stage is finished."""
        with paths.replacing(self.folder / FILE) as tmp:
            tmp.write_text(json.dumps({**dataclasses.asdict(self), "folder": ""}, indent=1, ensure_ascii=False,
                                      default=_plain) + "\n", "utf-8")


def _plain(number):
    """A number of NumPy as one of Python."""
    return number.item()


def opened(folder, key, took):
    """The result in a folder; None where the stage is not finished, files of it are gone, or it took other numbers."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        found = Result(**found | {"folder": folder, "grades": [Grade(**grade) for grade in found["grades"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    files = [one["file"] for one in (*found.figures, *found.sounds)] + found.numbers.get("files", [])
    whole = all((folder / file).exists() for file in files)
    return found if (found.key, found.took) == (key, took) and whole else None
