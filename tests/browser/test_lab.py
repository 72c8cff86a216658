"""The course in JupyterLab, as a learner has it: read, move, listen, speak, answer."""

import json
import re

import pytest
from lab import PITCH, plays
from playwright.sync_api import expect


def test_chapter_00_runs_to_its_end(notebook):
    chapter = notebook("chapters/00_start_here.ipynb")
    chapter.run_all()
    assert not chapter.errors()
    assert plays(chapter.cell('titles=["a voice"]').locator("audio").first) > 0


def test_chapter_01_runs_to_its_end_and_its_explorers_move(notebook):
    chapter = notebook("chapters/01_fundamentals.ipynb")
    chapter.run_all(patience=180)
    assert not chapter.errors()
    explorer = chapter.cell("al.widgets.aliasing()")
    slider, picture = explorer.get_by_role("slider", name="frequency (Hz)"), explorer.get_by_role("img").first
    expect(picture).to_have_attribute("alt", re.compile("sine of 5000 Hz.* 3000 Hz"))
    before = picture.get_attribute("src")
    for _ in range(10):                                 # steps of 100 Hz
        slider.press("ArrowRight")
    expect(slider).to_have_value("6000")
    expect(picture).to_have_attribute("alt", re.compile("sine of 6000 Hz.* 2000 Hz"))
    assert picture.get_attribute("src") != before
    expect(explorer.locator("figcaption")).to_have_text("6000 Hz, sampled at 8000 Hz")
    assert plays(explorer.locator("audio")) > 0


def test_a_voice_is_recorded_heard_back_and_measured(lab, notebook, spoken_to):
    page = notebook(lab.write(
        "voice.ipynb", "import audiolab as al\nvoice = al.widgets.Recorder(default=al.sample('spoken'))\nvoice",
        "y, sr = voice.load()\nprint(voice.path.parent.name, sr, len(y) / sr, al.measure.peak_frequency(y, sr))",
    ), spoken_to)
    recorder, measure = page.cell("Recorder"), page.cell("peak_frequency")
    page.run(recorder)
    recorder.get_by_role("button", name="Record", exact=True).click()
    expect(recorder.get_by_role("status")).to_have_text("Recording. Speak now.")
    expect(recorder.get_by_role("meter")).to_have_attribute("aria-valuetext", re.compile(r"peak −[78]\.\d dBFS"))
    expect(recorder.get_by_text(re.compile(r"^0:02\.\d of 1:00"))).to_be_visible()
    recorder.get_by_role("button", name="Stop", exact=True).click()
    expect(recorder.get_by_role("status")).to_have_text(re.compile("^Took .* Run the cells below again"))
    assert plays(recorder.locator("audio")) > 0
    folder, sr, seconds, pitch = page.run(measure).split()
    assert folder == "recordings" and float(seconds) >= 2 and int(sr) >= 8000
    assert float(pitch) == pytest.approx(PITCH, abs=1)
    assert len([*(lab.work / "recordings").iterdir()]) == 1
    recorder.get_by_role("button", name="Record again").click()
    expect(recorder.get_by_text(re.compile(r"^0:01\.\d of 1:00"))).to_be_visible()
    recorder.get_by_role("button", name="Stop", exact=True).click()
    expect(recorder.get_by_role("combobox", name="The cells below use").get_by_role("option")).to_have_count(3)
    assert len([*(lab.work / "recordings").iterdir()]) == 2         # a new take leaves the first where it is


def test_the_microphone_streams_without_a_gap(lab, notebook, spoken_to):
    page = notebook(lab.write(
        "live.ipynb", "import audiolab as al\nlive = al.widgets.LiveInput()\nlive",
        "y, sr = live.latest(5)\nprint(live.received, live.lost, live.refused, sr, len(y) / sr, "
        "al.measure.peak_frequency(y, sr))",
        "with live:\n    z, sr = live.read(1)\nprint(len(z) / sr, al.measure.peak_frequency(z, sr))",
    ), spoken_to)
    live, count, read = (page.cell(words) for words in ("LiveInput", "live.latest", "live.read"))
    page.run(live)
    live.get_by_role("button", name="Start", exact=True).click()
    expect(live.get_by_text(re.compile(r"^10 s\. "))).to_be_visible()
    live.get_by_role("button", name="Stop", exact=True).click()
    expect(live.get_by_role("status")).to_have_text("Stopped.")
    received, lost, refused, sr, seconds, pitch = map(float, page.run(count).split())
    assert received >= 95 and (lost, refused, sr, seconds) == (0, 0, 16000, 5)
    assert pitch == pytest.approx(PITCH, abs=1)
    seconds, pitch = map(float, page.run(read).split())             # while the cell runs
    assert seconds == 1 and pitch == pytest.approx(PITCH, abs=2)


