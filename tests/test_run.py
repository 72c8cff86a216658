"""A corpus goes through the pipeline whole or not at all, only what changed is done again, what is broken is named,
and who works, and how many, does not show in a byte."""

import errno
import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest

from audiolab import audio, batch, preprocess
from audiolab.corpus import Clip, Corpus, CorpusError, make, read_table
from audiolab.preprocess import centred, filtered, mono, normalized, resampled, trimmed

SR = 8000
WINDOW = np.ones(3)
STEPS = [partial(resampled, target=4000), mono, centred, partial(trimmed, top_db=40), partial(normalized, level=-20)]


def render(row):
    """A quarter of a second of silence, half a second of a noisy tone, silence; two events in it."""
    rng = np.random.default_rng(row["seed"])
    y = np.pad(0.2 * np.sin(np.arange(SR // 2) * (0.1 + 0.01 * row["seed"])), (SR // 4, SR // 4))
    y[SR // 4 : -SR // 4] += 0.02 * rng.standard_normal(SR // 2)
    events = [{"onset": 0.25, "offset": 0.5, "label": "tone"}, {"onset": 0.0, "offset": 0.1, "label": "nothing"}]
    return Clip(y.astype(np.float32), SR, {"events": events})


def corpus(root, n=14):
    plan = pd.DataFrame({"path": [f"{i % 2}/{i:02d}.flac" for i in range(n)], "seed": range(n),
                         "label": ["a", "b"] * (n // 2), "group": [str(i // 2) for i in range(n)]})
    return make(root, plan, render)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return corpus(tmp_path_factory.mktemp("raw") / "tones")


@pytest.fixture(scope="module")
def planted(raw, tmp_path_factory):
    """A copy of the corpus with a file broken in each way, and the truth about it."""
    root = tmp_path_factory.mktemp("planted") / "tones"
    return root, preprocess.plant(raw, root)


def digests(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def counting(y, sr, log):
    """A step that notes that it ran."""
    with open(log, "a") as file:
        file.write(".")
    return y, sr


def ran(log):
    n = len(log.read_text()) if log.exists() else 0
    log.unlink(missing_ok=True)
    return n


# ------------------------------------------------------------------------------------------ what comes out


def test_clips_and_table_follow_the_steps(raw, tmp_path):
    out = preprocess.run(raw, STEPS, tmp_path / "new" / "tones")
    assert len(out) == len(raw) and out.check() is out and not out.aside
    assert set(out.table.sr) == {4000} and out.labels == ["a", "b"]
    assert set(out.table.done) == {"resampled(target=4000); mono; centred; trimmed(top_db=40); normalized(level=-20)"}
    y, sr, row = out[3]
    assert sr == 4000 and row["seed"] == 3 and 0.5 <= row["duration"] < 0.7
    assert 20 * np.log10(np.sqrt(np.mean(y**2))) == pytest.approx(-20, abs=0.05) and abs(y.mean()) < 1e-3
    assert read_table(out.root / "report.csv").empty


def test_times_move_with_what_was_cut(raw, tmp_path):
    """The events begin a margin after the cut; what lay before it is gone."""
    events = preprocess.run(raw, STEPS, tmp_path / "tones").sidecar("events")
    assert set(events.label) == {"tone"} and len(events) == len(raw)
    assert events.onset.between(0.03, 0.07).all()
    np.testing.assert_allclose(events.offset - events.onset, 0.25, atol=2e-6)


def test_broken_clips_are_set_aside_with_their_reason_and_the_others_go_on(planted, tmp_path):
    root, truth = planted
    out = preprocess.run(root, STEPS, tmp_path / "tones")
    assert set(out.aside) == set(truth) and len(out) == 14 - len(truth)
    report = read_table(out.root / "report.csv").set_index("path")
    for path, kind in truth.items():
        assert report.what[path] == "set aside" and report.why[path].startswith(kind + ":")
    lenient = preprocess.run(root, STEPS, tmp_path / "lenient", accept=["clipped", "wrong rate", "wrong extension"])
    let_in = {truth[path] for path in set(out.aside) - set(lenient.aside)}
    assert let_in == {"clipped", "wrong rate", "wrong extension"}


def test_a_plain_folder_will_do(raw, tmp_path):
    for i in range(3):
        audio.save(tmp_path / "own" / f"{i}.wav", raw[i][0], SR)
    (tmp_path / "own" / "3.wav").write_bytes(b"")
    out = preprocess.run(tmp_path / "own", [centred], tmp_path / "processed")
    assert list(out.table.path) == ["0.flac", "1.flac", "2.flac"] and "empty" in out.aside["3.wav"]


def test_what_came_out_beyond_full_scale_is_turned_down_and_named(raw, tmp_path):
    out = preprocess.run(raw.select([0, 1]), [louder], tmp_path / "tones")
    assert np.abs(out[0][0]).max() == pytest.approx(1, abs=1e-4)
    assert set(read_table(out.root / "report.csv").what) == {"turned down"}


def louder(y, sr):
    return 10 * y, sr


def picky(y, sr, beyond=0.29):
    if np.abs(y).max() > beyond:
        raise ValueError("too loud\nfor me")
    return y, sr


def faulty(y, sr):
    return y / undefined, sr                                                    # noqa: F821


def with_an_array(y, sr, window=WINDOW):
    return y, sr


def one_bad_sample(y, sr):
    y = y.copy()
    y[7] = np.nan
    return y, sr


def forgetful(y, sr):
    return y


def test_a_step_that_refuses_a_clip_sets_it_aside(raw, tmp_path):
    peaks = [np.abs(y).max() for y, _, _ in raw]
    limit = float(np.median(peaks))
    out = preprocess.run(raw, [partial(picky, beyond=limit)], tmp_path / "tones")
    assert len(out) == sum(p <= limit for p in peaks) and set(out.aside.values()) == {"too loud for me"}
    with pytest.raises(CorpusError, match="all 14 files failed") as caught:
        preprocess.run(raw, [partial(picky, beyond=0)], tmp_path / "none")
    assert "too loud" in str(caught.value) and not (tmp_path / "none").exists()


@pytest.mark.parametrize("step, error, says", [
    (faulty, NameError, "undefined"), (forgetful, TypeError, "returned ndarray"),
])
def test_a_fault_of_the_code_is_raised(raw, tmp_path, step, error, says):
    with pytest.raises(error, match=says) as caught:
        preprocess.run(raw, [step], tmp_path / "tones")
    assert "0/00.flac" in caught.value.__notes__[0] and not (tmp_path / "tones").exists()


@pytest.mark.parametrize("steps, options, says", [
    ([], {}, "at least one"), (mono, {}, "at least one"), (["mono"], {}, "is a function"),
    ([partial(resampled, 4000)], {}, "by name"), ([partial(counting, log=np.zeros(3))], {}, "numbers, texts or lists"),
    ([mono], {"accept": ["loud"]}, "loud is none of"),
    *(([mono], {"accept": [kind]}, f"{kind} cannot pass") for kind in ("NaN", "missing", "empty", "unreadable")),
    ([Fraction(1, 3).limit_denominator], {}, "is a method"), ([with_an_array], {}, "numbers, texts or lists"),
])
def test_impossible_orders_are_refused(raw, tmp_path, steps, options, says):
    with pytest.raises(ValueError, match=says):
        preprocess.run(raw, steps, tmp_path / "tones", **options)
    assert not any(tmp_path.iterdir())


def test_a_step_that_closes_over_a_value_is_refused(raw, tmp_path):
    db = 6

    def step(y, sr):
        return y * db, sr

    with pytest.raises(ValueError, match=r"\(db\).*parameters"):
        preprocess.run(raw, [step], tmp_path / "tones")


def test_the_raw_corpus_is_not_written_over(raw):
    for root in (raw.root, raw.root / "processed"):
        with pytest.raises(CorpusError, match="raw corpus"):
            preprocess.run(raw, [mono], root)


def own_folder(folder, factors=(0.5, 1)):
    """A plain folder of tones, without a table."""
    for i, factor in enumerate(factors):
        audio.save(folder / f"{i}.wav", factor * np.sin(np.arange(SR) * (0.1 + 0.01 * i)), SR)
    return folder


def test_a_plain_folder_does_not_take_its_own_results_for_recordings(tmp_path):
    own = own_folder(tmp_path / "plain")
    with pytest.raises(CorpusError, match="lies within"):
        preprocess.run(own, [mono], own / "processed")
    assert sorted(os.listdir(own)) == ["0.wav", "1.wav"]


def test_a_result_of_another_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / "home"))
    one, two = own_folder(tmp_path / "one" / "rec"), own_folder(tmp_path / "two" / "rec", [0.2])
    first = preprocess.run(one, [mono])
    before = digests(first.root)
    with pytest.raises(CorpusError, match="choose another root"):
        preprocess.run(two, [mono])
    assert digests(first.root) == before
    assert len(preprocess.run(two, [mono], tmp_path / "home" / "second")) == 1


def test_samples_that_are_no_numbers_are_counted_and_their_step_named(raw, tmp_path):
    with pytest.raises(CorpusError) as caught:
        preprocess.run(raw.select([0]), [mono, one_bad_sample], tmp_path / "tones")
    assert "one_bad_sample gave NaN or infinity in 1 of 8000 samples" in str(caught.value)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_a_disk_that_refuses_is_no_fault_of_the_clip(raw, tmp_path, monkeypatch, code):
    def refuse(path):
        if path.name == "03.flac":
            raise OSError(code, os.strerror(code))
        return replacing(path)

    replacing = audio.replacing
    with monkeypatch.context() as patch:
        patch.setattr(audio, "replacing", refuse)
        with pytest.raises(CorpusError, match=os.strerror(code)):
            preprocess.run(raw, [mono], tmp_path / "tones")
    assert not (tmp_path / "tones").exists()
    out = preprocess.run(raw, [mono], tmp_path / "tones")
    assert len(out) == len(raw) and not out.aside


def test_what_the_machine_could_not_read_is_tried_again(raw, tmp_path, monkeypatch):
    def refuse(path, mode="r", *args, **options):
        if path.name == "03.flac" and mode == "rb":
            raise OSError(errno.EMFILE, "Too many open files")
        return usual(path, mode, *args, **options)

    usual = Path.open
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert "Too many open files" in preprocess.run(raw, [mono], tmp_path / "tones").aside["1/03.flac"]
        table = preprocess.inspect(raw).set_index("path")
    assert table.problem["1/03.flac"] == "unreadable" and "Too many" in table.reason["1/03.flac"]
    out = preprocess.run(raw, [mono], tmp_path / "tones")
    assert len(out) == len(raw) and not out.aside


def test_what_is_already_there_is_left_alone(raw, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(CorpusError, match="not made here"):
        preprocess.run(raw, [mono], tmp_path / "mine")
    assert os.listdir(tmp_path / "mine") == ["notes.txt"]


# ------------------------------------------------------------------------------------------ only what changed


def test_nothing_is_done_twice(raw, tmp_path):
    log, root = tmp_path / "log", tmp_path / "out" / "tones"
    steps = [mono, partial(counting, log=str(log))]
    preprocess.run(raw, steps, root)
    assert ran(log) == len(raw)
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    preprocess.run(raw, steps, root, n_jobs=2)
    assert ran(log) == 0 and before == {p: p.stat().st_mtime_ns for p in root.rglob("*")}


def test_only_what_changed_is_done_again(tmp_path):
    raw = corpus(tmp_path / "raw" / "tones")
    log, root = tmp_path / "log", tmp_path / "out" / "tones"
    steps = [mono, partial(counting, log=str(log))]
    preprocess.run(raw, steps, root)
    ran(log)
    (root / "mine.txt").write_text("a note of mine")

    audio.save(raw.root / raw.table.path[4], 0.5 * raw[4][0], SR)               # another content
    assert np.abs(preprocess.run(raw, steps, root)[4][0]).max() < 0.2 and ran(log) == 1
    assert len(preprocess.run(raw.select(range(10)), steps, root)) == 10 and ran(log) == 0
    assert not (root / raw.table.path[12]).exists()
    preprocess.run(raw, steps, root)
    assert ran(log) == 4
    (root / raw.table.path[2]).unlink()                                         # a result is gone
    preprocess.run(raw, steps, root)
    assert ran(log) == 1
    relabelled = Corpus(raw.root, raw.table.assign(label="c"))                  # another table, the same sounds
    assert preprocess.run(relabelled, steps, root).labels == ["c"] and ran(log) == 0
    preprocess.run(raw, [centred, *steps], root)                                # other steps
    assert ran(log) == len(raw)
    assert (root / "mine.txt").read_text() == "a note of mine"
    fresh = preprocess.run(raw, [centred, *steps], tmp_path / "fresh" / "tones")
    assert {**digests(fresh.root), "mine.txt": digests(root)["mine.txt"]} == digests(root)


def test_a_step_is_known_by_its_source(raw, tmp_path):
    """Two functions of one name that do different things are two steps."""
    results = []
    for factor in (1, 2):
        file = tmp_path / f"step{factor}.py"
        file.write_text(f"def own(y, sr):\n    return y / {factor}, sr\n")
        space = {"__name__": "own"}
        exec(compile(file.read_text(), str(file), "exec"), space)
        results.append(preprocess.run(raw, [space["own"]], tmp_path / "tones"))
    assert np.abs(results[1][0][0]).max() < 0.2


def python(text, file=None, **space):
    """The function `step` of a text, which `inspect.getsource` finds where there is a file."""
    if file:
        file.write_text(text)
    space["__name__"] = "own"
    exec(compile(text, str(file or "<prompt>"), "exec"), space)
    return space["step"]


@pytest.mark.parametrize("one, two", [
    (python("step = lambda y, sr: (y * 0.5, sr)"), python("step = lambda y, sr: (y * 0.2, sr)")),
    (python("step = lambda y, sr: (abs(y), sr)"), python("step = lambda y, sr: (round(y), sr)")),
    (python("step = lambda y, sr: ((lambda: y * 2)(), sr)"), python("step = lambda y, sr: ((lambda: y * 3)(), sr)")),
    (python("def step(y, sr, a=1): return y * a, sr"), python("def step(y, sr, a=2): return y * a, sr")),
    (python("def step(y, sr, *, a=1): return y * a, sr"), python("def step(y, sr, *, a=2): return y * a, sr")),
    (python("def step(y, sr): return y * G, sr", G=1), python("def step(y, sr): return y * G, sr", G=2)),
])
def test_what_a_step_does_belongs_to_its_name(one, two):
    assert batch.describe(one) != batch.describe(two)


def test_two_lambdas_on_a_line_are_two_steps_and_one_is_one():
    one, two = (lambda y, sr: (y * 0.5, sr)), (lambda y, sr: (y * 0.2, sr))
    assert batch.describe(one) != batch.describe(two)
    text = "step = lambda y, sr: (y, sr) if 'a' in {'a', 'b', 'c', 'd'} else None"
    code = f"from audiolab import batch; {text}; print(batch.describe(step))"
    said = {subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, text=True,
                           capture_output=True, check=True).stdout for seed in "12"}
    assert len(said) == 1


def test_a_result_without_its_table_is_made_again(raw, tmp_path):
    out = preprocess.run(raw, [mono], tmp_path / "tones")
    before = digests(out.root)
    (out.root / "metadata.csv").unlink()
    assert len(preprocess.run(raw, [mono], out.root)) == len(raw) and digests(out.root) == before


def test_a_file_of_ones_own_does_not_win_over_a_result(tmp_path):
    own = own_folder(tmp_path / "own")
    root = preprocess.run(own, [mono], tmp_path / "out").root
    (root / "2.flac").write_text("my notes")
    own_folder(own, [0.5, 1, 0.25])
    for _ in range(2):
        out = preprocess.run(own, [mono], root)
        assert len(out) == 3 and out.check() and (root / "2.flac.yours").read_text() == "my notes"


@pytest.mark.parametrize("content", ["", '{"recipe": '])
def test_a_damaged_journal_says_what_to_do(raw, tmp_path, content):
    root = preprocess.run(raw.select([0, 1]), [mono], tmp_path / "tones").root
    (root / "journal.jsonl").write_text(content)
    with pytest.raises(CorpusError, match="delete the folder"):
        preprocess.run(raw.select([0, 1]), [mono], root)


# ------------------------------------------------------------------------------------------ whoever works


@pytest.mark.slow
def test_one_process_two_and_a_dask_cluster_write_the_same_bytes(planted, tmp_path):
    from dask.distributed import Client, LocalCluster

    root, _ = planted
    one = preprocess.run(root, STEPS, tmp_path / "one" / "tones")
    two = preprocess.run(root, STEPS, tmp_path / "two" / "tones", n_jobs=2)
    with (LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
          Client(cluster), joblib.parallel_config(backend="dask")):
        dask = preprocess.run(root, STEPS, tmp_path / "dask" / "tones")
    assert len(digests(one.root)) == len(one) + 5 and one.aside == two.aside == dask.aside
    assert digests(one.root) == digests(two.root) == digests(dask.root)


SCRIPT = """
    import functools, sys
    sys.path.insert(0, {tests!r})
    import test_run as t
    from audiolab import preprocess
    preprocess.run({raw!r}, [functools.partial(t.slow, log={log!r})], {root!r}, n_jobs={n_jobs})
"""


def slow(y, sr, log):
    counting(y, sr, log)
    if Path(log).with_suffix(".slow").exists():
        time.sleep(0.5)
    return y, sr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_in_the_middle_the_next_call_goes_on(raw, tmp_path, n_jobs):
    log, root = tmp_path / "log", tmp_path / "out" / "tones"
    code = textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent), raw=str(raw.root), log=str(log),
                                         root=str(root), n_jobs=n_jobs))
    log.with_suffix(".slow").touch()                                            # seconds of time to kill it in
    killed = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True)
    end = time.monotonic() + 180
    while not log.exists() or len(log.read_text()) < 5:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    log.with_suffix(".slow").unlink()
    begun = ran(log)
    assert not root.exists() and begun < len(raw)
    out = preprocess.run(raw, [partial(slow, log=str(log))], root)
    assert ran(log) <= len(raw) - begun + n_jobs                                # what was in hand, and no more
    alone = preprocess.run(raw, [partial(slow, log=str(log))], tmp_path / "alone" / "tones")
    assert digests(out.root) == digests(alone.root) and out.check()


def test_cut_off_between_the_two_renames_nothing_is_lost(raw, tmp_path, monkeypatch):
    root, rename = tmp_path / "tones", Path.rename
    preprocess.run(raw, [mono], root)

    def stumble(self, target):
        if self.name == ".tones.making":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stumble)
        with pytest.raises(CorpusError, match="cannot be written"):
            preprocess.run(raw, [centred], root)
    assert not root.exists()
    before = digests(tmp_path / ".tones.old")
    preprocess.run(raw, [mono], root)
    assert digests(root) == before
    assert not (tmp_path / ".tones.old").exists()


# ------------------------------------------------------------------------------------------ the machinery alone


def write_square(folder, name, number):
    if number < 0:
        raise ValueError("a negative number")
    (folder / f"{name}.part").write_text(str(number**2))
    return {"files": [f"{name}.part"], "digits": len(str(number**2))}


def put_together(root, folder, records, kept):
    """All results in one file, as a flat array would be; the parts are not kept."""
    old = json.loads((root / "all.bin").read_text()) if kept else {}
    together = {name: old[name] if name in kept else (folder / f"{name}.part").read_text()
                for name, record in records.items() if "problem" not in record}
    for file in folder.glob("*.part"):
        file.unlink()
    (folder / "all.bin").write_text(json.dumps(together))
    return ["all.bin"]


def test_results_that_are_put_together_are_kept_too(tmp_path):
    root = tmp_path / "squares"
    finish = partial(put_together, root)

    def squares(**numbers):
        jobs = {name: (str(number), number) for name, number in numbers.items()}
        records = batch.update(root, jobs, write_square, finish)
        return records, json.loads((root / "all.bin").read_text())

    records, together = squares(a=1, b=20, c=-3)
    assert together == {"a": "1", "b": "400"} and records["c"]["problem"] == "a negative number"
    assert records["b"]["digits"] == 3 and sorted(os.listdir(root)) == ["all.bin", "journal.jsonl"]
    records, together = squares(a=1, b=30, d=4)
    assert together == {"a": "1", "b": "900", "d": "16"}
    (root / "all.bin").write_text("spoiled")                                    # then nothing can be kept
    assert squares(a=1, b=30, d=4)[1] == together


def test_cut_off_at_the_renaming_the_next_call_goes_on(tmp_path, monkeypatch):
    """The journal of the whole lists no files of those that were put together: they are to be worked again."""
    root = tmp_path / "squares"
    finish, jobs = partial(put_together, root), {name: (name, number) for name, number in [("a", 1), ("b", 2)]}

    def refuse(*folders):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(batch, "_take_place", refuse)
        with pytest.raises(CorpusError, match="cannot be written"):
            batch.update(root, jobs, write_square, finish)
    batch.update(root, jobs, write_square, finish)
    assert json.loads((root / "all.bin").read_text()) == {"a": "1", "b": "4"}
    assert sorted(os.listdir(root)) == ["all.bin", "journal.jsonl"]


def test_what_was_finished_when_the_renaming_failed_is_not_done_again(raw, tmp_path, monkeypatch):
    log, root = tmp_path / "log", tmp_path / "tones"
    steps = [partial(counting, log=str(log))]
    with monkeypatch.context() as patch:
        patch.setattr(batch, "_take_place", lambda staging, *folders: staging.rename(tmp_path / "no" / "such"))
        with pytest.raises(CorpusError, match="cannot be written"):
            preprocess.run(raw, steps, root)
    assert ran(log) == len(raw)
    assert preprocess.run(raw, steps, root).check() and ran(log) == 0
    assert not list(root.glob(".*"))


def test_a_record_of_other_parameters_is_not_taken_for_this_one(tmp_path):
    """Cut off under one key, then under another: what lies there under the same name is of the second."""
    def stop(folder, name, number):
        if name == "z":
            raise KeyboardInterrupt
        return write_square(folder, name, number)

    finish = functools.partial(put_together, tmp_path / "s")
    for key in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            batch.update(tmp_path / "s", {"a": (str(key), key), "z": ("z", 0)}, stop, finish)
    batch.update(tmp_path / "s", {"a": ("1", 1), "z": ("z", 0)}, write_square, finish)
    assert json.loads((tmp_path / "s" / "all.bin").read_text()) == {"a": "1", "z": "0"}


def test_filtered_is_the_filter(raw, tmp_path):
    out = preprocess.run(raw.select([0]), [partial(filtered, cutoff=300, kind="lowpass", order=2)], tmp_path / "tones")
    want = preprocess.filter_signal(raw[0][0], preprocess.butterworth(2, 300, SR, "lowpass"))
    np.testing.assert_allclose(out[0][0], want, atol=1 / 32768)
