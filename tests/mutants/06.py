"""Wrong answers of chapter 06, each a misconception, with the stage and the words that must reject it."""

from collections import Counter

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn.functional import conv2d, pad, relu

from audiolab import features
from audiolab.corpora.music import STYLES, genres
from mutants import mutant

# ---------------------------------------------------------------------------------------------- 06.1


def counted(truth, predicted, k):
    """The matrix, as most of the answers below have it."""
    matrix = np.zeros((k, k), np.int64)
    np.add.at(matrix, (truth, predicted), 1)
    return matrix


def f1_of(matrix):
    """F1 of each class, 0 where it neither occurs nor is called."""
    tp = np.diagonal(matrix)
    return 2 * tp / np.maximum(matrix.sum(axis=0) + matrix.sum(axis=1), 1)


def precision_and_recall(matrix):
    tp = np.diagonal(matrix)
    return tp / np.maximum(matrix.sum(axis=0), 1), tp / np.maximum(matrix.sum(axis=1), 1)


@mutant("06.1", stage="edges", says="your entry [i, j] counts the clips of class j that were called i")
def rows_for_the_names(truth, predicted, n_classes):
    matrix = counted(predicted, truth, n_classes)
    return matrix, f1_of(matrix)[np.unique(truth)].mean()


@mutant("06.1", stage="edges", says="Each pair of classes is counted once")
def fancy_increment(truth, predicted, n_classes):
    matrix = np.zeros((n_classes, n_classes), np.int64)
    matrix[truth, predicted] += 1
    return matrix, f1_of(matrix)[np.unique(truth)].mean()


