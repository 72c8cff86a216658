"""Features of a whole corpus: computed once, in parallel, kept in one file that opens at once."""

import functools
import inspect
import json
from pathlib import Path

import numpy as np
import pandas as pd

from .. import audio, batch, paths
from ..corpus import Corpus, CorpusError, digest, read_table, write_table

VERSION = 2                     # of the features here: raise it when one gives other numbers, so that all is done anew
ABOUT = "features.json"         # which function with which parameters, of which corpus, in which layout
ARRAY = "features.npy"          # all clips, one after the other: [frames of all, rows], or [frames of all]


class FeatureSet(Corpus):
    """A corpus of features in place of sounds: ``x, sr, row = features[i]``, with x of shape [rows, frames].

    It splits, selects and goes to PyTorch as a corpus does. The array stays on the disk; what is asked for is read.
    Opening reads the table alone, however long the array, and does not look whether the sounds are still the same:
    that is for `extract`. When `extract` has made the folder anew with other parameters or other clips, a set that was
    opened before goes on with the array that it has mapped, or, if it had not read yet, raises a ``CorpusError``: it
    never mixes the two.

    Parameters
    ----------
    root : str or os.PathLike
        What `extract` made. Its table has besides the corpus's columns `start` and `frames`: where in the file a clip
        stands.
    table, labels, aside
        As in `Corpus`.

    Raises
    ------
    CorpusError
        If the folder was not made by `extract`, or was made anew since it was opened; and as `Corpus`.

    Examples
    --------
    >>> train = FeatureSet("data/features/speech-digits/log_mel-0f3a91c2").split("train")   # doctest: +SKIP
    >>> x, sr, row = train[0]                                                           # doctest: +SKIP

    Taught in: notebooks/03_features.ipynb, "Who computes ten thousand clips?"
    """

    def __init__(self, root, table=None, labels=None, aside=None):
        self._about = _about(root)                              # before the table, so that the older of both is known
        if self._about is None:
            raise CorpusError(f"There is no {ABOUT} in {str(root)!r}, or it is damaged: have features.extract make "
                              "the folder, after you have deleted what is there if that was its own.")
        self._map = None
        super().__init__(root, table, labels, aside)

    @property
    def array(self):
        """All clips of the folder, one after the other: a read-only memory map, time first."""
        if self._map is None:
            mapped = np.load(self.root / ARRAY, mmap_mode="r")
            if _about(self.root) != self._about:                # after the array, which is then no newer
                raise CorpusError(f"{str(self.root)!r} was made anew with other parameters or other clips since it was "
                                  "opened: open it again with FeatureSet(root), and give each its own root.")
            self._map = mapped
        return self._map

    @property
    def about(self):
        """Which function made them (`feature`), with which `parameters`, of which `corpus`; as it was when opened."""
        return dict(self._about)

    def select(self, rows):
        """As in `Corpus`."""
        part = super().select(rows)
        part._about, part._map = self._about, self._map
        return part

    def tensors(self, frames=None, fill=0.0, target="label"):
        """All clips as one batch, as `audiolab.training.fit` takes it.

        Parameters
        ----------
        frames : int, optional
            Length of every picture: longer clips are cut at both ends alike, shorter ones filled up at both ends.
            When not given, all must be of one length.
        fill : float
            What to fill up with: ``math.log(1e-5)`` is the silence of a log-mel.
        target : str
            Column of the table that is to be told: texts, or numbers.

        Returns
        -------
        x : torch.Tensor, shape [clips, 1, rows, frames], float32
        y : torch.Tensor, shape [clips], int64, or [clips, 1], float32
            The place of each clip's text among `names`, or its number.

        Raises
        ------
        CorpusError
            If there is no such column, or the clips differ in length and `frames` is not given.

        Taught in: notebooks/06_classification.ipynb, "What does a picture keep that a mean has lost?"
        """
        import torch

        lengths = set(self.table.frames)
        if frames is None and len(lengths) > 1:
            raise CorpusError(f"The clips of {self.root.name!r} have {min(lengths)} to {max(lengths)} frames: say how "
                              "many each should have, as tensors(frames=...).")
        names = self.names(target)
        frames = frames or lengths.pop()
        pictures = []
        for start, n in zip(self.table.start, self.table.frames, strict=True):
            cut, short = max(0, n - frames) // 2, max(0, frames - n)
            picture = self.array[start + cut : start + cut + min(n, frames)]                   # time first
            pictures.append(np.pad(picture, ((short // 2, short - short // 2), (0, 0)), constant_values=fill))
        x = torch.from_numpy(np.stack(pictures).transpose(0, 2, 1)[:, None].astype(np.float32))
        if names:
            return x, torch.tensor([names.index(text) for text in self.table[target]])
        return x, torch.tensor(self.table[target].to_numpy(np.float32))[:, None]

    def names(self, target="label"):
        """The texts that a column holds in the whole folder, in the order in which they are numbered; none for numbers.

        Raises
        ------
        CorpusError
            If there is no such column.
        """
        if target not in self.table:
            raise CorpusError(f"The clips of {self.root.name!r} have no {target!r}; there are {', '.join(self.table)}.")
        if target == "label":
            return self.labels
        whole = read_table(self.root / "metadata.csv")[target]
        return [] if pd.api.types.is_numeric_dtype(whole) else sorted(set(whole))

    def __getstate__(self):
        return {**self.__dict__, "_map": None}                  # another process maps the file itself

    def __getitem__(self, i):
        """``x, sr, row`` of clip `i`: its features, the rate of its sound in Hz, its row of the table as a dict."""
        row = self.table.iloc[int(i)].to_dict()
        x = self.array[row["start"] : row["start"] + row["frames"]]
        return np.array(x.T, order="C"), row["sr"], row


def extract(corpus, feature, root=None, *, n_jobs=None, **parameters):
    """Compute a feature of every clip of a corpus, once.

    The results stand in one array, which is memory-mapped instead of read. A result is kept as long as neither the
    content of its file nor the feature nor its parameters change; the next call does only what is missing, also after
    a kill. To know what has changed it reads every sound file once, one after the other: ``FeatureSet(root)`` opens
    what is there without looking. Other parameters make another folder, unless you name one: then they take the place
    of what stood there. A clip that cannot be read, or on which the feature raises a ``ValueError``, is set
    aside and named in ``report.csv``. One process, several, or a Dask cluster write the same bytes.

    Parameters
    ----------
    corpus : Corpus, str or os.PathLike
        The whole of it: take splits from the result.
    feature : callable
        ``feature(y, **parameters)``, or ``feature(y, sr=sr, **parameters)`` where it has a parameter `sr`, gives an
        array of shape [rows, frames] or [frames], with as many rows for all: `log_mel`, `mfcc`, `chroma`, `rms`, a
        function of your own.
    root : str or os.PathLike, optional
        The new folder; when not given ``data/features/<corpus>/<feature>-<8 digits>``, where the digits stand for the
        function and its parameters.
    n_jobs : int, optional
        Processes; -1 for one per core. None: one, or what ``joblib.parallel_config`` says: ``with
        joblib.parallel_config("dask"): extract(...)`` hands the clips to the Dask client of this session, whose
        workers must see the same folders.
    **parameters
        Of the feature: numbers, texts or lists of them.

    Returns
    -------
    FeatureSet
        `aside` holds the clips set aside and why.

    Raises
    ------
    CorpusError
        If every clip is set aside, clips have different numbers of rows, or `root` holds something else, be it the
        features of another corpus.
    ValueError
        If the feature is no function that can be told from others, a parameter is no plain value, or a lambda comes
        without `root`.

    Examples
    --------
    >>> features = extract(speech.digits(), log_mel, n_jobs=-1, n_mels=40)             # doctest: +SKIP

    Notes
    -----
    A function of your own is known as a step of `preprocess.run` is: by its name, its parameters, its source text and
    the plain values among the global names that it reads. What it calls is not looked into: when that changes, delete
    the folder. On Windows a folder whose array a `FeatureSet` has mapped cannot be replaced: ``del`` that set first.

    Taught in: notebooks/03_features.ipynb, "Who computes ten thousand clips?"
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    bound = functools.partial(feature, **parameters) if callable(feature) else feature
    words, described = batch.describe(bound)
    recipe = json.dumps([VERSION, described])
    name = bound.func.__name__
    if root is None and name == "<lambda>":
        raise ValueError("A lambda has no name for its folder: define the feature with def, or give root.")
    root = root or paths.data("features", corpus.root.name, f"{name}-{digest(recipe)[:8]}")
    about = {"feature": words, "parameters": bound.keywords, "corpus": str(corpus.root.resolve()),
             "recipe": digest(recipe)}
    _require_same_corpus(root, about["corpus"])
    takes_rate = "sr" in inspect.signature(bound.func).parameters
    jobs = {path: (digest(recipe + batch.content(corpus.root / path)), corpus.root / path)
            for path in corpus.table.path}
    finish = functools.partial(_joined, root, corpus.table, about)
    records = batch.update(root, jobs, functools.partial(_computed, bound, takes_rate), finish, n_jobs=n_jobs,
                           recipe=digest(recipe + about["corpus"] + corpus.table.to_csv()),
                           desc=f"{words} of {corpus.root.name}")
    aside = {path: record["problem"] for path, record in records.items() if "problem" in record}
    return FeatureSet(root, labels=corpus.labels, aside=aside)


def _about(root):
    """What a folder of features says of itself; None where that is missing or damaged."""
    try:
        return json.loads((Path(root).expanduser() / ABOUT).read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None


def _require_same_corpus(root, corpus):
    """Refuse to replace the features of another corpus, unless that is gone or has been moved."""
    other = (_about(root) or {}).get("corpus", corpus)
    if other != corpus and Path(other).exists():
        raise CorpusError(f"{str(root)!r} holds features of the corpus {other!r}, not of {corpus!r}: choose another "
                          "root.")


def _computed(feature, takes_rate, folder, name, path):
    """The feature of one clip, as a file of its own, time first. Runs in a worker."""
    y, sr = audio.load(path)
    x = np.asarray(feature(y, sr=sr) if takes_rate else feature(y))
    if x.ndim == 0:
        raise ValueError("the feature is one number per clip: return np.array([x])")
    if x.ndim not in (1, 2):
        raise ValueError(f"the feature has shape {list(x.shape)}, not [rows, frames] or [frames]: is the clip stereo? "
                         "Make it mono first, with preprocess.run")
    if x.dtype.kind not in "fciub" or not np.isfinite(x).all():
        raise ValueError(f"the feature holds NaN, infinity, or no numbers ({x.dtype})")
    file = f"{digest(name)}.raw"
    np.ascontiguousarray(x.T).tofile(folder / file)
    return {"files": [file], "frames": x.shape[-1], "rows": list(x.shape[:-1]), "dtype": x.dtype.str}


def _joined(root, table, about, folder, records, kept):
    """Put the clips' arrays one after the other, and write the tables."""
    good = {path: record for path, record in records.items() if "problem" not in record}
    first, (rows, dtype) = next((path, (record["rows"], record["dtype"])) for path, record in good.items())
    for path, record in good.items():
        if (record["rows"], record["dtype"]) != (rows, dtype):
            raise CorpusError(f"The clips' features do not fit together: {rows} rows of {dtype} in {first!r}, "
                              f"{record['rows']} of {record['dtype']} in {path!r}. Bring all clips to one rate first, "
                              "with preprocess.run.")
    frames = np.array([record["frames"] for record in good.values()])
    start = dict(zip(good, np.cumsum(frames) - frames, strict=True))
    before, old = _before(root, kept & set(good))
    out = np.lib.format.open_memmap(folder / ARRAY, mode="w+", dtype=dtype, shape=(int(frames.sum()), *rows))
    for path, record in good.items():
        here = slice(start[path], start[path] + record["frames"])
        if path in old:
            out[here] = before[old[path] : old[path] + record["frames"]]
        else:
            file = folder / record["files"][0]
            out[here] = np.fromfile(file, dtype).reshape(-1, *rows)
            file.unlink()
    out.flush()
    passed = table[table.path.isin(good)]
    write_table(folder / "metadata.csv", passed.assign(start=passed.path.map(start), frames=frames))
    write_table(folder / "report.csv", pd.DataFrame(
        [(path, "set aside", record["problem"]) for path, record in records.items() if "problem" in record],
        columns=["path", "what", "why"]))
    layout = digest(json.dumps([(path, record["key"], record["frames"]) for path, record in good.items()]))
    about = {**about, "rows": rows, "dtype": dtype, "frames": int(frames.sum()), "layout": layout}
    (folder / ABOUT).write_text(json.dumps(about, default=lambda number: number.item()) + "\n", "utf-8")
    return [ARRAY, "metadata.csv", "report.csv", ABOUT]


def _before(root, kept):
    """The array that stands in `root`, and where in it each of the kept clips begins."""
    if not kept:
        return None, {}
    old = FeatureSet(root)
    return old.array, {path: start for path, start in zip(old.table.path, old.table.start, strict=True) if path in kept}
