"""CI fails on a skip that is not listed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import skips

TEST = """
import pytest

@pytest.mark.parametrize("one", [
    pytest.param(0, marks=pytest.mark.skip(reason="AUDIOLAB_MIRROR is not set: it names a folder")),
    pytest.param(1, marks=pytest.mark.skip(reason="nobody felt like it")),
    pytest.param(2, marks=pytest.mark.xfail),
])
def test_one(one):
    assert False
"""
WHOLE_FILE = 'import pytest\npytest.skip("not today", allow_module_level=True)\n'


@pytest.mark.parametrize("ci, counts", [("true", "1 skipped, 1 xfailed, 2 errors"), ("", "3 skipped, 1 xfailed")])
def test_ci_fails_on_a_skip_that_is_not_listed(tmp_path, ci, counts):
    (tmp_path / "test_one.py").write_text(TEST)
    (tmp_path / "test_whole.py").write_text(WHOLE_FILE)
    environment = os.environ | {
        "CI": ci, "PYTHONPATH": str(Path(skips.__file__).parent), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "skips", "-p", "no:cacheprovider", "--color=no",
               "--continue-on-collection-errors", str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert counts in done.stdout and done.returncode == bool(ci)
    for reason in ("nobody felt like it", "not today"):
        assert (f"that tests/skips.py does not list: {reason}" in done.stdout) == bool(ci)
