"""Features of a corpus: the same bytes whoever computes them, only what changed anew, broken files set aside."""

import functools
import hashlib
import inspect
import json
import pickle
import re
import shutil
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from audiolab import audio, features
from audiolab.corpus import Corpus, CorpusError
from audiolab.features import FeatureSet, extract

SR = 8000


def level(y, sr, hop_length=80):
    """A feature of one's own: one number a frame."""
    return features.rms(y, 2 * hop_length, hop_length)


def loudest(y):
    """A feature of one's own that has no frames."""
    return np.abs(y).max()


def strict(y, sr):
    """A feature that not every clip has."""
    if len(y) > 900:
        raise ValueError("this clip is\ntoo long")
    return features.log_mel(y, sr)


def faulty(y, sr):
    """A feature with a fault in its code."""
    raise KeyError("not a matter of the clip")


@pytest.fixture
def corpus(tmp_path):
    """Seven clips of different lengths, of which the fourth is broken."""
    root, rng = tmp_path / "raw" / "noises", np.random.default_rng(0)
    rows = []
    for i in range(7):
        y = rng.uniform(-0.5, 0.5, 500 + 100 * i).astype(np.float32)
        audio.save(root / f"c{i}.flac", y, SR)
        rows.append((f"c{i}.flac", "ab"[i % 2], ["train", "test"][i > 4], len(y) / SR, SR))
    (root / "c3.flac").write_bytes((root / "c3.flac").read_bytes()[:200])
    pd.DataFrame(rows, columns=["path", "label", "split", "duration", "sr"]).to_csv(root / "metadata.csv", index=False)
    return Corpus(root)


def hashes(folder):
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(folder.rglob("*")) if file.is_file()}


def test_features_are_those_of_each_clip(corpus, tmp_path):
    got = extract(corpus, features.log_mel, tmp_path / "f", n_mels=20)
    assert isinstance(got, FeatureSet) and len(got) == 6 and got.labels == ["a", "b"]
    for i, path in enumerate(got.table.path):
        x, sr, row = got[i]
        y, _ = audio.load(corpus.root / path)
        np.testing.assert_array_equal(x, features.log_mel(y, SR, n_mels=20))
        assert (sr, row["path"], row["frames"]) == (SR, path, x.shape[1]) and x.flags.c_contiguous
    assert isinstance(got.array, np.memmap) and got.array.shape == (got.table.frames.sum(), 20)
    assert got.about["parameters"] == {"n_mels": 20} and got.about["rows"] == [20]
    assert list(got.aside) == ["c3.flac"] and "c3.flac" in (got.root / "report.csv").read_text()


def test_a_set_splits_selects_pickles_and_goes_to_torch(corpus, tmp_path):
    got = extract(corpus, features.log_mel, tmp_path / "f")
    test = got.split("test")
    assert type(test) is FeatureSet and test.table.path.tolist() == ["c5.flac", "c6.flac"]
    np.testing.assert_array_equal(test[1][0], got[5][0])
    again = pickle.loads(pickle.dumps(test))
    np.testing.assert_array_equal(again[1][0], got[5][0])
    assert len(pickle.dumps(test)) < 20_000                                     # the array stays where it is
    x, label = got.torch()[1]
    assert tuple(x.shape) == got[1][0].shape and label == 1
    opened = FeatureSet(got.root)
    np.testing.assert_array_equal(opened[2][0], got[2][0])


def test_two_processes_write_the_same_bytes(corpus, tmp_path):
    for n_jobs in (1, 2):
        extract(corpus, features.log_mel, tmp_path / f"jobs-{n_jobs}", n_jobs=n_jobs)
    assert hashes(tmp_path / "jobs-1") == hashes(tmp_path / "jobs-2")
    assert set(hashes(tmp_path / "jobs-1")) == {"features.npy", "features.json", "metadata.csv", "report.csv",
                                                "journal.jsonl"}


@pytest.mark.slow
def test_a_dask_cluster_writes_the_same_bytes(corpus, tmp_path):
    distributed = pytest.importorskip("distributed")
    extract(corpus, features.log_mel, tmp_path / "here")
    with (distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                                   local_directory=str(tmp_path / "dask")) as cluster,
          distributed.Client(cluster), joblib.parallel_config("dask")):
        extract(corpus, features.log_mel, tmp_path / "there")
    assert hashes(tmp_path / "here") == hashes(tmp_path / "there")


def counted(y, sr, log):
    """A feature that says when it is computed, and is cut off after the third while a file says so."""
    log = Path(log)
    done = log.read_text().split() if log.exists() else []
    if len(done) == 3 and log.with_suffix(".stop").exists():
        raise KeyboardInterrupt
    log.write_text("\n".join([*done, str(len(y))]))
    return features.log_mel(y, sr)


