"""What works on this machine, and how to get what does not: ``audiolab doctor``."""

import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import paths
from .checks.report import Note

GIGABYTE = 2**30
REINSTALL = "run `make lab` again, or `pip install -e .` in the course's folder"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
MAC_BROWSERS = tuple(f"/Applications/{name}.app/Contents/MacOS/{name}" for name in ("Google Chrome", "Chromium"))


@dataclass
class Finding:
    """One line of the report.

    Attributes
    ----------
    what, detail : str
    ok : bool
    how : str
        To get it, where it is missing.
    needed : bool
        Whether the course needs it; otherwise it is an extra.
    """

    what: str
    detail: str
    ok: bool = True
    how: str = ""
    needed: bool = True

    def __str__(self):
        line = f"{'[ok]' if self.ok else '[missing]'} {self.what}: {self.detail}"
        extra = "" if self.needed or self.ok else " (optional)"
        return line + extra + (f"\n    → {self.how}" if self.how and not self.ok else "")


def doctor(everything=False):
    """Look at everything the course uses, in a few seconds.

    Parameters
    ----------
    everything : bool
        Look also for what only authors use, and name it last.

    Returns
    -------
    Note
        A line ``[ok]`` or ``[missing]`` for each. Its attribute ``ok`` is false when something that
        the course needs is missing.

    Taught in: notebooks/00_start_here.ipynb, "Does everything work here?"
    """
    findings = examine(PROBES)
    lacking = [one.what for one in findings if one.needed and not one.ok]
    title = f"Missing: {', '.join(lacking)}." if lacking else "Everything that the course needs is here."
    parts = ["\n".join(map(str, findings))]
    if everything:
        parts.append("\n".join(["For authors:", *map(str, examine(FOR_AUTHORS))]))
    note = Note(title, parts)
    note.ok = not lacking
    return note


def examine(probes):
    """One `Finding` per probe; a probe that stumbles is a finding too."""
    found = []
    for what, probe in probes.items():
        try:
            found.append(Finding(what, **probe()))
        except Exception as error:      # whatever a broken installation may raise: it is what we look for
            words = " ".join(str(error).split())[:160]
            found.append(Finding(what, f"{type(error).__name__}: {words}", ok=False, how=REINSTALL))
    return found


# -- probes: each gives the fields of its finding ---------------------------------------------------


def _python():
    version = ".".join(map(str, sys.version_info[:3]))
    return {"detail": version, "ok": sys.version_info >= (3, 11), "how": "install Python 3.11 or newer"}


