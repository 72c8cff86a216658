"""Checks of chapter 07, music generation: events, Markov chain, top-p, causal attention, NLL, parallel fifths."""

from itertools import combinations

import numpy as np

from .spec import Exercise, briefly, two_things
from .stages import as_array


def _whole_numbers(t, name, got):
    """Hold one of several results to being a row of whole numbers; returns it as a list."""
    row = as_array(got)
    t.holds(row.ndim == 1 and (not len(row) or np.issubdtype(row.dtype, np.integer)),
            f"Your {name}: **{briefly(got)}**, expected a list of whole numbers.",
            ask="What does each of its entries stand for?", values=False)
    return row.astype(int).tolist()


# ---------------------------------------------------------------------------------------------- 07.1


def _played(steps, *notes):
    """A piano roll of (first step, step after the last, key)."""
    roll = np.zeros((steps, 128), np.int8)
    for start, stop, key in notes:
        roll[start:stop, key] = 1
        roll[start, key] = 2
    return roll


both_ways = Exercise(
    "07.1", "both_ways(roll, events)",
    example=lambda: (_played(45, (0, 3, 60), (0, 2, 64), (2, 4, 64), (3, 40, 55), (40, 42, 55), (40, 42, 67)),
                     [60, 257, 60, 64, 257, 188, 52, 286, 192, 57, 258]),
    hints=[
        "Go through the roll row by row, and remember which keys sounded in the row before. Which three things can "
        "happen to a key? And what is the end of a note that is struck again?",
        "A key ends that sounded and now is not 1. A key begins that now is 2. After the row one step passes: is the "
        "last event already a waiting time that may grow by one? Back again keep one row of 128 numbers, let each "
        "event change it, and write it down once for each step that passes.",
        "`np.flatnonzero(sounding & (row != 1))` and `np.flatnonzero(row == 2)` are the two lists of keys. In `to_roll`"
        ", once a row is written down, what is 2 in it becomes 1: `np.minimum(now, 1)`. Write down a copy.",
    ],
    learned="A roll has a row for each moment, events only for what changes: the same music in far fewer numbers.",
)


def _named(event):
    """An event in words."""
    if event < 128:
        return f"{event} (key {event} is struck)"
    return f"{event} (key {event - 128} is let go)" if event < 256 else f"{event} ({event - 255} steps pass)"


@both_ways.output
def is_events_and_a_roll(t, got, roll, events):
    two_things(t, got, "events, roll")
    written = _whole_numbers(t, "events", got[0])
    strange = [event for event in written if not 0 <= event <= 287]
    t.holds(not strange, f"Among your events is **{strange[:1]}**, expected 0 to 287.",
            ask="What is the longest time that a single event can wait?")
    t.array(got[1], shape=(sum(event - 255 for event in events if event > 255), 128), dtype=np.integer)
    values = np.unique(as_array(got[1]))
    t.holds(set(values.tolist()) <= {0, 1, 2}, f"In your roll stand **{values.tolist()}**, expected 0, 1 and 2.",
            ask="What may a key do in a step?")


def _is_written(t, case, roll, want, says, ask):
    """Hold the events of a roll to those that are right."""
    got = [int(event) for event in t.on(case)(roll, [])[0]]
    i = next((i for i, pair in enumerate(zip(got, want, strict=False)) if pair[0] != pair[1]), min(len(got), len(want)))
    yours, right = (_named(events[i]) if i < len(events) else "missing" for events in (got, want))
    t.holds(got == want, f"For {case}, you have {len(got)} events, expected {len(want)}. Event {i} of yours is "
            f"**{yours}**, expected {right}. {says}", ask=ask)


def _is_read(t, case, events, want, says, ask):
    """Hold the roll of some events to what they say."""
    t.close(t.on(case)(_played(1), events)[1], want, says=f"For {case}: {says}", ask=ask)


@both_ways.edges
def nothing_at_all(t):
    _is_written(t, "a roll of no steps", _played(0), [], "Nothing happens, and no time passes.", "What is written "
                "before the first row?")
    _is_read(t, "no events", [], _played(0), "no time passes.", "What shape has a roll of no steps?")


@both_ways.edges
def silence(t):
    for steps, waits in ((1, [256]), (32, [287]), (33, [287, 256]), (70, [287, 287, 261])):
        case = f"{steps} silent step{'s' * (steps > 1)}"
        _is_written(t, case, _played(steps), waits, "Silence passes too, at the end as well; each event but the last "
                    "of a wait is as long as can be.", "When does a wait need another event?")
        _is_read(t, case, waits, _played(steps), "so many rows of 0.", "How many steps is 256?")


@both_ways.edges
def one_note(t):
    for key in (0, 60, 127):
        roll, events = _played(3, (0, 3, key)), [key, 258, 128 + key]
        _is_written(t, f"key {key} that sounds for all of three steps", roll, events,
                    "It is struck once, and let go after the last step.", "What happens to a note at the end of the "
                    "roll?")
        _is_read(t, f"key {key}, struck, three steps, let go", events, roll, "it is struck in one step, and sounds on "
                 "in the next.", "For how many steps is a key 2?")


@both_ways.edges
def struck_again(t):
    roll, events = _played(4, (0, 2, 60), (2, 4, 60)), [60, 257, 188, 60, 257, 188]
    _is_written(t, "a key that is struck again while it sounds", roll, events, "The first note ends there, and the "
                "second begins: let go, then struck.", "How do you tell two notes from one that is twice as long?")
    _is_read(t, "a key that is let go and struck again at once", events, roll, "both strikes are a 2.",
             "What does the second strike write?")


@both_ways.edges
def a_long_note(t):
    roll, events = _played(50, (2, 48, 72)), [257, 72, 287, 269, 200, 257]
    _is_written(t, "a key that sounds for 46 steps", roll, events, "That is one wait of 32 and one of 14.",
                "What comes first, the long wait or what is left of it?")
    _is_read(t, "a key that sounds for 46 steps", events, roll, "it is struck once and sounds on for 45.",
             "How many rows does a wait write?")


@both_ways.edges
def what_a_network_writes(t):
    for case, events, want, says in (
        ("a key let go that was silent", [190, 257], _played(2), "nothing changes."),
        ("a key struck that sounds already", [60, 257, 60, 256], _played(3, (0, 2, 60), (2, 3, 60)),
         "it is struck again."),
        ("a key that nobody lets go", [60, 258], _played(3, (0, 3, 60)), "it sounds to the end."),
        ("a key struck and let go in one moment", [60, 188, 257], _played(2), "it was never heard."),
        ("two waits in a row", [60, 256, 257, 188, 256], _played(4, (0, 3, 60)), "they add up."),
        ("keys from high to low", [64, 60, 256], _played(1, (0, 1, 60), (0, 1, 64)), "both are struck."),
    ):
        _is_read(t, case, events, want, says, "What does this event change, and what not?")


def _composed(rng, steps, count=20, keys=range(128)):
    """Random notes that do not overlap on a key; every second one follows another at once."""
    free, notes = dict.fromkeys(keys, 0), []
    for i in range(count):
        key = notes[-1][2] if i % 2 else int(rng.choice(list(keys)))
        start = free[key] + (0 if i % 2 else int(rng.integers(0, 6)))
        stop = start + int(rng.integers(1, 9))
        if stop <= steps:
            notes.append((start, stop, key))
            free[key] = stop
    return notes


@both_ways.properties
def there_and_back(t):
    for steps, keys in ((60, range(128)), (100, range(50, 56))):
        roll = _played(steps, *_composed(t.rng, steps, keys=keys))
        case = f"{steps} steps of random notes"
        events = t.on(case)(roll, [])[0]
        back = t.on(f"the events that you wrote for {case}")(_played(0), [int(event) for event in events])[1]
        t.close(back, roll, says="There and back again, a roll has to be as it was.",
                ask="Does something stand in the roll that is in no event?")


@both_ways.properties
def a_key_higher(t):
    notes = _composed(t.rng, 40, keys=range(40, 60))
    low = [int(event) for event in t.on("random notes")(_played(40, *notes), [])[0]]
    want = [event + 5 * (event < 256) for event in low]
    _is_written(t, "the same notes five keys higher", _played(40, *((a, b, key + 5) for a, b, key in notes)), want,
                "Keys go up by five, waits stay.", "Where is a key turned into an event?")


@both_ways.properties
def of_a_moment_first_what_ends(t):
    keys = np.sort(t.rng.choice(128, 6, replace=False)).tolist()
    up, down = keys[::2], keys[1::2]
    roll = _played(2, *((0, 1, key) for key in down), *((1, 2, key) for key in up))
    want = [*down, 256, *(128 + key for key in down), *up, 256, *(128 + key for key in up)]
    _is_written(t, "three notes that end where three others begin", roll, want, "At one moment keys are let go first, "
                "then struck, both from low to high.", "In which order do you go through a moment?")


