"""From clips to a detector: stages, what is kept, what an interruption leaves, what is refused."""

import contextlib
import errno
import hashlib
import json
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch

from audiolab import audio, cli, compress, pipeline, synth
from audiolab.pipeline import PlanError, listen, runs
from audiolab.pipeline.folds import network
from audiolab.pipeline.stages import STAGES
from audiolab.pipeline.team import Team
from audiolab.stream import RingBuffer

SR = 16000
SMALL = {"seconds": 0.5, "folds": 2, "epochs": 1, "denoise": "never"}


def tones(folder, n=4, sr=SR, classes=("high", "low")):
    """Short clips of two classes that anything could tell apart."""
    rng = np.random.default_rng(0)
    for label, hz in zip(classes, (3000, 300), strict=False):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            y = 0.3 * synth.tone(hz * rng.uniform(0.9, 1.1), 0.6, sr) + 0.01 * rng.normal(size=round(0.6 * sr))
            audio.save(folder / label / f"{i}.wav", y.astype(np.float32), sr)
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def own(tmp_path, home):
    """Settings for a small folder of one's own."""
    return {**SMALL, "name": "own", "corpus": str(tones(tmp_path / "clips"))}


def written(root):
    """When each result was written."""
    return {file.parent.name: file.stat().st_mtime_ns for file in root.glob("*/result.json")}


# ---------------------------------------------------------------------------------------- a run


def test_stages_are_done_once_and_graded(own, home, tmp_path):
    lines = []
    done = pipeline.run(own, until="evaluate", say=lines.append)
    assert list(done) == list(STAGES)[:7] and len(lines) == 7
    assert all(re.match("[✓✗·] ", line) for line in lines)
    assert done["split"]["shared"] == 0 and done["split"]["least"] == 2 and done["split"].ok
    assert done["collect"]["clips"] == 8 and done["preprocess"]["broken"] == 0
    assert sum(map(sum, json.loads(json.dumps(done["train"]["said"])))) == pytest.approx(8, abs=1e-3)
    root = home / "data" / "runs" / "pipeline" / "own"
    page = (root / "report.html").read_text("utf-8")
    assert not re.search(r'(src|href)="(?!data:|#)', page)     # no other address
    assert page.count("<img alt=") == page.count("<img ") >= 6 and "data:audio/mpeg" in page
    before = written(root)
    assert pipeline.run(own, until="evaluate")["evaluate"].numbers == done["evaluate"].numbers
    assert written(root) == before                              # nothing was done again
    pipeline.run(own | {"epochs": 2}, until="split")
    after = written(root)
    assert before.items() <= after.items() and len(after) == 7 + 2      # beside them; clips and pictures are the same
    audio.save(tmp_path / "clips" / "low" / "new.wav", np.full(9000, 0.1, np.float32) * synth.tone(250, 9000 / SR, SR),
               SR)
    assert pipeline.shown(own).missing == tuple(STAGES)         # another clip, and all is to be done


def test_a_result_shows_and_verifies_in_a_notebook(own, shell, capsys):
    done = pipeline.run(own, until="split")
    with pytest.MonkeyPatch.context() as patch:
        shown = []
        patch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
        done["preprocess"].show()
        done["split"].verify()
    assert [sorted(data) for data in shown[:2]] == [["image/png", "text/plain"], ["text/html", "text/plain"]]
    assert "groups in two folds" in shown[2]["text/plain"] and str(done).count("\n") == len(STAGES)


