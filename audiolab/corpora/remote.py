"""Published data sets: fetched once, held against what was published, then corpora like any other.

`DATASETS` says of each where it comes from, at a pinned commit or release, and under which licence. What
arrives is checked: against a SHA-256 for each file where ``manifests`` beside this module holds them (FSDD,
JSB chorales, Nottingham, librosa's examples), or against that of the archive (Speech Commands, LibriSpeech).
For ESC-50 none is pinned, because GitHub packs its archives anew from time to time; there the archive's own
check sums and the number of clips have to do.

Where there is no network, the environment variable ``AUDIOLAB_MIRROR`` names a folder with one folder for each
data set, files as published. It is tried first.
"""

import csv
import dataclasses
import json
import os
import re
import shutil
import urllib.parse
from pathlib import Path, PurePosixPath

import pandas as pd

from .. import audio, corpus, paths
from ..corpus import Corpus, CorpusError
from . import download
from .speech import DIGITS


@dataclasses.dataclass(frozen=True)
class DataSet:
    """Where a data set comes from, what may be done with it and how its table is read.

    Attributes
    ----------
    title : str
    url : str
        An archive (.zip or .tar.gz), or the folder that holds the files of the manifest.
    size : int
        Bytes of its files, about. An archive that unpacks to more than twice as many is refused.
    count : int
        Clips, chorales or tunes.
    licence, citation : str
    table : callable or None
        ``table(folder)`` gives a dict for each clip: the columns of ``metadata.csv``. None where there is no sound.
    top : int
        Outer folders of the archive to leave out.
    keep : str
        Regular expression for the archive's files that are used, where no manifest lists them.
    packed : int or None
        Bytes of the archive, where its size is pinned.
    sha256 : str or None
        Of the archive, where it is pinned.
    """

    title: str
    url: str
    size: int
    count: int
    licence: str
    citation: str
    table: object = None
    top: int = 0
    keep: str = ""
    packed: int | None = None
    sha256: str | None = None

    @property
    def is_archive(self):
        return self.url.endswith((".zip", ".tar.gz"))


# ---------------------------------------------------------------------------------------- tables


def _fsdd(folder):
    """Official split: takes 0 to 4 are for testing. All six speakers stand on both sides."""
    for path in _paths(folder, "recordings/*.wav"):
        digit, speaker, take = PurePosixPath(path).stem.split("_")
        word = DIGITS[int(digit)]
        yield {"path": path, "label": word, "text": word, "split": "test" if int(take) < 5 else "train",
               "speaker": speaker, "take": int(take)}


def _esc50(folder):
    """Published folds 1 to 5, for cross-validation; fragments of one source recording share a fold."""
    with (folder / "meta" / "esc50.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {"path": f"audio/{row['filename']}", "label": row["category"], "group": row["src_file"],
                   "fold": int(row["fold"]), "esc10": row["esc10"] == "True",
                   "licence": "CC BY 3.0" if row["esc10"] == "True" else "CC BY-NC 3.0"}


def _speech_commands(folder):
    """Published split, by speaker. The six long noises have no label and belong to no part."""
    split = {path: name for name, file in (("validation", "validation_list.txt"), ("test", "testing_list.txt"))
             for path in (folder / file).read_text("utf-8").split()}
    for path in _paths(folder, "*/*.wav"):
        word, name = path.split("/")
        if word == "_background_noise_":
            yield {"path": path, "label": "", "text": "", "group": "", "split": ""}
        else:
            yield {"path": path, "label": word, "text": word, "group": name.split("_")[0],
                   "split": split.get(path, "train")}


def _librispeech(folder):
    """LibriSpeech's development set: for validation as a whole."""
    for listing in _paths(folder, "dev-clean/*/*/*.trans.txt"):
        place = PurePosixPath(listing).parent
        for line in (folder / listing).read_text("utf-8").splitlines():
            name, text = line.split(" ", 1)
            yield {"path": f"{place}/{name}.flac", "text": text, "group": name.split("-")[0], "split": "validation",
                   "chapter": place.name}


