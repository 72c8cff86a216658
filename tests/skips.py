"""In CI a test is skipped for one of these reasons or for none: any other skip fails, so that none goes unseen."""

import fnmatch
import os

import pytest

REASONS = (
    "a value is its values",                                            # automatic mutants that do not apply
    "*AUDIOLAB_MIRROR*",                                                # where the recordings are not at hand
    "needs a C compiler", "needs a C compiler with sanitizers", "needs a C compiler and size",
    "needs sed_eval",                                                   # source only, and old
    # Windows
    "process groups are POSIX", "POSIX permissions", "Windows names are not free", "Windows has no SIGKILL",
    "needs a limit on the size of files", "needs named pipes", "this system cannot fork",
    "a process there does not know its parent", "the limit on memory is Linux's",
)


def _strict(report):
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not any(fnmatch.fnmatchcase(reason, listed) for listed in REASONS):
            report.outcome = "failed"
            report.longrepr = f"Skipped in CI, for a reason that tests/skips.py does not list: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    return _strict((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    return _strict((yield))
