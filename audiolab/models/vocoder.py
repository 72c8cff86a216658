"""A network that turns a picture of a voice into its sound, quickly: it fills in a short-time spectrum.

The hard part is the phase. That of a voice turns with its pitch, on and on, so that what it is now depends on
everything before: no network with a limited view could say it. So the network here says what a picture does show, how
high the voice is; the phase follows by adding up.
"""

import functools
import math

import torch
from torch import nn
from torch.nn.functional import fold, interpolate, pad

from .. import vocode
from ..features import LogMel
from ..features.frames import window_of
from ..features.mel import SILENCE, mel_filterbank
from .asr import Block, filled, mask

HOP = vocode.SIZES["hop_length"]
PEAK = 0.99                         # of what it says at most: 1 is full scale
PARTS = 2                           # columns that are made for each one of the picture
STEP, WINDOW, N_FFT = HOP // PARTS, 400, 512    # of the spectrum that is made: samples
LOWEST, OCTAVES, PER_OCTAVE = 55.0, 3.5, 36     # pitches that it tells apart: 55 to 622 Hz, a third of a semitone each
OUTLINE = 32                        # samples of the cepstrum, 2 ms: less than a period
RESOLUTIONS = ((2048, 480), (1024, 240), (512, 120), (256, 60))     # at which the loss looks: n_fft and hop, samples


