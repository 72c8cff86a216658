"""A voice is known again, from enough speech of one person; errors are counted as others count them."""

import copy

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_curve

from audiolab import metrics, models
from audiolab.corpora import speech
from audiolab.models import speaker
from audiolab.recipes import voices

SENTENCE = "The ferry left the harbour before the fog had lifted."
LARYNX = "formant 1 120 100 100\npitch 150 200"


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return models.SpeakerEncoder(dim=16, blocks=1, out=8).eval()


# ---- the crowd ------------------------------------------------------------------------------------------


def test_people_of_a_crowd_differ_and_stand_on_one_side():
    people = speech.people()
    assert people.split.value_counts().to_dict() == speech.PEOPLE
    assert people.person.is_unique and people.larynx.is_unique
    assert people.throat.between(2**-0.25, 2**0.25).all() and people.f0.between(80, 230).all()
    plan = speech.plan_crowd()
    assert plan.groupby(["split", "group"]).size().groupby("split").unique().map(list).to_dict() == {
        split: [n] for split, n in speech.EACH.items()}
    assert plan.equals(speech.plan_crowd()) and not plan.equals(speech.plan_crowd(seed=1))
    assert len(speech.plan_crowd(3)) == 3 * len(people)
    assert plan.pitch.between(0, 100).all() and plan.rate.between(80, 450).all()
    said = {split: set(part.text) for split, part in plan.groupby("split")}
    assert not said["train"] & said["test"] and not said["validation"] & (said["train"] | said["test"])


def test_some_of_the_crowd_are_whole_people_of_training(monkeypatch):
    plans = []
    monkeypatch.setattr(voices, "make", lambda root, plan, render, **_: plans.append(plan))
    for _ in range(2):
        voices.crowd_few(30)
    plan, again = plans
    assert plan.equals(again) and set(plan.split) == {"train"}
    assert plan.groupby("group").size().to_list() == 30 * [speech.EACH["train"]]


def test_a_larynx_is_heard_and_leaves_the_words():
    y, _, words, phonemes = speech.say_with_times(SENTENCE)
    other, _, same, also = speech.say_with_times(SENTENCE, larynx=LARYNX)
    assert [row["word"] for row in words] == [row["word"] for row in same]
    assert [row["phoneme"] for row in phonemes] == [row["phoneme"] for row in also]
    assert not np.array_equal(y[: len(other)], other[: len(y)])
    np.testing.assert_array_equal(other, speech.say_with_times(SENTENCE, larynx=LARYNX)[0])
    np.testing.assert_array_equal(y, speech.say_with_times(SENTENCE)[0])


def test_a_shorter_throat_moves_formants_and_leaves_pitch_and_pace():
    from audiolab import features

    def spoken(throat):
        return speech.render_person({
            "text": SENTENCE, "larynx": f"pitch {90 / throat:.0f} {130 / throat:.0f}", "throat": throat,
            "rate": round(175 / throat), "pitch": 50, "pitch_range": 50})

    clips = [spoken(throat) for throat in (0.9, 1.0, 1.15)]
    seconds = [len(clip.y) / clip.sr for clip in clips]
    assert max(seconds) / min(seconds) < 1.06
    heights = []
    for clip in clips:
        f0, voiced = features.yin(clip.y, clip.sr, voicing=0.5)
        heights.append(np.median(f0[voiced]))
        assert clip.sr == 16000 and np.abs(clip.y).max() < 1
        sounds = clip.sidecars["phonemes"]
        assert 0 <= sounds[0]["onset"] < sounds[-1]["offset"] <= len(clip.y) / 16000 + 1e-3
    assert max(heights) / min(heights) < 1.08
    centres = [np.median(features.spectral_centroid(clip.y, clip.sr)) for clip in clips]
    assert centres[0] < centres[1] < centres[2]


# ---- errors of verification -----------------------------------------------------------------------------


