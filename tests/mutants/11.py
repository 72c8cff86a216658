"""Wrong answers of chapter 11, each a misconception, with the stage and the words that must reject it."""

import itertools
import math

import numpy as np
import torch
from scipy import ndimage
from torch.nn.functional import binary_cross_entropy, binary_cross_entropy_with_logits

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 11.1


def laid(events, n, hop, covers):
    """A row of frames, by a rule for one frame and one event."""
    return np.array([any(covers(t, onset, offset) for onset, offset in events) for t in range(n)], bool)


def by_middles(events, n, hop):
    return laid(events, n, hop, lambda t, onset, offset: onset <= (t + 0.5) * hop < offset)


def read(active):
    """Runs of a row: first frame, and the first behind it."""
    runs, t = [], 0
    for is_active, run in itertools.groupby(active):
        length = len(list(run))
        if is_active:
            runs.append((t, t + length))
        t += length
    return np.array(runs, float).reshape(-1, 2)


@mutant("11.1", stage="edges", says="You take every frame that an event touches")
def any_overlap(events, n, hop):
    active = laid(events, n, hop, lambda t, onset, offset: min(offset, (t + 1) * hop) > max(onset, t * hop))
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="You take only frames that an event covers")
def nothing_but_whole_frames(events, n, hop):
    active = laid(events, n, hop, lambda t, onset, offset: onset <= t * hop and (t + 1) * hop <= offset)
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="You look at the beginning of each frame")
def grid_of_beginnings(events, n, hop):
    t = np.arange(n) * hop
    active = np.zeros(n, bool)
    for onset, offset in events:
        active |= (t >= onset) & (t < offset)
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="You cut seconds down to whole frames")
def floors(events, n, hop):
    active = np.zeros(n, bool)
    for onset, offset in events:
        active[max(math.floor(onset / hop), 0) : max(math.floor(offset / hop), 0)] = True
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="a negative index counts from the end")
def slices_of_rounded_numbers(events, n, hop):
    active = np.zeros(n, bool)
    for onset, offset in np.round(events / hop).astype(int):
        active[onset:offset] = True
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="Python rounds halves to the even number")
def rounded_ends(events, n, hop):
    active = np.zeros(n, bool)
    for onset, offset in events:
        active[max(round(onset / hop), 0) : max(round(offset / hop), 0)] = True
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="Each event takes the place of those before")
def assigned(events, n, hop):
    active = np.zeros(n, bool)
    for one in events:
        active = by_middles([one], n, hop)
    return active, read(active) * hop


@mutant("11.1", stage="edges", says="Your events end where their last frame begins")
def first_and_last(events, n, hop):
    active = by_middles(events, n, hop)
    numbers = np.flatnonzero(active)
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
    return active, np.array([(part[0], part[-1]) for part in parts], float).reshape(-1, 2) * hop


@mutant("11.1", stage="edges", says="You read back the middles of frames")
def times_of_the_grid(events, n, hop):
    active = by_middles(events, n, hop)
    return active, (read(active) + np.array([0.5, -0.5])) * hop


@mutant("11.1", stage="edges", says="You read back numbers of frames")
def still_frames(events, n, hop):
    active = by_middles(events, n, hop)
    return active, read(active)


@mutant("11.1", stage="edges", says="A run that reaches the end of the clip is lost")
def falls_alone(events, n, hop):
    active = by_middles(events, n, hop)
    steps = np.diff(active.astype(int), prepend=0)
    off = np.flatnonzero(steps == -1)
    on = np.flatnonzero(steps == 1)[: len(off)]
    return active, np.stack([on, off], axis=1) * hop


@mutant("11.1", stage="edges", says="You read back 0 events")
def rises_alone(events, n, hop):
    active = by_middles(events, n, hop)
    steps = np.diff(active.astype(int), append=0)
    on = np.flatnonzero(steps == 1) + 1
    off = np.flatnonzero(steps == -1)[-len(on):] + 1 if len(on) else np.zeros(0)
    return active, np.stack([on, off], axis=1) * hop


@mutant("11.1", stage="edges", says="You read each event back by itself")
def events_rounded(events, n, hop):
    active = by_middles(events, n, hop)
    back = [row for event in sorted(map(tuple, events)) for row in read(by_middles([event], n, hop))]
    return active, np.array(back).reshape(-1, 2) * hop


