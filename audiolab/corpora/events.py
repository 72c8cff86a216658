"""Twelve kinds of everyday sound, and five backgrounds, each from a small physical model with many parameters.

A sound is *what is set going* (a clapper, a firing cylinder, breath) by way of *what it sets ringing* (the
modes of a bell, a pipe, a throat). Gaver (1993) described how we hear such causes and made everyday sounds of
models like these; Farnell's "Designing Sound" (2010) is the workshop, Cook's PhISEM (1997) has sounds
of many colliding grains, van den Doel and Pai (1998) struck things as sums of decaying modes.

Each function of ``SOURCES`` renders one kind of event, each of ``BACKGROUNDS`` what lies behind. Its
decorator holds the range of each parameter, from which `physics.draw` takes values anew for every sound.
"""

from dataclasses import dataclass

import numpy as np

from .physics import (
    SR,
    Range,
    band,
    contact,
    drift,
    grains,
    harmonics,
    impulses,
    log,
    modes,
    peaks,
    phase_of,
    ping,
    pulses,
    rhythm,
    shape,
    white,
)

QUIET = -35.0                   # dB under its loudest 20 ms at which a sound has ended


@dataclass(frozen=True)
class Source:
    """A kind of sound: how it is rendered, and the range of each parameter."""

    render: callable
    ranges: dict


SOURCES = {}
BACKGROUNDS = {}


def _source(duration, **ranges):
    """Enter a function under its own name in `SOURCES`, with its ranges and that of its `duration` in seconds."""
    def enter(function):
        SOURCES[function.__name__] = Source(function, {"duration": duration, **ranges})
        return function
    return enter


def _background(**ranges):
    """Enter a function under its own name in `BACKGROUNDS`, with its ranges."""
    def enter(function):
        BACKGROUNDS[function.__name__] = Source(function, ranges)
        return function
    return enter


