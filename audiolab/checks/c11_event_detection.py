"""Checks of chapter 11, sound event detection: grids, two scores, decisions, pooling, a loss for weak labels."""

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.metrics import f1_score  # here, so that no answer's time is spent on it

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _counts(t, got):
    """Hold a result to being counts and F1: three whole numbers, and one number."""
    two_things(t, got, "(tp, fp, fn), f1")
    counts, f1 = got
    whole = np.shape(as_array(counts)) == (3,) and as_array(counts).dtype.kind in "iu"
    t.holds(whole, f"Your counts: **{briefly(counts)}**, expected three whole numbers, `(tp, fp, fn)`.", values=False,
            ask="What does its last line hand back?")
    t.holds(np.ndim(as_array(f1)) == 0 and as_array(f1).dtype.kind in "iuf",
            f"Your F1: **{briefly(f1)}**, expected one number.", values=False, ask="What does its last line hand back?")


def _three(counts):
    return ", ".join(f"{int(n)} {name}" for n, name in zip(counts, ("TP", "FP", "FN"), strict=True))


def _f1(counts):
    tp, fp, fn = (int(n) for n in counts)
    return 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan


def _scored(t, case, got, counts, says, ask):
    """Hold counts and F1 to what they are: counts first, because F1 follows from them."""
    t.holds(tuple(int(n) for n in got[0]) == tuple(counts), f"For {case}, {says} You have **{_three(got[0])}**, "
            f"expected {_three(counts)}.", ask=ask)
    t.close(got[1], _f1(counts), atol=1e-6, says=f"For {case}, your counts are right, {_three(counts)}. The F1 that "
            "follows is not.", ask="What stands above the line of F1 and what below, and what if all are 0?")


# ---------------------------------------------------------------------------------------------- 11.1

HOP = 0.04


on_the_grid = Exercise(
    "11.1", "on_the_grid(events, n, hop)",
    example=lambda: (np.array([[0.63, 0.87], [-0.19, 0.07], [0.31, 0.47], [0.45, 0.55], [0.59, 0.605], [0.93, 1.25]]),
                     25, HOP),
    hints=[
        "Where is the middle of frame 0? And of frame 7? An event from 0.30 to 0.45 s on frames of 0.1 s: which "
        "middles does it cover?",
        "`(np.arange(n) + 0.5) * hop` are all middles at once. A frame is active if any of the events covers its "
        "middle: take them one after the other, and keep what was active before. Back: a run begins where a frame is "
        "active and the one before is not. Before the first frame and behind the last nothing is active.",
        "`active |= (onset <= middles) & (middles < offset)`. Then `np.diff(active.astype(int), prepend=0, append=0)` "
        "is 1 at the number of the frame with which a run begins, and −1 at the number of the first that no longer "
        "belongs to it. `np.flatnonzero` finds them; times `hop` they are seconds.",
    ],
    learned="A grid of frames moves each end of an event by half a frame at most, loses what is shorter than a frame, "
            "and closes gaps that are. No detector that answers by frames can be more exact than that.",
)


@on_the_grid.output
def is_a_row_and_pairs(t, got, events, n, hop):
    two_things(t, got, "active, back")
    active, back = got
    t.holds(isinstance(active, np.ndarray) and active.shape == (n,),
            f"Your row of frames: **{briefly(active)}**, expected an array of shape [{n}], one for each frame.",
            ask="How many frames has the clip?")
    t.holds(active.dtype == bool, f"Your row of frames is of type **{active.dtype}**, expected bool: a frame is active "
            "or it is not.", ask="Which operation made it so?", values=False)
    t.holds(isinstance(back, np.ndarray) and back.ndim == 2 and back.shape[1] == 2, "The events that you read back: "
            f"**{briefly(back)}**, expected an array of shape [{len(_runs_of(active))}, 2], onset and offset of each.",
            ask="How many numbers has an event, and what does an array of no events look like?")


def _runs_of(active):
    """First frame of each run, and the first behind it."""
    found, _ = ndimage.label(active)
    return np.array([[run.start, run.stop] for (run,) in ndimage.find_objects(found)]).reshape(-1, 2)


def _row(events, n, hop):
    middles = (np.arange(n) + 0.5) * hop
    return np.any([(on <= middles) & (middles < off) for on, off in events], axis=0) & np.ones(n, bool)


def _laid(t, case, events, n, hop, says, ask, back_ask="Where does the first frame of a run begin, and where does its "
                                                         "last one end?"):
    """Hold both halves to what they are: the row first, then what is read back from it."""
    got = t.on(case)(np.array(events, float).reshape(-1, 2), n, hop)
    want = _row(events, n, hop)
    wrong = np.flatnonzero(got[0] != want)
    middle = f", whose middle is at {(wrong[0] + 0.5) * hop:g} s, is {'not ' * (not got[0][wrong[0]])}active with you" \
        if len(wrong) else ""
    t.holds(not len(wrong), f"For {case}, {says} Your row differs in **{len(wrong)}** of {n} frames: frame "
            f"{wrong[0] if len(wrong) else 0}{middle}.", ask=ask, show=(got[0].astype(float), want.astype(float)))
    runs = _runs_of(want) * hop
    t.holds(len(got[1]) == len(runs), f"For {case}, your row of frames is right, and has {len(runs)} run"
            f"{'s' * (len(runs) != 1)} of active frames. You read back **{len(got[1])}** "
            f"event{'s' * (len(got[1]) != 1)}.", ask="What stands before the first frame, and what behind the last?")
    t.close(got[1], runs, atol=1e-9, ask=back_ask,
            says=f"For {case}, your row of frames is right. The events that you read back are not.")
    return got


@on_the_grid.edges
def no_events(t):
    _laid(t, "no events at all", [], 5, 0.5, "no frame is active.", "What is your row before the first event is laid?")


@on_the_grid.edges
def longer_than_the_clip(t):
    _laid(t, "an event from −1 to 4 s in a clip of 6 frames of half a second", [[-1, 4]], 6, 0.5,
          "all frames are active.", "What does Python make of a negative index?")
    _laid(t, "events before and behind the clip", [[-3, -1], [3.5, 5]], 6, 0.5, "no frame is active.",
          "What does Python make of a negative index?")


@on_the_grid.edges
def one_frame(t):
    _laid(t, "an event from 0.2 to 0.6 s in a clip of one frame of a second", [[0.2, 0.6]], 1, 1.0,
          "it covers the middle.", "Where is the middle of the first frame?")
    _laid(t, "an event from 1.3 to 1.7 s and frames of a second", [[1.3, 1.7]], 4, 1.0,
          "it covers the middle of frame 1 and no other.", "Where is the middle of frame 1?")


@on_the_grid.edges
def between_two_middles(t):
    _laid(t, "an event from 1.6 to 2.4 s and frames of a second", [[1.6, 2.4]], 4, 1.0,
          "it touches frames 1 and 2, whose middles are at 1.5 and 2.5, and covers neither.",
          "Does an event have to touch a frame, or to cover its middle?")
    _laid(t, "events from 0 to 1.6 and from 2.4 to 4 s, and frames of a second", [[0, 1.6], [2.4, 4]], 4, 1.0,
          "no middle lies between them.", "Does an event have to touch a frame, or to cover its middle?")


@on_the_grid.edges
def exactly_at_a_middle(t):
    _laid(t, "an event from 0.25 to 1.25 s and frames of half a second", [[0.25, 1.25]], 5, 0.5,
          "it begins exactly at the middle of frame 0, which counts, and ends exactly at that of frame 2, which does "
          "not.", "At which end does the rule have ≤, and at which <?")
    _laid(t, "an event from 0.75 to 1.75 s and frames of half a second", [[0.75, 1.75]], 5, 0.5,
          "it begins exactly at the middle of frame 1, which counts, and ends exactly at that of frame 3, which does "
          "not.", "At which end does the rule have ≤, and at which <?")


@on_the_grid.properties
def touching_and_overlapping(t):
    a, b, c = np.cumsum(t.rng.uniform(0.5, 1.5, 3))
    _laid(t, "two events that touch", [[a, b], [b, c]], 125, HOP, "they are one.", "What is active after both?")
    _laid(t, "a long event, and a short one within it", [[a, c], [a + 0.1, b]], 125, HOP, "they are one.",
          "What is active after both?")


@on_the_grid.properties
def in_any_order(t):
    ends = np.sort(t.rng.uniform(0, 5, 8)).reshape(4, 2)
    _laid(t, "four events, the last one first", ends[::-1], 125, HOP, "each should be on its place.",
          "Does it matter to a frame which event came first?")


@on_the_grid.properties
def half_a_frame_at_most(t):
    lengths = t.rng.uniform(3, 20, 12) * HOP
    ends = np.cumsum(lengths).reshape(6, 2)
    n = int(ends[-1, 1] / HOP) + 5
    _, back = _laid(t, "six events with pauses between them", ends, n, HOP, "each covers some middles.",
                    "Where is the middle of a frame?")
    worst = np.abs(back - ends).max() / HOP
    t.holds(worst <= 0.5 + 1e-6, f"An end of an event moves by **{worst:.2f}** frames; half of one is the most.",
            ask="Where does the first frame of a run begin, and where does its last one end?")


@on_the_grid.properties
def there_and_back_again(t):
    ends = np.sort(t.rng.uniform(0, 5, 10)).reshape(5, 2)
    active, back = t.on("five events")(ends, 125, HOP)
    again, same = t.on("the events that you read back")(back, 125, HOP)
    t.close(again, active, says="Laid on the same grid again, the events that you read back should give the same row.",
            ask="Where does the first frame of a run begin, and where does its last one end?")
    t.close(same, back, atol=1e-9, says="They already stand on the grid, and should not move any more.",
            ask="Where does the first frame of a run begin, and where does its last one end?")


@on_the_grid.reference
def agrees_with_mir_eval(t):
    from mir_eval.util import interpolate_intervals

    n = 3000
    ends = np.cumsum(t.rng.exponential(0.8, 120)).reshape(60, 2)
    marks = np.concatenate([[0], ends.ravel(), [200]])
    spans = np.stack([marks[:-1], marks[1:]], axis=1)
    want = np.array(interpolate_intervals(spans, [i % 2 for i in range(len(spans))], (np.arange(n) + 0.5) * HOP), bool)
    active, back = t.on("sixty events in two minutes")(ends, n, HOP)
    wrong = np.flatnonzero(active != want)
    t.holds(not len(wrong), "It has to agree with `mir_eval.util.interpolate_intervals`, asked at the middle of each "
            f"frame. Of {n} frames **{len(wrong)}** differ, the first at {wrong[0] * HOP if len(wrong) else 0:.2f} s.",
            ask="Which middles does that event cover?", show=(active.astype(float), want.astype(float)))
    t.close(back, _runs_of(want) * HOP, atol=1e-9, says="Your row of frames is right. What you read back has to agree "
            "with the runs that `scipy.ndimage.label` finds in it.", ask="Where does a run begin and end?")


