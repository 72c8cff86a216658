"""Checks of chapter 13, real time: a ring buffer, a filter and spectra with state, a scheduler, a vote, a budget."""

import math
import sched
import time
from collections import deque
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import signal  # here, so that no answer's time is spent on it

from .spec import Exercise, briefly, two_things
from .stages import as_array, shape, value


def _blocks(rng, n, most):
    """Where to cut `n` samples: blocks of 0 to `most`, an empty one among them."""
    cuts = [0, 0]
    while cuts[-1] < n:
        cuts.append(min(n, cuts[-1] + int(rng.integers(0, most + 1))))
    return list(pairwise(cuts))


def _numbers(n, first=1):
    """Samples that are their own numbers."""
    return np.arange(first, first + n, dtype=np.float32)


def _row(x, most=8):
    """The values of a short row, or its shape: ``(1, 2, 3)``."""
    return f"({', '.join(value(v) for v in x)})" if len(x) <= most else f"{len(x)} samples from {value(x[0])} on"


# ---------------------------------------------------------------------------------------------- 13.1

ring_buffer = Exercise(
    "13.1", "ring_buffer(capacity, calls)",
    example=lambda: (5, [_numbers(3), 2, _numbers(4, 4), 2, _numbers(7, 8), 3, _numbers(1, 15), 9, 2, _numbers(4, 16),
                         1, _numbers(3, 20)]),
    hints=[
        "A ring of four slots, and six samples come, 0 to 5. In which slots do 4 and 5 lie, and who lay there? If "
        "nobody has read yet, which is the oldest that is still there?",
        "Keep three numbers: `written`, the number of the next sample to be read, and `dropped`. After each write, if "
        "`written - capacity` is beyond the next to be read, as many as lie between were lost: count them, and go on "
        "from there.",
        "`np.arange(start, stop) % capacity` are the slots of samples `start` to `stop - 1`. `slots[those]` is a copy, "
        "`slots[those] = block` writes. Of a block that is longer than the ring, only its last `capacity` samples "
        "have a place.",
    ],
    learned="Nothing ever moves in a ring: two numbers say what is there. Whoever writes never waits, and what nobody "
            "took in time is counted, not hidden.",
)


@ring_buffer.output
def is_what_was_read_and_a_count(t, got, capacity, calls):
    two_things(t, got, "reads, dropped")
    reads, dropped = got
    wishes = [call for call in calls if not isinstance(call, np.ndarray)]
    t.holds(isinstance(reads, list | tuple) and len(reads) == len(wishes), f"Your reads: **{briefly(reads)}**"
            f"{f', {len(reads)} of them' if isinstance(reads, list | tuple) else ''}, expected a list of "
            f"{len(wishes)}, one for each whole number in `calls`.", ask="Does a read that finds nothing give nothing, "
            "or an array of no samples?")
    for i, (y, wish) in enumerate(zip(reads, wishes, strict=True)):
        t.holds(isinstance(y, np.ndarray) and y.ndim == 1, f"Read {i} gives **{briefly(y)}**, expected an array of "
                "shape [n].", ask="What does reading from an array of slots give?", values=False)
        t.holds(len(y) <= wish, f"Read {i} gives **{len(y)}** samples, where at most {wish} were asked for.",
                ask="Where does a read stop?")
        t.holds(y.dtype == np.float32, f"Read {i} is of type **{y.dtype}**, expected float32, as the blocks are.",
                ask="Of which type are the slots?", values=False)
    whole = np.ndim(as_array(dropped)) == 0 and as_array(dropped).dtype.kind in "iu"
    t.holds(whole and dropped >= 0, f"Your number of dropped samples: **{briefly(dropped)}**, expected a whole number "
            "from 0.", ask="What is counted?")


def _buffered(capacity, calls):
    """What reads give, by a queue that forgets its oldest."""
    unread, reads, came = deque(maxlen=capacity), [], 0
    for call in calls:
        if isinstance(call, np.ndarray):
            unread.extend(call)
            came += len(call)
        else:
            reads.append(np.array([unread.popleft() for _ in range(min(call, len(unread)))], np.float32))
    return reads, came - len(unread) - sum(map(len, reads))


def _session(t, case, capacity, calls, says, ask):
    """Hold each read, and then the count, to what they are."""
    reads, dropped = t.on(case)(capacity, calls)
    want, lost = _buffered(capacity, calls)
    for i, (got, right) in enumerate(zip(reads, want, strict=True)):
        which = f"read {i}" if len(want) > 1 else "the read"
        t.holds(np.array_equal(got, right), f"For {case}, {says} With you {which} gives **{_row(got)}**, expected "
                f"{_row(right)}.", ask=ask, show=(got, right))
    t.holds(int(dropped) == lost, f"For {case}, {says} You count **{int(dropped)}** as dropped, expected {lost}.",
            ask="How many samples were overwritten before anybody read them?")


@ring_buffer.edges
def nothing_there(t):
    _session(t, "a read before anything was written", 4, [3], "there is nothing, and a read does not wait.",
             "How many samples lie between the next to be read and the last that was written?")
    _session(t, "no call at all", 4, [], "nothing happens.", "What is the count at the beginning?")
    _session(t, "an empty block and a wish for no samples", 4, [_numbers(0), 0, _numbers(2), 0, 2],
             "nothing comes, and nobody wants any.", "What is the last `capacity` of no samples?")


@ring_buffer.edges
def fewer_than_asked_for(t):
    _session(t, "two samples, and a wish for five", 4, [_numbers(2), 5, 5], "two are there, and then none.",
             "Where does a read stop?")


@ring_buffer.edges
def full_to_the_last_slot(t):
    _session(t, "four samples in a ring of four", 4, [_numbers(4), 4], "all slots are there to be used.",
             "How many samples do `capacity` slots hold?")
    _session(t, "a ring of a single slot", 1, [_numbers(1), 1, _numbers(1, 2), 1], "it holds a sample.",
             "How many samples do `capacity` slots hold?")


@ring_buffer.edges
def past_the_end(t):
    _session(t, "a block that begins in the last slot of four", 4, [_numbers(3), 3, _numbers(3, 4), 3],
             "behind the last slot comes the first.", "In which slot lies sample number i?")


@ring_buffer.edges
def one_block_too_many(t):
    _session(t, "six samples in a ring of four, and a read of two", 4, [_numbers(3), _numbers(3, 4), 2],
             "the oldest two were overwritten, and the oldest that is left is number 3.",
             "Which unread sample is the oldest that is still there?")
    _session(t, "six samples in a ring of four, of which one was read before", 4, [_numbers(3), 1, _numbers(3, 4), 9],
             "of those that were overwritten, somebody had read the first.",
             "Which unread sample is the oldest that is still there?")


@ring_buffer.edges
def a_single_slot(t):
    _session(t, "three samples in a ring of a single slot", 1, [_numbers(1), 1, _numbers(3, 2), 1],
             "it holds the newest one.", "Which unread sample is the oldest that is still there?")


@ring_buffer.edges
def dropped_and_never_read(t):
    _session(t, "six samples in a ring of four, and no read", 4, [_numbers(6)], "two are gone, four may still be read.",
             "When is a sample lost: when it is overwritten, or when somebody asks for it?")


@ring_buffer.edges
def a_block_longer_than_the_ring(t):
    _session(t, "a block of eleven samples in a ring of four", 4, [_numbers(2), _numbers(11, 3), 9],
             "its last four have a place.", "Which samples of a long block will still be there at its end?")


@ring_buffer.edges
def what_was_read_stays(t):
    _session(t, "a read, and more samples after it", 4, [_numbers(4), 4, 10 * _numbers(4), 4],
             "what was read belongs to the reader, whatever is written later.",
             "Does what you hand out live in the slots, or on its own?")


def _calls(rng, n, most):
    """Blocks and wishes in turn, of random sizes; now and then the reader is away."""
    calls, came = [], 1
    for _ in range(n):
        size = int(rng.integers(0, most + 1))
        calls.append(_numbers(size, came))
        came += size
        if rng.random() < 0.6:
            calls.append(int(rng.integers(0, 2 * most)))
    return calls


@ring_buffer.properties
def in_order_and_once(t):
    calls = _calls(t.rng, 40, 9)
    reads, dropped = t.on("numbered samples, in blocks of up to 9, in a ring of 12")(12, [*calls, 99])
    got, came = np.concatenate(reads), sum(len(call) for call in calls if isinstance(call, np.ndarray))
    steps = np.diff(got)
    t.holds(not np.any(steps <= 0), "Whatever is read should be read in order, and once: sample "
            f"{value(got[:-1][steps <= 0][0]) if np.any(steps <= 0) else 0} is followed by "
            f"**{value(got[1:][steps <= 0][0]) if np.any(steps <= 0) else 0}**.",
            ask="In which slot lies sample number i, and which is the oldest that is still there?")
    t.holds(len(got) + dropped == came, f"Of {came} samples that came, {len(got)} were read, none is left, and you "
            f"count **{dropped}** as dropped. Together these should be {came}.",
            ask="How many samples were overwritten before anybody read them?")


@ring_buffer.properties
def sizes_of_blocks_do_not_matter(t):
    y = t.rng.normal(size=60).astype(np.float32)
    whole = t.on("a block of sixty samples and a read of nine")(20, [y, 9, 30])
    parts = t.on("the same sixty in small blocks")(20, [*(y[a:b] for a, b in _blocks(t.rng, 60, 7)), 9, 30])
    for got, want in zip(parts[0], whole[0], strict=True):
        t.close(got, want, says="The same samples in smaller blocks should be read alike.",
                ask="Which samples of a long block will still be there at its end?")
    t.holds(parts[1] == whole[1], f"The same samples in smaller blocks: you count **{parts[1]}** as dropped, and "
            f"{whole[1]} when they came at once.", ask="How many samples were overwritten before anybody read them?")


@ring_buffer.properties
def sizes_of_reads_do_not_matter(t):
    y = t.rng.normal(size=30).astype(np.float32)
    (whole,), _ = t.on("thirty samples in a ring of forty, read at once")(40, [y, 30])
    parts, _ = t.on("the same read in small pieces")(40, [y, 1, 4, 0, 9, 2, 14])
    t.close(np.concatenate(parts), whole, says="Read in pieces they should be the same samples.",
            ask="Which is the next to be read after a read of n?")


@ring_buffer.properties
def a_large_ring_is_not_slower(t):
    calls = [one for _ in range(150) for one in (_numbers(16), 16)]

    def seconds(capacity, case):
        start = time.process_time()
        t.on(case)(capacity, calls)
        return time.process_time() - start

    small = seconds(1000, "150 blocks of 16 samples in a ring of a thousand")
    large = seconds(8_000_000, "150 blocks of 16 samples in a ring of eight million")
    t.holds(large < 20 * small, f"150 blocks of 16 samples take {1000 * small:.0f} ms in a ring of a thousand samples, "
            f"and **{1000 * large:.0f} ms** in one of eight million. Something moves or copies the whole ring.",
            ask="Which samples have to be touched when a block of 16 is written?", values=False)


@ring_buffer.reference
def agrees_with_a_deque(t):
    for capacity, most in ((7, 5), (16, 40), (300, 120)):
        _session(t, f"sixty blocks of up to {most} in a ring of {capacity}", capacity, _calls(t.rng, 60, most),
                 "it has to agree with `collections.deque(maxlen=capacity)`.",
                 "Which unread sample is the oldest that is still there?")


def _faulty(capacity, calls, overrun=lambda unread, capacity: unread[max(0, len(unread) - capacity):],
            given=lambda unread, n: (unread[:n], unread[n:])):
    """A session as a mistake has it: what stays of too many, what a read gives and leaves."""
    unread, reads, lost = [], [], 0
    for call in calls:
        if isinstance(call, np.ndarray):
            both = unread + call.tolist()
            unread = overrun(both, capacity)
            lost += len(both) - len(unread)
        else:
            y, unread = given(unread, call)
            reads.append(np.array(y, np.float32))
    return reads, lost


