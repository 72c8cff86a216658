"""What others measured: the four networks of MLPerf Tiny, and their published times on devices.

The networks are built here from their description, without weights: what is needed of them is what they cost. Three of
them calibrate a device, and the fourth, the keyword spotter, is kept to see what the calibration is worth.

References
----------
Banbury et al., "MLPerf Tiny benchmark", 2021 (https://arxiv.org/abs/2106.07597), table 1 and section 4, and its
reference implementations, https://github.com/mlcommons/tiny/tree/master/benchmark/training. DS-CNN: Zhang et al.,
"Hello edge", 2017. MobileNet: Howard et al., 2017. ResNet: He et al., 2016. The autoencoder: Koizumi et al.,
"Description and discussion on DCASE2020 challenge task 2", 2020.
"""

import functools
import itertools

import numpy as np
import torch
from torch import nn

from .costs import count

KEPT = "keywords"                   # the task that calibrates nothing

# Seconds and joules of one inference, and the speed of the device is fitted to those of three tasks. Each file of
# results ends with the median of five windows: throughput under `performance`, energy under `energy`.
RESULTS = {
    # https://github.com/mlcommons/tiny_results_v0.5/tree/main/closed/reference/results/Nucleo-L4R5ZI
    "NUCLEO-L4R5ZI": {"keywords": (1 / 5.497, 7373.704e-6), "images": (1 / 1.420, 29207.010e-6),
                      "persons": (1 / 1.665, 24312.648e-6), "anomalies": (1 / 99.487, 416.312e-6)},
    # https://github.com/mlcommons/tiny_results_v1.1/tree/main/closed/Krai/results/NUCLEO-H7A3ZI-Q_X-CUBE-AI-8.0
    "NUCLEO-H7A3ZI": {"keywords": (1 / 60.988, 2362.103e-6), "images": (1 / 18.215, 7615.350e-6),
                      "persons": (1 / 19.867, 6928.315e-6), "anomalies": (1 / 547.234, 235.833e-6)},
}


def _conv(channels, out, kernel, stride=1, groups=1, relu=True):
    """A convolution whose output has 1 / stride of the size, rounded up, as TensorFlow's padding "same" gives it."""
    high, wide = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    return nn.Sequential(nn.ZeroPad2d(((wide - 1) // 2, wide // 2, (high - 1) // 2, high // 2)),
                         nn.Conv2d(channels, out, kernel, stride, groups=groups), nn.BatchNorm2d(out),
                         nn.ReLU() if relu else nn.Identity())


def _separable(channels, out, stride=1):
    """One filter for each channel, then a mixture of the channels."""
    return nn.Sequential(_conv(channels, channels, 3, stride, groups=channels), _conv(channels, out, 1))


def _mean(classes, channels):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def keywords():
    """DS-CNN: 12 keywords in 49 frames of 10 MFCCs. 23,756 parameters, 2.66 M MACs."""
    return nn.Sequential(_conv(1, 64, (10, 4), stride=2), *(_separable(64, 64) for _ in range(4)), _mean(12, 64))


def persons():
    """MobileNet, a quarter as wide: is there somebody, in 96 × 96 pixels? 7.5 M MACs."""
    plan = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    layers, channels = [_conv(3, 8, 3, stride=2)], 8
    for out, stride in plan:
        layers.append(_separable(channels, out, stride))
        channels = out
    return nn.Sequential(*layers, _mean(2, 256))


class _Residual(nn.Module):
    """Two convolutions, added to what goes in; where the size changes, that goes through a third."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.path = nn.Sequential(_conv(channels, out, 3, stride), _conv(out, out, 3, relu=False))
        self.around = nn.Identity() if channels == out else nn.Conv2d(channels, out, 1, stride)

    def forward(self, x):
        return torch.relu(self.path(x) + self.around(x))


def images():
    """ResNet-8: ten kinds of things in 32 × 32 pixels. 12.5 M MACs."""
    return nn.Sequential(_conv(3, 16, 3), _Residual(16, 16, 1), _Residual(16, 32, 2), _Residual(32, 64, 2),
                         _mean(10, 64))


def anomalies():
    """An autoencoder: does a machine sound as usual, by five frames of 128 mel channels? 0.26 M MACs."""
    sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128]
    hidden = [layer for a, b in itertools.pairwise(sizes)
              for layer in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(128, 640))


NETWORKS = {"keywords": (keywords, (1, 1, 49, 10)), "persons": (persons, (1, 3, 96, 96)),
            "images": (images, (1, 3, 32, 32)), "anomalies": (anomalies, (1, 640))}


@functools.cache
def network_costs(task):
    """What a network of MLPerf Tiny costs for one input.

    Parameters
    ----------
    task : {"keywords", "persons", "images", "anomalies"}

    Returns
    -------
    Costs

    Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
    """
    make, shape = NETWORKS[task]
    return count(make(), torch.zeros(shape))


def calibrated(name):
    """How fast a microcontroller multiplies and what that draws, by three published tasks; the fourth is not looked at.

    Each task has a rate, its multiply-accumulates by its seconds. They differ with the kind of layers: a product of
    large matrices keeps a processor busier than one filter for each channel. The device's rate is their geometric
    mean, so that being twice too fast and twice too slow count alike, and its power the mean of joules by seconds.

    Parameters
    ----------
    name : str
        A key of `RESULTS`.

    Returns
    -------
    macs_per_second : float
    watts : float
    spread : float
        The largest factor by which the rate of one of the three tasks differs from the mean: what to expect of others.

    Taught in: notebooks/10_edge_profiling.ipynb, "What would it take elsewhere?"
    """
    tasks = [task for task in RESULTS[name] if task != KEPT]
    seconds, joules = np.transpose([RESULTS[name][task] for task in tasks])
    rates = np.array([network_costs(task).macs for task in tasks]) / seconds
    mean = np.exp(np.log(rates).mean())
    return float(mean), float(np.mean(joules / seconds)), float(np.exp(np.abs(np.log(rates / mean)).max()))