def event(label, parameters, rng, longest=np.inf):
    """One sound, dry and alone.

    Parameters
    ----------
    label : str
        A key of ``SOURCES``.
    parameters : dict of str to float
        As drawn; `duration` bounds the length.
    rng : np.random.Generator
        Source of what differs from hit to hit and from grain to grain.
    longest : float
        Seconds after which it is cut.

    Returns
    -------
    np.ndarray, shape [n], float32
        At 16 kHz, RMS 1. It begins with the first sample and ends where it has died away.

    Raises
    ------
    ValueError
        If there is no such kind.
    """
    if label not in SOURCES:
        raise ValueError(f"No event is called {label!r}. There are: {', '.join(SOURCES)}.")
    arguments = dict(parameters)
    n = round(min(arguments.pop("duration"), longest) * SR)
    y = SOURCES[label].render(n, rng, **arguments)
    first, last = _extent(y)
    y = y[first:last]
    fade = min(160, y.size // 4)
    y[-fade:] *= np.linspace(1, 0, fade)
    return (y / np.sqrt(np.mean(y**2))).astype(np.float32)


def background(kind, parameters, n, rng):
    """What is heard where nothing happens.

    Parameters
    ----------
    kind : str
        A key of ``BACKGROUNDS``.
    parameters : dict of str to float
        As drawn.
    n : int
        Samples at 16 kHz.
    rng : np.random.Generator

    Returns
    -------
    np.ndarray, shape [n], float32
        RMS 1.
    """
    y = BACKGROUNDS[kind].render(n, rng, **parameters)
    return (y / np.sqrt(np.mean(y**2))).astype(np.float32)


def _extent(y):
    """First and last sample that lie above `QUIET`, in steps of 20 ms."""
    step = SR // 50
    power = np.add.reduceat(y**2, np.arange(0, y.size, step))
    heard = np.flatnonzero(power > power.max() * 10 ** (QUIET / 10))
    return heard[0] * step, min((heard[-1] + 1) * step, y.size)


# ---------------------------------------------------------------------------------------- sources


@_source(Range(1.2, 4.0), low=log(380, 900), span=log(1.3, 2.6), rate=log(0.25, 4.5), squareness=log(0.3, 12),
         rolloff=Range(0.7, 1.6), throat=log(900, 2200))
def siren(n, rng, low, span, rate, squareness, rolloff, throat):
    """Wail, yelp or two tones: a square-like wave whose pitch goes up and down, through a horn.

    SAE J1849 has 500 to 2000 Hz, 10 to 30 cycles a minute for a wail and 150 to 250 for a yelp; DIN 14610
    has two tones a fourth apart. One formula spans them: pitch follows ``tanh(s sin) / tanh(s)``, a
    sine for small `squareness` and two steps for large.
    """
    swing = np.sin(2 * np.pi * (rate * np.arange(n) / SR + rng.uniform()))
    frequency = low * span ** (0.5 + 0.5 * np.tanh(squareness * swing) / np.tanh(squareness))
    k = np.arange(1, 21)
    y = harmonics(phase_of(frequency), frequency, k**-rolloff * np.where(k % 2, 1, rng.uniform(0.1, 0.5)))
    horn = peaks([throat, 2.1 * throat], [0.9 * throat, throat], [1, 0.5])
    return shape(y, lambda f: (0.15 + horn(f)) * band(300, 4500)(f)) * drift(n, rng, 1.5, 0.15)


@_source(Range(0.8, 4.0), pitch=log(650, 3700), second=Range(1.0, 1.5), rate=log(1.2, 9), duty=Range(0.35, 0.7),
         group=Range(2.0, 7.0), rolloff=Range(1.0, 3.0))
def alarm(n, rng, pitch, second, rate, duty, group, rolloff):
    """Beeps of a piezo buzzer: even pulses of one pitch or two in turn, in groups with a rest.

    Smoke alarms beep at 3.1 kHz (three and a rest, ISO 8201), clocks at 2 to 4 kHz in fours, lorries
    in reverse at 1 to 1.4 kHz. The disc is driven by a square wave, hence odd harmonics, and weighs them its own way.
    """
    beats = np.arange(0, n / SR, 1 / rate)
    which = np.arange(beats.size)
    beats, which = (x[which % group < max(group - 1.5, 1)] for x in (beats, which))
    t = np.arange(n) / SR
    odd = which[np.searchsorted(beats, t, side="right") - 1] % 2
    frequency = pitch * np.where(odd, second, 1.0)
    k = np.arange(1, 12)
    tone = harmonics(phase_of(frequency), frequency, (k % 2) * k**-rolloff * rng.uniform(0.5, 1.5, k.size))
    return tone * pulses(n, beats, duty / rate)


@_source(Range(0.5, 3.5), pitch=log(170, 560), interval=Range(1.15, 1.5), brightness=log(900, 3200),
         rate=log(0.35, 1.8), duty=Range(0.4, 0.95), attack=log(0.01, 0.06))
def horn(n, rng, pitch, interval, brightness, rate, duty, attack):
    """A vehicle's horn: two steel discs, a third to a fifth apart, held steady; one blast or more.

    Car horns sound 350 to 500 Hz with partials strongest at 1.8 to 3.5 kHz, trains chords from 250 Hz.
    A disc that strikes its coil core gives sharp pulses, so a full series of harmonics.
    """
    beats = rhythm(n / SR, rate, rng, 0.15)
    envelope = pulses(n, beats, duty / rate, attack)
    k = np.arange(1, 41)
    y = 0
    for ratio in (1, interval):
        frequency = pitch * ratio * (0.97 + 0.03 * np.minimum(envelope, 1)) * (1 + 0.002 * rng.standard_normal())
        slope = k**-0.4 / (1 + (k * pitch * ratio / brightness) ** 3)
        y = y + harmonics(phase_of(frequency), frequency, slope * rng.uniform(0.4, 1.6, k.size))
    return shape(y, band(250, 6000)) * envelope


@_source(Range(0.3, 2.4), pitch=log(220, 900), rise=Range(0.2, 1.0), length=log(0.08, 0.26), rate=log(1.4, 4.0),
         throat=log(450, 1150), hoarse=Range(0.25, 1.1), tilt=Range(0.8, 1.8))
def dog(n, rng, pitch, rise, length, rate, throat, hoarse, tilt):
    """Barks: a quick cry whose pitch leaps up and falls, harsh with breath, through an opening mouth.

    Barks last 0.1 to 0.3 s, their pitch runs from 200 Hz (large dogs, disturbed) to 1000 Hz (small ones, alone),
    and their harmonic-to-noise ratio is low (Yin and McCowan, 2004; Pongrácz et al., 2005).
    """
    kernels, starts = [], []
    for start in rhythm(max(n / SR - length, 0.01), rate, rng, 0.25):
        m = round(length * SR * rng.uniform(0.8, 1.2))
        u = np.arange(m) / m
        frequency = pitch * rng.uniform(0.93, 1.07) * (1 + rise * np.sin(np.pi * u**0.6)) * (1 - 0.25 * u)
        phase = phase_of(frequency * drift(m, rng, 80, 0.02 + 0.04 * hoarse))
        cry = harmonics(phase, frequency, np.arange(1, 25.0) ** -tilt) * (1 + hoarse * 0.5 * np.sin(phase / 2))
        breath = rng.standard_normal(m) * (0.6 + 0.4 * np.cos(phase))               # puffs, in step with the cry
        envelope = np.minimum(u / 0.12, 1) * np.cos(np.pi / 2 * u) ** 1.2
        kernels.append((cry + hoarse * breath) * envelope * rng.uniform(0.7, 1))
        starts.append(round(start * SR))
    mouth = peaks(throat * np.array([1, 2.3, 3.9]), throat * np.array([0.35, 0.6, 0.9]), [1, 0.5, 0.2])
    return shape(grains(n, starts, kernels), lambda f: (0.02 + mouth(f)) * band(150, 4500)(f))


@_source(Range(0.9, 4.0), rate=log(1.3, 2.6), thud=log(60, 220), ring=log(0.03, 0.14), heel=log(0.001, 0.008),
         toe=Range(0.08, 0.2), scuff=log(0.03, 0.5), grit=log(0.02, 1.0), colour=log(900, 3500))
def footsteps(n, rng, rate, thud, ring, heel, toe, scuff, grit, colour):
    """Walking: the heel strikes, the toe follows with a rub, and what lies on the floor crackles.

    1.5 to 2.5 steps a second. The force on the floor has two bumps, heel and ball of the foot (Farnell; Cook's
    "Modeling Bill's gait", 2002); gravel and leaves are grains that collide at random while the foot moves (PhISEM).
    """
    steps = rhythm(n / SR, rate, rng, 0.06)
    force = rng.uniform(0.7, 1.0, steps.size) * np.where(np.arange(steps.size) % 2, rng.uniform(0.7, 1), 1)
    roll = toe * rng.uniform(0.85, 1.15, steps.size)
    hits = contact(impulses(n, steps, force), heel) + 0.4 * contact(impulses(n, steps + roll, force), 2 * heel)
    ratios = np.array([1, 1.6, 2.4, 3.7, 5.9, 9.5]) * rng.uniform(0.9, 1.1, 6)
    floor = modes(hits, thud * ratios, ring / ratios**0.5, ratios**-0.5)
    t = np.arange(n) / SR
    since = t - steps[np.searchsorted(steps, t, side="right") - 1]
    rub = np.exp(-(((since - toe) / 0.05) ** 2)) + 0.5 * np.exp(-since / 0.03)
    sole = shape(rub * white(n, rng), band(colour, 2 * colour)) * scuff
    crackle = white(n, rng) ** 3 * (rng.random(n, dtype=np.float32) < 0.02 * (0.02 + rub))
    stones = shape(crackle, peaks([colour, 2.2 * colour], [colour, 1.5 * colour], [1, 0.7])) * grit
    click = shape(hits, band(1500, 6000)) * 0.6
    return floor / np.max(np.abs(floor)) + click + (sole + stones) * 0.5


@_source(Range(1.5, 4.0), drops=log(25, 250), size=log(1400, 5000), hiss=log(0.15, 1.5), tilt=Range(-1.0, 0.4),
         roof=log(300, 1500), tapping=log(0.1, 1.5), gust=Range(0.05, 0.35))
def rain(n, rng, drops, size, hiss, tilt, roof, tapping, gust):
    """A hiss of far drops and the single near ones: taps on a roof, and bubbles that ring in puddles.

    A bubble of radius r rings at ``3.26 / r`` Hz (Minnaert, 1933) and rises in pitch as it nears the surface
    (van den Doel, 2005). Drops fall independently of each other: a Poisson process.
    """
    swell = drift(n, rng, 1.0, gust)
    far = shape(white(n, rng), lambda f: (np.maximum(f, 50) / 3000) ** tilt * band(700, 7000)(f)) * swell
    count = rng.poisson(drops * n / SR)
    starts = rng.integers(0, n, count)
    loud = np.minimum(rng.pareto(2.5, count) + 0.2, 4)                              # few near drops, many far ones
    bank = []
    for _ in range(16):
        t = np.arange(round(rng.uniform(0.006, 0.025) * SR)) / SR
        pitch = min(size * rng.uniform(0.6, 1.5), 6000)
        bubble = np.sin(2 * np.pi * pitch * (t + 6 * t**2)) * np.exp(-5 * t / t[-1])
        board = np.sin(2 * np.pi * roof * rng.uniform(0.7, 1.6) * t) * np.exp(-4 * t / t[-1])
        bank.append(bubble + tapping * board)
    near = grains(n, starts, [a * bank[i] for a, i in zip(loud, rng.integers(16, size=count), strict=True)])
    return hiss * far / np.std(far) + near / np.std(near) * swell


@_source(Range(1.5, 4.0), firing=log(22, 130), uneven=Range(0.1, 0.6), pipe=log(0.5, 3.0), echo=Range(0.3, 0.8),
         muffler=log(220, 1100), clatter=log(0.02, 0.5), rev=Range(-0.3, 0.7), rough=log(0.01, 0.06))
def engine(n, rng, firing, uneven, pipe, echo, muffler, clatter, rev, rough):
    """Cylinders fire one after the other into an exhaust pipe; valves clatter along.

    A four-stroke engine fires ``rpm / 60 * cylinders / 2`` times a second: 27 Hz for four cylinders at 800. No two
    cylinders fire alike, so the half orders sound too; the open end of the pipe sends each pulse back turned over.
    """
    t = np.arange(n) / SR
    speed = firing * (1 + rev * np.sin(np.pi * t / t[-1]) ** 2) * drift(n, rng, 4, rough)
    turns = np.cumsum(speed) / SR
    fired = np.interp(np.arange(1, turns[-1]), turns, t)
    fired = fired + rough * rng.standard_normal(fired.size) / firing
    cylinder = 1 + uneven * rng.standard_normal(4)
    push = impulses(n, fired, cylinder[np.arange(fired.size) % 4] * (1 + 0.15 * rng.standard_normal(fired.size)))
    flow = contact(push, min(0.003, 0.3 / firing))
    delay = 2 * pipe / 343.0

    def exhaust(f):
        return band(35, muffler, 3)(f) / (1 + echo * np.exp(-f / 1500) * np.exp(-2j * np.pi * f * delay))

    hiss = white(n, rng) * (0.15 + np.convolve(push, np.exp(-np.arange(200) / 50))[:n])
    valves = modes(push, rng.uniform(900, 4500, 5), 0.008, rng.uniform(0.3, 1, 5))
    body, top = shape(flow, exhaust), shape(hiss + 2 * valves, band(700, 4000))
    return body / np.std(body) + clatter * top / np.std(top)


@_source(Range(0.6, 1.8), size=log(1300, 3600), spread=Range(0.25, 0.7), shards=log(25, 110), fall=log(0.08, 0.35),
         ring=log(0.04, 0.22), crack=log(0.2, 1.5), bounce=Range(0.35, 0.65))
def glass(n, rng, size, spread, shards, fall, ring, crack, bounce):
    """A crack, then shards that ring as they fall and bounce.

    What tells breaking from bouncing is many trains of pulses, out of step, each with pitches of its own
    (Warren and Verbrugge, 1984). A shard rings at a few inharmonic pitches, higher the smaller it is; the intervals
    between its bounces shrink by a constant factor.
    """
    kernels, starts = [], []
    for _ in range(round(shards)):
        f = size * np.exp(spread * rng.standard_normal()) * np.array([1, 1.58, 2.24, 2.92]) * rng.uniform(0.92, 1.08, 4)
        kernel = ping(f, ring * (1500 / f) ** 0.5 * rng.uniform(0.5, 1.3), rng.uniform(0.2, 1, 4) * f**-0.3)
        at, gap, loud = rng.exponential(fall), rng.uniform(0.06, 0.2), rng.pareto(3) + 0.15
        while at * SR < n and loud > 0.02:
            starts.append(round(at * SR))
            kernels.append(loud * kernel)
            at, gap, loud = at + gap, gap * bounce, loud * bounce
    shatter = grains(n, starts, kernels)
    burst = white(n, rng) * np.exp(-np.arange(n) / SR / 0.012)
    burst = shape(burst, band(800, 6500))
    return shatter / np.max(np.abs(shatter)) + crack * burst / np.max(np.abs(burst))


@_source(Range(0.4, 1.8), rate=log(2.6, 7.5), panel=log(90, 380), ring=log(0.03, 0.13), knuckle=log(0.0008, 0.004),
         stretch=Range(1.35, 1.9), rattle=log(0.01, 0.3))
def knock(n, rng, rate, panel, ring, knuckle, stretch, rattle):
    """Knuckles on a door: two to eight quick, even blows on a wooden panel, and perhaps a latch that rattles.

    Wood rings briefly, its higher modes still less; a knuckle touches for 1 to 4 ms, which sets how bright
    it sounds (van den Doel and Pai).
    """
    beats = rhythm(max(n / SR - 0.12, 0.1), rate, rng, 0.07)[:8]
    blows = contact(impulses(n, beats, rng.uniform(0.75, 1, beats.size)), knuckle)
    ratios = stretch ** np.arange(9) * rng.uniform(0.93, 1.07, 9)
    wood = modes(blows, panel * ratios, ring / ratios**0.35, rng.uniform(0.4, 1, 9) * ratios**-0.4)
    late = beats[:, None] + rng.exponential(0.015, (beats.size, 4))
    latch = impulses(n, late.ravel(), rng.uniform(0.2, 1, late.size))
    latch = modes(latch, rng.uniform(1800, 6000, 4), 0.03, np.ones(4))
    return wood / np.max(np.abs(wood)) + rattle * latch / np.max(np.abs(latch))


@_source(Range(0.9, 4.0), pitch=log(280, 2200), stretch=Range(0.85, 1.25), decay=log(0.8, 4.5), damping=Range(0.3, 0.9),
         rate=log(0.45, 4.0), clapper=log(0.0002, 0.0012), beating=log(0.3, 6))
def bell(n, rng, pitch, stretch, decay, damping, rate, clapper, beating):
    """A struck bell: inharmonic partials, the high ones gone first, each slowly beating.

    A church bell has hum, prime, tierce, quint and nominal at 0.5, 1, 1.2, 1.5 and 2 (Rossing; Risset's additive
    bell of 1969 is the classic). No bell is round, so that each partial is a pair, a few hertz apart.
    """
    ratios = np.array([0.5, 1, 1.2, 1.5, 2, 2.53, 2.66, 3.01, 4.1, 5.43, 6.8]) ** stretch * rng.uniform(0.99, 1.01, 11)
    gains = rng.uniform(0.3, 1, 11) * ratios**-0.2
    t60 = decay / np.maximum(ratios, 0.5) ** damping
    beats = rhythm(n / SR, rate, rng, 0.05)
    strikes = contact(impulses(n, beats, rng.uniform(0.6, 1, beats.size)), clapper)
    pairs = pitch * ratios + beating * rng.uniform(0.3, 1, 11)
    return modes(strikes, pitch * ratios, t60, gains) + modes(strikes, pairs, t60, gains * rng.uniform(0.2, 0.8, 11))


@_source(Range(0.6, 3.0), pitch=log(1900, 5200), rate=log(2.5, 14), duty=Range(0.4, 0.85), span=Range(0.15, 0.9),
         trill=log(15, 70), shake=log(0.002, 0.12), change=Range(0.05, 0.8))
def bird(n, rng, pitch, rate, duty, span, trill, shake, change):
    """A song of short whistled syllables, each gliding through its own curve, repeated or changed, with rests.

    The syrinx gives nearly pure tones of 2 to 7 kHz, gliding and shaking within tens of milliseconds, with a weak
    second harmonic; a trill repeats a syllable 5 to 20 times a second, a robin hardly repeats any (Catchpole and
    Slater, "Bird Song").
    """
    kernels, starts = [], []
    syllable = rng.uniform(-1, 1, 4)
    for start in rhythm(n / SR, rate, rng, 0.1):
        if rng.uniform() < change:
            syllable = rng.uniform(-1, 1, 4)
        if start > 0 and rng.uniform() < 0.12:
            continue
        glide, bend, centre, stretch = syllable
        m = round(duty / rate * (1 + 0.3 * stretch) * SR)
        u = np.arange(m) / m
        octaves = span * (0.5 * centre + glide * (u - 0.5) + 0.4 * bend * np.sin(2 * np.pi * u))
        frequency = np.clip(pitch * 2.0**octaves * (1 + shake * np.sin(2 * np.pi * trill * u * m / SR)), 1200, 7200)
        envelope = np.sin(np.pi * u**0.7) ** 0.8 * rng.uniform(0.6, 1)
        kernels.append(harmonics(phase_of(frequency), frequency, [1, 0.03]) * envelope)
        starts.append(round(start * SR))
    return grains(n, starts, kernels)


@_source(Range(1.0, 4.0), rate=log(3.5, 10), key=log(1300, 4500), ring=log(0.004, 0.02), desk=log(130, 420),
         thump=log(0.1, 1.2), travel=Range(0.008, 0.025), release=Range(0.05, 0.12), uneven=Range(0.25, 0.55))
def typing(n, rng, rate, key, ring, desk, thump, travel, release, uneven):
    """Keys of a keyboard: the finger touches, the key hits bottom, and later springs back.

    A keystroke has these three peaks, touch and hit about 10 ms apart and the release 100 ms later
    (Asonov and Agrawal, 2004). Intervals between strokes are far less even than those of steps or knocks.
    """
    strokes = rhythm(n / SR, rate, rng, uneven)
    force = rng.uniform(0.4, 1, strokes.size)
    held = release * rng.uniform(0.7, 1.3, strokes.size)
    rows = []                                                       # keys sound a little different, row by row
    for _ in range(4):
        ratios = np.array([1, 1.37, 1.83, 2.6, 3.4]) * rng.uniform(0.85, 1.15, 5)
        tap = contact(np.eye(1, round((0.002 + ring) * SR))[0], 0.0004)
        rows.append(modes(tap, key * ratios, ring, rng.uniform(0.3, 1, 5)))
    times = np.concatenate([strokes, strokes + travel, strokes + travel + held])
    loud = np.concatenate([0.3 * force, force, 0.5 * force])
    which = np.tile(rng.integers(4, size=strokes.size), 3)
    inside = times < n / SR
    starts = np.round(times[inside] * SR).astype(int)
    y = grains(n, starts, [a * rows[i] for a, i in zip(loud[inside], which[inside], strict=True)])
    hits = contact(impulses(n, strokes + travel, force), 0.002)
    wood = modes(hits, desk * np.array([1, 1.7, 2.9]), 0.04, [1, 0.6, 0.3])
    return y / np.max(np.abs(y)) + 0.5 * thump * wood / np.max(np.abs(wood))


# ---------------------------------------------------------------------------------------- backgrounds


def _coloured(n, rng, slope, low=40):
    """Noise that falls by `slope` dB per octave above `low` hertz."""
    return shape(white(n, rng), lambda f: (np.maximum(f, low) / 1000) ** (-slope / 6.02))


@_background(slope=Range(2.0, 6.0), mains=log(0.02, 0.5), pitch=Range(47, 63), fan=log(90, 420), whirr=log(0.02, 0.4))
def indoors(n, rng, slope, mains, pitch, fan, whirr):
    """A quiet room: air from a duct, a transformer's hum at twice the mains, a fan's blades."""
    t = np.arange(n) / SR
    hum = harmonics(2 * np.pi * 2 * pitch * t, 2 * pitch, [1, 0.5, 0.6, 0.2, 0.1])
    blades = fan * drift(n, rng, 0.5, 0.01)
    air = _coloured(n, rng, slope)
    return air / np.std(air) + mains * hum + whirr * harmonics(phase_of(blades), blades, [1, 0.5, 0.25])


@_background(slope=Range(3.0, 6.0), tyres=log(0.1, 1.2), centre=log(600, 1400), passing=log(0.2, 0.8),
             swell=Range(0.2, 1.0))
def street(n, rng, slope, tyres, centre, passing, swell):
    """Traffic at some distance: a rumble, and tyres that hiss around 1 kHz as cars go by."""
    rumble, road = _coloured(n, rng, slope, 60), shape(white(n, rng), band(0.6 * centre, 1.6 * centre))
    return rumble / np.std(rumble) + tyres * road / np.std(road) * drift(n, rng, passing, swell)


@_background(slope=Range(5.0, 9.0), gusts=log(0.3, 1.5), force=Range(0.3, 0.9), leaves=log(0.03, 0.6),
             rustle=log(2200, 5500))
def wind(n, rng, slope, gusts, force, leaves, rustle):
    """Gusts: turbulence at low frequencies, and leaves that rustle with it, a little later."""
    late = SR // 5
    gust = drift(n + late, rng, gusts, force)
    air, tree = _coloured(n, rng, slope), shape(white(n, rng), band(0.7 * rustle, 1.4 * rustle))
    return gust[late:] * air / np.std(air) + leaves * gust[:n] ** 2 * tree / np.std(tree)


@_background(voices=Range(2.5, 6.5), pitch=log(95, 240), syllables=Range(2.5, 5.5), vowel=log(380, 750),
             breath=log(0.2, 1.2))
def crowd(n, rng, voices, pitch, syllables, vowel, breath):
    """People talking at once: gliding voices and hisses, each coming and going a few times a second."""
    y = np.zeros(n)
    for _ in range(round(voices)):
        frequency = pitch * np.exp(0.25 * rng.standard_normal()) * drift(n, rng, 2 * syllables, 0.12)
        speaking = np.maximum(np.log(drift(n, rng, 2 * syllables, 1.0)), 0)
        y += speaking * harmonics(phase_of(frequency), frequency, np.arange(1, 15.0) ** -0.3)
        y += breath * np.maximum(np.log(drift(n, rng, 2 * syllables, 1.0)) - 0.5, 0) * white(n, rng)
    mouths = peaks([vowel, 2.6 * vowel, 2600], [300, 700, 1600], [1, 0.5, 0.25])
    return shape(y, lambda f: mouths(f) * band(120, 5000)(f))


@_background(bubbles=log(150, 900), size=log(500, 1800), spread=Range(0.3, 0.7), hiss=log(0.1, 0.9),
             flow=Range(0.02, 0.2))
def stream(n, rng, bubbles, size, spread, hiss, flow):
    """Running water: bubbles of many sizes that ring for some 20 ms, over a hiss."""
    bank = []
    for f in np.minimum(size * np.exp(spread * rng.standard_normal(24)), 6000):
        t = np.arange(round(min(20 / f, 0.03) * SR)) / SR
        bank.append(np.sin(2 * np.pi * f * t * (1 + 4 * t)) * np.exp(-5 * t / t[-1]))
    count = rng.poisson(bubbles * n / SR)
    loud, which = rng.pareto(3, count) + 0.1, rng.integers(24, size=count)
    water = grains(n, rng.integers(0, n, count), [a * bank[i] for a, i in zip(loud, which, strict=True)])
    far = shape(white(n, rng), band(400, 6000))
    return (water / np.std(water) + hiss * far / np.std(far)) * drift(n, rng, 1.0, flow)