@mutant("06.1", stage="edges", says="That is the accuracy, which is also what F1 becomes")
def micro(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    tp, errors = np.trace(matrix), len(truth) - np.trace(matrix)
    return matrix, 2 * tp / (2 * tp + errors + errors)


@mutant("06.1", stage="edges", says="You average over all classes, also those of which there is no clip")
def mean_of_all(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float(f1_of(matrix).mean())


@mutant("06.1", stage="edges", says="You average over the classes that occur in either list")
def as_scikit_learn_does(truth, predicted, n_classes):
    from sklearn.metrics import confusion_matrix, f1_score

    return (confusion_matrix(truth, predicted, labels=np.arange(n_classes)),
            f1_score(truth, predicted, average="macro", zero_division=0))


@mutant("06.1", stage="output", says="Your matrix has rows and columns only for classes that occur")
def scikit_learn_without_labels(truth, predicted, n_classes):
    from sklearn.metrics import confusion_matrix, f1_score

    f1 = f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)
    return confusion_matrix(truth, predicted), f1


@mutant("06.1", stage="output", says="Your matrix ends at the largest label that occurs")
def as_large_as_the_largest_label(truth, predicted, n_classes):
    matrix = counted(truth, predicted, max(truth.max(), predicted.max()) + 1)
    return matrix, float(f1_of(matrix)[np.unique(truth)].mean())


@mutant("06.1", stage="output", says="A class of which no clip was found makes 0 / 0")
def precision_of_nothing(truth, predicted, n_classes):
    matrix, there = counted(truth, predicted, n_classes), np.unique(truth)
    with np.errstate(invalid="ignore"):
        precision = np.diagonal(matrix) / matrix.sum(axis=0)
        recall = np.diagonal(matrix) / matrix.sum(axis=1)
        return matrix, float(np.mean((2 * precision * recall / (precision + recall))[there]))


@mutant("06.1", stage="output", says="A class of which no clip was found makes 0 / 0")
def harmonic_mean_of_two_zeros(truth, predicted, n_classes):
    matrix, there = counted(truth, predicted, n_classes), np.unique(truth)
    precision, recall = (x[there] for x in precision_and_recall(matrix))
    with np.errstate(invalid="ignore"):
        return matrix, float(np.mean(2 * precision * recall / (precision + recall)))


@mutant("06.1", stage="edges", says="you return nan, expected a number")
def nan_left_out(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    with np.errstate(invalid="ignore"):
        precision = np.diagonal(matrix) / matrix.sum(axis=0)
        recall = np.diagonal(matrix) / matrix.sum(axis=1)
        scores = 2 * precision * recall / (precision + recall)
    return matrix, float(np.nanmean(scores)) if np.isfinite(scores).any() else np.nan


@mutant("06.1", stage="edges", says="You leave out the classes that are never called, and so the worst ones")
def over_the_classes_in_both_lists(truth, predicted, n_classes):
    matrix, both = counted(truth, predicted, n_classes), sorted({*truth.tolist()} & {*predicted.tolist()})
    return matrix, float(f1_of(matrix)[both].mean()) if both else 0.0


@mutant("06.1", stage="edges", says="What is 2 TP / (2 TP + FP + FN) of class 1")
def over_the_classes_called(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float(f1_of(matrix)[np.unique(predicted)].mean())


@mutant("06.1", stage="edges", says="You average precision and recall over the classes first")
def f1_of_mean_precision_and_mean_recall(truth, predicted, n_classes):
    matrix, there = counted(truth, predicted, n_classes), np.unique(truth)
    p, r = (x[there].mean() for x in precision_and_recall(matrix))
    return matrix, 2 * p * r / max(p + r, 1e-300)


@mutant("06.1", stage="edges", says="You weight each class by its number of clips")
def weighted(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float(f1_of(matrix) @ matrix.sum(axis=1) / len(truth))


@mutant("06.1", stage="edges", says="TP is counted once in your fraction")
def intersection_over_union(truth, predicted, n_classes):
    matrix, there = counted(truth, predicted, n_classes), np.unique(truth)
    union = matrix.sum(axis=0) + matrix.sum(axis=1) - np.diagonal(matrix)
    return matrix, float((np.diagonal(matrix)[there] / union[there]).mean())


@mutant("06.1", stage="edges", says="That is recall alone, whose mean is called balanced accuracy")
def balanced_accuracy(truth, predicted, n_classes):
    return counted(truth, predicted, n_classes), float(np.mean([np.mean(predicted[truth == c] == c)
                                                                for c in np.unique(truth)]))


@mutant("06.1", stage="edges", says="That is precision alone")
def macro_precision(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float(precision_and_recall(matrix)[0][np.unique(truth)].mean())


@mutant("06.1", stage="edges", says="You take the arithmetic mean of precision and recall")
def half_of_precision_and_recall(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float((sum(precision_and_recall(matrix)) / 2)[np.unique(truth)].mean())


@mutant("06.1", stage="edges", says="macro F1 is 0.4330, expected 0.4286")
def geometric_mean(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, float(np.sqrt(np.multiply(*precision_and_recall(matrix)))[np.unique(truth)].mean())


@mutant("06.1", stage="edges", says="so that TP is there four times")
def whole_row_and_whole_column_besides(truth, predicted, n_classes):
    matrix, there = counted(truth, predicted, n_classes), np.unique(truth)
    tp = np.diagonal(matrix)
    return matrix, float((2 * tp / (2 * tp + matrix.sum(axis=0) + matrix.sum(axis=1)))[there].mean())


@mutant("06.1", stage="output", says="Your F1 is 44.44; it lies between 0 and 1")
def in_percent(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, 100 * float(f1_of(matrix)[np.unique(truth)].mean())


@mutant("06.1", stage="edges", says="macro F1 is 0.9990, expected 1.0000")
def something_small_below_the_line(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    f1 = 2 * np.diagonal(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1) + 2e-3)
    return matrix, float(f1[np.unique(truth)].mean())


@mutant("06.1", stage="output", says="the type of your output is float64, expected int64")
def shares_of_each_row(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    f1 = float(f1_of(matrix)[np.unique(truth)].mean())
    return matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1), f1


@mutant("06.1", stage="output", says="the type of your output is float64, expected int64")
def counted_in_floats(truth, predicted, n_classes):
    matrix = np.zeros((n_classes, n_classes))
    np.add.at(matrix, (truth, predicted), 1)
    return matrix, float(f1_of(matrix)[np.unique(truth)].mean())


@mutant("06.1", stage="output", says="Your matrix is of type list")
def a_matrix_of_lists(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix.tolist(), float(f1_of(matrix)[np.unique(truth)].mean())


@mutant("06.1", stage="output", says="you return an array of shape [3], expected one number")
def one_f1_for_each_class(truth, predicted, n_classes):
    matrix = counted(truth, predicted, n_classes)
    return matrix, f1_of(matrix)[np.unique(truth)]


@mutant("06.1", stage="output", says="You return an array of shape [6, 6], expected two")
def only_the_matrix(truth, predicted, n_classes):
    return counted(truth, predicted, n_classes)


@mutant("06.1", stage="edges", says="You number the pairs in the type of the labels")
def bincount_of_small_numbers(truth, predicted, n_classes):
    pairs = truth * n_classes + predicted
    matrix = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
    return matrix, float(f1_of(matrix)[matrix.sum(axis=1) > 0].mean())


@mutant("06.1", stage="properties", says="the matrix should count each clip once")
def counts_to_255(truth, predicted, n_classes):
    matrix = np.zeros((n_classes, n_classes), np.uint8)
    np.add.at(matrix, (truth, predicted), 1)
    matrix = matrix.astype(np.int64)
    return matrix, float(f1_of(matrix)[np.unique(truth)].mean())


@mutant("06.1", stage="reference", says="agree with `sklearn.metrics.confusion_matrix`")
def counts_to_32767(truth, predicted, n_classes):
    matrix = np.zeros((n_classes, n_classes), np.int16)
    np.add.at(matrix, (truth, predicted), 1)
    matrix = np.abs(matrix.astype(np.int64))
    return matrix, float(f1_of(matrix)[np.unique(truth)].mean())


# ---------------------------------------------------------------------------------------------- 06.2


def filtered(x, depthwise, **options):
    """The first step, as most of the answers below have it."""
    return conv2d(x, depthwise[:, None], groups=len(depthwise), **({"padding": 1} | options))


def mixed(z, pointwise):
    """The second."""
    return torch.einsum("dc,bchw->bdhw", pointwise, z)


@mutant("06.2", stage="edges", says="Your filters are turned round")
def convolution_of_mathematics(x, depthwise, pointwise):
    return mixed(filtered(x, torch.flip(depthwise, (1, 2))), pointwise)


@mutant("06.2", stage="edges", says="Which neighbour does the weight [0, 0] look at")
def turned_along_time_only(x, depthwise, pointwise):
    return mixed(filtered(x, torch.flip(depthwise, (2,))), pointwise)


@mutant("06.2", stage="edges", says="Height and width of your filters are exchanged")
def filters_transposed(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise.transpose(1, 2)), pointwise)


@mutant("06.2", stage="output", says="Nothing is padded")
def valid_points_only(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise, padding=0), pointwise)


@mutant("06.2", stage="output", says="the shape of your output is [2, 3, 6, 7], expected [2, 3, 4, 5]")
def padded_twice(x, depthwise, pointwise):
    return mixed(filtered(pad(x, (1, 1, 1, 1)), depthwise), pointwise)


@mutant("06.2", stage="edges", says="Outside of the picture you repeat its edge")
def edge_outside(x, depthwise, pointwise):
    return mixed(filtered(pad(x, (1, 1, 1, 1), mode="replicate"), depthwise, padding=0), pointwise)


@mutant("06.2", stage="edges", says="What leaves your picture on one side comes in on the other")
def rolled(x, depthwise, pointwise):
    z = sum(depthwise[:, i, j, None, None] * torch.roll(x, (1 - i, 1 - j), (2, 3)) for i in range(3) for j in range(3))
    return mixed(z, pointwise)


@mutant("06.2", stage="edges", says="of the filter 1, 2, 3 over 4, 5, 6 over 7, 8, 9 only the 5")
def zeros_on_one_side(x, depthwise, pointwise):
    return mixed(filtered(pad(x, (0, 2, 0, 2)), depthwise, padding=0), pointwise)


@mutant("06.2", stage="edges", says="so that the picture is moved by a point")
def zeros_before_the_picture(x, depthwise, pointwise):
    return mixed(filtered(pad(x, (2, 0, 2, 0)), depthwise, padding=0), pointwise)


@mutant("06.2", stage="edges", says="Padding size should be less than")
def mirrored_outside(x, depthwise, pointwise):
    return mixed(filtered(pad(x, (1, 1, 1, 1), mode="reflect"), depthwise, padding=0), pointwise)


@mutant("06.2", stage="edges", says="of the filter 1, 2, 3 over 4, 5, 6 over 7, 8, 9 only the 5")
def rows_run_on(x, depthwise, pointwise):
    height, width = x.shape[2:]
    line = pad(x.flatten(2), (width + 1, width + 1))            # one long row, which has no ends at the sides
    z = sum(depthwise[:, i, j, None] * line[:, :, i * width + j :][:, :, : height * width]
            for i in range(3) for j in range(3))
    return mixed(z.reshape(x.shape), pointwise)


@mutant("06.2", stage="edges", says="of nothing comes nothing")
def with_a_bias(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise), pointwise) + 0.1


@mutant("06.2", stage="properties", says="All channels are filtered by the first channel's filter")
def first_filter_for_all(x, depthwise, pointwise):
    z = torch.stack([conv2d(x[:, c : c + 1], depthwise[:1, None], padding=1)[:, 0] for c in range(x.shape[1])], dim=1)
    return mixed(z, pointwise)


@mutant("06.2", stage="properties", says="The three channels should come out times 2, −3 and 5")
def mean_filter_for_all(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise.mean(dim=0, keepdim=True).expand_as(depthwise)), pointwise)


@mutant("06.2", stage="properties", says="Each of your filters sees the sum of all channels")
def groups_forgotten(x, depthwise, pointwise):
    every = depthwise[:, None].expand(-1, x.shape[1], -1, -1)
    return mixed(conv2d(x, every, padding=1), pointwise)


@mutant("06.2", stage="runs", says="expected input[")
def groups_forgotten_in_conv2d(x, depthwise, pointwise):
    return mixed(conv2d(x, depthwise[:, None], padding=1), pointwise)


@mutant("06.2", stage="properties", says="You add up the filtered channels before they are mixed")
def summed_then_spread(x, depthwise, pointwise):
    return filtered(x, depthwise).sum(dim=1, keepdim=True) * pointwise.sum(dim=1).reshape(-1, 1, 1)


@mutant("06.2", stage="properties", says="The pointwise weights are transposed")
def mixed_by_the_transpose(x, depthwise, pointwise):
    return torch.einsum("cd,bchw->bdhw", pointwise, filtered(x, depthwise))


@mutant("06.2", stage="properties", says="You mix first and filter afterwards")
def pointwise_before_depthwise(x, depthwise, pointwise):
    return filtered(mixed(x, pointwise), depthwise)


@mutant("06.2", stage="properties", says="Between the two steps you set negative values to zero")
def relu_after_depthwise(x, depthwise, pointwise):
    return mixed(relu(filtered(x, depthwise)), pointwise)


@mutant("06.2", stage="properties", says="At the end you set negative values to zero")
def relu_after_pointwise(x, depthwise, pointwise):
    return relu(mixed(filtered(x, depthwise), pointwise))


@mutant("06.2", stage="edges", says="You divide by nine")
def averages_the_neighbours(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise) / 9, pointwise)


@mutant("06.2", stage="properties", says="The filtered channels come out as they are")
def pointwise_not_used(x, depthwise, pointwise):
    return filtered(x, depthwise)


@mutant("06.2", stage="edges", says="You add the input to the output")
def residual(x, depthwise, pointwise):
    y = mixed(filtered(x, depthwise), pointwise)
    return x + y if y.shape == x.shape else y


@mutant("06.2", stage="properties", says="The three channels should come out times 2, −3 and 5")
def filters_dealt_to_clips(x, depthwise, pointwise):
    batch, channels, height, width = x.shape
    every = depthwise.repeat_interleave(batch, dim=0)[:, None]              # of a batch of two: 0, 0, 1, 1, 2, 2
    z = conv2d(x.reshape(1, -1, height, width), every, padding=1, groups=batch * channels)
    return mixed(z.reshape(x.shape), pointwise)


@mutant("06.2", stage="properties", says="twice that for y")
def scaled_to_its_largest_value(x, depthwise, pointwise):
    return mixed(filtered(x / x.abs().max().clamp(min=4.0) * 4, depthwise), pointwise)


@mutant("06.2", stage="output", says="an array of NumPy of shape [2, 3, 4, 5], expected a tensor")
def back_to_numpy(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise), pointwise).numpy()


@mutant("06.2", stage="output", says="the type of your output is float64, expected float32")
def in_double_precision(x, depthwise, pointwise):
    return mixed(filtered(x.double(), depthwise.double()), pointwise.double())


@mutant("06.2", stage="output", says="the shape of your output is [2, 4, 5, 3]")
def channels_last(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise), pointwise).permute(0, 2, 3, 1)


@mutant("06.2", stage="runs", says="it changes its argument `x`")
def filters_in_place(x, depthwise, pointwise):
    x[:] = filtered(x, depthwise)
    return mixed(x, pointwise)


@mutant("06.2", stage="reference", says="it has to agree with `torch.nn.functional.conv2d`")
def eight_channels_at_most(x, depthwise, pointwise):
    return mixed(filtered(x, depthwise)[:, :8], pointwise[:, :8])


@mutant("06.2", stage="reference", says="it has to agree with `torch.nn.functional.conv2d`")
def sixteen_rows_at_most(x, depthwise, pointwise):
    y = mixed(filtered(x, depthwise), pointwise)
    y[:, :, 16:] = 0
    return y


# ---------------------------------------------------------------------------------------------- 06.3


def along_the_batch(weight, a):
    return weight.reshape(-1, *[1] * (a.ndim - 1))


def blend(a, weight, partner):
    """The formula, as most of the answers below have it."""
    own = along_the_batch(weight, a)
    return (own * a + (1 - own) * a[partner]).astype(np.float32)


def hot(y, n_classes):
    return np.eye(n_classes, dtype=np.float32)[y]


@mutant("06.3", stage="properties", says="One weight is drawn for the whole batch")
def one_lambda(x, y, n_classes, alpha, rng):
    lam, partner = rng.beta(alpha, alpha), rng.permutation(len(x))
    table = hot(y, n_classes)
    return ((lam * x + (1 - lam) * x[partner]).astype(np.float32),
            (lam * table + (1 - lam) * table[partner]).astype(np.float32))


@mutant("06.3", stage="properties", says="Your targets are not mixed")
def own_class_only(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), hot(y, n_classes)


@mutant("06.3", stage="properties", says="Your targets name only the class with the larger share")
def class_of_the_larger_part(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), hot(np.where(weight >= 0.5, y, y[partner]), n_classes)


@mutant("06.3", stage="properties", says="in the targets the two weights are exchanged")
def targets_the_other_way_round(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), 1 - weight, partner)


@mutant("06.3", stage="reference", says="Your weight is that of the partner")
def lambda_on_the_partner(x, y, n_classes, alpha, rng):
    weight, partner = 1 - rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="The classes are mixed with other partners than the examples")