@mutant("11.1", stage="edges", says="At which end does the rule have ≤, and at which <?")
def later_end_included(events, n, hop):
    active = laid(events, n, hop, lambda t, onset, offset: onset < (t + 0.5) * hop <= offset)
    return active, read(active) * hop


@mutant("11.1", stage="properties", says="they are one")
def overlap_cancels(events, n, hop):
    active = np.zeros(n, bool)
    for one in events:
        active ^= by_middles([one], n, hop)
    return active, read(active) * hop


@mutant("11.1", stage="properties", says="a long event, and a short one within it")
def latest_onset_decides(events, n, hop):
    events, middles = np.array(sorted([(-math.inf, -math.inf), *map(tuple, events)])), (np.arange(n) + 0.5) * hop
    active = middles < events[np.searchsorted(events[:, 0], middles, "right") - 1, 1]
    return active, read(active) * hop


@mutant("11.1", stage="properties", says="four events, the last one first")
def as_if_sorted(events, n, hop):
    events, middles = np.array([(-math.inf, -math.inf), *events]), (np.arange(n) + 0.5) * hop
    until = np.maximum.accumulate(events[:, 1])
    active = middles < until[np.searchsorted(events[:, 0], middles, "right") - 1]
    return active, read(active) * hop


@mutant("11.1", stage="output", says="is of type int64, expected bool")
def ones_and_zeros(events, n, hop):
    active = by_middles(events, n, hop)
    return active.astype(np.int64), read(active) * hop


@mutant("11.1", stage="output", says="onset and offset of each")
def a_list_of_pairs(events, n, hop):
    active = by_middles(events, n, hop)
    return active, [tuple(row) for row in read(active) * hop]


@mutant("11.1", stage="output", says="expected two: `active, back`")
def the_row_alone(events, n, hop):
    return by_middles(events, n, hop)


@mutant("11.1", stage="reference", says="agree with `mir_eval.util.interpolate_intervals`")
def ten_at_most(events, n, hop):
    active = by_middles(events[:10], n, hop)
    return active, read(active) * hop


# ---------------------------------------------------------------------------------------------- 11.2


def small(grid, frames):
    """A row for each segment, the last one maybe short."""
    return np.array([grid[i : i + frames].any(axis=0) for i in range(0, len(grid), frames)])


def scored(was, said):
    tp, fp, fn = (int(np.count_nonzero(x)) for x in (was & said, said & ~was, was & ~said))
    return (tp, fp, fn), ratio(tp, fp, fn)


def ratio(tp, fp, fn):
    return tp / (tp + (fp + fn) / 2) if tp + fp + fn else math.nan


@mutant("11.2", stage="edges", says="You count frames")
def no_segments(truth, found, frames):
    return scored(truth, found)


@mutant("11.2", stage="edges", says="active where most of their frames are")
def majority(truth, found, frames):
    def half(grid):
        return np.array([np.median(grid[i : i + frames], axis=0) >= 0.5 for i in range(0, len(grid), frames)])

    return scored(half(truth), half(found))


@mutant("11.2", stage="edges", says="You leave out the frames that are left over")
def reshaped(truth, found, frames):
    n = len(truth) // frames
    return scored(*(grid[: n * frames].reshape(n, frames, grid.shape[1]).any(axis=1) for grid in (truth, found)))


@mutant("11.2", stage="edges", says="You ask for a frame that both have")
def at_the_same_time(truth, found, frames):
    both = small(truth & found, frames)
    tp, fp, fn = int(both.sum()), int((small(found, frames) & ~both).sum()), int((small(truth, frames) & ~both).sum())
    return (tp, fp, fn), ratio(tp, fp, fn)


@mutant("11.2", stage="edges", says="You do not tell classes apart")
def something(truth, found, frames):
    return scored(small(truth, frames).any(axis=1), small(found, frames).any(axis=1))


@mutant("11.2", stage="properties", says="that is the macro average")
def class_after_class(truth, found, frames):
    was, said = small(truth, frames), small(found, frames)
    each = [scored(was[:, c], said[:, c])[1] for c in range(was.shape[1])]
    each = [f1 for f1 in each if not math.isnan(f1)]
    return scored(was, said)[0], sum(each) / len(each) if each else math.nan


