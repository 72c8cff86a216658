"""The process in which answers run: kept warm, killed when an answer overruns its time or memory."""

import atexit
import functools
import io
import itertools
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import TimeoutError
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np

from .stages import is_theirs

MEMORY = 2 * 2**30          # bytes that an answer may add to what the process has when it starts
PATIENCE = 60.0             # seconds for starting the process, imports, and the checks' own work

_executor = None
_lock = threading.Lock()    # one answer at a time


class Unsendable(Exception):
    """An argument cannot be taken to the other process."""


class Stopped(Exception):
    """The process was ended. `why` is "time" or "died"; `stage` and `case` are where it was, `place` in whose line."""

    def __init__(self, why, stage="", case="", place=None):
        super().__init__(f"{why} at {stage}")
        self.why, self.stage, self.case, self.place = why, stage, case, place


def run(job, *args, seconds):
    """Run ``job(*args, note)`` in the worker process and return its result.

    Parameters
    ----------
    job : callable
        Importable. It is given `note`, to be called as ``note(stage, case)`` before each call of
        the answer and ``note(None, None)`` after it; the clock starts anew each time.
    *args
        Sent by cloudpickle: functions and classes of a notebook travel with the helpers and
        modules that they use.
    seconds : float
        Limit between ``note(stage, …)`` and the next note, by the clock and of processor time both, so
        that neither a busy machine nor several threads count against the answer; four times as much by
        the clock alone, for one that waits.

    Raises
    ------
    Stopped
        If the process had to be killed, or ended by itself.
    Unsendable
        If an argument cannot be pickled, or not be opened again there.
    """
    try:
        payload = pack((job, args))
    except Exception as error:      # pickling runs code of any class: it may raise anything
        raise Unsendable(error) from None
    with _lock:
        try:
            return _once(payload, seconds)
        except Stopped as stopped:
            if stopped.why == "time":
                raise
        return _once(payload, seconds)      # ended from outside, perhaps: an answer that ends it does so again


def _once(payload, seconds):
    """Submit, wait, and end the process when one has to."""
    from loky.process_executor import BrokenProcessPool

    with tempfile.TemporaryDirectory(prefix="audiolab-", ignore_cleanup_errors=True) as folder:
        status, line = Path(folder, "status"), Path(folder, "line")
        try:
            future = _start().submit(_work, payload, str(status), str(line), seconds)
            _watch(future, status, seconds)
            return future.result()
        except _Overrun as overrun:
            _kill()
            raise Stopped("time", overrun.stage, overrun.case, _line(line)) from None
        except BrokenProcessPool:
            _kill()
            raise Stopped("died", *_read(status)[1:]) from None
        except KeyboardInterrupt:
            _kill()
            raise


class _Overrun(Exception):
    """One call lasted too long."""

    def __init__(self, stage, case):
        self.stage, self.case = stage, case


def _start():
    """The executor with its one process, started when there is none."""
    global _executor
    if _executor is None:
        from loky import ProcessPoolExecutor  # a pool of our own: the reusable one belongs to the learner

        _executor = ProcessPoolExecutor(
            max_workers=1, timeout=900, initializer=_settle, initargs=(os.getpid(),),
            env={"MPLBACKEND": "Agg", "LOKY_MAX_MEMORY_LEAK_SIZE": str(MEMORY)},     # a late import is no leak
        )
    return _executor


@atexit.register
def _end():
    """End the process."""
    global _executor
    if _executor is not None:
        _executor.shutdown(kill_workers=True)
    _executor = None


def _kill():
    """End the process and start another, so that the next check finds it warm."""
    _end()
    _start().submit(_warm)


def _watch(future, status, seconds):
    """Wait for the result; raise `_Overrun` when one call lasts longer than `seconds`."""
    seen = None
    while True:
        try:
            future.exception(timeout=0.02)
            return
        except TimeoutError:
            count, stage, case = _read(status)
            if count != seen:
                seen, since, busy_since = count, time.monotonic(), _busy()
            lasted, busy = time.monotonic() - since, _busy() - busy_since
            if lasted > (4 * seconds if stage else PATIENCE) or (stage and min(lasted, busy) > seconds):
                raise _Overrun(stage, case) from None


def _busy():
    """Processor time of the process in seconds; 0 while it is starting."""
    import psutil

    try:
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in tuple(_executor._processes or ()))
    except psutil.Error:            # it has just ended: the future will say so
        return 0.0


