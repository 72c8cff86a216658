"""Checks of chapter 06, classification: F1, separable filters, mixup, attention, stopping, folds, occlusion, styles."""

import functools
import heapq
from collections import Counter

import numpy as np
from sklearn.metrics import confusion_matrix, f1_score  # here, so that no answer's time is spent on it

from .spec import Exercise, briefly, two_numbers
from .stages import as_array


def _two(t, got, names):
    """Hold a result to being two things."""
    if isinstance(got, tuple | list):
        found = f"{len(got)} thing{'s' * (len(got) != 1)}"
    else:
        found = f"an array of shape {list(got.shape)}" if isinstance(got, np.ndarray) else repr(got)[:60]
    t.holds(isinstance(got, tuple | list) and len(got) == 2, f"You return **{found}**, expected two: `{names}`.",
            ask="What does its last line hand back?", values=False)


def _named_array(t, name, got, shape, dtype):
    """Hold one of two results to its shape and type, by its name."""
    is_array = isinstance(got, np.ndarray)
    t.holds(is_array, f"Your {name} are of type **{type(got).__name__}**, expected an array.", values=False)
    t.holds(got.shape == shape, f"Your {name} have the shape **{list(got.shape)}**, expected **{list(shape)}**.",
            ask="What does each of its axes count?")
    t.array(got, dtype=dtype)


# ---------------------------------------------------------------------------------------------- 06.1


def _twelve_clips():
    truth = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 1, 0]
    return np.array(truth), np.array([0, 0, 0, 1, 4, 1, 1, 0, 0, 1, 1, 0])


confusion_and_f1 = Exercise(
    "06.1", "confusion_and_f1(truth, predicted, n_classes)",
    example=lambda: (*_twelve_clips(), 6),
    hints=[
        "Fill the matrix first, clip by clip: each adds 1 to one entry. Then TP, FP and FN of a class are in it: one "
        "entry, and the rest of one column and of one row.",
        "The sum of a row is TP + FN, that of a column TP + FP. So what stands under the line is the sum of a row plus "
        "the sum of a column, which is above 0 for every class that occurs in `truth`.",
        "`np.add.at` counts a pair as often as it occurs. `matrix.diagonal()` holds TP, `matrix.sum(axis=1)` the "
        "rows and `matrix.sum(axis=0)` the columns; a mask of the rows that are not empty picks the classes.",
    ],
    learned="Always saying rain earns 95 % accuracy here and a macro F1 of 0.49: every class has one vote.",
)


@confusion_and_f1.output
def is_a_matrix_of_counts_and_a_share(t, got, truth, predicted, n_classes):
    _two(t, got, "matrix, f1")
    matrix, f1 = got
    t.holds(isinstance(matrix, np.ndarray), f"Your matrix is of type **{type(matrix).__name__}**, expected an array.",
            values=False)
    t.holds(matrix.shape == (n_classes, n_classes), f"Your matrix has the shape **{list(matrix.shape)}**; "
            f"{n_classes} classes make **{[n_classes, n_classes]}**, also where some of them do not occur.",
            ask="From what do you know how many classes there are?")
    t.array(matrix, dtype=np.int64)
    t.number(f1)
    t.holds(-1e-9 <= f1 <= 1 + 1e-9, f"Your F1 is **{f1:.4g}**; it lies between 0 and 1.",
            ask="What is 2 TP / (2 TP + FP + FN) when FP and FN are 0?")


def _table(truth, predicted, n_classes):
    """The counts that are right, clip by clip."""
    matrix = np.zeros((n_classes, n_classes), np.int64)
    for i, j in zip(truth.tolist(), predicted.tolist(), strict=True):
        matrix[i, j] += 1
    return matrix


def _found(t, case, truth, predicted, n_classes, f1, says, ask):
    """Hold the matrix and then the F1 of a small case to what one can count by hand."""
    truth, predicted = np.asarray(truth), np.asarray(predicted)
    matrix, got = t.on(case)(truth, predicted, n_classes)
    t.close(matrix, _table(truth, predicted, n_classes), ask="Which entry does each clip add to, and how often?",
            says=f"For {case}, the matrix should count each clip once, in the row of its class and in the column of "
                 "its name.")
    t.holds(abs(got - f1) < 1e-6, f"For {case}, the matrix is right, but the macro F1 is **{got:.4f}**, expected "
            f"{f1:.4f}. {says}", ask=ask)


@confusion_and_f1.edges
def one_clip(t):
    _found(t, "one clip, rightly called", [1], [1], 3, 1.0, "The one class that occurs has F1 = 1.",
           "Over how many classes do you average, and what is the F1 of each?")
    _found(t, "one clip, wrongly called", [0], [2], 3, 0.0, "The one class that occurs has F1 = 0.",
           "Over how many classes do you average, and what is the F1 of each?")


@confusion_and_f1.edges
def all_right_and_all_wrong(t):
    truth = np.array([0, 1, 2, 2, 1, 0, 0])
    _found(t, "seven clips, all rightly called", truth, truth, 3, 1.0, "Without FP and FN every F1 is 1.",
           "What is left of the formula when FP and FN are 0?")
    _found(t, "seven clips, all wrongly called", truth, (truth + 1) % 3, 3, 0.0, "Without TP every F1 is 0.",
           "What is left of the formula when TP is 0?")


@confusion_and_f1.edges
def a_class_that_is_never_called(t):
    _found(t, "three clips of class 0 and one of class 1, all called 0", [0, 0, 0, 1], [0, 0, 0, 0], 2, 3 / 7,
           "Class 1 is never called: its F1 is 0, and counts.", "What is 2 TP / (2 TP + FP + FN) of class 1?")


@confusion_and_f1.edges
def a_class_that_does_not_occur(t):
    _found(t, "clips of classes 0 and 1, of four classes", [0, 0, 1, 1], [0, 1, 1, 1], 4, (2 / 3 + 4 / 5) / 2,
           "Classes 2 and 3 do not occur in the truth, and do not count.", "Over which classes do you average?")
    _found(t, "a clip called 2 where no clip is of class 2", [0, 0, 1, 1], [0, 2, 1, 1], 3, (2 / 3 + 1) / 2,
           "Class 2 does not occur in the truth, and does not count, although it was called.",
           "Over which classes do you average?")


@confusion_and_f1.edges
def labels_of_small_types(t):
    for kind in (np.uint8, np.int8):
        truth = np.array([29, 0, 17, 29, 9], kind)
        predicted = np.array([29, 9, 17, 4, 9], kind)
        _found(t, f"30 classes, labels of type {np.dtype(kind)}", truth, predicted, 30, (2 / 3 + 0 + 1 + 2 / 3) / 4,
               "The type of the labels changes nothing.", "What is the largest number that this type can hold?")


@confusion_and_f1.properties
def rows_are_the_truth_and_columns_the_names(t):
    truth, predicted = t.rng.integers(0, 4, 60), np.minimum(t.rng.integers(0, 6, 60), 3)
    matrix, _ = t.on("60 clips of 4 classes")(truth, predicted, 4)
    t.holds(matrix.sum() == 60, f"Of 60 clips your matrix counts **{matrix.sum()}**.",
            ask="What happens when a pair of classes occurs a second time?")
    for i in range(4):
        t.holds(matrix[i].sum() == np.sum(truth == i), f"{np.sum(truth == i)} of 60 clips are of class {i}; your row "
                f"{i} adds up to **{matrix[i].sum()}**.", ask="Which of the two labels chooses the row?",
                show=(matrix, _table(truth, predicted, 4)))
    t.close(matrix, _table(truth, predicted, 4), says="The matrix has the right sums, but not the right entries.",
            ask="Which of the two labels chooses the column?")


@confusion_and_f1.properties
def always_rain(t):
    common = int(t.rng.integers(600, 990))
    truth = np.repeat([0, 1], [common, 1000 - common])
    want = common / (1000 + common)                         # half of 2 TP / (2 TP + FP)
    _found(t, f"{common} clips of rain and {1000 - common} of glass, all called rain", truth, 0 * truth, 2, want,
           f"Rain has {2 * want:.3f} and glass 0, and each counts alike.", "Who has how many votes in your mean?")


@confusion_and_f1.properties
def by_the_formula(t):
    truth = np.repeat([0, 0, 1, 1], [6, 4, 2, 8])
    predicted = np.repeat([0, 1, 0, 1], [6, 4, 2, 8])
    _found(t, "TP = 6, FP = 2, FN = 4 for class 0 and TP = 8, FP = 4, FN = 2 for class 1", truth, predicted, 2,
           (12 / 18 + 16 / 22) / 2, "By the formula the two are 12 / 18 and 16 / 22.",
           "What stands under the line, and how often is TP in it?")


@confusion_and_f1.properties
def only_counts_matter(t):
    truth, predicted = t.rng.integers(0, 3, 40), t.rng.integers(0, 4, 40)
    matrix, f1 = t.on("40 clips of 5 classes, of which 3 occur")(truth, predicted, 5)
    order = t.rng.permutation(40)
    again, same = t.on("the same clips in another order")(truth[order], predicted[order], 5)
    t.close(again, matrix, says="The order of the clips should change nothing.", ask="What else do you look at than "
            "the two labels of one clip?")
    t.close(same, f1, atol=1e-9, says="The order of the clips should change nothing.", ask="What do you average?")
    twice, same = t.on("every clip twice")(np.tile(truth, 2), np.tile(predicted, 2), 5)
    t.close(twice, 2 * matrix, says="Every clip twice should double the matrix.", ask="How often is each counted?")
    t.close(same, f1, atol=1e-9, says="Every clip twice should leave F1 as it is.", ask="What do you divide by?")
    name = t.rng.permutation(5)
    renamed, same = t.on("classes under other numbers")(name[truth], name[predicted], 5)
    t.close(renamed[np.ix_(name, name)], matrix, says="Other numbers for the classes should only move the entries.",
            ask="What do you know of a class but its row and its column?")
    t.close(same, f1, atol=1e-9, says="Other numbers for the classes should leave F1 as it is.",
            ask="Is one of the classes treated otherwise than the others?")


@confusion_and_f1.reference
def agrees_with_scikit_learn(t):
    for k, n in ((4, 30), (10, 200), (12, 25), (2, 50_000)):
        truth = t.rng.choice(k, n, p=t.rng.dirichlet(np.ones(k)) if k > 2 else (0.95, 0.05))
        predicted = np.where(t.rng.random(n) < 0.6, truth, t.rng.integers(0, k, n))
        matrix, f1 = t.on(f"{n} clips of {k} classes")(truth, predicted, k)
        t.close(matrix, confusion_matrix(truth, predicted, labels=range(k)),
                says="It has to agree with `sklearn.metrics.confusion_matrix`.", ask="Which clip goes where?")
        want = f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0.0)
        t.close(f1, want, atol=1e-9, ask="Which classes count, and how much each?",
                says="It has to agree with `sklearn.metrics.f1_score`, macro, over the labels that occur in `truth`.")


def _share(a, b):
    """a / b, and 0 where both are 0."""
    return np.divide(a, b, out=np.zeros(np.shape(a)), where=np.asarray(b) > 0)


def _f1(tp, fp, fn):
    return _share(2 * tp, 2 * tp + fp + fn)


def _judged(truth, predicted, n_classes, each=_f1, over=lambda truth, predicted, k: np.unique(truth),
            mean=lambda scores, occurred: np.mean(scores)):
    """What a mistake hands back: another score of a class, other classes, another mean."""
    matrix = _table(truth, predicted, n_classes)
    tp = matrix.diagonal().astype(float)
    here = over(truth, predicted, n_classes)
    scores = each(tp, matrix.sum(axis=0) - tp, matrix.sum(axis=1) - tp)[here]
    return matrix, float(mean(scores, matrix.sum(axis=1)[here]))


@confusion_and_f1.mistake("Rows and columns are exchanged: your entry [i, j] counts the clips of class j that were "
                          "called i.", ask="Which of the two labels chooses the row?")
def transposed(truth, predicted, n_classes):
    matrix, f1 = _judged(truth, predicted, n_classes)
    return matrix.T.copy(), f1


@confusion_and_f1.mistake("Each pair of classes is counted once, however often it occurs: adding to entries that are "
                          "chosen by a list writes each of them once.",
                          ask="What happens when a pair of classes occurs a second time?")
def counts_each_pair_once(truth, predicted, n_classes):
    matrix = np.minimum(_table(truth, predicted, n_classes), 1)
    tp, there = matrix.diagonal(), np.unique(truth)
    return matrix, float(np.mean((2 * tp / np.maximum(matrix.sum(axis=0) + matrix.sum(axis=1), 1))[there]))


@confusion_and_f1.mistake("That is the accuracy, which is also what F1 becomes when TP, FP and FN are added up over "
                          "the classes first (micro F1).", ask="How many votes does a class of five clips have?")
def accuracy(truth, predicted, n_classes):
    return _table(truth, predicted, n_classes), float(np.mean(truth == predicted))


@confusion_and_f1.mistake("You average over all classes, also those of which there is no clip.",
                          ask="Over which classes does the task average?")
def over_all_classes(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, over=lambda truth, predicted, k: np.arange(k))


@confusion_and_f1.mistake("You average over the classes that occur in either list, as `sklearn.metrics.f1_score` does "
                          "unless it is told which labels count.", ask="Over which classes does the task average?")
def over_either_list(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, over=lambda truth, predicted, k: np.union1d(truth, predicted))


@confusion_and_f1.mistake("You leave out the classes that are never called, and so the worst ones.",
                          ask="What is 2 TP / (2 TP + FP + FN) of a class that is never called?")
def without_those_never_called(truth, predicted, n_classes):
    both = np.intersect1d(truth, predicted)
    return _judged(truth, predicted, n_classes, over=lambda *_: both) if both.size else (
        _table(truth, predicted, n_classes), 0.0)


@confusion_and_f1.mistake("You average precision and recall over the classes first, and take F1 of the two means.",
                          ask="Of what is macro F1 the mean?")
def f1_of_the_means(truth, predicted, n_classes):
    precision = _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(tp, tp + fp))[1]
    matrix, recall = _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(tp, tp + fn))
    return matrix, float(_share(2 * precision * recall, precision + recall))


@confusion_and_f1.mistake("You weight each class by its number of clips, so that the common ones decide again.",
                          ask="How many votes does a class of five clips have?")
def weighted_by_support(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, mean=lambda scores, occurred: np.average(scores, weights=occurred))


@confusion_and_f1.mistake("TP is counted once in your fraction, above the line and below. That is the Jaccard index.",
                          ask="What stands before TP in the formula?")
def jaccard(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(tp, tp + fp + fn))


@confusion_and_f1.mistake("That is recall alone, whose mean is called balanced accuracy: false positives cost nothing.",
                          ask="What does a class pay for the clips that were wrongly called so?")
def recall_alone(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(tp, tp + fn))