@both_ways.reference
def agrees_with_symusic_and_mido(t):
    import io

    import mido
    from symusic import Note, Score, Track

    notes = _composed(t.rng, 200, count=120, keys=range(21, 109))
    steps = max(stop for _, stop, _ in notes)
    score, track = Score(4), Track()
    for start, stop, key in notes:
        track.notes.append(Note(time=start, duration=stop - start, pitch=key, velocity=80))
    score.tracks.append(track)
    roll = score.tracks[0].pianoroll(modes=["onset", "frame"], pitch_range=[0, 128], encode_velocity=False)
    roll = roll.sum(axis=0, dtype=np.int8).T[:steps]                        # [steps, 128]
    moments, now = {}, 0
    for message in mido.MidiFile(file=io.BytesIO(score.dumps_midi())).tracks[-1]:
        now += message.time
        if message.type in ("note_on", "note_off"):
            moments.setdefault(now, []).append(message.note + 128 * (message.type == "note_off"))
    events, before = [], 0
    for now in sorted(moments):
        waits, rest = divmod(now - before, 32)
        events += [287] * waits + [255 + rest] * (rest > 0)
        events += sorted(moments[now], key=lambda event: (event < 128, event))
        before = now
    case = f"{len(notes)} random notes in {steps} steps"
    _is_written(t, case, roll, events, "They have to be the messages of the MIDI file that symusic writes, as mido "
                "reads it.", "Which note do you tell otherwise than a keyboard does?")
    _is_read(t, case, events, roll, "it has to agree with `symusic.Track.pianoroll`.",
             "Which note do you play otherwise than a synthesiser does?")


