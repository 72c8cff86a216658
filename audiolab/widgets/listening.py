"""Listening tests: ABX, MUSHRA-like and MOS; blind, in random order, at equal loudness, with their statistics."""

import datetime
import hashlib
import html
import json
from pathlib import Path

import anywidget
import numpy as np
import traitlets

from .. import measure, paths, plots
from .explorer import VIEW, _run

ANCHOR = "low anchor"

# ------------------------------------------------------------------------------------------- statistics


def abx_result(correct, trials):
    """How surprising so many right answers are if the listener only guesses.

    Parameters
    ----------
    correct, trials : int
        Right answers, out of how many.

    Returns
    -------
    dict
        ``share``: right answers over trials. ``at_least``: the one-sided 95 % lower bound of the share in
        ever so many trials (Clopper and Pearson), which lies below the truth in at least 95 of 100 tests,
        and above one half exactly when the test is passed. ``p``: the probability that a guesser gets at
        least as many right, ``sum(C(n, k) / 2**n for k in range(correct, n + 1))``. ``needed``: how many
        right answers make ``p`` 5 % or less; one more than there are trials if none do.

    Raises
    ------
    ValueError
        If there is no trial, or `correct` lies outside 0 to `trials`.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    from scipy.stats import binomtest

    if not 0 <= correct <= trials or trials < 1:
        raise ValueError(f"{correct} right answers in {trials} trials cannot be.")
    test = binomtest(correct, trials, 0.5, alternative="greater")
    return {"correct": correct, "trials": trials, "share": correct / trials,
            "at_least": float(test.proportion_ci(0.95, method="exact").low), "p": float(test.pvalue),
            "needed": int(_needed(trials))}


def abx_power(share, trials):
    """The probability to pass a test at 5 % for a listener who is right in `share` of all trials.

    Parameters
    ----------
    share : float
        0 to 1. Who hears the difference in half of the trials and guesses in the rest has 0.75; at 0.5 this is
        the probability that a guesser passes.
    trials : int or array_like
        At least 1.

    Returns
    -------
    float or np.ndarray, shape of `trials`
        A saw-tooth in `trials`: it drops where a further trial asks for a further right answer.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    from scipy.stats import binom

    return binom.sf(_needed(trials) - 1, trials, share)


def abx_trials(share, power=0.8):
    """How many trials a listener needs who is right in `share` of them, to pass at 5 % with probability `power`.

    Parameters
    ----------
    share : float
        Above 0.5, at most 1. As in `abx_power`.
    power : float
        Between 0 and 1.

    Returns
    -------
    int
        With so many trials, and with any greater number, the power is reached.

    Raises
    ------
    ValueError
        If `share` or `power` is out of range, or more than 5000 trials would be needed.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    if not 0.5 < share <= 1 or not 0 < power < 1:
        raise ValueError("share lies above 0.5, up to 1, and power between 0 and 1.")
    trials = np.arange(1, 6000)                             # beyond 5000, to see that the power holds from there on
    needed = int(trials[abx_power(share, trials) < power][-1]) + 1
    if needed > 5000:
        raise ValueError(f"A listener who is right in {share:.1%} of trials needs more than 5000 to pass with "
                         f"probability {power:g}: ask for less power, or make the difference larger.")
    return needed


def _needed(trials):
    """The smallest number of right answers that a guesser reaches in at most 5 of 100 tests."""
    from scipy.stats import binom

    return binom.isf(0.05, trials, 0.5) + 1


def bootstrap_interval(values, level=0.95, seed=0):
    """Interval of a mean by the percentile bootstrap: the spread of the means of resampled values.

    Values are drawn from the given ones, as many, with replacement, 9999 times. The interval tells how
    far this listener's mean would move with other excerpts; it says nothing about other listeners. It
    takes the values to be independent, so two pieces of one recording do not count as two. With few
    values it is too narrow: of 2 normal values it covers the mean in about 50 of 100 cases, of 4 in
    about 80, of 5 in about 84, of 10 in about 90, of 20 in about 93.

    Parameters
    ----------
    values : array_like, shape [n]
        Ratings of as many excerpts, or differences of ratings that belong together (then it is paired).
    level : float
    seed : int

    Returns
    -------
    low, high : float
        NaN for fewer than two values, which have no spread to tell.

    References
    ----------
    Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    values = np.asarray(values, dtype=float)
    if values.size < 2:
        return np.nan, np.nan
    means = np.random.default_rng(seed).choice(values, (9999, values.size)).mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


