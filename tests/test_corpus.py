"""A corpus is there whole or not at all, the same bytes whoever makes it, and its faults are named."""

import dataclasses
import functools
import hashlib
import importlib.util
import json
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from audiolab import audio
from audiolab.corpus import Clip, Corpus, CorpusError, each, make, read_table, write_table

SR = 8000


def plan(n=12):
    """A plan of noises; labels and groups look like numbers or nothing, as real ones do."""
    return pd.DataFrame({
        "seed": range(n),
        "path": [f"{i % 3}/{i:02d}.flac" for i in range(n)],
        "label": [("007", "NA", "none")[i % 3] for i in range(n)],
        "group": [f"{i % 6:02d}" for i in range(n)],
        "split": [("train", "train", "train", "train", "validation", "test")[i % 6] for i in range(n)],
        "_secret": [[i] for i in range(n)],
    })


def render(row, log=None, slow=0.0):
    """Half a second of noise and an event; notes which clip, if asked."""
    if log:
        with open(log, "a") as file:
            file.write(row["path"] + "\n")
    time.sleep(slow)
    rng = np.random.default_rng(row["seed"])
    events = [{"label": "hiss", "onset": np.float32(0.125), "offset": 0.5}] if row["seed"] % 2 else []
    return Clip((0.1 * rng.uniform(-1, 1, SR // 2)).astype(np.float32), SR, {"events": events})


def digest(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@pytest.fixture
def corpus(tmp_path):
    return make(tmp_path / "noises", plan(), render)


# ------------------------------------------------------------------------------------------ made


def test_a_corpus_is_clips_and_a_table(corpus):
    assert list(corpus.table) == ["path", "label", "group", "split", "duration", "sr", "seed"]
    assert len(corpus) == 12 and corpus.labels == ["007", "NA", "none"]
    y, sr, row = corpus[1]
    assert (y.dtype, y.shape, sr) == (np.float32, (SR // 2,), SR)
    assert row == {"path": "1/01.flac", "label": "NA", "group": "01", "split": "train", "duration": 0.5, "sr": SR,
                   "seed": 1}
    np.testing.assert_allclose(y, render(row).y, atol=1 / 65536 + 1e-7)
    assert corpus[-1][2]["seed"] == 11 and len(list(corpus)) == 12
    assert repr(corpus) == "<Corpus noises: 12 clips, 0.1 min, 3 labels, 8 train, 2 validation, 2 test>"
    assert corpus.check() is corpus


def test_splits_and_selections_keep_what_belongs_to_them(corpus):
    test = corpus.split("test")
    assert list(test.table.seed) == [5, 11] and test.labels == corpus.labels
    assert list(test.sidecar("events").path) == ["2/05.flac", "2/11.flac"]
    assert test.check() is test
    assert list(corpus.select(corpus.table.label == "NA").table.seed) == [1, 4, 7, 10]
    assert list(corpus.select([3, 0]).table.seed) == [3, 0]
    with pytest.raises(CorpusError, match="no clips in split 'dev'"):
        corpus.split("dev")


def test_tables_in_time_stand_beside_it(corpus):
    events = corpus.sidecar("events")
    assert list(events) == ["path", "onset", "offset", "label"] and len(events) == 6
    assert tuple(events.iloc[0]) == ("1/01.flac", 0.125, 0.5, "hiss")
    for name in ("words", "metadata"):
        with pytest.raises(CorpusError, match=r"it has: events"):
            corpus.sidecar(name)


def test_the_second_call_only_reads(corpus, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in corpus.root.rglob("*")}
    again = make(corpus.root, plan(), functools.partial(render, log=tmp_path / "log"))
    assert not (tmp_path / "log").exists()
    assert before == {p: p.stat().st_mtime_ns for p in corpus.root.rglob("*")}
    pd.testing.assert_frame_equal(again.table, corpus.table)


def test_one_worker_or_two_same_bytes(corpus, tmp_path):
    two = make(tmp_path / "two" / "noises", plan(), render, n_jobs=2)
    assert digest(two.root) == digest(corpus.root)


def test_a_licence_and_a_description_are_kept(tmp_path):
    corpus = make(tmp_path / "a", plan(2), render, licence="CC0-1.0", desc="two noises")
    assert list(corpus.table.licence) == ["CC0-1.0"] * 2 and corpus.about["desc"] == "two noises"


def test_a_corpus_without_events_has_an_empty_table(tmp_path):
    corpus = make(tmp_path / "a", plan(1), render)
    assert list(corpus.sidecar("events")) == ["path", "onset", "offset", "label"] and corpus.sidecar("events").empty


@pytest.mark.parametrize("other", [plan(11), plan().assign(seed=99)])
def test_another_recipe_is_not_passed_off_as_this_one(corpus, other):
    with pytest.raises(CorpusError, match="another recipe"):
        make(corpus.root, other, render)


def test_what_is_already_there_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(CorpusError, match=r"no metadata\.csv"):
        make(tmp_path / "mine", plan(), render)
    assert os.listdir(tmp_path / "mine") == ["notes.txt"]
    (tmp_path / "empty").mkdir()
    assert len(make(tmp_path / "empty", plan(2), render)) == 2


@pytest.mark.parametrize("paths, says", [
    (["a.flac", "A.flac"], "upper and lower"), (["a.flac", "a.flac"], "twice"), (["a.flac", "../b.flac"], "inside"),
    (["a.flac", None], "no path"),
])
def test_a_bad_plan_makes_nothing(tmp_path, paths, says):
    with pytest.raises(CorpusError, match=says):
        make(tmp_path / "a", pd.DataFrame({"path": paths, "seed": [0, 1]}), render)
    assert os.listdir(tmp_path) == []


# ------------------------------------------------------------------------------------------ made, and disturbed


def stumble(row):
    if row["seed"] == 5:
        raise ZeroDivisionError("no such noise")
    return render(row)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_clip_that_fails_is_named_and_the_others_are_kept(tmp_path, n_jobs):
    with pytest.raises(ZeroDivisionError) as caught:
        make(tmp_path / "noises", plan(), stumble, n_jobs=n_jobs)
    assert "2/05.flac" in caught.value.__notes__[0]
    assert not (tmp_path / "noises").exists()
    done = {p.name for p in tmp_path.rglob("*.flac")}
    log = tmp_path / "log"
    make(tmp_path / "noises", plan(), functools.partial(render, log=log))
    again, missing = {Path(line).name for line in log.read_text().split()}, {Path(p).name for p in plan().path} - done
    assert missing <= again
    # A worker that is stopped after it wrote a clip, and before it said so, has its clip made again.
    assert len(again - missing) < n_jobs and (n_jobs == 2 or len(done) == 5)


SCRIPT = """
    import functools, sys
    sys.path.insert(0, {tests!r})
    import test_corpus as t
    corpus = t.make({root!r}, t.plan({n}), functools.partial(t.render, log={log!r}, slow={slow}), n_jobs={n_jobs})
    print(len(corpus))
"""


def process(root, log, n=12, slow=0.1, n_jobs=1, first="", **options):
    code = first + textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent), root=str(root), log=str(log), n=n,
                                                 slow=slow, n_jobs=n_jobs))
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            **options)


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_two_processes_make_it_once(tmp_path):
    log = tmp_path / "log"
    pair = [process(tmp_path / "noises", log) for _ in range(2)]
    for one in pair:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0 and out.endswith("12\n"), err
    assert sorted(log.read_text().split()) == sorted(plan().path)
    alone = make(tmp_path / "alone" / "noises", plan(), render)
    assert digest(tmp_path / "noises") == digest(alone.root)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_killed_in_the_middle_the_next_call_goes_on(tmp_path, n_jobs):
    root, log = tmp_path / "noises", tmp_path / "log"
    killed = process(root, log, n=24, slow=0.05, n_jobs=n_jobs, start_new_session=True)
    wait_for(lambda: log.exists() and len(log.read_text().split()) >= 8)
    os.killpg(killed.pid, signal.SIGKILL)               # with its workers: one that lived on could write after the end
    killed.communicate()
    assert not root.exists()
    begun = log.read_text().split()
    assert 8 <= len(begun) < 24
    (tmp_path / ".noises.making" / "0" / ".00-abcdefgh.flac").write_bytes(b"what a kill leaves")
    with next((tmp_path / ".noises.making").glob(".*.jsonl")).open("a") as journal:
        journal.write('\n{"path": "0/00.fl')            # cut off in the middle of a line

    log.unlink()
    corpus = make(root, plan(24), functools.partial(render, log=log))
    again = set(log.read_text().split()) & set(begun)
    assert len(again) <= n_jobs                         # only what was in hand
    alone = make(tmp_path / "alone" / "noises", plan(24), render)
    assert digest(root) == digest(alone.root) and corpus.check()
    assert sorted(os.listdir(tmp_path)) == [".noises.lock", "alone", "log", "noises"]


def test_a_clip_that_was_spoiled_since_is_made_again(tmp_path):
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "noises", plan(), stumble)
    spoiled = tmp_path / ".noises.making" / "0" / "00.flac"
    spoiled.write_bytes(spoiled.read_bytes()[:100])     # as a power cut may leave it
    assert make(tmp_path / "noises", plan(), render).check()


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_no_half_file(tmp_path, n_jobs):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"       # a clip takes more
    one = process(tmp_path / "noises", tmp_path / "log", slow=0, n_jobs=n_jobs, first=limit,
                  env={**os.environ, "JOBLIB_TEMP_FOLDER": str(tmp_path / "joblib")})
    _, err = one.communicate(timeout=120)
    last = err.strip().splitlines()[-2:]                # the note follows the line
    assert one.returncode and any("cannot be written (File too large)" in line for line in last), err
    assert not (tmp_path / "noises").exists()
    assert list(tmp_path.rglob("*.flac")) == []


@pytest.mark.parametrize("name", ["events.csv", "metadata.csv"])
def test_a_disk_that_fills_up_at_the_tables(tmp_path, monkeypatch, name):
    replace = os.replace

    def full(source, target):
        if Path(target).name == name:
            raise OSError(28, "No space left on device")
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(CorpusError, match=r"cannot be written \(No space left on device\)") as caught:
            make(tmp_path / "noises", plan(), render)
    assert "\n" not in str(caught.value) and not (tmp_path / "noises").exists()
    log = tmp_path / "log"
    assert len(make(tmp_path / "noises", plan(), functools.partial(render, log=log))) == 12 and not log.exists()


def test_the_journal_of_a_whole_folder_is_no_list_of_finished_work(tmp_path):
    """It lists clips whose files were put together since, so none of theirs is there."""
    record = {"name": "a", "key": "k", "files": [], "bytes": []}
    (tmp_path / "journal.jsonl").write_text(json.dumps(record))
    done = each(tmp_path, {"a": ("k", None)}, lambda folder, name, argument: {"files": [], "fresh": True})
    assert done["a"]["fresh"] and (tmp_path / "journal.jsonl").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CorpusError, match="cannot be written"):
        make(tmp_path / "file" / "noises", plan(), render)


