"""A signature in a sound: noise that a key draws, hidden under a voice, and found again by correlation.

The carrier is one second of noise between 300 and 3400 Hz, the band that telephones let through. `embed` lays it under
the voice, in every bin of the short-time spectrum 23 dB below what the voice has there, so that the voice masks it.
`detect` flattens the spectrum of what it hears, folds it to one second, and correlates it with the carrier at all
positions at once: nobody needs to know where the recording was cut.

The mark says that whoever holds the key has made this sound. That it is absent says nothing: a mark can be destroyed,
and most sounds never had one. Nor does it prove much against an enemy: the carrier repeats, so that whoever has some
minutes under one mark finds it by averaging, and can take it away, or lay it under another sound.
"""

import hashlib
from statistics import NormalDist

import numpy as np

from . import features, preprocess
from .features.frames import one_channel

SR = 16000                      # Hz, of all that follows
PERIOD = SR                     # samples until the carrier repeats
BAND = (300, 3400)              # Hz
LEVEL = -23.0                   # dB, of the mark in a bin, against the voice in it
QUIET = 3e-3                    # of the mean power in the band: bins below it count less, for noise will fill them
SILENCE = 1e-4                  # RMS within the band, -80 dBFS
FALSE_ALARM = 1e-4              # of a whole search, without a mark
#: A score from which on a mark is believed: all positions together, and both signs, exceed it by chance once in 10,000.
THRESHOLD = -NormalDist().inv_cdf(FALSE_ALARM / (2 * PERIOD))
_STFT = dict(n_fft=512, hop_length=128)
_BINS = slice(*(round(f * _STFT["n_fft"] / SR) for f in BAND))


def embed(y, sr, key):
    """A voice with a mark under it that nobody hears, and that `detect` finds with the same key.

    With V and N the short-time spectra of the voice and of the carrier, whose mean power in the band is 1, what is
    added has the spectrum ``10^(LEVEL/20) |V| N``. Where in its second the carrier begins is free: of all positions
    that one is taken at which the voice resembles it most by itself. That costs nothing and helps to find it.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        A voice of a second or more; floats, full scale ±1.
    sr : int
        Hz, 8000 or more.
    key : str
        Whoever knows it can find the mark, and make it.

    Returns
    -------
    np.ndarray, shape [n], float32
        Within ±1 where `y` is.

    Raises
    ------
    TypeError
        If the key is no str.
    ValueError
        If the key is empty, or the sound is of several channels, shorter than a second, silent or NaN.

    Examples
    --------
    >>> y, sr = load(sample("spoken"))                                          # doctest: +SKIP
    >>> marked = watermark.embed(y, sr, "ours alone")                           # doctest: +SKIP
    >>> watermark.detect(marked, sr, "ours alone")                              # doctest: +SKIP
    (10.8, True)

    References
    ----------
    Cox et al., "Secure spread spectrum watermarking for multimedia", 1997; Kirovski and Malvar, "Spread-spectrum
    watermarking of audio signals", 2003.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a sound carry a signature?"
    """
    carrier, voice = _carrier(key), _voice(y, sr)
    found = _correlations(voice, carrier)
    start = np.abs(found).argmax()
    noise = np.roll(np.sign(found[start]) * np.fft.irfft(carrier), start)
    N = features.stft(np.resize(noise, len(voice)), **_STFT)
    shape = np.abs(features.stft(voice, **_STFT)) / np.sqrt(np.mean(np.abs(N[_BINS]) ** 2))
    mark = features.istft(10 ** (LEVEL / 20) * shape * N, _STFT["hop_length"], length=len(voice))
    mark = np.resize(preprocess.resample(mark, SR, sr), len(y))                 # rounding may cost it a sample
    limit = max(1.0, np.abs(y).max())
    return np.clip(y + mark, -limit, limit).astype(np.float32)