@mutant("11.2", stage="edges", says="Your F1 is the mean of those of the segments")
def segment_after_segment(truth, found, frames):
    was, said = small(truth, frames), small(found, frames)
    each = [f1 for f1 in (scored(*pair)[1] for pair in zip(was, said, strict=True)) if not math.isnan(f1)]
    return scored(was, said)[0], sum(each) / len(each) if each else math.nan


@mutant("11.2", stage="edges", says="have changed places")
def from_the_detectors_side(truth, found, frames):
    return scored(small(found, frames), small(truth, frames))


@mutant("11.2", stage="edges", says="How often does TP stand in F1?")
def intersection_over_union(truth, found, frames):
    counts, _ = scored(small(truth, frames), small(found, frames))
    return counts, counts[0] / sum(counts) if sum(counts) else math.nan


@mutant("11.2", stage="edges", says="praises silence")
def share_of_right_answers(truth, found, frames):
    was, said = small(truth, frames), small(found, frames)
    return scored(was, said)[0], float(np.mean(was == said))


@mutant("11.2", stage="edges", says="expected nan")
def zero_over_zero_is_zero(truth, found, frames):
    counts, f1 = scored(small(truth, frames), small(found, frames))
    return counts, 0.0 if math.isnan(f1) else f1


@mutant("11.2", stage="edges", says="it is one segment, a short one")
def one_frame_of_each_segment(truth, found, frames):
    return scored(truth[::frames], found[::frames])


@mutant("11.2", stage="properties", says="Is something found there, or is that class?")
def label_for_label(truth, found, frames):
    was, said = (small(grid, frames) for grid in (truth, found))
    tp = int(np.minimum(was.sum(axis=1), said.sum(axis=1)).sum())
    fp, fn = int(said.sum()) - tp, int(was.sum()) - tp
    return (tp, fp, fn), ratio(tp, fp, fn)


@mutant("11.2", stage="output", says="expected two: `(tp, fp, fn), f1`")
def f1_alone(truth, found, frames):
    return scored(small(truth, frames), small(found, frames))[1]


@mutant("11.2", stage="output", says="expected three whole numbers")
def shares_instead_of_counts(truth, found, frames):
    counts, f1 = scored(small(truth, frames), small(found, frames))
    return tuple(n / max(sum(counts), 1) for n in counts), f1


@mutant("11.2", stage="output", says="None can be below 0")
def differences(truth, found, frames):
    was, said = small(truth, frames), small(found, frames)
    tp = int((was & said).sum())
    return (tp, tp - int(said.sum()), tp - int(was.sum())), scored(was, said)[1]


@mutant("11.2", stage="reference", says="agree with `sklearn.metrics.f1_score")
def in_eight_bits(truth, found, frames):
    was, said = small(truth, frames), small(found, frames)
    tp, fp, fn = (int(x.sum(dtype=np.uint8)) for x in (was & said, said & ~was, was & ~said))
    return (tp, fp, fn), ratio(tp, fp, fn)


# ---------------------------------------------------------------------------------------------- 11.3


def fitting(truth, found, collar, share, same=lambda t, f: t.label == f.label,
            near=lambda t, f, collar, share: abs(f.onset - t.onset) <= collar,
            ends=lambda t, f, collar, share: abs(f.offset - t.offset) <= max(collar, share * (t.offset - t.onset))):
    """For each true event, the numbers of the found events that fit."""
    found = list(found.itertuples(index=False))
    return [[j for j, f in enumerate(found) if same(t, f) and near(t, f, collar, share) and ends(t, f, collar, share)]
            for t in truth.itertuples(index=False)]


def most_pairs(fits, depth=None):
    """As many pairs as there can be; with a depth, owners are asked along a chain no longer than that."""
    owner = {}

    def take(i, asked, left):
        for j in fits[i]:
            if j in asked:
                continue
            asked.add(j)
            if j not in owner or (left != 0 and take(owner[j], asked, None if left is None else left - 1)):
                owner[j] = i
                return True
        return False

    return sum(take(i, set(), depth) for i in range(len(fits)))


def counted(tp, truth, found):
    fp, fn = len(found) - tp, len(truth) - tp
    return (tp, fp, fn), ratio(tp, fp, fn)


