"""A real Chromium, a JupyterLab as `make lab` starts it, and pages that tell when something went wrong in them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import nbformat
import numpy as np
import pytest
import soundfile
from lab import DIGITS, PITCH, Notebook
from playwright.sync_api import Error, expect, sync_playwright

from audiolab import checkup, corpora, preprocess, synth

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
MICROPHONE = "--use-fake-device-for-media-stream"
PATIENCE = 30_000                       # ms that a page may take for one thing
expect.set_options(timeout=PATIENCE)


def _chromium():
    if found := checkup.chromium():
        return found
    raise pytest.UsageError("These tests need Chromium or Chrome. Debian: `sudo apt install chromium`; elsewhere "
                            "install Chrome, or let AUDIOLAB_CHROMIUM name the program.")


def pytest_configure():
    _chromium()                         # before anything starts


@pytest.fixture(scope="session")
def chromium():
    """Starts Chromium with more flags: `chromium("--flag")` gives a Playwright browser."""
    program = _chromium()
    with sync_playwright() as playwright, contextlib.ExitStack() as stack:
        def start(*flags):
            # Playwright leaves Chromium's sandbox off, which root and most containers need; the pages are all ours.
            browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *flags])
            stack.callback(browser.close)
            return browser

        yield start


@pytest.fixture(scope="session")
def browser(chromium):
    return chromium()


@pytest.fixture(scope="session")
def spoken_to(chromium, tmp_path_factory):
    """A browser whose microphone hears a tone of PITCH."""
    file = tmp_path_factory.mktemp("tone") / "tone.wav"         # a whole number of periods: Chromium repeats the file
    soundfile.write(file, 0.4 * np.sin(2 * np.pi * PITCH * np.arange(5 * 48000) / 48000), 48000)
    return chromium(MICROPHONE, f"--use-file-for-fake-audio-capture={file}", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="session")
def told(chromium, tmp_path_factory):
    """A browser whose microphone hears a voice that says DIGITS in noise, at 10 dB."""
    said = [preprocess.resample(*corpora.speech.say(digit, rate=150), 48000) for digit in DIGITS]
    voice = np.concatenate([np.pad(y, 24000) for y in said])            # a second between two
    voice *= 0.05 / np.sqrt(np.mean(voice**2))
    noise = synth.noise("pink", len(voice) / 48000, 48000, np.random.default_rng(0), rms=0.05 / np.sqrt(10))
    file = tmp_path_factory.mktemp("digits") / "digits.wav"
    soundfile.write(file, voice + noise[: len(voice)], 48000)
    return chromium(MICROPHONE, f"--use-file-for-fake-audio-capture={file}", "--use-fake-ui-for-media-stream")


@pytest.fixture(scope="session")
def refused(chromium):
    """A browser with a microphone that may not be used."""
    return chromium(MICROPHONE, "--deny-permission-prompts")


@pytest.fixture
def visit(request):
    """Opens pages: `visit(browser, address)`. What goes wrong in them fails the test that opened them.

    Errors of the page, errors in its console, and requests to other machines are collected in
    `page.troubles`. A test that fails leaves a screenshot and Playwright's trace of each page.
    """
    opened, closing = [], []

    def open_page(browser, address=None):
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        context.tracing.start(screenshots=True)         # snapshots of long pages would take longer than the tests
        page = context.new_page()
        page.troubles = troubles = []
        page.on("pageerror", lambda error: troubles.append(f"error in the page: {error}"))
        page.on("console", lambda said: said.type == "error" and troubles.append(
            f"in the console: {said.text} ({said.location['url']})"))
        context.on("request", lambda asked: _local(asked.url) or troubles.append(f"request to {asked.url}"))
        opened.append(page)
        if address:
            page.goto(address)
        return page

    open_page.closing = closing             # called before the pages are closed
    yield open_page
    troubles = [trouble for page in opened for trouble in page.troubles]
    failed = troubles or getattr(request.node, "failed", False)
    folder = Path(tempfile.mkdtemp(prefix="audiolab-browser-")) if failed and opened else None
    for i, page in enumerate(opened):
        if folder:
            with contextlib.suppress(Error):            # a page that crashed has no picture
                page.screenshot(path=folder / f"{i}.png")
            page.context.tracing.stop(path=folder / f"{i}-trace.zip")
    for close in closing:
        close()
    for page in opened:
        page.context.close()
    if folder:
        print(f"Screenshots and traces (`playwright show-trace`) are in {folder}")
    assert not troubles, "\n".join(troubles)


def _local(url):
    return re.match(r"(https?|wss?)://(127\.0\.0\.1|localhost)(:\d+)?/", url) or re.match(r"(data|blob|about):", url)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.failed = report.failed
    return report


class Lab:
    """JupyterLab, started by ``audiolab lab``; `work` is the learner's folder, `log` what the server says."""

    def __init__(self, folder):
        self.work, self.log = folder / "work", []
        settings = folder / "jupyter"
        settings.mkdir(parents=True)
        # The page's own model of the notebook is asked which cells ran: those out of sight are not in the page.
        (settings / "jupyter_lab_config.py").write_text("c.LabApp.expose_app_in_browser = True\n")
        environment = os.environ | {
            "AUDIOLAB_WORK": str(self.work), "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": "true",
            **{f"JUPYTER{name}_DIR": str(settings / name) for name in ("_DATA", "LAB_SETTINGS", "LAB_WORKSPACES")},
            "JUPYTER_CONFIG_DIR": str(settings),
        }
        self.process = subprocess.Popen([sys.executable, "-m", "audiolab.cli", "lab"], env=environment, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self._found, self._address = threading.Event(), None
        threading.Thread(target=self._listen, daemon=True).start()
        if not self._found.wait(60):
            self.close()
            raise RuntimeError("JupyterLab printed no address:\n" + "".join(self.log))

    def _listen(self):
        for line in self.process.stdout:
            self.log.append(line)
            if found := re.search(r"(http://127\.0\.0\.1:\d+)/lab/tree/\S+\?token=(\w+)", line):
                self._address = found.groups()
            if "Use Control-C" in line or "is running at" in line:
                self._found.set()

    def address(self, path):
        """Where a file of the learner's folder is opened."""
        server, token = self._address
        return f"{server}/lab/tree/{path}?token={token}&reset"

    def write(self, name, *cells):
        """A notebook in the learner's folder."""
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={"kernelspec": {"name": "audiolab", "display_name": "audiolab", "language": "python"}},
        )
        nbformat.write(made, self.work / name)
        return name

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture
def notebook(lab, browser, visit):
    """Opens a notebook of the learner's folder: `notebook("chapters/00_start_here.ipynb")`."""
    def open_notebook(path, browser=browser):
        opened = Notebook(visit(browser, lab.address(path)))
        visit.closing.append(opened.shut_down)
        return opened

    return open_notebook
