"""Sound events are what their parameters say, share none between splits, and keep what their labels promise."""

import numpy as np
import pytest
from scipy import signal

from audiolab import measure
from audiolab.corpora import events, physics, scenes

SR = physics.SR
SPLITS = ("train", "validation", "test")


def rng(seed=0):
    return np.random.default_rng(seed)


def middle(label):
    """Parameters in the middle of their ranges."""
    return {name: r.at(0.5) for name, r in events.SOURCES[label].ranges.items()}


def make(label, seed=0, **changed):
    return events.event(label, middle(label) | changed, rng(seed)).astype(float)


def bursts(y, rise=8.0):
    """Times at which the energy jumps by `rise` dB within 30 ms, after 80 ms of rest."""
    level = 10 * np.log10(np.convolve(y**2, np.ones(160) / 160, "same")[::80] + 1e-6)
    jumps = np.flatnonzero(level[6:] - level[:-6] > rise) * 80 / SR
    return jumps[np.diff(jumps, prepend=-1) > 0.08]


# ---------------------------------------------------------------------------------------- draws


@pytest.mark.parametrize("kind, source", [*events.SOURCES.items(), *events.BACKGROUNDS.items(),
                                          ("room", scenes.ROOM), ("place", scenes.PLACE)])
def test_splits_share_no_value(kind, source):
    """Each value lies in a ninth of its range that belongs to its split, and no ninth belongs to two."""
    ranges = source if isinstance(source, dict) else source.ranges
    for name, r in ranges.items():
        ninths = {}
        for split in SPLITS:
            values = np.array([physics.draw({name: r}, split, rng(i))[name] for i in range(200)])
            assert values.min() > r.low and values.max() < r.high
            u = np.log(values / r.low) / np.log(r.high / r.low) if r.log else (values - r.low) / (r.high - r.low)
            ninths[split] = set(np.floor(9 * u).astype(int))
            assert ninths[split] == set(physics.BANDS[split])
        assert sum(map(len, ninths.values())) == len(set.union(*ninths.values())) == 9


def test_there_are_twelve_classes_of_many_parameters():
    assert len(scenes.CLASSES) == 12
    assert all(len(source.ranges) >= 7 for source in events.SOURCES.values())


# ---------------------------------------------------------------------------------------- sounds


