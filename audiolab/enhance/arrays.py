"""Several microphones: the same sound reaches each at another moment, and that says where it comes from.

Microphones and sources have places in metres, three coordinates each. A recording has shape [microphones, n].
"""

import numpy as np

from ..augment import SPEED_OF_SOUND, reverberate, shoebox
from ..features import istft, stft
from ..features.frames import signal

N_FFT = 1024                    # 64 ms at 16 kHz: long against the time from one microphone to the next
LOADING = 1e-3                  # of the mean power of the noise: what each microphone is taken to hiss by itself


def fractional(y, delay):
    """Delay a signal by any time, between the samples too: ``Y(f) e^(-2πi f d)``.

    Parameters
    ----------
    y : np.ndarray, shape [..., n]
    delay : float
        Samples, not negative.

    Returns
    -------
    np.ndarray, shape [..., n], dtype of `y`
        What is pushed beyond the end is lost.

    Raises
    ------
    ValueError
        If the delay is negative or a sample is NaN.

    Notes
    -----
    Half a sample later a band-limited signal has other samples, but is the same sound.

    References
    ----------
    Laakso et al., "Splitting the unit delay", 1996.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    from scipy.fft import irfft, next_fast_len, rfft

    y = signal(y)
    if not delay >= 0:
        raise ValueError(f"A delay is 0 samples or more, not {delay}: the future is not known.")
    n = next_fast_len(2 * y.shape[-1] + int(delay), real=True)  # the end must not come round to the beginning
    turned = rfft(y, n) * np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n * delay)
    return irfft(turned, n)[..., : y.shape[-1]].astype(y.dtype)


def array_recording(y, source, microphones, sr, room=None, rt60=0.3, rng=None):
    """What microphones hear of a source, in the open or in a room.

    In the open each hears it after ``d / c`` and with amplitude ``1 / d``, d metres away. In a room the walls answer
    (`audiolab.augment.shoebox`).

    Parameters
    ----------
    y : np.ndarray, shape [n]
    source : array_like, shape [3]
    microphones : array_like, shape [microphones, 3]
    sr : int
    room : array_like, shape [3], optional
        Length, width and height, with a corner at the origin. Without it, in the open.
    rt60 : float
        Reverberation time of the room in seconds.
    rng : np.random.Generator, optional
        Source of the late reverberation; of seed 0 if not given.

    Returns
    -------
    np.ndarray, shape [microphones, n], float32

    Raises
    ------
    ValueError
        If a place is less than 0.1 m from the source or not inside the room, or a sample is NaN.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    source, microphones = np.asarray(source, float), _places(microphones)
    rng = rng or np.random.default_rng(0)
    heard = []
    for microphone in microphones:
        d = np.linalg.norm(source - microphone)
        if d < 0.1:
            raise ValueError("A microphone stands in the source: leave 0.1 m at least.")
        dry = fractional(y, d / SPEED_OF_SOUND * sr) / d
        heard.append(dry if room is None else reverberate(dry, shoebox(room, source, microphone, rt60, sr, rng)))
    return np.stack(heard).astype(np.float32)


def delays(microphones, azimuth):
    """When a sound from far away reaches each microphone, compared with the middle of them.

    From far away waves are flat: ``τ_m = -(p_m - p̄) · u / c``, with u the direction of the source.

    Parameters
    ----------
    microphones : array_like, shape [microphones, 3]
    azimuth : float
        Degrees from the first axis towards the second: where the source is, at the height of the array.

    Returns
    -------
    np.ndarray, shape [microphones]
        Seconds; negative where it arrives early.

    Raises
    ------
    ValueError
        If there are fewer than two microphones.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    p = _places(microphones)
    u = np.array([np.cos(np.radians(azimuth)), np.sin(np.radians(azimuth)), 0])
    return -(p - p.mean(axis=0)) @ u / SPEED_OF_SOUND


def steering(microphones, azimuth, sr):
    """How the microphones stand to each other in each bin, for a source far away: ``d_m(f) = e^(-2πi f τ_m)``.

    Returns
    -------
    np.ndarray, shape [513, microphones], complex

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    f = np.fft.rfftfreq(N_FFT, 1 / sr)
    return np.exp(-2j * np.pi * np.outer(f, delays(microphones, azimuth)))


def delay_and_sum(microphones, azimuth, sr):
    """Weights that undo the delays and take the mean: ``w = d / M``.

    What comes from the azimuth adds up in step; what comes from elsewhere, or hisses in each microphone, does not.

    Parameters
    ----------
    microphones : array_like, shape [microphones, 3]
    azimuth : float
        Degrees, as of `delays`.
    sr : int

    Returns
    -------
    np.ndarray, shape [513, microphones], complex
        For `beamform`.

    Raises
    ------
    ValueError
        If there are fewer than two microphones.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    d = steering(microphones, azimuth, sr)
    return d / d.shape[1]


def covariance(y):
    """Which microphones hear the noise alike: ``Φ(f) = mean over frames of x xᴴ``, x a bin of all microphones.

    Parameters
    ----------
    y : np.ndarray, shape [microphones, n]
        Noise alone, some seconds before somebody speaks.

    Returns
    -------
    np.ndarray, shape [513, microphones, microphones], complex

    Raises
    ------
    ValueError
        If it is silent, has one channel, holds NaN, or has fewer frames than microphones.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    y = _recording(y)
    if not y.any():
        raise ValueError("The noise is silent: there is nothing to learn from.")
    X = stft(y, n_fft=N_FFT).astype(np.complex128)
    if X.shape[-1] < len(y) + 4:                                # 4 frames see the padding
        raise ValueError(f"{y.shape[-1]} samples are too few to know how {len(y)} microphones hear noise: take a "
                         "second or more.")
    return np.einsum("mft,nft->fmn", X, X.conj()) / X.shape[-1]