def _told(roll, ended=lambda row, on: on & (row != 1), struck=lambda row, on: row == 2, struck_first=False,
          waits=lambda n: [32] * (n // 32) + [n % 32] * (n % 32 > 0), tail=True, close=True):
    """What a mistake writes: other ends, strikes, orders or waits."""
    events, waited, on = [], 0, np.zeros(128, bool)
    for row in roll:
        off, keys = (128 + np.flatnonzero(ended(row, on))).tolist(), np.flatnonzero(struck(row, on)).tolist()
        new = keys + off if struck_first else off + keys
        if new:
            events += [255 + n for n in waits(waited)] + new
            waited = 0
        waited, on = waited + 1, row > 0
    if tail or on.any():
        events += [255 + n for n in waits(waited)]
    return events + (128 + np.flatnonzero(on)).tolist() * close


def _heard(events, strike=lambda was: 2, held=lambda now: np.minimum(now, 1), steps=lambda event: event - 255,
           silent=0):
    """What a mistake reads: another strike, another way to go on, other waits."""
    rows, now = [], np.zeros(128, np.int8)
    for event in events:
        if event < 128:
            now[event] = strike(now[event])
        elif event < 256:
            now[event - 128] = silent
        else:
            for _ in range(steps(event)):
                rows.append(now.copy())
                now = held(now)
    return np.array(rows, np.int8).reshape(-1, 128)


@both_ways.mistake("Two notes on one key without a pause between them are one long note with you.",
                   ask="How do you tell two notes from one that is twice as long?")
def strikes_lost(roll, events):
    return _told(roll, lambda row, on: on & (row == 0), lambda row, on: (row > 0) & ~on), _heard(events)


@both_ways.mistake("You strike every key anew in each step in which it sounds.", ask="What is the difference between "
                   "1 and 2?")
def struck_in_each_step(roll, events):
    return _told(roll, lambda row, on: on, lambda row, on: row > 0), _heard(events)


@both_ways.mistake("A key that is struck again is not let go before.", ask="When does the first of two notes end?")
def not_let_go_before(roll, events):
    return _told(roll, lambda row, on: on & (row == 0)), _heard(events)


@both_ways.mistake("At one moment you strike first and let go then: what is struck again falls silent.",
                   ask="In which order do you go through a moment?")
def strikes_first(roll, events):
    return _told(roll, struck_first=True), _heard(events)


@both_ways.mistake("A wait of yours is longer than 32 steps, and there is no event for that.",
                   ask="What is the longest time that a single event can wait?")
def waits_without_end(roll, events):
    return _told(roll, waits=lambda n: [n] * (n > 0)), _heard(events)


@both_ways.mistake("Each step is an event of its own with you, where one event can wait 32 of them.",
                   ask="Is the last event already a wait that may grow?")
def step_by_step(roll, events):
    return _told(roll, waits=lambda n: [1] * n), _heard(events)


@both_ways.mistake("Of a long wait you write the rest first, then the events of 32.",
                   ask="What comes first, the long wait or what is left of it?")
def rest_first(roll, events):
    return _told(roll, waits=lambda n: [n % 32] * (n % 32 > 0) + [32] * (n // 32)), _heard(events)


@both_ways.mistake("Silence at the end of the roll is lost: no event follows it, but time passes all the same.",
                   ask="When do you write a wait down?")
def silence_lost(roll, events):
    return _told(roll, tail=False), _heard(events)


@both_ways.mistake("What sounds at the end of the roll is never let go.", ask="What happens to a note at the end of "
                   "the roll?")
def never_let_go(roll, events):
    return _told(roll, close=False), _heard(events)


@both_ways.mistake("In your roll a key is struck again in every step in which it sounds: a strike lasts one step.",
                   ask="For how many steps is a key 2?")
def strike_stays(roll, events):
    return _told(roll), _heard(events, held=lambda now: now)


@both_ways.mistake("In your roll a strike on a key that sounds already is lost.", ask="What does the second strike "
                   "write?")
def second_strike_lost(roll, events):
    return _told(roll), _heard(events, strike=lambda was: was or 2)


@both_ways.mistake("In your roll a strike is a 1: nobody can tell it from a key that sounds on.",
                   ask="What does 2 mean in a roll?")
def never_struck(roll, events):
    return _told(roll), _heard(events, strike=lambda was: 1)


@both_ways.mistake("In your roll 256 passes no time: it is one step, and 287 is 32.", ask="How many steps is 256?")
def waits_from_0(roll, events):
    return _told(roll), _heard(events, steps=lambda event: event - 256)


# ---------------------------------------------------------------------------------------------- 07.2

markov = Exercise(
    "07.2", "markov(melodies, order, n, alpha, start, length, rng)",
    example=lambda: ([[0, 1, 2, 0, 1, 1, 2], [2, 0, 1, 2, 2], [1]], 2, 3, 0.5, [1, 2, 0], 30,
                     np.random.default_rng(72)),
    hints=[
        "Count by hand for the melody 0 1 0 2 and order 1: which four numbers of the table are not 0? For order 2, how "
        "many contexts does it have?",
        "The table has an axis for each note of the context and one for what follows, so that k + 1 neighbouring notes "
        "of a melody are an index into it. Fill it with `alpha`, count, and divide by the sum along the last axis. To "
        "draw, index the table with the last k notes: a row of n probabilities is left.",
        "`counts[tuple(melody[i - order : i + 1])] += 1` for each i from `order` on. Where the sum is 0, 1 / n. "
        "`rng.choice(n, p=row)` draws; the last k notes are `melody[len(melody) - k:]`, since `melody[-0:]` is all of "
        "it.",
    ],
    learned="Counting is learning. What a chain lacks is not data but memory: with each note more its table is n times "
            "as large.",
)


@markov.output
def is_a_table_and_a_melody(t, got, melodies, order, n, alpha, start, length, rng):
    two_things(t, got, "P, melody")
    P, melody = got
    t.holds(isinstance(P, np.ndarray), f"Your P: **{briefly(P)}**, expected an array.", values=False)
    t.holds(P.shape == (n,) * (order + 1), f"Your P: shape **{list(P.shape)}**, expected **{[n] * (order + 1)}**.",
            ask="How many notes are in a context, and how many can follow?")
    t.array(P, dtype=np.floating)
    sums = P.sum(axis=-1)
    worst = np.unravel_index(np.argmax(np.abs(sums - 1)), sums.shape)
    t.holds(P.min() >= 0 and abs(sums[worst] - 1) < 1e-6, "What can follow the context "
            f"({', '.join(map(str, worst))}) has probabilities that add up to **{sums[worst]:.4g}** in your P, "
            "expected 1, and none below 0.", ask="Along which axis do you divide, and by which sum?")
    row = _whole_numbers(t, "melody", melody)
    t.holds(len(row) == length, f"Your melody has **{len(row)}** notes, expected {length}, those of `start` among "
            "them.", ask="Which notes are counted?")
    t.holds(not row or 0 <= min(row) <= max(row) < n, f"A note of your melody is **{max(row, default=0)}**, expected "
            f"0 to {n - 1}.", ask="From what do you draw?")
    t.holds(row[: len(start)] == [int(note) for note in start], f"Your melody begins with **{row[: len(start)]}**, "
            f"expected {list(start)}.", ask="What stands in the melody before anything is drawn?")


def _counted(t, case, melodies, order, n, alpha, want, says, ask):
    """Hold the table to what was counted."""
    got, _ = t.on(case)(melodies, order, n, alpha, [0] * order, order, t.rng)
    t.close(got, want, atol=1e-9, says=f"For {case}: {says}", ask=ask)


@markov.edges
def order_0(t):
    _counted(t, "the melodies 0 1 0 0 and 2, order 0", [[0, 1, 0, 0], [2]], 0, 3, 0.0, [0.6, 0.2, 0.2],
             "that is how often each of the five notes stands there.", "How long is a context of order 0?")
    tune = t.on("three different notes that follow on nothing, a melody of 60")(
        [[0, 1, 2]], 0, 3, 0.0, [], 60, t.rng)[1]
    t.holds(len(set(tune)) == 3, f"For order 0 with three notes equally probable, a melody of 60 has **{len(set(tune))}"
            "** different ones.", ask="What is `melody[-0:]`?")


@markov.edges
def never_heard(t):
    want = [[0, 1, 0], [1, 0, 0], [1 / 3] * 3]
    _counted(t, "the melody 0 1 0, nothing added", [[0, 1, 0]], 1, 3, 0.0, want,
             "nobody ever heard what follows 2, so all are equally probable.", "What is 0 divided by 0 to mean?")


@markov.edges
def too_short_to_count(t):
    _counted(t, "melodies of 0, 1 and 2 notes, order 2", [[], [1], [0, 1]], 2, 2, 1.0, np.full((2, 2, 2), 0.5),
             "none has a context and a note after it.", "Where does counting begin?")


@markov.edges
def each_melody_for_itself(t):
    _counted(t, "the melodies 0 0 0 and 1 1 1, nothing added", [[0, 0, 0], [1, 1, 1]], 1, 2, 0.0, np.eye(2),
             "no 1 ever follows a 0 within a melody.", "What follows the last note of a melody?")


@markov.edges
def certain(t):
    case = "the melody 0 1 2 0 1 2 0, nothing added"
    tune = t.on(case)([[0, 1, 2, 0, 1, 2, 0]], 1, 3, 0.0, [2], 9, t.rng)[1]
    t.holds([int(note) for note in tune] == [2, 0, 1, 2, 0, 1, 2, 0, 1], f"For {case}, from 2 on only one melody is "
            f"possible; yours is **{' '.join(map(str, tune))}**.", ask="Which notes are the context when you draw?")
    tune = t.on("a start as long as the whole melody")([[0, 1, 0]], 1, 2, 1.0, [1, 1, 0], 3, t.rng)[1]
    t.holds(len(tune) == 3, "Nothing had to be drawn.")


def _melodies(rng, n, *lengths):
    return [rng.integers(0, n, length).tolist() for length in lengths]


@markov.properties
def added_counts(t):
    alpha = float(t.rng.uniform(0.1, 3))
    total = 4 + 3 * alpha
    _counted(t, f"the melody 0 1 0 1 0 2 0 0, {alpha:.2f} added to each count", [[0, 1, 0, 1, 0, 2, 0, 0]], 1, 3, alpha,
             [[(1 + alpha) / total, (2 + alpha) / total, (1 + alpha) / total],
              [(2 + alpha) / (2 + 3 * alpha), *[alpha / (2 + 3 * alpha)] * 2],
              [(1 + alpha) / (1 + 3 * alpha), *[alpha / (1 + 3 * alpha)] * 2]],
             "0 was followed four times, twice by 1; both counts grow, the upper by one `alpha`, the lower by three.",
             "How often is `alpha` added to the sum?")


@markov.properties
def heard_twice(t):
    tunes = _melodies(t.rng, 3, 12, 8, 5)
    once = t.on("three melodies, nothing added")(tunes, 2, 3, 0.0, [0, 0], 2, t.rng)[0]
    _counted(t, "the same three in another order, each heard twice", [*tunes[::-1], *tunes], 2, 3, 0.0, once,
             "shares do not change.", "Does a melody know of the one before it?")


@markov.properties
def in_the_order_in_which_they_were_played(t):
    a, b, c = t.rng.permutation(3).tolist()
    P = t.on(f"the melody {a} {b} {c}, order 2")([[a, b, c]], 2, 3, 0.0, [0, 0], 2, t.rng)[0]
    t.close(P[a, b, c], 1.0, atol=1e-9, says=f"For the melody {a} {b} {c}, `P[{a}, {b}, {c}]` is the one of what was "
            "heard.", ask="Which axis is the older note, and which is what follows?")


@markov.properties
def drawn_as_often_as_is_probable(t):
    for order, n, alpha in ((1, 3, 0.5), (2, 2, 0.3), (0, 4, 1.0)):
        tunes = _melodies(t.rng, n, 9, 6)
        case = f"order {order}, a melody of 2500 notes"
        P, tune = t.on(case)(tunes, order, n, alpha, [0] * order, 2500, t.rng)
        found = np.zeros(P.shape)
        for i in range(order, len(tune)):
            found[tuple(tune[i - order : i + 1])] += 1
        often = found.sum(axis=-1, keepdims=True)
        apart = np.abs(found - often * P) / np.sqrt(np.maximum(often * P * (1 - P), 1))
        at = np.unravel_index(np.argmax(apart), P.shape)
        t.holds(apart[at] < 6, f"For {case}, after ({', '.join(map(str, at[:-1]))}) your melody has **{at[-1]}** "
                f"**{int(found[at])}** times out of {int(often[at[:-1]][0])}; your P gives it {P[at]:.3f}.",
                ask="From which row of P is a note drawn, and how?")


@markov.properties
def chance_comes_from_the_generator(t):
    args = (_melodies(t.rng, 4, 20), 1, 4, 1.0, [0], 40)
    seeds = t.rng.integers(1, 2**31, 2)
    one, again, other = (
        list(t.on(f"a generator with seed {seed}")(*args, np.random.default_rng(seed))[1])
        for seed in (seeds[0], seeds[0], seeds[1]))
    t.holds(one == again, "With the same generator twice, your melodies are **not** the same.",
            ask="From which generator do you draw?")
    t.holds(one != other, "With two generators of different seeds, your melodies of 40 notes are **the same**.",
            ask="From which generator do you draw?")


@markov.reference
def agrees_with_scikit_learn(t):
    from sklearn.naive_bayes import CategoricalNB

    for order, n, alpha, length in ((1, 3, 0.7, 6000), (2, 6, 0.01, 1500), (3, 4, 2.0, 400)):
        tune = t.rng.choice(n, length, p=t.rng.dirichlet(np.full(n, 3.0)))
        windows = np.lib.stride_tricks.sliding_window_view(tune, order + 1)
        contexts = np.ravel_multi_index(tuple(windows[:, :-1].T), (n,) * order)
        model = CategoricalNB(alpha=alpha, min_categories=n).fit(windows[:, -1:], contexts)
        want = np.full((n**order, n), 1 / n)
        want[model.classes_] = np.exp(model.feature_log_prob_[0])
        _counted(t, f"a melody of {length} notes, order {order}, {alpha} added", [tune.tolist()], order, n, alpha,
                 want.reshape((n,) * (order + 1)), "it has to agree with `sklearn.naive_bayes.CategoricalNB`, whose "
                 "classes are the contexts.", "What do your counts become when they are large?")


def _table(melodies, order, n, alpha, context=lambda c: c, smooth=lambda counts, alpha: counts + alpha):
    counts = np.zeros([n] * (order + 1))
    for melody in melodies:
        for i in range(order, len(melody)):
            counts[(*context(melody[i - order : i]), melody[i])] += 1
    counts = smooth(counts, alpha)
    total = counts.sum(axis=-1, keepdims=True)
    return np.where(total > 0, counts / np.where(total > 0, total, 1), 1 / n)


def _tune(P, start, length, rng, context=lambda melody, k: melody[len(melody) - k :],
          take=lambda row, rng: rng.choice(len(row), p=row)):
    melody = list(start)
    while len(melody) < length:
        melody.append(int(take(P[tuple(context(melody, P.ndim - 1))], rng)))
    return melody


def _chain(melodies, order, n, alpha, start, length, rng, table=None, tune=None):
    """What a mistake hands back: another way to count, another way to draw."""
    P = _table(melodies, order, n, alpha, **(table or {}))
    return P, _tune(P, start, length, rng, **(tune or {}))


@markov.mistake("You count across the end of a melody, as if the next one went on from there.",
                ask="What follows the last note of a melody?")
def all_in_one(melodies, order, n, alpha, start, length, rng):
    return _chain([[note for melody in melodies for note in melody]], order, n, alpha, start, length, rng)


@markov.mistake("Your context is turned round: its first axis is the newest note.",
                ask="Which axis is the older note, and which is what follows?")
def context_turned_round(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng, {"context": lambda c: c[::-1]},
                  {"context": lambda melody, k: melody[len(melody) - k :][::-1]})


@markov.mistake("Only what was never heard gets `alpha`; each count should.", ask="To which counts is `alpha` added?")
def only_where_nothing_was(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng,
                  {"smooth": lambda counts, alpha: np.where(counts > 0, counts, alpha)})


@markov.mistake("You add nothing to the counts, whatever `alpha` is.", ask="What does `alpha` change?")
def nothing_added(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, 0, start, length, rng)


@markov.mistake("Your table says whether a note followed, not how often.", ask="What do two visits count?")
def whether_not_how_often(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng,
                  {"smooth": lambda counts, alpha: (counts > 0) + alpha})


@markov.mistake("You always take the most probable note. That is no draw, and the melody goes in circles.",
                ask="How often should the second best be taken?")
def always_the_best(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng, tune={"take": lambda row, rng: np.argmax(row)})


@markov.mistake("You draw every note with the same probability. What was counted is not used.",
                ask="From which row of P is a note drawn?")
def all_alike(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng,
                  tune={"take": lambda row, rng: rng.choice(len(row))})


@markov.mistake("Your context stays the first notes of the melody, and does not move on.",
                ask="Which notes are the context when you draw?")
def context_stays(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, rng, tune={"context": lambda melody, k: melody[:k]})


@markov.mistake("You draw from a generator of your own: every melody is the same.", ask="From which generator do you "
                "draw?")
def own_generator(melodies, order, n, alpha, start, length, rng):
    return _chain(melodies, order, n, alpha, start, length, np.random.default_rng(0))


# ---------------------------------------------------------------------------------------------- 07.3

top_p = Exercise(
    "07.3", "top_p(logits, p=0.9, temperature=1.0)",
    example=lambda: (np.array([0.3, 2.0, -1.0, 1.4, -3.0, 0.9, 0.1]), 0.8, 1.4),
    hints=[
        "Probabilities 0.1, 0.5, 0.15, 0.25 and p = 0.7: which notes do you keep, and why are two enough? And which "
        "with p = 0.8?",
        "Sort from the most probable down. A note is kept when what all *better* ones add up to is still below p: then "
        "it is needed. The best is always kept, because nothing is before it.",
        "`order = np.argsort(-P)`, `before = np.cumsum(P[order]) - P[order]`, and the numbers of the kept notes are "
        "`order[before < p]`. Take the largest logit from all before the exponential.",
    ],
    learned="Where the model is sure, one note is left; where it is not, many are. A fixed number of candidates cannot "
            "do both.",
)


@top_p.output
def is_a_distribution(t, got, logits, p=0.9, temperature=1.0):
    t.array(got, shape=logits.shape, dtype=np.floating)
    t.holds(got.min() >= 0, f"A probability of yours is **{got.min():.3g}**.", ask="What sign has e to the power of "
            "anything?")
    t.holds(abs(got.sum() - 1) < 1e-5, f"Your probabilities add up to **{got.sum():.4f}**, expected 1.",
            ask="What happens to what the others had?")


def _nucleus(t, case, P, p, want, says, ask):
    """Hold the nucleus of probabilities, handed in as logits, to some others."""
    t.close(t.on(case)(np.log(np.array(P)), p), want, atol=1e-6, says=f"For {case}: {says}", ask=ask)


@top_p.edges
def by_hand(t):
    P = [0.1, 0.5, 0.15, 0.25]
    for p, want in ((0.45, [0, 1, 0, 0]), (0.55, [0, 2 / 3, 0, 1 / 3]), (0.74, [0, 2 / 3, 0, 1 / 3]),
                    (0.76, [0, 5 / 9, 1 / 6, 5 / 18]), (0.89, [0, 5 / 9, 1 / 6, 5 / 18]), (0.91, P)):
        _nucleus(t, f"probabilities 0.1, 0.5, 0.15 and 0.25, p = {p}", P, p, want,
                 "keep from the best down until what is kept adds up to p or more, and not one more.",
                 "Is the note kept with which the sum reaches p?")


@top_p.edges
def all_or_one(t):
    P = [0.2, 0.3, 0.4, 0.1]
    _nucleus(t, "p = 1", P, 1.0, P, "everything is kept.", "What is left out when all is asked for?")
    _nucleus(t, "p = 0.0001", P, 1e-4, [0, 0, 1, 0], "one note is always kept.", "What is before the best one?")


@top_p.edges
def a_single_note(t):
    for z in (0.0, -700.0, 5.0):
        t.close(t.on(f"one note with a logit of {z:g}")(np.array([z]), 0.5), [1.0], atol=1e-9,
                says="There is nothing else to play.", ask="What do you divide by?")


@top_p.edges
def forbidden_notes(t):
    z = np.array([0.0, -np.inf, np.log(3), -np.inf])
    t.close(t.on("two notes of four forbidden, with logits of −∞, p = 1")(z, 1.0), [0.25, 0, 0.75, 0], atol=1e-9,
            says="What is forbidden gets exactly 0, the others 1/4 and 3/4.", ask="What is e to the power of −∞?")


@top_p.edges
def large_logits(t):
    for shift in (1000.0, -1000.0):
        z = np.log([0.5, 0.3, 0.2]) + shift
        t.close(t.on(f"logits around {shift:g}")(z, 0.75), [0.625, 0.375, 0], atol=1e-6,
                says="Only differences between logits matter.", ask="How large is e to the power of 1000?")


@top_p.edges
def equally_probable(t):
    got = t.on("ten notes equally probable, p = 0.35")(np.zeros(10), 0.35)
    t.close(np.sort(got), [0] * 6 + [0.25] * 4, atol=1e-6, says="For ten notes equally probable and p = 0.35, any four "
            "have to share it.", ask="How many are needed?")


@top_p.properties
def no_smaller_set_would_do(t):
    for _ in range(5):
        n, p = int(t.rng.integers(5, 30)), float(t.rng.uniform(0.2, 0.95))
        z = 2 * t.rng.normal(size=n)
        P = np.exp(z) / np.exp(z).sum()
        got = t.on(f"{n} random logits, p = {p:.3f}")(z, p)
        kept = got > 0
        mass, least = P[kept].sum(), P[kept].min()
        t.holds(mass >= p - 1e-9, f"For {n} random logits and p = {p:.3f}, what you keep had **{mass:.3f}**, expected "
                "p or more.", ask="Is the note kept with which the sum reaches p?")
        t.holds(mass - least < p, f"For {n} random logits and p = {p:.3f}, you keep {kept.sum()} notes; without the "
                f"least probable they would still have had **{mass - least:.3f}**.", ask="When do you stop?")
        best = P[~kept].max(initial=0)
        t.holds(best <= least, f"For {n} random logits, a note with {best:.3f} is left out, and one with "
                f"**{least:.3f}** is kept.", ask="In which order do you go through them?")
        t.close(got[kept], P[kept] / mass, atol=1e-6, says="Kept notes keep their ratios.",
                ask="By what is each of them divided?")


@top_p.properties
def notes_have_no_places(t):
    z = t.rng.normal(size=12)
    order = t.rng.permutation(12)
    one = t.on("random logits")(z, 0.7)
    t.close(t.on("the same logits in another order")(z[order], 0.7), one[order], atol=1e-9,
            says="Probabilities go with their notes.", ask="Is what you sorted put back?")


@top_p.properties
def temperature_comes_first(t):
    z, T = t.rng.normal(size=15), float(t.rng.uniform(0.3, 0.6))
    for temperature in (T, 1 / T):
        want = t.on("random logits, divided by hand")(z / temperature, 0.8)
        t.close(t.on(f"the same with temperature {temperature:.2f}")(z, 0.8, temperature), want, atol=1e-6,
                says="A temperature divides the logits, before anything is cut.", ask="Which distribution is cut?")


@top_p.reference
def agrees_with_transformers(t):
    import torch
    from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

    for n, p, temperature in ((30, 0.9, 1.0), (128, 0.95, 1.2), (500, 0.99, 2.0)):
        z = 2 * t.rng.normal(size=n)
        scores = TopPLogitsWarper(p)(None, TemperatureLogitsWarper(temperature)(None, torch.from_numpy(z)[None]))
        case = f"{n} random logits, p = {p}, temperature {temperature}"
        t.close(t.on(case)(z, p, temperature), scores.softmax(dim=-1)[0], atol=1e-6, ask="How many notes may be kept?",
                says=f"For {case}, it has to agree with `TopPLogitsWarper` of `transformers`.")


def _softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def _cut(logits, p, temperature, kept=lambda P, before, p: before < p, tempered=lambda z, T: z / T, best_first=True):
    """Numbers of the notes that a mistake keeps, best first, and all probabilities."""
    P = _softmax(tempered(logits, temperature))
    order = np.argsort(-P if best_first else P, kind="stable")
    return order[kept(P[order], np.cumsum(P[order]) - P[order], p)], P


def _shared(numbers, P):
    out = np.zeros(len(P))
    out[numbers] = P[numbers]
    return out / out.sum()


@top_p.mistake("You leave out the note with which the sum reaches p, so that what you keep is less.",
               ask="Is the note kept with which the sum reaches p?")
def stops_before(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature, lambda P, before, p: (before + P <= p) | (before == 0)))


@top_p.mistake("You keep one note too many: the sum has reached p without it.", ask="When do you stop?")
def one_too_many(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature, lambda P, before, p: before - np.append(0, P[:-1]) < p))


@top_p.mistake("You keep every note whose own probability is large enough. It is what they add up to that counts.",
               ask="What is compared with p: one probability, or a sum of them?")
def each_for_itself(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature, lambda P, before, p: (1 - p) * P[0] <= P))


@top_p.mistake("You keep a share p of the notes, not a share p of the probability.", ask="What is compared with p: a "
               "number of notes, or a sum of probabilities?")
def share_of_the_notes(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature,
                         lambda P, before, p: np.arange(len(P)) < max(1, round(p * len(P)))))


