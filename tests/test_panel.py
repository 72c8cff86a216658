"""The buttons under a report, where somebody can press them; how far one is, drawn and said."""

import json
import os
import re
import time
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from jupyter_client.manager import start_new_kernel

from audiolab.checks import desk, learner, panel, report, sheet, spec, store

WRONG = """
import numpy as np
def tone(frequency, duration, sr, phase=0.0):
    t = np.linspace(0, duration, round(duration * sr))
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)
"""
RIGHT = WRONG.replace("np.linspace(0, duration, round(duration * sr))", "np.arange(round(duration * sr)) / sr")
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "work"))
    return tmp_path / "work"


@pytest.fixture
def shell(shell):
    """IPython as a kernel has it, with somebody before the screen."""
    shell.kernel, shell.get_parent = None, lambda: {"content": {"allow_stdin": True}}
    return shell


@pytest.fixture
def shown(shell, monkeypatch):
    """What `panel` displays: the bundles of reports, later ones in place of their first, and panels."""
    outputs = []

    class Handle:
        def update(self, bundle, raw):
            outputs[0] = bundle

    monkeypatch.setattr(panel, "display", lambda thing, **_: outputs.append(thing) or Handle())
    monkeypatch.setattr(panel, "_panels", {})
    return outputs


def answered(shell, source):
    shell.run_cell(source)
    return desk.check("01.1", shell.user_ns["tone"])


def press(one, name):
    """Press a button, and wait for a check to end."""
    one._asked(one, {"press": name}, [])
    deadline = time.monotonic() + 60
    while one.state["busy"] and time.monotonic() < deadline:
        time.sleep(0.02)
    return one.state


def said(state):
    return re.sub(r"<[^>]+>", "", state["says"])


# -- the panel ---------------------------------------------------------------------------------------


def test_report_first_then_buttons(shell, shown):
    outcome = answered(shell, WRONG)
    outcome._ipython_display_()
    bundle, one = shown
    assert outcome._repr_html_() in bundle["text/html"] and bundle["text/plain"] == repr(outcome)
    assert one.state["heard"] == outcome.text and "Run this cell" in repr(one)
    assert f"data-audiolab-report='{one.state['mark']}'" in bundle["text/html"]
    assert VIEW in one._repr_mimebundle_()[0]
    outcome._ipython_display_()
    assert shown[3] is one, "one panel an exercise, with its hints, however often it is checked"


def test_check_again_takes_the_function_as_it_is_now(shell, shown):
    answered(shell, WRONG)._ipython_display_()
    one, first = shown[1], shown[1].state["mark"]
    shell.run_cell(RIGHT)
    state = press(one, "check")
    assert "✓ 01.1 tone — right." in said(state) and "as its cell was last run" in said(state)
    assert "✓ 01.1 tone — right." in shown[0]["text/plain"] and state["report"] == shown[0]["text/html"]
    assert state["mark"] != first and state["mark"] in state["report"]
    assert store.entry("01.1")["attempts"] == 2 and store.entry("01.1")["passed"]
    assert "1 right, 5 to do" in state["chapter"]
    del shell.user_ns["tone"]
    assert "There is no tone yet" in said(press(one, "check")) and store.entry("01.1")["attempts"] == 2


def test_one_check_at_a_time(shell, shown, monkeypatch):
    answered(shell, WRONG)._ipython_display_()
    one = shown[1]
    one._tell(busy=True)
    one._asked(one, {"press": "check"}, [])
    assert one.state["busy"] and store.entry("01.1")["attempts"] == 1


def test_hints_stay_and_count(shell, shown):
    answered(shell, WRONG)._ipython_display_()
    one, all_hints = shown[1], [*map(report.marked, spec.find("01.1").hints)]
    assert press(one, "hint")["hints"] == all_hints[:1]
    desk.hint("01.1")
    assert press(one, "hint")["hints"] == all_hints[:3] and store.entry("01.1")["hints"] == 3
    assert panel.Panel(spec.find("01.1")).state["hints"] == all_hints


