"""What is counted of music is what one counts by hand, and a copy is found in any key."""

import numpy as np
import pytest

from audiolab import counterpoint as cp
from audiolab.scores import HOLD, REST


def grid(*rows):
    return np.array(rows)


# ---- statistics ------------------------------------------------------------------------------------------


def test_statistics_of_two_steps():
    piece = grid([72, 67, 64, 48], [74, HOLD, REST, 43])
    assert cp.pitch_classes([piece]) == pytest.approx(
        [2 / 7, 0, 1 / 7, 0, 1 / 7, 0, 0, 3 / 7, 0, 0, 0, 0])
    moves = cp.melodic_intervals([piece])
    assert moves[12 + 2] == moves[12 - 5] == 0.5 and moves.sum() == 1
    above = cp.harmonic_intervals([piece])                      # over C: C, G, E; over G: D, G
    assert above[[0, 7, 4]] == pytest.approx([0.4, 0.4, 0.2])


def test_distance_is_nothing_to_itself_and_one_to_the_opposite():
    assert cp.distance([0.5, 0.5], [0.5, 0.5]) == 0
    assert cp.distance([1, 0], [0, 1]) == pytest.approx(1)
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    m = (p + q) / 2
    by_hand = np.sqrt(sum(np.sum(x * np.log2(x / m)) for x in (p, q)) / 2)
    assert cp.distance(p, q) == pytest.approx(by_hand)


# ---- voice leading ---------------------------------------------------------------------------------------

GOOD = grid([72, 67, 64, 48], [71, 67, 62, 55])


@pytest.mark.parametrize("piece, name, count", [
    (grid([67, REST, REST, 60], [69, REST, REST, 62]), "parallel_fifths", 1),
    (grid([67, REST, REST, 48], [69, REST, REST, 50]), "parallel_fifths", 1),              # a twelfth
    (grid([67, REST, REST, 60], [69, REST, REST, 64]), "parallel_fifths", 0),
    (grid([67, REST, REST, 60], [67, REST, REST, 60]), "parallel_fifths", 0),              # repeated, not moved
    (grid([67, REST, REST, 60], [HOLD, REST, REST, HOLD], [69, REST, REST, 62]), "parallel_fifths", 1),
    (grid([67, REST, REST, 60], [62, REST, REST, 67]), "parallel_fifths", 0),              # crossed, against each other
    (grid([60, 67, REST, REST], [62, 69, REST, REST]), "parallel_fifths", 1),              # crossed, together
    (grid([60, 65, REST, REST], [62, 67, REST, REST]), "parallel_fifths", 0),              # crossed fourths
    (grid([72, REST, REST, 48], [74, REST, REST, 50]), "parallel_octaves", 1),
    (grid([72, REST, REST, 48], [74, REST, REST, 38]), "parallel_octaves", 0),             # against each other
    (grid([60, REST, REST, 60], [62, REST, REST, 62]), "parallel_octaves", 1),             # unisons
    (grid([64, 67, REST, REST]), "crossing", 1),
    (grid([64, 67, REST, REST], [HOLD, HOLD, REST, REST]), "crossing", 1),
    (grid([67, 67, REST, REST]), "crossing", 0),
    (grid([67, 60, REST, REST], [72, 69, REST, REST]), "overlap", 1),
    (grid([67, 60, REST, REST], [60, 55, REST, REST]), "overlap", 0),
    (grid([67, 62, REST, REST], [60, 57, REST, REST]), "overlap", 1),
    (grid([82, REST, REST, 35]), "range", 2),
    (grid([80, 67, REST, REST]), "spacing", 1),
    (grid([REST, REST, 64, 48]), "spacing", 0),                                            # the bass may lie low
])
def test_faults_are_counted(piece, name, count):
    assert cp.faults(piece)[name] == count


def test_a_good_progression_has_no_faults():
    assert set(cp.faults(GOOD).values()) == {0}
    assert cp.fault_rates([GOOD]) == dict.fromkeys(cp.FAULTS, 0)


def test_rates_are_per_hundred_quarters():
    assert cp.fault_rates([grid([82, REST, REST, 35])])["range"] == pytest.approx(100 * 2 / 0.5)


# ---- copying ---------------------------------------------------------------------------------------------

PIECE = [(48, 60, 67), (50, 62, 65), (47, 62, 67), (48, 60, 64), (53, 60, 69)]


def moved(steps, by):
    return [tuple(pitch + by for pitch in step) for step in steps]


def test_a_copy_is_found_in_any_key():
    for by in (-7, 0, 5):
        copy = [(30,), *moved(PIECE[1:4], by), (31,)]
        assert cp.longest_runs([copy], [PIECE]) == [3]


def test_what_was_changed_is_no_copy():
    changed = [*PIECE[:2], (47, 62, 68), *PIECE[3:]]
    assert cp.longest_runs([changed, PIECE], [PIECE]) == [2, 5]
    assert cp.longest_runs(cp.sopranos([changed]), cp.sopranos([PIECE])) == [2]


def test_silence_is_nobodys():
    assert cp.longest_runs([[(), (), ()]], [[(), (), ()]]) == [0]


def test_quarters_of_a_grid():
    assert cp.quarters(grid([72, 67, 64, 48], [HOLD, 65, HOLD, HOLD], [HOLD, 64, HOLD, REST])) == [
        (48, 64, 67, 72), (64, 72)]


def test_the_share_of_parallels_is_of_moves_in_the_same_direction():
    piece = grid([67, REST, REST, 60], [69, REST, REST, 62], [72, REST, REST, 64], [71, REST, REST, 65])
    assert cp.parallel_share([piece]) == 50           # a fifth to a fifth, a sixth; then against each other
    assert cp.parallel_share([piece, GOOD]) == pytest.approx(100 / 3)
    assert cp.parallel_share([]) == cp.parallel_share([piece[:1]]) == 0


def test_a_whole_copy_is_found_at_once():
    piece = [(40 + i * i % 23, 60 + i * 7 % 19) for i in range(400)]
    assert cp.longest_runs([piece, piece[7:90], piece[::-1][:9]], [piece])[:2] == [400, 83]


def test_a_distribution_of_nothing_is_refused():
    with pytest.raises(ValueError, match="of nothing"):
        cp.distance(np.zeros(12), np.full(12, 1 / 12))