@top_p.mistake("You begin with the least probable notes.", ask="In which order do you go through them?")
def worst_first(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature, best_first=False))


@top_p.mistake("You cut first and apply the temperature then.", ask="Which distribution is cut?")
def temperature_last(logits, p=0.9, temperature=1.0):
    numbers, _ = _cut(logits, p, 1.0)
    return _shared(numbers, _softmax(logits / temperature))


@top_p.mistake("You multiply by the temperature: the higher it is, the surer your model.", ask="What does a high "
               "temperature do to differences?")
def colder_for_hotter(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, temperature, tempered=lambda z, T: z * T))


@top_p.mistake("You do not use the temperature.", ask="What does `temperature` divide?")
def temperature_unread(logits, p=0.9, temperature=1.0):
    return _shared(*_cut(logits, p, 1.0))


@top_p.mistake("What is left out keeps a share: a logit of 0 is not a probability of 0.",
               ask="What does a logit have to be for a probability of 0?")
def logit_of_0(logits, p=0.9, temperature=1.0):
    numbers, _ = _cut(logits, p, temperature)
    z = np.zeros(len(logits))
    z[numbers] = logits[numbers] / temperature
    return _softmax(z)


@top_p.mistake("Your probabilities stand in sorted order. Which note is which?", ask="Is what you sorted put back?")
def left_sorted(logits, p=0.9, temperature=1.0):
    return np.sort(_shared(*_cut(logits, p, temperature)))[::-1].copy()