def _came(calls):
    return sum(len(call) for call in calls if isinstance(call, np.ndarray))


@ring_buffer.mistake("When it is full you turn away what comes. Who listens wants to hear now, not what was said "
                     "before.", ask="Who has to go when there is no room: the oldest or the newest?")
def the_newest_turned_away(capacity, calls):
    return _faulty(capacity, calls, overrun=lambda unread, capacity: unread[:capacity])


@ring_buffer.mistake("One slot always stays empty with you: a ring of four holds three.",
                     ask="How many samples do `capacity` slots hold?")
def one_slot_empty(capacity, calls):
    return _faulty(capacity, calls, overrun=lambda unread, capacity: unread[max(0, len(unread) - capacity + 1):])


@ring_buffer.mistake("When it runs over you throw away all that waits, also what would still be there.",
                     ask="Which samples were overwritten, and which were not?")
def all_thrown_away(capacity, calls):
    unread, reads, lost = [], [], 0
    for call in calls:
        if isinstance(call, np.ndarray):
            both = unread + call.tolist()
            unread = call.tolist()[-capacity:] if len(both) > capacity else both
            lost += len(both) - len(unread)
        else:
            reads.append(np.array(unread[:call], np.float32))
            unread = unread[call:]
    return reads, lost


@ring_buffer.mistake("When it runs over you go on behind the newest sample, as if nothing were there any more.",
                     ask="Which samples were overwritten, and which were not?")
def behind_the_newest(capacity, calls):
    return _faulty(capacity, calls, overrun=lambda unread, capacity: unread if len(unread) <= capacity else [])


@ring_buffer.mistake("A block for which there is no room is lost as a whole with you.",
                     ask="Who has to go when there is no room: the oldest or the newest?")
def lost_as_a_whole(capacity, calls):
    unread, reads, lost = [], [], 0
    for call in calls:
        if not isinstance(call, np.ndarray):
            reads.append(np.array(unread[:call], np.float32))
            unread = unread[call:]
        elif len(unread) + len(call) > capacity:
            lost += len(call)
        else:
            unread = unread + call.tolist()
    return reads, lost


@ring_buffer.mistake("You count whatever is overwritten, also what somebody had read before.",
                     ask="Is a sample lost that was read before it was overwritten?")
def overwritten_is_dropped(capacity, calls):
    return _faulty(capacity, calls)[0], max(0, _came(calls) - capacity)


@ring_buffer.mistake("Of a block that is longer than the ring you keep the beginning.",
                     ask="Which samples of a long block will still be there at its end?")
def beginning_of_a_long_block(capacity, calls):
    reads, lost = _faulty(capacity, [call[:capacity] if isinstance(call, np.ndarray) else call for call in calls])
    return reads, lost + sum(max(0, len(call) - capacity) for call in calls if isinstance(call, np.ndarray))


@ring_buffer.mistake("A read gives the newest samples with you, and passes over older ones that nobody has read.",
                     ask="Which unread sample comes first?")
def newest_read_first(capacity, calls):
    return _faulty(capacity, calls, given=lambda unread, n: (unread[max(0, len(unread) - n):], []))


@ring_buffer.mistake("A read gives nothing with you unless all it asks for is there.",
                     ask="What does a read give if it asks for more than there is?")
def all_or_nothing(capacity, calls):
    return _faulty(capacity, calls, given=lambda unread, n: (unread[:n], unread[n:]) if n <= len(unread) else
                   ([], unread))


@ring_buffer.mistake("You fill up with zeros what is not there. Who reads cannot tell them from silence that was "
                     "spoken.", ask="What does a read give if it asks for more than there is?")
def filled_up_with_zeros(capacity, calls):
    return _faulty(capacity, calls, given=lambda unread, n: ((unread + [0.0] * n)[:n], unread[n:]))


@ring_buffer.mistake("What can still be read counts as dropped with you.",
                     ask="Is a sample lost that nobody has asked for yet?")
def unread_is_dropped(capacity, calls):
    reads, _ = _faulty(capacity, calls)
    return reads, _came(calls) - sum(map(len, reads))


@ring_buffer.mistake("You count how often something was dropped, not how many samples.", ask="What is counted?")
def times_it_happened(capacity, calls):
    waiting, times = 0, 0
    for call in calls:
        waiting = waiting + len(call) if isinstance(call, np.ndarray) else max(0, waiting - call)
        times += waiting > capacity
        waiting = min(waiting, capacity)
    return _faulty(capacity, calls)[0], times


@ring_buffer.mistake("You count what is lost when somebody reads. If nobody does, nobody is told.",
                     ask="When is a sample lost: when it is overwritten, or when somebody asks for it?")
def counted_by_the_reader(capacity, calls):
    last = max((i for i, call in enumerate(calls) if not isinstance(call, np.ndarray)), default=-1)
    return _faulty(capacity, calls)[0], _faulty(capacity, calls[: last + 1])[1]


@ring_buffer.mistake("Whoever reads does not notice that it was overtaken: newer samples lie in the slots of those "
                     "that it looks for, and come out of order.",
                     ask="Which unread sample is the oldest that is still there?")
def overtaken_unawares(capacity, calls):
    slots, written, following, reads = np.zeros(capacity, np.float32), 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            for x in call:
                slots[written % capacity] = x
                written += 1
        else:
            stop = min(following + call, written)
            reads.append(slots[np.arange(following, stop) % capacity])
            following = stop
    return reads, max(0, written - following - capacity)


@ring_buffer.mistake("What you hand out still lies in the slots: the next block writes over it, in the reader's hands.",
                     ask="Does what you hand out live in the slots, or on its own?")
def still_in_the_slots(capacity, calls):
    slots, written, following, lost, reads = np.zeros(capacity, np.float32), 0, 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            for x in call:
                slots[written % capacity] = x
                written += 1
            oldest = max(following, written - capacity)
            lost, following = lost + oldest - following, oldest
        else:
            stop = min(following + call, written)
            begin, end = following % capacity, following % capacity + stop - following
            both = np.concatenate([slots[begin:], slots[: max(0, end - capacity)]])
            reads.append(slots[begin:end] if end <= capacity else both)
            following = stop
    return reads, lost


# ---------------------------------------------------------------------------------------------- 13.2

SOS = np.array([[0.2, 0.3, 0.1, 1, -0.9, 0.5], [0.5, -0.2, 0.4, 1, 0.3, -0.4]])

biquads = Exercise(
    "13.2", "biquads(block, sos, state=None)",
    example=lambda: (np.array([0.5, -0.25, 0.75, 0.1, -0.6]), SOS, np.array([[0.3, -0.2], [0.1, 0.4]])),
    hints=[
        "Half of a signal, then the other half: which numbers of the first half does the first sample of the second "
        "one need? And where are they when your function is called again?",
        "Section by section: a section goes through all samples with its own pair s1, s2, and what comes out is the "
        "next section's input. Which of the two numbers has to be renewed first, if each formula reads the old s2?",
        "`s[0] = b1 * x - a1 * y[n] + s[1]` first, then `s[1] = b2 * x - a2 * y[n]`, on a copy of the state: the one "
        "that was handed in belongs to the caller. Or `scipy.signal.sosfilt(sos, block, zi=state)`, which gives both.",
    ],
    learned="All that a filter of order 2k knows of the past are 2k numbers. Hand them on, and nobody hears where a "
            "block ended.",
)


@biquads.output
def is_a_block_and_a_state(t, got, block, sos, state=None):
    two_things(t, got, "y, state")
    t.holds(isinstance(got[0], np.ndarray) and got[0].shape == block.shape, f"What comes out: **{briefly(got[0])}**, "
            f"expected an array of shape {shape(block)}, a sample for each that went in.",
            ask="How many samples come out of a filter for each that goes in?")
    t.array(got[0], dtype=np.floating)
    t.holds(isinstance(got[1], np.ndarray) and got[1].shape == (len(sos), 2), f"Your state: **{briefly(got[1])}**, "
            f"expected an array of shape [{len(sos)}, 2], two numbers for each section.",
            ask="What does each section have to remember of its own?")
    t.array(got[1], dtype=np.floating)


def _filtered(t, case, block, sos, state, says, ask):
    """Hold a block and the state after it to SciPy's."""
    got = t.on(case)(block, sos, state)
    state = np.zeros((len(sos), 2)) if state is None else state
    want = signal.sosfilt(sos, block, zi=state) if len(block) else (block, state)
    t.close(got[0], want[0], atol=1e-5, says=f"For {case}, {says}", ask=ask)
    t.close(got[1], want[1], atol=1e-5, says=f"For {case}, what comes out is right. The state after it is not.",
            ask="With which s1 and s2 would the next sample have to begin?")


def _one_after_the_other(t, case, y, sos, cuts, state=None):
    """A signal, block by block."""
    out = []
    for start, stop in cuts:
        piece, state = t.on(case)(y[start:stop], sos, state)
        out.append(piece)
    return np.concatenate(out), state


@biquads.edges
def no_samples(t):
    state = np.array([[0.3, -0.2], [0.1, 0.4]])
    _filtered(t, "an empty block", np.zeros(0), SOS, state, "no sample comes, and no sample goes.",
              "What does the filter know after a block of no samples?")
    _filtered(t, "an empty block before all others", np.zeros(0), SOS, None, "no sample comes, and no sample goes.",
              "What does the filter know before the first block?")


@biquads.edges
def one_sample(t):
    _filtered(t, "a single sample and nothing before it", np.array([1.0]), SOS, None,
              "it comes out times b0 of both sections.", "What goes into the second section?")
    _filtered(t, "a single sample and a state", np.array([1.0]), SOS[:1], np.array([[0.25, 0.5]]),
              "0.2 · 1 + 0.25.", "What is y made of?")


@biquads.edges
def silence_after_a_sound(t):
    _filtered(t, "silence, and a state that is not silent", np.zeros(6), SOS, np.array([[0.3, -0.2], [0.1, 0.4]]),
              "the filter rings on.", "Does a block of silence make the filter forget?")


@biquads.edges
def whole_numbers_go_in(t):
    _filtered(t, "samples of type float32", np.array([0.5, 0.25, -1, 0.125], np.float32), SOS, None,
              "they are filtered like others.", "Of which type is what you write into?")


@biquads.properties
def in_blocks_as_at_once(t):
    y = t.rng.normal(size=120)
    sos = signal.butter(4, float(t.rng.uniform(0.1, 0.6)), output="sos")
    whole, end = t.on("120 samples at once")(y, sos)
    parts, last = _one_after_the_other(t, "the same in blocks of up to 30", y, sos, _blocks(t.rng, 120, 30))
    t.close(parts, whole, atol=1e-5, says="The same signal in blocks should come out the same.",
            ask="What does the first sample of a block need of the block before?")
    t.close(last, end, atol=1e-5, says="The state at the end should not depend on where blocks ended.",
            ask="With which s1 and s2 would the next sample have to begin?")


@biquads.properties
def one_by_one(t):
    y = t.rng.normal(size=25)
    whole, _ = t.on("25 samples at once")(y, SOS)
    parts, _ = _one_after_the_other(t, "the same, one by one", y, SOS, [(n, n + 1) for n in range(25)])
    t.close(parts, whole, atol=1e-5, says="One sample at a time should come out the same.",
            ask="What does the first sample of a block need of the block before?")


@biquads.properties
def two_streams_do_not_disturb_each_other(t):
    a, b = t.rng.normal(size=(2, 40))
    alone, _ = _one_after_the_other(t, "one stream by itself", a, SOS, [(0, 20), (20, 40)])
    first, state = t.on("its first half")(a[:20], SOS)
    t.on("another stream between the halves")(b, SOS)
    second, _ = t.on("its second half")(a[20:], SOS, state)
    t.close(np.concatenate([first, second]), alone, atol=1e-5, says="A stream should not notice that another one was "
            "filtered in between.", ask="Where does your function keep what it knows?")


