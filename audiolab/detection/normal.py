"""What is usual, learnt from sounds that are in order, and how far from it another one is."""

import numpy as np


class Normal:
    """A cloud of ordinary sounds, and the distance from it.

    ``d(x)² = (x - m)ᵀ C⁻¹ (x - m)``, the Mahalanobis distance, with the mean m and the covariance C of what is in
    order. C is drawn towards a multiple of the unit matrix as far as few examples demand (Ledoit and Wolf, 2004), so
    that it can be inverted.

    Parameters
    ----------
    x : np.ndarray, shape [clips, features]
        Of sounds that are in order.

    Raises
    ------
    ValueError
        If there are fewer than two clips, or NaN.

    Taught in: notebooks/11_event_detection.ipynb, "What is not as it should be?"
    """

    def __init__(self, x):
        from sklearn.covariance import LedoitWolf

        if np.ndim(x) != 2 or len(x) < 2 or not np.isfinite(x).all():
            raise ValueError("What is usual takes two clips at least, an array [clips, features] of numbers.")
        self._scale = np.std(x, axis=0) + 1e-12                 # so that no unit of measurement counts more
        self._cloud = LedoitWolf().fit(x / self._scale)

    def distance(self, x):
        """How far each clip is from the usual: [clips, features] to [clips]; about √features for one that belongs."""
        return np.sqrt(self._cloud.mahalanobis(np.asarray(x) / self._scale))
