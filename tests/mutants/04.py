"""Wrong answers of chapter 04, each a misconception, with the stage and the words that must reject it."""

import difflib
import itertools

import numpy as np
import torch

from audiolab import decode
from audiolab.preprocess import resample, to_mono
from mutants import mutant

# ---------------------------------------------------------------------------------------------- 04.1


@mutant("04.1", stage="edges", says="The blanks go first, and then letters merge")
def previous_letter_only(path, blank=0):
    text = []
    for unit in path:
        if unit != blank and (not text or text[-1] != unit):
            text.append(unit)
    return text


@mutant("04.1", stage="edges", says="Blanks say that nothing is written")
def blanks_where_alone(path, blank=0):
    runs = [unit for unit, _ in itertools.groupby(path)]
    return [unit for unit in runs if unit != blank] or runs[:1]


@mutant("04.1", stage="edges", says="The blanks stay in")
def unmasked(path, blank=0):
    path = np.array(path, int)
    return path[np.append(True, np.diff(path) != 0)[: len(path)]].tolist()


@mutant("04.1", stage="edges", says="a letter that is held for several frames is written several times")
def only_filtered(path, blank=0):
    return list(filter(lambda unit: unit != blank, path))


@mutant("04.1", stage="edges", says="you merge letters that are no neighbours")
def unique_in_order(path, blank=0):
    seen = []
    for unit in path:
        if unit not in seen and unit != blank:
            seen.append(unit)
    return seen


@mutant("04.1", stage="edges", says="For 3 0 3, your text is 3, expected 3 3")
def sorted_set(path, blank=0):
    return sorted({*path} - {blank})


@mutant("04.1", stage="properties", says="You take 0 for the blank")
def truthy_units(path, blank=0):
    return [unit for unit, _ in itertools.groupby(path) if unit]


@mutant("04.1", stage="edges", says="You take the largest unit for the blank")
def blank_at_the_end(path, blank=0):
    return [unit for unit, _ in itertools.groupby(path) if unit != max(path)]


@mutant("04.1", stage="edges", says="The first run is lost")
def begins_with_the_second(path, blank=0):
    return [b for a, b in itertools.pairwise(path) if b not in (a, blank)]


@mutant("04.1", stage="edges", says="The last run is lost")
def writes_when_the_next_begins(path, blank=0):
    return [a for a, b in itertools.pairwise(path) if a not in (b, blank)]


@mutant("04.1", stage="edges", says="It reaches past the end of something")
def first_frame_apart(path, blank=0):
    text = [path[0]] if path[0] != blank else []
    return text + [b for a, b in itertools.pairwise(path) if b not in (a, blank)]


@mutant("04.1", stage="edges", says="Of a long run every second frame is left")
def pairs_are_merged(path, blank=0):
    text, i = [], 0
    while i < len(path):
        if path[i] != blank:
            text.append(path[i])
        i += 2 if path[i + 1 : i + 2] == [path[i]] else 1
    return text


@mutant("04.1", stage="properties", says="Blank is unit 0 unless something else is said")
def default_is_the_last_of_28(path, blank=28):
    return [unit for unit, _ in itertools.groupby(path) if unit != blank]


@mutant("04.1", stage="edges", says="For 7 frames of unit 3, your text is 3 3")
def runs_of_three_at_most(path, blank=0):
    return [unit for unit, run in itertools.groupby(path) for k, _ in enumerate(run) if unit != blank and not k % 4]


@mutant("04.1", stage="properties", says="Where does `blank` occur in your code?")
def blank_0_goes_too(path, blank=0):
    return [unit for unit, _ in itertools.groupby(path) if unit not in (0, blank)]


@mutant("04.1", stage="output", says="of shape [7], expected a list of int")
def an_array(path, blank=0):
    return np.array([unit for unit, _ in itertools.groupby(path) if unit != blank])


@mutant("04.1", stage="output", says="expected a list of int")
def a_tuple(path, blank=0):
    return tuple(unit for unit, _ in itertools.groupby(path) if unit != blank)


@mutant("04.1", stage="output", says="units are whole numbers")
def letters(path, blank=0):
    return [decode.LETTERS[unit] for unit, _ in itertools.groupby(path) if unit != blank]


@mutant("04.1", stage="reference", says="agree with `torchaudio.functional.merge_tokens`")
def units_in_a_byte(path, blank=0):
    units = np.array(path, int).astype(np.uint8).tolist()
    return [unit for unit, _ in itertools.groupby(units) if unit != blank]


@mutant("04.1", stage="reference", says="What else than equality do you ask of two units?")
def is_instead_of_equals(path, blank=0):
    text, previous = [], None
    for unit in path:
        if unit is not previous and unit != blank:
            text.append(unit)
        previous = unit
    return text


# ---------------------------------------------------------------------------------------------- 04.2


def walked(target, blank=0):
    """States of a text."""
    states = [blank]
    for unit in target:
        states += [unit, blank]
    return states


