"""Noise, rooms and gain, for one signal or a batch."""

import sys

import numpy as np

from ..audio import floats


def is_tensor(x):
    """Whether something is a torch tensor, without importing torch for those who have none."""
    return "torch" in sys.modules and isinstance(x, sys.modules["torch"].Tensor)


def gain(y, db):
    """Make a signal louder or softer.

    Parameters
    ----------
    y : np.ndarray, shape [..., n], or torch.Tensor, shape [batch, n]
    db : float, or for a batch also torch.Tensor, shape [batch]
        Decibels; 6.02 doubles the amplitude.

    Returns
    -------
    np.ndarray or torch.Tensor, shape of `y`, float32
        It may pass full scale.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    if is_tensor(y):
        return y * 10 ** (_each(db, y) / 20)
    return (floats(y) * 10 ** (db / 20)).astype(np.float32)


def mix_at_snr(y, noise, snr_db):
    """Add noise at a signal-to-noise ratio: ``y + g noise`` with ``g² = P(y) / P(noise) / 10^(snr / 10)``.

    P is the mean square over the whole of each, all channels together; in a batch, of each example. A signal with long
    pauses has a low mean, and gets less noise than its loud parts would suggest. ``torchaudio.functional.add_noise``
    does the same for tensors.

    Parameters
    ----------
    y : np.ndarray, shape [..., n], or torch.Tensor, shape [batch, n]
        Signal; it keeps its level.
    noise : np.ndarray, shape [..., n], or torch.Tensor, shape [batch, n] or [n]
        As long as the signal.
    snr_db : float, or for a batch also torch.Tensor, shape [batch]
        Decibels: 0 for equal power, 20 for a hundredth of it.

    Returns
    -------
    np.ndarray or torch.Tensor, shape of `y`, float32
        It may pass full scale: nothing is clipped or normalised. In a batch, an example without a ratio (silent, or
        its noise is) stays as it is: one bad clip must not end a training.

    Raises
    ------
    ValueError
        If the lengths differ, or of two arrays either is silent and so has no ratio, or of integers.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    if is_tensor(y):
        return _mix_batch(y, noise, snr_db)
    y, noise = floats(y), floats(noise)
    if y.shape[-1] != noise.shape[-1]:
        raise ValueError(f"Signal and noise must be equally long, got {y.shape[-1]} and {noise.shape[-1]} samples.")
    power, noise_power = (np.mean(np.square(x, dtype=np.float64)) for x in (y, noise))
    if not (power > 0 and noise_power > 0):
        raise ValueError("A silent signal or a silent noise has no signal-to-noise ratio.")
    g = np.sqrt(power / noise_power / 10 ** (snr_db / 10))
    return (y + g * noise).astype(np.float32)


def _mix_batch(y, noise, snr_db):
    import torch

    if y.shape[-1] != noise.shape[-1]:
        raise ValueError(f"Signal and noise must be equally long, got {y.shape[-1]} and {noise.shape[-1]} samples.")
    power, noise_power = (torch.linalg.vector_norm(x, dim=-1, keepdim=True) ** 2 for x in (y, noise))
    g = torch.sqrt(power / noise_power.clamp(min=1e-20) / 10 ** (_each(snr_db, y) / 10))
    return torch.addcmul(y, g * (noise_power > 1e-20), noise)


def _each(value, y):
    """A number for all examples of a batch, or one for each of them, to multiply it with."""
    if not is_tensor(value) or value.ndim == 0:
        return value
    if value.shape != y.shape[:1]:
        raise ValueError(f"One value for each of the {len(y)} examples is needed, not shape {list(value.shape)}.")
    return value.to(y).reshape(-1, *[1] * (y.ndim - 1))


def reverberate(y, response):
    """Convolve with the impulse response of a room, keeping the length of the signal.

    Convolution in time is multiplication of spectra, which for rooms is hundreds of times quicker; both are padded to
    the length of the whole result, so that nothing wraps around. ``torchaudio.functional.fftconvolve`` gives the
    result with its tail.

    Parameters
    ----------
    y : np.ndarray, shape [..., n], or torch.Tensor, shape [batch, n]
    response : np.ndarray, shape [k], or torch.Tensor, shape [k] or [batch, k]
        From `shoebox`, `audiolab.synth.room` or a measurement. If it begins with the direct sound, no delay comes in.

    Returns
    -------
    np.ndarray or torch.Tensor, shape of `y`, float32
        The tail beyond the end is cut: pad the signal with silence to keep it.

    Taught in: notebooks/02_preprocessing.ipynb, "How does one recording become many?"
    """
    if is_tensor(y):
        import torch
        from scipy.fft import next_fast_len

        n = next_fast_len(y.shape[-1] + min(response.shape[-1], y.shape[-1]) - 1, real=True)
        spectra = torch.fft.rfft(y, n).mul_(torch.fft.rfft(response[..., : y.shape[-1]], n))
        return torch.fft.irfft(spectra, n)[..., : y.shape[-1]]
    from scipy.signal import oaconvolve

    y = np.asarray(y, dtype=np.float32)
    response = np.asarray(response, dtype=np.float32).reshape((1,) * (y.ndim - 1) + (-1,))
    return oaconvolve(y, response, axes=-1)[..., : y.shape[-1]]