# ------------------------------------------------------------------------------------------ the next stage


def halve(clip, row):
    return dataclasses.replace(clip, y=0.5 * clip.y)


def late(clip, row):
    """Everything a tenth of a second later, the events, too."""
    events = [{**e, "onset": e["onset"] + 0.1, "offset": e["offset"] + 0.1} for e in clip.sidecars["events"]]
    return Clip(np.pad(clip.y, (clip.sr // 10, 0)), clip.sr, {"events": events})


def test_map_makes_the_next_stage(corpus, tmp_path):
    quiet = corpus.map(tmp_path / "processed" / "noises", halve, "6 dB down", n_jobs=2)
    np.testing.assert_allclose(quiet[3][0], 0.5 * corpus[3][0], atol=1 / 65536 + 1e-7)
    assert list(quiet.table) == ["path", "label", "group", "split", "duration", "sr", "seed", "done"]
    pd.testing.assert_frame_equal(quiet.sidecar("events"), corpus.sidecar("events"))
    shifted = quiet.map(tmp_path / "late" / "noises", late, "later")
    assert set(shifted.table.done) == {"6 dB down; later"} and set(shifted.table.duration) == {0.6}
    assert shifted.sidecar("events").onset.iloc[0] == pytest.approx(0.225)
    assert shifted.check() and quiet.check()
    assert len(corpus.split("test").map(tmp_path / "test", halve, "6 dB down").sidecar("events")) == 2
    with pytest.raises(CorpusError, match="another recipe"):
        corpus.map(quiet.root, halve, "12 dB down")


def test_map_takes_other_formats_and_keeps_twins_apart(tmp_path):
    y = render({"seed": 1}).y
    for name in ("a.wav", "a.mp3", "b.wav"):
        audio.save(tmp_path / "own" / name, y, SR)
    own = Corpus(tmp_path / "own", pd.DataFrame({"path": ["a.wav", "a.mp3", "b.wav"], "duration": 0.5, "sr": SR}))
    assert list(own.map(tmp_path / "next", halve, "half").table.path) == ["a.wav.flac", "a.mp3.flac", "b.flac"]


# ------------------------------------------------------------------------------------------ faults are named


def test_every_bad_row_is_named(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        "path,split,duration,sr\n"
        "a.flac,train,1,8000\n"
        ",train,1,8000\n"
        "../b.flac,train,1,8000\n"
        "/etc/passwd,,1,8000\n"
        "C:/x.flac,,1,8000\n"
        "d\\e.flac,,1,8000\n"
        "a.flac,dev,1,8000\n"
        "c.flac,test,long,8000\n"
        "e.flac,test,1,0\n"
    )
    with pytest.raises(CorpusError) as caught:
        Corpus(tmp_path)
    found = caught.value.problems
    assert [line.split(":")[0] for line in found] == [f"line {n}" for n in (3, 4, 5, 6, 7, 8, 9, 10, 8)]
    assert "'dev' is none of train, validation, test" in found[-1] and "'long'" in found[-3]
    assert all(line in str(caught.value) for line in found)


@pytest.mark.parametrize("content, says", [
    (b"name,label\na.flac,dog\n", "'path' is missing"), (b"path,label\na.flac,dog\n", "'duration' is missing"),
    (b"", "no CSV table"), (b"path\n\xff\xfe\n", "no CSV table"), (b"path,sr\na.flac,1,2\n", "no CSV table"),
    (b'path,sr\n"a.flac,1\n', "no CSV table"),
])
def test_a_table_that_is_none(tmp_path, content, says):
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=says):
        Corpus(tmp_path)


def test_no_corpus_there(tmp_path):
    with pytest.raises(CorpusError, match="There is no file"):
        Corpus(tmp_path / "nothing")


def test_check_names_every_bad_file(corpus):
    root, table = corpus.root, corpus.table.copy()
    (root / "0/00.flac").unlink()
    (root / "1/01.flac").write_bytes(b"")
    (root / "2/02.flac").write_bytes((root / "2/02.flac").read_bytes()[:1500])
    (root / "0/03.flac").write_text("a page, not a sound")
    audio.save(root / "1/04.flac", np.zeros(SR), SR)
    audio.save(root / "2/05.flac", np.zeros(SR), 2 * SR)
    table.loc[6, "split"] = "test"                      # its group is in train
    write_table(root / "metadata.csv", table)
    with (root / "events.csv").open("a") as file:
        file.write("0/06.flac,0.4,0.7,hiss\n0/06.flac,0.4,0.2,hiss\n0/06.flac,x,0.2,hiss\nnowhere.flac,0,1,hiss\n")
    with pytest.raises(CorpusError) as caught:
        Corpus(root).check()
    found = "\n".join(caught.value.problems)
    for words in ("group '00' is in train and test", "there is no file '0/00.flac'", "'1/01.flac' is empty",
                  "'2/02.flac' is", "'0/03.flac' is not audio", "'1/04.flac' lasts 1.000 s, the table says 0.500",
                  "'2/05.flac' has 16000 Hz, the table says 8000", "events.csv line 8: 0.4 to 0.7 s",
                  "events.csv line 9: 0.4 to 0.2 s", "events.csv line 10: x to",
                  "events.csv line 11: there is no clip"):
        assert words in found
    assert len(caught.value.problems) == 11 and str(root) not in found


def test_a_long_list_is_cut_in_the_message_only(tmp_path):
    table = pd.DataFrame({"path": ["a.flac"] * 40, "duration": 1.0, "sr": SR})
    with pytest.raises(CorpusError, match="and 19 more") as caught:
        Corpus(tmp_path, table)
    assert len(caught.value.problems) == 39


# ------------------------------------------------------------------------------------------ tables and tensors


def test_tables_come_back_as_they_went(tmp_path):
    table = pd.DataFrame({"path": ["a", "b"], "label": ["007", ""], "text": ['He said "NA",\nthen left', "ß 音"],
                          "duration": [0.1 + 0.2, 1 / 3], "other": [np.nan, 2.0]})
    write_table(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.csv"), table, check_dtype=False)
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_a_view_of_a_split_numbers_labels_as_the_whole_does(corpus):
    from torch.utils.data import DataLoader

    view = corpus.split("test").torch()
    x, label = view[0]
    assert len(view) == 2 and x.shape == (SR // 2,) and label == 2
    batch, labels = next(iter(DataLoader(view, batch_size=2)))
    assert batch.shape == (2, SR // 2) and labels.tolist() == [2, 2]
    assert corpus.torch(lambda y, sr, row: y[:4] * 2)[0][0].shape == (4,)


def test_torch_is_imported_by_a_view_only(corpus):
    assert len(corpus.torch()) == 12
    assert pickle.loads(pickle.dumps(corpus.torch())).corpus.labels == corpus.labels       # a loader's workers need it
    assert importlib.util.find_spec("torch") or "torch" not in sys.modules
