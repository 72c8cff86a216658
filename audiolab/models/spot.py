"""A network that spots words: it hears a window of a stream, and is to name the word that has just ended in it."""

from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from .classify import DSCNN


class DSCNNSpotter(DSCNN):
    """`DSCNN` with a head that knows when: it sees the means of ten stretches of time, not of all time at once.

    A window of a stream holds the end of one word, another one, and the beginning of a third. A mean over time says
    what is there, wherever it stands, as is right for a word that somebody cut out; of a window one wants to know which
    word is the last that was finished.

    Parameters
    ----------
    n_mels, n_classes, channels, blocks, dropout
        As of `DSCNN`.
    stretches : int
        Of time, equally long.

    Taught in: notebooks/13_real_time.ipynb, "Which word was that?"
    """

    def __init__(self, n_mels, n_classes, channels=64, blocks=4, dropout=0.2, stretches=10):
        super().__init__(n_mels, n_classes, channels, blocks, dropout)
        self.stretches = stretches
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels * stretches, n_classes))

    def forward(self, x):                                       # [batch, 1, mel, time]
        x = self.blocks(self.first(self.norm(x)))               # [batch, 64, mel / 4, time / 4]
        return self.head(adaptive_avg_pool2d(x, (1, self.stretches)).flatten(1))
