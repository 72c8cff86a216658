"""Where the course keeps its files, and how a file is written whole or not at all."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


def root():
    """Folder of the course: ``$AUDIOLAB_HOME``, else the clone this package runs from, else ``~/audiolab``.

    Returns
    -------
    pathlib.Path
        Absolute, because kernels and workers run in other folders.
    """
    if home := os.environ.get("AUDIOLAB_HOME"):
        return Path(home).expanduser().absolute()
    clone = Path(__file__).absolute().parents[1]
    return clone if (clone / "notebooks").is_dir() else Path.home() / "audiolab"


def course():
    """Folder of the shipped notebooks, exercises and solutions, also where ``$AUDIOLAB_HOME`` keeps the rest."""
    here = root()
    return here if (here / "exercises").is_dir() else Path(__file__).absolute().parents[1]


def data(*parts):
    """Path under ``data/``: corpora, features and checkpoints. Nothing is created."""
    return root().joinpath("data", *parts)


def work(*parts):
    """Path under ``work/``, or ``$AUDIOLAB_WORK``: the learner's own files. Nothing is created."""
    folder = Path(os.environ.get("AUDIOLAB_WORK") or root() / "work")
    return folder.expanduser().absolute().joinpath(*parts)


def building():
    """Whether notebooks are built for the repository, which hold nothing that a fresh clone has not."""
    return bool(os.environ.get("AUDIOLAB_BUILDING"))


@contextmanager
def replacing(path):
    """Write beside `path`, then rename: a reader sees the old file or the new one, never half of one.

    Parameters
    ----------
    path : str or os.PathLike
        The file to make or replace. Its folder is made when missing.

    Yields
    ------
    pathlib.Path
        A temporary file in the same folder, with the same suffix. It takes the place of `path`
        when the block ends, and is removed when the block raises (a full disk, an interrupt).

    Examples
    --------
    >>> with replacing("notes.txt") as tmp:              # doctest: +SKIP
    ...     tmp.write_text("all or nothing")
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    tmp = Path(name)
    try:
        yield tmp
        mode = path.stat().st_mode if path.exists() else 0o666 & ~_umask()
        os.chmod(tmp, mode)              # mkstemp made it private; others may read what we write
        os.replace(tmp, path)
    except BaseException:
        tmp.unlink(missing_ok=True)
        raise


def _umask():
    """The process's file-creation mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
