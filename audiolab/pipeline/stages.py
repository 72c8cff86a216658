"""The stages of a run, one function for each: what it takes from those before it, what it writes, how it is graded."""

import contextlib
import functools
import io
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from .. import augment as augmenting
from .. import compress, corpora, edge, features, metrics, models, paths, plots, recipes
from .. import preprocess as preparing
from ..batch import content
from ..corpora import scenes, splits
from ..corpus import Corpus, digest, make, read_table, recordings, write_table
from ..features.mel import FLOOR, SILENCE
from ..stream import RingBuffer
from . import folds
from .config import VERSION, PlanError
from .listen import HOP, LOWEST, Listener, Second, cleaned, highpassed, offline, probabilities
from .team import workers

SR = 16000                                  # of the clips after preprocessing
HARMLESS = {"clipped", "wrong extension"}   # faults with which a clip may pass: named, and used
GOAL = 0.85                                 # least macro-F1
LIMIT = 50                                  # milliseconds that a second of sound may take
VERSIONS = 9                                # of each clip, beside itself, that the 8-bit network is asked about
UNLIKE = 0.05                               # most that a clip's probability may move in a stream
STREAM = 60                                 # seconds
TRUE_WITHIN = 2                             # factor within which a simulated time holds, as chapter 10 measures it
NOT_MEASURED = "not measured by this run"
BOARDS = ("Raspberry Pi 4", "Raspberry Pi 5")


# ---------------------------------------------------------------------------------------- collect


def forty_clips(seed=40):
    """Twenty clips with an alarm and twenty without, as chapter 06 makes them, or of another seed: a `Corpus`."""
    plan = scenes.plan_events(480, seed=seed)
    alarms, others = plan[plan.label == "alarm"][:20], plan[plan.label != "alarm"].sample(20, random_state=0)
    plan = pd.concat([alarms, others]).assign(label=["alarm"] * 20 + ["other"] * 20)
    plan["path"] = plan.label + "/" + plan.group + ".flac"
    plan["_kind"] = [*alarms.label, *others.label]              # what really sounds, for the renderer
    name = "forty-clips" if seed == 40 else f"forty-clips-{seed}"
    return make(paths.data("raw", name), plan, _rendered, desc="Forty clips", licence="CC0-1.0")


def _rendered(row):
    return scenes.render_event(row | {"label": row["_kind"]})


def own_clips(folder):
    """The learner's clips, a class for each sub-folder: a `Corpus`, whose `aside` names the files that are not used.

    Raises
    ------
    PlanError
        If recordings have no label.
    CorpusError
        If no recording can be used, or ``clips.csv`` has faults.
    """
    table = "clips.csv" if (folder / "clips.csv").exists() else "folders"
    with contextlib.redirect_stdout(io.StringIO()):             # what it says of files set aside goes into the report
        clips = corpora.from_folder(folder, labels=table)
    unlabelled = [path for path, why in clips.aside.items() if "has no label" in why]
    if "label" not in clips.table:
        raise PlanError("corpus: clips.csv has no column label.")
    unlabelled += list(clips.table.path[clips.table.label == ""])
    if unlabelled:
        named = ", ".join(unlabelled[:3]) + (", …" if len(unlabelled) > 3 else "")
        raise PlanError(f"corpus: {_count(len(unlabelled), 'recording')} without a label in {str(folder)!r} ({named}): "
                        "put each into the folder of its class, or name it in clips.csv.")
    return clips


def folder_content(plan):
    """What stands for all that lies in the learner's folder; nothing for the clips that are made here."""
    if not plan.own:
        return ""
    if not plan.own.is_dir():
        raise PlanError(f"corpus: there is no folder {str(plan.own)!r}: check the name.")
    files = [*recordings(plan.own), "clips.csv"]
    return digest(json.dumps([(file, content(plan.own / file)) for file in files]))


def collect(plan, done, out, team):
    """Gather the clips, look at every file, and refuse what nothing could be learnt from.

    Taught in: notebooks/15_capstone.ipynb, "Are the clips fit to learn from?"
    """
    clips = own_clips(plan.own) if plan.own else forty_clips()
    with workers(plan) as n_jobs:
        looked = preparing.inspect(clips, n_jobs=n_jobs)
    bad = _broken(looked)
    aside = [*clips.aside.values(), *(f"{path!r}: {why}" for path, why in zip(looked.path[bad], looked.reason[bad],
                                                                              strict=True))]
    good = ~bad
    if not good.any():
        raise PlanError(f"corpus: every file is broken, for example {aside[0]}")
    table = clips.table[good].reset_index(drop=True)
    _require_enough(table, plan, aside)
    write_table(out.folder / "clips.csv", table)
    named = looked[good & (looked.problem != "")]
    out.notes = [f"Set aside: {why}" for why in aside]
    out.notes += [f"Used, although {path!r}: {why}" for path, why in zip(named.path, named.reason, strict=True)]
    counts = table.label.value_counts().sort_index()
    labels = list(counts.index)
    if plan.positive:
        if plan.positive not in labels:
            raise PlanError(f"positive: there is no class {plan.positive!r}. There are {', '.join(labels)}.")
        labels.insert(0, labels.pop(labels.index(plan.positive)))
    rates = sorted(set(map(int, looked.sr[good])))
    if len(rates) > 1:
        each = ", ".join(f"{_count((looked.sr[good] == sr).sum(), 'clip')} of {sr} Hz" for sr in rates)
        out.notes.append(f"Sampling rates are mixed: {each}.")
    out.says = ", ".join(f"{n} {label}" for label, n in counts.items()) + f"; {_count(len(aside), 'file')} set aside"
    out.numbers = {"root": str(clips.root) if plan.own else _from(out, clips.root),
                   "labels": labels, "counts": {label: int(counts[label]) for label in labels},
                   "kinds": {} if plan.own else _kinds(table), "clips": len(table), "set_aside": len(aside),
                   "minutes": table.duration.sum() / 60, "rates": rates, "channels": int(looked.channels[good].max()),
                   "groups": _groups(table).nunique(), "files": ["clips.csv"]}
    out.grade("clips of the smallest class", counts.min(), at_least=plan.folds)
    out.grade("files set aside", 100 * len(aside) / (len(aside) + len(table)), "%", at_most=20)
    out.draw("clips.png", lambda: plots.corpus(
        looked[good], title="What lies in the folder",
        alt=f"A dashboard of {len(table)} clips: their durations, levels, spectra, and how many are of each class."))