def test_a_microphone_that_may_not_be_used_is_said_in_plain_words(lab, notebook, refused):
    page = notebook(lab.write(
        "refused.ipynb", "import audiolab as al\nal.widgets.Recorder(default=al.sample('spoken'))",
        "al.widgets.LiveInput()",
    ), refused)
    for widget, button in (("Recorder", "Record"), ("LiveInput", "Start")):
        cell = page.cell(widget)
        page.run(cell)
        press = cell.get_by_role("button", name=button, exact=True)
        press.click()
        expect(cell.get_by_role("status")).to_contain_text("allow the microphone")
        expect(press).to_be_enabled()


TONE = """def tone(frequency, duration, sr, phase=0.0):
    t = {}
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)"""


def test_an_exercise_is_answered_wrongly_then_rightly(notebook):
    page = notebook("01_fundamentals.ipynb")
    setup, answer, check = map(page.cell, ("import audiolab as al", "def tone(", 'al.check("01.1", tone)'))
    page.run(setup)
    page.run(answer)
    assert "not attempted" in page.run(check)
    panel = page.cell("al.check").get_by_role("region", name="Exercise 01.1 tone")
    says, hints = panel.get_by_role("status"), panel.get_by_role("list", name="Hints").get_by_role("listitem")
    panel.get_by_role("button", name="Show the solution").press("Enter")
    expect(says).to_contain_text("opens once")
    panel.get_by_role("button", name="Hint 1 of 3").press("Enter")
    expect(hints).to_have_count(1)

    page.type(page.cell("def tone("), TONE.format("np.linspace(0, duration, round(duration * sr))"))
    page.run(answer)
    said = page.run(page.cell("al.check"))
    assert "not yet" in said and "a little too far apart" in said
    expect(panel).to_contain_text("Chapter 01: 1 tried, 5 to do")
    panel.get_by_role("button", name="Hint 2 of 3").press("Space")
    expect(hints).to_have_count(2)

    page.type(page.cell("def tone("), TONE.format("np.arange(round(duration * sr)) / sr"))
    page.run(answer)
    page.cell("al.check")
    panel.get_by_role("button", name="Check again").press("Enter")
    expect(panel).to_contain_text("Chapter 01: 1 right, 5 to do")
    expect(check).not_to_contain_text("not yet")
    page.type(page.cell("import audiolab as al"), "import audiolab as al\nal.progress()")
    assert "1 right, 5 to do" in page.run(setup)


def test_a_listening_test_is_taken_blind_and_by_keyboard(lab, notebook):
    page = notebook(lab.write(
        "listen.ipynb", "import audiolab as al\ny, sr = al.load(al.sample('spoken'), duration=1)\n"
        "sounds = {'fine version': y, 'coarse version': al.synth.quantize(y, 4)}\n"
        "al.widgets.abx(sounds, sr, 'bits', trials=2)",
        "al.widgets.mushra({'a sentence': sounds}, sr, 'quality')",
    ))
    press = page.page.keyboard.press

    test = page.cell("widgets.abx")
    page.run(test)
    test.get_by_role("button", name="Listen to A").focus()
    for trial in (1, 2):
        expect(test.get_by_role("status")).to_have_text(f"Trial {trial} of 2")
        widget = test.locator(".audiolab-listening")
        assert "version" not in widget.inner_html()
        expect(widget.get_by_role("button", name="X is A")).to_be_disabled()
        for key, label in zip("abx", "ABX", strict=True):
            press(key)
            expect(widget.get_by_role("button", name=f"Listen to {label}")).to_have_attribute("aria-pressed", "true")
        widget.get_by_role("button", name="X is A").press("Enter")
    expect(test.get_by_role("status")).to_have_text("The test is finished.")
    [session] = json.loads((lab.work / "listening" / "bits.json").read_text(encoding="utf-8"))["sessions"]
    right = sum(answer["correct"] for answer in session["answers"])
    expect(test.locator(".audiolab-listening")).to_contain_text(f"{right} of 2 right")
    expect(test.get_by_role("table")).to_be_visible()

    test = page.cell("widgets.mushra")
    page.run(test)
    test.get_by_role("button", name="Listen to Reference").focus()
    for key in "0123":
        press(key)
    for number, key in ((1, "End"), (2, "ArrowRight"), (3, "Home")):
        test.get_by_role("slider", name=f"Quality of Sound {number}").press(key)
    expect(test.get_by_role("button", name="Next")).to_be_enabled()
    test.get_by_role("button", name="Next").press("Enter")
    expect(test.get_by_role("status")).to_have_text("The test is finished.")
    for version, mean in page.page.evaluate(
            "table => [...table.tBodies[0].rows].map(row => [row.cells[0].textContent, row.cells[2].textContent])",
            test.get_by_role("table").element_handle()):
        assert version in ("fine version", "coarse version", "low anchor") and mean in ("100.0", "51.0", "0.0")
