"""Checks of chapter 04, speech recognition: CTC, beam search, word errors, attention, time warping, Whisper."""

import functools
import itertools
import math

import numpy as np

from .spec import Exercise
from .stages import as_array

_DIGITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "zero"]


def _kind(got):
    """What something is, in a few words."""
    if isinstance(got, np.ndarray) or hasattr(got, "detach"):
        return f"an array of shape {list(got.shape)}"
    return repr(got)[:60]


def _two(t, got, names):
    """Hold a result to being two things."""
    found = f"{len(got)} thing{'s' * (len(got) != 1)}" if isinstance(got, tuple | list) else _kind(got)
    t.holds(isinstance(got, tuple | list) and len(got) == 2, f"You return **{found}**, expected two: `{names}`.",
            ask="What does its last line hand back?", values=False)


def _whole(x):
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def _units(t, got, kinds, wanted):
    """Hold a result to being a sequence of whole numbers."""
    t.holds(isinstance(got, kinds), f"You return **{_kind(got)}**, expected {wanted}.",
            ask="What does its last line hand back?", values=False)
    strange = [x for x in got if not _whole(x)]
    t.holds(not strange, f"Your {wanted.partition(' ')[2]} holds **{_kind(strange[0]) if strange else ''}**; units are "
            "whole numbers.", ask="What do you put in, and of what type is it?", values=False)


def _said(t, case, got, want, says, ask):
    """Hold a sequence of units to the one that is right."""
    t.holds(list(got) == list(want), f"For {case}, your text is **{_listed(got)}**, expected {_listed(want)}. {says}",
            ask=ask)


def _listed(units, most=12):
    """Units in words, the first few: ``3 3 5``."""
    units = [int(unit) for unit in units]
    words = " ".join(map(str, units[:most])) or "empty"
    return f"{words} … ({len(units)} units)" if len(units) > most else words


# ---------------------------------------------------------------------------------------------- 04.1

collapse = Exercise(
    "04.1", "collapse(path, blank=0)",
    example=lambda: ([1, 1, 4, 3, 3, 3, 1, 3, 3, 1, 3, 1, 4, 4, 4, 1, 2, 2, 2, 2, 6], 1),
    hints=[
        "Two rules, and their order matters. Take 3 3 1 3 with blank 1: what is left after each rule, in both orders?",
        "Go through the path with the frame before in your hand. A unit is written when it is not what stood in the "
        "frame before, and is not blank. The first frame has none before it.",
        "`itertools.groupby(path)` gives each run of equal units once. Without it: keep `previous`, renew it at "
        "*every* frame, also where nothing is written, and begin with something that is no unit, such as `None`.",
    ],
    learned="A blank between two equal letters keeps them apart: without it no network could write “three”.",
)


@collapse.output
def is_a_list_of_units(t, got, path, blank=0):
    _units(t, got, list, "a list of int")
    t.holds(len(got) <= len(path), f"Of {len(path)} frames you make **{len(got)}** units: there cannot be more units "
            "than frames.", ask="How often is each frame written?")


@collapse.edges
def nothing_at_all(t):
    _said(t, "a path without frames", t.on("a path without frames")([], 0), [], "Where nothing comes in, nothing "
          "comes out.", "Which frame do you look at before you know that there is one?")


@collapse.edges
def only_blanks(t):
    for n in (1, 5):
        case = f"{n} frame{'s' * (n > 1)} of blank"
        _said(t, case, t.on(case)([0] * n, 0), [], "Blanks say that nothing is written.", "When do blanks go?")


@collapse.edges
def one_unit_held(t):
    for n in (1, 2, 3, 7):
        case = f"{n} frame{'s' * (n > 1)} of unit 3"
        _said(t, case, t.on(case)([3] * n, 0), [3], "A letter is as long as its sound; it is written once.",
              "Which frames of a run are written?")


@collapse.edges
def blanks_at_the_ends(t):
    _said(t, "0 0 3 5 0", t.on("0 0 3 5 0")([0, 0, 3, 5, 0], 0), [3, 5], "What lies before and after a text does not "
          "change it.", "What do you know of the first frame, and of the last?")
    _said(t, "3 5 5", t.on("3 5 5")([3, 5, 5], 0), [3, 5], "A text may begin in the first frame and end in the last.",
          "What do you know of the first frame, and of the last?")


@collapse.edges
def a_blank_between_two_alike(t):
    _said(t, "3 0 3", t.on("3 0 3")([3, 0, 3], 0), [3, 3], "A blank between two equal units keeps them apart.",
          "Which of the two rules comes first?")
    _said(t, "3 5 3", t.on("3 5 3")([3, 5, 3], 0), [3, 5, 3], "Only neighbours are merged: a unit may come again.",
          "With which frame do you compare?")


@collapse.properties
def any_unit_may_be_the_blank(t):
    path = t.rng.integers(0, 5, 20).tolist()
    for blank in (0, 2, 4):
        case = f"a random path of units 0 to 4 with blank {blank}"
        _said(t, case, t.on(case)(path, blank), _collapsed(path, blank), "It is the argument that says which unit is "
              "the blank; all others are letters, 0 too.", "Where does `blank` occur in your code?")
    got = t.on("0 3 3 0 5 without naming a blank")([0, 3, 3, 0, 5])
    _said(t, "0 3 3 0 5 without naming a blank", got, [3, 5], "Blank is unit 0 unless something else is said.",
          "What is the default of `blank`?")


@collapse.properties
def holding_every_frame_changes_nothing(t):
    path = t.rng.integers(0, 4, 15).tolist()
    for times in (2, 3):
        case = f"a path of which every frame stands {times} times"
        _said(t, case, t.on(case)(np.repeat(path, times).tolist(), 0), t(path, 0), "Spoken more slowly, the text is "
              "the same.", "How many frames of a run are left?")


@collapse.properties
def a_blank_after_every_frame_keeps_all(t):
    path = t.rng.integers(1, 4, 12).tolist()
    apart = [x for unit in path for x in (unit, 0)]
    _said(t, "a path with a blank after every letter", t.on("a path with a blank after every letter")(apart, 0), path,
          "Each letter stands alone, so all of them are written.", "Do you merge before or after the blanks go?")


@collapse.properties
def every_path_of_a_text(t):
    text = t.rng.integers(1, 4, 8).tolist()
    path = []
    for i, unit in enumerate(text):
        must = i > 0 and text[i - 1] == unit
        path += [0] * int(t.rng.integers(must, 3)) + [unit] * int(t.rng.integers(1, 4))
    _said(t, f"the path {_listed(path, 40)}", t.on("a path that was made from a text")(path, 0), text,
          "It was made by holding letters and putting blanks between.", "What happens at a border between two runs?")


@collapse.reference
def agrees_with_torchaudio_merge_tokens(t):
    import torch
    from torchaudio.functional import merge_tokens

    for units, frames in ((29, 60), (5000, 400)):
        few = t.rng.integers(1, units, 20)
        path = t.rng.choice([0, *few.tolist()], frames, p=[0.4] + [0.03] * 20)
        path = np.repeat(path, t.rng.integers(1, 4, frames)).tolist()
        spans = merge_tokens(torch.tensor(path), torch.zeros(len(path)), blank=0)
        case = f"{len(path)} frames of {units} units"
        _said(t, case, t.on(case)(path, 0), [span.token for span in spans],
              "It has to agree with `torchaudio.functional.merge_tokens`.", "What else than equality do you ask of two "
              "units?")


def _collapsed(path, blank):
    return [unit for unit, _ in itertools.groupby(path) if unit != blank]


@collapse.mistake("The blanks go first, and then letters merge that a blank had kept apart.",
                  ask="Which of the two rules comes first?")
def blanks_first(path, blank=0):
    return [unit for unit, _ in itertools.groupby(unit for unit in path if unit != blank)]


@collapse.mistake("The blanks stay in.", ask="What becomes of a run of blanks?")
def keeps_blanks(path, blank=0):
    return [unit for unit, _ in itertools.groupby(path)]


@collapse.mistake("Only the blanks go: a letter that is held for several frames is written several times.",
                  ask="Which frames of a run are written?")
def never_merges(path, blank=0):
    return [unit for unit in path if unit != blank]


@collapse.mistake("Each letter is written once in the whole text: you merge letters that are no neighbours.",
                  ask="With which frame do you compare?")
def each_letter_once(path, blank=0):
    return [unit for unit in dict.fromkeys(path) if unit != blank]


@collapse.mistake("You take 0 for the blank, whatever `blank` is.", ask="Where does `blank` occur in your code?")
def blank_is_always_0(path, blank=0):
    return _collapsed(path, 0)


@collapse.mistake("You take the largest unit for the blank. Some libraries put it last; here the argument says where "
                  "it "
                  "is.", ask="Where does `blank` occur in your code?")
def blank_is_the_last(path, blank=0):
    return _collapsed(path, max(path, default=0))


@collapse.mistake("The first run is lost.", ask="What stands before the first frame?")
def first_run_lost(path, blank=0):
    return [unit for unit, _ in list(itertools.groupby(path))[1:] if unit != blank]


@collapse.mistake("The last run is lost: you write a letter when the next one begins, and after the last none does.",
                  ask="What happens after the last frame?")
def last_run_lost(path, blank=0):
    return [unit for unit, _ in list(itertools.groupby(path))[:-1] if unit != blank]


@collapse.mistake("Of a long run every second frame is left: you merge pairs, not runs.",
                  ask="After 3 3 has become 3, what is the frame before the third 3?")
def merges_pairs(path, blank=0):
    runs = [(unit, len(list(run))) for unit, run in itertools.groupby(path)]
    return [unit for unit, n in runs if unit != blank for _ in range((n + 1) // 2)]


# ---------------------------------------------------------------------------------------------- 04.2


def _log_probs(rng, time, units, sharp=1.0):
    """Random log-probabilities, shape [time, units]; each row is a distribution."""
    scores = sharp * rng.normal(size=(time, units))
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def _log(*rows):
    """Logarithms of a few probabilities, minus infinity where they are 0."""
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows, float))


ctc_neg_log_likelihood = Exercise(
    "04.2", "ctc_neg_log_likelihood(log_probs, target)",
    example=lambda: (_log_probs(np.random.default_rng(42), 7, 4), [2, 2, 1]),
    hints=[
        "Write the states down for a text of two letters: blank, first, blank, second, blank. In which of them may a "
        "path be in the first frame, and in which in the last?",
        "One row of numbers, one for each state, is all that has to be kept from frame to frame. In a state one was "
        "there already, came from the state before, or skipped a blank; those add up, as logarithms by "
        "`np.logaddexp`. Then the frame's own log-probability comes on top.",
        "Make `walk = [0, u1, 0, u2, …, 0]` first. Begin with `-np.inf` everywhere but in states 0 and 1. Skipping "
        "leads into state s from s − 2, only where `walk[s]` is a letter and differs from `walk[s - 2]`. An empty "
        "text has the one state 0.",
    ],
    learned="400 frames have more paths than there are atoms, and 400 steps add them all up: that is a CTC loss.",
)


@ctc_neg_log_likelihood.output
def is_minus_the_logarithm_of_a_probability(t, got, log_probs, target):
    t.number(got, finite=False)
    t.holds(got >= -1e-6, f"You return **{got:.4g}**. A probability is at most 1, so minus its logarithm is never "
                          "below "
            "0.", ask="Which sign has the logarithm of a probability, and which one is asked for?")