_EXAMPLES = {                               # names that librosa.ex() takes
    "Hungarian_Dance_number_5_-_Allegro_in_F_sharp_minor_(string_orchestra)": "brahms",
    "admiralbob77_-_Choice_-_Drum-bass": "choice",
    "Karissa_Hobbs_-_Lets_Go_Fishin": "fishin",
    "glacier-bay-humpback": "humpback",
    "5703-47212-0000": "libri1",
    "3436-172162-0000": "libri2",
    "198-209-0000": "libri3",
    "Kevin_MacLeod_-_P_I_Tchaikovsky_Dance_of_the_Sugar_Plum_Fairy": "nutcracker",
    "pibble": "pibble",
    "442789__lena-orsa__happy-music-pistachio-ice-cream-ragtime": "pistachio",
    "456440__inspectorj__bird-whistling-robin-single-13": "robin",
    "147793__setuniman__sweet-waltz-0i-22mi": "sweetwaltz",
    "sorohanro_-_solo-trumpet-06": "trumpet",
    "Kevin_MacLeod_-_Vibe_Ace": "vibeace",
}


def _librosa(folder):
    """Each recording twice: as librosa loads it, and in high quality (``.hq.ogg``, column `hq`)."""
    for path in _paths(folder, "*.ogg"):
        stem = path.removesuffix(".ogg").removesuffix(".hq")
        about = (folder / f"{stem}.txt").read_text("utf-8")
        licence = re.search(r"creativecommons\.org/licenses/([a-z-]+)/(\d\.\d)", about)
        yield {"path": path, "label": _EXAMPLES[stem], "group": _EXAMPLES[stem], "hq": path.endswith(".hq.ogg"),
               "licence": f"CC {licence[1].upper()} {licence[2]}" if licence else "public domain",
               "title": about.splitlines()[0].strip()}


def _paths(folder, pattern):
    """Paths in a folder that fit a pattern, sorted, with forward slashes."""
    return sorted(file.relative_to(folder).as_posix() for file in folder.glob(pattern))


# ---------------------------------------------------------------------------------------- the data sets

#: What can be fetched, by name.
DATASETS = {
    "fsdd": DataSet(
        title="Free Spoken Digit Dataset: 3,000 English digits by 6 speakers, 8 kHz",
        url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/"
            "26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
        size=21_128_848, count=3000, top=1, table=_fsdd,
        licence="CC BY-SA 4.0",
        citation="Z. Jackson et al.: Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset",
    ),
    "esc50": DataSet(
        title="ESC-50: 2,000 environmental sounds of 5 s in 50 classes, 44.1 kHz",
        url="https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip",
        size=883_000_000, count=2000, top=1, table=_esc50, keep=r"audio/[^/]+\.wav|meta/esc50\.csv|LICENSE",
        licence="CC BY-NC 3.0, its subset ESC-10 CC BY 3.0; authors in its file LICENSE",
        citation="K. J. Piczak: ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015, "
                 "doi:10.1145/2733373.2806390",
    ),
    "speech-commands": DataSet(
        title="Speech Commands 0.02: 105,829 clips of 35 words by 2,618 speakers, and 6 noises, 16 kHz",
        url="https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
        size=3_400_000_000, count=105_835, table=_speech_commands,
        keep=r"[^/]+/[^/]+\.wav|(validation|testing)_list\.txt|LICENSE",
        packed=2_428_923_189, sha256="af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
        licence="CC BY 4.0",
        citation="P. Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, arXiv:1804.03209",
    ),
    "librispeech-dev-clean": DataSet(
        title="LibriSpeech dev-clean: 2,703 sentences of audio books by 40 speakers, 5.4 h, 16 kHz",
        url="https://www.openslr.org/resources/12/dev-clean.tar.gz",
        size=360_000_000, count=2703, top=1, table=_librispeech, keep=r"dev-clean/.+\.(flac|txt)|LICENSE\.TXT",
        packed=337_926_286, sha256="76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
        licence="CC BY 4.0",
        citation="V. Panayotov, G. Chen, D. Povey, S. Khudanpur: LibriSpeech: an ASR corpus based on public domain "
                 "audio books, ICASSP 2015",
    ),
    "librosa-examples": DataSet(
        title="librosa's examples: 14 recordings of music, speech and animals, each in two qualities",
        url="https://raw.githubusercontent.com/librosa/data/450cdd8a002c98e7bdbfebb309fc1ed024001f77/audio",
        size=13_188_882, count=28, table=_librosa,
        licence="each its own, in the .txt beside it",
        citation="B. McFee et al.: librosa: Audio and Music Signal Analysis in Python, SciPy 2015; authors: each .txt",
    ),
    "jsb-chorales": DataSet(
        title="JSB Chorales: 382 chorales by J. S. Bach as pitches per time step, split 229/76/77",
        url="https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/9a7f733ddb4ed91f48da64ac7f0f621c34aadd4d",
        size=2_148_372, count=382,
        licence="compositions in the public domain; the repository names no licence for its encoding",
        citation="N. Boulanger-Lewandowski, Y. Bengio, P. Vincent: Modeling Temporal Dependencies in High-Dimensional "
                 "Sequences, ICML 2012",
    ),
    "nottingham": DataSet(
        title="Nottingham: 1,034 folk tunes with chords in ABC notation, cleaned",
        url="https://raw.githubusercontent.com/jukedeck/nottingham-dataset/0992bb6cd864f6d4b90d6663e08c0ef53ffaa08f",
        size=481_161, count=1034,
        licence="GPL-3.0 (its file LICENSE.md); the tunes are traditional for the most part",
        citation="E. Foxley: Nottingham Music Database, abc.sourceforge.net/NMD; cleaned by Jukedeck",
    ),
}


