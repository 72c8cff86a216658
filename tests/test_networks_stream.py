"""The live denoiser and the spotter of words: the same whatever the blocks, and clear about what they cannot take."""

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import audiolab as al
from audiolab import models, preprocess, recipes, stream
from audiolab.corpora import events, physics, speech
from audiolab.recipes import spotting

SR = 16000
DENOISER, _ = models.load("voice-gru-scenes")
SPOTTER, CARD = models.load("spotter-dscnn-streams")


def spoken(*words, voice="en-us-nyc+f1", pause=0.4, snr=np.inf):
    """Words by a voice that no network has learnt from, a pause before each and a second after, in pink noise."""
    pieces = []
    for word in words:
        y, sr = speech.say(word, voice)
        pieces += [np.zeros(round(pause * SR)), preprocess.trim_silence(preprocess.resample(y, sr, SR), SR)[0]]
    y = np.concatenate([*pieces, np.zeros(SR)]).astype(np.float32)
    noise = al.augment.coloured((1, len(y)), SR, torch.tensor([-1.0]), torch.Generator().manual_seed(3))[0].numpy()
    return y if np.isinf(snr) else al.augment.mix_at_snr(y, noise, snr)


SIGNAL = spoken("four", "zero", "two", snr=15)
WHOLE = {"voice": DENOISER(torch.from_numpy(SIGNAL)[None])[0].detach().numpy(),
         "words": spotting.vote(CARD["rule"])(spotting.posteriors(SPOTTER, spotting.picture(SIGNAL)))}

cuts = st.lists(st.integers(0, len(SIGNAL)), max_size=12).map(sorted)


def in_blocks(processor, y, at):
    """What comes out block by block, and of the flush."""
    return [processor(block) for block in np.split(y, at)] + [processor.flush()]


# ---- the same, wherever blocks end --------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(cuts)
def test_the_denoiser_answers_block_by_block_as_at_once(at):
    denoiser = stream.Denoiser(DENOISER)
    out = np.concatenate(in_blocks(denoiser, SIGNAL, at))
    assert out.dtype == np.float32 and len(out) == len(SIGNAL) + denoiser.delay
    assert np.abs(out[denoiser.delay :] - WHOLE["voice"]).max() <= 1e-5


@settings(max_examples=15, deadline=None)
@given(cuts)
def test_the_spotter_reports_block_by_block_as_at_once(at):
    found = [word for words in in_blocks(stream.Spotter(SPOTTER, CARD), SIGNAL, at) for word in words]
    assert [(one.word, one.at) for one in found] == [(one.word, one.at) for one in WHOLE["words"]]
    assert [one.p for one in found] == pytest.approx([one.p for one in WHOLE["words"]], abs=1e-4)


@pytest.mark.parametrize("size", [1, 37, 80, 160, 800])
def test_the_denoiser_takes_blocks_of_any_size(size):
    y, denoiser = SIGNAL[:3000], stream.Denoiser(DENOISER)
    out = stream.offline(denoiser, y)
    pieces = np.concatenate(in_blocks(denoiser, y, range(size, len(y), size)))
    assert np.abs(pieces[denoiser.delay :] - out).max() <= 1e-5


def test_what_was_reset_or_flushed_has_heard_nothing():
    for processor in (stream.Denoiser(DENOISER), stream.Spotter(SPOTTER, CARD)):
        first = in_blocks(processor, SIGNAL, [1000, 1100])
        processor(SIGNAL[:7777])
        processor.reset()
        again = in_blocks(processor, SIGNAL, [1000, 1100])
        assert all(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b
                   for a, b in zip(first, again, strict=True))
    assert len(stream.Denoiser(DENOISER).flush()) == 80 and stream.Spotter(SPOTTER, CARD).flush() == []


# ---- how late they are --------------------------------------------------------------------------------


def test_the_denoiser_is_as_late_as_it_says():
    denoiser = stream.Denoiser(DENOISER)
    assert (denoiser.delay, denoiser.latency) == (80, 160) and denoiser.latency <= 0.010 * SR
    answered = waits = 0
    for heard, sample in enumerate(np.split(SIGNAL[:2000], 2000), 1):           # what is the longest wait?
        answered += len(denoiser(sample))
        if answered > denoiser.delay:
            waits = max(waits, heard - (answered - denoiser.delay))
    assert waits < denoiser.latency                             # the last sample of 160 does not wait for itself


def test_a_hop_is_computed_in_half_of_its_time():
    denoiser, spent = stream.Denoiser(DENOISER), []
    for block in np.split(SIGNAL[: 80 * 400], 400):
        began = time.process_time()                             # of this process alone, whoever else is at work
        denoiser(block)
        spent.append(time.process_time() - began)
    assert np.median(spent) <= 0.5 * denoiser.hop / SR


def test_a_word_is_reported_soon_after_its_end():
    y = spoken("seven", pause=0.5)
    end = (np.flatnonzero(np.abs(y) > 0.01)[-1] + 1) / SR
    [word] = [one for words in in_blocks(stream.Spotter(SPOTTER, CARD), y, range(800, len(y), 800)) for one in words]
    assert word.word == "seven" and end - 0.1 < word.at < end + 0.5 and 0 < word.p <= 1


