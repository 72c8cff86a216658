"""Networks that go on with music: an LSTM, and a Transformer whose attention stands here in the open.

Both say how probable the next thing is, given all before it. They differ in what a thing is. For `KeysNet` it is a time
step of 88 keys, each up or down on its own: *factorised*. For `ChordTransformer` it is one note, and the next note of
the same chord knows of it: *joint*. Figures of the two kinds do not belong into one column.
"""

import math

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, scaled_dot_product_attention

from .asr import mask

KEYS = 88


def attention(q, k, v, allowed=None):
    """Each place asks all places, and takes the mean of what they hold, weighted by how well they answer.

    ``softmax(q kᵀ / √d) v``; where something is not allowed, its weight is zero.

    Parameters
    ----------
    q : torch.Tensor, shape [..., m, d]
        Questions.
    k, v : torch.Tensor, shape [..., n, d]
        What answers to them, and what is held there.
    allowed : torch.Tensor of bool, shape [..., m, n], optional
        Who may look where: `causal` for those who must not look ahead. Each needs one place at least.

    Returns
    -------
    h : torch.Tensor, shape [..., m, d]
    weights : torch.Tensor, shape [..., m, n]
        Rows add up to 1.

    References
    ----------
    Vaswani et al., "Attention is all you need", 2017.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    energy = q @ k.mT / math.sqrt(q.shape[-1])
    if allowed is not None:
        energy = energy.masked_fill(~allowed, -math.inf)
    weights = energy.softmax(dim=-1)
    return weights @ v, weights


def causal(m, n=None):
    """Who may look where, when nobody may look ahead: [m, n], the last m of n places; all of them by default.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    n = m if n is None else n
    return torch.arange(n) <= torch.arange(n - m, n)[:, None]


def turned(x, place):
    """Rotary positions: pairs of numbers turned by an angle that grows with the place.

    The product of a question and an answer then depends on how far apart they are, and not on where.

    Parameters
    ----------
    x : torch.Tensor, shape [batch, heads, n, d]
    place : torch.Tensor of int, shape [batch, n]

    Returns
    -------
    torch.Tensor, shape of `x`

    References
    ----------
    Su et al., "RoFormer: enhanced transformer with rotary position embedding", 2021.

    Taught in: notebooks/07_music_generation.ipynb, "Who listens to whom?"
    """
    half = x.shape[-1] // 2
    rate = 1000 ** (-torch.arange(half, device=x.device) / half)
    angle = place[:, None, :, None] * rate                      # [batch, 1, n, d / 2]
    cos, sin = angle.cos(), angle.sin()
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Block(nn.Module):
    """Each place looks at others, then thinks for itself; both are added to what it was."""

    def __init__(self, dim, heads, dropout):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ask, self.answer = nn.Linear(dim, 3 * dim, bias=False), nn.Linear(dim, dim)
        self.think = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, place, allowed=None, cache=None):
        """[batch, n, dim] to the same; `cache` holds the keys and values of earlier places, and grows by these."""
        b, n, dim = x.shape
        q, k, v = self.ask(self.before(x)).view(b, n, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        q, k = turned(q, place), turned(k, place)
        if cache is not None:
            k, v = cache[:] = [torch.cat([old, new], dim=2) for old, new in zip(cache, (k, v), strict=True)] or [k, v]
        h = scaled_dot_product_attention(q, k, v, allowed, is_causal=allowed is None)
        x = x + self.dropout(self.answer(h.transpose(1, 2).reshape(b, n, dim)))
        return x + self.dropout(self.think(self.between(x)))