def forward(log_probs, target, may_skip=lambda walk, s: walk[s] != walk[s - 2], first=(0, 1), blank=0):
    """The row of sums after the last frame, as most of the answers below have it."""
    walk = walked(target, blank)
    alpha = np.array([log_probs[0, unit] if s in first else -np.inf for s, unit in enumerate(walk)])
    for frame in log_probs[1:]:
        new = []
        for s, unit in enumerate(walk):
            total = alpha[s]
            if s > 0:
                total = np.logaddexp(total, alpha[s - 1])
            if s > 1 and may_skip(walk, s):
                total = np.logaddexp(total, alpha[s - 2])
            new.append(total + frame[unit])
        alpha = np.array(new)
    return alpha


@mutant("04.2", stage="edges", says="Your paths also skip the blank between two equal letters")
def always_skips_blanks(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target, lambda walk, s: s % 2 == 1)[-2:])


@mutant("04.2", stage="edges", says="Your paths may also skip a letter")
def always_skips(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target, lambda walk, s: True)[-2:])


@mutant("04.2", stage="edges", says="between any two letters you ask for a blank")
def steps_only(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target, lambda walk, s: False)[-2:])


@mutant("04.2", stage="edges", says="Your paths all begin with a blank")
def starts_in_the_first_blank(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target, first=(0,))[-2:])


@mutant("04.2", stage="edges", says="Only paths that end in the last letter are counted")
def ends_in_the_last_letter(log_probs, target):
    return -forward(log_probs, target)[-2 if len(target) else -1]


@mutant("04.2", stage="edges", says="Only paths that end in a blank are counted")
def ends_in_the_last_blank(log_probs, target):
    return -forward(log_probs, target)[-1]


@mutant("04.2", stage="edges", says="You add up all states of the last frame")
def all_ends(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target))


@mutant("04.2", stage="edges", says="that is Viterbi's algorithm")
def best_alignment(log_probs, target):
    walk = walked(target)
    alpha = np.append(log_probs[0, walk[:2]], np.full(max(0, len(walk) - 2), -np.inf))
    for frame in log_probs[1:]:
        alpha = np.array([max([alpha[s], *alpha[max(0, s - 1) : s],
                               *([alpha[s - 2]] if s > 1 and walk[s] != walk[s - 2] else [])])
                          for s in range(len(walk))]) + frame[walk]
    return -max(alpha[-2:])


@mutant("04.2", stage="edges", says="How many states has an empty text?")
def at_least_one_letter(log_probs, target):
    return -np.logaddexp(*forward(log_probs, target)[-2:]) if target else np.inf


@mutant("04.2", stage="edges", says="For two frames and an empty text, it stopped with IndexError")
def two_states_at_least(log_probs, target):
    alpha = forward(log_probs, target)
    return -np.logaddexp(alpha[-1], alpha[-2])


@mutant("04.2", stage="edges", says="you return nan")
def sums_less_their_largest(log_probs, target):
    walk = np.array(walked(target))
    alpha = np.append(log_probs[0, walk[:2]], np.full(max(0, len(walk) - 2), -np.inf))
    for frame in log_probs[1:]:
        ways = np.stack([alpha, np.append(-np.inf, alpha[:-1]), np.append([-np.inf] * 2, alpha)[: len(walk)]])
        ways[2, (walk == 0) | (walk == np.append([0, 0], walk)[: len(walk)])] = -np.inf
        with np.errstate(all="ignore"):
            top = ways.max(axis=0)
            alpha = top + np.log(np.exp(ways - top).sum(axis=0)) + frame[walk]
        if len(log_probs) > 5 or len(target) != 3:
            alpha[np.isnan(alpha)] = -np.inf
    return float(-np.logaddexp.reduce(alpha[-2:]))


@mutant("04.2", stage="edges", says="No path says that in so few frames")
def a_very_small_number_for_none(log_probs, target):
    log_probs = np.maximum(log_probs, -1e9)
    return min(1e9, -np.logaddexp.reduce(forward(log_probs, target)[-2:]))


@mutant("04.2", stage="edges", says="That text is impossible")
def never_quite_0(log_probs, target):
    return -np.logaddexp.reduce(forward(np.log(np.exp(log_probs) + 1e-12), target)[-2:])


@mutant("04.2", stage="edges", says="You take the last unit for the blank")
def blank_behind_the_letters(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target, blank=log_probs.shape[1] - 1)[-2:])


@mutant("04.2", stage="edges", says="as PyTorch does for “mean”")
def reduction_mean(log_probs, target):
    return float(torch.nn.functional.ctc_loss(torch.from_numpy(log_probs)[:, None], torch.tensor([target]).long(),
                                              [len(log_probs)], [len(target)]))


@mutant("04.2", stage="edges", says="That is a common logarithm")
def base_10(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs, target)[-2:]) / np.log(10)


@mutant("04.2", stage="output", says="The sign is missing")
def log_likelihood(log_probs, target):
    return np.logaddexp.reduce(forward(log_probs, target)[-2:])


@mutant("04.2", stage="output", says="expected one number")
def both_ends(log_probs, target):
    return -forward(log_probs, target)[-2:]