def mvdr(microphones, azimuth, sr, noise):
    """Weights that let one direction through unchanged and let in as little noise as possible.

    The minimum of ``wᴴ Φ w`` under ``wᴴ d = 1``: ``w = Φ⁻¹ d / (dᴴ Φ⁻¹ d)``. M microphones can be deaf to M - 1
    directions. To Φ a thousandth of its mean power is added on the diagonal, or the weights would trust places and
    gains of microphones more than anyone can.

    Parameters
    ----------
    microphones : array_like, shape [microphones, 3]
    azimuth : float
        Degrees, as of `delays`.
    sr : int
    noise : np.ndarray, shape [513, microphones, microphones]
        Φ, of `covariance`.

    Returns
    -------
    np.ndarray, shape [513, microphones], complex
        For `beamform`.

    Raises
    ------
    ValueError
        If the covariance is of other microphones.

    References
    ----------
    Capon, "High-resolution frequency-wavenumber spectrum analysis", 1969; loading: Cox, Zeskind and Owen, "Robust
    adaptive beamforming", 1987.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    d = steering(microphones, azimuth, sr)
    if noise.shape != (*d.shape, d.shape[1]):
        raise ValueError(f"The covariance has shape {list(noise.shape)}, {list((*d.shape, d.shape[1]))} is needed: "
                         "take it from these microphones.")
    power = np.trace(noise, axis1=1, axis2=2).real / d.shape[1]
    loading = LOADING * np.maximum(power, 1e-9 * power.max())
    solved = np.linalg.solve(noise + loading[:, None, None] * np.eye(d.shape[1]), d[..., None])[..., 0]
    return solved / np.sum(d.conj() * solved, axis=1, keepdims=True)


def beamform(y, weights):
    """One signal of many: ``Y(f, t) = w(f)ᴴ x(f, t)``.

    Parameters
    ----------
    y : np.ndarray, shape [microphones, n]
    weights : np.ndarray, shape [513, microphones]
        Of `delay_and_sum` or `mvdr`.

    Returns
    -------
    np.ndarray, shape [n], float32
        As the sound would arrive in the middle of the array.

    Raises
    ------
    ValueError
        If the recording has another number of channels than the weights, or holds NaN.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    y = _recording(y)
    if len(y) != weights.shape[1]:
        raise ValueError(f"The weights are for {weights.shape[1]} microphones, the recording has {len(y)}.")
    X = stft(y, n_fft=N_FFT)
    return istft(np.einsum("fm,mft->ft", weights.conj(), X), length=y.shape[-1]).astype(np.float32)


def beam_pattern(weights, microphones, sr, frequency, azimuths=None):
    """How loud a tone from each direction comes through: ``20 log10 |wᴴ d(azimuth)|``.

    Parameters
    ----------
    weights : np.ndarray, shape [513, microphones]
    microphones : array_like, shape [microphones, 3]
    sr : int
    frequency : float
        Hertz; the next bin is taken.
    azimuths : np.ndarray, optional
        Degrees; all whole ones from -180 to 180 if not given.

    Returns
    -------
    azimuths : np.ndarray
    gain : np.ndarray
        Decibels, not below -60; 0 where the beam points.

    Raises
    ------
    ValueError
        If the frequency is not between 0 and ``sr / 2``.

    Taught in: notebooks/08_separation.ipynb, "What do two microphones know?"
    """
    if not 0 <= frequency <= sr / 2:
        raise ValueError(f"Between 0 and {sr / 2:g} Hz, not {frequency}.")
    k = round(frequency * N_FFT / sr)
    azimuths = np.arange(-180, 181) if azimuths is None else np.asarray(azimuths)
    d = np.exp(-2j * np.pi * k * sr / N_FFT * np.stack([delays(microphones, a) for a in azimuths]))
    return azimuths, 20 * np.log10(np.maximum(np.abs(d @ weights[k].conj()), 1e-3))


def _places(microphones):
    p = np.asarray(microphones, float)
    if p.ndim != 2 or p.shape[1] != 3 or len(p) < 2:
        raise ValueError(f"Two microphones or more are needed, three coordinates each; got shape {list(p.shape)}.")
    return p


def _recording(y):
    y = signal(y)
    if y.ndim != 2 or len(y) < 2:
        raise ValueError(f"A recording of several microphones is needed, [microphones, n], not shape {list(y.shape)}.")
    return y
