"""The table of what the notebooks claim, collected from their outputs: ``python -m tools.claims``."""

from pathlib import Path

from audiolab.claims import MIME, bound_text
from tools.twins import BuildError, code_cells, loads

ROOT = Path(__file__).absolute().parents[1]


def collect(nb):
    """Every claim that a notebook verified, from its outputs.

    Parameters
    ----------
    nb : nbformat.NotebookNode
        Executed.

    Returns
    -------
    dict of str to dict
        Records of ``audiolab.verify`` by name, in order.

    Raises
    ------
    BuildError
        If a name stands for two results.
    """
    found = {}
    for cell in code_cells(nb):
        for output in cell.outputs:
            record = output.get("data", {}).get(MIME)
            if record and found.setdefault(record["name"], record) != record:
                raise BuildError(f'two claims are named "{record["name"]}": give each its own name')
    return found


def table(root):
    """The claims of all chapters and solutions, as a Markdown page.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the course.

    Returns
    -------
    str
        Stands in ``benchmarks/CLAIMS.md``, to which its links are relative.
    """
    rows = []
    for path in sorted([*root.glob("notebooks/*.ipynb"), *root.glob("solutions/*.ipynb")]):
        name = path.relative_to(root).as_posix()
        for record in collect(loads(path.read_text(encoding="utf-8"))).values():
            rows.append([f"[{name.removesuffix('.ipynb')}](../{name})", *_row(record)])
    lines = [["notebook", "claim", "measured", "bound", ""], ["---", "---", "---:", "---", "---"], *rows]
    title = "# What the notebooks claim\n\nCollected from the executed notebooks by `make notebooks`. " \
            "Each number is measured again, and compared with its bound, by `make test`.\n\n"
    return title + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(record):
    value = record["value"]
    measured = value if isinstance(value, str) else format(value, ".4g")       # NaN and infinity are stored as text
    note = "time, not enforced" if record["timing"] else "" if record["holds"] else "does not hold"
    if "card" in record:
        note = f"from the model's card, without {record['card']}"
    cells = [record["name"], f"{measured} {record['unit']}".rstrip(), bound_text(record), note]
    return [cell.replace("|", r"\|") for cell in cells]


if __name__ == "__main__":
    print(table(ROOT), end="")
