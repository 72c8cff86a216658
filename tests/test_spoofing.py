"""Fakes are made as their labels say, of people who are kept apart; what is called false is counted as it is said."""

import dataclasses

import numpy as np
import pytest
import torch

from audiolab import corpus, metrics, models, training, vocode
from audiolab.corpora import speech
from audiolab.models import speaker, tts
from audiolab.recipes import RECIPES, cloning, spoofing, voices

RECIPE = RECIPES["spoof-cnn-clones"]


@pytest.fixture(scope="module")
def plan():
    return spoofing.plan_fakes()


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return models.CNN(64, 2).eval()


def rendered(row):
    """In place of fakes, which need a network: what the person said, and of clones a louder hiss in it."""
    y = speech.render_person(row).y
    hiss = np.random.default_rng(0).normal(0, 0.01, len(y)) * row["label"].startswith("clone")
    return corpus.Clip((0.8 * y + hiss).astype(np.float32), vocode.SR)


def some(plan, people=1):
    """The rows of so many people of each split."""
    return plan[plan.group.isin(plan.drop_duplicates("group").groupby("split").head(people).group)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    (folder / "exercises").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIOLAB_HOME", str(folder))
        yield folder


@pytest.fixture(scope="module")
def few(plan, home):
    return corpus.make(home / "data" / "raw" / "few-fakes", some(plan), rendered)


# ---- genuine and false ----------------------------------------------------------------------------------


def test_test_people_and_test_vocoder_are_kept_apart(plan):
    assert plan.groupby("group").split.nunique().max() == 1
    assert not plan[plan.split != "test"].label.str.contains("istft").any()
    people = speech.people().split.value_counts()
    counts = plan.groupby("split").label.value_counts().unstack(fill_value=0)
    for split, n in {"train": spoofing.TAUGHT, "validation": people["validation"], "test": people["test"]}.items():
        assert counts.loc[split, "genuine"] == 2 * n and (counts.loc[split, ["copy", "clone"]] == n).all()
    assert (counts.loc["test", ["copy istft", "clone istft"]] == people["test"]).all()
    assert set(plan[plan.split != "test"].rounds) == set(spoofing.ROUNDS)
    assert set(plan[plan.split == "test"].rounds) == {32}
    assert plan.path.is_unique and plan.equals(spoofing.plan_fakes()) and not plan.equals(spoofing.plan_fakes(3))
    assert not (plan.text == plan._reference).any()


def test_each_kind_is_made_as_it_is_called(plan, monkeypatch):
    torch.manual_seed(0)
    encoder, (vocoder, _) = models.SpeakerEncoder(dim=16, blocks=1), models.load("vocoder-istft-english")
    known = {cloning.ENCODER: encoder, "vocoder-istft-english": vocoder, "clones-fastspeech-crowd": "the network"}
    asked = []

    def synthesise(model, text, voice):
        asked.append((model, text, voice))
        return np.random.default_rng(0).normal(-6, 2, (80, 60)).astype(np.float32)

    monkeypatch.setattr(spoofing, "_loaded", known.__getitem__)
    monkeypatch.setattr(tts, "synthesise", synthesise)
    row = plan[plan.label == "copy istft"].iloc[0].to_dict()
    clip = {kind: spoofing.render_fake(row | {"label": kind}) for kind in spoofing.KINDS["test"]}
    assert all(one.sr == 16000 and np.abs(one.y).max() <= 1 and np.isfinite(one.y).all() for one in clip.values())
    said = speech.render_person(row).y
    assert np.array_equal(clip["genuine"].y, said)
    for kind, sound in {"copy": vocode.sound, "copy istft": vocoder.sound}.items():
        assert abs(len(clip[kind].y) - len(said)) <= 200
        wanted = sound(vocode.picture(said))
        assert np.allclose(clip[kind].y, wanted / max(1, np.abs(wanted).max()), atol=1e-4)
    once = spoofing.render_fake(row | {"label": "copy", "rounds": 1}).y
    assert len(once) == len(clip["copy"].y) and not np.allclose(once, clip["copy"].y, atol=1e-3)
    reference = speech.render_person(row | {"text": row["_reference"]})
    voice = speaker.voice_of(encoder, speaker.spoken(reference.y, reference.sr))
    assert len(asked) == 2 and row["text"] not in row["_reference"]
    for model, text, told in asked:                             # what it says is not what it heard the person say
        assert (model, text) == ("the network", row["text"]) and np.allclose(told, voice, atol=1e-5)
    y = vocode.sound(tts.coloured(synthesise(None, "", None), tts.colour(vocode.picture(reference.y))))
    assert np.allclose(clip["clone"].y, y / max(1, np.abs(y).max()), atol=1e-3)
    assert len(clip["clone istft"].y) != 0 and not np.allclose(clip["clone istft"].y[:8000], clip["clone"].y[:8000])


def test_what_is_seen_is_the_clips_of_a_split(few):
    pictures, label = spoofing.seen(few, "test", **RECIPE.picture)
    test = few.split("test")
    assert label.tolist() == list(test.table.label) == list(spoofing.KINDS["test"])
    for picture, (y, sr, _) in zip(pictures, test, strict=True):
        assert np.allclose(picture, speaker.spoken(y, sr, **RECIPE.picture), atol=1e-4)
    assert [len(spoofing.seen(few, split, **RECIPE.picture)[0]) for split in ("train", "validation")] == [4, 4]


def test_stretches_are_of_their_clip_and_come_from_the_generator():
    rng = np.random.default_rng(0)
    pool = [rng.normal(10 * i, 1, (64, n)).astype(np.float32) for i, n in enumerate((50, 160, 300))]
    x, y = torch.tensor([2, 0, 1, 2]), torch.tensor([1, 0, 0, 1])
    first, again, other = (spoofing.stretched(pool, x, y, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first[0].shape == (4, 1, 64, speaker.WINDOW) and torch.equal(first[1], y)
    assert torch.equal(first[0], again[0]) and not torch.equal(first[0], other[0])
    assert (first[0].mean(dim=(1, 2, 3)) / 10 - x).abs().max() < 0.5


# ---- how it is judged -----------------------------------------------------------------------------------


def test_shares_are_counted_at_one_in_twenty_false_alarms():
    genuine = np.arange(100.0)                                  # five above 94.05
    scores, label = np.array([94.0, 95, 96, 200, 1]), np.array(["clone", "clone", "copy", "copy", "genuine"])
    assert spoofing.against(genuine, scores, label) == {"clone": 0.5, "copy": 1.0}


def test_falseness_is_the_mean_of_stretches(detector):
    picture = np.random.default_rng(0).normal(-5, 2, (64, 330)).astype(np.float32)
    with torch.inference_mode():
        logits = [detector(torch.from_numpy(picture[None, None, :, at : at + 160])) for at in (0, 80, 160)]
    by_hand = np.mean([float(one[0, 1] - one[0, 0]) for one in logits])
    assert spoofing.falseness(detector, picture) == pytest.approx(by_hand, abs=1e-5)


def test_a_recording_is_false_above_the_threshold(detector):
    y, sr = speech.say("The ferry left the harbour before the fog had lifted.")
    card = {"picture": RECIPE.picture, "threshold": 1e9}
    score, false = spoofing.detect(detector, card, y, sr)
    assert np.isfinite(score) and not false
    assert spoofing.detect(detector, card | {"threshold": -1e9}, y, sr) == (score, True)
    assert not spoofing.detect(detector, card | {"threshold": score}, y, sr)[1]
    quiet, _ = spoofing.detect(detector, card, 0.1 * np.stack([y, y]), sr)
    assert quiet == pytest.approx(score, abs=1e-2)


@pytest.mark.parametrize(("y", "says"), [
    (np.zeros(32000, np.float32), "Nobody speaks"), (np.zeros(0, np.float32), "empty"),
    (np.full(32000, np.nan, np.float32), "NaN or infinity"), (np.zeros(100, np.float32), "50 ms or more")])
def test_where_nobody_speaks_nothing_is_false(detector, y, says):
    with pytest.raises(ValueError, match=says) as caught:
        spoofing.detect(detector, {"picture": RECIPE.picture, "threshold": 0.0}, y, 16000)
    assert "\n" not in str(caught.value)


def test_what_a_detector_is_worth_is_counted_by_hand_too(few, detector, monkeypatch):
    found = spoofing.measured(detector, few, RECIPE.picture)
    pictures, label = spoofing.seen(few, "test", **RECIPE.picture)
    scores = np.array([spoofing.falseness(detector, one) for one in pictures])
    genuine = scores[label == "genuine"]
    bound = np.quantile(genuine, 0.95)
    shares = {kind: float((scores[label == kind] > bound).mean()) for kind in set(label) - {"genuine"}}
    assert found == {"clips": 6, **shares, "eer": metrics.eer(
        [*scores[label == "clone istft"], *genuine], [True, False, False])[0]}
    real = {"somebody": [picture - 1 for picture in pictures], "another": pictures[:2]}
    asked = {}
    monkeypatch.setattr(voices, "real_people", lambda **options: asked.update(options) or real)
    theirs = np.array([spoofing.falseness(detector, one) for clips in real.values() for one in clips])
    threshold = float(np.sort(theirs)[4])
    found = spoofing.on_real(detector, few, RECIPE.picture, threshold)
    assert asked == RECIPE.picture and found["clips"] == 8 and found["called_false"] == 3 / 8
    bound = np.quantile(theirs, 0.95)
    assert {kind: found[kind] for kind in shares} == {kind: float((scores[label == kind] > bound).mean())
                                                      for kind in shares}


# ---- the recipe -----------------------------------------------------------------------------------------


def test_the_recipe_takes_copies_for_genuine_and_is_measured_again(plan, few, home, monkeypatch):
    taught = []

    def fit(model, data, **options):
        taught.append(data)
        return fit_(model, data, **options)

    fit_ = training.fit
    monkeypatch.setattr(spoofing.training, "fit", fit)
    monkeypatch.setattr(spoofing, "fakes", lambda n_jobs: few)
    monkeypatch.setattr(spoofing, "plan_fakes", lambda: some(plan))
    monkeypatch.setattr(spoofing, "render_fake", rendered)
    monkeypatch.setattr(spoofing.remote, "at_hand", lambda name: False)
    recipe = dataclasses.replace(RECIPE, epochs=2)
    card = spoofing.train("spoof-cnn-few", recipe, 1, False)
    assert [data[1].tolist() for data in taught] == [[0, 0, 0, 1]]      # genuine, genuine, copy, clone
    assert card["labels"] == ["genuine", "false"] and card["steps"] == 2 and "fsdd" not in card["metrics"]
    model, kept = models.load("spoof-cnn-few")
    pictures, label = spoofing.seen(few, "validation", **RECIPE.picture)
    scores = [spoofing.falseness(model, one) for one, kind in zip(pictures, label, strict=True) if kind == "genuine"]
    assert kept["threshold"] == pytest.approx(np.quantile(scores, 0.95), abs=1e-4)
    assert spoofing.evaluate("spoof-cnn-few", recipe, 1) == pytest.approx(kept["metrics"]["test"])
    y, sr, _ = few.split("test")[0]
    assert np.isfinite(spoofing.detect(model, kept, y, sr)[0])
