"""From a recording as it came to a signal as a model wants it, one at a time or a corpus at once.

Functions take and give a signal ``y``, those that need its rate ``y, sr``. For one recording, use them one by one; for
thousands, `run` sends every clip through a list of steps, and `inspect` says beforehand which files are broken.
"""

from .denoise import spectral_subtraction
from .filters import Filter, butterworth, filter_signal, fir
from .level import mono_loss, normalize, remove_dc, to_mono
from .pipeline import centred, filtered, mono, normalized, resampled, run, trimmed
from .rate import alias_rejection, follow_clock, interpolate, resample, resample_polyphase, retime
from .report import PROBLEMS, inspect, plant
from .speech import trim_silence, voice_activity

__all__ = ["PROBLEMS", "Filter", "alias_rejection", "butterworth", "centred", "filter_signal", "filtered", "fir",
           "follow_clock", "inspect", "interpolate", "mono", "mono_loss", "normalize", "normalized", "plant",
           "remove_dc", "resample", "resample_polyphase", "resampled", "retime", "run", "spectral_subtraction",
           "to_mono", "trim_silence", "trimmed", "voice_activity"]
