"""Recognisers read a clip alike in any company, refuse what they cannot read, and learn."""

import itertools

import numpy as np
import pytest
import torch

from audiolab import audio, augment, decode, metrics, models, recipes, training
from audiolab.corpora import speech
from audiolab.features.mel import SILENCE
from audiolab.models import asr, pretrained, whisper
from audiolab.recipes import phones, writing

MODELS = {"ctc": lambda: models.CTCNet(dim=32, blocks=2), "attention": lambda: models.AttentionASR(dim=32, blocks=2),
          "frames": lambda: models.FrameNet(5, sr=8000, dim=32, blocks=2)}


def picture(time, seed=0):
    return torch.randn(1, 40, time, generator=torch.Generator().manual_seed(seed))


# ---- batches --------------------------------------------------------------------------------------------


def test_a_batch_is_filled_up_and_keeps_the_lengths():
    items = [(picture(9), torch.tensor([3])), (picture(5), torch.tensor([2, 4]))]
    (pictures, lengths), (texts, sizes) = asr.batch(items)
    assert pictures.shape == (2, 1, 40, 9) and lengths.tolist() == [9, 5] and (pictures[1, ..., 5:] == SILENCE).all()
    assert texts.tolist() == [[3, 0], [2, 4]] and sizes.tolist() == [1, 2]
    nothing = torch.tensor([], dtype=int)
    (signals, _), _ = asr.batch([(torch.ones(1, 4), torch.tensor([1])), (torch.ones(1, 2), nothing)])
    assert signals.tolist() == [[[1, 1, 1, 1]], [[1, 1, 0, 0]]]


@pytest.mark.parametrize("kind", MODELS)
def test_filling_changes_nothing(kind):
    torch.manual_seed(0)
    model = MODELS[kind]().eval()
    one, company = (picture(35), torch.tensor([4, 5])), (picture(90, 1), torch.tensor([6]))
    with torch.inference_mode():
        alone, together = (model(asr.batch(items)[0])[0][0] for items in ([one], [one, company]))
        x, _ = asr.batch([one, company])
        x[0][0, ..., 35:] = 1e3                                 # whatever stands there
        other = model(x)[0][0]
    n = min(len(alone), len(together), {"ctc": 12, "frames": 35}.get(kind, 60))
    assert torch.allclose(alone[:n], together[:n], atol=1e-4) and torch.allclose(alone[:n], other[:n], atol=1e-4)


@pytest.mark.parametrize(("time", "frames"), [(1, 1), (3, 1), (4, 2), (30, 10), (31, 11)])
def test_lengths_after_subsampling_are_those_of_the_output(time, frames):
    log_probs, lengths = models.CTCNet(dim=16, blocks=1).eval()((picture(time)[None], torch.tensor([time])))
    assert log_probs.shape[1] == lengths.item() == frames
    assert torch.allclose(log_probs.exp().sum(dim=2), torch.ones(1, frames), atol=1e-5)


def test_a_frame_network_names_every_frame():
    for time in (1, 2, 7, 30):
        log_probs, lengths = models.FrameNet(5, sr=8000, dim=16, blocks=1)((picture(time)[None], torch.tensor([time])))
        assert log_probs.shape == (1, time, 5) and lengths.item() == time


def test_losses_disregard_filling_and_impossible_texts():
    log_probs, lengths = torch.randn(2, 6, 29).log_softmax(dim=2), torch.tensor([6, 3])
    y = torch.tensor([[1, 2], [3, 3]]), torch.tensor([2, 2])
    alone = models.CTCNet.loss((log_probs[:1], lengths[:1]), (y[0][:1], y[1][:1]))
    impossible = models.CTCNet.loss((log_probs, torch.tensor([6, 2])), y)       # "cc" needs three frames
    assert impossible == pytest.approx(alone.item() / 2, rel=1e-5)
    silent = torch.zeros(2, 6, dtype=int), torch.tensor([6, 3])
    frames = models.FrameNet.loss((log_probs, torch.tensor([6, 3])), silent)
    assert frames == pytest.approx(-(log_probs[0, :, 0].sum() + log_probs[1, :3, 0].sum()).item() / 9, rel=1e-5)