# ---------------------------------------------------------------------------------------- using them


def load(name):
    """A published data set of sounds as a corpus, fetched on the first call.

    Sounds stay as published: format, rate, level. The column `split` is the published one. Of ESC-50 these are
    five folds (column `fold`). FSDD's official split has the same six speakers on both sides, so its column is
    `speaker` and not `group`; for a split by speaker: ``Corpus(c.root, c.table.assign(group=c.table.speaker))``
    with `corpora.splits`.

    Parameters
    ----------
    name : {"fsdd", "esc50", "speech-commands", "librispeech-dev-clean", "librosa-examples"}

    Returns
    -------
    Corpus
        In ``data/raw/<name>``.

    Raises
    ------
    CorpusError
        If there is no such data set of sounds, or as `fetch`.

    Examples
    --------
    >>> test = load("fsdd").split("test")                                # doctest: +SKIP
    """
    sounding = [known for known, dataset in DATASETS.items() if dataset.table]
    if name not in sounding:
        raise CorpusError(f"No data set of sounds is called {name!r}. There are: {', '.join(sounding)}.")
    return Corpus(fetch(name))


def jsb(grid="quarter"):
    """The chorales of J. S. Bach, as researchers compare their models on.

    Parameters
    ----------
    grid : {"quarter", "16th"}
        Length of a step. The pitches heard at each step are kept; whether a note is struck again is not told.

    Returns
    -------
    dict of str to list
        ``"train"``, ``"validation"`` and ``"test"``: 229, 76 and 77 chorales, each a list of steps, each step a
        tuple of MIDI pitches. Quarters: ascending, none to four. 16ths: soprano first, voices that rest left out.

    Raises
    ------
    CorpusError
        If there is no such grid, or as `fetch`.
    """
    if grid not in ("quarter", "16th"):
        raise CorpusError(f"The chorales come in steps of a 'quarter' or a '16th', not {grid!r}.")
    read = json.loads((fetch("jsb-chorales") / f"jsb-chorales-{grid}.json").read_text("utf-8"))
    return {name: [[tuple(int(pitch) for pitch in step) for step in chorale] for chorale in read[key]]
            for name, key in (("train", "train"), ("validation", "valid"), ("test", "test"))}


def nottingham():
    """Folk tunes with chords, in ABC notation.

    Returns
    -------
    pandas.DataFrame
        A row for each of 1,034 tunes: `group` (its file: jigs, waltzes, …), `number` in it, `title`, and `abc`, the
        tune as it stands there. There is no published split.

    Raises
    ------
    CorpusError
        As `fetch`.
    """
    rows = []
    for file in sorted((fetch("nottingham") / "ABC_cleaned").glob("*.abc")):
        for tune in re.split(r"^(?=X:)", file.read_text("utf-8"), flags=re.M)[1:]:
            rows.append({"group": file.stem, "number": int(re.match(r"X:\s*(\d+)", tune)[1]),
                         "title": re.search(r"^T:\s*(.*?)\s*$", tune, re.M)[1], "abc": tune.strip() + "\n"})
    return pd.DataFrame(rows)