@mutant("11.3", stage="properties", says="the first that fits and is free")
def first_come(truth, found, collar=0.2, share=0.2):
    taken = set()
    for row in fitting(truth, found, collar, share):
        taken.update([j for j in row if j not in taken][:1])
    return counted(len(taken), truth, found)


@mutant("11.3", stage="properties", says="the nearest that fits")
def nearest_first(truth, found, collar=0.2, share=0.2):
    taken, onsets = set(), found.onset.tolist()
    for t, row in zip(truth.itertuples(), fitting(truth, found, collar, share), strict=True):
        free = [j for j in row if j not in taken]
        if free:
            taken.add(min(free, key=lambda j: abs(onsets[j] - t.onset)))
    return counted(len(taken), truth, found)


@mutant("11.3", stage="properties", says="Can whoever has the found event take another?")
def nearest_pairs_of_all(truth, found, collar=0.2, share=0.2):
    begin, onsets = truth.onset.tolist(), found.onset.tolist()
    fits = fitting(truth, found, collar, share)
    pairs = [(abs(onsets[j] - begin[i]), i, j) for i, row in enumerate(fits) for j in row]
    left, right = set(), set()
    for _, i, j in sorted(pairs):
        if i not in left and j not in right:
            left.add(i)
            right.add(j)
    return counted(len(left), truth, found)


@mutant("11.3", stage="properties", says="One found event serves several true ones")
def somebody_fits(truth, found, collar=0.2, share=0.2):
    return counted(sum(map(bool, fitting(truth, found, collar, share))), truth, found)


@mutant("11.3", stage="properties", says="One true event serves several found ones")
def fits_somebody(truth, found, collar=0.2, share=0.2):
    return counted(len(set().union(*fitting(truth, found, collar, share))), truth, found)


@mutant("11.3", stage="output", says="each is one or the other")
def each_side_for_itself(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share)
    tp, fn, fp = sum(map(bool, fits)), sum(not row for row in fits), len(found) - len(set().union(*fits))
    return (min(tp, len(found)), fp, fn), ratio(tp, fp, fn)


@mutant("11.3", stage="edges", says="You do not look at the labels")
def sounds_alike(truth, found, collar=0.2, share=0.2):
    return counted(most_pairs(fitting(truth, found, collar, share, same=lambda t, f: True)), truth, found)


@mutant("11.3", stage="properties", says="You do not look at the offsets")
def beginnings(truth, found, collar=0.2, share=0.2):
    return counted(most_pairs(fitting(truth, found, collar, share, ends=lambda *_: True)), truth, found)


@mutant("11.3", stage="edges", says="off by the collar alone")
def same_collar_for_both(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, ends=lambda t, f, collar, share: abs(f.offset - t.offset) <= collar)
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="edges", says="you take the smaller")
def both_have_to_hold(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, ends=lambda t, f, collar, share:
                   abs(f.offset - t.offset) <= collar and abs(f.offset - t.offset) <= share * (t.offset - t.onset))
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="properties", says="Your share is one of the found event's length")
def length_of_what_was_found(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, ends=lambda t, f, collar, share:
                   abs(f.offset - t.offset) <= max(collar, share * (f.offset - f.onset)))
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="properties", says="Your onsets may be off by the share as well")
def one_tolerance_for_both(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, near=lambda t, f, collar, share:
                   abs(f.onset - t.onset) <= max(collar, share * (t.offset - t.onset)))
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="properties", says="a fifth of the true event's length")
def half_in_common(truth, found, collar=0.2, share=0.2):
    def common(t, f, *_):
        both = min(t.offset, f.offset) - max(t.onset, f.onset)
        return both >= 0.5 * (max(t.offset, f.offset) - min(t.onset, f.onset))

    return counted(most_pairs(fitting(truth, found, collar, share, near=common, ends=common)), truth, found)


@mutant("11.3", stage="edges", says="allow events to be late and not to be early")
def never_early(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, near=lambda t, f, collar, share: 0 <= f.onset - t.onset <= collar)
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="edges", says="Is it ≤ or <")
def less_than_the_collar(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share, near=lambda t, f, collar, share: abs(f.onset - t.onset) < collar)
    return counted(most_pairs(fits), truth, found)


