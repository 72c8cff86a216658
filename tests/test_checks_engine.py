"""The exercise engine, with exercises of its own: stages, messages, the worker, notebooks, what is remembered."""

import json
import linecache
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from audiolab.checks import desk, learner, report, sheet, spec, stages, store, worker
from audiolab.checks.spec import Exercise, edge_signals

# -- exercises to test with --------------------------------------------------------------------------

double = Exercise(
    "98.1", "double(y, times=1)",
    example=lambda: (np.linspace(-1, 1, 8, dtype=np.float32),),
    hints=["A first nudge.", "A second, nearer."],
    learned="Twice is 6 dB.",
    seconds=1.0,
)


@double.output
def same_form(t, got, y, times=1):
    t.array(got, shape=y.shape, dtype=np.float32)


@double.edges
def at_the_edge(t):
    for name, y in edge_signals("silence", "impulse", "DC", "odd length", "one sample", "stereo"):
        t.close(t.on(name)(y), 2 * y, atol=1e-6)


@double.properties
def doubles_twice(t):
    y = t.rng.normal(size=5).astype(np.float32)
    ask = "How often does your loop run?"
    t.holds(np.allclose(t(y, times=2), 4 * y), "Twice over should be **four** times.", ask=ask)


@double.reference
def agrees(t):
    y = t.rng.normal(size=500).astype(np.float32)
    t.close(t.on("noise")(y), 2 * y, rtol=1e-6)


@double.mistake("That is the square.", ask="Is `y ** 2` twice `y`?")
def square(y, times=1):
    return y ** (2**times)


frequency = Exercise("98.2", "frequency", example=lambda: (), hints=["Look.", "Count."])


@frequency.output
def a_number(t, got):
    t.number(got)


@frequency.reference
def is_right(t):
    t.close(t(), 3000, says="Count again.")


@frequency.mistake("That is the sample rate less the tone, halved.")
def halved():
    return 1500


class Gain:
    """An answer that is a class."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, y):
        return self.factor * y


gain = Exercise("98.3", "Gain(factor)", example=lambda: (2.0,), hints=["One.", "Two."])


@gain.output
def can_be_called(t, got, factor):
    t.holds(callable(got), "It cannot be called.")


@gain.reference
def multiplies(t):
    y = np.ones(3)
    t.close(t.call(t(2.0), y), 2 * y)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A course of one chapter, 98, in an empty folder."""
    (tmp_path / "exercises").mkdir()
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.delenv("AUDIOLAB_WORK", raising=False)
    monkeypatch.setattr(spec, "chapters", lambda: {"98": "c98_toy"})
    monkeypatch.setattr(learner, "chapters", lambda: {"98": "c98_toy"})
    toys = {one.id: one for one in (double, frequency, gain)}

    def exercises(chapter):
        if chapter != "98":
            raise spec.ExerciseError(f"Chapter {chapter!r} has no exercises")
        return toys

    monkeypatch.setattr(spec, "exercises", exercises)
    monkeypatch.setattr(learner, "exercises", exercises)
    return tmp_path


def written(source, name="double"):
    """An answer as a notebook makes it: from a source that only this process knows."""
    filename = f"<cell {abs(hash(source))}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace = {"__name__": "__main__", "np": np}
    exec(compile(source, filename, "exec"), namespace)
    return namespace[name]


def outcome_of(body, id="98.1"):
    return desk.check(id, written(f"def double(y, times=1):\n    {body}\n"))


# -- stages ------------------------------------------------------------------------------------------


def test_right_answer_passes_and_says_what_was_checked():
    outcome = outcome_of("return y * np.float32(2**times)")
    assert outcome and outcome.state == "passed"
    assert "Twice is 6 dB." in outcome.text and "edge signals" in outcome.text
    assert outcome.comparisons > 10


