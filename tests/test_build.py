"""The author's tools, on a small course of their own in a temporary folder."""

import json
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from audiolab.checks.report import Outcome
from audiolab.claims import MIME
from tools import build, claims, clean, execute, twins

HEAD = """\
---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: audiolab
  language: python
  name: audiolab
---

"""

CHAPTER = HEAD + """\
# First

The tone is {{level of the tone|.1f}} dB down, which took {{seconds|.3g}} s.

```{code-cell} ipython3
:tags: [setup]

import helper
from audiolab import verify
from tqdm.auto import tqdm
```

Listen.

```{code-cell} ipython3
for _ in tqdm(range(3)):
    print("step")
verify("level of the tone", helper.LEVEL, close_to=-3.01, tol=0.1, unit="dB")
verify("seconds", 0.25, at_most=0.1, timing=True)
```

```{code-cell} ipython3
:tags: [raises-exception]

helper.fail()
```
"""

SOLUTION = HEAD + """\
# First: your turn

```{code-cell} ipython3
import os
```

```{code-cell} ipython3
:tags: [exercise-01.1]

def double(y):
    \"\"\"Twice as loud.\"\"\"
    # BEGIN SOLUTION
    gain = 2

    return gain * y
    # END SOLUTION
```

```{code-cell} ipython3
:tags: [exercise-01.2]

def mute(y):
    if len(y):
        # BEGIN SOLUTION
        return 0 * y
        # END SOLUTION
    return y
```

```{code-cell} ipython3
print(double(21), mute([1.0]))
print("mirror" if "AUDIOLAB_MIRROR" in os.environ else "no mirror", os.environ["OMP_NUM_THREADS"])
print("course" if os.environ["AUDIOLAB_WORK"].startswith(os.environ["AUDIOLAB_HOME"]) else "elsewhere")
```
"""

HELPER = "LEVEL = -3.0103\n\n\ndef fail():\n    raise ValueError('as it should')\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A course, built once."""
    root = tmp_path_factory.mktemp("course")
    for name, text in {"notebooks/text/01_first.md": CHAPTER, "solutions/text/01_first.md": SOLUTION,
                       "helper.py": HELPER, "requirements.lock": "numpy==2.0\n"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(root))
        patch.setenv("AUDIOLAB_MIRROR", "/somewhere")
        assert build.build(root) == []
    return root


@pytest.fixture
def course(built, tmp_path, monkeypatch):
    """A copy of the built course, to change."""
    root = tmp_path / "course"
    shutil.copytree(built, root)
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root


@pytest.fixture
def executed(monkeypatch):
    """Names of the folders whose notebooks a build sends to a kernel; none is started."""
    sent = []

    def run(nb, folder, env, title):
        sent.append(folder.name)
        raise twins.BuildError("not run in this test")

    monkeypatch.setattr(execute, "run", run)
    return sent


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def stored(root, folder="notebooks"):
    return nbformat.read(root / folder / "01_first.ipynb", as_version=4)


def outputs(*made, **metadata):
    """A notebook of one executed cell with these outputs."""
    return new_notebook(cells=[new_code_cell("x = 1", execution_count=1, outputs=list(made), metadata=metadata)])