@mutant("11.3", stage="properties", says="You compare row with row")
def row_with_row(truth, found, collar=0.2, share=0.2):
    fits = fitting(truth, found, collar, share)
    return counted(sum(i in row for i, row in enumerate(fits)), truth, found)


@mutant("11.3", stage="properties", says="KeyError")
def rows_by_name(truth, found, collar=0.2, share=0.2):
    for table in (truth, found):
        for i in range(len(table)):
            table.loc[i]
    return counted(most_pairs(fitting(truth, found, collar, share)), truth, found)


@mutant("11.3", stage="edges", says="expected nan")
def nothing_is_perfect(truth, found, collar=0.2, share=0.2):
    counts, f1 = counted(most_pairs(fitting(truth, found, collar, share)), truth, found)
    return counts, 1.0 if math.isnan(f1) else f1


@mutant("11.3", stage="output", says="expected two: `(tp, fp, fn), f1`")
def three_scores(truth, found, collar=0.2, share=0.2):
    (tp, _, _), f1 = counted(most_pairs(fitting(truth, found, collar, share)), truth, found)
    return tp / max(len(found), 1), tp / max(len(truth), 1), f1


@mutant("11.3", stage="reference", says="may the owner ask in turn?")
def one_after_the_other(truth, found, collar=0.2, share=0.2):
    truth, found = truth.sort_values("onset"), found.sort_values("onset")
    return first_come(truth, found, collar, share)


@mutant("11.3", stage="reference", says="may the owner ask in turn?")
def one_exchange(truth, found, collar=0.2, share=0.2):
    return counted(most_pairs(fitting(truth, found, collar, share), depth=1), truth, found)


# ---------------------------------------------------------------------------------------------- 11.4


def window(p, t, width, beyond=0.0):
    """Values around a frame; what is beyond the clip has a value given, or none at all."""
    half = width // 2
    return [p[u] if 0 <= u < len(p) else beyond for u in range(t - half, t + half + 1)
            if beyond is not None or 0 <= u < len(p)]


def smoothed(p, width, middle=np.median, beyond=0.0):
    return np.stack([[middle(window(column, t, width, beyond)) for t in range(len(column))] for column in p.T], axis=1)


def regions(p, low, high):
    """Runs at least low that reach high."""
    active = np.zeros(p.shape, bool)
    for c, column in enumerate(p.T):
        for start, stop in read(column >= low).astype(int):
            active[start:stop, c] = any(column[start:stop] >= high)
    return active


@mutant("11.4", stage="edges", says="You take the mean of the window")
def running_mean(p, low, high, width):
    return regions(smoothed(p, width, np.mean), low, high)


@mutant("11.4", stage="edges", says="Your median goes over neighbouring classes as well")
def square_window(p, low, high, width):
    return regions(ndimage.median_filter(p, (width, width)), low, high)


@mutant("11.4", stage="edges", says="Your clip is mirrored at its ends")
def whatever_scipy_does_at_the_ends(p, low, high, width):
    return regions(ndimage.median_filter(p, (width, 1)), low, high)


@mutant("11.4", stage="properties", says="You filter the decisions")
def median_of_decisions(p, low, high, width):
    return smoothed(regions(p, low, high).astype(float), width) == 1


@mutant("11.4", stage="edges", says="You do not filter at all")
def without_a_filter(p, low, high, width):
    return regions(p, low, high)


@mutant("11.4", stage="edges", says="Only the high threshold counts")
def one_high_threshold(p, low, high, width):
    return smoothed(p, width) >= high


@mutant("11.4", stage="properties", says="Only the low threshold counts")
def one_low_threshold(p, low, high, width):
    return smoothed(p, width) >= low


@mutant("11.4", stage="edges", says="You begin where the high threshold is reached")
def switch(p, low, high, width):
    smooth, active = smoothed(p, width), np.zeros(p.shape, bool)
    for c in range(p.shape[1]):
        on = False
        for t in range(len(p)):
            on = smooth[t, c] >= (low if on else high)
            active[t, c] = on
    return active


@mutant("11.4", stage="properties", says="sure anywhere in the clip")
def sure_once(p, low, high, width):
    smooth = smoothed(p, width)
    return np.stack([(column >= low) & any(column >= high) for column in smooth.T], axis=1)