@pytest.mark.parametrize(
    ("body", "state", "stage", "says"),
    [
        ("raise NotImplementedError", "unattempted", "", "not attempted"),
        ("return None", "failed", "output", "returns None"),
        ("return list(y)", "failed", "output", "of type list, expected an array"),
        ("return y[:, None] * 2", "failed", "output", "[8, 1], expected [8]"),
        ("return y.astype(float)", "failed", "output", "float64, expected float32"),
        ("return 0 * y / np.float32(y > 0)", "failed", "output", "4 NaN, the first at index 0"),
        ("return np.float32(2) * y if y.any() else y / 0", "failed", "edges", "For silence"),
        ("return y * np.float32(2) if len(y) > 1 else y", "failed", "edges", "a single sample"),
        ("return y * np.float32(2)", "failed", "properties", "four times. Called as"),
        ("return y * np.float32(2**times * (1 + 1e-4 * (len(y) == 500)))", "failed", "reference", "For noise"),
        ("y *= 2; return y", "failed", "runs", "changes its argument `y`"),
        ("return y / undefined", "failed", "runs", "NameError"),
        ("return y[99]", "failed", "runs", "Line 2 of your code: `return y[99]`"),
        ("exit(3)", "failed", "runs", "ends the whole program"),
        ("return double(y)", "failed", "runs", "calls itself and never stops"),
        ("return float(input())", "failed", "runs", "waits for someone to type"),
        ("return np.ones(2**36)", "failed", "runs", "more memory"),
        ("x = []\n    while True: x += [bytes(10**7)]", "failed", "runs", "more memory"),
        ("import os; os._exit(0)", "failed", "runs", "ended the Python process"),
        ("x = 1\n    while True:\n        x = -x", "failed", "runs", "had not finished after 1 s"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_wrong_answers(body, state, stage, says):
    if "memory" in says and sys.platform != "linux":
        pytest.skip("the limit on memory is Linux's")
    outcome = outcome_of(body)
    assert (outcome.state, outcome.stage) == (state, stage), outcome.text
    assert says in outcome.text
    assert "Traceback" not in outcome.text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("def double(y): return y", "will be called as `double(y, times=1)`, yours is `double(y)`"),
        ("def double(y, sr, times=1): return y", "missing a required argument: 'sr'"),
        ("double = 3", "should be a function; you handed over something of type int"),
    ],
)
def test_signature(answer, says):
    outcome = desk.check("98.1", written(answer))
    assert outcome.stage == "signature" and says in outcome.text


def test_what_is_right_comes_first_then_the_seed():
    text = outcome_of("return y * np.float32(2)").text
    assert text.index("edge signals pass") < text.index("four times") < text.index("How often") < text.index("seed 7")


def test_a_known_mistake_is_named_and_its_question_asked():
    outcome = outcome_of("return y ** (2**times)")
    assert outcome.named == "That is the square." and "Is `y ** 2` twice `y`?" in outcome.text


def test_a_known_mistake_is_not_named_where_it_does_no_harm():
    harmless = Exercise("98.6", "size(y)", example=lambda: (np.ones(2),), hints=[])
    harmless.output(lambda t, got, y: t.number(got))

    @harmless.edges
    def of_either_sign(t):
        first, second = t(np.full(2, -3.0)), t(np.full(2, 3.0))
        t.holds(second == 3, "Wrong for 3.")
        t.holds(first == 3, "Wrong for -3.")
        t.holds(False, "It says so too loudly.", values=False)

    harmless.mistake("The sign is kept.")(lambda y: y[0])
    assert desk.judge(harmless, stages.judge, lambda y: y[0], seed=7).named == "The sign is kept."
    for other in (lambda y: 9 if y[0] < 0 else y[0], lambda y: abs(y[0]), lambda y: 3 if y[0] == -3 else y[0] + 1):
        outcome = desk.judge(harmless, stages.judge, other, seed=7)
        assert outcome.state == "failed" and not outcome.named, outcome.text


def test_a_known_mistake_is_named_where_an_answer_returns_several_things():
    both = Exercise("98.7", "both(y)", example=lambda: (np.arange(4.0),), hints=[])
    both.output(lambda t, got, y: t.close(got[0], 2 * y, says="Wrong."))
    both.mistake("That is the square.")(lambda y: (y**2, y.sum()))
    for answer, named in ((lambda y: (y**2, y.sum()), "That is the square."), (lambda y: (y**2, y.max()), "")):
        assert desk.judge(both, stages.judge, answer, seed=7).named == named


def test_endless_loop_names_the_line_that_runs():
    outcome = outcome_of("x = 1\n    while True:\n        x = -x")
    assert "`while True:`" in outcome.text or "`x = -x`" in outcome.text


def test_an_answer_that_fails_only_late_is_reported_there():
    outcome = outcome_of("while not y.any(): pass\n    return y * np.float32(2)")
    assert outcome.stage == "edges" and "For silence, it had not finished" in outcome.text


def test_helpers_lambdas_and_modules_of_the_notebook_travel():
    helper = "import numpy as xp\nk = xp.float32(2)\ndef helper(y, n): return y * k**n\n"
    assert desk.check("98.1", written(f"{helper}double = lambda y, times=1: helper(y, times)"))


def test_cached_functions_travel():
    helper = "import functools\n@functools.cache\ndef power(n): return 2 * power(n - 1) if n else np.float32(1)\n"
    assert desk.check("98.1", written(f"{helper}def double(y, times=1): return y * power(times)"))
    answer = "import functools\n@functools.lru_cache(maxsize=2)\ndef Gain(factor): return lambda y: factor * y\n"
    assert desk.check("98.3", written(answer, "Gain"))
    library = "from audiolab.corpora.music import chorale\n"
    answer = "def double(y, times=1): return y * np.float32(2**times) if chorale.cache_info() else y\n"
    assert desk.check("98.1", written(library + answer))


def test_something_that_cannot_travel_is_named():
    lock = "import threading\nlock = threading.Lock()\n"
    outcome = desk.check("98.1", written(f"{lock}def double(y, times=1):\n    with lock: return y"))
    assert "`lock`" in outcome.text and outcome.stage == "runs"


def test_printing_a_lot_does_no_harm(capfd):
    assert outcome_of("print('x' * 10**7)\n    return y * np.float32(2**times)")
    assert not capfd.readouterr().out


@pytest.mark.parametrize(
    ("answer", "state", "stage"),
    [
        (..., "unattempted", ""), (3000, "passed", ""), (np.float32(3000), "passed", ""), (None, "failed", "output"),
        (np.nan, "failed", "output"), ([3000], "failed", "output"), (print, "failed", "signature"),
        (1500, "failed", "reference"),
    ],
)
def test_an_answer_that_is_a_value(answer, state, stage):
    outcome = desk.check("98.2", answer)
    assert (outcome.state, outcome.stage) == (state, stage), outcome.text


def test_an_answer_that_is_a_class():
    assert desk.check("98.3", Gain)
    start = "class Gain:\n    def __init__(self, factor): "
    wrong = written(f"{start}pass\n    def __call__(self, y): return y / None", "Gain")
    assert "TypeError" in desk.check("98.3", wrong).text
    stub = written(f"{start}raise NotImplementedError", "Gain")
    assert desk.check("98.3", stub).state == "unattempted"


def test_strict_raises():
    with pytest.raises(report.CheckFailed, match=r"98\.2 frequency — not yet"):
        desk.check("98.2", 1, strict=True)
    assert desk.check("98.2", 3000, strict=True)
    with pytest.raises(spec.ExerciseError):
        desk.check("98.9", 1, strict=True)


def test_unknown_exercise_is_one_line():
    note = desk.check("98.9", 1)
    assert not note and "98.1, 98.2, 98.3" in repr(note)


def test_a_check_that_compares_nothing_is_an_error():
    idle = Exercise("98.4", "idle(y)", example=lambda: (np.ones(2),), hints=[])
    idle.output(lambda t, got, y: t.array(got))
    idle.properties(lambda t: t(np.ones(3)))
    outcome = desk.judge(idle, stages.judge, lambda y: y, seed=7)
    assert outcome.state == "error" and "compared nothing" in outcome.text
    assert "not to blame" in outcome.text


def test_a_fault_of_the_check_is_not_put_on_the_learner():
    broken = Exercise("98.5", "broken(y)", example=lambda: (np.ones(2),), hints=[])
    broken.output(lambda t, got, y: t.array(got))
    broken.reference(lambda t: 1 / 0)
    outcome = desk.judge(broken, stages.judge, lambda y: y, seed=7)
    assert outcome.state == "error" and "ZeroDivisionError" in outcome.text


# -- comparing ---------------------------------------------------------------------------------------


@dataclass
class Tensor:
    """Quacks like torch's."""

    array: np.ndarray

    def detach(self):
        return self

    def cpu(self):
        return self.array


@pytest.mark.parametrize(
    ("got", "want", "equal"),
    [
        (1.0, 1.0, True), (1, 1.5, False), ([1, 2], (1, 2), True), (np.inf, np.inf, True), (-np.inf, np.inf, False),
        (np.nan, np.nan, True), (1.0, np.nan, False), (1.0, np.inf, False), (1 + 1j, 1 + 1j, True),
        (np.ones((2, 1)), np.ones(2), False), ("ab", "ab", True), (["a"], ["b"], False),
        (np.zeros(0), np.zeros(0), True),
        (Tensor(np.ones(2)), np.ones(2), True), (np.uint8(1), np.uint8(2), False), (True, True, True),
    ],
)
def test_close(got, want, equal):
    t = stages.Trial(double, None, 7, lambda *_: None)
    try:
        t.close(got, want, rtol=0.1)
    except stages.Wrong as wrong:
        assert not equal, wrong.says
    else:
        assert equal
    assert t.comparisons == 1


@pytest.mark.parametrize(
    ("was", "now", "equal"),
    [
        ([1, {"a": np.ones(2)}], [1, {"a": np.ones(2)}], True), ([1, 2], [1], False), ({"a": 1}, {"a": 2}, False),
        (np.random.default_rng(1), np.random.default_rng(2), True), (np.ones(2), np.ones(2, np.float32), False),
        ({"a": 1}, {"b": 1}, False), (np.full(2, np.nan), np.full(2, np.nan), True),
    ],
)
def test_whether_an_argument_was_changed(was, now, equal):
    assert stages.same(was, now) == equal


def test_edge_signals_are_what_they_say():
    found = dict(edge_signals("silence", "impulse", "DC", "odd length", "one sample", "stereo", n=10))
    assert [y.shape for y in found.values()] == [(10,), (10,), (10,), (11,), (1,), (2, 10)]
    assert all(y.dtype == np.float32 for y in found.values())


# -- what is shown -----------------------------------------------------------------------------------


def test_a_tolerance_is_never_below_zero():
    """The magnitude of the lowest whole number is none of its own type."""
    assert stages.tolerance(np.array([-128], np.int8), 0.0, 1e-5) > 0


def test_picture_of_yours_beside_expected():
    outcome = outcome_of("return y * np.float32(2**times + (len(y) == 500))")
    assert outcome.stage == "reference" and len(outcome.picture[0]) == 240
    page = outcome._repr_html_()
    assert "<img alt='Yours (orange, dashed) over expected (blue)" in page and "data:image/png" in page


def test_matrices_are_drawn_side_by_side():
    png, alt = report.draw(*stages.excerpt(np.ones((3, 4)), np.zeros((3, 4))))
    assert png.startswith(b"\x89PNG") and "Two matrices" in alt


def test_picture_lies_where_the_error_is():
    a, b = np.zeros(5000), np.zeros(5000)
    a[4000] = 1
    got, _, start = stages.excerpt(a, b)
    assert got[4000 - start] == 1 and len(got) == 240


def test_html_is_escaped_and_code_stays_as_it_is():
    assert report.marked("a **b** `x**2 < **y` <i>") == "a <b>b</b> <code>x**2 &lt; **y</code> &lt;i&gt;"
    assert report.plain("a **b** `x**2`") == "a b `x**2`"


def test_html_says_nothing_by_colour_alone():
    assert "✗ 98.1 double — not yet." in outcome_of("return None")._repr_html_()


# -- the worker --------------------------------------------------------------------------------------


def test_a_frame_between_two_lines_is_looked_at_again(tmp_path, monkeypatch):
    main, over = threading.main_thread().ident, threading.Event()
    code = SimpleNamespace(co_filename="answer.py")
    frames = iter([SimpleNamespace(f_code=code, f_lineno=None, f_back=None),
                   SimpleNamespace(f_code=code, f_lineno=7, f_back=None)])
    monkeypatch.setattr(worker.sys, "_current_frames", lambda: {main: next(frames)})
    monkeypatch.setattr(worker.Path, "write_text", lambda path, text, _: (over.set(), path.write_bytes(text.encode())))
    worker._write_line(tmp_path / "line", 0.0, [time.monotonic()], over)
    assert worker._line(tmp_path / "line") == ("answer.py", 7, "")


def test_the_process_stays_warm_and_comes_back_after_a_kill():
    first = worker.run(_pid, seconds=5)
    assert worker.run(_pid, seconds=5) == first != os.getpid()
    with pytest.raises(worker.Stopped) as stopped:
        worker.run(_hang, seconds=0.3)
    assert stopped.value.why == "time" and stopped.value.stage == "runs"
    assert worker.run(_pid, seconds=5) != first


def test_what_an_answer_switches_off_is_on_for_the_next():
    before = worker.run(_settings, seconds=5)
    answer = "import warnings\n    np.seterr(all='raise'); warnings.simplefilter('error')\n"
    assert outcome_of(f"{answer}    return y * np.float32(2**times)")
    assert worker.run(_settings, seconds=5) == before


def test_a_process_killed_while_idle_is_replaced():
    os.kill(worker.run(_pid, seconds=5), 9 if sys.platform != "win32" else 15)
    time.sleep(0.2)
    assert worker.run(_pid, seconds=5)


def test_a_process_that_loads_a_large_library_stays():
    first = worker.run(_pid, seconds=5)
    time.sleep(1.1)                     # loky looks at the memory once a second at most
    worker.run(_grow, seconds=5)
    try:
        assert worker.run(_pid, seconds=5) == first
    finally:
        worker.run(_shrink, seconds=5)


@pytest.mark.skipif(sys.platform == "win32", reason="a process there does not know its parent")
def test_the_process_ends_with_its_kernel():
    code = (
        "import os, sys; sys.path.insert(0, 'tests'); from audiolab.checks import worker;"
        "from test_checks_engine import _pid; print(worker.run(_pid, seconds=5), flush=True); os.kill(os.getpid(), 9)"
    )
    folder = os.path.dirname(os.path.dirname(__file__))
    child = int(subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True).stdout)
    for _ in range(50):
        if not _alive(child):
            return
        time.sleep(0.1)
    pytest.fail("the worker outlived its kernel")


