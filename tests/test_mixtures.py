"""Mixtures whose parts are known: their splits share nothing, their parts stand at the level that the table says."""

import numpy as np
import pytest
import torch

from audiolab import corpus
from audiolab.corpora import events, mixtures, remote
from audiolab.recipes import separating

NOISY, PAIRS = mixtures.plan_noisy_voices(400), mixtures.plan_two_voices(400)


def row_of(plan, **values):
    """The first row of a plan with these values."""
    return plan[(plan[list(values)] == list(values.values())).all(axis=1)].iloc[0].to_dict()


def power(y):
    return np.mean(np.square(y, dtype=np.float64), axis=-1)


def variants(plan, split, column="group"):
    return set(plan[plan.split == split][column].str.partition("+")[2])


@pytest.mark.parametrize("plan, columns", [(NOISY, ["group"]), (PAIRS, ["group", "other_group"])])
def test_no_voice_and_no_sentence_is_in_two_splits(plan, columns):
    texts = [column.replace("group", "text") for column in columns]
    for a, b in (("train", "validation"), ("train", "test"), ("validation", "test")):
        met = [set().union(*(variants(plan, split, column) for column in columns)) for split in (a, b)]
        assert met[0] and met[1] and not met[0] & met[1]
        said = [{sentence for column in texts for text in plan[plan.split == split][column]
                 for sentence in text.replace("? ", ". ").split(". ")} for split in (a, b)]
        assert not said[0] & said[1]


def test_new_noises_are_in_every_second_test_clip_and_nowhere_else():
    test = NOISY.split == "test"
    assert NOISY.new[test].tolist() == [0, 1] * 20 and not NOISY.new[~test].any()
    kinds = NOISY[["background", "event"]]
    assert kinds[NOISY.new == 1].isin(mixtures.NEW).all(axis=None)
    assert not kinds[NOISY.new == 0].isin(mixtures.NEW).any(axis=None)
    assert set(kinds.background) | set(kinds.event) == set(events.BACKGROUNDS) | set(events.SOURCES)


def test_the_two_of_a_clip_are_two():
    assert (PAIRS.group.str.partition("+")[2] != PAIRS.other_group.str.partition("+")[2]).all()
    assert 0.9 * 400 <= len(PAIRS) < 400


def test_plans_follow_the_seed():
    assert mixtures.plan_noisy_voices(400).equals(NOISY) and mixtures.plan_two_voices(400).equals(PAIRS)
    assert not mixtures.plan_noisy_voices(400, seed=1).equals(NOISY)


@pytest.mark.parametrize("room", [False, True])
def test_a_noisy_voice_has_the_ratio_and_the_level_of_its_row(room):
    row = NOISY[(NOISY.room >= 0) == room].iloc[0].to_dict()
    clip = mixtures.render_noisy_voice(row)
    voice, noise = clip.y
    assert clip.y.shape == (2, 48000) and clip.sr == 16000 and clip.y.dtype == np.float32
    assert 10 * np.log10(power(voice) / power(noise)) == pytest.approx(row["snr"], abs=0.01)
    mix = clip.y.sum(axis=0)
    assert np.abs(mix).max() <= 1 and 10 * np.log10(power(mix)) <= row["level"] + 0.01
    again = mixtures.render_noisy_voice(row)
    assert np.array_equal(again.y, clip.y)


def test_the_room_belongs_to_the_voice_and_is_another_in_each_split():
    row = row_of(NOISY, split="train", room=NOISY[NOISY.split == "train"].room.max())
    wet, dry = (mixtures.render_noisy_voice(row | {"room": room}).y for room in (row["room"], -1))
    other = mixtures.render_noisy_voice(row | {"split": "test"}).y

    def alike(a, b):
        return abs(np.dot(a, b)) / np.sqrt(np.dot(a, a) * np.dot(b, b))

    assert alike(wet[1], dry[1]) > 0.9999 and alike(wet[0], dry[0]) < 0.99 and alike(wet[0], other[0]) < 0.99


def test_two_voices_have_the_ratio_of_their_row_and_both_speak():
    row = PAIRS.iloc[0].to_dict()
    clip = mixtures.render_two_voices(row)
    assert clip.y.shape == (2, 24000) and clip.sr == 8000
    assert 10 * np.log10(power(clip.y[0]) / power(clip.y[1])) == pytest.approx(row["ratio"], abs=0.01)
    spoken = power(clip.y.reshape(2, 10, -1)) > 1e-4 * power(clip.y)[:, None]
    assert (spoken.sum(axis=1) >= 8).all()


def test_a_shorter_throat_raises_the_voice_and_keeps_its_pace():
    row = PAIRS.iloc[0].to_dict()
    low, high = (torch.from_numpy(mixtures._voice(row | {"throat": throat}, 16000)) for throat in (0.87, 1.15))
    gap = separating.pitch_gaps([(low, high)], 16000)[0]
    assert gap == pytest.approx(12 * np.log2(1.15 / 0.87), abs=1.0)
    assert abs(len(np.trim_zeros(low)) - len(np.trim_zeros(high))) < 0.15 * len(low)