def by_roc_curve(scores, same):
    """The crossing by scikit-learn's curve: where the false acceptances are one less the hits."""
    from scipy.optimize import brentq

    accepted, hits, _ = roc_curve(same, scores, drop_intermediate=False)
    return brentq(lambda t: np.interp(t, np.arange(len(hits)), 1 - hits - accepted), 0, len(hits) - 1), accepted


@pytest.mark.parametrize("seed", range(8))
def test_the_equal_error_rate_is_that_of_a_roc_curve(seed):
    rng = np.random.default_rng(seed)
    same = rng.random(300) < 0.3
    scores = rng.normal(size=300) + 1.5 * same
    if seed % 2:
        scores = scores.round(1)                                # with ties
    at, accepted = by_roc_curve(scores, same)
    rate, threshold = metrics.eer(scores, same)
    assert rate == pytest.approx(np.interp(at, np.arange(len(accepted)), accepted), abs=1e-6)
    errors = [abs((scores[~same] >= t).mean() - (scores[same] < t).mean()) for t in np.unique(scores)]
    near = np.unique(scores)[np.argmin(errors)]
    assert abs(threshold - near) < 0.3


def test_equal_error_rates_by_hand():
    assert metrics.eer([0.9, 0.8, 0.2, 0.1], [True, True, False, False])[0] == 0
    assert metrics.eer([0.1, 0.2, 0.8, 0.9], [True, True, False, False])[0] == 1
    assert metrics.eer([0.5, 0.5], [True, False])[0] == 0.5
    assert metrics.eer([3, 2, 1, 0], [1, 0, 1, 0]) == (0.5, pytest.approx(2))
    rate, threshold = metrics.eer([0.9, 0.7, 0.4, 0.6, 0.3, 0.2], [1, 1, 1, 0, 0, 0])
    assert rate == pytest.approx(1 / 3) and 0.4 <= threshold <= 0.6


@pytest.mark.parametrize(("scores", "same"), [([1, 2], [True, True]), ([1, 2], [False, False]), ([], []),
                                              ([1, np.nan], [True, False]), ([1, 2, 3], [True, False])])
def test_errors_that_cannot_be_counted_are_refused(scores, same):
    with pytest.raises(ValueError, match=r"pairs of one|no clip|NaN|One answer"):
        metrics.eer(scores, same)


# ---- the loss -------------------------------------------------------------------------------------------


def ge2e_by_loops(e, w, b):
    """As the paper has it, term by term."""
    e = e.numpy()
    total = 0.0
    for j in range(len(e)):
        for i in range(e.shape[1]):
            scores = []
            for k in range(len(e)):
                rows = [e[k, m] for m in range(e.shape[1]) if not (k == j and m == i)]
                c = np.mean(rows, axis=0)
                scores.append(w * e[j, i] @ c / np.linalg.norm(e[j, i]) / np.linalg.norm(c) + b)
            total += np.log(np.sum(np.exp(scores))) - scores[j]
    return total / e.shape[0] / e.shape[1]


def test_the_ge2e_loss_is_that_of_the_paper():
    rng = torch.Generator().manual_seed(0)
    e = torch.nn.functional.normalize(torch.randn((4, 3, 8), generator=rng), dim=2)
    assert models.ge2e_loss(e, 10.0, -5.0).item() == pytest.approx(ge2e_by_loops(e, 10.0, -5.0), rel=1e-4)
    assert models.ge2e_loss(e, 10.0, 3.0).item() == pytest.approx(models.ge2e_loss(e, 10.0, -5.0).item(), rel=1e-4)
    apart = torch.eye(4, 8)[:, None].expand(4, 3, 8)
    assert models.ge2e_loss(apart, 20.0, 0.0) < 1e-6 < models.ge2e_loss(apart.roll(1, 0).flip(1), 1.0, 0.0)
    for shape in ((1, 3, 8), (4, 1, 8), (12, 8)):
        with pytest.raises(ValueError, match="two utterances or more"):
            models.ge2e_loss(torch.ones(shape), 10.0, -5.0)


