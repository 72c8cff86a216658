"""Tacotron reads a text alike in any company, looks only at letters, and knows when it has finished or says so."""

import math
import warnings

import numpy as np
import pytest
import torch

from audiolab import metrics, models, training, vocode
from audiolab.corpora import speech
from audiolab.features.mel import SILENCE
from audiolab.models import tacotron
from audiolab.recipes import RECIPES, attending


def small(seed=0, **other):
    torch.manual_seed(seed)
    return models.Tacotron(**dict(n_mels=12, dim=16, state=24, reduction=3, blocks=1, drop=0.0) | other)


def clip(letters, frames, seed=0):
    chance = torch.Generator().manual_seed(seed)
    return (2 * torch.randn((12, frames), generator=chance) - 6, torch.randint(1, 29, (letters,), generator=chance))


def still(model, stop):
    """A model that never or at once believes that it has finished."""
    torch.nn.init.zeros_(model.stop.weight)
    torch.nn.init.constant_(model.stop.bias, stop)
    return model.eval()


# ---- batches and masks -----------------------------------------------------------------------------------


def test_a_batch_is_filled_up_and_keeps_the_lengths():
    (texts, sizes, heard, frames), (pictures, lengths, letters) = tacotron.batch([clip(3, 9), clip(5, 4)])
    assert texts.shape == (2, 6) and sizes.tolist() == letters.tolist() == [4, 6]
    assert texts[0, 3:].tolist() == [0, 0, 0] and texts[1, 5] == 0 and (texts[1, :5] > 0).all()
    assert frames.tolist() == lengths.tolist() == [9, 4] and heard is pictures and pictures.shape == (2, 9, 12)
    assert torch.equal(pictures[0].T, clip(3, 9)[0]) and (pictures[1, 4:] == SILENCE).all()
    assert all(map(torch.equal, tacotron.texts_only([(None, clip(3, 9)[1]), (None, clip(5, 4)[1])])[0],
                   (texts, sizes)))


