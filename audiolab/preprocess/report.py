"""What is in a folder of recordings: numbers of every file, and which of them are broken, and how."""

import io
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf

from .. import audio, batch, measure, paths
from ..corpus import TOLERANCE, Corpus, CorpusError, recordings, write_table
from .level import to_mono
from .rate import resample

PROBLEMS = {
    "missing": "the table names it and it is not there",
    "empty": "0 bytes, or no samples",
    "truncated": "it ends before it should",
    "NaN": "it holds NaN, infinity or absurd numbers",
    "unreadable": "it is no sound that can be read here",
    "wrong extension": "its content is of another format than its name says",
    "wrong rate": "its sampling rate is not that of the corpus",
    "wrong length": "it is longer than the table says",
    "silent": "every sample is zero, or nearly",
    "DC-only": "a constant and nothing else",
    "clipped": "its peaks are cut flat",
}
SUFFIXES = {"WAV": {".wav"}, "WAVEX": {".wav"}, "RF64": {".wav"}, "FLAC": {".flac"}, "OGG": {".ogg", ".oga", ".opus"},
            "MP3": {".mp3"}, "AIFF": {".aif", ".aiff"}, "AU": {".au"}, "CAF": {".caf"}, "W64": {".w64"}}
BANDS = (63, 125, 250, 500, 1000, 2000, 4000, 8000)         # Hz, middles of the octaves in the report
NOTHING = 10 ** (-90 / 20)      # RMS below which there is no sound, only the last bit of 16
FLAT_SHARE = 5e-3               # of the samples on flat tops: from here on it is clipped; a single cut peak is forgiven


def inspect(source, sr=None, *, n_jobs=None):
    """Look at every file of a folder or corpus.

    Parameters
    ----------
    source : str, os.PathLike or Corpus
        A folder. Where it has a table ``metadata.csv``, every file is held against its row; else the recordings in
        the folder and its sub-folders are taken.
    sr : int, optional
        The rate that files should have. Without it: what the table says, or in a plain folder that of most files.
    n_jobs : int, optional
        Processes; -1 for one per core. None: one, or what ``joblib.parallel_config`` says.

    Returns
    -------
    pandas.DataFrame
        A row for each file: `path`; `problem`, the names of its faults (keys of `PROBLEMS`, joined by a comma), empty
        when it is good; `reason`, the same in a sentence; `label` where known; `duration` (s), `sr`, `channels`,
        `format`; `peak` and `rms` (dBFS), `lufs` (NaN below 0.4 s); `dc` (mean); `clipped` (share of samples on flat
        tops); `silence` (share of 20-ms frames below -60 dBFS); `band_63` … `band_8000` (dBFS in each octave).

    Raises
    ------
    CorpusError
        If there is no such folder, or no recording in it.

    Notes
    -----
    Clipping shows by its flat tops. What a lossy codec has smoothed has none, nor has a pure tone above an eighth of
    the rate, which is too quick; a square wave has them by nature.

    Taught in: notebooks/02_preprocessing.ipynb, "What is in the folder?"
    """
    import joblib
    from tqdm.auto import tqdm

    root, files = expected(source)
    looked = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(
        joblib.delayed(_looked_at)(root, row, sr) for row in files)
    rows = list(tqdm(looked, "Inspecting", total=len(files), unit="file", delay=2))
    usual = pd.Series([row["sr"] for row in rows]).mode()
    for row in rows:
        faults = row.pop("faults")
        if sr is None and "sr" not in files[0] and row["sr"] not in (0, usual[0]):
            faults["wrong rate"] = f"it has {row['sr']} Hz, most have {usual[0]}"
        row["problem"], row["reason"] = ", ".join(faults), "; ".join(faults.values())
    table = pd.DataFrame(rows)
    return table[["path", "problem", "reason", *table.columns.drop(["path", "problem", "reason"])]]


def _looked_at(root, row, sr):
    """One file's row of the report, its faults still by name. Runs in a worker."""
    try:
        y, rate, form, faults = examine(root / row["path"], row, sr)
    except audio.AudioError as error:                                           # the machine could not read it
        y, rate, form, faults = None, 0, "", {"unreadable": str(error)}
    return {"path": row["path"], "faults": faults, "label": row.get("label", ""), **_numbers(y, rate, form)}


def expected(source):
    """The folder of a corpus, and for each of its files what is known of it beforehand.

    Parameters
    ----------
    source : str, os.PathLike or Corpus

    Returns
    -------
    root : pathlib.Path
    rows : list of dict
        With `path`, and whatever else the table says.

    Raises
    ------
    CorpusError
        As `inspect`.
    """
    if isinstance(source, Corpus):
        return source.root, source.table.to_dict("records")
    root = Path(source).expanduser().absolute()
    if not root.is_dir():
        raise CorpusError(f"There is no folder {str(source)!r}: check the name.")
    if (root / "metadata.csv").exists():
        return root, Corpus(root).table.to_dict("records")
    if found := recordings(root):
        return root, [{"path": path} for path in found]
    raise CorpusError(f"There are no recordings in {str(source)!r}.")


