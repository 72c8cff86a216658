"""A confusion matrix and a map open the clips that they say, a few at a time, and leave a picture without a kernel."""

import base64
import re
import threading

import numpy as np
import pandas as pd
import pytest
from IPython.display import display
from IPython.utils.capture import capture_output

from audiolab import audio, corpus, measure, metrics, plots, synth, widgets
from audiolab.widgets import clips, explorer

pytestmark = pytest.mark.usefixtures("shell")
SR = 8000
LABELS = ["alarm", "bell", "siren"]
TRUTH = ["siren"] * 9 + ["bell"] * 3 + ["alarm"] * 3
PREDICTED = ["siren"] + ["alarm"] * 8 + ["bell", "bell", "siren"] + ["alarm"] * 3
HZ = 300 + 50 * np.arange(len(TRUTH))                           # of each clip, so that one tells them apart
POINTS = np.random.default_rng(0).normal(size=(len(TRUTH), 2)) * [10, 2]


def tone(row):
    return corpus.Clip(synth.tone(row["hz"], 0.5, SR, 0.3), SR)


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    plan = pd.DataFrame({"path": [f"{hz}.flac" for hz in HZ], "label": TRUTH, "hz": HZ})
    return corpus.make(tmp_path_factory.mktemp("corpus") / "tones", plan, tone)


@pytest.fixture
def made(monkeypatch, shown):
    views = []

    def keeping(real):
        return lambda *args, **options: views.append(real(*args, **options)) or views[-1]

    for name in ("ConfusionMatrix", "SoundMap"):
        monkeypatch.setattr(clips, name, keeping(getattr(clips, name)))
    return views


def ask(view, **wanted):
    """What the page gets when it asks."""
    view.chosen = {**wanted, "turn": view.chosen.get("turn", 0) + 1}
    assert view.opened["turn"] == view.chosen["turn"]
    return view.opened


def heard(clip):
    """The pitch of a player, in Hz."""
    y, sr = audio.load(base64.b64decode(re.search(r"data:audio/mpeg;base64,([^\"]+)", clip)[1]), mono=True)
    return measure.peak_frequency(y, sr)


# ---- the confusion matrix

def test_confusion_leaves_a_picture_that_names_the_largest_confusions(shown, made, tones):
    widgets.confusion(TRUTH, PREDICTED, tones)
    [(data, metadata)], [view] = shown, made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"] == (
        "Confusion matrix: 6 of 15 clips right. Most often wrong: siren called alarm (8), bell called siren (1).")
    assert view.drawn["labels"] == LABELS and view.drawn["title"] == "6 of 15 clips right"
    assert view.drawn["counts"] == metrics.confusion_matrix(TRUTH, PREDICTED, LABELS).tolist()
    assert view.opened == {}
    widgets.confusion(TRUTH, TRUTH, tones, title="All of them")
    assert shown[1][0]["text/plain"].endswith("15 of 15 clips right. None was taken for another class.")
    assert made[1].drawn["title"] == "All of them"


def test_a_cell_opens_its_clips_six_at_a_time(made, tones):
    widgets.confusion(TRUTH, PREDICTED, tones)
    [view] = made
    opened = ask(view, row=2, column=0)
    assert opened["said"] == "siren called alarm, clips 1 to 6 of 8." and opened["more"] == 2
    for k, clip in enumerate(opened["clips"], 1):
        assert f"<figcaption>siren called alarm, clip {k} of 8</figcaption>" in clip
        assert f'alt="Spectrogram of siren called alarm, clip {k} of 8, up to 4 kHz"' in clip
        assert heard(clip) == pytest.approx(HZ[k], abs=3)
    opened = ask(view, row=2, column=0, first=6)
    assert opened["said"] == "siren called alarm, clips 7 to 8 of 8." and opened["more"] == 0
    assert [heard(clip) for clip in opened["clips"]] == pytest.approx(HZ[7:9], abs=3)
    opened = ask(view, row=1, column=2)
    assert (opened["said"], len(opened["clips"]), opened["more"]) == ("bell called siren, clip 1 of 1.", 1, 0)
    assert ask(view, row=1, column=0) == {"turn": 4, "said": "No bell was called alarm.", "clips": [], "more": 0}
    assert ask(view, row=1, column=2)["clips"] == ask(view, row=1, column=2)["clips"] != []         # the same again


def test_nothing_is_read_before_it_is_asked_for(monkeypatch, made, tones):
    read, real = [], corpus.Corpus.__getitem__
    monkeypatch.setattr(corpus.Corpus, "__getitem__", lambda self, i: read.append(i) or real(self, i))
    widgets.confusion(TRUTH, PREDICTED, tones)
    widgets.sound_map(POINTS, tones)
    assert read == []
    ask(made[0], row=1, column=1)
    ask(made[1], clip=4)
    assert read == [9, 10, 4]


