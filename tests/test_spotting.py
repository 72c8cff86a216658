"""Words from posteriors, and how a spotter is taught and judged."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audiolab.corpora import mixtures, physics, speech, streams
from audiolab.detection import Vote, Word
from audiolab.recipes import spotting

AB = ("a", "b", "other")


def vote(**changes):
    return Vote(AB, **{"hop": 0.1, "lead": 0.1, "threshold": 0.6, "smooth": 2, "refractory": 0.3} | changes)


# ---- the vote -----------------------------------------------------------------------------------------


def test_one_decision_alone_is_not_enough_and_a_word_is_reported_once():
    p = np.array([[0, 0, 1], [1, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    assert vote()(p) == [Word("a", 0.5, 1.0)]


def test_after_the_refractory_time_it_may_come_again():
    assert [one.at for one in vote(smooth=1)(np.tile([0.0, 1, 0], (7, 1)))] == pytest.approx([0.1, 0.4, 0.7])


def test_other_is_never_reported():
    assert vote()(np.tile([0.1, 0.1, 0.8], (9, 1))) == []


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), max_size=30), st.lists(st.integers(0, 30)),
       st.integers(1, 5))
def test_the_vote_is_the_same_wherever_its_decisions_are_divided(p, at, smooth):
    p, whole = np.reshape(p, (-1, 3)), vote(smooth=smooth)
    parted = vote(smooth=smooth)
    assert whole(p) == [word for part in np.split(p, sorted(at)) for word in parted(part)]
    parted.reset()
    whole.reset()
    assert whole(p) == parted(p)


def test_a_vote_without_sense_is_refused():
    with pytest.raises(ValueError, match="threshold"):
        vote(threshold=0)
    with pytest.raises(ValueError, match="1 decision or more"):
        vote(smooth=0)


# ---- what is taught -----------------------------------------------------------------------------------


def test_a_window_is_to_name_a_digit_after_its_end_and_nothing_else():
    truth = spotting.targets([(0.5, 1.0, "two"), (1.2, 1.6, "tree"), (2.0, 2.3, "two"), (2.3, 2.7, "six")], 400)
    assert spotting.LABELS[truth[110]] == "two" and truth[95] == truth[105] == truth[135] == -100
    assert {spotting.LABELS[i] for i in (*truth[:88], *truth[143:218])} == {"other"}
    assert spotting.LABELS[truth[240]] == "two" and spotting.LABELS[truth[280]] == "six"
    assert len(truth) == 400


def test_windows_for_training_come_from_the_generator_and_end_where_they_are_asked():
    voices = torch.randn(40, 1000).clamp(min=-11.5)
    made = (voices, torch.full((40, 1000), -11.5), torch.arange(1000))
    x = torch.tensor([100, 500, 983])
    first, second, other = (spotting.heard(made, x, x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first[0].shape == (3, 1, 40, spotting.WINDOW) and torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])
    assert ((first[1] >= x) & (first[1] < x + spotting.GRID)).all()
    assert torch.equal(spotting.cut(voices, torch.tensor([99]), 80)[0, 0], voices[:, 20:100])


# ---- how it is judged ---------------------------------------------------------------------------------


def test_reports_are_right_once_in_time_and_by_name():
    said = [(1.0, 1.4, "two"), (2.0, 2.4, "two"), (3.0, 3.4, "tree")]
    found = [Word(word, at, 0.9) for word, at in (("two", 1.5), ("two", 1.7), ("six", 2.5), ("two", 2.3), ("two", 9.0))]
    delays = spotting.matched(found, said)
    assert delays == pytest.approx([0.1, np.nan, np.nan, -0.1, np.nan], nan_ok=True)


def test_an_infinite_snr_is_the_voice_alone():
    parts = np.stack([np.full(9, 0.1), np.full(9, 0.2)]).astype(np.float32)
    assert np.array_equal(spotting.mixture(parts, np.inf), parts[0])
    assert spotting.mixture(parts, 20) == pytest.approx(np.full(9, 0.12))


# ---- the streams --------------------------------------------------------------------------------------


def test_streams_of_a_plan_keep_their_voices_and_noises_apart():
    plan = streams.plan_spoken(60)
    assert plan.equals(streams.plan_spoken(60)) and not plan.equals(streams.plan_spoken(60, seed=1))
    voices = plan.groupby("split").group.agg(set)
    assert not (voices.train & voices.test or voices.train & voices.validation or voices.validation & voices.test)
    assert set(plan.background[plan.split != "test"]).isdisjoint(mixtures.NEW)
    assert 0 < plan.new[plan.split == "test"].mean() < 1


def test_a_stream_holds_the_words_that_it_says_when_it_says_them():
    plan = streams.plan_spoken(60)
    row = plan[(plan.digits == 1) & (plan.room < 0)].iloc[0].to_dict()
    clip, again = streams.render_spoken(row), streams.render_spoken(row)
    assert np.array_equal(clip.y, again.y) and clip.y.shape == (2, 20 * physics.SR) and np.abs(clip.y).max() <= 0.99
    words = clip.sidecars["words"]
    assert any(word["word"] in speech.DIGITS for word in words) and words[-1]["offset"] <= 20
    talks = np.zeros(clip.y.shape[1], bool)
    for word in words:
        talks[round(word["onset"] * physics.SR) : round(word["offset"] * physics.SR)] = True
    assert 20 * np.log10(np.sqrt(np.mean(clip.y[0][talks] ** 2))) == pytest.approx(streams.RMS, abs=0.2)
    rings = np.convolve(talks, np.ones(physics.SR // 10 + 1))[: len(talks)] > 0             # glides join words, too
    assert np.abs(clip.y[0][~rings]).max() < 0.01 * np.abs(clip.y[0]).max()


def test_where_no_digits_are_to_be_nobody_says_one():
    plan = streams.plan_spoken(60)
    for row in plan[plan.digits == 0].head(2).to_dict("records"):
        said = {word["word"].lower() for word in streams.render_spoken(row).sidecars["words"]}
        assert said and not said & set(speech.DIGITS)
