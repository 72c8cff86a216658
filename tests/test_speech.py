"""The voice says the same thing the same way every time, and its times are those of the sound."""

import ctypes
import hashlib
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from audiolab import corpus, features, measure
from audiolab.corpora import speech

VOICES = speech.voices()
ACCENTS = VOICES.accent.unique()


def print_of(*arguments, **options):
    return hashlib.sha256(speech.say(*arguments, **options)[0].tobytes()).hexdigest()


def folder_print(root):
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return [(file.relative_to(root).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest()) for file in files]


# ---------------------------------------------------------------------------------------- the same every time


@pytest.mark.parametrize("voice", ["en-us", "en+f1", "en-gb-scotland+whisper", "en-us+klatt3", "en+f5"])
def test_what_was_said_before_changes_nothing(voice):
    first = print_of("Seven cheap boys.", voice)
    speech.say("Something else, slowly and in another voice.", "en+sandro", rate=100)
    assert print_of("Seven cheap boys.", voice) == first


def test_another_process_says_the_same():
    code = (
        "from audiolab.corpora import speech; import hashlib;"
        "print(hashlib.sha256(speech.say('Good morning.', 'en+whisper')[0].tobytes()).hexdigest())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == print_of("Good morning.", "en+whisper")


def test_threads_say_the_same():
    texts = ["one two", "three four five", "six", "seven eight"]
    alone = [print_of(text) for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(print_of, texts * 5)) == alone * 5


def test_the_library_may_be_in_use_by_another():
    import espeakng_loader

    expected = print_of("Who else is here?")
    other = ctypes.CDLL(espeakng_loader.get_library_path())
    assert other.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0) > 0
    try:
        assert print_of("Who else is here?") == expected == print_of("Who else is here?")
        assert other.espeak_SetVoiceByName(b"en") == 0                  # and still works for that other
    finally:
        other.espeak_Terminate()
        speech._close(other)
    assert print_of("Who else is here?") == expected


def test_a_corpus_is_the_same_to_the_byte_with_one_worker_and_two(tmp_path):
    plan = speech.plan_digits(40, seed=3)
    one = corpus.make(tmp_path / "one", plan, speech.render, desc="digits")
    two = corpus.make(tmp_path / "two", plan, speech.render, desc="digits", n_jobs=2)
    assert len(folder_print(one.root)) >= 43 and folder_print(one.root) == folder_print(two.root)


def test_order_does_not_matter():
    rows = speech.plan_sentences(30).to_dict("records")
    forward = [speech.render(row).y for row in rows]
    backward = [speech.render(row).y for row in reversed(rows)][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forward, backward, strict=True))


def test_the_pitch_range_of_a_voice_is_50():
    """So a text sounds the same whether 50 is asked for or, as before there was a choice, nothing."""
    with speech._fresh_library(speech._home(False)) as (library, _):
        assert library.espeak_GetParameter(speech._RANGE, 0) == 50


@pytest.mark.parametrize("voice", ["en-us", "en+f1", "en-gb-scotland+grandma"])
def test_pitch_range_is_how_far_the_melody_moves(voice):
    spread = []
    for pitch_range in (0, 50, 100):
        y, sr = speech.say("We are all well, are you?", voice, pitch_range=pitch_range)
        f0, voiced = features.yin(y, sr)
        spread.append(12 * np.std(np.log2(f0[voiced])))         # semitones
    assert spread[0] < 1 < spread[1] < spread[2]


# ---------------------------------------------------------------------------------------- times


def crossing(y, sr, time, reach=0.04):
    """Seconds from `time` to where the energy above 4 kHz is halfway, in decibels, between both sides; its change."""
    high = sosfiltfilt(butter(6, 4000, "high", fs=sr, output="sos"), y)
    window = np.hanning(int(0.004 * sr))
    level = 10 * np.log10(np.convolve(high**2, window / window.sum(), "same") + 1e-9)
    start = max(int((time - reach) * sr), 0)
    near = level[start : int((time + reach) * sr)]
    before, after = np.median(near[: int(0.015 * sr)]), np.median(near[-int(0.015 * sr) :])
    above = near > (before + after) / 2
    where = (start + np.flatnonzero(above[1:] != above[:-1])) / sr - time
    return where[np.argmin(np.abs(where))] if where.size else np.inf, abs(after - before)


