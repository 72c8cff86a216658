"""A learner's own recordings as a corpus."""

import os
import re
from pathlib import Path

import pandas as pd

from .. import audio
from ..corpus import Corpus, CorpusError, ordered, read_table, recordings, table_problems


def from_folder(path, labels="folders"):
    """Take a folder of recordings, with its sub-folders, as a corpus.

    The corpus refers to the files where they are; nothing is copied, changed or written. Every file is read
    once. One that is empty, broken, not audio or without a label is set aside and named, with the reason,
    and the others load. Hidden files are passed over, and so is what has no suffix of a recording.

    Parameters
    ----------
    path : str or os.PathLike
        The folder.
    labels : str or os.PathLike, optional
        Where the labels come from:

        - ``"folders"``: the first sub-folder, ``dog/take1.wav``
        - ``"names"``: what stands before the first ``_`` or ``-`` of the file's name, ``dog_take1.wav``
        - a CSV file in the folder (or elsewhere) with a column `path`, `file` or `filename` and as many
          more as you like: `label`, `group`, `split`, `text`, …
        - a regular expression for the path within the folder, whose named groups become columns:
          ``r"(?P<label>[a-z]+)/(?P<group>[a-z]+)"`` for ``dog/anna-1.wav``
        - None: no labels

    Returns
    -------
    Corpus
        Clips sorted by path. `aside` holds the files set aside and why.

    Raises
    ------
    CorpusError
        If there is no such folder, no recording in it can be used, or the CSV has faults.

    Examples
    --------
    >>> corpus = from_folder("recordings", labels="names")               # doctest: +SKIP
    2 of 40 files are set aside:
      'yes_07.wav' is empty (0 bytes): record, export or download it again.
      'yes_12.m4a' is M4A, MP4 or MOV (AAC or ALAC), not read here: convert it to WAV first, …
    """
    from tqdm.auto import tqdm

    root = Path(path).expanduser().absolute()
    if not root.is_dir():
        raise CorpusError(f"There is no folder {str(path)!r}: check the name.")
    files = recordings(root)
    known = _labels(root, files, labels)
    rows, aside = [], {}
    for file in tqdm(files, "Reading", unit="file", delay=2):
        if file not in known:
            aside[file] = f"{file!r} has no label: {_WHY.get(labels, f'{str(labels)!r} does not tell one')}."
            continue
        try:
            y, sr = audio.load(root / file)
            rows.append({"path": file, **known[file], "duration": round(y.shape[-1] / sr, 6), "sr": sr})
        except audio.AudioError as error:
            aside[file] = str(error).replace(f"{root}{os.sep}", "")
    for file in sorted(set(known) - set(files)):
        aside[file] = f"{file!r} is named in {str(labels)!r} and is not there."
    said = "\n".join(f"  {reason}" for reason in aside.values())
    if not rows:
        raise CorpusError(f"No recording in {str(path)!r} can be used" + (f":\n{said}" if said else "."))
    if aside:
        print(f"{len(aside)} of {len(rows) + len(aside)} files are set aside:\n{said}")
    return Corpus(root, ordered(pd.DataFrame(rows)), aside=aside)


_WHY = {"folders": "it lies in no sub-folder", "names": "its name has no _ or -"}


def _labels(root, files, labels):
    """What is known of each file: its path to a dict of columns. Files without a label are not in it."""
    if labels is None:
        return {file: {} for file in files}
    if labels == "folders":
        return {file: {"label": file.split("/")[0]} for file in files if "/" in file}
    if labels == "names":
        found = {file: re.match(r"([^_-]+)[_-]", file.split("/")[-1]) for file in files}
        return {file: {"label": match[1]} for file, match in found.items() if match}
    if "(?P<" in str(labels):
        try:
            found = {file: re.search(labels, file) for file in files}
        except re.error as error:
            raise CorpusError(f"labels={labels!r} is no regular expression: {error}.") from None
        return {file: match.groupdict(default="") for file, match in found.items() if match}
    if str(labels).lower().endswith(".csv"):
        return _from_csv(root / Path(labels).expanduser())
    raise CorpusError(f"labels={labels!r} is neither 'folders', 'names', a .csv file, None, nor a regular expression "
                      "with (?P<label>...).")


def _from_csv(file):
    """The rows of a learner's table, by path."""
    table = read_table(file)
    column = next((name for name in ("path", "file", "filename") if name in table), None)
    if column is None:
        raise CorpusError(f"{file.name!r} has no column path, file or filename; it has {', '.join(table)}.")
    table = table.rename(columns={column: "path"}).drop(columns=["duration", "sr"], errors="ignore")
    if bad := table_problems(table, required=["path"]):
        raise CorpusError(f"{file.name!r} has {len(bad)} faults:", bad)
    return {row.pop("path"): row for row in table.to_dict("records")}