def _alive(pid):
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def _pid(note):
    return os.getpid()


def _grow(note):
    sys.kept = np.ones(400 * 2**20, np.uint8)


def _shrink(note):
    vars(sys).pop("kept", None)         # of another process, if that one has ended


def _settings(note):
    return np.geterr(), len(warnings.filters), os.getpid()


def _hang(note):
    note("runs", "")
    while True:
        pass


# -- what is remembered ------------------------------------------------------------------------------


def test_progress_hints_and_solution(home):
    text = home / "solutions" / "text"
    text.mkdir(parents=True)
    (text / "98_toy.md").write_text(
        "# Toy\n\n```{code-cell} ipython3\n:tags: [exercise-98.1]\n\ndef double(y, times=1):\n"
        "    # BEGIN SOLUTION\n    return y * 2**times\n    # END SOLUTION\n```\n"
    )
    assert "hint 1 of 2" in repr(desk.hint("98.1"))
    assert "That was the last" in repr(desk.hint("98.1"))
    assert "1. A first nudge.\n2. A second, nearer." in repr(desk.hint("98.1"))
    outcome_of("raise NotImplementedError")
    assert not desk.solution("98.1") and "opens once" in repr(desk.solution("98.1"))
    outcome_of("return y")
    assert "return y * 2**times" in repr(desk.solution("98.1")) and "SOLUTION" not in repr(desk.solution("98.1"))
    assert "```python\ndef double" in desk.solution("98.1")._repr_markdown_()
    assert "◐ tried  1" in repr(sheet.progress())
    outcome_of("return y * np.float32(2**times)")
    outcome_of("return y")
    assert "✓ right  3" in repr(sheet.progress()) and "1 of 3 exercises right" in repr(sheet.progress())
    assert "<table>" in sheet.progress()._repr_html_()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"exercises": []}', '{"exercises": {"98.1": 3}}', "\x00\xff"])
