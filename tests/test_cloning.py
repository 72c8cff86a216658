"""Clones are told from other people; what a network learns of a voice comes from other clips of the same person."""

import dataclasses
import shutil

import numpy as np
import pytest

from audiolab import corpus, models, paths, vocode
from audiolab.corpora import speech
from audiolab.models import speaker, tts
from audiolab.recipes import RECIPES, cloning, voices


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Four clips of each of five people: two of train, one of validation, two of test."""
    plan = speech.plan_crowd()
    some = [name for split, n in (("train", 2), ("validation", 1), ("test", 2))
            for name in plan.group[plan.split == split].unique()[:n]]
    rows = plan[plan.group.isin(some)].groupby("group").head(4)
    with pytest.MonkeyPatch.context() as patch:                 # features of it are made beside it
        patch.setenv("AUDIOLAB_HOME", str(home(tmp_path_factory.mktemp("home"))))
        yield corpus.make(paths.data("raw", "few"), rows, speech.render_person)


def home(folder):
    """A course of its own with all checkpoints but that of the clones."""
    (folder / "exercises").mkdir()
    shutil.copytree(paths.course() / "data" / "checkpoints", folder / "data" / "checkpoints",
                    ignore=lambda _, files: [file for file in files if file.startswith(("clones", "spoof"))])
    return folder


# ---- whose voice it is ----------------------------------------------------------------------------------


def test_nearest_is_by_the_mean_of_each_person():
    people = {"a": np.array([[1.0, 0.2], [1.0, -0.2]]), "b": np.array([[0.0, 1.0]])}
    assert cloning.nearest(np.array([[1.0, 0.5], [0.5, 1.0], [1.0, -9]]), people) == ["a", "b", "a"]


def test_a_clip_does_not_help_to_find_itself():
    stray = np.array([[1.0, 0.0], [0.0, 1.0]])                  # two clips of one person, nothing alike
    people = {"a": stray, "b": np.array([[0.6, 0.8], [0.6, 0.8]])}
    assert cloning.nearest(stray[:1], people) == ["a"]          # with itself in the mean it would be found
    assert cloning.found_again(people) == 0.5
    assert cloning.found_again({"a": np.eye(3)[[0, 0]], "b": np.eye(3)[[1, 1]]}) == 1


def test_judge_and_encoder_have_little_in_common():
    judge, encoder = RECIPES[cloning.JUDGE], RECIPES[cloning.ENCODER]
    assert judge.model is not encoder.model and judge.seed != encoder.seed and judge.picture != encoder.picture
    assert RECIPES["clones-fastspeech-crowd"].corpora[0].__name__ == "crowd"


# ---- what is learnt -------------------------------------------------------------------------------------


def test_a_lesson_tells_the_voice_as_other_clips_have_it(few):
    found, rows = cloning.lessons(few, "train"), few.split("train").table
    encoder, heard = models.load(cloning.ENCODER)[0], voices.references(voices.pictures(few, "train"))
    assert len(found) == len(rows) == 8
    for i, (units, (picture, durations, prosody, voice)) in enumerate(found):
        assert len(units) == len(durations) == len(prosody) and durations.sum() == len(picture)
        following = heard[rows.group.iloc[i]][(i + 1) % 4]      # a recording that begins with the next clip
        assert np.allclose(voice, speaker.voice_of(encoder, following), atol=1e-5)


# ---- how it is judged -----------------------------------------------------------------------------------


def test_clones_are_made_from_other_clips_than_they_are_held_against(few):
    test = few.split("test")
    gallery, targets = cloning.gallery(few), cloning.targets(few)
    assert list(gallery) == list(targets) == list(test.table.group.unique())
    assert {one.shape[0] for one in gallery.values()} == {4 - cloning.HEARD}
    person = test.table.group.iloc[0]
    first, second, third, _ = (test[i][0] for i in range(4))
    judge, encoder = (models.load(name)[0] for name in (cloning.JUDGE, cloning.ENCODER))
    assert np.allclose(cloning.judged(judge, third), gallery[person][0], atol=1e-3)
    y = np.concatenate([first, second])
    assert np.allclose(targets[person][0], speaker.voice_of(encoder, speaker.spoken(y, 16000)), atol=1e-4)
    assert np.allclose(targets[person][1], tts.colour(vocode.picture(y)), atol=1e-4)


@pytest.mark.parametrize("plain", [False, True])
def test_what_the_people_say_themselves_counts_as_perfect_clones(few, monkeypatch, plain):
    """What stands in for a picture is whose it is; what stands in for its sound, that person's own clip."""
    test, told = few.split("test"), cloning.targets(few)
    name_of = {tuple(voice): person for person, (voice, _) in told.items()}
    own = {person: [test[i][0] for i, who in enumerate(test.table.group) if who == person] for person in told}
    asked, coloured, digits = [], [], []

    def synthesise(model, text, voice):
        asked.append((text, name_of[tuple(voice)]))
        return asked[-1][1]

    def given(picture, colour):
        coloured.append(np.array_equal(colour, told[picture][1]))
        return picture

    def understood(sounds, texts):
        digits.extend(texts)
        return {"wer": len(sounds) / len(texts)}

    monkeypatch.setattr(tts, "synthesise", synthesise)
    monkeypatch.setattr(tts, "coloured", given)
    monkeypatch.setattr(cloning.speaking, "understood", understood)
    found = cloning.measured(None, few, sound=lambda person: own[person][3], plain=plain)
    assert found["clips"] == found["right"] == 6 and found["nearest"] == found["nearest_together"] == found["wer"] == 1
    assert found["nearest_people"] == 1 and found["cosine"] > 0.8 and 0 <= found["per_people"] < 0.3 < found["per"]
    assert [who for _, who in asked] == [*np.repeat([*told], 3), *told] and [text for text, _ in asked[6:]] == digits
    assert all(3 <= len(text.split()) <= 6 for text in digits) and coloured == ([] if plain else [True] * 8)