def test_a_corpus_holds_the_parts_as_channels(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    few = mixtures.noisy_voices(10)
    assert len(few) == 10 and (few.table.split == "test").sum() == 1
    y, sr, row = few[0]
    assert y.shape == (2, 48000) and sr == 16000
    assert 10 * np.log10(power(y[0]) / power(y[1])) == pytest.approx(row["snr"], abs=0.3)     # after 16 bits
    with pytest.raises(corpus.CorpusError, match="no clips in split"):
        separating.sources(few, "tests")


@pytest.mark.slow
def test_real_voices_are_of_two_people_and_their_noise_ends_where_they_do(tmp_path, monkeypatch):
    if not remote.at_hand("fsdd"):
        pytest.skip("needs AUDIOLAB_MIRROR")
    pairs, noisy = mixtures.real_voices(6), mixtures.real_noisy_voices(6)
    assert (pairs.table.speaker != pairs.table.other_speaker).all() and set(pairs.table.split) == {"test"}
    for y, sr, row in pairs:
        assert sr == 8000 and 1.4 < y.shape[1] / sr <= 3
        assert 10 * np.log10(power(y[0]) / power(y[1])) == pytest.approx(row["ratio"], abs=0.3)
    assert set(noisy.table.new.astype(int)) == {0, 1}
    for y, sr, _ in noisy:
        spectrum = np.abs(np.fft.rfft(y[1])) ** 2
        assert sr == 16000 and spectrum[len(spectrum) * 5 // 8 :].sum() < 1e-3 * spectrum.sum()


# ---- mixing anew ----------------------------------------------------------------------------------------


def parts(batch=6, n=3000, seed=0):
    return torch.randn(batch, 2, n, generator=torch.Generator().manual_seed(seed))


def alike(found, pool):
    """Which of the pool each of the found is a part of."""
    windows = pool.unfold(1, found.shape[1], 1)                                 # [batch, starts, n]
    like = torch.einsum("bn,csn->bcs", found, windows) / found.norm(dim=-1)[:, None, None] / windows.norm(dim=-1)
    assert (like.amax(dim=(1, 2)) > 0.999).all()
    return like.amax(dim=2).argmax(dim=1).tolist()


def test_mixing_anew_keeps_voices_and_changes_partners_and_ratios():
    y = parts()
    _, mixed = separating.at_once(None, y, torch.Generator().manual_seed(1))
    assert mixed.shape == (6, 2, 2000)
    ratio = 10 * (mixed[:, 0].square().sum(-1) / mixed[:, 1].square().sum(-1)).log10()
    assert (ratio.abs() < 5.01).all() and ratio.std() > 1
    assert alike(mixed[:, 0], y[:, 0]) == list(range(6))
    second = alike(mixed[:, 1], y[:, 1])
    assert sorted(second) == list(range(6)) and second != list(range(6))


def test_a_voice_in_noise_stays_itself_unless_the_microphone_is_narrow():
    y = parts(batch=12, n=6000)
    _, mixed = separating.in_noise(None, y, torch.Generator().manual_seed(1))
    ratio = 10 * (mixed[:, 0].square().sum(-1) / mixed[:, 1].square().sum(-1)).log10()
    like = [torch.cosine_similarity(mixed[i, :1], y[i, 0].unfold(0, 4000, 1)).amax().item() for i in range(12)]
    assert mixed.shape == (12, 2, 4000) and ratio.std() > 2
    assert 4 <= sum(one > 0.999 for one in like) < 12


def test_varied_noises_are_others():
    tones = torch.sin(2 * torch.pi * torch.linspace(500, 1500, 8)[:, None] * torch.arange(24000) / 16000)
    varied = separating.varied(tones, 16000, torch.Generator().manual_seed(0))
    peaks = torch.fft.rfft(varied).abs().argmax(dim=1) / torch.linspace(500, 1500, 8)
    assert varied.shape == (8, 16000) and torch.isfinite(varied).all()
    assert 0.64 < peaks.median() < 1.41 and (peaks / peaks.median() - 1).abs().median() < 0.01      # one speed
    levels = varied.square().mean(dim=1).log10()
    assert levels.std() > 0.1


@pytest.mark.parametrize("heard", [separating.in_noise, separating.at_once])
def test_what_is_heard_is_the_sum_and_comes_from_the_generator(heard):
    one, again, other = (heard(None, parts(n=9000), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.allclose(one[0], one[1].sum(dim=1)) and torch.isfinite(one[0]).all()
    assert torch.equal(one[0], again[0]) and not torch.equal(one[0], other[0])


def test_a_silent_voice_or_noise_spoils_no_batch():
    y = parts()
    y[0, 0], y[1, 1] = 0, 0
    x, y = separating.in_noise(None, y, torch.Generator().manual_seed(0))
    assert torch.isfinite(x).all() and torch.isfinite(y).all()


def test_any_ratio_can_be_asked_for():
    y = separating.at_snr(parts(), -5.0)
    assert torch.allclose(10 * (y[:, 0].square().sum(-1) / y[:, 1].square().sum(-1)).log10(), torch.tensor(-5.0))
    assert torch.equal(y[:, 0], parts()[:, 0])


def test_the_gap_between_two_pitches_is_in_semitones():
    t = torch.arange(16000) / 8000
    tone = [sum(torch.cos(2 * torch.pi * k * f * t) for k in range(1, 6)) for f in (110, 220, 220 * 2 ** (5 / 12))]
    gaps = separating.pitch_gaps([(tone[0], tone[1]), (tone[2], tone[1]), (tone[1], torch.zeros(16000))], 8000)
    assert gaps[:2] == pytest.approx([12, 5], abs=0.2) and np.isnan(gaps[2])