def test_a_corrupt_record_is_set_aside_and_said(home, content):
    path = home / "work" / "progress.json"
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    desk.check("98.2", 3000)
    assert json.loads(path.read_text())["exercises"]["98.2"]["passed"]
    kept = next(path.parent.glob("progress.corrupt-*.json"))
    assert kept.read_bytes() == content.encode("latin-1")
    assert kept.name in repr(sheet.progress())


def test_two_kernels_at_once_lose_nothing(home):
    spawn = multiprocessing.get_context("spawn")
    kernels = [spawn.Process(target=_record_many, args=(str(home),)) for _ in range(2)]
    for one in kernels:
        one.start()
    for one in kernels:
        one.join()
    assert store.entry("98.1")["attempts"] == 100


def _record_many(home):
    os.environ["AUDIOLAB_HOME"] = home
    os.environ.pop("AUDIOLAB_WORK", None)
    for _ in range(50):
        store.record("98.1", "failed")


def test_a_lock_left_by_a_crash_is_taken_over(home):
    lock = home / "work" / "progress.lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (0, 0))
    store.record("98.1", "failed")
    assert store.entry("98.1")["attempts"] == 1 and not lock.exists()


def test_a_record_that_cannot_be_written_does_not_cost_the_answer(home):
    (home / "work").write_text("a file where the folder should be")
    assert desk.check("98.2", 3000)
    assert "hint 1 of 2" in repr(desk.hint("98.2"))