def check(name):
    """Read a fetched data set through and hold it against what was published.

    Parameters
    ----------
    name : str
        One of `DATASETS`.

    Raises
    ------
    CorpusError
        Naming every file that is missing or changed, and every sound that cannot be read.
    """
    root = fetch(name)
    if bad := _changed(root, _manifest(name)):
        raise CorpusError(f"{len(bad)} files of {name!r} are not as published: delete {str(root)!r} and fetch it "
                          "again.", bad)
    if DATASETS[name].table:
        Corpus(root).check()


def at_hand(name):
    """Whether a data set can be had without the network: from disk or from ``AUDIOLAB_MIRROR``.

    Never while notebooks are built for the repository (``AUDIOLAB_BUILDING``), so that they hold no recordings of
    others, whatever is on the author's disk.

    Parameters
    ----------
    name : str
        One of `DATASETS`.

    Returns
    -------
    bool

    Taught in: notebooks/06_classification.ipynb, "How small can it be?"
    """
    if paths.building():
        return False
    return (paths.data("raw", name) / "corpus.json").exists() or _mirror(name) is not None


def fetch(name):
    """Folder of a data set: from disk, else from ``AUDIOLAB_MIRROR``, else from the network.

    The folder appears when all is there and found right. A download that was cut off goes on where it
    stopped, also in another process. While one process fetches, others wait.

    Parameters
    ----------
    name : str
        One of `DATASETS`.

    Returns
    -------
    pathlib.Path
        ``data/raw/<name>``, with the files as published and, for sounds, ``metadata.csv``.

    Raises
    ------
    CorpusError
        If there is no such data set, no network, no space, or what arrives is not what was published.
    """
    if name not in DATASETS:
        raise CorpusError(f"No data set is called {name!r}. There are: {', '.join(DATASETS)}.")
    root = paths.data("raw", name)
    if not (root / "corpus.json").exists():
        with corpus.only_one(root):
            if not (root / "corpus.json").exists():                             # another process was quicker
                _fetch(name, DATASETS[name], root)
    source = json.loads((root / "corpus.json").read_text("utf-8")).get("source")
    if source != DATASETS[name].url:
        raise CorpusError(f"{str(root)!r} holds another version ({source}): delete that folder and call again.")
    return root


# ---------------------------------------------------------------------------------------- fetching


