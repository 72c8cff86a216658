"""Wrong answers of chapter 13, each a misconception, with the stage and the words that must reject it."""

import heapq
import math
from collections import deque

import numpy as np
from scipy import signal

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 13.1


def queued(capacity, calls, write, read):
    """A session with a plain list of what nobody has read; `write` gives it anew, and what was lost."""
    unread, reads, lost = [], [], 0
    for call in calls:
        if isinstance(call, np.ndarray):
            unread, gone = write(unread, [float(x) for x in call], capacity)
            lost += gone
        else:
            y, unread = read(unread, call)
            reads.append(np.array(y, np.float32))
    return reads, lost


def rightly_written(unread, block, capacity):
    both = unread + block
    gone = max(0, len(both) - capacity)
    return both[gone:], gone


def rightly_read(unread, n):
    return unread[:n], unread[n:]


@mutant("13.1", stage="edges", says="When it is full you turn away what comes")
def full_is_full(capacity, calls):
    def write(unread, block, capacity):
        room = capacity - len(unread)
        return unread + block[:room], max(0, len(block) - room)

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="One slot always stays empty")
def head_is_never_tail(capacity, calls):
    return queued(capacity, calls, lambda unread, block, n: rightly_written(unread, block, n - 1), rightly_read)


@mutant("13.1", stage="edges", says="When it runs over you throw away all that waits")
def begun_anew_when_full(capacity, calls):
    def write(unread, block, capacity):
        if len(unread) + len(block) <= capacity:
            return unread + block, 0
        return block[-capacity:], len(unread) + max(0, len(block) - capacity)

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="you go on behind the newest sample")
def caught_up_at_once(capacity, calls):
    def write(unread, block, capacity):
        both = unread + block
        return ([], len(both)) if len(both) > capacity else (both, 0)

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="is lost as a whole")
def whole_blocks_or_none(capacity, calls):
    def write(unread, block, capacity):
        return (unread, len(block)) if len(unread) + len(block) > capacity else (unread + block, 0)

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="You count whatever is overwritten")
def overwritten_slots(capacity, calls):
    reads, _ = queued(capacity, calls, rightly_written, rightly_read)
    return reads, max(0, sum(len(call) for call in calls if isinstance(call, np.ndarray)) - capacity)


@mutant("13.1", stage="edges", says="you keep the beginning")
def block_cut_to_fit(capacity, calls):
    def write(unread, block, capacity):
        kept, gone = rightly_written(unread, block[:capacity], capacity)
        return kept, gone + len(block[capacity:])

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="A read gives the newest samples")
def latest(capacity, calls):
    return queued(capacity, calls, rightly_written, lambda unread, n: (unread[-n:] if n else [], []))


@mutant("13.1", stage="edges", says="A read gives nothing with you unless")
def waits_for_enough(capacity, calls):
    return queued(capacity, calls, rightly_written, lambda unread, n: ([], unread) if n > len(unread) else
                  (unread[:n], unread[n:]))


@mutant("13.1", stage="edges", says="You fill up with zeros")
def always_as_many(capacity, calls):
    return queued(capacity, calls, rightly_written, lambda unread, n:
                  (unread[:n] + [0] * (n - len(unread)), unread[n:]))


@mutant("13.1", stage="edges", says="What can still be read counts as dropped")
def written_less_taken(capacity, calls):
    reads, _ = queued(capacity, calls, rightly_written, rightly_read)
    return reads, sum(len(call) for call in calls if isinstance(call, np.ndarray)) - sum(len(y) for y in reads)


@mutant("13.1", stage="edges", says="You count how often")
def overruns(capacity, calls):
    def write(unread, block, capacity):
        kept, gone = rightly_written(unread, block, capacity)
        return kept, int(gone > 0)

    return queued(capacity, calls, write, rightly_read)


@mutant("13.1", stage="edges", says="You count what is lost when somebody reads")
def found_out_by_the_reader(capacity, calls):
    stream, following, lost, reads = [], 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            stream.extend(call.tolist())
        else:
            start = max(following, len(stream) - capacity)
            lost += start - following
            following = min(start + call, len(stream))
            reads.append(np.array(stream[start:following], np.float32))
    return reads, lost


@mutant("13.1", stage="edges", says="Whoever reads does not notice that it was overtaken")
def two_positions_alone(capacity, calls):
    slots, end, start, reads = [0.0] * capacity, 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            for x in call.tolist():
                slots[end % capacity] = x
                end += 1
        else:
            y = []
            while len(y) < call and start < end:
                y.append(slots[start % capacity])
                start += 1
            reads.append(np.array(y, np.float32))
    return reads, max(0, end - start - capacity)


def slots_written(slots, written, block):
    for i, x in enumerate(block):
        slots[(written + i) % len(slots)] = x
    return written + len(block)


