"""Adaptive filters: noise that can be heard alone at a second place is followed, sample by sample, and taken away."""

import functools

import numpy as np

from ..features.frames import one_channel


def lms(y, reference, taps=128, step=0.01):
    """Least mean squares: learn how the reference sounds in `y`, and take that away.

    The reference x goes through a filter w, which is moved a little along the gradient of the squared error:
    ``e[n] = y[n] - wᵀx_n``, ``w ← w + μ e[n] x_n``, with ``x_n = (x[n], x[n - 1], …, x[n - taps + 1])`` and zeros
    before the beginning. It stays stable for about ``0 < μ < 2 / |x_n|²``: a loud reference needs a small step.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        A voice and noise.
    reference : np.ndarray, shape [n]
        The noise, taken where the voice is not heard.
    taps : int
        Samples that the filter remembers: as long as the way of the noise from one microphone to the other.
    step : float
        μ.

    Returns
    -------
    e : np.ndarray, shape [n], float32
        What the reference could not explain: the voice, and what is left of the noise.
    w : np.ndarray, shape [taps], float64
        The filter at the end.

    Raises
    ------
    ValueError
        If a signal has several channels or holds NaN, the lengths differ, either is silent, there are fewer samples
        than taps, or the filter diverges because the step is too large.

    References
    ----------
    Widrow and Hoff, "Adaptive switching circuits", 1960; as noise canceller: Widrow et al., "Adaptive noise
    cancelling: principles and applications", 1975.

    Taught in: notebooks/08_separation.ipynb, "What if the noise can be heard alone?"
    """
    if step <= 0:
        raise ValueError(f"The step must be positive, got {step}.")
    return _cancel(y, reference, taps, step, False)


def nlms(y, reference, taps=128, step=0.01):
    """Normalised LMS: `lms` whose step does not depend on how loud the reference is.

    ``w ← w + μ e[n] x_n / (|x_n|² + ε)``. With μ = 1 and no voice one step makes the error of this sample zero. A voice
    of power P moves the filter too, which leaves noise of about ``μ / (2 - μ) · P``: 23 dB below the voice with 0.01. A
    small step is clean, and slow, above all where the noise is coloured: seconds. ε, a millionth of the mean of
    ``|x_n|²``, keeps pauses of the reference from becoming huge steps.

    Parameters
    ----------
    y, reference : np.ndarray, shape [n]
    taps : int
    step : float
        μ, 0 to 2.

    Returns
    -------
    e : np.ndarray, shape [n], float32
    w : np.ndarray, shape [taps], float64

    Raises
    ------
    ValueError
        As `lms`; also if the step is not between 0 and 2.

    References
    ----------
    Nagumo and Noda, "A learning method for system identification", 1967.

    Taught in: notebooks/08_separation.ipynb, "What if the noise can be heard alone?"
    """
    if not 0 < step < 2:
        raise ValueError(f"The step of NLMS lies between 0 and 2, got {step}: beyond, each step misses by more.")
    return _cancel(y, reference, taps, step, True)


def _cancel(y, reference, taps, step, normalised):
    y, x = (one_channel(s).astype(np.float64) for s in (y, reference))
    if len(y) != len(x):
        raise ValueError(f"Sound and reference must be equally long, not {len(y)} and {len(x)} samples: they are "
                         "recorded together.")
    if not 1 <= taps <= len(y):
        raise ValueError(f"{taps} taps do not fit {len(y)} samples: take at least 1 and at most as many.")
    if not (y.any() and x.any()):
        raise ValueError("The sound or its reference is silent: there is nothing to learn from.")
    least = 1e-6 * taps * np.mean(x**2)
    e, w = _filter()(y, np.concatenate([np.zeros(taps - 1), x]), taps, step, normalised, least)
    if not np.isfinite(w).all():
        raise ValueError(f"The filter diverged: a step of {step} is too large for a reference as loud as this. Below "
                         f"{2 / (taps * np.mean(x**2)):.2g} it is stable.")
    return e.astype(np.float32), w


@functools.cache
def _filter():
    """The loop over samples, compiled when first used."""
    import numba

    @numba.njit(cache=True, fastmath={"contract", "reassoc"})           # sums in any order, four numbers at a time
    def run(y, x, taps, step, normalised, least):
        e, w = np.empty_like(y), np.zeros(taps)
        for n in range(len(y)):
            x_n = x[n : n + taps]                               # the newest sample last, and so w runs backwards
            guess = power = 0.0
            for k in range(taps):
                guess += w[k] * x_n[k]
                power += x_n[k] ** 2
            e[n] = y[n] - guess
            gain = step * e[n] / (power + least if normalised else 1.0)
            for k in range(taps):
                w[k] += gain * x_n[k]
        return e, w[::-1].copy()

    return run