def _paths(units, time):
    """All paths, shape [units ** time, time]."""
    return np.stack(np.meshgrid(*[np.arange(units)] * time, indexing="ij"), axis=-1).reshape(-1, time)


def _all_texts(log_probs):
    """Probability of every text, by going through every path."""
    time, units = log_probs.shape
    paths = _paths(units, time)
    p = np.exp(log_probs[np.arange(time), paths].sum(axis=1))
    texts = {}
    for path, value in zip(paths.tolist(), p.tolist(), strict=True):
        text = tuple(_collapsed(path, 0))
        texts[text] = texts.get(text, 0.0) + value
    return texts


def _nll(t, case, log_probs, target, want, says, ask):
    """Hold minus a log-probability to its value."""
    got = t.on(case)(log_probs, target)
    right = got == want if math.isinf(want) else abs(got - want) <= 1e-5 * max(1, abs(want))
    t.holds(right, f"For {case}, you have **{got:.6g}**, expected {want:.6g}. {says}", ask=ask)


@ctc_neg_log_likelihood.edges
def an_empty_text(t):
    log_probs = _log([0.5, 0.3, 0.2], [0.25, 0.5, 0.25])
    _nll(t, "two frames and an empty text", log_probs, [], -math.log(0.125),
         "Only one path says nothing: blank in every frame, 0.5 · 0.25.", "How many states has an empty text?")


@ctc_neg_log_likelihood.edges
def one_frame(t):
    _nll(t, "one frame and the text 2", _log([0.5, 0.3, 0.2]), [2], -math.log(0.2),
         "The one path has the letter in the one frame.", "In which states may a path be in the last frame?")


@ctc_neg_log_likelihood.edges
def two_frames(t):
    log_probs = _log([0.5, 0.3, 0.2], [0.25, 0.5, 0.25])
    _nll(t, "two frames and the text 1", log_probs, [1], -math.log(0.3 * 0.5 + 0.5 * 0.5 + 0.3 * 0.25),
         "Three paths: 1 1, blank 1, 1 blank. Their probabilities add up to 0.475.",
         "Which of the three does your sum not hold, and which does it hold twice?")


@ctc_neg_log_likelihood.edges
def a_letter_twice(t):
    log_probs = _log([0.2, 0.5, 0.3], [0.6, 0.3, 0.1], [0.3, 0.4, 0.3])
    _nll(t, "three frames and the text 1 1", log_probs, [1, 1], -math.log(0.5 * 0.6 * 0.4),
         "Only the path 1 blank 1 says it, 0.5 · 0.6 · 0.4.", "Which blanks may a path skip?")
    _nll(t, "three frames and the text 1 2", log_probs, [1, 2],
         -math.log(0.5 * 0.1 * 0.3 + 0.5 * 0.3 * 0.3 + 0.5 * 0.6 * 0.3 + 0.2 * 0.3 * 0.3 + 0.5 * 0.1 * 0.3),
         "Five paths say it: 1 1 2, 1 2 2, blank 1 2, 1 blank 2, 1 2 blank.", "Which blanks may a path skip?")


@ctc_neg_log_likelihood.edges
def too_few_frames(t):
    for target, time in (([1, 2, 1], 2), ([1, 1], 2), ([2, 2, 2, 1], 5)):
        _nll(t, f"{time} frames and the text {_listed(target)}", _log_probs(t.rng, time, 3), target, math.inf,
             "No path says that in so few frames: its probability is 0.", "What is minus the logarithm of 0?")


@ctc_neg_log_likelihood.edges
def probabilities_of_exactly_0(t):
    sure = _log([0, 1, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1])
    _nll(t, "a network that is sure of 1 1 blank 1 2, and the text 1 1 2", sure, [1, 1, 2], 0.0,
         "That text is certain.", "What is the logarithm of 0 plus a number, or the sum of two such?")
    _nll(t, "a network that is sure of 1 1 blank 1 2, and the text 1 2", sure, [1, 2], math.inf,
         "That text is impossible.", "What is the logarithm of 0 plus a number, or the sum of two such?")


@ctc_neg_log_likelihood.properties
def every_path_counted(t):
    log_probs = _log_probs(t.rng, 5, 4)
    texts = _all_texts(log_probs)
    for target in ([1, 2], [3, 3], [2, 1, 2], [1, 1, 2], [3], [1, 2, 3, 1]):
        count = sum(_collapsed(path, 0) == target for path in _paths(4, 5).tolist())
        _nll(t, f"five random frames of four units and the text {_listed(target)}", log_probs, target,
             -math.log(texts[tuple(target)]), f"So much is it when all 1,024 paths are tried: {count} of them say "
                                              "this.",
             "Which moves from frame to frame are there, and which paths do they reach?")


@ctc_neg_log_likelihood.properties
def all_texts_together_are_certain(t):
    log_probs = _log_probs(t.rng, 4, 3)
    texts = [list(text) for n in range(5) for text in itertools.product((1, 2), repeat=n)]
    total = sum(math.exp(-t.on(f"the text {_listed(text)}")(log_probs, text)) for text in texts)
    t.holds(abs(total - 1) < 1e-6, f"The probabilities of all {len(texts)} texts that four frames of three units can "
            f"hold add up to **{total:.4f}**, expected 1.", ask="Is a path counted for two texts, or for none?")


@ctc_neg_log_likelihood.properties
def backwards_is_the_same(t):
    log_probs, target = _log_probs(t.rng, 9, 4), [1, 1, 3, 2]
    forwards = t.on("nine frames and the text 1 1 3 2")(log_probs, target)
    backwards = t.on("the same from back to front")(log_probs[::-1].copy(), target[::-1])
    t.close(backwards, forwards, atol=1e-6, says="From back to front the same paths lie.",
            ask="Are beginning and end treated alike?")


@ctc_neg_log_likelihood.properties
def as_many_paths_as_there_are(t):
    for time, n in ((50, 10), (400, 40), (1200, 60)):
        target = [1 + i % 27 for i in range(n)]
        want = time * math.log(28) - math.log(math.comb(time + n, 2 * n))
        _nll(t, f"{time} frames in which all 28 units are equally probable, and {n} letters", np.full((time, 28),
             -math.log(28)), target, want, f"Each path has the probability 28 to the power of −{time}, and there are "
             f"{time + n} over {2 * n} of them.", "What is the smallest number above 0 that a float can hold, and "
             "where "
             "do you leave the logarithm?")


@ctc_neg_log_likelihood.reference
def agrees_with_torch_ctc_loss(t):
    import torch
    from torch.nn.functional import ctc_loss

    for time, units, n, sharp in ((30, 5, 6, 1), (80, 29, 25, 6), (400, 29, 60, 2), (40, 600, 9, 1)):
        log_probs = _log_probs(t.rng, time, units, sharp)
        target = t.rng.integers(max(1, units - 40), units, n)
        target[1::4] = target[:-1:4]                            # some letters twice
        want = ctc_loss(torch.from_numpy(log_probs)[:, None], torch.from_numpy(target)[None], [time], [n],
                        reduction="sum").item()
        _nll(t, f"{time} frames of {units} units and {n} letters, some twice in a "
                "row", log_probs, target.tolist(), want,
             "It has to agree with `torch.nn.functional.ctc_loss` with the reduction “sum”.",
             "Which of the three moves differs, and is everything in natural logarithms?")


def _forward(log_probs, target, first=(0, 1), last=(-1, -2), stays=True, skips=lambda walk, s: walk[s] != walk[s - 2],
             blank=0, add=np.logaddexp, begins=True):
    """What a mistake hands back: other states to begin or end in, other moves, another sum."""
    walk = [blank]
    for unit in target:
        walk += [unit, blank]
    alpha = np.full(len(walk), -np.inf)
    for s in first:
        if s < len(walk):
            alpha[s] = log_probs[0, walk[s]] if begins else 0.0
    for frame in log_probs[1:] if begins else log_probs:
        before = alpha if stays else np.full(len(walk), -np.inf)
        alpha = np.array([functools.reduce(add, [before[s], *alpha[max(0, s - 1) : s],
                                                 *([alpha[s - 2]] if s > 1 and skips(walk, s) else [])])
                          for s in range(len(walk))]) + frame[walk]
    return -functools.reduce(add, [alpha[s] for s in last if -s <= len(walk)])


@ctc_neg_log_likelihood.mistake("Your paths also skip the blank between two equal letters. They then merge, and the "
                                "text "
                                "is another.", ask="Which blanks may a path skip?")
def skips_between_equal_letters(log_probs, target):
    return _forward(log_probs, target, skips=lambda walk, s: walk[s] != 0)


@ctc_neg_log_likelihood.mistake("Your paths may also skip a letter, from blank to blank.",
                                ask="Which states may be skipped?")
def skips_letters_too(log_probs, target):
    return _forward(log_probs, target, skips=lambda walk, s: True)


@ctc_neg_log_likelihood.mistake("Your paths never skip: between any two letters you ask for a blank.",
                                ask="Which blanks may a path skip?")
def never_skips(log_probs, target):
    return _forward(log_probs, target, skips=lambda walk, s: False)


@ctc_neg_log_likelihood.mistake("Your paths all begin with a blank. They may also begin with the first letter.",
                                ask="In which states may a path be in the first frame?")
def begins_with_a_blank(log_probs, target):
    return _forward(log_probs, target, first=(0,))


@ctc_neg_log_likelihood.mistake("Your paths all begin with the first letter. They may also begin with a blank.",
                                ask="In which states may a path be in the first frame?")
def begins_with_a_letter(log_probs, target):
    return _forward(log_probs, target, first=(1,) if target else (0,))


@ctc_neg_log_likelihood.mistake("Only paths that end in the last letter are counted. They may also end in the blank "
                                "after it.", ask="In which states may a path be in the last frame?")
def ends_with_a_letter(log_probs, target):
    return _forward(log_probs, target, last=(-2,) if target else (-1,))


@ctc_neg_log_likelihood.mistake("Only paths that end in a blank are counted. They may also end in the last letter.",
                                ask="In which states may a path be in the last frame?")
def ends_with_a_blank(log_probs, target):
    return _forward(log_probs, target, last=(-1,))


@ctc_neg_log_likelihood.mistake("You add up all states of the last frame, so that texts that are only half said count "
                                "too.", ask="In which states may a path be in the last frame?")
def ends_anywhere(log_probs, target):
    return _forward(log_probs, target, last=range(-2 * len(target) - 1, 0))


@ctc_neg_log_likelihood.mistake("Your paths may begin in the middle of the text.",
                                ask="In which states may a path be in the first frame?")
def begins_anywhere(log_probs, target):
    return _forward(log_probs, target, first=range(2 * len(target) + 1))


@ctc_neg_log_likelihood.mistake("You take the best path to each state instead of adding up all of them: that is "
                                "Viterbi's algorithm.", ask="What becomes of two paths that say the same?")
def best_path_only(log_probs, target):
    return _forward(log_probs, target, add=max)


@ctc_neg_log_likelihood.mistake("In your sum no state is kept for a second frame: a letter lasts one frame.",
                                ask="From which three states does one come?")
def never_stays(log_probs, target):
    return _forward(log_probs, target, stays=False)


@ctc_neg_log_likelihood.mistake("The probabilities of the first frame are counted twice, or a move is made before it.",
                                ask="What is the probability of the states after the first frame alone?")
def a_move_before_the_first_frame(log_probs, target):
    return _forward(log_probs, target, begins=False)


@ctc_neg_log_likelihood.mistake("You take the last unit for the blank; here it is unit 0.",
                                ask="Which column is that of the blank?")