def test_an_attention_model_looks_only_where_somebody_speaks_and_is_asked_for_the_end():
    torch.manual_seed(0)
    model = MODELS["attention"]().eval()
    x, _ = model.batch([(picture(40), torch.tensor([4, 5, 6])), (picture(80), torch.tensor([7]))])
    scores, looks, lengths, _ = model(x)
    assert scores.shape[:2] == (2, 4) and torch.allclose(looks.sum(dim=2), torch.ones(2, 4), atol=1e-5)
    assert (looks[0, :, lengths[0]:] == 0).all()
    sure = torch.full((1, 2, 29), -30.0)
    sure[0, 0, 7] = sure[0, 1, 0] = 30                          # the letter, then the end
    nothing = torch.zeros(1, 20, 29).log_softmax(dim=2)
    good, endless = (model.loss((s, None, torch.tensor([20]), nothing), (torch.tensor([[7]]), torch.tensor([1])))
                     for s in (sure, sure.roll(7, dims=2)))
    assert good < endless
    assert model.read((sure,)) == [decode.to_text([7])]


def test_a_network_learns_a_string_and_a_pause():
    rng = torch.Generator().manual_seed(0)
    def word(unit):                                             # a tone for each letter, one channel each
        x = 0.3 * torch.randn((1, 40, 12), generator=rng)
        x[:, 3 * unit] += 4
        return x
    def item():
        units = torch.randint(1, 5, (int(torch.randint(0, 4, (), generator=rng)),), generator=rng)
        quiet = 0.3 * torch.randn((1, 40, 9), generator=rng)
        return torch.cat([quiet, *(part for u in units.tolist() for part in (word(u), quiet))], dim=2), units
    clips, asked = [item() for _ in range(400)], [item() for _ in range(60)]
    torch.manual_seed(0)
    model = models.CTCNet(dim=32, blocks=2, kernel=5)
    training.fit(model, clips, loss=model.loss, epochs=15, batch_size=16, lr=5e-3, collate=model.batch,
                 lengths=[x.shape[2] for x, _ in clips], progress=False)
    said = writing.read(model, asked)
    right = np.mean([text == decode.to_text(units.tolist()) for text, (_, units) in zip(said, asked, strict=True)])
    assert right > 0.9


# ---- transcribing -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recogniser():
    return models.load("digits-ctc-fsdd")[0]


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_any_rate_and_number_of_channels(recogniser, rate):
    from audiolab import preprocess

    y = preprocess.resample(*speech.say("four zero seven", "en-us+f1"), rate)
    for sound in (y, np.stack([y, y]), 0.1 * y):
        text, words, log_probs = models.transcribe(recogniser, sound, rate)
        assert text == "four zero seven" and [word["word"] for word in words] == text.split()
        assert all(0 < word["confidence"] <= 1 and 0 <= word["onset"] < word["offset"] for word in words)
        assert words[-1]["offset"] <= len(log_probs) * recogniser.frame


def test_silence_is_an_empty_text(recogniser):
    for level in (0, 1e-4, 1e-3, 1e-2):
        y = level * np.random.default_rng(0).standard_normal(24000).astype(np.float32)
        assert models.transcribe(recogniser, y, 8000)[:2] == ("", [])
    assert writing.invented(recogniser) == 0


@pytest.mark.parametrize(("y", "says"), [
    (np.zeros(100), "lasts 0.01 s"), (np.zeros(0), "is empty"), (np.zeros(8000 * 31), "lasts 31.00 s"),
    (np.full(8000, np.nan), "NaN"), (np.full(8000, np.inf), "NaN or infinity")])
def test_what_cannot_be_transcribed_is_one_clear_error(recogniser, y, says):
    with pytest.raises(audio.AudioError, match=says):
        models.transcribe(recogniser, y, 8000)