@top_p.mistake("All that was left out goes to the best note.", ask="By what is each of the kept ones divided?")
def to_the_best(logits, p=0.9, temperature=1.0):
    numbers, P = _cut(logits, p, temperature)
    out = np.zeros(len(P))
    out[numbers] = P[numbers]
    out[numbers[0]] += 1 - out.sum()
    return out


# ---------------------------------------------------------------------------------------------- 07.4


def _asked(rng, *shape, m=None, c=None, scale=1.0):
    """Random queries of the last n of m times, keys, values: float32 tensors."""
    import torch

    *front, n, d = shape
    sizes = ((n, d), (m or n, d), (m or n, c or d))
    return tuple(torch.from_numpy((scale * rng.normal(size=(*front, *size))).astype(np.float32)) for size in sizes)


causal_attention = Exercise(
    "07.4", "causal_attention(q, k, v)",
    example=lambda: _asked(np.random.default_rng(74), 2, 3, 4, m=5, c=2),
    hints=[
        "For four times, n = m = 4, draw the square of all pairs, and cross out what each may not hear. How many are "
        "left in the first row? Now only the last two queries are there: which rows are these?",
        "Scores, then the mask, then the softmax along the keys, then the weighted sum. A score of minus infinity gets "
        "a weight of exactly 0. Query number r of n belongs to time m − n + r.",
        "`torch.arange(m) > torch.arange(m - n, m)[:, None]` is true in the future, shape [n, m]. `masked_fill` the "
        "scores with `-torch.inf` there, before the softmax. `k.mT` swaps the last two axes, however many are in "
        "front.",
    ],
    learned="One triangle is all that keeps a Transformer from copying the answer. So it learns from every note of a "
            "piece at once.",
)


@causal_attention.output
def is_a_mean_of_values(t, got, q, k, v):
    t.holds(hasattr(got, "detach"), f"You return **{briefly(got)}**, expected a tensor.", values=False,
            ask="Which operation left PyTorch?")
    t.array(got, shape=(*q.shape[:-1], v.shape[-1]), dtype=np.float32)
    got, values = as_array(got), as_array(v)
    low, high = values.min(axis=-2, keepdims=True), values.max(axis=-2, keepdims=True)
    room = 1e-4 * (1 + np.abs(values).max())
    t.holds(bool(((got >= low - room) & (got <= high + room)).all()), "A number of yours lies **outside** the values "
            "that it should be a mean of.", ask="What do the weights of one query add up to?")


def _weights(t, case, q, k):
    """The attention itself: what comes out when the values are a unit matrix."""
    import torch

    m = k.shape[-2]
    return as_array(t.on(case)(q, k, torch.eye(m).expand(*k.shape[:-1], m).contiguous()))


@causal_attention.edges
def the_first_hears_itself(t):
    for n in (1, 6):
        q, k, v = _asked(t.rng, n, 4)
        t.close(t.on(f"{n} time{'s' * (n > 1)}")(q, k, v)[0], v[0], atol=1e-6, says="At time 0 there is nothing but "
                "itself to hear: the output is its value.", ask="Which times may time 0 hear?")


@causal_attention.edges
def the_newest_hears_all(t):
    q, k, v = _asked(t.rng, 2, 1, 4, m=5)
    got = t.on("one query, that of the last of five times, and keys all alike")(q, 0 * k, v)
    t.close(got, v.mean(dim=-2, keepdim=True), atol=1e-5, says="The last time hears all five, here equally well: the "
            "output is their mean.", ask="To which time does the query belong?")


@causal_attention.edges
def axes_in_front(t):
    for front in ((), (3,), (2, 3)):
        q, k, v = _asked(t.rng, *front, 4, 3, c=5)
        got = t.on(f"{len(front)} axes in front")(q, 0 * k, v)
        want = v.cumsum(dim=-2) / np.arange(1, 5, dtype=np.float32)[:, None]
        t.close(got, want, atol=1e-5, says="With keys all alike each time hears the mean of what was so far.",
                ask="Which axes are times, which are numbers, counted from the end?")


@causal_attention.edges
def loud_scores(t):
    import torch

    k = torch.tensor([[100.0], [-100.0], [50.0]])
    got = t.on("scores of up to 10000")(k, k, torch.tensor([[1.0], [2.0], [3.0]]))
    t.close(got, [[1.0], [2.0], [1.0]], atol=1e-5, says="Then the best is all that is heard.",
            ask="How large is e to the power of 10000?")


@causal_attention.properties
def nobody_hears_the_future(t):
    q, k, v = _asked(t.rng, 2, 8, 4)
    for i in (1, 4, 7):
        before = t.on("random queries, keys and values")(q, k, v)[:, :i]
        others = [one.clone() for one in (q, k, v)]
        for one in others:
            one[:, i:] = 5 - one[:, i:]
        t.close(t.on(f"the same with all changed from time {i} on")(*others)[:, :i], before, atol=1e-5,
                says=f"What was heard before time {i} has to be as before.", ask="Which pairs does your mask cross "
                "out, and before or after the softmax?")


@causal_attention.properties
def weights_are_shares_of_the_past(t):
    q, k, _ = _asked(t.rng, 5, 3, m=8)
    got = _weights(t, "values that are a unit matrix", q, k)
    future = np.arange(8) > np.arange(3, 8)[:, None]
    most = np.abs(got[future]).max()
    t.holds(most == 0, f"A weight on the future is **{most:.3g}**, expected exactly 0.",
            ask="What does a score have to be for a weight of 0?")
    t.close(got.sum(axis=-1), np.ones(5), atol=1e-5, says="The weights of a query are shares.",
            ask="Along which axis does the softmax go, and over which pairs?")
    t.holds(bool((got[~future] > 0).all()), "A weight on the past or on itself is **0**, expected above.",
            ask="Which pairs does your mask cross out?")


@causal_attention.properties
def a_score_by_hand(t):
    import torch

    for d in (1, 4, 16):
        q = torch.ones(2, d)
        k = torch.stack([torch.zeros(d), torch.full((d,), 1 / d**0.5)])
        got = _weights(t, f"scores 0 and {d**0.5:g}, divided by the root of d = {d}", q, k)[1]
        t.close(got, [1 / (1 + np.e), np.e / (1 + np.e)], atol=1e-5, says=f"With d = {d}, the scores of time 1 are 0 "
                "and 1 after the division: the weights are 0.269 and 0.731.", ask="What is divided by the root of "
                "what?")


@causal_attention.properties
def one_after_the_other(t):
    q, k, v = _asked(t.rng, 2, 2, 6, 4)
    whole = t.on("six times at once")(q, k, v)
    for i in range(6):
        now, past = slice(i, i + 1), slice(i + 1)
        got = t.on(f"time {i} alone, with the keys up to it")(q[..., now, :], k[..., past, :], v[..., past, :])
        t.close(got, whole[..., now, :], atol=1e-5, says=f"Time {i}, when it is the newest, hears what it hears in the "
                "whole piece.", ask="To which time does the only query belong?")
    got = t.on("the last four times of six")(q[..., 2:, :], k, v)
    t.close(got, whole[..., 2:, :], atol=1e-5, says="The last four times hear what they hear in the whole piece.",
            ask="To which times do the queries belong?")


@causal_attention.properties
def lets_the_gradient_through(t):
    q, k, v = (one.requires_grad_() for one in _asked(t.rng, 4, 3))
    got = t.on("tensors that a network made")(q, k, v)
    t.holds(got.requires_grad, "The gradient does not reach the queries: your output does **not** remember what it was "
            "made of.", values=False, ask="Which line leaves PyTorch, or makes a new tensor of numbers?")


@causal_attention.reference
def agrees_with_torch(t):
    from torch.nn.attention.bias import causal_lower_right
    from torch.nn.functional import scaled_dot_product_attention

    for shape, m in (((4, 4, 16, 8), 16), ((2, 3, 7, 5), 12), ((1, 2, 100, 16), 100)):
        q, k, v = _asked(t.rng, *shape, m=m)
        n = shape[-2]
        how = {"is_causal": True} if n == m else {"attn_mask": causal_lower_right(n, m)}
        case = f"{n} queries and {m} keys"
        t.close(t.on(case)(q, k, v), scaled_dot_product_attention(q, k, v, **how), atol=1e-5,
                says=f"For {case}, it has to agree with `scaled_dot_product_attention`.",
                ask="Whom does the last of them hear, and how far back?")