def test_solution_only_after_an_attempt(shell, shown):
    stub = "def tone(frequency, duration, sr, phase=0.0):\n    raise NotImplementedError"
    answered(shell, stub)._ipython_display_()
    one = shown[1]
    assert not one.state["tried"]
    assert "It opens once an answer of yours was checked" in said(press(one, "solution"))
    assert not one.state["solution"]
    shell.run_cell(WRONG)
    assert press(one, "check")["tried"]
    assert press(one, "solution")["solution"].startswith("def tone(") and "the check is the judge" in said(one.state)


def test_start_over_waits_for_a_save_then_restores_the_cell(shell, shown, work):
    desk.start()
    copy = learner.copy_of("01")
    copy.write_text(copy.read_text("utf-8").replace("    raise NotImplementedError", "    return 0", 1), "utf-8")
    edited = copy.read_bytes()
    answered(shell, WRONG)._ipython_display_()
    one = shown[1]
    press(one, "hint")
    os.utime(copy, (0, 0))
    assert "First save the notebook" in said(press(one, "reset")) and copy.read_bytes() == edited
    assert len(one.state["hints"]) == 1
    os.utime(copy)
    assert "Reload Notebook from Disk" in said(press(one, "reset")) and one.state["hints"] == []
    assert copy.read_bytes() != edited and next((work / "backups").iterdir()).read_bytes() == edited


def test_what_goes_wrong_is_said_in_the_panel(shell, shown, monkeypatch):
    answered(shell, WRONG)._ipython_display_()
    one = shown[1]
    monkeypatch.setattr(desk, "hint", lambda id: 1 / 0)
    assert "ZeroDivisionError" in said(press(one, "hint"))
    monkeypatch.setattr(desk, "check", lambda id, answer: 1 / 0)
    assert "ZeroDivisionError" in said(press(one, "check")) and not one.state["busy"]


def test_every_panel_of_the_chapter_hears_of_a_check(shell, shown):
    answered(shell, RIGHT)._ipython_display_()
    first = shown[1]
    desk.check("01.2", lambda y: 0.0)._ipython_display_()
    assert "1 right, 1 tried, 4 to do" in first.state["chapter"]
    assert first.state["tried"] and "<b>01.1</b>" in first.state["chapter"]
    assert "<b>01.2</b>" not in first.state["chapter"]


@pytest.mark.parametrize("parent", [{}, {"content": {"allow_stdin": False}}])
def test_tools_that_run_notebooks_see_the_report_alone(shell, parent):
    shell.get_parent = lambda: parent
    with pytest.raises(NotImplementedError):
        answered(shell, RIGHT)._ipython_display_()


def test_what_does_not_count_has_no_buttons(shell):
    shell.run_cell(RIGHT)
    with pytest.raises(NotImplementedError):
        desk.check("01.1", shell.user_ns["tone"], record=False)._ipython_display_()