def examine(path, row=None, sr=None):
    """Read one file and name its faults.

    Parameters
    ----------
    path : pathlib.Path
    row : dict, optional
        What its table says: `duration` in seconds and `sr` in Hz, where known.
    sr : int, optional
        The rate that it should have, in place of the table's.

    Returns
    -------
    y : np.ndarray or None
        None where it cannot be read.
    rate : int
        0 where it cannot be read, like the next.
    format : str
    faults : dict of str to str
        Name to sentence; empty for a good file.

    Raises
    ------
    AudioError
        If the machine cannot read it now (too many open files, no connection): that says nothing of the file.

    Taught in: notebooks/02_preprocessing.ipynb, "What is in the folder?"
    """
    row = row or {}
    try:
        y, rate = audio.load(path)
        form = audio.info(path).format
    except audio.AudioError as error:
        if batch.of_the_machine(error):
            raise
        says = str(error).replace(f"{path.parent}{os.sep}", "")
        return None, 0, "", {_kind(path, says): says}
    faults = {}
    if form in SUFFIXES and path.suffix.lower() not in SUFFIXES[form]:
        faults["wrong extension"] = f"it is {form}, whatever its name says"
    wanted = sr or row.get("sr", rate)
    if rate != wanted:
        faults["wrong rate"] = f"it has {rate} Hz, not {wanted:g}"
    lasts, should = y.shape[-1] / rate, row.get("duration", y.shape[-1] / rate)
    slack = max(TOLERANCE, 0.1 if form in ("MP3", "OGG") else 0)                # codecs pad
    if abs(lasts - should) > slack:
        kind = "truncated" if lasts < should else "wrong length"
        faults[kind] = f"it lasts {lasts:.3f} s, the table says {should:.3f}"
    dc = y.mean(axis=-1, keepdims=True, dtype=np.float64)
    if np.sqrt(np.mean((y - dc) ** 2)) < NOTHING:
        constant = float(np.abs(dc).max())
        if constant < NOTHING:
            faults["silent"] = "there is no sound in it"
        else:
            faults["DC-only"] = f"it is a constant {constant:.3g} and no sound"
    elif (share := flat_share(y)) > FLAT_SHARE:
        faults["clipped"] = f"{100 * share:.1f} % of its samples lie on flat tops"
    return y, rate, form, faults


def _kind(path, says):
    """The name for what `audio.load` said of a file."""
    if not path.exists():
        return "missing"
    for words, kind in (("is empty", "empty"), ("holds no sound", "empty"), ("cut short", "truncated"), ("NaN", "NaN")):
        if words in says:
            return kind
    return "unreadable"


def flat_share(y, step=2.0**-15):
    """Share of the samples that lie on flat tops: runs of three or more at the largest value, or at the smallest.

    A sine lingers at its top, too, but nearly as long a little below it. So samples within 1.5 steps of 16 bits of
    the extreme count only where they are four times as many as those within the next 4.5.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [channels, n]
    step : float
        Of the quantiser.

    Returns
    -------
    float
        0 to 1.

    Taught in: notebooks/02_preprocessing.ipynb, "What is in the folder?"
    """
    flat = 0
    for channel in np.atleast_2d(y):
        for side in (channel, -channel):
            top = side.max()
            if top <= 16 * step:                                                # one side only, or next to nothing
                continue
            at = side > top - 1.5 * step
            below = np.count_nonzero(side > top - 6 * step) - np.count_nonzero(at)
            if np.count_nonzero(at) > 4 * below:
                edges = np.flatnonzero(np.diff(np.concatenate([[0], at.astype(np.int8), [0]])))
                runs = edges[1::2] - edges[::2]
                flat += runs[runs >= 3].sum()
    return float(flat / np.size(y))