# --------------------------------------------------------------------------------------------- the sounds


def low_anchor(y, sr):
    """A known degradation: everything above 3.5 kHz is taken away, by 50 dB from 4.5 kHz on.

    It shows how systems lie beside something that others have heard too. It need not be rated lowest: a sound
    with little above 3.5 kHz hardly changes.

    Parameters
    ----------
    y : np.ndarray, shape [n] or [2, n]
    sr : int

    Returns
    -------
    np.ndarray, shape of `y`, float32
        Not delayed.

    Raises
    ------
    ValueError
        If `sr` is 10000 Hz or less: then hardly anything would be taken away.

    References
    ----------
    ITU-R BS.1534-3, annex 1, which asks for ±0.1 dB up to 3.5 kHz and for 25 dB at 4 kHz.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    from scipy.signal import fftconvolve, firwin, kaiserord

    if sr <= 10000:
        raise ValueError(f"The low anchor ends at 3.5 kHz, and at {sr} Hz the sound nearly does: take one of a higher "
                         "rate, or ask for ratings without a reference (mos).")
    taps, beta = kaiserord(55, 500 / (sr / 2))
    h = firwin(taps | 1, 3750, window=("kaiser", beta), fs=sr)
    return fftconvolve(y, np.reshape(h, (1,) * (np.ndim(y) - 1) + (-1,)), mode="same", axes=-1).astype(np.float32)


def level_match(sounds, sr):
    """Bring sounds to the loudness of the first, by gain alone; then all down together if any would clip.

    Parameters
    ----------
    sounds : dict of str to np.ndarray, shape [n] or [2, n]
    sr : int

    Returns
    -------
    dict of str to np.ndarray, float32
        True peaks at most 1. Loudness is LUFS, or the RMS level of what is too short, too quiet or of too low a rate.

    Raises
    ------
    ValueError
        If a sound is silent, empty, not finite, of integers, or unlike the first in shape.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    return _equally_loud(_checked(sounds), sr)


def _checked(sounds):
    """The sounds as floats, if they can be compared with one another."""
    sounds = {name: _floats(name, y) for name, y in sounds.items()}
    first, like = next(iter(sounds.items()))
    for name, y in sounds.items():
        if y.ndim > 2 or (y.ndim == 2 and len(y) != 2):
            raise ValueError(f"“{name}” has shape {list(y.shape)}: a sound to compare is [n], or [2, n] for stereo.")
        if y.shape != like.shape:
            raise ValueError(f"“{name}” has shape {list(y.shape)} and “{first}” {list(like.shape)}: give all the same "
                             "length, rate and number of channels (al.preprocess.resample changes a rate).")
        if not np.isfinite(y).all():
            raise ValueError(f"“{name}” holds NaN or infinity: look at what made it.")
        if measure.peak(y).max() < 1e-5:
            raise ValueError(f"“{name}” is silent: there is nothing to hear or to match.")
    return sounds


def _equally_loud(sounds, sr):
    """One measure for all of them, so that what has no LUFS is not compared with what has."""
    level = {}
    if sr >= 8000 and min(y.shape[-1] for y in sounds.values()) >= 0.4 * sr:
        level = {name: measure.lufs(y, sr) for name, y in sounds.items()}
    if not level or not np.isfinite([*level.values()]).all():
        level = {name: measure.dbfs(np.sqrt(np.mean(np.square(y, dtype=float)))) for name, y in sounds.items()}
    first = next(iter(level.values()))
    matched = {name: 10 ** ((first - level[name]) / 20) * y for name, y in sounds.items()}
    highest = max(np.max(measure.true_peak(y)) for y in matched.values())
    return {name: (y / max(1.0, highest)).astype(np.float32) for name, y in matched.items()}


def _floats(name, y):
    try:
        return measure.floats(y)
    except ValueError as e:
        raise ValueError(f"“{name}”: {e}") from None