@mutant("11.4", stage="edges", says="Your first and last frame are repeated")
def edges_repeated(p, low, high, width):
    half = width // 2
    wide = np.concatenate([np.repeat(p[:1], half, 0), p, np.repeat(p[-1:], half, 0)])
    return regions(np.stack([np.median(wide[t : t + width], axis=0) for t in range(len(p))]), low, high)


@mutant("11.4", stage="edges", says="Your window is cut off at the ends")
def shorter_windows(p, low, high, width):
    return regions(smoothed(p, width, beyond=None), low, high)


@mutant("11.4", stage="edges", says="Is it ≥ or >?")
def above_the_threshold(p, low, high, width):
    return regions(smoothed(p, width), np.nextafter(low, 2), np.nextafter(high, 2))


@mutant("11.4", stage="properties", says="a sure neighbour vouches")
def neighbours_vouch(p, low, high, width):
    smooth = smoothed(p, width)
    active, maybe = smooth >= high, smooth >= low
    while True:
        wide = np.pad(active, 1)
        grown = maybe & (wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1] | wide[1:-1, :-2] | wide[1:-1, 2:])
        if (grown == active).all():
            return active
        active = grown


@mutant("11.4", stage="properties", says="no class vouches for another")
def surest_class_for_all(p, low, high, width):
    smooth, active = smoothed(p, width), np.zeros(p.shape, bool)
    for start, stop in read((smooth >= low).any(axis=1)).astype(int):
        active[start:stop] = (smooth[start:stop] >= low) & (smooth[start:stop].max() >= high)
    return active


@mutant("11.4", stage="edges", says="everything is active")
def window_ahead(p, low, high, width):
    wide = np.concatenate([p, np.zeros((width - 1, p.shape[1]))])
    return regions(np.stack([np.median(wide[t : t + width], axis=0) for t in range(len(p))]), low, high)


@mutant("11.4", stage="edges", says="three of the five values in each window are 0")
def window_of_half_the_width(p, low, high, width):
    return regions(smoothed(p, width // 2 | 1), low, high)


@mutant("11.4", stage="output", says="are of type float64, expected bool")
def zeros_and_ones(p, low, high, width):
    return regions(smoothed(p, width), low, high).astype(float)


@mutant("11.4", stage="output", says="the shape of your output is")
def list_of_events(p, low, high, width):
    return read(regions(smoothed(p, width), low, high)[:, 0])


@mutant("11.4", stage="reference", says="agree with `scipy.ndimage.median_filter`")
def a_hundred_frames_at_most(p, low, high, width):
    smooth = smoothed(p, width)
    return np.concatenate([regions(smooth[t : t + 100], low, high) for t in range(0, len(p), 100)])


# ---------------------------------------------------------------------------------------------- 11.5


def shares(scores, valid, dim=1):
    """A softmax over the real frames."""
    scores = torch.where(valid[:, :, None], scores, torch.full_like(scores, -torch.inf))
    rising = (scores - scores.amax(dim=dim, keepdim=True).clamp(min=-1e30)).exp()
    return rising / rising.sum(dim=dim, keepdim=True).clamp(min=1e-30)


def mean_of(z, weights):
    return torch.einsum("btc,btc->bc", weights, z.sigmoid())


@mutant("11.5", stage="edges", says="they compete for a frame")
def softmax_over_classes(z, a, valid):
    weights = a.softmax(dim=-1) * valid[:, :, None]
    return mean_of(z, weights).clamp(0, 1), weights


@mutant("11.5", stage="edges", says="those that are left have a sum below 1")
def masked_afterwards(z, a, valid):
    weights = a.softmax(dim=1).masked_fill(~valid[:, :, None], 0)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="are NaN or infinite")
def masked_and_divided_again(z, a, valid):
    weights = a.softmax(dim=1) * valid[:, :, None]
    weights = weights / weights.sum(dim=1, keepdim=True)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="e to the power of 0 is 1")
def zero_scores(z, a, valid):
    weights = torch.where(valid[:, :, None], a, 0 * a).softmax(dim=1)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="Is what you put into the other frames below every score?")
def minus_ninety_nine(z, a, valid):
    weights = a.masked_fill(~valid[:, :, None], -999.0).softmax(dim=1)
    return mean_of(z, weights), weights


