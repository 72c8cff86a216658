"""CTC against every path written out, against torch and torchaudio; decoding against all texts."""

import itertools

import numpy as np
import pytest
import torch
import torchaudio

from audiolab import ctc, decode


def frames(rng, time, units):
    x = rng.normal(0, 2, (time, units))
    return x - np.logaddexp.reduce(x, axis=1, keepdims=True)


def by_text(log_probs):
    """Log-probability of every text, by going through every path."""
    found = {}
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        text = tuple(ctc.collapse(path))
        found[text] = np.logaddexp(found.get(text, -np.inf), log_probs[np.arange(len(path)), path].sum())
    return found


@pytest.mark.parametrize(("path", "text"), [
    ([], []), ([0, 0], []), ([1, 1, 1], [1]), ([1, 0, 1], [1, 1]), ([0, 2, 2, 0, 0, 1, 2, 2], [2, 1, 2])])
def test_collapse(path, text):
    assert ctc.collapse(path) == text


def test_loss_is_the_sum_over_all_paths():
    log_probs = frames(np.random.default_rng(0), 5, 3)
    texts = by_text(log_probs)
    assert len(texts) > 20
    for text, log_p in texts.items():
        assert ctc.loss(log_probs, list(text)) == pytest.approx(-log_p, abs=1e-10)
    assert np.logaddexp.reduce([-ctc.loss(log_probs, list(t)) for t in texts]) == pytest.approx(0, abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_agree_with_torch(seed):
    rng = np.random.default_rng(seed)
    time, text = int(rng.integers(20, 300)), rng.integers(1, 6, rng.integers(1, 9)).tolist()
    scores = torch.tensor(rng.normal(0, 3, (time, 6)), requires_grad=True)
    log_probs = scores.log_softmax(dim=1)
    loss = torch.nn.functional.ctc_loss(log_probs[:, None], torch.tensor([text]), [time], [len(text)], reduction="sum")
    (gradient,) = torch.autograd.grad(loss, scores)
    assert ctc.loss(log_probs.detach(), text) == pytest.approx(loss.item(), rel=1e-10)
    assert np.abs(ctc.gradient(log_probs.detach(), text) - gradient.numpy()).max() < 1e-9


def test_an_empty_text_is_all_blanks():
    log_probs = frames(np.random.default_rng(0), 7, 4)
    assert ctc.loss(log_probs, []) == pytest.approx(-log_probs[:, 0].sum())
    assert ctc.align(log_probs, []).tolist() == [0] * 7


def test_what_needs_more_frames_is_impossible():
    log_probs = frames(np.random.default_rng(0), 3, 3)
    assert ctc.fewest_frames([1, 1]) == 3 and ctc.fewest_frames([1, 1, 2]) == 4 and ctc.fewest_frames([]) == 0
    assert np.isfinite(ctc.loss(log_probs, [1, 1])) and ctc.loss(log_probs, [1, 1, 2]) == np.inf
    for call in (ctc.align, ctc.gradient):
        with pytest.raises(ValueError, match="3 frames are too few for this text, which needs 4"):
            call(log_probs, [1, 1, 2])


@pytest.mark.parametrize("seed", range(5))
def test_align_finds_a_walk_as_probable_as_that_of_torchaudio(seed):
    rng = np.random.default_rng(seed)
    log_probs, text = frames(rng, 40, 5).astype(np.float32), rng.integers(1, 5, 6).tolist()
    state = ctc.align(log_probs, text)
    path = ctc.states(text)[state]
    assert ctc.collapse(path) == text and (np.diff(state) >= 0).all()
    _, best = torchaudio.functional.forced_align(torch.from_numpy(log_probs)[None], torch.tensor([text]).int(), blank=0)
    assert log_probs[np.arange(40), path].sum() == pytest.approx(best.sum().item(), abs=1e-4)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((0, 3)), np.full((4, 3), np.nan)])
def test_no_matrix_of_log_probabilities(bad):
    with pytest.raises(ValueError, match="matrix"):
        ctc.forward(bad, [1])


@pytest.mark.parametrize("text", [[0], [3], [[1]]])
def test_units_that_there_are_not(text):
    with pytest.raises(ValueError, match="list of units 1 to 2"):
        ctc.forward(np.zeros((4, 3)), text)


# ---- decode ---------------------------------------------------------------------------------------------


def test_letters_and_back():
    assert decode.to_text(decode.to_units("Don't  stop ")) == "don't stop"
    assert decode.to_units("") == [] and decode.to_text([]) == ""
    with pytest.raises(ValueError, match=r"'4' in '4 two'.*Spell numbers out"):
        decode.to_units("4 two")


def test_greedy_reads_no_filling():
    log_probs = np.log(np.full((1, 6, 29), 1e-3))
    for t, letter in enumerate("onezzz"):
        log_probs[0, t, decode.to_units(letter)] = 0
    assert decode.greedy(log_probs, [3]) == ["one"]
    assert decode.greedy(torch.from_numpy(log_probs), torch.tensor([6])) == ["onez"]