def _looped(items, sr):
    """All sounds of a test equally loud, across excerpts too, with 10 ms faded at both ends: no seam clicks."""
    checked = {(item, name): y for item, sounds in items.items() for name, y in _checked(sounds).items()}
    looped = {item: {} for item in items}
    for (item, name), y in _equally_loud(checked, sr).items():
        n = y.shape[-1]
        if n < 0.1 * sr:
            raise ValueError(f"The sounds last {n / sr:.3f} s: at least 0.1 s can be compared, some seconds well.")
        ramp = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.01 * sr))
        looped[item][name] = (ramp * y).astype(np.float32)
    return looped


# ---------------------------------------------------------------------------------------------- the tests


def abx(sounds, sr, name, trials=16, seed=None):
    """Which of two is X? A test of whether a difference is heard at all.

    Parameters
    ----------
    sounds : dict of str to np.ndarray, shape [n] or [2, n]
        Two, of the same shape.
    sr : int
        Samples per second.
    name : str
        Answers go to ``work/listening/<name>.json``; the same test goes on from there.
    trials : int
        Settled beforehand: who stops when the answers look good tests nothing. So there is no score before the end.
    seed : int, optional
        Fixes the order of the first session, for a test or a class that is to hear the same. Without it every
        session draws its own. It is saved with the answers.

    Returns
    -------
    ListeningTest

    Raises
    ------
    ValueError
        If there are not two sounds, or for the reasons of `level_match`.

    Examples
    --------
    >>> abx({"16 bits": y, "8 bits": coarse}, sr, "bits")                        # doctest: +SKIP

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    if len(sounds) != 2:
        raise ValueError(f"ABX compares two sounds, not {len(sounds)}.")
    if trials < 1:
        raise ValueError(f"A test needs at least one trial, not {trials}.")
    return ListeningTest("abx", {"": sounds}, sr, name, trials, seed)


def mushra(items, sr, name, seed=None):
    """How good is each, beside the original? Sliders from 0 to 100, with hidden reference and low anchor.

    MUSHRA-like: ITU-R BS.1534 also has an anchor of 7 kHz, excerpts of some ten seconds, some twenty experienced
    listeners who are trained first, and leaves out those who rate the hidden reference low.
    All excerpts are brought to one loudness.

    Parameters
    ----------
    items : dict of str to dict of str to np.ndarray, shape [n] or [2, n]
        For each excerpt its versions by name, the same names everywhere; the first is the reference. Intervals
        take excerpts to be independent: give different sounds, not pieces of one, and a bright one among them.
    sr, name, seed
        As in `abx`.

    Returns
    -------
    ListeningTest

    Raises
    ------
    ValueError
        If excerpts differ in their versions, an excerpt has but one, or for the reasons of `level_match` and
        `low_anchor`.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    _same_versions(items, 2)
    with_anchor = {item: {**versions, ANCHOR: low_anchor(measure.floats(next(iter(versions.values()))), sr)}
                   for item, versions in items.items()}
    return ListeningTest("mushra", with_anchor, sr, name, len(items), seed)


def mos(items, sr, name, seed=None):
    """How good is each by itself? One sound a trial, rated from 1, bad, to 5, excellent (ITU-T P.800).

    The mean opinion score (MOS) is the mean over many listeners; one listener's mean is none.
    All excerpts are brought to one loudness.

    Parameters
    ----------
    items : dict of str to dict of str to np.ndarray, shape [n] or [2, n]
        For each excerpt its versions by name, the same names everywhere; differences are told to the first.
    sr, name, seed
        As in `abx`.

    Returns
    -------
    ListeningTest

    Raises
    ------
    ValueError
        If excerpts differ in their versions, or for the reasons of `level_match`.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """
    _same_versions(items, 1)
    return ListeningTest("mos", items, sr, name, sum(map(len, items.values())), seed)


def _same_versions(items, least):
    names = [list(versions) for versions in items.values()]
    if not names or any(found != names[0] for found in names) or len(names[0]) < least:
        raise ValueError(f"Every excerpt needs the same versions, at least {least}, in the same order; got {names}.")


