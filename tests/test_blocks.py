"""Block processors: any blocks give what the whole gives, which is what SciPy or a plain loop gives."""

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from audiolab import features, preprocess, stream
from audiolab.stream.blocks import joined

SR = 8000
SOS = preprocess.butterworth(4, (200, 3000), SR, "bandpass")
BELLS = {100: -12, 700: 9, 2500: -6}


def louder_lows(X):
    return X * np.linspace(2, 0, len(X))[:, None]


def padded(y, n):
    return np.concatenate([y, np.zeros(n, np.float32)])


# ------------------------------------------------------------------------- what each is, by other means


def filtered(y):
    return scipy.signal.sosfilt(SOS, y.astype(float))


def settled(y):
    return scipy.signal.sosfilt(SOS, y.astype(float), zi=scipy.signal.sosfilt_zi(SOS) * float(y[0]))[0]


def equalised(y):
    for f, db in BELLS.items():                                 # one bell after the other, each as the paper writes it
        a, w = 10 ** (db / 40), 2 * np.pi * f / SR
        alpha = np.sin(w) / 2.8
        y = scipy.signal.lfilter([1 + alpha * a, -2 * np.cos(w), 1 - alpha * a],
                                 [1 + alpha / a, -2 * np.cos(w), 1 - alpha / a], y)
    return y


def echoed(y, n=240, feedback=-0.5, mix=0.3, tail=240 * 11):
    w, out, y = [], [], padded(y, tail)
    for i, x in enumerate(y):
        late = w[i - n] if i >= n else 0.0
        w.append(x + feedback * late)
        out.append((1 - mix) * x + mix * late)
    return np.array(out)


def shifted(y, semitones, window=400):
    y, out = padded(y, window), []
    for i in range(len(y)):
        value = 0.0
        for start in (0.0, 0.5):
            p = (start + (1 - 2 ** (semitones / 12)) / window * i) % 1
            at = i - window * p
            low = int(np.floor(at))
            sample = [float(y[k]) if 0 <= k < len(y) else 0.0 for k in (low, low + 1)]
            value += np.sin(np.pi * p) ** 2 * (sample[0] + (at - low) * (sample[1] - sample[0]))
        out.append(value)
    return np.array(out)