def test_what_was_skipped_counts_in_the_time_of_a_word():
    spotter = stream.Spotter(SPOTTER, CARD)
    spotter.skip(SR)
    spotter.skip(SR // 2)
    found = spotter(SIGNAL) + spotter.flush()
    assert [one.at for one in found] == pytest.approx([one.at + 1.5 for one in WHOLE["words"]])


def test_across_a_gap_the_spotter_begins_anew_and_keeps_time():
    spotter = stream.Spotter(SPOTTER, CARD)
    spotter(SIGNAL[:9000])                                      # in the middle of a word
    spotter.skip(SR)
    found = spotter(SIGNAL) + spotter.flush()
    assert [(one.word, one.p) for one in found] == [(one.word, one.p) for one in WHOLE["words"]]
    later = 1 + 9000 / SR
    assert [one.at for one in found] == pytest.approx([one.at + later for one in WHOLE["words"]])


@pytest.mark.parametrize("at", [8000, 8037])
def test_across_a_gap_the_denoiser_hears_silence_and_is_as_late_as_before(at):
    denoiser, other = stream.Denoiser(DENOISER), stream.Denoiser(DENOISER)
    out = [denoiser(SIGNAL[:at])]
    denoiser.skip(400)
    denoiser.skip(400)                                          # two losses are one gap
    out += [denoiser(SIGNAL[20000:20030]), denoiser(SIGNAL[20030:30000]), denoiser.flush()]
    gap = np.concatenate([SIGNAL[:at], np.zeros(160, np.float32), SIGNAL[20000:30000]])
    want = np.concatenate([other(gap), other.flush()])
    heard = at // 80 * 80                                       # that much had come out
    np.testing.assert_allclose(np.concatenate(out), np.delete(want, slice(heard, heard + 160)), atol=1e-6)
    assert len(np.concatenate(out)) == at + 10000 + denoiser.delay
    spliced = stream.offline(other, np.concatenate([SIGNAL[:at], SIGNAL[20000:30000]]))
    assert np.abs(np.concatenate(out)[80:] - spliced)[at - 80 : at + 160].max() > 1e-4


# ---- what they are worth ------------------------------------------------------------------------------


@pytest.mark.parametrize(("voice", "snr"), [("en-gb-x-rp+linda", np.inf), ("en-us-nyc+f1", 15)])
def test_the_spotter_finds_most_digits_of_voices_that_it_has_not_learnt_from(voice, snr):
    spotter = stream.Spotter(SPOTTER, CARD)
    found = [one.word for one in spotter(spoken(*speech.DIGITS, voice=voice, snr=snr)) + spotter.flush()]
    assert len(set(speech.DIGITS) & set(found)) >= 8 and len(found) <= 10


def test_the_spotter_says_nothing_where_nobody_speaks():
    rng = np.random.default_rng(5)
    silence = np.zeros(10 * SR, np.float32)
    white = 0.05 * rng.standard_normal(10 * SR).astype(np.float32)
    street = events.background("street", physics.draw(events.BACKGROUNDS["street"].ranges, "test", rng), 10 * SR, rng)
    for y in (silence, white, 0.05 * street):
        spotter = stream.Spotter(SPOTTER, CARD)
        assert spotter(y.astype(np.float32)) + spotter.flush() == []


def test_the_cards_hold_what_was_promised():
    assert models.load("voice-gru-scenes")[1]["metrics"]["known noises"]["si_sdri"] >= 6
    found = CARD["metrics"]
    assert found["test"] == found["10 dB"] and found["clean"]["hit_rate"] > found["0 dB"]["hit_rate"]


@pytest.mark.slow
def test_the_live_denoiser_gains_six_decibels_on_known_noises():
    corpus = recipes.separating.noisy_test()
    known = corpus.select(corpus.table.new == 0)
    rows = []
    for y, _, _ in list(known)[:40]:
        voice, noise = recipes.separating.at_snr(torch.from_numpy(y), 0.0).numpy()
        found = stream.offline(stream.Denoiser(DENOISER), voice + noise)
        rows.append(al.metrics.si_sdr_improvement(voice, found, voice + noise))
    assert np.mean(rows) >= 6


# ---- what they cannot take ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: stream.Denoiser(DENOISER), lambda: stream.Spotter(SPOTTER, CARD)])
@pytest.mark.parametrize(("block", "words"), [
    (np.array([0.1, np.nan], np.float32), "NaN or infinity"),
    (np.zeros((2, 80), np.float32), "one channel"),
    (np.zeros(80, np.int16), "floats"),
])
def test_a_bad_block_is_refused_and_changes_nothing(make, block, words):
    processor, other = make(), make()
    before = processor(SIGNAL[:9000])
    with pytest.raises(ValueError, match=words):
        processor(block)
    after, same = processor(SIGNAL[9000:]), (other(SIGNAL[:9000]), other(SIGNAL[9000:]))
    assert np.array_equal(before, same[0]) and np.array_equal(after, same[1])


def test_another_rate_or_network_is_refused_in_words_that_help():
    with pytest.raises(ValueError, match=r"16000 Hz, and 44100 Hz .* resample"):
        stream.Denoiser(DENOISER, 44100)
    with pytest.raises(ValueError, match="and 8000 Hz"):
        stream.Spotter(SPOTTER, CARD, 8000)
    with pytest.raises(ValueError, match=r"RecurrentMask, such as models.load\('voice-gru-scenes'\)"):
        stream.Denoiser(SPOTTER)
    with pytest.raises(ValueError, match="DSCNNSpotter"):
        stream.Spotter(DENOISER, CARD)
    with pytest.raises(ValueError, match="not a DSCNN"):
        stream.Spotter(*models.load("keywords-dscnn-digits"))