def _listened(q, k, v, hidden=lambda time, key: key > time, scale=lambda d: d**0.5, fill=-np.inf, dim=-1,
              first=None):
    """What a mistake hears: another mask, another scale, another softmax."""
    import torch

    n, m = q.shape[-2], k.shape[-2]
    first = m - n if first is None else first
    mask = hidden(torch.arange(first, first + n)[:, None], torch.arange(m))
    return (q @ k.mT / scale(q.shape[-1])).masked_fill(mask, fill).softmax(dim=dim) @ v


@causal_attention.mistake("Everybody hears the future: there is no mask.", ask="Which pairs have to be crossed out?")
def no_mask(q, k, v):
    return _listened(q, k, v, hidden=lambda time, key: key > time + len(key))


@causal_attention.mistake("Your mask is turned round: each time hears the future and not the past.",
                          ask="Which pairs does your mask cross out?")
def only_the_future(q, k, v):
    return _listened(q, k, v, hidden=lambda time, key: key < time)


@causal_attention.mistake("A time does not hear itself in your answer; the first then hears nothing at all.",
                          ask="Does j ≤ i hold for j = i?")
def deaf_to_itself(q, k, v):
    return _listened(q, k, v, hidden=lambda time, key: key >= time)


@causal_attention.mistake("You count the queries from the first time. They are those of the last n.",
                          ask="To which time does query 0 belong?")
def from_the_first_time(q, k, v):
    return _listened(q, k, v, first=0)


@causal_attention.mistake("You set scores of the future to 0. Their weight is then not 0: e to the power of 0 is 1.",
                          ask="What does a score have to be for a weight of 0?")
def scores_of_0(q, k, v):
    return _listened(q, k, v, fill=0.0)


@causal_attention.mistake("You take the future out after the softmax, so that the weights that stay no longer add up "
                          "to 1.", ask="Over which pairs does the sum below the line go?")
def masked_too_late(q, k, v):
    import torch

    n, m = q.shape[-2], k.shape[-2]
    weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(dim=-1)
    return weights.masked_fill(torch.arange(m) > torch.arange(m - n, m)[:, None], 0) @ v


@causal_attention.mistake("You do not divide the scores by √d.", ask="How does a sum of d random products grow with "
                          "d?")
def not_scaled(q, k, v):
    return _listened(q, k, v, scale=lambda d: 1.0)


@causal_attention.mistake("You divide the scores by d, not by its root.", ask="How does a sum of d random products "
                          "grow with d?")
def scaled_by_d(q, k, v):
    return _listened(q, k, v, scale=lambda d: d)


@causal_attention.mistake("Your softmax goes along the queries: what is shared out is each key, not each query.",
                          ask="Which axis of the scores counts what is heard?")
def along_the_queries(q, k, v):
    return _listened(q, k, v, fill=-1e9, dim=-2)


# ---------------------------------------------------------------------------------------------- 07.5


def _guessed(rng, lengths, scale=2.0, filling=0.0):
    """Random logits and chords of about four keys; the filling of both holds `filling`."""
    lengths = np.array(lengths)
    shape = (len(lengths), lengths.max(), 88)
    logits = scale * rng.normal(size=shape)
    roll = (rng.random(shape) < 4 / 88).astype(float)
    roll[:, 0, 40] = 1
    outside = np.arange(shape[1]) >= lengths[:, None]
    logits[outside], roll[outside] = filling, filling
    return logits, roll, lengths


nll = Exercise(
    "07.5", "nll(logits, roll, lengths)",
    example=lambda: _guessed(np.random.default_rng(75), [3, 1, 5], filling=0.7),
    hints=[
        "All logits 0, two keys sound in each of three steps: how many nats does a key cost, a step, the piece, and "
        "what do you divide it by for each of the two?",
        "First take the real steps out of the batch: a mask of the shape [batch, time] as an index leaves an array of "
        "the shape [steps, 88], of logits and of keys. −ln σ(z) = ln(1 + e^(−z)) and −ln(1 − σ(z)) = ln(1 + e^z).",
        "Both cases in one: `np.logaddexp(0, z) - x * z`. Its sum over all is L. Divide it by the number of real "
        "steps, and by the sum of x.",
    ],
    learned="Before you compare two numbers, ask what each was divided by.",
)


@nll.output
def is_two_numbers(t, got, logits, roll, lengths):
    two_things(t, got, "per_step, per_note")
    for name, one in zip(("per_step", "per_note"), got, strict=True):
        t.holds(np.ndim(as_array(one)) == 0 and as_array(one).dtype.kind in "iuf", f"Your {name}: **{briefly(one)}**, "
                "expected one number.", values=False, ask="Over what is it summed, and by what divided?")
        t.holds(bool(np.isfinite(one)), f"Your {name} is **{one}**. The logits are finite, and so is what they cost.",
                ask="What is σ(1000) in floats, and what is the logarithm of what is left?")
        t.holds(one >= 0, f"Your {name} is **{one:.4g}**; a negative log-likelihood of keys is never below 0.",
                ask="What sign has the logarithm of a probability?")


def _costs(t, case, args, per_step, per_note, says, ask):
    """Hold both numbers to what they have to be."""
    got = t.on(case)(*args)
    for name, one, want in (("per_step", got[0], per_step), ("per_note", got[1], per_note)):
        t.holds(abs(one - want) <= 1e-5 * max(1, abs(want)), f"For {case}, your {name} is **{one:.4f}**, expected "
                f"{want:.4f}. {says}", ask=ask)


def _chords(steps, *keys):
    """A piece in which the same keys sound in every step."""
    roll = np.zeros((1, steps, 88))
    roll[..., list(keys)] = 1
    return roll


@nll.edges
def knows_nothing(t):
    for steps, keys in ((1, (10, 20, 30)), (5, (3,)), (2, (1, 2, 3, 4))):
        case = f"{steps} step{'s' * (steps > 1)} in which {len(keys)} keys sound, all logits 0"
        _costs(t, case, (np.zeros((1, steps, 88)), _chords(steps, *keys), np.array([steps])), 88 * np.log(2),
               88 * np.log(2) / len(keys), "Each of the 88 keys costs ln 2 = 0.693 nats.",
               "Over what do you sum, and by what do you divide?")


@nll.edges
def certain_and_right(t):
    roll = _chords(3, 20, 40)
    _costs(t, "logits of 100 where a key sounds and −100 where not", (200 * roll - 100, roll, np.array([3])), 0, 0,
           "What is certain and right costs nothing.", "Which probability belongs to a key that is silent?")


@nll.edges
def certain_and_wrong(t):
    for large in (30.0, 1000.0):
        roll, logits = _chords(2, 50), np.full((1, 2, 88), -100.0)
        logits[..., 50] = -large
        _costs(t, f"a logit of −{large:g} for the only key that sounds", (logits, roll, np.array([2])), large, large,
               "That costs as many nats.", "What is σ(−1000) in floats, and what is its logarithm?")
        logits[..., [50, 51]] = 100.0, large
        _costs(t, f"a logit of {large:g} for a key that is silent", (logits, roll, np.array([2])), large, large,
               "That costs as many nats.", "What is 1 − σ(1000) in floats?")


@nll.edges
def whatever_stands_in_the_filling(t):
    for filling in (0.0, 1.0, -900.0):
        logits, roll, lengths = _guessed(t.rng, [1, 6], scale=0.0, filling=filling)
        notes = roll[0, :1].sum() + roll[1].sum()
        _costs(t, f"pieces of 1 and 6 steps, logits 0, filled up with {filling:g}", (logits, roll, lengths),
               88 * np.log(2), 7 * 88 * np.log(2) / notes, f"7 steps are real, and {notes:.0f} keys sound in them.",
               "Which steps are real, and where do they count?")


@nll.properties
def two_ways_to_share_the_same(t):
    logits, roll, lengths = _guessed(t.rng, [6, 3, 4])
    per_step, per_note = t.on("three random pieces")(logits, roll, lengths)
    steps, notes = lengths.sum(), roll.sum()
    t.holds(abs(per_step * steps - per_note * notes) < 1e-4 * per_step * steps, "For three random pieces of "
            f"{steps} steps in which {notes:.0f} keys sound, {per_step:.3f} per step make **{per_step * steps:.2f}** "
            f"nats, {per_note:.3f} per note **{per_note * notes:.2f}**. Both share out the same L.",
            ask="What is L, and which keys does it hold?")


@nll.properties
def a_long_piece_weighs_more(t):
    logits, roll, lengths = _guessed(t.rng, [8, 1])
    logits[1] *= 5
    alone = [t.on(f"piece {b} alone")(logits[b : b + 1, :n], roll[b : b + 1, :n], lengths[b : b + 1])
             for b, n in enumerate(lengths)]
    total = sum(one[0] * n for one, n in zip(alone, lengths, strict=True))
    notes = sum(roll[b, :n].sum() for b, n in enumerate(lengths))
    _costs(t, "pieces of 8 steps and 1", (logits, roll, lengths), total / 9, total / notes,
           f"Alone they have {alone[0][0]:.3f} and {alone[1][0]:.3f} per step; together it is nats by all nine steps.",
           "What is averaged: pieces or steps?")