@pytest.mark.parametrize("label", scenes.CLASSES)
@pytest.mark.parametrize("split", SPLITS)
def test_every_source_sounds_over_all_its_ranges(label, split):
    for seed in range(6):
        y = events.event(label, p := physics.draw(events.SOURCES[label].ranges, split, rng(seed)), rng(seed))
        assert y.dtype == np.float32 and np.isfinite(y).all()
        assert measure.rms(y) == pytest.approx(1, rel=1e-3)
        assert 0.05 < y.size / SR <= p["duration"] + 0.001
        first = np.sum(y[: SR // 50] ** 2), np.sum(y[-SR // 20 :] ** 2)
        assert min(first) > 0                                           # it begins at once and is cut where it ends
        low = signal.sosfilt(signal.butter(4, 20, fs=SR, output="sos"), y)
        assert measure.rms(low) < 0.35                                  # no power is spent below hearing


@pytest.mark.parametrize("label", scenes.CLASSES)
def test_no_two_are_alike(label):
    p = middle(label)
    a, b, again = (events.event(label, p, rng(s)) for s in (1, 2, 1))
    np.testing.assert_array_equal(a, again)
    n = min(a.size, b.size)
    assert not np.allclose(a[:n], b[:n], atol=0.01)


@pytest.mark.parametrize("kind", events.BACKGROUNDS)
def test_backgrounds_sound_throughout(kind):
    for seed in range(3):
        p = physics.draw(events.BACKGROUNDS[kind].ranges, "train", rng(seed))
        y = events.background(kind, p, 3 * SR, rng(seed))
        assert y.shape == (3 * SR,) and measure.rms(y) == pytest.approx(1, rel=1e-3)
        assert np.abs(y).reshape(12, -1).max(axis=1).min() > 0.05       # in each quarter of a second


def test_cut_and_unknown():
    assert make("siren", duration=3.0).size == 3 * SR
    assert events.event("siren", middle("siren"), rng(), longest=1.0).size == SR
    with pytest.raises(ValueError, match="siren, alarm"):
        events.event("unicorn", {}, rng())


def test_harmonics_do_not_fold_down():
    frequency = 1234.5
    phase = physics.phase_of(np.full(SR, frequency))
    f, level = measure.spectrum(physics.harmonics(phase, frequency, np.ones(40)), SR, window="blackmanharris")
    multiples = frequency * np.arange(1, int(physics.TOP / frequency) + 1)
    between = np.min(np.abs(f[:, None] - multiples), axis=1) > 10
    assert level[between].max() < -85


def test_modes_ring_at_their_frequency_and_time():
    y = physics.modes(np.eye(1, SR)[0], [700.0], 0.5, [1.0])
    assert measure.peak_frequency(y, SR) == pytest.approx(700, abs=1)
    at = [np.abs(y[i : i + 100]).max() for i in (100, 100 + SR // 4)]
    assert 20 * np.log10(at[0] / at[1]) == pytest.approx(30, abs=0.5)           # half of t60


def test_the_siren_sweeps_between_its_pitches():
    y = make("siren", duration=4.0, low=600, span=2.0, rate=0.5, squareness=1.0, rolloff=1.5, throat=1000)
    found = [measure.peak_frequency(y[i : i + 800], SR) for i in range(0, y.size - 800, 800)]
    fundamental = [f for f in found if f < 1250]
    assert len(fundamental) > 0.8 * len(found)
    assert min(fundamental) == pytest.approx(600, rel=0.06) and max(fundamental) == pytest.approx(1200, rel=0.06)


def test_the_alarm_beeps_in_time():
    y = make("alarm", duration=3.9, pitch=2000, second=1.0, rate=4.0, duty=0.5, group=7.0)
    assert measure.peak_frequency(y, SR) == pytest.approx(2000, abs=2)
    gaps = np.diff(bursts(y))
    assert np.median(gaps) == pytest.approx(0.25, abs=0.01) and max(gaps) == pytest.approx(0.5, abs=0.01)    # the rest


def test_the_horn_holds_two_notes():
    y = make("horn", duration=1.0, pitch=400, interval=1.25, duty=0.95, rate=0.5)
    f, level = measure.spectrum(y[SR // 4 :], SR)
    for note in (400, 500):
        near, side = np.abs(f - note) < 8, np.abs(f - note - 50) < 8
        assert level[near].max() > level[side].max() + 20


def test_barks_are_short_and_as_many_as_the_rate():
    y = make("dog", duration=2.3, rate=2.0, length=0.12)
    assert 3 <= len(bursts(y)) <= 7
    assert np.mean(np.abs(y) > 0.02) < 0.5


def test_steps_and_knocks_come_at_their_rate():
    steps = make("footsteps", duration=4.0, rate=2.0, heel=0.002, scuff=0.03, grit=0.02)
    blows = signal.find_peaks(np.convolve(steps**2, np.ones(80), "same"), height=30, distance=SR // 4)[0]
    assert np.median(np.diff(blows)) / SR == pytest.approx(0.5, abs=0.06)
    knocks = bursts(make("knock", duration=1.7, rate=4.0, ring=0.04))
    assert 5 <= len(knocks) <= 8 and np.median(np.diff(knocks)) == pytest.approx(0.25, abs=0.04)


def test_the_engine_fires_at_its_rate():
    y = make("engine", duration=2.0, firing=50, uneven=0.1, rev=0.0, rough=0.01, clatter=0.02)
    f, level = measure.spectrum(y, SR)
    low = (f > 20) & (f < 65)
    assert f[low][np.argmax(level[low])] == pytest.approx(50, rel=0.1)


def test_rain_falls_without_rhythm_and_engines_with():
    def rhythm(y):
        envelope = np.convolve(np.abs(y), np.ones(80) / 80, "same")[::16]       # at 1 kHz
        envelope = envelope - envelope.mean()
        r = np.correlate(envelope, envelope, "full")[envelope.size - 1 :]
        return r[25:200].max() / r[0]

    assert rhythm(make("rain", drops=100)) < 0.3 < rhythm(make("engine", firing=25, rev=0.0, rough=0.01))


def test_glass_falls_silent_and_rings_high():
    y = make("glass", duration=1.6)
    assert measure.rms(y[: y.size // 4]) > 2 * measure.rms(y[3 * y.size // 4 :])
    f, density = signal.welch(y, SR, nperseg=1024)
    assert np.sum(f * density) / np.sum(density) > 1500


def test_a_bell_has_its_partials_and_the_high_ones_go_first():
    y = make("bell", duration=3.0, pitch=500, stretch=1.0, decay=3.0, damping=0.6, rate=0.45, beating=0.3)
    f, level = measure.spectrum(y[: 2 * SR], SR)
    for ratio in (0.5, 1, 1.2, 1.5, 2):
        assert level[np.abs(f / (500 * ratio) - 1) < 0.015].max() > level.max() - 30
    high = signal.sosfilt(signal.butter(4, 1200, "high", fs=SR, output="sos"), y)
    assert measure.rms(high[SR : 2 * SR]) / measure.rms(high[:SR]) < measure.rms(y[SR : 2 * SR]) / measure.rms(y[:SR])


def test_a_bird_whistles_within_its_span():
    y = make("bird", duration=2.5, pitch=3000, span=0.3, shake=0.002)
    f, density = signal.welch(y, SR, nperseg=512)
    inside = (f > 3000 / 2**0.6) & (f < 3000 * 2**0.6)
    assert density[inside].sum() > 0.95 * density.sum()


def test_typing_is_uneven():
    keys, blows = make("typing", duration=4.0, rate=5.0, uneven=0.5), make("knock", duration=1.8, rate=5.0)
    spread = [np.std(g) / np.mean(g) for g in (np.diff(bursts(y)) for y in (keys, blows))]
    assert spread[0] > 2 * spread[1]


# ---------------------------------------------------------------------------------------- plans


def test_a_plan_is_its_seed_and_grows_at_the_end():
    short, long = scenes.plan_events(24, seed=4), scenes.plan_events(60, seed=4)
    assert long.head(24).equals(short) and not short.equals(scenes.plan_events(24, seed=5))
    assert long.path.is_unique and long.seed.is_unique and long.group.is_unique
    short, long = scenes.plan_soundscapes(4, seed=4), scenes.plan_soundscapes(10, seed=4)
    assert long.head(4).equals(short) and not set(long.seed) & set(scenes.plan_events(10, seed=4).seed)


def test_classes_and_splits_are_balanced():
    counts = scenes.plan_events(240).groupby(["label", "split"]).size().unstack()
    assert (counts.train == 14).all() and (counts.validation == 2).all() and (counts.test == 4).all()
    assert scenes.plan_soundscapes(20).split.value_counts().to_dict() == {"train": 14, "test": 4, "validation": 2}


def test_the_plan_keeps_to_the_ratio_asked_for():
    assert scenes.plan_events(50, snr=(3, 5)).snr.between(3, 5).all()


@pytest.mark.parametrize("plan, words", [
    (lambda: scenes.plan_events(0), "n must"), (lambda: scenes.plan_events(5, snr=(9, 3)), "snr"),
    (lambda: scenes.plan_soundscapes(-1), "n must"), (lambda: scenes.plan_soundscapes(5, snr=(9, 3)), "snr"),
    (lambda: scenes.plan_soundscapes(5, polyphony=0), "polyphony"),
    (lambda: scenes.plan_soundscapes(5, polyphony=1.5), "polyphony"),
])
def test_plans_refuse(plan, words):
    with pytest.raises(ValueError, match=words):
        plan()


# ---------------------------------------------------------------------------------------- clips


@pytest.mark.parametrize("plan, render, seconds", [
    (scenes.plan_events(12, seed=1), scenes.render_event, scenes.EVENT_SECONDS),
    (scenes.plan_soundscapes(3, seed=1, polyphony=3), scenes.render_soundscape, scenes.SCENE_SECONDS),
])
def test_clips_are_their_rows(plan, render, seconds):
    rows = plan.to_dict("records")
    clips = [render(row) for row in rows]
    for row, clip in zip(rows, clips, strict=True):
        assert clip.sr == SR and clip.y.dtype == np.float32 and clip.y.shape == (round(seconds * SR),)
        assert measure.peak(clip.y) < 1
        assert measure.dbfs(measure.rms(clip.y)) <= row["level"] + 0.01
        found = clip.sidecars["events"]
        assert ";".join(sorted({e["label"] for e in found})) == row["label"]
        assert all(0 <= e["onset"] < e["offset"] <= seconds for e in found)
    for row, clip in reversed(list(zip(rows, clips, strict=True))):             # in another order
        np.testing.assert_array_equal(render(row).y, clip.y)


@pytest.mark.parametrize("polyphony", [1, 2, 4])
def test_polyphony_is_kept_and_reached(polyphony):
    most = 0
    for row in scenes.plan_soundscapes(8, seed=2, polyphony=polyphony).to_dict("records"):
        found = scenes.render_soundscape(row).sidecars["events"]
        for moment in [e["onset"] for e in found]:
            sounding = [e["label"] for e in found if e["onset"] <= moment < e["offset"]]
            assert len(sounding) == len(set(sounding)) <= polyphony
            most = max(most, len(sounding))
    assert most == polyphony


@pytest.mark.parametrize("label", ["bell", "typing"])
@pytest.mark.parametrize("snr", [0, 20])
def test_an_event_stands_at_its_ratio_above_the_background(label, snr, monkeypatch):
    monkeypatch.setattr(scenes, "COLOUR", 0.0)
    row = scenes.plan_events(1, seed=3, snr=(snr, snr)).iloc[0].to_dict()
    y = make(label, duration=1.0)
    start = SR // 2
    both = scenes._record(row, [(start, y, label, snr, row["distance"])], 2 * SR, rng(1)).y.astype(float)
    alone = scenes._record(row, [], 2 * SR, rng(1)).y.astype(float)
    alone *= measure.rms(both[:start]) / measure.rms(alone[:start])       # before the event there is but background
    here = slice(start, start + y.size)
    measured = measure.dbfs(measure.rms((both - alone)[here]) / measure.rms(alone[here]))
    assert measured == pytest.approx(snr, abs=0.3)


def test_loud_events_rise_where_their_labels_begin():
    late = []
    for row in scenes.plan_events(48, seed=6, snr=(30, 30)).to_dict("records"):
        clip = scenes.render_event(row)
        onset = round(clip.sidecars["events"][0]["onset"] * SR)
        if onset > 0.1 * SR:
            power = np.convolve(clip.y.astype(float) ** 2, np.ones(160), "same")
            late.append(np.argmax(power > 20 * np.median(power[: onset - 160])) - onset)
    assert len(late) > 8 and abs(np.median(late)) < 0.02 * SR and np.mean(np.abs(late) < 0.1 * SR) > 0.8


def test_the_microphone_is_an_even_choice(monkeypatch):
    y = rng().standard_normal(SR).astype(np.float32)
    monkeypatch.setattr(scenes, "COLOUR", 0.0)
    np.testing.assert_allclose(scenes._microphone(y, rng()), y, atol=1e-5)


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    return tmp_path


def test_corpora_are_the_same_with_one_worker_or_two(home, monkeypatch):
    one = scenes.events(n=12, seed=3)
    assert one.root.name == "scenes-events-n12-s3" and len(one) == 12
    assert set(one.sidecar("events").columns) == {"path", "onset", "offset", "label", "snr", "distance"}
    monkeypatch.setenv("AUDIOLAB_HOME", str(home / "again"))
    two = scenes.events(n=12, seed=3, n_jobs=2)
    for path in (*one.table.path, "metadata.csv", "events.csv"):
        assert (one.root / path).read_bytes() == (two.root / path).read_bytes()


def test_a_corpus_of_soundscapes(home):
    corpus = scenes.soundscapes(n=3, polyphony=1, snr=(5, 10))
    assert corpus.root.name == "scenes-soundscapes-p1-n3-s0-snr5to10"
    y, sr, row = corpus[0]
    assert sr == SR and y.shape == (10 * SR,) and row["split"] == "train"
    assert corpus.sidecar("events").snr.between(5, 10).all()


@pytest.mark.slow
def test_averages_over_time_do_not_tell_the_classes_apart():
    """The corpus is hard enough: nearest class mean on mean and deviation of band levels stays far under 0.75."""
    plan = scenes.plan_events(480)
    edges = np.geomspace(60, 8000, 33)
    features = []
    for row in plan.to_dict("records"):
        f, _, s = signal.stft(scenes.render_event(row).y, SR, nperseg=400, noverlap=240, nfft=512)
        power = np.add.reduceat(np.abs(s) ** 2, np.searchsorted(f, edges[:-1]), axis=0)
        level = np.log(power + 1e-9)
        features.append(np.concatenate([level.mean(axis=1), level.std(axis=1)]))
    x, train = np.array(features), (plan.split == "train").to_numpy()
    x = (x - x[train].mean(axis=0)) / x[train].std(axis=0)
    means = np.stack([x[train & (plan.label == c).to_numpy()].mean(axis=0) for c in scenes.CLASSES])
    nearest = np.argmin(np.linalg.norm(x[~train][:, None] - means, axis=-1), axis=1)
    assert np.mean(np.array(scenes.CLASSES)[nearest] == plan.label[~train]) < 0.6
