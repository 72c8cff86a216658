"""Which range will a layer meet? Observers that look at what goes by, and three ways to choose."""

import numpy as np
import torch

BINS = 8192                     # of an observer's histogram
NO_CLIPS = "There are no calibration clips: ranges are read off some, of the training part."

class Observer:
    """What values go by: the least and the largest, and a histogram that widens as they do.

    The histogram goes from -`reach` to `reach`. When a larger value comes, pairs of bins become one and the reach
    doubles: so one look at the clips is enough. Zeros are left out of it, since every grid holds 0.

    Attributes
    ----------
    seen : int
        Number of values that went by, zeros among them.
    low, high : float
        The least and the largest.

    Taught in: notebooks/09_quantization.ipynb, "What range will it meet?"
    """

    def __init__(self):
        self.seen, self.low, self.high, self.reach = 0, 0.0, 0.0, 0.0
        self.counts = torch.zeros(BINS, dtype=torch.float64)

    def see(self, x):
        """Count values: a tensor of any shape. Raises ValueError if one is NaN or infinite."""
        x = x.detach().flatten().float().cpu()
        if not torch.isfinite(x).all():
            raise ValueError("NaN or infinity goes through the network: is a calibration clip damaged?")
        self.seen += len(x)
        x = x[x != 0]
        if not len(x):
            return
        self.low, self.high = min(self.low, x.min().item()), max(self.high, x.max().item())
        self.reach = self.reach or max(-self.low, self.high)
        while self.reach < max(-self.low, self.high):
            pairs, self.counts = self.counts.view(-1, 2).sum(dim=1), torch.zeros_like(self.counts)
            self.counts[BINS // 4 : -BINS // 4] = pairs
            self.reach *= 2
        self.counts += torch.histc(x, BINS, -self.reach, self.reach)

    @property
    def edges(self):
        """Of the bins, [BINS + 1]."""
        return torch.linspace(-self.reach, self.reach, BINS + 1, dtype=torch.float64)


def min_max(seen, bits=8):
    """All that was seen: ``(low, high)``. One value that is far off makes the steps large for all others.

    Parameters
    ----------
    seen : Observer
    bits : int
        It makes no difference.

    Returns
    -------
    low, high : float

    Taught in: notebooks/09_quantization.ipynb, "What range will it meet?"
    """
    return seen.low, seen.high


def percentile(seen, bits=8, share=0.9999):
    """The range that holds all but ``(1 - share) / 2`` of the values at either end; those are clipped.

    Parameters
    ----------
    seen : Observer
    bits : int
        It makes no difference.
    share : float
        0 to 1.

    Returns
    -------
    low, high : float

    Taught in: notebooks/09_quantization.ipynb, "What range will it meet?"
    """
    below = seen.counts.cumsum(dim=0) / seen.counts.sum().clamp(min=1)          # share of values up to each bin's end
    first, last = ((below < level).sum().clamp(max=BINS - 1) for level in ((1 - share) / 2, (1 + share) / 2))
    return _within(seen, first, last + 1)


def entropy(seen, bits=8):
    """The range whose grid tells most of how the values are distributed: calibration by Kullback-Leibler divergence.

    For ever wider ranges, ``Σ p ln(p / q)`` with p the distribution of the clipped values, what lies beyond in the
    outermost bins, and q what is left of it when the bins of each level share their values evenly. The least wins: a
    narrow range clips much, a wide one blurs much.

    Parameters
    ----------
    seen : Observer
    bits : int

    Returns
    -------
    low, high : float

    References
    ----------
    Migacz, "8-bit inference with TensorRT", GPU Technology Conference, 2017.

    Taught in: notebooks/09_quantization.ipynb, "What range will it meet?"
    """
    counts, middle, levels = seen.counts.numpy(), BINS // 2, 2**bits
    held = np.flatnonzero(counts)
    first, last = min([middle, *held]), max([middle, *held + 1])
    found = []
    for reach in range(middle, min(levels // 2, middle) - 1, -BINS // 512):
        low, high = max(first, middle - reach), min(last, middle + reach)
        inside = counts[low:high]
        if not inside.any():
            continue
        p = inside.copy()
        p[0] += counts[:low].sum()
        p[-1] += counts[high:].sum()
        level = np.arange(len(p)) * levels // len(p)
        q = np.bincount(level, inside) / np.bincount(level, p > 0).clip(min=1)
        q = (q / inside.sum())[level].clip(min=1e-9)
        p /= p.sum()
        found.append((np.sum(p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1))), low, high))
    _, low, high = min(found, default=(0, first, last))
    return _within(seen, low, high)


def _within(seen, first, last):
    """From one edge to another, as far as there were values; with 0, as every grid has it."""
    low, high = seen.edges[[int(first), int(last)]].tolist()
    return min(max(seen.low, low), 0.0), max(min(seen.high, high), 0.0)


RANGES = {"min-max": min_max, "percentile": percentile, "entropy": entropy}     # each of an observer and bits