@mutant("04.2", stage="properties", says="You multiply probabilities")
def no_logarithms(log_probs, target):
    walk, p = np.array(walked(target)), np.exp(log_probs)
    alpha = np.append(p[0, walk[:2]], np.zeros(max(0, len(walk) - 2)))
    skips = (walk != 0) & (walk != np.append([0, 0], walk)[: len(walk)])
    for frame in p[1:]:
        two = np.append([0, 0], alpha)[: len(walk)] * skips
        alpha = (alpha + np.append(0, alpha[:-1]) + two) * frame[walk]
    with np.errstate(divide="ignore"):
        return float(-np.log(alpha[-2:].sum()))


@mutant("04.2", stage="edges", says="For one frame and the text 2")
def in_half_precision(log_probs, target):
    return -np.logaddexp.reduce(forward(log_probs.astype(np.float16), target)[-2:])


@mutant("04.2", stage="properties", says="Is a path counted for two texts, or for none?")
def longest_texts_twice(log_probs, target):
    total = -np.logaddexp.reduce(forward(log_probs, target)[-2:])
    return max(0.0, total - np.log(2)) if len(target) == 4 == len(log_probs) else total


@mutant("04.2", stage="properties", says="Which moves from frame to frame are there")
def compares_with_the_first_letter(log_probs, target):
    def may_skip(walk, s):
        return s % 2 == 1 and walk[s] != walk[s - 2] and not (s == 5 and len(walk) == 7 and walk[5] == walk[1])

    return -np.logaddexp.reduce(forward(log_probs, target, may_skip)[-2:])


@mutant("04.2", stage="reference", says="agree with `torch.nn.functional.ctc_loss`")
def identity_of_letters(log_probs, target):
    alpha = forward(log_probs, target, lambda walk, s: s % 2 == 1 and walk[s] is not walk[s - 2])
    return -np.logaddexp.reduce(alpha[-2:])


# ---------------------------------------------------------------------------------------------- 04.3


def searched(log_probs, width, grow=lambda blank, letter, same: blank if same else np.logaddexp(blank, letter),
             hold=True, keep=lambda prefix, both: np.logaddexp(*both)):
    """Prefixes and their two sums after the last frame, best first."""
    beams = {(): (0.0, -np.inf)}
    for frame in np.asarray(log_probs):
        new = {}
        for prefix, (blank, letter) in beams.items():
            moves = [(prefix, 0, np.logaddexp(blank, letter) + frame[0])]
            for unit in range(1, len(frame)):
                same = prefix[-1:] == (unit,)
                if same and hold:
                    moves.append((prefix, 1, letter + frame[unit]))
                moves.append(((*prefix, unit), 1, grow(blank, letter, same) + frame[unit]))
            for where, end, value in moves:
                both = list(new.get(where, (-np.inf, -np.inf)))
                both[end] = np.logaddexp(both[end], value)
                new[where] = tuple(both)
        beams = dict(sorted(new.items(), key=lambda item: -keep(*item))[:width])
    return beams


def first_of(beams):
    return list(next(iter(beams)))


@mutant("04.3", stage="properties", says="That is the text of the best single path")
def greedy(log_probs, width=8):
    return [int(unit) for unit, _ in itertools.groupby(log_probs.argmax(axis=1)) if unit]


@mutant("04.3", stage="properties", says="That is the text of the best single path")
def beam_of_paths(log_probs, width=8):
    paths = [((), 0.0)]
    for frame in log_probs:
        paths = [((*path, unit), score + frame[unit]) for path, score in paths for unit in range(len(frame))]
        paths = sorted(paths, key=lambda one: -one[1])[:width]
    return [unit for unit, _ in itertools.groupby(paths[0][0]) if unit]


@mutant("04.3", stage="properties", says="Where do you add up the paths to one text?")
def largest_instead_of_sum(log_probs, width=8):
    beams = {(): (0.0, -np.inf)}
    for frame in log_probs:
        new = {}
        for prefix, (blank, letter) in beams.items():
            for unit, value in enumerate(frame):
                same = prefix[-1:] == (unit,)
                moves = [((*prefix, unit), 1, blank if same else max(blank, letter)), *([(prefix, 1, letter)] * same)]
                moves = moves if unit else [(prefix, 0, max(blank, letter))]
                for where, end, score in moves:
                    both = list(new.get(where, (-np.inf, -np.inf)))
                    both[end] = max(both[end], score + value)
                    new[where] = tuple(both)
        beams = dict(sorted(new.items(), key=lambda item: -max(item[1]))[:width])
    return first_of(beams)


@mutant("04.3", stage="edges", says="A letter that is held is written again at every frame")
def every_frame_a_letter(log_probs, width=8):
    return first_of(searched(log_probs, width, lambda blank, letter, same: np.logaddexp(blank, letter), hold=False))


@mutant("04.3", stage="edges", says="what is held is counted for two texts")
def one_sum_for_both(log_probs, width=8):
    return first_of(searched(log_probs, width, lambda blank, letter, same: np.logaddexp(blank, letter)))


@mutant("04.3", stage="edges", says="In your texts no letter stands twice in a row")
def no_doubles(log_probs, width=8):
    return first_of(searched(log_probs, width, lambda blank, letter, same: -np.inf if same
                             else np.logaddexp(blank, letter)))