def changed(y, n_fft=256, hop=64):
    x = np.concatenate([np.zeros(n_fft // 2), y, np.zeros(2 * n_fft)])
    w = scipy.signal.get_window("hann", n_fft)
    total, weight = np.zeros((2, len(x)))
    for at in range(0, len(x) - n_fft + 1, hop):
        X = np.fft.rfft(w * x[at : at + n_fft])
        total[at : at + n_fft] += w * np.fft.irfft(louder_lows(X[:, None])[:, 0])
        weight[at : at + n_fft] += w * w
    return (total / np.maximum(weight, 1e-9))[n_fft // 2 :][: len(y)]


CASES = {
    "filter": (lambda: stream.Filter(SOS), filtered),
    "settled filter": (lambda: stream.Filter(SOS, settled=True), settled),
    "equaliser": (lambda: stream.equaliser(BELLS, SR), equalised),
    "echo": (lambda: stream.Delay(0.03, SR, -0.5, 0.3), lambda y: echoed(y, tail=240 * 11)),
    "one echo": (lambda: stream.Delay(0.005, SR, 0, 1), lambda y: padded(y, 40)[np.arange(-40, len(y))]),
    "higher": (lambda: stream.PitchShift(5, SR), lambda y: shifted(y, 5)),
    "lower": (lambda: stream.PitchShift(-12, SR), lambda y: shifted(y, -12)),
    "spectra": (lambda: stream.Spectral(louder_lows, 256, 64), changed),
    "odd hop": (lambda: stream.Spectral(louder_lows, 256, 101), lambda y: changed(y, 256, 101)),
    "log-mel": (lambda: stream.LogMel(SR), lambda y: features.log_mel(y, SR)),
    "nothing": (lambda: stream.Chain(), lambda y: y),
    "chain": (lambda: stream.Chain(stream.Filter(SOS), stream.Spectral(louder_lows, 256, 64),
                                   stream.Delay(0.005, SR, 0, 1)),
              lambda y: padded(changed(filtered(y).astype(np.float32)), 40)[np.arange(-40, len(y))]),
}
MADE = {name: make() for name, (make, _) in CASES.items()}
LENGTHS = st.lists(st.sampled_from([0, 1, 2, 79, 80, 81, 239, 240, 500]) | st.integers(0, 700), min_size=1, max_size=8)


def signal(lengths, seed=0):
    return (0.3 * np.random.default_rng(seed).standard_normal(sum(lengths))).astype(np.float32) + np.float32(0.1)


@pytest.mark.parametrize("name", CASES)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_blocks_give_what_the_whole_gives_and_what_others_give(name, lengths, seed):
    p, reference = MADE[name], CASES[name][1]                   # one processor for all: flush has to reset it
    y = signal(lengths, seed)
    out = joined([*map(p, np.split(y, np.cumsum(lengths)[:-1])), p.flush()])
    whole = joined([p(y), p.flush()])
    assert out.dtype == whole.dtype == np.float32 and out.shape == whole.shape
    np.testing.assert_allclose(out, whole, atol=1e-5)
    if len(y):                                                  # of nothing, the others make an error
        np.testing.assert_allclose(out, reference(y), atol=1e-5)


@pytest.mark.parametrize("sr", [8000, 16000, 44100])
def test_log_mel_columns_are_those_of_the_course(sr):
    y = signal([sr])
    p = stream.LogMel(sr)
    columns = joined([*map(p, np.split(y, [5, 300, 301, 7000])), p.flush()])
    np.testing.assert_allclose(columns, features.log_mel(y, sr), atol=1e-5)
    p = stream.LogMel(sr, n_mels=30, fmin=50, fmax=3800, n_fft=2048, win_length=1200, hop_length=400)
    want = features.log_mel(y, sr, n_mels=30, fmin=50, fmax=3800, n_fft=2048, win_length=1200, hop_length=400)
    np.testing.assert_allclose(joined([p(y), p.flush()]), want, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name != "log-mel"])
def test_offline_is_as_long_as_the_signal_and_without_delay(name):
    p, y = MADE[name], signal([1000])
    p(y[:77])                                                   # what was in it does not come out
    got = stream.offline(p, y)
    assert len(got) == 1000
    np.testing.assert_allclose(got, CASES[name][1](y)[p.delay :][:1000], atol=1e-5)


# ------------------------------------------------------------------------- how late


def impulse_at(i, n=4000):
    y = np.zeros(n, np.float32)
    y[i] = 1
    return y


LATE = stream.PitchShift(0, SR)


@pytest.mark.parametrize("p", [stream.Filter(SOS), stream.equaliser(BELLS, SR), stream.Delay(0.03, SR), LATE,
                               stream.Spectral(lambda X: X, 256, 64),
                               stream.Chain(LATE, stream.Spectral(lambda X: X), stream.PitchShift(0, SR))])
def test_an_impulse_comes_out_after_the_delay(p):
    for i in (0, 1, 63, 640, 1999):
        out = joined([p(impulse_at(i)), p.flush()])
        assert np.flatnonzero(np.abs(out) > 1e-3)[0] == i + p.delay


@pytest.mark.parametrize("p", [stream.Filter(SOS), stream.Delay(0.03, SR), stream.PitchShift(0, SR),
                               stream.Spectral(louder_lows, 256, 64), stream.Spectral(louder_lows, 512, 256),
                               stream.Chain(stream.Filter(SOS), stream.Spectral(louder_lows, 256, 64))])
def test_no_sample_waits_longer_than_the_latency(p):
    came = np.concatenate([np.full(len(p(x)), i + 1) for i, x in enumerate(signal([3000])[:, None])])
    p.reset()
    waits = came - (np.arange(len(came)) - p.delay)             # samples until the answer, its own counted
    assert waits.max() == max(p.latency, p.delay + 1)           # where it is answered at once, 1 is the sample itself


@pytest.mark.parametrize("sr", [8000, 16000])
def test_a_log_mel_column_waits_as_long_as_it_says(sr):
    p, came = stream.LogMel(sr), []
    for i, x in enumerate(signal([sr // 2])[:, None]):
        came = came + [i + 1] * p(x).shape[1]
    centres = p.hop * np.arange(len(came))
    waits = [came[np.searchsorted(centres, i)] - i for i in range(centres[-1])]         # to the next centre behind it
    assert max(waits) == p.latency


@pytest.mark.parametrize("semitones", [-12, -3, 4, 12])
def test_the_heads_of_a_pitch_shifter_read_within_its_line_and_on_average_at_its_delay(semitones):
    p, late, loud = stream.PitchShift(semitones, SR), [], []
    run = round(p.window / abs(1 - 2 ** (semitones / 12)))     # samples from one jump of a head to the next
    for i in np.linspace(0, run, 300, endpoint=False).astype(int):
        out = np.abs(joined([p(impulse_at(i, run)), p.flush()]))
        at = np.flatnonzero(out > 1e-6)
        late.extend(at - i)
        loud.extend(out[at])
    assert min(late) >= 0 and max(late) <= p.window
    assert np.average(late, weights=loud) == pytest.approx(p.delay, abs=2)


# ------------------------------------------------------------------------- what they are for


def test_bells_are_as_high_and_as_wide_as_asked():
    def db(p, f):
        _, h = scipy.signal.freqz_sos(p.sos, np.atleast_1d(f), fs=SR)
        return 20 * np.log10(np.abs(h))

    p = stream.equaliser({1000: 12}, SR, q=2)
    assert db(p, 1000) == pytest.approx(12, abs=1e-6) and db(p, [1, 3999]) == pytest.approx([0, 0], abs=0.01)
    f = np.linspace(500, 1800, 100_000)
    inside = f[db(p, f) >= 6]                                   # half of the decibels
    w = 2 * np.pi * 1000 / SR
    octaves = 2 / np.log(2) * np.arcsinh(1 / (2 * 2)) * np.sin(w) / w          # as the paper has it
    assert np.log2(inside[-1] / inside[0]) == pytest.approx(octaves, abs=0.01)
    low = stream.equaliser({500: 12, 2000: -3}, 16000)
    assert low.sos.shape == (2, 6)
    both = [db(stream.equaliser({700: gain}, SR), f) for gain in (6, -6)]
    np.testing.assert_allclose(sum(both), 0, atol=1e-9)


@pytest.mark.parametrize("semitones", [-12, -5, 3, 7, 12])
def test_a_tone_comes_out_at_the_pitch_asked_for(semitones):
    f = 20 / 0.05                                               # whole periods in a run: both heads agree on the phase
    y = np.sin(2 * np.pi * f * np.arange(2 * SR) / SR).astype(np.float32)
    out = stream.offline(stream.PitchShift(semitones, SR), y)[4000:12000]
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert np.argmax(spectrum) == pytest.approx(f * 2 ** (semitones / 12), abs=1.01)    # bins of 1 Hz
    assert np.sqrt(np.mean(out**2)) == pytest.approx(np.sqrt(0.5), rel=0.1)


def test_a_settled_filter_does_not_hear_a_constant_begin():
    sos = preprocess.butterworth(2, 20, SR, "highpass")
    constant = np.full(2000, 0.5, np.float32)
    assert np.abs(stream.Filter(sos, settled=True)(constant)).max() < 1e-6
    assert np.abs(stream.Filter(sos)(constant)).max() > 0.4


def test_reset_forgets_and_skip_passes_on():
    class Counts(stream.Processor):
        skipped = 0

        def reset(self):
            pass

        def skip(self, n):
            self.skipped += n

    for name, p in MADE.items():
        first = p(signal([333]))
        p.reset()
        np.testing.assert_array_equal(p(signal([333])), first, err_msg=name)
        p.flush()
    inner = Counts()
    stream.Chain(stream.Filter(SOS), stream.Chain(inner)).skip(7)
    assert inner.skipped == 7


# ------------------------------------------------------------------------- what is refused


BAD = [(np.array([0, np.nan], np.float32), "NaN or infinity, first at index 1"), (np.array([np.inf]), "NaN or inf"),
       (np.array([1e300]), "NaN or infinity"), (np.zeros((2, 100), np.float32), r"shape \[2, 100\]"),
       (np.zeros(4, np.int16), "not of int16"), ("sound", "array of floats"), (np.float32(0), "array of floats"),
       (None, "array of floats"), (np.zeros(3, complex), "not of complex128")]


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_block_is_refused_and_changes_nothing(name):
    p, y = MADE[name], signal([600])
    whole = joined([p(y), p.flush()])
    if name == "nothing":
        return                                                  # it has nothing inside that could be spoilt
    pieces = [p(y[:301])]
    for block, says in BAD:
        with pytest.raises(ValueError, match=says):
            p(block)
    np.testing.assert_allclose(joined([*pieces, p(y[301:]), p.flush()]), whole, atol=1e-5)


@pytest.mark.parametrize("make, says", [
    (lambda: stream.Filter(np.ones(6)), 'output="sos"'),
    (lambda: stream.Filter(np.full((1, 6), np.nan)), 'output="sos"'),
    (lambda: stream.Filter([[1, 0, 0, 1, 0, 1.01]]), "stable"),
    (lambda: stream.Filter([[1, 0, 0, 1, -1.5, 0.4]]), "stable"),
    (lambda: stream.Filter([[1, 0, 0, 2, 0, 0]]), "a0 must be 1"),
    (lambda: stream.equaliser({}, SR), "gains within"), (lambda: stream.equaliser({4000: 3}, SR), "0 and 4000 Hz"),
    (lambda: stream.equaliser({0: 3}, SR), "gains within"), (lambda: stream.equaliser({100: 41}, SR), "gains within"),
    (lambda: stream.equaliser({100: np.nan}, SR), "gains within"),
    (lambda: stream.equaliser({100: 3}, SR, 0), "positive q"),
    (lambda: stream.Delay(0, SR), "after one sample"), (lambda: stream.Delay(61, SR), "60 s"),
    (lambda: stream.Delay(1, SR, 0.96), "within ±0.95"), (lambda: stream.Delay(1, SR, 0.5, 1.1), "0 to 1"),
    (lambda: stream.PitchShift(25, SR), "-24 to 24"), (lambda: stream.PitchShift(np.nan, SR), "-24 to 24"),
    (lambda: stream.Spectral(abs, 255, 64), "even"), (lambda: stream.Spectral(abs, 256, 129), "at most half"),
    (lambda: stream.Spectral(lambda X: X[:-1], 256, 64)(signal([999])), "must keep the shape"),
    (lambda: stream.LogMel(500), "leaves nothing"), (lambda: stream.LogMel(SR, n_mels=400), "mel filters hold no bin"),
])
def test_what_cannot_be_made_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
