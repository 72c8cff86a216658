"""What takes too long for a notebook: networks and baselines on the same folds, and speakers left out one by one.

    python -m benchmarks.learning          takes about an hour on one thread; what an interrupted run finished is kept

Writes benchmarks/LEARNING.md, with the minutes that each checkpoint took beside it.
"""

import json
import os
import platform
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tqdm import tqdm

from audiolab import metrics, models, paths, recipes, training
from audiolab.corpora import remote, splits
from audiolab.paths import replacing
from benchmarks.timing import best, table

ROOT = Path(__file__).absolute().parents[1]
STATE = paths.data("runs", "learning")          # what is finished, a file for each training
BASELINES = {
    "logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000)),
    "support vector machine": lambda: make_pipeline(StandardScaler(), SVC(C=10)),
    "random forest": lambda: RandomForestClassifier(300, random_state=0),
}
NETWORKS = ("events-cnn-scenes", "events-crnn-scenes", "events-transformer-scenes")
FOLDS = 5


def kept(name, call):
    """The result of a call, as JSON holds it: computed once."""
    file = STATE / f"{name}.json"
    if not file.exists():
        result = call()
        with replacing(file) as tmp:
            tmp.write_text(json.dumps(result), "utf-8")
    return json.loads(file.read_text("utf-8"))


def pooled(x):
    """Of each mel channel: mean, standard deviation, and that of its slope. [clips, 3 · mel]."""
    z = x[:, 0].numpy()
    return np.concatenate([z.mean(axis=2), z.std(axis=2), np.diff(z, axis=2).std(axis=2)], axis=1)


def learned(recipe, x, y, n_classes, seed=0):
    """A network trained by a recipe on other clips, with no validation: (model, seconds)."""
    torch.manual_seed(seed)
    model = recipe.model(n_mels=x.shape[2], n_classes=n_classes)
    history = training.fit(model, (x, y), loss=torch.nn.CrossEntropyLoss(), epochs=recipe.epochs, seed=seed,
                           augment=recipe.changed, **recipe.fit)
    return model, history.seconds


def folds():
    """A row for each way to tell twelve events: macro-F1 over all clips, each asked by a model that never met it."""
    first = recipes.find(NETWORKS[0])
    pictures = recipes.data(first, n_jobs=2)
    x, y = pictures.tensors()
    fold, flat, truth = splits.kfold(pictures, FOLDS), pooled(x), y.numpy()
    rows = []
    for name in tqdm([*BASELINES, *NETWORKS], desc="folds"):
        def once(k, name=name):
            at, asked = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            if name in BASELINES:
                start = time.perf_counter()
                model = BASELINES[name]().fit(flat[at], truth[at])
                return {"guess": model.predict(flat[asked]).tolist(), "seconds": time.perf_counter() - start}
            model, seconds = learned(recipes.find(name), x[at], y[at], len(pictures.labels))
            return {"guess": training.predict(model, x[asked]).argmax(dim=1).tolist(), "seconds": seconds}

        guess, seconds, by_fold = np.zeros(len(truth), int), [], []
        for k in range(FOLDS):
            found = kept(f"{name}-fold-{k}", lambda k=k, once=once: once(k))
            guess[fold == k] = found["guess"]
            seconds.append(found["seconds"])
            by_fold.append(metrics.macro_f1(truth[fold == k], guess[fold == k]))
        low, high = metrics.bootstrap(metrics.macro_f1, truth, guess)
        rows.append((f"`{name}`" if name in NETWORKS else name, f"{metrics.macro_f1(truth, guess):.3f}",
                     f"{low:.3f} to {high:.3f}", f"{min(by_fold):.3f} to {max(by_fold):.3f}",
                     *_cost(name, x, flat, truth), f"{np.mean(seconds):.0f}"))
    return table(["", "macro-F1", "95 % interval", "folds", "parameters", "ms per clip", "training, s"], rows)


def _cost(name, x, flat, truth):
    """Parameters, and milliseconds to name a clip, features not counted."""
    if name in BASELINES:
        model = BASELINES[name]().fit(flat[:200], truth[:200])
        return "", f"{1000 * best({name: lambda: model.predict(flat[:32])})[name] / 32:.2f}"
    recipe = recipes.find(name)
    model = recipe.model(n_mels=x.shape[2], n_classes=12)
    return f"{models.size(model):,}", f"{1000 * best({name: lambda: training.predict(model, x[:32])})[name] / 32:.2f}"


def speakers():
    """A row for each speaker of FSDD, whom the keyword spotter never heard; None without the recordings."""
    if not remote.at_hand("fsdd"):
        return None
    recipe = recipes.find("keywords-dscnn-fsdd")
    pictures = recipes.data(recipe, n_jobs=2)
    x, y = pictures.tensors(recipe.frames, recipes.SILENCE)
    speaker, rows, shares = pictures.table.speaker.to_numpy(), [], []
    for name in tqdm(sorted(set(speaker)), desc="speakers"):
        asked = np.flatnonzero(speaker == name)
        at = np.flatnonzero(speaker != name)

        def once(at=at, asked=asked):
            model, seconds = learned(recipe, x[at], y[at], len(pictures.labels))
            return {"right": recipes.measured(model, x[asked], y[asked])["right"], "seconds": seconds}

        found = kept(f"fsdd-without-{name}", once)
        low, high = metrics.wilson(found["right"], len(asked))
        shares.append(found["right"] / len(asked))
        rows.append((name, f"{100 * shares[-1]:.1f}", f"{100 * low:.1f} to {100 * high:.1f}",
                     f"{found['seconds']:.0f}"))
    rows.append(("mean of six", f"{100 * np.mean(shares):.1f}", "", ""))
    return table(["left out", "right, %", "95 % interval", "training, s"], rows)


def minutes():
    """A row for each checkpoint, as its card says."""
    rows = []
    for name in models.names():
        _, card = models.load(name)
        found = card["metrics"]["test"]
        measure = "accuracy" if "accuracy" in found else "mean_absolute_error"
        rows.append((f"`{name}`", f"{card['parameters']:,}", f"{measure.replace('_', ' ')} {found[measure]:.3f}",
                     found["clips"], card["steps"], f"{card['seconds'] / 60:.1f}"))
    return table(["", "parameters", "on test clips", "of", "steps", "minutes"], rows)


def main():
    """Measure what is missing and write the page."""
    by_speaker = speakers()
    sections = [
        "# Learning",
        f"Measured by `python -m benchmarks.learning` on {os.cpu_count()} cores of {platform.machine()}, "
        f"{platform.system()}, Python {platform.python_version()}, {torch.get_num_threads()} thread. Seconds vary by a "
        "factor of two on a busy machine.",
        "## Twelve sound events, five folds",
        "All 1,200 clips of `scenes.events`, each named by a model that was trained on the other four folds. The "
        "folds mix the parameter ranges that the corpus's own split keeps apart, so figures are higher than on its "
        "test clips. Interval: bootstrap over clips, for these weights.",
        folds(),
        "## Real digits, a speaker left out",
        "The keyword spotter of chapter 06, trained on five speakers of FSDD and asked about the 500 clips of the "
        "sixth. The aim was a mean of 90 %.",
        by_speaker or "Not measured: the recordings are not on this machine.",
        "## Minutes to accuracy",
        "Of the checkpoints, as their cards say. Where several seeds were trained, of the one that was kept.",
        minutes(),
    ]
    with replacing(ROOT / "benchmarks" / "LEARNING.md") as tmp:
        tmp.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