def test_fricatives_hiss_when_it_says_so():
    errors = []
    for voice in VOICES.voice[::9]:
        y, sr, _, phonemes = speech.say_with_times("A seat, a basin, a sash, a fussy sister, essays.", voice)
        for left, right in pairwise(phonemes):
            vowel, hiss = (left, right) if right["phoneme"] in "sʃ" else (right, left)
            touching = left["offset"] == right["onset"]
            long = min(row["offset"] - row["onset"] for row in (left, right)) > 0.05
            if touching and long and hiss["phoneme"] in "sʃ" and vowel["phoneme"].strip("ˈˌ")[0] not in "ptkfθsʃ":
                error, change = crossing(y, sr, right["onset"])
                if change > 8:                      # some vowels hiss too: nothing to be seen there
                    errors.append(error)
    assert len(errors) > 200 and np.max(np.abs(errors)) < 0.01
    assert np.median(np.abs(errors)) < 0.002


def test_stops_are_silent_then_sound():
    y, sr, _, phonemes = speech.say_with_times("Take a cake to Kate", "en-us")
    stops = [row for row in phonemes[1:] if row["phoneme"] in "tk"]
    assert len(stops) == 6
    for row in stops:
        sound = y[round(row["onset"] * sr) : round(row["offset"] * sr)]
        closure = np.flatnonzero(sound)[0] / sr
        assert 0.015 < closure < row["offset"] - row["onset"] - 0.01


def test_pauses_are_gaps():
    y, sr, words, phonemes = speech.say_with_times("Yes, no.")
    assert [row["word"] for row in words] == ["Yes", "no"]
    pause = y[round(words[0]["offset"] * sr) : round(words[1]["onset"] * sr)]
    assert len(pause) > 0.1 * sr and not pause[: int(0.1 * sr)].any()
    assert phonemes[-1]["offset"] <= len(y) / sr


@pytest.mark.parametrize("voice", ACCENTS)
def test_every_word_of_the_prompts_has_its_time(voice):
    for text in speech.prompts()[list(ACCENTS).index(voice) :: len(ACCENTS)]:
        y, sr, words, phonemes = speech.say_with_times(text, voice)
        assert [row["word"] for row in words] == [word.strip(".,?") for word in text.split()]
        for rows in (words, phonemes):
            times = [time for row in rows for time in (row["onset"], row["offset"])]
            assert times == sorted(times) and times[0] >= 0 and times[-1] <= len(y) / sr
        assert min(row["offset"] - row["onset"] for row in phonemes) > 0.005
        assert {row["onset"] for row in words} <= {row["onset"] for row in phonemes}


def test_pairs_stay_two_words():
    words = speech.say_with_times("In the shadow of the farmer's twenty-two trees")[2]
    assert [row["word"] for row in words] == ["In", "the", "shadow", "of", "the", "farmer's", "twenty", "two", "trees"]


def test_a_final_l_has_a_share_of_its_vowel():
    vowel, l = speech.say_with_times("bell")[3][1:]
    assert l["phoneme"] == "l" and vowel["offset"] == l["onset"]
    assert (l["offset"] - l["onset"]) == pytest.approx((l["offset"] - vowel["onset"]) / 3, abs=1e-4)


# ---------------------------------------------------------------------------------------- voices and texts


def test_splits_share_no_variant_and_test_has_its_own_accents():
    splits = {split: part for split, part in VOICES.groupby("split")}
    assert splits["train"].voice.nunique() >= 200
    for one in splits:
        for other in set(splits) - {one}:
            assert not set(splits[one].variant) & set(splits[other].variant)
    assert not set(splits["test"].accent) & (set(splits["train"].accent) | set(splits["validation"].accent))


@pytest.mark.parametrize("text", ["nine zero four one eight", "The vision of the architect was bold."])
def test_no_two_voices_sound_the_same(text):
    assert len({print_of(text, voice) for voice in VOICES.voice}) == len(VOICES)