def _broken(looked):
    """Which clips of a report have faults that are not `HARMLESS`: bool, shape [clips]."""
    return np.array([not set(filter(None, problem.split(", "))) <= HARMLESS for problem in looked.problem])


def _kinds(table):
    """How many clips of each kind are in each class of the forty clips, whose names begin with it."""
    kind = table.path.str.extract(r"([^/]+)-\d+\.\w+$")[0]
    return {label: {name: int(n) for name, n in inside.value_counts().items()}
            for label, inside in kind.groupby(table.label)}


def _require_enough(table, plan, aside):
    """Refuse a corpus that cannot be dealt into folds, each with every class."""
    dropped = f" ({_count(len(aside), 'file')} set aside, the first: {aside[0]})" if aside else ""
    groups = table.assign(group=_groups(table)).groupby("label").group.nunique()
    if len(groups) < 2:
        raise PlanError(f"corpus: there is only the class {groups.index[0]!r}: two or more are needed, each in a "
                        f"sub-folder{dropped}.")
    for label, n in groups.items():
        if n < plan.folds:
            clips = _count(int((table.label == label).sum()), "clip")
            of = f" of {_count(n, 'recording')} (column group)" if clips != _count(n, "clip") else ""
            why = "nothing could be learnt from it and asked about it" if n == 1 else f"{plan.folds} folds take " \
                f"{plan.folds}, from so many recordings"
            advice = f", or write folds: {n}" if n > 1 else ""
            raise PlanError(f"corpus: the class {label!r} has {clips}{of}, and {why}: record more{advice}{dropped}.")


def _groups(table):
    """Which recording each clip comes from: a clip without a group is its own."""
    return table.group.where(table.group != "", table.path) if "group" in table else table.path


def _count(n, what):
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


# ---------------------------------------------------------------------------------------- preprocess


def loudest(y, sr, seconds=2.0):
    """Step: the loudest part of a clip, so many seconds long; silence fills up a shorter one."""
    n = round(seconds * sr)
    y = np.pad(y, (0, max(0, n - len(y))))
    power = np.cumsum(np.pad(y.astype(float) ** 2, (1, 0)))
    start = int(np.argmax(power[n:] - power[:-n]))
    return y[start : start + n], sr, start / sr


def denoised(y, sr):
    """Step: `cleaned`."""
    return cleaned(y, sr), sr


def preprocess(plan, done, out, team):
    """Bring all clips to one rate, one channel and one length, and picture them.

    Taught in: notebooks/15_capstone.ipynb, "Are the clips fit to learn from?"
    """
    raw, found = _clips(done["collect"]), done["collect"].numbers
    if not plan.preprocess and (len(found["rates"]) > 1 or found["channels"] > 1):
        mixed = f"the clips have {' and '.join(map(str, found['rates']))} Hz" if len(found["rates"]) > 1 else \
            f"there are clips of {found['channels']} channels"
        raise PlanError(f"preprocess: {mixed}: write preprocess: true, which brings all to one.")
    steps = [functools.partial(preparing.resampled, target=SR), preparing.mono, highpassed,
             functools.partial(loudest, seconds=plan.seconds)]
    with workers(plan) as n_jobs:
        clips = preparing.run(raw, steps, out.folder / "clips", n_jobs=n_jobs, accept=sorted(HARMLESS)) \
            if plan.preprocess else raw
        _pictured(clips, out.folder, n_jobs)
        looked = preparing.inspect(clips, n_jobs=n_jobs)
    write_table(out.folder / "clips.csv", clips.table)
    out.notes = [f"Set aside: {why}" for why in clips.aside.values()]
    filled = 100 * (raw.table.duration < plan.seconds - 0.01).groupby(raw.table.label).mean()
    if filled.any():
        out.notes.append("Shorter than a window, and filled up with silence, by which a network may know them: "
                         + ", ".join(f"{share:.0f} % of {label}" for label, share in filled.items()) + ".")
    sr = int(clips.table.sr.iloc[0])
    if len(found["rates"]) > 1:
        out.notes.append(f"Clips of {', '.join(map(str, found['rates']))} Hz were brought to {sr} Hz.")
    broken = int(_broken(looked).sum())
    shape = f"of {plan.seconds:g} s at {sr} Hz" if plan.preprocess else f"as they came, at {sr} Hz"
    out.says = f"{len(clips)} clips {shape}"
    root = _from(out, clips.root) if plan.preprocess or not plan.own else str(clips.root)
    out.numbers = {**found, "root": root, "clips": len(clips), "sr": sr, "broken": broken, "pictures": "pictures",
                   "files": ["clips.csv", "pictures/features.npy"]}
    out.grade("self-test: broken files", broken, close_to=0, tol=0)
    out.grade("clips filled up with silence, difference of the classes", filled.max() - filled.min(), "%", at_most=20)
    (before, sr_before, row), (after, _, _) = raw[0], clips[0]
    mono = preparing.to_mono(before)
    out.sound("before.flac", mono, sr_before, f"{row['path']}, as it came")
    out.sound("after.flac", after, sr, "as the network gets it")
    out.draw("picture.png", lambda: plots.matrices(
        {row["label"]: features.log_mel(after, sr)}, x_label="time (s)", y_label="mel channel", step=0.01,
        label="ln of mel power", title="What the network gets of the first clip",
        alt=f"Log-mel spectrogram of a clip labelled {row['label']}."))