@pytest.mark.slow
def test_in_a_real_kernel(work):
    manager, client = start_new_kernel(kernel_name="python3", env=os.environ | {"AUDIOLAB_WORK": str(work)})
    try:
        def run(code, allow_stdin):
            outputs = []
            client.execute_interactive(code, allow_stdin=allow_stdin, timeout=60, output_hook=outputs.append)
            return [m for m in outputs if m["msg_type"] in ("execute_result", "display_data", "stream", "error")]

        run(WRONG, False)
        check = "import audiolab as al\nal.check('01.1', tone)"
        [result] = run(check, False)
        assert result["msg_type"] == "execute_result" and set(result["content"]["data"]) == {"text/html", "text/plain"}
        above, below = run(check, True)
        assert "01.1 tone — not yet" in above["content"]["data"]["text/html"]
        assert VIEW in below["content"]["data"]
        run(RIGHT, True)
        comm = below["content"]["data"][VIEW]["model_id"]
        press = client.session.msg("comm_msg", {"comm_id": comm, "data": {"method": "custom",
                                                                         "content": {"press": "check"}}})
        client.shell_channel.send(press)
        while (message := client.get_iopub_msg(timeout=60))["msg_type"] != "update_display_data":
            pass
        assert "✓ 01.1 tone — right." in message["content"]["data"]["text/plain"]
        assert message["content"]["transient"]["display_id"] == above["content"]["transient"]["display_id"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


# -- how far one is ----------------------------------------------------------------------------------


def test_every_exercise_has_a_title_a_difficulty_and_minutes():
    for number in spec.chapters():
        title, tasks = learner.tasks(number)
        assert title and list(tasks) == list(spec.exercises(number))
        assert all(one.title and one.minutes and re.fullmatch("●+○*", one.difficulty) for one in tasks.values())


def test_progress_counts_and_adds_up_the_minutes_left():
    store.record("01.1", "passed")
    store.record("01.2", "failed")
    _, tasks = learner.tasks("01")
    rest = sum(task.minutes for id, task in tasks.items() if id != "01.1")
    summary = f"1 right, 1 tried, 4 to do · {rest} minutes left · last worked on today"
    text, page = repr(sheet.progress()), sheet.progress()._repr_html_()
    assert f"01 Fundamentals: {summary}" in text and summary in page
    assert re.search(r"01\.1 +tone +●○○ +8 min +✓ right +1 +0 of 3", text)
    names = re.findall(r"role='img' aria-label='([^']+)'", page)
    assert [name[:4] for name in names if name.startswith("01.")] == list(tasks)
    assert names[0] == "01.1 A tone, to the sample, ✓ right, ●○○, 8 minutes" and "◐ tried" in names[1]


def test_the_link_leads_to_the_copy_and_stands_only_where_there_is_one(work, monkeypatch):
    assert "<a" not in sheet.progress()._repr_html_()
    desk.start()
    monkeypatch.chdir(work / "chapters")
    link = re.search(r"<a href='([^']+)'", sheet.progress()._repr_html_())[1]
    assert not link.startswith("/") and Path(unquote(link)).resolve() == learner.copy_of("01").resolve()


def test_when():
    today = date.today()                    # not when tests were collected: midnight may lie between
    for moment, words in [
        (str(today), "today"), (f"{today - timedelta(1)}T23:59", "yesterday"),
        (str(today - timedelta(5)), "5 days ago"), ("2021-03-31T18:05", "on 2021-03-31"),
        (str(today + timedelta(2)), f"on {today + timedelta(2)}"), ("soon", "at an unknown time"),
    ]:
        assert sheet.when(moment) == words


def test_a_record_from_before_or_without_a_course_beside_it(work, monkeypatch):
    work.mkdir()
    (work / "progress.json").write_text(json.dumps({"exercises": {"01.1": {"attempts": 1, "passed": True}}}))
    assert "1 right, 5 to do" in repr(sheet.progress()) and "last worked" not in repr(sheet.progress())
    monkeypatch.setattr(learner, "pristine", lambda chapter: work / "no.ipynb")
    assert "01: 1 right, 5 to do\n" in repr(sheet.progress())
    assert "01.1 tone, ✓ right'" in sheet.progress()._repr_html_()


@pytest.mark.parametrize("content", ["{", '{"exercises": {"01.1": {"attempts": "two"}}}'])
def test_a_corrupt_record_is_said_for_as_long_as_it_lies_there(work, content):
    work.mkdir()
    (work / "progress.json").write_text(content)
    exercises = sum(len(spec.exercises(chapter)) for chapter in spec.chapters())
    for _ in range(2):
        text = repr(sheet.progress())
        assert f"0 of {exercises} exercises right" in text and "all there" in " ".join(text.split())
    kept = next(work.glob("progress.corrupt-*.json"))
    assert kept.read_text() == content and kept.name in text and kept.name in sheet.progress()._repr_html_()
    store.record("01.1", "passed")
    assert kept.name in repr(sheet.progress()) and f"1 of {exercises}" in repr(sheet.progress())
    kept.unlink()
    assert "corrupt" not in repr(sheet.progress())


def test_a_record_that_cannot_be_set_aside_is_left_and_never_overwritten(work, monkeypatch):
    work.mkdir()
    path = work / "progress.json"
    path.write_text("{")

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store.os, "replace", refuse)
    text = " ".join(repr(sheet.progress()).split())
    assert "cannot be read now (Permission denied)" in text and "left as it is" in text
    monkeypatch.undo()
    monkeypatch.setenv("AUDIOLAB_WORK", str(work))
    with monkeypatch.context() as patch:
        patch.setattr(store, "read", lambda name=None: refuse(1, 2))
        assert desk.check("01.2", lambda y: 0.0).state == "failed"      # costs the tick, not the answer
    assert path.read_text() == "{"