def test_classes_may_be_others_than_the_labels_of_the_corpus(made, tones):
    kinds = ["odd", "even"] * 7 + ["odd"]
    widgets.confusion(kinds, pd.Series(kinds), tones, labels=["even", "odd", "neither"])
    [view] = made
    assert view.drawn["counts"] == [[7, 0, 0], [0, 8, 0], [0, 0, 0]]
    assert len(ask(view, row=0, column=0)["clips"]) == 6


@pytest.mark.parametrize("truth, predicted, said", [
    (TRUTH[:-1], PREDICTED, "truth has 14 names and the corpus 15 clips: give one for each"),
    (TRUTH, [*PREDICTED, "bell"], "predicted has 16 names and the corpus 15 clips"),
    (TRUTH, ["dog", *PREDICTED[1:]], r"predicted holds “dog”, which is none of the classes \(alarm, bell, siren\)"),
    (["", *TRUTH[1:]], PREDICTED, "truth holds “no label”"),
    (TRUTH, np.zeros(15, int), "predicted holds “0”, .* give names of classes"),
])
def test_names_that_do_not_fit_are_refused(shown, tones, truth, predicted, said):
    with pytest.raises(ValueError, match=said):
        widgets.confusion(truth, predicted, tones)
    assert shown == []


def test_a_corpus_without_clips_is_refused(tones):
    nothing = tones.select(np.zeros(15, bool))
    with pytest.raises(ValueError, match="has no clips"):
        widgets.confusion([], [], nothing)
    with pytest.raises(ValueError, match="2 to 3000 clips, not 0"):
        widgets.sound_map(np.zeros((0, 2)), nothing)


# ---- the map

def test_a_map_leaves_a_picture_and_plays_a_clip(shown, made, tones):
    widgets.sound_map(POINTS, tones)
    [(data, metadata)], [view] = shown, made
    assert explorer.VIEW in data and len(data["image/png"]) > 1000
    assert metadata["image/png"]["alt"] == data["text/plain"]
    assert data["text/plain"].startswith("Map of 15 clips in 3 classes. The nearest neighbour is of the same class for")
    assert view.drawn["labels"] == LABELS
    assert [LABELS[k] for k in view.drawn["classes"]] == TRUTH
    opened = ask(view, clip=4)
    assert (opened["said"], opened["more"]) == ("siren, clip 5 of 15.", 0)
    [clip] = opened["clips"]
    assert heard(clip) == pytest.approx(HZ[4], abs=3)


def test_a_map_says_how_well_the_classes_hold_together(shown, tones):
    apart = np.array([[100.0 * LABELS.index(label), k] for k, label in enumerate(TRUTH)])
    widgets.sound_map(apart, tones)
    widgets.sound_map(np.zeros((15, 2)), tones, ["one"] * 15)           # all on one spot
    apart[11] = apart[0] - 0.1                                          # a bell among sirens
    widgets.sound_map(apart, tones)
    alts = [data["text/plain"] for data, _ in shown]
    assert alts[0].endswith("of the same class for 100% of them, and least often for alarm, 100%.")
    assert alts[1].startswith("Map of 15 clips in 1 classes. The nearest neighbour is of the same class for 100%")
    assert alts[2].endswith("of the same class for 87% of them, and least often for bell, 67%.")


@pytest.mark.parametrize("points", [POINTS, POINTS[:, ::-1], 1e6 + POINTS, POINTS * 0, POINTS * [0, 1]])
def test_points_fill_the_map_with_one_scale_for_both_axes(made, tones, points):
    widgets.sound_map(points, tones)
    box, placed = np.array(made[0].drawn["box"]), np.array(made[0].drawn["points"])
    assert (placed > 0).all() and (placed < box).all()
    assert np.allclose((placed.min(axis=0) + placed.max(axis=0)) / 2, box / 2, atol=1e-3)
    if np.ptp(points):
        assert np.max(np.ptp(placed, axis=0) / box) == pytest.approx(0.94, abs=1e-3)
        scale = np.linalg.norm(placed[0] - placed[1]) / np.linalg.norm(points[0] - points[1])
        assert np.allclose(placed - placed[0], (points - points[0]) * scale * [1, -1], atol=1e-3)


def test_classes_of_a_map_differ_in_colour_and_shape(made, tones):
    widgets.sound_map(POINTS, tones, [f"class {k % 12}" for k in range(15)])
    styles = made[0].drawn["styles"]
    assert len({style["color"] for style in styles}) == len({style["shape"] for style in styles}) == 12
    for style in styles:
        corners = np.array([pair.split() for pair in style["shape"][8:-1].replace("%", "").split(",")], float)
        assert corners.min() >= 0 and corners.max() <= 100 and len(corners) >= 4
    down = styles[plots.CLASS_MARKERS.index("v")]["shape"]              # CSS counts from the top
    assert max(float(y) for y in re.findall(r" (\d+)%[,)]", down)) > 80


