"""A synthesiser draws a clip alike in any company, obeys its controls, refuses what it cannot speak, and learns."""

import dataclasses
import functools
import pickle
import shutil

import numpy as np
import pytest
import torch

from audiolab import models, paths, pronounce, training
from audiolab.corpora import speech
from audiolab.models import pretrained, tts
from audiolab.recipes import RECIPES, speaking

SMALL = dict(dim=32, encoder=1, decoder=2)


def clip(text, seed=0):
    """A text with a made-up picture, durations of 1 to 6 frames, pitch about 100 Hz."""
    rng = np.random.default_rng(seed)
    units = torch.tensor(tts.to_units(pronounce.phonemes(text)))
    durations = torch.from_numpy(rng.integers(1, 7, len(units)))
    prosody = torch.from_numpy(rng.normal([4.6, -3], [0.1, 1], (len(units), 2))).float()
    return units, (torch.from_numpy(rng.normal(-6, 2, (int(durations.sum()), 80))).float(), durations, prosody)


@pytest.fixture(scope="module")
def untrained():
    torch.manual_seed(0)
    return models.FastSpeech(**SMALL).scaled([clip("Four zero seven."), clip("Is it late?", 1)]).eval()


# ---- units ----------------------------------------------------------------------------------------------


def test_units_keep_stress_apart_from_phoneme():
    numbers = tts.to_units(["ˈɛ", " ", "ɛ", "ˌɛ", "."])
    n = len(tts.SYMBOLS)
    assert numbers[0] == numbers[2] == tts.SYMBOLS.index(" ") and numbers[5] == tts.SYMBOLS.index(".")
    assert [u % n for u in (numbers[1], numbers[3], numbers[4])] == [tts.SYMBOLS.index("ɛ")] * 3
    assert [numbers[i] // n for i in (1, 3, 4)] == [1, 0, 2]


def test_foreign_sounds_become_the_nearest_and_unknown_ones_are_named():
    assert tts.to_units(["x"]) == tts.to_units(["k"])
    assert len(tts.to_units(pronounce.phonemes("Bach had a croissant by the loch."))) > 20
    for strange in (["b", "ʙ"], ["ˈ"], [""]):
        with pytest.raises(ValueError, match=f"{strange[-1]!r} is no phoneme that was learnt"):
            tts.to_units(strange)


def test_every_text_to_read_can_be_read():
    texts = speech.texts_to_read()
    assert len(set(texts)) == len(texts) == 949 and not set(texts) & set(speech.prompts())
    for text in texts[::40]:
        tts.to_units(pronounce.phonemes(text))


# ---- lengths --------------------------------------------------------------------------------------------


def test_a_length_regulator_by_hand():
    h = torch.tensor([[[1.0], [2.0], [3.0]], [[4.0], [5.0], [9.0]]])
    frames, place, lengths = tts.regulate(h, torch.tensor([[2, 0, 3], [1, 1, 0]]))
    assert frames[..., 0].tolist() == [[1, 1, 3, 3, 3], [4, 5, 0, 0, 0]] and lengths.tolist() == [5, 2]
    assert torch.allclose(place[0, :, 0], torch.tensor([1 / 4, 3 / 4, 1 / 6, 3 / 6, 5 / 6]))
    assert place[1, :, 0].tolist() == [0.5, 0.5, 0, 0, 0]


def test_a_length_regulator_is_repetition():
    rng = torch.Generator().manual_seed(0)
    h, durations = torch.randn((1, 30, 4), generator=rng), torch.randint(0, 5, (1, 30), generator=rng)
    frames, _, lengths = tts.regulate(h, durations)
    assert torch.equal(frames[0], h[0].repeat_interleave(durations[0], dim=0)) and lengths.item() == durations.sum()


def test_a_glide_goes_through_the_middle_of_each_phoneme_without_steps():
    curve = tts.glide(torch.tensor([[0.0, 10, 4]]), torch.tensor([[5, 5, 5]]))[0, :, 0]
    assert curve[[2, 7, 12]].tolist() == pytest.approx([0, 10, 4]) and curve.diff()[2:7].std() < 1e-5
    assert curve[:3].tolist() == [0, 0, 0] and curve[12:].tolist() == [4, 4, 4]
    assert tts.glide(torch.tensor([[3.0]]), torch.tensor([[2]])).flatten().tolist() == [3, 3]


def test_rounding_does_not_add_up():
    durations = torch.full((1, 100), 2.4)
    assert durations.round().sum() == 200                       # what rounding each by itself would give
    whole = tts.rounded(durations)
    assert whole.sum() == 240 and set(whole.flatten().tolist()) == {2, 3}
    assert (tts.rounded(torch.rand((5, 50))) >= 0).all()


def test_frames_of_phonemes_and_marks_follow_the_times():
    sounds = [{"onset": 0.0, "offset": 0.1}, {"onset": 0.1, "offset": 0.2}, {"onset": 0.3, "offset": 0.45}]
    n = speaking.durations(["h", "ˈaɪ", ",", "j", "."], sounds, 50)
    assert n.tolist() == [4, 8, 8, 8, 12, 10] and n.sum() == 50         # 0.05 s before, then eight frames for 0.1 s
    assert speaking.durations(["h", "ˈaɪ", " ", "j", "!"], [*sounds[:2], {"onset": 0.2, "offset": 0.3}], 36)[3] == 0


def test_curves_are_averaged_over_phonemes():
    values, good = np.array([1.0, 3, 9, 9, 5, 7, 8]), np.array([1, 1, 0, 0, 1, 1, 0], bool)
    assert speaking.averaged(values, good, np.array([2, 2, 0, 3])).tolist() == pytest.approx([2, 10 / 3, 14 / 3, 6])


# ---- the network ----------------------------------------------------------------------------------------


def test_a_clip_alone_and_in_company_is_drawn_alike(untrained):
    one, company = clip("Yes."), clip("What a wonderful surprise, isn't it?", 1)
    with torch.inference_mode():
        for told in (slice(0, 4), slice(0, 2)):                 # with the truth, and by itself
            alone, lengths, forecast = untrained(untrained.batch([one])[0][told])
            both, many, forecasts = untrained(untrained.batch([one, company])[0][told])
            n = int(lengths[0])
            assert many[0] == n < many[1] == both.shape[1] and alone.shape == (1, n, 80)
            assert torch.allclose(both[0, :n], alone[0], atol=1e-4) and (both[0, n:] == 0).all()
            assert torch.allclose(forecasts[0, : len(one[0])], forecast[0], atol=1e-5)


def test_the_loss_of_a_batch_looks_at_no_filling(untrained):
    items = [clip("Yes."), clip("What a wonderful surprise, isn't it?", 1)]
    x, y = untrained.batch(items)
    with torch.inference_mode():
        output = untrained(x)
        loss = untrained.loss(output, y)
        y[0][0, len(items[0][1][0]):] = 1e3                     # whatever stands there
        y[3][0, len(items[0][0]):] = 1e3
        assert untrained.loss(output, y) == loss
        y[0][0, 0] += 1
        assert untrained.loss(output, y) != loss


def test_truth_is_drawn_and_forecasts_are_not_while_training(untrained):
    units, (picture, durations, prosody) = clip("Four.")
    with torch.inference_mode():
        x, _ = untrained.batch([(units, (picture, durations, prosody))])
        other, _ = untrained.batch([(units, (picture, durations + 1, prosody + 1))])
        first, second = untrained(x), untrained(other)
    assert second[1] == first[1] + len(units) and torch.equal(first[2], second[2])


def test_sizes_of_both_models():
    assert 550_000 < models.size(models.FastSpeech()) < 700_000
    recipe = RECIPES["english-fastspeech-readings"]
    assert models.size(recipe.model(**recipe.arguments)) <= 950_000
    assert models.build({"class": "FastSpeech", "arguments": recipe.arguments}).sr == 16000


# ---- speaking -------------------------------------------------------------------------------------------


def test_a_text_and_its_phonemes_are_one(untrained):
    by_text, by_phonemes = (models.synthesise(untrained, text)
                            for text in ("He paid $3.", pronounce.phonemes(pronounce.normalise("He paid $3."))))
    assert np.array_equal(by_text, by_phonemes) and by_text.shape[0] == 80 and by_text.dtype == np.float32


def test_speed_shortens_all(untrained):
    lengths = [models.synthesise(untrained, "Where are my keys?", speed=speed).shape[1] for speed in (0.5, 1, 2)]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=1.5) and lengths[2] == pytest.approx(lengths[1] / 2, abs=1)