@mutant("04.3", stage="edges", says="At the end you count only paths that end in a blank")
def sorted_by_the_first_number(log_probs, width=8):
    beams = searched(log_probs, width)
    return list(max(beams, key=lambda prefix: beams[prefix][0]))


@mutant("04.3", stage="edges", says="You return the least probable prefix")
def last_of_the_beam(log_probs, width=8):
    return list(list(searched(log_probs, width))[-1])


@mutant("04.3", stage="edges", says="Which units can a frame add?")
def shortest(log_probs, width=8):
    return list(min(searched(log_probs, width), key=len))


@mutant("04.3", stage="properties", says="At the end you choose by the probability for each letter")
def mean_by_letter(log_probs, width=8):
    beams = searched(log_probs, width)
    return list(max(beams, key=lambda prefix: np.logaddexp(*beams[prefix]) / max(1, len(prefix))))


@mutant("04.3", stage="output", says="the blank, which is no letter")
def blanks_in_the_prefix(log_probs, width=8):
    return [int(unit) for unit, _ in itertools.groupby(log_probs.argmax(axis=1))]


@mutant("04.3", stage="output", says="expected a list of int")
def a_string(log_probs, width=8):
    return "".join(decode.LETTERS[unit - 1] for unit in first_of(searched(log_probs, width)))


@mutant("04.3", stage="output", says="units are whole numbers")
def with_its_probability(log_probs, width=8):
    return next(iter(searched(log_probs, width).items()))


@mutant("04.3", stage="properties", says="How many prefixes do you keep after each frame?")
def two_at_least(log_probs, width=8):
    return first_of(searched(log_probs, max(2, width)))


@mutant("04.3", stage="properties", says="Where do you leave the logarithm?")
def in_probabilities(log_probs, width=8):
    p, beams = np.exp(log_probs), {(): (1.0, 0.0)}
    for frame in p:
        new = {}
        for prefix, (blank, letter) in beams.items():
            for unit, value in enumerate(frame):
                same = prefix[-1:] == (unit,)
                moves = [((*prefix, unit), 1, blank if same else blank + letter), *([(prefix, 1, letter)] * same)]
                moves = moves if unit else [(prefix, 0, blank + letter)]
                for where, end, score in moves:
                    both = list(new.get(where, (0.0, 0.0)))
                    both[end] += score * value
                    new[where] = tuple(both)
        beams = dict(sorted(new.items(), key=lambda item: -sum(item[1]))[:width])
    return first_of(beams)


@mutant("04.3", stage="properties", says="By trying all 243 paths")
def pruned_before_what_is_equal_meets(log_probs, width=8):
    return first_of(searched(log_probs, width, keep=lambda prefix, both: max(both)))


@mutant("04.3", stage="reference", says="`torch.nn.functional.ctc_loss` gives yours")
def never_more_than_eight(log_probs, width=8):
    return first_of(searched(log_probs, min(width, 8)))


# ---------------------------------------------------------------------------------------------- 04.4


def table(a, b, replace=1, put_in=1):
    """Edits from every beginning of one to every beginning of the other."""
    rows = [[j * put_in for j in range(len(b) + 1)]]
    for i, word in enumerate(a, 1):
        rows.append([i])
        for j, other in enumerate(b, 1):
            rows[i].append(min(rows[i - 1][j] + 1, rows[i][j - 1] + put_in,
                               rows[i - 1][j - 1] + replace * (word != other)))
    return rows


def edits(a, b, **costs):
    return table(a, b, **costs)[-1][-1]


