"""Clones are told from other people, and false voices from genuine ones; what is counted is what is said."""

import numpy as np
import pytest
import torch

from audiolab import models
from audiolab.corpora import speech
from audiolab.recipes import RECIPES, cloning, spoofing


def test_nearest_is_by_the_mean_of_each_person():
    people = {"a": np.array([[1.0, 0.2], [1.0, -0.2]]), "b": np.array([[0.0, 1.0]])}
    assert cloning.nearest(np.array([[1.0, 0.5], [0.5, 1.0], [1.0, -9]]), people) == ["a", "b", "a"]


def test_recipes_keep_test_people_and_test_vocoder_apart():
    plan = spoofing.plan_fakes()
    assert not set(plan[plan.split == "train"].group) & set(plan[plan.split == "test"].group)
    assert not plan[plan.split != "test"].label.str.contains("istft").any()
    counts = plan.groupby("split").label.value_counts().unstack(fill_value=0)
    assert counts.genuine.to_dict() == {"train": 792, "validation": 84, "test": 120}
    assert (counts.loc["test"] == 60)[["clone", "clone istft", "copy", "copy istft"]].all()
    assert plan.path.is_unique and plan.equals(spoofing.plan_fakes())
    judge, encoder = RECIPES[cloning.JUDGE], RECIPES[cloning.ENCODER]
    assert judge.model is not encoder.model and judge.seed != encoder.seed and judge.picture != encoder.picture
    assert RECIPES["clones-fastspeech-crowd"].corpora[0].__name__ == "crowd"


def test_copies_and_genuine_sentences_are_rendered():
    row = spoofing.plan_fakes().query("label == 'copy'").iloc[0].to_dict()
    copy, genuine = spoofing.render_fake(row), spoofing.render_fake(row | {"label": "genuine"})
    assert copy.sr == genuine.sr == 16000 and abs(len(copy.y) - len(genuine.y)) <= 200
    assert np.array_equal(genuine.y, speech.render_person(row).y) and not np.allclose(copy.y, genuine.y[: len(copy.y)])


def test_shares_are_counted_at_one_in_twenty_false_alarms():
    genuine = np.arange(100.0)                                  # five above 94.05
    scores, label = np.array([94.0, 95, 96, 200, 1]), np.array(["clone", "clone", "copy", "copy", "genuine"])
    assert spoofing.against(genuine, scores, label) == {"clone": 0.5, "copy": 1.0}


def test_a_detector_asks_for_a_voice():
    torch.manual_seed(0)
    model, card = models.CNN(64, 2), {"picture": RECIPES["spoof-cnn-clones"].picture, "threshold": 1e9}
    y, sr = speech.say("The ferry left the harbour before the fog had lifted.")
    score, false = spoofing.detect(model, card, y, sr)
    assert np.isfinite(score) and not false
    assert spoofing.detect(model, card | {"threshold": -1e9}, y, sr) == (score, True)
    with pytest.raises(ValueError, match="Nobody speaks"):
        spoofing.detect(model, card, np.zeros(2 * sr, np.float32), sr)
