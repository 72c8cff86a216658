"""Log-mel, MFCC and constant-Q beside librosa, torchaudio, Kaldi and audioflux: equal parameters, equal threads.

    python -m benchmarks.features          measures with as many threads as OMP_NUM_THREADS says, prints JSON

`tables` runs that in child processes, once for each number of threads. Agreement is checked before anything is timed:
what differs by more than its row says is an error.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

from benchmarks.timing import best, table

ROOT = Path(__file__).absolute().parents[1]
SR, N_FFT, HOP, MELS, MFCC = 16000, 512, 160, 64, 13            # a window of 512 samples: all peers can have it
CLIPS = 64                                                      # of a second
LOG_MEL, COEFFICIENTS, CONSTANT_Q = "log-mel", "MFCC", "constant-Q"
SIZES = {"n_fft": N_FFT, "hop_length": HOP, "win_length": N_FFT, "n_mels": MELS}
NOTE = {
    LOG_MEL: f"{CLIPS} clips of 1 s at {SR} Hz: window {N_FFT}, hop {HOP}, {MELS} Slaney mel channels, natural "
             "logarithm, floor 1e-5. Largest difference from librosa, in units of the logarithm.",
    COEFFICIENTS: f"The same, and {MFCC} coefficients of an orthonormal cosine transform.",
    CONSTANT_Q: "10 s of music at 22050 Hz, 84 semitones from C1, hop 512. Difference: of the level of any row over "
                "time, in dB, where librosa's is above -60 dB.",
}


def log_mels(clips):
    """Name to a call that gives all clips' log-mel spectrograms, [clips, mels, frames], and how far it may differ."""
    import librosa
    import torch
    import torchaudio

    from audiolab import features

    batch = torch.from_numpy(clips)
    ours = features.LogMel(SR, **SIZES)
    theirs = torchaudio.transforms.MelSpectrogram(SR, **SIZES, mel_scale="slaney", norm="slaney", pad_mode="constant")
    return {
        "librosa, a loop": (lambda: np.stack([_floor(librosa.feature.melspectrogram(y=y, sr=SR, **SIZES))
                                              for y in clips]), 1e-4),
        "`features.log_mel`, a loop": (lambda: np.stack([features.log_mel(y, SR, **SIZES) for y in clips]), 1e-3),
        "`features.LogMel`, a batch": (lambda: ours(batch)[:, 0].numpy(), 1e-3),
        "torchaudio, a batch": (lambda: theirs(batch).clamp(min=1e-5).log().numpy(), 1e-3),
        "kaldi-native-fbank, a loop": (lambda: _kaldi(clips, librosas=True), 1e-3),
        "kaldi-native-fbank, its own filters": (lambda: _kaldi(clips, librosas=False), None),
        **_audioflux_mel(clips),
    }


def mfccs(clips):
    """As `log_mels`, for the first coefficients."""
    import librosa
    import torch
    import torchaudio
    from scipy.fft import dct

    from audiolab import features

    batch = torch.from_numpy(clips)
    theirs = torchaudio.transforms.MFCC(SR, MFCC, log_mels=True, melkwargs={
        **SIZES, "mel_scale": "slaney", "norm": "slaney", "pad_mode": "constant"})

    def by_librosa(y):
        return librosa.feature.mfcc(S=_floor(librosa.feature.melspectrogram(y=y, sr=SR, **SIZES)), n_mfcc=MFCC)

    return {
        "librosa, a loop": (lambda: np.stack([by_librosa(y) for y in clips]), 1e-4),
        "`features.mfcc`, a loop": (lambda: np.stack([features.mfcc(y, SR, MFCC, **SIZES) for y in clips]), 5e-3),
        "torchaudio, a batch": (lambda: theirs(batch).numpy(), 5e-3),
        "kaldi-native-fbank and scipy's DCT, a loop": (
            lambda: dct(_kaldi(clips, librosas=True), norm="ortho", axis=1)[:, :MFCC], 5e-3),
    }


def constant_qs():
    """Name to a call that gives the constant-Q transform of music, [rows, frames], and how far levels may differ."""
    import librosa

    import audiolab as al
    from audiolab import features

    y, sr = al.load(al.sample("music"), sr=22050, mono=True, duration=10.0)
    calls = {"librosa": (lambda: librosa.cqt(y, sr=sr), 0.1), "`features.cqt`": (lambda: features.cqt(y, sr), 0.1)}
    try:
        import audioflux
    except ImportError:
        return calls
    flux = audioflux.CQT(num=84, samplate=sr, low_fre=audioflux.utils.note_to_hz("C1"), bin_per_octave=12,
                         slide_length=512)
    return {**calls, "audioflux": (lambda: flux.cqt(y), 0.5)}