def _pictured(clips, folder, n_jobs):
    """Log-mel spectrograms of a corpus, kept in the stage's folder."""
    return features.extract(clips, features.log_mel, folder / "pictures", n_jobs=n_jobs)


def _clips(result):
    """The clips that a stage has left, as a corpus."""
    return Corpus(result.folder / result["root"], read_table(result.folder / "clips.csv"), result["labels"])


def _tensors(plan, result):
    """The pictures that a stage has left, and the numbers of their labels."""
    frames = 1 + round(100 * plan.seconds)
    return features.FeatureSet(result.folder / result["pictures"], labels=result["labels"]).tensors(frames, SILENCE)


def _from(out, path):
    """A folder as it is reached from a stage's own, so that data/ may be moved as a whole."""
    return os.path.relpath(path, out.folder)


# ---------------------------------------------------------------------------------------- denoise


def denoise(plan, done, out, team):
    """Clean the clips, and ask on the same folds whether that helps. Kept is what is better by more than chance.

    Both must say so: the interval of the gain, and McNemar's test, for the interval of a few disagreements is too sure.

    Taught in: notebooks/15_capstone.ipynb, "Does cleaning help?"
    """
    before = done["preprocess"]
    as_before = {**before.numbers, "root": before["root"] if os.path.isabs(before["root"]) else
                 _from(out, before.folder / before["root"]), "pictures": _from(out, before.folder / before["pictures"]),
                 "used": False, "files": ["clips.csv"]}
    if plan.denoise == "never":
        out.says, out.numbers = "not tried", as_before
        write_table(out.folder / "clips.csv", _clips(before).table)
        return
    raw, sr = _clips(before), before["sr"]

    def clean():
        with workers(plan) as n_jobs:
            clips = preparing.run(raw, [denoised], out.folder / "clips", n_jobs=n_jobs, accept=sorted(HARMLESS))
            _pictured(clips, out.folder, n_jobs)
        return clips

    clips = team.once(clean)
    if clips.aside:
        raise PlanError(f"denoise: nothing is left of {next(iter(clips.aside))!r} once it is cleaned: write denoise: "
                        "never.")
    fold, root = splits.kfold(raw, plan.folds, plan.seed), out.folder.parent / "folds"
    x, y = _tensors(plan, before)
    z = features.FeatureSet(out.folder / "pictures", labels=raw.labels).tensors(x.shape[-1], SILENCE)[0]
    said = [folds.cross_validated(plan, pictures, y, fold, len(raw.labels), root, team)[0].argmax(axis=1)
            for pictures in (x, z)]
    score = [metrics.macro_f1(y.numpy(), one) for one in said]
    low, high = metrics.bootstrap(gained, y.numpy(), *said, groups=_groups(raw.table).to_numpy(str))
    gain, p = score[1] - score[0], metrics.mcnemar(y.numpy(), *said)
    helps = low > 0 and p < 0.05
    used = plan.denoise == "always" or helps
    verdict = "it helps" if helps else "it harms" if high < 0 and p < 0.05 else "not more than chance"
    out.says = f"macro-F1 {score[0]:.2f} without, {score[1]:.2f} with: {gain:+.2f} ({low:+.2f} to {high:+.2f}; " \
               f"McNemar p = {p:.2f}), {verdict}; {'cleaned' if used else 'left as they were'}"
    out.numbers = (as_before | {"root": "clips", "pictures": "pictures", "used": True} if used else as_before) | {
        "without": score[0], "with": score[1], "gain": gain, "low": low, "high": high, "p": p}
    if not team.lead:
        return
    write_table(out.folder / "clips.csv", (clips if used else raw).table)
    out.grade("self-test: clips asked both ways", len(x), at_least=before["clips"])
    i = int(((x - z).abs().mean(dim=(1, 2, 3)) * (y == 0)).argmax())            # of those that are watched for
    pair = {"as it was": raw[i][0], "cleaned": clips[i][0]}
    for name, sound in pair.items():
        out.sound(f"{name.replace(' ', '-')}.flac", sound, sr, f"{raw.table.path[i]}, {name}")
    out.draw("cleaned.png", lambda: plots.spectrogram(
        pair, sr, title="What the Wiener filter takes away", alt="Two spectrograms of a clip: in the second, cleaned, "
        "the steady noise between the events is darker."))
    by_fold = [gained(*(one[fold == k] for one in (y.numpy(), *said))) for k in range(plan.folds)]
    out.draw("gain.png", lambda: plots.intervals(
        {f"{plan.folds} folds": by_fold, "all clips": []}, [np.nan, gain], [np.nan, low], [np.nan, high],
        x_label="macro-F1 of cleaned clips, less that of clips as they were",
        title="Does cleaning help?", alt=f"The difference of macro-F1 is {gain:+.2f}, its interval {low:+.2f} to "
        f"{high:+.2f}; single folds lie around it."))


def gained(truth, one, other):
    """Macro-F1 of other answers, less that of the one."""
    return metrics.macro_f1(truth, other) - metrics.macro_f1(truth, one)


# ---------------------------------------------------------------------------------------- split