@confusion_and_f1.mistake("That is precision alone: clips that were missed cost nothing.",
                          ask="What does a class pay for the clips that it missed?")
def precision_alone(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(tp, tp + fp))


@confusion_and_f1.mistake("You take the arithmetic mean of precision and recall; F1 is the harmonic one, which is near "
                          "the lower of the two.", ask="What does the formula give for TP = 6, FP = 2, FN = 4?")
def arithmetic_mean(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes,
                   each=lambda tp, fp, fn: (_share(tp, tp + fp) + _share(tp, tp + fn)) / 2)


@confusion_and_f1.mistake("Under your line stand the whole row and the whole column besides 2 TP, so that TP is there "
                          "four times.", ask="Is TP part of FP, or of FN?")
def diagonal_counted_as_errors(truth, predicted, n_classes):
    return _judged(truth, predicted, n_classes, each=lambda tp, fp, fn: _share(2 * tp, 4 * tp + fp + fn))


@confusion_and_f1.mistake("Your matrix has rows and columns only for classes that occur.",
                          ask="From what do you know how many classes there are?")
def only_classes_that_occur(truth, predicted, n_classes):
    matrix, f1 = _judged(truth, predicted, n_classes)
    there = np.union1d(truth, predicted)
    return matrix[np.ix_(there, there)], f1


@confusion_and_f1.mistake("Your matrix ends at the largest label that occurs.",
                          ask="From what do you know how many classes there are?")
def up_to_the_largest_label(truth, predicted, n_classes):
    matrix, f1 = _judged(truth, predicted, n_classes)
    k = max(truth.max(), predicted.max()) + 1
    return matrix[:k, :k], f1


@confusion_and_f1.mistake("A class of which no clip was found makes 0 / 0 when F1 is computed from precision and "
                          "recall.", ask="What is 2 TP / (2 TP + FP + FN) when TP is 0?")
def nothing_by_nothing(truth, predicted, n_classes):
    def each(tp, fp, fn):
        precision, recall = _share(tp, tp + fp), _share(tp, tp + fn)
        return np.where(precision + recall > 0, _f1(tp, fp, fn), np.nan)

    return _judged(truth, predicted, n_classes, each=each)


@confusion_and_f1.mistake("You number the pairs in the type of the labels, and a large number does not fit in it.",
                          ask="What is 29 · 30 in a type that ends at 255?")
def pairs_numbered_in_a_small_type(truth, predicted, n_classes):
    number = (truth * np.array(n_classes, truth.dtype) + predicted).astype(int) % n_classes**2
    matrix = np.bincount(number, minlength=n_classes**2).reshape(n_classes, n_classes)
    rows, columns = np.nonzero(matrix)
    counts = matrix[rows, columns]
    return matrix, _judged(np.repeat(rows, counts), np.repeat(columns, counts), n_classes)[1]


# ---------------------------------------------------------------------------------------------- 06.2


def _tensors(rng, *shapes):
    """Random tensors of these shapes, float32, of quarters up to ±2: their sums are exact, in whatever order."""
    import torch

    return [torch.from_numpy((rng.integers(-8, 9, shape) / 4).astype(np.float32)) for shape in shapes]


def _separable_example():
    return _tensors(np.random.default_rng(62), (2, 3, 4, 5), (3, 3, 3), (3, 3))


separable = Exercise(
    "06.2", "separable(x, depthwise, pointwise)",
    example=lambda: tuple(_separable_example()),
    hints=[
        "Two steps, one after the other. What is the shape after the first, and which of the two weights knows nothing "
        "of neighbouring points?",
        "Depthwise: pad height and width by one zero on each side; the weight [i, j] of each channel then multiplies a "
        "piece of the padded picture that begins at row i and column j. Nine such pieces add up.",
        "`depthwise[:, i, j]` has one number for each channel: reshape it to [channels, 1, 1]. The second step is "
        "`torch.einsum` over the channels. With `torch.nn.functional.conv2d` the first step needs `padding` and "
        "`groups`, and weights of shape [channels, 1, 3, 3].",
    ],
    learned="From 64 channels to 64 that is 4,672 weights in place of 36,864: nearly eight times fewer.",
)


@separable.output
def is_a_tensor_of_the_same_size(t, got, x, depthwise, pointwise):
    found = f"an array of NumPy of shape {list(got.shape)}" if isinstance(got, np.ndarray) else repr(got)[:60]
    t.holds(hasattr(got, "detach"), f"You return **{found}**, expected a tensor.",
            ask="What does its last line hand back?", values=False)
    t.array(got, shape=(len(x), len(pointwise), *x.shape[2:]), dtype=np.float32)


def _centre(*scales):
    """Filters that only multiply a channel by a number each, shape [channels, 3, 3]."""
    import torch

    filters = torch.zeros(len(scales), 3, 3)
    filters[:, 1, 1] = torch.tensor(scales, dtype=torch.float32)
    return filters


@separable.edges
def silence(t):
    import torch

    k, p = _tensors(t.rng, (2, 3, 3), (2, 2))
    t.close(t.on("a picture of zeros")(torch.zeros(1, 2, 3, 4), k, p), np.zeros((1, 2, 3, 4)), atol=0,
            says="There is no bias: of nothing comes nothing.", ask="Is something added?")


@separable.edges
def one_point(t):
    import torch

    k = torch.arange(1.0, 10).reshape(1, 3, 3)
    got = t.on("a picture of one point, which is 1")(torch.ones(1, 1, 1, 1), k, torch.ones(1, 1))
    t.close(got, [[[[5.0]]]], atol=1e-5, ask="What lies around the only point?",
            says="Around a single point there is nothing but zeros: of the filter 1, 2, 3 over 4, 5, 6 over 7, 8, 9 "
                 "only the 5 in the middle meets it.")


@separable.edges
def a_constant_picture(t):
    import torch

    want = np.full((4, 5), 9.0)
    want[[0, -1]] = want[:, [0, -1]] = 6
    want[np.ix_([0, -1], [0, -1])] = 4
    got = t.on("a picture that is 1 everywhere and a filter of ones")(
        torch.ones(1, 1, 4, 5), torch.ones(1, 3, 3), torch.ones(1, 1))[0, 0]
    t.close(got, want, atol=1e-5, ask="What does the filter meet outside of the picture?",
            says="Nine ones add up inside, six at an edge and four in a corner; yours has "
                 f"{got[1, 1]:.3g} inside, {got[0, 2]:.3g} at the upper edge and {got[0, 0]:.3g} in a corner.")


@separable.edges
def an_impulse_shows_the_filter(t):
    import torch

    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    k = torch.arange(1.0, 10).reshape(1, 3, 3)
    got = t.on("an impulse in the middle of a picture and the filter 1, 2, 3 over 4, 5, 6 over 7, 8, 9")(
        x, k, torch.ones(1, 1))[0, 0]
    want = torch.zeros(5, 5)
    want[1:4, 1:4] = k[0].flip(0, 1)
    t.close(got, want, atol=1e-5, ask="Which neighbour does the weight [0, 0] look at?",
            says="The weight [0, 0] looks up and to the left, so an impulse shows its 1 below and to the right of "
                 f"itself and its 9 above and to the left; there yours has {got[3, 3]:.3g} and {got[1, 1]:.3g}.")


@separable.edges
def a_single_row_or_column(t):
    import torch

    for height, width, words in ((1, 6, "a single row"), (6, 1, "a single column")):
        x, k = (a.abs() for a in _tensors(t.rng, (1, 1, height, width), (1, 3, 3)))
        weights = k[0, 1] if height == 1 else k[0, :, 1]
        want = np.correlate(np.pad(x.flatten(), 1), weights).reshape(x.shape)
        t.close(t.on(words)(x, k, torch.ones(1, 1)), want, atol=1e-4,
                says=f"In {words} only three of the nine weights of the filter meet something.",
                ask="Which axis is height, and which weights lie along it?")


@separable.properties
def each_channel_has_its_own_filter(t):
    import torch

    x, = _tensors(t.rng, (2, 3, 4, 6))
    got = t.on("filters that multiply the channels by 2, −3 and 5, and a pointwise step that passes each on")(
        x, _centre(2, -3, 5), torch.eye(3))
    t.close(got, x * torch.tensor([2.0, -3, 5])[:, None, None], atol=1e-4, show=(got[0, 1], -3 * x[0, 1]),
            says="The three channels should come out times 2, −3 and 5.",
            ask="Which filter belongs to which channel, and does one channel see another?")


@separable.properties
def channels_do_not_meet_before_they_are_mixed(t):
    import torch

    x, other, k = _tensors(t.rng, (1, 4, 5, 6), (1, 5, 6), (4, 3, 3))
    changed = x.clone()
    changed[:, 2] = other
    before, after = t(x, k, torch.eye(4)), t.on("another picture in channel 2")(changed, k, torch.eye(4))
    differ = [c for c in range(4) if np.max(np.abs(np.asarray(after[:, c] - before[:, c]))) > 1e-5]
    t.holds(differ == [2], "Only channel 2 was changed, and the pointwise step passes each channel on; in yours the "
            f"channels **{', '.join(map(str, differ)) or 'none'}** of the output change.",
            ask="How many channels does one filter of the first step see?")


@separable.properties
def mixed_as_a_matrix_mixes(t):
    x, p = _tensors(t.rng, (2, 3, 4, 5), (3, 3))
    want = np.einsum("dc,bchw->bdhw", p.numpy() * [2, -3, 5], x.numpy())
    got = t.on("filters that multiply the channels by 2, −3 and 5")(x, _centre(2, -3, 5), p)
    t.close(got, want, atol=1e-3, show=(got[0, 0], want[0, 0]), ask="Which axis of the matrix counts the channels?",
            says="The output d is the sum over the channels c of `pointwise[d, c]` times the filtered channel c.")


@separable.properties
def is_linear(t):
    x, y, k, p = _tensors(t.rng, (1, 3, 5, 5), (1, 3, 5, 5), (3, 3, 3), (2, 3))
    got = t.on("a sum of two pictures")(x - 2 * y, k, p)
    t.close(got, np.asarray(t(x, k, p)) - 2 * np.asarray(t(y, k, p)), atol=1e-3,
            says="There is nothing else between the steps and after them: the output for x − 2 y is that for x minus "
                 "twice that for y.",
            ask="What does your code do with a negative value?")


@separable.properties
def clips_of_a_batch_stay_apart(t):
    x, k, p = _tensors(t.rng, (3, 2, 4, 4), (2, 3, 3), (5, 2))
    whole = t.on("three clips")(x, k, p)
    for b in range(3):
        t.close(t.on(f"clip {b} alone")(x[b : b + 1], k, p)[0], whole[b], atol=1e-5,
                says=f"Alone, clip {b} should give what it gives in the batch.", ask="Over which axes do you add up?")


@separable.reference
def agrees_with_torch_conv2d(t):
    from torch.nn.functional import conv2d

    for batch, channels, out, height, width in ((2, 4, 6, 7, 9), (1, 12, 3, 5, 8), (3, 1, 4, 6, 6), (1, 6, 6, 40, 30)):
        x, k, p = _tensors(t.rng, (batch, channels, height, width), (channels, 3, 3), (out, channels))
        case = f"{channels} channels to {out}, a picture of {height} × {width}"
        got = t.on(case)(x, k, p)
        want = conv2d(conv2d(x, k[:, None], padding=1, groups=channels), p[:, :, None, None])
        t.close(got, want, atol=1e-3, show=(got[0, 0], want[0, 0]), ask="Which of the two steps differs?",
                says=f"For {case}, it has to agree with `torch.nn.functional.conv2d`, once with a group for each "
                     "channel, once with filters of 1 × 1.")


@separable.reference
def agrees_with_scipy_correlate2d(t):
    from scipy.signal import correlate2d

    x, k, p = _tensors(t.rng, (1, 5, 8, 6), (5, 3, 3), (4, 5))
    z = np.stack([correlate2d(y, w, mode="same") for y, w in zip(x[0].numpy(), k.numpy(), strict=True)])
    got, want = t.on("5 channels to 4")(x, k, p)[0], np.tensordot(p.numpy(), z, 1)
    t.close(got, want, atol=1e-3, show=(got[0], want[0]), ask="Which of the two steps differs?",
            says="Channel by channel it has to agree with `scipy.signal.correlate2d`, mixed by the pointwise weights.")


def _separated(x, depthwise, pointwise, mode="constant", sides=(1, 1, 1, 1), between=lambda z: z,
               mix=lambda z, p: p @ z.flatten(2)):
    """What a mistake hands back: another border, something between the steps, another mixing."""
    from torch.nn.functional import conv2d, pad

    z = between(conv2d(pad(x, sides, mode=mode), depthwise[:, None], groups=len(depthwise)))
    return mix(z, pointwise).reshape(len(x), -1, *z.shape[2:])


@separable.mistake("Your filters are turned round, as in the convolution of mathematics. In deep learning the word "
                   "means cross-correlation.", ask="Which neighbour does the weight [0, 0] look at?")
def turned_round(x, depthwise, pointwise):
    return _separated(x, depthwise.flip(1, 2), pointwise)


@separable.mistake("Height and width of your filters are exchanged.", ask="Which index of a filter goes with height?")
def height_and_width_exchanged(x, depthwise, pointwise):
    return _separated(x, depthwise.mT, pointwise)


@separable.mistake("Nothing is padded: the picture loses a row and a column on each side.",
                   ask="Where would the filter have to stand to keep the size?")
def no_padding(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, sides=(0, 0, 0, 0))


@separable.mistake("Outside of the picture you repeat its edge.", ask="What is x outside of the picture?")
def edge_repeated(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, mode="replicate")


@separable.mistake("What leaves your picture on one side comes in on the other.",
                   ask="What is x outside of the picture?")
def around_the_edge(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, mode="circular")


@separable.mistake("Both rows and columns of zeros lie on one side, so that the picture is moved by a point.",
                   ask="On which sides does the sum reach over the edge?")
def padded_on_one_side(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, sides=(2, 0, 2, 0))


@separable.mistake("All channels are filtered by the first channel's filter.",
                   ask="How many filters of nine weights are there?")
def one_filter_for_all(x, depthwise, pointwise):
    return _separated(x, depthwise[:1].expand_as(depthwise), pointwise)


@separable.mistake("Each of your filters sees the sum of all channels: the groups are missing.",
                   ask="How many channels does one filter of the first step see?")
def every_filter_sees_all_channels(x, depthwise, pointwise):
    return _separated(x.sum(dim=1, keepdim=True).expand_as(x), depthwise, pointwise)


@separable.mistake("You add up the filtered channels before they are mixed, so that all outputs are alike but for "
                   "their strength.", ask="What does `pointwise[d, c]` multiply?")
def added_up_before_mixing(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, between=lambda z: z.sum(dim=1, keepdim=True).expand_as(z))


