"""Events in step with their player, and sliders that make events of probabilities: what they show, say and refuse."""

import base64
import re
import time

import numpy as np
import pandas as pd
import pytest

from audiolab import audio, corpus, measure, synth, widgets
from audiolab import detection as scored
from audiolab.widgets import detection, explorer

pytestmark = pytest.mark.usefixtures("shell")
SR, HOP = 16000, 0.04
LABELS = ["cat", "dog", "bell"]
Y = synth.tone(500, 4.0, SR, 0.3)
TRUTH = pd.DataFrame([(0.4, 2.0, "bell"), (1.0, 1.5, "dog"), (3.0, 4.0, "bell")], columns=["onset", "offset", "label"])
TRACKS = {"truth": TRUTH, "found": TRUTH[1:2]}


@pytest.fixture
def made(monkeypatch, shown):
    views = []

    def keeping(real):
        return lambda *args, **given: views.append(real(*args, **given)) or views[-1]

    monkeypatch.setattr(detection, "Soundscape", keeping(detection.Soundscape))
    monkeypatch.setattr(explorer, "Explorer", keeping(explorer.Explorer))
    return views


def test_a_soundscape_leaves_its_picture_and_says_in_words_what_is_in_it(shown, made):
    widgets.soundscape(Y, SR, TRACKS, labels=LABELS, title="<b>A bell</b>")
    [(data, metadata)], [view] = shown, made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"] == view.drawn["alt"] == (
        "Log-mel spectrogram of 4.0 s, and under it what sounds when. truth: bell 0.4 to 2.0 s, dog 1.0 to 1.5 s, bell "
        "3.0 to 4.0 s. found: dog 1.0 to 1.5 s.")
    assert view.drawn["title"] == "<b>A bell</b>" and "<b>" not in view.player
    [coded] = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', view.player)
    heard, sr = audio.load(base64.b64decode(coded), mono=True)
    assert measure.peak_frequency(heard, sr) == pytest.approx(500, abs=2)


def test_what_is_drawn_are_the_events_row_by_row(made):
    widgets.soundscape(np.stack([Y, Y]), SR, TRACKS, labels=LABELS)
    drawn = made[0].drawn
    assert (drawn["title"], drawn["duration"], drawn["lanes"]) == ("What sounds when", 4, ["dog", "bell"])
    assert [track["name"] for track in drawn["tracks"]] == ["truth", "found"]
    assert all(drawn["tracks"][0][how] != drawn["tracks"][1][how] for how in ("color", "filling"))
    assert drawn["events"] == [[1, 1.5, 0, 0], [1, 1.5, 0, 1], [0.4, 2, 1, 0], [3, 4, 1, 0]]
    assert drawn["picture"].startswith("data:image/png;base64,")


def test_the_named_rows_of_the_picture_are_where_these_frequencies_sound():
    from audiolab import features

    rows = detection._kilohertz(SR, 64)
    assert list(rows.values()) == ["0.5", "1", "2", "4"]
    for row, name in rows.items():
        loudest = features.log_mel(synth.tone(1000 * float(name), 1.0, SR, 0.3), SR)[:, 50].argmax()
        assert abs(loudest - row) <= 1


def test_a_soundscape_in_which_nothing_happens_is_heard_too(shown, made):
    widgets.soundscape(Y, SR, {"found": TRUTH[:0]}, labels=LABELS)
    assert made[0].drawn["lanes"] == made[0].drawn["events"] == [] and "found: no events." in made[0].drawn["alt"]


@pytest.mark.parametrize("change, words", [
    ({"tracks": {"truth": TRUTH.assign(label="cow")}}, "truth holds “cow”, which is none of the classes: cat, dog"),
    ({"tracks": {"truth": TRUTH.assign(offset=0.1)}}, "an event that does not end after it begins"),
    ({"y": Y[: 2 * SR]}, r"The events end at 4\.00 s and the sound at 2\.00 s: give the sound of all of them"),
    ({"y": np.zeros(0, np.float32)}, "the signal is empty"),
    ({"y": np.zeros((3, 4 * SR), np.float32)}, "one or two channels, not 3"),
])
def test_what_does_not_fit_is_refused_in_one_line(shown, change, words):
    with pytest.raises(ValueError, match=words) as refused:
        widgets.soundscape(**{"y": Y, "sr": SR, "tracks": TRACKS, "labels": LABELS, **change})
    assert "\n" not in str(refused.value) and shown == []


# ---- the sliders

CLIPS, FRAMES = 20, 100
RNG = np.random.default_rng(0)