def _plan(kind, items, trials, rng):
    """What is played in each trial, in the order of the buttons: a list of (item, names of versions)."""
    if kind == "abx":
        [[item, versions]] = items.items()
        a, b = rng.permutation(list(versions)).tolist()
        return [(item, [a, b, (a, b)[x]]) for x in rng.integers(2, size=trials)]       # each X a toss of its own
    if kind == "mushra":
        order = rng.permutation(list(items)).tolist()
        return [(item, [next(iter(items[item])), *rng.permutation(list(items[item])).tolist()]) for item in order]
    pairs = [(item, [version]) for item, versions in items.items() for version in versions]
    return [pairs[i] for i in rng.permutation(len(pairs))]


#: How often, of 100 cases, `bootstrap_interval` holds the mean of so few normal values (40,000 simulations each).
COVERED = {2: 50, 3: 75, 4: 80, 5: 84, 6: 86, 7: 87}

WORDS = {
    "abx": ("X is A or B. Which? Set the volume now and leave it; switch as often as you like.",
            "Keys: A, B, X listen, P pauses."),
    "mushra": ("One of the sounds is the reference itself: give it 100. Rate the others beside it.",
               "Keys: 0 the reference, 1 to 9 the sounds, P pauses."),
    "mos": ("How good is this sound?", "Keys: 1 listens, P pauses."),
}


_open = {}              # the test that is open, by its file: a cell that is run again leaves none behind