@separable.mistake("The pointwise weights are transposed.", ask="Which axis of the matrix counts the channels?")
def pointwise_transposed(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, mix=lambda z, p: p.mT @ z.flatten(2))


@separable.mistake("You mix first and filter afterwards. Each filter then meets a mixture instead of its channel.",
                   ask="Which of the two steps comes first?")
def mixes_first(x, depthwise, pointwise):
    import torch

    return _separated(torch.einsum("dc,bchw->bdhw", pointwise, x), depthwise, torch.eye(len(pointwise)))


@separable.mistake("Between the two steps you set negative values to zero. In a network a ReLU may stand there; here "
                   "nothing does.", ask="What does your code do with a negative value?")
def relu_between(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, between=lambda z: z.clamp(min=0))


@separable.mistake("At the end you set negative values to zero.", ask="What does your code do with a negative value?")
def relu_at_the_end(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise).clamp(min=0)


@separable.mistake("You divide by nine: a filter is a sum of weighted neighbours, not their mean.",
                   ask="What stands before the sum over i and j?")
def mean_of_nine(x, depthwise, pointwise):
    return _separated(x, depthwise / 9, pointwise)


@separable.mistake("The filtered channels come out as they are: nothing mixes them.",
                   ask="What is `pointwise` for?")
def never_mixed(x, depthwise, pointwise):
    return _separated(x, depthwise, pointwise, mix=lambda z, p: z)


@separable.mistake("You add the input to the output. In a residual block it is; here it is not.",
                   ask="Where does x itself stand in the second formula?")
def input_added(x, depthwise, pointwise):
    return x + _separated(x, depthwise, pointwise)


# ---------------------------------------------------------------------------------------------- 06.3


def _four_examples():
    x = np.random.default_rng(63).normal(size=(4, 3, 4)).astype(np.float32)
    return x, np.array([2, 0, 2, 3])


mixup = Exercise(
    "06.3", "mixup(x, y, n_classes, alpha, rng)",
    example=lambda: (*_four_examples(), 5, 1.0, np.random.default_rng(3)),
    hints=[
        "Draw both lists of numbers before anything else. Then the same formula is used twice: once on `x`, once on "
        "the classes. What do the classes have to become first?",
        "A table with one row for each example, 1 at its class and 0 elsewhere, can be mixed like `x`. Each weight "
        "belongs to a whole example, so the weights need as many axes as what they multiply.",
        "`weight.reshape(-1, 1, 1)` goes with an `x` of three axes; for any number of them build the shape from "
        "`x.ndim`. `np.eye(n_classes)[y]` makes the table, `x[partner]` the partners. Turn both into float32 last.",
    ],
    learned="The loss of a mixture is the mixture of two losses, because cross entropy is linear in its targets.",
)


@mixup.output
def is_two_arrays(t, got, x, y, n_classes, *_):
    _two(t, got, "mixed, targets")
    _named_array(t, "mixtures", got[0], x.shape, np.float32)
    _named_array(t, "targets", got[1], (len(x), n_classes), np.float32)


def _rng(t):
    return np.random.default_rng(t.seed)


@mixup.edges
def a_batch_of_one(t):
    x = t.rng.normal(size=(1, 6)).astype(np.float32)
    mixed, targets = t.on("a batch of one example")(x, np.array([1]), 3, 0.4, _rng(t))
    t.close(mixed, x, atol=1e-5, says="One example alone is its own partner: it comes out as it went in.",
            ask="What is λ x + (1 − λ) x?")
    t.close(targets, [[0, 1, 0]], atol=1e-5, says="One example alone keeps its class.", ask="What is λ t + (1 − λ) t?")


@mixup.edges
def examples_that_are_alike(t):
    x = np.tile(t.rng.normal(size=(1, 3, 5)).astype(np.float32), (5, 1, 1))
    for kind in (np.int64, np.uint8, np.int32):
        mixed, targets = t.on(f"five times the same example, of one class, type {np.dtype(kind)}")(
            x, np.full(5, 2, kind), 4, 1.0, _rng(t))
        t.close(mixed, x, atol=1e-5, says="A mixture of two equal sounds is that sound, as loud as it was.",
                ask="Do your two weights add up to 1?")
        t.close(targets, np.tile([0, 0, 1, 0], (5, 1)), atol=1e-5, ask="Do your two weights add up to 1?",
                says="A mixture of a class with itself is that class.")


@mixup.edges
def any_shape(t):
    for shape in ((5,), (5, 5), (5, 7), (5, 1, 4, 5), (5, 2, 3, 4, 5)):
        level = np.arange(1.0, 6).reshape(-1, *[1] * (len(shape) - 1))
        x = np.broadcast_to(level, shape).astype(np.float32)
        mixed, _ = t.on(f"x of shape {list(shape)}")(x, np.arange(5) % 3, 3, 1.0, _rng(t))
        within = np.ptp(mixed.reshape(5, -1), axis=1)
        worst = np.argmax(within)
        t.holds(within[worst] < 1e-4, f"For x of shape {list(shape)}, each example a constant, every mixture should be "
                f"a constant; in yours the values of example {worst} lie **{within[worst]:.3f}** apart.",
                ask="Which axis of x do the weights belong to, and which one do they meet?")


@mixup.properties
def draws_from_the_generator(t):
    x, y = t.rng.normal(size=(8, 5)).astype(np.float32), np.arange(8) % 3
    one, same, other = (t(x, y, 3, 1.0, np.random.default_rng(seed))[0] for seed in (t.seed, t.seed, t.seed + 1))
    t.holds(np.array_equal(one, same), "Two calls with equal generators give different mixtures: nobody could repeat "
            "your experiment.", ask="Where do your random numbers come from?")
    t.holds(not np.array_equal(one, other), "Two calls with different generators give the same mixtures.",
            ask="Where do your random numbers come from?")


def _unit_vectors(t, batch, alpha, case=""):
    """Mixtures and targets of examples that are unit vectors, each a class of its own; weights and partners in them."""
    x = np.eye(batch, dtype=np.float32)
    mixed, targets = t.on(case or f"{batch} unit vectors, each a class of its own")(
        x, np.arange(batch), batch, alpha, _rng(t))
    others = np.where(x > 0, 0, mixed)
    partner = np.where(others.any(axis=1), np.argmax(others, axis=1), np.arange(batch))
    return mixed, targets, np.diagonal(mixed), partner


@mixup.properties
def two_shares_that_add_up(t):
    mixed, targets, _, _ = _unit_vectors(t, 9, 2.0)
    for name, rows in (("mixtures", mixed), ("targets", targets)):
        sums = rows.sum(axis=1)
        worst = np.argmax(np.abs(sums - 1))
        t.holds(abs(sums[worst] - 1) < 1e-4, f"In row {worst} of your {name} the shares add up to "
                f"**{sums[worst]:.3f}**; λ and 1 − λ add up to 1.", ask="Do your two weights add up to 1?")
        most = np.max(np.sum(rows > 1e-6, axis=1))
        t.holds(most <= 2, f"Each example is mixed with one other; a row of your {name} has **{most}** shares.",
                ask="How many partners does an example have?")


@mixup.properties
def targets_are_mixed_like_the_examples(t):
    mixed, targets, _, _ = _unit_vectors(t, 8, 2.0)
    t.close(targets, mixed, atol=1e-5, show=(targets, mixed),
            says="Where every example is the unit vector of its own class, mixtures and targets are the same numbers.",
            ask="Do example and class share their weight and their partner?")


@mixup.properties
def every_example_is_a_partner_once(t):
    for batch in (5, 12):
        _, _, _, partner = _unit_vectors(t, batch, 2.0)
        times = np.bincount(partner, minlength=batch)
        t.holds(times.max() == 1, f"Of {batch} examples every one should be a partner once; in yours example "
                f"{np.argmax(times)} is one **{times.max()} times**.", ask="How do you draw the partners?")


@mixup.properties
def the_partner_is_drawn(t):
    found = set()
    for seed in range(12):
        mixed, _ = t(np.eye(6, dtype=np.float32), np.arange(6), 6, 2.0, np.random.default_rng(seed))
        others = np.where(np.eye(6) > 0, 0, mixed)
        found.add(int(np.argmax(others[0])) if others[0].any() else 0)
    t.holds(len(found) > 2, "With twelve generators the first of six examples has always the partner "
            f"**{' or '.join(map(str, sorted(found)))}**.", ask="How do you draw the partners?")


@mixup.properties
def each_example_has_its_own_weight(t):
    _, _, weight, partner = _unit_vectors(t, 10, 2.0)
    mixed = weight[partner != np.arange(10)]
    t.holds(np.ptp(mixed) > 1e-4, f"All ten examples have the weight **{mixed[0]:.3f}**.",
            ask="How many weights do you draw?")


@mixup.properties
def weights_follow_their_distribution(t):
    _, _, weight, partner = _unit_vectors(t, 200, 1.0, "200 examples, alpha = 1")
    below = np.mean(weight[partner != np.arange(200)] < 0.5)
    t.holds(0.2 < below < 0.8, "Of 200 weights, with alpha = 1, about half should lie below 1/2; of yours "
            f"**{below:.0%}** do.", ask="What do you do with a weight after it is drawn?")
    _, _, weight, _ = _unit_vectors(t, 200, 50.0, "200 examples, alpha = 50")
    t.holds(abs(np.median(weight) - 0.5) < 0.1 and np.std(weight) < 0.15, "With alpha = 50 the weights should lie "
            f"closely around 1/2; the median of yours is **{np.median(weight):.2f}**, their standard deviation "
            f"**{np.std(weight):.2f}**.", ask="Which two numbers does `rng.beta` get?")
    _, _, weight, _ = _unit_vectors(t, 200, 0.05, "200 examples, alpha = 0.05")
    pure = np.mean(np.minimum(weight, 1 - weight) < 0.05)
    t.holds(pure > 0.5, "With alpha = 0.05 most weights should be near 0 or 1; of yours only "
            f"**{pure:.0%}** are within 0.05.", ask="Which two numbers does `rng.beta` get?")


@mixup.reference
def agrees_with_torch_lerp(t):
    import torch
    from torch.nn.functional import one_hot

    for batch, k, alpha, shape in ((6, 4, 0.4, (3, 5)), (11, 3, 1.0, (40,)), (4, 10, 0.2, (1, 8, 6))):
        x, y = t.rng.normal(size=(batch, *shape)).astype(np.float32), t.rng.integers(0, k, batch)
        case = f"{batch} examples of {k} classes, alpha = {alpha:g}, `np.random.default_rng({t.seed})`"
        mixed, targets = t.on(case)(x, y, k, alpha, _rng(t))
        t.close(mixed, _blended(x, _rng(t), alpha), atol=1e-4, show=(mixed.reshape(batch, -1), _blended(
            x, _rng(t), alpha).reshape(batch, -1)), ask="In which order are weights and partners drawn, and how many?",
                says=f"For {case}, with the same draws, mixtures have to agree with `torch.lerp` from the partner to "
                     "the example.")
        want = _blended(one_hot(torch.from_numpy(y), k).numpy().astype(np.float32), _rng(t), alpha)
        t.close(targets, want, atol=1e-5, ask="Which weight belongs to which class?",
                says=f"For {case}, targets have to agree with `torch.lerp` between rows of "
                     "`torch.nn.functional.one_hot`.")


@mixup.reference
def the_loss_of_a_mixture_is_a_mixture_of_losses(t):
    import torch
    from torch.nn.functional import cross_entropy

    x, y = t.rng.normal(size=(7, 3)).astype(np.float32), t.rng.integers(0, 5, 7)
    targets = t.on("7 examples of 5 classes")(x, y, 5, 1.0, _rng(t))[1]
    weight, partner = _drawn(_rng(t), 1.0, 7)
    scores, classes = torch.from_numpy(t.rng.normal(size=(7, 5)).astype(np.float32)), torch.from_numpy(y)
    losses = [cross_entropy(scores, one, reduction="none").numpy() for one in (classes, classes[partner])]
    got = cross_entropy(scores, torch.from_numpy(np.array(targets)), reduction="none")
    t.close(got, weight * losses[0] + (1 - weight) * losses[1], atol=1e-4, ask="Which weight belongs to which class?",
            says="`torch.nn.functional.cross_entropy` with your targets has to be the mixture of the losses for the "
                 "two classes.")


def _drawn(rng, alpha, batch):
    """Weights and partners, in the order of the task."""
    weight = rng.beta(alpha, alpha, batch)
    return weight, rng.permutation(batch)


def _blended(x, rng, alpha):
    """The same draws, mixed by torch."""
    import torch

    weight, partner = _drawn(rng, alpha, len(x))
    own = torch.from_numpy(weight.astype(np.float32)).reshape(-1, *[1] * (x.ndim - 1))
    examples = torch.from_numpy(x)
    return torch.lerp(examples[partner], examples, own.expand_as(examples)).numpy()


def _over(weight, a):
    """Weights along the first axis of an array."""
    return weight.reshape(-1, *[1] * (a.ndim - 1))


def _mixup(x, y, n_classes, alpha, rng, draw=_drawn, of_x=lambda w: (w, 1 - w), of_y=lambda w: (w, 1 - w)):
    """What a mistake hands back: other draws, other weights of the examples or of their classes."""
    weight, partner = draw(rng, alpha, len(x))

    def blend(a, weights):
        return (_over(weights[0], a) * a + _over(weights[1], a) * a[partner]).astype(np.float32)

    return blend(x, of_x(weight)), blend(np.eye(n_classes)[y], of_y(weight))


@mixup.mistake("Where example and partner are of the same class, the share of one overwrites that of the other.",
               ask="What is the share of a class that both belong to?")
def shares_overwritten(x, y, n_classes, alpha, rng):
    weight, partner = _drawn(rng, alpha, len(x))
    targets = np.zeros((len(x), n_classes), np.float32)
    targets[np.arange(len(x)), y] = weight
    targets[np.arange(len(x)), y[partner]] = 1 - weight
    return _mixup(x, y, n_classes, alpha, rng, draw=lambda *_: (weight, partner))[0], targets


@mixup.mistake("One weight is drawn for the whole batch. Many recipes do that; here every example has its own.",
               ask="How many weights do you draw?")
def one_weight_for_all(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (np.full(n, rng.beta(alpha, alpha)), rng.permutation(n)))


@mixup.mistake("Your targets are not mixed: they say that a mixture is its first part and nothing else.",
               ask="What should the network say of a sound that is a third of something else?")
def targets_not_mixed(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_y=lambda w: (np.ones_like(w), np.zeros_like(w)))


@mixup.mistake("Your targets name only the class with the larger share.",
               ask="What should the network say of a sound that is a third of something else?")
def the_larger_share_takes_all(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_y=lambda w: (np.float64(w >= 0.5), np.float64(w < 0.5)))


