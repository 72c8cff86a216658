"""Every figure function draws a small picture, with its alt text, for every kind of signal."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from audiolab import plots

SR = 8000
Y = (0.3 * np.sin(np.arange(4000) / 9)).astype(np.float32)
RNG, NAMES = np.random.default_rng(0), [f"breaking glass {i}" for i in range(30)]
SCORE = pd.DataFrame({"onset": [0.0, 4.0], "offset": [8.0, 8.0], "pitch": 60, "part": [0, 1]})
EVENTS = pd.DataFrame([(0.2, 0.6, "bell"), (0.5, 0.9, "dog"), (0.7, 0.9, "bell")], columns=["onset", "offset", "label"])
CALLS = {
    "waveform": lambda **t: plots.waveform(Y, SR, **t),
    "waveform rows": lambda **t: plots.waveform({"a": Y, "b": np.stack([Y, -Y])}, SR, **t),
    "waveform points": lambda **t: plots.waveform(Y, SR, start=0.01, stop=0.02, points=True, **t),
    "spectrum": lambda **t: plots.spectrum({"a": Y, "b": Y / 2}, SR, **t),
    "spectrogram": lambda **t: plots.spectrogram({"a": Y, "b": Y}, SR, **t),
    "spectrogram with a pitch and onsets": lambda **t: plots.spectrogram(
        Y, SR, curve=(np.arange(5) / 10, np.array([900, 910, np.nan, 950, 980])), marks=[0.1, 0.2], **t),
    "overview": lambda **t: plots.overview(np.stack([Y, Y]), SR, **t),
    "lines": lambda **t: plots.lines(np.arange(9), {"a": np.arange(9)}, x_label="x (s)", y_label="y", **t),
    "compare": lambda **t: plots.compare([1, 2], [3, 4], [3, 4.1], x_label="x (s)", y_label="y", **t),
    "roofline": lambda **t: plots.roofline({"a": (6e9, 5e9), "b": (2e10, 9e9)}, {"x": ([0.1, 9], [1e8, 2e9])}, **t),
    "roofline of nothing": lambda **t: plots.roofline({"a": (6e9, 5e9)}, {}, **t),
    "latencies": lambda **t: plots.latencies({"alone": RNG.gamma(9, 1e-4, 300), "with company": [0.001, 0.002]}, **t),
    "latencies and a limit": lambda **t: plots.latencies({"a": [0.001, 0.002], "b": [0.003]}, limit=0.005, **t),
    "budgets": lambda **t: plots.budgets(pd.DataFrame({"RAM": [0.1, 2], "time": [0.5, 0.01]}, ["a_$b", "c"]), **t),
    "budgets with bars": lambda **t: plots.budgets(pd.DataFrame({"RAM": [0.1, 2], "time": [0.5, 0.01]}, ["a", "c"]),
                                                   unsure={"time": 2}, **t),
    "panels": lambda **t: plots.panels(np.arange(9), {"a (s)": {"": np.arange(9)}, "b (%)": {"x": np.full(9, np.nan),
                                       "y": np.ones(9)}}, x_label="time (h)", marks=[3], spans=[(4, 6)], **t),
    "stacked": lambda **t: plots.stacked(pd.DataFrame({"a": [1, 2], "b": [0, 3]}, ["x", "y"]), x_label="ms",
                                         marks={"limit": 4}, **t),
    "bands": lambda **t: plots.bands((1, 5), {"a": (np.array([1, 2]), np.array([0, 2]), np.array([2, 3]))}, x_label="x",
                                     y_label="y", **t),
    "pareto": lambda **t: plots.pareto({"a": (20, 0.9), "b": (100, 0.8)}, x_label="x", y_label="y", **t),
    "polar": lambda **t: plots.polar(np.arange(361), {"a": -np.arange(361) / 9, "b": np.zeros(361)}, **t),
    "confusion": lambda **t: plots.confusion(np.arange(900).reshape(30, 30), NAMES, **t),
    "confusion of one": lambda **t: plots.confusion([[0, 0], [0, 2]], ["_a$b$", "$x_{"], **t),
    "events": lambda **t: plots.events(RNG.normal(size=(64, 100)), {"truth": EVENTS, "found": EVENTS[:1]},
                                       labels=["dog", "bell", "$x_{"], rows={9: "0.5"}, **t),
    "events of twelve classes": lambda **t: plots.events(
        RNG.normal(size=(64, 100)), {"": EVENTS.assign(label="_a$b$")}, labels=["_a$b$", *NAMES[:11]],
        probabilities=RNG.uniform(size=(25, 12)), thresholds=np.full(12, 0.5), **t),
    "no events": lambda **t: plots.events(RNG.normal(size=(64, 100)), {"found": EVENTS[:0]}, labels=["dog"], **t),
    "phonemes": lambda **t: plots.phonemes(RNG.normal(size=(80, 40)), ["", "h", "ˈaɪ", "."], [4, 12, 24, 0], **t),
    "piano roll": lambda **t: plots.piano_roll(SCORE, names=["a", "b"], **t),
    "piano roll of a note": lambda **t: plots.piano_roll(SCORE[:1], x_label="time (quarter notes)", **t),
    "scatter": lambda **t: plots.scatter(RNG.normal(size=(300, 2)), NAMES * 10, **t),
    "scatter on a spot": lambda **t: plots.scatter(np.zeros((2, 2)), ["_a$b$", "$x_{"], **t),
    "samples": lambda **t: plots.samples(np.arange(90) / 90, {"a": np.zeros(90)}, np.arange(9) / 9, np.zeros(9), **t),
}


@pytest.fixture
def shown(monkeypatch):
    calls = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: calls.append((data, options["metadata"])))
    return calls


@pytest.mark.parametrize("name", CALLS)
def test_figure(shown, name):
    CALLS[name](title="What to see", alt="In words.")
    [(data, metadata)] = shown
    image = Image.open(io.BytesIO(data["image/png"]))
    assert image.width == 8 * plots.DPI
    assert len(np.unique(np.asarray(image.convert("L")))) > 10          # something was drawn
    assert len(data["image/png"]) < 80_000
    assert data["text/plain"] == metadata["image/png"]["alt"] == "In words."


@pytest.mark.parametrize("n", [1, 2, 5, 100])
def test_very_short_signals_are_drawn(shown, n):
    for call in (plots.waveform, plots.spectrogram, plots.overview):
        call(np.zeros(n, np.float32), SR, title="t", alt="a")
    assert len(shown) == 3


def test_spectrogram_shows_the_amplitude_of_a_sine():
    from matplotlib.figure import Figure

    y = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(SR) / SR)
    image = plots._spectrogram(Figure().subplots(), y, SR, 256, None, -100.0)
    assert image.get_array()[:, 10:-10].max() == pytest.approx(-6.02, abs=0.1)


@pytest.mark.parametrize("k", [2, 12, 30])
def test_a_confusion_matrix_shows_right_in_blue_wrong_in_orange_and_none_in_white(shown, k):
    matrix = np.diag(np.full(k, 30))
    matrix[0, 1] = 1
    plots.confusion(matrix, ["x"] * k)
    [(data, _)] = shown
    pixels = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("RGB")).reshape(-1, 3)

    def near(color, tint):                                              # pixels within the rounding of a tint to tenths
        return (abs(pixels - 255 * (1 - tint * (1 - plots._rgb(color)))) < 13).all(axis=1).sum()

    assert near(plots.BLUE, 0.7) > 500 and near(plots.ORANGE, 0.2) > 100
    assert plots.tint(matrix)[0, 1] > 0.15 and plots.tint(matrix).max() == pytest.approx(0.7)
    assert np.count_nonzero(plots.tint(matrix)) == k + 1 and not plots.tint(np.zeros((2, 2), int)).any()


def test_a_piano_roll_shows_both_parts_of_a_unison(shown):
    plots.piano_roll(SCORE)
    [(data, _)] = shown
    pixels = np.asarray(Image.open(io.BytesIO(data["image/png"])).convert("RGB"))[80:-60]       # below the legend

    def of(color):                                                      # rows and columns in which it is seen
        return np.nonzero((abs(pixels - 255 * plots._rgb(color)) < 20).all(axis=-1))

    (rows, columns), (inner_rows, inner) = of(plots.BLUE), of(plots.ORANGE)
    assert rows.min() < inner_rows.min() < inner_rows.max() < rows.max()
    first, last = columns.min(), columns.max()
    assert inner.min() == pytest.approx((first + last) / 2, abs=4) and inner.max() == pytest.approx(last, abs=4)


@pytest.mark.parametrize("notes", [SCORE[:0], SCORE.assign(offset=np.nan), SCORE.assign(onset=-np.inf)])
def test_a_piano_roll_of_nothing_is_refused(shown, notes):
    with pytest.raises(ValueError, match="There is nothing to draw: a piano roll takes one note or more, and none of"):
        plots.piano_roll(notes)
    assert shown == []


@pytest.mark.parametrize("notes", [SCORE.assign(pitch=20_000), SCORE.assign(offset=SCORE.onset)])
def test_a_piano_roll_of_no_pitches_or_of_notes_without_length_is_refused(shown, notes):
    with pytest.raises(ValueError, match="from 0 to 127, and notes that end after they begin"):
        plots.piano_roll(notes)
    assert shown == []


def test_events_have_a_lane_for_each_class_that_occurs_and_tracks_differ_by_more_than_colour(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: drawn.append(figure))
    logmel, labels, p = np.zeros((64, 100)), ["cat", "dog", "bell", "rain"], np.zeros((25, 4))
    p[10:, 3] = 0.6
    tracks = {"truth": EVENTS, "found": EVENTS[2:]}
    plots.events(logmel, tracks, labels=labels)
    plots.events(logmel, tracks, labels=labels, probabilities=p, thresholds=[0.1, 0.2, 0.3, 0.4])
    _, below = drawn[0].axes
    assert [each.get_text() for each in below.get_yticklabels()] == ["dog", "bell"]
    bars = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_y() + bar.get_height() / 2) for bar in below.patches]
    assert [(pytest.approx(onset), pytest.approx(offset)) for onset, offset, _ in bars] == [
        (0.2, 0.6), (0.5, 0.9), (0.7, 0.9), (0.7, 0.9)]
    assert [int(middle) for *_, middle in bars] == [1, 0, 1, 1] and bars[2][2] < bars[3][2]     # lanes from the top
    assert len({plots.track_style(i) for i in range(15)}) == 15
    assert all(len(set(kind)) > 2 for kind in zip(*map(plots.track_style, range(3)), strict=True))
    _, below = drawn[1].axes
    assert [each.get_text() for each in below.get_yticklabels()] == ["dog", "bell", "rain"]     # it reaches 0.05
    *_, rain = below.lines
    assert rain.get_xdata()[[0, -1]] == pytest.approx([0.02, 0.98])
    silent, loud = rain.get_ydata()[[0, -1]]
    assert 2 < loud < silent < 3
    line = below.collections[0].get_segments()[2][0, 1]
    assert (silent - line) / (silent - loud) == pytest.approx(0.4 / 0.6)
    for lane in range(2):                                               # a curve lies above the bars of its lane
        assert lane < below.lines[lane].get_ydata().max() < min(
            bar.get_y() for bar in below.patches if int(bar.get_y()) == lane)


@pytest.mark.parametrize("change, words", [
    ({"label": "cow"}, "found holds “cow”, which is none of the classes: bell, dog"),
    ({"offset": 0.1}, "found holds an event that does not end after it begins"),
    ({"onset": np.nan}, "found holds an event that does not end after it begins"),
    ({"offset": np.inf}, "found holds an event that does not end after it begins")])
def test_what_is_no_event_is_refused(shown, change, words):
    with pytest.raises(ValueError, match=words):
        plots.events(np.zeros((64, 100)), {"truth": EVENTS, "found": EVENTS.assign(**change)}, labels=["bell", "dog"])
    assert shown == []


def test_a_strip_has_a_pixel_for_each_value_and_the_first_row_below():
    strip = np.zeros((4, 9))
    strip[0, 2] = 5
    image = np.asarray(Image.open(io.BytesIO(plots.strip(strip))).convert("L")).astype(int)
    assert image.shape == (4, 9) and image[3, 2] > 200 and np.delete(image.ravel(), 3 * 9 + 2).max() < 10
    assert Image.open(io.BytesIO(plots.strip(np.ones((2, 3))))).size == (3, 2)


def test_names_of_columns_stand_below_their_middles(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: drawn.append(figure))
    plots.matrices({"": np.eye(4)}, x_label="a", y_label="b", step=0.5, rows={0: "C"}, columns={0: "C", 3: "F"})
    [axis] = drawn[0].axes
    assert list(axis.get_xticks()) == [0.25, 1.75]
    assert [each.get_text() for each in axis.get_xticklabels()] == ["C", "F"]


def test_directions_run_against_the_clock_from_the_right(shown, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: drawn.append(figure))
    plots.polar(np.array([0, 90]), {"a": np.array([0.0, -90.0])})
    [axis] = drawn[0].axes
    assert axis.get_theta_direction() == 1 and axis.get_theta_offset() == 0
    angles, levels = axis.lines[0].get_data()
    assert angles == pytest.approx([0, np.pi / 2]) and list(levels) == [0, -30] and axis.get_ylim() == (-30, 5)


def test_a_front_joins_what_no_cheaper_one_equals(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: drawn.append(figure))
    points = {"large": (100, 0.9), "small": (10, 0.7), "worse": (50, 0.6), "good": (20, 0.95)}
    plots.pareto(points, x_label="a", y_label="b")
    [axis] = drawn[0].axes
    cost, worth = axis.lines[0].get_data()
    assert list(cost)[:-1] == [10, 20, 50, 100] and list(worth) == [0.7, 0.95, 0.95, 0.95, 0.95]
    assert [line.get_label() for line in axis.lines[1:]] == ["large", "small", "worse", "good"]


def test_parts_stand_one_after_the_other(monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "_display", lambda figure, title, alt: drawn.append(figure))
    plots.stacked(pd.DataFrame({"a": [1, 2], "b": [4, 3]}, ["x", "y"]), x_label="ms", marks={"limit": 4})
    [axis] = drawn[0].axes
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axis.patches]
    assert bars == [(0, 1), (0, 2), (1, 5), (2, 5)]
    assert list(axis.lines[0].get_xdata()) == [4, 4] and axis.texts[0].get_text().strip() == "limit"


def test_classes_are_told_apart_by_colour_and_by_marker():
    styles = [plots.class_style(i) for i in range(144)]
    assert len(set(styles)) == 144
    assert all(len(set(kind)) == 12 for kind in zip(*styles[:12], strict=True))

    def luminance(color):                                               # WCAG 2
        rgb = plots._rgb(color)
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for color in plots.CLASS_COLORS:
        assert 1.05 / (luminance(color) + 0.05) >= 3 and (luminance(color) + 0.05) / (luminance("#111111") + 0.05) >= 3


def test_a_thumbnail_shows_a_quiet_sound_and_leaves_silence_dark():
    def pixels(y):
        return np.asarray(Image.open(io.BytesIO(plots.thumbnail(y, SR))).convert("L")).astype(int)

    quiet, silent = pixels(0.01 * Y), pixels(np.zeros(100, np.float32))
    assert quiet.shape == (85, 238) and silent.max() < 10
    row = 85 - 85 * (SR / 9 / 2 / np.pi) / (SR / 2)                     # where the tone of Y lies
    assert abs(quiet.mean(axis=1).argmax() - row) <= 2 and quiet.max() > 200
    assert np.array_equal(pixels(np.stack([Y, Y])), pixels(Y))