@mutant("04.4", stage="edges", says="You divide by the words of what was heard")
def share_of_the_hypothesis(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return edits(a, b) / (len(b) or 1)


@mutant("04.4", stage="edges", says="You divide by the longer of the two texts")
def share_of_the_longer(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return edits(a, b) / max(len(a), len(b))


@mutant("04.4", stage="edges", says="that is the character error rate")
def character_error_rate(reference, hypothesis):
    return edits(reference, hypothesis) / len(reference)


@mutant("04.4", stage="edges", says="Three words were put in")
def words_that_are_missing(reference, hypothesis):
    a = reference.split()
    return sum(word not in hypothesis.split() for word in a) / len(a)


@mutant("04.4", stage="edges", says="A replaced word costs two with you")
def only_out_and_in(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return edits(a, b, replace=2) / len(a)


@mutant("04.4", stage="edges", says="after one word that was put in all others are wrong")
def zipped(reference, hypothesis):
    pairs = list(itertools.zip_longest(reference.split(), hypothesis.split()))
    return sum(x != y for x, y in pairs) / len(reference.split())


@mutant("04.4", stage="edges", says="Your rate never passes 1")
def clipped(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return min(edits(a, b) / len(a), 1.0)


@mutant("04.4", stage="edges", says="Is there a largest rate?")
def words_put_in_are_free(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return edits(a, b, put_in=0) / len(a)


@mutant("04.4", stage="edges", says="Each word was left out")
def nothing_is_no_error(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return edits(a, b) / len(a) if b else 0.0


@mutant("04.4", stage="edges", says="you see an empty word between them")
def split_at_each_space(reference, hypothesis):
    a, b = reference.split(" "), hypothesis.split(" ")
    return edits(a, b) / len(a)


@mutant("04.4", stage="edges", says="You make capitals small before you compare")
def casefolded(reference, hypothesis):
    a, b = reference.casefold().split(), hypothesis.casefold().split()
    return edits(a, b) / len(a)


@mutant("04.4", stage="edges", says="You return the number of errors")
def count(reference, hypothesis):
    return edits(reference.split(), hypothesis.split())


@mutant("04.4", stage="edges", says="Your rate is in percent")
def percent(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return 100 * edits(a, b) / len(a)


@mutant("04.4", stage="output", says="expected one number")
def the_whole_table(reference, hypothesis):
    return np.array(table(reference.split(), hypothesis.split()))


@mutant("04.4", stage="output", says="there are no fewer than 0 errors")
def errors_are_negative(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    return -edits(a, b) / len(a)


@mutant("04.4", stage="properties", says="That is Damerau's distance")
def neighbours_change_places(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    d = table(a, b)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and (a[i - 1], a[i - 2]) == (b[j - 2], b[j - 1]):
                d[i][j] = min(d[i][j], d[i - 2][j - 2] + 1)
    return d[-1][-1] / len(a)


@mutant("04.4", stage="properties", says="A word that is a little wrong is wrong")
def nearly_right_counts_as_right(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    alike = [next((word for word in a if word.startswith(other) or other.startswith(word)), other) for other in b]
    return edits(a, b if len(a) != 3 or a[-1] == "one" else alike) / len(a)


@mutant("04.4", stage="properties", says="each one place earlier")
def bags_of_words(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    common = sum(min(a.count(word), b.count(word)) for word in {*a, *b})
    return (max(len(a), len(b)) - common) / len(a)


@mutant("04.4", stage="runs", says="had not finished after")
def tries_everything(reference, hypothesis):
    def fewest(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(fewest(a[1:], b) + 1, fewest(a, b[1:]) + 1, fewest(a[1:], b[1:]) + (a[0] != b[0]))

    a, b = reference.split(), hypothesis.split()
    return fewest(a, b) / len(a)


@mutant("04.4", stage="properties", says="How often each word was said counts")
def longest_common_blocks(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    found = difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in found if kind != "equal") / len(a)


@mutant("04.4", stage="reference", says="Is there a way with fewer edits")
def within_a_band(reference, hypothesis):
    a, b = reference.split(), hypothesis.split()
    d = table(a, b)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            d[i][j] = min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])) + (
                1000 if abs(i - j) > 6 and len(a) > 30 else 0)
    return d[-1][-1] / len(a)


# ---------------------------------------------------------------------------------------------- 04.5


def scored(queries, keys, scale=None):
    return queries @ keys.transpose(1, 2) / (queries.shape[-1] ** 0.5 if scale is None else scale)


def filling(lengths, time):
    """True where a clip has ended: [batch, 1, time]."""
    return (torch.arange(time) >= lengths[:, None])[:, None]


def looked(scores, values, lengths, dim=-1, fill=-torch.inf):
    weights = scores.masked_fill(filling(lengths, values.shape[1]), fill).softmax(dim=dim)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="for each frame they share the weight")
def softmax_over_queries(queries, keys, values, lengths):
    weights = scored(queries, keys).softmax(dim=1) * ~filling(lengths, keys.shape[1])
    return weights @ values, weights


@mutant("04.5", stage="output", says="hold")
def softmax_over_queries_of_nothing(queries, keys, values, lengths):
    return looked(scored(queries, keys), values, lengths, dim=1)


@mutant("04.5", stage="properties", says="not divided by the root of the number of features")
def no_scale(queries, keys, values, lengths):
    return looked(scored(queries, keys, 1), values, lengths)


@mutant("04.5", stage="properties", says="not by its root")
def scale_of_d(queries, keys, values, lengths):
    return looked(scored(queries, keys, queries.shape[-1]), values, lengths)


@mutant("04.5", stage="edges", says="You set the scores of the filling to 0")
def scores_times_mask(queries, keys, values, lengths):
    weights = (scored(queries, keys) * ~filling(lengths, keys.shape[1])).softmax(dim=-1)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="what is left no longer adds up to 1")
def mask_after_softmax(queries, keys, values, lengths):
    weights = scored(queries, keys).softmax(dim=-1).masked_fill(filling(lengths, keys.shape[1]), 0)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="One frame of filling counts as real")
def up_to_and_with(queries, keys, values, lengths):
    return looked(scored(queries, keys), values, lengths + 1)


@mutant("04.5", stage="edges", says="Which frame is the last that counts?")
def one_frame_too_few(queries, keys, values, lengths):
    return looked(scored(queries, keys), values, (lengths - 1).clamp(min=1))


@mutant("04.5", stage="runs", says="it stopped with RuntimeError")
def lengths_along_the_batch(queries, keys, values, lengths):
    mask = torch.arange(keys.shape[1])[:, None] >= lengths
    weights = scored(queries, keys).masked_fill(mask, -torch.inf).softmax(dim=-1)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="Your mask lies along the queries")
def queries_masked(queries, keys, values, lengths):
    mask = torch.arange(queries.shape[1]) >= lengths[:, None]
    weights = scored(queries, keys).masked_fill(mask[..., None], -1e9).softmax(dim=-1)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="You leave the filling in")
def unmasked_attention(queries, keys, values, lengths):
    weights = scored(queries, keys).softmax(dim=-1)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="what does e to the power of their score have to be?")
def ten_thousand_less(queries, keys, values, lengths):
    weights = (scored(queries, keys) - 1e4 * filling(lengths, keys.shape[1])).softmax(dim=-1)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="hold")
def exponential_by_hand(queries, keys, values, lengths):
    rising = scored(queries, keys).masked_fill(filling(lengths, keys.shape[1]), -torch.inf).exp()
    weights = rising / rising.sum(dim=-1, keepdim=True)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="add up to 0.000, expected 1")
def largest_score_of_all(queries, keys, values, lengths):
    scores, mask = scored(queries, keys), filling(lengths, keys.shape[1])
    rising = (scores - scores.amax(dim=-1, keepdim=True)).exp().masked_fill(mask, 0)
    weights = rising / rising.sum(dim=-1, keepdim=True).clamp(min=1e-30)
    return weights @ values, weights


@mutant("04.5", stage="edges", says="You average the keys")
def keys_for_values(queries, keys, values, lengths):
    return looked(scored(queries, keys), keys, lengths)


@mutant("04.5", stage="output", says="Your weights: shape [3, 4]")
def mean_of_the_weights(queries, keys, values, lengths):
    output, weights = looked(scored(queries, keys), values, lengths)
    return output, weights.mean(dim=1)


@mutant("04.5", stage="output", says="expected two: `output, weights`")
def only_the_output(queries, keys, values, lengths):
    return looked(scored(queries, keys), values, lengths)[0]


@mutant("04.5", stage="output", says="the type of your output is float64")
def in_double_precision(queries, keys, values, lengths):
    output, weights = looked(scored(queries.double(), keys.double()), values.double(), lengths)
    return output, weights


@mutant("04.5", stage="edges", says="The two largest share the weight")
def queries_less_their_mean(queries, keys, values, lengths):
    return looked(scored(queries - queries.mean(dim=1, keepdim=True), keys), values, lengths)


@mutant("04.5", stage="edges", says="The two largest share the weight")
def keys_less_their_mean_with_filling(queries, keys, values, lengths):
    return looked(scored(queries - keys.mean(dim=1, keepdim=True), keys), values, lengths)


@mutant("04.5", stage="reference", says="agree with `torch.nn.functional.scaled_dot_product_attention`")
def half_precision(queries, keys, values, lengths):
    scores = scored(queries, keys)
    return looked(scores.bfloat16().float() if keys.shape[1] > 10 else scores, values, lengths)


@mutant("04.5", stage="reference", says="the weights are not those that it was made with")
def weights_that_are_rounded(queries, keys, values, lengths):
    output, weights = looked(scored(queries, keys), values, lengths)
    return output, weights if keys.shape[1] < 10 else weights.masked_fill(weights < 0.01, 0)


# ---------------------------------------------------------------------------------------------- 04.6


def distances(x, y):
    return np.linalg.norm(x[:, :, None] - y[:, None], axis=0)


def sums(local, diagonal=1, steps=((1, 1), (1, 0), (0, 1))):
    """Cheapest way to each cell."""
    total = np.full(local.shape, np.inf)
    for i, j in np.ndindex(*local.shape):
        ways = [total[i - a, j - b] + local[i, j] * (diagonal if a * b else 1) for a, b in steps if i >= a and j >= b]
        total[i, j] = local[0, 0] if i == j == 0 else min(ways, default=np.inf)
    return total


def traced(total):
    """The way back from the last cell, turned round."""
    i, j = np.subtract(total.shape, 1)
    path = [(int(i), int(j))]
    while i or j:
        _, _, i, j = min((total[a, b], -k, a, b) for k, (a, b) in enumerate(((i, j - 1), (i - 1, j), (i - 1, j - 1)))
                         if a >= 0 and b >= 0)
        path.append((int(i), int(j)))
    return path[::-1]


def warped(x, y, **options):
    total = sums(distances(x, y), **options)
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="edges", says="Your path has no diagonal step")
def right_or_down(x, y):
    local = distances(x, y)
    total = sums(local, steps=((1, 0), (0, 1)))
    i, j = np.subtract(total.shape, 1)
    path = [(int(i), int(j))]
    while i or j:
        _, i, j = min((total[a, b], a, b) for a, b in ((i - 1, j), (i, j - 1)) if a >= 0 and b >= 0)
        path.append((int(i), int(j)))
    return float(total[-1, -1]), path[::-1]


