"""The pictures of the README, copied from the executed notebooks: ``python -m tools.pictures``."""

import base64
from pathlib import Path

from audiolab.paths import replacing
from tools.twins import BuildError, code_cells, loads

ROOT = Path(__file__).absolute().parents[1]

#: File in docs/ → the notebook that shows the picture, and how its alternative text begins.
PICTURES = {
    "voice.png": ("00_start_here", "Waveform of a spoken sentence"),
    "aliasing.png": ("01_fundamentals", "A sine of 5000 Hz"),
    "string.png": ("01_fundamentals", "Left: all harmonics stay"),
}


def find(root, notebook, beginning):
    """One picture of a stored notebook.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the course.
    notebook : str
        Name of a chapter's notebook, without suffix.
    beginning : str
        First words of the picture's alternative text.

    Returns
    -------
    png : bytes
    alt : str
        The whole alternative text.

    Raises
    ------
    BuildError
        If there is not exactly one such picture.
    """
    nb = loads((root / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))
    pictures = [(output.data["image/png"], output.metadata["image/png"]["alt"])
                for cell in code_cells(nb) for output in cell.outputs if "image/png" in output.get("data", {})]
    found = [(base64.b64decode(png), alt) for png, alt in pictures if alt.startswith(beginning)]
    if len(found) != 1:
        raise BuildError(f'{notebook} shows {len(found)} pictures described as "{beginning}…", not one: '
                         "mend PICTURES in tools/pictures.py")
    return found[0]


if __name__ == "__main__":
    for name, source in PICTURES.items():
        png, alt = find(ROOT, *source)
        with replacing(ROOT / "docs" / name) as tmp:
            tmp.write_bytes(png)
        print(f"docs/{name}: {alt}")