@mutant("11.5", stage="output", says="You leave out the frames that are real")
def real_ones_filled(z, a, valid):
    weights = a.masked_fill(valid[:, :, None], -torch.inf).softmax(dim=1)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="You do not look at `valid`")
def all_frames_are_real(z, a, valid):
    weights = a.softmax(dim=1)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="You average z and take the sigmoid of that")
def pooled_logits(z, a, valid):
    weights = shares(a, valid)
    return torch.einsum("btc,btc->bc", weights, z).sigmoid(), weights


@mutant("11.5", stage="edges", says="Your weights are made of z")
def loudest_have_the_say(z, a, valid):
    weights = shares(z, valid)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="All classes share one set of weights")
def one_attention(z, a, valid):
    weights = shares(a.mean(dim=-1, keepdim=True), valid).repeat(1, 1, a.shape[-1])
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="`y` is the plain mean")
def weights_for_show(z, a, valid):
    real = valid[:, :, None].float()
    return (z.sigmoid() * real).sum(dim=1) / real.sum(dim=1), shares(a, valid)


@mutant("11.5", stage="edges", says="the weights of the others have the sum 1")
def softmax_over_everything(z, a, valid):
    scores = a.masked_fill(~valid[:, :, None], -torch.inf).reshape(len(a), -1)
    weights = scores.softmax(dim=1).reshape(a.shape)
    return mean_of(z, weights), weights


@mutant("11.5", stage="edges", says="are NaN or infinite")
def exponentials_of_large_numbers(z, a, valid):
    rising = a.exp() * valid[:, :, None]
    weights = rising / rising.sum(dim=1, keepdim=True)
    return mean_of(z, weights), weights


@mutant("11.5", stage="properties", says="The gradient does not reach `z`")
def without_history(z, a, valid):
    weights = shares(a, valid).detach()
    return mean_of(z, weights).detach(), weights


@mutant("11.5", stage="properties", says="The gradient does not reach `a`")
def attention_does_not_learn(z, a, valid):
    weights = shares(a, valid).detach()
    return mean_of(z, weights), weights


@mutant("11.5", stage="output", says="expected two: `y, weights`")
def probabilities_alone(z, a, valid):
    return mean_of(z, shares(a, valid))


@mutant("11.5", stage="output", says="of type torch.float64, expected torch.float32")
def in_double(z, a, valid):
    weights = shares(a.double(), valid)
    return mean_of(z.double(), weights), weights


@mutant("11.5", stage="output", says="Your `y` has the shape")
def still_frame_by_frame(z, a, valid):
    weights = shares(a, valid)
    return weights * z.sigmoid(), weights


@mutant("11.5", stage="output", says="expected from 0 to 1")
def logits_back(z, a, valid):
    weights = shares(a, valid)
    return (weights * z).sum(dim=1), weights


@mutant("11.5", stage="reference", says="agree with `torch.nn.functional.scaled_dot_product_attention`")
def eight_best_frames(z, a, valid):
    scores = a.masked_fill(~valid[:, :, None], -torch.inf)
    least = scores.topk(min(8, a.shape[1]), dim=1).values[:, -1:]
    weights = scores.masked_fill(scores < least, -torch.inf).softmax(dim=1)
    return mean_of(z, weights), weights


# ---------------------------------------------------------------------------------------------- 11.6


def chosen(loss):
    """A loss of the labelled rows alone, right where there are none."""
    def answer(p, y, labelled):
        return loss(p[labelled], y[labelled]) if labelled.any() else (0 * p).sum()

    return answer


@mutant("11.6", stage="edges", says="A clip without a label counts as one in which nothing sounds")
def unlabelled_is_silent(p, y, labelled):
    return binary_cross_entropy(p, torch.where(y.isnan(), 0 * p, y))


@mutant("11.6", stage="properties", says="You divide by all clips of the batch")
def mean_of_the_batch(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p, y, reduction="sum"))(p, y, labelled) / (len(p) * p.shape[1])


@mutant("11.6", stage="properties", says="You add up the classes")
def mean_over_clips_only(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p, y, reduction="none").sum(dim=1).mean())(p, y, labelled)


