"""Sampling rates: another one, a slightly wrong one, one that drifts."""

import math

import numpy as np
import soxr

from ..audio import floats

GRID = 512      # steps of a sample at which `interpolate` knows its weights


def resample(y, sr, target):
    """Change the sample rate, and nothing else below half the lower of the two rates.

    What the new rate cannot hold is filtered out first; sampled without that filter, it would fold
    down to a wrong frequency. ``librosa.resample`` calls the same library (``res_type="soxr_hq"``) and agrees to
    rounding; ``torchaudio.functional.resample`` has a much shorter filter unless given
    ``lowpass_filter_width=64, rolloff=0.92``, ``scipy.signal.resample_poly`` unless given a longer window.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        Signal, full scale ±1.
    sr, target : int
        Present and wanted rate in Hz.

    Returns
    -------
    np.ndarray, shape [..., round(n * target / sr)], float32
        A copy also when the two rates are equal.

    Raises
    ------
    ValueError
        If a rate is not positive, the samples are integers, or too few to leave one.

    References
    ----------
    The SoX resampler at its "high quality" setting: a windowed-sinc filter in stages, linear in phase.

    Taught in: notebooks/02_preprocessing.ipynb, "Why must a resampler listen before it skips?"
    """
    y = floats(y)
    if sr <= 0 or target <= 0:
        raise ValueError(f"Rates must be positive, got {sr} and {target} Hz.")
    if sr == target:
        return y.astype(np.float32)
    channels = y.astype(np.float32).reshape(-1, y.shape[-1])
    out = np.stack([soxr.resample(channel, sr, target) for channel in channels])
    if not out.shape[-1]:
        raise ValueError(f"{y.shape[-1]} samples are too few to resample from {sr} to {target} Hz.")
    return out.reshape(*y.shape[:-1], -1)


