"""A voice for any text, offline: the espeak-ng formant synthesiser, called through ctypes.

The library and its voices come inside the ``espeakng-loader`` wheel. espeak-ng is licensed under
GPL-3.0; what it speaks is not.
"""

import ctypes
import functools
import threading

import numpy as np

_SYNCHRONOUS = 2                # espeak_AUDIO_OUTPUT: hand the samples to a callback and return when done
_UTF8 = 1
_RATE, _PITCH = 1, 3            # espeak_PARAMETER
_lock = threading.Lock()        # the library keeps one state for the whole process


def say(text, voice="en-us", rate=175, pitch=50):
    """Speak a text.

    Parameters
    ----------
    text : str
        In the voice's language; numbers and abbreviations are read out.
    voice : str
        An espeak-ng voice, with an optional variant after a plus: ``"en"`` (British), ``"en-us+f3"``.
    rate : int
        Words per minute, 80 to 450.
    pitch : int
        0 to 100, 50 being the voice's own.

    Returns
    -------
    y : np.ndarray, shape [n], float32
        The same for the same calls in a fresh process. A second call differs from the first in the
        last digits, because the library carries the phase of its voice on.
    sr : int
        22050 for all voices used here.

    Raises
    ------
    ValueError
        If `text` is empty or holds nothing that can be spoken, the voice does not exist, or `rate`
        or `pitch` is out of range.

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    if not text.strip():
        raise ValueError("There is no text to speak.")
    if not (80 <= rate <= 450 and 0 <= pitch <= 100):
        raise ValueError(f"rate must be 80 to 450 and pitch 0 to 100, got {rate} and {pitch}.")
    library, sr, chunks = _library()
    with _lock:
        if library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f'There is no voice called {voice!r}. Try "en-us", "en" (British) or "en-gb-scotland".')
        library.espeak_SetParameter(_RATE, rate, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        chunks.clear()
        encoded = text.encode() + b"\0"
        library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _UTF8, None, None)
        y = np.concatenate([np.frombuffer(c, np.int16) for c in chunks]) if chunks else np.zeros(0, np.int16)
    if not y.size:
        raise ValueError(f"Nothing in {text!r} can be spoken.")
    return (y / 32768).astype(np.float32), sr


@functools.cache
def _library():
    """The loaded library, its sampling rate and the list that its callback fills."""
    import espeakng_loader

    library = ctypes.cdll.LoadLibrary(espeakng_loader.get_library_path())
    sr = library.espeak_Initialize(_SYNCHRONOUS, 0, str(espeakng_loader.get_data_path()).encode(), 0)
    if sr <= 0:
        raise RuntimeError("espeak-ng found no voices: reinstall espeakng-loader.")
    chunks = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def receive(samples, n, events):
        if samples and n > 0:
            chunks.append(ctypes.string_at(samples, 2 * n))
        return 0

    library.espeak_SetSynthCallback(receive)
    library.keep_alive = receive                # ctypes does not hold on to callbacks
    return library, sr, chunks
