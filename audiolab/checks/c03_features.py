"""Checks of chapter 03, features: frames, a short-time Fourier transform, mel filters, MFCC, overlap-add, a tempo."""

import numpy as np

from .spec import Exercise, edge_signals

# ---------------------------------------------------------------------------------------------- 03.1

frame = Exercise(
    "03.1", "frame(y, frame_length, hop_length)",
    example=lambda: (np.array([3, 1, -4, 1.5, 5, -9, 2, 6, -5, 3.5, 8, 9.5], np.float32), 5, 2),
    hints=[
        "Count the frames first. The first begins at sample 0; how far may the last one begin, so that it still fits?",
        "The last start is at most `len(y) - frame_length`. How often does `hop_length` fit into that? The frame at 0 "
        "counts as well, and in a short signal the count must not fall below 0.",
        "The starts, as a column, plus 0 … `frame_length - 1`, as a row, are a table of indices: `y[table]` is a copy, "
        "and it has the right shape even when the table has no rows.",
    ],
    learned="A second at 16 kHz gives 98 frames of 400 every 160, not 100: the last two would reach past its end.",
)


@frame.output
def has_a_row_per_frame(t, got, y, frame_length, hop_length):
    count = max(0, 1 + (len(y) - frame_length) // hop_length)
    if isinstance(got, np.ndarray) and got.shape[1:] == (frame_length,):
        t.holds(len(got) == count, f"Of {len(y)} samples, in frames of {frame_length}, one every {hop_length}, come "
                f"{count} frames; yours are **{len(got)}**.",
                ask="At which sample does the last frame begin that still fits, and how many begin before it?")
    t.array(got, shape=(count, frame_length), dtype=y.dtype)


@frame.edges
def frames_that_just_fit(t):
    y = t.rng.normal(size=12).astype(np.float32)
    for n, count in ((8, 2), (11, 3), (6, 1), (5, 1)):
        got = t.on(f"{n} samples, in frames of 5, one every 3")(y[:n], 5, 3)
        t.close(got, np.stack([y[3 * i : 3 * i + 5] for i in range(count)]), atol=0,
                ask="At which sample does each frame begin?",
                says="Every frame should hold the samples that stand there in the signal.")


@frame.edges
def signals_shorter_than_a_frame(t):
    y = t.rng.normal(size=12).astype(np.float32)
    for n, length, hop in ((3, 4, 1), (1, 8, 2), (4, 5, 8)):
        got = t.on(f"{n} sample{'s' * (n > 1)}, in frames of {length}, one every {hop}")(y[:n], length, hop)
        t.close(got, np.zeros((0, length)), says="Nothing fits: no frame at all is right.",
                ask="How many whole frames fit?")


@frame.edges
def hops_at_the_edge(t):
    y = t.rng.normal(size=12).astype(np.float32)
    t.close(t.on("frames of one sample, one every sample")(y, 1, 1), y[:, None], atol=0,
            says="A frame of one sample is that sample.", ask="What are the first and the last start?")
    t.close(t.on("frames of 3, one every 5")(y, 3, 5), np.stack([y[:3], y[5:8]]), atol=0,
            ask="Which of the two lengths sets the start of the next frame?",
            says="When the hop is longer than a frame, the samples between two frames are skipped.")


@frame.edges
def keeps_the_type_of_the_signal(t):
    y = np.arange(-3000, 3000, 500)
    for kind in (np.int16, np.float64):
        got = t.on(f"a signal of type {np.dtype(kind)}")(y.astype(kind), 4, 4)
        t.close(got, y.reshape(3, 4), atol=0, says="Framing copies samples and computes nothing.",
                ask="What becomes of a sample on its way into the frame?")


@frame.properties
def frames_can_be_written_to(t):
    said = {}

    def frame(y, frame_length, hop_length):
        before, got = y.copy(), t.answer(y, frame_length, hop_length)
        neighbour = np.array(got[1])
        try:
            got[0] += 100
        except ValueError:
            said["read-only"] = True
        said["signal"], said["neighbour"] = not np.array_equal(y, before), not np.array_equal(got[1], neighbour)
        y[:] = before
        return got

    t.on("frames that are written to").call(frame, np.linspace(-1, 1, 12), 6, 2)
    ask = "Is what you return a copy, or a view of the same memory?"
    t.holds(not said.get("read-only"), "The frames cannot be written to: they are a view that NumPy protects, because "
            "its rows share their samples.", ask=ask, values=False)
    t.holds(not said["signal"], "Writing into a frame changes the signal: whoever windows the frames spoils the "
            "recording.", ask=ask, values=False)
    t.holds(not said["neighbour"], "Writing into the first frame changes the second, because the two share the samples "
            "where they overlap.", ask=ask, values=False)


@frame.properties
def a_hop_later_is_a_frame_later(t):
    for n, length, hop in ((50, 8, 3), (61, 10, 10), (43, 4, 7)):
        y = t.rng.normal(size=n)
        whole = t.on(f"{n} samples, in frames of {length}, one every {hop}")(y, length, hop)
        later = t.on(f"the same without the first {hop} samples")(y[hop:], length, hop)
        t.close(later, whole[1:], atol=0, ask="Does the first frame begin at the first sample?",
                says="Without the first hop of the signal, only the first frame should be gone.")


@frame.reference
def agrees_with_numpy_sliding_window_view(t):
    for length, hop in ((400, 160), (64, 64), (25, 40), (7, 1)):
        y = t.rng.normal(size=int(t.rng.integers(900, 1100)))
        want = np.lib.stride_tricks.sliding_window_view(y, length)[::hop]
        t.close(t.on(f"{len(y)} samples, in frames of {length}, one every {hop}")(y, length, hop), want, atol=0,
                says="It has to agree with `np.lib.stride_tricks.sliding_window_view`, of which every so many rows.",
                ask="At which sample does each frame begin, and which is the last that fits?")


def _frames(y, length, starts):
    """What a mistake hands back: the pieces that begin at `starts`, filled with zeros beyond the end."""
    y = np.concatenate([y, np.zeros(length, y.dtype)])
    return y[np.asarray(starts, int)[:, None] + np.arange(length)]


@frame.mistake("The last frame is missing where it fits exactly: `range` and `np.arange` stop before their end.",
               ask="May a frame begin at `len(y) - frame_length`?")
def end_not_included(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, len(y) - frame_length, hop_length))


@frame.mistake("Your last frame is missing: the one at sample 0, before any hop, counts as well.",
               ask="How many frames has a signal of one frame and one hop?")
def frame_at_zero_not_counted(y, frame_length, hop_length):
    return _frames(y, frame_length, hop_length * np.arange(max(0, (len(y) - frame_length) // hop_length)))


@frame.mistake("Your last frame reaches past the end of the signal and is filled with zeros.",
               ask="What does the task say of samples that are left over?")
def fills_the_last_frame(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, max(len(y) - frame_length, 0) + hop_length, hop_length))


@frame.mistake("A frame begins at every hop as long as samples are left, and those at the end are filled with zeros.",
               ask="What does the task say of samples that are left over?")
def starts_up_to_the_end(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, len(y), hop_length))


@frame.mistake("Each of your columns is a frame, as in `librosa.util.frame`. Here each row is one.",
               ask="Which axis counts the frames?")
def frames_in_columns(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, len(y) - frame_length + 1, hop_length)).T


@frame.mistake("Your frames follow one another without overlap: `hop_length` is not used.",
               ask="Where does the second frame begin?")
def no_overlap(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, len(y) - frame_length + 1, frame_length))


@frame.mistake("You take `hop_length` for the overlap. It is the distance from one start to the next.",
               ask="Where does the second frame begin?")
def hop_as_overlap(y, frame_length, hop_length):
    return _frames(y, frame_length, range(0, len(y) - frame_length + 1, frame_length - hop_length))


@frame.mistake("The two lengths are exchanged: your frames are `hop_length` samples long.",
               ask="Which length is that of a frame?")
def lengths_exchanged(y, frame_length, hop_length):
    return _frames(y, hop_length, range(0, len(y) - hop_length + 1, frame_length))


@frame.mistake("Your frames are centred on multiples of the hop, with zeros in front of the signal. That is how "
               "librosa does it unless it is told otherwise.", ask="Which sample comes first in frame 0?")