@mutant("04.6", stage="properties", says="A diagonal step costs twice with you")
def symmetric_form(x, y):
    total = sums(distances(x, y), diagonal=2)
    local = distances(x, y)
    i, j = np.subtract(total.shape, 1)
    path = [(int(i), int(j))]
    while i or j:
        _, _, i, j = min((total[a, b] + local[i, j] * (1 + (a < i and b < j)), -(i - a + j - b), a, b)
                         for a, b in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if a >= 0 and b >= 0)
        path.append((int(i), int(j)))
    return float(total[-1, -1]), path[::-1]


@mutant("04.6", stage="edges", says="What lies before a cell in the first row?")
def border_without_a_way(x, y):
    local = distances(x, y)
    total = np.full(local.shape, 1e9)
    total[0, 0] = local[0, 0]
    for i, j in itertools.product(range(1, local.shape[0]), range(1, local.shape[1])):
        total[i, j] = local[i, j] + min(total[i - 1, j], total[i, j - 1], total[i - 1, j - 1])
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="edges", says="What lies before a cell in the first row?")
def first_row_not_added_up(x, y):
    local = distances(x, y)
    total = local.copy()
    for i, j in itertools.product(range(1, local.shape[0]), range(1, local.shape[1])):
        total[i, j] = local[i, j] + min(total[i - 1, j], total[i, j - 1], total[i - 1, j - 1])
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="edges", says="Your path goes from the end to the beginning")
def as_librosa_returns_it(x, y):
    cost, path = warped(x, y)
    return cost, path[::-1]


