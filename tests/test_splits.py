"""Splits keep groups whole and labels in proportion; copies of a sound are found, takes of a word are not."""

import re

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import audio
from audiolab.corpora import speech, splits
from audiolab.corpus import SPLITS, Corpus, CorpusError

SR = 8000


def corpus(labels, groups=None, **columns):
    """A corpus of which nothing is read."""
    table = pd.DataFrame({"path": [f"{i}.wav" for i in range(len(labels))], "label": labels, "duration": 1.0, "sr": SR})
    return Corpus("nowhere", table.assign(**({} if groups is None else {"group": groups}), **columns))


def counts(split):
    return pd.crosstab(split.table.label, split.table.split)


# ------------------------------------------------------------------------------------------ dealing


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=120), st.integers(0, 5))
def test_without_groups_every_label_is_in_proportion(labels, seed):
    found = counts(splits.assign(corpus(labels), seed=seed)).reindex(columns=SPLITS, fill_value=0)
    total = found.sum(axis=1).to_numpy()
    parts = found.to_numpy()
    assert (abs(parts - np.outer(total, [0.8, 0.1, 0.1])) < 2).all()            # a part that would be empty takes one
    assert (parts[total >= 3] > 0).all()
    assert (abs(parts - np.outer(total, [0.8, 0.1, 0.1]))[total >= 20] <= 1 + 1e-9).all()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([*"pqrstuvw", ""])), min_size=12, max_size=150),
       st.integers(0, 5), st.integers(2, 4))
def test_groups_never_cross(rows, seed, k):
    labels, groups = zip(*rows, strict=True)
    one = corpus(labels, groups)
    if len(set(groups) - {""}) + groups.count("") < 4:
        return
    split = splits.assign(one, seed=seed)
    assert set(split.table.split) == set(SPLITS)
    fold = splits.kfold(one, k, seed)
    assert set(fold) == set(range(k))
    named = one.table.group != ""
    assert split.table[named].groupby("group").split.nunique().max() in (1, np.nan) or not named.any()
    assert not named.any() or pd.Series(fold)[named].groupby(one.table.group[named]).nunique().max() == 1


def test_groups_of_all_labels_make_fair_folds():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 2000)
    fold = splits.kfold(corpus(rng.choice(list("abcdefghij"), 2000), groups.astype(str)), 5)
    table = pd.crosstab(fold, rng.integers(0, 1, 2000))
    assert abs(table.to_numpy() / 2000 - 0.2).max() < 0.02


def test_sources_of_one_label_each_leave_none_out():
    """As in ESC-50: every class comes from a few sources, none of which has another class."""
    labels = np.repeat([f"class {i}" for i in range(10)], 40)
    groups = [f"{label} source {i % 5}" for i, label in enumerate(labels)]
    found = counts(splits.assign(corpus(labels, groups)))
    assert (found[SPLITS].to_numpy() == [24, 8, 8]).all()
    assert (pd.crosstab(labels, splits.kfold(corpus(labels, groups), 5)).to_numpy() == 8).all()


def test_six_speakers_split_four_one_one():
    groups = np.repeat(list("uvwxyz"), 100)
    found = counts(splits.assign(corpus([str(i % 10) for i in range(600)], groups)))
    assert (found[SPLITS].to_numpy() == [40, 10, 10]).all()


def test_the_seed_decides_and_the_order_of_the_table_does_not():
    rng = np.random.default_rng(1)
    one = corpus(rng.choice(list("ab"), 200), rng.integers(0, 30, 200).astype(str))
    split = splits.assign(one, seed=3)
    assert "split" not in one.table
    pd.testing.assert_frame_equal(splits.assign(one, seed=3).table, split.table)
    assert (splits.assign(one, seed=4).table.split != split.table.split).any()
    shuffled = splits.assign(one.select(rng.permutation(200)), seed=3).table.sort_values("path")
    assert list(shuffled.split) == list(split.table.sort_values("path").split)


def test_no_test_part_when_none_is_wanted():
    found = splits.assign(corpus(["a"] * 10), (0.5, 0.5, 0)).table.split.value_counts()
    assert dict(found) == {"train": 5, "validation": 5}


@pytest.mark.parametrize("make, says", [
    (lambda c: splits.assign(c), "2 groups, too few for 3"), (lambda c: splits.kfold(c, 3), "2 groups, too few for 3"),
    (lambda c: splits.kfold(c, 1), "2 folds or more"), (lambda c: splits.assign(c, (0.5, 0.1, 0.1)), "sum 1"),
    (lambda c: splits.assign(c, (0.5, 0.5)), "sum 1"), (lambda c: splits.assign(c, (1.5, -0.5, 0)), "sum 1"),
    (lambda c: splits.leaks(c), "not split yet"), (lambda c: splits.load(c), "There is no file"),
])
def test_what_cannot_be_split(monkeypatch, tmp_path, make, says):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    with pytest.raises(CorpusError, match=says):
        make(corpus(["a"] * 4, ["x", "x", "y", "y"]))


def test_a_split_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    one = corpus(list("aabbab") * 5)
    split = splits.assign(one)
    file = splits.save(split)
    assert file == tmp_path / "data" / "splits" / "nowhere.csv"
    assert list(splits.load(one).table.split) == list(split.table.split)
    other = Corpus("nowhere", one.table.assign(path=["new.wav", *one.table.path[1:]]))
    with pytest.raises(CorpusError) as caught:
        splits.load(other)
    assert caught.value.problems == ["'new.wav' is not in the split", "'0.wav' is not in the corpus"]
    file.write_text("path,fold\n0.wav,1\n")
    with pytest.raises(CorpusError, match="no column 'split'"):
        splits.load(one)


