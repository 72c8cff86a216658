"""What is remembered between sessions: small JSON files in ``work/``, whole after a crash, shared by kernels."""

import json
import os
import time
from contextlib import contextmanager

from .. import paths

PROGRESS = "progress.json"


def read(name=PROGRESS):
    """Content of a file in ``work/``; empty when it is not there.

    A file that cannot be read is set aside as ``progress.corrupt-….json``, never overwritten (`aside`).

    Raises
    ------
    OSError
        If it can be neither read nor set aside.
    """
    path = paths.work(name)
    try:
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and all(map(_sound, content.get("exercises", {}).values())):
            return content
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, OSError):
        pass
    try:
        os.replace(path, path.with_name(f"{path.stem}.corrupt-{time.strftime('%Y%m%d-%H%M%S')}{path.suffix}"))
    except OSError:
        if path.exists():   # else another kernel was quicker
            raise
    return {}


def _sound(entry):
    """Whether an exercise's entry holds what is reckoned with."""
    return isinstance(entry, dict) and all(isinstance(entry.get(key, 0), int) for key in ("attempts", "hints"))


def aside():
    """Names of records in ``work/`` that could not be read, oldest first."""
    stem, dot, suffix = PROGRESS.rpartition(".")
    return sorted(path.name for path in paths.work().glob(f"{stem}.corrupt-*{dot}{suffix}"))


def update(change, name=PROGRESS):
    """Read, let `change` alter the content in place, write; one kernel at a time.

    Returns
    -------
    object
        What `change` returned.

    Raises
    ------
    OSError
        If ``work/`` cannot be written.
    """
    with _locked(paths.work(name).with_suffix(".lock")):
        content = read(name)
        result = change(content)
        with paths.replacing(paths.work(name)) as tmp:
            tmp.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")
    return result


@contextmanager
def _locked(path, wait=2.0, stale=10.0):
    """Hold a lock file.

    One that a crash left is taken over; after `wait` seconds we go on without: a lost tick is no harm.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    held = False
    while not held and time.monotonic() - start < wait:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            held = True
        except FileExistsError:
            try:
                if time.time() - path.stat().st_mtime > stale:
                    path.unlink(missing_ok=True)
            except OSError:
                pass        # just removed, or held open by another process on Windows
            time.sleep(0.01)
        except PermissionError:     # Windows, while the other is deleting it
            time.sleep(0.01)
    try:
        yield
    finally:
        if held:
            path.unlink(missing_ok=True)


# -- progress -------------------------------------------------------------------------------------


def entry(id):
    """What is known of an exercise: ``{"attempts": 2, "passed": True, "hints": 1, "last": "2026-03-31T18:05"}``."""
    return read().get("exercises", {}).get(id, {})


def record(id, state):
    """Count an attempt; a pass stays one. An untouched stub is no attempt."""
    if state in ("passed", "failed"):

        def change(content):
            one = _entry(content, id)
            one["attempts"] = one.get("attempts", 0) + 1
            one["passed"] = one.get("passed", False) or state == "passed"

        update(change)


def next_hint(id, available):
    """Number of the hint to show, counted from 1; one more than there are when all were shown."""

    def change(content):
        one = _entry(content, id)
        seen = one.get("hints", 0)
        one["hints"] = min(seen + 1, available)
        return seen + 1

    return update(change)


def forget_hints(ids):
    """Begin again with the first hint."""

    def change(content):
        for id in ids:
            _entry(content, id)["hints"] = 0

    update(change)


def _entry(content, id):
    """The entry of an exercise that is worked on now."""
    one = content.setdefault("exercises", {}).setdefault(id, {})
    one["last"] = time.strftime("%Y-%m-%dT%H:%M")
    return one