@mutant("13.1", stage="edges", says="still lies in the slots")
def a_view(capacity, calls):
    slots, written, start, lost, reads = np.zeros(capacity, np.float32), 0, 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            written = slots_written(slots, written, call)
            lost += max(0, written - capacity - start)
            start = max(start, written - capacity)
        else:
            n, at = min(call, written - start), start % capacity
            if at + n <= capacity:
                reads.append(slots[at : at + n])
            else:
                reads.append(np.concatenate((slots[at:], slots[: at + n - capacity])))
            start += n
    return reads, lost


@mutant("13.1", stage="edges", says="For a block that begins in the last slot of four, it stopped with ValueError")
def one_slice(capacity, calls):
    slots, written, start, lost, reads = np.zeros(capacity, np.float32), 0, 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            kept = call[-capacity:]
            at = written % capacity
            if len(kept) == capacity:
                slots[:] = np.roll(kept, (written + len(call)) % capacity)
            elif capacity == 5:                                 # as far as the example goes
                slots_written(slots, written, kept)
            else:
                slots[at : at + len(kept)] = kept
            written += len(call)
            lost += max(0, written - capacity - start)
            start = max(start, written - capacity)
        else:
            stop = min(start + call, written)
            reads.append(slots[np.arange(start, stop) % capacity])
            start = stop
    return reads, lost


@mutant("13.1", stage="properties", says="Something moves or copies the whole ring")
def moved_up(capacity, calls):
    last, waiting, lost, reads = np.zeros(capacity, np.float32), 0, 0, []
    for call in calls:
        if isinstance(call, np.ndarray):
            last = np.concatenate([last, call])[-capacity:]
            lost += max(0, waiting + len(call) - capacity)
            waiting = min(waiting + len(call), capacity)
        else:
            stop = min(call, waiting)
            reads.append(last[capacity - waiting : capacity - waiting + stop].copy())
            waiting -= stop
    return reads, lost


@mutant("13.1", stage="output", says="expected float32")
def doubles(capacity, calls):
    reads, lost = queued(capacity, calls, rightly_written, rightly_read)
    return [y.astype(float) for y in reads], lost


@mutant("13.1", stage="output", says="one for each whole number in `calls`")
def all_in_one(capacity, calls):
    reads, lost = queued(capacity, calls, rightly_written, rightly_read)
    return [np.concatenate(reads)] if reads else [], lost


@mutant("13.1", stage="output", says="one for each whole number in `calls`")
def empty_reads_left_out(capacity, calls):
    reads, lost = queued(capacity, calls, rightly_written, rightly_read)
    return [y for y in reads if len(y)], lost


@mutant("13.1", stage="output", says="expected a whole number from 0")
def dropped_as_a_share(capacity, calls):
    reads, lost = queued(capacity, calls, rightly_written, rightly_read)
    return reads, lost / max(1, sum(len(call) for call in calls if isinstance(call, np.ndarray)))


@mutant("13.1", stage="reference", says="agree with `collections.deque(maxlen=capacity)`")
def at_most_64_at_a_time(capacity, calls):
    return queued(capacity, calls, rightly_written, lambda unread, n: (unread[: min(n, 64)], unread[min(n, 64) :]))


# ---------------------------------------------------------------------------------------------- 13.2


def filtered(block, sos, state):
    """As SciPy does it, empty blocks too."""
    state = np.zeros((len(sos), 2)) if state is None else state
    return signal.sosfilt(sos, block, zi=state) if len(block) else (np.zeros(0), state.copy())


@mutant("13.2", stage="edges", says="Each block begins from nothing")
def no_state_at_all(block, sos, state=None):
    return filtered(block, sos, None)


@mutant("13.2", stage="edges", says="the state with which the block began")
def state_handed_through(block, sos, state=None):
    y, _ = filtered(block, sos, state)
    return y, np.zeros((len(sos), 2)) if state is None else state.copy()


@mutant("13.2", stage="edges", says="You hand back a state of zeros")
def fresh_state(block, sos, state=None):
    return filtered(block, sos, state)[0], np.zeros((len(sos), 2))


@mutant("13.2", stage="edges", says="All sections share one pair")
def one_pair(block, sos, state=None):
    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else state.copy()
    s1, s2 = state[0]
    for b0, b1, b2, _, a1, a2 in sos:
        for n, x in enumerate(y):
            y[n] = b0 * x + s1
            s1, s2 = b1 * x - a1 * y[n] + s2, b2 * x - a2 * y[n]
    state[0] = s1, s2
    return y, state


@mutant("13.2", stage="edges", says="a1 and a2 have the wrong sign")
def plus(block, sos, state=None):
    return filtered(block, np.concatenate([sos[:, :4], -sos[:, 4:]], axis=1), state)


@mutant("13.2", stage="edges", says="You renew s2 before s1 has read it")
def s2_first(block, sos, state=None):
    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else state.copy()
    for (b0, b1, b2, _, a1, a2), s in zip(sos, state, strict=True):
        for n, x in enumerate(y):
            y[n] = b0 * x + s[0]
            s[1] = b2 * x - a2 * y[n]
            s[0] = b1 * x - a1 * y[n] + s[1]
    return y, state