def centred(y, frame_length, hop_length):
    padded = np.pad(y, frame_length // 2)
    return _frames(padded, frame_length, range(0, len(padded) - frame_length + 1, hop_length))


# ---------------------------------------------------------------------------------------------- 03.2


def _twenty_three_samples():
    i = np.arange(23)
    return np.sin(0.9 * i + 0.4) + 0.3 * np.cos(2.3 * i**1.2) + 0.2


stft = Exercise(
    "03.2", "stft(y, n_fft, hop_length)",
    example=lambda: (_twenty_three_samples(), 8, 3),
    hints=[
        "Three steps: cut the signal into frames, multiply each by the window, take the transform of each. What is the "
        "shape after each step?",
        "The window is the formula with `np.arange(n_fft)`. Frames of shape [frames, n_fft] times a window of shape "
        "[n_fft] multiplies every row.",
        "`np.fft.rfft` transforms along the last axis and gives `n_fft // 2 + 1` values a frame. The result has "
        "frequencies in rows and frames in columns: one `.T` at the end.",
    ],
    learned="A tone on a bin shows in three bins, one half, minus a quarter beside it: that is the Hann window's own "
            "spectrum.",
)


@stft.output
def has_a_column_per_frame(t, got, y, n_fft, hop_length):
    want = n_fft // 2 + 1, 1 + (len(y) - n_fft) // hop_length
    t.array(got, shape=want)
    t.holds(np.iscomplexobj(got), "Your values are real: where in its period each wave is, its phase, is lost.",
            ask="What did you do with the complex values of the transform?")


@stft.edges
def an_impulse_shows_the_window(t):
    w = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(8) / 8)
    for m in (4, 0, 2, 7):
        got = t.on(f"an impulse at sample {m} of a frame of 8")(np.eye(8)[m], 8, 4)
        waves = np.exp(-2j * np.pi * np.arange(5) * m / 8)
        t.close(np.abs(got), np.full((5, 1), w[m]), atol=1e-5, ask=f"What does your window hold at m = {m}?",
                says=f"An impulse contains every frequency alike, so each bin shows the window at its sample, "
                     f"w[{m}] = {w[m]:.3f}.")
        t.close(got, w[m] * waves[:, None], atol=1e-5, ask="Which sign has the exponent?",
                says="The strength is right, but not the phase: the later the impulse, the further bin k turns back.")


@stft.edges
def leftovers_and_silence(t):
    y = t.rng.uniform(-1, 1, 20)
    first = t.on("a signal of exactly one frame")(y[:16], 16, 4)
    for n, hop in ((19, 4), (20, 5), (20, 30)):
        got = t.on(f"{n} samples, in frames of 16, one every {hop}")(y[:n], 16, hop)
        t.close(got, first, atol=1e-4, ask="How many whole frames are there?",
                says="Only one whole frame fits, and it should be as if the signal ended with it.")
    silence, = (y for _, y in edge_signals("silence"))
    t.close(t.on("silence")(silence, 16, 16), np.zeros((9, 4)), atol=0, says="Silence has no spectrum.",
            ask="Is something added?")


@stft.edges
def the_shortest_frame(t):
    got = t.on("frames of two samples")(np.array([0.5, 0.1, 0.7, -0.2]), 2, 2)
    t.close(got, [[0.1, -0.2], [-0.1, 0.2]], atol=1e-5, ask="What does the formula of the window give for N = 2?",
            says="For N = 2 the window is 0, 1: the first sample of each frame drops out.")


@stft.properties
def a_tone_on_a_bin(t):
    N, k, phase = 64, int(t.rng.integers(4, 28)), t.rng.uniform(-3, 3)
    n = np.arange(N + 40)
    got = t.on(f"a cosine of amplitude 1 that turns {k} times in a frame of {N}")(
        np.cos(2 * np.pi * k * n / N + phase), N, 10)
    want = np.zeros((N // 2 + 1, 5), complex)
    turn = np.exp(1j * (phase + 2 * np.pi * k * 10 * np.arange(5) / N))
    want[k], want[k - 1], want[k + 1] = N / 4 * turn, -N / 8 * turn, -N / 8 * turn
    found = ", ".join(f"{x:.2f}" for x in np.abs(got[k - 2 : k + 3, 0]))
    t.close(np.abs(got), np.abs(want), atol=1e-3, ask="Is your window periodic, and is something scaled?",
            says=f"On its bin it should have the strength N/4 = {N / 4:g}, half of that in the bins beside it, and "
                 f"nothing elsewhere; around bin {k} yours is {found}.")
    t.close(got, want, atol=1e-3, ask="At which sample does the wave of the formula begin, in each frame?",
            says="The strengths are right, but not the phases: in each frame the wave starts anew at the first sample.")


@stft.properties
def a_hop_later_is_a_column_later(t):
    y = t.rng.uniform(-1, 1, 100)
    got = t.on("100 samples, in frames of 16, one every 6")(y, 16, 6)
    t.close(t.on("the same without the first 6 samples")(y[6:], 16, 6), got[:, 1:], atol=1e-4,
            says="Without the first hop of the signal, only the first column should be gone.",
            ask="Does frame 0 begin at sample 0?")


@stft.properties
def is_linear(t):
    x, y = t.rng.normal(size=(2, 60))
    t.close(t.on("noise")(3 * x - y, 16, 5), 3 * t(x, 16, 5) - t(y, 16, 5), atol=1e-3,
            says="The transform of a sum should be the sum of the transforms.",
            ask="Is something subtracted, or divided by, that depends on the signal?")


@stft.reference
def agrees_with_scipy(t):
    from scipy import signal

    for n_fft, hop in ((64, 16), (128, 50), (32, 32), (400, 160)):
        y = t.rng.normal(size=int(t.rng.integers(500, 900)))
        w = signal.get_window("hann", n_fft)
        _, _, want = signal.stft(y, window=w, nperseg=n_fft, noverlap=n_fft - hop, boundary=None, padded=False)
        got = t.on(f"{len(y)} samples of noise, in frames of {n_fft}, one every {hop}")(y, n_fft, hop)
        want = want * w.sum()                               # SciPy divides by the sum of the window
        t.close(got, want, atol=1e-3, show=(np.abs(got), np.abs(want)),
                says="Times the window's sum it has to agree with `scipy.signal.stft(…, boundary=None, padded=False)`.",
                ask="Which of the three does not follow the formula: frames, window or transform?")


def _hann(n, over=None):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / max(over or n, 1))


def _stft(y, n_fft, hop_length, window=_hann, transform=np.fft.rfft):
    """What a mistake hands back: another window or transform."""
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length]
    return transform(window(n_fft) * frames).T


@stft.mistake("Your Hann window is the symmetric one, as `np.hanning` makes it: it ends in a zero of its own. The "
              "periodic one leaves that out, because the next period begins with it.", ask="By what is 2πm divided?")
def symmetric_hann(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, lambda n: _hann(n, n - 1))


@stft.mistake("There is no window: each frame is cut out sharply, and a tone leaks into all bins.",
              ask="What does each frame meet before the transform?")
def no_window(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, np.ones)


@stft.mistake("That is a Hamming window, which does not go down to 0.", ask="What is w[0] in the formula?")
def hamming(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, lambda n: 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n) / n))


@stft.mistake("Your window is multiplied in twice.", ask="How often does w[m] stand in the sum?")
def window_twice(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, lambda n: _hann(n) ** 2)


@stft.mistake("Your window reaches 2: both halves are missing.", ask="How large is w at the middle of the frame?")
def halves_missing(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, lambda n: 2 * _hann(n))


@stft.mistake("These are all N bins, as `fft` has them. In a real signal the upper half only mirrors the lower.",
              ask="How far does k run?")
def all_bins(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length, transform=np.fft.fft)


@stft.mistake("Frames and frequencies are exchanged.", ask="Which axis is k, and which is t?")
def transposed(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length).T


@stft.mistake("You give magnitudes, and from them alone there is no way back.", ask="What does `np.abs` leave out?")
def magnitudes(y, n_fft, hop_length):
    return np.abs(_stft(y, n_fft, hop_length))


