"""The command line, as a learner types it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from audiolab import checkup, cli

SHIPPED = "01_fundamentals.ipynb"
SOLUTIONS = Path(__file__).parents[1] / "solutions" / "text" / "01_fundamentals.md"
STUB = {
    "cell_type": "code", "id": "a", "metadata": {"tags": ["exercise-01.4"]}, "outputs": [], "execution_count": None,
    "source": "def alias(*args):\n    raise NotImplementedError\n",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A course with one exercise notebook, in an empty folder."""
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.delenv("AUDIOLAB_WORK", raising=False)
    (tmp_path / "exercises").mkdir()
    (tmp_path / "exercises" / SHIPPED).write_text(
        json.dumps({"cells": [STUB], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    )
    return tmp_path


def test_a_learners_way(home, capsys):
    def says(*arguments):
        code = cli.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    code, text = says("check", "01.4")
    assert code == 2 and "audiolab start" in text
    assert says("start") == (0, f"Your chapters and exercises are in work/.\n{SHIPPED}: new\n")
    code, text = says("check", "01.4")
    assert code == 1 and "not attempted" in text and "0 of 1 right" in text
    code, text = says("hint", "01.4")
    assert code == 0 and re.search(r"01\.4 alias — hint 1 of \d", text)
    code, text = says("solution", "01.4")
    assert code == 2 and "opens once" in text
    mine = home / "work" / SHIPPED
    mine.write_text(mine.read_text().replace("raise NotImplementedError", "return 1 / 0"))
    code, text = says("check", "01.4")
    assert code == 1 and "not yet" in text and "Traceback" not in text
    code, text = says("reset", "01.4")
    assert code == 0 and "work/backups/" in text
    code, text = says("progress")
    assert code == 0 and "◐ tried" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "77"], ["check", "01.99"], ["check", "x"], ["hint", "01"], ["reset", "1.1"],
        ["check", "01", "--notebook", "no.ipynb"],
    ],
)
def test_nonsense_is_refused_in_one_line(home, capsys, arguments):
    assert cli.main(arguments) == 2
    text = capsys.readouterr().err
    assert text.startswith("audiolab: ") and text.count("\n") == 1


def test_all_right_is_zero(home):
    assert cli.main(["check", "01", "--notebook", str(SOLUTIONS)]) == 0


def test_as_a_program_and_on_a_console_without_ticks(home):
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "audiolab.cli", "progress"], env=env, capture_output=True, text=True)
    assert done.returncode == 0 and "01.4" in done.stdout and not done.stderr
    done = subprocess.run([sys.executable, "-m", "audiolab.cli"], env=env, capture_output=True, text=True)
    assert done.returncode == 2 and "usage" in done.stderr


# -- doctor ------------------------------------------------------------------------------------------


def test_doctor_finds_the_course_in_order(home, capsys):
    assert cli.main(["doctor"]) == 0, capsys.readouterr().out
    text = capsys.readouterr().out
    for what in ("Python", "libraries", "speech", "instruments", "audio files", "kernel", "answers", "work/", "disk"):
        assert f"[ok] {what}: " in text


def test_doctor_says_what_is_missing_and_how_to_get_it(home, monkeypatch, capsys):
    def stumbles():
        raise OSError("libespeak-ng.so: cannot open\nshared object")

    monkeypatch.setitem(checkup.PROBES, "speech", stumbles)
    monkeypatch.setitem(checkup.PROBES, "data/", checkup._folder(lambda: home / "exercises" / SHIPPED))
    assert cli.main(["doctor"]) == 1
    text = capsys.readouterr().out
    assert text.startswith("Missing: speech, data/.")
    assert "[missing] speech: OSError: libespeak-ng.so: cannot open shared object\n    → " in text


def test_doctor_speaks_of_what_authors_use_only_when_asked(home, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOLAB_CHROMIUM", "no-such-browser")
    assert cli.main(["doctor"]) == 0 and "browser tests" not in capsys.readouterr().out
    assert cli.main(["doctor", "--all"]) == 0                   # nothing that the course needs is missing
    course, _, authors = capsys.readouterr().out.partition("For authors:")
    assert "[ok] Python" in course and "live audio" in authors and "real recordings" in authors
    assert "[missing] browser tests: AUDIOLAB_CHROMIUM=no-such-browser is no program (optional)" in authors


def test_doctor_finds_a_browser(monkeypatch):
    monkeypatch.setenv("AUDIOLAB_CHROMIUM", sys.executable)     # any program will do
    assert checkup.chromium() == sys.executable and checkup._browser()["ok"]
    monkeypatch.delenv("AUDIOLAB_CHROMIUM")
    monkeypatch.setattr(checkup, "BROWSERS", ("no-such-program", Path(sys.executable).name))
    monkeypatch.setattr(checkup, "MAC_BROWSERS", (sys.executable,))
    assert Path(checkup.chromium()).name == Path(sys.executable).name
    monkeypatch.setattr(checkup, "BROWSERS", ())
    monkeypatch.setattr(checkup, "MAC_BROWSERS", ())
    assert checkup.chromium() is None and "sudo apt install chromium" in checkup._browser()["how"]


def test_doctor_names_a_library_that_is_too_old(monkeypatch):
    wanted = ["numpy>=99", "nosuchthing", "numpy>=99; extra == 'x'"]
    monkeypatch.setattr(checkup.importlib.metadata, "requires", lambda name: wanted)
    found = checkup._libraries()
    assert not found["ok"] and "should be >=99" in found["detail"] and "nosuchthing is not installed" in found["detail"]


def test_doctor_knows_a_mirror(home, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(home))
    assert checkup._recordings()["ok"]
    monkeypatch.setenv("AUDIOLAB_MIRROR", str(home / "nowhere"))
    assert not checkup._recordings()["ok"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")
def test_lab_serves_this_machine_alone(tmp_path):
    environment = os.environ | {"AUDIOLAB_WORK": str(tmp_path), "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "true"}
    lab = subprocess.Popen([sys.executable, "-m", "audiolab.cli", "lab"], env=environment, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        seen = []
        for line in lab.stdout:
            seen.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/chapters/00_start_here\.ipynb\?token=\w+", line):
                break
        assert found, "".join(seen)
        port = int(found[1].rpartition(":")[2])
        for _ in range(100):                            # the address is printed a moment before it answers
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(f"{found[1]}/api/contents", timeout=10)
        with urllib.request.urlopen(found[0].replace("/lab/tree", "/api/contents"), timeout=10) as answer:
            assert json.load(answer)["name"] == "00_start_here.ipynb"
        with urllib.request.urlopen(found[0], timeout=10) as page:
            assert '"disabledExtensions": ["@jupyter/nbgrader"]' in page.read().decode()
        quiet = {"fetchNews": "false", "checkForUpdates": False}        # no news from the network
        notices = "/lab/api/settings/@jupyterlab/apputils-extension:notification"
        with urllib.request.urlopen(re.sub(r"/lab/tree/[^?]+", notices, found[0]), timeout=10) as answer:
            defaults = json.load(answer)["schema"]["properties"]
            assert {name: defaults[name]["default"] for name in quiet} == quiet
        with pytest.raises(urllib.error.HTTPError, match="404"):        # nor does it serve what those menus call
            urllib.request.urlopen(re.sub(r"/lab/tree/[^?]+", "/formgrader", found[0]), timeout=10)
    finally:
        os.killpg(lab.pid, signal.SIGKILL)
        lab.wait()