def test_groups_stay_in_one_fold(own, tmp_path):
    rows = [f"{label}/{i}.wav,{label},{label}{i // 2}" for label in ("high", "low") for i in range(4)]
    (tmp_path / "clips" / "clips.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    done = pipeline.run(own, until="split")
    fold = dict(zip([row.split(",")[0] for row in rows], done["split"]["fold"], strict=True))
    assert all(fold[f"{label}/{i}.wav"] == fold[f"{label}/{i + 1}.wav"] for label in ("high", "low") for i in (0, 2))


def test_one_sound_in_two_files_is_found(own, tmp_path):
    y = 0.2 * np.random.default_rng(5).normal(size=8000).astype(np.float32)
    for label, gain in (("high", 1), ("low", 0.5)):             # whoever deals them, they are of two classes …
        for i in (0, 1):                                        # … and two of each, so that some pair is divided
            audio.save(tmp_path / "clips" / label / f"twin-{i}.wav", gain * y, SR)
    done = pipeline.run(own, until="split")["split"]
    assert not done.ok and done["twins"] > 0 and "lies in another fold: are they one take?" in done.notes[0]


def test_cleaning_is_kept_only_if_interval_and_test_agree(own, tmp_path, monkeypatch):
    tones(tmp_path / "clips", n=8)
    wrong = {}

    def answered(plan, x, y, *_):
        said = torch.nn.functional.one_hot(y, 2).numpy().astype(np.float32)
        said[: wrong["n"]] = said[: wrong["n"], ::-1]           # of the first network; the second errs nowhere
        wrong["n"] = 0
        return said, [], None

    monkeypatch.setattr("audiolab.pipeline.folds.cross_validated", answered)
    for n, used in ((5, False), (6, True)):                     # as many coins fall alike: p is 1/16, and 1/32
        wrong["n"] = n
        done = pipeline.run(own | {"name": f"own-{n}", "denoise": "measure"}, until="denoise")["denoise"]
        assert done["low"] > 0 and done["used"] == used and done["p"] == 2**-(n - 1)


def test_two_runs_are_compared_about_the_same_clips(own, tmp_path, capsys):
    rows = [f"{label}/{i}.wav,{label},{label}{i // 2}" for label in ("high", "low") for i in range(4)]
    (tmp_path / "clips" / "clips.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    changed = own | {"name": "changed", "positive": "low", "epochs": 3}
    with pytest.raises(PlanError, match="The run 'own' is not done"):
        pipeline.compared(own, changed)
    done = [pipeline.run(plan, until="evaluate") for plan in (own, changed)]
    gain, low, high, p = pipeline.compared(own, changed)
    scores = [found["evaluate"]["macro_f1"] for found in done]
    assert gain == pytest.approx(scores[1] - scores[0]) and low <= gain <= high and 0 < p <= 1
    assert pipeline.compared(own, own) == (0, 0, 0, 1)
    files = []
    for plan in (own, changed):
        files.append(str(tmp_path / f"{plan['name']}.yaml"))
        Path(files[-1]).write_text("".join(f"{name}: {value}\n" for name, value in plan.items()))
    assert cli.main(["pipeline", "compare", *files]) == 0
    assert f"macro-F1 {gain:+.3f}, 95 % interval" in capsys.readouterr().out
    audio.save(tmp_path / "clips" / "low" / "0.wav", 0.2 * synth.tone(250, 0.6, SR), SR)
    pipeline.run(own, until="evaluate")
    other = {**own, "name": "other", "corpus": str(tones(tmp_path / "others"))}
    pipeline.run(other, until="evaluate")
    with pytest.raises(PlanError, match="about other clips"):
        pipeline.compared(own, other)


# ---------------------------------------------------------------------------------------- what is refused


def refused(plan, says, until="preprocess"):
    with pytest.raises(ValueError, match=says) as caught:
        pipeline.run(plan, until=until)
    assert "\n" not in str(caught.value)


def test_a_folder_from_which_nothing_can_be_learnt(own, tmp_path, home):
    clips = tmp_path / "clips"
    refused(own | {"corpus": str(tmp_path / "none")}, "there is no folder")
    refused(own | {"folds": 5}, "the class 'high' has 4 clips, and 5 folds take 5, from so many recordings: record "
                                "more, or write folds: 4")
    audio.save(clips / "beside.wav", synth.tone(440, 0.6, SR), SR)
    refused(own, r"1 recording without a label in .* \(beside.wav\)")
    (clips / "beside.wav").unlink()
    for i in (1, 2, 3):
        (clips / "low" / f"{i}.wav").unlink()
    refused(own, "the class 'low' has 1 clip, and nothing could be learnt from it")
    (clips / "low" / "0.wav").unlink()
    refused(own, "there is only the class 'high'")
    assert not written(home / "data" / "runs" / "pipeline" / "own")


def test_many_clips_of_one_recording_are_one(own, tmp_path):
    rows = [f"{label}/{i}.wav,{label},{label if label == 'low' else i}" for label in ("high", "low") for i in range(4)]
    (tmp_path / "clips" / "clips.csv").write_text("\n".join(["path,label,group", *rows]) + "\n")
    refused(own, r"the class 'low' has 4 clips of 1 recording \(column group\), and nothing could be learnt from it")


def test_broken_files_are_set_aside_and_named(own, tmp_path):
    low = tmp_path / "clips" / "low"
    (low / "torn.wav").write_bytes((low / "0.wav").read_bytes()[:5000])
    (low / "empty.wav").write_bytes(b"")
    audio.save(low / "silent.wav", np.zeros(9000, np.float32), SR)
    done = pipeline.run(own, until="preprocess")
    notes = " ".join(done["collect"].notes)
    assert not done["collect"].ok and "files set aside 27.27 %" in str(done["collect"])
    assert done["collect"]["set_aside"] == 3 and done["preprocess"]["clips"] == 8
    assert all(name in notes for name in ("torn.wav", "empty.wav", "silent.wav"))


def test_mixed_rates_are_brought_to_one_or_refused(own, tmp_path):
    tones(tmp_path / "clips", n=2, sr=44100)
    done = pipeline.run(own, until="preprocess")
    assert "Clips of 16000, 44100 Hz were brought to 16000 Hz" in done["preprocess"].notes[0]
    refused(own | {"preprocess": False}, "the clips have 16000 and 44100 Hz: write preprocess: true")


def test_a_gpu_that_is_not_there(own, home):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    refused(own | {"device": "cuda"}, "PyTorch finds no such GPU here")
    assert not home.exists()


def test_no_scheduler_answers(own):
    pytest.importorskip("distributed")
    with pytest.MonkeyPatch.context() as patch:
        import distributed

        def nobody(address, timeout):
            raise TimeoutError

        patch.setattr(distributed, "Client", nobody)
        refused(own | {"cluster": "tcp://127.0.0.1:9"}, "no Dask scheduler answers at tcp://127.0.0.1:9")


# ---------------------------------------------------------------------------------------- cut off


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_while_writing(own, home, monkeypatch, error):
    from audiolab.pipeline import results

    def full(path):
        raise error

    done = pipeline.run(own, until="collect")
    with monkeypatch.context() as patch:
        patch.setattr(results.paths, "replacing", full)
        with pytest.raises(ValueError if isinstance(error, OSError) else KeyboardInterrupt) as caught:
            pipeline.run(own, until="split")
    if isinstance(error, OSError):
        assert "(No space left on device)" in str(caught.value) and str(caught.value).endswith("kept.")
    assert list(pipeline.shown(own)) == ["collect"]
    again = pipeline.run(own, until="split")
    assert again.ok and again["collect"].seconds == done["collect"].seconds


def test_finished_folds_are_not_trained_again(own, monkeypatch):
    from audiolab import training

    fit, calls = training.fit, []

    def counted(*args, **options):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(options["seed"])
        return fit(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", counted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(own, until="train")
    more = []
    monkeypatch.setattr(training, "fit", lambda *args, **options: more.append(options["seed"]) or fit(*args, **options))
    assert pipeline.run(own, until="train")["train"]["parameters"] > 0
    assert calls == [0] and more == [1, 2]                      # the other fold, and the last network


@pytest.mark.parametrize(("error", "says"), [
    (FileNotFoundError(errno.ENOENT, "No such file", "low/3.wav"), "'low/3.wav' is not there any more: put it back"),
    (ConnectionResetError("closed by peer"), "connection to other processes is lost .closed by peer.: see whether"),
    (OSError(errno.ENOSPC, "No space left", "/full/x"), "'/full/x' cannot be written .No space left.: make room"),
])
def test_what_went_wrong_is_told_in_words(own, monkeypatch, error, says):
    import dataclasses

    def broken(*_):
        raise error

    monkeypatch.setitem(STAGES, "preprocess", dataclasses.replace(STAGES["preprocess"], work=broken))
    refused(own, says)


def test_a_number_that_is_measured_anew_is_quoted_anew(own):
    done = pipeline.run(own, until="preprocess")
    numbers = done["collect"].numbers
    done["collect"].numbers = numbers | {"minutes": 7.0}        # as if it had been timed on another day
    done["collect"].save()
    assert list(pipeline.shown(own)) == ["collect"]
    assert pipeline.run(own, until="preprocess")["preprocess"]["minutes"] == 7.0


def test_grades_say_how_sure_they_are():
    result = pipeline.Result("evaluate", "", None)
    result.grade("macro-F1", 0.925, between=[0.83, 1.0], at_least=0.85)
    assert result.ok and str(result).endswith("macro-F1 0.925, 0.83 to 1 (at least 0.85: kept, not surely)")
    result.grade("p99", 50.46, "ms", timing=True, between=[25.23, 100.92], at_most=50)
    assert result.ok and result.mark == "·" and "50.46, 25.23 to 100.9 ms" in str(result)
    assert str(result).endswith("(at most 50 ms: missed, not surely, a time: not enforced)")
    result.grade("p99 elsewhere", 30, "ms", timing=True, between=[15, 60], at_most=50)
    assert [grade.mark for grade in result.grades] == ["✓", "·", "·"]
    result.grade("parity", float("nan"), at_most=1)
    assert not result.ok and result.mark == "✗"


def test_two_runs_of_one_name_do_not_meet(own, home):
    from filelock import FileLock

    (home / "data" / "runs" / "pipeline").mkdir(parents=True)
    with FileLock(home / "data" / "runs" / "pipeline" / ".own.lock"):
        refused(own, "Another run called 'own' is at work")


def test_clear_removes_its_own_folder_alone(own, home):
    pipeline.run(own, until="collect")
    pipeline.run(own | {"name": "other"}, until="collect")
    assert runs.clear(own) == home / "data" / "runs" / "pipeline" / "own"
    assert [f.name for f in (home / "data" / "runs" / "pipeline").iterdir() if f.is_dir()] == ["other"]
    with pytest.raises(PlanError, match="There is nothing to remove"):
        runs.clear(own)


# ---------------------------------------------------------------------------------------- streams


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model = network(pipeline.Plan(), 64, 2).eval()
    compress.export(model, file, torch.randn(2, 1, 64, 51))
    return file


@pytest.mark.parametrize("clean", [False, True])
def test_a_stream_in_any_blocks_decides_as_the_whole(exported, clean):
    rng = np.random.default_rng(1)
    y = 0.1 * rng.normal(size=4 * SR + 123).astype(np.float32)
    whole = listen.offline(exported, y, SR, 0.5, clean)
    for most in (700, 5000, 40000)[: 1 if clean else 3]:
        listener, found, at = pipeline.Listener(exported, SR, 0.5, clean), [], 0
        while at < len(y):
            block = y[at : at + rng.integers(1, most)]
            found.extend(listener(block))
            at += len(block)
        assert len(found) == len(whole) == (8 if clean else 7)  # the last column waits for samples that do not come
        np.testing.assert_allclose(np.array(found), whole, atol=1e-5)


def test_a_constant_does_not_reach_the_network(exported):
    y = 0.1 * np.random.default_rng(2).normal(size=4 * SR).astype(np.float32)
    plain, lifted = (pipeline.Listener(exported, SR, 0.5)(one) for one in (y, y + np.float32(0.2)))
    np.testing.assert_allclose(plain, lifted, atol=1e-5)
    np.testing.assert_allclose(listen.offline(exported, y + np.float32(0.2), SR, 0.5), lifted, atol=1e-5)
    raw = [pipeline.Listener(exported, SR, 0.5, highpass=False)(one) for one in (y, y + np.float32(0.2))]
    assert np.abs(raw[0] - raw[1]).max() > 3e-4                 # which it would, and by more after training


def test_a_listener_notices_what_it_has_missed(exported):
    y = 0.1 * np.random.default_rng(3).normal(size=3 * SR).astype(np.float32)
    listener, microphone = pipeline.Listener(exported, SR, 0.5), RingBuffer(SR)
    microphone.write(y[:SR])
    assert len(listener.follow(microphone)) == 1 and listener.missed == 0
    microphone.write(y[SR : 2 * SR])
    microphone.write(y[2 * SR : 2 * SR + 8000])                 # half a second more than it holds
    late = listener.follow(microphone)
    assert listener.missed == 0.5 and listener.clock == 2.5
    np.testing.assert_allclose(late, pipeline.Listener(exported, SR, 0.5)(y[SR + 8000 : 2 * SR + 8000]), atol=1e-6)
    again = pickle.loads(pickle.dumps(listener))                # as a process that is timed gets it
    assert again.clock == 2.5 and len(again(y[:SR])) > 0


def test_alerts_and_what_they_are_worth():
    p = np.zeros(40)
    p[[4, 5, 7, 20, 21]] = 0.9                                  # a dip at 6; decisions at 2 + i / 2 seconds
    found = pipeline.alerts(p, 0.5, 2.0)
    assert found.tolist() == [[4.0, 5.5], [12.0, 12.5]]
    assert pipeline.alerts(p, 0.5, 2.0, merge=0).tolist() == [[4.0, 4.5], [5.5, 5.5], [12.0, 12.5]]
    hits, false, delay = pipeline.counted(found, [(3.0, 4.0), (14.0, 15.0)], 2.0)
    assert hits.tolist() == [True, False] and false.tolist() == [False, True]
    assert delay[0] == 1.0 and np.isnan(delay[1])
    for alarms, hit, wrong in (([(9.0, 9.5)], False, False),    # its echo: neither found nor false
                               ([(9.0, 8.9 + 0.05)], False, True),      # too long ago
                               ([(12.45, 13.0)], False, False),         # 50 ms of it were heard
                               ([(2.0, 3.0)], True, False)):
        at = found[:1] if hit else found[1:]
        hits, false, _ = pipeline.counted(at, alarms, 2.0)
        assert hits.tolist() == [hit] and false.tolist() == [wrong], alarms
    hits, false, delay = pipeline.counted(pipeline.alerts(p, 0.95, 2.0), [(1.0, 2.0)], 2.0)
    assert hits.tolist() == [False] and not len(false) and np.isnan(delay).all()
    assert pipeline.counted(found, [], 2.0)[1].tolist() == [True, True]
    with pytest.raises(ValueError, match="A threshold of 0 makes no sense"):
        pipeline.alerts(p, 0, 2.0)


def test_what_a_count_of_false_alerts_does_not_see():
    forever = np.array([[2.0, 60.0]])                           # one alert: finds the alarm, and is never false
    hits, false, _ = pipeline.counted(forever, [(10.0, 11.0)], 2.0)
    assert hits.all() and not false.any()
    assert pipeline.false_seconds(forever, [(10.0, 11.0)], 2.0) == (117 - 7) * 0.5      # but for 10.5, 11 … 13.5
    assert pipeline.false_seconds(forever, [], 2.0) == 117 * 0.5
    assert pipeline.false_seconds(np.zeros((0, 2)), [(10.0, 11.0)], 2.0) == 0
    assert pipeline.false_seconds([(10.5, 11.0)], [(10.0, 11.0)], 2.0) == 0


def test_rates_have_the_interval_of_poisson():
    from scipy.stats import poisson

    for n in (1, 2, 7):
        low, high = listen.hourly(n, 3600)
        assert poisson.sf(n - 1, low) == pytest.approx(0.025) and poisson.cdf(n, high) == pytest.approx(0.025)
        assert listen.hourly(n, 360) == pytest.approx((10 * low, 10 * high))
    assert listen.hourly(0, 3600) == pytest.approx((0, -np.log(0.025)))


def test_a_table_of_events_is_read_or_refused(tmp_path):
    file = tmp_path / "evening.csv"
    file.write_text("onset,offset,note\n1.5,2,kettle\n7,8.5,\n")
    assert listen.events(file).tolist() == [[1.5, 2], [7, 8.5]]
    told = listen.account([(2.5, 3.5), (20.0, 20.5)], listen.events(file), 2.0, 600)
    assert told.startswith("1 of 2 events found, a share of 0.09 to 0.91; 1 false alerts in 10.0 minutes, in an hour ")
    assert told.endswith("1 s cried for nothing.")
    file.write_text("onset,offset\n")
    assert "0 of 0 events found; 1 false" in listen.account([(20.0, 20.5)], listen.events(file), 2.0, 600)
    for text in ("", "1.5,2\n", "onset,offset\n2,1.5\n", "onset,offset\n1:30,1:32\n", "onset,offset\n3,\n", "\0\1"):
        file.write_text(text)
        with pytest.raises(PlanError, match=r"evening\.csv' is no table of events: its first line is onset,offset"):
            listen.events(file)
    with pytest.raises(PlanError, match="cannot be read: No such file"):
        listen.events(tmp_path / "none.csv")


# ---------------------------------------------------------------------------------------- the whole, and the server


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small run, all of it; the simulated board makes few calls."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIOLAB_HOME", str(folder / "home"))
        plan = {**SMALL, "name": "whole", "corpus": str(tones(folder / "clips")), "epochs": 60}
        yield plan, pipeline.run(plan)


@pytest.mark.slow
def test_a_small_run_from_end_to_end(finished):
    _, done = finished
    assert not done.missing and done["stream"]["differ"] == 0
    assert set(done["profile"]["ms"]) == {"Raspberry Pi 4", "Raspberry Pi 5"}
    card = json.loads((done["card"].folder / "card.json").read_text("utf-8"))
    assert card["labels"] == ["high", "low"] and "licence" in card and len(card["limits"]) >= 3
    assert card["positive"] == "high" and card["threshold"] == 0.5 and card["each"] == {"high": 4, "low": 4}
    assert card["features"]["n_mels"] == 64 and len(card["content"]) == 16
    assert card["costs"]["ms"] == done["profile"]["ms"]
    model = (done["int8"].folder / "model-int8.onnx").read_bytes()
    assert card["files"]["model-int8.onnx"] == hashlib.sha256(model).hexdigest()[:16]
    assert card["shape"] == [1, 1, 64, 51] and set(card["versions"]) == {"audiolab", "torch", "onnxruntime"}
    assert card["false_alerts_an_hour"] == card["found_in_a_stream"] == "not measured by this run"
    text = (done["card"].folder / "card.md").read_text("utf-8")
    assert "**Not for.**" in text and "a column of 25 ms" in text and "other training clips are not in it" in text
    assert "order high, low" in text and "False alerts an hour: not measured by this run" in text


@pytest.mark.slow
def test_limits_that_were_found_come_onto_the_card(finished):
    plan, done = finished
    file = done["card"].folder.parent / "limits.txt"
    file.write_text("It hears whistles.\n\n And kettles. \n", "utf-8")
    before = written(file.parent)
    card = pipeline.run(plan)["card"]
    assert card["card"]["limits"][-2:] == ["It hears whistles.", "And kettles."]
    assert card["card"]["limits"][:-2] == done["card"]["card"]["limits"]
    assert "- It hears whistles.\n- And kettles." in (card.folder / "card.md").read_text("utf-8")
    assert len(written(file.parent).items() - before.items()) == 1      # the card, and nothing else
    file.write_bytes(b"\xff\xfe")
    refused(plan, "limits.txt' is no text in UTF-8", until=None)
    file.unlink()
    assert pipeline.run(plan)["card"].numbers == done["card"].numbers


def asked(address, content=None, **headers):
    request = urllib.request.Request(address, data=content, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.slow
def test_the_server_answers_who_knows_the_token(finished, tmp_path):
    from audiolab.pipeline import serve

    plan, _ = finished
    http, address = serve.server(plan)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        audio.save(tmp_path / "a.wav", 0.3 * synth.tone(300, 1.0, SR), SR)
        sound = (tmp_path / "a.wav").read_bytes()
        status, said = asked(address, sound)
        said = json.loads(said)
        assert status == 200 and set(said) == {"at", "high", "low"} and 0 <= said["at"] <= 0.5
        assert said["high"] + said["low"] == pytest.approx(1, abs=1e-3)
        status, page = asked(address)
        assert status == 200 and b"<h1>whole</h1>" in page
        for wrong in (address.split("?")[0], address + "x"):
            assert asked(wrong)[0] == asked(wrong, sound)[0] == 403
        for bad, says in ((b"no sound", "audio"), (sound[:2000], "cut short"), (b"", "Send a recording")):
            status, said = asked(address, bad)
            assert status in (400, 411) and says in json.loads(said)["error"] and b"\n" not in said
        status, said = asked(address, bytes(30_000_000))        # all of it is sent, and the answer is seen
        assert status == 413 and "at most 20,000,000 are taken" in json.loads(said)["error"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(serve, "PATIENCE", 0.5)
            begin = time.monotonic()
            host, port = http.server_address
            with socket.create_connection((host, port)) as line:
                line.sendall(f"POST /{address.partition('/?')[2].join('?.')[:-1]} HTTP/1.1\r\nContent-Length: 9999\r\n"
                             "\r\n".encode())
                with contextlib.suppress(OSError):
                    for _ in range(30):
                        line.sendall(b"x")
                        time.sleep(0.05)
                assert b"bytes arrived: send it again" in line.makefile("rb").read()
            assert time.monotonic() - begin < 10
    finally:
        http.shutdown()
        http.server_close()


@pytest.mark.slow
def test_the_likeliest_window_and_all_alerts_are_found(finished, tmp_path, capsys):
    from audiolab.pipeline.serve import Detector

    plan, _ = finished
    rng = np.random.default_rng(4)
    y = np.concatenate([0.3 * synth.tone(hz, 2.0, SR) for hz in (300, 3000, 300)]) + 0.01 * rng.normal(size=6 * SR)
    audio.save(tmp_path / "long.wav", y.astype(np.float32), SR)
    detector = Detector(plan)
    said = detector((tmp_path / "long.wav").read_bytes())
    assert detector.labels == ["high", "low"] and said["high"] > said["low"] and 1.5 <= said["at"] <= 4
    [(first, last, most)] = detector.alerts(tmp_path / "long.wav")
    assert 2 <= first <= last <= 4.5 and most >= 0.5
    (tmp_path / "whole.yaml").write_text("".join(f"{name}: {value}\n" for name, value in plan.items()))
    assert cli.main(["pipeline", "listen", str(tmp_path / "whole.yaml"), str(tmp_path / "long.wav")]) == 0
    assert "1 alerts from a probability of 0.5 on" in capsys.readouterr().out
    (tmp_path / "long.csv").write_text("onset,offset\n2,4\n")
    assert cli.main(["pipeline", "listen", str(tmp_path / "whole.yaml"), str(tmp_path / "long.wav"), "--events",
                     str(tmp_path / "long.csv")]) == 0
    assert "\n1 of 1 events found, a share of 0.21 to 1.00; 0 false alerts in 0.1 minutes" in capsys.readouterr().out
    audio.save(tmp_path / "short.wav", y[:4000].astype(np.float32), SR)
    assert cli.main(["pipeline", "listen", str(tmp_path / "whole.yaml"), str(tmp_path / "short.wav")]) == 2
    assert "The recording lasts 0.2 s" in capsys.readouterr().err


def test_the_class_that_is_watched_for_comes_first(own):
    assert pipeline.run(own | {"positive": "low"}, until="collect")["collect"]["labels"] == ["low", "high"]
    refused(own | {"positive": "lo"}, "positive: there is no class 'lo'. There are high, low.")


def test_nothing_is_served_before_it_is_there(own):
    from audiolab.pipeline import serve

    with pytest.raises(PlanError, match="Nothing can be served before denoise and int8 are done"):
        serve.server(own)


# ---------------------------------------------------------------------------------------- real processes


def command(*arguments, launcher=()):
    return [sys.executable, *launcher, "-m", "audiolab", "pipeline", *arguments]


def two_processes():
    return ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1", "--rdzv_backend",
            "c10d", "--rdzv_endpoint", "127.0.0.1:0"]


def environment(home):
    return os.environ | {"AUDIOLAB_HOME": str(home), "OMP_NUM_THREADS": "1",
                         "PYTHONPATH": str(Path(__file__).parents[1])}


@pytest.fixture
def plan(own, tmp_path):
    def write(**settings):
        file = tmp_path / "own.yaml"
        file.write_text("".join(f"{name}: {value}\n" for name, value in (own | settings).items()))
        return file
    return write


@pytest.mark.slow
def test_a_kill_in_training_loses_no_finished_epoch(plan, home):
    file = plan(epochs=400)
    process = subprocess.Popen(command("run", str(file), "--until", "train"), env=environment(home),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root = home / "data" / "runs" / "pipeline" / "own"
    until = time.monotonic() + 240
    while not list(root.glob("folds/*/fold-1.pt")) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [state] = root.glob("folds/*/fold-1.pt")
    rows = torch.load(state, weights_only=True)["rows"]
    assert 0 < len(rows) < 400
    first = next(root.glob("folds/*/fold-0.safetensors")).stat().st_mtime_ns
    assert cli.main(["pipeline", "run", str(file), "--until", "train"]) in (0, 1)
    assert next(root.glob("folds/*/fold-0.safetensors")).stat().st_mtime_ns == first
    losses = json.loads(next(root.glob("folds/*/fold-1.json")).read_text())
    assert len(losses) == 400 and losses[: len(rows)] == [row["loss"] for row in rows]


@pytest.mark.slow
def test_two_processes_share_a_run(plan, home):
    together = plan(epochs=2)
    alone = plan(epochs=2, name="alone").rename(together.with_name("alone.yaml"))
    plan(epochs=2)
    for file, launcher in ((together, two_processes()), (alone, ())):
        done = subprocess.run(command("run", str(file), "--until", "int8", launcher=launcher),
                              env=environment(home), capture_output=True, text=True, timeout=300)
        assert done.returncode in (0, 1) and "Report:" in done.stdout, done.stderr[-2000:]
        assert done.stdout.count("collect ") == 1               # one speaks
    two, one = pipeline.shown(together), pipeline.shown(alone)
    for stage in ("train", "evaluate", "int8"):
        assert two[stage].numbers == one[stage].numbers         # to the digit, whoever trained which fold
    weights = [(found["train"].folder / "model.safetensors").read_bytes() for found in (two, one)]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_refuse_in_one_line(plan, home):
    done = subprocess.run(command("run", str(plan(folds=9)), launcher=two_processes()), env=environment(home),
                          capture_output=True, text=True, timeout=300)
    assert done.returncode and done.stderr.count("audiolab: corpus: the class 'high' has 4 clips") == 1


def kill_once(found, pid):
    """End a process as soon as there is something to be lost."""
    until = time.monotonic() + 120
    while not found() and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_dask_cluster_prepares_the_same_clips_also_when_a_worker_dies(own, home, tmp_path):
    distributed = pytest.importorskip("distributed")
    tones(tmp_path / "clips", n=60)
    here = pipeline.run(own | {"name": "here"}, until="preprocess")
    root = home / "data" / "runs" / "pipeline" / "there"
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None,
                                  local_directory=str(tmp_path / "dask")) as cluster:
        doomed = next(iter(cluster.workers.values())).process.pid
        killer = threading.Thread(target=kill_once, args=(lambda: list(root.glob("02-*/.clips.making/*/*")), doomed))
        killer.start()
        there = pipeline.run(own | {"name": "there", "cluster": cluster.scheduler_address}, until="preprocess")
        killer.join()
    for file in ("pictures/features.npy", "clips/low/2.flac"):
        assert (here["preprocess"].folder / file).read_bytes() == (there["preprocess"].folder / file).read_bytes()


@pytest.mark.slow
def test_the_default_run_reaches_its_numbers(home):
    done = pipeline.run({})
    assert done.ok                                              # times are not enforced
    assert done["evaluate"]["macro_f1"] >= 0.85 and done["int8"]["points_lost"] <= 1
    assert not done["denoise"]["used"] and done["denoise"]["low"] < 0 < done["denoise"]["high"]


def test_a_team_of_one_just_does_it():
    assert Team.alone().once(lambda: 7) == 7 and Team.alone().lead