def _read(status):
    """Number of the last note, its stage and case; empty before the first."""
    try:
        lines = status.read_text("utf-8").split("\n", 2)
    except OSError:
        lines = []
    return lines if len(lines) == 3 else ["", "", ""]


def _line(written):
    """The learner's line that the watch wrote down: file, number, text left empty; None if it wrote none."""
    try:
        filename, number = written.read_text("utf-8").rsplit("\n", 1)
    except (OSError, ValueError):
        return None
    return filename, int(number), ""


# -- in the worker process ------------------------------------------------------------------------


def _settle(parent):
    """Once per process: nothing to read, nowhere to print, and an end when the kernel has ended."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # an interrupt is meant for the kernel, which ends us if need be
    if hasattr(os, "getppid"):
        threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    _warm()


def _follow(parent):
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _warm():
    """Nothing to do: this module has been imported, and with it what every check needs."""


def _work(payload, status, line, seconds):
    """Unpack, set the limits, run. Streams are new each time: an answer that called `exit` has closed them."""
    sys.stdin = open(os.devnull)                    # noqa: SIM115, they outlive this function
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        job, args = cloudpickle.loads(payload)
    except Exception as error:
        raise Unsendable(error) from None
    counter = itertools.count()
    since, over = [None], threading.Event()         # when the answer's call began; that the job has ended
    watch = threading.Thread(target=_write_line, args=(line, seconds, since, over), daemon=True)
    watch.start()
    with open(status, "w", encoding="utf-8") as noted:

        def note(stage, case):
            noted.seek(0)
            noted.truncate()
            noted.write(f"{next(counter)}\n{stage or ''}\n{case or ''}")
            noted.flush()
            since[0] = time.monotonic() if stage else None

        try:
            with _memory_limit(), np.errstate(), warnings.catch_warnings():     # what it switches off comes on again
                return job(*args, note)
        finally:
            over.set()


def _write_line(line, seconds, since, over):
    """Shortly before a call's end, write down which line of the learner's is running.

    A thread of Python and no watchdog outside it: faulthandler's reads frames while they change, and
    now and then takes the process with it. What keeps the interpreter to itself leaves no line.
    """
    while not over.wait(0.02):
        began = since[0]
        if began is None or time.monotonic() - began < 0.8 * seconds:
            continue
        frame = sys._current_frames().get(threading.main_thread().ident)
        while frame and not is_theirs(frame.f_code.co_filename):
            frame = frame.f_back
        if frame and frame.f_lineno is None:            # between two lines, as happens now and then: look again
            continue
        if frame:
            Path(line).write_text(f"{frame.f_code.co_filename}\n{frame.f_lineno}", "utf-8")
        since[0] = None


@contextmanager
def _memory_limit():
    """Let the process's data grow by `MEMORY`, where the system can say how much it has (Linux).

    What a library maps from its file does not count: PyTorch alone maps several gigabytes.
    """
    sizes = Path("/proc/self/statm")
    if not sizes.exists():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    now = int(sizes.read_text().split()[5]) * resource.getpagesize()
    hard = before[1]
    limit = now + MEMORY if hard == resource.RLIM_INFINITY else min(now + MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


# -- sending --------------------------------------------------------------------------------------


def pack(things):
    """Pickle; functions of a learner's own module go by value, so that a warm worker never runs an older one."""
    modules = {sys.modules.get(getattr(thing, "__module__", None)) for thing in _flat(things)}
    mine = [module for module in modules if module is not None and _is_own(module)]
    for module in mine:
        cloudpickle.register_pickle_by_value(module)
    try:
        file = io.BytesIO()
        _Pickler(file).dump(things)
        return file.getvalue()
    finally:
        for module in mine:
            cloudpickle.unregister_pickle_by_value(module)


class _Pickler(cloudpickle.Pickler):
    """Cloudpickle, which sends a learner's function by value, taught to do so for a cached one too."""

    def reducer_override(self, thing):
        if isinstance(thing, functools._lru_cache_wrapper):
            module = sys.modules.get(thing.__module__)
            if module is None or module.__name__ == "__main__" or _is_own(module):
                return _cached, (thing.cache_parameters(), thing.__wrapped__)
        return super().reducer_override(thing)


def _cached(parameters, function):
    return functools.lru_cache(**parameters)(function)


def _flat(things):
    for thing in things:
        yield from _flat(thing) if isinstance(thing, tuple) else (thing,)


def _is_own(module):
    """Whether a module is the learner's: not `audiolab`, not installed, not built in."""
    file = getattr(module, "__file__", None)
    return bool(file) and module.__name__ != "__main__" and is_theirs(file)