def scene(row):
    events = [{"onset": float(t), "offset": float(t + 0.9), "label": label}
              for t, label in zip(row["onsets"], ("dog", "bell"), strict=True)]
    return corpus.Clip(synth.tone(500, 4.0, SR, 0.1), SR, {"events": events})


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    plan = pd.DataFrame({"path": [f"{i}.flac" for i in range(CLIPS)], "onsets": list(RNG.uniform(0, 3.1, (CLIPS, 2)))})
    return corpus.make(tmp_path_factory.mktemp("corpus") / "scenes", plan, scene)


@pytest.fixture(scope="module")
def p(scenes):
    """Probabilities that are nearly right, and tremble."""
    events = scenes.sidecar("events")
    grid = np.stack([scored.to_frames(events[events.path == path], LABELS, FRAMES, HOP) for path in scenes.table.path])
    return np.clip(0.15 + 0.6 * grid + RNG.normal(0, 0.12, grid.shape), 0, 1).astype(np.float32)


def figures(view):
    """F1, precision and recall of segments, and of events, as the picture says them."""
    alt = re.search(r'alt="([^"]+)"', view.outputs[0])[1]
    return [float(x) for x in re.findall(r"(?:F1|precision|recall) (\d\.\d\d)", alt)]


@pytest.mark.parametrize("high, low, smooth", [(0.5, 1.0, 1), (0.45, 0.6, 9), (0.05, 0.2, 25), (0.95, 1.0, 3)])
def test_sliders_say_what_the_same_rule_scores_clip_by_clip(shown, made, scenes, p, high, low, smooth):
    widgets.thresholds(p, scenes, LABELS, HOP, show=3)
    [(data, _)], [view] = shown, made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert [(c["min"], c["max"], c["step"]) for c in view.controls] == [(0.05, 0.95, 0.05), (0.2, 1.0, 0.1), (1, 25, 2)]
    view.values = {"high": high, "low": low, "smooth": smooth}
    assert view.problem == ""

    rule, events, paths = scored.Rule((high,) * 3, low, smooth), scenes.sidecar("events"), scenes.table.path
    found = pd.concat([scored.decide(clip, LABELS, HOP, rule).assign(path=path)
                       for clip, path in zip(p, paths, strict=True)])
    frames = [np.stack([scored.to_frames(table[table.path == path], LABELS, FRAMES, HOP) for path in paths])
              for table in (events, found)]
    scores = scored.segment_f1(*(scored.segments(one, HOP) for one in frames)), scored.event_f1(events, found)
    wanted = [score[name] for score in scores for name in ("f1", "precision", "recall")]
    assert figures(view) == pytest.approx(wanted, abs=0.0051)


def test_the_clip_that_is_drawn_is_the_one_that_was_asked_for(made, scenes, p, monkeypatch):
    drawn = []
    monkeypatch.setattr(detection.plots, "events", lambda **given: drawn.append(given))
    widgets.thresholds(p, scenes, LABELS, HOP, show=7)
    [given] = drawn
    events = scenes.sidecar("events")
    assert given["probabilities"] == pytest.approx(p[7]) and given["thresholds"] == (0.5,) * 3
    assert list(given["tracks"]["truth"].onset) == list(events[events.path == "7.flac"].onset)
    want = scored.decide(p[7], LABELS, HOP, scored.Rule((0.5,) * 3))
    for column in ("onset", "offset"):
        assert list(given["tracks"]["found"][column]) == pytest.approx(list(want[column]))
    assert list(given["tracks"]["found"].label) == list(want.label)


def test_what_the_sliders_say_of_many_clips_takes_no_time(made, scenes, p, monkeypatch):
    monkeypatch.setattr(detection.plots, "events", lambda **given: None)
    widgets.thresholds(p, scenes, LABELS, HOP)
    made[0].values = {"high": 0.4, "low": 0.5, "smooth": 9}
    start = time.process_time()
    made[0].values = {"high": 0.45, "low": 0.5, "smooth": 9}
    assert time.process_time() - start < 0.2                            # of 120 clips it took 0.02


@pytest.mark.parametrize("change, words", [
    ({"p": np.zeros((CLIPS, FRAMES, 4))}, r"p has shape \[20, 100, 4\]: for 20 clips and 3 classes it must be "),
    ({"p": np.zeros((CLIPS, FRAMES))}, r"it must be \[20, frames, 3\]"),
    ({"show": 20}, "show is the number of a clip, 0 to 19, not 20"),
    ({"labels": ["a", "b", "c"]}, "Not among the classes: bell, dog"),
    ({"hop": 0.03}, "no whole number of frames"),
])
def test_what_does_not_fit_the_sliders_is_refused(shown, scenes, p, change, words):
    with pytest.raises(ValueError, match=words):
        widgets.thresholds(**{"p": p, "corpus": scenes, "labels": LABELS, "hop": HOP, **change})
    assert shown == []
