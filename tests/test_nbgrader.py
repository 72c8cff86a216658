"""What nbgrader makes of a chapter's exercises: right answers count, wrong ones do not, tricks gain nothing."""

import inspect
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import pytest
from mutants import by_hand

from audiolab import classroom, cli
from audiolab.checks import spec

NAME = "01_fundamentals"
SOLVED = Path(__file__).parents[1] / "solutions" / f"{NAME}.ipynb"
POINTS = {"01.1": 1, "01.2": 1, "01.3": 2, "01.4": 2, "01.5": 2, "01.6": 3}
STUB = "raise NotImplementedError"


def solved():
    return json.loads(SOLVED.read_text(encoding="utf-8"))


def role(cell, name):
    return cell["metadata"].get("nbgrader", {}).get("grade_id") == name


def one(notebook, name):
    """The cell of this ``grade_id``."""
    [cell] = [cell for cell in notebook["cells"] if role(cell, name)]
    return cell


# -- the assignment ----------------------------------------------------------------------------------


def test_the_assignment_is_a_notebook_with_a_counting_check_per_exercise():
    made = classroom.assignment(solved(), "01")
    nbformat.validate(made)
    counting = [cell for cell in made["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]
    assert [cell["metadata"]["nbgrader"]["points"] for cell in counting] == list(POINTS.values())
    for cell, id in zip(counting, POINTS, strict=True):
        marks = cell["metadata"]["nbgrader"]
        assert marks["locked"] and not marks["solution"] and marks["grade_id"] == f"check-{id}".replace(".", "-")
        assert f'outcome = al.check("{id}", {spec.find(id).name}, record=False)\n' in cell["source"]
        assert "\nassert outcome, " in cell["source"]
    assert made["cells"][-1] is counting[-1]
    assert not any(cell.get("outputs") for cell in made["cells"])
    assert "audiolab" not in made["metadata"]                       # digests of the build


def test_marking_runs_setup_answers_and_counting_checks_alone():
    for cell in classroom.assignment(solved(), "01")["cells"]:
        if cell["cell_type"] == "code":
            assert ("skip-execution" in cell["metadata"].get("tags", [])) != ("nbgrader" in cell["metadata"])


def test_the_prose_names_nothing_that_is_not_handed_out():
    text = "\n".join(cell["source"] for cell in classroom.assignment(solved(), "01")["cells"])
    assert "](../" not in text and "al.solution(" not in text and "al.reset(" not in text
    assert 'al.hint("01.1")' in text


def test_what_an_exercise_lacks_is_said():
    incomplete = solved()
    incomplete["cells"] = [cell for cell in incomplete["cells"] if 'al.check("01.4"' not in "".join(cell["source"])]
    with pytest.raises(spec.ExerciseError, match=r"check in the solutions: 01\.4\.$"):
        classroom.assignment(incomplete, "01")


def test_the_command_writes_once_and_refuses_in_one_line(tmp_path, monkeypatch, capsys):
    course = tmp_path / "course"
    assert cli.main(["nbgrader", "01", str(course)]) == 0
    assert "11 points" in capsys.readouterr().out
    notebook = course / "source" / NAME / f"{NAME}.ipynb"
    notebook.write_text("the teacher's own")
    (course / "nbgrader_config.py").write_text("theirs too")
    assert cli.main(["nbgrader", "01", str(course)]) == 2
    assert "Move it away" in capsys.readouterr().err and notebook.read_text() == "the teacher's own"
    notebook.unlink()
    assert cli.main(["nbgrader", "01", str(course)]) == 0
    assert (course / "nbgrader_config.py").read_text() == "theirs too"
    assert cli.main(["nbgrader", "77", str(course)]) == 2
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    (tmp_path / "exercises").mkdir()
    capsys.readouterr()
    assert cli.main(["nbgrader", "01", str(tmp_path / "other")]) == 2
    text = capsys.readouterr().err
    assert "a clone with its folder solutions" in text and text.count("\n") == 1


# -- marked by nbgrader itself -----------------------------------------------------------------------


def answered(notebook, answers):
    """A learner's notebook: sources of answers by exercise put in, all others ours."""
    made = json.loads(json.dumps(notebook))
    ours = classroom.assignment(solved(), "01")
    for id in POINTS:
        name = f"answer-{id}".replace(".", "-")
        one(made, name)["source"] = answers.get(id) or one(ours, name)["source"]
    return made


def mutant_source(id, name):
    """A wrong answer as its author would type it, with what it leans on."""
    functions = {one.name: one.answer for one in by_hand("01")[id]}
    module = inspect.getmodule(functions[name])
    helpers = [inspect.getsource(getattr(module, helper)) for helper in ("noise", "grid", "waves", "string")]
    body = textwrap.dedent(inspect.getsource(functions[name])).partition("\n")[2]           # without @mutant
    return "\n\n".join([*helpers, body.replace(f"def {name}(", f"def {spec.find(id).name}(", 1)])


def tricked(notebook):
    """No answer to three exercises; their checks deleted, edited, and stripped of what nbgrader knows of them."""
    stubs = {id: f"def {spec.find(id).name}(*args):\n    {STUB}()" for id in ("01.2", "01.4", "01.6")}
    made = answered(notebook, stubs)
    made["cells"].remove(one(made, "check-01-2"))
    one(made, "check-01-4")["source"] = "pass"
    del one(made, "check-01-6")["metadata"]["nbgrader"]
    return made


ENDLESS = """def rms_dbfs(y):
    while True:
        try:
            y = y + 0
        except BaseException:
            pass"""


@pytest.fixture(scope="module")
def marks(tmp_path_factory):
    """Points by learner and exercise, from a course made, handed out, answered and marked by nbgrader's commands."""
    root = tmp_path_factory.mktemp("nbgrader")
    course, work = root / "course", root / "work"
    here = str(Path(sys.executable).parent)             # nbgrader calls alembic by name
    environment = os.environ | {"PATH": os.pathsep.join([here, os.environ["PATH"]]), "AUDIOLAB_WORK": str(work),
                                "JUPYTER_CONFIG_DIR": str(root / "jupyter"), "HOME": str(root)}

    def nbgrader(*arguments):
        command = [sys.executable, "-m", "nbgrader", *arguments]
        done = subprocess.run(command, cwd=course, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stderr

    classroom.nbgrader("01", course)
    nbgrader("generate_assignment", NAME)
    released = json.loads((course / "release" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8"))
    learners = {
        "right": answered(released, {}),
        "stub": released,
        "mutants": answered(released, {
            "01.1": mutant_source("01.1", "includes_the_end"), "01.3": mutant_source("01.3", "rounds_to_multiples"),
            "01.6": mutant_source("01.6", "newer_neighbour")}),
        "tricks": tricked(released),
        "endless": answered(released, {"01.2": ENDLESS}),
    }
    for learner, notebook in learners.items():
        folder = course / "submitted" / learner / NAME
        folder.mkdir(parents=True)
        (folder / f"{NAME}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    said = nbgrader("autograde", NAME)
    assert "cannot be converted" not in said            # a result that nbgrader takes for a number of points
    assert not work.exists()                            # nothing recorded as the teacher's progress

    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db") as book:
        found = {}
        for learner in learners:
            grades = book.find_submission_notebook(NAME, NAME, learner).grades
            found[learner] = {grade.name[6:].replace("-", "."): grade.score for grade in grades}
            assert not any(grade.needs_manual_grade for grade in grades), learner
    return {"released": released, **found}


def expected(*wrong):
    return {id: 0 if id in wrong else points for id, points in POINTS.items()}


@pytest.mark.slow
def test_what_is_handed_out_holds_no_solution(marks):
    text = "\n".join("".join(cell["source"]) for cell in marks["released"]["cells"])
    assert text.count(STUB) == len(POINTS) + 1          # and once in the instructions
    assert "SOLUTION" not in text and "np.outer" not in text


@pytest.mark.slow
@pytest.mark.parametrize(("learner", "wrong"), [
    ("right", []), ("stub", list(POINTS)), ("mutants", ["01.1", "01.3", "01.6"]),
    ("tricks", ["01.2", "01.4", "01.6"]), ("endless", ["01.2"]),
])
def test_marks(marks, learner, wrong):
    assert marks[learner] == expected(*wrong)