# -- notebooks ---------------------------------------------------------------------------------------


def code(source, *tags, id):
    stored = {"outputs": [], "execution_count": None}
    return {"cell_type": "code", "id": id, "metadata": {"tags": list(tags)}, "source": source, **stored}


def save(path, *cells):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


SETUP = code("import numpy as np\n%matplotlib inline", "setup", id="setup")
STUB = code(["def double(y, times=1):\n", "    raise NotImplementedError"], "exercise-98.1", id="one")
VALUE = code("frequency = ...\nraise NotImplementedError", "exercise-98.2", id="two")
ANSWER = code("def double(y, times=1):\n    return y * np.float32(2**times)", "exercise-98.1", id="one")


@pytest.fixture
def shipped(home):
    return save(home / "exercises" / "98_toy.ipynb", SETUP, STUB, VALUE)


def cells_of(path):
    return json.loads(path.read_text())["cells"]


def mine(home):
    return home / "work" / "98_toy.ipynb"


def test_start_fills_work_and_never_touches_an_edited_copy(home, shipped):
    assert "98_toy.ipynb: new" in repr(desk.start())
    assert cells_of(mine(home)) == cells_of(shipped)
    assert "Nothing new" in repr(desk.start())
    save(shipped, SETUP, STUB, VALUE, code("1", id="new"))
    assert "replaced" in repr(desk.start())
    assert cells_of(mine(home)) == cells_of(shipped)
    save(mine(home), SETUP, ANSWER, VALUE)
    assert "Nothing new" in repr(desk.start())
    save(shipped, SETUP, STUB, code("2", id="newer"))
    assert "stays" in repr(desk.start())
    assert "np.float32" in mine(home).read_text()


