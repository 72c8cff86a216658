"""The plan of a run: few settings, each with a default, read from a YAML file and checked before anything is done."""

import dataclasses
import difflib
import re
from pathlib import Path

from .. import paths

VERSION = 3                                 # raise it when a stage gives other results, so that all is done anew
FORTY = "forty-clips"                       # the corpus that is made here when no folder is named


class PlanError(ValueError):
    """What is wrong with a plan, or stands in its way, and what to do: one line."""


def _key(default, says, wants, fits=lambda value: True):
    """A setting: its default, what the file says of it, and what values it takes."""
    return dataclasses.field(default=default, metadata={"says": says, "wants": wants, "fits": fits})


def _among(default, says, *names):
    return _key(default, says, f"one of {', '.join(names)}", lambda value: value in names)


def _whole(default, says, low, high):
    return _key(default, says, f"a whole number from {low} to {high}", lambda value: low <= value <= high)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The settings of a run.

    Attributes
    ----------
    name : str
        Of the run's folder, ``data/runs/pipeline/<name>``.
    corpus : str
        ``"forty-clips"``, or a folder with a sub-folder for each class. A table ``clips.csv`` in it (columns path,
        label, group) says which clips belong together: of one occasion (a day, a room, a speaker), not of one take
        alone, for clips of one occasion share what else is to be heard.
    positive : str
        The class that is watched for: it comes first among the labels. Empty: the first by name.
    threshold : float
        Probability of that class from which on a `Listener` is taken to cry.
    seconds : float
        Length of a clip, and of the window that slides over a stream.
    preprocess : bool
        Bring all clips to 16 kHz, one channel, no constant, one length.
    denoise : {"measure", "always", "never"}
        "measure" keeps the cleaned clips only if they are better by more than chance: by interval and McNemar's test.
    folds, epochs, seed : int
        Of cross-validation, and of each training.
    augment : bool
        Change each training clip anew each time it comes: ``recipes.retuned``.
    network : {"cnn", "crnn"}
    device : {"auto", "cpu", "cuda"}
    jobs : int
        Processes that read and picture clips.
    cluster : str
        Address of a Dask scheduler, ``"tcp://host:8786"``, that hands these clips to other machines.

    Raises
    ------
    PlanError
        If a setting is of the wrong type or out of range.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """

    name: str = _key("forty-clips", "Name of the run; its results lie in data/runs/pipeline/<name>.",
                     "letters, digits, - and _, at most 60",
                     lambda value: re.fullmatch(r"[A-Za-z0-9][\w-]{0,59}", value, re.ASCII))
    corpus: str = _key(FORTY, "Your folder, with a sub-folder of recordings for each class; forty-clips are made here.",
                       "the name of a folder", bool)
    positive: str = _key("", "The class that is watched for; empty: the first by name.",
                         "the name of a class, or empty")
    threshold: float = _key(0.5, "Probability of it from which on the detector cries: choose it on long recordings.",
                            "a probability above 0 and at most 1", lambda value: 0 < value <= 1)
    seconds: float = _key(2.0, "Seconds of a clip: of a longer one the loudest, a shorter one is filled up.",
                          "seconds from 0.5 to 10", lambda value: 0.5 <= value <= 10)
    preprocess: bool = _key(True, "Bring all clips to 16 kHz, one channel and one length: true or false.",
                            "true or false")
    denoise: str = _among("measure", "Clean the clips: measure (only if two tests say that it helps), always or never.",
                          "measure", "always", "never")
    folds: int = _whole(5, "Into how many parts the clips are dealt; each is judged by a model of the others.", 2, 20)
    augment: bool = _key(True, "Change each training clip a little each time it comes: true or false.",
                         "true or false")
    network: str = _among("cnn", "The network: cnn or crnn.", "cnn", "crnn")
    epochs: int = _whole(40, "How often each training clip is seen.", 1, 1000)
    seed: int = _whole(0, "Of all that is left to chance.", 0, 10**6)
    device: str = _among("auto", "Where to train: auto, cpu or cuda.", "auto", "cpu", "cuda")
    jobs: int = _whole(1, "Processes that read and picture the clips.", 1, 256)
    cluster: str = _key("", "Address of a Dask scheduler in place of them, such as tcp://10.0.0.1:8786; else empty.",
                        "empty, or an address such as tcp://10.0.0.1:8786",
                        lambda value: not value or re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", value))

    def __post_init__(self):
        for key in dataclasses.fields(self):
            value = getattr(self, key.name)
            if key.type is float and type(value) is int:
                object.__setattr__(self, key.name, value := float(value))
            if type(value) is not key.type or not key.metadata["fits"](value):
                raise PlanError(f"{key.name}: {value!r} does not fit: {key.metadata['wants']}.")

    @property
    def own(self):
        """The learner's folder, or None where the forty clips are made here."""
        return None if self.corpus == FORTY else Path(self.corpus)


def load(source=None):
    """Read a plan.

    Parameters
    ----------
    source : str, os.PathLike, dict or Plan, optional
        A YAML file as `write` makes it, settings by name, or a plan as it is. None: the defaults. What is not given has
        its default; a run without a name is called as its file. Folders are those beside the file.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError
        If there is no such file, it is no YAML, names a setting that is not known, or one that does not fit.

    Examples
    --------
    >>> load({"epochs": 10}).epochs
    10

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """
    if isinstance(source, Plan):
        return source
    file = None if source is None or isinstance(source, dict) else Path(source).expanduser().absolute()
    given = dict(source or {}) if file is None else {"name": file.stem} | _read(file)
    known = [key.name for key in dataclasses.fields(Plan)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1, cutoff=0.5)
            raise PlanError(f"There is no setting {name!r}" + (f": did you mean {near[0]}?" if near else
                                                               f". There are {', '.join(known)}."))
    plan = Plan(**given)
    if plan.own:
        folder = (file.parent if file else Path()).joinpath(plan.own.expanduser()).absolute()
        plan = dataclasses.replace(plan, corpus=str(folder))
    return plan


def _read(file):
    """The settings in a YAML file."""
    import yaml

    try:
        given = yaml.safe_load(file.read_text("utf-8"))
    except FileNotFoundError:
        raise PlanError(f"There is no file {str(file)!r}: audiolab pipeline new {file.name} writes one.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise PlanError(f"{str(file)!r} cannot be read: {reason}.") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise PlanError(f"{file.name} is no YAML{where}: each line is a setting, a colon, a space and its value."
                        ) from None
    if not isinstance(given or {}, dict):
        raise PlanError(f"{file.name} holds no settings: each line is a setting, a colon, a space and its value.")
    return given or {}


def write(file):
    """Write a plan with all defaults and a comment on each setting.

    Parameters
    ----------
    file : str or os.PathLike
        It must not be there yet.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    PlanError
        If it is there, or cannot be written.

    Taught in: notebooks/15_capstone.ipynb, "What is the plan?"
    """
    import yaml

    file = Path(file).expanduser()
    if file.exists():
        raise PlanError(f"{str(file)!r} is there already: choose another name.")
    lines = ["# A plan for `audiolab pipeline run`. What you delete has its default again."]
    for key in dataclasses.fields(Plan):
        value = file.stem if key.name == "name" else key.default
        lines += ["", f"# {key.metadata['says']}", yaml.safe_dump({key.name: value}).strip()]
    Plan(name=file.stem)                    # a stem that is no name is refused before anything is written
    try:
        with paths.replacing(file) as tmp:
            tmp.write_text("\n".join(lines) + "\n", "utf-8")
    except OSError as error:
        raise PlanError(f"{str(file)!r} cannot be written: {error.strerror}.") from None
    return file
