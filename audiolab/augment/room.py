"""The impulse response of a simulated room."""

import numpy as np

SPEED_OF_SOUND = 343.0          # m/s at 20 °C
MIXING_TIME = 0.05              # s: reflections are counted singly up to here, then they are too many to tell apart
HIGH_BAND = 2000.0              # Hz: above it a room decays faster, for soft things and the air absorb more
HIGH_DECAY = 0.6                # … in this part of the reverberation time


def shoebox(size, source, microphone, rt60, sr, rng):
    """Impulse response of a rectangular room, from where a source and a microphone stand in it.

    Each wall is a mirror. A reflection comes from an image of the source behind it, at distance d and
    so after ``d / c``, with amplitude ``beta^k / d`` after k walls (the image-source method). Images
    within the first 50 ms are placed one by one. Later ones number ``4 pi c³ t² / V`` a second, too
    many to tell apart: noise of the same power takes their place, ``4 pi c / V`` per second relative to
    the direct sound at one metre, and decays by 60 dB in `rt60`, above 2 kHz in 0.6 of it.

    Parameters
    ----------
    size : sequence of 3 floats
        Length, width and height in metres.
    source, microphone : sequence of 3 floats
        Where they stand, in metres from one corner, inside the room.
    rt60 : float
        Reverberation time in seconds. It sets how much a wall reflects, by Eyring's formula.
    sr : int
        Samples per second.
    rng : np.random.Generator
        Source of the late noise.

    Returns
    -------
    np.ndarray, shape [n], float32
        ``max(rt60, 0.05)`` seconds. The direct sound comes first, with amplitude 1; its own delay is left out. The rest
        grows with the distance, and equals the direct sound in energy at about ``0.057 sqrt(V / rt60)`` metres.

    Raises
    ------
    ValueError
        If source or microphone is not inside the room, or `rt60` is not positive.

    Notes
    -----
    A wall turns the sign (beta is taken as negative). Were all reflections positive, the many late ones
    would add up to a slow push that no room has (Lehmann and Johansson, 2008).

    References
    ----------
    Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979; Eyring,
    "Reverberation time in dead rooms", 1930; the power of late reflections is in Kuttruff, "Room acoustics".
    """
    from scipy.signal import butter, sosfilt

    size, source, microphone = (np.asarray(x, dtype=np.float64) for x in (size, source, microphone))
    for name, place in (("source", source), ("microphone", microphone)):
        if not ((place > 0) & (place < size)).all():
            raise ValueError(f"The {name} at {place.tolist()} m is not inside a room of {size.tolist()} m.")
    if rt60 <= 0:
        raise ValueError(f"rt60 must be positive, got {rt60} s.")
    distance = max(np.linalg.norm(source - microphone), 0.1)
    volume, walls = size.prod(), 2 * (size[0] * size[1] + size[1] * size[2] + size[2] * size[0])
    beta = np.exp(-0.0805 * volume / (walls * rt60))                # Eyring, amplitude: half the exponent of energy
    d, bounces = _images(size, source, microphone, distance + SPEED_OF_SOUND * MIXING_TIME)

    n = round(max(rt60, MIXING_TIME) * sr)
    delay = np.maximum(d - distance, 0) / SPEED_OF_SOUND * sr                               # samples
    y = _place(delay, (-beta) ** bounces * distance / np.maximum(d, distance), n)

    t = np.arange(n) / sr
    late = rng.standard_normal(n) * 10 ** (-3 * (t + distance / SPEED_OF_SOUND) / rt60)
    late *= distance * np.sqrt(4 * np.pi * SPEED_OF_SOUND / (volume * sr))
    y += np.where(t < MIXING_TIME, 0, late)
    low = sosfilt(butter(2, HIGH_BAND, fs=sr, output="sos"), y)
    return (low + (y - low) * 10 ** (-3 * t / rt60 * (1 / HIGH_DECAY - 1))).astype(np.float32)


def _images(size, source, microphone, farthest):
    """Distance of every image nearer than `farthest`, and the number of walls behind which it lies."""
    offsets, bounces = [], []
    for length, s, m in zip(size, source, microphone, strict=True):                         # the axes are independent
        reach = np.arange(-int(farthest / (2 * length)) - 1, int(farthest / (2 * length)) + 2)
        offsets.append(np.concatenate([2 * reach * length + s - m, 2 * reach * length - s - m]))
        bounces.append(np.concatenate([2 * np.abs(reach), np.abs(reach) + np.abs(reach - 1)]))
    x, y, z = (o**2 for o in offsets)
    d = np.sqrt(x[:, None, None] + y[:, None] + z)
    total = bounces[0][:, None, None] + bounces[1][:, None] + bounces[2]
    near = d < farthest
    return d[near], total[near]


def _place(delay, amplitude, n, half=8):
    """Impulses between the samples: each is a sinc under a Hann window of 16 samples."""
    near = np.floor(delay).astype(int)
    taps = np.arange(1 - half, half + 1)
    x = taps - (delay - near)[:, None]                                                      # [impulses, taps]
    values = amplitude[:, None] * np.sinc(x) * np.cos(np.pi * x / (2 * half)) ** 2
    positions = near[:, None] + taps
    inside = (positions >= 0) & (positions < n)
    return np.bincount(positions[inside], values[inside], minlength=n)