@stft.mistake("Your transform runs along the frames and not along the samples in a frame.",
              ask="Along which axis should each transform go?")
def along_the_frames(y, n_fft, hop_length):
    frames = _hann(n_fft) * np.lib.stride_tricks.sliding_window_view(y, n_fft)[::hop_length]
    return np.fft.rfft(frames, axis=0)


@stft.mistake("You pad the signal by half a frame at both ends, so that frames are centred on multiples of the hop, as "
              "librosa does unless it is told otherwise.", ask="Which sample comes first in frame 0?")
def centred_frames(y, n_fft, hop_length):
    return _stft(np.pad(y, n_fft // 2), n_fft, hop_length)


@stft.mistake("You divide by the sum of the window, as `scipy.signal.stft` does. The formula does not.",
              ask="What stands before the sum?")
def divided_by_the_window(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length) / max(_hann(n_fft).sum(), 1e-12)


@stft.mistake("You divide by N. The formula does not.", ask="What stands before the sum?")
def divided_by_n(y, n_fft, hop_length):
    return _stft(y, n_fft, hop_length) / n_fft


@stft.mistake("The last frame is missing where it fits exactly: `range` stops before its end.",
              ask="May a frame begin at `len(y) - n_fft`?")
def last_frame_missing(y, n_fft, hop_length):
    return _stft(y[:-1], n_fft, hop_length)


@stft.mistake("Your waves turn the other way.", ask="Which sign has the exponent?")
def turns_forwards(y, n_fft, hop_length):
    return np.conj(_stft(y, n_fft, hop_length))


# ---------------------------------------------------------------------------------------------- 03.3

mel_filterbank = Exercise(
    "03.3", "mel_filterbank(sr, n_fft, n_mels=40, fmin=0.0, fmax=None)",
    example=lambda: (16000, 128, 7, 200.0, 6500.0),
    hints=[
        "Take one triangle first. Which three frequencies make it, and how is the weight of a bin found that lies "
        "between the first two?",
        "`np.linspace` from mel of `fmin` to mel of `fmax` gives the points. Solve the formula for f to turn them into "
        "hertz: f = 700 (10^(m / 2595) − 1).",
        "A line that rises from 0 to 1 and one that falls from 1 to 0: the triangle is the smaller of the two, and 0 "
        "where that is negative. With the points as a column and the bins as a row, all triangles are made at once.",
    ],
    learned="Every triangle has the area 1: noise that is alike at all frequencies is alike in all mel channels.",
)


def _points(n_mels, fmin, fmax):
    """Corners of the triangles in hertz, shape [n_mels + 2]."""
    low, high = np.log1p(fmin / 700), np.log1p(fmax / 700)
    return 700 * np.expm1(np.linspace(low, high, n_mels + 2))


def _in_words(frequencies):
    return ", ".join(f"{f:.0f}" for f in frequencies)


@mel_filterbank.output
def has_a_row_per_filter(t, got, sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    t.array(got, shape=(n_mels, n_fft // 2 + 1), dtype=np.floating)
    t.holds(np.min(got) > -1e-9, f"Your smallest weight is **{np.min(got):.3g}**. A filter adds up powers: no weight "
            "is negative.", ask="What becomes of the two lines outside the triangle?")


@mel_filterbank.edges
def the_range_ends_where_it_should(t):
    for fmin, fmax in ((0.0, 3000.0), (1000.0, 8000.0), (500.0, 5000.0)):
        got = t.on(f"filters from {fmin:g} to {fmax:g} Hz")(16000, 1024, 10, fmin, fmax)
        f = np.arange(513) * 16000 / 1024
        reached = f[np.max(got, axis=0) > 1e-9]
        says = (f"For filters from {fmin:g} to {fmax:g} Hz, yours reach from **{reached.min():.0f}** to "
                f"**{reached.max():.0f}** Hz." if reached.size else "All weights are 0.")
        inside = (f > fmin + 20) & (f < fmax - 20)
        outside = (f < fmin - 1e-6) | (f > fmax + 1e-6)
        t.holds(not np.any(got[:, outside] > 1e-7) and np.all(got[:, inside].sum(axis=0) > 0), says,
                ask="Which are the first point and the last, and to which bins do they belong?")


@mel_filterbank.edges
def half_the_rate_is_the_default(t):
    for sr in (16000, 22050):
        want = t.on("`fmax` given")(sr, 256, 8, 0.0, sr / 2)
        t.close(t.on("`fmax` left out")(sr, 256, 8), want, atol=1e-7, ask="What does None stand for?",
                says=f"Without `fmax`, at sr = {sr}, the filters should reach up to {sr / 2:g} Hz.")


@mel_filterbank.edges
def filters_between_two_bins(t):
    t.on("40 filters at n_fft = 64, of which some lie between two bins and have no weight")(8000, 64, 40)


@mel_filterbank.properties
def tops_are_equally_spaced_in_mel(t):
    fmin, fmax, n_mels = t.rng.uniform(50, 400), t.rng.uniform(5000, 7500), int(t.rng.integers(5, 12))
    got = t.on(f"{n_mels} filters from {fmin:.0f} to {fmax:.0f} Hz")(16000, 8192, n_mels, fmin, fmax)
    p, step = _points(n_mels, fmin, fmax), 16000 / 8192
    tops = np.argmax(got, axis=1) * step
    t.holds(np.all(np.abs(tops - p[1:-1]) <= step),
            f"{n_mels} filters from {fmin:.0f} to {fmax:.0f} Hz should have their tops at {_in_words(p[1:-1])} Hz; "
            f"yours are at **{_in_words(tops)}** Hz.", show=(tops, p[1:-1]),
            ask="On which scale are your points equally spaced, and which of them are tops?")


@mel_filterbank.properties
def every_triangle_has_the_area_one(t):
    n_mels = int(t.rng.integers(6, 16))
    got = t.on(f"{n_mels} filters")(22050, 16384, n_mels, 100.0, 7000.0)
    area = got.sum(axis=1) * 22050 / 16384                  # sum of weights times hertz per bin
    t.close(area, np.ones(n_mels), atol=0.02, ask="By what is each triangle divided, and how large is half its width?",
            says="The area of each triangle, weights times hertz per bin, should be 1; the areas of your first and "
                 f"last are **{area[0]:.3g}** and **{area[-1]:.3g}**.")


@mel_filterbank.properties
def sides_are_straight_in_hertz(t):
    got = t.on("4 filters")(16000, 16384, 4)
    p, f = _points(4, 0.0, 8000.0), np.arange(8193) * 16000 / 16384
    for corner, side in ((0, "up"), (1, "down")):
        middle = (p[corner:-2 + corner] + p[corner + 1 : len(p) - 1 + corner]) / 2
        weights = np.array([np.interp(m, f, row) for m, row in zip(middle, got, strict=True)])
        t.close(weights * (p[2:] - p[:-2]), np.ones(4), atol=0.01,      # half of the top, 2 / width
                ask="Between two points, is the line straight in hertz or in mel?",
                says=f"Half way {side}, counted in hertz, each triangle should have half of its height.")


@mel_filterbank.reference
def agrees_with_librosa(t):
    got = t.on("4 filters from 300 to 3700 Hz at sr = 8000, n_fft = 16")(8000, 16, 4, 300.0, 3700.0)
    t.close(1000 * got, np.array(LIBROSA), atol=1e-4, show=(got, np.array(LIBROSA) / 1000),
            says="Times 1000, it has to agree with `librosa.filters.mel(…, htk=True)`.",
            ask="Are the corners of your triangles moved to bins, or left where they are?")


@mel_filterbank.reference
def agrees_with_numpy_interp(t):
    for sr, n_fft in ((16000, 512), (22050, 1024), (44100, 2048)):
        n_mels, fmin, fmax = int(t.rng.integers(10, 60)), t.rng.uniform(0, 300), t.rng.uniform(0.3, 0.5) * sr
        p, f = _points(n_mels, fmin, fmax), np.arange(n_fft // 2 + 1) * sr / n_fft
        want = np.stack([np.interp(f, p[i : i + 3], [0, 2 / (p[i + 2] - p[i]), 0]) for i in range(n_mels)])
        case = f"{n_mels} filters from {fmin:.1f} to {fmax:.1f} Hz at sr = {sr}, n_fft = {n_fft}"
        t.close(t.on(case)(sr, n_fft, n_mels, fmin, fmax), want, atol=1e-6, rtol=1e-3,
                says="It has to agree with `np.interp` between the three corners of each triangle.",
                ask="Are the corners of your triangles moved to bins, or left where they are?")


#: librosa 0.11: 1000 * filters.mel(sr=8000, n_fft=16, n_mels=4, fmin=300, fmax=3700, htk=True).
LIBROSA = [[0, 1.433985, 0.579823, 0, 0, 0, 0, 0, 0],
           [0, 0, 1.407610, 0.685587, 0, 0, 0, 0, 0],
           [0, 0, 0, 0.857423, 0.931463, 0.116698, 0, 0, 0],
           [0, 0, 0, 0, 0.323985, 0.929802, 0.630636, 0.180182, 0]]


def _htk(f):
    return 2595 * np.log10(1 + np.asarray(f) / 700)


def _htk_back(m):
    return 700 * (10 ** (np.asarray(m) / 2595) - 1)


def _slaney(f):
    f = np.asarray(f, float)
    return np.where(f < 1000, f * 3 / 200, 15 + 27 * np.log(np.maximum(f, 1) / 1000) / np.log(6.4))


def _slaney_back(m):
    return np.where(m < 15, m * 200 / 3, 1000 * 6.4 ** ((m - 15) / 27))


def _bank(sr, n_fft, n_mels, fmin, fmax, scale=_htk, back=_htk_back, norm=lambda p: 2 / (p[2:] - p[:-2]),
          bins=lambda p, sr, n_fft: p, axis=lambda f: f):
    """What a mistake hands back: another scale, norm, place of the corners, or axis on which the sides are straight."""
    fmax = sr / 2 if fmax is None else fmax
    p = bins(back(np.linspace(scale(fmin), scale(fmax), n_mels + 2)), sr, n_fft)
    f, q = axis(np.arange(n_fft // 2 + 1) * sr / n_fft), axis(p)
    up = (f - q[:-2, None]) / np.maximum(q[1:-1] - q[:-2], 1e-9)[:, None]
    down = (q[2:, None] - f) / np.maximum(q[2:] - q[1:-1], 1e-9)[:, None]
    return np.maximum(0, np.minimum(up, down)) * norm(p)[:, None]


@mel_filterbank.mistake("Those are Slaney's mels, librosa's unless it is told otherwise: straight up to 1000 Hz.",
                        ask="Which formula does the task give?")
def slaney_scale(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, _slaney, _slaney_back)


@mel_filterbank.mistake("Your points are equally spaced in hertz.", ask="On which scale should the steps be equal?")
def linear_points(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, np.asarray, np.asarray)


@mel_filterbank.mistake("Your natural logarithm goes with 2595, which belongs to log10, and the way back with 10.",
                        ask="Does your way back undo your way there?")
def natural_logarithm_with_ten(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, lambda f: 2595 * np.log(1 + np.asarray(f) / 700))


@mel_filterbank.mistake("All your triangles are 1 high: the division by half the width is missing.",
                        ask="How large should the area of each triangle be?")
def all_of_height_one(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, norm=lambda p: np.ones(len(p) - 2))


@mel_filterbank.mistake("You divide by the whole width, so that each area is ½.",
                        ask="What is the area of a triangle of height 1?")
def divided_by_the_whole_width(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, norm=lambda p: 1 / (p[2:] - p[:-2]))


@mel_filterbank.mistake("You divide by half the width in mel, which is the same for all.",
                        ask="In which unit is the width measured?")
def width_in_mel(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, norm=lambda p: 2 / (_htk(p[2:]) - _htk(p[:-2])))


@mel_filterbank.mistake("Your weights add up to 1 in each row. It is the area in hertz that should be 1, so the width "
                        "of a bin counts.", ask="By what is each triangle divided?")
def sums_to_one(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    bank = _bank(sr, n_fft, n_mels, fmin, fmax)
    return bank / np.maximum(bank.sum(axis=1, keepdims=True), 1e-12)


@mel_filterbank.mistake("You move the corners of the triangles to bins. That is an old shortcut: it bends the low "
                        "filters and can make them empty.", ask="Must a corner lie on a bin?")
def corners_on_bins(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, norm=lambda p: 2 / np.maximum(p[2:] - p[:-2], 1e-9),
                 bins=lambda p, sr, n_fft: np.floor((n_fft + 1) * p / sr) * sr / n_fft)


@mel_filterbank.mistake("You round the corners of the triangles to the nearest bin.", ask="Must a corner lie on a bin?")
def corners_on_the_nearest_bins(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, norm=lambda p: 2 / np.maximum(p[2:] - p[:-2], 1e-9),
                 bins=lambda p, sr, n_fft: np.round(p * n_fft / sr) * sr / n_fft)


@mel_filterbank.mistake("Your sides are straight in mel and so bent in hertz.",
                        ask="On which axis is a weight found between two points?")
def straight_in_mel(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax, axis=_htk)


@mel_filterbank.mistake("`fmax` is not used: your filters always reach up to `sr / 2`.",
                        ask="Where should the last triangle end?")
def always_up_to_half_the_rate(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, None)


@mel_filterbank.mistake("`fmin` is not used: your filters always begin at 0 Hz.",
                        ask="Where should the first triangle begin?")
def always_from_zero(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, 0.0, fmax)


@mel_filterbank.mistake("Your bins reach up to `sr`; those of `rfft` end at `sr / 2`.",
                        ask="Which frequency has the last bin, k = n_fft / 2?")
def bins_up_to_the_rate(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(2 * sr, n_fft, n_mels, fmin, sr / 2 if fmax is None else fmax)


@mel_filterbank.mistake("Filters and bins are exchanged, as torchaudio has them.",
                        ask="How would you multiply it with a spectrogram of shape [bins, frames]?")
def filters_in_columns(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels, fmin, fmax).T


@mel_filterbank.mistake("`n_mels` points make two triangles too few.", ask="How many points does one triangle need?")
def too_few_points(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return _bank(sr, n_fft, n_mels - 2, fmin, fmax)


# ---------------------------------------------------------------------------------------------- 03.4

mfcc = Exercise(
    "03.4", "mfcc(mel, n_mfcc=13, floor=1e-5)",
    example=lambda: (np.array([[4.0, 0.0, 0.5, 1.0], [0.2, 2e-3, 3.0, 1.5], [7.0, 0.1, 0.02, 2.0],
                               [0.05, 0.3, 1.0, 4.0], [1.3, 5e-4, 0.8, 0.6]]), 3, 1e-3),
    hints=[
        "First the logarithm, then a weighted sum over the mel channels for each q. What shape has the table of all "
        "weights, and on which side of the logarithm does it stand?",
        "q as a column and m as a row give all `q * (m + 0.5)` at once. `np.maximum` raises what is below the floor.",
        "The cosines have the shape [n_mfcc, n_mels]: multiply the rows by √(2/M), but row 0 by √(1/M), and use `@` "
        "with the logarithm of shape [n_mels, frames].",
    ],
    learned="Loudness sits in the zeroth number alone: twice as loud adds √M · ln 4 there and nothing elsewhere.",
)


@mfcc.output
def has_a_row_per_coefficient(t, got, mel, n_mfcc=13, floor=1e-5):
    t.array(got, shape=(n_mfcc, mel.shape[1]), dtype=np.floating)


@mfcc.edges
def silence_is_the_floor(t):
    for floor in (1e-5, 1e-3):
        got = t.on(f"silence in 10 channels, floor {floor:g}")(np.zeros((10, 3)), 4, floor)
        want = np.zeros((4, 3))
        want[0] = np.sqrt(10) * np.log(floor)
        t.close(got, want, atol=1e-4, ask="What is the sum for q = 0, when all L are alike? And its factor?",
                says=f"Every channel is raised to {floor:g}: the zeroth number is √10 · ln {floor:g} = "
                     f"{want[0, 0]:.2f}, the others are 0; yours begin {_few(got[:, 0])}.")


@mfcc.edges
def the_floor_lifts_only_what_is_below(t):
    got = t.on("a constant power of 3e-5 and a floor of 1e-5")(np.full((16, 2), 3e-5), 2)
    want = 4 * np.log(3e-5)
    t.close(got[0], np.full(2, want), atol=1e-4, ask="What does the floor do to a power that is already above it?",
            says=f"This power is above the floor and stays as it is, which makes √16 · ln 3e-5 = {want:.3f}; yours is "
                 f"**{got[0, 0]:.3f}**.")
    mel = np.array([[1e4], [1e-4], [1e-9], [1.0]])
    L = np.log([1e4, 1e-4, 1e-5, 1.0])
    got = t.on("one loud channel and one below the floor")(mel, 1)
    t.close(got[0, 0], L.sum() / 2, atol=1e-4, ask="On what does the lowest power depend?",
            says="The floor is the same number for every frame, however loud its other channels are.")


@mfcc.edges
def few_channels(t):
    t.close(t.on("one channel")(np.array([[2.0, 0.5]]), 1), np.log([[2.0, 0.5]]), atol=1e-5,
            says="With one channel there is one number: its logarithm.", ask="What is √(1/M) for M = 1?")
    a, b = np.log(3.0), np.log(0.5)
    got = t.on("two channels, all coefficients")(np.array([[3.0], [0.5]]), 2)
    t.close(got[:, 0], np.array([a + b, a - b]) / np.sqrt(2), atol=1e-5,
            ask="What are the cosines for M = 2 and q = 1?",
            says="Of two channels there remain their sum and their difference, each divided by √2.")


@mfcc.properties
def louder_is_in_the_zeroth_alone(t):
    mel = t.rng.uniform(0.1, 3, size=(20, 5))
    change = t.on("noise, four times the power")(4 * mel, 8) - t(mel, 8)
    want = np.zeros((8, 5))
    want[0] = np.sqrt(20) * np.log(4)
    t.close(change, want, atol=1e-3, ask="By how much does the natural logarithm of every channel grow?",
            says=f"Four times the power adds √20 · ln 4 = {want[0, 0]:.2f} to the zeroth number and nothing to the "
                 f"others; yours change by {_few(change[:, 0])}.")


@mfcc.properties
def a_cosine_is_one_number(t):
    q = int(t.rng.integers(1, 12))
    wave = np.cos(np.pi * q * (np.arange(24) + 0.5) / 24)
    got = t.on(f"a log-mel spectrum that is cosine {q} of 24 channels")(np.exp(wave)[:, None], 13)
    want = np.zeros((13, 1))
    want[q] = np.sqrt(12)
    t.close(got, want, atol=1e-4, ask="At which points is the cosine of the formula taken?",
            says=f"That is one of the cosines which you compare with: number {q} should be √(24/2) = 3.46, the others "
                 f"0; around it yours are {_few(got[max(q - 1, 0) : q + 2, 0])}.")


@mfcc.properties
def frames_stay_apart(t):
    mel = t.rng.uniform(0.01, 2, size=(9, 6))
    whole = t.on("six frames")(mel, 5)
    for frames in ([3], [5, 0]):
        t.close(t.on(f"frame{'s' * (len(frames) > 1)} {frames} of them alone")(mel[:, frames], 5), whole[:, frames],
                atol=1e-5, ask="Which numbers of other frames come into yours: a mean, a largest value?",
                says="The coefficients of a frame depend on that frame alone.")


@mfcc.reference
def agrees_with_scipy_dct(t):
    from scipy.fft import dct

    for n_mels, n_mfcc in ((40, 13), (23, 23), (64, 20), (80, 1)):
        floor = 10 ** t.rng.uniform(-4, -1)
        mel = t.rng.uniform(0, 1, size=(n_mels, 9)) ** 4
        want = dct(np.log(np.maximum(mel, floor)), type=2, norm="ortho", axis=0)[:n_mfcc]
        got = t.on(f"{n_mels} channels, {n_mfcc} coefficients, floor {floor:.3g}")(mel, n_mfcc, floor)
        t.close(got, want, atol=1e-3, says='It has to agree with `scipy.fft.dct(…, type=2, norm="ortho")` of the '
                'logarithm.', ask="Which one does not follow the formula: logarithm, cosines or factors?")


def _few(numbers):
    """Numbers in a message: a few, short."""
    return ", ".join(f"**{x:.3g}**" if abs(x) > 1e-9 else "**0**" for x in np.ravel(numbers)[:4])


def _log(mel, floor):
    return np.log(np.maximum(mel, floor))


def _cosines(L, n_mfcc, half=0.5, first=0.5**0.5, scale=None, start=0):
    """What a mistake hands back: other points, factors or a first row of its own."""
    M = len(L)
    table = np.cos(np.pi * np.arange(start, start + n_mfcc)[:, None] * (np.arange(M) + half) / M)
    table *= np.sqrt(2 / M) if scale is None else scale
    if start == 0:
        table[0] *= first
    return table @ L


@mfcc.mistake("The zeroth number is √2 too large: its factor is √(1/M), not √(2/M).", ask="What is s for q = 0?")
def zeroth_like_the_others(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, first=1)


@mfcc.mistake("You leave the factors s out.", ask="What stands before the sum?")
def no_factors(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, scale=1, first=1)


@mfcc.mistake("Your factor is 2, as in `scipy.fft.dct` without `norm`. The orthonormal ones depend on M.",
              ask="What stands before the sum?")
def factor_two(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, scale=2, first=1)


@mfcc.mistake("All rows have the factor √(1/M): those after the zeroth are √2 too small.",
              ask="What is s for q above 0?")
def all_like_the_zeroth(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, scale=np.sqrt(1 / len(mel)), first=1)


@mfcc.mistake("Your logarithm is to base 10.", ask="Which logarithm does the task name?")
def base_ten(mel, n_mfcc=13, floor=1e-5):
    return _cosines(np.log10(np.maximum(mel, floor)), n_mfcc)


@mfcc.mistake("Your mel values are in decibels, as librosa has them.", ask="Which logarithm does the task name?")
def decibels(mel, n_mfcc=13, floor=1e-5):
    return _cosines(10 * np.log10(np.maximum(mel, floor)), n_mfcc)


@mfcc.mistake("You take the root before the logarithm, or half of it after: that is an amplitude.",
              ask="Of what is the logarithm taken?")
def logarithm_of_amplitude(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor) / 2, n_mfcc)


@mfcc.mistake("You add the floor to every power, also to those above it.",
              ask="What should become of a power above it?")
def floor_added(mel, n_mfcc=13, floor=1e-5):
    return _cosines(np.log(mel + floor), n_mfcc)


@mfcc.mistake("You take the logarithm of 1 plus the power, which needs no floor and is another curve.",
              ask="What is L where the power is at the floor?")
def log_of_one_plus(mel, n_mfcc=13, floor=1e-5):
    return _cosines(np.log1p(np.maximum(mel, floor)), n_mfcc)


@mfcc.mistake("`floor` is not used: your lowest power is always 1e-5.", ask="Where does the number come from?")
def fixed_floor(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, 1e-5), n_mfcc)


@mfcc.mistake("Your cosines are taken at m, not half a step further.", ask="What is the angle for m = 0?")
def half_a_step_missing(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, half=0)


@mfcc.mistake("That is a DCT-I: its cosines reach from the first channel to the last.",
              ask="At which points are the cosines of the formula taken, and what divides the angle?")
def other_transform(mel, n_mfcc=13, floor=1e-5):
    from scipy.fft import dct

    return dct(_log(mel, floor), type=1, norm="ortho", axis=0)[:n_mfcc]


@mfcc.mistake("You leave out the zeroth and begin with q = 1.", ask="What is the first q?")
def without_the_zeroth(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc, start=1)


@mfcc.mistake("Your cosines run along the frames. That describes how one channel changes over time.",
              ask="Over which axis does m count?")
def along_time(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor).T, n_mfcc).T


@mfcc.mistake("Frames and coefficients are exchanged.", ask="Which axis counts the frames in `mel`?")
def frames_in_rows(mel, n_mfcc=13, floor=1e-5):
    return _cosines(_log(mel, floor), n_mfcc).T


# ---------------------------------------------------------------------------------------------- 03.5


def _four_changed_frames():
    i = np.arange(32).reshape(4, 8)
    return np.sin(1.3 * i + 0.02 * i**2) + 0.1


overlap_add = Exercise(
    "03.5", "overlap_add(frames, window, hop_length)",
    example=lambda: (_four_changed_frames(), _hann(8), 3),
    hints=[
        "Where does frame t belong in the result, and how often has a sample been counted that two frames cover?",
        "Keep two arrays of the length of the result: one adds up `window` times frame, the other `window` squared. "
        "Then the quotient.",
        "`y[start : start + N] += …` adds to a piece. Divide only where the second array is above 1e-8: a mask, or "
        "`np.divide` with `out=` and `where=`.",
    ],
    learned="Divided by the sum of squares, frames that were changed give the signal that fits them best (Griffin and "
            "Lim, 1984). At hop = N one frame alone covers each sample: where its w² is at most 1e-8, as at the ends "
            "of a Hann window, nothing is known.",
)


@overlap_add.output
def is_float64_as_long_as_its_frames_reach(t, got, frames, window, hop_length):
    count, n = frames.shape
    t.array(got, shape=((count - 1) * hop_length + n if count else 0,), dtype=np.float64)


@overlap_add.edges
def a_single_frame(t):
    y = t.rng.uniform(0.5, 1, 8)
    want = np.where(np.arange(8), y, 0)
    got = t.on("a single frame under a Hann window")((y * _hann(8))[None], _hann(8), 4)
    t.close(got, want, atol=1e-4, ask="What is there at a sample that one frame covers, times the window twice?",
            says="One frame gives back all samples but the first, where the window is 0.")


@overlap_add.edges
def frames_side_by_side(t):
    y, w = t.rng.normal(size=24), t.rng.uniform(0.5, 1, 8)
    got = t.on("three frames that do not overlap, hop = N")(w * y.reshape(3, 8), w, 8)
    t.close(got, y, atol=1e-5, says="Where nothing overlaps, each sample comes back from its one frame.",
            ask="By what was a sample multiplied in all that one frame covers?")


@overlap_add.edges
def small_windows_count(t):
    y = t.rng.uniform(0.5, 1, 20)
    frames = np.lib.stride_tricks.sliding_window_view(y, 8)[::4]
    w = np.full(8, 1e-3)
    t.close(t.on("a window of 0.001 everywhere")(w * frames, w, 4), y, rtol=1e-4,
            says="The sum of squares is 1e-6 there, a hundred times the limit, so the signal comes back as it was.",
            ask="Is something added to what you divide by?")
    w = np.full(8, 4e-5)
    t.close(t.on("a window of 0.00004 everywhere")(w * frames, w, 4), 0 * y, atol=0,
            says="The sum of squares is 3.2e-9 at most, below 1e-8: nothing is known there, so the result is 0.",
            ask="What should happen where the sum is at most 1e-8?")


@overlap_add.edges
def frames_may_be_float32(t):
    frames = t.rng.normal(size=(3, 6)).astype(np.float32)
    got = t.on("frames and a window in float32")(frames, np.ones(6, np.float32), 6)
    t.close(got, frames.astype(float).ravel(), atol=1e-6, says="Frames side by side under a window of ones come back.",
            ask="Which type has the array into which you add?")


@overlap_add.edges
def no_frames(t):
    nothing = np.zeros((0, 8)), _hann(8), 4
    got = t.on("no frames at all").call(t.answer, *nothing)
    t.close(got, np.zeros(0), says="Without frames the signal is empty.",
            ask="What is (frames − 1) · hop + N when there are no frames?")
    t.contract(got, *nothing)


@overlap_add.properties
def undoes_the_framing(t):
    N, hop, count = 16, int(t.rng.integers(3, 12)), 7
    y, w = t.rng.normal(size=(count - 1) * hop + N), t.rng.uniform(0.2, 1.2, N)
    frames = np.stack([w * y[i * hop : i * hop + N] for i in range(count)])
    got = t.on(f"frames of 16 samples, one every {hop}, under an uneven window")(frames, w, hop)
    t.close(got, y, atol=1e-6, says="Frames that nobody changed should give the signal back, up to both ends.",
            ask="By what was each sample multiplied in all, and by how many frames is it covered?")


@overlap_add.properties
def changed_frames_are_averaged(t):
    w = np.array([1.0, 2.0, 3.0, 1.0])
    got = t.on("a first frame that says 1, a second that says 5, under the window 1, 2, 3, 1")(
        np.stack([1 * w, 5 * w]), w, 2)
    want = np.array([1, 1, (9 + 5) / 10, (1 + 5 * 4) / 5, 5, 5])
    t.close(got, want, atol=1e-6, ask="What is multiplied by the window now, and what is divided by?",
            says="Where they overlap, each counts by its window squared: 1.4 and 4.2; "
                 f"yours are **{got[2]:.4g}** and **{got[3]:.4g}**.")


@overlap_add.properties
def twice_the_frames_is_twice_the_signal(t):
    frames, w = t.rng.normal(size=(5, 12)), t.rng.uniform(0.2, 1, 12)
    t.close(t.on("frames 30 times as loud")(30 * frames, w, 5), 30 * t(frames, w, 5), atol=1e-5,
            says="30 times the frames should give 30 times the signal.", ask="Which line knows of a largest value?")


@overlap_add.reference
def agrees_with_scipy_istft(t):
    from scipy import signal

    for n, hop, count in ((32, 8, 9), (64, 25, 6), (40, 39, 4), (128, 1, 5)):
        frames, w = t.rng.normal(size=(count, n)), t.rng.uniform(0.1, 1, n)
        _, want = signal.istft(np.fft.rfft(frames).T / w.sum(), window=w, nperseg=n, noverlap=n - hop, boundary=False)
        got = t.on(f"{count} random frames of {n}, one every {hop}, under a random window")(frames, w, hop)
        t.close(got, want, atol=1e-6, says="It has to agree with `scipy.signal.istft`.",
                ask="Which does not follow the task: the place, the window or the division?")


def _where_known(y, weight, limit=1e-8):
    return np.divide(y, weight, out=np.zeros_like(y), where=weight > limit)


def _added(frames, window, hop_length, power=1, divide=2, quotient=_where_known):
    """What a mistake hands back: other powers of the window in the sum and below it, or another quotient."""
    count, n = frames.shape
    y, weight = np.zeros((2, (count - 1) * hop_length + n if count else 0))
    for i in range(count):
        here = slice(i * hop_length, i * hop_length + n)
        y[here] += window**power * frames[i]
        weight[here] += window**divide
    return quotient(y, weight)


@overlap_add.mistake("You add up and do not divide: where frames overlap, the signal is too loud.",
                     ask="How often was a sample counted?")
def never_divides(frames, window, hop_length):
    return _added(frames, window, hop_length, quotient=lambda y, weight: y)


@overlap_add.mistake("You divide by the sum of the window, not of its square.",
                     ask="How many times was a sample multiplied by the window in all?")
def divides_by_the_sum_of_the_window(frames, window, hop_length):
    return _added(frames, window, hop_length, divide=1)


@overlap_add.mistake("The frames are not multiplied by the window again, but divided by its square.",
                     ask="How many times was a sample multiplied by the window in all?")
def no_second_window(frames, window, hop_length):
    return _added(frames, window, hop_length, power=0)


@overlap_add.mistake("You add the frames as they come and divide by the sum of the window. That undoes framing too, "
                     "but where frames were changed it weights them otherwise.",
                     ask="What does the task do with each frame before it is added?")
def windowed_once(frames, window, hop_length):
    return _added(frames, window, hop_length, power=0, divide=1)


@overlap_add.mistake("You divide by the number of frames that cover a sample; each counts by its window.",
                     ask="Is a sample at the edge of a window worth as much as one in its middle?")
def divides_by_the_count(frames, window, hop_length):
    return _added(frames, window, hop_length, divide=0)


@overlap_add.mistake("You add something small to the sum before dividing: where the window is low, that shows.",
                     ask="Where is the limit needed, and where does it do harm?")
def epsilon_below(frames, window, hop_length):
    return _added(frames, window, hop_length, quotient=lambda y, weight: y / (weight + 1e-8))


@overlap_add.mistake("You raise the sum to 1e-8 and divide. Where nothing is known, the result should be 0.",
                     ask="What should happen where the sum is at most 1e-8?")
def raised_to_the_limit(frames, window, hop_length):
    return _added(frames, window, hop_length, quotient=lambda y, weight: y / np.maximum(weight, 1e-8))


@overlap_add.mistake("You divide everywhere except where the sum is exactly 0.",
                     ask="What should happen where the sum is at most 1e-8?")
def zero_only_at_zero(frames, window, hop_length):
    return _added(frames, window, hop_length, quotient=lambda y, weight: _where_known(y, weight, limit=0))


@overlap_add.mistake("Your last frame is missing.", ask="Which is the last t?")
def last_frame_left_out(frames, window, hop_length):
    y, missing = _added(frames[:-1], window, hop_length), hop_length if len(frames) > 1 else frames.shape[1]
    return np.pad(y, (0, missing)) if len(frames) else y


@overlap_add.mistake("What reaches past the end is added at the beginning.",
                     ask="How long must the result be for the last frame to fit?")
def around_the_end(frames, window, hop_length):
    y, n = _added(frames, window, hop_length), len(frames) * hop_length
    y[: len(y) - n] += y[n:]
    return y[:n]


@overlap_add.mistake("You divide all samples by the same number. At both ends fewer frames overlap.",
                     ask="How many frames cover the very first sample?")
def one_number_for_all(frames, window, hop_length):
    return _added(frames, window, hop_length, quotient=lambda y, weight: y * hop_length / np.sum(np.square(window)))


@overlap_add.mistake("Each frame replaces what is there, instead of adding to it.",
                     ask="What is left of the first frame where the second begins?")
def replaces(frames, window, hop_length):
    count, n = frames.shape
    y, weight = np.zeros((2, (count - 1) * hop_length + n if count else 0))
    for i in range(count):
        y[i * hop_length : i * hop_length + n] = window * frames[i]
        weight[i * hop_length : i * hop_length + n] = window**2
    return np.divide(y, weight, out=np.zeros_like(y), where=weight > 1e-8)


# ---------------------------------------------------------------------------------------------- 03.6


def _uneven_beats():
    return np.random.default_rng(18073).normal(size=(3, 30)).round(2), 10.0, 62.0, 190.0


tempo = Exercise(
    "03.6", "tempo(logmel, rate, slowest=60.0, fastest=200.0)",
    example=_uneven_beats,
    hints=[
        "Three steps: a curve of gains, its autocorrelation, the best lag. Draw the curve for four beats: what does it "
        "look like when it is moved by one beat?",
        "`np.diff` along the frames, `np.maximum` with 0, the mean over the channels, a 0 in front. The lags run from "
        "60 · rate / fastest, rounded up, to 60 · rate / slowest, rounded down; both count.",
        "With the mean taken off, r at a lag is `o[:-lag] @ o[lag:]`. `np.argmax` takes the first of several that are "
        "equal: list the lags from the shortest. Look first whether all of `o` is 0.",
    ],
    learned="A beat repeats at its double and its half too: which of them it is, such methods get wrong most often.",
)


@tempo.output
def is_a_tempo_in_range(t, got, logmel, rate, slowest=60.0, fastest=200.0):
    t.number(got, finite=False)
    t.holds(got == 0 or slowest * (1 - 1e-9) <= got <= fastest * (1 + 1e-9),
            f"Your tempo is **{got:.4g}**; one between {slowest:g} and {fastest:g} beats per minute was asked for.",
            ask="From which lag to which do you look, and what does a longer lag mean for the tempo?")


@tempo.edges
def no_change_no_tempo(t):
    steady = np.tile(t.rng.normal(size=(5, 1)), 40)
    cases = {"silence": np.full((5, 40), -11.5), "a steady sound": steady,
             "a sound that only fades": steady - 0.125 * np.arange(40)}
    for name, logmel in cases.items():
        t.close(t.on(name)(logmel, 10.0), 0.0, atol=0, says=f"In {name} nothing begins: 0 is right.",
                ask="What is the onset strength, and which lag wins when all r are 0?")


@tempo.edges
def both_bounds_count(t):
    for lag, bpm, word in ((3, 200, "fastest"), (10, 60, "slowest")):
        got = t.on(f"a beat every {lag} frames at 10 frames per second")(_beats(lag, 70), 10.0)
        t.close(got, float(bpm), rtol=1e-6, ask="Which lags do you try, and do all count alike?",
                says=f"A beat every {lag} frames, at 10 frames per second, is {bpm} a minute: the `{word}`.")


@tempo.edges
def bounds_between_two_lags(t):
    for lag, fastest, slowest in ((4, 190.0, 60.0), (8, 200.0, 70.0)):
        got = t.on(f"a beat every {lag} frames, from {slowest:g} to {fastest:g} beats per minute")(
            _beats(lag, 70), 10.0, slowest, fastest)
        t.close(got, 600 / lag, rtol=1e-6, ask="To which side is each bound rounded?",
                says=f"A beat every {lag} frames, at 10 frames per second, is {600 / lag:g} a minute.")


@tempo.edges
def one_channel(t):
    got = t.on("one channel, a beat every 6 frames at 10 frames per second")(_beats(6, 60)[:1], 10.0)
    t.close(got, 100.0, rtol=1e-6, says="One channel is enough for a tempo.", ask="Over which axis do you average?")


@tempo.properties
def finds_a_beat(t):
    for rate in (10.0, 31.25):
        lags = np.arange(np.ceil(60 * rate / 200), 60 * rate / 60 + 1e-9)
        for lag in t.rng.choice(lags, 3, replace=False).astype(int):
            got = t.on(f"a beat every {lag} frames at {rate:g} frames per second")(_beats(lag, 12 * lag), rate)
            t.close(got, 60 * rate / lag, rtol=1e-6, ask="How many seconds is a lag, and how many fit in a minute?",
                    says=f"A beat every {lag} frames, {rate:g} frames per second, is {60 * rate / lag:.2f} a minute.")


@tempo.properties
def ends_do_not_count(t):
    logmel = np.tile(np.repeat([[-4.0, 1.0]], 3, axis=1), (4, 12))          # 3 frames off, 3 on
    got = t.on("a note of 3 frames every 6, at 10 frames per second")(logmel, 10.0)
    t.close(got, 100.0, rtol=1e-6, ask="What does a loss add to the onset strength?",
            says="A note begins every 6 frames, which is 100 a minute. That it ends in between, 3 frames later, does "
                 "not count.")


@tempo.properties
def a_steady_rise_is_no_beat(t):
    logmel = _beats(7, 84) + 30.0 * np.arange(84)
    got = t.on("a beat every 7 frames in a sound that grows all the time, at 10 frames per second")(logmel, 10.0)
    t.close(got, 600 / 7, rtol=1e-6, ask="What does a constant part of the curve do to the autocorrelation?",
            says=f"The steady growth is the same in every frame; the beat is at {600 / 7:.2f} a minute.")


@tempo.properties
def channels_may_go_apart(t):
    logmel = np.zeros((2, 72))
    logmel[0], logmel[1] = _beats(6, 72)[0], -_beats(6, 72)[0]              # one gains what the other loses
    got = t.on("a channel that gains what another loses, every 6 frames at 10 frames per second")(logmel, 10.0)
    t.close(got, 100.0, rtol=1e-6, ask="What comes first: leaving out the losses or averaging the channels?",
            says="Losses count as zero in each channel by itself, so they cannot cancel the gains of another.")


@tempo.properties
def louder_is_as_fast(t):
    logmel = t.rng.normal(size=(6, 50))
    while _margin(logmel, 3, 10) < 1e-6:
        logmel = t.rng.normal(size=(6, 50))
    got = t.on("noise")(logmel, 10.0)
    for factor, added in ((1, -8.0), (0.01, 0.0), (5, 3.0)):
        same = t.on(f"noise, its log-mel values times {factor:g} and plus {added:g}")(factor * logmel + added, 10.0)
        t.close(same, got, rtol=1e-6, ask="Is there a threshold, or another logarithm?",
                says="A constant on top, or larger steps throughout, change nothing about the tempo.")


@tempo.reference
def agrees_with_numpy_correlate(t):
    done = 0
    while done < 25:
        rate, frames = t.rng.uniform(8, 14), int(t.rng.integers(16, 60))
        first, last = int(np.ceil(60 * rate / 200)), int(60 * rate / 60)
        logmel = t.rng.normal(size=(int(t.rng.integers(1, 5)), frames))
        if _margin(logmel, first, last) < 1e-6 or frames <= last:
            continue                                        # rounding would decide
        done += 1
        r = _autocorrelation(logmel)
        want = first + int(np.argmax(r[first : last + 1]))
        got = t.on(f"noise of shape {list(logmel.shape)} at {rate:.3f} frames per second")(logmel, rate)
        t.close(got, 60 * rate / want, rtol=1e-6,
                says=f"It has to agree with `np.correlate`, whose largest value among the lags {first} to {last} is at "
                     f"{want} frames.",
                ask="Which differs: the gains, the 0 in front of them, the mean, the sum of products or the lags?")


@tempo.reference
def takes_the_shortest_of_equals_as_argmax_does(t):
    found = {}
    for seed in TIES:
        onset = np.random.default_rng(seed).integers(0, 3, 32) * 1.0
        onset[0] = 0
        logmel = np.cumsum(onset)[None]
        r = _autocorrelation(logmel)[3:11]
        short, long = 3 + np.flatnonzero(r == r.max())
        got = t.on(f"a curve of which r is the same at {short} frames and at {long}")(logmel, 10.0)
        found[t.case] = got, 600 / short
    # a transform may tell equals apart, by rounding; but not wrongly each time
    case, (got, want) = next(iter(found.items()))
    t.holds(any(np.isclose(*pair) for pair in found.values()), f"For {case}, you give **{got:.4g}**. The shorter of "
            f"the two counts, as with `np.argmax`: {want:.4g}.",
            ask="In which order do you go through the lags, and what becomes of one that is no better than the best?")


def _beats(period, frames, channels=4):
    """A log-mel spectrogram that jumps up once a period and then fades, shape [channels, frames]."""
    since = (np.arange(frames) + period // 2) % period
    return np.outer(np.linspace(1, 2, channels), -since.astype(float))


def _onset(logmel, part=lambda d: np.maximum(d, 0)):
    return np.r_[0, part(np.diff(logmel)).mean(axis=0)]


def _autocorrelation(logmel):
    o = _onset(logmel)
    o = o - o.mean()
    return np.correlate(o, o, "full")[len(o) - 1 :]


def _margin(logmel, first, last):
    """How clearly the best lag wins, as part of r at lag 0."""
    r = _autocorrelation(logmel)
    second, best = np.sort(r[first : last + 1])[-2:]
    return (best - second) / r[0]


#: Seeds of curves in which the largest r is there twice.
TIES = (47, 109, 270, 339, 386, 396, 440, 474)


def _best(o, rate, slowest, fastest, centre=True, correlate=np.correlate, lags=None, pick=np.argmax,
          bpm=lambda rate, lag: 60 * rate / lag, weight=lambda lags, n: 1.0):
    """What a mistake hands back: another autocorrelation, other lags, another choice."""
    if not np.any(np.abs(o - o.mean()) > 1e-12):
        return 0.0
    o = o - o.mean() if centre else o
    if lags is None:
        lags = np.arange(int(np.ceil(60 * rate / fastest)), int(60 * rate / slowest) + 1)
    r = correlate(o, o, "full")[len(o) - 1 :][lags] * weight(lags, len(o))
    return float(bpm(rate, lags[int(pick(r))]))


@tempo.mistake("You count losses as well, as `np.abs` and squares do.",
               ask="Does a note begin where energy disappears?")
def counts_losses(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel, np.abs), rate, slowest, fastest)


@tempo.mistake("You let losses cancel gains: nothing is cut off at 0.", ask="What should a loss count?")
def keeps_the_sign(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel, np.asarray), rate, slowest, fastest)


@tempo.mistake("You average the channels and cut off at 0 afterwards: a loss in one channel hides a gain in another.",
               ask="What comes first in the formula?")
def averages_first(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel, lambda d: np.maximum(d.mean(axis=0, keepdims=True), 0)), rate, slowest, fastest)


@tempo.mistake("The mean is still in the curve, and favours short lags, which have more products.",
               ask="What is subtracted before the autocorrelation?")
def mean_left_in(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, centre=False)


@tempo.mistake("You divide each r by its number of products. The formula adds up and leaves it at that.",
               ask="What does the task do with the sum?")
def divided_by_the_products(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, weight=lambda lags, n: 1 / (n - lags))


@tempo.mistake("Your autocorrelation goes round in a circle: the end meets the beginning.",
               ask="Which t are there for which both o[t] and o[t + lag] exist?")
def circular(logmel, rate, slowest=60.0, fastest=200.0):
    def correlate(a, b, mode):
        return np.r_[np.zeros(len(a) - 1), np.fft.irfft(np.abs(np.fft.rfft(a)) ** 2, len(a))]

    return _best(_onset(logmel), rate, slowest, fastest, correlate=correlate)


@tempo.mistake("You give the place in the list of lags, not the lag: the list does not begin at 0.",
               ask="Which lag is the first in your list?")
def place_for_lag(logmel, rate, slowest=60.0, fastest=200.0):
    first = int(np.ceil(60 * rate / fastest))
    return _best(_onset(logmel), rate, slowest, fastest, bpm=lambda rate, lag: 60 * rate / max(lag - first, 1))


@tempo.mistake("Your lag is one frame too long.", ask="Which lag belongs to the first value of your list?")
def one_frame_late(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, bpm=lambda rate, lag: 60 * rate / (lag + 1))


@tempo.mistake("Your lag is one frame too short.", ask="Which lag belongs to the first value of your list?")
def one_frame_early(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, bpm=lambda rate, lag: 60 * rate / max(lag - 1, 1))


@tempo.mistake("The quotient is upside down: a longer lag is a slower beat.",
               ask="How many seconds is a lag, and how many beats fit into a minute?")
def upside_down(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, bpm=lambda rate, lag: 60 * lag / rate)


@tempo.mistake("You give the lag, or the beats per second; a minute has sixty of them.",
               ask="Which unit has the result?")
def beats_per_second(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, bpm=lambda rate, lag: rate / lag)


@tempo.mistake("You look at all lags, not only at those that the two bounds allow.",
               ask="Which lags belong to `fastest` and to `slowest`?")
def all_lags(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, lags=np.arange(1, logmel.shape[1]))


@tempo.mistake("The longest lag, that of `slowest`, is not tried.", ask="Where does `range` or a slice stop?")
def last_lag_missing(logmel, rate, slowest=60.0, fastest=200.0):
    lags = np.arange(int(np.ceil(60 * rate / fastest)), int(60 * rate / slowest))
    return _best(_onset(logmel), rate, slowest, fastest, lags=lags)


@tempo.mistake("The shortest lag is rounded down, and so is faster than `fastest`.",
               ask="To which side must the shortest lag be rounded?")
def first_lag_rounded_down(logmel, rate, slowest=60.0, fastest=200.0):
    lags = np.arange(int(60 * rate / fastest), int(60 * rate / slowest) + 1)
    return _best(_onset(logmel), rate, slowest, fastest, lags=lags)


@tempo.mistake("Of several lags that are equally good you take the longest.",
               ask="In which order do you go through them?")
def longest_of_equals(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel), rate, slowest, fastest, pick=lambda r: len(r) - 1 - np.argmax(r[::-1]))


@tempo.mistake("Your tempo is rounded to a whole number.", ask="Which tempo lies between two whole numbers?")
def rounded(logmel, rate, slowest=60.0, fastest=200.0):
    return round(_best(_onset(logmel), rate, slowest, fastest))


@tempo.mistake("The 0 in front is missing: your curve is one frame shorter, and its mean another.",
               ask="What is o[0]?")
def no_zero_in_front(logmel, rate, slowest=60.0, fastest=200.0):
    return _best(_onset(logmel)[1:], rate, slowest, fastest)