def test_voices_that_agree_on_a_short_word_are_one_variant():
    alike = defaultdict(set)
    for row in VOICES.itertuples():
        alike[print_of("tree", row.voice)].add(row.variant)
    assert max(map(len, alike.values())) == 1


def test_prompts_are_phonetically_rich():
    prompts = speech.prompts()
    assert len(set(prompts)) == len(prompts) >= 300
    heard = Counter()
    for text in prompts:
        heard.update({row["phoneme"].strip("ˈˌ") for row in speech.say_with_times(text, "en")[3]})
    assert len(heard) >= 44 and min(heard.values()) >= 10


@pytest.mark.parametrize("number, words", [
    (0, "zero"), (17, "seventeen"), (40, "forty"), (342, "three hundred forty two"), (1000, "one thousand"),
    (120_013, "one hundred twenty thousand thirteen"),
    (999_999, "nine hundred ninety nine thousand nine hundred ninety nine"),
])
def test_spell(number, words):
    assert speech.spell(number) == words


@pytest.mark.parametrize("number", [-1, 1_000_000])
def test_spell_refuses(number):
    with pytest.raises(ValueError, match="999999"):
        speech.spell(number)


# ---------------------------------------------------------------------------------------- corpora

PLANS = [speech.plan_digits, speech.plan_words, speech.plan_commands, speech.plan_numbers, speech.plan_sentences,
         speech.plan_emotion]


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_follows_its_seed(plan):
    a, b, other = plan(500, seed=1), plan(500, seed=1), plan(500, seed=2)
    assert a.equals(b) and not a.text.equals(other.text) and not a.group.equals(other.group)
    assert len(a) == 500 and a.path.is_unique
    assert a.split.value_counts().to_dict() == {"train": 400, "validation": 50, "test": 50}
    assert a.groupby("group").split.nunique().max() == 1
    assert a.rate.between(80, 450).all() and a.pitch.between(0, 100).all()


def test_speakers_and_classes_are_dealt_evenly():
    plan = speech.plan_commands()
    for split, part in plan.groupby("split"):
        counts = part.group.value_counts()
        assert len(counts) == (VOICES.split == split).sum() and counts.max() - counts.min() <= 1
        labels = part.label.value_counts()
        assert len(labels) == len(speech.COMMANDS) == 35 and labels.max() - labels.min() <= 1


def test_what_is_said():
    plan = speech.plan_digits(300, length=(2, 4))
    lengths = plan.text.str.split().str.len()
    assert set(lengths) == {2, 3, 4} and set(" ".join(plan.text).split()) == set(speech.DIGITS)
    assert "label" not in plan and (speech.plan_digits(20, (1, 1)).label.isin(speech.DIGITS)).all()
    numbers = speech.plan_numbers(300)
    assert numbers.text.tolist() == [speech.spell(value) for value in numbers.value]
    assert set(numbers.value.astype(str).str.len()) == {1, 2, 3, 4, 5, 6}
    sentences = speech.plan_sentences(600)
    assert sentences.groupby("text").split.nunique().max() == 1 and set(sentences.text) <= set(speech.prompts())
    with pytest.raises(ValueError, match="fewest and the most"):
        speech.plan_digits(10, (3, 2))