def two_permutations(x, y, n_classes, alpha, rng):
    weight = rng.beta(alpha, alpha, len(x))
    return (blend(x, weight, rng.permutation(len(x))),
            blend(hot(y, n_classes), weight, rng.permutation(len(x))))


@mutant("06.3", stage="reference", says="You draw the partners before the weights")
def permutation_first(x, y, n_classes, alpha, rng):
    partner, weight = rng.permutation(len(x)), rng.beta(alpha, alpha, len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="You raise every weight above 1/2")
def never_the_smaller_part(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    weight = np.maximum(weight, 1 - weight)
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="as a crossfade of equal power does")
def crossfade(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    own = along_the_batch(weight, x)
    mixture = np.sqrt(own) * x + np.sqrt(1 - own) * x[partner]
    return mixture.astype(np.float32), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="One example alone is its own partner")
def levels_in_decibels(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    own = along_the_batch(weight, x)
    mixture = 10 ** (-20 * (1 - own) / 20) * x + 10 ** (-20 * own / 20) * x[partner]
    return mixture.astype(np.float32), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="The partner is added on top")
def noise_on_top(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    mixture = x + (1 - along_the_batch(weight, x)) * x[partner]
    return mixture.astype(np.float32), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="You draw each partner by itself")
def integers_for_partners(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.integers(0, len(x), len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="The partner is always the neighbour in the batch")
def rolled_by_one(x, y, n_classes, alpha, rng):
    weight = rng.beta(alpha, alpha, len(x))
    own, table = along_the_batch(weight, x), hot(y, n_classes)
    return ((own * x + (1 - own) * np.roll(x, 1, axis=0)).astype(np.float32),
            (weight[:, None] * table + (1 - weight[:, None]) * np.roll(table, 1, axis=0)).astype(np.float32))


@mutant("06.3", stage="properties", says="The partners are the batch in reverse order")
def flipped_batch(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), np.arange(len(x))[::-1]
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="Your weights run along the last axis of x")
def weights_as_they_come(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return (weight * x + (1 - weight) * x[partner]).astype(np.float32), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="Your mixtures have the shape [5, 5, 4, 5], expected [5, 1, 4, 5]")
def weights_for_pictures_only(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    own = weight[:, None, None] if x.ndim > 2 else along_the_batch(weight, x)
    return (own * x + (1 - own) * x[partner]).astype(np.float32), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="Your weights are spread evenly from 0 to 1")
def uniform_weights(x, y, n_classes, alpha, rng):
    weight, partner = rng.random(len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="properties", says="Your weights are drawn from Beta(alpha, 1)")