def test_another_model_and_a_rate_that_is_none(recogniser):
    for rate in (0, None, 8000.5):
        with pytest.raises(audio.AudioError, match="sampling rate is a whole number"):
            models.transcribe(recogniser, np.zeros(8000, np.float32), rate)
    with pytest.raises(TypeError, match="takes a CTCNet, not a FrameNet"):
        models.transcribe(MODELS["frames"](), np.zeros(8000, np.float32), 8000)


def test_a_language_model_joins_in(recogniser):
    y, sr = speech.say("nine two", "en-us")
    lm = decode.NGram(["one two three four five six seven eight nine zero", "nine two"])
    assert models.transcribe(recogniser, y, sr, lm)[0] == "nine two"


# ---- errors -----------------------------------------------------------------------------------------------


def test_word_errors_by_hand():
    found = metrics.word_errors(["one two three", "four"], ["one too", "four four"])
    assert found == {"words": 4, "substitutions": 1, "deletions": 1, "insertions": 1}
    assert metrics.wer("one two", "one two") == 0 and metrics.wer("one", "one two three") == 2
    assert metrics.cer("one", "ane") == pytest.approx(1 / 3)
    assert metrics.word_errors([""], ["one"])["insertions"] == 1


def test_rates_need_words_and_a_text_for_each():
    for rate in (metrics.wer, metrics.cer):
        with pytest.raises(ValueError, match="in the truth"):
            rate([""], ["one"])
        with pytest.raises(ValueError, match="2 of the truth and 1"):
            rate(["a", "b"], ["a"])


# ---- what is heard ----------------------------------------------------------------------------------------


def waves(n=6, size=8000):
    signals = torch.randn((n, 1, size), generator=torch.Generator().manual_seed(0)) * 0.1
    return signals, torch.full((n,), size)


def test_a_pause_moves_a_signal_and_loses_nothing():
    x = waves()
    longer, lengths = writing.paused(x, 8000, torch.Generator().manual_seed(1))
    assert torch.allclose(longer.square().sum(dim=2), x[0].square().sum(dim=2), rtol=1e-4)
    assert (lengths >= 8000).all() and longer.shape[2] == lengths.max() <= 8000 + 2 * 2400


@pytest.mark.parametrize("heard", [writing.clean, writing.anywhere])
def test_what_is_heard_is_finite_alike_for_a_seed_and_long_enough(heard):
    y = torch.ones((6, 4), dtype=int), torch.full((6,), 4)
    (one, n), target = heard(waves(), y, torch.Generator().manual_seed(3))
    (again, _), _ = heard(waves(), y, torch.Generator().manual_seed(3))
    (other, _), _ = heard(waves(), y, torch.Generator().manual_seed(4))
    assert torch.isfinite(one).all() and torch.equal(one, again)
    assert one.shape != other.shape or not torch.equal(one, other)
    assert n.max() == one.shape[3] and n.min() >= 60 and ((target[1] == 4) | (target[1] == 0)).all()


def test_the_empty_clips_of_a_batch_have_no_text():
    x, y = waves(400, 100), (torch.ones((400, 4), dtype=int), torch.full((400,), 4))
    (signals, _), (texts, sizes) = writing.silenced(x, y, torch.Generator().manual_seed(0))
    empty = sizes == 0
    assert 3 <= empty.sum() <= 30 and not torch.equal(signals[empty], x[0][empty])
    assert torch.equal(signals[~empty], x[0][~empty])
    assert (texts[empty] == 0).all() and (texts[~empty] == 1).all()


def test_a_bent_picture_moves_its_peaks():
    x = torch.full((8, 1, 40, 60), SILENCE)
    x[:, :, 20, 30] = 5
    bent = augment.bend(x, 0.2, 1.5, torch.Generator().manual_seed(0))
    assert bent.shape == (8, 1, 40, 40)
    rows, columns = bent.amax(dim=3).argmax(dim=2), bent.amax(dim=2).argmax(dim=2)
    assert (abs(rows - 20) <= 5).all() and len(set(rows.flatten().tolist())) > 2 and (abs(columns - 20) <= 1).all()
    assert torch.allclose(augment.bend(x, 0.0, 1.0, torch.Generator().manual_seed(0)), x, atol=1e-4)