@mutant("11.6", stage="properties", says="You add up instead of averaging")
def total(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p, y, reduction="sum"))(p, y, labelled)


@mutant("11.6", stage="output", says="0 times NaN is NaN")
def weighted_by_the_mask(p, y, labelled):
    p = p.clamp(1e-7, 1 - 1e-7)
    terms = -(y * p.log() + (1 - y) * (1 - p).log()) * labelled[:, None]
    return terms.sum() / (labelled.sum() * p.shape[1])


@mutant("11.6", stage="edges", says="costs nothing with you, whatever is said of it")
def categorical(p, y, labelled):
    return chosen(lambda p, y: -(y * p.clamp(min=1e-7).log()).mean())(p, y, labelled)


@mutant("11.6", stage="edges", says="You take a sigmoid of what is a probability already")
def as_if_logits(p, y, labelled):
    return chosen(binary_cross_entropy_with_logits)(p, y, labelled)


@mutant("11.6", stage="edges", says="Your logarithm has the base 2")
def bits(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p.clamp(1e-7, 1 - 1e-7), y) / math.log(2))(p, y, labelled)


@mutant("11.6", stage="edges", says="no cross-entropy")
def brier(p, y, labelled):
    return chosen(lambda p, y: (p - y).square().mean())(p, y, labelled)


@mutant("11.6", stage="edges", says="You take the mean over no clips at all")
def mean_of_nobody(p, y, labelled):
    return binary_cross_entropy(p[labelled], y[labelled])


@mutant("11.6", stage="edges", says="From what was your 0 made?")
def a_fresh_zero(p, y, labelled):
    return binary_cross_entropy(p[labelled], y[labelled]) if labelled.any() else torch.tensor(0.0)


@mutant("11.6", stage="edges", says="p is not kept away from 0 and 1")
def bare_logarithms(p, y, labelled):
    return chosen(lambda p, y: -(y * p.log() + (1 - y) * torch.log1p(-p)).mean())(p, y, labelled)


@mutant("11.6", stage="edges", says="Your ε is too small for float32")
def epsilon_of_float64(p, y, labelled):
    def loss(p, y):
        p = p.clamp(1e-15, 1 - 1e-15)
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    return chosen(loss)(p, y, labelled)


@mutant("11.6", stage="edges", says="its slope is 0 times infinity")
def logarithms_held_back(p, y, labelled):
    def loss(p, y):
        return -(y * p.log().clamp(min=-100) + (1 - y) * torch.log1p(-p).clamp(min=-100)).mean()

    return chosen(loss)(p, y, labelled)


@mutant("11.6", stage="edges", says="which is right, it costs nothing")
def never_quite_certain(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p.clamp(0.01, 0.99), y))(p, y, labelled)


@mutant("11.6", stage="properties", says="should be cheapest")
def targets_rounded(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p, y.round()))(p, y, labelled)


@mutant("11.6", stage="properties", says="to say no is an answer, too")
def the_rare_count_more(p, y, labelled):
    def loss(p, y):
        terms = binary_cross_entropy(p, y, reduction="none")
        weights = torch.where(y > 0.5, 1.0, 0.5)
        return (weights * terms).sum() / weights.sum()

    return chosen(loss)(p, y, labelled)


@mutant("11.6", stage="edges", says="your loss does not remember what it was made from")
def a_mere_number(p, y, labelled):
    return torch.tensor(chosen(binary_cross_entropy)(p, y, labelled).item())


@mutant("11.6", stage="output", says="Your loss has the shape [3]")
def a_loss_for_each_class(p, y, labelled):
    return binary_cross_entropy(p[labelled], y[labelled], reduction="none").mean(dim=0)


@mutant("11.6", stage="output", says="expected a tensor of one number")
def item(p, y, labelled):
    return chosen(binary_cross_entropy)(p, y, labelled).item()


@mutant("11.6", stage="output", says="A cross-entropy is never below 0")
def likelihood(p, y, labelled):
    return -chosen(binary_cross_entropy)(p, y, labelled)


@mutant("11.6", stage="reference", says="agree with `torch.nn.functional.binary_cross_entropy`")
def sixteen_clips_at_most(p, y, labelled):
    return chosen(lambda p, y: binary_cross_entropy(p[:16], y[:16]))(p, y, labelled)
