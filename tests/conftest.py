"""Tests and the kernels they start stay away from the learner's files; nbval is told what may differ."""

import os
import tempfile
from pathlib import Path

import pytest
import skips
from nbval.plugin import IPyNbCell

from audiolab.claims import MIME
from tools.execute import settings

MAY_DIFFER = ("text/html", "stderr", MIME)       # layout, progress bars, digits beyond those that are printed
collect_ignore = ["browser"]                     # `make test-browser` names it


def pytest_configure(config):
    config.pluginmanager.register(skips)
    scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    config.add_cleanup(scratch.cleanup)
    os.environ.update(settings(Path(scratch.name)))
    # Two processes that compile librosa's functions for the first time would write one cache, and one may crash on it.
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(scratch.name, "numba")
    if mirror := os.environ.get("AUDIOLAB_MIRROR"):
        os.environ["AUDIOLAB_MIRROR"] = os.path.abspath(mirror)     # kernels run in other folders


def pytest_collection_modifyitems(items):
    for notebook in {item.parent for item in items if isinstance(item, IPyNbCell)}:
        notebook.skip_compare += MAY_DIFFER


def _runtest(cell, run=IPyNbCell.runtest):
    """Run a cell as nbval does, and fail also when one that is to raise does not: nbval lets it pass."""
    run(cell)
    if cell.options["check_exception"] and not any(out.output_type == "error" for out in cell.test_outputs):
        cell.raise_cell_error("This cell is tagged raises-exception and raised nothing")


IPyNbCell.runtest = _runtest


@pytest.fixture
def shell():
    """A live IPython, since players and figures speak to its display."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    yield InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    InteractiveShell.clear_instance()


@pytest.fixture
def shown(shell, monkeypatch):
    """What widgets display: pairs of data and metadata."""
    from audiolab.widgets import explorer

    calls = []
    monkeypatch.setattr(explorer, "display", lambda data, metadata=None, **_: calls.append((data, metadata)))
    return calls