def test_a_stranger_in_the_place_of_a_clone_is_no_hit(few, monkeypatch):
    test, told = few.split("test"), cloning.targets(few)
    wrong = dict(zip(told, reversed(told), strict=True))
    own = {person: test[i][0] for i, person in enumerate(test.table.group)}
    name_of = {tuple(voice): person for person, (voice, _) in told.items()}
    monkeypatch.setattr(tts, "synthesise", lambda model, text, voice: own[wrong[name_of[tuple(voice)]]])
    monkeypatch.setattr(cloning.speaking, "understood", lambda *_: {"wer": 0.0})
    found = cloning.measured(None, few, sound=lambda y: y, plain=True)
    assert found["right"] == found["nearest"] == found["nearest_together"] == 0


# ---- the colour of a voice ------------------------------------------------------------------------------


def test_a_picture_takes_the_colour_that_it_is_told():
    rng = np.random.default_rng(0)
    level = np.where(np.arange(200) % 20 < 4, -6, 0)            # a fifth of it is silent
    one, other = ((rng.normal(m, s, (80, 1)) + rng.normal(0, 1, (80, 200)) + level).astype(np.float32)
                  for m, s in ((2, 1), (1, 2)))
    wanted = tts.colour(other)
    found = tts.coloured(one, wanted)
    assert wanted.shape == (2, 80) and found.shape == one.shape and found.dtype == np.float32
    assert np.abs(tts.colour(found) - wanted).max() < 0.3 < np.abs(tts.colour(one) - wanted).max()
    assert np.allclose(tts.coloured(one, tts.colour(one)), one, atol=1e-3)
    assert tts.coloured(one, wanted - 30).min() == pytest.approx(tts.SILENCE)
    still = np.repeat(one[:, :1], 200, axis=1)
    still[:, :40] -= 6
    assert np.isfinite(tts.coloured(still, wanted)).all()
    with pytest.raises(ValueError, match="not of 9 frames"):
        tts.colour(one[:, :9])


# ---- the recipe -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_recipe_makes_weights_and_a_card_that_are_measured_again(few):
    name, whole = "clones-fastspeech-few", RECIPES["clones-fastspeech-crowd"]
    recipe = dataclasses.replace(whole, corpora=(lambda n_jobs: few,), test=lambda n_jobs: few, epochs=1)
    card = cloning.train(name, recipe, 1, False)
    found = card["metrics"]
    assert set(found) == {"test", "plain", "vocoder"} and {one["clips"] for one in found.values()} == {6}
    assert found["plain"].keys() == found["test"].keys() and card["steps"] == 1
    assert cloning.evaluate(name, recipe, 1) == pytest.approx(found["test"], nan_ok=True)
    model, _ = models.load(name)
    assert vocode.sound(models.synthesise(model, "Yes.", voice=np.ones(128))).ndim == 1