def _libraries():
    from packaging.requirements import Requirement

    wanted = [Requirement(line) for line in importlib.metadata.requires("audiolab") or []]
    wanted = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    wrong = []
    for one in wanted:
        try:
            version = importlib.metadata.version(one.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is not installed")
        else:
            if not one.specifier.contains(version, prereleases=True):
                wrong.append(f"{one.name} is {version}, should be {one.specifier}")
    detail = "; ".join(wrong) or f"all {len(wanted)} installed"
    return {"detail": detail, "ok": not wrong, "how": REINSTALL}


def _voice():
    from .corpora import speech

    y, sr = speech.say("yes")
    return {"detail": f"espeak-ng speaks ({len(y) / sr:.1f} s)"}


def _instruments():
    import pretty_midi

    size = Path(pretty_midi.__file__).with_name("TimGM6mb.sf2").stat().st_size
    return {"detail": f"TimGM6mb.sf2, {size / 1e6:.0f} MB"}


def _formats():
    import soundfile

    wanted = {"WAV", "FLAC", "OGG", "MP3"}
    lacking = wanted - set(soundfile.available_formats())
    return {
        "detail": f"no {', '.join(sorted(lacking))}" if lacking else "reads and writes WAV, FLAC, OGG, MP3",
        "ok": not lacking,
        "how": "`pip install --upgrade --force-reinstall soundfile`: its wheel carries libsndfile with all of them",
    }


def _kernel():
    from jupyter_client.kernelspec import KernelSpecManager

    found = "audiolab" in KernelSpecManager().find_kernel_specs()
    return {"detail": f"audiolab is {'' if found else 'not '}registered", "ok": found, "how": REINSTALL}


def _answers():
    from .checks import worker

    worker.run(_nothing, seconds=5)
    return {"detail": "run in a process of their own"}


def _nothing(note):
    """A job for the worker that does nothing."""


def _folder(path):
    def probe():
        path().mkdir(parents=True, exist_ok=True)
        try:
            with tempfile.TemporaryFile(dir=path()):
                return {"detail": "can be written"}
        except OSError:
            how = "give yourself the right to write there, or set AUDIOLAB_HOME to a folder of your own"
            return {"detail": f"{path()} cannot be written", "ok": False, "how": how}

    return probe


def _memory():
    import psutil

    free = psutil.virtual_memory().available / GIGABYTE
    how = "close other programs: a chapter uses up to 4 GB"
    return {"detail": f"{free:.1f} GB free", "ok": free >= 2, "how": how, "needed": False}


def _disk():
    here = next(folder for folder in (paths.root(), *paths.root().parents) if folder.exists())
    free = shutil.disk_usage(here).free / GIGABYTE
    how = "make room: the course's own files take about 1 GB"
    return {"detail": f"{free:.1f} GB free", "ok": free >= 1, "how": how}


def _live_audio():
    from ctypes.util import find_library

    found = bool(find_library("portaudio")) or importlib.util.find_spec("_sounddevice_data") is not None
    return {
        "detail": "PortAudio is here" if found else "no PortAudio; the browser's microphone works without",
        "ok": found,
        "how": "Debian, Ubuntu: `sudo apt install libportaudio2`; elsewhere `pip install sounddevice` brings it",
        "needed": False,
    }


def chromium():
    """The program that ``make test-browser`` starts: ``AUDIOLAB_CHROMIUM``, else the first found; or None."""
    if named := os.environ.get("AUDIOLAB_CHROMIUM"):
        return shutil.which(os.path.expanduser(named))
    return next(filter(None, map(shutil.which, (*BROWSERS, *MAC_BROWSERS))), None)


def _browser():
    if named := os.environ.get("AUDIOLAB_CHROMIUM"):
        detail = f"AUDIOLAB_CHROMIUM={named}{'' if chromium() else ' is no program'}"
        how = "let AUDIOLAB_CHROMIUM name Chromium or Chrome, or unset it"
    else:
        detail = chromium() or "no Chromium or Chrome; only `make test-browser` needs one"
        how = "Debian: `sudo apt install chromium`; elsewhere install Chrome, or let AUDIOLAB_CHROMIUM name it"
    return {"detail": detail, "ok": bool(chromium()), "how": how, "needed": False}


def _recordings():
    if mirror := os.environ.get("AUDIOLAB_MIRROR"):
        found = Path(mirror).expanduser().is_dir()
        detail = f"from AUDIOLAB_MIRROR={mirror}" if found else f"AUDIOLAB_MIRROR={mirror} is no folder"
        how = "let AUDIOLAB_MIRROR name an existing folder, or unset it"
        return {"detail": detail, "ok": found, "how": how, "needed": False}
    return {
        "detail": "none at hand; every chapter has sounds of its own",
        "ok": False,
        "how": "let AUDIOLAB_MIRROR name a folder that holds copies of public data sets",
        "needed": False,
    }


PROBES = {
    "Python": _python,
    "libraries": _libraries,
    "speech": _voice,
    "instruments": _instruments,
    "audio files": _formats,
    "kernel": _kernel,
    "answers": _answers,
    "work/": _folder(paths.work),
    "data/": _folder(paths.data),
    "memory": _memory,
    "disk": _disk,
}
FOR_AUTHORS = {
    "live audio": _live_audio,
    "browser tests": _browser,
    "real recordings": _recordings,
}
