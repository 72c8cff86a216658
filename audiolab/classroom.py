"""For teachers: a chapter's exercises as an assignment that nbgrader hands out, collects and marks."""

import json
import re
from pathlib import Path

from . import paths
from .checks import learner, spec

#: Written into a course that has none yet.
CONFIG = """\
c = get_config()
c.CourseDirectory.course_id = "audiolab"
c.Execute.timeout = 60                      # seconds that one cell may take when it is marked
c.OverwriteCells.add_missing_cells = True   # a deleted check comes back and is run
"""


def nbgrader(chapter, folder):
    """Put a chapter's exercises into an nbgrader course, with the checks as the autograder.

    The solutions, answers between their marks, become the *source* version of an assignment;
    ``nbgrader generate_assignment`` then takes the answers out. Behind each check that learners run stands
    one that counts: locked, raising when the answer does not pass, recording nothing.

    Parameters
    ----------
    chapter : str
        ``"01"``.
    folder : path
        Of the nbgrader course, made when missing. A configuration is added unless there is one.

    Returns
    -------
    tuple of (pathlib.Path, int)
        The new notebook, ``source/01_fundamentals/01_fundamentals.ipynb`` in `folder`, and its points.

    Raises
    ------
    ExerciseError
        If the chapter has no exercises, or its solutions are not here.
    OSError
        If the notebook exists already, or `folder` cannot be written.
    """
    name = learner.name_of(chapter)
    target = Path(folder) / "source" / name / f"{name}.ipynb"
    solved = learner.solutions(chapter).parents[1] / f"{name}.ipynb"
    if not solved.exists():
        raise spec.ExerciseError(f"There is no {solved}: assignments are made from a clone with its folder solutions.")
    if target.exists():
        raise FileExistsError(f"{target} exists already: it may hold points of yours. Move it away to make it anew.")
    notebook = assignment(json.loads(solved.read_text("utf-8")), chapter)
    with paths.replacing(target) as tmp:
        tmp.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", "utf-8")
    config = Path(folder) / "nbgrader_config.py"
    if not config.exists():
        config.write_text(CONFIG, "utf-8")
    marks = (cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"])
    return target, sum(mark.get("points", 0) for mark in marks)


def assignment(solved, chapter):
    """The source version of an assignment, made from a chapter's solutions.

    Parameters
    ----------
    solved : dict
        The notebook of the solutions, as JSON. Not changed.
    chapter : str
        ``"01"``.

    Returns
    -------
    dict
        A notebook that ends with the last check. An exercise is worth 1 to 3 points, as many as its difficulty has
        filled circles. Players and pictures are tagged ``skip-execution``: marking runs answers and checks alone.

    Raises
    ------
    ExerciseError
        If an exercise has no cell for its answer, no difficulty, or no check.
    """
    exercises = spec.exercises(chapter)
    made, points, counted, kept = [], {}, set(), 0
    for cell in solved["cells"]:
        cell = {**cell, "source": "".join(cell["source"]), "metadata": dict(cell["metadata"])}
        made.append(cell)
        if cell["cell_type"] != "code":
            cell["source"] = _for_class(cell["source"])
            circles = re.search(r"^(●+)○* ·", cell["source"], re.M)
            worth = len(circles[1]) if circles else None
            continue
        cell.update(outputs=[], execution_count=None)
        tags = cell["metadata"].get("tags", [])
        answered = next((tag.removeprefix("exercise-") for tag in tags if tag.startswith("exercise-")), None)
        checked = re.match(r'al\.check\("(\d\d\.\d+)"', cell["source"].splitlines()[-1])
        if answered:
            points[answered] = worth
            cell["metadata"]["nbgrader"] = _role(f"answer-{answered}", solution=True)
        elif "setup" in tags:
            cell["metadata"]["nbgrader"] = _role(f"setup-{len(made)}", locked=True)
        else:
            cell["metadata"]["tags"] = [*tags, "skip-execution"]
        if checked and points.get(checked[1]):
            made.append(_counting(exercises[checked[1]], points[checked[1]]))
            counted.add(checked[1])
            kept = len(made)
    if missing := ", ".join(sorted(exercises.keys() - counted)):
        raise spec.ExerciseError(f"Without an answer, a line of circles or a check in the solutions: {missing}.")
    metadata = {key: solved["metadata"][key] for key in ("kernelspec", "language_info")}
    return {"cells": made[:kept], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _counting(exercise, points):
    """The locked cell that decides: it imports anew what an answer may have overwritten, reports, and raises."""
    lines = [
        f"# Marked: {points} point{'s' * (points > 1)}. You need not run this cell: the one above asks the same.",
        "import audiolab as al", "",
        f'outcome = al.check("{exercise.id}", {exercise.name}, record=False)',
        "display(outcome)",
        'assert outcome, "Not right yet: the report above says why."',
    ]
    role = _role(f"check-{exercise.id}", grade=True, locked=True) | {"points": points}
    return {"cell_type": "code", "id": role["grade_id"], "execution_count": None, "outputs": [],
            "metadata": {"nbgrader": role}, "source": "\n".join(lines)}


def _role(grade_id, grade=False, solution=False, locked=False):
    """What nbgrader keeps with a cell."""
    return {"grade": grade, "grade_id": grade_id.replace(".", "-"), "locked": locked, "schema_version": 3,
            "solution": solution, "task": False, "cell_type": "code"}


def _for_class(text):
    """Prose without links into the clone, and without the two commands that act on the copies in ``work/``."""
    lines = (line for line in text.split("\n") if not re.match(r"- `al\.(solution|reset)\(", line))
    return re.sub(r"\[([^\]]+)\]\(\.\./[^)]+\)", r"\1", "\n".join(lines))