@nll.properties
def silent_keys_cost_too(t):
    roll = _chords(1, 30)
    z = float(t.rng.uniform(-3, 3))
    logits = np.full((1, 1, 88), -100.0)
    logits[..., 30], logits[..., 31] = 100.0, z
    want = np.log1p(np.exp(z))
    _costs(t, f"one key that sounds for certain, and one that is silent with a logit of {z:.3f}",
           (logits, roll, np.array([1])), want, want, "A key that is silent costs −ln(1 − σ(z)).",
           "What does a model pay for a note that is not there?")


@nll.properties
def keys_have_no_order(t):
    logits, roll, lengths = _guessed(t.rng, [4, 2])
    order = t.rng.permutation(88)
    once = t.on("two random pieces")(logits, roll, lengths)
    _costs(t, "the same with the keys in another order", (logits[..., order], roll[..., order], lengths), *once,
           "A key costs the same, wherever it stands.", "What does one key know of another?")


@nll.reference
def agrees_with_torch_summed(t):
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    for pieces, longest in ((4, 10), (12, 160)):
        lengths = t.rng.integers(1, longest, pieces)
        lengths[0] = longest
        logits, roll, lengths = _guessed(t.rng, lengths, scale=4.0, filling=1.0)
        real = torch.from_numpy(np.arange(longest) < lengths[:, None])
        z, x = (torch.from_numpy(one)[real] for one in (logits, roll))
        total = float(binary_cross_entropy_with_logits(z, x, reduction="sum"))
        _costs(t, f"{pieces} pieces of up to {longest} steps", (logits, roll, lengths), total / len(z),
               total / float(x.sum()), "It has to agree with `binary_cross_entropy_with_logits`, summed.",
               "How exact are your sums when they are long?")


def _cost(logits, roll, lengths, each=lambda z, x: np.logaddexp(0, z) - x * z, real=None, steps=len,
          notes=lambda x: x.sum(), shared=lambda cost: cost.sum()):
    """What a mistake hands back: another cost of a key, other steps, another divisor."""
    real = np.arange(logits.shape[1]) < lengths[:, None] if real is None else real
    z, x = logits[real], roll[real]
    cost = each(z, x)
    return float(shared(cost) / steps(z)), float(cost.sum() / notes(x))


@nll.mistake("You divide by the keys as well: that is the mean of a key, and small.", ask="What does a step cost, and "
             "how many keys has it?")
def mean_over_keys(logits, roll, lengths):
    return _cost(logits, roll, lengths, steps=np.size)


@nll.mistake("The filling is counted as steps.", ask="Which steps are real, and where do they count?")
def filling_counts(logits, roll, lengths):
    return _cost(logits, roll, lengths, real=np.ones(logits.shape[:2], bool))


@nll.mistake("The filling costs nothing with you, but you divide by it.", ask="Which steps are real, and where do they "
             "count?")
def divided_by_the_filling(logits, roll, lengths):
    return _cost(logits, roll, lengths, steps=lambda z: logits.shape[0] * logits.shape[1])


@nll.mistake("You take the mean of the pieces: one step of a short piece weighs as much as many of a long one.",
             ask="What is averaged: pieces or steps?")
def mean_of_pieces(logits, roll, lengths):
    each = [_cost(logits[b : b + 1, :n], roll[b : b + 1, :n], lengths[b : b + 1]) for b, n in enumerate(lengths)]
    return float(np.mean([one[0] for one in each])), float(np.mean([one[1] for one in each]))


@nll.mistake("Your logarithm is that of base 2: those are bits.", ask="Whose logarithm of 2 is 0.693?")
def in_bits(logits, roll, lengths):
    return _cost(logits, roll, lengths, each=lambda z, x: (np.logaddexp(0, z) - x * z) / np.log(2))


@nll.mistake("Only keys that sound cost something with you. A model that lets all 88 sound would be perfect.",
             ask="What does a model pay for a note that is not there?")
def only_what_sounds(logits, roll, lengths):
    return _cost(logits, roll, lengths, each=lambda z, x: x * np.logaddexp(0, -z))


@nll.mistake("Your 88 keys share one probability among them, by a softmax. Here each has its own.",
             ask="May two keys be certain at once?")
def one_softmax(logits, roll, lengths):
    return _cost(logits, roll, lengths,
                 each=lambda z, x: x * (np.logaddexp.reduce(z, axis=-1, keepdims=True) - z))


@nll.mistake("You add something small before the logarithm, or hold the probability away from 0: what is certain and "
             "wrong then costs too little.", ask="What should a logit of 1000 cost?")
def held_from_0(logits, roll, lengths):
    def each(z, x):
        p = np.clip(1 / (1 + np.exp(-np.clip(z, -700, 700))), 1e-7, 1 - 1e-7)
        return -x * np.log(p) - (1 - x) * np.log(1 - p)

    return _cost(logits, roll, lengths, each=each)


@nll.mistake("You divide by the steps where you should divide by the notes.", ask="What is a note here, and how many "
             "sound?")
def notes_are_steps(logits, roll, lengths):
    per_step, _ = _cost(logits, roll, lengths)
    return per_step, per_step


@nll.mistake("Your two numbers have changed places.", ask="Which is the larger: what a step costs, or a note?")
def the_other_way_round(logits, roll, lengths):
    return _cost(logits, roll, lengths)[::-1]


# ---------------------------------------------------------------------------------------------- 07.6

_PAIRS = tuple(combinations(range(4), 2))

parallels = Exercise(
    "07.6", "parallels(voices)",
    example=lambda: (np.array([
        [72, 67, 64, 48], [74, 69, 62, 50], [74, 69, 62, 50], [74, 69, 55, 43], [76, 71, 57, 45], [72, 67, 57, 45],
        [72, 65, 60, 53], [-1, 67, 62, 55], [-1, 69, 64, 57], [79, 60, 67, 52], [81, 62, 69, 54], [69, 54, 62, 47],
        [67, 52, 59, 45], [65, 57, 60, 41], [72, 53, 60, 48]]),),
    hints=[
        "Soprano 67 to 69, bass 60 to 62: why is that a fault? And 67 to 67 over 60 to 60? And 67 to 69 over 60 to "
        "50?",
        "Three loops: steps from 1 on, a voice, and a voice of a higher number. For each pair four pitches decide: two "
        "before, two after. Ask in turn: does one of them rest, do both move, in the same direction, which distance is "
        "it before and after?",
        "`np.sign(after - before)` gives the direction of both voices, 0 where one is held. The distance without "
        "octaves is `abs(upper - lower) % 12`; take the absolute value first, since −5 % 12 is 7 in Python.",
    ],
    learned="A rule that can be written down can be counted: in Bach, in chance, and in what your model writes.",
)


@parallels.output
def is_faults(t, got, voices):
    t.holds(isinstance(got, list | tuple | np.ndarray), f"You return **{briefly(got)}**, expected a list.",
            values=False, ask="What does its last line hand back?")
    for one in got:
        row = as_array(one)
        t.holds(row.shape == (4,) and np.issubdtype(row.dtype, np.integer), f"In your list stands **{one!r:.60}**, "
                "expected four whole numbers: `(step, voice, other voice, 7 or 0)`.",
                ask="What have you to say about each fault?", values=False)
        step, i, j, interval = row.tolist()
        t.holds(0 <= step < len(voices) and 0 <= i < j < 4, f"In your list stands **{tuple(row.tolist())}**: there is "
                f"no such step of {len(voices)}, or the voices are not two of 0 to 3, the lower number first.",
                ask="How are steps and voices numbered?")
        t.holds(interval in (0, 7), f"In your list stands a distance of **{interval}**, expected 7 or 0.",
                ask="What is a distance without its octaves?")
    t.holds(len({tuple(as_array(one).tolist()) for one in got}) == len(got), "A fault stands **twice** in your list.",
            ask="How often do you come to each pair?")


def _found(t, case, voices, want, says, ask):
    """Hold the faults, in any order, to those that are there."""
    got = [tuple(as_array(one).tolist()) for one in t.on(case)(np.array(voices, int).reshape(-1, 4))]
    missing, invented = sorted(set(want) - set(got)), sorted(set(got) - set(want))
    words = [f"you miss **{one}**" for one in missing[:1]] + [f"you find **{one}**" for one in invented[:1]]
    t.holds(not words, f"For {case}, you have {len(got)} faults, expected {len(want)}: {' and '.join(words)}. {says}",
            ask=ask)


def _pair(upper, lower, i=0, j=3):
    """Two voices that move, the others at rest."""
    voices = np.full((len(upper), 4), -1)
    voices[:, i], voices[:, j] = upper, lower
    return voices


@parallels.edges
def too_short(t):
    for voices in ([], [[72, 67, 60, 48]]):
        _found(t, f"{len(voices)} steps", voices, [], "Nothing moves.", "With which step can a fault begin?")


@parallels.edges
def nobody_moves(t):
    _found(t, "a fifth and an octave that are held for five steps", [[72, 67, 60, 48]] * 5, [], "What is held or "
           "repeated does not move.", "Does each of the two change its pitch?")


@parallels.edges
def rests(t):
    for case, upper, lower in (
        ("a fifth, a rest of both, and another fifth", [67, -1, 69], [60, -1, 62]),
        ("a fifth after which the lower voice rests", [67, 69, 71], [60, -1, 64]),
        ("a voice that comes in on a fifth", [-1, 69, 69], [55, 62, 62]),
        ("a voice that comes in an octave above a bass that rises from 59 to 60", [-1, 72], [59, 60]),
        ("a voice that ends an octave above a bass that falls from 60 to 59", [72, -1], [60, 59]),
    ):
        _found(t, case, _pair(upper, lower), [], "A rest is no pitch, and nothing moves from it or to it.",
               "What is −1 here?")


