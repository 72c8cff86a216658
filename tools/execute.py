"""Run a notebook in a fresh kernel whose surroundings are the same on every machine."""

import ast
import os
import subprocess
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

from tools.twins import BuildError, code_cells

LIMIT = 600                             # seconds a notebook may take; a chapter is to take 180 at most

# One string: of a longer list IPython would show the first thousand.
_MODULE_FILES = r"'\n'.join(m.__file__ for m in [*__import__('sys').modules.values()] if getattr(m, '__file__', 0))"

_running = set()                        # clients with a live kernel


def settings(scratch):
    """Environment variables that make a run repeatable and keep it away from the learner's own files.

    Parameters
    ----------
    scratch : pathlib.Path
        An empty folder: exercises, recordings and progress (``AUDIOLAB_WORK``) go there, and IPython
        finds no start-up files of the author's.

    Returns
    -------
    dict of str to str
    """
    one_thread = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {
        **dict.fromkeys(one_thread, "1"),
        "PYTHONHASHSEED": "0",
        "AUDIOLAB_WORK": str(scratch / "work"),
        "IPYTHONDIR": str(scratch / "ipython"),
    }


def environment(root, scratch):
    """The whole environment for building: without a mirror, so that no recording of others is stored.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the course.
    scratch : pathlib.Path
        As in `settings`.

    Returns
    -------
    dict of str to str
    """
    personal = {"AUDIOLAB_MIRROR", "MPLBACKEND", "PYTHONWARNINGS"}
    kept = {name: value for name, value in os.environ.items() if name not in personal}
    return {**kept, **settings(scratch), "AUDIOLAB_HOME": str(root), "AUDIOLAB_BUILDING": "1"}


def run(nb, folder, env, title="", limit=LIMIT):
    """Execute every cell, with a progress bar.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Receives the outputs.
    folder : pathlib.Path
        The kernel's working folder.
    env : dict of str to str
        The kernel's environment.
    title : str
        Stands before the progress bar.
    limit : float
        Seconds for the whole notebook.

    Returns
    -------
    list of pathlib.Path
        Files of all modules that the notebook had imported at its end.

    Raises
    ------
    BuildError
        If a cell raises and is not tagged ``raises-exception``, the time is over, or the kernel dies.
        Its attribute `cell` is the cell.
    """
    end = time.monotonic() + limit
    client = NotebookClient(nb, kernel_name=nb.metadata.kernelspec.name, record_timing=False,
                            store_widget_state=False, resources={"metadata": {"path": str(folder)}},
                            timeout_func=lambda cell: max(1, end - time.monotonic()))
    cells = code_cells(nb)
    quiet = subprocess.DEVNULL           # what the kernel process itself says; cells' own warnings come as outputs
    with (client.setup_kernel(env=env, stderr=quiet),
          tqdm(cells, desc=title, unit="cell", leave=False, disable=None) as bar):
        _running.add(client)
        try:
            for count, cell in enumerate(bar, 1):
                try:
                    client.execute_cell(cell, nb.cells.index(cell), execution_count=count)
                except CellExecutionError as e:
                    raise _failed(cell, count, f"{e.ename}: {e.evalue.partition(chr(10))[0]}") from e
                except CellTimeoutError as e:
                    raise _failed(cell, count, f"the notebook's {limit:.0f} s are over") from e
                except DeadKernelError as e:
                    raise _failed(cell, count, "the kernel died (out of memory?)") from e
            return _imported(client)
        finally:
            _running.discard(client)


def stop():
    """Kill the kernels of all runs in progress; each of these runs then fails."""
    for client in list(_running):
        client.km.provisioner.process.kill()


def _failed(cell, count, why):
    lines = cell.source.strip().splitlines()
    shown = "".join(f"\n    {line}" for line in lines[:4]) + ("\n    …" if len(lines) > 4 else "")
    error = BuildError(f"cell [{count}]: {why}{shown}")
    error.cell = cell
    return error


def _imported(client):
    """Ask the kernel, without leaving a trace in the notebook, for its modules' files."""
    msg = client.kc.execute("", silent=True, store_history=False, user_expressions={"files": _MODULE_FILES})
    answer = client.wait_for_reply(msg)["content"]["user_expressions"]["files"]
    return [Path(file) for file in ast.literal_eval(answer["data"]["text/plain"]).splitlines()]