@pytest.mark.parametrize("points, labels, said", [
    (POINTS[:-1], None, r"points has shape \[14, 2\]: for 15 clips it must be \[15, 2\]"),
    (np.zeros((15, 3)), None, r"points has shape \[15, 3\]"),
    (np.where(np.arange(30).reshape(15, 2) == 7, np.nan, POINTS), None, r"1 of 15 points .* the first is points\[3\]"),
    (POINTS * np.inf, None, "15 of 15 points are NaN or infinite"),
    (POINTS, TRUTH[1:], "labels has 14 names and the corpus 15 clips"),
])
def test_points_that_do_not_fit_are_refused(shown, tones, points, labels, said):
    with pytest.raises(ValueError, match=said):
        widgets.sound_map(points, tones, labels)
    assert shown == []


def test_a_corpus_too_large_or_without_labels_is_refused(tones):
    table = pd.concat([tones.table] * 201, ignore_index=True)
    many = corpus.Corpus(tones.root, table.assign(path=[f"{i}.flac" for i in range(3015)]))
    with pytest.raises(ValueError, match="2 to 3000 clips, not 3015: take a part"):
        widgets.sound_map(np.zeros((3015, 2)), many)
    bare = corpus.Corpus(tones.root, tones.table.drop(columns="label"))
    with pytest.raises(ValueError, match="has no labels: give one for each clip"):
        widgets.sound_map(POINTS, bare)


# ---- clips as learners have them

def test_labels_are_shown_as_they_are_spelt(made, shown, tones):
    hostile = ["<img src=x onerror=alert(1)>", "_cost $5$", "a very long name of a folder $x_{", "&amp;"]
    names = [hostile[k % 4] for k in range(15)]
    widgets.confusion(names, names[::-1], tones, labels=hostile)
    widgets.sound_map(POINTS, tones, names)
    assert len(shown) == 2
    for opened in (ask(made[0], row=0, column=2), ask(made[1], clip=0)):
        for clip in opened["clips"]:
            assert "<img src=x" not in clip and "&lt;img src=x onerror=alert(1)&gt;" in clip
    assert ask(made[1], clip=3)["said"] == "&amp;, clip 4 of 15."


def test_a_broken_file_is_named_and_leaves_the_others(made, tones, tmp_path):
    for name in tones.table.path:
        (tmp_path / name).write_bytes((tones.root / name).read_bytes())
    (tmp_path / tones.table.path[9]).write_bytes(b"nothing of the kind")
    widgets.confusion(TRUTH, PREDICTED, corpus.Corpus(tmp_path, tones.table))
    broken, good = ask(made[0], row=1, column=1)["clips"]
    assert re.fullmatch(r"<p>bell called bell, clip 1 of 2, cannot be played: AudioError: .*\.</p>", broken)
    assert "750.flac" in broken and heard(good) == pytest.approx(HZ[10], abs=3)


def test_of_a_long_clip_the_beginning_is_played_and_of_many_channels_two(made, tmp_path):
    long = np.tile(synth.tone(440, 1.0, SR, 0.3), 31)
    audio.save(tmp_path / "long.wav", long, SR)
    audio.save(tmp_path / "wide.wav", np.stack([long[:SR]] * 4), SR)
    table = pd.DataFrame({"path": ["long.wav", "wide.wav"], "label": "tone", "duration": [31.0, 1.0], "sr": SR})
    widgets.sound_map([[0, 0], [1, 1]], corpus.Corpus(tmp_path, table))
    [clip] = ask(made[0], clip=0)["clips"]
    assert "tone, clip 1 of 2, its first 30 s (30.00 s," in clip
    assert heard(ask(made[0], clip=1)["clips"][0]) == pytest.approx(440, abs=3)


def test_cells_that_are_opened_while_a_cell_runs_disturb_nothing(made, tones):
    import matplotlib

    widgets.confusion(TRUTH, PREDICTED, tones)
    widgets.sound_map(POINTS, tones)
    before = dict(matplotlib.rcParams)
    openers = [threading.Thread(target=lambda: [ask(made[0], row=2, column=0) for _ in range(5)]),
               threading.Thread(target=lambda: [ask(made[1], clip=k) for k in range(15)])]
    with capture_output() as cell:
        for opener in openers:
            opener.start()
        for i in range(20):
            plots.lines(np.arange(2), {"": np.arange(2)}, x_label="x", y_label="y", alt=str(i))
        display({"text/plain": "end"}, raw=True)
        for opener in openers:
            opener.join()
    assert [o.data["text/plain"] for o in cell.outputs] == [*map(str, range(20)), "end"]
    assert len(made[0].opened["clips"]) == 6 and made[1].opened["said"] == "alarm, clip 15 of 15."
    assert dict(matplotlib.rcParams) == before