def test_the_encoder_sorts_a_batch_by_voices(untrained):
    e = torch.nn.functional.normalize(torch.randn(6, 8), dim=1)
    voices_ = torch.tensor([7, 7, 3, 3, 9, 9])
    assert untrained.loss(e, voices_).item() == pytest.approx(
        models.ge2e_loss(e.reshape(3, 2, 8), untrained.w, untrained.b).item())


@pytest.mark.parametrize("network", [lambda: models.SpeakerEncoder(), lambda: models.SpeakerJudge(40, 12)])
def test_voices_have_length_1_and_every_parameter_learns(network):
    torch.manual_seed(0)
    model = network()
    x, y = torch.randn(6, 1, 40, 160) - 5, torch.tensor([0, 0, 5, 5, 2, 2])
    e = model(x)
    torch.testing.assert_close(e.norm(dim=1), torch.ones(6))
    model.loss(e, y).backward()
    still = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert still <= {"b"}                                       # which all scores have in common
    assert model.eval()(x[:, :, :, :40]).isfinite().all() and 2 * models.size(model) < 1e6


# ---- from a sound to a voice ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sentence():
    y, sr = speech.say(" ".join([SENTENCE] * 2))
    return y, sr


def test_level_rate_pauses_and_channels_do_not_count(untrained, sentence):
    y, sr = sentence
    voice = speaker.embed(untrained, y, sr)
    assert voice.shape == (8,) and np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)
    padded = np.concatenate([np.zeros(2 * sr, np.float32), y, np.zeros(sr, np.float32)])
    for same in (0.05 * y, padded, np.stack([y, y])):
        assert speaker.score(voice, speaker.embed(untrained, same, sr)) > 0.999


@pytest.mark.parametrize(("make", "says"), [
    (lambda y, sr: np.zeros(2 * sr, np.float32), "Nobody speaks"),
    (lambda y, sr: 0.1 * np.random.default_rng(0).normal(size=3 * sr).astype(np.float32), "Nobody speaks|There is 0"),
    (lambda y, sr: y[sr // 2 : sr // 2 + round(0.3 * sr)], r"There is 0\.\d s of speech"),
    (lambda y, sr: y[:100], "50 ms or more"),
    (lambda y, sr: np.where(np.arange(len(y)) == 50, np.nan, y).astype(np.float32), "NaN or infinity")])
def test_what_is_no_reference_is_refused_in_one_line(untrained, sentence, make, says):
    y, sr = sentence
    with pytest.raises(ValueError, match=says) as caught:
        speaker.embed(untrained, make(y, sr), sr)
    assert "\n" not in str(caught.value)


def test_there_is_no_voice_in_no_frame(untrained):
    with pytest.raises(ValueError, match="Nobody speaks in this picture"):
        speaker.voice_of(untrained, np.zeros((40, 0), np.float32))


def test_a_judge_is_no_encoder(sentence):
    with pytest.raises(TypeError, match="by a SpeakerJudge"):
        speaker.embed(models.SpeakerJudge(40, 3), *sentence)


def test_scores_are_cosines():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 8))
    want = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    assert np.allclose(speaker.score(a, b), want) and speaker.score(a[0], 3 * a[0]) == pytest.approx(1)
    for nobody in (np.zeros(8), np.full(8, np.nan)):
        with pytest.raises(ValueError, match="nobody's voice"):
            speaker.score(a[0], nobody)


def test_two_people_one_after_the_other_are_no_reference():
    encoder, card = models.load("voices-ge2e-crowd")
    (woman, sr), (man, _) = (speech.say(f"{SENTENCE} We will be home before the others.", voice)
                             for voice in ("en-us+Annie", "en-us+m7"))
    voice, other = (speaker.embed(encoder, y, sr) for y in (woman, man))
    assert speaker.score(voice, other) < card["metrics"]["test"]["threshold"]
    for both in ((woman, man), (man, woman)):
        with pytest.raises(ValueError, match="Two people seem to speak") as caught:
            speaker.embed(encoder, np.concatenate(both), sr)
        assert "\n" not in str(caught.value)
    encoder.agreement.fill_(-1)                                 # in a model that was not told how far they go
    speaker.embed(encoder, np.concatenate([woman, man]), sr)


