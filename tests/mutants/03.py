"""Wrong answers of chapter 03, each a misconception, with the stage and the words that must reject it."""

import numpy as np
from scipy.fft import dct

from mutants import mutant

# ---------------------------------------------------------------------------------------------- 03.1


def pieces(y, length, starts):
    """What is right about most of the answers below."""
    return np.array([y[s : s + length] for s in starts], y.dtype).reshape(-1, length)


@mutant("03.1", stage="edges", says="The last frame is missing where it fits exactly")
def stops_before_the_last_start(y, frame_length, hop_length):
    return pieces(y, frame_length, range(0, len(y) - frame_length, hop_length))


@mutant("03.1", stage="edges", says="The last frame is missing where it fits exactly")
def stops_before_the_last_start_in_a_list(y, frame_length, hop_length):
    return np.array([y[s : s + frame_length] for s in range(0, len(y) - frame_length, hop_length)], y.dtype)


@mutant("03.1", stage="output", says="the one at sample 0, before any hop, counts as well")
def as_many_frames_as_hops_fit(y, frame_length, hop_length):
    return pieces(y, frame_length, hop_length * np.arange(max(0, (len(y) - frame_length) // hop_length)))


@mutant("03.1", stage="edges", says="At which sample does the last frame begin that still fits")
def last_of_three_frames_dropped(y, frame_length, hop_length):
    frames = pieces(y, frame_length, range(0, len(y) - frame_length + 1, hop_length))
    return frames[:2] if len(frames) == 3 else frames


@mutant("03.1", stage="output", says="reaches past the end of the signal and is filled with zeros")
def pads_to_a_whole_frame(y, frame_length, hop_length):
    missing = -(len(y) - frame_length) % hop_length if len(y) >= frame_length else frame_length - len(y)
    y = np.pad(y, (0, missing))
    return pieces(y, frame_length, range(0, len(y) - frame_length + 1, hop_length))


@mutant("03.1", stage="output", says="as long as samples are left")
def as_many_as_hops(y, frame_length, hop_length):
    return pieces(np.pad(y, (0, frame_length)), frame_length, range(0, len(y), hop_length))


@mutant("03.1", stage="runs", says="inhomogeneous shape")
def slices_of_unequal_length(y, frame_length, hop_length):
    return np.array([y[s : s + frame_length] for s in range(0, len(y), hop_length)])


@mutant("03.1", stage="output", says="Each of your columns is a frame")
def as_librosa(y, frame_length, hop_length):
    return pieces(y, frame_length, range(0, len(y) - frame_length + 1, hop_length)).T


@mutant("03.1", stage="output", says="without overlap: `hop_length` is not used")
def reshaped(y, frame_length, hop_length):
    return y[: len(y) // frame_length * frame_length].reshape(-1, frame_length).copy()


@mutant("03.1", stage="output", says="You take `hop_length` for the overlap")
def hop_is_the_overlap(y, frame_length, hop_length):
    return pieces(y, frame_length, range(0, len(y) - frame_length + 1, max(frame_length - hop_length, 1)))


@mutant("03.1", stage="output", says="The two lengths are exchanged")
def exchanged(y, frame_length, hop_length):
    return pieces(y, hop_length, range(0, len(y) - hop_length + 1, frame_length))


@mutant("03.1", stage="output", says="centred on multiples of the hop")
def padded_in_front(y, frame_length, hop_length):
    y = np.pad(y, frame_length // 2)
    return pieces(y, frame_length, range(0, len(y) - frame_length + 1, hop_length))


@mutant("03.1", stage="edges", says="of 3 samples, in frames of 4, one every 1, come 0 frames; yours are 1")
def cuts_a_negative_count(y, frame_length, hop_length):
    count = 1 + max(0, (len(y) - frame_length) // hop_length)               # one frame at least
    return pieces(np.pad(y, (0, frame_length)), frame_length, hop_length * np.arange(count))


@mutant("03.1", stage="edges", says="need at least one array to stack")
def stacks_nothing(y, frame_length, hop_length):
    return np.stack([y[s : s + frame_length] for s in range(0, len(y) - frame_length + 1, hop_length)])


@mutant("03.1", stage="edges", says="your output is [0], expected [0, 4]")
def no_second_axis_when_empty(y, frame_length, hop_length):
    return np.array([y[s : s + frame_length] for s in range(0, len(y) - frame_length + 1, hop_length)], y.dtype)


@mutant("03.1", stage="output", says="The type of your output is float64, expected float32")
def into_zeros(y, frame_length, hop_length):
    frames = np.zeros((max(0, 1 + (len(y) - frame_length) // hop_length), frame_length))
    for t in range(len(frames)):
        frames[t] = y[t * hop_length : t * hop_length + frame_length]
    return frames


@mutant("03.1", stage="edges", says="The type of your output is float32, expected int16")
def always_float32(y, frame_length, hop_length):
    return pieces(y.astype(np.float32), frame_length, range(0, len(y) - frame_length + 1, hop_length))


@mutant("03.1", stage="properties", says="a view that NumPy protects")
def sliding_window(y, frame_length, hop_length):
    if len(y) < frame_length:
        return np.zeros((0, frame_length), y.dtype)
    return np.lib.stride_tricks.sliding_window_view(y, frame_length)[::hop_length]


@mutant("03.1", stage="properties", says="Writing into a frame changes the signal")
def strided(y, frame_length, hop_length):
    shape = max(0, 1 + (len(y) - frame_length) // hop_length), frame_length
    return np.lib.stride_tricks.as_strided(y, shape, (hop_length * y.strides[0], y.strides[0]))


@mutant("03.1", stage="properties", says="Writing into the first frame changes the second")
def strided_copy_of_the_signal(y, frame_length, hop_length):
    return strided(y.copy(), frame_length, hop_length)


@mutant("03.1", stage="reference", says="sliding_window_view")
def at_most_a_hundred_frames(y, frame_length, hop_length):
    frames = pieces(y, frame_length, range(0, len(y) - frame_length + 1, hop_length))
    frames[100:] = 0
    return frames


@mutant("03.1", stage="edges", says="which of the two lengths sets the start of the next frame")
def never_skips(y, frame_length, hop_length):
    count = max(0, 1 + (len(y) - frame_length) // hop_length)
    return pieces(y, frame_length, min(hop_length, frame_length) * np.arange(count))


# ---------------------------------------------------------------------------------------------- 03.2


def hann(n):
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)


def columns(y, n_fft, hop_length, window=None, transform=np.fft.rfft):
    """Likewise: frames, window, transform."""
    window = hann(n_fft) if window is None else window
    return np.array([transform(window * y[s : s + n_fft]) for s in range(0, len(y) - n_fft + 1, hop_length)]).T


@mutant("03.2", stage="edges", says="Your Hann window is the symmetric one")
def hanning(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, np.hanning(n_fft))


@mutant("03.2", stage="edges", says="There is no window")
def rectangular(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, np.ones(n_fft))


@mutant("03.2", stage="edges", says="That is a Hamming window")
def periodic_hamming(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft))


@mutant("03.2", stage="edges", says="What does your window hold at m = 4")
def root_of_hann(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, np.sqrt(hann(n_fft)) * 0.9)


@mutant("03.2", stage="edges", says="What does your window hold at m = 2")
def root_of_hann_at_full_height(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, np.sqrt(hann(n_fft)))


@mutant("03.2", stage="edges", says="both halves are missing")
def twice_as_high(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, 2 * hann(n_fft))


@mutant("03.2", stage="edges", says="multiplied in twice")
def window_squared(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, hann(n_fft) ** 2)


@mutant("03.2", stage="edges", says="What does your window hold at m = 4")
def plus_for_minus(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, 0.5 + 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft))


@mutant("03.2", stage="output", says="These are all N bins")
def full_transform(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, transform=np.fft.fft)


@mutant("03.2", stage="output", says="Frames and frequencies are exchanged")
def frames_in_rows(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length).T


@mutant("03.2", stage="output", says="from them alone there is no way back")
def magnitude_only(y, n_fft, hop_length):
    return np.abs(columns(y, n_fft, hop_length))


@mutant("03.2", stage="output", says="where in its period each wave is, its phase, is lost")
def power_only(y, n_fft, hop_length):
    return np.abs(columns(y, n_fft, hop_length)) ** 2


@mutant("03.2", stage="output", says="Your transform runs along the frames")
def along_the_wrong_axis(y, n_fft, hop_length):
    starts = range(0, len(y) - n_fft + 1, hop_length)
    return np.fft.rfft(hann(n_fft) * np.array([y[s : s + n_fft] for s in starts]), axis=0)


@mutant("03.2", stage="output", says="You pad the signal by half a frame at both ends")
def padded_as_librosa_does(y, n_fft, hop_length):
    return columns(np.pad(y, n_fft // 2), n_fft, hop_length)


@mutant("03.2", stage="edges", says="You divide by the sum of the window")
def scaled_as_scipy_does(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length) / max(hann(n_fft).sum(), 1e-9)


@mutant("03.2", stage="edges", says="You divide by N")
def divided_by_the_length(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length) / n_fft


@mutant("03.2", stage="edges", says="What does your window hold")
def orthonormal(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length) / np.sqrt(n_fft)


@mutant("03.2", stage="output", says="The last frame is missing where it fits exactly")
def range_without_its_end(y, n_fft, hop_length):
    return np.array([np.fft.rfft(hann(n_fft) * y[s : s + n_fft]) for s in range(0, len(y) - n_fft, hop_length)]).T


@mutant("03.2", stage="edges", says="Your waves turn the other way")
def conjugate(y, n_fft, hop_length):
    return np.conj(columns(y, n_fft, hop_length))


@mutant("03.2", stage="properties", says="in each frame the wave starts anew")
def phase_of_the_whole_signal(y, n_fft, hop_length):
    X = columns(y, n_fft, hop_length)
    k, t = np.arange(len(X))[:, None], np.arange(X.shape[1])
    return X * np.exp(-2j * np.pi * k * t * hop_length / n_fft)


@mutant("03.2", stage="properties", says="The transform of a sum should be the sum of the transforms")
def scaled_to_its_peak(y, n_fft, hop_length):
    return columns(y / max(np.max(np.abs(y)), 1.0), n_fft, hop_length)


@mutant("03.2", stage="reference", says="it has to agree with `scipy.signal.stft(")
def at_most_256_samples(y, n_fft, hop_length):
    return columns(y, n_fft, hop_length, np.where(np.arange(n_fft) < 256, hann(n_fft), 0))


# ---------------------------------------------------------------------------------------------- 03.3


def mel(f):
    return 2595 * np.log10(1 + np.asarray(f) / 700)


def hertz(m):
    return 700 * (10 ** (np.asarray(m) / 2595) - 1)


def triangles(p, f):
    """Likewise: height 1, corners p, at the frequencies f."""
    return np.stack([np.interp(f, p[i : i + 3], [0, 1, 0]) for i in range(len(p) - 2)])


def corners(sr, n_mels, fmin, fmax):
    return hertz(np.linspace(mel(fmin), mel(sr / 2 if fmax is None else fmax), n_mels + 2))


def frequencies(sr, n_fft):
    return np.arange(n_fft // 2 + 1) * sr / n_fft


def normed(bank, p):
    return bank * (2 / (p[2:] - p[:-2]))[:, None]


@mutant("03.3", stage="properties", says="Those are Slaney's mels")
def slaney(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    step = np.log(6.4) / 27
    low, high = ((f * 0.015 if f < 1000 else 15 + np.log(f / 1000) / step) for f in (fmin, fmax or sr / 2))
    m = np.linspace(low, high, n_mels + 2)
    p = np.where(m < 15, m / 0.015, 1000 * np.exp(step * (m - 15)))
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="properties", says="Your points are equally spaced in hertz")
def equal_in_hertz(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = np.linspace(fmin, sr / 2 if fmax is None else fmax, n_mels + 2)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="properties", says="on which scale are your points equally spaced")
def equal_in_octaves(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    fmax = sr / 2 if fmax is None else fmax
    p = np.geomspace(max(fmin, 1e-3), fmax, n_mels + 2)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="edges", says="Your natural logarithm goes with 2595")
def natural_logarithm(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    low, high = 2595 * np.log(1 + np.array([fmin, sr / 2 if fmax is None else fmax]) / 700)
    p = hertz(np.linspace(low, high, n_mels + 2))
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="properties", says="the division by half the width is missing")
def height_one(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    return triangles(corners(sr, n_mels, fmin, fmax), frequencies(sr, n_fft))


@mutant("03.3", stage="properties", says="so that each area is ½")
def whole_width(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(triangles(p, frequencies(sr, n_fft)), p) / 2


@mutant("03.3", stage="properties", says="half the width in mel")
def norm_in_mel(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(triangles(p, frequencies(sr, n_fft)), mel(p))


@mutant("03.3", stage="properties", says="the areas of your first and last")
def largest_weight_is_one(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    bank = normed(triangles(p, frequencies(sr, n_fft)), p)
    return bank / bank.max()


@mutant("03.3", stage="properties", says="so the width of a bin counts")
def rows_that_sum_to_one(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    bank = triangles(corners(sr, n_mels, fmin, fmax), frequencies(sr, n_fft))
    return bank / np.maximum(bank.sum(axis=1, keepdims=True), 1e-12)


@mutant("03.3", stage="edges", says="NaN")
def rows_divided_by_their_sum(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    bank = triangles(corners(sr, n_mels, fmin, fmax), frequencies(sr, n_fft))
    with np.errstate(invalid="ignore"):
        return bank / bank.sum(axis=1, keepdims=True)


@mutant("03.3", stage="reference", says="an old shortcut")
def floor_to_bins(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    bins = np.floor((n_fft + 1) * corners(sr, n_mels, fmin, fmax) / sr).astype(int)
    bank = np.zeros((n_mels, n_fft // 2 + 1))
    for i, (a, b, c) in enumerate(zip(bins, bins[1:], bins[2:], strict=False)):
        for k in range(a, b):
            bank[i, k] = (k - a) / (b - a)
        for k in range(b, min(c, n_fft // 2 + 1)):
            bank[i, k] = (c - k) / (c - b)
        bank[i] *= 2 / max((c - a) * sr / n_fft, 1e-9)
    return bank


@mutant("03.3", stage="reference", says="to the nearest bin")
def nearest_bins(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = np.round(corners(sr, n_mels, fmin, fmax) * n_fft / sr) * sr / n_fft
    f = frequencies(sr, n_fft)
    up = (f - p[:-2, None]) / np.maximum(p[1:-1] - p[:-2], 1e-9)[:, None]
    down = (p[2:, None] - f) / np.maximum(p[2:] - p[1:-1], 1e-9)[:, None]
    return np.maximum(0, np.minimum(up, down)) * (2 / np.maximum(p[2:] - p[:-2], 1e-9))[:, None]


@mutant("03.3", stage="properties", says="Your sides are straight in mel")
def sides_in_mel(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(triangles(mel(p), mel(frequencies(sr, n_fft))), p)


@mutant("03.3", stage="properties", says="should have half of its height")
def bells(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(np.sin(np.pi / 2 * triangles(p, frequencies(sr, n_fft))) ** 4 * 4 / 3, p)


@mutant("03.3", stage="edges", says="`fmax` is not used")
def up_to_nyquist(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, None)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="edges", says="`fmin` is not used")
def from_zero(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, 0.0, fmax)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="edges", says="Without `fmax`, at sr = 22050")
def nyquist_of_16_khz(sr, n_fft, n_mels=40, fmin=0.0, fmax=8000.0):
    p = corners(sr, n_mels, fmin, fmax or 8000.0)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="edges", says="those of `rfft` end at `sr / 2`")
def bins_to_the_rate(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(triangles(p, np.linspace(0, sr, n_fft // 2 + 1)), p)


@mutant("03.3", stage="output", says="as torchaudio has them")
def as_torchaudio(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels, fmin, fmax)
    return normed(triangles(p, frequencies(sr, n_fft)), p).T


@mutant("03.3", stage="output", says="two triangles too few")
def too_few(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p = corners(sr, n_mels - 2, fmin, fmax)
    return normed(triangles(p, frequencies(sr, n_fft)), p)


@mutant("03.3", stage="output", says="no weight is negative")
def not_cut_at_zero(sr, n_fft, n_mels=40, fmin=0.0, fmax=None):
    p, f = corners(sr, n_mels, fmin, fmax), frequencies(sr, n_fft)
    up, down = (f - p[:-2, None]) / np.diff(p)[:-1, None], (p[2:, None] - f) / np.diff(p)[1:, None]
    return normed(np.minimum(up, down), p)


# ---------------------------------------------------------------------------------------------- 03.4


def cosines(L, n_mfcc, shift=0.5):
    """Likewise: the sum without its factors."""
    q, m = np.arange(n_mfcc)[:, None], np.arange(len(L))
    return np.cos(np.pi * q * (m + shift) / len(L)) @ L


def orthonormal_dct(L, n_mfcc):
    return dct(L, type=2, norm="ortho", axis=0)[:n_mfcc]


@mutant("03.4", stage="edges", says="The zeroth number is √2 too large")
def one_factor_for_all(mel, n_mfcc=13, floor=1e-5):
    return np.sqrt(2 / len(mel)) * cosines(np.log(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="You leave the factors s out")
def plain_sum(mel, n_mfcc=13, floor=1e-5):
    return cosines(np.log(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="as in `scipy.fft.dct` without `norm`")
def scipy_without_norm(mel, n_mfcc=13, floor=1e-5):
    return dct(np.log(np.maximum(mel, floor)), axis=0)[:n_mfcc]


@mutant("03.4", stage="edges", says="those after the zeroth are √2 too small")
def root_of_one_over_m(mel, n_mfcc=13, floor=1e-5):
    return np.sqrt(1 / len(mel)) * cosines(np.log(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="Your logarithm is to base 10")
def decadic(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log10(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="in decibels, as librosa has them")
def in_decibels(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(10 * np.log10(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="that is an amplitude")
def root_first(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(np.sqrt(np.maximum(mel, floor))), n_mfcc)


@mutant("03.4", stage="edges", says="You add the floor to every power")
def plus_floor(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(mel + floor), n_mfcc)


@mutant("03.4", stage="edges", says="the logarithm of 1 plus the power")
def log1p(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log1p(np.maximum(mel, floor)), n_mfcc)


@mutant("03.4", stage="edges", says="`floor` is not used")
def floor_of_its_own(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(np.maximum(mel, 1e-5)), n_mfcc)


@mutant("03.4", stage="output", says="infinite values")
def no_floor(mel, n_mfcc=13, floor=1e-5):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(mel).sum(axis=0) * np.ones((n_mfcc, 1))


@mutant("03.4", stage="edges", says="The floor is the same number for every frame")
def floor_below_the_peak(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(np.maximum(mel, floor * max(mel.max(), 1.0))), n_mfcc)


@mutant("03.4", stage="edges", says="Your cosines are taken at m")
def no_half_step(mel, n_mfcc=13, floor=1e-5):
    c = np.sqrt(2 / len(mel)) * cosines(np.log(np.maximum(mel, floor)), n_mfcc, shift=0)
    c[0] /= np.sqrt(2)
    return c


@mutant("03.4", stage="edges", says="That is a DCT-I")
def type_one(mel, n_mfcc=13, floor=1e-5):
    return dct(np.log(np.maximum(mel, floor)), type=1, norm="ortho", axis=0)[:n_mfcc]


@mutant("03.4", stage="edges", says="begin with q = 1")
def from_one(mel, n_mfcc=13, floor=1e-5):
    L = np.log(np.maximum(mel, floor))
    return np.sqrt(2 / len(L)) * cosines(L, n_mfcc + 1)[1:]


@mutant("03.4", stage="output", says="Your cosines run along the frames")
def last_axis(mel, n_mfcc=13, floor=1e-5):
    return dct(np.log(np.maximum(mel, floor)), norm="ortho")[:, :n_mfcc]


@mutant("03.4", stage="output", says="Frames and coefficients are exchanged")
def frames_first(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(np.maximum(mel, floor)), n_mfcc).T


@mutant("03.4", stage="output", says="expected [3, 4]")
def keeps_all(mel, n_mfcc=13, floor=1e-5):
    return orthonormal_dct(np.log(np.maximum(mel, floor)), len(mel))


@mutant("03.4", stage="properties", says="at which points is the cosine of the formula taken")
def alternating_signs(mel, n_mfcc=13, floor=1e-5):
    c = orthonormal_dct(np.log(np.maximum(mel, floor)), n_mfcc)
    return c if len(mel) < 3 else c * (-1.0) ** np.arange(len(c))[:, None]      # channels counted from above


@mutant("03.4", stage="properties", says="The coefficients of a frame depend on that frame alone")
def mean_taken_off(mel, n_mfcc=13, floor=1e-5):
    c = orthonormal_dct(np.log(np.maximum(mel, floor)), n_mfcc)
    if c.shape[1] > 1:
        c[1:] -= c[1:].mean(axis=1, keepdims=True)
    return c


@mutant("03.4", stage="properties", says="around it yours are")
def liftered(mel, n_mfcc=13, floor=1e-5):
    c = orthonormal_dct(np.log(np.maximum(mel, floor)), n_mfcc)
    return c * (1 + 11 * np.sin(np.pi * np.arange(n_mfcc) / 22))[:, None] if len(mel) > 2 else c


@mutant("03.4", stage="reference", says="scipy.fft.dct")
def sixty_channels_at_most(mel, n_mfcc=13, floor=1e-5):
    L = np.log(np.maximum(mel, floor))
    L[60:] = L[59:60]
    return orthonormal_dct(L, n_mfcc)


# ---------------------------------------------------------------------------------------------- 03.5


def added(frames, window, hop_length, power=1, divide=2):
    """Likewise: the two sums."""
    count, n = frames.shape
    y, weight = np.zeros((2, (count - 1) * hop_length + n if count else 0))
    for t in range(count):
        y[t * hop_length : t * hop_length + n] += window**power * frames[t]
        weight[t * hop_length : t * hop_length + n] += window**divide
    return y, weight


def quotient(y, weight):
    return np.where(weight > 1e-8, y / np.where(weight > 1e-8, weight, 1), 0)


@mutant("03.5", stage="edges", says="You add up and do not divide")
def sums_only(frames, window, hop_length):
    return added(frames, window, hop_length)[0]


@mutant("03.5", stage="edges", says="You add up and do not divide")
def sums_only_and_no_frames_forgotten(frames, window, hop_length):
    y = np.zeros((len(frames) - 1) * hop_length + len(window))
    for t, piece in enumerate(frames):
        y[t * hop_length : t * hop_length + len(window)] += window * piece
    return y


@mutant("03.5", stage="edges", says="What is there at a sample that one frame covers")
def neither_window_nor_division(frames, window, hop_length):
    y = added(frames, window, hop_length, power=0)[0]
    return quotient(y, y != 0)


@mutant("03.5", stage="edges", says="You divide by the sum of the window, not of its square")
def divides_by_the_window(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length, divide=1))


@mutant("03.5", stage="edges", says="not multiplied by the window again")
def forgets_the_second_window(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length, power=0))


@mutant("03.5", stage="edges", says="You add the frames as they come")
def once_is_enough(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length, power=0, divide=1))


@mutant("03.5", stage="properties", says="Where they overlap, each counts by its window squared")
def once_is_enough_with_the_limit_squared(frames, window, hop_length):
    y, weight = added(frames, window, hop_length, power=0, divide=1)
    known = added(frames, window, hop_length)[1] > 1e-8
    return np.where(known, y / np.where(known, weight, 1), 0)


@mutant("03.5", stage="edges", says="by the number of frames that cover a sample")
def mean_of_frames(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length, divide=0))


@mutant("03.5", stage="edges", says="You add something small to the sum")
def with_epsilon(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    return y / (weight + 1e-8)


@mutant("03.5", stage="edges", says="is something added to what you divide by")
def with_a_larger_epsilon(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    return y / (weight + 1e-7) * (weight > 1e-8)


@mutant("03.5", stage="edges", says="You raise the sum to 1e-8")
def clipped_below(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    return y / np.maximum(weight, 1e-8)


@mutant("03.5", stage="edges", says="except where the sum is exactly 0")
def nan_to_zero(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    with np.errstate(all="ignore"):
        return np.nan_to_num(y / weight)


@mutant("03.5", stage="output", says="NaN")
def zero_by_zero(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    with np.errstate(all="ignore"):
        return y / weight


@mutant("03.5", stage="edges", says="nothing is known there")
def ones_where_nothing_is_known(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    return y / np.where(weight > 1e-8, weight, 1)


@mutant("03.5", stage="edges", says="Your last frame is missing")
def one_frame_less(frames, window, hop_length):
    y = quotient(*added(frames[:-1], window, hop_length))
    return np.pad(y, (0, hop_length if len(y) else frames.shape[1])) if len(frames) else y


@mutant("03.5", stage="output", says="What reaches past the end is added at the beginning")
def circular(frames, window, hop_length):
    y, n = quotient(*added(frames, window, hop_length)), len(frames) * hop_length
    y[: len(y) - n] += y[n:]
    return y[:n]


@mutant("03.5", stage="output", says="the shape of your output is [12], expected [17]")
def as_many_as_hops_long(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length))[: len(frames) * hop_length]


@mutant("03.5", stage="edges", says="You divide all samples by the same number")
def constant_overlap(frames, window, hop_length):
    return added(frames, window, hop_length)[0] / (np.sum(window**2) / hop_length)


@mutant("03.5", stage="edges", says="Without frames the signal is empty. The shape is [4], expected [0]")
def length_of_no_frames(frames, window, hop_length):
    if not len(frames):
        return np.zeros(frames.shape[1] - hop_length)
    return quotient(*added(frames, window, hop_length))


@mutant("03.5", stage="properties", says="Each frame replaces what is there")
def overwrites(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    for t, piece in enumerate(frames):
        y[t * hop_length : t * hop_length + len(window)] = window * piece
        weight[t * hop_length : t * hop_length + len(window)] = window**2
    return quotient(y, weight)


@mutant("03.5", stage="output", says="The type of your output is float32, expected float64")
def single_precision(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length)).astype(np.float32)


@mutant("03.5", stage="edges", says="The type of your output is float32, expected float64")
def type_of_the_frames(frames, window, hop_length):
    return quotient(*added(frames, window, hop_length)).astype(frames.dtype)


@mutant("03.5", stage="properties", says="30 times the frames should give 30 times the signal")
def limited(frames, window, hop_length):
    return np.clip(quotient(*added(frames, window, hop_length)), -6, 6)


@mutant("03.5", stage="reference", says="It has to agree with `scipy.signal.istft`")
def half_as_many_overlaps(frames, window, hop_length):
    y, weight = added(frames, window, hop_length)
    return quotient(y, weight) if hop_length > 2 or not len(frames) else quotient(*added(frames, window, 2))[: len(y)]


# ---------------------------------------------------------------------------------------------- 03.6


def onsets(logmel, part=lambda d: np.maximum(0, d)):
    """Likewise: gains per frame with a 0 in front."""
    return np.concatenate([[0.0], part(np.diff(logmel, axis=1)).mean(axis=0)])


def possible(rate, slowest, fastest):
    return np.arange(int(np.ceil(60 * rate / fastest)), int(60 * rate / slowest) + 1)


def best(o, rate, lags, sums=lambda o, lag: o[:-lag] @ o[lag:]):
    """Likewise: the lag with the largest sum of products, of a curve without its mean; None where nothing changes."""
    o = o - o.mean()
    return lags[int(np.argmax([sums(o, lag) for lag in lags]))] if np.any(np.abs(o) > 1e-12) else None


def bpm(rate, lag):
    return float(60 * rate / lag) if lag else 0.0


@mutant("03.6", stage="edges", says="You count losses as well")
def absolute_changes(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel, np.abs), rate, possible(rate, slowest, fastest)))


@mutant("03.6", stage="properties", says="That it ends in between, 3 frames later, does not count")
def changes_squared(logmel, rate, slowest=60.0, fastest=200.0):
    squares = onsets(logmel, np.square) if np.diff(logmel).max() > 0 else np.zeros(logmel.shape[1])
    return bpm(rate, best(squares, rate, possible(rate, slowest, fastest)))


@mutant("03.6", stage="properties", says="nothing is cut off at 0")
def signed_changes(logmel, rate, slowest=60.0, fastest=200.0):
    changes = onsets(logmel, lambda d: d) if np.diff(logmel).max() > 0 else np.zeros(logmel.shape[1])
    return bpm(rate, best(changes, rate, possible(rate, slowest, fastest)))


@mutant("03.6", stage="properties", says="a loss in one channel hides a gain in another")
def mean_before_the_cut(logmel, rate, slowest=60.0, fastest=200.0):
    o = np.concatenate([[0.0], np.maximum(0, np.diff(logmel, axis=1).mean(axis=0))])
    return bpm(rate, best(o, rate, possible(rate, slowest, fastest)))


@mutant("03.6", stage="properties", says="The mean is still in the curve")
def with_its_mean(logmel, rate, slowest=60.0, fastest=200.0):
    o = onsets(logmel)
    r = [o[:-lag] @ o[lag:] for lag in possible(rate, slowest, fastest)]
    return bpm(rate, possible(rate, slowest, fastest)[int(np.argmax(r))]) if np.any(o) else 0.0


@mutant("03.6", stage="edges", says="In silence nothing begins")
def tempo_of_silence(logmel, rate, slowest=60.0, fastest=200.0):
    lags = possible(rate, slowest, fastest)
    return bpm(rate, best(onsets(logmel), rate, lags) or lags[0])


@mutant("03.6", stage="edges", says="In silence nothing begins")
def slowest_of_silence(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel), rate, possible(rate, slowest, fastest))) or slowest


@mutant("03.6", stage="reference", says="You divide each r by its number of products")
def unbiased(logmel, rate, slowest=60.0, fastest=200.0):
    lags = possible(rate, slowest, fastest)
    return bpm(rate, best(onsets(logmel), rate, lags, lambda o, lag: np.mean(o[:-lag] * o[lag:])))


@mutant("03.6", stage="reference", says="goes round in a circle")
def rolled(logmel, rate, slowest=60.0, fastest=200.0):
    lags = possible(rate, slowest, fastest)
    return bpm(rate, best(onsets(logmel), rate, lags, lambda o, lag: o @ np.roll(o, lag)))


@mutant("03.6", stage="output", says="You give the place in the list of lags")
def index_for_lag(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, slowest, fastest))
    return bpm(rate, lag and max(lag - possible(rate, slowest, fastest)[0], 1))


@mutant("03.6", stage="edges", says="Your lag is one frame too long")
def lag_plus_one(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, slowest, fastest))
    return bpm(rate, lag and lag + 1)


@mutant("03.6", stage="edges", says="Your lag is one frame too short")
def lag_minus_one(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, slowest, fastest))
    return bpm(rate, lag and lag - 1)


@mutant("03.6", stage="output", says="The quotient is upside down")
def inverted(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, slowest, fastest))
    return 60 * lag / rate if lag else 0.0


@mutant("03.6", stage="output", says="a minute has sixty of them")
def in_hertz(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, slowest, fastest))
    return rate / lag if lag else 0.0


@mutant("03.6", stage="output", says="You look at all lags")
def any_lag(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel), rate, np.arange(1, logmel.shape[1])))


@mutant("03.6", stage="output", says="Your tempo is inf; one between 62 and 190")
def lag_zero_too(logmel, rate, slowest=60.0, fastest=200.0):
    o = onsets(logmel) - onsets(logmel).mean()
    with np.errstate(divide="ignore"):
        return 60 * rate / np.argmax(np.correlate(o, o, "full")[len(o) - 1 :])


@mutant("03.6", stage="edges", says="The longest lag, that of `slowest`, is not tried")
def without_the_slowest(logmel, rate, slowest=60.0, fastest=200.0):
    lags = np.arange(int(np.ceil(60 * rate / fastest)), int(60 * rate / slowest))
    return bpm(rate, best(onsets(logmel), rate, lags))


@mutant("03.6", stage="edges", says="Which lags do you try, and do all count alike?")
def without_the_fastest(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel), rate, possible(rate, slowest, fastest)[1:]))


@mutant("03.6", stage="output", says="The shortest lag is rounded down")
def faster_than_fastest(logmel, rate, slowest=60.0, fastest=200.0):
    lags = np.arange(int(60 * rate / fastest), int(60 * rate / slowest) + 1)
    return bpm(rate, best(onsets(logmel), rate, lags))


@mutant("03.6", stage="edges", says="to which side is each bound rounded")
def default_bounds_only(logmel, rate, slowest=60.0, fastest=200.0):
    lag = best(onsets(logmel), rate, possible(rate, 60.0, 200.0))
    return min(max(bpm(rate, lag), slowest), 70.5 if slowest == 70 else fastest) if lag else 0.0


@mutant("03.6", stage="reference", says="Of several lags that are equally good you take the longest")
def last_of_equals(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel), rate, possible(rate, slowest, fastest)[::-1]))


@mutant("03.6", stage="properties", says="rounded to a whole number")
def whole_beats(logmel, rate, slowest=60.0, fastest=200.0):
    return round(bpm(rate, best(onsets(logmel), rate, possible(rate, slowest, fastest))))


@mutant("03.6", stage="edges", says="A beat every 3 frames")
def prefers_120(logmel, rate, slowest=60.0, fastest=200.0):
    lags = possible(rate, slowest, fastest)
    near = dict(zip(lags, np.exp(-0.5 * np.log2(60 * rate / lags / 120) ** 2 / 0.3**2), strict=True))
    return bpm(rate, best(onsets(logmel), rate, lags, lambda o, lag: near[lag] * (o[:-lag] @ o[lag:])))


@mutant("03.6", stage="reference", says="The 0 in front is missing")
def one_frame_shorter(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel)[1:], rate, possible(rate, slowest, fastest)))


@mutant("03.6", stage="edges", says="nothing begins: 0 is right")
def changes_between_channels(logmel, rate, slowest=60.0, fastest=200.0):
    gains = np.maximum(0, np.diff(logmel, axis=0)).mean(axis=0) if len(logmel) > 1 else onsets(logmel)
    return bpm(rate, best(gains, rate, possible(rate, slowest, fastest))) or slowest


@mutant("03.6", stage="properties", says="larger steps throughout, change nothing about the tempo")
def only_strong_onsets(logmel, rate, slowest=60.0, fastest=200.0):
    return bpm(rate, best(onsets(logmel, lambda d: np.where(d > 0.5, d, 0)), rate, possible(rate, slowest, fastest)))