def _by(rule, back=lambda runs, hop: runs * hop):
    """What a mistake lays and reads back: another rule of what is active, other ends of a run."""
    def answer(events, n, hop):
        edges = np.arange(n + 1) * hop
        active = np.zeros(n, bool)
        for onset, offset in events:
            active |= rule(onset, offset, edges[:-1], edges[1:])
        return active, back(_runs_of(active), hop).astype(float)

    return answer


def _middle(onset, offset, begin, end):
    middle = (begin + end) / 2
    return (onset <= middle) & (middle < offset)


@on_the_grid.mistake("You take every frame that an event touches: events grow by up to a frame at each end.",
                     ask="Which point of a frame has to be covered?")
def touched(events, n, hop):
    return _by(lambda on, off, begin, end: (on < end) & (begin < off))(events, n, hop)


@on_the_grid.mistake("You take only frames that an event covers from beginning to end: events shrink at both ends.",
                     ask="Which point of a frame has to be covered?")
def wholly_covered(events, n, hop):
    return _by(lambda on, off, begin, end: (on <= begin) & (end <= off))(events, n, hop)


@on_the_grid.mistake("You look at the beginning of each frame instead of its middle: all events come half a frame "
                     "late.", ask="Where is the middle of frame 0?")
def by_beginnings(events, n, hop):
    return _by(lambda on, off, begin, end: (on <= begin) & (begin < off))(events, n, hop)


@on_the_grid.mistake("You cut seconds down to whole frames: all events come early, by half a frame on average.",
                     ask="In which frame is the first middle behind the onset?")
def cut_down(events, n, hop):
    return _by(lambda on, off, begin, end: (np.floor(on / hop) * hop <= begin + 1e-9) &
               (begin + 1e-9 < np.floor(off / hop) * hop))(events, n, hop)


@on_the_grid.mistake("An event that begins before the clip is lost: a negative index counts from the end.",
                     ask="What does Python make of a negative index?")
def sliced(events, n, hop):
    active = np.zeros(n, bool)
    for onset, offset in events:
        active[round(onset / hop) : round(offset / hop)] = True
    return active, (_runs_of(active) * hop).astype(float)


@on_the_grid.mistake("You round, and Python rounds halves to the even number: `round(1.5)` and `round(2.5)` are both "
                     "2.", ask="At which end does the rule have ≤, and at which <?")
def rounded_to_even(events, n, hop):
    active = np.zeros(n, bool)
    for start, stop in np.round(events / hop).astype(int).clip(0):
        active[start:stop] = True
    return active, (_runs_of(active) * hop).astype(float)


@on_the_grid.mistake("Each event takes the place of those before: in the end only the last is there.",
                     ask="What becomes of a frame that an earlier event made active?")
def the_last_alone(events, n, hop):
    active = np.zeros(n, bool)
    for onset, offset in events:
        active = _row([(onset, offset)], n, hop)
    return active, (_runs_of(active) * hop).astype(float)


@on_the_grid.mistake("Your events end where their last frame begins: each is a frame too short.",
                     ask="Where does the last frame of a run end?")
def to_the_last_frame(events, n, hop):
    return _by(_middle, lambda runs, hop: (runs - np.array([0, 1])) * hop)(events, n, hop)


@on_the_grid.mistake("You read back the middles of frames: each event is half a frame too short at both ends.",
                     ask="Where does the first frame of a run begin?")
def from_middle_to_middle(events, n, hop):
    return _by(_middle, lambda runs, hop: (runs + np.array([0.5, -0.5])) * hop)(events, n, hop)


@on_the_grid.mistake("You read back numbers of frames.", ask="How many seconds is a frame?")
def in_frames(events, n, hop):
    return _by(_middle, lambda runs, hop: runs)(events, n, hop)


@on_the_grid.mistake("You read each event back by itself. A row of frames does not know that there were two: where "
                     "they touch, they have become one.", ask="From what are the events to be read back?")
def one_by_one(events, n, hop):
    each = [_runs_of(_row([one], n, hop)) for one in events[np.argsort(events[:, 0])]]
    return _row(events, n, hop), np.concatenate([np.zeros((0, 2)), *each]) * hop


@on_the_grid.mistake("A run that reaches the end of the clip is lost: nothing behind it makes a step down.",
                     ask="What stands behind the last frame?")
def open_at_the_end(events, n, hop):
    return _by(_middle, lambda runs, hop: runs[runs[:, 1] < n] * hop)(events, n, hop)


@on_the_grid.mistake("A run that begins with the clip is lost: nothing before it makes a step up.",
                     ask="What stands before the first frame?")
def open_at_the_beginning(events, n, hop):
    return _by(_middle, lambda runs, hop: runs[runs[:, 0] > 0] * hop)(events, n, hop)


# ---------------------------------------------------------------------------------------------- 11.2


def _grids(rng, time=97, classes=4, pause=14, length=9):
    """Two grids that agree about as much as a truth and a detector: runs, of which one is moved, lost or made up."""
    grids = np.zeros((2, time, classes), bool)
    for c in range(classes):
        start = int(rng.integers(pause))
        while start < time:
            stop = start + int(rng.integers(1, 2 * length))
            here, moved = rng.random(2) < (0.85, 0.8), int(rng.integers(-4, 5))
            grids[0, start:stop, c] |= here[0]
            grids[1, max(start + moved, 0) : max(stop + moved, 0), c] |= here[1]
            start = stop + int(rng.integers(1, 2 * pause * (1 + c)))
    return grids[0], grids[1]


segment_f1 = Exercise(
    "11.2", "segment_f1(truth, found, frames)",
    example=lambda: (*_grids(np.random.default_rng(114)), 10),
    hints=[
        "Ten frames, segments of four: how many segments are there, and how long is the last? One frame of a segment "
        "is active: is the class active in the segment?",
        "First make a smaller grid of each: a row for each segment, true where any of its frames is. Where do the "
        "segments start? Then count over the whole small grid at once: both, only found, only true.",
        "`np.logical_or.reduceat(truth, np.arange(0, len(truth), frames))` is the small grid. `(was & said).sum()` is "
        "TP; the other two have a `~` in them. F1 needs a way out where all three are 0.",
    ],
    learned="Segments forgive what happens within them, delays and pauses alike. So an F1 without the length of its "
            "segments says little, and the longer they are, the better all detectors look.",
)


@segment_f1.output
def is_counts_and_f1(t, got, truth, found, frames):
    _counts(t, got)
    t.holds(min(got[0]) >= 0, f"Your counts: **{_three(got[0])}**. None can be below 0.",
            ask="From which number is which taken away?")


def _segments(grid, frames):
    return np.stack([grid[i : i + frames].any(axis=0) for i in range(0, len(grid), frames)])


def _tally(was, said):
    return [int((was & said).sum()), int((said & ~was).sum()), int((was & ~said).sum())]


def _by_segments(t, case, truth, found, frames, says, ask, counts=None):
    """Hold the answer to the counts of segments."""
    truth, found = np.asarray(truth, bool), np.asarray(found, bool)
    if counts is None:
        counts = _tally(_segments(truth, frames), _segments(found, frames))
    _scored(t, case, t.on(case)(truth, found, frames), counts, says, ask)


@segment_f1.edges
def silence(t):
    _by_segments(t, "a clip in which nothing sounds and nothing was found", np.zeros((8, 2)), np.zeros((8, 2)), 4,
                 "there is nothing to count.", "What is counted where nobody is active?")
    _by_segments(t, "a truth of two classes all through, of which nothing was found", np.ones((8, 2)), np.zeros((8, 2)),
                 4, "both segments of both classes are missed.", "What is counted where only one of them is active?")


@segment_f1.edges
def shorter_than_a_segment(t):
    grid = np.zeros((3, 2), bool)
    grid[1, 0] = True
    _by_segments(t, "a clip of 3 frames and segments of 25", grid, grid, 25, "it is one segment, a short one.",
                 "What becomes of frames that fill no segment?")


@segment_f1.edges
def a_rest(t):
    truth, found = np.zeros((10, 1), bool), np.zeros((10, 1), bool)
    truth[9], found[8] = True, True
    _by_segments(t, "a clip of 10 frames and segments of 4, in whose last two frames something sounds", truth, found, 4,
                 "frames 8 and 9 are a segment, too.", "What becomes of frames that fill no segment?", [1, 0, 0])


@segment_f1.edges
def a_frame_each(t):
    truth, found = np.array([[1, 1, 0, 0]], bool).T, np.array([[1, 0, 1, 0]], bool).T
    _by_segments(t, "four frames that are segments of one frame: both, truth alone, found alone, neither", truth, found,
                 1, "each kind occurs once, and neither counts nothing.", "What is counted where nobody is active?",
                 [1, 1, 1])


@segment_f1.properties
def when_within_a_segment_does_not_matter(t):
    truth, found = np.zeros((20, 1), bool), np.zeros((20, 1), bool)
    at = int(t.rng.integers(5))
    truth[at], found[9 - at] = True, True
    _by_segments(t, f"frame {at} in truth and frame {9 - at} found, both in the first segment of 10", truth, found, 10,
                 "the class is active in that segment by both.", "Do they have to be active in the same frame?",
                 [1, 0, 0])


@segment_f1.properties
def one_frame_is_enough(t):
    truth = np.zeros((30, 1), bool)
    truth[[int(t.rng.integers(10)), 10 + int(t.rng.integers(10))]] = True
    _by_segments(t, "a truth of one frame in each of the first two segments of 10, found exactly", truth, truth, 10,
                 "one active frame makes a segment active.", "How many frames of a segment have to be active?",
                 [2, 0, 0])


@segment_f1.properties
def each_class_is_a_question(t):
    truth, found = np.zeros((8, 3), bool), np.zeros((8, 3), bool)
    truth[:4, 0], found[:4, 1], truth[4:, 2], found[4:, 2] = True, True, True, True
    _by_segments(t, "a segment in which another class was found than the one that sounds, and one that is right", truth,
                 found, 4, "the first is a miss of one class and a false alarm of another.",
                 "Is something found there, or is that class?", [1, 1, 1])