# ------------------------------------------------------------------------------------------ leaking

WORDS = ["seven", "nine", "the north wind", "eleven", "a very long sentence about nothing", "stop", "left and right"]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Each of seven texts three times by one voice, at rates and pitches that differ a little."""
    root = tmp_path_factory.mktemp("spoken")
    rows = []
    for i, text in enumerate(WORDS):
        for take in range(3):
            y, sr = speech.say(text, voice="en-us", rate=160 + 12 * take, pitch=45 + 3 * take)
            audio.save(root / f"{i}-{take}.wav", 0.5 * y, sr)
            rows.append({"path": f"{i}-{take}.wav", "label": text, "group": "", "duration": len(y) / sr, "sr": sr})
    return Corpus(root, pd.DataFrame(rows))


def disguised(y, sr, how):
    """A copy of a sound, not equal to it in any byte: signal, rate, how to write it."""
    pcm = {"format": "WAV", "subtype": "PCM_16"}
    return {
        "mp3": (y, sr, {"format": "MP3", "bitrate_mode": "VARIABLE", "compression_level": 0.5}),
        "ogg": (soxr.resample(y, sr, 44100), 44100, {"format": "OGG", "subtype": "VORBIS"}),
        "20 dB down, turned over": (-0.1 * y, sr, pcm),
        "start cut off": (y[sr // 20 + 31 :], sr, pcm),
        "both ends cut off": (y[len(y) // 4 + 17 : -len(y) // 5], sr, pcm),
        "silence before": (np.pad(y, (sr // 3 + 5, 0)), sr, pcm),
        "8 kHz": (soxr.resample(y, sr, SR), SR, pcm),
        "stereo, louder on one side": (np.stack([y, 0.3 * y]), sr, pcm),
        "all at once": (soxr.resample(0.3 * y[sr // 20 :], sr, 44100), 44100, {"format": "MP3"}),
    }[how]


HOW = ["mp3", "ogg", "20 dB down, turned over", "start cut off", "both ends cut off", "silence before", "8 kHz",
       "stereo, louder on one side", "all at once"]


def with_copies(spoken, how):
    rows = []
    for i in range(0, len(spoken), 3):
        y, sr, row = spoken[i]
        y, sr, kind = disguised(y, sr, how)
        name = f"{row['path'][:-4]} copy.{kind['format'].lower()}"
        sf.write(spoken.root / name, y.T, sr, **kind)
        rows.append({**row, "path": name, "duration": y.shape[-1] / sr, "sr": sr})
    return Corpus(spoken.root, pd.concat([spoken.table, pd.DataFrame(rows)]))


def test_takes_of_one_voice_are_no_duplicates(spoken):
    assert splits.near_duplicates(spoken).empty


@pytest.mark.parametrize("how", HOW)
def test_copies_are_found_and_nothing_else(spoken, how):
    found = splits.near_duplicates(with_copies(spoken, how))
    assert sorted(zip(found.path.str[:3], found.twin.str[:3], strict=True)) == [(f"{i}-0", f"{i}-0") for i in range(7)]
    assert found.correlation.between(splits.ALIKE, 1).all() and found.correlation.is_monotonic_decreasing


def test_leaks_names_groups_and_copies_across_sides_only(spoken):
    both = with_copies(spoken, "mp3")
    copy = both.table.path.str.contains("copy")
    both.table["split"] = np.where(copy, "test", "train")
    both.table.loc[both.table.path == "3-0 copy.mp3", "split"] = "train"        # on the same side: no leak
    both.table.loc[both.table.path == "4-0 copy.mp3", "split"] = ""             # on none
    both.table.loc[[0, len(both) - 1], "group"] = "anna"
    found = splits.leaks(both, n_jobs=2)
    assert found[0] == "group 'anna' is in train and test" and len(found) == 6
    said = re.compile(r"'0-0.wav' in train sounds like '0-0 copy.mp3' in test \(correlation (0.9\d|1.00)\)")
    assert any(said.fullmatch(line) for line in found)


def test_silence_hum_and_shortness_are_no_duplicates(tmp_path):
    rng = np.random.default_rng(0)
    hum = 0.5 * np.sin(2 * np.pi * 50 * np.arange(SR) / SR)
    sounds = {"silent a": np.zeros(SR), "silent b": np.zeros(2 * SR), "hum a": hum + 1e-3 * rng.standard_normal(SR),
              "hum b": hum + 1e-3 * rng.standard_normal(SR), "one": np.ones(1), "two": np.ones(2),
              "noise": 0.1 * rng.uniform(-1, 1, SR), "other": 0.1 * rng.uniform(-1, 1, SR)}
    for name, y in sounds.items():
        audio.save(tmp_path / f"{name}.wav", y, SR)
    table = pd.DataFrame({"path": [f"{name}.wav" for name in sounds], "duration": 1.0, "sr": SR})
    assert splits.near_duplicates(Corpus(tmp_path, table)).empty


def test_correlation_is_what_numpy_says_where_nothing_is_cut():
    rng = np.random.default_rng(0)
    a = rng.standard_normal(400)
    assert splits.correlation(a, -3 * a) == pytest.approx(1)
    assert splits.correlation(a, a[100:]) == pytest.approx(1)
    assert splits.correlation(np.zeros(9), a) == 0
    b = a + 0.5 * rng.standard_normal(400)
    assert splits.correlation(a, b) == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)), abs=0.01)