class Vocoder(nn.Module):
    """From log-mels to sounds: a source of pulses and noise, through a filter that the network draws for every moment.

    Of each frame and its neighbours the network reads the pitch, and the magnitudes of two filters. A train of pulses
    of that pitch goes through the one, white noise through the other; both as a product of short-time spectra,

    ``X[k, t] = H[k, t] S[k, t] + G[k, t] N[k, t]``,

    and the inverse transform is the sound. The phase of X is that of the pulses, turned by that of H, which follows
    from the outline of its magnitude: throats answer as soon as they can (`minimum_phase`).

    ``(pictures [batch, 1, 80, time], lengths [batch])`` to ``(y [batch, 200 (time - 1)], scores [batch, time,
    pitches])``: the sounds, silent beyond their lengths, and scores of `pitches`, which mean nothing where there is no
    voice.

    Parameters
    ----------
    dim, blocks, kernel : int
        Channels, blocks, and frames that a block looks at.

    References
    ----------
    Siuzdak, "Vocos", 2023, and Kaneko et al., "iSTFTNet", 2022: networks before an inverse STFT. Engel et al., "DDSP",
    2020, and Wang et al., "Neural source-filter waveform models", 2019: sources before a network's filter. Kim et al.,
    "CREPE", 2018: the pitch as a choice among many.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network do it better?"
    """

    sr = vocode.SR

    def __init__(self, dim=160, blocks=5, kernel=7):
        super().__init__()
        bins, n_mels = N_FFT // 2 + 1, vocode.SIZES["n_mels"]
        self.first = nn.Conv1d(n_mels, dim, 7, padding=3)
        self.blocks = nn.ModuleList(Block(dim, kernel, dropout=0.0) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.filters = nn.Linear(dim, PARTS * 2 * bins)
        self.pitches = nn.Linear(dim, len(pitches()))
        nn.init.zeros_(self.filters.weight)
        nn.init.constant_(self.filters.bias, -7.0)              # about the level of the picture, from white sources
        noise = torch.randn(2**16, generator=torch.Generator().manual_seed(0))
        between = torch.from_numpy(mel_filterbank(self.sr, N_FFT, n_mels, norm=None))   # triangles interpolate
        self.register_buffer("noise", noise, persistent=False)
        self.register_buffer("between", between, persistent=False)              # [n_mels, bins]
        self.register_buffer("window", torch.from_numpy(window_of("hann", WINDOW, N_FFT)).float(), persistent=False)

    def forward(self, x):
        pictures, lengths = x
        frames = pictures[:, 0].mT - SILENCE                    # [batch, time, mel], 0 in silence
        real = mask(lengths, frames.shape[1])
        frames = frames * real
        h = self.first(frames.mT / 4).mT
        for block in self.blocks:
            h = block(h, real)
        h = self.norm(h)
        scores = self.pitches(h)                                # [batch, time, pitches]
        rough = (frames @ self.between / 2).repeat_interleave(PARTS, dim=1)     # log magnitude, from the picture
        fine = self.filters(h).unflatten(2, (PARTS, 2, -1)).flatten(1, 2)       # [batch, PARTS time, 2, bins]
        voiced, noisy = (rough[:, :, None] + fine)[:, : 1 - PARTS].unbind(2)    # as many columns as the sound has
        heard = mask((lengths - 1) * HOP, (frames.shape[1] - 1) * HOP)[..., 0]  # [batch, samples]
        pulses = pulse_train(pitch_of(scores.detach())) * heard
        noise = self.noise.repeat(1 + heard.shape[1] // len(self.noise))[: heard.shape[1]] * heard
        X = minimum_phase(voiced) * self.spectra(pulses) + noisy.exp() * self.spectra(noise)
        return self.overlap_add(X, mask(PARTS * (lengths - 1) + 1, X.shape[1])) * heard, scores

    def spectra(self, y):
        """Short-time spectra of signals: [batch, samples] to [batch, columns, bins]."""
        frames = pad(y, (N_FFT // 2, N_FFT // 2)).unfold(1, N_FFT, STEP)
        return torch.fft.rfft(frames * self.window)

    def overlap_add(self, X, real):
        """Inverse of `spectra`, by the columns that are real alone."""
        frames = torch.fft.irfft(X, N_FFT) * self.window * real                 # [batch, columns, N_FFT]
        weight = (self.window**2 * real).expand_as(frames)
        n = N_FFT + STEP * (X.shape[1] - 1)
        y, weight = (fold(t.mT, (1, n), (1, N_FFT), stride=(1, STEP))[:, 0, 0] for t in (frames, weight))
        return (y / weight.clamp(min=1e-3))[:, N_FFT // 2 : n - N_FFT // 2]

    @staticmethod
    def batch(items):
        """A batch of clips of any length: ``collate`` of `audiolab.training.fit`.

        Parameters
        ----------
        items : list of pair
            A picture [1, 80, time], and its target: the signal [200 (time - 1)] and the pitch [time] in hertz, 0 where
            there is no voice.

        Returns
        -------
        x : tuple
            Pictures, filled up with silence, and their lengths [batch].
        y : tuple
            Signals and pitches, filled up with 0.
        """
        pictures, targets = zip(*items, strict=True)
        signals, pitches = zip(*targets, strict=True)
        return filled(pictures, SILENCE), (filled(signals, 0.0)[0], filled(pitches, 0.0)[0])

    @staticmethod
    def loss(output, y):
        """How far the spectra are apart, at several resolutions, and the pitch: see `spectral_loss`."""
        (made, scores), (signals, f0) = output, y
        voiced = f0 > 0
        away = 12 * (f0[voiced, None] / pitches().to(f0)).log2()                # [frames, pitches], semitones
        wanted = (-away.square() / 2 / 0.25**2).softmax(dim=1)                  # a small hill about the right one
        missed = -(wanted * scores[voiced].log_softmax(dim=1)).sum() / voiced.sum().clamp(min=1)
        return spectral_loss(made, signals) + 0.2 * missed

    def sound(self, picture, n_iter=vocode.ROUNDS):
        """The sound of one picture, mended by `audiolab.vocode.mend`, softer as a whole where its peak is above 0.99.

        A picture says nothing about the height of a peak, and where all harmonics are in phase it is often more than
        the voice's own was: a loud one would go beyond full scale, and be clipped when it is played or saved.

        Parameters
        ----------
        picture : np.ndarray, shape [80, frames]
        n_iter : int
            Rounds of mending.

        Returns
        -------
        np.ndarray, shape [200 (frames - 1)], float32
            At 16 kHz.

        Raises
        ------
        ValueError
            As `audiolab.vocode.checked`.
        """
        x = torch.from_numpy(vocode.checked(picture)).float()[None, None].to(self.noise.device)
        with torch.inference_mode():
            y, _ = self.eval()((x, torch.tensor([x.shape[3]], device=x.device)))
        y = vocode.mend(y[0].cpu().numpy(), picture, n_iter)
        return y / max(1, abs(y).max() / PEAK)


def pitches():
    """The pitches, in hertz, that a `Vocoder` chooses from, a third of a semitone apart."""
    return LOWEST * 2 ** (torch.arange(int(OCTAVES * PER_OCTAVE) + 1) / PER_OCTAVE)


def pitch_of(scores):
    """The pitch in hertz by scores [..., pitches]: about the best one, the mean of its neighbours by their weight."""
    octaves = pitches().to(scores).log2()
    near = torch.arange(len(octaves), device=scores.device) - scores.argmax(dim=-1, keepdim=True)
    weights = scores.masked_fill(near.abs() > 3, -math.inf).softmax(dim=-1)
    return 2 ** (weights @ octaves)


def pulse_train(f0):
    """All harmonics of a pitch that moves, up to half the rate, equally strong; power 1.

    The phase is the pitch, added up: ``φ[n] = 2π sum_{m<=n} f0[m] / sr``. Dirichlet's kernel adds the K harmonics at
    once: ``sum_{k=1}^{K} cos kφ = sin((K + 1/2) φ) / (2 sin(φ / 2)) - 1/2``.

    Parameters
    ----------
    f0 : torch.Tensor, shape [batch, time]
        Hertz, every 200 samples.

    Returns
    -------
    torch.Tensor, shape [batch, 200 (time - 1)]

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network do it better?"
    """
    f0 = interpolate(f0[:, None], size=HOP * (f0.shape[1] - 1) + 1, mode="linear", align_corners=True)[:, 0, :-1]
    turns = (f0 / vocode.SR).cumsum(dim=1) % 1
    K = (vocode.SR / 2 / f0).floor()
    half = math.pi * turns
    top, bottom = ((2 * K + 1) * half).sin(), half.sin()
    kernel = torch.where(bottom.abs() > 1e-4, top / bottom, 2 * K + 1)
    return (kernel - 1) / 2 * (2 / K).sqrt()


def minimum_phase(log_magnitude):
    """A filter of a magnitude whose answer comes as soon as can be: its cepstrum has nothing before time 0.

    What the cepstrum has before 0 is folded over to after 0; the magnitude stays, the phase follows from it. Here it
    follows from the outline alone, the first 2 ms of the cepstrum: what comes later is the ripple of the harmonics, and
    their phase is that of the source.

    Parameters
    ----------
    log_magnitude : torch.Tensor, shape [..., bins]
        Natural logarithm, from 0 Hz to half the rate.

    Returns
    -------
    torch.Tensor, shape [..., bins], complex

    References
    ----------
    Oppenheim and Schafer, "Discrete-time signal processing", 1989, chapter 12.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network do it better?"
    """
    n = 2 * (log_magnitude.shape[-1] - 1)
    folded = 2 * torch.fft.irfft(log_magnitude, n)[..., :OUTLINE]               # c[0], a level, has no phase
    return torch.polar(log_magnitude.exp(), torch.fft.rfft(folded, n).imag)


def spectral_loss(made, signals):
    """Spectral convergence, log-magnitude distance and log-mel distance of two batches of signals [batch, n].

    ``‖|Y| - |X|‖ / ‖X‖ + mean |ln |Y| - ln |X||``, mean over `RESOLUTIONS`, and the mean distance of the pictures that
    the vocoder reads. None of it asks for the phase, which a picture does not tell.

    References
    ----------
    Arık, Jun and Diamos, "Fast spectrogram inversion using multi-head convolutional neural networks", 2019; Yamamoto,
    Song and Kim, "Parallel WaveGAN", 2020.

    Taught in: notebooks/05_text_to_speech.ipynb, "Can a network do it better?"
    """
    total = 0.0
    for n_fft, hop in RESOLUTIONS:
        Y, X = (_magnitude(t, n_fft, hop) for t in (made, signals))
        total = total + (Y - X).norm() / X.norm().clamp(min=1e-3) + (Y.log() - X.log()).abs().mean()
    seen = (_log_mel(made) - _log_mel(signals)).abs().mean()
    return total / len(RESOLUTIONS) + seen


def _log_mel(y):
    return _pictures().to(y.device)(y)


@functools.lru_cache
def _pictures():
    return LogMel(vocode.SR, **vocode.SIZES)


def _magnitude(y, n_fft, hop):
    window = torch.hann_window(n_fft, device=y.device)
    X = torch.stft(y, n_fft, hop, window=window, pad_mode="constant", return_complex=True)
    return (X.real**2 + X.imag**2 + 1e-5).sqrt()
