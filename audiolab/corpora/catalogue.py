"""All corpora by name: those that are made here, and those that are fetched."""

from dataclasses import dataclass

from .. import paths
from ..corpus import Corpus, CorpusError
from . import mixtures, music, remote, scenes, speech, streams


@dataclass(frozen=True)
class Entry:
    """One corpus: what it is, what it costs, and how to have it.

    Attributes
    ----------
    title, licence : str
    size : int
        Bytes to download; 0 for what is made here.
    get : callable
        ``get(n_jobs)`` makes or fetches it and returns the Corpus, or the folder of what holds no sounds.
    """

    title: str
    licence: str
    size: int
    get: callable


_MADE = {
    "speech-digits": ("2,000 strings of one to seven digits, 266 voices", speech.digits),
    "speech-words": ("2,000 single words", speech.words),
    "speech-commands-synthetic": ("3,500 short commands", speech.commands),
    "speech-numbers": ("2,000 spoken numbers", speech.numbers),
    "speech-sentences": ("2,000 readings of 336 sentences, with phoneme times", speech.sentences),
    "speech-american": ("1,700 readings of 336 sentences by American voices, with phoneme times", speech.american),
    "speech-emotion": ("1,200 short sentences, spoken with an intensity of 0 to 1", speech.emotion),
    "speech-reader-digits": ("3,000 strings of one to seven digits by one voice", speech.reader_digits),
    "speech-reader-sentences": ("6,000 readings of English by one voice, at many pitches", speech.reader_sentences),
    "speech-crowd": ("5,792 sentences by 1,288 American voices that are drawn", speech.crowd),
    "scenes-events": ("1,200 single sound events of 12 classes, in rooms and noise", scenes.events),
    "scenes-soundscapes": ("120 soundscapes of 10 s, with strong labels", scenes.soundscapes),
    "music-chorales": ("200 excerpts of Bach chorales, with notes", music.chorales),
    "music-tunes": ("400 excerpts of folk tunes, with notes", music.tunes),
    "music-genres": ("600 excerpts in several styles", music.genres),
    "mixtures-noisy-voices": ("2,000 clips of a voice and of noise, a channel each", mixtures.noisy_voices),
    "mixtures-two-voices": ("1,900 clips of two voices at once, a channel each", mixtures.two_voices),
    "streams-spoken": ("600 clips of 20 s, single digits among other words, and noise, a channel each", streams.spoken),
    "music-stems": ("200 excerpts with a stem for each voice", music.stems),
}
_LICENCES = {"speech": "CC BY 4.0", "mixtures": "CC BY 4.0", "streams": "CC BY 4.0", "scenes": "CC0 1.0",
             "music": "each score its own, in the table"}


def entries():
    """Every corpus by name.

    Returns
    -------
    dict of str to Entry
        The embedded ones first; their names are those of their folders, less the numbers at the end.
    """
    made = {name: Entry(title, _LICENCES[name.partition("-")[0]], 0, lambda n_jobs, make=make: make(n_jobs=n_jobs))
            for name, (title, make) in _MADE.items()}
    fetched = {name: Entry(data.title, data.licence, data.size, lambda n_jobs, name=name: _fetched(name))
               for name, data in remote.DATASETS.items()}
    return made | fetched


def find(name):
    """The entry of a name.

    Raises
    ------
    CorpusError
        If there is none, naming those that there are.
    """
    known = entries()
    if name not in known:
        raise CorpusError(f"No corpus is called {name!r}. There are: {', '.join(known)}.")
    return known[name]


def here():
    """Corpora that are on this disk.

    Returns
    -------
    list of pathlib.Path
        Their folders under ``data/raw``, complete ones only.
    """
    return sorted(table.parent for table in paths.data("raw").glob("*/metadata.csv"))


def _fetched(name):
    folder = remote.fetch(name)
    return Corpus(folder) if (folder / "metadata.csv").exists() else folder
