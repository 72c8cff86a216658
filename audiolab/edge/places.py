"""A place that a device listens to for hours: made second by second, so that none of it need be kept."""

import functools

import numpy as np

from ..corpora import scenes
from ..corpora.events import BACKGROUNDS, SOURCES, event
from ..corpora.physics import SR, draw, white

BLOCK = 10                          # seconds that are made at once
N_MELS = 16
LEVEL = -35.0                       # dBFS of the background
BANK = 24                           # events that occur, again and again


class Place:
    """One background of `audiolab.corpora.scenes` and events in front of it, for as long as one likes.

    The background goes on by the same parameters, unlike that of a corpus, which has others in each clip: gusts, cars
    and voices come and go, and nothing else changes. The microphone has its own noise. Any block of ten seconds can be
    made by itself, and is always the same.

    Parameters
    ----------
    kind : {"indoors", "street", "wind", "crowd", "stream"}
    seed : int
        Of its parameters, and of all that happens there.
    events : float
        Per second, on average. Their levels against the background are those of the soundscapes.

    Raises
    ------
    ValueError
        If there is no such background.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """

    def __init__(self, kind, seed=0, events=0.1):
        if kind not in BACKGROUNDS:
            raise ValueError(f"No background is called {kind!r}. There are: {', '.join(BACKGROUNDS)}.")
        rng = np.random.default_rng([seed, 0])
        self.kind, self.seed, self.events = kind, seed, events
        self.parameters = draw(BACKGROUNDS[kind].ranges, "test", rng)
        self.hiss = 10 ** (rng.uniform(*scenes.HISS) / 20)
        self.bank = [_dry(rng) for _ in range(BANK)] if events else []
        self.scale = 1.0
        self.scale = 1 / np.std(self._background(0, rng))

    def sound(self, block, louder=0.0):
        """Ten seconds of it.

        Parameters
        ----------
        block : int
            Which, from 0.
        louder : float
            Decibels by which the background is louder than it was; events and microphone stay as they are.

        Returns
        -------
        np.ndarray, shape [160000], float32
            At 16 kHz.
        """
        rng = np.random.default_rng([self.seed, 1, block])
        n = BLOCK * SR
        y = 10 ** (louder / 20) * self._background(n, rng) + self.hiss * white(n, rng)
        for _ in range(rng.poisson(self.events * BLOCK)):
            start, dry = rng.integers(n), self.bank[rng.integers(len(self.bank))]
            y[start : start + dry.size] += 10 ** (rng.uniform(*scenes.SCENE_SNR) / 20) * dry[: n - start]
        return (10 ** (LEVEL / 20) * y).astype(np.float32)

    def features(self, seconds, start=0, louder=0.0):
        """What a device would keep of each second: the median over time of the log-mel of each channel.

        A median takes no notice of what lasts less than half a second.

        Parameters
        ----------
        seconds, start : int
            How many, and from which on: multiples of 10.
        louder : float
            As for `sound`.

        Returns
        -------
        np.ndarray, shape [seconds, 16], float32
        """
        blocks = range(start // BLOCK, (start + seconds) // BLOCK)
        return np.concatenate([_medians(self.sound(block, louder)) for block in blocks])

    def _background(self, n, rng):
        render = BACKGROUNDS[self.kind].render
        return self.scale * render(n or 6 * BLOCK * SR, rng, **self.parameters).astype(np.float32)


def _dry(rng):
    """An event of any class."""
    label = list(SOURCES)[rng.integers(len(SOURCES))]
    return event(label, draw(SOURCES[label].ranges, "test", rng), rng)


@functools.cache
def _pictures():
    from ..features import LogMel

    return LogMel(SR, n_mels=N_MELS)


def _medians(y):
    """[n] to [seconds, mel]."""
    import torch

    with torch.no_grad():
        picture = _pictures()(torch.from_numpy(y)[None])[0, 0, :, :-1]          # [mel, 100 · seconds]
    return np.median(picture.numpy().reshape(N_MELS, -1, SR // _pictures().hop_length), axis=2).T


def lessons(place, blocks, louder=0.0, n=240, seed=0):
    """Events in front of a background, half a second each, with their names: what a model of a place is taught with.

    Parameters
    ----------
    place : Place
    blocks : iterable of int
        Of its sound, ten seconds each, from which the backgrounds are cut.
    louder : float
        Decibels by which the background is louder than it was. Events stay as they are: 5 to 15 dB above what it was.
    n, seed : int

    Returns
    -------
    x : np.ndarray, shape [n, 32], float32
        Mean and standard deviation over time of each of 16 log-mel channels.
    y : list of str
        ``siren``, ``rain``, ``dog`` and ``knock`` in turn.

    Taught in: notebooks/10_edge_profiling.ipynb, "Does it still work out there?"
    """
    import torch

    rng, clips = np.random.default_rng(seed), []
    sound = np.concatenate([place.sound(block, louder) for block in blocks])
    bank = {label: [event(label, draw(SOURCES[label].ranges, "train", rng), rng, longest=0.5) for _ in range(12)]
            for label in ("siren", "rain", "dog", "knock")}
    names = [list(bank)[i % len(bank)] for i in range(n)]
    for name in names:
        dry, start = bank[name][rng.integers(12)], rng.integers(len(sound) - SR // 2)
        clip = sound[start : start + SR // 2].copy()
        clip[: dry.size] += 10 ** ((LEVEL + rng.uniform(5, 15)) / 20) * dry
        clips.append(clip)
    with torch.no_grad():
        pictures = _pictures()(torch.from_numpy(np.stack(clips)))[:, 0].numpy()
    return np.concatenate([pictures.mean(axis=2), pictures.std(axis=2)], axis=1), names