@mixup.mistake("The examples are mixed rightly, but in the targets the two weights are exchanged.",
               ask="Which class has the share λ?")
def weights_exchanged_in_the_targets(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_y=lambda w: (1 - w, w))


@mixup.mistake("Your weight is that of the partner, both in the examples and in the targets.",
               ask="Is it the example itself that is multiplied by λ, or its partner?")
def weight_of_the_partner(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_x=lambda w: (1 - w, w), of_y=lambda w: (1 - w, w))


@mixup.mistake("The classes are mixed with other partners than the examples.",
               ask="How often do you draw a permutation?")
def other_partners_for_the_classes(x, y, n_classes, alpha, rng):
    weight, partner = _drawn(rng, alpha, len(x))
    other, one_hot = rng.permutation(len(x)), np.eye(n_classes)[y]
    mixed = _over(weight, x) * x + _over(1 - weight, x) * x[partner]
    targets = weight[:, None] * one_hot + (1 - weight[:, None]) * one_hot[other]
    return mixed.astype(np.float32), targets.astype(np.float32)


@mixup.mistake("You draw the partners before the weights.", ask="Which does the task draw first?")
def partners_first(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (rng.permutation(n), rng.beta(alpha, alpha, n))[::-1])


@mixup.mistake("You raise every weight above 1/2, so that an example is always the larger part of its mixture. Some "
               "recipes do that; the task does not.", ask="What do you do with a weight after it is drawn?")
def larger_weight_for_the_example(x, y, n_classes, alpha, rng):
    def draw(rng, alpha, n):
        weight, partner = _drawn(rng, alpha, n)
        return np.maximum(weight, 1 - weight), partner

    return _mixup(x, y, n_classes, alpha, rng, draw=draw)


@mixup.mistake("You mix with the roots of the weights, as a crossfade of equal power does: the parts add up to more "
               "than 1.", ask="Do your two weights add up to 1?")
def equal_power(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_x=lambda w: (np.sqrt(w), np.sqrt(1 - w)))


@mixup.mistake("The partner is added on top: the example keeps its full strength.", ask="What multiplies x itself?")
def partner_added_on_top(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, of_x=lambda w: (np.ones_like(w), 1 - w))


@mixup.mistake("You draw each partner by itself, so that some examples are partners often and others never.",
               ask="How many orders of the batch do you draw?")
def partners_with_replacement(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (rng.beta(alpha, alpha, n), rng.integers(0, n, n)))


@mixup.mistake("The partner is always the neighbour in the batch.", ask="How do you draw the partners?")
def neighbours(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (rng.beta(alpha, alpha, n), np.roll(np.arange(n), 1)))


@mixup.mistake("The partners are the batch in reverse order.", ask="How do you draw the partners?")
def reversed_batch(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (rng.beta(alpha, alpha, n), np.arange(n)[::-1]))


@mixup.mistake("Your weights run along the last axis of x: within an example they change from value to value. That "
               "goes unnoticed where this axis is as long as the batch.",
               ask="Which axis of x do the weights belong to, and which one do they meet?")
def weights_along_the_last_axis(x, y, n_classes, alpha, rng):
    weight, partner = _drawn(rng, alpha, len(x))
    targets = _mixup(x, y, n_classes, alpha, rng, draw=lambda *_: (weight, partner))[1]
    return (weight * x + (1 - weight) * x[partner]).astype(np.float32), targets


@mixup.mistake("Your weights are spread evenly from 0 to 1, whatever `alpha` is.",
               ask="From which distribution are the weights drawn?")
def even_weights(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng, draw=lambda rng, alpha, n: (rng.random(n), rng.permutation(n)))


@mixup.mistake("Your weights are drawn from Beta(alpha, 1), which leans to one side.",
               ask="Which two numbers does `rng.beta` get?")
def leaning_weights(x, y, n_classes, alpha, rng):
    return _mixup(x, y, n_classes, alpha, rng,
                  draw=lambda rng, alpha, n: (rng.beta(alpha, 1, n), rng.permutation(n)))


# ---------------------------------------------------------------------------------------------- 06.4


def _three_padded_clips():
    rng = np.random.default_rng(64)
    return (rng.normal(size=(3, 5, 2)).astype(np.float32), np.array([1.5, -0.8], np.float32), np.array([5, 3, 1]))


attention_pooling = Exercise(
    "06.4", "attention_pooling(x, w, lengths)",
    example=_three_padded_clips,
    hints=[
        "Four steps: a score for each frame, the padding taken out, weights from what is left, the weighted mean. What "
        "is the shape after each?",
        "A frame counts where its number is below the length of its clip: a row of numbers against a column of "
        "lengths. A score of minus infinity becomes a weight of exactly 0, and cannot be the largest.",
        "Set the scores in the padding to `-np.inf` with `np.where`; subtract the largest of each row with "
        "`keepdims=True`; then `np.exp`, and divide by the sum of the row. `np.einsum` with `\"bt,btf->bf\"` is the "
        "weighted mean.",
    ],
    learned="With w = 0 that is the mean, with a very long w the one best frame: training finds what lies between.",
)


@attention_pooling.output
def is_a_vector_and_a_row_of_weights_for_each_clip(t, got, x, w, lengths):
    _two(t, got, "pooled, weights")
    batch, time, features = x.shape
    _named_array(t, "pooled vectors", got[0], (batch, features), np.float32)
    _named_array(t, "weights", got[1], (batch, time), np.float32)
    t.holds(np.min(got[1]) >= 0, f"Your smallest weight is **{np.min(got[1]):.3g}**. A weight is a share, never below "
            "0.", ask="What does the exponential make of a negative score?")


def _clips(t, batch, time, features):
    return t.rng.normal(size=(batch, time, features)).astype(np.float32)


@attention_pooling.edges
def padding_has_no_weight(t):
    w = np.array([1.0, 0, 0], np.float32)
    for level, words in ((0.0, "silence"), (4.0, "something loud"), (1000.0, "something very loud")):
        x, lengths = _clips(t, 3, 6, 3), np.array([6, 2, 4])
        x[np.arange(6) >= lengths[:, None]] = level
        _, weights = t.on(f"{words} in the padding")(x, w, lengths)
        inside = weights[np.arange(6) >= lengths[:, None]]
        t.holds(not inside.any(), f"With {words} in the padding, a frame of it has the weight **{inside.max():.3g}**; "
                "it should be exactly 0.", ask="What does the exponential make of the score that you give the padding?",
                show=(weights, _softmax(x, w, lengths)))
        sums = weights.sum(axis=1)
        worst = np.argmax(np.abs(sums - 1))
        t.holds(abs(sums[worst] - 1) < 1e-4, f"With {words} in the padding, its weights are 0, but those of the "
                f"{lengths[worst]} frames of clip {worst} add up to **{sums[worst]:.3f}** instead of 1.",
                ask="Which frames are in your sum, and which in your largest score?")


@attention_pooling.edges
def large_scores(t):
    x = np.array([1000, 900, 1000, 0], np.float32).reshape(1, 4, 1)
    _, weights = t.on("scores of 1000, 900, 1000 and 0")(x, np.ones(1, np.float32), np.array([4]))
    t.close(weights, [[0.5, 0, 0.5, 0]], atol=1e-5,
            ask="How many times e to the power of 900 is e to the power of 1000?",
            says="Two frames have the largest score and share the weight; the others lie 100 and 1000 below, which "
                 "leaves them nothing.")


@attention_pooling.edges
def padding_beside_low_scores(t):
    x = np.zeros((2, 5, 1), np.float32)
    x[:, :, 0] = [[-1000, -1000, 0, 0, 0], [-500, -500, -500, -500, 0]]
    _, weights = t.on("scores of −1000 and −500 and padding of zeros")(x, np.ones(1, np.float32), np.array([2, 4]))
    t.close(weights, [[0.5, 0.5, 0, 0, 0], [0.25, 0.25, 0.25, 0.25, 0]], atol=1e-5,
            says="However low the scores of the frames that count: the padding has weight 0, and they share 1.",
            ask="What is e to the power of −1000 in a float, and what would make it larger?")


@attention_pooling.edges
def one_frame(t):
    x = _clips(t, 4, 3, 5)
    pooled, weights = t.on("clips of one frame, padded to three")(x, np.ones(5, np.float32), np.ones(4, int))
    t.close(weights, np.tile([1, 0, 0], (4, 1)), atol=1e-6, says="The only frame has all the weight.",
            ask="Which frame is the first that no longer counts?")
    t.close(pooled, x[:, 0], atol=1e-5, says="The only frame is the result.", ask="What is averaged?")
    x = _clips(t, 2, 1, 5)
    pooled, _ = t.on("clips of one frame, without padding")(x, np.ones(5, np.float32), np.ones(2, int))
    t.close(pooled, x[:, 0], atol=1e-5, says="The only frame is the result.", ask="What is averaged?")


@attention_pooling.edges
def as_many_clips_as_frames(t):
    x, lengths = _clips(t, 4, 4, 4), np.array([4, 1, 3, 2])
    _, weights = t.on("4 clips of 4 frames of 4 features")(x, np.array([0.5, -1, 0.3, 2], np.float32), lengths)
    for b, n in enumerate(lengths):
        found = np.flatnonzero(weights[b]).tolist()
        t.holds(found == list(range(n)), f"Of 4 clips of 4 frames of 4 features, clip {b} has length {n}; in yours its "
                f"frames **{', '.join(map(str, found)) or 'none'}** have a weight.",
                ask="Where all sizes are equal, no shape gives a wrong axis away: which axis do the lengths belong to?")


@attention_pooling.properties
def equal_scores_make_the_mean(t):
    x, lengths = _clips(t, 3, 7, 4), np.array([7, 4, 2])
    pooled, weights = t.on("w = 0")(x, np.zeros(4, np.float32), lengths)
    want = np.where(np.arange(7) < lengths[:, None], 1 / lengths[:, None], 0)
    t.close(weights, want, atol=1e-5, says="With w = 0 all frames that count have the same weight, 1 / n.",
            ask="What does the softmax make of equal scores?")
    t.close(pooled, np.stack([x[b, :n].mean(axis=0) for b, n in enumerate(lengths)]), atol=1e-4,
            says="With w = 0 the result is the mean of the frames that count.", ask="What is averaged?")


@attention_pooling.properties
def a_difference_of_ln_3_is_three_times_the_weight(t):
    features = int(t.rng.integers(3, 9))
    x, w = np.zeros((1, 2, features), np.float32), np.zeros(features, np.float32)
    x[0, 1], w[:2] = np.log(3), (3, -2)
    _, weights = t.on(f"two frames of {features} features, whose scores are 0 and ln 3")(x, w, np.array([2]))
    t.close(weights, [[0.25, 0.75]], atol=1e-5, ask="What is e to the power of 0, and of ln 3?",
            says="The weights should be as 1 to 3, a quarter and three quarters; yours are "
                 f"{weights[0, 0]:.3f} and {weights[0, 1]:.3f}.")


@attention_pooling.properties
def is_the_weighted_mean(t):
    x, lengths = _clips(t, 3, 6, 4), np.array([6, 5, 3])
    pooled, weights = t.on("three clips of 6, 5 and 3 frames")(x, np.array([1, -1, 0.5, 2], np.float32), lengths)
    sums = weights.sum(axis=1)
    worst = np.argmax(np.abs(sums - 1))
    t.holds(abs(sums[worst] - 1) < 1e-4, f"The weights of clip {worst} add up to **{sums[worst]:.3f}**; they are "
            "shares of 1.", ask="Over which axis is your sum, and which frames are in it?")
    t.close(pooled, np.einsum("bt,btf->bf", weights, x), atol=1e-4, ask="What is averaged, and what divides it?",
            says="The weights add up to 1, but the result is not the sum of frames times their weights.")


@attention_pooling.properties
def only_differences_of_scores_count(t):
    x, lengths = _clips(t, 2, 5, 3), np.array([5, 3])
    w = np.array([0.7, -0.4, 1], np.float32)
    _, before = t.on("two clips")(x, w, lengths)
    _, after = t.on("two clips, 5 more in one feature of every frame")(x + np.float32([0, 0, 5]), w, lengths)
    t.close(after, before, atol=1e-4, says="5 more in every score should leave the weights as they are.",
            ask="What does e to the power of 5 do above the line, and what below?")


@attention_pooling.properties
def padding_and_company_change_nothing(t):
    x, lengths = _clips(t, 3, 6, 4), np.array([4, 6, 2])
    w = np.array([1, 0.5, -1, 0.2], np.float32)
    pooled, weights = t.on("three clips of 4, 6 and 2 frames, padded to 6")(x, w, lengths)
    other = np.where((np.arange(6) < lengths[:, None])[..., None], x, 3 * _clips(t, 3, 6, 4)).astype(np.float32)
    t.close(t.on("something else in the padding")(other, w, lengths)[0], pooled, atol=1e-5,
            says="What stands in the padding should have no influence.", ask="Where does the padding come in?")
    longer, more = t.on("the same padded to 9")(np.concatenate([x, _clips(t, 3, 3, 4)], axis=1), w, lengths)
    t.close(longer, pooled, atol=1e-5, says="More padding should change nothing.", ask="By what do you divide?")
    t.close(more, np.pad(weights, ((0, 0), (0, 3))), atol=1e-5, says="More padding should only add weights of 0.",
            ask="Which frames share the 1?")
    for b, n in enumerate(lengths):
        alone, _ = t.on(f"clip {b} alone, without padding")(x[b : b + 1, :n], w, lengths[b : b + 1])
        t.close(alone[0], pooled[b], atol=1e-5, ask="What do you compute over the batch instead of over the time?",
                says=f"Clip {b} alone, without padding, should give what it gives in the batch.")


@attention_pooling.properties
def the_order_of_frames_does_not_matter(t):
    x, order = _clips(t, 2, 6, 3), t.rng.permutation(6)
    w, lengths = np.array([1, -0.5, 2], np.float32), np.array([6, 6])
    pooled, weights = t.on("two clips of 6 frames")(x, w, lengths)
    again, moved = t.on("the same frames in another order")(x[:, order], w, lengths)
    t.close(moved, weights[:, order], atol=1e-5, says="In another order each frame should keep its weight.",
            ask="What does the weight of a frame depend on besides its score?")
    t.close(again, pooled, atol=1e-5, says="A weighted mean does not know the order.", ask="What is averaged?")


@attention_pooling.reference
def agrees_with_scipy_softmax(t):
    for batch, time, features in ((4, 12, 3), (2, 50, 40), (6, 5, 1)):
        x, lengths = _clips(t, batch, time, features), t.rng.integers(1, time + 1, batch)
        w = t.rng.normal(size=features).astype(np.float32)
        case = f"{batch} clips of up to {time} frames of {features} features"
        pooled, weights = t.on(case)(x, w, lengths)
        want = _softmax(x, w, lengths)
        t.close(weights, want, atol=1e-4, ask="Which scores are in the sum, and what was done to them?",
                says=f"For {case}, weights have to agree with `scipy.special.softmax` over the frames of each clip.")
        t.close(pooled, np.stack([np.average(x[b], axis=0, weights=want[b]) for b in range(batch)]), atol=1e-3,
                says="The weights are right, but the result has to agree with `np.average` under them.",
                ask="What is averaged?")