def _numbers(y, sr, form):
    """The numbers of one file for the report; NaN for one that cannot be read."""
    if y is None:
        return {"duration": math.nan, "sr": 0, "channels": 0, "format": "",
                **dict.fromkeys(["peak", "rms", "lufs", "dc", "clipped", "silence"], math.nan),
                **{f"band_{band}": math.nan for band in BANDS}}
    mono = to_mono(y)
    frame = min(max(1, round(0.02 * sr)), len(mono))
    frames = mono[: len(mono) // frame * frame].reshape(-1, frame).astype(np.float64)
    loud_enough = len(mono) >= 0.4 * sr + 2 and sr >= 8000 and (y.ndim == 1 or len(y) <= 2)
    return {
        "duration": round(len(mono) / sr, 6), "sr": sr, "channels": 1 if y.ndim == 1 else len(y), "format": form,
        "peak": float(measure.dbfs(np.abs(y).max())), "rms": float(measure.dbfs(measure.rms(y.ravel()))),
        "lufs": measure.lufs(y, sr) if loud_enough else math.nan,
        "dc": float(mono.mean(dtype=np.float64)), "clipped": flat_share(y),
        "silence": float(np.mean(np.mean(frames**2, axis=1) < 10 ** (-60 / 10))),
        **_octaves(mono, sr),
    }


def _octaves(y, sr):
    """Level in each octave in dBFS, by the energy of the spectrum's bins (Parseval)."""
    from scipy.fft import next_fast_len, rfft

    n = next_fast_len(len(y), real=True)
    energy = np.abs(rfft(y, n)) ** 2 * 2 / n / len(y)
    edges = np.searchsorted(np.arange(n // 2 + 1) * sr / n, [band * 2**0.5 for band in (BANDS[0] / 2, *BANDS)])
    cumulated = np.concatenate([[0], np.cumsum(energy)])[edges]
    with np.errstate(divide="ignore"):
        levels = 10 * np.log10(np.maximum(np.diff(cumulated), 0))
    return {f"band_{band}": float(level) for band, level in zip(BANDS, levels, strict=True)}


# ---------------------------------------------------------------------------------------- faults to look for


def plant(corpus, root, rng=None):
    """Copy a corpus and spoil some of its files, each in another way: a test for whoever claims to find them.

    Parameters
    ----------
    corpus : Corpus
        Ten clips or more, which are good.
    root : str or os.PathLike
        The new folder.
    rng : np.random.Generator, optional
        Chooses the clips; by default they are always the same.

    Returns
    -------
    dict of str to str
        Path of each spoiled file to its problem, one of `PROBLEMS`.

    Raises
    ------
    CorpusError
        If there are fewer clips, or `root` holds something.

    Taught in: notebooks/02_preprocessing.ipynb, "What is in the folder?"
    """
    rng = rng or np.random.default_rng(0)
    root = Path(root).expanduser().absolute()
    kinds = ["missing", "empty", "truncated", "NaN", "unreadable", "wrong extension", "wrong rate", "silent", "DC-only",
             "clipped"]
    if len(corpus) < len(kinds):
        raise CorpusError(f"Planting takes {len(kinds)} clips, {corpus.root.name!r} has {len(corpus)}.")
    if root.exists() and any(root.iterdir()):
        raise CorpusError(f"{str(root)!r} holds something: choose another folder.")
    chosen = dict(zip(rng.permutation(len(corpus)).tolist(), kinds, strict=False))
    renamed, planted = {}, {}
    for i, old in enumerate(corpus.table.path):
        path, content = old, (corpus.root / old).read_bytes()
        if i in chosen:
            path, content = _spoiled(chosen[i], path, content)
            planted[path] = chosen[i]
        renamed[old] = path
        if content is not None:
            with paths.replacing(root / path) as tmp:
                tmp.write_bytes(content)
    tables = {name: corpus.sidecar(name) for name in corpus.sidecars()}
    for name, rows in {"metadata": corpus.table, **tables}.items():
        write_table(root / f"{name}.csv", rows.assign(path=rows.path.map(renamed)))
    return planted


def _spoiled(kind, path, content):
    """A clip's path and content, spoiled in one way. None: the file is gone."""
    if kind in ("missing", "empty", "unreadable", "truncated"):
        return path, {"missing": None, "empty": b"", "truncated": content[: len(content) // 2],
                      "unreadable": b"Dear customer, your recording follows by separate mail.\n" * 20}[kind]
    y, sr = audio.load(content)
    if kind == "NaN":
        y = y.copy()
        y[..., y.shape[-1] // 2] = np.nan
        return str(Path(path).with_suffix(".wav").as_posix()), _encoded(y, sr, "WAV", "FLOAT")
    if kind == "wrong extension":
        other = "FLAC" if Path(path).suffix.lower() != ".flac" else "WAV"
        return path, _encoded(y, sr, other, "PCM_16")
    if kind == "wrong rate":
        return _as(path, resample(y, sr, sr // 2), sr // 2)
    if kind == "clipped":
        y = np.clip(y * (3 / max(np.quantile(np.abs(y), 0.99), 1e-9)), -1, 1)
    else:
        y = np.full_like(y, {"silent": 0.0, "DC-only": 0.25}[kind])
    return _as(path, y, sr)


def _encoded(y, sr, form, subtype):
    """A signal as the bytes of a file, whatever is in it."""
    stream = io.BytesIO()
    sf.write(stream, y.T, sr, format=form, subtype=subtype)
    return stream.getvalue()


def _as(path, y, sr):
    """A sound as the content of a lossless file, of the path's own format where it is one."""
    suffix = Path(path).suffix.lower()
    if suffix not in (".wav", ".flac"):
        path, suffix = Path(path).with_suffix(".wav").as_posix(), ".wav"
    y = np.clip(y, -1, 1 - 2.0**-15)
    return path, _encoded(y, sr, suffix[1:].upper(), "PCM_16")