def split(plan, done, out, team):
    """Deal the clips into folds: all of one group into one, and of each class as many into each.

    A group is an occasion: what was recorded on one day, in one room, of one speaker. That nobody named a group and
    yet the same sound lies in two folds, in two files, is looked for besides.

    Taught in: notebooks/15_capstone.ipynb, "Who judges forty clips?"
    """
    clips = _clips(done["denoise"])
    fold, group = splits.kfold(clips, plan.folds, plan.seed), _groups(clips.table)
    write_table(out.folder / "folds.csv", clips.table[["path", "label"]].assign(group=group, fold=fold))
    shared = int((pd.Series(fold).groupby(group.to_numpy()).nunique() > 1).sum())
    side = dict(zip(clips.table.path, fold, strict=True))
    with workers(plan) as n_jobs:
        pairs = splits.near_duplicates(clips, n_jobs=n_jobs or 1)
    twins = [f"{a!r} sounds like {b!r}, and lies in another fold: are they one take?"
             for a, b in zip(pairs.path, pairs.twin, strict=True) if side[a] != side[b]]
    counts = pd.crosstab(clips.table.label.to_numpy(), fold)
    sizes = " to ".join(map(str, sorted({counts.sum().min(), counts.sum().max()})))
    out.says = f"{plan.folds} folds of {sizes} clips, {group.nunique()} groups"
    out.numbers = {"fold": fold.tolist(), "shared": shared, "twins": len(twins), "least": int(counts.min().min()),
                   "files": ["folds.csv"]}
    out.notes = twins[:5]
    out.grade("self-test: groups in two folds", shared, close_to=0, tol=0)
    out.grade("sounds that lie in two folds", len(twins), close_to=0, tol=0)
    out.grade("clips of a class in a fold", counts.min().min(), at_least=1)
    number = np.array([clips.labels.index(label) for label in clips.table.label])
    out.draw("folds.png", lambda: plots.matrices(
        {label: (fold[number == c] == np.arange(plan.folds)[:, None]).astype(float)
         for c, label in enumerate(clips.labels)}, x_label="clip", y_label="fold",
        rows={k: str(k + 1) for k in range(plan.folds)}, title="Bright: the fold in which a clip is asked",
        alt=f"For each class a matrix of {plan.folds} folds and its clips: each clip is in one fold, and of each class "
            f"{counts.min().min()} to {counts.max().max()} are in a fold."))


# ---------------------------------------------------------------------------------------- augment


def augment(plan, done, out, team):
    """Show what training will do to a clip each time it comes. Only training clips are changed.

    Taught in: notebooks/15_capstone.ipynb, "How does it learn from so little?"
    """
    x, y = _tensors(plan, done["denoise"])
    if not plan.augment:
        out.says, out.numbers = "none: the clips come as they are", {"used": False}
        return
    chance = torch.Generator().manual_seed(plan.seed)
    batches = [recipes.retuned(x, y, chance) for _ in range(3)]
    same = sum(int((a == b).all()) for changed, _ in batches for a, b in zip(changed, x, strict=True))
    relabelled = sum(int((labels != y).sum()) for _, labels in batches)
    out.says = "another level (spread 3 dB), up or down by 3 mel channels at most, earlier or later by 0.2 s at " \
               "most, bands and stretches hidden"
    out.numbers = {"used": True, "same": same, "relabelled": relabelled}
    out.grade("self-test: clips that came unchanged", same, close_to=0, tol=0)
    out.grade("self-test: labels that changed", relabelled, close_to=0, tol=0)
    pictures = {"as it is": x[0, 0].numpy()} | {f"pass {i + 1}": changed[0, 0].numpy()
                                                for i, (changed, _) in enumerate(batches)}
    out.draw("augmented.png", lambda: plots.matrices(
        pictures, x_label="time (s)", y_label="mel channel", step=0.01, label="ln of mel power",
        title="One clip, and how it comes three times", alt="Four log-mel spectrograms of one clip: as it is, and "
        "three times louder or softer, shifted in time and pitch, with bands and stretches hidden."))


# ---------------------------------------------------------------------------------------- train


def train(plan, done, out, team):
    """Train a network for each fold, to be judged, and one on all clips, to be used.

    Taught in: notebooks/15_capstone.ipynb, "How does it learn from so little?"
    """
    x, y = _tensors(plan, done["denoise"])
    fold, labels = np.array(done["split"]["fold"]), done["denoise"]["labels"]
    said, losses, kept = folds.cross_validated(plan, x, y, fold, len(labels), out.folder.parent / "folds", team,
                                               whole=out.folder / "model")
    size = models.size(_fresh(plan, done))
    left = float(np.mean([lost[-1] / lost[0] for lost in losses]))
    out.says = f"{plan.folds} networks and a last one of {size:,} parameters, {plan.epochs} epochs"
    out.numbers = {"said": said.astype(float).round(6).tolist(), "truth": y.tolist(), "kept": _from(out, kept),
                   "parameters": size, "loss_left": left,
                   "files": ["model.safetensors",
                             *(f"{_from(out, kept)}/fold-{k}.safetensors" for k in range(plan.folds))]}
    out.grade("loss of the last epoch as a share of the first's", left, at_most=0.8)
    if team.lead:
        curves = {f"fold {k + 1}": lost for k, lost in enumerate(losses[:-1][:3])} | {"all clips": losses[-1]}
        out.draw("losses.png", lambda: plots.lines(
            np.arange(1, plan.epochs + 1), {name: np.array(lost) for name, lost in curves.items()}, x_label="epoch",
            y_label="cross entropy", title="What the networks still get wrong, of clips as they are augmented",
            alt=f"The losses of some folds and of the last network fall to {100 * left:.0f} % of the first epoch's."))


def opened(plan, done):
    """The network that was trained on all clips.

    Taught in: notebooks/15_capstone.ipynb, "Will it fit elsewhere?"
    """
    from safetensors.torch import load_file

    model = _fresh(plan, done)
    model.load_state_dict(load_file(done["train"].folder / "model.safetensors"))
    return model.eval()