@attention_pooling.reference
def agrees_with_torch_attention(t):
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    x, lengths = _clips(t, 5, 20, 8), t.rng.integers(1, 21, 5)
    w = t.rng.normal(size=8).astype(np.float32)
    frames, query = torch.from_numpy(x), torch.from_numpy(w).expand(5, 1, 8)
    valid = torch.arange(20) < torch.from_numpy(lengths)[:, None, None]
    want = scaled_dot_product_attention(query, frames, frames, attn_mask=valid, scale=1.0)[:, 0]
    t.close(t.on("5 clips of up to 20 frames")(x, w, lengths)[0], want, atol=1e-3,
            says="It has to agree with `torch.nn.functional.scaled_dot_product_attention(…, scale=1.0)`, in which w "
                 "asks and the frames answer.", ask="Which frames are in the sum, and are the scores as they were?")


def _softmax(x, w, lengths):
    """Weights by SciPy, clip by clip, in double precision; zeros in the padding."""
    from scipy.special import softmax

    weights = np.zeros(x.shape[:2])
    for b, n in enumerate(lengths):
        weights[b, :n] = softmax(x[b, :n].astype(float) @ w.astype(float))
    return weights


def _valid(x, lengths):
    return np.arange(x.shape[1]) < lengths[:, None]


def _pooled(x, weights):
    """What a mistake hands back: the mean under its weights."""
    return np.einsum("bt,btf->bf", weights, x).astype(np.float32), weights.astype(np.float32)


def _shares(scores, axis=1):
    rising = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return rising / rising.sum(axis=axis, keepdims=True)


def _scores(x, w, lengths, padding=-np.inf):
    return np.where(_valid(x, lengths), x @ w, padding)


@attention_pooling.mistake("Your softmax runs over the clips of the batch: the weights of a frame depend on what else "
                           "is in the batch.", ask="Over which axis should the weights add up to 1?")
def over_the_batch(x, w, lengths):
    rising = np.where(_valid(x, lengths), np.exp(x @ w), 0)
    return _pooled(x, rising / np.maximum(rising.sum(axis=0, keepdims=True), 1e-30))


@attention_pooling.mistake("Your softmax runs over all frames of all clips together.",
                           ask="Over which axis should the weights add up to 1?")
def over_everything(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, lengths).reshape(1, -1)).reshape(x.shape[:2]))


@attention_pooling.mistake("The lengths are not used: padding is treated like any frame.", ask="What are the lengths "
                           "for?")
def padding_takes_part(x, w, lengths):
    return _pooled(x, _shares(x @ w))


@attention_pooling.mistake("You give the padding the score 0. In a softmax that is not nothing: e to the power of 0 "
                           "is 1.", ask="Which score has the weight exactly 0?")
def padding_scores_zero(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, lengths, 0)))


@attention_pooling.mistake("You give the padding a low score, but not the lowest: beside scores that are lower still "
                           "it has a weight.", ask="Which score has the weight exactly 0, whatever the others are?")
def padding_scores_low(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, lengths, -100)))


@attention_pooling.mistake("You set the weights of the padding to 0 after the softmax, and what is left no longer "
                           "adds up to 1.", ask="Which frames were in the sum that you divided by?")
def masked_after_the_softmax(x, w, lengths):
    return _pooled(x, np.where(_valid(x, lengths), _shares(x @ w), 0))


@attention_pooling.mistake("The largest score that you subtract may be one of the padding: then all others vanish "
                           "beside it.", ask="Which frames may the largest score come from?")
def largest_score_of_the_padding(x, w, lengths):
    scores = x @ w
    rising = np.where(_valid(x, lengths), np.exp(scores - scores.max(axis=1, keepdims=True)), 0)
    return _pooled(x, rising / rising.sum(axis=1, keepdims=True))


@attention_pooling.mistake("You take the exponential of the scores as they are: for large ones it is infinite, for "
                           "low ones 0.", ask="What may be subtracted from all scores of a clip without changing a "
                           "weight?")
def overflows(x, w, lengths):
    rising = np.where(_valid(x, lengths), np.exp(x @ w), 0)
    return _pooled(x, rising / rising.sum(axis=1, keepdims=True))


@attention_pooling.mistake("You subtract the largest score of the whole batch: clips whose scores lie far below it "
                           "vanish.", ask="Of which frames is the largest score that a clip needs?")
def largest_score_of_the_batch(x, w, lengths):
    scores = _scores(x, w, lengths)
    rising = np.exp(scores - scores.max())
    return _pooled(x, rising / rising.sum(axis=1, keepdims=True))


@attention_pooling.mistake("Your weights are right, but the result is the plain mean of the frames.",
                           ask="What are the weights for?")
def plain_mean_beside_the_weights(x, w, lengths):
    valid = _valid(x, lengths)
    return _pooled(x, valid / lengths[:, None])[0], _pooled(x, _shares(_scores(x, w, lengths)))[1]


@attention_pooling.mistake("All frames have the same weight: `w` is not used.", ask="What is a frame's score?")
def equal_weights(x, w, lengths):
    return _pooled(x, _valid(x, lengths) / lengths[:, None])


@attention_pooling.mistake("The weighted frames are divided by their number once more: the weights add up to 1 "
                           "already.", ask="What divides the sum in the last formula?")
def mean_of_the_weighted_frames(x, w, lengths):
    pooled, weights = _pooled(x, _shares(_scores(x, w, lengths)))
    return pooled / np.float32(x.shape[1]), weights


@attention_pooling.mistake("You weight by a sigmoid of each score by itself, so that the weights of a clip do not add "
                           "up to 1.", ask="Which other scores does the weight of a frame depend on?")
def sigmoid(x, w, lengths):
    return _pooled(x, np.where(_valid(x, lengths), 1 / (1 + np.exp(-(x @ w))), 0))


@attention_pooling.mistake("You divide the scores by the root of the number of features, as attention between many "
                           "vectors does. Here the scores are taken as they are.", ask="What stands in the exponent?")
def scaled_by_the_root(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, lengths) / np.sqrt(x.shape[2])))


@attention_pooling.mistake("You divide each score by the sum of scores, without the exponential: what is negative "
                           "would take away.", ask="What does the exponential make of a negative score?")
def without_the_exponential(x, w, lengths):
    scores = _scores(x, w, lengths, 0)
    total = scores.sum(axis=1, keepdims=True)
    return _pooled(x, scores / np.where(total, total, 1))


@attention_pooling.mistake("The frame with the largest score has all the weight.",
                           ask="What is the weight of a frame whose score is a little lower?")
def the_best_frame_takes_all(x, w, lengths):
    return _pooled(x, np.eye(x.shape[1])[np.argmax(_scores(x, w, lengths), axis=1)])


@attention_pooling.mistake("The first frame of the padding counts as well.",
                           ask="Which is the last frame of a clip of length 1?")
def one_frame_too_many(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, lengths + 1)))


@attention_pooling.mistake("The last frame of each clip is missing.",
                           ask="Which is the last frame of a clip of length 3?")
def one_frame_too_few(x, w, lengths):
    return _pooled(x, _shares(_scores(x, w, np.maximum(lengths - 1, 1))))


@attention_pooling.mistake("You take the padding to stand before the clip.", ask="Where does a padded clip begin?")
def padding_in_front(x, w, lengths):
    valid = np.arange(x.shape[1]) >= x.shape[1] - lengths[:, None]
    return _pooled(x, _shares(np.where(valid, x @ w, -np.inf)))


# ---------------------------------------------------------------------------------------------- 06.5

NAN = float("nan")

early_stopping = Exercise(
    "06.5", "early_stopping(losses, patience, min_delta=0.0)",
    example=lambda: (np.array([NAN, 1.875, 0.75, 0.5, 0.375, 1.375, 0.25, NAN, 0.125, 1.375, 1.625, 0.5, 0.0625, 1]),
                     3, 0.25),
    hints=[
        "Go through the curve with a finger, from the left, and cover what comes after it. Which three numbers must "
        "you remember from one epoch to the next?",
        "The best loss so far, its epoch, and how many epochs have passed since without an improvement. What becomes "
        "of the third when there is an improvement?",
        "Let the best loss begin at infinity: then any number improves on it, and NaN, which is smaller than nothing, "
        "does not. Leave the loop as soon as the count has reached `patience`.",
    ],
    learned="What is kept are the weights of the best epoch: the epochs of patience were run only to know that it was "
            "the best.",
)


@early_stopping.output
def is_two_epochs(t, got, losses, patience, min_delta=0.0):
    two_numbers(t, got, "two whole numbers, `(stop, best)`")
    t.holds(all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in got),
            f"You return **{briefly(got)}**; epochs are counted in whole numbers.",
            ask="Is one of the two a loss, where its epoch was asked for?")
    last = len(losses) - 1
    t.holds(0 <= got[1] <= got[0] <= last, f"You return **{briefly(got)}** for a curve of epochs 0 to {last}. The "
            f"best epoch is one of those that were run: 0 ≤ best ≤ stop ≤ {last}.",
            ask="Which of the two comes first, and at which number does the count of epochs begin?")


def _ends(t, case, losses, want, says, ask, patience, min_delta=0.0):
    """Hold both epochs to what they should be; the picture shows the part of the curve that was run."""
    losses = np.asarray(losses, float)
    got = t.on(case)(losses, patience, min_delta)
    epoch = np.arange(len(losses))
    t.holds(tuple(got) == want, f"For {case}, you stop at epoch **{got[0]}** and keep epoch **{got[1]}**; expected "
            f"{want[0]} and {want[1]}. {says}", ask=ask,
            show=tuple(np.where(epoch <= one[0], losses, NAN) for one in (got, want)))


@early_stopping.edges
def never_stopped(t):
    _ends(t, "a single epoch", [0.7], (0, 0), "It is the last that was run, and the best.",
          "Which epoch is the last, and which is the best so far?", 3)
    _ends(t, "a loss that falls in every epoch, 0 to 7", np.linspace(1, 0.3, 8), (7, 7),
          "There is nothing to stop for: the last epoch is the best.", "When is the count of vain epochs set back?", 2)
    _ends(t, "losses of 0.5, 0.25, 0.5, 0.5 and a patience of 3", [0.5, 0.25, 0.5, 0.5], (3, 1),
          "The curve ends before the patience does, and the weights to keep are still those of the best epoch.",
          "What is kept when the loop comes to its end by itself?", 3)


@early_stopping.edges
def patience_used_up(t):
    _ends(t, "losses of 0.5, 0.25, 0.5, 0.5 and a patience of 2", [0.5, 0.25, 0.5, 0.5], (3, 1),
          "Epochs 2 and 3 are two without improvement, and the curve ends there too.",
          "How many epochs without improvement have been run when it stops?", 2)
    for patience in (1, 3):
        rise = np.r_[1.0, 0.5, np.linspace(0.625, 2, 12)]
        _ends(t, f"a loss that rises from epoch 2 on and a patience of {patience}", rise, (1 + patience, 1),
              f"Epoch 1 is the best; {'one more is' if patience == 1 else f'{patience} more are'} run to know that.",
              "How many epochs without improvement have been run when it stops?", patience)


@early_stopping.edges
def equal_is_no_improvement(t):
    _ends(t, "a loss that stays at 0.5 and a patience of 4", [0.5] * 9, (4, 0),
          "To be as good as the best is no improvement.", "Is 0.5 below 0.5?", 4)
    _ends(t, "losses of 1, 0.75, 0.875 with `min_delta` 0.25 and a patience of 1", [1, 0.75, 0.875], (1, 0),
          "By 0.25 it fell, where more than that was asked for.", "Is 0.75 below 1 − 0.25?", 1, 0.25)


@early_stopping.edges
def nan_is_no_improvement(t):
    _ends(t, "NaN, NaN, 0.5, 0.25, 0.5 and a patience of 3", [NAN, NAN, 0.5, 0.25, 0.5], (4, 3),
          "NaN is never below anything, but the first real number is better than none.",
          "What is your best loss before the first epoch, and what is below it?", 3)
    _ends(t, "0.5, NaN, NaN, 0.25 and a patience of 2", [0.5, NAN, NAN, 0.25], (2, 0),
          "Two epochs of NaN are two epochs without improvement.", "Is NaN below 0.5, and is it not below 0.5?", 2)
    for n, stop in ((9, 2), (2, 1)):
        _ends(t, f"{n} epochs of NaN and a patience of 3", [NAN] * n, (stop, 0),
              "No epoch improved: it stops when patience or curve are at their end, and epoch 0 is named.",
              "Which epoch is the best before there is one, and do vain epochs count from the first?", 3)


@early_stopping.properties
def what_comes_later_changes_nothing(t):
    for patience in (1, 2, 4):
        losses = _curve(t, 40)
        stop, best = t.on("a noisy curve")(losses, patience)
        for words, later in (("much lower", -5.0), ("much higher", 5.0)):
            after = np.where(np.arange(40) > stop, losses + later, losses)
            _ends(t, f"a curve of which all after epoch {stop} is made {words}, and a patience of {patience}", after,
                  (stop, best), "Nobody could know that: after the stop nothing is run.",
                  "Which losses are known when it is decided to stop?", patience)


@early_stopping.properties
def the_best_counts_and_not_the_last(t):
    losses = np.array([1.0, 0.25, 0.875, 0.75, 0.625, 0.5, 0.375, 0.3125])
    _ends(t, "a loss that falls to 0.25, jumps up and comes down slowly, with a patience of 4", losses, (5, 1),
          "Lower than the epoch before is not lower than the best.", "With which loss is each compared?", 4)


@early_stopping.properties
def an_improvement_starts_the_count_anew(t):
    bumps = np.repeat(np.linspace(2, 0.5, 7), 3) + np.tile([0, 0.75, 0.5], 7)
    _ends(t, "a curve in which every third epoch is the best so far, and a patience of 3", bumps, (20, 18),
          "Between two improvements there are only two epochs without.", "What becomes of the count at an improvement?",
          3)


@early_stopping.properties
def small_gains_add_up(t):
    slow = 2 - 0.125 * np.arange(12)
    _ends(t, "a loss that falls by 0.125 in each of 12 epochs, but for one bump, with `min_delta` 0.25 and a patience "
          "of 3", np.where(np.arange(12) == 1, 2.5, slow), (11, 9),
          "Each third epoch lies 0.375 below the best, which is an improvement, though single steps are not.",
          "Does the best so far change at an epoch that is no improvement?", 3, 0.25)
    _ends(t, "a loss that falls by 0.125 in each of 12 epochs, with `min_delta` 0.25 and a patience of 2",
          slow, (2, 0), "After two epochs it is only 0.25 lower, and not by more than that.",
          "What has to be below what?", 2, 0.25)