@pytest.mark.parametrize(("text", "control", "says"), [
    ("", {}, "nothing to say"), ("…", {}, "nothing to say"), ([], {}, "no phoneme to speak"),
    ([" ", "."], {}, "no phoneme to speak"),
    (["q"], {}, "'q' is no phoneme"), ("Hello", {"speed": 0}, "speed goes from 0.25 to 4.0, not 0"),
    ("Hello", {"speed": float("nan")}, "speed goes"), ("Hello", {"pitch": 30}, "pitch goes from -24.0 to 24.0"),
    ("Hello", {"pitch_range": -1}, "pitch_range goes from 0.0 to 3.0"),
    (["Hello"], {}, "goes in as one str"), ("Hello", {"speed": "fast"}, "speed goes from 0.25 to 4.0, not 'fast'")])
def test_what_cannot_be_spoken_is_one_clear_error(untrained, text, control, says):
    with pytest.raises(ValueError, match=says):
        models.synthesise(untrained, text, **control)


@pytest.mark.parametrize("wrong", [models.Vocoder(dim=16, blocks=1), (models.FastSpeech(**SMALL), {})])
def test_what_is_no_voice_and_what_is_no_text_are_told_at_the_door(untrained, wrong):
    for say in (models.synthesise, models.speak, tts.drawn):
        with pytest.raises(TypeError, match=f"the first of the two that models.load .* {type(wrong).__name__}"):
            say(wrong, "Yes.")
    for text in (None, 5, b"Yes."):
        for say in (models.synthesise, models.speak):
            with pytest.raises(TypeError, match=f"A text is a str, not {type(text).__name__}"):
                say(untrained, text)
    with pytest.raises(TypeError, match=r"pass vocoder\.sound, not vocoder"):
        models.speak(untrained, "Yes.", models.Vocoder(dim=16, blocks=1))