@parallels.edges
def down_as_well_as_up(t):
    for case, upper, lower, interval in (("fifths that rise", [67, 69], [60, 62], 7),
                                         ("fifths that fall", [69, 67], [62, 60], 7),
                                         ("octaves that rise", [72, 74], [60, 62], 0),
                                         ("octaves that fall by a leap", [74, 67], [62, 55], 0),
                                         ("unisons that rise", [60, 62], [60, 62], 0)):
        _found(t, case, _pair(upper, lower), [(1, 0, 3, interval)], "The fault is at the step where they arrive.",
               "Which step is it, and may they fall?")


@parallels.edges
def with_octaves_left_out(t):
    for case, upper, lower, interval in (("a fifth that becomes a twelfth, both voices rising", [67, 81], [60, 62], 7),
                                         ("twelfths", [79, 81], [60, 62], 7),
                                         ("a unison that becomes an octave, both rising", [60, 74], [60, 62], 0),
                                         ("two octaves", [84, 86], [60, 62], 0)):
        _found(t, case, _pair(upper, lower), [(1, 0, 3, interval)], "Octaves are left out of the distance.",
               "What is the distance, in semitones, without its octaves?")


@parallels.edges
def what_is_no_fault(t):
    for case, upper, lower in (
        ("fifths in contrary motion: one rises to the twelfth, one falls", [67, 69], [60, 50]),
        ("a diminished fifth that becomes a perfect one", [65, 67], [59, 60]),
        ("a perfect fifth that becomes a diminished one", [67, 65], [60, 59]),
        ("fourths", [65, 67], [60, 62]), ("sixths", [69, 71], [60, 62]),
        ("an octave that becomes a fifth, both rising", [72, 81], [60, 74]),
        ("a fifth reached from a third, both rising", [64, 69], [60, 62]),
        ("a voice that leaps an octave while the other is held", [67, 79], [60, 60]),
    ):
        _found(t, case, _pair(upper, lower), [], "It is no parallel.", "Which of the three conditions fails?")


@parallels.edges
def voices_that_cross(t):
    _found(t, "a soprano a fifth below the alto, both rising", _pair([60, 62], [67, 69], 0, 1), [(1, 0, 1, 7)],
           "It is a fifth, whoever is higher.", "Which of the two numbers is taken from which?")
    _found(t, "a soprano a fourth below the alto, both rising", _pair([60, 62], [65, 67], 0, 1), [],
           "It is a fourth, whoever is higher.", "What is −5 % 12 in Python?")


@parallels.properties
def every_pair(t):
    low = int(t.rng.integers(40, 50))
    for i, j in _PAIRS:
        up = int(t.rng.choice([-3, -1, 2, 4]))
        _found(t, f"voices {i} and {j} in fifths, the others resting",
               _pair([low + 7, low + 7 + up], [low, low + up], i, j), [(1, i, j, 7)], "Any two voices can do it.",
               "Which pairs do you look at?")


@parallels.properties
def in_any_key(t):
    voices = _chorale(t.rng, 40)
    here = [tuple(as_array(one).tolist()) for one in t.on("40 random chords")(voices)]
    for shift in (1, -7):
        _found(t, f"the same {shift} semitones higher", voices + shift, here, "Only distances count.",
               "Does a pitch itself matter anywhere?")


@parallels.properties
def backwards(t):
    voices = _chorale(t.rng, 40)
    here = [tuple(as_array(one).tolist()) for one in t.on("40 random chords")(voices)]
    want = [(len(voices) - step, i, j, interval) for step, i, j, interval in here]
    _found(t, "the same backwards", voices[::-1].copy(), want, "What rose now falls, and is as parallel as before.",
           "Which direction do you leave out?")


def _chorale(rng, steps):
    """Random chords of four different pitches, half of them the chord before moved by some semitones and octaves."""
    chords = [rng.choice(np.arange(43, 80), 4, replace=False)]
    while len(chords) < steps:
        moved = chords[-1] + rng.choice([-4, -2, 1, 3]) + 12 * rng.integers(-1, 2, 4) * (rng.random(4) < 0.3)
        fits = len(set(moved.tolist())) == 4 and 30 <= moved.min() <= moved.max() < 100
        chords.append(moved if fits and rng.random() < 0.6 else rng.choice(np.arange(43, 80), 4, replace=False))
    return np.array(chords)


_NAMES = ("P1", "m2", "M2", "m3", "M3", "P4", "d5", "P5", "m6", "M6", "m7", "M7")


def _spelled(midi, lower):
    """A pitch of music21, spelled from a lower one: 7 semitones are a fifth then, not a diminished sixth."""
    found = lower.transpose(_NAMES[(midi - lower.midi) % 12])
    found.octave += (midi - found.midi) // 12
    return found


@parallels.reference
def agrees_with_music21(t):
    from music21 import note, pitch, voiceLeading

    voices = _chorale(t.rng, 30)                                # no unisons: music21 holds them apart from octaves
    want = []
    for step, (before, after) in enumerate(zip(voices[:-1].tolist(), voices[1:].tolist(), strict=True), 1):
        for i, j in _PAIRS:
            lower = [pitch.Pitch(pitch.Pitch(one[j]).nameWithOctave) for one in (before, after)]        # by its name
            upper = [_spelled(one[i], low) for one, low in zip((before, after), lower, strict=True)]
            pair = voiceLeading.VoiceLeadingQuartet(*map(note.Note, (*upper, *lower)))
            want += [(step, i, j, semitones) for name, semitones in (("P5", 7), ("P8", 0))
                     if pair.parallelMotion(name, allowOctaveDisplacement=True)]
    _found(t, "30 random chords", voices, want, "It has to agree with `VoiceLeadingQuartet.parallelMotion` of music21.",
           "How many octaves may lie between two voices?")


def _faults(voices, pairs=_PAIRS, rest=lambda *pitches: min(pitches) < 0,
            moves=lambda a, b: a == b != 0, distance=lambda a, b: abs(a - b) % 12,
            bad=lambda before, after: before == after and after in (0, 7), shift=0):
    """What a mistake finds: other pairs, another motion, other distances."""
    found = []
    for step in range(1, len(voices)):
        for i, j in pairs:
            (a, b), (c, d) = voices[step - 1, [i, j]].tolist(), voices[step, [i, j]].tolist()
            before, after = distance(a, b), distance(c, d)
            if not rest(a, b, c, d) and moves(np.sign(c - a), np.sign(d - b)) and bad(before, after):
                found.append((step + shift, i, j, after % 12))
    return found


@parallels.mistake("What is held or repeated counts with you as parallel.", ask="Does each of the two change its "
                   "pitch?")
def held_counts(voices):
    return _faults(voices, moves=lambda a, b: a == b)


@parallels.mistake("Contrary motion counts with you: one voice rises, the other falls.", ask="In which direction does "
                   "each of them go?")
def contrary_counts(voices):
    return _faults(voices, moves=lambda a, b: a != 0 and b != 0)


@parallels.mistake("You look at neighbouring voices only; soprano and bass can go in fifths as well.",
                   ask="How many pairs do four voices have?")
def neighbours_only(voices):
    return _faults(voices, pairs=((0, 1), (1, 2), (2, 3)))


@parallels.mistake("You take a rest for a pitch of −1.", ask="What is −1 here?")
def rest_is_a_pitch(voices):
    return _faults(voices, rest=lambda *pitches: False)


@parallels.mistake("Only a fifth of 7 and an octave of 12 semitones count with you; a twelfth is a fifth too.",
                   ask="What is the distance without its octaves?")
def no_compounds(voices):
    return _faults(voices, distance=lambda a, b: abs(a - b), bad=lambda before, after: before == after in (7, 12))


@parallels.mistake("A fourth between crossed voices is a fifth with you: the remainder of −5 by 12 is 7.",
                   ask="Which of the two numbers is taken from which?")
def signed_distance(voices):
    return _faults(voices, distance=lambda a, b: (a - b) % 12)


@parallels.mistake("A fifth or an octave that is reached from any other distance counts with you: those are hidden "
                   "parallels, another rule.", ask="Which distance had they before?")
def hidden_ones_too(voices):
    return _faults(voices, bad=lambda before, after: after in (0, 7))


@parallels.mistake("You give the step that they leave, not the one where they arrive.", ask="At which step can one "
                   "first hear it?")
def step_that_they_leave(voices):
    return _faults(voices, shift=-1)


@parallels.mistake("Two voices that fall together escape you.", ask="In which directions can two voices move?")
def rising_only(voices):
    return _faults(voices, moves=lambda a, b: a > 0 and b > 0)


@parallels.mistake("Octaves and unisons escape you.", ask="Which two distances are forbidden?")
def fifths_only(voices):
    return _faults(voices, bad=lambda before, after: before == after == 7)


@parallels.mistake("An octave that becomes a fifth, or a fifth that becomes an octave, counts with you.",
                   ask="Have they the same distance before and after?")
def one_for_the_other(voices):
    return _faults(voices, bad=lambda before, after: before in (0, 7) and after in (0, 7))