@early_stopping.properties
def only_differences_count(t):
    losses = _curve(t, 40)
    stop, best = t.on("a noisy curve")(losses, 3, 0.25)
    for words, factor, added in (("raised by 8", 1, 8), ("lowered by 8", 1, -8), ("and `min_delta` times 4", 4, 0)):
        _ends(t, f"the same curve {words}", factor * losses + added, (stop, best),
              "An improvement is a difference of two losses, whatever their size.",
              "Does anything but the difference to the best loss decide?", 3, 0.25 * factor)


@early_stopping.reference
def agrees_with_torch_reduce_lr_on_plateau(t):
    for patience, ends in PLATEAU.items():
        for min_delta, want in zip((0.0, 0.125, 0.25, 0.5), ends, strict=True):
            _ends(t, f"20 noisy losses, a patience of {patience} and `min_delta` {min_delta:g}", LOSSES, want,
                  "It has to agree with the epoch at which `torch.optim.lr_scheduler.ReduceLROnPlateau` runs out of "
                  "patience.", HOW, patience, min_delta)


@early_stopping.reference
def agrees_with_a_search_from_best_to_best(t):
    for _ in range(20):
        losses, patience = _curve(t, int(t.rng.integers(10, 60))), int(t.rng.integers(1, 9))
        losses[t.rng.random(len(losses)) < 0.1] = NAN
        min_delta = int(t.rng.integers(0, 4)) / 8
        _ends(t, f"{len(losses)} noisy losses, some NaN, a patience of {patience} and `min_delta` {min_delta:g}",
              losses, _by_jumps(losses, patience, min_delta), "Each best epoch is the first within the patience of the "
              "one before that improves on it.", HOW, patience, min_delta)


HOW = "Which differs: what an improvement is, what it is compared with, or how vain epochs are counted?"
LOSSES = (2.5, 1.75, NAN, 1.5, 1.625, 1.25, 1.375, 1.25, 1.125, 1.5, 1.125, 1.375, NAN, 1.0, 1.125, 0.875, 1.25, 1.5,
          0.5, 1.0)

#: PyTorch 2.14: where ReduceLROnPlateau(patience=patience - 1, threshold=min_delta, threshold_mode="abs") lowers the
#: rate, and its best epoch until then, for each patience and the four values of min_delta.
PLATEAU = {
    1: ((2, 1), (2, 1), (2, 1), (2, 1)),
    2: ((7, 5), (7, 5), (3, 1), (3, 1)),
    3: ((11, 8), (8, 5), (4, 1), (4, 1)),
    4: ((12, 8), (9, 5), (9, 5), (5, 1)),
    5: ((19, 18), (10, 5), (10, 5), (6, 1)),
}


def _by_jumps(losses, patience, min_delta):
    """Stop and best without counting: from each best epoch to the next, as long as there is one within the patience."""
    best, lowest = -1, np.inf
    while True:
        better = np.flatnonzero(losses[best + 1 : best + 1 + patience] < lowest - min_delta)
        if not better.size:
            return min(best + patience, len(losses) - 1), max(best, 0)
        best += 1 + int(better[0])
        lowest = losses[best]


def _curve(t, n):
    """Losses that fall and rise again, in steps of an eighth, so that some are equal."""
    fall = 3 * np.exp(-np.arange(n) / t.rng.uniform(3, 15)) + np.arange(n) / t.rng.uniform(20, 80)
    return np.round(8 * (fall + t.rng.normal(0, 0.3, n))) / 8


def _walk(losses, patience, min_delta, improves=lambda loss, best, before, delta: loss < best - delta, first=np.inf,
          follows=False, resets=True, late=0, passes_nan=False):
    """What a mistake hands back: another test of an improvement, another best, another count."""
    best, lowest, waited, before = 0, first, 0, np.inf
    for epoch, loss in enumerate(losses):
        if improves(loss, lowest, before, min_delta):
            best, lowest, waited = epoch, loss, waited * (not resets)
        elif not (passes_nan and np.isnan(loss)):
            waited += 1
            lowest = loss if follows and loss < lowest else lowest
            if waited >= patience + late:
                break
        before = loss
    return epoch, best


@early_stopping.mistake("You look ahead: the best epoch is that of the whole curve, of which part was never run.",
                        ask="Which epochs have been run when it stops?")
def best_of_the_whole_curve(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta)[0], int(np.nanargmin(losses))


@early_stopping.mistake("You look for the lowest loss of the whole curve and count the patience from there.",
                        ask="Which losses are known while it trains?")
def patience_from_the_lowest_of_all(losses, patience, min_delta=0.0):
    best = int(np.nanargmin(losses))
    return min(best + patience, len(losses) - 1), best


@early_stopping.mistake("You keep the lowest loss of all epochs that were run, improvement or not: one that is lower "
                        "by less than `min_delta` counts with you.", ask="At which epochs does the best change?")
def lowest_of_those_run(losses, patience, min_delta=0.0):
    stop, _ = _walk(losses, patience, min_delta)
    return stop, int(np.nanargmin(losses[: stop + 1]))


@early_stopping.mistake("You compare each loss with that of the epoch before, not with the best so far.",
                        ask="After a bad epoch, is a less bad one an improvement?")
def against_the_epoch_before(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: loss < before - delta)


@early_stopping.mistake("You count all epochs without improvement. It should be those in a row.",
                        ask="What becomes of the count at an improvement?")
def never_resets(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, resets=False)


@early_stopping.mistake("You pass over NaN: it counts neither as an improvement nor against the patience.",
                        ask="Is an epoch of NaN an epoch without improvement?")
def passes_over_nan(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, passes_nan=True)


@early_stopping.mistake("You stop an epoch late: with a patience of 1 you allow two epochs without improvement.",
                        ask="How many vain epochs have been run when the count reaches `patience`?")
def one_epoch_late(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, late=1)


@early_stopping.mistake("You stop an epoch early: the count is at `patience` before so many epochs were in vain.",
                        ask="At which number does your count stand right after an improvement?")
def one_epoch_early(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, late=-1)


@early_stopping.mistake("You take a loss that is as good as asked for, and not better, for an improvement.",
                        ask="Is it `<` or `<=` that the task says?")
def equal_improves(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: loss <= best - delta)


@early_stopping.mistake("Your `min_delta` has the wrong sign: a loss that is a little worse than the best passes for "
                        "an improvement.", ask="Should `min_delta` make an improvement harder or easier?")
def delta_added(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: loss < best + delta)


@early_stopping.mistake("`min_delta` is not used: any gain, however small, counts.", ask="What must a loss lie below?")
def without_delta(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: loss < best)


@early_stopping.mistake("Your best loss follows every small gain, also one that is no improvement: so a slow descent "
                        "never improves on it.", ask="At which epochs does the best change?")
def best_follows_small_gains(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, follows=True)


@early_stopping.mistake("Your best loss is that of epoch 0 to begin with. Where that is NaN, nothing is ever below it.",
                        ask="What is the comparison of any number with NaN?")
def begins_with_the_first_loss(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, first=losses[0])


@early_stopping.mistake("NaN passes for an improvement: of NaN it is false that it is below, and false that it is not.",
                        ask="What does your comparison say when the loss is NaN?")
def nan_improves(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: not loss >= best - delta)


@early_stopping.mistake("You count `patience` epochs back from the end. Where the curve ended before the patience did, "
                        "that is not the best epoch.", ask="Who says that it was patience that ended the run?")
def counts_back(losses, patience, min_delta=0.0):
    stop, _ = _walk(losses, patience, min_delta)
    return stop, max(stop - patience, 0)


@early_stopping.mistake("You keep the last epoch. The weights to keep are older by all the epochs that were in vain.",
                        ask="Which epoch had the best loss?")
def keeps_the_last(losses, patience, min_delta=0.0):
    stop, _ = _walk(losses, patience, min_delta)
    return stop, stop


@early_stopping.mistake("Your stop is the number of epochs that were run; the last of them has one less, because they "
                        "count from 0.", ask="Which index has the third epoch?")
def number_of_epochs(losses, patience, min_delta=0.0):
    stop, best = _walk(losses, patience, min_delta)
    return stop + 1, best


@early_stopping.mistake("The two are exchanged: first the epoch at which it stops, then the best.",
                        ask="Which of the two can be the later one?")
def exchanged(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta)[::-1]


@early_stopping.mistake("Your `min_delta` is a part of the best loss, as in `ReduceLROnPlateau` unless it is told "
                        "otherwise. Here it is a difference.", ask="What is subtracted from the best?")
def relative_delta(losses, patience, min_delta=0.0):
    return _walk(losses, patience, min_delta, lambda loss, best, before, delta: loss < best * (1 - delta))


@early_stopping.mistake("It never stops: you go through the whole curve.", ask="What happens when patience is used up?")
def never_stops(losses, patience, min_delta=0.0):
    return len(losses) - 1, _walk(losses, len(losses) + 1, min_delta)[1]


# ---------------------------------------------------------------------------------------------- 06.6


def _eight_voices():
    return np.array(["hal", "eve", "bo", "di", "eve", "ada", "bo", "hal", "gus", "eve", "bo", "cy", "eve", "di", "hal",
                     "ada", "bo", "eve", "gus", "cy", "fay"])


grouped_folds = Exercise(
    "06.6", "grouped_folds(groups, k)",
    example=lambda: (_eight_voices(), 3),
    hints=[
        "Leave the clips for the end. First: which groups are there, how many clips has each, and in which order are "
        "they dealt out?",
        "`np.unique` gives the groups, which group each clip belongs to (`return_inverse`) and how many clips each has "
        "(`return_counts`). Keep a list of how full each of the `k` folds is, and look at it before each group.",
        "`np.argsort` of the negative counts with `kind=\"stable\"` has the largest first and leaves equal ones in "
        "their order; `np.argmin` takes the first of several that are smallest. An array with the fold of each group, "
        "indexed by the group of each clip, is the result.",
    ],
    learned="Dealt so, two folds never differ by more clips than the largest group has. Sorting is what does it: the "
            "small groups come last and fill the gaps.",
)


@grouped_folds.output
def is_a_fold_for_each_clip(t, got, groups, k):
    t.array(got, shape=groups.shape)
    t.holds(got.dtype.kind in "iu", f"Your folds are of type **{got.dtype}**; a fold is a whole number.",
            ask="What kind of array did you begin with?", values=False)
    t.holds(got.min() >= 0 and got.max() < k, f"Your folds are numbered **{got.min()}** to **{got.max()}**; {k} folds "
            f"have the numbers 0 to {k - 1}.", ask="Which number has the first fold, and which the last?")


def _dealing(groups):
    """Names of the groups in the order in which they are dealt, and the number of clips of each."""
    clips = Counter(groups.tolist())
    return sorted(clips, key=lambda name: (-clips[name], name)), clips


def _folds(groups, k):
    """The task's words with a heap: fold of each clip, shape [n]."""
    order, clips = _dealing(groups)
    lightest = [(0, number) for number in range(k)]         # fewest clips first, then the lowest number
    fold = {}
    for name in order:
        filled, fold[name] = heapq.heappop(lightest)
        heapq.heappush(lightest, (filled + clips[name], fold[name]))
    return np.array([fold[name] for name in groups.tolist()])


def _dealt(t, case, groups, k, says="", ask="Which fold has the fewest clips at that moment, and which group is next?"):
    """Hold the folds to the rule, and name the first group that goes elsewhere."""
    got, want = t.on(case)(groups, k), _folds(groups, k)
    _whole(t, case, groups, got)
    order, clips = _dealing(groups)
    filled = np.zeros(k, int)
    for name in order:
        mine, right = int(got[groups == name][0]), int(want[groups == name][0])
        size = f"{clips[name]} clip{'s' * (clips[name] > 1)}"
        t.holds(mine == right, f"For {case}, group **{name}** ({size}) should go to fold {right}: when it is its turn "
                f"the folds hold {_listed(filled)} clips. In yours it is in fold **{mine}**. {says}".strip(), ask=ask)
        filled[right] += clips[name]


def _listed(numbers):
    words = [str(number) for number in numbers]
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _whole(t, case, groups, got):
    """Hold every group to one fold."""
    split = [name for name in np.unique(groups) if len(set(got[groups == name].tolist())) > 1]
    found = _listed(sorted(set(got[groups == split[0]].tolist()))) if split else ""
    t.holds(not split, f"For {case}, clips of group **{split[0] if split else ''}** are in folds {found}: it stands on "
            "both sides.", ask="What is dealt out: clips, or groups?")


@grouped_folds.edges
def as_many_groups_as_folds(t):
    _dealt(t, "three groups of 2 clips for 3 folds", np.array(list("cabbca")), 3,
           "Equal groups go in the order of their names.", "In which order are groups that are equally large?")
    _dealt(t, "six clips, each a group of its own, for 6 folds", np.array([15, 11, 14, 10, 13, 12]), 6,
           "Equal groups go in the order of their names.", "In which order are groups that are equally large?")
    _dealt(t, "one group and one fold", np.array(["ann"] * 4), 1)


@grouped_folds.edges
def one_group_is_larger_than_all_others(t):
    _dealt(t, "a group of 9 clips and six groups of one", np.array(list("azbzczdzezfzzzz")), 3,
           "Once the large group lies in a fold, that fold is left alone until the others are as full.")


@grouped_folds.edges
def more_folds_than_groups(t):
    def grouped_folds(groups, k):
        try:
            return t.answer(groups, k)
        except ValueError:
            return "ValueError"

    for groups, k in ((np.array(list("abcabcaa")), 4), (np.array([7]), 2)):
        names = len(np.unique(groups))
        case = f"{k} folds and only {names} group{'s' * (names > 1)}"
        got = t.on(case).call(grouped_folds, groups, k)
        t.holds(isinstance(got, str) and got == "ValueError", f"For {case} a ValueError should be raised, because a "
                f"fold would stay empty; yours returns **{briefly(got)}**.",
                ask="What would a fold without a clip be good for, and who should be told?")


@grouped_folds.properties
def a_group_is_never_divided(t):
    for _ in range(5):
        groups, k = _random_groups(t)
        case = f"{len(groups)} clips of {len(np.unique(groups))} groups and {k} folds"
        _whole(t, case, groups, t.on(case)(groups, k))