def test_a_copy_that_was_only_run_counts_as_untouched(home, shipped):
    desk.start()
    notebook = json.loads(mine(home).read_text())
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    notebook["cells"][0] |= {"execution_count": 3, "outputs": [output]}
    mine(home).write_text(json.dumps(notebook))
    save(shipped, SETUP, STUB)
    assert "replaced" in repr(desk.start())


def test_reset_restores_a_cell_and_keeps_a_backup(home, shipped):
    desk.start()
    note = code("my own", id="mine")
    save(mine(home), SETUP, note, ANSWER, {**ANSWER, "id": "split"}, VALUE)
    assert "work/backups/98_toy-" in repr(desk.reset("98.1"))
    cells = json.loads(mine(home).read_text())["cells"]
    assert [cell["id"] for cell in cells] == ["setup", "mine", "one", "two"]
    assert "NotImplementedError" in "".join(cells[2]["source"])
    assert "np.float32" in next((home / "work" / "backups").iterdir()).read_text()


def test_reset_brings_back_a_deleted_cell_where_it_was(home, shipped):
    save(mine(home), SETUP, VALUE)
    desk.reset("98.1")
    assert [cell["id"] for cell in json.loads(mine(home).read_text())["cells"]] == ["setup", "one", "two"]


def test_reset_waits_for_a_save_in_a_notebook(home, shipped, monkeypatch):
    import IPython

    desk.start()
    path = mine(home)
    before = path.read_bytes()
    monkeypatch.setattr(IPython, "get_ipython", lambda: type("Shell", (), {"kernel": None})())
    os.utime(path, (0, 0))
    assert not desk.reset("98.1") and path.read_bytes() == before
    os.utime(path)
    assert desk.reset("98.1")