def _floor(S):
    return np.log(np.maximum(S, 1e-5))


def _kaldi(clips, librosas):
    """Kaldi's frames begin at their first sample: half a window of zeros in front makes them centred."""
    import kaldi_native_fbank as knf

    options = knf.FbankOptions()
    frames, mel = options.frame_opts, options.mel_opts
    frames.samp_freq, frames.dither, frames.preemph_coeff, frames.remove_dc_offset = SR, 0, 0, False
    frames.window_type, frames.snip_edges = "hann", True
    frames.frame_length_ms, frames.frame_shift_ms = 1000 * N_FFT / SR, 1000 * HOP / SR
    mel.num_bins, mel.low_freq, mel.high_freq, mel.is_librosa = MELS, 0, SR / 2, librosas
    out = []
    for y in clips:
        bank = knf.OnlineFbank(options)
        bank.accept_waveform(SR, np.pad(y, N_FFT // 2))
        bank.input_finished()
        out.append([bank.get_frame(i) for i in range(bank.num_frames_ready)])
    return np.maximum(np.array(out), np.log(np.float32(1e-5))).transpose(0, 2, 1)


def _audioflux_mel(clips):
    try:
        import audioflux
        from audioflux import type as kinds
    except ImportError:
        return {}
    bank = audioflux.BFT(
        num=MELS, radix2_exp=int(np.log2(N_FFT)), samplate=SR, low_fre=0.0, high_fre=SR / 2, slide_length=HOP,
        window_type=kinds.WindowType.HANN, scale_type=kinds.SpectralFilterBankScaleType.MEL,
        style_type=kinds.SpectralFilterBankStyleType.SLANEY, normal_type=kinds.SpectralFilterBankNormalType.AREA,
        data_type=kinds.SpectralDataType.POWER)

    def call():
        S = np.stack([np.abs(bank.bft(np.pad(y, N_FFT // 2), result_type=1)) for y in clips])
        return _floor(S * N_FFT / SR)                           # its areas are in bins, not in hertz

    return {"audioflux, a loop (other filters)": (call, None)}


def apart(what, mine, theirs):
    """How far two results differ, as `NOTE` says."""
    if what == CONSTANT_Q:
        mine, theirs = (10 * np.log10(np.mean(np.abs(C) ** 2, axis=1) + 1e-12) for C in (mine, theirs))
        mine, theirs = mine[theirs > theirs.max() - 60], theirs[theirs > theirs.max() - 60]
    if mine.shape != theirs.shape:
        raise SystemExit(f"{what}: shapes {mine.shape} and {theirs.shape} cannot be compared.")
    return float(np.abs(mine - theirs).max())


def measure():
    """Difference and milliseconds per clip of each way, for each feature, with as many threads as are allowed."""
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count()))
    warnings.simplefilter("ignore")
    clips = np.random.default_rng(0).normal(0, 0.1, (CLIPS, SR)).astype(np.float32)
    found = {}
    with torch.inference_mode():
        for what, calls, count in ((LOG_MEL, log_mels(clips), CLIPS), (COEFFICIENTS, mfccs(clips), CLIPS),
                                   (CONSTANT_Q, constant_qs(), 1)):
            reference = next(iter(calls.values()))[0]()
            differs = {name: apart(what, call(), reference) for name, (call, _) in calls.items()}
            for name, (_, most) in calls.items():
                if most is not None and differs[name] > most:
                    raise SystemExit(f"{what}, {name}: differs by {differs[name]:.3g}, more than {most}.")
            times = best({name: call for name, (call, _) in calls.items()})
            found[what] = {name: (differs[name], 1000 * times[name] / count) for name in calls}
    return found


def tables(threads=(1, 2)):
    """The sections for RESULTS.md: each feature with a row for each way."""
    runs = {}
    for n in threads:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        child = subprocess.run([sys.executable, "-m", "benchmarks.features"], check=True, stdout=subprocess.PIPE,
                               text=True, cwd=ROOT, env={**os.environ, **dict.fromkeys(names, str(n))})
        runs[n] = json.loads(child.stdout)
    sections = []
    for what, ways in runs[threads[0]].items():
        slowest = {n: next(iter(runs[n][what].values()))[1] for n in threads}
        rows = [(name, f"{difference:.1g}", *(text for n in threads for text in (
            f"{runs[n][what][name][1]:.3g}", f"{slowest[n] / runs[n][what][name][1]:.1f}")))
            for name, (difference, _) in ways.items()]
        titles = ["", "differs by", *(text for n in threads for text in (
            f"ms, {n} thread{'s' if n > 1 else ''}", "times librosa's speed"))]
        sections += [f"### {what}", NOTE[what], table(titles, rows)]
    return sections


if __name__ == "__main__":
    print(json.dumps(measure()))