def test_only_what_changed_is_computed_anew(corpus, tmp_path):
    log = tmp_path / "log"
    first = extract(corpus, counted, tmp_path / "f", log=str(log))
    assert len(log.read_text().split()) == 6
    before = hashes(first.root)
    extract(corpus, counted, tmp_path / "f", log=str(log))
    assert len(log.read_text().split()) == 6 and hashes(first.root) == before   # nothing at all
    audio.save(corpus.root / "c3.flac", np.full(800, 0.1, np.float32), SR)      # mended
    audio.save(corpus.root / "c5.flac", np.full(777, 0.2, np.float32), SR)      # another sound
    got = extract(corpus, counted, tmp_path / "f", log=str(log))
    assert log.read_text().split()[6:] == ["800", "777"] and len(got) == 7 and not got.aside
    extract(corpus, counted, tmp_path / "afresh", log=str(log))
    np.testing.assert_array_equal(got.array, FeatureSet(tmp_path / "afresh").array)


def test_a_clip_less_keeps_the_others(corpus, tmp_path):
    log = tmp_path / "log"
    whole = extract(corpus, counted, tmp_path / "f", log=str(log))
    want = [whole[i][0] for i in (0, 2, 4)]
    less = extract(corpus.select([0, 2, 5]), counted, tmp_path / "f", log=str(log))
    assert len(log.read_text().split()) == 6
    for i, x in enumerate(want[:2]):
        np.testing.assert_array_equal(less[i][0], x)


def test_other_parameters_take_the_place_in_a_named_folder(corpus, tmp_path):
    assert extract(corpus, features.log_mel, tmp_path / "f", n_mels=20)[0][0].shape[0] == 20
    got = extract(corpus, features.log_mel, tmp_path / "f", n_mels=30)
    assert got[0][0].shape[0] == 30 and got.about["parameters"] == {"n_mels": 30}


def other_parameters(corpus, root):
    extract(corpus, features.log_mel, root, n_mels=30)


def fewer_clips(corpus, root):
    extract(corpus.select([2, 5]), features.log_mel, root, n_mels=20)


def another_sound(corpus, root):
    audio.save(corpus.root / "c0.flac", np.full(1500, 0.1, np.float32), SR)
    extract(corpus, features.log_mel, root, n_mels=20)


@pytest.mark.parametrize("change", [other_parameters, fewer_clips, another_sound])
def test_an_open_set_never_reads_what_was_made_since(corpus, tmp_path, change):
    mapped = extract(corpus, features.log_mel, tmp_path / "f", n_mels=20)
    want = mapped[2][0]
    unread = FeatureSet(tmp_path / "f")
    change(corpus, tmp_path / "f")
    np.testing.assert_array_equal(mapped[2][0], want)                           # its map is of the old array
    np.testing.assert_array_equal(mapped.select([2])[0][0], want)
    assert mapped.about["parameters"] == unread.about["parameters"] == {"n_mels": 20}
    for stale in (unread, unread.select([0]), pickle.loads(pickle.dumps(mapped))):
        with pytest.raises(CorpusError, match="made anew"):
            stale[0]
    fresh = FeatureSet(tmp_path / "f")
    for i, path in enumerate(fresh.table.path):
        y, _ = audio.load(corpus.root / path)
        np.testing.assert_array_equal(fresh[i][0], features.log_mel(y, SR, **fresh.about["parameters"]))


def test_the_array_is_mapped_once_and_not_pickled(corpus, tmp_path):
    got = extract(corpus, features.log_mel, tmp_path / "f")
    assert got.array is got.array and got.split("test").array is got.array
    assert pickle.loads(pickle.dumps(got)).array is not got.array


def test_another_corpus_does_not_take_the_folder(corpus, tmp_path):
    first = extract(corpus, features.log_mel, tmp_path / "f")
    before = hashes(first.root)
    other = tmp_path / "other" / "noises"
    shutil.copytree(corpus.root, other)
    with pytest.raises(CorpusError, match="choose another root"):
        extract(other, features.log_mel, tmp_path / "f")
    assert hashes(first.root) == before
    shutil.rmtree(corpus.root)                                                  # the corpus has been moved
    assert extract(other, features.log_mel, tmp_path / "f").about["corpus"] == str(other)


def test_a_damaged_description_says_so(corpus, tmp_path):
    root = extract(corpus, features.log_mel, tmp_path / "f").root
    (root / "features.json").write_text("")
    for call in (lambda: FeatureSet(root), lambda: extract(corpus, features.log_mel, root)):
        with pytest.raises(CorpusError, match="damaged"):
            call()


def test_a_folder_of_sounds_is_no_set_of_features(corpus):
    with pytest.raises(CorpusError, match=r"no features\.json"):
        FeatureSet(corpus.root)


EVERY = [name for name in features.__all__ if next(iter(inspect.signature(getattr(features, name)).parameters)) == "y"
         and name not in ("beat_track", "frame", "onset_times", "tempo", "yin")]           # those give no frames