def blank_last(log_probs, target):
    return _forward(log_probs, target, blank=log_probs.shape[1] - 1)


@ctc_neg_log_likelihood.mistake("The value is divided by the number of letters, as PyTorch does for “mean”.",
                                ask="Is a mean asked for?")
def by_letter(log_probs, target):
    return _forward(log_probs, target) / max(1, len(target))


@ctc_neg_log_likelihood.mistake("The value is divided by the number of frames.", ask="Is a mean asked for?")
def by_frame(log_probs, target):
    return _forward(log_probs, target) / len(log_probs)


@ctc_neg_log_likelihood.mistake("That is a common logarithm, to base 10; asked for is the natural one.",
                                ask="To which base are the values that come in?")
def to_base_10(log_probs, target):
    return _forward(log_probs, target) / math.log(10)


@ctc_neg_log_likelihood.mistake("The sign is missing: you return the logarithm itself.",
                                ask="Which sign has the logarithm of a probability, and which one is asked for?")
def sign_missing(log_probs, target):
    return -_forward(log_probs, target)


@ctc_neg_log_likelihood.mistake("You multiply probabilities. After some hundred frames the product is smaller than any "
                                "number above 0 that a float can hold.",
                                ask="What becomes of a product and of a sum in logarithms?")
def probabilities_multiplied(log_probs, target):
    walk = [0]
    for unit in target:
        walk += [unit, 0]
    p = np.exp(log_probs)
    alpha = np.zeros(len(walk))
    alpha[:2] = p[0, walk[:2]]
    for frame in p[1:]:
        alpha = np.array([alpha[max(0, s - 1) : s + 1].sum()
                          + (alpha[s - 2] if s > 1 and walk[s] != walk[s - 2] else 0) for s in range(len(walk))])
        alpha *= frame[walk]
    return -np.log(alpha[-2:].sum())


# ---------------------------------------------------------------------------------------------- 04.3

prefix_beam_search = Exercise(
    "04.3", "prefix_beam_search(log_probs, width=8)",
    example=lambda: (_log_probs(np.random.default_rng(102), 8, 4, 1.2), 32),
    hints=[
        "Many paths say the same text. What do two of them have in common after three frames, and where does their "
        "probability belong?",
        "A dictionary from prefix to two numbers: paths that end in a blank, paths that end in the last letter. Each "
        "frame makes a new dictionary of the old: blank keeps the prefix; the last letter again keeps it, from paths "
        "that end in the letter; any letter makes a longer prefix. Which paths may make a longer one of the same "
        "letter?",
        "Tuples can be keys. `new.setdefault(prefix, [-np.inf, -np.inf])` gives a place to add to with "
        "`np.logaddexp`. After each frame sort by the sum of both and keep `width`. Begin with `{(): [0.0, -np.inf]}`.",
    ],
    learned="The best path is not the best text: probabilities of paths that say the same belong together.",
)


@prefix_beam_search.output
def is_a_text(t, got, log_probs, width=8):
    _units(t, got, (list, tuple), "a list of int")
    t.holds(all(unit != 0 for unit in got), "Your text holds unit **0**, the blank, which is no letter.",
            ask="What becomes of a prefix when a blank comes?")
    strange = [unit for unit in got if not 0 < unit < log_probs.shape[1]]
    t.holds(not strange, f"Your text holds unit **{strange[0] if strange else 0}**; units are 1 to "
            f"{log_probs.shape[1] - 1}.", ask="Which column belongs to which unit?")
    t.holds(len(got) <= len(log_probs), f"Your text has **{len(got)}** units, in {len(log_probs)} frames.",
            ask="How many units can one frame add?")


@prefix_beam_search.edges
def one_frame_of_letters(t):
    for width in (8, 1):
        case = f"one frame, width {width}"
        _said(t, case, t.on(case)(_log([0.2, 0.3, 0.5]), width), [2], "The most probable unit is letter 2.",
              "Which units can a frame add?")


@prefix_beam_search.edges
def silence(t):
    _said(t, "four frames of blank", t.on("four frames of blank")(np.tile(_log([0.9, 0.05, 0.05]), (4, 1)), 8), [],
          "Nothing was said.", "Which prefix is there before the first frame?")


def _sure(path, units=4, p=0.97):
    """A network that is nearly sure of a path."""
    probs = np.full((len(path), units), (1 - p) / (units - 1))
    probs[np.arange(len(path)), path] = p
    with np.errstate(divide="ignore"):
        return np.log(probs)


@prefix_beam_search.edges
def letters_held_and_doubled(t):
    for path, want in (([3, 3, 3], [3]), ([3, 0, 3], [3, 3]), ([1, 1, 0, 1, 2, 2], [1, 1, 2]), ([1, 2, 1], [1, 2, 1])):
        for width in (8, 1):
            case = f"a network that is nearly sure of {_listed(path)}, width {width}"
            _said(t, case, t.on(case)(_sure(path), width), want, "A letter that is held is one; after a blank it is "
                  "another.", "From which paths to a prefix does its last letter make a longer one?")


@prefix_beam_search.edges
def a_network_that_is_wholly_sure(t):
    path = [2, 2, 0, 2, 1, 0, 3]
    _said(t, "a network that is wholly sure", t.on("a network that is wholly sure")(_sure(path, p=1.0), 8),
          [2, 2, 1, 3], "Everything else has the probability 0.", "What is the sum of two numbers of which both have "
          "the logarithm minus infinity?")


def _best(texts):
    """The most probable text, and by what factor it is more probable than the next."""
    (p, best), (q, _) = sorted(((p, text) for text, p in texts.items()), reverse=True)[:2]
    return list(best), p / q


@prefix_beam_search.properties
def paths_that_say_the_same_add_up(t):
    p = float(t.rng.uniform(0.52, 0.6))
    _said(t, f"two frames of blank at {p:.2f} and letter 1 at {1 - p:.2f}",
          t.on("two frames")(np.tile(_log([p, 1 - p]), (2, 1)), 8), [1],
          f"The best path is blank blank, {p * p:.2f}. But three paths say 1, and have {1 - p * p:.2f} together.",
          "Where do you add up the paths to one text?")


@prefix_beam_search.properties
def the_most_probable_of_all_texts(t):
    done = 0
    while done < 5:
        log_probs = _log_probs(t.rng, 5, 3, 0.7)
        texts = _all_texts(log_probs)
        want, margin = _best(texts)
        greedy = _collapsed(log_probs.argmax(axis=1).tolist(), 0)
        if margin < 1.02 or greedy == want:
            continue
        done += 1
        got = t.on("five random frames of three units, width 64")(log_probs, 64)
        _said(t, "five random frames of three units, width 64", got, want,
              f"By trying all 243 paths, yours has the probability {texts.get(tuple(got), 0):.4f} and the expected one "
              f"{texts[tuple(want)]:.4f}.", "Which paths to your text are counted, and how often?")


@prefix_beam_search.properties
def a_beam_has_a_width(t):
    log_probs = np.tile(_log([0.6, 0.4]), (2, 1))
    _said(t, "two frames of blank at 0.60 and letter 1 at 0.40, width 1",
          t.on("two frames, width 1")(log_probs, 1), [], "With width 1 only the empty prefix outlives the first frame, "
          "and after the second it has 0.36, while 1 has 0.24.", "How many prefixes do you keep after each frame?")


@prefix_beam_search.properties
def adding_a_constant_changes_nothing(t):
    log_probs = _log_probs(t.rng, 12, 4, 3)
    path = t.rng.integers(0, 4, 12)
    log_probs[np.arange(12), path] += 4
    before = t.on("twelve frames")(log_probs, 8)
    after = t.on("twelve frames, all logarithms lower by 100")(log_probs - 100, 8)
    _said(t, "twelve frames, all logarithms lower by 100", after, before, "What is lower for all texts alike changes "
          "none's place; so low are probabilities of whole sentences.", "Where do you leave the logarithm?")


@prefix_beam_search.properties
def a_sentence_in_good_time(t):
    text = t.rng.integers(1, 29, 30).tolist()
    path = [0]
    for unit in text:
        path += [unit] * int(t.rng.integers(1, 3)) + [0] * int(t.rng.integers(1, 4))
    case = f"{len(path)} frames of 29 units in which 30 letters are clearly heard"
    _said(t, case, t.on(case)(_sure(path, 29, 0.95), 8), text, "It is 30 letters long.",
          "How many prefixes do you keep after each frame?")


@prefix_beam_search.reference
def agrees_with_torch_over_all_texts(t):
    import torch
    from torch.nn.functional import ctc_loss

    texts = [list(text) for n in range(1, 11) for text in itertools.product((1, 2), repeat=n)]
    sizes = torch.tensor([len(text) for text in texts])
    padded = torch.tensor([text + [0] * (10 - len(text)) for text in texts])
    done = 0
    while done < 2:
        log_probs = _log_probs(t.rng, 10, 3, 0.6)
        frames = torch.from_numpy(log_probs)[:, None].expand(-1, len(texts), -1)
        loss = ctc_loss(frames, padded, torch.full((len(texts),), 10), sizes, reduction="none").numpy()
        first, second = np.argsort(loss)[:2]
        if loss[second] - loss[first] < 0.02 or -log_probs[:, 0].sum() < loss[first] + 0.02:
            continue
        done += 1
        got = list(t.on("ten random frames of three units, width 1000")(log_probs, 1000))
        own = loss[texts.index(got)] if got in texts else -log_probs[:, 0].sum()
        _said(t, "ten random frames of three units, width 1000", got, texts[first],
              f"`torch.nn.functional.ctc_loss` gives yours {own:.4f} and the expected one {loss[first]:.4f}; of all "
              "2,047 texts that has the least.", "Which prefixes are given up on the way, and with which probability?")


def _beamed(log_probs, width, grows_from=lambda blank, letter, same: blank if same else np.logaddexp(blank, letter),
            holds=True, worth=lambda prefix, blank, letter: np.logaddexp(blank, letter), final=None):
    """What a mistake hands back: other moves, another order of prefixes."""
    beams = {(): (0.0, -np.inf)}
    for frame in log_probs:
        new = {}

        def add(prefix, blank, letter, new=new):
            old = new.get(prefix, (-np.inf, -np.inf))
            new[prefix] = (np.logaddexp(old[0], blank), np.logaddexp(old[1], letter))

        for prefix, (blank, letter) in beams.items():
            add(prefix, np.logaddexp(blank, letter) + frame[0], -np.inf)
            for unit in range(1, len(frame)):
                same = bool(prefix) and prefix[-1] == unit
                if same and holds:
                    add(prefix, -np.inf, letter + frame[unit])
                add((*prefix, unit), -np.inf, grows_from(blank, letter, same) + frame[unit])
        beams = dict(sorted(new.items(), key=lambda one: -worth(one[0], *one[1]))[:width])
    best = max(beams, key=lambda prefix: (final or worth)(prefix, *beams[prefix]))
    return list(best)


@prefix_beam_search.mistake("That is the text of the best single path. Other texts have more paths, and together these "
                            "are more probable.", ask="Where do you add up the paths to one text?")
def best_path(log_probs, width=8):
    return _collapsed(log_probs.argmax(axis=1).tolist(), 0)


@prefix_beam_search.mistake("A letter that is held is written again at every frame.",
                            ask="What do two frames of the same letter say, without a blank between them?")
def held_letters_written_again(log_probs, width=8):
    return _beamed(log_probs, width, lambda blank, letter, same: np.logaddexp(blank, letter), holds=False)