def test_a_long_text_is_said_sentence_by_sentence(untrained):
    def sound(picture):
        return picture.mean(axis=0)                             # a sample for each frame

    y, sr = models.speak(untrained, "Is it late? * * * Yes!\n\n***\n\nGo.", sound, speed=2.0)
    said = [sound(models.synthesise(untrained, part, speed=2.0)) for part in ("Is it late?", "* * * Yes!", "Go.")]
    silence = np.zeros(round(tts.PAUSE * sr))
    assert np.array_equal(y, np.concatenate([said[0], silence, said[1], silence, said[2]]))
    assert sr == 16000 and y.dtype == np.float32


def test_a_text_is_heard(untrained):
    y, sr = models.speak(untrained, "Yes.")
    frames = models.synthesise(untrained, "Yes.").shape[1]
    assert sr == 16000 and y.shape == (200 * (frames - 1),) and y.dtype == np.float32 and np.isfinite(y).all()


@pytest.mark.parametrize(("text", "says"), [
    ("", "^There is nothing to say"), ("— —", "^There is nothing to say"),
    ("Hi. Привет. Bye.", r"^Sentence 2 of 3, 'Привет\.': .* cannot be said"),
    (f"Yes. Да, {100 * 'so '}.", r"^Sentence 2 of 2, 'Да, so .{,50} …': ")])
def test_a_text_that_cannot_be_said_is_refused(untrained, text, says):
    with pytest.raises(ValueError, match=says):
        models.speak(untrained, text)
    with pytest.raises(ValueError, match=r"^speed goes"):        # no fault of any sentence
        models.speak(untrained, "Yes. No.", speed=9)


def test_every_frame_belongs_to_a_phoneme(untrained):
    phonemes = pronounce.phonemes("Where are my keys?")
    picture, durations = tts.drawn(untrained, phonemes, pitch=2.0)
    assert len(durations) == 1 + len(phonemes) and durations.sum() == picture.shape[1] and durations.min() >= 0
    assert np.array_equal(picture, models.synthesise(untrained, phonemes, pitch=2.0))


# ---- many voices ----------------------------------------------------------------------------------------


