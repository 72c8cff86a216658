"""The recordings that chapters open with when the learner brings none."""

from .. import audio, paths


def _spoken():                          # imports within, so that a sample that has been made opens without them
    from . import speech

    return speech.say("Every sound you hear is a list of numbers.", voice="en", rate=150)


def _digits():
    from . import speech

    return speech.say("four zero two seven one", voice="en-gb-x-rp+linda", rate=150)


def _music():
    from . import music

    return music.render(music.chorale("bwv269", measures=(0, 4)), sr=22050)


_MAKERS = {"spoken": _spoken, "digits": _digits, "music": _music}


def sample(name):
    """Path of a short recording, made on the first call and read from disk afterwards.

    Parameters
    ----------
    name : {"spoken", "digits", "music"}
        A sentence, or five digits by another voice, by the espeak-ng synthesiser (22.05 kHz, mono), or the first
        phrase of a Bach chorale played on a sampled harp (22.05 kHz, stereo).

    Returns
    -------
    pathlib.Path
        A FLAC file under ``data/raw/samples``.

    Raises
    ------
    ValueError
        If `name` is none of the above.

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    if name not in _MAKERS:
        raise ValueError(f"No sample is called {name!r}. There are: {', '.join(_MAKERS)}.")
    path = paths.data("raw", "samples", f"{name}.flac")
    if not path.exists():
        audio.save(path, *_MAKERS[name]())
    return path