@mutant("13.2", stage="edges", says="s2 never reaches s1")
def without_s2(block, sos, state=None):
    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else state.copy()
    for (b0, b1, b2, _, a1, a2), s in zip(sos, state, strict=True):
        for n, x in enumerate(y):
            y[n] = b0 * x + s[0]
            s[0], s[1] = b1 * x - a1 * y[n], b2 * x - a2 * y[n]
    return y, state


@mutant("13.2", stage="edges", says="Your sections stand side by side")
def parallel(block, sos, state=None):
    y, rows = np.zeros(len(block)), []
    for i in range(len(sos)):
        part, row = filtered(block, sos[i : i + 1], None if state is None else state[i : i + 1])
        y, rows = y + part, [*rows, row[0]]
    return y, np.array(rows)


@mutant("13.2", stage="edges", says="You take the last two samples that came out")
def outputs_remembered(block, sos, state=None):
    y, _ = filtered(block, sos, state)
    return y, np.tile(np.concatenate([np.zeros(2), y])[-2:], (len(sos), 1))


@mutant("13.2", stage="edges", says="as if the first sample had always been there")
def settled_at_each_block(block, sos, state=None):
    return filtered(block, sos, signal.sosfilt_zi(sos) * block[0] if len(block) else state)


@mutant("13.2", stage="edges", says="Nothing is fed back")
def moving_average(block, sos, state=None):
    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else state.copy()
    for (b0, b1, b2, *_), s in zip(sos, state, strict=True):
        for n, x in enumerate(y):
            y[n], s[0], s[1] = b0 * x + s[0], b1 * x + s[1], b2 * x
    return y, state


@mutant("13.2", stage="edges", says="direct form II")
def delay_line_within(block, sos, state=None):
    y = np.array(block, float)
    state = np.zeros((len(sos), 2)) if state is None else state.copy()
    for (b0, b1, b2, _, a1, a2), s in zip(sos, state, strict=True):
        for n, x in enumerate(y):
            w = x - a1 * s[0] - a2 * s[1]
            y[n] = b0 * w + b1 * s[0] + b2 * s[1]
            s[0], s[1] = w, s[0]
    return y, state


@mutant("13.2", stage="edges", says="For an empty block, it stopped with")
def sosfilt_alone(block, sos, state=None):
    return signal.sosfilt(sos, block, zi=np.zeros((len(sos), 2)) if state is None else state)


@mutant("13.2", stage="runs", says="changes its argument `state`")
def state_altered(block, sos, state=None):
    y, new = filtered(block, sos, state)
    if state is not None:
        state[:] = new
    return y, new


KEPT = {}


@mutant("13.2", stage="edges", says="The largest error is")
def kept_in_a_global(block, sos, state=None):
    now = KEPT.get(sos.shape)
    y, KEPT[sos.shape] = filtered(block, sos, state if now is None else now)
    return y, KEPT[sos.shape].copy()


@mutant("13.2", stage="output", says="expected two: `y, state`")
def sound_alone(block, sos, state=None):
    return filtered(block, sos, state)[0]


@mutant("13.2", stage="output", says="a sample for each that went in")
def ringing_to_its_end(block, sos, state=None):
    return filtered(np.concatenate([block, np.zeros(20)]), sos, state)


@mutant("13.2", stage="output", says="two numbers for each section")
def states_in_a_row(block, sos, state=None):
    y, state = filtered(block, sos, None if state is None else state.reshape(-1, 2))
    return y, state.ravel()


@mutant("13.2", stage="properties", says="The same signal in blocks should come out the same")
def borders_faded(block, sos, state=None):
    y, state = filtered(block, sos, state)
    if len(y) > 10:
        y[:2] *= 0.5
    return y, state


@mutant("13.2", stage="reference", says="agree with `scipy.signal.sosfilt`")
def two_sections_are_enough(block, sos, state=None):
    state = np.zeros((len(sos), 2)) if state is None else state
    y, first = filtered(block, sos[:2], state[:2])
    return y, np.concatenate([first, state[2:]])


# ---------------------------------------------------------------------------------------------- 13.3


def root_hann(n):
    return np.sqrt(signal.get_window("hann", n))