def test_an_attempt_need_not_count(home):
    desk.check("98.1", lambda y, times=1: y, record=False)
    assert "98.1" not in store.read().get("exercises", {})


def test_reset_of_a_notebook(home, shipped):
    assert desk.reset("98") and mine(home).exists()           # nothing there yet: no backup to speak of
    mine(home).write_text("{broken")
    assert "cannot be read" in " ".join(repr(desk.reset("98.1")).split())       # a long folder name breaks the line
    desk.reset("98")
    desk.reset("98")
    assert cells_of(mine(home)) == cells_of(shipped)
    assert len(list((home / "work" / "backups").iterdir())) == 3


def outcomes(path=None, which="98"):
    return {one.id: one for one in desk.check_notebook(which, path)}


def test_answers_are_read_from_the_notebook(home, shipped):
    desk.start()
    assert {one.state for id, one in outcomes().items() if id != "98.3"} == {"unattempted"}
    save(mine(home), SETUP, ANSWER, code("frequency = 1", "exercise-98.2", id="two"))
    found = outcomes()
    assert found["98.1"] and found["98.2"].stage == "reference"
    assert "no cell tagged exercise-98.3" in found["98.3"].text
    assert store.entry("98.1")["passed"]


def test_one_broken_answer_leaves_the_others_alone(home):
    path = save(
        home / "other.ipynb", SETUP, code("def double(y, times=1:\n  return", "exercise-98.1", id="a"),
        code("import sys; sys.exit()\nfrequency = 3000", "exercise-98.2", id="b"),
        code("class Gain(float):\n    def __call__(self, y): return self * y", "exercise-98.3", id="c"),
    )
    found = outcomes(path)
    assert "SyntaxError" in found["98.1"].text and "Line 1 of your code: `def double(y, times=1:`" in found["98.1"].text
    assert "SystemExit" in found["98.2"].text
    assert found["98.3"], found["98.3"].text
    assert not store.entry("98.3"), "someone else's notebook is not the learner's progress"


def test_renamed_answer_and_endless_cell(home):
    path = save(home / "other.ipynb", SETUP, code("def twice(y): return y", "exercise-98.1", id="a"))
    assert "defines no double" in outcomes(path, "98.1")["98.1"].text
    save(path, SETUP, code("while True: pass", "exercise-98.1", id="a"))
    assert "had not finished after 1 s" in outcomes(path, "98.1")["98.1"].text
    save(path, code("import nonsense", "setup", id="s"), ANSWER)
    assert "setup cell stopped with ModuleNotFoundError" in outcomes(path, "98.1")["98.1"].text


def test_cells_of_a_text_twin(home):
    path = home / "twin.md"
    path.write_text(
        "---\njupytext: {}\n---\n```{code-cell} ipython3\nx = 1\n```\ntext\n```python\nno = 1\n```\n"
        "```{code-cell} ipython3\n:tags: [setup, hide-input]\n\ny = 2\nz = 3\n```\n"
        "```{code-cell} ipython3\n---\ntags:\n- exercise-98.1\n---\nw = 4\n```\n"
    )
    assert [(cell.source, cell.tags) for cell in learner.cells(path)] == [
        ("x = 1", []), ("y = 2\nz = 3", ["setup", "hide-input"]), ("w = 4", ["exercise-98.1"]),
    ]


def test_import_is_light():
    heavy = "{'matplotlib', 'scipy', 'loky', 'numpy'}"
    code = f"import sys, audiolab.checks; print(len({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "0"


def test_copies_hold_no_results(home, shipped):
    notebook = json.loads(shipped.read_text())
    output = {"output_type": "stream", "name": "stdout", "text": "x"}
    notebook["cells"][0] |= {"execution_count": 3, "outputs": [output]}
    shipped.write_text(json.dumps(notebook))
    desk.start()
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells_of(mine(home)))


@pytest.mark.parametrize("got, words", [
    ((3, 1.0), "(3, 1.0)"), ([0.1 + 0.2, np.int64(4)], "(0.3, 4)"), ((3, [1, 2]), "(3, [1, 2])"), (None, "None"),
    (np.zeros((2, 3)), "an array of shape [2, 3]"), (np.arange(9), "an array of shape [9]"),
])
def test_what_came_back_is_told_in_a_few_characters(got, words):
    assert spec.briefly(got) == words