def clip_of(text, seed):
    """A clip as of `clip`, in a voice of its own."""
    units, told = clip(text, seed)
    return units, (*told, torch.nn.functional.normalize(torch.randn(8, generator=torch.Generator().manual_seed(seed)),
                                                        dim=0))


@pytest.fixture(scope="module")
def chameleon():
    torch.manual_seed(0)
    items = [clip_of("Four zero seven.", 0), clip_of("Is it late?", 1)]
    return models.FastSpeech(**SMALL, voice=8).scaled(items).eval()


def test_a_voice_changes_all_that_is_foretold_and_drawn(chameleon):
    one, other = (clip_of("Yes.", seed)[1][3].numpy() for seed in (0, 1))
    pictures = [models.synthesise(chameleon, "Yes.", voice=voice) for voice in (one, 5 * one, other)]
    assert np.allclose(pictures[0], pictures[1], atol=1e-4)     # only where it points to
    assert pictures[0].shape != pictures[2].shape or not np.allclose(pictures[0], pictures[2], atol=1e-3)
    units, sizes = torch.tensor([tts.to_units(["j", "ˈɛ", "s"])]), torch.tensor([4])
    with torch.inference_mode():
        forecasts = [chameleon.encode(units, sizes, torch.from_numpy(voice)[None])[1] for voice in (one, other)]
    assert ((forecasts[0] - forecasts[1]).abs().amin(dim=1) > 1e-6).all()


def test_voices_of_a_batch_keep_apart_and_learn(chameleon):
    items = [clip_of("Yes.", 0), clip_of("What a wonderful surprise, isn't it?", 1)]
    x, y = chameleon.batch(items)
    with torch.inference_mode():
        both, lengths, _ = chameleon(x)
        alone, _, _ = chameleon(chameleon.batch(items[:1])[0])
    assert torch.allclose(both[0, : lengths[0]], alone[0], atol=1e-4)
    chameleon.loss(chameleon(x), y).backward()
    assert chameleon.of_voice.weight.grad.abs().sum() > 0
    chameleon.zero_grad()


def test_whose_voice_it_is_to_be_is_asked_at_the_door(chameleon, untrained):
    for wrong in (None, np.zeros(8), np.ones(9), np.full(8, np.nan), np.ones((1, 8))):
        for say in (models.synthesise, models.speak):
            with pytest.raises(ValueError, match="told in whose: voice=8 finite numbers"):
                say(chameleon, "Yes.", voice=wrong)
    with pytest.raises(ValueError, match="one voice of its own"):
        models.synthesise(untrained, "Yes.", voice=np.ones(8))
    y, _ = models.speak(chameleon, "Yes. No.", lambda picture: picture.mean(axis=0), voice=np.ones(8))
    assert np.isfinite(y).all()


def test_weights_of_one_voice_fit_into_a_network_of_many(untrained, chameleon):
    missing = chameleon.load_state_dict(untrained.state_dict(), strict=False)
    assert missing.missing_keys == ["of_voice.weight", "of_voice.bias"] and not missing.unexpected_keys


# ---- SpeechT5, behind the door --------------------------------------------------------------------------