@grouped_folds.properties
def folds_are_alike(t):
    for _ in range(5):
        groups, k = _random_groups(t)
        case = f"{len(groups)} clips of {len(np.unique(groups))} groups and {k} folds"
        sizes = np.bincount(t.on(case)(groups, k), minlength=k)
        largest = max(_dealing(groups)[1].values())
        t.holds(sizes.min() > 0, f"For {case}, fold **{int(np.argmin(sizes))}** is empty.",
                ask="Which fold has the fewest clips while one is still empty?")
        t.holds(np.ptp(sizes) <= largest, f"For {case}, your folds have {_listed(sizes)} clips: they differ by "
                f"**{np.ptp(sizes)}**, and the largest group has only {largest}.",
                ask="Which fold does each group go to, and which groups are dealt last?")


@grouped_folds.properties
def there_is_no_chance_in_it(t):
    groups, k = _random_groups(t)
    here, there = t(groups, k), t.on("the same clips once more")(groups, k)
    t.holds(np.array_equal(here, there), "The same clips, dealt twice, are dealt otherwise: nobody could repeat your "
            "experiment.", ask="Where does chance come in?")


@grouped_folds.properties
def a_clip_follows_its_group(t):
    groups, k = _random_groups(t)
    other = t.rng.permutation(len(groups))
    here, there = t(groups, k), t.on("the same clips in another order")(groups[other], k)
    t.holds(np.array_equal(here[other], there), "The same clips in another order are dealt otherwise: "
            f"**{np.sum(here[other] != there)}** of {len(groups)} changed folds.",
            ask="What decides among groups of one size: their names, or where their first clip stands?")


@grouped_folds.reference
def agrees_with_sklearn_group_k_fold(t):
    from sklearn.model_selection import GroupKFold

    for distinct in (True, True, False, False):             # ties of size it deals in an order of its own
        groups, k = _random_groups(t, distinct)
        case = f"{len(groups)} clips of {len(np.unique(groups))} groups and {k} folds"
        got = t.on(case)(groups, k)
        want = np.zeros_like(got)
        for number, (_, test) in enumerate(GroupKFold(k).split(groups, groups=groups)):
            want[test] = number
        mine, theirs = (np.bincount(one, minlength=k) for one in (got, want))
        t.holds(np.array_equal(mine, theirs), f"For {case}, your folds have **{_listed(mine)}** clips; those of "
                f"scikit-learn's `GroupKFold` have {_listed(theirs)}.",
                ask="Which fold does each group go to, and in which order?")
        t.holds(not distinct or np.array_equal(got, want), f"For {case}, no two groups are equally large, and "
                f"scikit-learn's `GroupKFold` deals **{np.sum(got != want)}** clips to other folds than you do.",
                ask="Which fold does each group go to, and in which order?")


@grouped_folds.reference
def follows_the_rule_where_sizes_are_equal(t):
    for _ in range(6):
        groups, k = _random_groups(t)
        _dealt(t, f"{len(groups)} clips of {len(np.unique(groups))} groups and {k} folds", groups, k)


def _random_groups(t, distinct=False):
    """Clips of 8 to 13 named groups in mixed order, and 2 to 6 folds; all sizes differ, or some are alike."""
    names = np.array(["ada", "ben", "cleo", "dov", "emmy", "finn", "gus", "hal", "ida", "jo", "kim", "lou", "max"])
    names = names[: int(t.rng.integers(8, 14))]
    sizes = t.rng.permutation(20)[: len(names)] + 1 if distinct else t.rng.integers(1, 7, len(names))
    return t.rng.permutation(np.repeat(names, sizes)), int(t.rng.integers(2, 7))


def _shared(groups, k, order=lambda clips: np.argsort(-clips, kind="stable"),
            choose=lambda filled, given, i: np.argmin(filled)):
    """What a mistake hands back: groups in another order, or to another fold."""
    names, which, clips = np.unique(groups, return_inverse=True, return_counts=True)
    if k > len(names):
        raise ValueError("more folds than groups")
    fold, filled, given = np.zeros(len(names), int), np.zeros(k, int), np.zeros(k, int)
    for i, group in enumerate(order(clips)):
        fold[group] = choose(filled, given, i)
        filled[fold[group]] += clips[group]
        given[fold[group]] += 1
    return fold[which]


@grouped_folds.mistake("You deal out clips one by one, and a voice is heard on both sides.",
                       ask="What is dealt out: clips, or groups?")
def deals_clips(groups, k):
    return np.arange(len(groups)) % k


@grouped_folds.mistake("You cut the list of clips into pieces, and a voice whose clips lie apart is heard on both "
                       "sides.",
                       ask="What is dealt out: clips, or groups?")
def cuts_the_clips(groups, k):
    return np.arange(len(groups)) * k // len(groups)


@grouped_folds.mistake("You deal the smallest groups first. The largest comes last, when nothing is left to make up "
                       "for it.", ask="Which groups can still fill a small gap?")
def smallest_first(groups, k):
    return _shared(groups, k, order=lambda clips: np.argsort(clips, kind="stable"))


@grouped_folds.mistake("You deal the groups in the order of their names, whatever their size.",
                       ask="Which group comes first?")
def by_name(groups, k):
    return _shared(groups, k, order=lambda clips: np.arange(len(clips)))


@grouped_folds.mistake("You deal the groups round and round, one to each fold, however full it is.",
                       ask="What do you know of a fold before you give it a group?")
def round_and_round(groups, k):
    return _shared(groups, k, choose=lambda filled, given, i: i % k)


@grouped_folds.mistake("You choose the fold with the fewest groups. It is the clips that should be alike.",
                       ask="What do you count in each fold?")
def fewest_groups(groups, k):
    return _shared(groups, k, choose=lambda filled, given, i: np.lexsort((filled, given))[0])


@grouped_folds.mistake("Groups of one size come in the reverse order of their names, as they do in scikit-learn's "
                       "`GroupKFold`.", ask="What does turning an order round do to those that are equal?")
def ties_reversed(groups, k):
    return _shared(groups, k, order=lambda clips: np.argsort(clips, kind="stable")[::-1])


@grouped_folds.mistake("Groups of one size come in the order in which their first clips stand, as they do in "
                       "`Counter.most_common`.", ask="In which order does the task put groups of one size?")
def ties_by_appearance(groups, k):
    _, first = np.unique(groups, return_index=True)
    return _shared(groups, k, order=lambda clips: np.lexsort((first, -clips)))


@grouped_folds.mistake("Of several folds that are equally full you take the last.",
                       ask="Which of several equal ones does the task take?")
def last_of_the_lightest(groups, k):
    return _shared(groups, k, choose=lambda filled, given, i: k - 1 - np.argmin(filled[::-1]))


@grouped_folds.mistake("Your folds count from 1.", ask="Which number has the first fold?")
def counts_from_one(groups, k):
    return _shared(groups, k) + 1


@grouped_folds.mistake("You give a fold to each group. The task asks for one to each clip.",
                       ask="How many clips are there, and how many groups?")
def fold_of_each_group(groups, k):
    return _shared(groups, k)[np.unique(groups, return_index=True)[1]]


@grouped_folds.mistake("Where there are more folds than groups, some of your folds are empty, and nobody hears of it.",
                       ask="Which folds get a group, and what does a score on an empty one say?")
def empty_folds(groups, k):
    return _shared(groups, min(k, len(np.unique(groups))))


# ---------------------------------------------------------------------------------------------- 06.7


class Detector:
    """What a check hands over as `predict`: it looks at what it is given, and remembers it.

    A copy is the thing itself, so that what the answer showed it is known afterwards.
    """

    def __init__(self, score):
        self.score, self.shown = score, []

    def __call__(self, batch):
        if np.ndim(batch) != 3:
            raise ValueError(f"predict takes a batch, of shape [n, mel, time], and was given {list(np.shape(batch))}")
        self.shown.append(batch)
        return self.score(np.asarray(batch, float))

    def __deepcopy__(self, memo):
        return self

    def __repr__(self):
        return "predict"


def _weighted(weights, bend=lambda score: score):
    """A detector that weights the cells of a picture, adds them up, and bends the sum."""
    return Detector(lambda batch: bend(np.tensordot(batch, weights, 2)))


def _bent(t, shape):
    """A picture and a detector for it that is not linear: its score is no sum of parts."""
    x, weights = t.rng.normal(size=(2, *shape))
    return x.astype(np.float32), _weighted(weights / np.sqrt(weights.size), np.tanh)


def _small_picture():
    i, j = np.mgrid[:7, :8]
    x = np.sin(1.3 * i + 0.7 * j * j) + 0.1 * i - 1.5
    return _weighted(0.2 * np.cos(2.1 * i - 1.7 * j), np.tanh), x.astype(np.float32), (4, 2), (2, 3), -2.0


occlusion_map = Exercise(
    "06.7", "occlusion_map(predict, x, size, stride, fill)",
    example=_small_picture,
    hints=[
        "Two tables: which cells each box covers, a mask of shape [boxes, mel, time], and by how much the score drops "
        "for each box. What does a cell need from them?",
        "`np.where(masks, fill, x)` is all hidden pictures at once, and one call of `predict` gives all their scores. "
        "A slice that reaches past the border is simply shorter.",
        "The drops, each times its mask, added up over the boxes, are the sums; the masks added up are the numbers of "
        "boxes. Divide where that number is not 0, and take care that everything ends as float32.",
    ],
    learned="What a box hides is replaced by something, and that the detector sees too: the map depends on `fill`.",
)


@occlusion_map.output
def is_a_picture_of_the_same_size(t, got, predict, x, size, stride, fill):
    t.array(got, shape=x.shape, dtype=np.float32)


def _map(predict, x, size, stride, fill):
    """The definition cell by cell: mean drop over the boxes that cover a cell, 0 where none does. Shape of `x`."""
    whole, drop = predict(x[None])[0], {}
    for row in range(0, x.shape[0], stride[0]):
        for column in range(0, x.shape[1], stride[1]):
            hidden = x.copy()
            hidden[row : row + size[0], column : column + size[1]] = fill
            drop[row, column] = whole - predict(hidden[None])[0]
    means = np.zeros(x.shape)
    for i, j in np.ndindex(x.shape):
        over = [d for (row, column), d in drop.items() if 0 <= i - row < size[0] and 0 <= j - column < size[1]]
        means[i, j] = np.mean(over) if over else 0
    return means


def _sizes(x, size, stride):
    return f"boxes of {size[0]} × {size[1]} every {stride[0]} rows and {stride[1]} columns of a {x.shape[0]} × " \
           f"{x.shape[1]} picture"


@occlusion_map.edges
def one_box_hides_everything(t):
    x = t.rng.normal(size=(4, 5)).astype(np.float32)
    predict = _weighted(np.ones((4, 5)))
    for size, words in (((4, 5), "as large as the picture"), ((9, 9), "larger than the picture")):
        want = np.full((4, 5), x.sum() + 20.0)
        t.close(t.on(f"one box {words}, filled with −1, and a detector that adds up all cells")(
            predict, x, size, (9, 9), -1.0), want, atol=1e-4,
            says="The only box hides the whole picture by −1: the score, the sum of 20 cells, falls to −20, and every "
                 "cell has that drop.",
            ask="Which of the two scores is subtracted from which, and how far does the only box reach?")


@occlusion_map.edges
def a_box_for_each_cell(t):
    x, w = t.rng.normal(size=(2, 3, 4))
    t.close(t.on("boxes of a single cell, filled with 0.5, and a detector that weights the cells")(
        _weighted(w), x.astype(np.float32), (1, 1), (1, 1), 0.5), w * (x - 0.5), atol=1e-4,
        says="With boxes of a single cell, filled with 0.5, and a detector that weights the cells and adds them up, "
             "the drop of each is its weight times what was taken from it, its value minus 0.5.",
        ask="Which cells does the box at row i, column j hide, and what is there instead?")


@occlusion_map.edges
def cells_that_no_box_covers(t):
    x = np.full((3, 7), 2.0, np.float32)
    want = np.where(np.arange(7) % 3 < 2, [[4], [0], [4]], 0)
    t.close(t.on("boxes of 1 × 2 every 2 rows and 3 columns, and a detector that adds up all cells")(
        _weighted(np.ones((3, 7))), x, (1, 2), (2, 3), 0.0), np.where(np.arange(7) == 6, want / 2, want), atol=1e-4,
        says="Boxes of 1 × 2 every 2 rows and 3 columns leave cells between them, where the map is 0; in the last "
             "column they are cut off and hide one cell.",
        ask="What is the mean of no drops at all?")


@occlusion_map.edges
def boxes_at_the_border(t):
    x = 2 ** np.arange(7, dtype=np.float32)[None]          # drops of the four boxes: 15, 60, 112, 64
    want = [[15, 15, 37.5, 37.5, 86, 86, 88]]
    t.close(t.on("boxes of 4 cells at every other of 7 columns, and a detector that adds up all cells")(
        _weighted(np.ones((1, 7))), x, (1, 4), (1, 2), 0.0), want, atol=1e-4,
        says="Of 7 columns, with boxes of 4 every 2 columns, boxes begin at 0, 2, 4 and 6; the last two are cut off "
             "and hide 3 cells and 1.",
        ask="At which column does the last box begin, and how many cells does it hide?")


@occlusion_map.edges
def nothing_to_hide(t):
    x = np.full((4, 6), -3.0, np.float32)
    t.close(t.on("a picture that is −3 everywhere, hidden by −3")(
        _weighted(np.ones((4, 6)), np.exp), x, (2, 2), (1, 1), -3.0), np.zeros((4, 6)), atol=1e-6,
        says="What is hidden looks as before, and no score drops.", ask="What stands in the hidden cells?")


@occlusion_map.properties
def looks_where_the_detector_looks(t):
    x = t.rng.uniform(1, 2, (8, 10)).astype(np.float32)
    i, j = (int(t.rng.integers(2, n - 2)) for n in x.shape)
    at = np.zeros(x.shape)
    at[i, j] = 1
    got = t.on(f"a detector that looks at row {i}, column {j} alone, and boxes of 2 × 2 at every cell")(
        _weighted(at), x, (2, 2), (1, 1), 0.0)
    t.holds(got[i, j] > 0, f"The detector looks at row {i}, column {j} alone, and hiding it lowers the score; in your "
            f"map that cell is **{got[i, j]:.3g}**.", ask="Which of the two scores is subtracted from which?")
    far = np.ones(x.shape, bool)
    far[i - 1 : i + 2, j - 1 : j + 2] = False
    t.close(np.where(far, got, 0), np.zeros(x.shape), atol=1e-6,
            says="A cell that shares no box with what the detector looks at has no drop.",
            ask="What does each picture hide, and do the boxes before it stay hidden?")


@occlusion_map.properties
def only_drops_count(t):
    x, w = t.rng.normal(size=(2, 6, 7))
    x, boxes = x.astype(np.float32), ((2, 3), (2, 2), 0.0)
    got = t.on("a detector")(_weighted(w), x, *boxes)
    more = t.on("the same detector, whose scores are all 5 higher")(_weighted(w, lambda score: score + 5), x, *boxes)
    t.close(more, got, atol=1e-4, says="A drop is a difference of two scores.", ask="Is something divided by a score?")
    less = t.on("the same detector, its scores turned round")(_weighted(-w), x, *boxes)
    t.close(less, -got, atol=1e-4, says="Where hiding raises the score the drop is negative, and stays so.",
            ask="What becomes of the sign?")


