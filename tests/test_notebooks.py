"""How the notebooks themselves are tested, and chapter 01 on sounds of one's own.

nbval runs every stored notebook, beside the other tests: ``pytest --nbval-lax tests notebooks solutions``.
"""

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import clean, execute, twins

ROOT = Path(__file__).absolute().parents[1]
MIRROR = os.environ.get("AUDIOLAB_MIRROR", "")


# ---- what makes a notebook fail -----------------------------------------------------------------------

@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """What nbval says, with this project's settings, of one notebook: a letter for each cell."""
    folder = tmp_path_factory.mktemp("nbval")
    cells = {
        "claim that holds": "from audiolab import paths, verify\nverify('one', 1, at_most=2)",
        "claim that does not": "verify('one', 3, at_most=2)",
        "work is elsewhere": f"assert not paths.work().is_relative_to({str(ROOT)!r})",
        "widget": "import ipywidgets\nslider = ipywidgets.IntSlider(1)\ndisplay(slider)\nslider.value = 3",
        "same text, other html": "# NBVAL_CHECK_OUTPUT\ndisplay({'text/plain': 'same', 'text/html': 'new'}, raw=True)",
        "other text": "# NBVAL_CHECK_OUTPUT\nprint('new')",
        "raises": "raise ValueError",
        "does not raise": "pass",
    }
    outputs = {
        "same text, other html": [new_output("display_data", data={"text/plain": "same", "text/html": "old"})],
        "other text": [new_output("stream", name="stdout", text="old\n")],
    }
    tagged = {"raises", "does not raise"}
    path = folder / "tried.ipynb"
    path.write_text(twins.dumps(new_notebook(metadata=twins.METADATA, cells=[
        new_code_cell(source, execution_count=k, outputs=outputs.get(name, []),
                      metadata={"tags": ["raises-exception"]} if name in tagged else {})
        for k, (name, source) in enumerate(cells.items(), 1)])), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-c", os.devnull,
         "--rootdir", folder, "--nbval-lax", "--tb=no", "-q", "-rA", path],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT / "tests")}, capture_output=True, text=True, timeout=300)
    said = [line.split()[0] for line in run.stdout.splitlines() if line.startswith(("PASSED", "FAILED"))]
    order = [int(line.rpartition("Cell ")[2].split()[0]) for line in run.stdout.splitlines()
             if line.startswith(("PASSED", "FAILED"))]
    assert sorted(order) == list(range(len(cells))), run.stdout + run.stderr
    assert [path.name for path in folder.iterdir()] == ["tried.ipynb"]
    return dict(zip(cells, (verdict for _, verdict in sorted(zip(order, said, strict=True))), strict=True))


@pytest.mark.parametrize(("cell", "verdict"), [
    ("claim that holds", "PASSED"),
    ("claim that does not", "FAILED"),
    ("work is elsewhere", "PASSED"),
    ("widget", "PASSED"),
    ("same text, other html", "PASSED"),
    ("other text", "FAILED"),
    ("raises", "PASSED"),
    ("does not raise", "FAILED"),
])
def test_a_notebook_fails_when_it_should(verdicts, cell, verdict):
    assert verdicts[cell] == verdict


# ---- chapter 01 on a sound of one's own ---------------------------------------------------------------

def chord(sr, seconds):
    """Three decaying partials and a little noise, different on the left and the right: shape [n, 2]."""
    rng = np.random.default_rng(1)
    t = np.arange(round(sr * seconds)) / sr
    tones = sum(np.sin(2 * np.pi * f * t) * np.exp(-t * f / 200) for f in (220, 331, 1760)) / 4
    return np.stack([tones, 0.5 * np.roll(tones, sr // 1000)], axis=1) + 0.01 * rng.standard_normal((t.size, 2))


def mp3(folder):
    path = folder / "song.mp3"
    soundfile.write(path, chord(44100, 4), 44100, format="MP3")
    return path


def studio_wav(folder):
    path = folder / "take 1 (24 bit).wav"
    soundfile.write(path, chord(96000, 3), 96000, subtype="PCM_24")
    return path


def fsdd(folder):
    """0.3 s at 8 kHz."""
    return Path(MIRROR) / "fsdd/recordings/7_jackson_0.wav"


def librosa_example(folder):
    return next((Path(MIRROR) / "librosa-examples").glob("*robin*.hq.ogg"))


needs_mirror = pytest.mark.skipif(not MIRROR, reason="needs AUDIOLAB_MIRROR")


@pytest.mark.slow
@pytest.mark.parametrize("sound", [
    mp3, studio_wav, pytest.param(fsdd, marks=needs_mirror), pytest.param(librosa_example, marks=needs_mirror)])
def test_chapter_01_analyses_a_sound_of_ones_own(sound, tmp_path):
    nb = with_sound(twins.read(ROOT / "notebooks/text/01_fundamentals.md"), sound(tmp_path))
    execute.run(nb, tmp_path, execute.environment(ROOT, tmp_path))
    clean.clean(nb)
    warnings = [out.text for cell in nb.cells for out in cell.outputs if out.get("name") == "stderr"]
    assert warnings == []
    assert any(cell.outputs for cell in nb.cells)


def with_sound(chapter, path):
    """The cells of a chapter that set up and analyse, with a file in place of the sample it comes with."""
    nb = copy.deepcopy(chapter)
    nb.cells = [cell for cell in twins.code_cells(nb) if {"setup", "your-sound", "analysis"} & {*twins.tags(cell)}]
    [choice] = [cell for cell in nb.cells if "your-sound" in twins.tags(cell)]
    assert 'my_sound = al.sample("spoken")' in choice.source
    assert any("analysis" in twins.tags(cell) for cell in nb.cells)
    choice.source = choice.source.replace('al.sample("spoken")', repr(str(path)))
    return nb
