"""Outputs as they are stored: without what only a live kernel can use, and fit to be read."""

import json
import re
import tempfile
from pathlib import Path

from audiolab.checks.report import STATES
from tools.twins import code_cells, first_line, tags

WIDGET = "application/vnd.jupyter.widget-view+json"
LIMIT = 1_000_000                       # bytes of a stored notebook

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_OVERWRITTEN = re.compile(r"^[^\n]*\r(?=[^\n])", re.MULTILINE)
_BAR = re.compile(r"^.*(?:\d+%\|.*\| *\S+/\S+|\d\S*it) \[[^\]\n]*\][ ]*$\n?", re.MULTILINE)        # as tqdm draws them
_BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]+")
_FAILED_CHECK = re.compile(rf"(?!{STATES['passed'][0]})\S \d\d\.\d+ ")        # as an Outcome begins
_HOMES = r"/(?:home|Users|root|tmp|private|var/folders)/\w|[A-Za-z]:[\\/]Users[\\/]"


def clean(nb):
    """Bring freshly made outputs into the form that is stored.

    Widgets leave their static picture; one without (a progress bar) leaves nothing. Pieces of a stream
    are joined, lines that were overwritten go, progress bars go. A traceback keeps the cell's own lines
    and the message, not the frames inside libraries, whose paths belong to this machine.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Changed in place.
    """
    for cell in code_cells(nb):
        cell.outputs = _joined([output for output in map(_stored, cell.outputs) if output])
        for output in cell.outputs:
            if output.output_type == "stream":
                output.text = _OVERWRITTEN.sub("", output.text)
                if output.name == "stderr":
                    output.text = _BAR.sub("", output.text)
        cell.outputs = [output for output in cell.outputs if output.get("text", "…").strip()]


def problems(nb, root):
    """What must not be in a stored notebook, in plain words.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Executed.
    root : pathlib.Path
        Folder of the course: its own path must not be shown either.

    Returns
    -------
    list of str
    """
    found = []
    path = _machine_paths(root)
    for count, cell in enumerate(code_cells(nb), 1):
        where = f'cell [{count}] "{first_line(cell)}"'
        if cell.execution_count != count:
            found.append(f"{where} was not run in its turn (execution count {cell.execution_count})")
        may_raise = "raises-exception" in tags(cell)
        raises = any(output.output_type == "error" for output in cell.outputs)
        if may_raise and not raises:
            found.append(f"{where} is tagged raises-exception and raises nothing")
        for output in cell.outputs:
            text = _text(output)
            if raises and not may_raise and output.output_type == "error":
                found.append(f"{where} raises {output.ename}: {output.evalue}")
            if output.output_type == "stream" and output.name == "stderr":
                found.append(f"{where} warns: {text.strip().partition(chr(10))[0]}")
            elif output.output_type == "stream" and "Traceback (most recent call last)" in text:
                found.append(f"{where} prints a traceback")
            if match := path.search(text):
                found.append(f"{where} shows a path of this machine: {_around(text, match)}")
            if match := re.search(r" at 0x[0-9a-fA-F]{6,}", text):
                found.append(f"{where} shows an address in memory: {_around(text, match)}")
            if WIDGET in output.get("data", {}):
                found.append(f"{where} stores a live widget: it was saved by hand")
            if output.get("data", {}).get("text/plain", "").startswith("<Figure size"):
                found.append(f"{where} shows a figure without alternative text")
    return found


def failed_checks(nb):
    """Exercise checks in a notebook that did not pass, which in a solution must not be.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Executed.

    Returns
    -------
    list of str
    """
    titles = (output.get("data", {}).get("text/plain", "").partition("\n")[0]
              for cell in code_cells(nb) for output in cell.outputs)
    return [f"a check does not pass: {title}" for title in titles if _FAILED_CHECK.match(title)]


def _stored(output):
    """One output without its live part; None when nothing is left."""
    if output.output_type == "error":
        output.traceback = [part for part in output.traceback if not _ANSI.sub("", part).startswith("File ")]
    data = output.get("data", {})
    if data.pop(WIDGET, None) is not None and set(data) <= {"text/plain"}:
        return None
    return output


def _joined(outputs):
    """Consecutive pieces of the same stream in one output."""
    joined = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _text(output):
    """Everything in an output that a person could read, without colours, sound and pictures."""
    if output.output_type == "stream":
        parts = [output.text]
    elif output.output_type == "error":
        parts = [output.ename, output.evalue, *output.traceback]
    else:
        parts = [value if isinstance(value, str) else json.dumps(value).replace(r"\\", "\\")
                 for kind, value in output.data.items() if kind not in ("image/png", "image/jpeg")]
    return _BASE64.sub("base64,", _ANSI.sub("", "\n".join(parts)))


def _around(text, match):
    """The line in which something was found, no longer than a line should be."""
    start = text.rfind("\n", 0, match.start()) + 1
    return text[max(start, match.start() - 40):match.end() + 40].partition("\n")[0].strip()


def _machine_paths(root):
    """Pattern of paths that exist on this machine, or look like somebody's home."""
    places = [place for place in (root, Path.home(), Path(tempfile.gettempdir())) if len(place.parts) > 1]
    spelled = {form for place in places for form in (str(place), place.as_posix(), str(place.resolve()))}
    exact = "|".join(rf"{re.escape(place)}(?![\w-])" for place in sorted(spelled))
    return re.compile(rf"(?<![\w.])(?:{exact}|{_HOMES})")      # preceded by a letter it is part of a web address