@segment_f1.properties
def the_other_way_round(t):
    truth, found = _grids(t.rng)
    (tp, fp, fn), _ = t.on("two random grids")(truth, found, 10)
    got = t.on("the same grids, found as truth and truth as found")(found, truth, 10)
    _scored(t, "the same grids the other way round", got, (tp, fn, fp),
            f"false positives and false negatives should change places; before you had {_three((tp, fp, fn))}.",
            "For whom is a false positive false?")


@segment_f1.properties
def two_clips_in_one(t):
    one, two = _grids(t.rng, time=50), _grids(t.rng, time=30)
    both = np.add(t.on("a clip of 50 frames")(*one, 10)[0], t.on("a clip of 30 frames")(*two, 10)[0])
    got = t.on("both, one after the other")(*(np.concatenate(pair) for pair in zip(one, two, strict=True)), 10)
    _scored(t, "two clips of 50 and 30 frames, one after the other, in segments of 10", got, both,
            "the counts of the two should add up.", "What is added up, and when is it divided?")


@segment_f1.properties
def rare_classes_count_by_their_segments(t):
    truth = np.zeros((100, 2), bool)
    truth[:90, 0], truth[90:, 1] = True, True
    found = truth.copy()
    found[:, 1] = False
    _by_segments(t, "a class of nine segments that was found, and one of a single segment that was not", truth, found,
                 10, "each segment of each class counts alike.", "What is added up, and when is it divided?", [9, 0, 1])