@prefix_beam_search.mistake("Both paths that end in a blank and paths that end in the letter make a longer prefix of "
                            "the "
                            "same letter: what is held is counted for two texts.",
                            ask="From which paths to a prefix does its last letter make a longer one?")
def grows_from_both(log_probs, width=8):
    return _beamed(log_probs, width, lambda blank, letter, same: np.logaddexp(blank, letter))


@prefix_beam_search.mistake("In your texts no letter stands twice in a row, not even after a blank.",
                            ask="From which paths to a prefix does its last letter make a longer one?")
def never_the_same_again(log_probs, width=8):
    return _beamed(log_probs, width, lambda blank, letter, same: -np.inf if same else np.logaddexp(blank, letter))


@prefix_beam_search.mistake("Letters in your paths last one frame: the last letter again is never the same letter, "
                            "held.",
                            ask="In which two ways can a frame leave a prefix as it is?")
def never_holds(log_probs, width=8):
    return _beamed(log_probs, width, holds=False)


@prefix_beam_search.mistake("At the end you count only paths that end in a blank.",
                            ask="Of which two numbers is the probability of a text the sum?")
def ends_in_a_blank(log_probs, width=8):
    return _beamed(log_probs, width, final=lambda prefix, blank, letter: blank)


@prefix_beam_search.mistake("At the end you count only paths that end in a letter.",
                            ask="Of which two numbers is the probability of a text the sum?")
def ends_in_a_letter(log_probs, width=8):
    return _beamed(log_probs, width, final=lambda prefix, blank, letter: letter)


@prefix_beam_search.mistake("You return the least probable prefix of the beam: logarithms of probabilities are "
                            "negative, "
                            "and the best is the one nearest to 0.", ask="Which end of the sorted list do you take?")
def least_probable(log_probs, width=8):
    return _beamed(log_probs, width, final=lambda prefix, blank, letter: -np.logaddexp(blank, letter))


@prefix_beam_search.mistake("At the end you choose by the probability for each letter, so that long texts win.",
                            ask="Which of the texts is the most probable, and is its length asked for?")
def by_letter_of_the_text(log_probs, width=8):
    return _beamed(log_probs, width, final=lambda prefix, *two: np.logaddexp(*two) / max(1, len(prefix)))


@prefix_beam_search.mistake("The last frame is left out.", ask="How many frames go through your loop?")
def last_frame_left_out(log_probs, width=8):
    return _beamed(log_probs[:-1], width)


@prefix_beam_search.mistake("The first frame is left out.", ask="How many frames go through your loop?")
def first_frame_left_out(log_probs, width=8):
    return _beamed(log_probs[1:], width)


# ---------------------------------------------------------------------------------------------- 04.4

word_error_rate = Exercise(
    "04.4", "word_error_rate(reference, hypothesis)",
    example=lambda: ("we saw the old sea and then a ship in the sun today", "we saw old the see and a big ship in sun"),
    hints=[
        "How many edits make nothing out of three words, or three words out of nothing? And if the last words of both "
        "are the same, which shorter question is left?",
        "A table with one row more than the reference has words, one column more than the hypothesis: entry [i, j] is "
        "the fewest edits from the first i words to the first j. Each comes from its left, upper and upper left "
        "neighbour.",
        "Left and upper neighbour cost 1 more; the one at the upper left costs 1 more only where the two words differ. "
        "Row 0 and column 0 count up from 0. The lower right corner is divided by the words of the reference.",
    ],
    learned="One word put in at the start shifts all that follow, and costs one error: that is why it is a search.",
    seconds=2.0,
)


@word_error_rate.output
def is_a_rate(t, got, reference, hypothesis):
    t.number(got)
    t.holds(got >= 0, f"Your rate is **{got:.4g}**; there are no fewer than 0 errors.", ask="What do you subtract?")


def _rate(t, case, reference, hypothesis, errors, says, ask):
    """Hold a rate to the errors that one can count by hand."""
    n = len(reference.split())
    got = t.on(case)(reference, hypothesis)
    t.holds(abs(got - errors / n) < 1e-9, f"For {case}, your rate is **{got:.4f}**, expected {errors / n:.4f}: "
                                          f"{errors} "
            f"error{'s' * (errors != 1)} in {n} word{'s' * (n != 1)}. {says}", ask=ask)


@word_error_rate.edges
def all_right(t):
    for text in ("yes", "the sea is calm"):
        _rate(t, f"“{text}”, heard as it was said", text, text, 0, "Nothing has to be changed.", "What costs "
                                                                                                 "something?")


@word_error_rate.edges
def nothing_heard(t):
    _rate(t, "“the sea is calm” of which nothing was heard", "the sea is calm", "", 4, "Each word was left out.",
          "How many words has an empty text?")


@word_error_rate.edges
def one_word(t):
    _rate(t, "“yes”, heard as “no”", "yes", "no", 1, "It is one word for another.", "What does a replaced word cost?")


@word_error_rate.edges
def much_too_much(t):
    _rate(t, "“no”, heard as “oh no not that”", "no", "oh no not that", 3, "Three words were put in, so that the rate "
                                                                           "is "
          "above 1.", "Is there a largest rate?")


@word_error_rate.edges
def spaces(t):
    _rate(t, "“the sea”, with spaces at the ends and two between", "the sea", "  the  sea ", 0, "More space between "
          "words is no word.", "What is between two spaces that follow one another?")


@word_error_rate.edges
def capitals_count(t):
    _rate(t, "“the sea”, heard as “The Sea”", "the sea", "The Sea", 2, "Texts are compared as they are; who wants "
                                                                       "capitals "
          "to count as small ones changes the texts first.", "What do you do with the texts before you compare?")


@word_error_rate.properties
def one_error_of_each_kind(t):
    words = t.rng.permutation(_DIGITS).tolist()
    text, at = " ".join(words), int(t.rng.integers(1, 9))
    before, after = words[:at], words[at + 1 :]
    for kind, other in (("replaced", [*before, "ten", *after]), ("left out", before + after),
                        ("put in", [*before, "ten", *words[at:]])):
        _rate(t, f"ten digits, of which one was {kind}", text, " ".join(other), 1, f"One word was {kind}.",
              "What does each of the three kinds of errors cost?")


@word_error_rate.properties
def shifted_by_one(t):
    words = t.rng.permutation(_DIGITS).tolist()
    _rate(t, "ten digits with a word before the first", " ".join(words), " ".join(["oh", *words]), 1, "All words after "
                                                                                                      "it "
          "are there, each one place further.", "Which words do you compare with one another?")
    _rate(t, "ten digits of which the first was left out and one was put in at the end", " ".join(words),
          " ".join([*words[1:], "oh"]), 2, "All others are there, each one place earlier.",
          "Which words do you compare with one another?")


@word_error_rate.properties
def order_counts(t):
    _rate(t, "“one two three four”, heard as “two one three four”", "one two three four", "two one three four", 2,
          "There is no edit that exchanges two words: it takes two.", "Which edits are there?")
    _rate(t, "“three three one”, heard as “three one one”", "three three one", "three one one", 1,
          "How often each word was said counts.", "Do you know how often a word occurs?")


@word_error_rate.properties
def words_and_not_letters(t):
    _rate(t, "“a extraordinary day”, heard as “an extraordinary day”", "a extraordinary day", "an extraordinary day", 1,
          "A word that is a little wrong is wrong.", "What is compared, words or letters?")


@word_error_rate.properties
def the_other_way_round(t):
    a, b = (t.rng.choice(_DIGITS[:6], n).tolist() for n in (9, 14))
    there = t.on("9 digits, heard as 14")(" ".join(a), " ".join(b)) * 9
    back = t.on("14 digits, heard as 9")(" ".join(b), " ".join(a)) * 14
    t.holds(abs(there - back) < 1e-6, f"From 9 words to 14 takes **{there:.2f}** edits, and back **{back:.2f}**. What "
                                      "is put "
            "in one way is left out the other way: both are the same.", ask="By the words of which text is divided?")


@word_error_rate.reference
def agrees_with_jiwer(t):
    import jiwer

    for words, n in ((3, 12), (10, 40), (200, 150)):
        said = t.rng.integers(0, words, n).tolist()
        heard = [unit for unit in said for unit in _misheard(t.rng, unit, words)]
        a, b = (" ".join(f"w{unit}" for unit in text) for text in (said, heard or [0]))
        got, want = t.on(f"{n} words out of {words}")(a, b), jiwer.wer(a, b)
        t.holds(abs(got - want) < 1e-9, f"For {n} words out of {words}, your rate is **{got:.4f}** and that of "
                                        "`jiwer.wer` "
                f"is {want:.4f}.", ask="Is there a way with fewer edits, and does your code try all?")


def _misheard(rng, unit, words):
    """What becomes of one word: mostly itself."""
    kind = rng.random()
    if kind < 0.15:
        return []
    other = int(rng.integers(0, words))
    return [other] if kind < 0.35 else [unit, other] if kind < 0.5 else [unit]


def _edits(a, b, replace=1, exchange=False):
    """Fewest edits from one sequence to another."""
    d = np.zeros((len(a) + 1, len(b) + 1), int)
    d[:, 0], d[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i, j in itertools.product(range(1, len(a) + 1), range(1, len(b) + 1)):
        d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + replace * (a[i - 1] != b[j - 1]))
        if exchange and i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
            d[i, j] = min(d[i, j], d[i - 2, j - 2] + 1)
    return int(d[-1, -1])


def _words(reference, hypothesis):
    return reference.split(), hypothesis.split()


@word_error_rate.mistake("You divide by the words of what was heard.", ask="Of which text is it the share that is "
                                                                           "wrong?")