def detect(y, sr, key):
    """Whether a sound carries the mark of a key, wherever it was cut.

    Parameters
    ----------
    y : np.ndarray, shape [n]
        A second or more; the longer, the surer.
    sr : int
        Hz, 8000 or more.
    key : str

    Returns
    -------
    score : float
        The largest of `scores`, in absolute value: by chance about 4, whatever the sound.
    present : bool
        Whether it reaches `THRESHOLD`. Without a mark that happens once in 10,000 searches.

    Raises
    ------
    TypeError, ValueError
        As `embed`.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a sound carry a signature?"
    """
    score = float(np.abs(scores(y, sr, key)).max())
    return score, score >= THRESHOLD


def scores(y, sr, key):
    """How well a sound agrees with the carrier of a key, at each position.

    ``z[p] = sum_i x[i] c[i - p]``, in standard deviations, with x the sound, its spectrum flattened, and c the carrier.
    Without the mark each is drawn from a normal distribution of mean 0 and deviation 1, because the phases of the
    carrier are drawn without regard to the sound. A mark is a single peak, of about ``g sqrt(2 B T)`` for T seconds of
    a band of B hertz, with g the amplitude of the mark over the voice's: 11 for 4 s and -23 dB, if the voice never
    paused.

    Parameters
    ----------
    y : np.ndarray, shape [n]
    sr : int
    key : str

    Returns
    -------
    np.ndarray, shape [16000], float64
        At position p the carrier begins p samples (of 16 kHz) after the sound does. Negative where the sound was turned
        upside down.

    Raises
    ------
    TypeError, ValueError
        As `embed`.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can a sound carry a signature?"
    """
    carrier = _carrier(key)
    return _correlations(_voice(y, sr), carrier)


def _correlations(voice, carrier):
    """`scores` of a sound at 16 kHz, [PERIOD]."""
    X = features.stft(voice, **_STFT)
    power = np.abs(X) ** 2
    flat = X / np.sqrt(power + QUIET * power[_BINS].mean())
    x = features.istft(flat, _STFT["hop_length"], length=len(voice))
    x = np.pad(x, (0, -len(x) % PERIOD)).reshape(-1, PERIOD).sum(axis=0)        # the carrier repeats, so seconds add up
    z = np.fft.irfft(np.fft.rfft(x) * carrier.conj())
    return z / z.std()


def _carrier(key):
    """The spectrum of the noise that a key draws, [PERIOD // 2 + 1], complex: 1 Hz a bin, magnitude 1 in the band."""
    if not isinstance(key, str):
        raise TypeError(f"The key of a watermark is a str, not {type(key).__name__}.")
    if not key:
        raise ValueError("The key of a watermark is empty: take words that nobody guesses.")
    f = np.arange(PERIOD // 2 + 1)
    bits = hashlib.shake_256(key.encode()).digest(2 * len(f))                   # of which nobody can compute the key
    phase = 2 * np.pi * np.frombuffer(bits, "<u2") / 2**16
    return np.where((f >= BAND[0]) & (f <= BAND[1]), np.exp(1j * phase), 0)


def _voice(y, sr):
    """A sound at 16 kHz, float64, that can carry a mark."""
    y = one_channel(y).astype(np.float64)
    if sr < 8000:
        raise ValueError(f"At {sr} Hz there is no room for a watermark, which lies up to {BAND[1]} Hz: it takes 8000 "
                         "Hz or more.")
    y = preprocess.resample(y, sr, SR)
    if len(y) < PERIOD:
        raise ValueError(f"{len(y) / SR:.2f} s are too short for a watermark: it takes {PERIOD / SR:g} s or more.")
    Y = np.fft.rfft(y) / len(y)
    f = np.fft.rfftfreq(len(y), 1 / SR)
    if 2 * np.sum(np.abs(Y[(f >= BAND[0]) & (f <= BAND[1])]) ** 2) < SILENCE**2:
        raise ValueError(f"Between {BAND[0]} and {BAND[1]} Hz the sound is silent, below -80 dBFS: there is nothing to "
                         "hide a watermark under, and none to be found.")
    return y