def _fresh(plan, done):
    """A network as it was before training."""
    n_mels = features.log_mel_sizes(done["denoise"]["sr"])["n_mels"]
    return folds.network(plan, n_mels, len(done["denoise"]["labels"]))


# ---------------------------------------------------------------------------------------- evaluate


def evaluate(plan, done, out, team):
    """Score the answers, each by a network that had not met the clip.

    Taught in: notebooks/15_capstone.ipynb, "Who judges forty clips?"
    """
    clips, said, truth = _clips(done["denoise"]), np.array(done["train"]["said"]), np.array(done["train"]["truth"])
    found, labels = said.argmax(axis=1), done["denoise"]["labels"]
    score = metrics.macro_f1(truth, found)
    low, high = metrics.bootstrap(metrics.macro_f1, truth, found, groups=_groups(clips.table).to_numpy(str))
    wrong = np.flatnonzero(found != truth)
    right = len(truth) - len(wrong)
    least, most = metrics.wilson(right, len(truth))
    out.says = f"{right} of {len(truth)} right, a share of {100 * least:.0f} to {100 * most:.0f} % (Wilson, 95 %)"
    out.numbers = {"macro_f1": score, "low": low, "high": high, "right": right, "clips": len(truth),
                   "wilson": [least, most],
                   "mistakes": [clips.table.path[i] for i in wrong]}
    out.grade("macro-F1", score, between=[low, high], at_least=GOAL)
    matrix = metrics.confusion_matrix(truth, found, range(len(labels)))
    out.draw("confusion.png", lambda: plots.confusion(
        matrix, labels, title="What is taken for what?", alt="; ".join(
            f"{matrix[i, j]} of {matrix[i].sum()} {labels[i]} are called {labels[j]}"
            for i in range(len(labels)) for j in range(len(labels)) if matrix[i, j])))
    for i in wrong[:6]:
        y, sr, row = clips[i]
        out.sound(f"mistake-{i}.flac", y, sr,
                  f"{row['label']}, taken for {labels[found[i]]} ({100 * said[i].max():.0f} %)")


# ---------------------------------------------------------------------------------------- int8


def int8(plan, done, out, team):
    """Leave PyTorch: ONNX, and weights of 8 bits. Judged fold by fold, each clip asked in ten versions.

    Forty answers cannot tell a loss of one point: a single one weighs 2.5. So each clip is asked besides in nine
    versions, a little earlier or later, louder or softer.

    Taught in: notebooks/15_capstone.ipynb, "Will it fit elsewhere?"
    """
    x, y = _tensors(plan, done["denoise"])
    fold, n_classes = np.array(done["split"]["fold"]), len(done["denoise"]["labels"])
    asked = torch.stack([x, *(_version(x, seed) for seed in range(VERSIONS))])              # [version, clip, …]
    said = np.zeros((2, *asked.shape[:2]), int)                                 # [float or 8 bits, version, clip]
    kept = done["train"].folder / done["train"]["kept"]

    def work(k):
        model, _ = folds.fold_model(plan, x, y, fold, n_classes, kept, k)
        files = out.folder / f"fold-{k}.onnx", out.folder / f"fold-{k}-int8.onnx"
        _exported(model, x[torch.from_numpy(fold != k)], *files)
        pictures = asked[:, np.flatnonzero(fold == k)].flatten(0, 1)
        answers = [compress.Runner(file)(pictures).argmax(dim=1).reshape(len(asked), -1).numpy() for file in files]
        for file in files:
            file.unlink()
        return np.stack(answers)

    for k, answers in enumerate(team.share(work, plan.folds, "8 bits, fold by fold")):
        said[:, :, fold == k] = answers
    if not team.lead:
        return
    whole, small = out.folder / "model.onnx", out.folder / "model-int8.onnx"
    model = opened(plan, done)
    sizes = _exported(model, x, whole, small)
    truth = np.broadcast_to(y.numpy(), said.shape[1:]).ravel()
    scores = [metrics.macro_f1(truth, one.ravel()) for one in said]
    lost, changed = 100 * (scores[0] - scores[1]), (said[0] != said[1])
    out.says = f"{changed[0].sum()} of {len(x)} answers change, {changed.sum()} of {changed.size} in all versions; " \
               f"{sizes[0] / 1000:.0f} to {sizes[1] / 1000:.0f} kB"
    out.numbers = {"points_lost": lost, "changed": int(changed[0].sum()), "changed_of_versions": int(changed.sum()),
                   "asked": changed.size, "macro_f1": metrics.macro_f1(y.numpy(), said[1][0]), "bytes": sizes,
                   "parity": compress.parity(model, compress.Runner(whole), x[:3]),
                   "files": ["model.onnx", "model-int8.onnx"]}
    out.grade("points of macro-F1 lost", lost, at_most=1)
    out.grade("ONNX against PyTorch, largest difference", out["parity"], at_most=1e-3)


def _version(x, seed):
    """The pictures a little earlier or later, and louder or softer."""
    chance = torch.Generator().manual_seed(seed)
    level = 0.35 * torch.randn((len(x), 1, 1, 1), generator=chance)             # in units of the natural logarithm
    return (augmenting.time_shift(x, 10, chance) + level).clamp(min=SILENCE)


def _exported(model, x, whole, small):
    """A network as ONNX, in float and with weights of 8 bits; bytes of both."""
    return compress.export(model, whole, x[:2]), compress.int8(whole, small, x)


# ---------------------------------------------------------------------------------------- profile