@pytest.mark.parametrize("frames", [8, 9, 11])
def test_filling_changes_nothing_while_it_is_taught(frames):
    model = small().eval()
    one, company = clip(4, frames), clip(9, 31, seed=1)
    with torch.inference_mode():
        alone = model(tacotron.batch([one])[0])
        x, _ = tacotron.batch([one, company])
        together = model(x)
        x[0][0, 5:], x[2][0, frames:] = 7, 1e3                  # whatever stands there
        other = model((x[0], *x[1:]))
    whole, steps = -(-frames // 3) * 3, -(-frames // 3)
    for i, n in ((0, whole), (1, whole), (2, steps), (3, steps)):
        a, b, c = (out[i][0, :n, :5] if i == 3 else out[i][0, :n] for out in (alone, together, other))
        assert torch.allclose(a, b, atol=1e-4), i
        if i < 2:
            assert torch.allclose(a[: (frames // 3) * 3], c[: (frames // 3) * 3], atol=1e-4), i
    assert (together[1][0, whole:] == SILENCE).all()
    assert (together[3][0, :, 5:] == 0).all() and torch.allclose(together[3].sum(dim=2), torch.ones(2, 11), atol=1e-5)


def test_filling_changes_nothing_when_it_is_alone():
    model = still(small(), -1.0)
    one, company = clip(2, 3), clip(30, 3, seed=1)
    with torch.inference_mode():
        alone, together = (model(tacotron.texts_only(items)[0]) for items in ([one], [one, company]))
    n = alone[1].item()
    assert together[1][0] == n and torch.allclose(alone[0][0], together[0][0, :n], atol=1e-3)
    assert (together[0][0, n:] == SILENCE).all() and (together[3][0, :, 3:] == 0).all()


def test_the_last_frame_of_a_step_is_what_the_next_one_hears():
    model = small().eval()
    x, _ = tacotron.batch([clip(4, 12)])
    with torch.inference_mode():
        before = model(x)[0]
        changed = [picture.clone() for picture in (x[2], x[2], x[2])]
        changed[0][0, 5] += 3                                   # the last of the second step
        changed[1][0, 4] += 3                                   # not the last
        changed[2][0, 11] += 3                                  # nothing comes after
        moved = [(model((*x[:2], picture, x[3]))[0] - before).abs().amax(dim=2)[0] > 1e-6 for picture in changed]
    assert moved[0].tolist() == [False] * 6 + [True] * 6
    assert not moved[1].any() and not moved[2].any()


def test_the_same_text_sounds_the_same_and_training_drops():
    model, (x, _) = small(), tacotron.batch([clip(4, 12)])
    assert not torch.equal(model.train()(x)[0], model(x)[0])
    assert torch.equal(model.eval()(x)[0], model(x)[0])


# ---- the loss --------------------------------------------------------------------------------------------


def test_guided_attention_by_hand():
    looks = torch.tensor([[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]])               # two letters, three steps
    price = [[1 - math.exp(-((n / 2 - t / 3) ** 2) / (2 * 0.3**2)) for n in range(2)] for t in range(3)]
    by_hand = (price[0][0] + 0.5 * price[1][0] + 0.5 * price[1][1] + price[2][1]) / 3
    assert tacotron.guided(looks, torch.tensor([3]), torch.tensor([2]), 0.3) == pytest.approx(by_hand, rel=1e-5)
    filled = torch.nn.functional.pad(looks, (0, 4, 0, 2), value=0.25)           # steps of filling look anywhere
    filled[:, :3, 2:] = 0
    assert tacotron.guided(filled, torch.tensor([3]), torch.tensor([2]), 0.3) == pytest.approx(by_hand, rel=1e-5)


def test_a_diagonal_costs_least():
    n = torch.tensor([12])
    diagonal = torch.eye(12)[None]
    costs = [tacotron.guided(looks, n, n).item() for looks in
             (diagonal, torch.full((1, 12, 12), 1 / 12), torch.eye(12)[:, :1].T.repeat(12, 1)[None], diagonal.flip(1))]
    assert costs[0] == pytest.approx(0, abs=1e-6) and costs == sorted(costs) and costs[3] < 1


def test_the_loss_is_zero_for_the_truth_and_disregards_filling():
    model = small()
    items = [clip(4, 9), clip(6, 14, seed=1)]
    (_, sizes, heard, _), y = tacotron.batch(items)
    steps = [3, 5]
    truth = torch.nn.functional.pad(heard, (0, 0, 0, 1), value=SILENCE)
    stops, looks = torch.full((2, 5), -40.0), torch.zeros(2, 5, 7)
    for i, n in enumerate(steps):
        stops[i, n - 1] = 40
        for t in range(n):
            looks[i, t, round(t / n * sizes[i].item())] = 1
    good = model.loss((truth, truth, stops, looks), y).item()
    assert good < 0.04                                          # looks between two letters cost a little
    with_filling = truth.clone()
    with_filling[0, 9:], stops[0, 3:], looks[0, 3:, 6] = 99, 40, 1              # after the third and last step
    assert model.loss((with_filling, with_filling, stops, looks), y).item() == pytest.approx(good)
    for i, (frame, step) in enumerate(((8, 2), (14, 4))):                       # 14 is the silence that fills a step
        wrong, late = truth.clone(), stops.clone()
        wrong[i, frame] += 1
        late[i, step] = -40
        assert model.loss((wrong, truth, stops, looks), y) > good + 1e-3
        assert model.loss((truth, wrong, stops, looks), y) > good + 1e-3
        assert model.loss((truth, truth, late, looks), y) > good + 10


def test_moving_forward_is_staying_or_one_or_two_letters_on():
    looks = torch.eye(9)[None, [0, 0, 1, 3, 2, 5, 8, 0]]
    assert tacotron.forward_share(looks, torch.tensor([8])) == pytest.approx(3 / 7)
    assert tacotron.forward_share(looks, torch.tensor([4])) == 1


# ---- reading alone ---------------------------------------------------------------------------------------


def test_it_stops_when_it_believes_to_have_finished():
    pictures, lengths, stopped, looks = still(small(), 1.0)(tacotron.texts_only([clip(4, 9), clip(6, 9)])[0])
    assert lengths.tolist() == [3, 3] and stopped.all() and pictures.shape == (2, 3, 12) and looks.shape == (2, 1, 7)


def test_it_is_cut_when_it_never_stops_and_that_is_said():
    model = still(small(n_mels=80), -1.0)
    with pytest.warns(UserWarning, match="did not stop, and was cut after 162 frames"):
        picture, looks = tacotron.synthesise(model, "one")
    assert picture.shape == (80, 162) and looks.shape == (54, 4)                # 20 * 4 + 80, in whole steps
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture, looks = tacotron.synthesise(still(model, 1.0), " one  two ")
    assert picture.shape == (80, 3) and looks.shape == (1, 8) and picture.dtype == np.float32
    assert np.allclose(looks.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(("text", "says"), [
    ("", "0 letters"), ("  ", "0 letters"), ("one " * 51, "203 letters"), ("4 2", "Spell numbers out"),
    ("naïve", "cannot be written")])
def test_what_cannot_be_read_is_one_clear_error(text, says):
    with pytest.raises(ValueError, match=says):
        tacotron.synthesise(small(), text)


def test_it_learns_to_read():
    def item(seed):                                             # every letter sounds for 4 to 7 frames, in its channel
        chance = np.random.default_rng(seed)
        units, picture = chance.integers(1, 5, chance.integers(2, 7)), []
        for unit in units:
            picture.append(np.full((12, chance.integers(4, 8)), -6.0))
            picture[-1][3 * unit - 3 : 3 * unit] += 5
        return torch.from_numpy(np.concatenate(picture, axis=1)).float(), torch.from_numpy(units)
    clips, asked = [item(i) for i in range(300)], [item(-i - 1 + 10**6) for i in range(30)]
    model = small(dim=32, state=48)
    training.fit(model, clips, loss=model.loss, epochs=26, batch_size=16, lr=5e-3, clip=1.0, collate=model.batch,
                 progress=False)
    pictures, lengths, stopped, looks = training.predict(model, asked, 30, tacotron.texts_only)
    def runs(units):                                            # each stretch of one letter, as a word
        return " ".join(str(unit) for unit, before in zip(units, [0, *units[:-1]], strict=True) if unit != before)
    loud = (frames[:n].reshape(n, 4, 3).mean(dim=2).argmax(dim=1) + 1 for frames, n in
            zip(pictures, lengths.tolist(), strict=True))
    assert stopped.all() and tacotron.forward_share(looks, lengths // 3) > 0.9
    assert metrics.wer([runs(units.tolist()) for _, units in asked], [runs(units.tolist()) for units in loud]) < 0.15


# ---- the recipe ------------------------------------------------------------------------------------------


def test_the_reader_reads_strings_that_nobody_has_heard():
    plan = attending.plan_reader()
    texts = {split: set(part.text) for split, part in plan.groupby("split")}
    assert not texts["test"] & (texts["train"] | texts["validation"]) and not texts["train"] & texts["validation"]
    assert set(speech.DIGITS) <= texts["train"] and plan.text.str.split().str.len().isin(range(1, 8)).all()
    assert len(plan) == 3000 and all((plan.split == split).sum() > 200 for split in ("validation", "test"))
    assert plan.group.unique().tolist() == [attending.VOICE]
    assert attending.VOICE.partition("+")[2] in speech.MODELS
    assert models.size(models.Tacotron(**RECIPES["digits-tacotron-reader"].arguments)) <= 950_000


def test_a_picture_becomes_a_sound_that_the_judge_understands():
    y, sr = speech.say("four zero seven", attending.VOICE)
    picture = attending.picture(y, sr)
    again = vocode.sound(picture)
    assert abs(len(again) - len(y) * vocode.SR / sr) < 2 * vocode.SIZES["hop_length"]
    assert np.abs(vocode.picture(again.astype(np.float32))[:, 5:-5] - picture[:, 5 : vocode.picture(again).shape[1] - 5]
                  ).mean() < 0.6
    judge, _ = models.load(attending.JUDGE)
    assert models.transcribe(judge, again, vocode.SR)[0] == "four zero seven"


def test_a_model_that_says_nothing_gets_everything_wrong():
    found = attending.measured(still(small(n_mels=80), 1.0), ["one two", "three"])
    assert found["clips"] == 2 and found["words"] == 3 and found["wer"] >= 0.9 and found["cut"] == 0
