"""Is it music, and whose? What can be counted of pieces in four voices, and what they share with others.

Grids are as `audiolab.scores.to_grid` makes them. Steps are lists of tuples of ascending pitches, as
`audiolab.corpora.remote.jsb` has them and `quarters` makes them of a grid.
"""

import functools
from itertools import combinations

import numpy as np

from .scores import HOLD, REST, sounding

#: What each voice sings, soprano to bass, as MIDI pitches: C4 to A5, F3 to D5, C3 to A4, C2 to E4. Hardly one note in
#: a thousand of Bach's chorales lies outside.
RANGES = ((60, 81), (53, 74), (48, 69), (36, 64))
FAULTS = ("parallel_fifths", "parallel_octaves", "crossing", "overlap", "range", "spacing")


def quarters(grid, every=2):
    """The pitches that sound at each quarter note, ascending, as tuples.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]
    every : int
        Steps of the grid per quarter note.

    Returns
    -------
    list of tuple of int

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    return [tuple(sorted({int(pitch) for pitch in row if pitch != REST})) for row in sounding(grid)[::every]]


# ---------------------------------------------------------------------------------------- statistics


def pitch_classes(grids):
    """How much of the time each pitch class sounds: shares [12], C first.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    pitches = np.concatenate([sounding(grid).ravel() for grid in grids])
    return _shares(pitches[pitches != REST] % 12, 12)


def melodic_intervals(grids):
    """How often a voice moves by -12 to 12 semitones from a note to the next: shares [25]. Larger ones count as these.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    steps = []
    for voice in (voice for grid in grids for voice in np.asarray(grid).T):
        struck = voice[voice != HOLD]
        last, then = struck[:-1], struck[1:]
        steps.append((then - last)[(last != REST) & (then != REST)])            # not across a rest
    return _shares(np.concatenate(steps).clip(-12, 12) + 12, 25)


def harmonic_intervals(grids):
    """How often each pitch class sounds above the bass: shares [12], counted in semitones from it.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    pitches = np.concatenate([sounding(grid) for grid in grids])
    above, bass = pitches[:, :-1], pitches[:, -1:]
    return _shares((above - bass)[(above != REST) & (bass != REST)] % 12, 12)


def distance(p, q):
    """How different two distributions are: Jensen-Shannon distance, 0 (alike) to 1 (nothing in common).

    The root of ``(KL(p, m) + KL(q, m)) / 2`` in bits, with ``m = (p + q) / 2``.

    Raises
    ------
    ValueError
        If one of them is of nothing: all zeros.

    References
    ----------
    Lin, "Divergence measures based on the Shannon entropy", 1991; Endres and Schindelin, "A new metric for probability
    distributions", 2003.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    from scipy.spatial.distance import jensenshannon

    if not np.sum(p) > 0 or not np.sum(q) > 0:
        raise ValueError("A distribution of nothing has no distance: was there an interval, or a note, to be counted?")
    return float(jensenshannon(p, q, base=2))


def _shares(values, n):
    counts = np.bincount(values, minlength=n)
    return counts / max(counts.sum(), 1)


# ---------------------------------------------------------------------------------------- voice leading


def faults(grid):
    """What a teacher of harmony would mark red.

    Parameters
    ----------
    grid : array_like of int, shape [time, 4]

    Returns
    -------
    dict of str to int
        `parallel_fifths`, `parallel_octaves`: pairs of voices that move in the same direction, from a step to the next,
        out of a perfect fifth (octave, unison, their compounds) into another, whichever of them is higher. `crossing`:
        pairs of neighbours of which the lower sounds above the upper. `overlap`: a voice moves above where its upper
        neighbour was, or below where its lower one was. `range`: notes outside of `RANGES`. `spacing`: over an octave
        between soprano and alto, or alto and tenor. The last of these and crossing are counted where one of the two
        voices begins a note.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    grid = np.asarray(grid)
    pitches, begins = sounding(grid), grid >= 0
    found = dict.fromkeys(FAULTS, 0)
    for upper, lower in combinations(range(4), 2):
        a, b = pitches[:, upper], pitches[:, lower]
        both, together = (a != REST) & (b != REST), _together(a, b)
        for name, semitones in (("parallel_fifths", 7), ("parallel_octaves", 0)):
            there = abs(a - b) % 12 == semitones
            found[name] += int((together & there[1:] & there[:-1]).sum())
        if lower == upper + 1:
            new = both & (begins[:, upper] | begins[:, lower])
            found["crossing"] += int((new & (b > a)).sum())
            found["spacing"] += int((new & (a - b > 12)).sum()) if lower < 3 else 0
            was = both[1:] & both[:-1]
            found["overlap"] += int((was & begins[1:, lower] & (b[1:] > a[:-1]) & (b[:-1] <= a[:-1])).sum()
                                    + (was & begins[1:, upper] & (a[1:] < b[:-1]) & (a[:-1] >= b[:-1])).sum())
    for voice, (low, high) in enumerate(RANGES):
        notes = grid[begins[:, voice], voice]
        found["range"] += int(((notes < low) | (notes > high)).sum())
    return found


def _together(a, b):
    """Where two voices move in the same direction from a step to the next."""
    both = (a != REST) & (b != REST)
    return both[1:] & both[:-1] & (np.sign(np.diff(a)) * np.sign(np.diff(b)) > 0)


def parallel_share(grids):
    """Of all moves of two voices in the same direction, those in parallel fifths or octaves: per cent.

    Pieces whose voices move more have more parallels by chance alone; this share does not grow with it.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    found = [faults(grid) for grid in grids]
    moves = sum(_together(*pair).sum() for grid in grids for pair in combinations(sounding(grid).T, 2))
    return 100 * sum(one["parallel_fifths"] + one["parallel_octaves"] for one in found) / max(int(moves), 1)


def fault_rates(grids):
    """The faults of pieces per 100 quarter notes of eighths, by name.

    Taught in: notebooks/07_music_generation.ipynb, "Is it music?"
    """
    counts = [faults(grid) for grid in grids]
    steps = sum(len(grid) for grid in grids) / 2
    return {name: 100 * sum(count[name] for count in counts) / steps for name in FAULTS}


# ---------------------------------------------------------------------------------------- copying


def runs(steps, n):
    """All runs of n steps of a piece, alike in whatever key they stand: a set.

    A run is told by the distances of all its pitches from the lowest of its first step. Runs over a silent step do not
    count: pauses are alike everywhere.

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    found = set()
    for i in range(len(steps) - n + 1):
        part = steps[i : i + n]
        if all(part):
            zero = min(part[0])
            found.add(tuple(tuple(pitch - zero for pitch in step) for step in part))
    return found


def longest_runs(pieces, training):
    """How many steps the longest run has that each piece shares with one of the training: a list of int.

    Who shares a run of n steps shares all shorter ones: n is doubled while it is shared, then closed in on.

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    @functools.cache
    def known(n):
        return set().union(*(runs(steps, n) for steps in training))

    def longest(steps):
        too_long = 1
        while runs(steps, too_long) & known(too_long):
            too_long *= 2
        low = too_long // 2
        while too_long - low > 1:
            n = (low + too_long) // 2
            low, too_long = (n, too_long) if runs(steps, n) & known(n) else (low, n)
        return low

    return [longest(steps) for steps in pieces]


def sopranos(pieces):
    """The highest pitch of each step alone, of every piece.

    Taught in: notebooks/07_music_generation.ipynb, "Did it copy?"
    """
    return [[step[-1:] for step in steps] for steps in pieces]
