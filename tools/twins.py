"""From the text that authors edit to a notebook: stable cells, exercise stubs, numbers in the prose."""

import copy
import hashlib
import re
from collections import Counter

import jupytext
import nbformat
from jupytext.myst import MystMetadataParsingError

#: Stored in every notebook. The version of Python is left out: it would change with each author's machine.
METADATA = {
    "kernelspec": {"display_name": "audiolab", "language": "python", "name": "audiolab"},
    "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python",
                      "pygments_lexer": "ipython3"},
}

_BLOCK = re.compile(r"^([ \t]*)# BEGIN SOLUTION[ \t]*\n(?:.*\n)*?[ \t]*# END SOLUTION[ \t]*$", re.MULTILINE)
_MARK = re.compile(r"# (?:BEGIN|END) SOLUTION")
_NUMERAL = re.compile(r"\{\{([^{}]*)\}\}")


class BuildError(Exception):
    """What the author has to mend: one line per problem, each naming the file."""


def read(path):
    """Read a text twin as a notebook without outputs.

    A cell's id is a hash of its text, so that a diff shows the cells which changed and no others.

    Parameters
    ----------
    path : pathlib.Path
        MyST Markdown, as jupytext reads it.

    Returns
    -------
    nbformat.NotebookNode

    Raises
    ------
    BuildError
        If the tags of a cell, or the lines at the top, are not YAML.
    """
    try:
        nb = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    except MystMetadataParsingError as e:
        raise BuildError(f"cannot be read: {e}") from e
    nb.metadata = nbformat.from_dict(METADATA)
    nb.nbformat, nb.nbformat_minor = 4, 5
    return _with_ids(nb)


def dumps(nb):
    """The text of a notebook file: sorted keys, one line per line of source, so that it diffs well."""
    return nbformat.writes(nb) + "\n"


def loads(text):
    """The notebook in the text of an ``.ipynb`` file."""
    return nbformat.reads(text, as_version=4)


def code_cells(nb):
    """The cells that run, in order; ``[k]`` beside a cell is its place in this list, from 1."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell):
    """The tags of a cell, an empty list where there are none."""
    return cell.metadata.get("tags", [])


def first_line(cell):
    """What names a cell to an author: the line that it begins with."""
    return cell.source.strip().partition("\n")[0]


def exercise(solution, chapter):
    """Turn a solution into its exercise: each block between the marks becomes ``raise NotImplementedError``.

    Parameters
    ----------
    solution : nbformat.NotebookNode
        As `read` returns it.
    chapter : str
        Two digits. The answer cells must be tagged ``exercise-01.1``, ``exercise-01.2``, … in order.

    Returns
    -------
    nbformat.NotebookNode

    Raises
    ------
    BuildError
        If marks do not pair, or tags and blocks do not.
    """
    nb = copy.deepcopy(solution)
    found = []
    for cell in nb.cells:
        name = next((tag for tag in tags(cell) if tag.startswith("exercise-")), None)
        stub, blocks = _BLOCK.subn(r"\1raise NotImplementedError", cell.source)
        if _MARK.search(stub):
            raise BuildError(f'BEGIN and END SOLUTION do not pair in the cell "{first_line(cell)}"')
        if blocks and not name:
            raise BuildError(f'the cell "{first_line(cell)}" holds a solution but no tag exercise-{chapter}.…')
        if name and not blocks:
            raise BuildError(f"the cell tagged {name} holds no block from BEGIN SOLUTION to END SOLUTION")
        if name:
            found.append(name)
        cell.source = stub
    expected = [f"exercise-{chapter}.{k}" for k in range(1, len(found) + 1)]
    if found != expected:
        raise BuildError(f"answer cells are tagged {', '.join(found)}; expected {', '.join(expected)}")
    return fill(_with_ids(nb), {})


def fill(nb, claims):
    """Put measured numbers into the prose: ``{{claim name|.2f}}`` becomes the value of that claim.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Its Markdown cells are filled in place.
    claims : dict of str to dict
        Records of ``audiolab.verify`` by name.

    Returns
    -------
    nbformat.NotebookNode
        `nb`.

    Raises
    ------
    BuildError
        If there is no such claim, or no format or an unfitting one behind the ``|``.
    """

    def numeral(match):
        name, bar, spec = match[1].rpartition("|")
        name = name.strip()
        if not bar:
            raise BuildError(f"{match[0]} names no format: write {{{{{match[1]}|.2f}}}}")
        if name not in claims:
            raise BuildError(f'{match[0]}: this notebook verifies no claim named "{name}"')
        try:
            return format(claims[name]["value"], spec.strip())
        except ValueError as e:
            raise BuildError(f"{match[0]}: {e}") from e

    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = _NUMERAL.sub(numeral, cell.source)
    return nb


def _with_ids(nb):
    seen = Counter()
    for cell in nb.cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[digest] += 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    return nb