@pytest.mark.parametrize("name", EVERY)
def test_each_feature_of_a_corpus_is_that_of_its_clips(corpus, tmp_path, name):
    feature = getattr(features, name)
    given = inspect.signature(feature).parameters
    parameters = {"n_bins": 48} if "n_bins" in given else {}
    got = extract(corpus.select([0, 6]), feature, tmp_path / "f", **parameters)
    for i in range(2):
        x, sr, row = got[i]
        y, _ = audio.load(corpus.root / row["path"])
        want = feature(y, **{"sr": sr} if "sr" in given else {}, **parameters)
        assert want.ndim in (1, 2)
        np.testing.assert_array_equal(x, want)


def test_those_without_a_rate_are_among_them():
    assert {"rms", "zero_crossing_rate", "spectral_flatness", "spectral_flux", "stft", "log_mel"} <= set(EVERY)


def test_a_kill_loses_nothing_that_was_done(corpus, tmp_path):
    log, stop = tmp_path / "log", tmp_path / "log.stop"
    stop.touch()
    with pytest.raises(KeyboardInterrupt):
        extract(corpus, counted, tmp_path / "f", log=str(log))
    assert not (tmp_path / "f").exists()
    stop.unlink()
    got = extract(corpus, counted, tmp_path / "f", log=str(log))
    assert len(got) == 6 and len(log.read_text().split()) == 6                  # three before, three after


def test_features_of_one_number_a_frame(corpus, tmp_path):
    got = extract(corpus, level, tmp_path / "f", hop_length=100)
    x, sr, row = got[4]
    y, _ = audio.load(corpus.root / row["path"])
    np.testing.assert_array_equal(x, level(y, sr, 100))
    assert x.ndim == got.array.ndim == 1


def test_complex_features_stay_complex(corpus, tmp_path):
    got = extract(corpus, features.cqt, tmp_path / "f", n_bins=48, hop_length=64)
    assert got[0][0].dtype == np.complex64 and got[0][0].shape[0] == 48


def test_what_a_feature_refuses_is_set_aside_with_its_reason(corpus, tmp_path):
    got = extract(corpus, strict, tmp_path / "f")
    assert len(got) == 4 and got.aside["c5.flac"] == "this clip is too long"


def test_stereo_and_mixed_rates_are_named(corpus, tmp_path):
    audio.save(corpus.root / "c3.flac", np.zeros((2, 800), np.float32), SR)
    assert "stereo" in extract(corpus, features.log_mel, tmp_path / "f").aside["c3.flac"]
    audio.save(corpus.root / "c3.flac", np.zeros(1600, np.float32), 16000)
    with pytest.raises(CorpusError, match=r"\[40\] rows.*\[64\].*'c3.flac'.*one rate"):
        extract(corpus, features.log_mel, tmp_path / "f")


def test_one_number_per_clip_is_told_from_stereo(corpus, tmp_path):
    with pytest.raises(CorpusError, match=r"one number per clip: return np\.array\(\[x\]\)"):
        extract(corpus.select([0]), loudest, tmp_path / "f")


def test_faults_of_the_code_are_raised(corpus, tmp_path):
    with pytest.raises(KeyError):
        extract(corpus, faulty, tmp_path / "f")
    assert not (tmp_path / "f").exists()


@pytest.mark.parametrize("feature, parameters", [("log_mel", {}), (features.log_mel, {"n_mels": object()})])
def test_refuses(corpus, tmp_path, feature, parameters):
    with pytest.raises(ValueError):
        extract(corpus, feature, tmp_path / "f", **parameters)


def test_all_broken_says_so(corpus, tmp_path):
    with pytest.raises(CorpusError, match=r"c3\.flac"):
        extract(corpus.select([3]), features.log_mel, tmp_path / "f")


def test_stands_under_the_name_of_corpus_and_feature(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    got = extract(str(corpus.root), features.mfcc)
    assert got.root.parent == tmp_path / "data" / "features" / "noises"
    assert re.fullmatch("mfcc-[0-9a-f]{8}", got.root.name)
    assert json.loads((got.root / "features.json").read_text())["dtype"] == "<f4"
    assert extract(corpus, features.mfcc).root == got.root


def test_other_parameters_make_another_folder(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    few, many = (extract(corpus, features.log_mel, n_mels=n) for n in (20, 30))
    assert few.root != many.root and (few[0][0].shape[0], many[0][0].shape[0]) == (20, 30)
    bound = extract(corpus, functools.partial(features.log_mel, n_mels=20))
    assert bound.root == few.root and bound.about["parameters"] == {"n_mels": 20}


def test_a_lambda_needs_a_root(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    with pytest.raises(ValueError, match="or give root"):
        extract(corpus, lambda y: features.rms(y))
    assert not (tmp_path / "data").exists()
    assert len(extract(corpus, lambda y: features.rms(y), tmp_path / "f")) == 6
