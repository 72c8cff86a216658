"""Self-supervised networks hide what they say they hide, agree with transformers and embed each clip as it is alone."""

import dataclasses

import numpy as np
import pytest
import torch

from audiolab import models, training
from audiolab.models import pretrained, selfsupervised
from audiolab.models.selfsupervised import contrast, frames, levelled, mask_spans
from audiolab.recipes import pretraining

KINDS = pytest.mark.parametrize("kind", [models.TinyWav2Vec2, models.TinyHubert])
SR = 16000


def build(kind, **options):
    torch.manual_seed(0)
    return kind(dim=32, layers=2, heads=2, hidden=48, **options).eval()


def noise(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=n).astype(np.float32) for n in sizes]


def together(*sizes):
    return selfsupervised.batch([(torch.from_numpy(y), torch.zeros(0)) for y in noise(*sizes)])[0]


# ---- hidden spans ------------------------------------------------------------------------------------------


def runs(row):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row.numpy().astype(int), [0]])))
    return edges[1::2] - edges[::2]


def test_spans_are_hidden_in_the_clip_and_nowhere_else():
    lengths = torch.tensor([11, 60, 200, 200])
    for seed in range(20):
        hidden = mask_spans(lengths, 220, 0.65, 10, torch.Generator().manual_seed(seed))
        assert hidden.shape == (4, 220) and hidden.dtype == torch.bool
        for row, length in zip(hidden, lengths.tolist(), strict=True):
            assert not row[length:].any() and (runs(row[:length]) >= 10).all()
            starts = max(1, round(0.65 * length / 10))
            assert 10 <= row.sum() <= 10 * starts


def test_about_half_is_hidden_at_every_place_alike():
    hidden = mask_spans(torch.full((2000,), 150), 150, 0.65, 10, torch.Generator().manual_seed(0)).double()
    assert hidden.mean() == pytest.approx(0.49, abs=0.02)       # 1 - (1 - 0.065) ** 10
    inside = hidden.mean(dim=0)[10:-10]
    assert inside.max() - inside.min() < 0.06