def test_a_band_and_coloured_noise_have_their_slopes():
    g = torch.Generator().manual_seed(0)
    noise = augment.coloured((4, 80000), 8000, torch.tensor([0.0, -1.0, -2.0, 1.0]), g)
    power = torch.fft.rfft(noise).abs().square()
    low, high = (power[:, round(f * 10) - 500 : round(f * 10) + 500].mean(dim=1).log2() for f in (500, 2000))
    assert torch.allclose((high - low) / 2, torch.tensor([0.0, -1.0, -2.0, 1.0]), atol=0.15)     # per octave
    tone = torch.sin(2 * torch.pi * torch.tensor([[100.0], [1000.0], [3500.0]]) * torch.arange(8000) / 8000)
    passed = augment.band(tone, 8000, torch.full((3,), 300.0), torch.full((3,), 2500.0)).std(dim=1) / tone.std(dim=1)
    assert passed[0] < 0.15 and passed[1] > 0.95 and passed[2] < 0.35


def test_a_recording_stays_within_full_scale():
    y = augment.recorded(waves()[0][:, 0], 8000, torch.Generator().manual_seed(0), augment.rooms(5, 8000))
    assert y.shape == (6, 8000) and y.abs().max() <= 1 and (y.std(dim=1) > 0).all()


def test_a_language_model_finds_no_words_in_pure_silence():
    model, lm = models.load("digits-ctc-fsdd")[0], writing.language()
    for seconds in (0.2, 1.3, 4.6, 15):
        assert asr.transcribe(model, np.zeros(round(8000 * seconds), np.float32), 8000, lm)[:2] == ("", [])


def test_lengths_before_the_steps_are_refused():
    scores = np.log(np.full((1, 10, 29), 1 / 29))
    for read in (decode.greedy, decode.beam_search):
        with pytest.raises(ValueError, match="30 frames is not among 10"):
            read(scores, [30])
        with pytest.raises(ValueError, match="an axis more"):
            read(scores[0], [10])
    with pytest.raises(TypeError, match="tuple of units"):
        decode.NGram(["one"]).next("on")
    with pytest.raises(ValueError, match="no clips"):
        asr.batch([])


# ---- Whisper ----------------------------------------------------------------------------------------------


def test_the_picture_of_whisper_is_that_of_transformers():
    y = np.random.default_rng(0).normal(0, 0.1, (2, 30000)).astype(np.float32)
    theirs = whisper.processor().feature_extractor(list(y), sampling_rate=16000, return_tensors="pt").input_features
    assert (whisper.log_mel(torch.from_numpy(y)) - theirs).abs().max() < 1e-4
    long = torch.from_numpy(np.tile(y[:1], 4))
    assert whisper.log_mel(long).shape == (1, 80, 400) and torch.isfinite(whisper.log_mel(torch.zeros(1, 10))).all()


def test_tokens_are_prompt_letters_and_end():
    tokenizer = whisper.processor().tokenizer
    units = decode.to_units("one two")
    want = tokenizer("one two").input_ids
    assert whisper.tokens(torch.tensor([units]), torch.tensor([7])).tolist() == [want]
    assert tokenizer.decode(want, skip_special_tokens=True) == "one two"
    both = whisper.tokens(torch.tensor([[3, 4], [5, 0]]), torch.tensor([2, 1])).tolist()
    assert both[1] == [*whisper.PROMPT, 4, whisper.END, -100]


def test_the_tiny_whisper_through_the_door_and_the_pipeline(monkeypatch, capsys):
    from transformers import pipeline

    monkeypatch.setenv("AUDIOLAB_BUILDING", "1")
    door = pretrained.load("openai/whisper-base")
    assert not door.published and type(door.model).__name__ == "WhisperForConditionalGeneration"
    ask = pipeline("automatic-speech-recognition", model=door.model, tokenizer=door.processor.tokenizer,
                   feature_extractor=door.processor.feature_extractor)
    ready = {"language": "en", "task": "transcribe"}
    for said in ("four", "zero two", "seven one nine three"):
        y, sr = speech.say(said, "en-us+linda")                 # a voice for validation
        assert ask({"raw": y, "sampling_rate": sr}, generate_kwargs=ready)["text"] == said
    assert ask({"raw": np.zeros(16000, np.float32), "sampling_rate": 16000}, generate_kwargs=ready)["text"] == ""


