"""What a stage leaves behind: numbers, grades, figures and sounds, in a folder of its own."""

import base64
import dataclasses
import html
import json
from dataclasses import dataclass, field
from pathlib import Path

from .. import audio, claims, paths

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
        Whether it depends on how busy the machine is.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """

    name: str
    value: float
    bound: dict
    unit: str = ""
    timing: bool = False

    @property
    def holds(self):
        """Whether the bound is kept; a value that is no number keeps none."""
        kind, limit = next(iter(self.bound.items()))
        return {"at_least": self.value >= limit, "at_most": self.value <= limit,
                "close_to": abs(self.value - limit) <= self.bound.get("tol", 0)}[kind]

    def __str__(self):
        return f"{self.name} {self.value:.4g} {self.unit}".rstrip() + f" ({claims.bound_text(vars(self))})"


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

    def __getitem__(self, name):
        return self.numbers[name]

    @property
    def ok(self):
        """Whether all grades hold."""
        return all(grade.holds for grade in self.grades)

    def __str__(self):
        graded = "; ".join(map(str, self.grades))
        return f"{'✓' if self.ok else '✗'} {self.stage:<10} {self.says}" + (f" · {graded}" if graded else "")

    def grade(self, name, value, unit="", timing=False, **bound):
        """Add a grade: ``result.grade("macro-F1", 0.9, at_least=0.85)``."""
        self.grades.append(Grade(name, float(value), bound, unit, timing))

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
                                      default=lambda number: number.item()) + "\n", "utf-8")


def opened(folder, key):
    """The result in a folder, or None where the stage is not finished, or files of it are gone."""
    try:
        found = json.loads((folder / FILE).read_text("utf-8"))
        found = Result(**found | {"folder": folder, "grades": [Grade(**grade) for grade in found["grades"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None
    files = [one["file"] for one in (*found.figures, *found.sounds)] + found.numbers.get("files", [])
    return found if found.key == key and all((folder / file).exists() for file in files) else None
