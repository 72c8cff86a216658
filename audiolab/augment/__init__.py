"""Ways to make one recording into many: noise at a level, a room around it, another pitch or tempo, a part hidden.

Each works on one signal, a NumPy array, and those that models train with on a batch, a torch tensor ``[batch, n]`` or
``[batch, …, mel, time]``: by the same name, with the same parameters, each example on its own. Randomness comes from a
generator in the open: NumPy's for arrays, torch's for tensors.
"""

from .microphone import band, coloured, recorded, rooms
from .pictures import bend, mixup, spec_augment, time_shift, time_warp
from .room import HIGH_BAND, HIGH_DECAY, MIXING_TIME, SPEED_OF_SOUND, shoebox
from .signals import gain, mix_at_snr, reverberate
from .vocoder import pitch_shift, time_stretch

__all__ = ["HIGH_BAND", "HIGH_DECAY", "MIXING_TIME", "SPEED_OF_SOUND", "band", "bend", "coloured", "gain", "mix_at_snr",
           "mixup", "pitch_shift", "recorded", "reverberate", "rooms", "shoebox", "spec_augment", "time_shift",
           "time_stretch", "time_warp"]