def _fetch(name, dataset, root):
    """Gather a data set in a hidden folder beside `root`, check it, and let it take that name."""
    staging = root.with_name(f".{root.name}.making")
    files, archive = staging / "files", staging / (name + (".zip" if dataset.url.endswith(".zip") else ".tar.gz"))
    with corpus.writing(root):
        if root.exists() and any(root.iterdir()):
            raise CorpusError(f"{str(root)!r} holds something else (there is no corpus.json): move it away.")
        free, need = shutil.disk_usage(root.parent).free, 2 * dataset.size
        if free < need:
            raise CorpusError(f"{name!r} needs {download.megabytes(need)} on the disk of {str(root.parent)!r}, which "
                              f"has {download.megabytes(free)} left: make room.")
        try:
            _gather(name, dataset, files, archive)
            if dataset.table:
                corpus.write_table(files / "metadata.csv", _table(name, dataset, files))
        except CorpusError:
            archive.unlink(missing_ok=True)             # the next call gets another; parts of one are kept
            raise
        about = {"desc": dataset.title, "source": dataset.url, "licence": dataset.licence, "citation": dataset.citation}
        (files / "corpus.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
        if root.exists():
            root.rmdir()                                # empty; Windows renames onto nothing
        files.rename(root)
        shutil.rmtree(staging, ignore_errors=True)


def _gather(name, dataset, files, archive):
    """Bring a data set's files together and hold them against the manifest."""
    manifest, mirror = _manifest(name), _mirror(name)
    wanted = manifest.__contains__ if manifest else re.compile(dataset.keep).fullmatch
    if mirror or dataset.is_archive:
        shutil.rmtree(files, ignore_errors=True)        # unpacking begins anew
    files.mkdir(parents=True, exist_ok=True)
    if mirror:
        _copy(mirror, files, wanted)
    elif dataset.is_archive:
        if not archive.exists():
            download.download(dataset.url, archive, limit=2 * dataset.size, size=dataset.packed, sha256=dataset.sha256)
        download.unpack(archive, files, wanted, top=dataset.top, max_bytes=2 * dataset.size,
                        max_entries=2 * dataset.count + 1000)
    else:
        _download_files(dataset, manifest, files, archive.parent)
    if bad := _changed(files, manifest):
        raise CorpusError(f"{len(bad)} of {len(manifest)} files of {name!r} are not as published "
                          f"({mirror or dataset.url}): get them again.", bad)


def _manifest(name):
    """SHA-256 of each file by its path; empty where none are pinned. Lines are as sha256sum writes them."""
    file = Path(__file__).parent / "manifests" / f"{name}.sha256"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    return {path: sha256 for sha256, path in (line.split("  ", 1) for line in lines)}


def _changed(folder, manifest):
    """Files that are missing or differ from the manifest, a line each."""
    bad = []
    for path, sha256 in manifest.items():
        if not (folder / path).is_file():
            bad.append(f"{path!r} is missing")
        elif download.sha256_of(folder / path) != sha256:
            bad.append(f"{path!r} has another content (its SHA-256 differs)")
    return bad


def _table(name, dataset, folder):
    """The corpus's table: what is published of each clip, and its duration and rate as the file says."""
    from tqdm.auto import tqdm

    try:
        rows = list(dataset.table(folder))
    except (OSError, ValueError, KeyError) as error:
        raise CorpusError(f"{name!r} is not laid out as published ({type(error).__name__}: {error}): fetch it again, "
                          "or mend the mirror.") from None
    if len(rows) != dataset.count:
        raise CorpusError(f"{name!r} has {len(rows)} clips and should have {dataset.count}: fetch it again, or mend "
                          "the mirror.")
    bad = []
    for row in tqdm(rows, f"Reading {name}", unit="clip", delay=2):
        try:
            about = audio.info(folder / row["path"])
            row.update(duration=round(about.duration, 6), sr=about.sr)
            row.setdefault("licence", dataset.licence)
        except audio.AudioError as error:
            bad.append(str(error).replace(f"{folder}{os.sep}", ""))
    if bad:
        raise CorpusError(f"{len(bad)} clips of {name!r} cannot be read: fetch it again, or mend the mirror.", bad)
    return corpus.ordered(pd.DataFrame(rows))


# ---------------------------------------------------------------------------------------- the mirror


def _mirror(name):
    """Folder of the mirror that holds a data set, or None."""
    mirror = os.environ.get("AUDIOLAB_MIRROR")
    if not mirror:
        return None
    mirror = Path(mirror).expanduser().absolute()
    if not mirror.is_dir():
        raise CorpusError(f"AUDIOLAB_MIRROR names {str(mirror)!r}, which is no folder: correct it or unset it.")
    return mirror / name if (mirror / name).is_dir() else None


def _copy(mirror, folder, wanted):
    """Copy the files that are wanted."""
    from tqdm.auto import tqdm

    found = [path for path in _paths(mirror, "**/*") if wanted(path) and (mirror / path).is_file()]
    for path in tqdm(found, f"Copying {mirror.name}", unit="file", delay=1):
        try:
            content = (mirror / path).read_bytes()
        except OSError as error:
            raise CorpusError(f"{str(mirror / path)!r} in the mirror cannot be read ({error.strerror}): check its "
                              "permissions and the disk.") from None
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def _download_files(dataset, manifest, folder, staging):
    """Download the files of a manifest one by one; those that are there and right stay."""
    from tqdm.auto import tqdm

    for path, sha256 in tqdm(manifest.items(), "Downloading", unit="file", delay=1):
        if not (folder / path).is_file() or download.sha256_of(folder / path) != sha256:
            arrived = staging / PurePosixPath(path).name
            url = f"{dataset.url}/{urllib.parse.quote(path)}"
            download.download(url, arrived, limit=2 * dataset.size, sha256=sha256)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            arrived.replace(folder / path)