TEXT = "The quick brown fox jumps over the lazy dog. Would Hal say so? Yes!"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Folders as SpeechT5 and its vocoder are published: random weights, in pickles, and a tokenizer of letters."""
    import sentencepiece
    import transformers as t

    voice, vocoder = (tmp_path_factory.mktemp(name) for name in ("tts", "hifigan"))
    torch.manual_seed(0)
    small = dict(
        vocab_size=60, hidden_size=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=16,
        decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=16, speech_decoder_prenet_units=16,
        speech_decoder_postnet_layers=2, speech_decoder_postnet_units=16, max_text_positions=60, initializer_range=0.2)
    speaking = t.SpeechT5ForTextToSpeech(t.SpeechT5Config(**small))
    speaking.speech_decoder_postnet.prob_out.bias.data.fill_(-20)       # it never stops, and is cut
    sounding = t.SpeechT5HifiGan(t.SpeechT5HifiGanConfig(upsample_initial_channel=16, initializer_range=0.2))
    for folder, model in ((voice, speaking), (vocoder, sounding)):
        model.config.save_pretrained(folder)
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with (voice / "spm_char.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([TEXT]), model_writer=file, model_type="char", vocab_size=60,
            hard_vocab_limit=False, minloglevel=2, bos_id=0, pad_id=1, eos_id=2, unk_id=3)
    tokenizer = t.SpeechT5Tokenizer(str(voice / "spm_char.model"))
    t.SpeechT5Processor(t.SpeechT5FeatureExtractor(), tokenizer).save_pretrained(voice)
    return voice, vocoder


@pytest.fixture
def opened(published, monkeypatch):
    voice, vocoder = published
    monkeypatch.setitem(pretrained.KNOWN, str(voice), pretrained.KNOWN["microsoft/speecht5_tts"])
    monkeypatch.setitem(pretrained.VOCODERS, "SpeechT5ForTextToSpeech", ("SpeechT5HifiGan", str(vocoder)))
    return pretrained.load(str(voice))


def test_speecht5_speaks_by_its_own_vocoder(opened):
    speaker = np.random.default_rng(0).normal(size=512)
    y, sr = pretrained.speak(opened, "Yes!", speaker)
    assert opened.published and not opened.model.training and type(opened.model).__name__ == "SpeechT5ForTextToSpeech"
    assert sr == 16000 and y.ndim == 1 and y.dtype == np.float32 and len(y) % 512 == 0     # 2 frames a step, of 16 ms
    assert np.isfinite(y).all() and np.abs(y).max() > 0

    def off(other, seed=0):
        again, _ = pretrained.speak(opened, "Yes!", other, seed)
        return np.abs(again - y).max() / np.abs(y).max()

    assert off(speaker) == 0 and off(5 * speaker) < 1e-3        # only where it points to
    assert off(-speaker) > 0.01 and off(speaker, seed=1) > 0.01
    twice, _ = pretrained.speak(opened, "Yes! 1?", speaker)
    assert np.array_equal(twice[: len(y)], y) and (twice[len(y):][: round(tts.PAUSE * sr)] == 0).all()


def test_the_lot_of_others_is_left_alone(opened):
    state = torch.get_rng_state()
    pretrained.speak(opened, "Yes!", np.ones(512))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("text", "speaker", "says"), [
    ("Yes!", np.zeros(512), "all zeros, which is nobody's voice"),
    ("Yes!", np.ones(192), r"shape \[512\].*has shape \[192\]"),
    ("Yes!", np.ones((1, 512)), r"has shape \[1, 512\]"), ("Yes!", np.full(512, np.nan), "of finite numbers"),
    ("Yes! " + 20 * "so and ", np.ones(512), "reads 60 letters at once"), ("🙂", np.ones(512), "nothing to say")])
@pytest.mark.filterwarnings("ignore:Left out")
def test_what_speecht5_cannot_speak_is_one_clear_error(opened, text, speaker, says):
    with pytest.raises(ValueError, match=says):
        pretrained.speak(opened, text, speaker)


def test_a_recogniser_does_not_speak():
    with pytest.raises(ValueError, match="whisper does not speak"):
        pretrained.speak(pretrained.Opened(None, None, "whisper", True), "Yes!", np.ones(512))


def test_a_pickle_that_would_run_something_is_refused(opened, published, monkeypatch, tmp_path):
    class Evil:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    folder = shutil.copytree(published[1], tmp_path / "evil")
    torch.save({"conv_pre.weight": Evil()}, folder / "pytorch_model.bin")
    monkeypatch.setitem(pretrained.VOCODERS, "SpeechT5ForTextToSpeech", ("SpeechT5HifiGan", str(folder)))
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        pretrained.load(str(published[0]))
    assert not (tmp_path / "ran").exists()


def test_where_speecht5_is_not_the_door_says_so_and_asks_nobody(monkeypatch):
    asked = []
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **_: asked.append(args[0]))
    with pytest.raises(pretrained.NotHere, match="weights of microsoft/speecht5_tts are not on this machine"):
        pretrained.load("microsoft/speecht5_tts")
    assert not asked


# ---- corpora --------------------------------------------------------------------------------------------


def test_no_string_and_no_sentence_is_in_two_splits():
    digits, readings = speech.plan_reader_digits(1000), speech.plan_reader_sentences(6000)
    assert digits.text.is_unique and set(digits.text.str.split().str.len()) == set(range(1, 8))
    parts = [set(readings[readings.split == split].text) for split in ("train", "validation", "test")]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert parts[2] == set(speech.plan_american(6000).query("split == 'test'").text) and len(parts[2]) == 33
    assert set(speech.texts_to_read()) < parts[0] and len(parts[0]) > 1600
    assert speech.plan_reader_sentences(300).equals(speech.plan_reader_sentences(300))
    assert not speech.plan_reader_sentences(300, 1).equals(speech.plan_reader_sentences(300))
    with pytest.raises(ValueError, match="cannot be drawn"):
        speech.plan_reader_digits(100, (1, 1))


def test_pitch_and_pace_are_drawn_apart_from_text_and_from_each_other():
    plan = speech.plan_reader_sentences(6000)
    table = plan.assign(length=plan.text.str.len())[["rate", "pitch", "pitch_range", "length"]].corr().to_numpy()
    assert abs(table - np.eye(4)).max() < 0.06
    assert plan.groupby("text").pitch.nunique().median() > 2


def test_the_judge_has_not_heard_the_reader():
    assert speech.READER == "en-us" and "" in speech.MODELS
    assert speech.READER not in set(speech.plan_american(6000).group)


# ---- learning -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_network_learns_digits_and_obeys_its_controls():
    from audiolab import features, vocode

    clips = speaking.lessons(speech.reader_digits(200), "train")
    torch.manual_seed(0)
    model = models.FastSpeech(dim=96).scaled(clips)
    history = training.fit(model, clips, loss=model.loss, epochs=14, batch_size=16, lr=5e-3, clip=1.0,
                           collate=model.batch, lengths=[len(told[0]) for _, told in clips], progress=False)
    assert history.rows[-1]["loss"] < 0.4 * history.rows[0]["loss"]
    plan = speech.plan_reader_digits(200)
    assert speaking.digits_understood(model, list(plan[plan.split == "test"].text))["wer"] < 0.1

    def semitones(**control):
        f0, voiced = features.yin(vocode.sound(models.synthesise(model, "four zero nine one", **control)), vocode.SR,
                                  **speaking.VOICE | {"voicing": 0.7})
        return np.log2(f0[voiced]) * 12

    flat, higher, melodic = (semitones(pitch=pitch, pitch_range=range_) for pitch, range_ in ((0, 0), (4, 0), (4, 1)))
    assert np.median(higher) - np.median(flat) == pytest.approx(4, abs=1)
    assert np.ptp(np.percentile(higher, [10, 90])) < 0.5 * np.ptp(np.percentile(melodic, [10, 90]))
    frames = [models.synthesise(model, "four zero nine one", speed=speed).shape[1] for speed in (0.5, 1)]
    assert frames[0] == pytest.approx(2 * frames[1], abs=1.5)


@pytest.mark.slow
def test_the_recipe_makes_weights_and_a_card_that_are_measured_again(tmp_path, monkeypatch):
    few = functools.partial(speech.reader_sentences, 40)
    name, whole = "english-fastspeech-few", RECIPES["english-fastspeech-readings"]
    recipe = dataclasses.replace(whole, corpora=(few,), test=few, epochs=2, arguments=SMALL)
    (tmp_path / "exercises").mkdir()
    judge = paths.course() / "data" / "checkpoints" / speaking.JUDGE
    shutil.copytree(judge.parent, tmp_path / "data" / "checkpoints",
                    ignore=lambda _, files: [file for file in files if not file.startswith(speaking.JUDGE)])
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    card = speaking.train(name, recipe, 1, False)
    found = card["metrics"]["test"]
    assert found["clips"] == 4 and found["per"] > found["per_teacher"] and 0 < found["mel_db"] < 30
    model, kept = models.load(name)
    assert kept["steps"] == 4 and kept["sr"] == 16000
    assert speaking.evaluate(name, recipe, 1) == pytest.approx(found, nan_ok=True)
    assert model.told_mean[1] == pytest.approx(np.log(100), abs=0.3)       # the reader's pitch went into the weights