@biquads.properties
def twice_as_loud(t):
    y, state = t.rng.normal(size=30), t.rng.normal(size=(2, 2))
    once = t.on("thirty samples")(y, SOS, state)
    twice = t.on("all of it twice as loud, what was before included")(2 * y, SOS, 2 * state)
    for got, want in zip(twice, once, strict=True):
        t.close(got, 2 * want, atol=1e-5, says="It should come out twice as loud.",
                ask="Is anything added that was not in the signal?")


@biquads.reference
def agrees_with_scipy_sosfilt(t):
    for sos, words in ((signal.butter(6, 0.2, output="sos"), "a low-pass of order 6"),
                       (signal.cheby1(4, 1, [0.2, 0.5], "bandpass", output="sos"), "a band-pass of order 8"),
                       (np.array([[1, -0.9, 0, 1, 0.5, 0]]), "a section of first order")):
        y = t.rng.normal(size=150)
        got, _ = _one_after_the_other(t, f"{words}, in blocks", y, sos, _blocks(t.rng, 150, 60))
        t.close(got, signal.sosfilt(sos, y), atol=1e-5, says="It has to agree with `scipy.signal.sosfilt`.",
                ask="Which number belongs to which of b0 b1 b2 1 a1 a2?")
        _filtered(t, f"{words} from any state", y, sos, t.rng.normal(size=(len(sos), 2)), "it has to agree with "
                  "`scipy.signal.sosfilt`.", "What do the three formulas read, and what do they write?")


def _sections(block, sos, state, step=None, row=lambda i: i, left=lambda began, state: state):
    """What a mistake filters: another step of a section, another row of the state, another state at the end."""
    def plain(x, b0, b1, b2, a1, a2, s):
        y = b0 * x + s[0]
        return y, (b1 * x - a1 * y + s[1], b2 * x - a2 * y)

    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else np.array(state, float)
    began = state.copy()
    for i, (b0, b1, b2, _, a1, a2) in enumerate(sos):
        for n, x in enumerate(y):
            y[n], state[row(i)] = (step or plain)(x, b0, b1, b2, a1, a2, state[row(i)])
    return y, left(began, state)


@biquads.mistake("Each block begins from nothing with you: what the filter knew is thrown away.",
                 ask="What does the first sample of a block need of the block before?")
def begun_anew(block, sos, state=None):
    return _sections(block, sos, None)


@biquads.mistake("You hand back the state with which the block began, and the next one begins there again.",
                 ask="With which s1 and s2 would the next sample have to begin?")
def state_of_the_beginning(block, sos, state=None):
    return _sections(block, sos, state, left=lambda began, state: began)


@biquads.mistake("You hand back a state of zeros: the block is right, and the next one begins from nothing.",
                 ask="With which s1 and s2 would the next sample have to begin?")
def state_of_zeros(block, sos, state=None):
    return _sections(block, sos, state, left=lambda began, state: np.zeros_like(state))


@biquads.mistake("All sections share one pair s1, s2.", ask="What does each section have to remember of its own?")
def one_state_for_all(block, sos, state=None):
    return _sections(block, sos, state, row=lambda i: 0)


@biquads.mistake("You add what is fed back: a1 and a2 have the wrong sign.", ask="What stands before a1 and a2 in the "
                 "formulas?")
def fed_back_with_a_plus(block, sos, state=None):
    return _sections(block, sos * np.array([1, 1, 1, 1, -1, -1]), state)


@biquads.mistake("You renew s2 before s1 has read it.", ask="Which s2 does the formula of s1 read, the old one or the "
                 "new one?")
def renewed_too_early(block, sos, state=None):
    def step(x, b0, b1, b2, a1, a2, s):
        y = b0 * x + s[0]
        s2 = b2 * x - a2 * y
        return y, (b1 * x - a1 * y + s2, s2)

    return _sections(block, sos, state, step)


@biquads.mistake("s2 never reaches s1: half of what the filter knows is lost.", ask="What is s1 made of?")
def s2_left_out(block, sos, state=None):
    def step(x, b0, b1, b2, a1, a2, s):
        y = b0 * x + s[0]
        return y, (b1 * x - a1 * y, b2 * x - a2 * y)

    return _sections(block, sos, state, step)


@biquads.mistake("Your sections stand side by side: each hears the block, and you add what they say.",
                 ask="What goes into the second section?")
def side_by_side(block, sos, state=None):
    parts = [_sections(block, one[None], None if state is None else state[i : i + 1]) for i, one in enumerate(sos)]
    return sum(y for y, _ in parts), np.concatenate([s for _, s in parts])


@biquads.mistake("Nothing is fed back: what comes out is made of what goes in alone.",
                 ask="Where does y come in again?")
def nothing_fed_back(block, sos, state=None):
    return _sections(block, sos * np.array([1, 1, 1, 1, 0, 0]), state)


@biquads.mistake("Your s1 and s2 are those of another form of the filter (direct form II). From silence it gives the "
                 "same sound, and its state means something else.",
                 ask="What do the three formulas write into s1 and s2?")
def direct_form_two(block, sos, state=None):
    def step(x, b0, b1, b2, a1, a2, s):
        w = x - a1 * s[0] - a2 * s[1]
        return b0 * w + b1 * s[0] + b2 * s[1], (w, s[0])

    return _sections(block, sos, state, step)


@biquads.mistake("You take the last two samples that came out for the state. That belongs to another form of the "
                 "filter.", ask="What do s1 and s2 hold after the last sample?")
def last_two_samples(block, sos, state=None):
    y, state = _sections(block, sos, state)
    return y, np.array([np.concatenate([[0, 0], y])[-2:]] * len(sos))


@biquads.mistake("You begin as if the first sample had always been there (`sosfilt_zi`), at each block anew.",
                 ask="What does the filter know before a block: a constant, or what really was?")
def as_if_it_had_always_been(block, sos, state=None):
    if not len(block):
        return np.zeros(0), np.zeros((len(sos), 2)) if state is None else state.copy()
    return signal.sosfilt(sos, block, zi=signal.sosfilt_zi(sos) * block[0])


# ---------------------------------------------------------------------------------------------- 13.3


def _tilt(X):
    """Makes every bin another one: louder, softer, turned."""
    return X * np.linspace(1.5, 0.2, len(X)) * np.exp(0.3j * np.arange(len(X)))


through_spectra = Exercise(
    "13.3", "through_spectra(block, change, n_fft, state=None)",
    example=lambda: (np.array([0.5, -0.25, 0.75, 0.1, -0.6, 0.3, 0.2, -0.9, 0.45, 0.4, 0.15]), _tilt, 8,
                     (np.array([0.2, -0.1, 0.3, 0.4, 0.35]), np.array([0.25, -0.5, 0.1, 0.2]))),
    hints=[
        "Frames of 8 samples, a new one every 4. Samples 0 to 9 have come, and four zeros before them: which frames "
        "are complete? Which samples does the next one need?",
        "Put `waiting` before the block. As long as there are `n_fft` samples, take the first frame, give its first "
        "half with `tail` added, keep its second half as the new `tail`, and go on by half a frame. What is left "
        "waits.",
        "`waiting = np.concatenate([waiting, block])`; `while len(waiting) >= n_fft:` a frame is "
        "`w * np.fft.irfft(change(np.fft.rfft(w * waiting[:n_fft])), n_fft)`, and then `waiting = waiting[hop:]`. "
        "Where no frame is complete, nothing comes out, and all of it waits.",
    ],
    learned="Two pieces of half a frame are all that a spectral effect remembers. It answers half a frame late, as "
            "often as a hop is full, and does not know how the samples were delivered.",
)


@through_spectra.output
def is_whole_hops_and_two_parts(t, got, block, change, n_fft, state=None):
    hop = n_fft // 2
    two_things(t, got, "y, state")
    y, left = got
    t.holds(isinstance(y, np.ndarray) and y.ndim == 1, f"What comes out: **{briefly(y)}**, expected an array of shape "
            "[n], also where n is 0.", ask="What is the concatenation of no frames?", values=False)
    t.array(y, dtype=np.floating)
    t.holds(isinstance(left, list | tuple) and len(left) == 2 and all(isinstance(part, np.ndarray) and part.ndim == 1
            for part in left), f"Your state: **{briefly(left)}**, expected two arrays, `(waiting, tail)`.",
            ask="Which samples wait for a later frame, and what waits for its addition?", values=False)
    t.holds(len(left[1]) == hop, f"Your tail has **{len(left[1])}** samples, expected {hop}, half a frame.",
            ask="Which part of a frame has not been given out yet?")
    t.holds(len(left[0]) < n_fft, f"After a block of {len(block)} samples, **{len(left[0])}** wait with you, enough "
            f"for a frame of {n_fft}.", ask="When is a frame complete, and which samples are needed after it?")
    waited = hop if state is None else len(state[0])
    frames = max(0, (waited + len(block) - hop) // hop)
    t.holds(len(y) == frames * hop, f"{waited} samples were waiting{' before the first block' * (state is None)}, and "
            f"{len(block)} came: with frames of {n_fft}, {frames} became complete. You give "
            f"**{len(y)}** samples, expected {frames} · {hop}.",
            ask="When is a frame complete, and how many samples does each of them give?")
    t.holds(len(left[0]) == waited + len(block) - frames * hop, f"{waited} samples were waiting and {len(block)} came: "
            f"**{len(left[0])}** wait afterwards with you, expected {waited + len(block) - frames * hop}.",
            ask="Which samples does the next frame begin with?")


def _stream(t, case, y, change, n_fft, cuts):
    """What comes out of a stream that is cut so."""
    out, state = [], None
    for start, stop in cuts:
        piece, state = t.on(case)(y[start:stop], change, n_fft, state)
        out.append(piece)
    return np.concatenate(out)


def _delayed(y, n_fft):
    """The signal itself, half a frame later, as far as hops are full."""
    hop = n_fft // 2
    return np.concatenate([np.zeros(hop), y])[: len(y) // hop * hop]


def _same(X):
    return X


@through_spectra.edges
def less_than_a_hop(t):
    y, state = t.on("three samples and frames of 8")(np.array([0.5, 0.25, -0.5]), _same, 8)
    t.holds(len(y) == 0, f"Three samples came, and a hop has four: **{len(y)}** samples come out, expected none.",
            ask="When is a frame complete?")
    t.close(state[0], [0, 0, 0, 0, 0.5, 0.25, -0.5], atol=1e-12, says="After three samples all of them wait, behind "
            "four zeros.", ask="In which order do samples wait?")
    y, _ = t.on("a fourth one")(np.array([0.75]), _same, 8, state)
    t.close(y, np.zeros(4), atol=1e-9, says="With the fourth the first frame is complete. What it gives belongs to the "
            "four zeros before the signal.", ask="Which samples does a frame give when it becomes complete?")


@through_spectra.edges
def an_empty_block(t):
    y, state = t.on("an empty block at the beginning")(np.zeros(0), _same, 8)
    t.holds(len(y) == 0 and not np.any(np.concatenate(state)), "Nothing came, and still something comes out or waits: "
            f"**{_row(y)}**, and {_row(state[0])} waits.", ask="What is the state before the first sample?")
    began = (np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.5, 0.6, 0.7, 0.8]))
    y, state = t.on("an empty block in the middle")(np.zeros(0), _same, 8, began)
    for got, want in zip(state, began, strict=True):
        t.close(got, want, atol=1e-12, says="After a block of no samples all should be as before.",
                ask="What is left waiting if no frame becomes complete?")