@occlusion_map.properties
def shows_all_pictures_at_once(t):
    x = t.rng.normal(size=(6, 9)).astype(np.float32)
    predict = _weighted(np.ones(x.shape))
    t.on("15 boxes")(predict, x, (2, 3), (2, 2), 0.5)
    t.holds(len(predict.shown) <= 2, f"You call `predict` **{len(predict.shown)}** times, for 15 boxes and the picture "
            "as it is. A network takes a batch as quickly as one picture.",
            ask="Which shape has an array that holds all the hidden pictures?", values=False)
    kinds = {str(getattr(batch, "dtype", type(batch).__name__)).removeprefix("torch.") for batch in predict.shown}
    t.holds(kinds == {"float32"}, f"`predict` is given values of type **{', '.join(sorted(kinds))}**; a network takes "
            "float32, as `x` is.", ask="Which operation made it so: what type do its operands have?", values=False)


@occlusion_map.reference
def agrees_with_captum_where_boxes_do_not_overlap(t):
    for shape, size in (((8, 12), (2, 3)), ((7, 11), (3, 4)), ((5, 9), (5, 2))):
        (x, predict), fill = _bent(t, shape), float(t.rng.normal())
        want, _ = _by_captum(predict, x, size, size, fill)
        t.close(t.on(_sizes(x, size, size))(predict, x, size, size, fill), want, atol=1e-4,
                says="It has to agree with `captum.attr.Occlusion`.",
                ask="Which differs: where boxes begin and end, what hides them, or the difference of scores?")


@occlusion_map.reference
def agrees_with_captum_up_to_its_last_box(t):
    for shape, size, stride in (((8, 12), (4, 4), (2, 2)), ((7, 11), (3, 5), (1, 2)), ((9, 10), (4, 3), (3, 1))):
        (x, predict), fill = _bent(t, shape), float(t.rng.normal())
        want, (rows, columns) = _by_captum(predict, x, size, stride, fill)
        got = t.on(_sizes(x, size, stride))(predict, x, size, stride, fill)
        t.close(got[:rows, :columns], want[:rows, :columns], atol=1e-4,
                says=f"In rows 0 to {rows - 1} and columns 0 to {columns - 1}, where its boxes are the same, it has to "
                     "agree with `captum.attr.Occlusion`.",
                ask="By how many boxes is each cell's sum divided?")


@occlusion_map.reference
def follows_the_definition_cell_by_cell(t):
    for _ in range(4):
        shape, size, stride = (tuple(int(n) for n in t.rng.integers(*ends, 2)) for ends in ((4, 9), (1, 5), (1, 5)))
        (x, predict), fill = _bent(t, shape), float(t.rng.normal())
        got = t.on(_sizes(x, size, stride))(predict, x, size, stride, fill)
        t.close(got, _map(predict, x, size, stride, fill), atol=1e-4,
                says="It has to agree with the mean over the boxes, cell by cell.",
                ask="Which boxes cover that cell, and by how many is the sum divided?")


def _by_captum(predict, x, size, stride, fill):
    """Captum's map, and how many rows and columns know the same boxes: it ends with the first that reaches a border."""
    import torch
    from captum.attr import Occlusion

    occlusion = Occlusion(lambda batch: torch.from_numpy(predict(batch.numpy())))
    found = occlusion.attribute(torch.from_numpy(x)[None], size, stride, baselines=fill, perturbations_per_eval=200)
    ends = tuple(step * (-(-(n - wide) // step) + 1) for n, wide, step in zip(x.shape, size, stride, strict=True))
    return found[0].numpy(), ends


def _hidden(predict, x, size, stride, fill, starts=lambda n, wide, step: range(0, n, step), drop=lambda a, b: a - b,
            stays=False, inside=True, gather=None):
    """What a mistake hands back: other boxes, another difference, another way of putting the boxes together."""
    boxes, pictures = [], [x]
    for row in starts(x.shape[0], size[0], stride[0]):
        for column in starts(x.shape[1], size[1], stride[1]):
            box = np.zeros(x.shape, bool)
            box[row : row + size[0], column : column + size[1]] = True
            boxes.append(box)
            pictures.append(np.where(box == inside, np.float32(fill), pictures[-1] if stays else x))
    scores = np.asarray(predict(np.stack(pictures)), float)
    masks, drops = np.array(boxes), drop(scores[0], scores[1:])
    if gather:
        return gather(masks, drops).astype(np.float32)
    count = masks.sum(axis=0)
    return (np.tensordot(drops, masks, 1) / np.maximum(count, 1)).astype(np.float32)


@occlusion_map.mistake("Your drop has the wrong sign: it is what the score gains when something is hidden.",
                       ask="What is the drop of a score that falls from 5 to 3?")
def gain_for_drop(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, drop=lambda whole, hidden: hidden - whole)


@occlusion_map.mistake("You add up the drops of all boxes over a cell, so that cells with many boxes seem important.",
                       ask="How many boxes cover a cell at the border, and how many one in the middle?")
def sums(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, gather=lambda masks, drops: np.tensordot(drops, masks, 1))


@occlusion_map.mistake("The last box over a cell decides alone: each one overwrites those before it.",
                       ask="What becomes of the drops of the other boxes over the same cell?")
def last_box_wins(predict, x, size, stride, fill):
    def gather(masks, drops):
        out = np.zeros(x.shape)
        for box, drop in zip(masks, drops, strict=True):
            out[box] = drop
        return out

    return _hidden(predict, x, size, stride, fill, gather=gather)


@occlusion_map.mistake("You take the largest drop of the boxes over a cell, not their mean.",
                       ask="What should a cell's value be when two boxes cover it?")
def largest_drop(predict, x, size, stride, fill):
    def gather(masks, drops):
        return np.where(masks.any(axis=0), np.where(masks, drops[:, None, None], -np.inf).max(axis=0), 0)

    return _hidden(predict, x, size, stride, fill, gather=gather)


@occlusion_map.mistake("You hide with 0, whatever `fill` is. In a log-mel spectrogram 0 is loud.",
                       ask="What stands in the hidden cells?")
def filled_with_zero(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, 0.0)


@occlusion_map.mistake("You leave out boxes that do not fit whole, so that nothing is known of the border.",
                       ask="What does the task do with a box that reaches past the border?")
def whole_boxes_only(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, starts=lambda n, wide, step: range(0, max(n - wide, 0) + 1, step))


@occlusion_map.mistake("Your last box is the first that reaches the border, as in captum. Here boxes begin as long as "
                       "there are rows and columns.", ask="Where does `range(0, time, columns)` end?")
def ends_at_the_border(predict, x, size, stride, fill):
    def starts(n, wide, step):
        return range(0, step * -(-max(n - wide, 0) // step) + 1, step)

    return _hidden(predict, x, size, stride, fill, starts=starts)


@occlusion_map.mistake("Height and width are exchanged: `size` is rows first, then columns.",
                       ask="Which axis of `x` is mel, and which is time?")
def size_exchanged(predict, x, size, stride, fill):
    return _hidden(predict, x, size[::-1], stride, fill)


@occlusion_map.mistake("The two strides are exchanged: rows first, then columns.",
                       ask="Which axis of `x` is mel, and which is time?")
def stride_exchanged(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride[::-1], fill)


@occlusion_map.mistake("Your boxes stay: each picture also hides what the boxes before it hid.",
                       ask="Is each picture made from `x`, or from the picture before?")
def boxes_stay(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, stays=True)


@occlusion_map.mistake("You hide everything but the box.", ask="What is under the box in the picture that you show?")
def hides_the_rest(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, inside=False)


@occlusion_map.mistake("You divide each drop by the number of cells in the box.", ask="What does the task divide by?")
def per_cell(predict, x, size, stride, fill):
    def gather(masks, drops):
        drops = drops / masks.sum(axis=(1, 2))
        return np.tensordot(drops, masks, 1) / np.maximum(masks.sum(axis=0), 1)

    return _hidden(predict, x, size, stride, fill, gather=gather)


@occlusion_map.mistake("You divide by the number of all boxes, also those that do not cover the cell.",
                       ask="Over which boxes is the mean taken?")
def mean_over_all_boxes(predict, x, size, stride, fill):
    def gather(masks, drops):
        return np.tensordot(drops, masks, 1) / len(masks)

    return _hidden(predict, x, size, stride, fill, gather=gather)


@occlusion_map.mistake("You take the size of the drop and lose its sign: where hiding something raises the score "
                       "cannot be seen.", ask="What does a negative drop tell?")
def without_sign(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, drop=lambda whole, hidden: np.abs(whole - hidden))


@occlusion_map.mistake("You divide the drop by the score of the whole picture, which can be anything, 0 too.",
                       ask="Which two numbers make a drop?")
def relative_drop(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, drop=lambda whole, hidden: (whole - hidden) / (whole or 1))


@occlusion_map.mistake("Your map holds scores of hidden pictures, not drops.", ask="What is subtracted from what?")
def scores_for_drops(predict, x, size, stride, fill):
    return _hidden(predict, x, size, stride, fill, drop=lambda whole, hidden: hidden)


# ---------------------------------------------------------------------------------------------- 06.8

CLIPS, SECONDS = 420, 8         # seven clips of each style to be judged by: of 300 it were five, and luck would decide
ENOUGH = 0.60                   # macro-F1: means of a log-mel reach 0.33 to 0.43 by logistic regression on these clips

my_styles = Exercise(
    "06.8", "my_styles",
    example=lambda: (),
    hints=[
        "Listen to three clips of each style and write down what tells them apart: how many voices, which chords, how "
        "long the notes are, how they begin. Then ask of each feature whether it could know that.",
        "A mean forgets when something happens: add how much each row varies, and how much begins in a frame. Chroma "
        "tells which notes sound together, but the key is drawn by lot: sort the twelve classes by their strength, or "
        "compare the chroma with itself, turned by k semitones.",
        "One row of numbers for each clip, brought to one scale, and a logistic regression or an SVM whose `C` is "
        "chosen by the validation clips. Then learn once more from training and validation together, and predict the "
        "test clips as they stand in the table.",
    ],
    learned="Means of a log-mel reach about 0.4. What is beyond lies in what a mean forgets: how many notes sound at "
            "once, which ones, and how they begin.",
    seconds=300.0,
)


@functools.cache
def _styles_table():
    """Table of the corpus; or its plan, where the corpus has not been made on this machine."""
    from .. import corpus, paths
    from ..corpora import music

    made = paths.data("raw", f"music-genres-n{CLIPS}-{SECONDS}s-s0", "metadata.csv")
    return corpus.read_table(made) if made.exists() else music.plan_genres(CLIPS, SECONDS)


def _truth():
    """Style of each clip of the test part, and the names of all styles."""
    table = _styles_table()
    return table.label[table.split == "test"].to_numpy(str), sorted(set(table.label))


@my_styles.output
def is_a_style_for_each_test_clip(t, got):
    (truth, styles), answers = _truth(), as_array(got)
    t.holds(answers.ndim == 1, f"You hand over **{_kind_of(got, answers)}**, expected a list or an array of "
            f"{len(truth)} names, one for each clip of the test part.", ask="What does your model say about one clip?")
    split = _styles_table().split
    parts = {sum(split == "train"): "the training part has", sum(split != "test"): "training and validation have",
             len(split): "the whole corpus has"}
    also = f", and {len(answers)} is what {parts[len(answers)]}" if len(answers) in parts else ""
    t.holds(len(answers) == len(truth), f"You hand over **{len(answers)}** styles. The test part has {len(truth)} clips"
            f"{also}.", ask="Which clips did you put before your model?")
    odd = [one for one in answers.tolist() if not isinstance(one, str)]
    t.holds(not odd, f"Your styles are no names but values like **{briefly(odd[0]) if odd else ''}**. The corpus has "
            f"the styles {_listed(styles)}.", ask="Which name does each of your numbers stand for?")
    unknown = sorted(set(answers.tolist()) - set(styles))
    t.holds(not unknown, f"**{briefly(unknown[0]) if unknown else ''}** is no style of this corpus, which has "
            f"{_listed(styles)}.", ask="How does the table spell its labels?")


def _kind_of(got, answers):
    """What was handed over in place of a list, in a few words."""
    if got is None:
        return "None"
    return f"an array of shape {list(answers.shape)}" if answers.ndim else f"something of type {type(got).__name__}"


@my_styles.edges
def says_more_than_one_thing(t):
    answers = as_array(t())
    t.holds(len(set(answers.tolist())) > 1, f"All {len(answers)} clips are **{answers[0]}** with you. There are six "
            "styles, as many clips of each, so that is right for one in six.",
            ask="What does your model see of a clip, and does it know the training clips at least?")


@my_styles.properties
def stands_in_the_order_of_the_table(t):
    answers = as_array(t()).tolist()
    t.holds(answers != sorted(answers), "Your styles stand in alphabetical order. The clips of the table do not.",
            ask="Which step of yours put them in order?")


@my_styles.properties
def was_not_looked_up(t):
    (truth, _), answers = _truth(), as_array(t())
    t.holds(np.any(answers != truth), f"All {len(truth)} answers are those of the table. Whoever has learnt from "
            f"{sum(_styles_table().split == 'train')} clips is wrong now and then.",
            ask="Can your model have seen the labels of the test clips?")


@my_styles.reference
def is_good_enough_by_sklearn(t):
    from sklearn.metrics import confusion_matrix, f1_score

    (truth, styles), answers = _truth(), as_array(t()).astype(str)
    f1 = f1_score(truth, answers, labels=styles, average=None, zero_division=0)
    table = confusion_matrix(truth, answers, labels=styles)
    wrong = table * (1 - np.eye(len(styles), dtype=int))
    one, other = (styles[i] for i in np.unravel_index(np.argmax(wrong), wrong.shape))
    each = _listed([f"{style} {value:.2f}" for style, value in zip(styles, f1, strict=True)])
    t.holds(f1.mean() >= ENOUGH, f"By `sklearn.metrics.f1_score` the macro-F1 of your styles is **{f1.mean():.2f}**; "
            f"at least {ENOUGH:.2f} is asked for. By style it is {each}, weakest for **{styles[int(np.argmin(f1))]}**. "
            f"Most often, {wrong.max()} times, you take {one} for {other}.",
            ask="Are your styles those of the test clips, in the order of the table?" if f1.mean() < 0.3 else
            f"How does an ear tell {one} from {other}, and which of your features measures that?",
            show=(table, np.diag(table.sum(axis=1))))


@my_styles.mistake("These are the labels of the table, and no prediction.",
                   ask="Which columns of the table may a model see?")
def labels_of_the_table():
    return _truth()[0]
