"""Clones are told from other people; what a network learns of a voice comes from other clips of the same person."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from audiolab import corpus, models, paths, vocode
from audiolab.corpora import speech
from audiolab.models import speaker
from audiolab.recipes import RECIPES, cloning, voices

SMALL = dict(dim=32, encoder=1, decoder=2, voice=128)


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
    found = cloning.lessons(few, "train")
    table, encoder = few.split("train").table, models.load(cloning.ENCODER)[0]
    assert list(found) == list(table.path)
    heard = voices.references(voices.pictures(few, "train"))
    for person, rows in table.groupby("group"):
        for i, path in enumerate(rows.path):
            units, (picture, durations, prosody, voice) = found[path]
            assert len(units) == len(durations) == len(prosody) and durations.sum() == len(picture)
            assert np.allclose(voice, speaker.voice_of(encoder, heard[person][(i + 1) % 4]), atol=1e-5)


def test_cuts_are_of_one_length_and_of_their_voice():
    pool = [[torch.rand(n, 6) + 10 * voice for n in (90, 170, 200, 300)] for voice in range(5)]
    short = cloning.cut(torch.arange(9.0)[:, None].expand(9, 6))
    assert short.shape == (1, 6, speaker.WINDOW) and (short[0].diff(dim=1) % 9 == 1).all()      # again and again
    x = torch.tensor([3, 1])
    first, again, other = (cloning.cuts(pool, x, x, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    pictures, who = first
    assert pictures.shape == (2 * voices.UTTERANCES, 1, 6, speaker.WINDOW)
    assert who.tolist() == [3] * voices.UTTERANCES + [1] * voices.UTTERANCES
    assert torch.equal(pictures, again[0]) and not torch.equal(pictures, other[0])
    assert ((pictures - 10 * who[:, None, None, None]).abs() <= 1).all()


def test_what_the_listener_hears_is_added_to_the_loss():
    torch.manual_seed(0)
    model = models.FastSpeech(**SMALL)
    clips = [(torch.arange(1, 5), (torch.randn(8, 80) - 5, torch.tensor([1, 3, 2, 2]), torch.rand(4, 2) + 4,
                                   torch.nn.functional.normalize(torch.randn(128), dim=0))) for _ in range(2)]
    wanted = torch.nn.functional.normalize(torch.tensor([[1.0, 0, 0], [1, 1, 0]]), dim=1)
    x, y = cloning.with_voices(model.scaled(clips).eval(), list(zip(clips, wanted, strict=True)))
    assert torch.equal(y[-1], wanted) and all(torch.equal(a, b) for a, b in zip(x, model.batch(clips)[0], strict=True))
    output, heard = model(x), torch.tensor([[1.0, 0, 0]]).repeat(2, 1)
    found = cloning.beside(lambda pictures: heard, model, output, y)
    more = (found - model.loss(output, y[:-1])).item()
    assert more == pytest.approx(cloning.WEIGHT * (1 - (1 + 0.5**0.5) / 2), abs=1e-4)
    hears = models.SpeakerEncoder(80, dim=16, blocks=1, out=3).eval().requires_grad_(False)
    cloning.beside(hears, model, output, y).backward()          # what it hears reaches the network that draws
    assert model.of_voice.weight.grad.abs().sum() > 0 and all(p.grad is None for p in hears.parameters())


# ---- how it is judged -----------------------------------------------------------------------------------


def test_gallery_and_targets_know_the_test_people_alone(few):
    test = list(dict.fromkeys(few.split("test").table.group))
    gallery, targets = cloning.gallery(few), cloning.targets(few)
    assert list(gallery) == list(targets) == test
    assert {one.shape[0] for one in gallery.values()} == {4} and {one.shape for one in targets.values()} == {(128,)}
    y, sr, row = few.split("test")[0]
    heard = cloning.judged(models.load(cloning.JUDGE)[0], y, sr)
    assert speaker.score(heard, gallery[row["group"]][0]) == pytest.approx(1, abs=1e-3)


def test_what_a_person_said_counts_as_a_perfect_clone(few, monkeypatch):
    """In the place of clones: the person's own clips, and digits by a voice that the recogniser knows."""
    own = {person: iter([few[i][0] for i in rows.index]) for person, rows in few.table.groupby("group")}
    names = {tuple(voice): person for person, voice in cloning.targets(few).items()}
    asked = []

    def synthesise(model, text, voice):
        asked.append((text, names[tuple(voice)]))
        digits = set(text.split()) <= set(speech.DIGITS)
        return speech.render_person({"text": text, "voice": "en-us"}) if digits else next(own[names[tuple(voice)]])

    monkeypatch.setattr(cloning.tts, "synthesise", synthesise)
    monkeypatch.setattr(cloning.speaking, "understood", lambda sounds, texts: {"wer": float(len(texts))})
    monkeypatch.setattr(speech, "render_person", lambda row: np.zeros(16000, np.float32))
    found = cloning.measured(None, few, sound=lambda y: y)
    assert found["clips"] == found["right"] == 6 and found["nearest"] == found["nearest_together"] == 1
    assert found["cosine"] > 0.8 and found["wer"] == 2 and 0 <= found["per_people"] < 0.5
    assert [who for _, who in asked[:6]] == sorted([*names.values()] * 3, key=list(names.values()).index)


@pytest.mark.slow
def test_the_recipe_makes_weights_and_a_card_that_are_measured_again(few, monkeypatch):
    monkeypatch.setattr(cloning, "LISTENER", cloning.LISTENER | {"epochs": 1})
    monkeypatch.setattr(cloning, "BESIDE", cloning.BESIDE | {"epochs": 1})
    name, whole = "clones-fastspeech-few", RECIPES["clones-fastspeech-crowd"]
    recipe = dataclasses.replace(whole, corpora=(lambda n_jobs: few,), test=lambda n_jobs: few, epochs=1)
    card = cloning.train(name, recipe, 1, False)
    found = card["metrics"]
    assert set(found) == {"alone", "test", "vocoder"} and {one["clips"] for one in found.values()} == {6}
    assert found["alone"].keys() == found["test"].keys() and card["steps"] == 2
    assert cloning.evaluate(name, recipe, 1) == pytest.approx(found["test"], nan_ok=True)
    model, _ = models.load(name)
    assert vocode.sound(models.synthesise(model, "Yes.", voice=np.ones(128))).ndim == 1
