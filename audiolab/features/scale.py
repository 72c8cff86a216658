"""Features as a model wants them: about zero, about one wide."""

import numpy as np

LEAST = 1e-5                    # standard deviation: a row that never changes becomes 0, not infinite


def standardize(x):
    """Each row of one clip minus its mean, over its standard deviation: what is constant in a recording goes.

    Parameters
    ----------
    x : np.ndarray or torch.Tensor, shape [..., rows, frames]

    Returns
    -------
    The same kind and shape

    Raises
    ------
    ValueError
        If there is no frame.

    Notes
    -----
    Speech recognition calls it cepstral mean and variance normalisation. It also removes how loud the clip is.

    Taught in: notebooks/03_features.ipynb, "What does a model want to eat?"
    """
    if not x.shape[-1]:
        raise ValueError("There is no frame to take a mean of.")
    mean = x.mean(-1)[..., None]
    return (x - mean) / (((x - mean) ** 2).mean(-1)[..., None] ** 0.5 + LEAST)


class Standardizer:
    """Mean and standard deviation of each row over the training clips, to be applied to all.

    Attributes
    ----------
    mean, std : np.ndarray, shape [rows, 1], float32
        None before `fit`.

    Examples
    --------
    >>> scale = Standardizer().fit(x for x, _, _ in train)             # doctest: +SKIP
    >>> z = scale(log_mel(y, sr))                                      # doctest: +SKIP

    Taught in: notebooks/03_features.ipynb, "What does a model want to eat?"
    """

    def __init__(self, mean=None, std=None):
        self.mean, self.std = mean, std

    def fit(self, clips):
        """Learn from the training clips, and from no others.

        Parameters
        ----------
        clips : iterable of np.ndarray or torch.Tensor, shape [..., rows, frames]
            Of any lengths; seen one at a time.

        Returns
        -------
        Standardizer
            This one.

        Raises
        ------
        ValueError
            If there is none, or one holds NaN or infinity.
        """
        count, mean, spread = 0, 0.0, 0.0                       # spread: sum of squared distances from the mean
        for x in clips:
            x = np.moveaxis(np.asarray(x, np.float64), -2, 0)
            x = x.reshape(len(x), -1)                           # [rows, everything else]
            if not np.isfinite(x).all():
                raise ValueError("A clip's features hold NaN or infinity, and would spoil the mean of all.")
            if not x.shape[1]:
                continue
            n, own = x.shape[1], x.mean(axis=1, keepdims=True)  # two sets into one: Chan, Golub and LeVeque, 1979
            spread = spread + np.sum((x - own) ** 2, axis=1, keepdims=True)
            spread += (own - mean) ** 2 * count * n / (count + n)
            mean = mean + (own - mean) * n / (count + n)
            count += n
        if not count:
            raise ValueError("There are no frames to learn a mean from.")
        self.mean, self.std = mean.astype(np.float32), np.sqrt(spread / count).astype(np.float32)
        return self

    def __call__(self, x):
        """Features, shape [..., rows, frames], array or tensor, with those means and deviations taken out.

        Raises
        ------
        ValueError
            Before `fit`, or for another number of rows.
        """
        if self.mean is None:
            raise ValueError("Nothing is learnt yet: call fit with the training clips.")
        if x.shape[-2] != len(self.mean):
            raise ValueError(f"{x.shape[-2]} rows, but the training clips had {len(self.mean)}.")
        mean, std = self.mean, np.maximum(self.std, LEAST)
        if not isinstance(x, np.ndarray):
            mean, std = x.new_tensor(mean), x.new_tensor(std)
        return (x - mean) / std