def test_the_door_says_what_is_not_here(monkeypatch):
    monkeypatch.setenv("AUDIOLAB_BUILDING", "1")
    with pytest.raises(pretrained.NotHere, match="not on this machine: load"):
        pretrained.load("facebook/wav2vec2-base-960h")
    monkeypatch.delenv("AUDIOLAB_BUILDING")
    monkeypatch.setattr(pretrained, "_published", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    assert pretrained.load("openai/whisper-base").name == "digits-whisper-anywhere"
    with pytest.raises(pretrained.NotHere, match=r"could not be fetched \(no network"):
        pretrained.load("openai/whisper-base", download=True)
    with pytest.raises(ValueError, match="does not know 'openai/gpt'"):
        pretrained.load("openai/gpt")


def test_the_path_of_published_models_runs_on_a_tiny_one_without_weights(tmp_path):
    """Wav2Vec2 and HuBERT have no stand-in: their classes are opened from a folder as the door opens the real ones."""
    import json

    from transformers import (
        HubertConfig,
        HubertForCTC,
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Processor,
    )

    vocabulary = {"<pad>": 0, "<unk>": 1, "|": 2} | {letter: i + 3 for i, letter in enumerate("abc")}
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    small = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
                 conv_stride=(5, 4), conv_kernel=(10, 8), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
                 vocab_size=6)
    for model, config in ((Wav2Vec2ForCTC, Wav2Vec2Config), (HubertForCTC, HubertConfig)):
        folder = tmp_path / model.__name__
        model(config(**small)).save_pretrained(folder)
        tokenizer = Wav2Vec2CTCTokenizer(tmp_path / "vocab.json", pad_token="<pad>", unk_token="<unk>")
        Wav2Vec2Processor(Wav2Vec2FeatureExtractor(), tokenizer).save_pretrained(folder)
        opened = pretrained._published(str(folder), model.__name__, local=True)
        x = opened.processor(np.zeros(4000, np.float32), sampling_rate=16000, return_tensors="pt").input_values
        with torch.inference_mode():
            best = opened.model(x).logits.argmax(dim=2)
        assert opened.published and isinstance(opened.processor.batch_decode(best)[0], str)


# ---- phonemes ---------------------------------------------------------------------------------------------


def test_segments_are_stretches_of_one_phoneme():
    assert phones.segments([1, 1, 2, 2, 2]) == [(1, 0, 2), (2, 2, 5)] and phones.segments([0, 0]) == []
    assert phones.segments([1, 2, 2, 0, 2]) == [(1, 0, 1), (2, 1, 3), (2, 4, 5)]


def test_a_smooth_path_is_the_best_of_all_when_a_switch_has_a_price():
    rng = np.random.default_rng(0)
    log_probs = np.log(rng.dirichlet(np.ones(3), 6))
    worth = {path: log_probs[np.arange(6), path].sum() - 0.7 * np.count_nonzero(np.diff(path))
             for path in itertools.product(range(3), repeat=6)}
    assert tuple(phones.smooth(log_probs, 0.7)) == max(worth, key=worth.get)
    assert phones.smooth(log_probs, 0).tolist() == log_probs.argmax(axis=1).tolist()
    assert len(set(phones.smooth(log_probs, 100).tolist())) == 1


def test_the_judge_has_not_heard_the_voices_that_chapter_05_learns_from():
    plan = speech.plan_american(3000)
    assert not set(plan.group.str.partition("+")[2]) & set(speech.MODELS)
    assert set(plan.accent) == {"en-us"} and plan.path.is_unique
    assert not set(plan[plan.split == "train"].text) & set(plan[plan.split == "test"].text)
    assert recipes.RECIPES["phonemes-framenet-american"].corpora[0].__name__ == "sentences"
    assert set(speech.MODELS) <= set(speech.voices().query("split == 'train'").variant)