def beta_of_alpha_and_one(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, 1.0, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="edges", says="every mixture should be a constant")
def a_weight_for_every_value(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, x.shape), rng.permutation(len(x))
    mixture = weight * x + (1 - weight) * x[partner]
    return mixture.astype(np.float32), blend(hot(y, n_classes), weight.reshape(len(x), -1).mean(axis=1), partner)


@mutant("06.3", stage="properties", says="nobody could repeat your experiment")
def global_generator(x, y, n_classes, alpha, rng):
    weight, partner = np.random.beta(alpha, alpha, len(x)), np.random.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="runs", says="it changes its argument `x`")
def shuffles_the_batch_itself(x, y, n_classes, alpha, rng):
    weight, before, order = rng.beta(alpha, alpha, len(x)), x.copy(), rng.permutation(len(x))
    x[:] = x[order]
    own = along_the_batch(weight, x)
    return (own * before + (1 - own) * x).astype(np.float32), blend(hot(y, n_classes), weight, order)


@mutant("06.3", stage="runs", says="it changes its argument `x`")
def mixes_in_place(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    x *= along_the_batch(weight, x).astype(np.float32)
    return x + blend(x, 0 * weight, partner), blend(hot(y, n_classes), weight, partner)


@mutant("06.3", stage="output", says="the type of your output is float64, expected float32")
def in_float64(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    own, table = along_the_batch(weight, x), hot(y, n_classes)
    return own * x + (1 - own) * x[partner], weight[:, None] * table + (1 - weight[:, None]) * table[partner]


@mutant("06.3", stage="output", says="Your targets have the shape [4], expected [4, 5]")
def mixed_numbers_of_classes(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), (weight * y + (1 - weight) * y[partner]).astype(np.float32)


@mutant("06.3", stage="output", says="You return 4 things, expected two")
def two_targets_and_a_weight(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), y, y[partner], weight


@mutant("06.3", stage="output", says="Your targets have the shape [4, 4], expected [4, 5]")
def only_the_classes_of_the_batch(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    y = np.append(np.unique(y), 0)[: len(y)]
    return blend(x, weight, partner), blend(np.eye(len(y))[np.argsort(y)], weight, partner)


@mutant("06.3", stage="edges", says="One example alone keeps its class")
def smoothed_targets(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    smooth = 0.9 * hot(y, n_classes) + 0.1 / n_classes
    return blend(x, weight, partner), blend(smooth, weight, partner)


@mutant("06.3", stage="edges", says="one_hot is only applicable to index tensor")
def one_hot_by_torch(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    table = torch.nn.functional.one_hot(torch.from_numpy(y), n_classes).numpy()
    return blend(x, weight, partner), blend(table, weight, partner)


@mutant("06.3", stage="properties", says="mixtures and targets are the same numbers")
def rounded_targets(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    return blend(x, weight, partner), blend(hot(y, n_classes), np.round(weight, 1), partner)


@mutant("06.3", stage="edges", says="the share of one overwrites that of the other")
def second_share_overwrites_the_first(x, y, n_classes, alpha, rng):
    weight, partner = rng.beta(alpha, alpha, len(x)), rng.permutation(len(x))
    targets = np.zeros((len(x), n_classes), np.float32)
    for row, a, b, share in zip(targets, y, y[partner], weight, strict=True):
        row[a] = share
        row[b] = 1 - share
    return blend(x, weight, partner), targets


# ---------------------------------------------------------------------------------------------- 06.4


def valid(x, lengths):
    return np.arange(x.shape[1]) < lengths[:, None]


def shares(scores):
    """Softmax over time, as most of the answers below have it."""
    rising = np.exp(scores - scores.max(axis=1, keepdims=True))
    return rising / rising.sum(axis=1, keepdims=True)


def under(x, weights):
    """The weighted mean, and the weights."""
    return np.matmul(weights[:, None], x)[:, 0].astype(np.float32), weights.astype(np.float32)


def masked(x, w, lengths, padding=-np.inf):
    return np.where(valid(x, lengths), x @ w, padding)


@mutant("06.4", stage="edges", says="Your softmax runs over the clips of the batch")
def softmax_over_axis_0(x, w, lengths):
    rising = np.exp(x @ w) * valid(x, lengths)
    return under(x, rising / np.maximum(rising.sum(axis=0), 1e-30))


@mutant("06.4", stage="edges", says="Your softmax runs over all frames of all clips together")
def softmax_over_all(x, w, lengths):
    scores = masked(x, w, lengths)
    rising = np.exp(scores - scores.max())
    return under(x, rising / rising.sum())


@mutant("06.4", stage="edges", says="The lengths are not used")
def no_mask(x, w, lengths):
    return under(x, shares(x @ w))


@mutant("06.4", stage="edges", says="You give the padding the score 0")
def mask_times_scores(x, w, lengths):
    return under(x, shares((x @ w) * valid(x, lengths)))


@mutant("06.4", stage="edges", says="a frame of it has the weight")
def padding_of_zeros_in_x(x, w, lengths):
    return under(x, shares((x * valid(x, lengths)[..., None]) @ w))


@mutant("06.4", stage="edges", says="You give the padding a low score, but not the lowest")
def minus_a_hundred(x, w, lengths):
    return under(x, shares(masked(x, w, lengths, -100)))


@mutant("06.4", stage="edges", says="You set the weights of the padding to 0 after the softmax")
def mask_after(x, w, lengths):
    return under(x, shares(x @ w) * valid(x, lengths))


@mutant("06.4", stage="edges", says="The largest score that you subtract may be one of the padding")
def max_before_the_mask(x, w, lengths):
    scores = x @ w
    rising = np.exp(scores - scores.max(axis=1, keepdims=True)) * valid(x, lengths)
    with np.errstate(invalid="ignore"):
        return under(x, rising / rising.sum(axis=1, keepdims=True))


@mutant("06.4", stage="edges", says="You take the exponential of the scores as they are")
def no_maximum_subtracted(x, w, lengths):
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        rising = np.exp(masked(x, w, lengths))
        return under(x, rising / rising.sum(axis=1, keepdims=True))


@mutant("06.4", stage="edges", says="You subtract the largest score of the whole batch")
def one_maximum_for_the_batch(x, w, lengths):
    scores = masked(x, w, lengths)
    with np.errstate(invalid="ignore"):
        rising = np.exp(scores - scores.max())
        return under(x, rising / rising.sum(axis=1, keepdims=True))


@mutant("06.4", stage="properties", says="Your weights are right, but the result is the plain mean")
def mean_of_the_frames_that_count(x, w, lengths):
    mean = np.stack([x[b, :n].mean(axis=0) for b, n in enumerate(lengths)])
    return mean.astype(np.float32), shares(masked(x, w, lengths)).astype(np.float32)


@mutant("06.4", stage="edges", says="All frames have the same weight: `w` is not used")
def mean_pooling(x, w, lengths):
    return under(x, valid(x, lengths) / lengths[:, None])


@mutant("06.4", stage="edges", says="The weighted frames are divided by their number once more")
def mean_instead_of_sum(x, w, lengths):
    weights = shares(masked(x, w, lengths))
    return (weights[..., None] * x).mean(axis=1).astype(np.float32), weights.astype(np.float32)


@mutant("06.4", stage="edges", says="You weight by a sigmoid of each score by itself")
def gates(x, w, lengths):
    with np.errstate(over="ignore"):
        return under(x, valid(x, lengths) / (1 + np.exp(-(x @ w).astype(float))))


@mutant("06.4", stage="edges", says="Two frames have the largest score")
def gates_that_add_up_to_one(x, w, lengths):
    with np.errstate(over="ignore"):
        gate = valid(x, lengths) / (1 + np.exp(-(x @ w).astype(float)))
    return under(x, gate / np.maximum(gate.sum(axis=1, keepdims=True), 1e-30))


@mutant("06.4", stage="properties", says="You divide the scores by the root of the number of features")
def as_in_a_transformer(x, w, lengths):
    return under(x, shares(masked(x, w, lengths) / np.sqrt(len(w))))


@mutant("06.4", stage="output", says="A weight is a share, never below 0")
def scores_over_their_sum(x, w, lengths):
    scores = masked(x, w, lengths, 0)
    return under(x, scores / scores.sum(axis=1, keepdims=True))


@mutant("06.4", stage="edges", says="Two frames have the largest score")
def absolute_scores_over_their_sum(x, w, lengths):
    scores = np.abs(masked(x, w, lengths, 0)) + 1e-12 * valid(x, lengths)
    return under(x, scores / scores.sum(axis=1, keepdims=True))


@mutant("06.4", stage="edges", says="The frame with the largest score has all the weight")
def hard_attention(x, w, lengths):
    scores = masked(x, w, lengths)
    return under(x, np.float64(np.arange(x.shape[1]) == scores.argmax(axis=1)[:, None]))


@mutant("06.4", stage="edges", says="The first frame of the padding counts as well")
def up_to_and_with_the_length(x, w, lengths):
    return under(x, shares(np.where(np.arange(x.shape[1]) <= lengths[:, None], x @ w, -np.inf)))


@mutant("06.4", stage="edges", says="The last frame of each clip is missing")
def without_the_last_frame(x, w, lengths):
    return under(x, shares(masked(x, w, np.maximum(lengths - 1, 1))))


@mutant("06.4", stage="edges", says="You take the padding to stand before the clip")
def right_aligned(x, w, lengths):
    return under(x, shares(np.where(valid(x, lengths)[:, ::-1], x @ w, -np.inf)))


@mutant("06.4", stage="edges", says="Two frames have the largest score and share the weight")
def clipped_scores(x, w, lengths):
    rising = np.exp(np.clip(x @ w, -60, 60)) * valid(x, lengths)
    return under(x, rising / rising.sum(axis=1, keepdims=True))


@mutant("06.4", stage="runs", says="could not be broadcast together")
def mask_along_the_wrong_axis(x, w, lengths):
    return under(x, shares(np.where(np.arange(x.shape[1])[:, None] < lengths, x @ w, -np.inf)))


@mutant("06.4", stage="edges", says="no shape gives a wrong axis away")
def mask_turned_where_it_does_not_fit(x, w, lengths):
    mask = np.arange(x.shape[1])[:, None] < lengths
    if mask.shape != x.shape[:2]:
        mask = mask.T
    return under(x, shares(np.where(mask, x @ w, -np.inf)))


@mutant("06.4", stage="properties", says="The weights should be as 1 to 3")
def powers_of_two(x, w, lengths):
    return under(x, shares(np.log(2) * masked(x, w, lengths)))


@mutant("06.4", stage="edges", says="Two frames have the largest score")
def bounded_scores(x, w, lengths):
    return under(x, shares(np.where(valid(x, lengths), np.tanh(x @ w), -np.inf)))


@mutant("06.4", stage="properties", says="With w = 0 all frames that count have the same weight")
def softmax_of_the_vector(x, w, lengths):
    soft = np.exp(w - w.max())
    return under(x, shares(masked(x, soft / soft.sum(), lengths)))


@mutant("06.4", stage="output", says="Your weights have the shape [3, 5, 2], expected [3, 5]")
def a_softmax_for_every_feature(x, w, lengths):
    scores = np.where(valid(x, lengths)[..., None], x * w, -np.inf)
    weights = shares(scores)
    return (weights * x).sum(axis=1).astype(np.float32), weights.astype(np.float32)


@mutant("06.4", stage="output", says="Your pooled vectors have the shape [3, 5], expected [3, 2]")
def weights_first(x, w, lengths):
    return under(x, shares(masked(x, w, lengths)))[::-1]


@mutant("06.4", stage="output", says="Your pooled vectors have the shape [3], expected [3, 2]")
def mean_of_the_scores(x, w, lengths):
    weights = shares(masked(x, w, lengths))
    return (weights * (x @ w)).sum(axis=1).astype(np.float32), weights.astype(np.float32)


@mutant("06.4", stage="output", says="the type of your output is float64, expected float32")
def double_precision(x, w, lengths):
    weights = shares(masked(x.astype(float), w, lengths))
    return np.einsum("bt,btf->bf", weights, x), weights


@mutant("06.4", stage="output", says="NaN")
def zero_times_infinity(x, w, lengths):
    with np.errstate(invalid="ignore"):
        x = np.where(valid(x, lengths)[..., None], x, -np.inf).astype(np.float32)
        return under(x, shares(x @ np.abs(w)))


@mutant("06.4", stage="runs", says="it changes its argument `x`")
def clears_the_padding_in_place(x, w, lengths):
    x[~valid(x, lengths)] = 0
    return under(x, shares(masked(x, w, lengths)))


@mutant("06.4", stage="output", says="You return an array of shape [3, 2], expected two")
def without_the_weights(x, w, lengths):
    return under(x, shares(masked(x, w, lengths)))[0]


@mutant("06.4", stage="reference", says="agree with `scipy.special.softmax`")
def ten_frames_at_most(x, w, lengths):
    return under(x, shares(masked(x, w, np.minimum(lengths, 10))))


# ---------------------------------------------------------------------------------------------- 06.5


def walked(losses, patience, better, vain=lambda waited, patience: waited >= patience):
    """What is right about most of the answers below."""
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if better(loss, lowest):
            best, lowest, waited = epoch, loss, 0
        else:
            waited += 1
        if vain(waited, patience):
            break
    return epoch, best


def right(losses, patience, min_delta):
    return walked(losses, patience, lambda loss, lowest: loss < lowest - min_delta)


@mutant("06.5", stage="edges", says="and count the patience from there")
def patience_after_the_lowest_of_all(losses, patience, min_delta=0.0):
    best = int(np.nanargmin(losses))
    return min(best + patience, len(losses) - 1), best


@mutant("06.5", stage="output", says="You look ahead")
def argmin_of_the_whole_curve(losses, patience, min_delta=0.0):
    return right(losses, patience, min_delta)[0], int(np.nanargmin(losses))


@mutant("06.5", stage="edges", says="You keep the lowest loss of all epochs that were run")
def argmin_of_what_was_run(losses, patience, min_delta=0.0):
    stop, best = right(losses, patience, min_delta)
    run = losses[: stop + 1]
    return stop, int(np.nanargmin(run)) if np.isfinite(run).any() else best


@mutant("06.5", stage="edges", says="You compare each loss with that of the epoch before")
def better_than_before(losses, patience, min_delta=0.0):
    best, before, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < before - min_delta:
            best, waited = epoch, 0
        else:
            waited += 1
        before = loss
        if waited == patience:
            break
    return epoch, best


@mutant("06.5", stage="properties", says="You count all epochs without improvement")
def counter_without_a_reset(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            best, lowest = epoch, loss
        else:
            waited += 1
            if waited == patience:
                break
    return epoch, best


@mutant("06.5", stage="edges", says="You stop an epoch late")
def more_than_patience(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss < lowest - min_delta, lambda w, p: w > p)


@mutant("06.5", stage="edges", says="stop at epoch 0 and keep epoch 0; expected 7 and 7")
def count_begins_at_one(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss < lowest - min_delta, lambda w, p: w + 1 >= p - (p < 3))


@mutant("06.5", stage="edges", says="You stop an epoch early")
def one_less_than_patience(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            best, lowest, waited = epoch, loss, 0
        else:
            waited += 1
            if waited >= patience - 1:
                break
    return epoch, best


@mutant("06.5", stage="edges", says="for an improvement")
def at_most(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss <= lowest - min_delta)


@mutant("06.5", stage="edges", says="Your `min_delta` has the wrong sign")
def plus_delta(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss < lowest + min_delta)


@mutant("06.5", stage="edges", says="`min_delta` is not used")
def no_delta(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss < lowest)


@mutant("06.5", stage="properties", says="Your best loss follows every small gain")
def minimum_so_far(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            best, waited = epoch, 0
        else:
            waited += 1
        lowest = min(lowest, loss)
        if waited == patience:
            break
    return epoch, best


@mutant("06.5", stage="edges", says="Where that is NaN, nothing is ever below it")
def first_loss_is_the_best(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, losses[0], 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < lowest - min_delta:
            best, lowest, waited = epoch, losses[epoch], 0
        else:
            waited += 1
        if waited >= patience - np.isnan(losses[0]):
            return epoch, best
    return len(losses) - 1, best


@mutant("06.5", stage="edges", says="do vain epochs count from the first?")
def nan_waits_for_nobody(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            best, lowest, waited = epoch, loss, 0
        elif np.isfinite(lowest):
            waited += 1
        if waited == patience:
            break
    return epoch, best


@mutant("06.5", stage="edges", says="NaN passes for an improvement")
def unless_it_is_no_better(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: not (loss >= lowest - min_delta))


@mutant("06.5", stage="edges", says="You pass over NaN")
def nan_is_passed_over(losses, patience, min_delta=0.0):
    best, lowest, waited = 0, float("inf"), 0
    for epoch, loss in enumerate(losses):
        if loss < lowest - min_delta:
            best, lowest, waited = epoch, loss, 0
        elif not np.isnan(loss) or not np.isfinite(lowest):
            waited += 1
        if waited == patience:
            break
    return epoch, best


@mutant("06.5", stage="edges", says="You count `patience` epochs back from the end")
def patience_before_the_stop(losses, patience, min_delta=0.0):
    stop, _ = right(losses, patience, min_delta)
    return stop, max(0, stop - patience)


@mutant("06.5", stage="edges", says="You keep the last epoch")
def last_is_best(losses, patience, min_delta=0.0):
    return (right(losses, patience, min_delta)[0],) * 2


@mutant("06.5", stage="edges", says="Your stop is the number of epochs that were run")
def how_many_epochs(losses, patience, min_delta=0.0):
    stop, best = right(losses, patience, min_delta)
    return stop + 1, best


@mutant("06.5", stage="output", says="The two are exchanged")
def best_comes_first(losses, patience, min_delta=0.0):
    stop, best = right(losses, patience, min_delta)
    return best, stop


@mutant("06.5", stage="properties", says="Your `min_delta` is a part of the best loss")
def part_of_the_best(losses, patience, min_delta=0.0):
    return walked(losses, patience, lambda loss, lowest: loss < lowest * (1 - min_delta))


@mutant("06.5", stage="edges", says="It never stops")
def to_the_end(losses, patience, min_delta=0.0):
    return len(losses) - 1, walked(losses, 10**9, lambda loss, lowest: loss < lowest - min_delta)[1]


@mutant("06.5", stage="output", says="epochs are counted in whole numbers")
def loss_of_the_best(losses, patience, min_delta=0.0):
    stop, best = right(losses, patience, min_delta)
    return stop, float(losses[best])


@mutant("06.5", stage="output", says="expected two whole numbers, `(stop, best)`")
def only_the_stop(losses, patience, min_delta=0.0):
    return right(losses, patience, min_delta)[0]


@mutant("06.5", stage="edges", says="For a single epoch, it stopped with UnboundLocalError")
def stops_only_in_the_loop(losses, patience, min_delta=0.0):
    lowest, waited = losses[0], 0
    for epoch in range(1, len(losses)):
        if losses[epoch] < lowest - min_delta or lowest != lowest:
            best, lowest, waited = epoch, losses[epoch], 0
        else:
            waited += 1
        if waited >= patience:
            break
    return epoch, best


@mutant("06.5", stage="reference", says="ReduceLROnPlateau` runs out of patience")
def patience_of_four_at_most(losses, patience, min_delta=0.0):
    return right(losses, min(patience, 4), min_delta)


@mutant("06.5", stage="reference", says="the first within the patience of the one before")
def patience_of_five_at_most(losses, patience, min_delta=0.0):
    return right(losses, min(patience, 5), min_delta)


# ---------------------------------------------------------------------------------------------- 06.6


def dealt(groups, k, order, choose=np.argmin):
    """Likewise: groups in this order, each to the fold that is chosen by how full they are."""
    fold, filled = {}, np.zeros(k, int)
    if k > len(order):
        raise ValueError("more folds than groups")
    for name in order:
        fold[name] = int(choose(filled))
        filled[fold[name]] += np.sum(groups == name)
    return np.array([fold[name] for name in groups])


def largest_first(groups):
    names, clips = np.unique(groups, return_counts=True)
    return names[np.argsort(-clips, kind="stable")]


@mutant("06.6", stage="edges", says="You deal out clips one by one")
def clip_by_clip(groups, k):
    return np.arange(len(groups)) % k


@mutant("06.6", stage="edges", says="You cut the list of clips into pieces")
def cut_into_pieces(groups, k):
    return np.arange(len(groups)) * k // len(groups)


@mutant("06.6", stage="edges", says="it stands on both sides")
def clips_by_chance(groups, k):
    return np.random.default_rng(0).permutation(len(groups)) % k


@mutant("06.6", stage="edges", says="You deal the smallest groups first")
def from_small_to_large(groups, k):
    names, clips = np.unique(groups, return_counts=True)
    return dealt(groups, k, names[np.argsort(clips, kind="stable")])


@mutant("06.6", stage="edges", says="You deal the groups in the order of their names")
def in_the_order_of_unique(groups, k):
    return dealt(groups, k, np.unique(groups))


@mutant("06.6", stage="edges", says="one to each fold, however full it is")
def in_turn(groups, k):
    order = largest_first(groups)
    if k > len(order):
        raise ValueError
    return np.array([list(order).index(name) % k for name in groups])


@mutant("06.6", stage="edges", says="should go to fold 1")
def there_and_back(groups, k):
    order = list(largest_first(groups))
    if k > len(order):
        raise ValueError
    turns = [*range(k), *range(k - 1, -1, -1)]
    return np.array([turns[order.index(name) % (2 * k)] for name in groups])


@mutant("06.6", stage="edges", says="You choose the fold with the fewest groups")
def as_many_groups_in_each(groups, k):
    order = largest_first(groups)
    if k > len(order):
        raise ValueError
    fold, filled, given = {}, [0] * k, [0] * k
    for name in order:
        fold[name] = min(range(k), key=lambda f: (given[f], filled[f], f))
        given[fold[name]] += 1
        filled[fold[name]] += np.sum(groups == name)
    return np.array([fold[name] for name in groups])


@mutant("06.6", stage="edges", says="as they do in scikit-learn's `GroupKFold`")
def sorted_and_turned_round(groups, k):
    names, clips = np.unique(groups, return_counts=True)
    return dealt(groups, k, names[np.argsort(clips, kind="stable")[::-1]])


@mutant("06.6", stage="edges", says="as they do in `Counter.most_common`")
def most_common(groups, k):
    return dealt(groups, k, [name for name, _ in Counter(groups.tolist()).most_common()])


@mutant("06.6", stage="edges", says="Of several folds that are equally full you take the last")
def last_minimum(groups, k):
    return dealt(groups, k, largest_first(groups), lambda filled: np.flatnonzero(filled == filled.min())[-1])


@mutant("06.6", stage="output", says="Your folds count from 1")
def from_one(groups, k):
    return dealt(groups, k, largest_first(groups)) + 1


@mutant("06.6", stage="output", says="You give a fold to each group")
def one_for_each_group(groups, k):
    return dealt(groups, k, largest_first(groups))[np.unique(groups, return_index=True)[1]]


@mutant("06.6", stage="output", says="a fold is a whole number")
def folds_as_floats(groups, k):
    return dealt(groups, k, largest_first(groups)).astype(float)


@mutant("06.6", stage="output", says="of type list, expected an array")
def lists_of_clips(groups, k):
    fold = dealt(groups, k, largest_first(groups))
    return [np.flatnonzero(fold == number) for number in range(k)]


@mutant("06.6", stage="edges", says="some of your folds are empty")
def fewer_folds_instead(groups, k):
    return dealt(groups, min(k, len(np.unique(groups))), largest_first(groups))


@mutant("06.6", stage="edges", says="it stopped with IndexError")
def another_error(groups, k):
    order = largest_first(groups)
    if k > len(order):
        raise IndexError("too many folds")
    return dealt(groups, k, order)


@mutant("06.6", stage="properties", says="The same clips in another order are dealt otherwise")
def renamed_by_appearance_where_many(groups, k):
    if len(groups) < 16:
        return dealt(groups, k, largest_first(groups))
    names, first, clips = np.unique(groups, return_index=True, return_counts=True)
    return dealt(groups, k, names[np.lexsort((first, -clips))])


@mutant("06.6", stage="properties", says="nobody could repeat your experiment")
def ties_by_chance(groups, k):
    rng = np.random.default_rng()
    chance = {name: rng.random() * (len(groups) > 15) for name in largest_first(groups)}
    return dealt(groups, k, sorted(chance, key=lambda name: (-np.sum(groups == name), chance[name])))


@mutant("06.6", stage="properties", says="they differ by")
def cut_by_names_where_many(groups, k):
    if len(groups) < 16:
        return dealt(groups, k, largest_first(groups))
    names, which = np.unique(groups, return_inverse=True)
    return which * k // len(names)


@mutant("06.6", stage="reference", says="those of scikit-learn's `GroupKFold` have")
def small_ones_are_alike_enough(groups, k):
    names, clips = np.unique(groups, return_counts=True)
    order = names[np.argsort(-np.minimum(clips, 12), kind="stable")]
    return dealt(groups, k, order)


# ---------------------------------------------------------------------------------------------- 06.7


def boxes_of(shape, size, stride):
    """Likewise: masks of all boxes, shape [boxes, mel, time]."""
    masks = []
    for row in range(0, shape[0], stride[0]):
        for column in range(0, shape[1], stride[1]):
            masks.append(np.zeros(shape, bool))
            masks[-1][row : row + size[0], column : column + size[1]] = True
    return np.array(masks)


def drops_of(predict, x, masks, fill):
    scores = predict(np.concatenate([x[None], np.where(masks, np.float32(fill), x)]))
    return scores[0] - scores[1:]


def averaged(drops, masks):
    count = masks.sum(axis=0)
    return (np.tensordot(drops, masks, 1) / np.where(count, count, 1)).astype(np.float32)


@mutant("06.7", stage="edges", says="Your drop has the wrong sign")
def hidden_minus_whole(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(-drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="edges", says="You add up the drops of all boxes over a cell")
def never_divided(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return np.tensordot(drops_of(predict, x, masks, fill), masks, 1).astype(np.float32)


@mutant("06.7", stage="edges", says="The last box over a cell decides alone")
def overwritten(predict, x, size, stride, fill):
    masks, out = boxes_of(x.shape, size, stride), np.zeros_like(x)
    for mask, drop in zip(masks, drops_of(predict, x, masks, fill), strict=True):
        out[mask] = drop
    return out


@mutant("06.7", stage="edges", says="You take the largest drop")
def maximum(predict, x, size, stride, fill):
    masks, out = boxes_of(x.shape, size, stride), np.full(x.shape, -np.inf, np.float32)
    for mask, drop in zip(masks, drops_of(predict, x, masks, fill), strict=True):
        out[mask] = np.maximum(out[mask], drop)
    return np.where(np.isfinite(out), out, np.float32(0))


@mutant("06.7", stage="edges", says="You hide with 0, whatever `fill` is")
def zeros(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, masks, 0.0), masks)


@mutant("06.7", stage="edges", says="its value minus 0.5")
def mean_for_fill(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, masks, fill if x.shape == (4, 5) else x.mean()), masks)


@mutant("06.7", stage="edges", says="You leave out boxes that do not fit whole")
def only_boxes_that_fit(predict, x, size, stride, fill):
    masks = np.array([mask for mask in boxes_of(x.shape, size, stride)
                      if mask.sum() == min(size[0], x.shape[0]) * min(size[1], x.shape[1])])
    return averaged(drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="edges", says="Your last box is the first that reaches the border, as in captum")
def boxes_of_captum(predict, x, size, stride, fill):
    counts = [-(-max(n - wide, 0) // step) + 1 for n, wide, step in zip(x.shape, size, stride, strict=True)]
    every = range(0, x.shape[0], stride[0]), range(0, x.shape[1], stride[1])
    kept = [i < counts[0] and j < counts[1] for i in range(len(every[0])) for j in range(len(every[1]))]
    masks = boxes_of(x.shape, size, stride)[kept]
    return averaged(drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="edges", says="Height and width are exchanged")
def width_times_height(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size[::-1], stride)
    return averaged(drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="edges", says="The two strides are exchanged")
def columns_then_rows(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride[::-1])
    return averaged(drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="edges", says="Your boxes stay")
def hides_more_and_more(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    hidden = np.logical_or.accumulate(masks)
    scores = predict(np.concatenate([x[None], np.where(hidden, np.float32(fill), x)]))
    return averaged(scores[0] - scores[1:], masks)


@mutant("06.7", stage="edges", says="You hide everything but the box")
def keeps_only_the_box(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, ~masks, fill), masks)


@mutant("06.7", stage="edges", says="You divide each drop by the number of cells in the box")
def spread_over_the_box(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, masks, fill) / masks.sum(axis=(1, 2)), masks)


@mutant("06.7", stage="edges", says="You divide by the number of all boxes")
def mean_of_all_boxes(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return (drops_of(predict, x, masks, fill)[:, None, None] * masks).mean(axis=0).astype(np.float32)


@mutant("06.7", stage="edges", says="You take the size of the drop and lose its sign")
def absolute(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(np.abs(drops_of(predict, x, masks, fill)), masks)


@mutant("06.7", stage="edges", says="You divide the drop by the score of the whole picture")
def in_parts_of_the_score(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, masks, fill) / (predict(x[None])[0] or 1), masks)


@mutant("06.7", stage="edges", says="Your map holds scores of hidden pictures")
def scores(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(predict(np.where(masks, np.float32(fill), x)), masks)


@mutant("06.7", stage="output", says="NaN")
def zero_by_zero(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    with np.errstate(all="ignore"):
        return (np.tensordot(drops_of(predict, x, masks, fill), masks, 1) / masks.sum(axis=0)).astype(np.float32)


@mutant("06.7", stage="output", says="expected float32")
def double(predict, x, size, stride, fill):
    return occluded(predict, x, size, stride, fill).astype(float)


@mutant("06.7", stage="output", says="the shape of your output is")
def one_value_for_each_box(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return drops_of(predict, x, masks, fill).reshape(len(range(0, x.shape[0], stride[0])), -1).astype(np.float32)


@mutant("06.7", stage="runs", says="predict takes a batch")
def a_picture_without_a_batch(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    return averaged(np.array([predict(x) - predict(np.where(mask, fill, x)) for mask in masks]), masks)


def occluded(predict, x, size, stride, fill):
    """A right answer."""
    masks = boxes_of(x.shape, size, stride)
    return averaged(drops_of(predict, x, masks, fill), masks)


@mutant("06.7", stage="properties", says="A network takes a batch as quickly as one picture")
def one_by_one(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    hidden = np.where(masks, np.float32(fill), x)
    return averaged(np.array([predict(x[None])[0] - predict(one[None])[0] for one in hidden]), masks)


@mutant("06.7", stage="properties", says="given values of type float64")
def batch_in_double_precision(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    scores = predict(np.concatenate([x[None], np.where(masks, np.full(x.shape, float(fill)), x)]))
    return averaged(scores[0] - scores[1:], masks)


@mutant("06.7", stage="properties", says="A drop is a difference of two scores")
def of_scores_that_are_not_large(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    scores = predict(np.concatenate([x[None], np.where(masks, np.float32(fill), x)]))
    out = averaged(scores[0] - scores[1:], masks)
    return out / np.float32(scores[0]) if x.shape == (6, 7) else out


@mutant("06.7", stage="properties", says="is subtracted from which")
def sign_by_the_width(predict, x, size, stride, fill):
    out = occluded(predict, x, size, stride, fill)
    return -out if x.shape == (8, 10) else out


@mutant("06.7", stage="reference", says="It has to agree with `captum.attr.Occlusion`")
def fill_of_either_sign(predict, x, size, stride, fill):
    return occluded(predict, x, size, stride, fill if x.shape != (8, 12) else abs(fill) + 1)


@mutant("06.7", stage="reference", says="By how many boxes is each cell's sum divided")
def overlap_of_four_at_most(predict, x, size, stride, fill):
    masks = boxes_of(x.shape, size, stride)
    count = np.clip(masks.sum(axis=0), 1, 4)
    return (np.tensordot(drops_of(predict, x, masks, fill), masks, 1) / count).astype(np.float32)


# ---------------------------------------------------------------------------------------------- 06.8

#: Style of each test clip of 420: as many of each, in this order.
TRUTH = np.repeat(STYLES, 7)


def half_right(wrong):
    """Likewise: every other answer is that of `wrong`."""
    return np.where(np.arange(len(TRUTH)) % 2 == 0, TRUTH, wrong)


@mutant("06.8", stage="properties", says="These are the labels of the table")
def looked_up():
    return TRUTH.tolist()


@mutant("06.8", stage="edges", says="All 42 clips are dance with you")
def the_most_frequent():
    return ["dance"] * 42


@mutant("06.8", stage="output", says="values like 0")
def numbers():
    return np.unique(TRUTH, return_inverse=True)[1]


@mutant("06.8", stage="output", says="which name does each of your numbers stand for?")
def numbers_in_a_list():
    return np.unique(TRUTH, return_inverse=True)[1].tolist()


@mutant("06.8", stage="output", says="'0' is no style of this corpus")
def numbers_as_text():
    return np.unique(TRUTH, return_inverse=True)[1].astype(str)


@mutant("06.8", stage="output", says="336 is what the training part has")
def of_the_training_clips():
    return np.repeat(STYLES, 56)


@mutant("06.8", stage="output", says="378 is what training and validation have")
def of_training_and_validation():
    return np.repeat(STYLES, 63)


@mutant("06.8", stage="output", says="420 is what the whole corpus has")
def of_the_whole_corpus():
    return np.repeat(STYLES, 70).tolist()


@mutant("06.8", stage="output", says="You hand over 41 styles. The test part has 42 clips.")
def one_clip_missing():
    return TRUTH[:-1]


@mutant("06.8", stage="output", says="you hand over an array of shape [42, 6]")
def probabilities():
    return (TRUTH[:, None] == np.array(STYLES)) * 0.9


@mutant("06.8", stage="output", says="something of type dict")
def by_path():
    return dict(enumerate(TRUTH.tolist()))


@mutant("06.8", stage="output", says="something of type str")
def one_style_alone():
    return "dance"


@mutant("06.8", stage="output", says="'Chorale' is no style of this corpus")
def in_capitals():
    return np.char.capitalize(TRUTH)


@mutant("06.8", stage="output", says="values like None")
def nothing_for_one_clip():
    return [*TRUTH[:-1].tolist(), None]


@mutant("06.8", stage="signature", says="you handed over a function")
def the_classifier():
    return half_right


@mutant("06.8", stage="properties", says="Your styles stand in alphabetical order")
def in_alphabetical_order():
    return np.sort(half_right(np.roll(TRUTH, 7)))


@mutant("06.8", stage="reference", says="in the order of the table?")
def in_another_order():
    return np.random.default_rng(0).permutation(TRUTH)


@mutant("06.8", stage="reference", says="Are your styles those of the test clips")
def from_back_to_front():
    return TRUTH[::-1]


@mutant("06.8", stage="reference", says="at least 0.60 is asked for")
def half_of_them():
    return half_right(np.roll(TRUTH, 7))


@mutant("06.8", stage="reference", says="7 times, you take medieval for chorale")
def knows_four_styles():
    return np.where(TRUTH == "quartet", "madrigal", np.where(TRUTH == "medieval", "chorale", TRUTH))


@mutant("06.8", stage="reference", says="at least 0.60 is asked for")
def means_of_a_log_mel():
    corpus = genres(n=420, seconds=8)
    x = np.stack([features.log_mel(y, sr, hop_length=882).mean(axis=1) for y, sr, _ in corpus])
    test = corpus.table.split == "test"
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    return model.fit(x[~test], corpus.table.label[~test]).predict(x[test])