def by_the_hypothesis(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return _edits(a, b) / max(1, len(b))


@word_error_rate.mistake("You divide by the longer of the two texts, so that the rate never passes 1.",
                         ask="By the words of which text is divided?")
def by_the_longer(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return _edits(a, b) / max(len(a), len(b))


@word_error_rate.mistake("You count letters: that is the character error rate.",
                         ask="What is compared, words or letters?")
def of_letters(reference, hypothesis):
    return _edits(reference, hypothesis) / len(reference)


@word_error_rate.mistake("You count the words of which the other text has none. Neither their order nor how often they "
                         "were said matters then.", ask="What does your answer give for the same words in another "
                         "order?")
def difference_of_sets(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return len(set(a) - set(b)) / len(a)


@word_error_rate.mistake("You count the words that occur in one of the texts only.",
                         ask="What does your answer give for the same words in another order?")
def symmetric_difference_of_sets(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return len(set(a) ^ set(b)) / len(a)


@word_error_rate.mistake("A replaced word costs two with you, as if it were left out and another put in.",
                         ask="Which three kinds of edits are there, and what does each cost?")
def replacing_costs_two(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return _edits(a, b, replace=2) / len(a)


@word_error_rate.mistake("You compare the first word with the first, the second with the second, and so on: after one "
                         "word "
                         "that was put in all others are wrong.", ask="Which words do you compare with one another?")
def place_by_place(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return (sum(x != y for x, y in zip(a, b, strict=False)) + abs(len(a) - len(b))) / len(a)


@word_error_rate.mistake("You compare place by place, and forget the words that one text has more.",
                         ask="Which words do you compare with one another?")
def place_by_place_to_the_shorter(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return sum(x != y for x, y in zip(a, b, strict=False)) / len(a)


@word_error_rate.mistake("Your rate never passes 1. It may: a recogniser can put in as many words as it likes.",
                         ask="Is there a largest rate?")
def never_above_1(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return min(1.0, _edits(a, b) / len(a))


@word_error_rate.mistake("You return the number of errors, not their share.", ask="By what is it to be divided?")
def number_of_errors(reference, hypothesis):
    return float(_edits(*_words(reference, hypothesis)))


@word_error_rate.mistake("Your rate is in percent.", ask="What is the rate when every second word is wrong?")
def in_percent(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return 100 * _edits(a, b) / len(a)


@word_error_rate.mistake("That is the share that is right, or 1 minus the rate.", ask="What is the rate of a text that "
                                                                                      "was "
                         "heard as it was said?")
def share_that_is_right(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return max(0.0, 1 - _edits(a, b) / len(a))


@word_error_rate.mistake("You let two neighbours change places for one edit. That is Damerau's distance.",
                         ask="Which three kinds of edits are there?")
def exchanging_costs_one(reference, hypothesis):
    a, b = _words(reference, hypothesis)
    return _edits(a, b, exchange=True) / len(a)


@word_error_rate.mistake("You make capitals small before you compare.",
                         ask="What do you do with the texts before you compare?")
def without_capitals(reference, hypothesis):
    a, b = _words(reference.lower(), hypothesis.lower())
    return _edits(a, b) / len(a)


@word_error_rate.mistake("Where two spaces follow one another you see an empty word between them.",
                         ask="What is between two spaces that follow one another?")
def empty_words(reference, hypothesis):
    a, b = reference.split(" "), hypothesis.split(" ")
    return _edits(a, b) / len(a)


# ---------------------------------------------------------------------------------------------- 04.5


def _asked(rng, batch, n, time, d, lengths):
    """Random queries, keys, values, and lengths: float32 tensors."""
    import torch

    tensors = [torch.from_numpy(rng.normal(size=(batch, k, d)).astype(np.float32)) for k in (n, time, time)]
    return *tensors, torch.tensor(lengths)


masked_attention = Exercise(
    "04.5", "masked_attention(queries, keys, values, lengths)",
    example=lambda: _asked(np.random.default_rng(45), 3, 4, 4, 2, [3, 1, 4]),
    hints=[
        "Four steps: a score for each query and each frame, the filling taken out, a softmax, the weighted sum. What "
        "is "
        "the shape after each?",
        "Which axis of the scores counts the frames? The softmax goes along it, and the lengths bound it. A score of "
        "minus infinity gets a weight of exactly 0.",
        "`queries @ keys.mT` has the shape [batch, n, time]. `torch.arange(time) < lengths[:, None]` is [batch, time]; "
        "with an axis for the queries between, `masked_fill` can use where it is false. Then `softmax(dim=-1)`, and "
        "`@ values`.",
    ],
    learned="The largest weight of each row is where the decoder looked: draw them, and you see the alignment.",
)


@masked_attention.output
def is_a_mean_and_its_weights(t, got, queries, keys, values, lengths):
    _two(t, got, "output, weights")
    batch, n, d = queries.shape
    for name, one, shape in (("output", got[0], (batch, n, d)), ("weights", got[1], (batch, n, keys.shape[1]))):
        t.holds(hasattr(one, "detach"), f"Your {name}: **{_kind(one)}**, expected a tensor.", values=False)
        t.holds(tuple(one.shape) == shape, f"Your {name}: shape **{list(one.shape)}**, expected **{list(shape)}**.",
                ask="What does each of its axes count?")
        t.array(one, dtype=np.float32)


def _shares(t, case, weights, lengths):
    """Hold weights to being shares: nothing for the filling, 1 in all for each query."""
    weights = as_array(weights)
    for b, n in enumerate(lengths):
        filling = weights[b, :, n:]
        t.holds(not filling.any(), f"For {case}, a frame after the end of clip {b}, which has {n}, gets the weight "
                f"**{np.abs(filling).max(initial=0):.3g}**, expected exactly 0.",
                ask="Which frames are filling, and what does e to the power of their score have to be?")
        sums = weights[b].sum(axis=1)
        worst = np.argmax(np.abs(sums - 1))
        t.holds(abs(sums[worst] - 1) < 1e-4, f"For {case}, the weights of query {worst} on the {n} frames of clip {b} "
                                             "add "
                f"up to **{sums[worst]:.3f}**, expected 1.", ask="Along which axis are they shares, and of which "
                "frames?")


@masked_attention.edges
def one_frame_each(t):
    queries, keys, values, lengths = _asked(t.rng, 2, 3, 5, 4, [1, 1])
    output, weights = t.on("clips of one frame, filled up to five")(queries, keys, values, lengths)
    _shares(t, "clips of one frame, filled up to five", weights, [1, 1])
    t.close(output, values[:, :1].expand(-1, 3, -1), atol=1e-5, says="Whatever is asked: the only frame is the answer.",
            ask="Which frame is the first that no longer counts?")


@masked_attention.edges
def without_filling(t):
    case = "two clips of six frames, nothing filled up"
    _, weights = t.on(case)(*_asked(t.rng, 2, 3, 6, 4, [6, 6]))
    _shares(t, case, weights, [6, 6])
    t.holds(bool((as_array(weights) > 0).all()), f"For {case}, **{int((as_array(weights) == 0).sum())}** weights are "
                                                 "0; "
            "all frames are real and get something.", ask="Which frame is the last that counts?")


@masked_attention.edges
def anything_in_the_filling(t):
    for level in (0.0, 100.0, 1e6):
        queries, keys, values, lengths = _asked(t.rng, 3, 2, 6, 4, [6, 2, 4])
        after = (np.arange(6) >= as_array(lengths)[:, None])
        keys[after], values[after] = level, level
        case = f"three clips of 6, 2 and 4 frames, filled up with {level:g}"
        output, weights = t.on(case)(queries, keys, values, lengths)
        _shares(t, case, weights, [6, 2, 4])
        values[after] = 0
        other, _ = t.on(f"{case} for the keys, with 0 for the values")(queries, keys, values, lengths)
        t.close(other, output, atol=1e-5, says="What the values of the filling are should change nothing.",
                ask="Where does the filling come in?")


@masked_attention.edges
def large_scores(t):
    import torch

    keys = torch.tensor([[[1000.0], [900], [1000], [5000]]])
    output, weights = t.on("scores of 1000, 900 and 1000, and filling of 5000")(
        torch.ones(1, 1, 1), keys, torch.tensor([[[1.0], [2], [5], [9]]]), torch.tensor([3]))
    t.close(weights, [[[0.5, 0, 0.5, 0]]], atol=1e-5, says="The two largest share the weight.",
            ask="What is e to the power of 1000 in a float, and which scores may be subtracted?")
    t.close(output, [[[3.0]]], atol=1e-5, says="The mean of 1 and 5 is 3.", ask="What is added up?")


@masked_attention.properties
def the_root_of_the_features(t):
    import torch

    for d in (4, 16, 64):
        keys = torch.zeros(1, 2, d)
        keys[0, 1] = 1
        queries = torch.full((1, 1, d), math.log(3) / math.sqrt(d))
        _, weights = t.on(f"keys of zeros and of ones, {d} features")(queries, keys, torch.zeros(1, 2, d),
                                                                       torch.tensor([2]))
        t.close(weights, [[[0.25, 0.75]]], atol=1e-4, ask="By what do you divide a score, and how many features are "
                                                          "there?",
                says=f"Divided by the root of {d}, the scores are 0 and ln 3: weights of 0.25 and 0.75.")


@masked_attention.properties
def a_query_of_zeros_takes_the_mean(t):
    import torch

    queries, keys, values, lengths = _asked(t.rng, 2, 1, 5, 3, [5, 2])
    output, _ = t.on("a query of zeros")(torch.zeros_like(queries), keys, values, lengths)
    want = torch.stack([values[0].mean(dim=0), values[1, :2].mean(dim=0)])[:, None]
    t.close(output, want, atol=1e-5, says="All scores are 0, so the result is the mean of the values of the real "
                                          "frames.",
            ask="What is averaged: keys or values, and over which frames?")


@masked_attention.properties
def finds_what_it_asks_for(t):
    import torch

    keys = torch.eye(6)[None] * 60
    order = t.rng.permutation(6)
    queries, values = torch.eye(6)[torch.from_numpy(order)][None] * 60, torch.from_numpy(
        t.rng.normal(size=(1, 6, 6)).astype(np.float32))
    output, weights = t.on("six keys that differ, and queries that are each like one of them")(
        queries, keys, values, torch.tensor([6]))
    t.close(weights[0], torch.eye(6)[torch.from_numpy(order)], atol=1e-4,
            says="Each query should look at the key that is like it.", ask="Which axis of the scores counts the "
                                                                           "queries?")
    t.close(output[0], values[0, torch.from_numpy(order)], atol=1e-4, says="The weights are right; each query should "
                                                                           "get "
            "the value that belongs to its key.", ask="What do the weights multiply?")


@masked_attention.properties
def queries_and_clips_do_not_know_one_another(t):
    queries, keys, values, lengths = _asked(t.rng, 3, 4, 5, 3, [2, 5, 4])
    case = "three clips of 2, 5 and 4 frames"
    output, weights = t.on(case)(queries, keys, values, lengths)
    _shares(t, case, weights, [2, 5, 4])
    for b, n in enumerate((2, 5, 4)):
        own = slice(b, b + 1)
        alone, _ = t.on(f"clip {b} alone, without filling")(queries[own], keys[own, :n], values[own, :n], lengths[own])
        t.close(alone[0], output[b], atol=1e-5, says=f"Clip {b} alone should give what it gives in company.",
                ask="What do you compute over the batch?")
    one, _ = t.on("the last query alone")(queries[:, 3:], keys, values, lengths)
    t.close(one[:, 0], output[:, 3], atol=1e-5, says="A query alone should get what it gets in company.",
            ask="What do you compute over the queries?")


@masked_attention.reference
def agrees_with_torch(t):
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    for batch, n, time, d in ((4, 7, 20, 8), (2, 30, 100, 64), (6, 5, 5, 1)):
        lengths = t.rng.integers(1, time + 1, batch).tolist()
        queries, keys, values, sizes = _asked(t.rng, batch, n, time, d, lengths)
        real = (torch.arange(time) < sizes[:, None])[:, None]
        want = scaled_dot_product_attention(queries, keys, values, attn_mask=real)
        case = f"{batch} clips of up to {time} frames, {n} queries, {d} features"
        output, weights = t.on(case)(queries, keys, values, sizes)
        t.close(output, want, atol=1e-4, ask="Which of the four steps differs?",
                says=f"For {case}, it has to agree with `torch.nn.functional.scaled_dot_product_attention`.")
        t.close(weights @ values, want, atol=1e-4, says="The output is right, but the weights are not those that it "
                                                        "was "
                "made with.", ask="Which weights do you hand back?")


def _attention(queries, keys, values, lengths, scale=None, axis=2, mask=None, fill=-math.inf, after=None):
    """What a mistake hands back: another scale, another mask, another softmax."""
    import torch

    scores = queries @ keys.mT / (queries.shape[2] ** 0.5 if scale is None else scale)
    real = torch.arange(keys.shape[1]) < lengths[:, None] if mask is None else mask
    real = real[:, None] if real.ndim == 2 else real
    weights = scores.masked_fill(~real, fill).softmax(dim=axis)
    weights = after(weights, real) if after else weights
    return weights @ values, weights


@masked_attention.mistake("Your softmax goes along the queries: for each frame they share the weight.",
                          ask="Which axis of the scores counts the frames?")
def along_the_queries(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, axis=1, fill=-1e9, after=lambda w, real: w * real)


@masked_attention.mistake("Your softmax goes along the batch: clips share the weight.",
                          ask="Which axis of the scores counts the frames?")
def along_the_batch(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, axis=0, fill=-1e9, after=lambda w, real: w * real)


@masked_attention.mistake("The scores are not divided by the root of the number of features.",
                          ask="By what do you divide a score?")
def not_scaled(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, scale=1)


@masked_attention.mistake("The scores are divided by the number of features, not by its root.",
                          ask="By what do you divide a score?")
def scaled_by_d(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, scale=queries.shape[2])


@masked_attention.mistake("The scores are divided by the root of the number of frames.",
                          ask="By what do you divide a score?")
def scaled_by_time(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, scale=keys.shape[1] ** 0.5)


@masked_attention.mistake("You set the scores of the filling to 0. In a softmax that is not nothing: e to the power of "
                          "0 "
                          "is 1.", ask="Which score has the weight 0?")
def scores_of_0(queries, keys, values, lengths):
    return _attention(queries, keys, values, lengths, fill=0.0)


@masked_attention.mistake("You set the weights of the filling to 0 after the softmax, and what is left no longer adds "
                          "up "
                          "to 1.", ask="Which frames share the 1?")
def weights_cut_afterwards(queries, keys, values, lengths):
    import torch

    def cut(weights, _):
        return weights * (torch.arange(weights.shape[2]) < lengths[:, None])[:, None]

    return _attention(queries, keys, values, lengths, mask=torch.ones(keys.shape[:2], dtype=torch.bool), after=cut)


@masked_attention.mistake("One frame of filling counts as real: the frames of a clip of n have the numbers 0 to n − 1.",
                          ask="Which number has the last frame of a clip of one?")
def one_frame_too_many(queries, keys, values, lengths):
    import torch

    return _attention(queries, keys, values, lengths, mask=torch.arange(keys.shape[1]) <= lengths[:, None])


@masked_attention.mistake("You leave the filling in.", ask="What are `lengths` for?")
def no_mask(queries, keys, values, lengths):
    import torch

    return _attention(queries, keys, values, lengths, mask=torch.ones(keys.shape[:2], dtype=torch.bool))


@masked_attention.mistake("Your mask lies along the queries: it is the frames that are filled up, not the questions. "
                          "Where "
                          "there are as many of both, no shape gives it away.",
                          ask="Which axis of the scores do the lengths bound?")
def masks_queries(queries, keys, values, lengths):
    import torch

    real = (torch.arange(queries.shape[1]) < lengths[:, None])[..., None]
    return _attention(queries, keys, values, lengths, mask=real, fill=-1e9)


@masked_attention.mistake("The filling stands before your clips, not after them.",
                          ask="Where does a clip of n frames begin, and where does it end?")
def filling_in_front(queries, keys, values, lengths):
    import torch

    return _attention(queries, keys, values, lengths,
                      mask=torch.arange(keys.shape[1]) >= (keys.shape[1] - lengths)[:, None])


@masked_attention.mistake("All clips are masked like the first.", ask="How many lengths are there?")
def one_length_for_all(queries, keys, values, lengths):
    import torch

    return _attention(queries, keys, values, lengths,
                      mask=(torch.arange(keys.shape[1]) < lengths[0]).expand(len(keys), -1))


@masked_attention.mistake("You average the keys: what is handed on are the values.", ask="What do the weights "
                                                                                         "multiply?")
def averages_keys(queries, keys, values, lengths):
    return _attention(queries, keys, keys, lengths)


@masked_attention.mistake("You look for the values that are like the query, instead of the keys.",
                          ask="With what is a query compared?")
def compares_with_values(queries, keys, values, lengths):
    return _attention(queries, values, values, lengths)


@masked_attention.mistake("You hand back the scores, before the softmax.", ask="Of what is the sum 1?")
def hands_back_scores(queries, keys, values, lengths):
    output, _ = _attention(queries, keys, values, lengths)
    return output, queries @ keys.mT / queries.shape[2] ** 0.5


@masked_attention.mistake("Each query takes the one best frame. Attention takes a mean, so that a gradient can flow.",
                          ask="What does a softmax make of two scores that are nearly alike?")
def best_frame_only(queries, keys, values, lengths):
    import torch

    return _attention(queries, keys, values, lengths,
                      after=lambda w, _: torch.nn.functional.one_hot(w.argmax(dim=2), w.shape[2]).to(w))


# ---------------------------------------------------------------------------------------------- 04.6


def _two_sequences():
    rng = np.random.default_rng(46)
    x = rng.normal(size=(3, 5))
    return x, np.repeat(x, [2, 1, 1, 3, 1], axis=1) + 0.4 * rng.normal(size=(3, 8))


dtw = Exercise(
    "04.6", "dtw(x, y)",
    example=_two_sequences,
    hints=[
        "If you knew the cheapest way to the three cells before (i, j), what would the cheapest way to (i, j) cost? "
        "And "
        "which cells have fewer than three before them?",
        "Fill a table of sums with one row for each frame of x: local distance plus the least of the upper, the left "
        "and "
        "the upper left neighbour. A border of `np.inf` with a single 0 in its corner spares the special cases.",
        "For the path begin in the last cell and go back: to whichever of the three neighbours has the least sum, "
        "until "
        "(0, 0). Then `path[::-1]`. `np.linalg.norm(x[:, i] - y[:, j])` is the local distance.",
    ],
    learned="So machines of the 1970s recognised words: the template with the cheapest way wins, with no training.",
    seconds=5.0,
)


@dtw.output
def is_a_cost_and_a_path(t, got, x, y):
    _two(t, got, "cost, path")
    cost, path = got
    t.number(cost)
    t.holds(cost >= -1e-9, f"Your cost is **{cost:.4g}**; distances are never below 0.", ask="What is added up?")
    t.holds(isinstance(path, list), f"Your path is **{_kind(path)}**, expected a list of pairs.", values=False)
    strange = [one for one in path if not (isinstance(one, tuple | list) and len(one) == 2 and all(map(_whole, one)))]
    t.holds(not strange, f"Your path holds **{_kind(strange[0]) if strange else ''}**, expected pairs (i, j) of whole "
            "numbers.", values=False)
    t.holds(bool(path), "Your path is **empty**; it has the cell (0, 0) at least.", ask="Where does it begin?")


def _way(t, case, x, y, want, says, ask):
    """Hold a cost to its value, and the path to what a path is."""
    cost, path = t.on(case)(x, y)
    t.holds(abs(cost - want) <= 1e-6 * max(1, want), f"For {case}, your cost is **{cost:.5f}**, expected {want:.5f}. "
                                                     f"{says}",
            ask=ask)
    _is_a_way(t, case, x, y, cost, path)


def _is_a_way(t, case, x, y, cost, path):
    n, m = x.shape[1], y.shape[1]
    ends, wanted = (tuple(path[0]), tuple(path[-1])), ((0, 0), (n - 1, m - 1))
    t.holds(ends == wanted, f"For {case}, the cost is right, but your path goes from **{_cells(ends)}**, expected from "
            f"{_cells(wanted)}.", ask="In which cell does it begin, and in which does it end?")
    steps = [(int(c) - int(a), int(d) - int(b)) for (a, b), (c, d) in itertools.pairwise(path)]
    strange = [step for step in steps if step not in ((1, 0), (0, 1), (1, 1))]
    t.holds(not strange, f"For {case}, your path takes a step of **{strange[0] if strange else ''}**, expected (1, 0), "
                         "(0, 1) "
            "or (1, 1).", ask="Which three steps are there?")
    total = sum(float(np.linalg.norm(x[:, i] - y[:, j])) for i, j in path)
    t.holds(abs(total - cost) <= 1e-6 * max(1, cost), f"For {case}, the cells of your path cost **{total:.5f}** "
                                                      "together, "
            f"while your cost is {cost:.5f}.", ask="Is it the path that has this cost?")


def _cells(cells):
    return " to ".join(f"({int(i)}, {int(j)})" for i, j in cells)


@dtw.edges
def one_frame_with_one(t):
    _way(t, "one frame each, (0, 0) and (3, 4)", np.zeros((2, 1)), np.array([[3.0], [4.0]]), 5.0,
         "The straight line from one to the other has the length 5.", "Which distance is that of two points?")


@dtw.edges
def one_frame_and_many(t):
    x, y = np.zeros((1, 1)), np.array([[1.0, -2, 3, 4]])
    _way(t, "one frame of 0 and four of 1, −2, 3 and 4", x, y, 10.0, "The one frame goes with each of them.",
         "What lies before a cell in the first row?")
    _way(t, "four frames of 1, −2, 3 and 4 and one of 0", y, x, 10.0, "The one frame goes with each of them.",
         "What lies before a cell in the first column?")


@dtw.edges
def two_alike(t):
    x = t.rng.normal(size=(3, 6))
    case = "six frames and the same six frames"
    _way(t, case, x, x, 0.0, "Frame by frame they are alike.", "Which cells does the path along the diagonal go "
                                                               "through?")
    path = t(x, x)[1]
    t.holds([tuple(cell) for cell in path] == [(i, i) for i in range(6)], f"For {case}, your path has **{len(path)}** "
                                                                          "cells, "
            "expected the 6 of the diagonal.", ask="Which of the three steps comes first where all are possible?")


@dtw.edges
def first_and_last_frame_count(t):
    x, y = np.array([[5.0, 0, 0, 0]]), np.array([[0.0, 0, 0, 7]])
    _way(t, "5 0 0 0 and 0 0 0 7", x, y, 12.0, "Both ends have to meet: 5 and 7, whatever lies between.",
         "Which cells does every path go through?")


@dtw.properties
def more_slowly_it_is_the_same(t):
    x = np.cumsum(t.rng.uniform(0.5, 1, size=(2, 7)), axis=1)
    slow = np.repeat(x, t.rng.integers(1, 4, 7), axis=1)
    case = f"seven frames and the same, held for {slow.shape[1]}"
    _way(t, case, x, slow, 0.0, "A path that waits costs nothing where both are alike.",
         "Which steps does a path take while one of the two waits?")
    _way(t, f"{case}, exchanged", slow, x, 0.0, "A path that waits costs nothing where both are alike.",
         "Which steps does a path take while one of the two waits?")


def _ways(n, m):
    """All paths from (0, 0) to (n - 1, m - 1)."""
    if n == m == 1:
        return [[(0, 0)]]
    before = [(n - 1, m), (n, m - 1), (n - 1, m - 1)]
    return [[*way, (n - 1, m - 1)] for a, b in before if a and b for way in _ways(a, b)]


@dtw.properties
def the_cheapest_of_all_paths(t):
    ways = _ways(4, 5)
    for _ in range(4):
        x, y = t.rng.normal(size=(2, 4)), t.rng.normal(size=(2, 5))
        local = np.linalg.norm(x[:, :, None] - y[:, None], axis=0)
        want = min(sum(local[cell] for cell in way) for way in ways)
        _way(t, "four random frames and five", x, y, want, f"Of all {len(ways)} paths the cheapest costs so much.",
             "Which cells does a way lead through on to (i, j), and what is added on each?")


@dtw.properties
def exchanged_it_costs_the_same(t):
    x, y = t.rng.normal(size=(3, 6)), t.rng.normal(size=(3, 9))
    there, back = t.on("six frames and nine")(x, y), t.on("nine frames and six")(y, x)
    t.close(back[0], there[0], atol=1e-6, says="Exchanged, the two cost the same.", ask="Are both directions treated "
                                                                                        "alike?")


@dtw.properties
def scales_with_the_values(t):
    x, y = t.rng.normal(size=(3, 6)), t.rng.normal(size=(3, 9))
    one, three = t.on("six frames and nine")(x, y)[0], t.on("the same, times 3")(3 * x, 3 * y)[0]
    t.close(three, 3 * one, rtol=1e-6, says="Three times as far apart it costs three times as much.",
            ask="Is a distance squared, or divided by something?")


@dtw.reference
def agrees_with_scipy_dijkstra(t):
    for features, n, m in ((1, 20, 14), (13, 40, 55), (5, 90, 60)):
        x = np.cumsum(t.rng.normal(size=(features, n)), axis=1)
        y = x[:, np.sort(t.rng.integers(0, n, m))] + 0.5 * t.rng.normal(size=(features, m))
        _way(t, f"{n} frames and {m} of {features} feature{'s' * (features > 1)}", x, y, _shortest(x, y),
             "It has to agree with `scipy.sparse.csgraph.dijkstra`, to which cells are places and steps are roads.",
             "Which of the three neighbours is the cheapest, and do you know that already when you are there?")


def _shortest(x, y):
    """Cost of the cheapest path, as the shortest way through a graph."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import dijkstra

    local = np.linalg.norm(x[:, :, None] - y[:, None], axis=0)
    cell = np.arange(local.size).reshape(local.shape)
    n, m = cell.shape
    roads = [(cell[: n - a, : m - b].ravel(), cell[a:, b:].ravel()) for a, b in ((1, 0), (0, 1), (1, 1))]
    start, end = (np.concatenate(places) for places in zip(*roads, strict=True))
    graph = csr_array((local.ravel()[end], (start, end)), shape=(local.size, local.size))
    return float(local[0, 0] + dijkstra(graph, indices=0)[-1])


def _warped(x, y, local=None, diagonal=1.0, steps=((1, 0), (0, 1), (1, 1)), free=False):
    """What a mistake hands back: other distances, other steps."""
    local = np.linalg.norm(x[:, :, None] - y[:, None], axis=0) if local is None else local
    n, m = local.shape
    total = np.full((n, m), np.inf)
    for i, j in np.ndindex(n, m):
        before = [total[i - a, j - b] + (diagonal if a and b else 1) * local[i, j]
                  for a, b in steps if i >= a and j >= b]
        total[i, j] = local[i, j] if i == j == 0 or (free and not i) else min(before, default=np.inf)
    path, (i, j) = [(n - 1, m - 1)], (n - 1, m - 1)
    while (i or j) and not (free and not i):
        ways = [(total[i - a, j - b] + (diagonal if a and b else 1) * local[i, j], -a - b, i - a, j - b)
                for a, b in steps if i >= a and j >= b]
        _, _, i, j = min(ways)
        path.append((i, j))
    return float(total[-1, -1]), path[::-1]


@dtw.mistake("Your path has no diagonal step: one of the two always waits, so that two that are alike cost something.",
             ask="Which three steps are there?")
def no_diagonal(x, y):
    return _warped(x, y, steps=((1, 0), (0, 1)))


@dtw.mistake("A diagonal step costs twice with you, as in Sakoe and Chiba's symmetric form. Here all steps cost the "
             "same.",
             ask="What is added on a diagonal step?")
def diagonal_twice(x, y):
    return _warped(x, y, diagonal=2.0)


@dtw.mistake("You go to whichever cell is the cheapest right now. Behind a cheap cell there may be dear ones.",
             ask="Do you know, when you choose, what comes later?")
def greedy(x, y):
    local = np.linalg.norm(x[:, :, None] - y[:, None], axis=0)
    n, m = local.shape
    path = [(0, 0)]
    while path[-1] != (n - 1, m - 1):
        i, j = path[-1]
        ways = [(local[a, b], -(a + b), a, b) for a, b in ((i + 1, j + 1), (i + 1, j), (i, j + 1)) if a < n and b < m]
        path.append(min(ways)[2:])
    return float(sum(local[cell] for cell in path)), path


@dtw.mistake("Your path goes from the end to the beginning: that is how one finds it, not how it is asked for.",
             ask="In which cell does it begin?")
def backwards(x, y):
    cost, path = _warped(x, y)
    return cost, path[::-1]


@dtw.mistake("Your pairs are (j, i): first the frame of y.", ask="To which of the two does the first number belong?")
def pairs_exchanged(x, y):
    cost, path = _warped(x, y)
    return cost, [(j, i) for i, j in path]


@dtw.mistake("Your distance goes round the corners, as in a city of blocks: the sum of the differences.",
             ask="Which distance is that of two points?")
def city_block(x, y):
    return _warped(x, y, np.abs(x[:, :, None] - y[:, None]).sum(axis=0))


@dtw.mistake("Your distance is squared: the root is missing.", ask="Which distance is that of two points?")
def squared(x, y):
    return _warped(x, y, np.square(x[:, :, None] - y[:, None]).sum(axis=0))


@dtw.mistake("Your path ends before its end: the last cell is missing.", ask="Which cells does every path go through?")
def end_missing(x, y):
    cost, path = _warped(x, y)
    return cost, path[:-1] or path


@dtw.mistake("Your path begins after its beginning: the cell (0, 0) is missing.",
             ask="Which cells does every path go through?")
def beginning_missing(x, y):
    cost, path = _warped(x, y)
    return cost, path[1:] or path


@dtw.mistake("The cost is divided by the number of cells of the path. That compares words of different lengths; it is "
             "not "
             "asked for.", ask="Is a mean asked for?")
def by_length(x, y):
    cost, path = _warped(x, y)
    return cost / len(path), path


@dtw.mistake("Your path may begin anywhere in y, for free: that finds a word in a sentence.",
             ask="Which cells does every path go through?")
def begins_anywhere_in_y(x, y):
    return _warped(x, y, free=True)


@dtw.mistake("You stretch one of the two evenly. People do not speak so: the vowel becomes long, the t does not.",
             ask="Which cells does your path try?")
def evenly_stretched(x, y):
    n, m = x.shape[1], y.shape[1]
    steps = max(n, m)
    path = [(i * n // steps, i * m // steps) for i in range(steps)]
    return float(sum(np.linalg.norm(x[:, i] - y[:, j]) for i, j in path)), path


# ---------------------------------------------------------------------------------------------- 04.7


@functools.cache
def _processor(rate=16000):
    """Front end and tokenizer of the course's Whisper, for another rate too."""
    from transformers import WhisperFeatureExtractor, WhisperProcessor

    from ..models import whisper

    made = whisper.processor()
    if rate == whisper.SR:
        return made
    front = WhisperFeatureExtractor(feature_size=whisper.N_MELS, sampling_rate=rate, hop_length=rate // 100,
                                    n_fft=rate // 40, chunk_length=whisper.SECONDS)
    return WhisperProcessor(front, made.tokenizer)


@functools.cache
def _ear_class():
    """A Whisper that listens to nothing but tones, and keeps what it was given."""
    import torch
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    from ..models import whisper

    class Ear(WhisperForConditionalGeneration):
        def __init__(self):
            super().__init__(WhisperConfig(
                vocab_size=len(whisper.TOKENS), num_mel_bins=whisper.N_MELS, d_model=4, encoder_layers=1,
                decoder_layers=1, encoder_attention_heads=1, decoder_attention_heads=1, encoder_ffn_dim=4,
                decoder_ffn_dim=4,
                max_source_positions=whisper.FRAMES // 2, max_target_positions=8, pad_token_id=whisper.END,
                bos_token_id=whisper.END, eos_token_id=whisper.END, decoder_start_token_id=whisper.PROMPT[0],
                suppress_tokens=None, begin_suppress_tokens=None))
            self.heard, self.asked = [], []

        def __deepcopy__(self, memo):
            return self                                         # what it heard is read afterwards

        def generate(self, input_features=None, generation_config=None, **asked):
            pictures = input_features if input_features is not None else asked.get("inputs")
            self.heard.append(pictures.detach().numpy())
            self.asked.append(asked)
            self.said = [self.spell(picture) for picture in pictures]
            rows = [torch.tensor([*whisper.PROMPT, *said, whisper.END, whisper.END]) for said in self.said]
            return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=whisper.END)

        def spell(self, picture):
            """A space, then letters for the loudest channel and for the frames that are loud, or nothing."""
            picture = picture.float()
            if not float(picture.max() - picture.min()) > 0.3:
                return [0]
            loud = (picture.amax(dim=0) > picture.max() - 1).sum().item() // 5
            best = picture.mean(dim=1).argmax().item()
            level, mean = round(float(picture.max()) * 8), round(float(picture.mean()) * 50)
            asked = self.asked[-1]
            request = 2 * (asked.get("language") is None) + (asked.get("task") == "translate")
            first, second = (best // 9, best % 9, loud // 26, loud), (level, mean, request)
            return [0, *(2 + value % 26 for value in first), 0, *(2 + value % 26 for value in second)]

    return Ear


def _ear():
    return _ear_class()()


def _tone(frequency, sr, seconds=1.0, amplitude=0.3):
    t = np.arange(round(seconds * sr)) / sr
    return (amplitude * np.sin(2 * np.pi * frequency * t)).astype(np.float32)


transcribe = Exercise(
    "04.7", "transcribe(model, processor, y, sr)",
    example=lambda: (_ear(), _processor(), np.stack([_tone(500, 22050), _tone(1500, 22050, amplitude=0.2)]), 22050),
    hints=[
        "Five things happen to the sound before a letter comes out: one channel, another rate, a picture, numbers, "
        "text. "
        "Which of them does the processor do, which the model, and which are left to you?",
        "`processor.feature_extractor.sampling_rate` is the only rate that the picture knows. Mix and resample with "
        "`al.preprocess`, and tell the processor the rate that the sound *now* has.",
        "`processor(…, sampling_rate=…, return_tensors=\"pt\").input_features` goes into `model.generate`, with "
        "`language` and `task`. `processor.batch_decode(…, skip_special_tokens=True)` gives a list with one text.",
    ],
    learned="The model believes whatever rate it is told: the wrong one gives no error, only another voice.",
    seconds=20.0,
)


@transcribe.output
def is_a_plain_text(t, got, model, processor, y, sr):
    t.holds(isinstance(got, str), f"You return **{_kind(got)}**, expected a str.",
            ask="How many clips went in, and what does decoding a batch give?", values=False)
    t.holds("<|" not in got, f"Your text is **{got[:60]}**: that holds tokens which say what is to be done, not what "
                             "was said.",
            ask="Which tokens did the model write besides letters?")
    t.holds(got == got.strip(), f"Your text is **{got[:60]!r}**, with a space at an end; expected {got.strip()!r}.",
            ask="What stands before the first word?")


#: Centre of each mel channel of Whisper's picture, made when first needed.
@functools.cache
def _centres():
    import librosa

    return librosa.mel_frequencies(82, fmin=0, fmax=8000)[1:-1]


def _listened(t, case, y, sr, processor=None):
    """Have the answer transcribe a sound; returns the picture that the model was given, shape [80, frames]."""
    ear = _ear()
    t.on(case)(ear, processor or _processor(), y, sr)
    t.holds(len(ear.heard) > 0, f"For {case}, your function never calls `model.generate`.", ask="Who writes the text?",
            values=False)
    heard = ear.heard[-1]
    t.holds(heard.ndim == 3 and len(heard) == 1, f"For {case}, the model is given a batch of shape "
                                                 f"**{list(heard.shape)}**, "
            "expected one clip, [1, 80, 400].", ask="For what does the processor take the first axis of a signal?")
    t.holds(heard.shape[1:] == (80, 400), f"For {case}, the model is given a picture of shape "
                                          f"**{list(heard.shape[1:])}**, "
            "expected [80, 400].", ask="What makes the picture?")
    t.holds(bool(np.isfinite(heard).all()), f"For {case}, **{int((~np.isfinite(heard)).sum())}** values of the picture "
                                            "that "
            "the model is given are NaN or infinite.", ask="Is something divided by 0?")
    return heard[0], ear


def _pitch(picture):
    """Frequency of the loudest channel, in Hz."""
    return _centres()[int(picture.mean(axis=1).argmax())]


def _seconds(picture):
    """How long something sounds in a picture."""
    return 0.01 * int(np.sum(picture.max(axis=0) > picture.max() - 1))


@transcribe.edges
def silence_at_any_rate(t):
    for sr in (16000, 44100):
        case = f"a second of silence at {sr} Hz"
        picture, _ = _listened(t, case, np.zeros(sr, np.float32), sr)
        t.holds(np.ptp(picture) < 1e-3, f"For {case}, the picture that the model is given has values from "
                                        f"{picture.min():.2f} "
                f"to **{picture.max():.2f}**, expected all alike.", ask="What do you add to the sound, or divide it "
                "by?")


@transcribe.edges
def very_short(t):
    picture, _ = _listened(t, "20 ms at 8 kHz", _tone(700, 8000, 0.02), 8000)
    t.holds(_seconds(picture) < 0.1, f"For 20 ms at 8 kHz, the model hears something for **{_seconds(picture):.2f} "
                                     "s**, expected "
            "0.02 s.", ask="How many samples has it at the new rate?")


@transcribe.edges
def longer_than_the_model_listens(t):
    picture, _ = _listened(t, "7 s at 8 kHz", _tone(700, 8000, 7), 8000)
    t.holds(abs(_pitch(picture) - 700) < 60, f"For 7 s at 8 kHz, the model hears **{_pitch(picture):.0f} Hz** where "
                                             "700 Hz sound.",
            ask="Who cuts a sound that is too long?")


@transcribe.edges
def either_channel(t):
    for channel, words in ((0, "left"), (1, "right")):
        y = np.zeros((2, 32000), np.float32)
        y[channel] = _tone(1000, 32000)
        case = f"a tone of 1000 Hz in the {words} channel alone"
        picture, _ = _listened(t, case, y, 32000)
        t.holds(np.ptp(picture) > 1 and abs(_pitch(picture) - 1000) < 80, f"For {case}, the model hears "
                f"**{f'{_pitch(picture):.0f} Hz' if np.ptp(picture) > 1 else 'nothing'}**, expected 1000 Hz.",
                ask="What becomes of the two channels?")


@transcribe.edges
def at_the_rate_of_the_model(t):
    y = _tone(440, 16000)
    picture, _ = _listened(t, "a tone at 16 kHz already", y, 16000)
    want = _processor().feature_extractor(y, sampling_rate=16000, return_tensors="np").input_features[0]
    t.close(picture, want, atol=0.02, says="At 16 kHz nothing has to be done to the sound: its picture is that of "
            "`processor.feature_extractor`.", ask="What do you do to the sound besides?")


@transcribe.properties
def a_tone_keeps_its_pitch_and_length(t):
    for sr in (8000, 11025, 22050, 44100, 48000):
        frequency = float(t.rng.uniform(400, 1500))
        case = f"a second of {frequency:.0f} Hz, at {sr} Hz"
        picture, _ = _listened(t, case, _tone(frequency, sr), sr)
        near = abs(_centres() - frequency).min() + 60
        t.holds(abs(_pitch(picture) - frequency) < near, f"For {case}, the model hears **{_pitch(picture):.0f} Hz**, "
                                                         "expected "
                f"{frequency:.0f} Hz.", ask="At which rate does the model believe that the sound was sampled?")
        t.holds(abs(_seconds(picture) - 1) < 0.1, f"For {case}, the model hears it for **{_seconds(picture):.2f} s**, "
                                                  "expected "
                "1 s.", ask="How many samples has it at the new rate?")


@transcribe.properties
def nothing_folds_down(t):
    sr = 44100
    high = float(t.rng.uniform(10500, 13000))
    case = f"a tone of 500 Hz and one of {high:.0f} Hz, at 44,100 Hz"
    picture, _ = _listened(t, case, _tone(500, sr, amplitude=0.1) + _tone(high, sr, amplitude=0.4), sr)
    folded = abs(_centres() - (16000 - high)).argmin()
    low = abs(_centres() - 500).argmin()
    gap = 40 * float(picture[low, 20:80].mean() - picture[folded - 1 : folded + 2, 20:80].max(axis=0).mean())
    t.holds(gap > 20, f"For {case}, the model hears {16000 - high:.0f} Hz as well, only **{gap:.0f} dB** below the 500 "
                      "Hz, expected at "
            "least 20: 16 kHz cannot hold the higher tone, which has to be filtered out.",
            ask="What has to be done before samples are left out?")


@transcribe.properties
def channels_are_averaged(t):
    y = np.stack([_tone(600, 16000), _tone(2000, 16000, amplitude=0.2)])
    picture, _ = _listened(t, "600 Hz on the left and 2000 Hz on the right", y, 16000)
    want = _processor().feature_extractor(y.mean(axis=0), sampling_rate=16000, return_tensors="np").input_features[0]
    t.close(picture, want, atol=0.05, says="The model should hear the mean of both channels.",
            ask="How loud are two equal channels after they are mixed?")


@transcribe.properties
def asks_for_english_to_be_written(t):
    _, ear = _listened(t, "a tone", _tone(440, 16000), 16000)
    asked = ear.asked[-1]
    language, task = str(asked.get("language") or "none").strip("<|>").lower(), str(asked.get("task") or "none")
    t.holds(language in ("en", "english"), f"The language that `model.generate` is told is **{language}**, expected "
                                           "en: where none "
            "is named, the model guesses from the sound.", ask="What does the task say about the language?")
    t.holds(task == "transcribe", f"The task that `model.generate` is told is **{task}**, expected transcribe.",
            ask="Which two tasks does Whisper know?")


@transcribe.properties
def the_text_is_that_of_the_model(t):
    from .. import decode

    ear, case = _ear(), "a tone of 800 Hz"
    got = t.on(case)(ear, _processor(), _tone(800, 16000), 16000)
    want = decode.to_text([token + 1 for token in ear.said[0]])
    t.holds(got == want, f"For {case}, the model writes “{want}”, and you return **“{got}”**.",
            ask="What happens to a text after it was decoded?")


@transcribe.properties
def another_rate_of_the_processor(t):
    case = "a second of 500 Hz, and a processor that listens at 32 kHz"
    picture, _ = _listened(t, case, _tone(500, 16000), 16000, _processor(32000))
    t.holds(abs(_seconds(picture) - 1) < 0.1, f"For {case}, the model hears it for **{_seconds(picture):.2f} s**, "
                                              "expected "
            "1 s.", ask="Who knows at which rate the model listens?")


@functools.cache
def _trained():
    """The course's Whisper that knows digits."""
    from ..models import checkpoints

    return checkpoints.load("digits-whisper-anywhere")[0].whisper


@transcribe.reference
def agrees_with_the_pipeline_of_transformers(t):
    import librosa
    from transformers import pipeline

    from ..corpora import speech

    said, processor = " ".join(t.rng.choice(_DIGITS, 3)), _processor()
    y, sr = speech.say(said)
    listen = pipeline("automatic-speech-recognition", model=_trained(), tokenizer=processor.tokenizer,
                      feature_extractor=processor.feature_extractor)
    heard = {"raw": librosa.resample(0.75 * y, orig_sr=sr, target_sr=16000), "sampling_rate": 16000}
    asked = {"language": "en", "task": "transcribe", "num_beams": 1}       # it would take five beams
    want = listen(heard, generate_kwargs=asked)["text"].strip()
    case = f"“{said}”, in stereo at {sr} Hz, and the course's own Whisper"
    got = t.on(case)(_trained(), processor, np.stack([y, 0.5 * y]), sr)
    t.holds(got == want, f"For {case}, you have **“{got}”**, and the pipeline of `transformers` has “{want}”.",
            ask="Which of the steps between sound and text differs?")


def _transcribed(model, processor, y, sr, mix=lambda y: y.mean(axis=0), change=None, claims=None, scale=lambda y: y,
                 asked=None, skip=True, final=str.strip):
    """What a mistake hands back: other channels, another rate, another request."""
    from ..preprocess import resample

    rate = processor.feature_extractor.sampling_rate
    y = scale(mix(y) if y.ndim == 2 else y)
    y = change(y, sr, rate) if change else resample(y, sr, rate)
    picture = processor(y, sampling_rate=claims or rate, return_tensors="pt").input_features
    ids = model.generate(picture, **({"language": "en", "task": "transcribe"} if asked is None else asked))
    return final(processor.batch_decode(ids, skip_special_tokens=skip)[0])


@transcribe.mistake("The samples go in at the rate that they have, and the model takes them for samples at its own: it "
                    "hears "
                    "another voice, at another speed.", ask="At which rate does the model believe that the sound was "
                    "sampled?")
def rate_ignored(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, change=lambda y, sr, rate: y)


@transcribe.mistake("You resample the wrong way round, from the model's rate to that of the sound.",
                    ask="Which is the present rate, and which the wanted one?")
def wrong_way_round(model, processor, y, sr):
    from ..preprocess import resample

    return _transcribed(model, processor, y, sr, change=lambda y, sr, rate: resample(y, rate, sr))


@transcribe.mistake("Only the left channel is heard.", ask="What becomes of the two channels?")
def left_channel_only(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, mix=lambda y: y[0])


@transcribe.mistake("You add the channels up: two that are alike become twice as loud, and may go beyond full scale.",
                    ask="How loud are two equal channels after they are mixed?")
def channels_added_up(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, mix=lambda y: y.sum(axis=0))


@transcribe.mistake("You play one channel after the other.", ask="What becomes of the two channels?")
def one_channel_after_the_other(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, mix=np.ravel)


@transcribe.mistake("The special tokens are written out too.", ask="Which tokens did the model write besides letters?")
def special_tokens_stay(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, skip=False)


@transcribe.mistake("A space is left at the beginning: with Whisper it belongs to the first word.",
                    ask="What stands before the first word?")
def not_stripped(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, final=str)


@transcribe.mistake("You ask for a translation into English, not for what was said.", ask="Which two tasks does "
                                                                                          "Whisper know?")
def translates(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, asked={"language": "en", "task": "translate"})


@transcribe.mistake("You name neither language nor task, and leave both to the model's guess.",
                    ask="What does the task say about the language?")
def guesses(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, asked={})


@transcribe.mistake("You make every sound as loud as possible first. Whisper was trained on sounds as they are, and "
                    "its picture "
                    "has its own scale.", ask="What do you do to the sound besides?")
def by_the_peak(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, scale=lambda y: y / max(float(np.abs(y).max()), 1e-9))


@transcribe.mistake("You leave samples out without a filter: what the lower rate cannot hold folds down.",
                    ask="What has to be done before samples are left out?")
def without_a_filter(model, processor, y, sr):
    return _transcribed(model, processor, y, sr, change=lambda y, sr, rate: np.interp(
        np.arange(round(len(y) * rate / sr)) / rate, np.arange(len(y)) / sr, y).astype(np.float32))
