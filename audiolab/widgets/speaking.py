"""The explorer of chapter 05: a box that says what is typed."""

import html
import textwrap

import numpy as np
from IPython.display import HTML, display

from .. import audio, plots, pronounce, vocode
from ..models import tts
from .explorer import explore, slider, text

MOST = 500                      # characters that are said at once: half a minute
SEEN = 5.0                      # seconds of the picture that are shown, so that its phonemes can be read
STEP = vocode.SIZES["hop_length"] / vocode.SR


def speaker(model, sound=vocode.sound, begin="Type a sentence here, and I will say it."):
    """Type a text, set speed, pitch and melody, and hear it spoken; above the first sentence stand its phonemes.

    What cannot be said is told in place of the sound.

    Parameters
    ----------
    model : audiolab.models.FastSpeech
    sound : callable
        ``sound(picture [80, frames]) -> signal``: `audiolab.vocode.sound`, or the method `sound` of a `Vocoder`.
    begin : str
        What stands there at first.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    def say(words, speed, pitch, melody):
        try:
            if len(words) > MOST:
                raise ValueError(f"The text has {len(words)} characters; {MOST} are said at once here, half a minute. "
                                 "models.speak says texts of any length.")
            y, sr = tts.speak(model, words, sound, speed, pitch, melody)
        except ValueError as error:
            display(HTML(f'<p role="alert">{html.escape(str(error))}</p>'))
            return
        audio.play(y, sr=sr, titles=[textwrap.shorten(words, 60, placeholder=" …")])
        units = pronounce.phonemes(pronounce.normalise(tts.parts(words)[0]))
        picture, durations = tts.drawn(model, units, speed, pitch, melody)
        n = round(SEEN / STEP)
        shown = np.cumsum(durations) <= n
        plots.phonemes(picture[:, :n], np.array(["", *units])[shown], durations[shown], step=STEP,
                       title="Which phoneme sounds when",
                       alt=f"Log-mel spectrogram of the first seconds, above it the phonemes {' '.join(units)}")

    explore(say, words=text("text", begin, "Speak"), speed=slider("speed (×)", 1, 0.5, 2, 0.05),
            pitch=slider("pitch (semitones)", 0, -6, 6, 0.5), melody=slider("melody (×)", 1, 0, 2, 0.1))