def profile(plan, done, out, team):
    """What a second of sound costs, on two small computers that are not here.

    Taught in: notebooks/15_capstone.ipynb, "Will it fit elsewhere?"
    """
    x, _ = _tensors(plan, done["denoise"])
    costs = edge.count(opened(plan, done), x[:1])
    clips, listener = _clips(done["preprocess"]), _listener(plan, done)
    second = np.resize(clips[0][0], listener.sr)
    call = Second(listener, second, round(HOP * listener.sr))   # a block for each decision
    slower = edge.simulate(edge.device(BOARDS[0]), call, repeats=200)
    times = {name: slower.on(edge.device(name)).timing for name in BOARDS}
    out.numbers = {"parameters": costs.parameters, "macs": costs.macs, "macs_per_second": round(costs.macs / HOP),
                   "bytes": done["int8"]["bytes"][1], "peak": costs.peak,
                   "ratio": {name: slower.on(edge.device(name)).ratio for name in BOARDS},
                   "ms": {name: {f"p{q}": 1000 * timing.percentile(q) for q in (50, 90, 99)}
                          for name, timing in times.items()}}
    out.says = f"{costs.parameters:,} parameters, {costs.macs / 1e6:.1f} million MACs a decision; " + "; ".join(
        f"{name[-4:]}: p50 {ms['p50']:.1f}, p90 {ms['p90']:.1f} ms" for name, ms in out["ms"].items())
    for name, ms in out["ms"].items():
        out.grade(f"p99 a second on a simulated {name}", ms["p99"], "ms", timing=True,
                  between=[ms["p99"] / TRUE_WITHIN, ms["p99"] * TRUE_WITHIN], at_most=LIMIT)
    out.draw("latencies.png", lambda: plots.latencies(
        {name: timing.seconds for name, timing in times.items()}, LIMIT / 1000,
        title="A second of sound, on two computers that are not here",
        alt="Histograms of the predicted times of a second of sound on a Raspberry Pi 4 and 5, with their percentiles "
            "and the limit of 50 ms."))


def _listener(plan, done):
    return Listener(done["int8"].folder / "model-int8.onnx", done["denoise"]["sr"], plan.seconds,
                    done["denoise"]["used"], plan.preprocess)


# ---------------------------------------------------------------------------------------- stream