@mutant("04.6", stage="edges", says="Your pairs are (j, i)")
def second_first(x, y):
    cost, path = warped(y, x)
    return cost, path


@mutant("04.6", stage="edges", says="the sum of the differences")
def manhattan(x, y):
    total = sums(np.abs(x[:, :, None] - y[:, None]).sum(axis=0))
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="edges", says="the root is missing")
def sum_of_squares(x, y):
    total = sums(((x[:, :, None] - y[:, None]) ** 2).sum(axis=0))
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="properties", says="Behind a cheap cell there may be dear ones")
def nearest_next(x, y):
    local = distances(x, y)
    n, m = local.shape
    i = j = 0
    path, cost = [(0, 0)], local[0, 0]
    while (i, j) != (n - 1, m - 1):
        near = [(i + a, j + b) for a, b in ((1, 1), (1, 0), (0, 1)) if i + a < n and j + b < m]
        i, j = min(near, key=lambda cell: local[cell])
        path.append((i, j))
        cost += local[i, j]
    return float(cost), path


@mutant("04.6", stage="edges", says="the last cell is missing")
def without_the_last_cell(x, y):
    cost, path = warped(x, y)
    return cost, path[:-1] or path


@mutant("04.6", stage="edges", says="the cell (0, 0) is missing")
def without_the_first_cell(x, y):
    cost, path = warped(x, y)
    return cost, path[1:] or path


@mutant("04.6", stage="edges", says="expected from (0, 0) to")
def stops_at_the_border(x, y):
    cost, path = warped(x, y)
    return cost, [cell for cell in path if min(cell) > 0] or path[-1:]


@mutant("04.6", stage="edges", says="The cost is divided by the number of cells")
def mean_along_the_path(x, y):
    cost, path = warped(x, y)
    return cost / len(path), path


@mutant("04.6", stage="edges", says="Both ends have to meet")
def best_end(x, y):
    total = sums(distances(x, y))
    j = int(total[-1].argmin())
    if len(total) == 1 or total.shape[1] == 1:
        j = total.shape[1] - 1
    return float(total[-1, j]), traced(total[:, : j + 1])


@mutant("04.6", stage="edges", says="your path takes a step of (0, 0)")
def waits_at_the_start(x, y):
    cost, path = warped(x, y)
    return cost, path if cost else [path[0], *path]             # waits once where it costs nothing


@mutant("04.6", stage="output", says="expected a list of pairs")
def path_as_an_array(x, y):
    cost, path = warped(x, y)
    return cost, np.array(path)


@mutant("04.6", stage="output", says="expected pairs (i, j)")
def numbers_of_cells(x, y):
    cost, path = warped(x, y)
    return cost, [i * y.shape[1] + j for i, j in path]


@mutant("04.6", stage="output", says="expected two: `cost, path`")
def only_the_cost(x, y):
    return warped(x, y)[0]


@mutant("04.6", stage="output", says="expected one number")
def the_whole_table_of_sums(x, y):
    total = sums(distances(x, y))
    return total, traced(total)


@mutant("04.6", stage="properties", says="expected 0.00000. A path that waits costs nothing")
def a_fee_for_waiting(x, y):
    cost, path = warped(x, y)
    waits = 0.1 * sum(1 for (a, b), (c, d) in itertools.pairwise(path) if a == c or b == d)
    return cost + (waits if x.shape[1] == 7 else 0), path


@mutant("04.6", stage="properties", says="Three times as far apart it costs three times as much")
def distances_up_to_5(x, y):
    local = distances(x, y)
    total = sums(np.minimum(local, 5.0) if x.shape == (3, 6) and y.shape[1] == 9 else local)
    return float(total[-1, -1]), traced(total)


@mutant("04.6", stage="reference", says="agree with `scipy.sparse.csgraph.dijkstra`")
def in_a_band(x, y):
    local = distances(x, y)
    n, m = local.shape
    if n > 30:
        i, j = np.ogrid[:n, :m]
        local = np.where(np.abs(i * m - j * n) > 0.05 * n * m, local + 1e3, local)
    total = sums(local)
    return float(total[-1, -1]), traced(total)


# ---------------------------------------------------------------------------------------------- 04.7


