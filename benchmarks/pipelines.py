"""Resamplers by speed and by what they let through, batches for training, and whole corpora on one and two workers."""

import warnings
from functools import partial
from tempfile import TemporaryDirectory

import numpy as np

from audiolab import augment, features, preprocess
from audiolab.corpora import speech
from benchmarks.timing import best, seconds, table

SECONDS = 10


def resamplers():
    """A row for each resampler: alias rejection in dB, and speed in times real time, for three pairs of rates."""
    import torch
    import torchaudio
    from scipy.signal import resample_poly

    def by_torchaudio(y, sr, target, **options):
        y = torch.from_numpy(np.asarray(y, np.float32))
        return torchaudio.functional.resample(y, sr, target, **options).numpy()

    ways = {
        "`preprocess.resample` (soxr, high quality)": preprocess.resample,
        "`preprocess.resample_polyphase`": preprocess.resample_polyphase,
        "`scipy.signal.resample_poly`": lambda y, sr, target: resample_poly(y, target, sr),
        "torchaudio": by_torchaudio,
        "torchaudio, Kaiser window, width 64": partial(by_torchaudio, lowpass_filter_width=64, rolloff=0.95,
                                                       resampling_method="sinc_interp_kaiser"),
    }
    rates = ((48000, 16000), (44100, 16000), (16000, 48000))
    rng, rows = np.random.default_rng(0), {name: [] for name in ways}
    for sr, target in rates:
        y = rng.uniform(-0.5, 0.5, SECONDS * sr).astype(np.float32)
        times = best({name: partial(way, y, sr, target) for name, way in ways.items()}, rounds=3)
        for name, way in ways.items():
            rejection = preprocess.alias_rejection(way, sr, target, start=1.1)
            rows[name] += [f"{rejection:.0f}", f"{SECONDS / times[name]:,.0f}"]
    titles = ["", *(text for sr, target in rates for text in (f"rejection {sr / 1000:g} to {target / 1000:g} kHz, dB",
                                                              "times real time"))]
    return table(titles, [(name, *row) for name, row in rows.items()])


def augmentations():
    """Milliseconds per clip of what a training batch goes through: 64 clips of a second at 16 kHz, one thread."""
    import torch

    generator = torch.Generator().manual_seed(0)
    y, noise = (torch.randn(64, 16000, generator=generator) * 0.1 for _ in range(2))
    rng = np.random.default_rng(0)
    rooms = [augment.shoebox((6, 4, 3), (1, 1, 1.5), (3 + i / 10, 2, 1.5), 0.4, 16000, rng) for i in range(8)]
    rooms = torch.from_numpy(np.stack([rooms[i % 8] for i in range(64)]))
    front_end = features.LogMel(16000)
    pictures = front_end(y)
    calls = {
        "`mix_at_snr`": lambda: augment.mix_at_snr(y, noise, 10.0),
        "`reverberate`, a room of 0.4 s for each": lambda: augment.reverberate(y, rooms),
        "`spec_augment`": lambda: augment.spec_augment(pictures, generator=generator),
        "`features.LogMel`": lambda: front_end(y),
    }
    with torch.inference_mode():
        times = best(calls)
    rows = [(name, f"{1000 * t / 64:.2f}") for name, t in times.items()]
    three = sum(list(times.values())[:3])
    return table(["", "ms per clip"], [*rows, ("the first three together", f"{1000 * three / 64:.2f}")])


def throughput(clips=400):
    """Seconds of sound per second of work over a corpus of sentences, on one process and on two."""
    import joblib

    corpus = speech.sentences(n=clips)
    sound = float(corpus.table.duration.sum())
    steps = [partial(preprocess.resampled, target=8000), preprocess.mono, preprocess.centred, preprocess.trimmed,
             preprocess.normalized]
    work = {
        "`preprocess.run`: resample, mono, DC, trim, normalise": partial(preprocess.run, corpus, steps),
        "`features.extract`, log-mel": partial(features.extract, corpus, features.log_mel),
        "`features.extract`, constant-Q": partial(features.extract, corpus, features.cqt, n_bins=72),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joblib.Parallel(n_jobs=2)(joblib.delayed(_wake)() for _ in range(4))
        rows = []
        for name, call in work.items():
            times = {}
            for n_jobs in (1, 2, 1, 2):
                with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                    taken = seconds(partial(call, root=f"{folder}/out", n_jobs=n_jobs))
                times[n_jobs] = min(taken, times.get(n_jobs, np.inf))
            rows.append((name, f"{sound / times[1]:,.0f}", f"{sound / times[2]:,.0f}", f"{times[1] / times[2]:.2f}"))
    about = f"{clips} sentences, {sound / 60:.0f} minutes"
    return table([about, "times real time, 1 process", "2 processes", "ratio"], rows)


def one_thread():
    """Have this process compute with one thread, as its workers do."""
    import torch

    torch.set_num_threads(1)


def _wake():
    """Have a worker import what it will need."""
    features.log_mel(np.zeros(16000, np.float32), 16000)
    preprocess.normalized(np.ones(16000, np.float32), 16000)