def stream(plan, done, out, team):
    """Let a minute of sound come in blocks of any size, and compare with the whole minute at once.

    The minute is made of the clips themselves, so it says nothing of how good the network is: that is for `evaluate`.
    Where a window falls on a whole clip, it is compared as well with the picture that training has had of that clip.

    Taught in: notebooks/15_capstone.ipynb, "Does it keep up with the world?"
    """
    clips, listener = _clips(done["preprocess"]), _listener(plan, done)
    rng, sr, label = np.random.default_rng(plan.seed), listener.sr, clips.labels[0]
    y, spans, begins = _minute(clips, rng, label)
    seconds, found, microphone, at = np.zeros(2 * STREAM), [], RingBuffer(sr), 0
    while at < len(y):
        block = y[at : at + rng.integers(1, sr // 10)]
        begin = time.process_time()                             # of this process alone, however busy the machine is
        microphone.write(block)
        found.extend(listener.follow(microphone))
        seconds[2 * at // sr] += time.process_time() - begin
        at += len(block)
    found, whole = np.array(found), offline(listener.file, y, sr, plan.seconds, listener.clean, listener.highpass)
    if found.shape != whole.shape:
        raise RuntimeError(f"The stream gave {len(found)} decisions, the whole sound {len(whole)}.")
    differ = int((found.argmax(axis=1) != whole.argmax(axis=1)).sum())
    p99 = 2000 * float(np.quantile(seconds, 0.99, method="inverted_cdf"))       # each entry is of half a second
    out.says = f"{len(found)} decisions in {STREAM} s, block by block"
    out.numbers = {"decisions": len(found), "differ": differ, "apart": float(np.abs(found - whole).max()), "p99": p99,
                   "probabilities": found.astype(float).round(6).tolist(), "label": label}
    out.grade("decisions unlike the offline ones", differ, close_to=0, tol=0)
    pictured = _as_trained(plan, done, begins)
    if unlike := [np.abs(found[k] - picture).max() for k, picture in pictured.items() if k < len(found)]:
        out.numbers["edges"] = float(max(unlike))
        out.grade("a clip in the stream against its picture, largest difference of a probability", out["edges"],
                  at_most=UNLIKE)
    out.grade("p99 of computing a second, here", p99, "ms", timing=True, at_most=LIMIT)
    out.sound("minute.flac", y[: 15 * sr], sr, "the first quarter of the minute")
    t = plan.seconds + HOP * np.arange(len(found))
    out.draw("stream.png", lambda: plots.panels(
        t, {f"probability of {label}": {"": found[:, 0]}}, x_label="end of the window (s)", spans=spans,
        title=f"A minute, heard as it comes; grey: {label} sounds",
        alt=f"The probability of {label} over a minute: high where a window lies in a clip with {label}."))


def _minute(clips, rng, label):
    """Clips one after the other in any order, again and again; when one with the label sounds; which begins when."""
    order, parts, spans, begins, at = [], [], [], {}, 0
    sr = int(clips.table.sr.iloc[0])
    while at < STREAM * sr:
        order = order or list(rng.permutation(len(clips)))
        begins[at / sr] = order.pop()
        y, _, row = clips[begins[at / sr]]
        if row["label"] == label:
            spans.append((at / sr, min((at + len(y)) / sr, STREAM)))
        parts.append(y)
        at += len(y)
    return np.concatenate(parts)[: STREAM * sr], spans, begins


def _as_trained(plan, done, begins):
    """What the network says of the pictures of clips, by the number of the decision whose window falls on the clip."""
    if not plan.preprocess:                                     # clips of any length: no window falls on one
        return {}
    x, run = _tensors(plan, done["denoise"])[0].numpy(), compress.Runner(done["int8"].folder / "model-int8.onnx")
    return {round(begin / HOP): probabilities(run, x[i])[0] for begin, i in begins.items() if begin % HOP == 0}


# ---------------------------------------------------------------------------------------- card


def card(plan, done, out, team):
    """Write down what others must know: ``card.json`` for programs, ``card.md`` for people.

    What a stream would show is not measured by a run, and the card says so. What you have found out yourself comes
    under its limits: each line of a file ``limits.txt`` in the folder of the run.

    Taught in: notebooks/15_capstone.ipynb, "What must others know?"
    """
    told, scored = done["collect"], done["evaluate"]
    about = {
        "name": plan.name, "title": f"tells {' from '.join(told['labels'])}", "labels": told["labels"],
        "class": type(_fresh(plan, done)).__name__, "parameters": done["train"]["parameters"],
        "corpus": plan.own.name if plan.own else "forty-clips, made by a program of the course: no sound was recorded",
        "content": clips_content(done["collect"]),
        "licence": "CC0-1.0" if not plan.own else "that of the recordings",
        "made": time.strftime("%Y-%m-%d"),
        "versions": {name: version(name) for name in ("audiolab", "torch", "onnxruntime")},
        "use": f"To learn from, and to watch for {told['labels'][0]!r} where a miss or a false alert does no harm, "
               "with sounds like those of the corpus, and a threshold chosen on recordings of the place.",
        "not_for": "Safety, health, surveillance, decisions about people; places, devices and sounds unlike those of "
                   "the corpus, before somebody has measured there.",
        "positive": told["labels"][0], "threshold": plan.threshold,
        "each": told["counts"], "kinds": told["kinds"],
        "clips": scored["clips"], "groups": told["groups"], "set_aside": told["set_aside"],
        "input": f"log-mel of {plan.seconds:g} s at {done['denoise']['sr']} Hz"
                 + (f", without what is below {LOWEST} Hz" if plan.preprocess else "")
                 + (", cleaned by a Wiener filter" if done["denoise"]["used"] else ""),
        "features": features.log_mel_sizes(done["denoise"]["sr"]) | {
            "scale": "Slaney", "floor": FLOOR, "logarithm": "natural", "highpass": LOWEST if plan.preprocess else 0},
        "recipe": {"network": plan.network, "epochs": plan.epochs, "batch_size": folds.BATCH, "lr": folds.LR,
                   "augment": plan.augment, "seed": plan.seed, "folds": plan.folds},
        "metrics": {"macro_f1": scored["macro_f1"], "interval": [scored["low"], scored["high"]],
                    "of": f"{plan.folds} networks in floats, each asked about clips that it had not met",
                    "right": scored["right"], "wilson": scored["wilson"],
                    "int8_points_lost": done["int8"]["points_lost"], "int8_answers_changed": done["int8"]["changed"]},
        "sr": done["denoise"]["sr"],
        "costs": {key: done["profile"][key] for key in ("parameters", "macs", "bytes", "ms")},
        "machine": recipes.naming.machine(),
        "files": {file: content(done["int8"].folder / file) for file in ("model.onnx", "model-int8.onnx")},
        "shape": [1, 1, features.log_mel_sizes(done["denoise"]["sr"])["n_mels"], 1 + round(100 * plan.seconds)],
        "false_alerts_an_hour": NOT_MEASURED, "found_in_a_stream": NOT_MEASURED,
        "limits": [
            f"The 95 % interval, {scored['low']:.2f} to {scored['high']:.2f}, is over these {scored['clips']} clips "
            f"of {told['groups']} groups, for these networks; other training clips are not in it, nor other kinds of "
            "sound." + (" That of the share is too narrow, for clips of one group are right or wrong together."
                        if told["groups"] < scored["clips"] else ""),
            f"The score is that of the {plan.folds} networks of the folds, in floats. The network in the files has "
            "learnt from all clips, and was judged by none.",
            "It always answers with one of its classes, also for kinds of sound that it has never met; its "
            "probability does not say when.",
            f"Of the clips {100 * told['counts'][told['labels'][0]] / told['clips']:.0f} % were {told['labels'][0]!r}. "
            f"Where it is rarer, the threshold of {plan.threshold:g} may give more false alerts than true: choose "
            "one on long recordings of the place.",
            "Times on a Raspberry Pi are simulated, within a factor of two.",
            *found_limits(plan).splitlines(),
        ]}
    missing = sum(value in ("", None, []) for value in about.values())
    for file, text in (("card.json", json.dumps(about, indent=1, ensure_ascii=False)), ("card.md", _in_words(about))):
        with paths.replacing(out.folder / file) as tmp:
            tmp.write_text(text + "\n", "utf-8")
    out.says = about["title"]
    out.notes = ["What a stream would show, false alerts an hour and the share that is found, is not measured by this "
                 "run: `audiolab pipeline listen` counts them, and what you find belongs into limits.txt."]
    out.numbers = {"card": about, "missing": missing, "files": ["card.json", "card.md"]}
    out.grade("self-test: facts that are missing", missing, close_to=0, tol=0)


def found_limits(plan):
    """What somebody has written into ``limits.txt`` in the folder of the run: a limit in each line."""
    file = paths.data("runs", "pipeline", plan.name) / "limits.txt"
    try:
        return "\n".join(filter(None, map(str.strip, file.read_text("utf-8").splitlines())))
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise PlanError(f"{str(file)!r} is no text in UTF-8: save it as such.") from None


def clips_content(collected):
    """What stands for the clips that were used: their content."""
    clips = _clips(collected)
    return digest(json.dumps([content(clips.root / path) for path in clips.table.path]))


def _in_words(about):
    """The card in Markdown."""
    score, costs = about["metrics"], about["costs"]
    low, high = score["interval"]
    sizes, rate = about["features"], about["sr"]
    each = ", ".join(f"{n} {label}" for label, n in about["each"].items())
    kinds = "".join(f" In {label!r}: {', '.join(f'{n} {kind}' for kind, n in inside.items())}."
                    for label, inside in about["kinds"].items() if len(inside) > 1)
    made, files = about["recipe"], ", ".join(f"`{name}` ({begins} …)" for name, begins in about["files"].items())
    augmented = "augmented" if made["augment"] else "not augmented"
    times = "\n".join(f"| {name} | {ms['p50']:.1f} | {ms['p90']:.1f} | {ms['p99']:.1f} |"
                      for name, ms in costs["ms"].items())
    return f"""# {about['name']}

It {about['title']}: a {about['class']} of {about['parameters']:,} parameters that takes a {about['input']}.

Made {about['made']} by {', '.join(f"{name} {number}" for name, number in about['versions'].items())}:
{made['epochs']} epochs, {made['batch_size']} clips a batch, learning rate {made['lr']:g}, seed {made['seed']},
{augmented}. It watches for {about['positive']!r}, from a probability of {about['threshold']:g} on.

**Files.** {files}; in brackets how their SHA-256 begins. Input {' × '.join(map(str, about['shape']))}; outputs are
logits, in the order {', '.join(about['labels'])}.

**For.** {about['use']}

**Not for.** {about['not_for']}

**Clips.** {about['clips']} of {about['groups']} groups ({about['corpus']}, content {about['content']}): {each};
{about['set_aside']} files set aside. Licence: {about['licence']}.{kinds}

**Picture.** {sizes['n_mels']} mel channels ({sizes['scale']}), a column of {1000 * sizes['win_length'] / rate:g} ms
each {1000 * sizes['hop_length'] / rate:g} ms, natural logarithm of the power, floor {sizes['floor']:g}.

**Worth.** Macro-F1 {score['macro_f1']:.3f} of {score['of']}; 95 % interval {low:.2f} to {high:.2f}. Right are
{score['right']} of {about['clips']}, a share of {score['wilson'][0]:.2f} to {score['wilson'][1]:.2f} (Wilson). In 8
bits {score['int8_answers_changed']} of these answers change; macro-F1 over ten versions of each clip loses
{score['int8_points_lost']:.2f} points.

**In a stream.** False alerts an hour: {about['false_alerts_an_hour']}. Share of {about['positive']!r} that is found:
{about['found_in_a_stream']}.

**Costs.** {costs['macs'] / 1e6:.1f} million multiply-accumulates a decision, {costs['bytes'] / 1000:.0f} kB.

| milliseconds a second of sound, simulated | p50 | p90 | p99 |
| --- | --- | --- | --- |
{times}

**Limits.**

""" + "\n".join(f"- {limit}" for limit in about["limits"])


# ---------------------------------------------------------------------------------------- the order


@dataclass(frozen=True)
class Stage:
    """A stage: its function, what it needs of others, and which settings it reads.

    Attributes
    ----------
    name : str
    work : callable
        ``work(plan, done, out, team)`` fills the `Result` `out`; `done` has the results of the stages before by name.
    needs : tuple of str
        Stages whose results it reads.
    reads : tuple of str
        Settings. Others may change without its being done anew.
    also : callable, optional
        ``also(plan) -> str`` stands for what else it depends on.
    together : bool
        Whether all processes of a team do it, and not the first alone.
    """

    name: str
    work: Callable
    needs: tuple = ()
    reads: tuple = ()
    also: Callable | None = None
    together: bool = False


_TRAINING = ("network", "epochs", "augment", "seed", "folds", "seconds")
STAGES = {stage.name: stage for stage in (
    Stage("collect", collect, (), ("corpus", "positive", "folds"), folder_content),
    Stage("preprocess", preprocess, ("collect",), ("preprocess", "seconds")),
    Stage("denoise", denoise, ("preprocess",), ("denoise", *_TRAINING), folds.circumstances, together=True),
    Stage("split", split, ("denoise",), ("folds", "seed")),
    Stage("augment", augment, ("denoise",), ("augment", "seed", "seconds")),
    Stage("train", train, ("denoise", "split"), _TRAINING, folds.circumstances, together=True),
    Stage("evaluate", evaluate, ("denoise", "train")),
    Stage("int8", int8, ("denoise", "split", "train"), _TRAINING, together=True),
    Stage("profile", profile, ("preprocess", "denoise", "train", "int8"), ("preprocess", *_TRAINING)),
    Stage("stream", stream, ("preprocess", "denoise", "int8"), ("preprocess", "seconds", "seed")),
    Stage("card", card, ("collect", "denoise", "train", "evaluate", "int8", "profile"),
          ("name", "preprocess", "threshold", *_TRAINING), found_limits),
)}


def keys(plan):
    """What stands for each stage of a plan: its settings, and the keys of all that it needs.

    Your clips count by their content, trainings by `folds.circumstances` besides. A key does not see what that does
    not see, nor times: a stage that measured a busy machine is kept like any other.

    Raises
    ------
    PlanError
        If the learner's folder is not there.

    Taught in: notebooks/15_capstone.ipynb, "What if it is cut off?"
    """
    found = {}
    for name, stage in STAGES.items():
        settings = {key: getattr(plan, key) for key in stage.reads}
        also = stage.also(plan) if stage.also else ""
        found[name] = digest(json.dumps([VERSION, name, settings, also, [found[one] for one in stage.needs]]))
    return found