@through_spectra.edges
def an_impulse(t):
    y, _ = t.on("an impulse among 24 samples, frames of 8")(np.eye(1, 24, 2)[0], _same, 8)
    t.close(y, np.eye(1, 24, 6)[0], atol=1e-9, says="With a `change` that changes nothing, an impulse should come out "
            "four samples later, and nothing else.", ask="How often is a frame multiplied by w, and what is added to "
            "what?")


@through_spectra.edges
def the_smallest_frame(t):
    y, _ = t.on("frames of two samples")(np.array([0.5, -0.5, 0.25]), _same, 2)
    t.close(y, [0, 0.5, -0.5], atol=1e-9, says="Frames of two samples have a hop of one: all comes out a sample later.",
            ask="What is w for two samples?")


@through_spectra.edges
def nothing_is_let_through(t):
    y, _ = t.on("a change that lets nothing through")(np.ones(40), lambda X: 0 * X, 8)
    t.close(y, np.zeros(40), says="Where `change` gives zeros, silence should come out.",
            ask="Is what comes out made of changed spectra alone?")


@through_spectra.properties
def the_same_half_a_frame_later(t):
    n_fft = 2 * int(t.rng.integers(3, 12))
    y = t.rng.normal(size=150)
    got = _stream(t, f"150 samples in blocks of up to 40, frames of {n_fft}", y, _same, n_fft, _blocks(t.rng, 150, 40))
    t.close(got, _delayed(y, n_fft), atol=1e-9, says="With a `change` that changes nothing, the signal should come out "
            "half a frame later.", ask="How often is a frame multiplied by w, and what is added to what?")


@through_spectra.properties
def each_frame_once_and_in_order(t):
    seen = []

    def listen(X):
        seen.append(np.array(X))
        return X

    y = t.rng.normal(size=60)
    seen.clear()
    got = _stream(t, "a change that counts, 60 samples, frames of 10", y, listen, 10, _blocks(t.rng, 60, 20))
    sizes = {np.shape(X) for X in seen}
    t.holds(sizes == {(6,)}, f"`change` got something of shape **{shape(max(seen, key=np.ndim)) if seen else []}**, "
            "expected [6], the spectrum of one frame.", ask="What does `change` take?", values=False)
    t.holds(len(seen) == 12, f"`change` was called **{len(seen)}** times for {len(got)} samples that came out, "
            "expected 12 times, once for each hop of five.", ask="How often does a frame become complete?",
            values=False)
    before = np.concatenate([np.zeros(5), y])
    w = np.sqrt(signal.get_window("hann", 10))
    want = np.stack([np.fft.rfft(w * before[5 * k : 5 * k + 10]) for k in range(12)])
    t.close(np.abs(np.stack(seen)), np.abs(want), atol=1e-9, says="What `change` sees is not the spectrum of w times "
            "the frame.", ask="What happens to a frame before its spectrum is taken?")


@through_spectra.properties
def borders_are_not_heard(t):
    y = t.rng.normal(size=120)
    whole, _ = t.on("120 samples at once, frames of 16")(y, _tilt, 16)
    for most in (3, 50):
        got = _stream(t, f"the same in blocks of up to {most}", y, _tilt, 16, _blocks(t.rng, 120, most))
        t.close(got, whole, atol=1e-9, says="The same signal in other blocks should come out the same.",
                ask="Which samples does the next frame begin with, and what has to be added to it?")


@through_spectra.properties
def a_change_with_a_memory(t):
    def slowly():
        level = np.zeros(9)

        def change(X):
            nonlocal level
            level = 0.7 * level + 0.3 * np.abs(X)
            return X * (np.abs(X) > level)

        return change

    y = t.rng.normal(size=150)
    whole, _ = t.on("a change that compares with what went before, 150 samples at once")(y, slowly(), 16)
    got = _stream(t, "the same in blocks of up to 25", y, slowly(), 16, _blocks(t.rng, 150, 25))
    t.close(got, whole, atol=1e-9, says="A `change` that has a memory should see the same frames in the same order, "
            "however the signal is cut.", ask="How often is `change` called for one frame?")