@segment_f1.reference
def agrees_with_sklearn(t):
    for frames, time in ((1, 700), (7, 3001), (25, 3001)):
        truth, found = _grids(t.rng, time=time, classes=6)
        small = [pd.DataFrame(grid).groupby(np.arange(time) // frames).any().to_numpy() for grid in (truth, found)]
        case = f"{time} frames of 6 classes in segments of {frames}"
        got = t.on(case)(truth, found, frames)
        t.close(got[1], f1_score(*small, average="micro"), atol=1e-6, ask="What is added up, and when is it divided?",
                says=f'For {case}, it has to agree with `sklearn.metrics.f1_score(…, average="micro")` of segments.')
        _scored(t, case, got, _tally(*small), "`pandas` counts otherwise.", "Which segments differ?")


def _counted(was, said):
    counts = _tally(was, said)
    return tuple(counts), _f1(counts)


@segment_f1.mistake("You count frames; segments are forgotten.", ask="How many questions is a segment?")
def by_frames(truth, found, frames):
    return _counted(truth, found)


@segment_f1.mistake("Your segments are active where most of their frames are.",
                    ask="How many frames of a segment have to be active?")
def most_frames(truth, found, frames):
    def most(grid):
        return np.stack([grid[i : i + frames].mean(axis=0) >= 0.5 for i in range(0, len(grid), frames)])

    return _counted(most(truth), most(found))


@segment_f1.mistake("Your segments are active where all their frames are.",
                    ask="How many frames of a segment have to be active?")
def all_frames(truth, found, frames):
    return _counted(~_segments(~truth, frames), ~_segments(~found, frames))


@segment_f1.mistake("You leave out the frames that are left over at the end.",
                    ask="What becomes of frames that fill no segment?")
def rest_left_out(truth, found, frames):
    n = len(truth) // frames * frames
    if not n:
        return (0, 0, 0), np.nan
    return _counted(_segments(truth[:n], frames), _segments(found[:n], frames))


@segment_f1.mistake("You ask for a frame that both have. Within a segment it does not matter when.",
                    ask="Do they have to be active in the same frame?")
def common_frame(truth, found, frames):
    was, said, both = (_segments(grid, frames) for grid in (truth, found, truth & found))
    counts = (int(both.sum()), int((said & ~both).sum()), int((was & ~both).sum()))
    return counts, _f1(counts)


@segment_f1.mistake("You do not tell classes apart: something was found where something sounds.",
                    ask="Is something found there, or is that class?")
def any_class(truth, found, frames):
    return _counted(_segments(truth, frames).any(axis=1), _segments(found, frames).any(axis=1))


@segment_f1.mistake("Your F1 is the mean of those of the classes: that is the macro average.",
                    ask="What is added up, and when is it divided?")
def macro(truth, found, frames):
    was, said = _segments(truth, frames), _segments(found, frames)
    scores = [_f1(_tally(was[:, c], said[:, c])) for c in range(was.shape[1])]
    return tuple(_tally(was, said)), float(np.nanmean(scores)) if not np.isnan(scores).all() else np.nan


@segment_f1.mistake("Your F1 is the mean of those of the segments.", ask="What is added up, and when is it divided?")
def mean_of_segments(truth, found, frames):
    was, said = _segments(truth, frames), _segments(found, frames)
    scores = [_f1(_tally(*pair)) for pair in zip(was, said, strict=True)]
    return tuple(_tally(was, said)), float(np.nanmean(scores)) if not np.isnan(scores).all() else np.nan


@segment_f1.mistake("False positives and false negatives have changed places.",
                    ask="For whom is a false positive false?")
def exchanged(truth, found, frames):
    (tp, fp, fn), f1 = _counted(_segments(truth, frames), _segments(found, frames))
    return (tp, fn, fp), f1


@segment_f1.mistake("You count TP once above the line and once below: that is not F1 but the share of what both have "
                    "in what either has.", ask="How often does TP stand in F1?")
def jaccard(truth, found, frames):
    counts = _tally(_segments(truth, frames), _segments(found, frames))
    return tuple(counts), counts[0] / sum(counts) if sum(counts) else np.nan


@segment_f1.mistake("Your F1 is an accuracy: it also praises silence that was left alone.",
                    ask="What is counted where nobody is active?")
def accuracy(truth, found, frames):
    was, said = _segments(truth, frames), _segments(found, frames)
    return tuple(_tally(was, said)), float((was == said).mean())


@segment_f1.mistake("Where there is nothing to judge, you say that all is right.",
                    ask="What is F1 where all counts are 0?")
def praised_for_silence(truth, found, frames):
    counts, f1 = _counted(_segments(truth, frames), _segments(found, frames))
    return counts, f1 if sum(counts) else 1.0


@segment_f1.mistake("Where there is nothing to judge, you say that all is wrong.",
                    ask="What is F1 where all counts are 0?")
def blamed_for_silence(truth, found, frames):
    counts, f1 = _counted(_segments(truth, frames), _segments(found, frames))
    return counts, f1 if sum(counts) else 0.0


# ---------------------------------------------------------------------------------------------- 11.3


def _events(rows):
    """A table of events from rows of label, onset, offset."""
    table = pd.DataFrame(list(rows), columns=["label", "onset", "offset"])
    return table.astype({"onset": float, "offset": float})


#: What truth and detector have in each of these cases, and how often it occurs in the example: as many times as it
#: takes for every known mistake to have a count of its own.
CASES = [
    (1, [("dog", 0.0, 1.0)], [("dog", 0.05, 4.0)]),                                 # offset far off, early in time
    (3, [("dog", 0.0, 1.0)], [("dog", 0.06, 1.1)]),                                 # right
    (1, [("dog", 0.0, 1.0)], [("bell", 0.0, 1.0)]),                                 # another label
    (2, [("dog", 0.0, 1.0)], [("dog", 0.05, 1.6)]),                                 # offset far off
    (5, [("rain", 0.0, 8.0)], [("rain", 0.1, 9.3)]),                                # a long event: a fifth is allowed
    (6, [("dog", 0.0, 0.3)], [("dog", 0.02, 0.45)]),                                # a short one: the collar is
    (4, [("rain", 0.0, 5.0)], [("rain", 0.0, 6.1)]),                                # a fifth of which of the two?
    (9, [("rain", 0.0, 8.0)], [("rain", 0.5, 8.0)]),                                # a fifth is for offsets alone
    (8, [("bell", 0.2, 1.2)], [("bell", 0.1, 1.1)]),                                # early
    (11, [("bell", 0.0, 1.0)], [("bell", 0.02, 1.0), ("bell", 0.1, 1.0)]),          # found twice
    (13, [("bell", 0.0, 1.0), ("bell", 0.1, 1.1)], [("bell", 0.12, 1.12)]),         # two, of which one is found
    (16, [("dog", 0.2, 1.0), ("dog", 0.35, 1.15)], [("dog", 0.2, 1.0), ("dog", 0.02, 0.9)]),    # the first that fits
    (20, [("dog", 0.2, 1.0), ("dog", 0.38, 1.0)], [("dog", 0.02, 1.0), ("dog", 0.25, 1.0)]),    # the nearest
]


def _the_cases():
    """Both tables of the example, shuffled: case after case, each in time of its own."""
    sides, begin = ([], []), 0.0
    for times, *tables in CASES:
        for _ in range(times):
            for side, rows in zip(sides, tables, strict=True):
                side += [(label, begin + on, begin + off) for label, on, off in rows]
            begin += 20.0
    return [_events(side).sample(frac=1, random_state=113, ignore_index=True) for side in sides]


event_f1 = Exercise(
    "11.3", "event_f1(truth, found, collar=0.2, share=0.2)",
    example=lambda: tuple(_the_cases()),
    hints=[
        "First only the question: does this found event fit that true one? Three conditions. Whose length says how far "
        "the offset may be off? Write down for each true event which found events fit it.",
        "Now pairs. True event A fits found events 1 and 2, B fits only 1. Who comes first must not take 1 for good: "
        "when B asks for it, A moves to 2. A function `take(i, asked)` tries the found events that fit i; one that is "
        "free it takes, and from one that is taken it asks the owner, by calling itself, to find another.",
        "`partner` is a dictionary from found to true. `take(i, asked)`: for each j that fits and is not in `asked`, "
        "add it to `asked`; if `j not in partner or take(partner[j], asked)`, set `partner[j] = i` and return True. "
        "At the end return False. TP is how many of the true events get one, each with an `asked` of its own. Or: "
        "`maximum_bipartite_matching(csr_matrix(fits))`, whose −1 are those without a partner.",
    ],
    learned="An event-based F1 asks for beginning and end of each event, and falls off a cliff at the collar. It never "
            "goes without saying how events were matched, and how wide the collar was.",
)


@event_f1.output
def is_counts_that_add_up(t, got, truth, found, collar=0.2, share=0.2):
    _counts(t, got)
    tp, fp, fn = (int(n) for n in got[0])
    t.holds(0 <= tp <= min(len(truth), len(found)), f"Of {len(truth)} true and {len(found)} found events you make "
            f"**{tp}** pairs. Each event has a part in one pair at most.", ask="How often may an event be matched?")
    for name, wrong, table, words in (("FP", fp, found, "found"), ("FN", fn, truth, "true")):
        t.holds(tp + wrong == len(table), f"Your TP and {name} are {tp} and {wrong}, together **{tp + wrong}**; there "
                f"are {len(table)} {words} events, and each is one or the other.",
                ask="How often may an event be matched?")


def _fits(truth, found, collar=0.2, share=0.2, label=True, onset=None, offset=None):
    """Which found event fits which true one, [true, found]; a mistake replaces one of the conditions."""
    true, heard = ({name: table[name].to_numpy() for name in table} for table in (truth, found))
    early, late = (heard[name] - true[name][:, None] for name in ("onset", "offset"))
    length = (true["offset"] - true["onset"])[:, None]
    fits = onset(early, length) if onset else np.abs(early) <= collar
    fits = fits & (offset(late, length) if offset else np.abs(late) <= np.maximum(collar, share * length))
    return fits & (true["label"][:, None] == heard["label"]) if label else fits


def _matched(fits):
    """How many pairs there can be."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return int((maximum_bipartite_matching(csr_matrix(fits.astype(np.int8))) >= 0).sum()) if fits.size else 0


def _from(tp, truth, found):
    counts = (int(tp), len(found) - int(tp), len(truth) - int(tp))
    return counts, _f1(counts)


def _pairs(t, case, truth, found, tp, says, ask, **settings):
    """Hold the answer to a number of pairs."""
    truth, found = (_events(one) if isinstance(one, list) else one for one in (truth, found))
    _scored(t, case, t.on(case)(truth, found, **settings), _from(tp, truth, found)[0], says, ask)


@event_f1.edges
def nobody_there(t):
    some = [("dog", 1.0, 2.0), ("bell", 3.0, 3.5)]
    _pairs(t, "two events of which none was found", some, [], 0, "both are missed.",
           "What has nobody to be matched with?")
    _pairs(t, "two events found in silence", [], some, 0, "both are false.", "What has nobody to be matched with?")
    _pairs(t, "silence, in which nothing was found", [], [], 0, "there is nothing to count.",
           "What has nobody to be matched with?")


@event_f1.edges
def exactly_at_the_collar(t):
    one = [("dog", 1.0, 2.0)]
    for shift, tp in ((0.25, 1), (-0.25, 1), (0.375, 0)):
        words = f"a collar of 0.25 s and a found event that is {abs(shift)} s {'late' if shift > 0 else 'early'}"
        _pairs(t, words, one, [("dog", 1 + shift, 2 + shift)], tp, "at most the collar is allowed, on both sides.",
               "Is it ≤ or <, and what of those that come early?", collar=0.25)
    _pairs(t, "an event of 4 s whose offset is found exactly a quarter of that too late, with a share of 0.25",
           [("rain", 1.0, 5.0)], [("rain", 1.0, 6.0)], 1, "that much is allowed.", "Is it ≤ or <?", share=0.25)


@event_f1.edges
def another_name(t):
    _pairs(t, "a dog that was taken for a bell", [("dog", 1.0, 2.0)], [("bell", 1.0, 2.0)], 0,
           "the times are right and the label is not.", "What has to be the same besides the times?")


@event_f1.properties
def which_length(t):
    start = float(t.rng.uniform(50, 60))
    for words, true, off, tp, says in (
        ("an event of 10 s whose offset is found 1.5 s late", 10.0, 1.5, 1, "2 s are allowed, a fifth of its length."),
        ("an event of 10 s whose offset is found 2.2 s late", 10.0, 2.2, 0,
         "2 s are allowed, a fifth of the true event's length."),
        ("an event of 0.4 s whose offset is found 0.15 s late", 0.4, 0.15, 1, "the collar of 0.2 s is allowed."),
        ("an event of 0.4 s whose offset is found 0.3 s late", 0.4, 0.3, 0, "the collar of 0.2 s is allowed."),
    ):
        _pairs(t, words, [("rain", start, start + true)], [("rain", start, start + true + off)], tp, says,
               "Of the collar and the share, which counts, and whose length is it a share of?")
    _pairs(t, "an event of 10 s that is found 0.5 s late, and ends when it should", [("rain", start, start + 10)],
           [("rain", start + 0.5, start + 10)], 0, "for onsets the collar alone is allowed.",
           "To which end does the share belong?")


@event_f1.properties
def each_counts_once(t):
    start = float(t.rng.uniform(0, 5))
    one, twice = [("dog", start, start + 1)], [("dog", start + 0.05, start + 1), ("dog", start + 0.1, start + 1)]
    _pairs(t, "one event that was found twice", one, twice, 1, "one of the two is false.",
           "How often may an event be matched?")
    _pairs(t, "two events for which one was found", twice, one, 1, "one of the two is missed.",
           "How often may an event be matched?")


@event_f1.properties
def who_moves_makes_room(t):
    s = float(t.rng.uniform(1, 5))
    ends = (s + 1.0,) * 2
    ask = "Can whoever has the found event take another?"
    truth = [("dog", s, ends[0]), ("dog", s + 0.15, ends[0])]
    found = [("dog", s, ends[0]), ("dog", s - 0.18, ends[0])]
    _pairs(t, "two events A and B, 0.15 s apart, and two found: one at A's onset, which fits both, and one 0.18 s "
           "before, which fits A alone", truth, found, 2, "A can take the earlier, and B the other.", ask)
    truth = [("dog", s, ends[0]), ("dog", s + 0.18, ends[0])]
    found = [("dog", s - 0.18, ends[0]), ("dog", s + 0.05, ends[0])]
    _pairs(t, "two events A and B, 0.18 s apart, and two found: one 0.05 s behind A, which fits both, and one 0.18 s "
           "before A, which fits A alone", truth, found, 2, "A can take the farther, and B the nearer.", ask)


@event_f1.properties
def order_and_index_mean_nothing(t):
    truth, found = _the_cases()
    tp = _matched(_fits(truth, found))
    truth, found = (one.sort_values("offset", ascending=False).set_index(np.arange(500, 500 + len(one)))
                    for one in (truth, found))
    _pairs(t, "the events of the example in another order, with an index that begins at 500", truth, found, tp,
           "it should not matter how the rows are called or where they stand.", "Do you look rows up by their names?")


@event_f1.reference
def agrees_with_match_notes(t):
    from mir_eval.transcription import match_notes

    for case in range(3):
        sides = []
        for n in (100, 110):
            onset, length = t.rng.uniform(0, 8, n), t.rng.uniform(0.8, 1.2, n)
            sides.append(_events(zip(t.rng.choice(["bell", "dog"], n), onset, onset + length, strict=True)))
        pitch = {"bell": 440.0, "dog": 880.0}
        ref, est = ((one[["onset", "offset"]].to_numpy(), one.label.map(pitch).to_numpy()) for one in sides)
        tp = len(match_notes(*ref, *est, onset_tolerance=0.2, offset_ratio=0.2, offset_min_tolerance=0.2))
        _pairs(t, f"crowd {case + 1} of three, 100 events in nine seconds and 110 found", *sides, tp, "it has to "
               "agree with `mir_eval.transcription.match_notes`, with labels for pitches.",
               "Who has a found event may ask its owner; may the owner ask in turn?")


def _taken(truth, found, collar, share, **conditions):
    """What a mistake scores that matches well, by other conditions."""
    return _from(_matched(_fits(truth, found, collar, share, **conditions)), truth, found)


def _greedily(fits, order=lambda i, fitting: fitting):
    """Each true event takes the first that fits and is free."""
    taken = set()
    for i, row in enumerate(fits):
        free = [j for j in order(i, np.flatnonzero(row)) if j not in taken]
        taken |= set(free[:1])
    return len(taken)


@event_f1.mistake("You give each true event the first that fits and is free, and never take it back: another goes "
                  "without who could have had it.", ask="Can whoever has the found event take another?")
def first_that_fits(truth, found, collar=0.2, share=0.2):
    return _from(_greedily(_fits(truth, found, collar, share)), truth, found)


@event_f1.mistake("You give each true event the nearest that fits, and never take it back: another goes without who "
                  "could have had it.", ask="Can whoever has the found event take another?")
def nearest_that_fits(truth, found, collar=0.2, share=0.2):
    true, heard = truth["onset"].to_numpy(), found["onset"].to_numpy()
    fits = _fits(truth, found, collar, share)
    return _from(_greedily(fits, lambda i, js: js[np.argsort(np.abs(heard[js] - true[i]))]), truth, found)


@event_f1.mistake("One found event serves several true ones with you.", ask="How often may an event be matched?")
def true_that_fit(truth, found, collar=0.2, share=0.2):
    return _from(_fits(truth, found, collar, share).any(axis=1).sum(), truth, found)


@event_f1.mistake("One true event serves several found ones with you.", ask="How often may an event be matched?")
def found_that_fit(truth, found, collar=0.2, share=0.2):
    return _from(_fits(truth, found, collar, share).any(axis=0).sum(), truth, found)


@event_f1.mistake("You do not look at the labels.", ask="What has to be the same besides the times?")
def any_label(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, label=False)


@event_f1.mistake("You do not look at the offsets.", ask="How many ends has an event?")
def onsets_alone(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, offset=lambda late, _: True)


@event_f1.mistake("Your offsets may be off by the collar alone, however long the event.",
                  ask="Of the collar and the share, which counts?")
def collar_alone(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, offset=lambda late, _: np.abs(late) <= collar)


@event_f1.mistake("Your offsets may be off by the share alone: short events have hardly any room.",
                  ask="Of the collar and the share, which counts?")
def share_alone(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, offset=lambda late, length: np.abs(late) <= share * length)


@event_f1.mistake("Of the collar and the share you take the smaller.", ask="Of the collar and the share, which counts?")
def the_smaller(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share,
                  offset=lambda late, length: np.abs(late) <= np.minimum(collar, share * length))


@event_f1.mistake("Your share is one of the found event's length: a detector that goes on for too long allows itself "
                  "more.", ask="Whose length is it a share of?")
def share_of_the_found(truth, found, collar=0.2, share=0.2):
    allowed = np.maximum(collar, share * (found["offset"] - found["onset"]).to_numpy())
    return _taken(truth, found, collar, share, offset=lambda late, _: np.abs(late) <= allowed)


@event_f1.mistake("Your share is one of the offset itself: the later in the recording, the more is allowed.",
                  ask="Whose length is it a share of?")
def share_of_the_time(truth, found, collar=0.2, share=0.2):
    allowed = np.maximum(collar, share * truth["offset"].to_numpy())[:, None]
    return _taken(truth, found, collar, share, offset=lambda late, _: np.abs(late) <= allowed)


@event_f1.mistake("Your onsets may be off by the share as well.", ask="To which end does the share belong?")
def share_for_onsets(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share,
                  onset=lambda early, length: np.abs(early) <= np.maximum(collar, share * length))


@event_f1.mistake("You allow events to be late and not to be early, or the other way round.",
                  ask="What becomes of the sign of a difference?")
def late_alone(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, onset=lambda early, _: (early >= 0) & (early <= collar))


@event_f1.mistake("With you whatever is early is near enough: a difference below 0 is below every collar.",
                  ask="What becomes of the sign of a difference?")
def signed(truth, found, collar=0.2, share=0.2):
    return _taken(truth, found, collar, share, onset=lambda early, _: early <= collar,
                  offset=lambda late, length: late <= np.maximum(collar, share * length))


@event_f1.mistake("You compare row with row. The tables have an order of their own.",
                  ask="Which found events are asked for each true one?")
def row_by_row(truth, found, collar=0.2, share=0.2):
    return _from(np.diagonal(_fits(truth, found, collar, share)).sum(), truth, found)


# ---------------------------------------------------------------------------------------------- 11.4


def _trembling(rng, time=80, classes=3):
    """Probabilities that wander, with stray frames in both directions."""
    p = ndimage.gaussian_filter1d(rng.normal(size=(time, classes)), 3, axis=0, mode="wrap")
    p = 1 / (1 + np.exp(-5 * p - 1.5 * rng.normal(size=p.shape) * (rng.random(p.shape) < 0.3)))
    return np.round(p, 3)


def _unsure():
    """The example: stray frames at both ends, and a class that is never sure."""
    p = _trembling(np.random.default_rng(263), 60)
    p[:, 2] = np.round(0.68 * p[:, 2], 3)
    return p


decide = Exercise(
    "11.4", "decide(p, low, high, width)",
    example=lambda: (_unsure(), 0.4, 0.7, 5),
    hints=[
        "The median of 0, 0, 0.9, 0.9, 0.9 is what? And of 0, 0.9, 0, 0, 0? Which events survive a window of five, and "
        "which do not?",
        "Three steps, each for one class at a time. Pad with `width // 2` zeros on both sides, and take the median of "
        "each window. Find where the result is at least `low`, and where each such run begins and ends. Keep a run "
        "whole if its largest value is at least `high`.",
        "`np.lib.stride_tricks.sliding_window_view(padded, width, axis=0)` has the windows along its last axis. "
        "`np.diff((smooth[:, c] >= low).astype(int), prepend=0, append=0)` is 1 at the start of a run and −1 just "
        "behind its end. `active[start:stop, c] = smooth[start:stop, c].max() >= high`.",
    ],
    learned="A median takes away what is too short to be an event, and the second threshold what is never sure. Both "
            "are choices, made on validation clips: events that last half a window do not exist for this detector.",
)


@decide.output
def is_decisions(t, got, p, low, high, width):
    t.array(got, shape=p.shape)
    t.holds(as_array(got).dtype == bool, f"Your decisions are of type **{as_array(got).dtype}**, expected bool.",
            ask="What is an answer to a question of yes or no?", values=False)


def _smooth(p, width, mode="constant"):
    return ndimage.median_filter(p, size=(width, 1), mode=mode)


def _hysteresis(p, low, high):
    active = np.zeros(p.shape, bool)
    for c in range(p.shape[1]):
        for start, stop in _runs_of(p[:, c] >= low):
            active[start:stop, c] = p[start:stop, c].max() >= high
    return active


def _decided(t, case, p, low, high, width, says, ask, want=None):
    """Hold decisions to what they are."""
    p = np.asarray(p, float)
    p = p[:, None] if p.ndim == 1 else p
    got = t.on(case)(p, low, high, width)
    want = _hysteresis(_smooth(p, width), low, high) if want is None else np.asarray(want, bool).reshape(p.shape)
    wrong = np.argwhere(got != want)
    frame, c = wrong[0] if len(wrong) else (0, 0)
    place = f"frame {frame}{f' of class {c}' * (p.shape[1] > 1)}, {'not ' * (not got[frame, c])}active with you"
    t.holds(not len(wrong), f"For {case}, {says} Of {got.size} frames you have **{int(got.sum())}** active, expected "
            f"{int(want.sum())}; the first that differs is {place}.", ask=ask,
            show=(got[:, c].astype(float), want[:, c].astype(float)))


@decide.edges
def silence_and_certainty(t):
    _decided(t, "probabilities of 0 all through", np.zeros((6, 2)), 0.3, 0.6, 3, "nothing is active.",
             "What is above 0?")
    _decided(t, "probabilities of 1 all through", np.ones((6, 2)), 0.3, 0.6, 5, "everything is active.",
             "How far does a region reach that begins with the clip and ends with it?")


@decide.edges
def exactly_at_a_threshold(t):
    _decided(t, "probabilities 0, 0.25, 0.75, 0.25, 0, thresholds 0.25 and 0.75, and no filter",
             [0, 0.25, 0.75, 0.25, 0], 0.25, 0.75, 1, "they reach both thresholds exactly, which is enough.",
             "Is it ≥ or >?", [0, 1, 1, 1, 0])


@decide.edges
def short_clips(t):
    _decided(t, "a clip of one frame of 0.9 and a window of 1", [0.9], 0.3, 0.6, 1, "it is active.",
             "What is the median of one value?")
    _decided(t, "a clip of two frames of 0.9 and a window of 5", [0.9, 0.9], 0.3, 0.6, 5,
             "three of the five values in each window are 0.", "What stands before the clip, and what behind it?",
             [0, 0])


@decide.edges
def at_the_ends(t):
    _decided(t, "a single frame of 0.9 at the beginning, another at the end, and a window of 3",
             [0.9, 0, 0, 0, 0, 0.9], 0.3, 0.6, 3, "before and behind the clip the probability is 0, so that both are "
             "as stray as any single frame.", "What stands before the clip, and what behind it?", np.zeros(6))
    _decided(t, "two frames of 0.9 at the beginning, two at the end, and a window of 3",
             [0.9, 0.9, 0, 0, 0.9, 0.9], 0.3, 0.6, 3, "two of three values are high there.",
             "What stands before the clip, and what behind it?", [1, 1, 0, 0, 1, 1])


@decide.properties
def one_region_from_end_to_end(t):
    rise = np.array([0.1, 0.4, 0.5, 0.6, 0.8, 0.6, 0.5, 0.4, 0.1])
    _decided(t, "a hill that rises over 0.4 and 0.5 to 0.8 and falls again, thresholds 0.3 and 0.7, and no filter",
             rise, 0.3, 0.7, 1, "it is active as long as it is at least 0.3, before the summit and behind it.",
             "Where does a region begin: at its low threshold, or at its high one?", rise >= 0.3)
    _decided(t, "two hills, of which one reaches 0.8 and the other 0.6, with a valley of 0.1 between", np.append(
             rise, np.minimum(rise, 0.6)), 0.3, 0.7, 1, "the second never reaches 0.7.",
             "What has to happen somewhere within a region?", np.append(rise >= 0.3, np.zeros(9)))


@decide.properties
def classes_keep_to_themselves(t):
    p = np.zeros((20, 3))
    at = int(t.rng.integers(2, 8))
    p[at : at + 8, 1], p[at + 2 : at + 6, 0], p[at : at + 8, 2] = 0.5, 0.9, 0.1
    _decided(t, "a class that is at 0.5 for 8 frames, between one that reaches 0.9 and one that stays at 0.1", p, 0.3,
             0.7, 3, "no class vouches for another, and none is filtered with another.",
             "Over which axis is the median, and over which the region?")


@decide.properties
def a_stray_frame(t):
    p = np.full(21, 0.4)
    at = int(t.rng.integers(8, 13))
    p[at] = 0.95
    _decided(t, "21 frames of 0.4, of which one is 0.95, thresholds 0.3 and 0.7, a window of 3", p, 0.3, 0.7, 3,
             "after the median none is above 0.4. A single frame shall not vouch for all.",
             "What comes first, the median or the thresholds?", np.zeros(21))
    p = np.full(21, 0.8)
    p[at] = 0.1
    _decided(t, "21 frames of 0.8, of which one is 0.1, and a window of 3", p, 0.3, 0.7, 3,
             "the median closes the gap.", "What is the median of 0.8, 0.1 and 0.8?", np.ones(21))


@decide.properties
def half_a_window_is_the_limit(t):
    width = int(t.rng.choice([5, 7]))
    for frames in (width // 2, width // 2 + 1):
        p = np.zeros(30)
        p[10 : 10 + frames] = 0.9
        _decided(t, f"{frames} frames of 0.9 and a window of {width}", p, 0.3, 0.7, width,
                 "an event survives if it fills more than half of a window.",
                 "What is the middle one of the sorted values?", p > 0 if frames > width // 2 else np.zeros(30))


@decide.properties
def one_threshold_may_come_first(t):
    p = _trembling(t.rng)
    first = (p >= 0.5).astype(float)
    got = t.on("random probabilities and both thresholds at 0.5")(p, 0.5, 0.5, 5)
    other = t.on("their decisions at 0.5 as zeros and ones, filtered")(first, 0.5, 0.5, 5)
    t.close(other, got, says="For a single threshold it should not matter whether the median comes before it or after "
            "it.", ask="Is it the median, or a mean?")


@decide.reference
def agrees_with_scipy(t):
    along = np.array([[0, 1, 0]] * 3, bool)
    for width in (3, 9, 25):
        p, low, high = _trembling(t.rng, 400, 4), *np.sort(t.rng.uniform(0.2, 0.8, 2))
        smooth = _smooth(p, width)
        want = ndimage.binary_propagation(smooth >= high, structure=along, mask=smooth >= low)
        _decided(t, f"400 random frames of 4 classes and a window of {width}", p, low, high, width, "it has to agree "
                 "with `scipy.ndimage.median_filter` and `binary_propagation`.", "Which step differs?", want)


@decide.mistake("Your median goes over neighbouring classes as well.", ask="Over which axis is the median?")
def median_of_all(p, low, high, width):
    return _hysteresis(ndimage.median_filter(p, width), low, high)


@decide.mistake("You take the mean of the window: edges become ramps, and a stray frame is smeared, not removed.",
                ask="What is the median of 0, 0.9 and 0?")
def mean_filter(p, low, high, width):
    return _hysteresis(ndimage.uniform_filter1d(p, width, axis=0, mode="constant"), low, high)


@decide.mistake("Your clip is mirrored at its ends, which is what SciPy does if nobody says otherwise.",
                ask="What stands before the clip, and what behind it?")
def mirrored(p, low, high, width):
    return _hysteresis(_smooth(p, width, "reflect"), low, high)


@decide.mistake("Your first and last frame are repeated beyond the clip: a stray one there counts as many.",
                ask="What stands before the clip, and what behind it?")
def repeated(p, low, high, width):
    return _hysteresis(_smooth(p, width, "nearest"), low, high)


@decide.mistake("Your window is cut off at the ends of the clip, so that fewer frames decide there.",
                ask="What stands before the clip, and what behind it?")
def cut_windows(p, low, high, width):
    half = width // 2
    smooth = [np.median(p[max(t - half, 0) : t + half + 1], axis=0) for t in range(len(p))]
    return _hysteresis(np.stack(smooth), low, high)


@decide.mistake("You filter the decisions. With two thresholds it makes a difference: a stray frame has vouched for a "
                "region before the median could remove it.", ask="What comes first?")
def decided_first(p, low, high, width):
    return _smooth(_hysteresis(p, low, high).astype(float), width) > 0.5


@decide.mistake("You do not filter at all.", ask="What becomes of `width`?")
def unfiltered(p, low, high, width):
    return _hysteresis(p, low, high)


@decide.mistake("Only the high threshold counts with you: events lose their beginnings and ends.",
                ask="Where does a region begin: at its low threshold, or at its high one?")
def high_alone(p, low, high, width):
    return _smooth(p, width) >= high


@decide.mistake("Only the low threshold counts with you: what is never sure stays.",
                ask="What has to happen somewhere within a region?")
def low_alone(p, low, high, width):
    return _smooth(p, width) >= low


@decide.mistake("You begin where the high threshold is reached. What led up to it belongs to the event, too.",
                ask="Where does a region begin: at its low threshold, or at its high one?")
def forward_alone(p, low, high, width):
    smooth = _smooth(p, width)
    active, on = np.zeros(p.shape, bool), np.zeros(p.shape[1], bool)
    for t, row in enumerate(smooth):
        on = (row >= high) | (on & (row >= low))
        active[t] = on
    return active


@decide.mistake("If a class is sure anywhere in the clip, you keep all its regions.",
                ask="Within what does the high threshold have to be reached?")
def sure_anywhere(p, low, high, width):
    smooth = _smooth(p, width)
    return (smooth >= low) & (smooth.max(axis=0) >= high)


@decide.mistake("Your regions grow from class to class: a sure neighbour vouches for one that is not.",
                ask="Over which axis does a region reach?")
def across_classes(p, low, high, width):
    smooth = _smooth(p, width)
    return ndimage.binary_propagation(smooth >= high, mask=smooth >= low)


# ---------------------------------------------------------------------------------------------- 11.5


def _logits(rng, batch=3, time=6, classes=2, size=1.5):
    """Two tensors of random numbers, and a mask that leaves each clip another length."""
    import torch

    z, a = (torch.tensor(size * rng.normal(size=(batch, time, classes)), dtype=torch.float32) for _ in range(2))
    lengths = torch.tensor([time - 2 * (i % ((time + 1) // 2)) for i in range(batch)])
    return z, a, torch.arange(time) < lengths[:, None]


def _all_real(z):
    import torch

    return torch.ones(z.shape[:2], dtype=torch.bool)


pool_frames = Exercise(
    "11.5", "pool_frames(z, a, valid)",
    example=lambda: _logits(np.random.default_rng(115)),
    hints=[
        "Three steps: make the frames that are not real impossible, make weights, average. What is the shape after "
        "each? Over which axis do the weights have the sum 1? What is averaged, z or something made of it?",
        "e to the power of minus infinity is exactly 0, and so is its slope. `valid` has no axis for classes: "
        "`valid[:, :, None]` has one. A softmax over time is `softmax(dim=1)`.",
        "`a.masked_fill(~valid[:, :, None], float(\"-inf\"))`, then `.softmax(dim=1)`. The result is the sum over "
        "`dim=1` of the weights times `z.sigmoid()`.",
    ],
    learned="Nobody ever said when. The weights pick a few frames that answer for the clip, and these are taught; "
            "frames that sound alike follow.",
)


def _tensor(t, name, got, wanted):
    """Hold one of several results to being a tensor of float32 and of a shape, without NaN or infinity."""
    t.holds(hasattr(got, "detach"), f"Your `{name}`: **{briefly(got)}**, expected a tensor, which remembers how it was "
            "made and can be trained with.", values=False, ask="Which operation made it so?")
    t.holds(tuple(got.shape) == tuple(wanted), f"Your `{name}` has the shape **{list(got.shape)}**, expected "
            f"**{list(wanted)}**.", ask="Over which axis do you add up?")
    t.holds(str(got.dtype) == "torch.float32", f"Your `{name}` is of type **{got.dtype}**, expected torch.float32.",
            ask="Which operation made it so?", values=False)
    bad = int((~got.detach().isfinite()).sum())
    t.holds(not bad, f"Of the {got.numel()} numbers in your `{name}` **{bad}** {'is' if bad == 1 else 'are'} NaN or "
            "infinite.", ask="Where could there be a division by zero, or infinity minus infinity?")


@pool_frames.output
def is_probabilities_and_weights(t, got, z, a, valid):
    two_things(t, got, "y, weights")
    y, weights = got
    batch, time, classes = z.shape
    _tensor(t, "y", y, (batch, classes))
    _tensor(t, "weights", weights, (batch, time, classes))
    low, high = float(y.min()), float(y.max())
    t.holds(low >= -1e-5 and high <= 1 + 1e-5,
            f"Your `y` reaches from {low:.3g} to **{high:.3g}**, expected from 0 to 1.",
            ask="Is the mean one of probabilities, and what do its weights add up to?")
    t.holds(float(weights.min()) >= 0, f"Your smallest weight is **{float(weights.min()):.3g}**. A weight is a share, "
            "never below 0.", ask="What does the exponential make of a negative number?")


def _want(z, a, valid):
    scores = a.masked_fill(~valid[..., None], float("-inf"))
    weights = scores.softmax(dim=1)
    return (weights * z.sigmoid()).sum(dim=1), weights


@pool_frames.edges
def padding_has_no_weight(t):
    for level, words in ((0.0, "zeros"), (5.0, "fives"), (1000.0, "numbers of 1000"), (-1000.0, "numbers of −1000")):
        z, a, valid = _logits(t.rng)
        z[~valid], a[~valid] = level, level
        _, weights = t.on(f"{words} in what was filled up")(z, a, valid)
        most = float(weights[~valid].abs().max())
        t.holds(most == 0, f"With {words} in the frames that are not real, one of these has the weight **{most:.3g}**; "
                "it should be exactly 0.", ask="What does the exponential make of what you put there?")
        t.close(weights.sum(dim=1), np.ones((3, 2)), atol=1e-4, ask="Which frames are in the sum that divides?",
                says=f"With {words} in the frames that are not real, the weights of the others have the sum 1.")


@pool_frames.edges
def low_scores_beside_padding(t):
    z, a, valid = _logits(t.rng)
    a[valid], a[~valid] = -1000.0, 0.0
    _, weights = t.on("scores of −1000 in all real frames, and zeros in the others")(z, a, valid)
    t.close(weights, valid[..., None] / valid.sum(dim=1)[:, None, None] * np.ones((1, 1, 2)), atol=1e-5,
            says="However low the scores of the real frames, they share the weight.",
            ask="Is what you put into the other frames below every score?")


@pool_frames.edges
def large_numbers(t):
    import torch

    a = torch.tensor([1000.0, 900.0, 1000.0, -1000.0]).reshape(1, 4, 1)
    z = torch.tensor([1000.0, 0.0, -1000.0, 5.0]).reshape(1, 4, 1)
    y, weights = t.on("scores of 1000, 900, 1000 and −1000")(z, a, _all_real(z))
    t.close(weights[0, :, 0], [0.5, 0, 0.5, 0], atol=1e-5, says="The two largest share the weight.",
            ask="How many times e to the power of 900 is e to the power of 1000?")
    t.close(y[0], [0.5], atol=1e-5, says="Of the two frames with weight, one has probability 1 and the other 0.",
            ask="What is averaged?")


@pool_frames.edges
def one_real_frame(t):
    z, a, valid = _logits(t.rng, batch=4, time=5, classes=3)
    valid[:] = False
    valid[:, 2] = True
    y, weights = t.on("clips of which only the middle frame is real")(z, a, valid)
    t.close(weights, valid[..., None] * np.ones((1, 1, 3)), atol=1e-6, says="It has all the weight.",
            ask="Over which axis do the weights have the sum 1?")
    t.close(y, z[:, 2].sigmoid(), atol=1e-5, says="The clip is as likely as that frame.", ask="What is averaged?")


@pool_frames.edges
def all_sizes_equal(t):
    z, a, _ = _logits(t.rng, 3, 3, 3)
    y, weights = t.on("3 clips of 3 frames of 3 classes")(z, a, _all_real(z))
    t.close(weights.sum(dim=1), np.ones((3, 3)), atol=1e-4, ask="Over which axis do the weights have the sum 1?",
            says="With 3 clips of 3 frames of 3 classes, no shape gives a wrong axis away. Over time the weights have "
                 "the sum 1.")
    t.close(y, _want(z, a, _all_real(z))[0], atol=1e-5, ask="Over which axis do you add up, and what?",
            says="With 3 clips of 3 frames of 3 classes, y should be the sum over time of weights times probabilities.")


@pool_frames.properties
def equal_scores_make_the_mean(t):
    z, a, valid = _logits(t.rng)
    y, _ = t.on("equal scores all through")(z, 0 * a + 3, valid)
    want = [[float(np.mean(1 / (1 + np.exp(-z[b, valid[b], c].double().numpy())))) for c in range(2)] for b in range(3)]
    t.close(y, want, atol=1e-4, says="With equal scores a clip's probability is the mean of its frames' probabilities.",
            ask="What is averaged, z or something made of it? And over which frames?")


@pool_frames.properties
def three_to_one(t):
    import torch

    a, z = torch.zeros(1, 2, 3), torch.zeros(1, 2, 3)
    c = int(t.rng.integers(3))
    a[0, 1, c], z[0, 1] = float(np.log(3)), 1000.0
    case = f"two frames, whose scores are equal but in class {c}, where they differ by ln 3"
    y, weights = t.on(case)(z, a, _all_real(z))
    want = np.full(3, 0.5)
    want[c] = 0.75
    t.close(weights[0, 1], want, atol=1e-5, says=f"In class {c} the second frame has three times the weight of the "
            "first, three quarters; in the others one half.", ask="Has each class weights of its own?")
    t.close(y[0], 0.5 + want / 2, atol=1e-5, says="The frames have probabilities 0.5 and 1.", ask="What is averaged?")


@pool_frames.properties
def only_differences_count(t):
    z, a, valid = _logits(t.rng)
    before = t.on("random numbers")(z, a, valid)[1]
    after = t.on("the same, with 7 more in every score of the second class")(z, a + z.new_tensor([0.0, 7.0]), valid)[1]
    t.close(after, before, atol=1e-4, says="7 more in every score of a class should leave all weights as they are.",
            ask="Over which axis do the weights have the sum 1?")
    after = t.on("the same scores, and another z")(z + 1, a, valid)[1]
    t.close(after, before, atol=1e-6, says="The weights should depend on a alone.", ask="Of what is the softmax?")


@pool_frames.properties
def company_changes_nothing(t):
    z, a, valid = _logits(t.rng, batch=3, time=7)
    y, _ = t.on("three clips of 7, 5 and 3 frames")(z, a, valid)
    for b in range(3):
        n = int(valid[b].sum())
        alone, _ = t.on(f"clip {b} alone, not filled up")(z[b : b + 1, :n], a[b : b + 1, :n], valid[b : b + 1, :n])
        t.close(alone[0], y[b], atol=1e-5,
                says=f"Clip {b} alone, not filled up, should give what it gives in the batch.",
                ask="What do you compute over the batch, or over frames that are not real?")


@pool_frames.properties
def slopes_reach_the_real_frames_alone(t):
    import torch

    def gradient_of_pool_frames(z, a, valid):
        z, a = z.clone().requires_grad_(), a.clone().requires_grad_()
        y, _ = t.answer(z, a, valid)
        if not y.requires_grad:
            return None
        return torch.autograd.grad(y.log().sum(), (z, a), allow_unused=True)

    z, a, valid = _logits(t.rng)
    z[~valid], a[~valid] = 1000.0, -1000.0
    got = t.on("a gradient").call(gradient_of_pool_frames, z, a, valid)
    for name, slope in zip("za", got or (None, None), strict=True):
        t.holds(slope is not None, f"The gradient does not reach `{name}`: your `y` does **not** remember what it was "
                "made from.", ask="Where does a tensor lose its history?", values=False)
        bad = int((~slope.isfinite()).sum())
        t.holds(not bad, f"Of the {slope.numel()} slopes of `{name}` **{bad}** are NaN or infinite.",
                ask="What is the slope of what you put into the frames that are not real?")
        most = float(slope[~valid].abs().max())
        t.holds(most == 0, f"A frame that is not real has a slope of **{most:.3g}** for `{name}`, expected 0.",
                ask="Where does such a frame come in?")
        t.holds(float(slope[valid].abs().min()) > 0, f"Of the real frames **{int((slope[valid] == 0).sum())}** "
                f"numbers of `{name}` have a slope of 0: they learn nothing.",
                ask="Does every real frame have a part in `y`?")


@pool_frames.reference
def agrees_with_torch(t):
    import torch
    from torch.nn.functional import scaled_dot_product_attention

    for size in (0.5, 3.0):
        z, a, valid = _logits(t.rng, 4, 60, 5, size)
        keys, values = (one.permute(0, 2, 1)[..., None] for one in (a, z.sigmoid()))    # [batch, class, time, 1]
        want = scaled_dot_product_attention(torch.ones_like(keys[:, :, :1]), keys, values, valid[:, None, None])
        y, _ = t.on(f"4 clips of up to 60 frames and 5 classes, spread by {size}")(z, a, valid)
        t.close(y, want[..., 0, 0], atol=1e-4, says="It has to agree with "
                "`torch.nn.functional.scaled_dot_product_attention`, asked with ones, with a for keys "
                "and the probabilities for values.", ask="Which frames have weight?")


@pool_frames.mistake("Your weights have the sum 1 over the classes: they compete for a frame.",
                     ask="Over which axis do the weights have the sum 1?")
def over_classes(z, a, valid):
    import torch

    weights = a.softmax(dim=2) * valid[..., None]
    return (weights * z.sigmoid()).sum(dim=1).clamp(0, 1), torch.as_tensor(weights)


@pool_frames.mistake("You set the weights of frames that are not real to 0 when they have already been divided: those "
                     "that are left have a sum below 1.", ask="Which frames are in the sum that divides?")
def masked_late(z, a, valid):
    weights = a.softmax(dim=1) * valid[..., None]
    return (weights * z.sigmoid()).sum(dim=1), weights


@pool_frames.mistake("You set scores to 0 where a frame is not real, and e to the power of 0 is 1.",
                     ask="What does the exponential make of what you put there?")
def masked_by_zero(z, a, valid):
    weights = (a * valid[..., None]).softmax(dim=1)
    return (weights * z.sigmoid()).sum(dim=1), weights


@pool_frames.mistake("You leave out the frames that are real, and keep the others.",
                     ask="What does `valid` say: who counts, or who does not?")
def upside_down(z, a, valid):
    return _want(z, a, ~valid)


@pool_frames.mistake("You do not look at `valid`: what was filled up has a say.", ask="Which frames are real?")
def unmasked(z, a, valid):
    weights = a.softmax(dim=1)
    return (weights * z.sigmoid()).sum(dim=1), weights


@pool_frames.mistake("You average z and take the sigmoid of that. One sure frame then outweighs many, for z has no "
                     "bounds.", ask="What is averaged, z or something made of it?")
def sigmoid_last(z, a, valid):
    _, weights = _want(z, a, valid)
    return (weights * z).sum(dim=1).sigmoid(), weights


@pool_frames.mistake("Your weights are made of z: the frames that say yes then have the say.",
                     ask="Of what is the softmax?")
def by_themselves(z, a, valid):
    return _want(z, z, valid)


@pool_frames.mistake("You have computed weights and not used them: `y` is the plain mean.", ask="What is averaged, and "
                     "with which weights?")
def plain_mean(z, a, valid):
    return _want(z, 0 * a, valid)[0], _want(z, a, valid)[1]


@pool_frames.mistake("All classes share one set of weights with you.", ask="Has each class weights of its own?")
def shared_weights(z, a, valid):
    return _want(z, a.mean(dim=2, keepdim=True).expand(a.shape), valid)


@pool_frames.mistake("You take the surest frame. Then no other learns anything.", ask="What is averaged?")
def the_surest(z, a, valid):
    return z.masked_fill(~valid[..., None], float("-inf")).amax(dim=1).sigmoid(), _want(z, a, valid)[1]


# ---------------------------------------------------------------------------------------------- 11.6


def _clips(rng, batch=6, classes=3, share=0.6, size=1.5):
    """Probabilities, targets and who has some: at least one clip has, at least one has not."""
    import torch

    p = torch.tensor(1 / (1 + np.exp(-size * rng.normal(size=(batch, classes)))), dtype=torch.float32)
    y = torch.tensor(rng.random((batch, classes)) < 0.4, dtype=torch.float32)
    labelled = torch.tensor(rng.random(batch) < share)
    labelled[0], labelled[1] = True, False
    y[~labelled] = float("nan")
    return p, y, labelled


weak_bce = Exercise(
    "11.6", "weak_bce(p, y, labelled)",
    example=lambda: _clips(np.random.default_rng(116)),
    hints=[
        "Six clips, four of them with labels, three classes: how many numbers is the mean of? What is 0 times NaN?",
        "Choose rows first, `p[labelled]` and `y[labelled]`: what is not there cannot disturb. Then bring p away from "
        "0 and 1, then logarithms, then the mean. If no row is left: a 0 that was made from p.",
        "`p.clamp(1e-7, 1 - 1e-7)`, before the logarithm and not after it: the slope of a logarithm at 0 is infinite, "
        "and what a later clamp makes of it is 0 times infinity. `p[labelled].sum()` of no rows is 0, and hangs on p.",
    ],
    learned="A clip without a label says nothing, which is another thing than silence. And a loss is only as good as "
            "its slope: one that is finite can still have one that is not.",
)


@weak_bce.output
def is_a_loss(t, got, p, y, labelled):
    t.holds(hasattr(got, "detach"), f"You return **{briefly(got)}**, expected a tensor of one number, which can be "
            "trained with.", ask="Which operation made it so?", values=False)
    t.holds(got.ndim == 0, f"Your loss has the shape **{list(got.shape)}**, expected one number, of shape [].",
            ask="Over what is the mean?")
    t.holds(str(got.dtype) == "torch.float32", f"Your loss is of type **{got.dtype}**, expected torch.float32.",
            ask="Which operation made it so?", values=False)
    loss = got.item()
    t.holds(np.isfinite(loss), f"Your loss is **{loss}**, expected a number. Clips with labels: {int(labelled.sum())} "
            f"of {len(p)}; p reaches from {float(p.min()):.3g} to {float(p.max()):.3g}.",
            ask="Is it 0 times NaN, a logarithm of 0, or a mean over nothing?")
    t.holds(loss >= -1e-6, f"Your loss is **{loss:.4g}**. A cross-entropy is never below 0.",
            ask="Which sign has the logarithm of a probability?")


def _tensors(p, y, labelled):
    import torch

    return (torch.tensor(p, dtype=torch.float32), torch.tensor(y, dtype=torch.float32),
            torch.tensor(labelled, dtype=torch.bool))


def _costs(t, case, given, want, says, ask, atol=1e-4, upto=None):
    """Hold a loss to what it is, or to a range."""
    got = t.on(case)(*given).item()
    if upto:
        t.holds(want <= got <= upto, f"For {case}, {says} You have **{abs(got):.4g}**, expected {want} to {upto}.",
                ask=ask)
    else:
        t.close(got, want, atol=atol, says=f"For {case}, {says}", ask=ask)


@weak_bce.edges
def certain(t):
    for p in (0.0, 1.0):
        _costs(t, f"a p of exactly {p:g}, which is right", _tensors([[p]], [[p]], [True]), 0.0, "it costs nothing.",
               "What is 0 times the logarithm of 0?", atol=1e-5)
    for p, y in ((0.0, 1.0), (1.0, 0.0)):
        _costs(t, f"a p of exactly {p:g} and a target of {y:g}", _tensors([[p]], [[y]], [True]), 15,
               "to be wrong with certainty costs much, and not infinitely much.",
               "How far does 1 − p lie from 0 in float32, and is it kept away from both ends?", upto=101)


@weak_bce.edges
def nobody_has_a_label(t):
    nan = float("nan")
    given = _tensors([[0.2, 0.9], [0.5, 0.5]], [[nan, nan], [nan, nan]], [False, False])
    _costs(t, "two clips, none of which has a label", given, 0.0, "there is nothing to be wrong about.",
           "What is the mean over nothing?")


@weak_bce.edges
def one_clip_one_class(t):
    _costs(t, "one clip of one class, p = 0.8 and target 1", _tensors([[0.8]], [[1.0]], [True]), -np.log(0.8),
           "it is −ln 0.8.", "Which of the two terms is left?")
    _costs(t, "one clip of one class, p = 0.8 and target 0", _tensors([[0.8]], [[0.0]], [True]), -np.log(0.2),
           "it is −ln 0.2.", "Which of the two terms is left?")


def _slopes(t, case, given, says="The gradient does not reach `p`: your loss does **not** remember what it was made "
            "from.", ask="Where does a tensor lose its history?"):
    """The gradient of the answer's loss."""
    import torch

    def gradient_of_weak_bce(p, y, labelled):
        p = p.clone().requires_grad_()
        loss = t.answer(p, y, labelled)
        return torch.autograd.grad(loss, p)[0] if loss.requires_grad else None

    got = t.on(case).call(gradient_of_weak_bce, *given)
    t.holds(got is not None, says, ask=ask)
    return got


@weak_bce.edges
def slopes_are_finite(t):
    nan = float("nan")
    given = _tensors([[0.0, 1.0], [1.0, 0.0], [0.3, 0.6]], [[1.0, 1.0], [0.0, 0.0], [nan, nan]], [True, True, False])
    got = _slopes(t, "the gradient, with p of exactly 0 and 1", given)
    bad = int((~got.isfinite()).sum())
    t.holds(not bad, f"With p of exactly 0 and 1, **{bad}** of {got.numel()} slopes {'is' if bad == 1 else 'are'} NaN "
            "or infinite.", ask="What is the slope of a logarithm at 0? And what is 0 times that, or times NaN?")
    given = _tensors([[0.2, 0.9]], [[nan, nan]], [False])
    got = _slopes(t, "the gradient, where no clip has a label", given, "Where no clip has a label, your loss does "
                  "**not** hang on `p`, and `backward()` stops with an error: training would end at such a batch.",
                  "From what was your 0 made?")
    t.close(got, np.zeros((1, 2)), says="Where no clip has a label, all slopes are 0.",
            ask="From what was your 0 made?")


@weak_bce.properties
def one_half_costs_ln_2(t):
    p, y, labelled = _clips(t.rng, 9, 4)
    _costs(t, f"p = 0.5 all through, and {int(labelled.sum())} of 9 clips with labels", (0 * p + 0.5, y, labelled),
           np.log(2), "whatever the targets: it is ln 2.", "Which logarithm, and the mean over what?")


@weak_bce.properties
def who_has_no_label_has_no_part(t):
    import torch

    p, y, labelled = _clips(t.rng)
    want = t.on("six clips, some without labels")(p, y, labelled).item()
    n = int(labelled.sum())
    _costs(t, f"the {n} of them alone that have labels", (p[labelled], y[labelled], labelled[labelled]), want,
           "it should cost the same.", "By how many do you divide?")
    other = torch.where(labelled[:, None], p, 1 - p)
    _costs(t, "another p where there are no labels", (other, y, labelled), want, "it should cost the same.",
           "What does a clip without a label count as?")


@weak_bce.properties
def a_mean_over_clips_and_classes(t):
    p, y, labelled = _clips(t.rng, 8, 4, share=2.0)
    p, y, labelled = p[2:], y[2:], labelled[2:]
    once = t.on("six clips of four classes")(p, y, labelled).item()
    _costs(t, "the same clips twice", (p.repeat(2, 1), y.repeat(2, 1), labelled.repeat(2)), once,
           "it should cost the same: a mean.", "By how many do you divide?")
    _costs(t, "the same classes twice", (p.repeat(1, 2), y.repeat(1, 2), labelled), once,
           "it should cost the same: a mean.", "By how many do you divide?")


@weak_bce.properties
def yes_and_no_alike(t):
    p, y, labelled = _clips(t.rng)
    once = t.on("six clips")(p, y, labelled).item()
    _costs(t, "1 − p and 1 − y", (1 - p, 1 - y, labelled), once,
           "it should cost the same: to say no is an answer, too.", "What does a class cost that does not sound?")


@weak_bce.properties
def it_is_cheapest_to_say_what_is_so(t):
    share = float(np.round(t.rng.uniform(0.2, 0.8), 2))
    losses = {p: t.on(f"p = {p:.2f} and a target of {share:.2f}")(*_tensors([[p]], [[share]], [True])).item()
              for p in (share, share - 0.1, share + 0.1)}
    least = min(losses, key=losses.get)
    t.holds(least == share, f"For a target of {share:.2f}, p = {share:.2f} should be cheapest; with you p = "
            f"**{least:.2f}** is, at {losses[least]:.4f} against {losses[share]:.4f}.",
            ask="What does a target between 0 and 1 do in each of the two terms?")


@weak_bce.properties
def slopes_point_to_the_target(t):
    p, y, labelled = _clips(t.rng)
    got = _slopes(t, "the gradient of six clips", (p, y, labelled))
    t.close(got[~labelled], np.zeros((int((~labelled).sum()), 3)), ask="What does a clip without a label count as?",
            says="A clip without a label should have a gradient of 0.")
    want = ((p - y) / (p * (1 - p)) / (3 * labelled.sum()))[labelled]
    t.close(got[labelled], want, rtol=1e-3, atol=1e-5, says="The slope is (p − y) / (p (1 − p)), over the number of "
            "clips times classes.", ask="By how many do you divide?")


@weak_bce.reference
def agrees_with_binary_cross_entropy(t):
    import torch
    from torch.nn.functional import binary_cross_entropy

    for batch, size in ((40, 1.0), (80, 4.0)):
        p, y, labelled = _clips(t.rng, batch, 7, size=size)
        p = p.clamp(1e-5, 1 - 1e-5)
        y = torch.where(labelled[:, None], (y + torch.tensor(t.rng.random(y.shape), dtype=torch.float32)) / 2, y)
        _costs(t, f"{batch} clips of 7 classes, {int(labelled.sum())} with labels", (p, y, labelled),
               binary_cross_entropy(p[labelled], y[labelled]).item(),
               "it has to agree with `torch.nn.functional.binary_cross_entropy` of those with labels.",
               "The mean over what?")


def _terms(p, y):
    p = p.clamp(1e-7, 1 - 1e-7)
    return -(y * p.log() + (1 - y) * (1 - p).log())


@weak_bce.mistake("A clip without a label counts as one in which nothing sounds.",
                  ask="What does a clip without a label count as?")
def taken_for_silence(p, y, labelled):
    return _terms(p, y.nan_to_num(0)).mean()


@weak_bce.mistake("You divide by all clips of the batch: the fewer have labels, the smaller the loss.",
                  ask="By how many do you divide?")
def divided_by_all(p, y, labelled):
    return _terms(p[labelled], y[labelled]).sum() / p.numel()


@weak_bce.mistake("You add up the classes: the more there are, the larger the loss.", ask="By how many do you divide?")
def classes_added(p, y, labelled):
    return _terms(p[labelled], y[labelled]).sum() / labelled.sum().clamp(min=1)


@weak_bce.mistake("You add up instead of averaging.", ask="By how many do you divide?")
def added_up(p, y, labelled):
    return _terms(p[labelled], y[labelled]).sum()


@weak_bce.mistake("You multiply by the mask, and 0 times NaN is NaN.", ask="Where would nothing have to be multiplied?")
def masked_by_zero_times(p, y, labelled):
    return (_terms(p, y) * labelled[:, None]).sum() / (labelled.sum().clamp(min=1) * p.shape[1])


@weak_bce.mistake("A class that does not sound costs nothing with you, whatever is said of it: all could be called all "
                  "the time.", ask="What does a class cost that does not sound?")
def yes_alone(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return -(y * p.clamp(1e-7).log()).mean() if len(p) else p.sum()


@weak_bce.mistake("You take a sigmoid of what is a probability already.", ask="Is p a probability or a logit?")
def sigmoid_again(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return _terms(p.sigmoid(), y).mean() if len(p) else p.sum()


@weak_bce.mistake("Your logarithm has the base 2.", ask="Which logarithm?")
def in_bits(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return _terms(p, y).mean() / np.log(2) if len(p) else p.sum()


@weak_bce.mistake("You square the difference. That is an error, and no cross-entropy.", ask="Which logarithm?")
def squared(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return ((p - y) ** 2).mean() if len(p) else p.sum()


@weak_bce.mistake("You take the mean over no clips at all: 0 divided by 0.", ask="What is the mean over nothing?")
def mean_over_nothing(p, y, labelled):
    return _terms(p[labelled], y[labelled]).mean()


@weak_bce.mistake("Your 0 was made from nothing, so that no gradient finds its way back from it.",
                  ask="From what was your 0 made?")
def zero_of_nothing(p, y, labelled):
    return _terms(p[labelled], y[labelled]).mean() if labelled.any() else p.new_zeros(())


@weak_bce.mistake("p is not kept away from 0 and 1, where a logarithm is infinite.",
                  ask="How far does 1 − p lie from 0 in float32?")
def not_kept_away(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean() if len(p) else p.sum()


@weak_bce.mistake("You hold the logarithm back where the probability should have been: the loss is finite, and its "
                  "slope is 0 times infinity.", ask="What is the slope of a logarithm at 0?")
def held_back_too_late(p, y, labelled):
    p, y = p[labelled], y[labelled]
    return -(y * p.log().clamp(-100) + (1 - y) * (1 - p).log().clamp(-100)).mean() if len(p) else p.sum()


@weak_bce.mistake("Your ε is too small for float32, in which 1 minus it is 1 again.",
                  ask="How far does 1 − p lie from 0 in float32?")
def too_near(p, y, labelled):
    p, y = p[labelled], y[labelled]
    p = p.clamp(1e-12, 1 - 1e-12)
    return -(y * p.log() + (1 - y) * (1 - p).log()).mean() if len(p) else p.sum()