# ---- what the recipe does -------------------------------------------------------------------------------


def test_a_batch_holds_stretches_of_its_voices_and_comes_from_the_generator():
    rng = np.random.default_rng(0)
    pool = [[rng.normal(10 * voice, 1, (40, n)).astype(np.float32) for n in (90, 160, 200, 170, 300, 161)]
            for voice in range(6)]
    x = torch.tensor([4, 0, 2])
    first, second, other = (voices.met(pool, x, x, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    pictures, who = first
    assert pictures.shape == (12, 1, 40, 160) and who.tolist() == [4] * 4 + [0] * 4 + [2] * 4
    assert torch.equal(pictures, second[0]) and not torch.equal(pictures, other[0])
    means = pictures.mean(dim=(1, 2, 3)).reshape(3, 4).mean(dim=1)
    assert means[0] > means[2] > means[1]


def test_all_pairs_are_tried_once():
    people = {"a": np.eye(3)[:2], "b": np.eye(3)[2:]}
    scores, same = voices.trials(people)
    assert scores.tolist() == [0, 0, 0] and same.tolist() == [True, False, False]


def test_references_are_of_one_or_of_two():
    people = {name: [np.full((4, n), value, np.float32) for n in (150, 300)] for name, value in (("a", 1), ("b", 2))}
    one, two = (voices.references(people, alone) for alone in (True, False))
    assert {r.shape for r in (*one["a"], *one["b"], *two["a"], *two["b"])} == {(4, 400)}
    assert all((r == value).all() for name, value in (("a", 1), ("b", 2)) for r in one[name]) and len(two["a"]) == 2
    assert all((r[:, 0] == value).all() and (r[:, -1] != value).all() for name, value in (("a", 1), ("b", 2))
               for r in two[name])


def test_a_recording_agrees_as_far_as_its_ends_do(untrained):
    rng = np.random.default_rng(0)
    people = {name: [rng.normal(-5, 2, (40, n)).astype(np.float32) for n in (100, 200, 330)] for name in "ab"}
    found = voices.agreements(untrained, people)
    assert found[0] == pytest.approx(1, abs=1e-5)               # one stretch, which agrees with itself
    picture = people["b"][2]                                    # stretches from 0, 80 and 160
    with torch.inference_mode():
        first, last = (untrained(torch.from_numpy(picture[None, None, :, at : at + 160]))[0] for at in (0, 160))
    assert len(found) == 6 and found[5] == pytest.approx(float(first @ last), abs=1e-5)


def test_those_who_agree_least_are_refused(untrained, monkeypatch):
    rng = np.random.default_rng(1)
    people = {name: [rng.normal(-5, 2, (40, 300)).astype(np.float32) for _ in range(10)] for name in "abc"}
    monkeypatch.setattr(voices, "elsewhere", lambda x, generator: x)
    monkeypatch.setattr(voices, "REFUSED", 0.1)
    monkeypatch.setattr(voices, "DRAWS", 1)
    untrained = copy.deepcopy(untrained)
    untrained.agreement.fill_(voices.least_agreement(untrained, people))
    shares = voices.refused(untrained, people)
    assert shares["one"] == pytest.approx(0.1) and 0 <= shares["two"] <= 1


def test_from_elsewhere_people_agree_less_and_by_chance_alone(untrained):
    rng = np.random.default_rng(2)
    people = {name: [rng.normal(-5, 2, (40, 300)).astype(np.float32) for _ in range(10)] for name in "ab"}
    first, again, other = (voices.agreements(untrained, people, torch.Generator().manual_seed(k)) for k in (0, 0, 1))
    assert np.array_equal(first, again) and not np.allclose(first, other)
    assert first.mean() < voices.agreements(untrained, people).mean()