def test_a_corpus_is_made_once_and_holds_its_times(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    made = speech.digits(20, length=(1, 3))
    assert made.root == tmp_path / "data" / "raw" / "speech-digits-1to3-n20-s0"
    written = (made.root / "metadata.csv").stat().st_mtime_ns
    again = speech.digits(20, length=(1, 3))
    assert (made.root / "metadata.csv").stat().st_mtime_ns == written
    y, sr, row = again[0]
    assert sr == 22050 and len(y) == round(row["duration"] * sr) and row["licence"] == "CC-BY-4.0"
    words = again.sidecar("words")
    assert words[words.path == row["path"]].word.tolist() == row["text"].split()
    assert set(again.sidecar("phonemes").path) == set(again.table.path)


# ---------------------------------------------------------------------------------------- intensity


def test_intensity_drives_four_clues_and_none_tells_it_alone():
    plan = speech.plan_emotion()
    assert np.histogram(plan.intensity, 10, (0, 1))[0].min() > 90 and plan.intensity.between(0, 1).all()
    clues = plan[list(speech.CLUES)]
    r = clues.corrwith(plan.intensity)
    assert r.between(0.6, 0.9).all()                            # 0.70 pitch, 0.88 its range, 0.75 rate, 0.87 tilt
    assert abs(plan.level.corr(plan.intensity)) < 0.05
    design = np.column_stack([clues, np.ones(len(plan))])
    rest = plan.intensity - design @ np.linalg.lstsq(design, plan.intensity)[0]
    assert 1 - rest.var() / plan.intensity.var() == pytest.approx(0.91, abs=0.02)       # all four, were they known
    for name in ("pitch", "rate"):                              # a voice differs from others more than from itself
        rest = plan[name] - speech.CLUES[name][0] * (plan.intensity - 0.5)
        of_voice = rest.groupby(plan.group)
        assert of_voice.mean().std() > 1.2 * of_voice.std().mean()
    assert plan.groupby("split").text.nunique().tolist() == [len(speech.PHRASES)] * 3


def test_intensity_is_heard_in_pitch_and_duration_but_not_in_level():
    plan = speech.plan_emotion().iloc[:200]
    f0, duration, level = [], [], []
    for row in plan.to_dict("records"):
        clip = speech.render_emotion(row)
        pitch, voiced = features.yin(clip.y, clip.sr, hop_length=441)
        f0.append(pitch[voiced].mean() if voiced.any() else np.nan)             # some voices whisper
        duration.append(len(clip.y) / clip.sr)
        level.append(measure.dbfs(measure.rms(clip.y)))
    r = plan[["intensity"]].assign(f0=f0, duration=duration, level=level).corr().intensity
    assert 0.2 < r["f0"] < 0.5 and -0.75 < r["duration"] < -0.45 and abs(r["level"]) < 0.15
    assert min(duration) > 0.4 and max(duration) < 2
    assert np.abs(plan.level - level).max() < 0.01


def test_tilt_is_a_shelf():
    row = speech.plan_emotion(10).iloc[0].to_dict()
    flat, tilted = (speech.render_emotion(row | {"tilt": tilt}) for tilt in (0.0, 9.0))
    gain = 20 * np.log10(np.abs(np.fft.rfft(tilted.y) / np.fft.rfft(flat.y)))
    f = np.fft.rfftfreq(len(flat.y), 1 / flat.sr)
    x = (np.tan(np.pi * f / flat.sr) / np.tan(np.pi * speech.SHELF / flat.sr)) ** 2
    shelf = 10 * np.log10((10**0.9 * x + 1) / (x + 1))          # |H|², from 0 to 9 dB
    heard = (np.abs(np.fft.rfft(flat.y)) > 0.01) & (f > 50)     # above the rounding of float32
    off = (gain - shelf)[heard]                                 # the gain that brought the level back
    assert heard.sum() > 1000 and np.ptp(f[heard]) > 5000 and np.ptp(off) < 0.1


def test_the_emotion_corpus_holds_its_columns_and_is_the_same_to_the_byte_again(monkeypatch, tmp_path):
    prints = []
    for name in ("one", "two"):
        monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / name))
        made = speech.emotion(20).check()
        prints.append(folder_print(made.root))
    assert prints[0] == prints[1] and made.root.name == "speech-emotion-n20-s0"
    plan = speech.plan_emotion(20)
    assert {"intensity", *speech.CLUES, "level"} <= set(plan) <= set(made.table)
    assert made.table.intensity.tolist() == plan.intensity.tolist()
    words = made.sidecar("words").groupby("path", sort=False).word.apply(" ".join)
    assert (words.loc[made.table.path] == made.table.text.str.strip(".").to_numpy()).all()


def test_a_variant_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="no voice called 'en-us\\+nobody'"):
        speech.say("one", "en-us+nobody")