def resample_polyphase(y, sr, target, half=32, beta=10.0, rolloff=0.92):
    """Change the sample rate by ``L / M`` with one filter, of which each output meets every L-th tap.

    Put L - 1 zeros between samples, filter with ``h[k] = L c sinc(c k) w[k]``, keep every M-th: the zeros need no
    multiplying and the others no computing. Output m stands at ``m M`` of the stuffed signal; its taps are those of
    phase ``m M mod L``, its samples the `half` on each side (of the slower rate).

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    sr, target : int
        Present and wanted rate in Hz; ``target / sr = L / M`` in lowest terms.
    half : int
        Length of one side of the filter, in samples of the slower rate.
    beta : float
        Of Kaiser's window: 10 leaves about -100 dB.
    rolloff : float
        Middle of the transition band as a part of half the slower rate. The band is as wide as
        ``2 (1 - rolloff)`` of that at the defaults: all above half the rate is stopped.

    Returns
    -------
    np.ndarray, shape [..., round(n * target / sr)], float32

    Raises
    ------
    ValueError
        As `resample`, and if a rate is no whole number.

    Taught in: notebooks/02_preprocessing.ipynb, "Why must a resampler listen before it skips?"
    """
    y = floats(y).astype(np.float64)
    if sr <= 0 or target <= 0 or sr != int(sr) or target != int(target):
        raise ValueError(f"Rates must be whole and positive, got {sr} and {target} Hz.")
    up, down = (int(rate) // math.gcd(int(sr), int(target)) for rate in (target, sr))
    n_out = round(y.shape[-1] * up / down)
    if not n_out:
        raise ValueError(f"{y.shape[-1]} samples are too few to resample from {sr} to {target} Hz.")
    reach = half * max(up, down)                                    # of the filter, in steps of the stuffed signal
    k = np.arange(-reach, reach + 1)
    cutoff = rolloff / max(up, down)
    h = up * cutoff * np.sinc(cutoff * k) * np.kaiser(len(k), beta)
    side = reach // up                                              # … and in input samples
    offsets = np.arange(-side, side + 2)                            # of the input samples that a tap can meet
    x = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(side, side + 2 + down)])
    out = np.empty((*y.shape[:-1], n_out))
    for m in range(min(up, n_out)):                                 # outputs m, m + up, … share their taps
        first, phase = divmod(m * down, up)
        at = phase - offsets * up                                   # position in h of the tap for each input sample
        taps = np.where(np.abs(at) <= reach, h[np.clip(at + reach, 0, 2 * reach)], 0)
        windows = np.lib.stride_tricks.sliding_window_view(x, len(taps), axis=-1)[..., first::down, :]
        count = -(-(n_out - m) // up)
        out[..., m::up] = windows[..., :count, :] @ taps
    return out.astype(np.float32)


def alias_rejection(resampler, sr, target, start=1.03, tones=40):
    """How far a resampler puts down what the slower of the two rates cannot hold, in the worst case.

    Down, tones above half the new rate are sent in, and all that comes out is alias. Up, tones below half the old
    rate are sent in, and what comes out elsewhere is their images.

    Parameters
    ----------
    resampler : callable
        ``resampler(y, sr, target) -> np.ndarray``, y float64 of shape [n].
    sr, target : int
        Rates in Hz.
    start : float
        Where the unwanted band begins, as a multiple of half the slower rate (1 or a little more: filters need a
        transition band); mirrored for images.
    tones : int
        How many frequencies are tried.

    Returns
    -------
    float
        Decibels by which the loudest remainder lies under the tone: 90 or more cannot be heard.

    Taught in: notebooks/02_preprocessing.ipynb, "Why must a resampler listen before it skips?"
    """
    nyquist = min(sr, target) / 2
    if target < sr:
        band = np.linspace(start * nyquist, 0.99 * sr / 2, tones)
    else:
        band = np.linspace(0.01, 2 - start, tones) * nyquist
    t = np.arange(sr // 2) / sr
    left = []
    for hz in band:
        out = np.asarray(resampler(0.5 * np.sin(2 * np.pi * hz * t), sr, target), dtype=np.float64)
        out = out[len(out) // 4 : 3 * len(out) // 4]                # away from the ends, where the tone begins
        if target > sr:                                             # take the tone itself away, by least squares
            angle = 2 * np.pi * hz * np.arange(len(out)) / target
            basis = np.stack([np.sin(angle), np.cos(angle)], axis=1)
            out = out - basis @ np.linalg.lstsq(basis, out, rcond=None)[0]
        left.append(np.sqrt(2 * np.mean(out**2)) / 0.5)
    return float(-20 * np.log10(max(left)))


def interpolate(y, positions, half=32, beta=10.0):
    """Values of a signal between its samples: ``sum_k y[k] sinc(p - k) w(p - k)`` at each position p.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    positions : np.ndarray, shape [m]
        In samples, not necessarily whole; beyond the ends the signal is 0. They should lie about one apart: wider
        apart is a lower rate, which needs `resample`'s filter.
    half : int
        Samples taken from each side.
    beta : float
        Of Kaiser's window.

    Returns
    -------
    np.ndarray, shape [..., m], float32
        Within 1e-4 of the truth up to 0.9 of half the sampling rate.

    Raises
    ------
    ValueError
        If the samples are integers, or a position is no finite number.

    Taught in: notebooks/02_preprocessing.ipynb, "What if two clocks disagree?"
    """
    y, positions = floats(y), np.asarray(positions, dtype=np.float64)
    if not np.isfinite(positions).all():
        raise ValueError("A position is NaN or infinite: look at the timestamps.")
    positions = np.clip(positions, -half - 1, y.shape[-1] + half)   # all the same silence beyond
    x = np.pad(y.astype(np.float64), [(0, 0)] * (y.ndim - 1) + [(2 * half + 1, 2 * half + 1)])
    taps = np.arange(1 - half, half + 1)
    parts = np.arange(GRID + 1) / GRID                              # fractions of a sample for which weights are ready
    distance = parts[:, None] - taps
    table = np.sinc(distance) * np.i0(beta * np.sqrt(np.maximum(1 - (distance / half) ** 2, 0))) / np.i0(beta)
    slope = np.diff(table, axis=0)                                  # … and a straight line between them
    out = np.empty((*y.shape[:-1], len(positions)), np.float32)
    for start in range(0, len(positions), 8192):                    # in blocks, to stay small
        p = positions[start : start + 8192]
        near = np.floor(p).astype(int)
        part = (p - near) * GRID
        row = np.minimum(part.astype(int), GRID - 1)
        weights = table[row] + (part - row)[:, None] * slope[row]   # [m, taps]
        windows = np.lib.stride_tricks.sliding_window_view(x, 2 * half, axis=-1)[..., near + half + 2, :]
        out[..., start : start + len(p)] = np.einsum("...mk,mk->...m", windows, weights)
    return out


def follow_clock(y, ratio):
    """Bring a recording onto a clock that runs a little faster or slower.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    ratio : float
        Samples of the new clock per sample of the old: 1.0003 makes it longer by 300 ppm. Within 5 % of 1.

    Returns
    -------
    np.ndarray, shape [..., round(n * ratio)], float32

    Raises
    ------
    ValueError
        If `ratio` is further from 1: that is another rate, and work for `resample`.

    Taught in: notebooks/02_preprocessing.ipynb, "What if two clocks disagree?"
    """
    if not 0.95 <= ratio <= 1.05:
        raise ValueError(f"Two clocks differ by a few parts in ten thousand, not by a ratio of {ratio}: use resample.")
    return interpolate(y, np.arange(round(np.shape(y)[-1] * ratio)) / ratio)


def retime(y, sr, times, counts, degree=1):
    """Bring a recording onto the clock that stamped its blocks, also one against which its own clock drifts.

    Through the pairs of time and count goes a curve of a low degree, because stamps jitter by milliseconds while a
    clock drifts by millionths. Its value at ``i / sr`` says where in the recording sample i of the result lies.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
        As recorded, at about `sr`.
    sr : int
        Rate of the result in Hz, by the stamping clock.
    times : array_like, shape [k]
        Seconds by that clock, ascending.
    counts : array_like, shape [k]
        Samples that had been recorded by then.
    degree : int
        1 for a rate that is constant, 2 or 3 for one that warms up.

    Returns
    -------
    np.ndarray, shape [..., m], float32
        From the first stamp to the last.

    Raises
    ------
    ValueError
        If there are too few stamps, they do not ascend, or the rate that they tell is far from `sr`.

    Taught in: notebooks/02_preprocessing.ipynb, "What if two clocks disagree?"
    """
    times, counts = np.asarray(times, np.float64), np.asarray(counts, np.float64)
    if len(times) != len(counts) or len(times) <= degree or not (np.diff(times) > 0).all():
        raise ValueError(f"A curve of degree {degree} needs {degree + 1} or more ascending times and as many counts, "
                         f"got {len(times)} and {len(counts)}.")
    curve = np.polynomial.Polynomial.fit(times, counts, degree)
    rate = (counts[-1] - counts[0]) / (times[-1] - times[0])
    if not 0.95 <= rate / sr <= 1.05:
        raise ValueError(f"The stamps tell a rate of {rate:.0f} Hz, not about {sr}: is `sr` that of the recording?")
    return interpolate(y, curve(times[0] + np.arange(int((times[-1] - times[0]) * sr)) / sr))