def stream(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def display(**data):
    return new_output("display_data", data={kind.replace("_", "/", 1): value for kind, value in data.items()})


# ---- what a build makes -------------------------------------------------------------------------------

def test_numbers_measured_in_the_notebook_stand_in_its_prose(built):
    assert "The tone is -3.0 dB down, which took 0.25 s." in stored(built).cells[0].source


def test_a_progress_bar_leaves_nothing_and_its_prints_are_one_output(built):
    first, *rest = twins.code_cells(stored(built))[1].outputs
    assert first.text == "step\nstep\nstep\n"
    assert [output.data[MIME]["name"] for output in rest] == ["level of the tone", "seconds"]


def test_a_traceback_that_is_the_point_shows_the_cell_and_the_message_only(built):
    traceback = "\n".join(twins.code_cells(stored(built))[2].outputs[0].traceback)
    assert "as it should" in traceback and "Cell" in traceback
    assert "helper.py" not in traceback


def test_a_build_stores_what_the_notebook_used(built):
    assert set(stored(built).metadata.audiolab.uses) == {"helper.py", "requirements.lock"}
    assert set(stored(built, "solutions").metadata.audiolab.uses) == {"requirements.lock"}


def test_nothing_of_the_run_or_of_this_machine_is_stored(built):
    for folder in ("notebooks", "solutions"):
        nb = stored(built, folder)
        assert "widgets" not in nb.metadata and "version" not in nb.metadata.language_info
        assert all(set(cell.metadata) <= {"tags"} for cell in nb.cells)
        assert str(Path(built).name) not in (built / folder / "01_first.ipynb").read_text(encoding="utf-8")


def test_kernels_run_without_a_mirror_on_one_thread_and_away_from_the_learners_work(built):
    printed = twins.code_cells(stored(built, "solutions"))[-1].outputs[0].text
    assert printed == "42 []\nno mirror 1\nelsewhere\n"


def test_solutions_keep_their_marks_and_exercises_hold_stubs(built):
    assert "# BEGIN SOLUTION" in twins.code_cells(stored(built, "solutions"))[1].source
    _, double, mute, try_it = twins.code_cells(stored(built, "exercises"))
    assert double.source == 'def double(y):\n    """Twice as loud."""\n    raise NotImplementedError'
    assert mute.source == "def mute(y):\n    if len(y):\n        raise NotImplementedError\n    return y"
    assert double.metadata.tags == ["exercise-01.1"]
    assert all(not cell.outputs and cell.execution_count is None for cell in (double, mute, try_it))


def test_the_table_of_claims_has_a_row_for_each(built):
    page = (built / "benchmarks/CLAIMS.md").read_text(encoding="utf-8")
    link = "[notebooks/01_first](../notebooks/01_first.ipynb)"
    assert f"| {link} | level of the tone | -3.01 dB | -3.01 ± 0.1 dB |  |" in page
    assert f"| {link} | seconds | 0.25 | at most 0.1 | time, not enforced |" in page


# ---- what is executed again ---------------------------------------------------------------------------

def test_nothing_is_executed_or_written_when_nothing_changed(course, executed):
    before = {path: path.stat().st_mtime_ns for path in course.rglob("*.*") if path.is_file()}
    assert build.build(course) == [] and executed == []
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_changed_prose_is_stored_without_executing(course, executed):
    replace(course / "notebooks/text/01_first.md", "Listen.", "Listen twice.")
    kept = twins.code_cells(stored(course))
    assert build.build(course) == [] and executed == []
    assert stored(course).cells[2].source == "Listen twice."
    assert twins.code_cells(stored(course)) == kept


@pytest.mark.parametrize(("path", "old", "new", "expected"), [
    ("notebooks/text/01_first.md", "range(3)", "range(4)", {"notebooks"}),
    ("notebooks/text/01_first.md", "[raises-exception]", "[raises-exception, wide]", {"notebooks"}),
    ("solutions/text/01_first.md", "gain = 2", "gain = 3", {"solutions"}),
    ("helper.py", "LEVEL", "VOLUME", {"notebooks"}),
    ("requirements.lock", "2.0", "2.1", {"notebooks", "solutions"}),
])
def test_a_notebook_is_executed_again_when_its_code_or_what_it_uses_changed(course, executed, path, old, new, expected):
    replace(course / path, old, new)
    build.build(course)
    assert set(executed) == expected


def test_force_and_names_say_what_is_executed(course, executed):
    build.build(course, ["01"], force=True)
    assert sorted(executed) == ["notebooks", "solutions"]
    with pytest.raises(twins.BuildError, match="no chapter 07; there are 01_first"):
        build.build(course, ["07"])


def test_a_conflict_marker_in_a_stored_notebook_means_building_it_again(course, executed):
    (course / "notebooks/01_first.ipynb").write_text("<<<<<<< HEAD\n{}", encoding="utf-8")
    assert "notebooks/01_first.ipynb is missing or cannot be read" in build.check(course)
    build.build(course)
    assert executed == ["notebooks"]


# ---- what fails, and how ------------------------------------------------------------------------------

def test_a_failing_cell_is_named_and_the_stored_notebook_stays(course, capsys):
    before = (course / "notebooks/01_first.ipynb").read_bytes()
    replace(course / "helper.py", "LEVEL = -3.0103", "LEVEL = -9")
    assert build.main(["01"], course) == 1
    said = capsys.readouterr().out
    line = CHAPTER.splitlines().index("for _ in tqdm(range(3)):") + 1
    assert f"notebooks/text/01_first.md:{line}: cell [2]: ClaimError:" in said
    assert '    print("step")' in said
    assert (course / "notebooks/01_first.ipynb").read_bytes() == before
    assert not list(course.rglob(".01_first*"))


def test_output_that_must_not_be_stored_fails_the_build(course):
    before = (course / "solutions/01_first.ipynb").read_bytes()
    replace(course / "solutions/text/01_first.md", "print(double(21), mute([1.0]))",
            "import warnings; print(os.getcwd()); warnings.warn('loud'); open('left.txt', 'w').close()")
    [failure] = build.build(course)
    assert failure.startswith("solutions/text/01_first.md: the notebook leaves left.txt beside itself")
    replace(course / "solutions/text/01_first.md", "; open('left.txt', 'w').close()", "")
    [failure] = build.build(course)
    assert "shows a path of this machine" in failure and "warns:" in failure and "loud" in failure
    assert (course / "solutions/01_first.ipynb").read_bytes() == before


@pytest.mark.parametrize(("code", "limit", "said"), [
    ("while True: pass", 2, "the notebook's 2 s are over"),
    ("import os; os._exit(1)", 60, "the kernel died"),
])
def test_a_run_ends_when_its_time_is_over_or_its_kernel_is_gone(tmp_path, code, limit, said):
    nb = new_notebook(cells=[new_code_cell("1"), new_code_cell(code)], metadata=twins.METADATA)
    with pytest.raises(twins.BuildError, match=said) as caught:
        execute.run(nb, tmp_path, execute.environment(tmp_path, tmp_path), limit=limit)
    assert caught.value.cell.source == code
    assert not execute._running


@pytest.mark.parametrize(("prose", "said"), [
    ("{{nothing|.1f}}", 'no claim named "nothing"'),
    ("{{level of the tone}}", "names no format"),
    ("{{level of the tone|d}}", "Unknown format code 'd'"),
])
def test_a_number_that_cannot_be_filled_fails_the_build(course, executed, prose, said):
    replace(course / "notebooks/text/01_first.md", "Listen.", prose)
    [failure] = build.build(course)
    assert failure.startswith("notebooks/text/01_first.md: {{") and said in failure
    assert any(said in line for line in build.check(course))


def test_mathematics_with_single_braces_is_left_alone():
    nb = new_notebook(cells=[nbformat.v4.new_markdown_cell(r"$\frac{a}{b^{2}}$ and { {a|b} }")])
    assert twins.fill(nb, {}).cells[0].source == r"$\frac{a}{b^{2}}$ and { {a|b} }"


@pytest.mark.parametrize(("old", "new", "said"), [
    ("    # END SOLUTION", "", "do not pair"),
    (":tags: [exercise-01.1]\n", "", "a solution but no tag exercise-01"),
    ("exercise-01.2", "exercise-01.3", "expected exercise-01.1, exercise-01.2"),
    ("exercise-01.2", "exercise-02.2", "expected exercise-01.1, exercise-01.2"),
    ("import os", "import os\n```\n```{code-cell} ipython3\n:tags: [exercise-01.0]\npass", "holds no block"),
])
def test_marks_and_tags_of_a_solution_must_agree(tmp_path, old, new, said):
    path = tmp_path / "01_first.md"
    path.write_text(SOLUTION.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(twins.BuildError, match=said):
        twins.exercise(twins.read(path), "01")


def test_a_text_that_cannot_be_read_is_named(course):
    replace(course / "notebooks/text/01_first.md", ":tags: [setup]", ":tags: [setup")
    [failure] = build.build(course)
    assert failure.startswith("notebooks/text/01_first.md: cannot be read:")
    assert any(line.startswith("notebooks/text/01_first.md: cannot be read:") for line in build.check(course))


def test_one_name_for_two_results_is_an_error():
    record = {"name": "snr", "value": 1.0, "bound": {"at_least": 0.0}, "unit": "", "holds": True, "timing": False}
    assert list(claims.collect(outputs(display(**{MIME: record}), display(**{MIME: record})))) == ["snr"]
    with pytest.raises(twins.BuildError, match='two claims are named "snr"'):
        claims.collect(outputs(display(**{MIME: record}), display(**{MIME: {**record, "value": 2.0}})))


# ---- check --------------------------------------------------------------------------------------------

def test_check_is_content_after_a_build_and_executes_nothing(course, executed, capsys):
    assert build.main(["--check"], course) == 0
    assert capsys.readouterr().out == "All notebooks are in step.\n"
    assert executed == []


def test_check_allows_but_tells_a_change_in_what_a_notebook_uses(course, capsys):
    replace(course / "helper.py", "LEVEL", "VOLUME")
    assert build.main(["--check"], course) == 0
    assert capsys.readouterr().out == ("note: notebooks/01_first.ipynb was executed before helper.py changed\n"
                                       "All notebooks are in step.\n")


@pytest.mark.parametrize(("path", "old", "new", "said"), [
    ("notebooks/text/01_first.md", "Listen.", "Look.", 'cell 3 differs from the text: "Look."'),
    ("notebooks/text/01_first.md", "range(3)", "range(4)", "its text differs from code cell [2]"),
    ("notebooks/text/01_first.md", "helper.fail()\n```\n", "helper.fail()\n```\n\n```{code-cell}\n1\n```\n",
     "its text differs from code cell [4]"),
    ("notebooks/01_first.ipynb", "-3.0 dB down", "-4.0 dB down", "cell 1 differs from the text"),
    ("notebooks/01_first.ipynb", "helper.fail()", "helper.succeed()", "its text differs from code cell [3]"),
    ("notebooks/01_first.ipynb", '"execution_count": 2', '"execution_count": 7', "was not run in its turn"),
    ("notebooks/01_first.ipynb", '"execution_count": 2', '"execution_count": null', "it was never run"),
    ("solutions/text/01_first.md", "your turn", "now you", "exercises/01_first.ipynb is not what its solution makes"),
    ("exercises/01_first.ipynb", "raise NotImplementedError", "return y",
     "exercises/01_first.ipynb is not what its solution makes"),
    ("benchmarks/CLAIMS.md", "0.25", "0.24", "benchmarks/CLAIMS.md is not the table of the stored notebooks"),
])
def test_check_names_what_is_out_of_step(course, path, old, new, said, capsys):
    replace(course / path, old, new)
    assert build.main(["--check"], course) == 1
    out = capsys.readouterr().out
    assert said in out and out.endswith("Run `make notebooks`.\n")


def test_check_names_missing_and_orphaned_notebooks(course):
    (course / "solutions/01_first.ipynb").unlink()
    shutil.copy(course / "notebooks/01_first.ipynb", course / "notebooks/02_second.ipynb")
    assert build.check(course) == [
        "solutions/01_first.ipynb is missing or cannot be read",
        "notebooks/02_second.ipynb has no text notebooks/text/02_second.md: delete it or write one",
    ]


def test_a_cells_id_follows_its_text_and_not_its_place(tmp_path):
    path = tmp_path / "01_first.md"
    path.write_text(CHAPTER, encoding="utf-8")
    before = {cell.source: cell.id for cell in twins.read(path).cells}
    path.write_text(CHAPTER.replace("Listen.", "Listen.\n\n```{code-cell}\n1\n```\n\n```{code-cell}\n1\n```\n"),
                    encoding="utf-8")
    after = twins.read(path).cells
    assert {cell.source: cell.id for cell in after if cell.source != "1"} == before
    assert len({cell.id for cell in after}) == len(after)


# ---- outputs ------------------------------------------------------------------------------------------

def test_a_widget_leaves_its_static_picture():
    live = {clean.WIDGET: {"model_id": "abc"}}
    nb = outputs(display(**live, text_plain="VBox()"), display(**live, text_plain="a spectrum", text_html="<b>♪</b>"))
    assert len(clean.problems(nb, Path("/course"))) == 2
    clean.clean(nb)
    assert [dict(out.data) for out in nb.cells[0].outputs] == [{"text/plain": "a spectrum", "text/html": "<b>♪</b>"}]
    assert clean.problems(nb, Path("/course")) == []


def test_overwritten_lines_and_progress_bars_go_and_warnings_stay_to_be_reported():
    bar = "\r  0%|          | 0/10 [00:00<?, ?it/s]\r100%|██████████| 10/10 [00:01<00:00, 9.9it/s, loss=0.1]\n"
    nb = outputs(stream("a"), stream("b\rc\n"), stream(bar, "stderr"), stream("\r3it [00:00, 4.1it/s]", "stderr"))
    assert any("warns" in line for line in clean.problems(nb, Path("/course")))
    clean.clean(nb)
    assert [(out.name, out.text) for out in nb.cells[0].outputs] == [("stdout", "c\n")]
    nb = outputs(stream(bar, "stderr"), stream("\r3it [00:00, 4.1it/s]Careful\n", "stderr"))
    clean.clean(nb)
    assert "Careful" in nb.cells[0].outputs[0].text
    assert any("warns" in line for line in clean.problems(nb, Path("/course")))


@pytest.mark.parametrize("text", [
    "saved to /course/notebooks/a.wav", "/tmp/xyz", "file:///home/me/a.wav", "/Users/me/a.wav", r"C:\Users\me\a.wav",
    "'/root/a.wav'", str(Path.home() / "a"),
])
def test_a_path_of_the_machine_is_found(text):
    for output in (stream(f"\x1b[32m{text}\x1b[39m:31"), display(text_plain=text), display(text_html=f"<p>{text}</p>"),
                   display(application_json={"path": text})):
        [problem] = clean.problems(outputs(output), Path("/course"))
        assert "shows a path of this machine" in problem


@pytest.mark.parametrize("text", [
    "https://example.org/home/page", "and/or", "1/2", "coursework", "../notebooks/01.ipynb", "the /coursework folder",
    '<audio src="data:audio/mpeg;base64,AAAA/tmp/AAAA/root/AAAA+=="></audio>',
])
def test_what_only_looks_like_a_path_is_not(text):
    assert clean.problems(outputs(display(text_html=text)), Path("/course")) == []


@pytest.mark.parametrize(("output", "said"), [
    (new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"]), "raises ValueError: no"),
    (stream("Traceback (most recent call last)\n"), "prints a traceback"),
    (display(text_plain="<Figure size 640x480 with 1 Axes>"), "a figure without alternative text"),
    (display(text_plain="<Line2D at 0x7f65b79b0310>"), "an address in memory"),
])
def test_what_no_reader_should_see_is_found(output, said):
    [problem] = clean.problems(outputs(output), Path("/course"))
    assert said in problem and problem.startswith('cell [1] "x = 1"')


def test_a_cell_that_is_to_raise_must():
    error = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
    assert clean.problems(outputs(error, tags=["raises-exception"]), Path("/course")) == []
    [problem] = clean.problems(outputs(tags=["raises-exception"]), Path("/course"))
    assert "raises nothing" in problem


@pytest.mark.parametrize(("state", "expected"), [("passed", 0), ("failed", 1), ("unattempted", 1), ("error", 1)])
def test_a_check_that_does_not_pass_is_found(state, expected):
    said = repr(Outcome("01.2", "rms_dbfs", state, "edges", "It returned None."))
    assert len(clean.failed_checks(outputs(display(text_plain=said), stream("✗ 01.2 printed")))) == expected


def test_a_notebook_that_is_too_large_is_found(course):
    path = course / "notebooks/01_first.ipynb"
    nb = json.loads(path.read_text(encoding="utf-8"))
    nb["cells"][3]["outputs"].append({"output_type": "stream", "name": "stdout", "text": ["a" * 1_100_000]})
    path.write_text(json.dumps(nb), encoding="utf-8")
    assert any("MB; 1 MB is the most" in line for line in build.check(course))