@pytest.mark.parametrize("seed", range(20))
def test_a_wide_beam_finds_the_most_probable_text(seed):
    log_probs = frames(np.random.default_rng(seed), 5, 4)
    texts = by_text(log_probs)
    found = tuple(decode._beam(log_probs, None, 300, 0))
    assert texts[found] == pytest.approx(max(texts.values()))


def test_the_best_path_is_not_the_best_text():
    p = np.full((1, 2, 29), 1e-12)
    p[:, :, 0], p[:, :, decode.to_units("a")] = 0.6, 0.4        # path –– has 0.36; a–, –a and aa have 0.64 together
    assert decode.greedy(np.log(p), [2]) == [""] and decode.beam_search(np.log(p), [2]) == ["a"]


def test_a_narrow_beam_still_writes():
    log_probs = frames(np.random.default_rng(1), 30, 29)
    assert isinstance(decode.beam_search(log_probs[None], [30], width=1)[0], str)
    with pytest.raises(ValueError, match="at least one prefix"):
        decode.beam_search(log_probs[None], [30], width=0)


def test_a_language_model_mends_the_spelling():
    lm = decode.NGram(["three two", "two three", "three"], order=4)
    log_probs = np.full((1, 12, 29), np.log(1e-4))
    for t, letter in enumerate("three three "[:11]):
        log_probs[0, t, decode.to_units(letter)] = np.log(0.9)
    log_probs[0, 3, :] = np.log(1e-4)                           # one unclear frame: e, a little less likely than x
    log_probs[0, 3, decode.to_units("x")], log_probs[0, 3, decode.to_units("e")] = np.log(0.5), np.log(0.4)
    assert "x" in decode.beam_search(log_probs, [6])[0]
    assert "x" not in decode.beam_search(log_probs, [6], lm, weight=1.0)[0]


def test_an_ngram_is_a_distribution_and_learns():
    lm = decode.NGram(["one two", "one one"], order=3)
    for before in ("", "o", "one", "zzz", "one two"):
        assert np.exp(lm.next(tuple(decode.to_units(before)))).sum() == pytest.approx(1)
    assert lm.score("one two") > lm.score("two eno") > -np.inf
    assert lm.next(tuple(decode.to_units("one two")))[0] > np.log(0.3)          # the end
    for texts, order, says in (([], 3, "no text"), (["one"], 0, "at least 1")):
        with pytest.raises(ValueError, match=says):
            decode.NGram(texts, order)


def test_ngram_by_hand():
    lm = decode.NGram(["aa"], order=2)                          # of a, a and the end, two are a
    flat = (2 + 2 / 29) / 5                                     # of 3 counts and 2 kinds
    assert np.exp(lm.next(())[decode.to_units("a")[0]]) == pytest.approx(flat)
    assert np.exp(lm.next((3,))[3]) == pytest.approx((1 + 2 * flat) / 4)        # after a: a once, end once


def test_words_have_times_and_confidence():
    text, log_probs = "one two", np.full((20, 29), np.log(1e-3))
    log_probs[:, 0] = np.log(0.9)
    for t, letter in zip((2, 4, 5, 9, 11, 12, 15), text, strict=True):
        log_probs[t, 0], log_probs[t, decode.to_units(letter)] = np.log(0.1), np.log(0.8)
    one, two = decode.words(log_probs, text, 0.03)
    assert (one["word"], two["word"]) == ("one", "two")
    assert one["onset"] == pytest.approx(0.06) and one["offset"] == pytest.approx(0.18)
    assert two["onset"] == pytest.approx(0.33) and two["confidence"] == pytest.approx(0.8)
    one, two = decode.words(log_probs, text, 0.03, late=0.2)     # neither before the beginning nor into the word before
    assert one["onset"] == 0 and two["onset"] == one["offset"]
    assert decode.words(log_probs, "", 0.03) == []


def test_what_has_no_probability_is_said_so_and_zeros_do_no_harm():
    log_probs = frames(np.random.default_rng(0), 6, 4)
    log_probs[2, 3] = -np.inf                                   # not there in one frame
    assert np.isfinite(ctc.gradient(log_probs, [3, 1])).all() and ctc.align(log_probs, [3, 1]).shape == (6,)
    log_probs[:, 3] = -np.inf                                   # nor anywhere
    assert ctc.loss(log_probs, [3, 1]) == np.inf
    for call in (ctc.align, ctc.gradient):
        with pytest.raises(ValueError, match="probability 0"):
            call(log_probs, [3, 1])


def test_blanks_and_nan_are_not_read_as_letters():
    with pytest.raises(ValueError, match="0 is none: collapse"):
        decode.to_text([0, 22])
    with pytest.raises(ValueError, match="NaN"):
        decode.greedy(np.full((1, 3, 29), np.nan), [3])
    scores = torch.zeros(1, 3, 29, requires_grad=True)
    assert decode.greedy(scores, [3]) == [""] and isinstance(decode.beam_search(scores, [3])[0], str)