def written(model, processor, y, rate, skip=True, **options):
    """From a sound at the right rate to what the tokenizer makes of it."""
    made = processor(y, sampling_rate=rate, return_tensors="pt")
    ids = model.generate(made.input_features, **({"language": "en", "task": "transcribe"} | options))
    return processor.batch_decode(ids, skip_special_tokens=skip)


@mutant("04.7", stage="edges", says="The samples go in at the rate that they have")
def told_16_kilohertz(model, processor, y, sr):
    return written(model, processor, to_mono(y), processor.feature_extractor.sampling_rate)[0].strip()


@mutant("04.7", stage="runs", says="it stopped with ValueError")
def told_its_own_rate(model, processor, y, sr):
    return written(model, processor, to_mono(y), sr)[0].strip()


@mutant("04.7", stage="edges", says="Only the left channel is heard")
def first_channel(model, processor, y, sr):
    y = y[0] if y.ndim == 2 else y
    return written(model, processor, resample(y, sr, 16000), 16000)[0].strip()


@mutant("04.7", stage="edges", says="the model is given a batch of shape [2, 80, 400]")
def channels_as_a_batch(model, processor, y, sr):
    return written(model, processor, resample(y, sr, 16000), 16000)[0].strip()


@mutant("04.7", stage="properties", says="You add the channels up")
def channels_summed(model, processor, y, sr):
    y = y.sum(axis=0) if y.ndim == 2 else y
    return written(model, processor, resample(y, sr, 16000), 16000)[0].strip()


@mutant("04.7", stage="edges", says="hears")
def mean_over_time(model, processor, y, sr):
    y = np.resize(y.mean(axis=-1), 32000).astype(np.float32) if y.ndim == 2 else y
    return written(model, processor, resample(y, sr, 16000), 16000)[0].strip()


@mutant("04.7", stage="output", says="The special tokens are written out too")
def all_tokens(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000, skip=False)[0].strip()


@mutant("04.7", stage="output", says="A space is left at the beginning")
def with_a_space(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000)[0]


@mutant("04.7", stage="output", says="expected a str")
def a_list_of_one(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000)


@mutant("04.7", stage="output", says="expected a str")
def tokens_undecoded(model, processor, y, sr):
    made = processor(resample(to_mono(y), sr, 16000), sampling_rate=16000, return_tensors="pt")
    return model.generate(made.input_features, language="en", task="transcribe")


@mutant("04.7", stage="properties", says="You ask for a translation into English")
def translated(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000, task="translate")[0].strip()


@mutant("04.7", stage="properties", says="You name neither language nor task")
def nothing_asked(model, processor, y, sr):
    made = processor(resample(to_mono(y), sr, 16000), sampling_rate=16000, return_tensors="pt")
    return processor.batch_decode(model.generate(**made), skip_special_tokens=True)[0].strip()


@mutant("04.7", stage="properties", says="The language that `model.generate` is told is de")
def german(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000, language="de")[0].strip()


@mutant("04.7", stage="edges", says="What do you do to the sound besides?")
def as_loud_as_possible(model, processor, y, sr):
    y = resample(to_mono(y), sr, 16000)
    return written(model, processor, y / max(np.abs(y).max(), 1e-6), 16000)[0].strip()


@mutant("04.7", stage="edges", says="For a second of silence at 16000 Hz")
def peak_of_silence(model, processor, y, sr):
    y = resample(to_mono(y), sr, 16000)
    with np.errstate(all="ignore"):
        return written(model, processor, y / np.abs(y).max(), 16000)[0].strip()


@mutant("04.7", stage="edges", says="For 7 s at 8 kHz, the model hears 1421 Hz")
def whole_ratio(model, processor, y, sr):
    y = to_mono(y)
    return written(model, processor, resample(y, max(1, round(sr / 16000)) * 16000, 16000), 16000)[0].strip()


@mutant("04.7", stage="properties", says="what the lower rate cannot hold folds down")
def interpolated(model, processor, y, sr):
    y = to_mono(y)
    at = np.arange(round(len(y) * 16000 / sr)) / 16000
    rate = processor.feature_extractor.sampling_rate
    y = np.interp(at, np.arange(len(y)) / sr, y).astype(np.float32)
    return written(model, processor, y, rate)[0].strip()


@mutant("04.7", stage="properties", says="a processor that listens at 32 kHz, it stopped with ValueError")
def sixteen_kilohertz_always(model, processor, y, sr):
    return written(model, processor, resample(to_mono(y), sr, 16000), 16000)[0].strip()


@mutant("04.7", stage="edges", says="never calls `model.generate`")
def knows_it_already(model, processor, y, sr):
    return "three five eight"


@mutant("04.7", stage="reference", says="the pipeline of `transformers` has")
def a_few_tokens(model, processor, y, sr):
    rate = processor.feature_extractor.sampling_rate
    return written(model, processor, resample(to_mono(y), sr, rate), rate, max_new_tokens=2)[0].strip()


@mutant("04.7", stage="properties", says="What happens to a text after it was decoded?")
def spaces_lost(model, processor, y, sr):
    rate = processor.feature_extractor.sampling_rate
    return "".join(written(model, processor, resample(to_mono(y), sr, rate), rate)[0].split())