class ListeningTest(anywidget.AnyWidget):
    """A test in the notebook; made by `abx`, `mushra` or `mos`.

    What the browser is told holds neither names nor titles. It gets the versions of an excerpt once, in the order
    in which they were given, and for each button which of them it plays: the sounds need not be sent again when X
    changes, so no delay tells that it did. Every answer is saved at once. A new test closes the one that had its
    name; the results of that one can still be read.

    Attributes
    ----------
    session : dict
        What is saved: kind, seed of the order, when it began, and the answers in order.
    path : pathlib.Path
        Where: sessions that were taken before lie in the same file.

    Taught in: notebooks/01_fundamentals.ipynb, "Can you hear the difference, or do you only see it?"
    """

    _esm = Path(__file__).parent / "static" / "listening.js"
    _css = Path(__file__).parent / "static" / "listening.css"
    state = traitlets.Dict().tag(sync=True)
    sounds = traitlets.List().tag(sync=True)

    def __init__(self, kind, items, sr, name, trials, seed):
        if not name or set(name) & set('/\\:*?"<>|') or name.startswith("."):
            raise ValueError(f"{name!r} cannot be the name of a file: choose letters, digits and -.")
        self._kind, self._sr, self._trials = kind, sr, trials
        self._items = _looped(items, sr)
        if len({y.ndim for versions in self._items.values() for y in versions.values()}) > 1:
            raise ValueError("Some excerpts are stereo and some are not: give all the same channels.")
        self.path = paths.work("listening", f"{name}.json")
        self._print = self._fingerprint(seed)
        mine = self._of_this_test(self._saved())
        self._seen = {session["begun"]: len(session["answers"]) for session in mine}    # the file, as we know it
        self.session = mine[-1] if mine else self._begin(seed)
        self._order = self._make_order()
        super().__init__(**self._shown())
        self.on_msg(self._receive)
        if former := _open.get(self.path):
            former._retire()
        _open[self.path] = self

    # ---- the course of a test

    def heard(self, trial):
        """What the listener is given in a trial: by label, in the order of the buttons, without names."""
        self._refuse_if_retired()
        item, versions = self._order[trial]
        return {label: self._items[item][v] for label, v in zip(self._labels(versions), versions, strict=True)}

    def answer(self, value):
        """Take the answer to the trial at hand, and save it.

        Parameters
        ----------
        value : str, list of int or int
            ABX: "A" or "B". MUSHRA: 0 to 100 for each hidden sound in order. MOS: 1 to 5.

        Raises
        ------
        ValueError
            If the test is over or made anew, `value` is none of these, or the file holds answers to this test
            that another notebook saved since.
        OSError
            If it cannot be saved.
        """
        self._refuse_if_retired()
        trial = len(self.session["answers"])
        if trial == self._trials:
            raise ValueError("This test is finished.")
        session = self.session | {"answers": [*self.session["answers"], self._record(trial, value)]}
        self._save(session)
        self.session = session
        self._refresh()

    def again(self):
        """Begin anew with another order; the answers so far stay in the file, and the verdict counts the sessions."""
        self._refuse_if_retired()
        self.session = self._begin(None)
        self._order = self._make_order()
        self._refresh()

    def simulate(self, listener):
        """Results of a listener who is a function; nothing is saved.

        Parameters
        ----------
        listener : callable
            From what `heard` returns to what `answer` takes.

        Returns
        -------
        pandas.DataFrame
            As `results`.
        """
        return self._table([self._record(trial, listener(self.heard(trial))) for trial in range(self._trials)])

    def results(self):
        """The answers so far as a table.

        Returns
        -------
        pandas.DataFrame
            ABX: one row, as `abx_result`; before the end only how many trials are answered, since who knows the
            score can stop when it is good. Otherwise a row for each version: its mean rating with a bootstrap
            interval over the excerpts, and the mean difference to the first version, excerpt by excerpt.
        """
        import pandas as pd

        answered = len(self.session["answers"])
        if self._kind == "abx" and answered < self._trials:
            return pd.DataFrame([{"answered": answered, "trials": self._trials}])
        return self._table(self.session["answers"])

    # ---- what is kept

    def _begin(self, seed):
        if seed is None:
            seed = int(np.random.default_rng().integers(2**32))
        now = datetime.datetime.now().astimezone().isoformat(timespec="milliseconds")
        return {"test": self._print, "kind": self._kind, "seed": seed, "begun": now, "trials": self._trials,
                "answers": []}

    def _make_order(self):
        return _plan(self._kind, self._items, self._trials, np.random.default_rng(self.session["seed"]))

    def _fingerprint(self, seed):
        """Changes with whatever would make answers incomparable, and with the seed that was asked for."""
        digest = hashlib.sha256(repr((self._kind, self._sr, self._trials, seed)).encode())
        for item, versions in self._items.items():
            for version, y in versions.items():
                digest.update(f"{item}\n{version}\n{y.shape}".encode() + y.tobytes())
        return digest.hexdigest()[:16]

    def _saved(self):
        try:
            sessions = json.loads(self.path.read_text(encoding="utf-8"))["sessions"]
            if not all({"test", "begun", "seed", "answers"} <= set(session) for session in sessions):
                raise KeyError("test")
            return sessions
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError):
            raise ValueError(f"{self.path.name} in the folder {self.path.parent.name} of your work cannot be read as "
                             "answers: move it away, or give the test another name.") from None

    def _of_this_test(self, sessions):
        return [session for session in sessions if session["test"] == self._print]

    def _save(self, session):
        """Put a session at the end of the file, in place of what the file had of it; one notebook at a time."""
        import filelock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=5):
                saved = self._saved()
                if any(len(old["answers"]) > self._seen.get(old["begun"], 0) for old in self._of_this_test(saved)):
                    raise ValueError(f"{self.path.name} has got answers to this test from another notebook meanwhile: "
                                     "run this cell again to go on from there.")
                kept = [old for old in saved if (old["test"], old["begun"]) != (session["test"], session["begun"])]
                with paths.replacing(self.path) as tmp:
                    tmp.write_text(json.dumps({"sessions": [*kept, session]}, ensure_ascii=False, indent=1),
                                   encoding="utf-8")
                self._seen[session["begun"]] = len(session["answers"])
        except filelock.Timeout:
            raise OSError(f"another notebook has been writing {self.path.name} for 5 s: try again.") from None

    def _record(self, trial, value):
        item, versions = self._order[trial]
        if self._kind == "abx":
            if value not in ("A", "B"):
                raise ValueError(f'The answer is "A" or "B", not {value!r}.')
            a, b, x = versions
            chosen = {"A": a, "B": b}[value]
            return {"A": a, "B": b, "X": x, "answer": chosen, "correct": chosen == x}
        most, least = (100, 0) if self._kind == "mushra" else (5, 1)
        rated = versions[1:] if self._kind == "mushra" else versions
        values = value if isinstance(value, list) else [value]
        if len(values) != len(rated) or not all(isinstance(v, int) and least <= v <= most for v in values):
            raise ValueError(f"{len(rated)} whole number(s) from {least} to {most} are needed, not {value!r}.")
        return {"item": item, "ratings": dict(zip(rated, values, strict=True))}

    def _ratings(self, answers):
        """Ratings by version and excerpt: shape [versions, items], NaN where none is given yet."""
        import pandas as pd

        versions = list(next(iter(self._items.values())))
        table = pd.DataFrame(np.nan, index=versions, columns=list(self._items))
        for answer in answers:
            for version, rating in answer["ratings"].items():
                table.loc[version, answer["item"]] = rating
        return table

    def _table(self, answers):
        import pandas as pd

        if self._kind == "abx":
            right = sum(answer["correct"] for answer in answers)
            return pd.DataFrame([abx_result(right, len(answers))])
        ratings = self._ratings(answers)
        rows = {}
        for version, values in ratings.iterrows():
            apart = (values - ratings.iloc[0]).dropna()
            values = values.dropna()
            rows[version] = [len(values), values.mean(), *bootstrap_interval(values), apart.mean(),
                             *bootstrap_interval(apart)]
        return pd.DataFrame.from_dict(rows, orient="index", columns=[
            "ratings", "mean", "low", "high", f"against {ratings.index[0]}", "from", "to"])

    # ---- what is shown

    def _labels(self, versions):
        numbered = [f"Sound {k}" for k in range(1, len(versions))]
        return {"abx": ["A", "B", "X"], "mushra": ["Reference", *numbered], "mos": ["Sound"]}[self._kind]

    def _shown(self):
        trial = len(self.session["answers"])
        question, note = WORDS[self._kind]
        note += f" Every answer is saved in work/listening/{self.path.name}; run this cell again to go on."
        state = {"kind": self._kind, "trial": trial, "trials": self._trials, "question": question, "note": note,
                 "said": "The test is finished.", "labels": [], "keys": [], "played": [], "rate": self._sr,
                 "channels": 1, "results": "", "begun": self.session["begun"], "turn": self.state.get("turn", 0) + 1}
        if trial == self._trials:
            return {"state": state | {"results": self._results_html()}, "sounds": []}
        keys = {"abx": ["a", "b", "x"], "mushra": [*"0123456789"], "mos": ["1"]}[self._kind]
        item, versions = self._order[trial]
        names, sounds = zip(*self._items[item].items(), strict=True)
        state |= {"labels": self._labels(versions), "keys": keys[: len(versions)],
                  "said": f"Trial {trial + 1} of {self._trials}",
                  "played": [names.index(version) for version in versions], "channels": sounds[0].ndim}
        return {"state": state, "sounds": [y.tobytes() for y in sounds]}

    def _refresh(self):
        with self.hold_sync():
            for name, value in self._shown().items():
                setattr(self, name, value)

    def _retire(self):
        """Leave the page, and let the sounds go: the kernel's list of outputs, `Out`, keeps the rest."""
        self.close()
        self.layout.close()
        self.sounds = []
        self._items = {item: dict.fromkeys(versions) for item, versions in self._items.items()}

    def _refuse_if_retired(self):
        if self.comm is None:
            raise ValueError(f"The test {self.path.stem!r} was made anew, which closed this one: use the new one.")

    def _receive(self, _, message, buffers):
        try:
            if message == "again":
                self.again()
            elif message["trial"] == len(self.session["answers"]):
                self.answer(message["answer"])
        except (ValueError, OSError) as e:
            # `turn` counts, so that the page sees a second refusal in the same words.
            self.state = self.state | {"said": f"Not saved: {e}", "turn": self.state["turn"] + 1}

    def _results_html(self):
        table = self.results()
        digits = "{:.3g}" if self._kind == "abx" else "{:.1f}"
        said = html.escape(self._verdict())
        return f"<p>{said}</p>" + table.to_html(border=0, index=self._kind != "abx", float_format=digits.format,
                                                na_rep="–")

    def _verdict(self):
        if self._kind != "abx":
            said = "Means with 95 % intervals over the excerpts, for this listener alone."
            if (n := len(self._items)) in COVERED:
                said += f" With {n} excerpts such an interval holds the mean in about {COVERED[n]} of 100 cases."
            if self._kind == "mushra":
                low = int((self._ratings(self.session["answers"]).iloc[0] < 90).sum())
                said += f" The hidden reference was rated under 90 in {low} of {self._trials} excerpts."
            return said
        r = abx_result(sum(answer["correct"] for answer in self.session["answers"]), self._trials)
        said = (f"{r['correct']} of {r['trials']} right. Who only guesses gets that many or more in "
                f"{100 * r['p']:.1f} % of tests; ")
        if r["needed"] > r["trials"]:
            return said + "so few trials cannot reach 5 %."
        weak, fair, good = (f"{100 * abx_power(share, r['trials']):.0f}" for share in (0.6, 0.75, 0.9))
        said += (f"{r['needed']} of {r['trials']} are needed for 5 %. A listener who is right in 60, 75 or 90 % of all "
                 f"trials gets there in {weak}, {fair} or {good} % of such tests.")
        sessions = sum(session.get("kind") == "abx" for session in self._saved())
        if sessions > 1:
            lucky = 1 - (1 - abx_power(0.5, r["trials"])) ** sessions
            said += (f" This is session {sessions} in {self.path.name}: a guesser's best of {sessions} passes in "
                     f"{100 * lucky:.0f} %.")
        return said

    def _repr_mimebundle_(self, **kwargs):
        bundle, metadata = {VIEW: super()._repr_mimebundle_()[0][VIEW]}, {}
        [picture] = _run(self._picture, {})
        bundle |= {"image/png": picture.data["image/png"], "text/plain": picture.data["text/plain"]}
        return bundle, metadata | {"image/png": picture.metadata["image/png"]}

    def _picture(self):
        """What a finished test looks like, for pages without a kernel: answered by listeners who are functions."""
        rng = np.random.default_rng(0)
        if self._kind == "abx":
            rows = {f"hears it {often}": abx_result(int(rng.binomial(self._trials, (1 + share) / 2)), self._trials)
                    for often, share in (("never", 0), ("every second time", 0.5), ("always", 1))}
            plots.intervals(
                dict.fromkeys(rows, ()), [r["share"] for r in rows.values()], [r["at_least"] for r in rows.values()],
                [1] * len(rows), x_range=(0, 1.02),
                x_label="share of right answers; the bar begins at its lower bound (95 %); 0.5 is guessing",
                title=f"A finished ABX test looks like this: three simulated listeners, {self._trials} trials",
                alt="Simulated listeners. " + " ".join(
                    f"Who {who}: {r['correct']} of {self._trials} right, p = {r['p']:.2g}, "
                    f"at least {r['at_least']:.0%}." for who, r in rows.items()))
            return
        answers = [{"item": item, "ratings": self._by_spectrum(versions, rng)}
                   for item, versions in self._items.items()]
        ratings, table = self._ratings(answers), self._table(answers)
        plots.intervals(
            {name: values.dropna() for name, values in ratings.iterrows()}, table["mean"], table["low"], table["high"],
            x_label="rating, with the 95 % interval of its mean",
            x_range=(-2, 102) if self._kind == "mushra" else (0.9, 5.1),
            title="A finished test looks like this (invented: one simulated listener)",
            alt="A simulated listener's mean ratings: "
                + ", ".join(f"{name} {mean:.1f}" for name, mean in table["mean"].items()) + ".")

    def _by_spectrum(self, versions, rng):
        """Ratings by the log-spectral distance to the first version, with some wavering. Nobody hears like that."""
        from scipy.signal import stft

        def levels(y):                                                  # shape [frequency, time], dB
            y = np.atleast_2d(y).mean(axis=0)
            return 20 * np.log10(np.abs(stft(y, nperseg=min(512, y.size))[2]) + 1e-5)

        first = levels(next(iter(versions.values())))
        ratings = {}
        for name, y in versions.items():
            apart = np.sqrt(np.mean((levels(y) - first) ** 2, axis=0)).mean()
            rating = np.clip(100 - 5 * apart - abs(rng.normal(0, 3)), 0, 100)
            ratings[name] = round(rating) if self._kind == "mushra" else round(1 + 4 * rating / 100)
        return ratings