def test_spans_come_from_the_generator_and_no_two_begin_at_once():
    one, two, other = (mask_spans(torch.tensor([90]), 90, generator=torch.Generator().manual_seed(seed))
                       for seed in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert mask_spans(torch.tensor([20]), 20, share=20, span=1).all()           # all 20 begin somewhere else
    with pytest.raises(ValueError, match="6 frames is too short for spans of 6"):
        mask_spans(torch.tensor([50, 6]), 50, span=6)


# ---- as transformers has it --------------------------------------------------------------------------------


@KINDS
def test_frames_and_levels_are_those_of_transformers(kind):
    model = build(kind)
    for n in (896, 1215, 1216, 16000, 33333):
        assert frames(n) == int(model.encoder._get_feat_extract_output_lengths(torch.tensor(n))) > 0
    x, lengths = together(5000, 16000, 9000)
    x = 3 * x + 0.5 * selfsupervised.heard(lengths, 16000)
    theirs = selfsupervised.front()([row[:n].numpy() for row, n in zip(x, lengths, strict=True)], sampling_rate=SR,
                                    padding=True, return_tensors="pt")
    torch.testing.assert_close(levelled(x, lengths), theirs.input_values, atol=1e-5, rtol=1e-4)
    assert torch.equal(theirs.attention_mask.bool(), selfsupervised.heard(lengths, 16000))


def test_the_contrast_is_that_of_transformers():
    model = build(models.TinyWav2Vec2)
    x, lengths = together(16000, 16000, 16000)
    hidden = torch.zeros(3, frames(16000), dtype=torch.bool)
    hidden[0, 5:25], hidden[1, 20:40], hidden[2, 1:11], hidden[2, 30:40] = True, True, True, True
    places = [row.nonzero()[:, 0] for row in hidden]
    others = torch.zeros(*hidden.shape, 19, dtype=torch.long)   # of each hidden frame, all others of its clip
    for i, own in enumerate(places):
        for t in own:
            others[i, t] = own[own != t] + i * hidden.shape[1]
    theirs = model.wav2vec2_for_pretraining(levelled(x, lengths), mask_time_indices=hidden,
                                            sampled_negative_indices=others)
    scores = contrast(theirs.projected_states, theirs.projected_quantized_states, hidden)
    ours = model.loss((scores, hidden, theirs.codevector_perplexity.expand(3)), None)
    torch.testing.assert_close(ours, theirs.loss / hidden.sum(), atol=1e-5, rtol=1e-5)


def test_what_equals_the_right_frame_is_no_distractor():
    wanted = torch.tensor([[[1.0, 0], [0, 1], [0, 2], [1, 1]]])
    hidden = torch.tensor([[True, True, True, False]])
    scores = contrast(wanted, wanted, hidden, 0.5)[0]
    assert scores[1].tolist() == [0, 2, -torch.inf, -torch.inf]
    assert scores[0].isfinite().tolist() == [True, True, True, False]


# ---- learning ----------------------------------------------------------------------------------------------


@KINDS
def test_a_few_steps_lower_the_loss_and_reach_every_weight(kind):
    model = build(kind).train()
    x, lengths = together(16000, 12000, 20000)
    x = torch.sin(torch.cumsum(300 + 250 * torch.sin(torch.arange(20000) / 3000), 0) * 2 * torch.pi / SR) + 0.1 * x
    x = x * selfsupervised.heard(lengths, 20000)
    y = (torch.arange(frames(20000)) // 10).expand(3, -1)
    optimiser, losses = torch.optim.AdamW(model.parameters(), lr=3e-3), []
    for _ in range(12):
        loss = model.loss(model((x, lengths)), y)
        loss.backward()
        losses.append(loss.item())
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimiser.step()
        optimiser.zero_grad()
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


@KINDS
def test_evaluation_hides_the_same_frames_every_time_and_training_others(kind):
    model, x = build(kind), together(16000, 12000)
    assert torch.equal(model(x)[1], model(x)[1])
    model.train()
    torch.manual_seed(0)
    assert not torch.equal(model(x)[1], model(x)[1])


def test_codewords_are_drawn_ever_more_decidedly():
    model, x = build(models.TinyWav2Vec2, cooling=0.5), together(16000)
    quantizer = model.wav2vec2_for_pretraining.quantizer
    model.train()
    found = [(model(x), quantizer.temperature)[1] for _ in range(4)]
    assert found == [1, 0.5, 0.5, 0.5] and model.steps == 4


def test_scores_count_hidden_frames_alone():
    hidden = torch.tensor([[True, True, False, True]])
    clusters = torch.tensor([[2, 0, 1, -100]])
    scores = torch.nn.functional.one_hot(torch.tensor([[2, 1, 1, 0]]), 3).double()
    assert models.TinyHubert.score((scores, hidden), clusters) == 0.5
    each = torch.eye(4, dtype=torch.double)[None]
    each[0, 1] = torch.tensor([1, 0, 0, 0])
    assert models.TinyWav2Vec2.score((each, hidden, None), None) == pytest.approx(2 / 3)


@KINDS
def test_units_are_one_for_each_frame_and_know_no_filling(kind):
    model = build(kind)
    x, lengths = together(16000, 9000)
    units = model.units(x, lengths)
    assert [len(one) for one in units] == [frames(16000), frames(9000)]
    assert torch.equal(units[1], model.units(x[1:, :9000], lengths[1:])[0])


# ---- embeddings --------------------------------------------------------------------------------------------


def door(kind):
    return pretrained.Opened(build(kind).encoder, selfsupervised.front(), "tiny", False)


@KINDS
def test_a_clip_is_embedded_alone_as_among_others(kind):
    opened, clips = door(kind), noise(16000, 4000, 30000, 9000)
    all_layers = pretrained.embed(opened, clips, SR, layer=None)
    assert all_layers.shape == (3, 4, 3 * 32) and all_layers.dtype == np.float32
    for i, clip in enumerate(clips):
        alone = pretrained.embed(opened, [clip], SR, layer=None)[:, 0]
        np.testing.assert_allclose(alone, all_layers[:, i], atol=2e-4)
    np.testing.assert_array_equal(pretrained.embed(opened, clips, SR), all_layers[-1])
    np.testing.assert_array_equal(pretrained.embed(opened, clips, SR, layer=1), all_layers[1])


def test_parts_are_means_of_equal_stretches():
    opened, (clip,) = door(models.TinyHubert), noise(896 + 320 * 8)                # 9 frames
    given = opened.processor([clip], sampling_rate=SR, return_tensors="pt")
    with torch.inference_mode():
        states = opened.model(**given).last_hidden_state[0].numpy()
    want = states.reshape(3, 3, 32).mean(axis=1).ravel()
    np.testing.assert_allclose(pretrained.embed(opened, [clip], SR)[0], want, atol=1e-5)
    np.testing.assert_allclose(pretrained.embed(opened, [clip], SR, parts=1)[0], states.mean(axis=0), atol=1e-5)


def test_other_rates_and_very_short_clips_are_embedded_too():
    opened = door(models.TinyWav2Vec2)
    short, slow = noise(100, 8000)
    found = pretrained.embed(opened, [short, short[:1], slow], 8000)
    assert found.shape == (3, 96) and np.isfinite(found).all()


def test_the_ast_is_embedded_by_its_own_patches():
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    torch.manual_seed(0)
    config = ASTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, max_length=128)
    opened = pretrained.Opened(ASTForAudioClassification(config).eval(), ASTFeatureExtractor(max_length=128), "ast",
                               True)
    clips = noise(8000, 16000, 40000)
    found = pretrained.embed(opened, clips, SR, layer=None)
    assert found.shape == (3, 3, 48) and np.isfinite(found).all()
    given = opened.processor([clips[1]], sampling_rate=SR, return_tensors="pt")
    with torch.inference_mode():
        states = opened.model(**given, output_hidden_states=True).hidden_states[-1][0, 2:].numpy()
    own = states.reshape(12, 12, 16)[:, : (98 - 16) // 10 + 1]  # 12 bands of 12 moments, of which 9 are the clip's
    np.testing.assert_allclose(pretrained.embed(opened, [clips[1]], SR, parts=1)[0], own.mean(axis=(0, 1)), atol=1e-5)


def test_published_models_whose_first_layer_measures_all_of_a_clip():
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    torch.manual_seed(0)
    config = Wav2Vec2Config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
                            conv_dim=[16] * 7)
    opened = pretrained.Opened(Wav2Vec2Model(config).eval(), Wav2Vec2FeatureExtractor(), "base", True)
    clips = noise(16000, 5000)
    found = pretrained.embed(opened, clips, SR)
    np.testing.assert_allclose(found[1], pretrained.embed(opened, clips[1:], SR)[0], atol=1e-5)


def test_bad_requests_are_answered_in_one_line():
    opened, clips = door(models.TinyHubert), noise(4000)
    for call, words in (
            (lambda: pretrained.embed(opened, [], SR), "one at least"),
            (lambda: pretrained.embed(opened, [np.full(4000, np.nan)], SR), "finite numbers"),
            (lambda: pretrained.embed(opened, [np.zeros((2, 4000))], SR), "of shape"),
            (lambda: pretrained.embed(opened, clips, SR, layer=3), "layers 0 to 2, or -1 to -3"),
            (lambda: pretrained.embed(opened, clips, SR, parts=0), "parts=0"),
            (lambda: pretrained.embed(pretrained.Opened(torch.nn.Linear(1, 1), None, "whisper", True), clips, SR),
             "a Linear, of which no embeddings")):
        with pytest.raises(ValueError, match=words):
            call()


@pytest.mark.parametrize("name, kind", [("facebook/wav2vec2-base", "Wav2Vec2Model"),
                                        ("facebook/hubert-base-ls960", "HubertModel")])
def test_the_door_opens_the_course_s_own_where_nothing_published_is(monkeypatch, name, kind):
    monkeypatch.setattr(pretrained.paths, "building", lambda: True)
    opened = pretrained.load(name)
    assert type(opened.model).__name__ == kind and not opened.published
    assert pretrained.embed(opened, noise(9000), SR).shape == (1, 384)


def test_the_ast_has_nobody_that_stands_in(monkeypatch):
    monkeypatch.setattr(pretrained.paths, "building", lambda: True)
    with pytest.raises(pretrained.NotHere, match="download=True"):
        pretrained.load("MIT/ast-finetuned-audioset-10-10-0.4593")


# ---- the recipes -------------------------------------------------------------------------------------------


def test_units_that_name_the_phoneme_tell_all_and_others_nothing():
    phonemes = [np.array(["a", "a", "b", "b"]), np.array(["c", "c"])]
    assert pretraining.told([np.array([7, 7, 3, 3]), np.array([9, 9])], phonemes) == {
        "pnmi": pytest.approx(1), "purity": 1}
    finer = pretraining.told([np.array([7, 6, 3, 3]), np.array([9, 9])], phonemes)
    assert finer == {"pnmi": pytest.approx(1), "purity": 1}
    deaf = pretraining.told([np.zeros(4, int), np.zeros(2, int)], phonemes)
    assert deaf == {"pnmi": pytest.approx(0, abs=1e-12), "purity": pytest.approx(1 / 3)}
    half = pretraining.told([np.array([0, 0, 0, 0]), np.array([1, 1])], phonemes)
    h = np.log(3) - 2 / 3 * np.log(2)                           # of unit and phoneme together: the unit's entropy
    assert half["pnmi"] == pytest.approx(h / np.log(3)) and half["purity"] == pytest.approx(2 / 3)


def test_the_phoneme_of_a_frame_sounds_in_its_middle(tmp_path, monkeypatch):
    from audiolab import corpus
    from audiolab.corpora import speech

    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    plan = speech.plan_sentences(40).head(2)
    made = corpus.make(tmp_path / "two", plan, speech.render)
    clips = pretraining.signals(made, "train")
    for names, clip, path in zip(pretraining.spoken(made, clips), clips, made.table.path, strict=True):
        assert len(names) == frames(len(clip)) == len(pretraining.cepstra(clip))
        times = made.sidecar("phonemes")
        times = times[times.path == path]
        for i in range(0, len(names), 7):
            middle = (320 * i + 448) / SR
            now = times[(times.onset <= middle) & (middle < times.offset)].phoneme.str.strip("ˈˌ").tolist()
            assert [names[i]] == (now or [""])


def test_a_click_is_in_the_frame_whose_middle_it_is():
    signal = torch.zeros(16000)
    signal[20 * 320 + 448] = 1
    assert pretraining.cepstra(signal)[:, 0].argmax() == 20


def test_clips_are_changed_by_chance_and_their_clusters_go_with_them():
    x, lengths = together(16000, 12000, 9000, 16000)
    x = 0.1 * x
    y = torch.arange(frames(16000)).repeat(4, 1)
    first, second, other = (pretraining.somewhere((x.clone(), lengths), y, torch.Generator().manual_seed(seed))
                            for seed in (1, 1, 2))
    assert torch.equal(first[0][0], second[0][0]) and first[0][0].shape != other[0][0].shape
    for (signals, sizes), clusters in (first, other):
        pace = 16000 / sizes[0].item()
        assert 0.84 <= pace <= 1.21 and signals.shape[1] >= sizes.max()
        assert clusters.shape == (4, frames(signals.shape[1]))
        slope = np.polyfit(np.arange(clusters.shape[1]), clusters[0].numpy(), 1)[0]
        assert slope == pytest.approx(pace, abs=0.02)           # the clusters run as much faster as the sound
    (signals, _), none = pretraining.somewhere((x, lengths), torch.zeros(4, 0), torch.Generator().manual_seed(1))
    assert none.shape == (4, 0) and torch.equal(signals, first[0][0])


def test_a_click_stays_with_its_cluster():
    x, lengths = torch.zeros(2, 16000), torch.tensor([16000, 16000])
    x[:, 30 * 320 + 448] = 1
    y = (torch.arange(frames(16000)) == 30).long().repeat(2, 1)
    for seed in range(5):
        (signals, _), clusters = pretraining.somewhere((x.clone(), lengths), y, torch.Generator().manual_seed(seed))
        at = (signals.abs().amax(dim=0).argmax() - 448) / 320
        assert min(abs(i - at) for i in clusters[0].nonzero()[:, 0].tolist()) <= 1


def test_words_of_one_voice_stand_in_rows_with_pauses():
    import pandas as pd

    class Few:
        table = pd.DataFrame({"group": ["a", "b", "a", "a", "a", "a"]})

    words = [torch.full((10,), float(i + 1)) for i in range(6)]
    rows = pretraining.in_rows(Few, words)
    gap = round(pretraining.PAUSE * SR)
    assert [sorted(set(row.tolist()) - {0}) for row in rows] == [[1, 3, 4, 5], [6], [2]]
    assert [len(row) for row in rows] == [40 + 5 * gap, 10 + 2 * gap, 10 + 2 * gap]


def test_clusters_are_found_among_the_first_and_named_in_all(monkeypatch):
    monkeypatch.setattr(pretraining, "CLUSTERS", 2)
    known = [np.array([[0.0, 0], [0, 0], [9, 9], [9, 9]] * 10)]
    first, other = pretraining.clustered([known, [np.array([[8.0, 8], [1, 1], [9, 9]])]])
    assert first[0][1] != first[0][2]
    assert other[0].tolist() == [first[0][2], first[0][1], first[0][2]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["speech-wav2vec2-sentences", "speech-hubert-sentences"])
def test_a_recipe_learns_in_its_stages_also_after_an_interruption(name, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.setattr(pretraining, "CLUSTERS", 4)
    recipe = dataclasses.replace(pretraining.RECIPES[name], epochs=2, first=min(1, pretraining.RECIPES[name].first),
                                 layer=1, fit={"batch_size": 2, "lr": 1e-3})
    recipe = dataclasses.replace(recipe, arguments=recipe.arguments | {"dim": 32, "layers": 2, "heads": 2, "hidden": 48}
                                 | ({"clusters": 4} if recipe.first else {}))
    clips = [0.1 * torch.from_numpy(y) for y in noise(14000, 16000, 12000, 15000)]
    fit, calls = training.fit, []

    def interrupted(*args, **options):
        calls.append(1)
        if len(calls) == stop:
            raise KeyboardInterrupt
        return fit(*args, **options)

    stop = 2 if recipe.first else 1
    monkeypatch.setattr(training, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pretraining.learnt(name, recipe, clips, clips[:2], False)
    model, histories = pretraining.learnt(name, recipe, clips, clips[:2], False)
    assert [len(history.rows) for history in histories] == ([1, 2] if recipe.first else [2])
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / "another"))
    whole, _ = pretraining.learnt(name, recipe, clips, clips[:2], False)
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, whole.state_dict()[key])
