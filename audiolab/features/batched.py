"""The log-mel spectrogram of a whole batch, in PyTorch: on any device, and with gradients."""

import torch
from torch.nn.functional import pad

from .frames import window_of
from .mel import FLOOR, mel_filterbank, resolved

AT_ONCE = 512                   # frames of all clips together: what a core's cache holds. Twice as quick as all at once
GROUPS = 4                      # of channels: each meets only the bins that it covers, about a quarter of all


class LogMel(torch.nn.Module):
    """`log_mel` for a batch: ``[batch, n]`` to ``[batch, 1, n_mels, frames]``.

    Parameters
    ----------
    sr : int
        Samples per second.
    n_fft, hop_length, win_length, n_mels, fmin, fmax
        As in `log_mel`.

    Raises
    ------
    ValueError
        As `mel_filterbank`.

    Notes
    -----
    The window and the filters are buffers: ``.to(device)`` moves them, and they are not part of the ``state_dict``.
    Real and imaginary parts stand side by side, are squared, and go through a filter bank in which every weight
    stands twice: products of matrices in place of a pass over memory that adds them.
    ``torchaudio.transforms.MelSpectrogram`` agrees with ``pad_mode="constant"``, ``norm="slaney"``,
    ``mel_scale="slaney"`` and this floor under the logarithm. NaN is not looked for here: on a GPU that would mean to
    wait.

    Examples
    --------
    >>> LogMel(16000)(torch.zeros(8, 16000)).shape
    torch.Size([8, 1, 64, 101])

    Taught in: notebooks/03_features.ipynb, "What does a model want to eat?"
    """

    def __init__(self, sr, n_fft=None, hop_length=None, win_length=None, n_mels=None, fmin=0.0, fmax=None):
        super().__init__()
        sizes = resolved(sr, n_fft=n_fft, hop_length=hop_length, win_length=win_length, n_mels=n_mels)
        self.sr, self.n_fft, self.hop_length = sr, sizes["n_fft"], sizes["hop_length"]
        window = window_of("hann", sizes["win_length"], self.n_fft)
        bank = torch.from_numpy(mel_filterbank(sr, self.n_fft, sizes["n_mels"], fmin, fmax))
        self.register_buffer("window", torch.from_numpy(window).float(), persistent=False)
        self.register_buffer("bank", bank.repeat_interleave(2, dim=1).T.contiguous(), persistent=False)
        self.groups = []                                        # of rows and columns of the bank
        for channels in torch.arange(len(bank)).tensor_split(GROUPS):
            covered = torch.nonzero(self.bank[:, channels].sum(dim=1))[:, 0]
            if len(channels):
                self.groups.append((slice(covered[0].item(), covered[-1].item() + 1),
                                    slice(channels[0].item(), channels[-1].item() + 1)))

    def forward(self, y):
        """Signals, any float, shape [batch, n], to log-mel spectrograms, [batch, 1, n_mels, 1 + n // hop_length]."""
        if not (y.ndim == 2 and y.is_floating_point() and y.numel()):
            raise ValueError(f"A batch is a tensor of floats of shape [batch, n], not {y.dtype} of {list(y.shape)}.")
        y = pad(y.to(self.window.dtype), (self.n_fft // 2, self.n_fft // 2))
        frames = y.unfold(-1, self.n_fft, self.hop_length)
        pieces = frames.split(max(1, AT_ONCE // len(y)), dim=1) if y.device.type == "cpu" else [frames]
        return torch.cat([self._columns(piece) for piece in pieces], dim=1).mT[:, None]

    def _columns(self, frames):
        """[batch, frames, n_fft] to [batch, frames, n_mels]."""
        squares = torch.view_as_real(torch.fft.rfft(frames * self.window)).flatten(-2).square()     # re² im² re² im² …
        mel = [squares[..., bins] @ self.bank[bins, channels] for bins, channels in self.groups]
        return torch.cat(mel, dim=-1).clamp(min=FLOOR).log()