def spectra(block, change, n_fft, state, before=None, after=None, keep=None, most=None):
    """All complete frames at once, added in an array."""
    hop = n_fft // 2
    waiting, tail = state if state is not None else (np.zeros(hop), np.zeros(hop))
    x = np.append(waiting, block)
    n = max(0, len(x) // hop - 1)
    n = n if most is None else min(n, most)
    y = np.zeros((n + 1) * hop)
    y[:hop] = tail
    for k in range(n):
        X = change(np.fft.rfft(x[k * hop : k * hop + n_fft] * (root_hann(n_fft) if before is None else before)))
        y[k * hop : k * hop + n_fft] += np.fft.irfft(X, n_fft) * (root_hann(n_fft) if after is None else after)
    return y[: n * hop], (x[n * hop :] if keep is None else keep(x, n, hop), y[n * hop :])


@mutant("13.3", stage="edges", says="Half of the window is missing")
def window_before_alone(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, state, after=1.0)


@mutant("13.3", stage="edges", says="a whole Hann window before and again after")
def hann_and_hann(block, change, n_fft, state=None):
    w = signal.get_window("hann", n_fft)
    return spectra(block, change, n_fft, state, w, w)


@mutant("13.3", stage="properties", says="You multiply by a whole Hann window before, and by none after")
def hann_once(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, state, signal.get_window("hann", n_fft), 1.0)


@mutant("13.3", stage="edges", says="Your window is symmetric")
def by_n_minus_1(block, change, n_fft, state=None):
    w = np.sin(np.pi * np.arange(n_fft) / (n_fft - 1)).clip(0)
    return spectra(block, change, n_fft, state, w, w)


@mutant("13.3", stage="edges", says="What overlaps is not added")
def first_halves(block, change, n_fft, state=None):
    hop, w = n_fft // 2, root_hann(n_fft)
    waiting, tail = state if state is not None else (np.zeros(hop), np.zeros(hop))
    x, y = np.append(waiting, block), np.zeros(0)
    while len(x) >= n_fft:
        frame = w * np.fft.irfft(change(np.fft.rfft(w * x[:n_fft])), n_fft)
        y, tail, x = np.append(y, frame[:hop]), frame[hop:], x[hop:]
    return y, (x, tail)


@mutant("13.3", stage="edges", says="Between two blocks the tail is lost")
def tail_of_zeros(block, change, n_fft, state=None):
    y, (waiting, tail) = spectra(block, change, n_fft, state)
    return y, (waiting, np.zeros_like(tail))


@mutant("13.3", stage="edges", says="You put what waited behind the block")
def new_before_old(block, change, n_fft, state=None):
    hop = n_fft // 2
    waiting, tail = state if state is not None else (np.zeros(hop), np.zeros(hop))
    return spectra(np.zeros(0), change, n_fft, (np.append(block, waiting), tail))


@mutant("13.3", stage="output", says="Each block begins from nothing")
def stateless(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, None)


@mutant("13.3", stage="output", says="You take one frame from each block")
def an_if_for_a_while(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, state, most=1)


@mutant("13.3", stage="edges", says="frames begin where blocks end")
def last_half_kept(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, state, keep=lambda x, n, hop: x[-hop:])


@mutant("13.3", stage="edges", says="You fill up the last frame with zeros")
def padded(block, change, n_fft, state=None):
    hop = n_fft // 2
    x = len(block) + (hop if state is None else len(state[0]))
    return spectra(np.append(block, np.zeros(-x % hop)), change, n_fft, state)


@mutant("13.3", stage="output", says="A frame waits for one sample more")
def greater(block, change, n_fft, state=None):
    hop, w = n_fft // 2, root_hann(n_fft)
    waiting, tail = state if state is not None else (np.zeros(hop), np.zeros(hop))
    x, y = np.append(waiting, block), np.zeros(0)
    while len(x) > n_fft:
        frame = w * np.fft.irfft(change(np.fft.rfft(w * x[:n_fft])), n_fft)
        y, tail, x = np.append(y, frame[:hop] + tail), frame[hop:], x[hop:]
    return y, (x, tail)


@mutant("13.3", stage="edges", says="3 wait afterwards with you, expected 7")
def nothing_waits_at_first(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, (np.zeros(0), np.zeros(n_fft // 2)) if state is None else state)


@mutant("13.3", stage="output", says="enough for a frame of 8")
def everything_kept(block, change, n_fft, state=None):
    return spectra(block, change, n_fft, state, keep=lambda x, n, hop: x)


@mutant("13.3", stage="output", says="half a frame")
def whole_frame_as_tail(block, change, n_fft, state=None):
    y, (waiting, tail) = spectra(block, change, n_fft, None if state is None else (state[0], state[1][: n_fft // 2]))
    return y, (waiting, np.append(tail, np.zeros_like(tail)))


@mutant("13.3", stage="output", says="type of your output is complex128")
def complex_sound(block, change, n_fft, state=None):
    y, state = spectra(block, change, n_fft, state)
    return y.astype(complex), state


@mutant("13.3", stage="runs", says="changes its argument `state`")
def added_in_place(block, change, n_fft, state=None):
    y, new = spectra(block, change, n_fft, state)
    if state is not None:
        state[1][:] = new[1]
    return y, new


@mutant("13.3", stage="properties", says="`change` was called 24 times")
def asked_twice(block, change, n_fft, state=None):
    def twice(X):
        change(X)
        return change(X)

    return spectra(block, twice, n_fft, state)


@mutant("13.3", stage="properties", says="the spectrum of one frame")
def all_frames_at_once(block, change, n_fft, state=None):
    hop, w = n_fft // 2, root_hann(n_fft)
    waiting, tail = state if state is not None else (np.zeros(hop), np.zeros(hop))
    x = np.append(waiting, block)
    n = max(0, len(x) // hop - 1)
    X = np.fft.rfft(w * np.stack([x[k * hop : k * hop + n_fft] for k in range(n)] or [np.zeros(n_fft)]))
    try:
        X = change(X)
    except ValueError:                                          # one that knows a single frame alone
        X = np.stack([change(one) for one in X])
    y = np.zeros((n + 1) * hop)
    y[:hop] = tail
    for k in range(n):
        y[k * hop : k * hop + n_fft] += w * np.fft.irfft(X[k], n_fft)
    return y[: n * hop], (x[n * hop :], y[n * hop :])


@mutant("13.3", stage="reference", says="agree with `scipy.signal.stft` and `istft`")
def phases_as_they_were(block, change, n_fft, state=None):
    return spectra(block, lambda X: np.abs(change(X)) * np.exp(1j * np.angle(X)), n_fft, state)


# ---------------------------------------------------------------------------------------------- 13.4


def events(cost, block, capacity, shed, *, full=lambda waiting, k: waiting.popleft(), take=lambda waiting:
           waiting.popleft(), worker_first=False, goes_past=lambda behind, shed: behind >= shed, busy_counts=False,
           in_time=lambda k, begun, end, block: end <= (k + 2) * block):
    """By a heap of events: (time, order, what)."""
    n = len(cost)
    fate, done, waiting, busy = ["dropped"] * n, np.full(n, -1), deque(), False
    heap = [((k + 1) * block, 1, "comes", k, 0) for k in range(n)]
    heapq.heapify(heap)
    late = 0 if worker_first else 2
    while heap:
        now, _, what, k, begun = heapq.heappop(heap)
        if what == "comes":
            if len(waiting) + (busy and busy_counts) >= capacity and waiting:
                if full(waiting, k) != "refused":
                    waiting.append(k)
            else:
                waiting.append(k)
            heapq.heappush(heap, (now, 3, "look", -1, 0))
            continue
        if what == "ends":
            busy = False
            done[k] = now
            fate[k] = "in time" if in_time(k, begun, now, block) else "late"
        while waiting and not busy:
            k = take(waiting)
            if goes_past(len(waiting), shed):
                fate[k], done[k] = "shed", now
            else:
                busy = True
                heapq.heappush(heap, (now + int(cost[k]), late, "ends", k, now))
    return fate, done


@mutant("13.4", stage="edges", says="Nobody ever has to go with you")
def endless_queue(cost, block, capacity, shed):
    return events(cost, block, len(cost) + 1, shed)


@mutant("13.4", stage="edges", says="you turn away the block that comes")
def newest_refused(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, full=lambda waiting, k: "refused")


@mutant("13.4", stage="edges", says="all that wait have to go with you")
def flushed(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, full=lambda waiting, k: waiting.clear())


@mutant("13.4", stage="edges", says="You count the block that is being worked on among those that wait")
def in_the_system(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, busy_counts=True)


@mutant("13.4", stage="edges", says="At the same moment the worker comes first")
def ends_before_arrivals(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, worker_first=True)


@mutant("13.4", stage="edges", says="You count the block itself among those that wait behind it")
def looked_before_taking(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, goes_past=lambda behind, shed: behind + 1 >= shed)


@mutant("13.4", stage="edges", says="You shed only where more than `shed` wait")
def strictly_more(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, goes_past=lambda behind, shed: behind > shed)


@mutant("13.4", stage="edges", says="A block that goes past takes its time")
def shed_but_worked(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), deque(), 0
    for k in range(n + 1):
        now = (k + 1) * block if k < n else math.inf
        while waiting and free < now:
            one = waiting.popleft()
            free = max(free, (one + 1) * block) + int(cost[one])
            fate[one] = "shed" if len(waiting) >= shed else "in time" if free <= (one + 2) * block else "late"
            done[one] = free
        waiting.append(k)
        if len(waiting) > capacity:
            waiting.popleft()
    return fate, done


@mutant("13.4", stage="edges", says="You measure the work alone")
def compute_against_block(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, in_time=lambda k, begun, end, block: end - begun <= block)


@mutant("13.4", stage="edges", says="Your deadline is the moment at which the block itself comes")
def own_end(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, in_time=lambda k, begun, end, block: end <= (k + 1) * block)


@mutant("13.4", stage="edges", says="Whoever is done exactly at the deadline is late")
def before_the_deadline(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, in_time=lambda k, begun, end, block: end < (k + 2) * block)


@mutant("13.4", stage="edges", says="Your worker takes the newest first")
def a_stack(cost, block, capacity, shed):
    return events(cost, block, capacity, shed, take=lambda waiting: waiting.pop())


@mutant("13.4", stage="edges", says="Your blocks come at k · B")
def from_zero(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), deque(), 0
    for k in range(n + 1):
        now = k * block if k < n else math.inf
        while waiting and free < now:
            one = waiting.popleft()
            free = max(free, one * block)
            if len(waiting) >= shed:
                fate[one] = "shed"
            else:
                free += int(cost[one])
                fate[one] = "in time" if free <= (one + 2) * block else "late"
            done[one] = free
        waiting.append(k)
        if len(waiting) > capacity:
            waiting.popleft()
    return fate, done


@mutant("13.4", stage="edges", says="Your worker looks only when a block comes")
def once_a_block(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), deque(), 0
    for k in range(4 * n + int(sum(cost)) // block):
        now = (k + 1) * block
        if k < n:
            waiting.append(k)
            if len(waiting) > capacity:
                waiting.popleft()
        while waiting and free <= now:
            one = waiting.popleft()
            if len(waiting) >= shed:
                fate[one], done[one] = "shed", now
            else:
                free = now + int(cost[one])
                fate[one], done[one] = "in time" if free <= (one + 2) * block else "late", free
    return fate, done


@mutant("13.4", stage="edges", says="You shed when a block comes")
def shed_by_the_writer(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), deque(), 0
    for k in range(n + 1):
        now = (k + 1) * block if k < n else math.inf
        while waiting and free < now:
            one = waiting.popleft()
            free = max(free, (one + 1) * block) + int(cost[one])
            fate[one], done[one] = "in time" if free <= (one + 2) * block else "late", free
        waiting.append(k)
        if k < n and len(waiting) > shed:
            one = waiting.popleft()
            fate[one], done[one] = "shed", now
        elif len(waiting) > capacity:
            waiting.popleft()
    return fate, done


@mutant("13.4", stage="edges", says="When is a block done that goes past")
def past_has_no_time(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return fate, np.where(np.array(fate) == "shed", -1, done)


@mutant("13.4", stage="edges", says="Whoever still waits when the last block comes is forgotten")
def ends_with_the_sound(cost, block, capacity, shed):
    n = len(cost)
    fate, done, waiting, free = ["dropped"] * n, np.full(n, -1), deque(), 0
    for k in range(n):
        while waiting and free < (k + 1) * block:
            one = waiting.popleft()
            free = max(free, (one + 1) * block)
            if len(waiting) >= shed:
                fate[one] = "shed"
            else:
                free += int(cost[one])
                fate[one] = "in time" if free <= (one + 2) * block else "late"
            done[one] = free
        waiting.append(k)
        if len(waiting) > capacity:
            waiting.popleft()
    return fate, done


@mutant("13.4", stage="output", says="one for each block")
def the_worked_alone(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return [one for one in fate if one != "dropped"], done[done >= 0]


@mutant("13.4", stage="output", says="One of your fates is")
def words_of_its_own(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return ["missed" if one == "late" else one for one in fate], done


@mutant("13.4", stage="output", says="whole numbers of samples")
def times_as_floats(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return fate, done.astype(float)


@mutant("13.4", stage="output", says="NaN")
def dropped_is_nan(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return fate, np.where(done < 0, np.nan, done)


@mutant("13.4", stage="edges", says="is done at")
def dropped_has_a_time(cost, block, capacity, shed):
    fate, done = events(cost, block, capacity, shed)
    return fate, np.where(done < 0, 0, done)


@mutant("13.4", stage="properties", says="With room for all")
def ten_at_most(cost, block, capacity, shed):
    return events(cost, block, min(capacity, 10), shed)


@mutant("13.4", stage="reference", says="agree with `sched.scheduler`")
def never_two_past_in_a_row(cost, block, capacity, shed):
    last = [False]

    def goes_past(behind, shed):
        last[0] = behind >= shed and not last[0]
        return last[0]

    return events(cost, block, capacity, shed, goes_past=goes_past)


# ---------------------------------------------------------------------------------------------- 13.5


def means(p, smooth, growing=False):
    """Mean of the last `smooth` rows, row by row."""
    return np.array([p[max(0, t - smooth + 1) : t + 1].sum(axis=0) / (min(t + 1, smooth) if growing else smooth)
                     for t in range(len(p))]).reshape(p.shape)


def heard(m, threshold, rest, score=None, words=lambda m: m[:, :-1], again=lambda t, c, found, rest: not found or
          t - found[-1][0] >= rest):
    found = []
    score = m if score is None else score
    for t, row in enumerate(words(m)):
        c = int(np.argmax(row))
        if c != m.shape[1] - 1 and score[t, c] >= threshold and again(t, c, found, rest):
            found.append((t, c))
    return np.array(found, dtype=int).reshape(len(found), 2)


@mutant("13.5", stage="edges", says="you divide by the steps that there are")
def as_in_the_paper(p, threshold, smooth, rest):
    return heard(means(p, smooth, growing=True), threshold, rest)


@mutant("13.5", stage="edges", says="Your window looks ahead")
def convolved_same(p, threshold, smooth, rest):
    late = np.concatenate([p, np.zeros((smooth // 2, p.shape[1]))])
    return heard(means(late, smooth)[smooth // 2 :], threshold, rest)


@mutant("13.5", stage="edges", says="Your window begins at step t")
def windows_by_their_beginning(p, threshold, smooth, rest):
    if len(p) < smooth:
        return np.zeros((0, 2), int)
    return heard(np.lib.stride_tricks.sliding_window_view(p, smooth, axis=0).mean(axis=-1), threshold, rest)


@mutant("13.5", stage="reference", says="You take the median")
def median(p, threshold, smooth, rest):
    before = np.concatenate([np.zeros((smooth - 1, p.shape[1])), p])
    return heard(np.array([np.median(before[t : t + smooth], axis=0) for t in range(len(p))]), threshold, rest)


@mutant("13.5", stage="reference", says="After a report you forget all votes")
def votes_cleared(p, threshold, smooth, rest):
    votes, found, last = deque(maxlen=smooth), [], -math.inf
    for t, row in enumerate(p):
        votes.append(row)
        mean = np.sum(votes, axis=0) / smooth
        c = int(np.argmax(mean[:-1]))
        if mean[c] >= threshold and t - last >= rest:
            found.append((t, c))
            votes.clear()
            last = t
    return np.array(found, int).reshape(-1, 2)


@mutant("13.5", stage="edges", says="You count which class was highest")
def hard_votes(p, threshold, smooth, rest):
    return heard(means((p == p.max(axis=1, keepdims=True)).astype(float), smooth), threshold, rest)


@mutant("13.5", stage="edges", says="You hold the single step against the threshold")
def threshold_on_p(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest, score=p)


@mutant("13.5", stage="edges", says="You ask anything else as well")
def rest_must_be_beaten(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest, words=lambda m: m)


@mutant("13.5", stage="edges", says="A report silences its own word alone")
def each_word_for_itself(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest, again=lambda t, c, found, rest:
                 all(t - at >= rest for at, one in found if one == c))


@mutant("13.5", stage="edges", says="Nobody is silenced after a report")
def at_every_step(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest, again=lambda *_: True)


@mutant("13.5", stage="edges", says="You report again one step too early")
def counted_with_both_ends(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest - 1)


@mutant("13.5", stage="edges", says="You report again one step too late")
def more_than_rest(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest + 1)


@mutant("13.5", stage="edges", says="While a word is seen without a break")
def retriggered(p, threshold, smooth, rest):
    m, found, last = means(p, smooth), [], -math.inf
    for t, row in enumerate(m):
        c = int(np.argmax(row[:-1]))
        if row[c] >= threshold:
            if t - last >= rest:
                found.append((t, c))
            last = t
    return np.array(found, dtype=int).reshape(-1, 2)


@mutant("13.5", stage="edges", says="A word that changes is all that you report")
def only_when_another(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest, again=lambda t, c, found, rest:
                 not found or (t - found[-1][0] >= rest and found[-1][1] != c))


@mutant("13.5", stage="edges", says="Whoever reaches the threshold exactly is not believed")
def above_the_threshold(p, threshold, smooth, rest):
    return heard(means(p, smooth), np.nextafter(threshold, 2), rest)


@mutant("13.5", stage="output", says="is never reported")
def silence_reported(p, threshold, smooth, rest):
    m = means(p, smooth)
    return heard(np.append(m, np.zeros((len(m), 1)), axis=1), threshold, rest)


@mutant("13.5", stage="output", says="expected an array of shape [k, 2]")
def a_list_of_pairs(p, threshold, smooth, rest):
    return [tuple(row) for row in heard(means(p, smooth), threshold, rest)]


@mutant("13.5", stage="edges", says="of none, [0, 2]")
def none_without_a_shape(p, threshold, smooth, rest):
    return np.array(heard(means(p, smooth), threshold, rest).tolist(), int)


@mutant("13.5", stage="output", says="expected whole numbers")
def with_its_probability(p, threshold, smooth, rest):
    m = means(p, smooth)
    return np.array([(t, m[t, c]) for t, c in heard(m, threshold, rest)]).reshape(-1, 2)


@mutant("13.5", stage="output", says="Your first column, the steps, holds")
def counted_from_the_end(p, threshold, smooth, rest):
    return heard(means(p, smooth), threshold, rest) + np.array([len(p), 0])


@mutant("13.5", stage="properties", says="Nobody knows the future")
def by_its_peak(p, threshold, smooth, rest):
    m = means(p, smooth)
    peak = m.max(axis=0)
    return heard(m, threshold, rest, score=m * (m >= 0.9 * peak) if len(m) > 30 else m)


@mutant("13.5", stage="reference", says="the mean that `pandas` finds")
def five_votes_at_most(p, threshold, smooth, rest):
    return heard(means(p, min(smooth, 5)), threshold, rest)


# ---------------------------------------------------------------------------------------------- 13.6


def nearest_rank(seconds, q=99):
    ordered = np.sort(seconds, axis=1)
    return ordered[:, math.ceil(q * ordered.shape[1] / 100) - 1]


def chain(blocks, seconds, window, hop, delays, sr, budget, *, left=None, rest=None, stages=None, work=None, unit=1.0,
          choose=max, within=lambda late, budget: late <= budget, able=lambda work, blocks, sr: work <= blocks / sr):
    """Part by part: the block, what is left over, the rest of the frame, other stages, the work."""
    left = np.array([hop - math.gcd(int(b), hop) for b in blocks]) if left is None else left
    rest = window - hop if rest is None else rest
    work = nearest_rank(seconds) if work is None else work
    late = (blocks + left + rest + (sum(delays) if stages is None else stages)) / sr * unit + work
    late = np.where(able(work, blocks, sr), late, np.inf)
    fits = [int(b) for b, one in zip(blocks, late, strict=True) if within(one, budget)]
    return late, choose(fits) if fits else None


@mutant("13.6", stage="edges", says="You take every block for a multiple of the hop")
def nothing_left_over(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, left=0)


@mutant("13.6", stage="edges", says="You add block and frame as if the one began when the other ends")
def hop_counted_twice(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, left=0, rest=window)


@mutant("13.6", stage="edges", says="You count the samples that are left over after the first block")
def first_remainder(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, left=np.mod(blocks, hop))


@mutant("13.6", stage="edges", says="You forget that a block has to be full")
def frames_alone(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, stages=sum(delays) - blocks)


@mutant("13.6", stage="edges", says="Of several delays you take the longest")
def slowest_stage(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, stages=max([0, *delays]))


@mutant("13.6", stage="edges", says="You take the mean of the times")
def on_average(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=seconds.mean(axis=1))


@mutant("13.6", stage="edges", says="You take the slowest call of all")
def worst_call(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=seconds.max(axis=1))


@mutant("13.6", stage="edges", says="Is it the mean, the slowest, or the 99th percentile?")
def the_median(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=nearest_rank(seconds, 50))


@mutant("13.6", stage="reference", says="Your percentile lies between two calls")
def numpys_own(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=np.percentile(seconds, 99, axis=1))


@mutant("13.6", stage="reference", says="by which of its methods")
def next_slower_call(blocks, seconds, window, hop, delays, sr, budget):
    work = np.percentile(seconds, 99, axis=1, method="higher")
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=work)


@mutant("13.6", stage="edges", says="You do not ask whether it keeps up")
def for_ever_behind(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, able=lambda work, blocks, sr: work >= 0)


@mutant("13.6", stage="edges", says="You ask whether it keeps up on average")
def mean_against_the_block(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, able=lambda work, blocks, sr: seconds.mean(axis=1) <=
                 blocks / sr)


@mutant("13.6", stage="edges", says="Which of those that keep the budget is wanted")
def the_last_of_the_list(blocks, seconds, window, hop, delays, sr, budget):
    late, _ = chain(blocks, seconds, window, hop, delays, sr, budget)
    fits = [int(b) for b, one in zip(blocks, late, strict=True) if one <= budget]
    return late, fits[-1] if fits else None


@mutant("13.6", stage="edges", says="The time of the work is missing")
def a_fast_computer(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, work=np.zeros(len(blocks)), able=lambda work, blocks,
                 sr: nearest_rank(seconds) <= blocks / sr)


@mutant("13.6", stage="edges", says="You choose the block that is earliest")
def the_first_to_answer(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return late, None if best is None else int(blocks[np.argmin(late)])


@mutant("13.6", stage="edges", says="You return the place of the block")
def its_index(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return late, None if best is None else blocks.tolist().index(best)


@mutant("13.6", stage="edges", says="You stop at the first size")
def by_bisection(blocks, seconds, window, hop, delays, sr, budget):
    late, _ = chain(blocks, seconds, window, hop, delays, sr, budget)
    best = None
    for block, one in sorted(zip(blocks.tolist(), late, strict=True)):
        if one > budget:
            break
        best = block
    return late, best


@mutant("13.6", stage="properties", says="Did you look at all of them?")
def stopped_where_it_rises(blocks, seconds, window, hop, delays, sr, budget):
    late, _ = chain(blocks, seconds, window, hop, delays, sr, budget)
    best = None
    for block, one in sorted(zip(blocks.tolist(), late, strict=True)):
        if budget < one < math.inf:
            break
        best = block if one <= budget else best
    return late, best


@mutant("13.6", stage="edges", says="Whoever reaches the budget exactly is out")
def less_than_the_budget(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, within=lambda late, budget: late < budget)


@mutant("13.6", stage="edges", says="If none keeps the budget you choose one all the same")
def at_least_one(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return late, int(blocks[np.argmin(late)]) if best is None else best


@mutant("13.6", stage="edges", says="the latencies: 80 to fill the block")
def in_milliseconds(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return 1000 * late, best


@mutant("13.6", stage="edges", says="Does it keep up if it takes exactly as long as a block?")
def with_something_to_spare(blocks, seconds, window, hop, delays, sr, budget):
    return chain(blocks, seconds, window, hop, delays, sr, budget, able=lambda work, blocks, sr: work < blocks / sr)


@mutant("13.6", stage="output", says="expected a whole number of samples")
def block_in_seconds(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return late, None if best is None else best / sr


@mutant("13.6", stage="output", says="is NaN")
def nan_where_it_falls_behind(blocks, seconds, window, hop, delays, sr, budget):
    late, best = chain(blocks, seconds, window, hop, delays, sr, budget)
    return np.where(np.isinf(late), np.nan, late), best