@through_spectra.reference
def agrees_with_scipy_stft(t):
    for n_fft, most in ((16, 30), (64, 100), (10, 4)):
        y, hop = t.rng.normal(size=400), n_fft // 2
        w = np.sqrt(signal.get_window("hann", n_fft))
        gain = t.rng.uniform(0, 2, hop + 1) * np.exp(1j * t.rng.uniform(-1, 1, hop + 1))
        before = np.concatenate([np.zeros(hop), y[: 400 // hop * hop]])
        _, _, X = signal.stft(before, window=w, nperseg=n_fft, noverlap=hop, boundary=None, padded=False)
        _, want = signal.istft(gain[:, None] * X, window=w, nperseg=n_fft, noverlap=hop, boundary=True)
        got = _stream(t, f"400 samples in blocks of up to {most}, frames of {n_fft}", y, lambda X, g=gain: g * X, n_fft,
                      _blocks(t.rng, 400, most))
        t.close(got[hop:], want, atol=1e-8, says="It has to agree with `scipy.signal.stft` and `istft` of the whole "
                "signal.", ask="Which window stands before the spectrum, and which after it?")


def _spectral(block, change, n_fft, state, before=None, after=None, joined=lambda waiting, block: (waiting, block),
              tail_kept=True, added=True, most=math.inf, left=lambda waiting, n_fft: waiting):
    """What a mistake makes of a block: other windows, other beginnings, other parts kept or added."""
    hop = n_fft // 2
    w = np.sin(np.pi * np.arange(n_fft) / n_fft)
    before, after = (w if one is None else one for one in (before, after))
    waiting, tail = (np.zeros(hop), np.zeros(hop)) if state is None else state
    waiting, y = np.concatenate(joined(waiting, block)), [np.zeros(0)]
    while len(waiting) >= n_fft and len(y) <= most:
        frame = after * np.fft.irfft(change(np.fft.rfft(before * waiting[:n_fft])), n_fft)
        y.append(frame[:hop] + tail * added)
        tail, waiting = frame[hop:], waiting[hop:]
    return np.concatenate(y), (left(waiting, n_fft), tail if tail_kept else np.zeros(hop))


@through_spectra.mistake("You multiply by w once, before the spectrum. Half of the window is missing: the signal goes "
                         "up and down, twice a frame.", ask="How often does a frame meet w on its way?")
def one_window(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, after=np.ones(n_fft))


@through_spectra.mistake("You multiply by a whole Hann window before and again after: the signal goes up and down, "
                         "twice a frame.", ask="Which two windows have a product that adds up to 1?")
def hann_twice(block, change, n_fft, state=None):
    w = signal.get_window("hann", n_fft)
    return _spectral(block, change, n_fft, state, w, w)


@through_spectra.mistake("You multiply by a whole Hann window before, and by none after. An unchanged signal comes "
                         "back; a changed one has edges where frames begin and end.", ask="How often does a frame meet "
                         "w on its way, and is w a Hann window?")
def hann_before(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, signal.get_window("hann", n_fft), np.ones(n_fft))


@through_spectra.mistake("Your window is symmetric: it divides by N − 1, and no longer adds up to 1.",
                         ask="By what does i have to be divided in w?")
def symmetric_window(block, change, n_fft, state=None):
    w = np.sqrt(np.hanning(n_fft))
    return _spectral(block, change, n_fft, state, w, w)


@through_spectra.mistake("What overlaps is not added: the second half of each frame is thrown away.",
                         ask="What becomes of the second half of a frame?")
def nothing_added(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, added=False)


@through_spectra.mistake("Between two blocks the tail is lost: at every border half a frame fades in from nothing.",
                         ask="What has to be added to the first frame of a block?")
def tail_lost(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, tail_kept=False)


@through_spectra.mistake("You put what waited behind the block instead of before it.", ask="Which samples came first?")
def in_the_wrong_order(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, joined=lambda waiting, block: (block, waiting))


@through_spectra.mistake("Each block begins from nothing with you: what waited, and the tail, are thrown away.",
                         ask="What stands before a block, if it is not the first?")
def begun_anew_each_time(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, None)


@through_spectra.mistake("You take one frame from each block, however many are complete: more and more samples wait.",
                         ask="How many frames can one block complete?")
def one_frame_a_block(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, most=1)


@through_spectra.mistake("You go on by a whole frame. Half of the samples never stand in the middle of one.",
                         ask="How far is it from one frame to the next?")
def frames_side_by_side(block, change, n_fft, state=None):
    hop, w = n_fft // 2, np.sin(np.pi * np.arange(n_fft) / n_fft)
    waiting, tail = (np.zeros(hop), np.zeros(hop)) if state is None else state
    waiting, y = np.concatenate([waiting, block]), [np.zeros(0)]
    while len(waiting) >= n_fft:
        frame = w * np.fft.irfft(change(np.fft.rfft(w * waiting[:n_fft])), n_fft)
        y.append(frame)
        tail, waiting = frame[hop:], waiting[n_fft:]
    return np.concatenate(y), (waiting, tail)


@through_spectra.mistake("Of what waits you keep the last half frame alone. If a block does not end with a hop, "
                         "samples are lost, and frames begin where blocks end.", ask="Which samples does the next "
                         "frame begin with?")
def frames_begin_with_blocks(block, change, n_fft, state=None):
    return _spectral(block, change, n_fft, state, left=lambda waiting, n_fft: waiting[-(n_fft // 2):])


@through_spectra.mistake("You fill up the last frame with zeros. Its samples have not come yet: it has to wait.",
                         ask="When is a frame complete?")
def filled_up_with_zeros_to_a_frame(block, change, n_fft, state=None):
    more = -(len(block) + (n_fft // 2 if state is None else len(state[0]))) % (n_fft // 2)
    return _spectral(np.concatenate([block, np.zeros(more)]), change, n_fft, state)


@through_spectra.mistake("A frame waits for one sample more than it has: it is complete with `n_fft` samples, not only "
                         "beyond.", ask="When is a frame complete?")
def one_sample_more(block, change, n_fft, state=None):
    hop, w = n_fft // 2, np.sin(np.pi * np.arange(n_fft) / n_fft)
    waiting, tail = (np.zeros(hop), np.zeros(hop)) if state is None else state
    waiting, y = np.concatenate([waiting, block]), [np.zeros(0)]
    while len(waiting) > n_fft:
        frame = w * np.fft.irfft(change(np.fft.rfft(w * waiting[:n_fft])), n_fft)
        y.append(frame[:hop] + tail)
        tail, waiting = frame[hop:], waiting[hop:]
    return np.concatenate(y), (waiting, tail)


# ---------------------------------------------------------------------------------------------- 13.4

FATES = ("in time", "late", "shed", "dropped")

schedule = Exercise(
    "13.4", "schedule(cost, block, capacity, shed)",
    example=lambda: (np.array([60, 110, 80, 930, 70, 10, 20, 30, 90, 40, 50, 60, 70, 100, 100, 260, 20, 30, 310, 150]),
                     100, 4, 3),
    hints=[
        "Write down four blocks by hand, B = 100, costs 50, 250, 50, 50: who comes when, who is taken when, who waits "
        "meanwhile, who is done when? Then let there be room for one.",
        "Go from one arrival to the next. Before a block comes, the worker does all that it begins before that time. "
        "Then the block takes its place, and if that is one too many, the first of those that wait goes. Behind the "
        "last arrival lies eternity, `np.inf`.",
        "`while waiting and free < now:` take `k = waiting.pop(0)`; it begins at `max(free, (k + 1) * block)`. Now "
        "`len(waiting)` is how many wait behind it. Then, outside of the loop, `waiting.append(...)`, and "
        "`waiting.pop(0)` if there are more than `capacity`.",
    ],
    learned="Whoever delivers never waits. A ring bounds how late anybody can be, and shedding bounds it further; both "
            "pay with blocks, and both say how many.",
)


@schedule.output
def is_a_fate_and_a_time_for_each(t, got, cost, block, capacity, shed):
    two_things(t, got, "fate, done")
    fate, done = got
    listed = isinstance(fate, list | tuple | np.ndarray) and np.ndim(as_array(fate)) == 1
    t.holds(listed and len(fate) == len(cost), f"Your fates: **{briefly(fate)}**"
            f"{f', {len(fate)} of them' if listed else ''}, expected a list of {len(cost)}, one for each block.",
            ask="What becomes of the blocks that you say nothing about?")
    strange = [one for one in fate if one not in FATES]
    t.holds(not strange, f"One of your fates is **{briefly(strange[0]) if strange else ''}**, expected one of "
            f"{', '.join(map(repr, FATES))}.", ask="Which four words are there?", values=False)
    t.array(done, shape=(len(cost),))
    t.holds(done.dtype.kind in "iu", f"Your times are of type **{done.dtype}**, expected whole numbers of samples.",
            ask="Which operation made them so?", values=False)


def _simulated(cost, block, capacity, shed):
    """Fates and times by Python's scheduler of events, on a clock that nothing moves but events."""
    now, n = 0, len(cost)
    fate, done, waiting, busy = ["dropped"] * n, np.full(n, -1), deque(), False

    def wait(pause):
        nonlocal now
        now += pause

    def comes(k):
        waiting.append(k)
        if len(waiting) > capacity:
            waiting.popleft()
        events.enterabs(now, 1, look)

    def look():
        nonlocal busy
        while waiting and not busy:
            k = waiting.popleft()
            if len(waiting) >= shed:
                fate[k], done[k] = "shed", now
            else:
                busy = True
                events.enterabs(now + int(cost[k]), 1, ends, (k,))

    def ends(k):
        nonlocal busy
        busy = False
        fate[k], done[k] = "in time" if now <= (k + 2) * block else "late", now
        look()

    events = sched.scheduler(lambda: now, wait)
    for k in range(n):
        events.enterabs((k + 1) * block, 0, comes, (k,))        # sound comes before anything else of the same moment
    events.run()
    return fate, done


def _scheduled(t, case, cost, block, capacity, shed, says, ask):
    """Hold fates, then times, to what they are."""
    cost = np.asarray(cost, int)
    fate, done = t.on(case)(cost, block, capacity, shed)
    want, times = _simulated(cost, block, capacity, shed)
    wrong = [k for k in range(len(cost)) if fate[k] != want[k]]
    k = wrong[0] if wrong else 0
    t.holds(not wrong, f"For {case}, {says}" + (f" Block {k} is **{fate[k]}** with you, expected {want[k]}; it is done "
            f"at {int(done[k])}, expected {int(times[k])}." if wrong else ""), ask=ask)
    wrong = np.flatnonzero(done != times)
    k = wrong[0] if len(wrong) else 0
    if len(wrong) and want[k] in ("shed", "dropped"):
        ask = "When is a block done that goes past, and what stands there for one that was dropped?"
    t.holds(not len(wrong), f"For {case}, {says}" + (f" Your fates are right. Block {k} is done at **{int(done[k])}** "
            f"with you, expected {int(times[k])}." if len(wrong) else ""), ask=ask, show=(done, times))


@schedule.edges
def no_blocks(t):
    _scheduled(t, "no blocks at all", [], 100, 2, 3, "nothing happens.", "What does your loop do without blocks?")


@schedule.edges
def no_work(t):
    _scheduled(t, "three blocks of 100 without work", [0, 0, 0], 100, 1, 2, "each is done as soon as it is full.",
               "When does a block come?")


@schedule.edges
def as_long_as_a_block(t):
    _scheduled(t, "work that takes exactly as long as a block, and room for one", [100] * 4, 100, 1, 2,
               "each is done just when the next one comes, which is in time, and nobody has to go.",
               "Does the block that is being worked on wait? And is a deadline kept by whoever reaches it?")


@schedule.edges
def late_by_one(t):
    _scheduled(t, "costs 101, 99, 100, B = 100, and room for all", [101, 99, 100], 100, 9, 10,
               "block 0 is done at 201, one after its deadline. Block 1 begins then, and is done at 300, in time.",
               "When is the next block complete, and from when does a deadline count?")




@schedule.edges
def the_oldest_goes(t):
    _scheduled(t, "a first block that takes 350, B = 100, and room for two", [350, 10, 10, 10, 10, 10], 100, 2, 3,
               "blocks 1 and 2 wait. Then block 3 comes, and the oldest has to go.",
               "Who has to go when there is no room: the oldest or the newest, one or all?")


@schedule.edges
def one_too_many_behind(t):
    _scheduled(t, "a first block that takes 350, B = 100, and shedding from two that wait", [350, 10, 10, 10, 10], 100,
               9, 2, "when block 1 is taken, two wait behind it: it goes past. When block 2 is, one does.",
               "How many wait behind the block that is taken?")


@schedule.edges
def sound_comes_first(t):
    _scheduled(t, "costs 200, 50, 50, B = 100, and room for one", [200, 50, 50], 100, 1, 2,
               "at 300 block 2 comes and the worker becomes free. Sound comes first, so that block 1 has to go.",
               "Who comes first at the same moment?")
    _scheduled(t, "costs 200, 50, 50, B = 100, and shedding from one that waits", [200, 50, 50], 100, 9, 1,
               "at 300 block 2 comes and the worker becomes free. Sound comes first, so that it waits behind block 1.",
               "Who comes first at the same moment?")


@schedule.edges
def after_the_last_one(t):
    _scheduled(t, "three blocks that take 500 each, B = 100, and room for five", [500] * 3, 100, 5, 6,
               "nothing comes any more, and still those that wait are worked on.",
               "What does the worker do after the last block has come?")


def _work(rng, n, block, load):
    """Costs around a share of a block, with stalls."""
    cost = np.round(rng.gamma(2, load * block / 2, n)).astype(int)
    cost[rng.random(n) < 0.05] += 5 * block
    return cost


@schedule.properties
def with_room_for_all(t):
    cost = _work(t.rng, 40, 320, 0.8)
    fate, done = t.on("forty blocks, room for all, no shedding")(cost, 320, 40, 41)
    t.holds("dropped" not in fate and "shed" not in fate, "With room for all and without shedding each block is worked "
            f"on; block {next((k for k, one in enumerate(fate) if one in ('dropped', 'shed')), 0)} is "
            f"**{next((one for one in fate if one in ('dropped', 'shed')), '')}** with you.",
            ask="How many may wait, and from how many on is one shed?")
    want, free = [], 0
    for k, one in enumerate(cost):
        free = max(free, (k + 1) * 320) + int(one)
        want.append(free)
    t.close(done, np.array(want), says="With room for all, times are those of the queue in 10.4.",
            ask="When does the work on a block begin?")


@schedule.properties
def one_at_a_time(t):
    cost, block = _work(t.rng, 60, 100, 1.1), 100
    fate, done = t.on("sixty blocks, room for three, shedding from two")(cost, block, 3, 2)
    last = 0
    for k, (one, end) in enumerate(zip(fate, done.tolist(), strict=True)):
        if one == "dropped":
            t.holds(end == -1, f"Block {k} is dropped with you, and done at **{end}**, expected -1.",
                    ask="When is a block done that nobody took?")
            continue
        begun = end - (0 if one == "shed" else int(cost[k]))
        t.holds(begun >= (k + 1) * block, f"Block {k} is full at {(k + 1) * block}; with you it is taken at "
                f"**{begun}**.", ask="When does a block come?")
        t.holds(begun >= last, f"Block {k} is taken at **{begun}** with you, while the worker is busy until {last}.",
                ask="How many workers are there, and in which order do they take?")
        t.holds(begun < (k + 4) * block or k + 3 >= len(cost), f"Block {k} is taken at **{begun}** with you. There is "
                f"room for three, and at {(k + 4) * block} a third newer one comes: then it has to go.",
                ask="How long can a block wait, if there is room for three?")
        last = end


@schedule.properties
def too_much_work_for_ever(t):
    room = int(t.rng.integers(1, 5))
    _scheduled(t, f"thirty blocks of 100 that take 200 each, room for {room}, no shedding", np.full(30, 200), 100, room,
               room + 1, "work takes twice the time that there is: once the room is full, every second one has to go.",
               "Does whoever delivers ever wait?")


@schedule.properties
def a_clock_three_times_as_slow(t):
    cost = _work(t.rng, 40, 100, 1.0)
    fate, done = t.on("forty blocks of 100")(cost, 100, 3, 2)
    again, later = t.on("forty blocks of 300 that take three times as long")(3 * cost, 300, 3, 2)
    t.holds(list(fate) == list(again), "Three times the work in blocks that are three times as long should meet the "
            "same fates; **" + str(sum(a != b for a, b in zip(fate, again, strict=True))) + "** differ.",
            ask="Is something counted that has no unit?")
    t.close(later, np.where(done < 0, -1, 3 * done), says="All should be done three times as late.",
            ask="Is something counted that has no unit?")


@schedule.reference
def agrees_with_pythons_scheduler(t):
    for block, capacity, shed, load in ((256, 4, 5, 1.2), (100, 6, 2, 1.0), (480, 2, 1, 0.9), (10, 5, 3, 1.1)):
        _scheduled(t, f"80 blocks of {block} with random work, room for {capacity}, shedding from {shed}",
                   _work(t.rng, 80, block, load), block, capacity, shed, "it has to agree with `sched.scheduler`.",
                   "Who comes, who goes, and who is taken, in which order?")


def _worked(cost, block, capacity, shed, room=lambda waiting, capacity, busy: list(waiting)[-capacity:], tie=False,
            behind=lambda n: n, past=0, kept=lambda k, begun, done, block: done <= (k + 2) * block, pick=0,
            full=lambda k, block: (k + 1) * block, to_the_end=True, fates=None):
    """What a mistake makes of the blocks: who has room, who comes first, who is shed, who is late, who is taken."""
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), [], 0
    for comes in range(n + to_the_end):
        now = full(comes, block) if comes < n else math.inf
        while waiting and (free < now or (tie and free == now)):
            k = waiting.pop(pick)
            free = begun = max(free, full(k, block))
            if behind(len(waiting)) >= shed:
                fate[k], free = "shed", free + past * int(cost[k])
            else:
                free += int(cost[k])
                fate[k] = "in time" if kept(k, begun, free, block) else "late"
            done[k] = free
        waiting.append(comes)
        waiting = room(waiting, capacity, free > now)
    return fate, done


@schedule.mistake("Nobody ever has to go with you: either your room has no end, or whoever delivers waits for it.",
                  ask="What becomes of a block that comes when as many wait as there is room for?")
def room_without_end(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, room=lambda waiting, capacity, busy: waiting)


@schedule.mistake("Where there is no room, you turn away the block that comes. The oldest has to go: it is the latest "
                  "already.", ask="Who has to go when there is no room: the oldest or the newest?")
def turned_away(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, room=lambda waiting, capacity, busy: waiting[:capacity])


@schedule.mistake("Where there is no room, all that wait have to go with you. One place is all that is needed.",
                  ask="How many have to go so that one has room?")
def all_have_to_go(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, room=lambda waiting, capacity, busy: waiting if len(waiting) <= capacity
                   else waiting[-1:])


@schedule.mistake("You count the block that is being worked on among those that wait.",
                  ask="Does the block that is being worked on take a place?")
def worker_takes_a_place(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, room=lambda waiting, capacity, busy:
                   waiting[-max(1, capacity - busy):])


@schedule.mistake("At the same moment the worker comes first with you, and sound second.",
                  ask="Who comes first at the same moment?")
def worker_first(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, tie=True)


@schedule.mistake("You count the block itself among those that wait behind it: you shed one too early.",
                  ask="How many wait behind the block that is taken?")
def counted_with_itself(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, behind=lambda n: n + 1)


@schedule.mistake("You shed only where more than `shed` wait: one too late.", ask="Is one shed if exactly `shed` wait "
                  "behind it?")
def more_than_so_many(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, behind=lambda n: n - 1)


@schedule.mistake("A block that goes past takes its time with you, as if it were worked on.",
                  ask="How long does it take to do nothing?")
def past_in_its_own_time(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, past=1)


@schedule.mistake("You measure the work alone. A block that had to wait can be late, however quickly it is worked on.",
                  ask="From when does a deadline count?")
def work_alone(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, kept=lambda k, begun, done, block: done - begun <= block)


@schedule.mistake("Your deadline is the moment at which the block itself comes: nobody could ever keep it.",
                  ask="When is the next block complete?")
def due_before_it_came(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, kept=lambda k, begun, done, block: done <= (k + 1) * block)


@schedule.mistake("Whoever is done exactly at the deadline is late with you.", ask="Is a deadline kept by whoever "
                  "reaches it?")
def strictly_before(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, kept=lambda k, begun, done, block: done < (k + 2) * block)


@schedule.mistake("Your worker takes the newest first: the sound comes out of order.", ask="Whom does the worker take, "
                  "of all that wait?")
def newest_first(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, pick=-1)


@schedule.mistake("Your blocks come at k · B, before they are full.", ask="When has the last sample of block 0 come?")
def before_it_is_full(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, full=lambda k, block: k * block)


@schedule.mistake("Your worker looks only when a block comes: it stands idle although somebody waits.",
                  ask="When does the worker take the next block, if somebody waits?")
def looks_when_a_block_comes(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free, comes = ["dropped"] * n, np.full(n, -1), [], 0, 0
    while comes < n or waiting:
        now = (comes + 1) * block
        waiting = [*waiting, comes][-capacity:] if comes < n else waiting
        while waiting and free <= now:
            k = waiting.pop(0)
            past = len(waiting) >= shed
            done[k] = now + (0 if past else int(cost[k]))
            free = max(free, int(done[k]))
            fate[k] = "shed" if past else "in time" if free <= (k + 2) * block else "late"
        comes += 1
    return fate, done


@schedule.mistake("You shed when a block comes. Whether one goes past is settled when it is taken: perhaps fewer wait "
                  "then.", ask="When is it settled whether a block goes past?")
def shed_when_one_comes(cost, block, capacity, shed):
    n, past = len(cost), {}

    def room(waiting, capacity, busy):
        if len(waiting) > shed:
            past[waiting[0]] = (waiting[-1] + 1) * block
            return waiting[1:]
        return waiting[-capacity:]

    fate, done = _worked(cost, block, capacity, n + 1, room=room)
    for k, when in past.items():
        if k < n:
            fate[k], done[k] = "shed", when
    return fate, done


@schedule.mistake("Whoever still waits when the last block comes is forgotten.",
                  ask="What does the worker do after the last block has come?")
def forgotten_at_the_end(cost, block, capacity, shed):
    return _worked(cost, block, capacity, shed, to_the_end=False)


# ---------------------------------------------------------------------------------------------- 13.5

P = np.array([[90, 0, 10], [10, 10, 80], [60, 10, 30], [80, 10, 10], [90, 0, 10], [100, 0, 0], [90, 10, 0], [45, 55, 0],
              [20, 80, 0], [0, 100, 0], [0, 90, 10], [0, 80, 20], [0, 20, 80], [0, 0, 100], [30, 0, 70], [30, 10, 60],
              [60, 0, 40], [55, 5, 40], [60, 0, 40], [45, 45, 10], [5, 55, 40], [45, 10, 45], [44, 6, 50],
              [42, 0, 58]]) / 100

vote = Exercise(
    "13.5", "vote(p, threshold, smooth, rest)",
    example=lambda: (P, 0.44, 3, 3),
    hints=[
        "Three steps vote. At step 0 one was heard: by how much is its probability divided? And at step 5, which three "
        "vote?",
        "First the means, over this step and the `smooth - 1` before it. Then go through time once, and remember when "
        "the last report was. The highest is looked for among the words, `mean[:, :-1]`: whether it is a word at all "
        "the threshold decides.",
        "Zeros before the beginning: `np.concatenate([np.zeros((smooth - 1, classes)), p])`; the mean at step t is "
        "that of rows t to t + smooth - 1 of it. The next report may come when `t - last >= rest`; before the first "
        "one, `last = -rest`.",
    ],
    learned="A vote pays for fewer false alarms with time, half its width or more. After a report the spotter holds "
            "its tongue: a word is said once, and seen many times.",
)


@vote.output
def is_steps_and_words(t, got, p, threshold, smooth, rest):
    t.holds(isinstance(got, np.ndarray) and got.ndim == 2 and got.shape[1] == 2, "Your reports: "
            f"**{briefly(got)}**, expected an array of shape [k, 2], step and class of each; of none, [0, 2].",
            ask="How many numbers has a report, and what does an array of no reports look like?", values=False)
    t.holds(got.dtype.kind in "iu", f"Your reports are of type **{got.dtype}**, expected whole numbers: a step and a "
            "class.", ask="What is a report made of?", values=False)
    if not len(got):
        return
    steps, words = got.T
    t.holds(steps.min() >= 0 and steps.max() < len(p), f"Your first column, the steps, holds **{steps.max()}**, of "
            f"{len(p)} steps.", ask="At which step does a window of votes end?")
    t.holds(words.min() >= 0 and words.max() < p.shape[1] - 1, "Your second column, the classes, holds "
            f"**{words.max()}**, expected 0 to {p.shape[1] - 2}: the last is \"anything else\", and is never reported.",
            ask="Is everything that has the highest mean a word?")
    t.holds(np.all(np.diff(steps) > 0), f"Your reports are at steps **{_row(steps)}**, expected each step once, in "
            "order of time.", ask="How many words can be reported at a step?")


def _reports(p, threshold, smooth, rest):
    """Reports by pandas' rolling mean."""
    p = pd.DataFrame(np.concatenate([np.zeros((smooth, p.shape[1])), p]))
    mean = p.rolling(smooth).mean().to_numpy()[smooth:]
    best = mean[:, :-1].argmax(axis=1)
    could = np.flatnonzero(mean[:, :-1].max(axis=1) >= threshold)
    reports = []
    while len(could):
        reports.append((could[0], best[could[0]]))
        could = could[could >= could[0] + rest]
    return np.array(reports, int).reshape(-1, 2)


def _listed(reports):
    return ", ".join(f"{c} at {t}" for t, c in reports) or "nothing"


def _voted(t, case, p, threshold, smooth, rest, says, ask):
    """Hold reports to what they are."""
    p = np.asarray(p, float)
    got = t.on(case)(p, threshold, smooth, rest)
    want = _reports(p, threshold, smooth, rest)
    same = np.array_equal(got, want)
    n = next((i for i, (a, b) in enumerate(zip(got.tolist(), want.tolist(), strict=False)) if a != b),
             min(len(got), len(want)))
    t.holds(same, f"For {case}, {says} " + (f"You report **{_listed(got)}**, expected {_listed(want)}."
            if max(len(got), len(want)) <= 5 else f"Your report {n} is **{_listed(got[n : n + 1])}**, expected "
            f"{_listed(want[n : n + 1])}; before it all agree."), ask=ask)


def _said(*probabilities, others=None):
    """Steps of two words and anything else: the first word's probability, the second's, and what is left."""
    first = np.array(probabilities, float)
    second = np.zeros(len(first)) if others is None else np.array(others, float)
    return np.stack([first, second, 1 - first - second], axis=1)


@vote.edges
def nothing_is_said(t):
    _voted(t, "five steps of anything else", _said(0, 0, 0, 0, 0), 0.5, 2, 1, "anything else is never reported.",
           "Is everything that has the highest mean a word?")
    _voted(t, "a single step, and three that vote", _said(1), 0.5, 3, 2, "one vote of three is not enough.",
           "By how many is divided while fewer than `smooth` steps were heard?")


@vote.edges
def a_single_voter(t):
    _voted(t, "a mean of one step", _said(0, 1, 0, 0, 1), 0.75, 1, 1, "each step speaks for itself.",
           "Which steps vote if `smooth` is 1?")


@vote.edges
def too_few_votes(t):
    _voted(t, "a word in the first two steps, and four that vote", _said(1, 1, 0, 0, 0, 0), 0.75, 4, 10,
           "two votes of four are a half.", "By how many is divided while fewer than `smooth` steps were heard?")


@vote.edges
def exactly_enough(t):
    _voted(t, "three sure steps, four that vote, and a threshold of 0.75", _said(0, 1, 1, 1, 0, 0, 0), 0.75, 4, 10,
           "the mean reaches the threshold exactly, at step 3.",
           "Which steps vote at step t, and is a word believed that reaches the threshold?")


@vote.edges
def never_sure(t):
    _voted(t, "steps of 0.625 and a threshold of 0.75", _said(*[0.625] * 6), 0.75, 2, 2, "the word is the highest of "
           "all at each step, and at none of them sure enough.", "What is the mean taken of?")


@vote.edges
def anything_else_is_likelier(t):
    _voted(t, "a word of 0.375 against 0.625 for anything else, and a threshold of 0.25", _said(*[0.375] * 5), 0.25, 1,
           1, "it is beyond the threshold at each step, and the threshold alone decides.", "Among which classes is the "
           "highest looked for?")


@vote.edges
def silence_after_a_report(t):
    _voted(t, "seven sure steps and three from a report to the next", _said(*[1] * 7), 0.5, 1, 3,
           "steps 0, 3 and 6 speak.", "Which is the first step that may report again?")
    _voted(t, "one word and, a step later, another", _said(1, 0, 0, 0, others=[0, 1, 1, 1]), 0.5, 1, 3,
           "the second has to wait until step 3 as well.", "Whom does a report silence?")


def _speech(rng, steps=90, classes=5, sure=6.0):
    """Probabilities as of a spotter: words for some steps, anything else between them, and moments of doubt."""
    level = rng.normal(size=(steps, classes))
    level[:, -1] += sure / 2
    for start in range(5, steps - 8, 12):
        level[start : start + int(rng.integers(3, 9)), rng.integers(0, classes - 1)] += sure
    p = np.exp(level)
    return p / p.sum(axis=1, keepdims=True)


@vote.properties
def the_future_does_not_matter(t):
    p = _speech(t.rng)
    whole = t.on("ninety steps")(p, 0.5, 5, 5)
    for stop in (20, 41, 66):
        got = t.on(f"the first {stop} of them")(p[:stop], 0.5, 5, 5)
        want = whole[whole[:, 0] < stop]
        t.holds(np.array_equal(got, want), f"Up to step {stop} you report **{_listed(got)}** if nothing follows, and "
                f"{_listed(want)} if something does. Nobody knows the future.", ask="Which steps vote at step t?")


@vote.properties
def never_twice_in_a_row(t):
    rest = int(t.rng.integers(2, 9))
    got = t.on(f"ninety steps, {rest} from a report to the next")(_speech(t.rng), 0.4, 3, rest)
    gaps = np.diff(got[:, 0])
    t.holds(not np.any(gaps < rest), f"Two of your reports are **{gaps.min() if len(gaps) else 0}** steps apart, "
            f"expected {rest} or more.", ask="Which is the first step that may report again?")


@vote.properties
def names_do_not_matter(t):
    p, order = _speech(t.rng), t.rng.permutation(4)
    once = t.on("ninety steps of four words")(p, 0.5, 4, 4)
    again = t.on("the words in another order")(p[:, [*order, 4]], 0.5, 4, 4)
    want = np.stack([once[:, 0], np.argsort(order)[once[:, 1]]], axis=1) if len(once) else once
    t.holds(np.array_equal(again, want), "With the words in another order the same words should be reported at the "
            f"same steps. Of {len(once)} reports, **{len(again)}** are there, and not all are the same.",
            ask="Which class is a report about?")


@vote.properties
def a_moment_is_not_a_word(t):
    at = int(t.rng.integers(6, 20))
    p = _said(*(float(step == at) for step in range(30)))
    _voted(t, f"one sure step, number {at}, among thirty, and five that vote", p, 0.5, 5, 4,
           "one vote of five is not enough.", "What is held against the threshold: a step, or a mean?")


@vote.reference
def agrees_with_pandas_rolling(t):
    for threshold, smooth, rest in ((0.6, 1, 1), (0.5, 4, 4), (0.35, 7, 11), (0.3, 12, 1)):
        p = _speech(t.rng, 200, 7, sure=float(t.rng.uniform(4, 8)))
        _voted(t, f"200 steps, a mean of {smooth}, {rest} from a report to the next", p, threshold, smooth, rest,
               "it has to agree with the mean that `pandas` finds with `rolling`.", "Which steps vote, and what is "
               "held against the threshold?")


def _mean(p, smooth):
    """The running mean without fault."""
    total = np.cumsum(np.concatenate([np.zeros((smooth, p.shape[1])), p]), axis=0)
    return (total[smooth:] - total[:-smooth]) / smooth


def _voting(p, threshold, smooth, rest, mean_of=_mean, best=lambda mean: mean[:, :-1].argmax(axis=1),
            enough=lambda mean, p, t, c, threshold: mean[t, c] >= threshold, free=lambda t, last, rest, c:
            t - last.get("any", -math.inf) >= rest, touched=False):
    """What a mistake reports: other means, another highest class, another threshold, another silence."""
    mean = mean_of(p, smooth)
    reports, last = [], {}
    for t, c in enumerate(best(mean) if len(p) else []):
        if c < p.shape[1] - 1 and enough(mean, p, t, c, threshold - 1e-12):
            may = free(t, last, rest, c)
            if may:
                reports.append((t, c))
            if may or touched:
                last["any"] = last[c] = t
    return np.array(reports, int).reshape(-1, 2)


def _since_the_beginning(p, smooth):
    voters = np.minimum(np.arange(1, len(p) + 1), smooth)
    return _mean(p, smooth) * smooth / voters[:, None]


@vote.mistake("At the beginning you divide by the steps that there are: the first one decides alone.",
              ask="By how many is divided while fewer than `smooth` steps were heard?")
def mean_of_those_that_are_there(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, mean_of=_since_the_beginning)


@vote.mistake("Your window looks ahead: at step t steps vote that have not been heard yet.",
              ask="Which steps vote at step t?")
def looked_ahead(p, threshold, smooth, rest):
    def centred(p, smooth):
        after = np.concatenate([p, np.zeros((smooth // 2, p.shape[1]))])
        return _mean(after, smooth)[smooth // 2 :]

    return _voting(p, threshold, smooth, rest, mean_of=centred)


@vote.mistake("Your window begins at step t and ends after it. It has to end there: what comes later nobody has heard.",
              ask="At which step does a window of votes end?")
def window_that_begins_there(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, mean_of=lambda p, smooth: _mean(p, smooth)[smooth - 1 :])


@vote.mistake("You take the median, not the mean.", ask="What is the mean of three steps, of which one is sure?")
def median_of_the_steps(p, threshold, smooth, rest):
    def median(p, smooth):
        before = np.concatenate([np.zeros((smooth - 1, p.shape[1])), p])
        return np.median(np.lib.stride_tricks.sliding_window_view(before, smooth, axis=0), axis=-1)

    return _voting(p, threshold, smooth, rest, mean_of=median)


@vote.mistake("After a report you forget all votes. What silences is the pause alone; the mean goes on.",
              ask="Does a report change what was heard?")
def forgotten_after_a_report(p, threshold, smooth, rest):
    reports, last = [], -math.inf
    for t in range(len(p)):
        mean = p[int(max(last + 1, t - smooth + 1, 0)) : t + 1].sum(axis=0) / smooth
        c = mean[:-1].argmax()
        if mean[c] >= threshold - 1e-12 and t - last >= rest:
            reports.append((t, c))
            last = t
    return np.array(reports, int).reshape(-1, 2)


@vote.mistake("You count which class was highest how often. How sure each step was is lost.",
              ask="What is the mean taken of?")
def counted_heads(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, mean_of=lambda p, smooth: _mean(np.eye(p.shape[1])[p.argmax(axis=1)],
                                                                                 smooth))


@vote.mistake("You hold the single step against the threshold, not the mean.", ask="What is held against the "
              "threshold: a step, or a mean?")
def single_step_decides(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, enough=lambda mean, p, t, c, threshold: p[t, c] >= threshold)


@vote.mistake("You ask anything else as well: a word that reaches the threshold is not reported where something else "
              "is likelier.", ask="Among which classes is the highest looked for?")
def highest_of_all(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, best=lambda mean: mean.argmax(axis=1))


@vote.mistake("A report silences its own word alone with you; another may be reported at the next step.",
              ask="Whom does a report silence?")
def own_word_silenced(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, free=lambda t, last, rest, c:
                   t - last.get(c, -math.inf) >= rest)


@vote.mistake("Nobody is silenced after a report: a word is reported at each step at which it is seen.",
              ask="What may happen after a report, and when again?")
def without_silence(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, free=lambda *_: True)


@vote.mistake("You report again one step too early.", ask="Which is the first step that may report again?")
def silence_one_short(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, free=lambda t, last, rest, c:
                   t - last.get("any", -math.inf) >= max(rest - 1, 1))


@vote.mistake("You report again one step too late.", ask="Which is the first step that may report again?")
def silence_one_long(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, free=lambda t, last, rest, c:
                   t - last.get("any", -math.inf) > rest)


@vote.mistake("While a word is seen without a break, nothing is ever reported again with you. A report begins the "
              "silence, and nothing makes it longer.",
              ask="From when does the silence count: from a report, or from what was not reported?")
def silence_without_end(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, touched=True)


@vote.mistake("A word that changes is all that you report: one that goes on, or comes again, is never heard a second "
              "time.", ask="May a word be reported again after the silence?")
def changes_alone(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, free=lambda t, last, rest, c:
                   t - last.get("any", -math.inf) >= rest and last.get(c, -1) != last.get("any", math.inf))


@vote.mistake("Whoever reaches the threshold exactly is not believed with you.", ask="Is a word believed that reaches "
              "the threshold?")
def beyond_the_threshold(p, threshold, smooth, rest):
    return _voting(p, threshold, smooth, rest, enough=lambda mean, p, t, c, threshold:
                   mean[t, c] > threshold + 2e-12)


# ---------------------------------------------------------------------------------------------- 13.6


def _sizes():
    """Blocks of which one is too slow, one keeps up by its 99th percentile alone, and one is exactly in budget."""
    blocks = np.array([256, 16, 128, 160, 320, 64, 240, 192])
    calls = np.random.default_rng(0).gamma(4, 0.00025, (len(blocks), 200)) + blocks[:, None] / 16_000 * 0.1
    calls[:, 7] += 0.018
    return blocks, calls, 160, 80, [40, 24], 16_000, 0.026


latency_budget = Exercise(
    "13.6", "latency_budget(blocks, seconds, window, hop, delays, sr, budget)",
    example=_sizes,
    hints=[
        "A block of 100 samples, frames of 160, a hop of 80: how many samples are left over after the first block, "
        "after the second, the third? What is the most that there can ever be?",
        "Four parts in samples, divided by `sr`, and then one in seconds. `np.gcd` takes arrays. Where the percentile "
        "is longer than a block lasts, the latency is `np.inf`.",
        "`samples = blocks + (window - hop) + (hop - np.gcd(blocks, hop)) + sum(delays)`. Of the blocks with "
        "`latency <= budget` the largest is wanted, its number of samples, not its place; `max(..., default=None)` "
        "knows what to give if there is none.",
    ],
    learned="What fills a block, completes a frame and waits for a hop no faster computer can shorten. A block that is "
            "a multiple of the hop saves up to a hop, and costs nothing.",
)


@latency_budget.output
def is_a_latency_each_and_a_block(t, got, blocks, seconds, window, hop, delays, sr, budget):
    two_things(t, got, "latency, best")
    latency, best = got
    t.array(latency, shape=blocks.shape, dtype=np.floating, finite=False)
    t.holds(not np.isnan(latency).any(), "One of your latencies is **NaN**, expected seconds, or infinity where it "
            "does not keep up.", ask="Which operation has no answer there?")
    if best is None:
        return
    t.holds(np.ndim(as_array(best)) == 0 and as_array(best).dtype.kind in "iu", f"Your best block: "
            f"**{briefly(best)}**, expected a whole number of samples, or None.", ask="What is asked for at the end?")


def _late(blocks, seconds, window, hop, delays, sr):
    """Latencies, written out size by size."""
    latency = []
    for block, calls in zip(blocks.tolist(), seconds, strict=True):
        compute = sorted(calls.tolist())[math.ceil(len(calls) * 99 / 100) - 1]
        samples = block + window - hop + hop - math.gcd(block, hop) + sum(delays)
        latency.append(samples / sr + compute if compute <= block / sr else math.inf)
    return np.array(latency)


def _budgeted(t, case, blocks, seconds, window, hop, delays, sr, budget, says, ask, choose="Which of those that keep "
              "the budget is wanted: the largest, or one at a certain place?"):
    """Hold latencies, and then the choice, to what they are."""
    blocks, seconds = np.asarray(blocks, int), np.asarray(seconds, float)
    got = t.on(case)(blocks, seconds, window, hop, delays, sr, budget)
    want = _late(blocks, seconds, window, hop, delays, sr)
    t.close(got[0], want, atol=1e-9, rtol=1e-6, says=f"For {case}, the latencies: {says}", ask=ask)
    chosen = max((int(block) for block, late in zip(blocks, want, strict=True) if late <= budget), default=None)
    t.holds(got[1] is None if chosen is None else got[1] is not None and int(got[1]) == chosen,
            f"For {case}, your latencies are right. You choose **{briefly(got[1])}**, expected {chosen}: {says}",
            ask=choose)
    return got


def _quick(blocks, compute=0.0, calls=100):
    return np.full((len(blocks), calls), compute)


@latency_budget.edges
def no_compute_at_all(t):
    _budgeted(t, "one block of 80 at 16 kHz, frames of 160, a hop of 80, and no compute", [80], _quick([80]), 160, 80,
              [], 16_000, 1.0, "80 to fill the block, and 80 for the rest of the frame, are 10 ms. No hop has to wait.",
              "How many samples are left over at the end of a block?")


@latency_budget.edges
def sample_by_sample(t):
    _budgeted(t, "blocks of one sample, frames of 160, a hop of 80, and no compute", [1], _quick([1]), 160, 80, [],
              16_000, 1.0, "a sample, the rest of the frame, and up to 79 that wait for a hop: the frame itself.",
              "How many samples are left over at the end of a block?")


@latency_budget.edges
def not_a_multiple(t):
    _budgeted(t, "blocks of 120 and of 100, frames of 160, a hop of 80, and no compute", [120, 100], _quick([0, 0]),
              160, 80, [], 16_000, 1.0, "up to 40 and up to 60 samples are left over.",
              "How many samples are left over at the end of a block, at most?")


@latency_budget.edges
def other_stages(t):
    _budgeted(t, "three other stages of 10, 20 and 34 samples", [64], _quick([64]), 64, 64, [10, 20, 34], 8000, 1.0,
              "one stands behind the other, and 64 samples are 8 ms at 8 kHz.", "Do delays one behind the other add "
              "up?")


@latency_budget.edges
def one_slow_call(t):
    calls = np.full((1, 200), 0.002)
    calls[0, 11] = 0.5
    _budgeted(t, "200 calls of 2 ms, one of which took 500", [320], calls, 320, 160, [], 16_000, 1.0,
              "99 of 100 calls are done in 2 ms.", "Is it the mean, the slowest, or the 99th percentile?")
    calls[0, :6] = 0.015                                        # and number 11 still took 500
    _budgeted(t, "200 calls of 2 ms, six of which took 15 and one 500", [320], calls, 320, 160, [], 16_000, 1.0,
              "in 2 ms not even 97 of 100 calls are done.", "Is it the mean, the slowest, or the 99th percentile?")


@latency_budget.edges
def none_keeps_it(t):
    _budgeted(t, "a budget of 1 ms and blocks of 5 ms and more", [80, 160], _quick([80, 160]), 160, 80, [], 16_000,
              0.001, "none keeps it.", "Which parts does the latency have?",
              "What is the largest of none?")


@latency_budget.edges
def too_slow(t):
    _budgeted(t, "10 ms of work for a block of 5 ms and for one of 20", [80, 320], _quick([80, 320], 0.010), 160, 80,
              [], 16_000, 1.0, "the first falls behind for ever.", "For how long does a block last, and how long does "
              "the work on it take?")
    calls = np.full((1, 100), 0.002)
    calls[0, 40:45] = 0.025
    _budgeted(t, "100 calls of 2 ms for a block of 20 ms, five of which took 25", [320], calls, 160, 80, [], 16_000,
              1.0, "on average it keeps up, and in five of 100 blocks it does not.",
              "Which time is held against the length of a block?")
    _budgeted(t, "work that takes exactly as long as its block", [128], _quick([128], 0.0078125), 128, 128, [], 16_384,
              1.0, "it keeps up, with nothing to spare.", "Does it keep up if it takes exactly as long as a block?")


@latency_budget.edges
def exactly_the_budget(t):
    _budgeted(t, "blocks of 128 at 16,384 Hz, that are exactly as late as they may", [64, 128], _quick([64, 128]), 128,
              64, [], 16_384, 0.01171875, "a budget may be spent.", "Which parts does the latency have?",
              "Is a budget kept by whoever reaches it?")


def _machine(rng, blocks, per_sample, fixed, calls=120):
    """Measured times: something for each block, something for each sample, and now and then much more."""
    blocks = np.asarray(blocks)
    seconds = fixed + per_sample * blocks[:, None] * rng.uniform(0.8, 1.3, (len(blocks), calls))
    seconds[rng.random(seconds.shape) < 0.005] *= 8
    return seconds


@latency_budget.properties
def a_larger_block_may_be_earlier(t):
    _budgeted(t, "blocks of 128, 144 and 160, a hop of 80, and a budget of 15.5 ms", [128, 144, 160],
              _quick([1, 2, 3], 0.0001), 160, 80, [], 16_000, 0.0155, "the multiple of the hop is the earliest of the "
              "three, and the only one in budget.", "How many samples are left over at the end of a block, at most?",
              "Did you look at all of them?")


@latency_budget.properties
def in_any_order(t):
    blocks = t.rng.permutation([32, 48, 80, 96, 160, 176, 240, 320])
    seconds = _machine(t.rng, blocks, 4e-6, 5e-4)
    once = t.on("eight sizes")(blocks, seconds, 160, 80, [16], 16_000, 0.025)
    again = t.on("the same in another order")(blocks[::-1].copy(), seconds[::-1].copy(), 160, 80, [16], 16_000, 0.025)
    t.close(again[0], once[0][::-1], atol=1e-12, says="In another order each size should have the latency that it had.",
            ask="To which size does a row of times belong?")
    t.holds(again[1] == once[1], f"Of the same sizes in another order you choose **{briefly(again[1])}**, and before "
            f"{briefly(once[1])}.", ask="Is it a size that is asked for, or its place?")


@latency_budget.properties
def twice_the_rate(t):
    blocks, delays = np.array([40, 64, 100, 160, 250]), [8, 30]
    seconds = _machine(t.rng, blocks, 5e-6, 2e-4)
    latency, best = t.on("five sizes at 16 kHz")(blocks, seconds, 128, 64, delays, 16_000, 0.022)
    _half = t.on("the same at 32 kHz, all times half as long")(blocks, seconds / 2, 128, 64, delays, 32_000, 0.011)
    t.close(_half[0], latency / 2, atol=1e-12, rtol=1e-9, says="Everything should be half as late.",
            ask="Is something counted that has no unit?")
    t.holds(_half[1] == best, f"Half as late, in half the budget: you choose **{briefly(_half[1])}**, and before "
            f"{briefly(best)}.", ask="In which unit is the budget?")


@latency_budget.properties
def a_larger_budget_never_hurts(t):
    blocks = np.array([16, 80, 128, 160, 256, 320])
    seconds = _machine(t.rng, blocks, 3e-6, 8e-4)
    chosen = [t.on(f"a budget of {1000 * budget:.0f} ms")(blocks, seconds, 160, 80, [], 16_000, budget)[1] or 0
              for budget in (0.005, 0.012, 0.02, 0.03, 0.5)]
    t.holds(chosen == sorted(chosen) and chosen[-1] == 320, "With budgets of 5, 12, 20, 30 and 500 ms you choose "
            f"blocks of **{_row(chosen)}**. A larger budget allows larger blocks, at last the largest.",
            ask="Which of those that keep the budget is wanted?")


@latency_budget.reference
def agrees_with_samples_counted_one_by_one(t):
    for window, hop, block in ((160, 80, 100), (64, 16, 24), (512, 128, 96), (90, 60, 35), (128, 64, 192)):
        k = np.arange(3 * block)                                # frame k is complete when (k + 1) hops have come
        noticed = -(-(k + 1) * hop // block) * block            # at the end of which block that is
        worst = int((noticed - (k * hop - (window - hop))).max())       # its first sample is finished with it
        latency, _ = t.on(f"frames of {window}, a hop of {hop}, blocks of {block}, and no compute")(
            np.array([block]), _quick([block]), window, hop, [], 16_000, 1.0)
        t.close(16_000 * latency, [float(worst)], atol=1e-6, says="The latency, in samples, has to be what is found by "
                "counting, for each frame, at the end of which block it is complete.",
                ask="How many samples are left over at the end of a block?")


@latency_budget.reference
def agrees_with_numpy_percentile(t):
    blocks = t.rng.choice(np.arange(10, 500), 20, replace=False)
    seconds = _machine(t.rng, blocks, 6e-6, 1e-3, calls=300)
    compute = np.percentile(seconds, 99, axis=1, method="inverted_cdf")
    want = np.where(compute <= blocks / 16_000, (blocks + 240 - np.gcd(blocks, 120) + 30) / 16_000 + compute, np.inf)
    got = t.on("twenty sizes and 300 calls of each")(blocks, seconds, 240, 120, [30], 16_000, 0.04)
    t.close(got[0], want, atol=1e-9, says="It has to agree with `np.percentile` by the inverted distribution.",
            ask="Which percentile, and by which of its methods?")


def _chain(blocks, seconds, window, hop, delays, sr, budget, parts=None, compute=None, keeps=None, best=None):
    """What a mistake adds up and chooses: other parts in samples, other times, other blocks."""
    parts = blocks + window - np.gcd(blocks, hop) + sum(delays) if parts is None else parts
    compute = np.percentile(seconds, 99, axis=1, method="inverted_cdf") if compute is None else compute
    keeps = compute <= blocks / sr if keeps is None else keeps
    latency = np.where(keeps, parts / sr + compute, np.inf)
    fits = blocks[latency <= budget].tolist()
    return latency, best(blocks, latency, fits) if best else max(fits, default=None)


@latency_budget.mistake("You take every block for a multiple of the hop. Of others, samples are left over that wait "
                        "for the next block.", ask="How many samples are left over at the end of a block?")
def always_a_multiple(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, blocks + window - hop + sum(delays))


@latency_budget.mistake("You add block and frame as if the one began when the other ends: the last hop of the frame is "
                        "the block's own.", ask="Which part of a frame comes after the hop that is just full?")
def block_and_whole_frame(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, blocks + window + sum(delays))


@latency_budget.mistake("You count the samples that are left over after the first block. After others it can be more.",
                        ask="What is the most that is ever left over, of all blocks?")
def left_over_after_the_first(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, blocks + window - hop + blocks % hop + sum(delays))


@latency_budget.mistake("You forget that a block has to be full before anything can be done with it.",
                        ask="How long does the first sample of a block wait for its last?")
def block_left_out(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, window - np.gcd(blocks, hop) + sum(delays))


@latency_budget.mistake("Of several delays you take the longest. They stand one behind the other.",
                        ask="Do delays one behind the other add up?")
def longest_delay(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget,
                  blocks + window - np.gcd(blocks, hop) + max(delays, default=0))


@latency_budget.mistake("You take the mean of the times. Half of all blocks, or nearly so, would come too late.",
                        ask="Is it the mean, the slowest, or the 99th percentile?")
def mean_time(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, compute=seconds.mean(axis=1))


@latency_budget.mistake("You take the slowest call of all. It says what happened once, not what has to be expected.",
                        ask="Is it the mean, the slowest, or the 99th percentile?")
def slowest_call(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, compute=seconds.max(axis=1))


@latency_budget.mistake("Your percentile lies between two calls, and was never measured.",
                        ask="Which percentile, and by which of its methods?")
def between_two_calls(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, compute=np.percentile(seconds, 99, axis=1))


@latency_budget.mistake("You do not ask whether it keeps up. Where work takes longer than the block lasts, latency "
                        "grows without end.",
                        ask="For how long does a block last, and how long does the work on it take?")
def never_asked_whether_it_keeps_up(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, keeps=np.ones(len(blocks), bool))


@latency_budget.mistake("You ask whether it keeps up on average. What is held against the length of a block is the "
                        "99th percentile, as for the latency.", ask="Which time is held against the length of a block?")
def keeps_up_on_average(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, keeps=seconds.mean(axis=1) <= blocks / sr)


@latency_budget.mistake("The time of the work is missing: what you add up is the algorithm's share alone.",
                        ask="What does a computer need, beside what no faster one could spare?")
def algorithm_alone(blocks, seconds, window, hop, delays, sr, budget):
    keeps = np.percentile(seconds, 99, axis=1, method="inverted_cdf") <= blocks / sr
    return _chain(blocks, seconds, window, hop, delays, sr, budget, compute=0.0, keeps=keeps)


@latency_budget.mistake("You choose the block that is earliest, not the largest that is early enough.",
                        ask="Which of those that keep the budget is wanted?")
def the_earliest(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, best=lambda blocks, latency, fits:
                  int(blocks[latency.argmin()]) if fits else None)


@latency_budget.mistake("You return the place of the block in the list, not its size.",
                        ask="Is it a size that is asked for, or its place?")
def its_place(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, best=lambda blocks, latency, fits:
                  int(np.flatnonzero(blocks == max(fits))[0]) if fits else None)


@latency_budget.mistake("You stop at the first size, from small to large, that is beyond the budget. A larger one may "
                        "be earlier again.", ask="Did you look at all of them?")
def stopped_at_the_first(blocks, seconds, window, hop, delays, sr, budget):
    def best(blocks, latency, fits):
        found = None
        for i in np.argsort(blocks):
            if latency[i] > budget:
                return found
            found = int(blocks[i])
        return found

    return _chain(blocks, seconds, window, hop, delays, sr, budget, best=best)


@latency_budget.mistake("Whoever reaches the budget exactly is out with you.", ask="Is a budget kept by whoever "
                        "reaches it?")
def strictly_within(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, best=lambda blocks, latency, fits:
                  max(blocks[latency < budget].tolist(), default=None))


@latency_budget.mistake("If none keeps the budget you choose one all the same.", ask="What is the largest of none?")
def one_all_the_same(blocks, seconds, window, hop, delays, sr, budget):
    return _chain(blocks, seconds, window, hop, delays, sr, budget, best=lambda blocks, latency, fits:
                  max(fits, default=int(blocks[latency.argmin()])))
