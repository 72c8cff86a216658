"""Speech for any text, offline: the espeak-ng formant synthesiser, called through ctypes, and corpora of it.

The library and its voices come inside the ``espeakng-loader`` wheel. espeak-ng is licensed under
GPL-3.0; what it speaks is not.

The library keeps state from one utterance to the next (where its pitch flutters, its echo, its random
numbers) and has no way to reset all of it. So every utterance gets a library loaded afresh, which takes
a third of a millisecond, and sounds the same whatever was said before and in whichever process.
"""

import _ctypes
import ctypes
import functools
import re
import shutil
import tempfile
import threading
import zlib
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from multiprocessing.util import Finalize
from pathlib import Path

import numpy as np
import pandas as pd

from .. import corpus, paths, preprocess

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
#: The 35 words of the Speech Commands corpus (version 2), so that synthetic and real clips go together.
COMMANDS = (
    "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", *DIGITS,
    "bed", "bird", "cat", "dog", "happy", "house", "marvin", "sheila", "tree", "wow",
    "backward", "forward", "follow", "learn", "visual",
)  # fmt: skip

#: What is said with emotion: neither glad nor sad, and short.
PHRASES = (
    "The door is open.", "It is seven o'clock.", "The letter came today.", "She is at work.", "We leave on Monday.",
    "He took the train.", "It will rain tonight.", "I have the keys.", "They live next door.", "This is my coat.",
    "The phone is ringing.", "You left your bag.", "The water is warm.", "My brother is here.", "There are two boxes.",
    "The shop is closed.", "I saw the doctor.", "Your tea is ready.", "The car is outside.", "We need more bread.",
)  # fmt: skip

# What makes `emotion` as hard as it is. A clue is `middle + slope * (intensity - 1/2)`, plus a scatter of its own
# (standard deviation). The middles of pitch and rate are the voice's, drawn from a range for each voice.
CLUES = {"pitch": (36, 6), "pitch_range": (60, 10), "rate": (80, 12), "tilt": (18, 3)}     # slope, scatter
VOICE_PITCH, VOICE_RATE = (35, 65), (160, 220)
SHELF = 1000                    # Hz, above which the tilt lifts
LEVEL = (-45.0, -25.0)          # dBFS, RMS of a clip, whatever its intensity: microphones stand near and far

# A voice is a variant (throat and larynx) with an accent. Left out of espeak-ng's variants are those with
# an echo, because rooms are augmentation; those of its second synthesiser (klatt 6), which draws on the
# process's random numbers; those that move the formants beyond understanding; and copies of one another.
# Variants that resemble each other stand in one split. Of its accents, en-shaw is no accent but an alphabet.
_VARIANTS = {
    "train": ("", "Alex", "Andrea", "Annie", "AnxiousAndy", "Denis", "Jacky", "Mike", "Tweaky", "anika", "antonio",
              "boris", "croak", "ed", "edward", "grandpa", "ian", "john", "klatt", "klatt2", "klatt3", "klatt4",
              "klatt5", "m1", "m3", "m4", "m5", "m6", "marcelo", "max", "norbert", "paul", "pedro", "rob", "robert",
              "sandro", "victor", "whisper", "whisperf", "zac"),
    "validation": ("Mario", "Michael", "belinda", "linda", "quincy", "steph"),
    "test": ("Andy", "Gene", "Gene2", "Nguyen", "aunty", "f1", "grandma", "gustave", "iven3", "m7", "m8", "shelby"),
}  # fmt: skip
#: Training variants that the synthesisers of chapter 05 learn from. The judge of phonemes has not heard them; that of
#: digits has.
MODELS = ("", "Annie", "Denis", "anika", "ed", "john", "robert", "zac")
#: The one of them that reads to the synthesisers, because the judge of chapter 04 understands it best.
READER = "en-us"
#: Its phonemes, as espeak-ng names them, without stress.
PHONEMES = ("aɪ aɪə aɪɚ aʊ b d dʒ eɪ f h i iə iː j k l m n n̩ oʊ p s t tʃ uː v w z æ ð ŋ ɐ ɑː ɑːɹ ɔ ɔɪ ɔː ɔːɹ ə əl ɚ ɛ "
            "ɛɹ ɜː ɡ ɪ ɪɹ ɹ ɾ ʃ ʊ ʊɹ ʌ ʒ ʔ θ ᵻ")
# A crowd is drawn: no person in it is a variant of espeak-ng, and no two have the same voice.
PEOPLE = {"train": 1188, "validation": 40, "test": 60}
EACH = {"train": 4, "validation": 8, "test": 12}                # sentences of a person
THROATS = 0.5                   # octaves between the formants of the longest throat and those of the shortest
HEIGHTS = (80, 230)             # Hz, in which a person speaks
MOOD = 8                        # steps of `say`'s pitch by which a reading is higher or lower, about a semitone
CROWD_SR, CROWD_LEVEL = 16000, 0.07     # Hz; RMS
_ACCENTS = ("en", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us")
_HELD_OUT_ACCENTS = ("en-029", "en-gb-scotland", "en-us-nyc")

_SYNCHRONOUS = 2                # espeak_AUDIO_OUTPUT: hand the samples to a callback and return when done
_PHONEME_EVENTS, _IPA = 1, 2    # options of espeak_Initialize
_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4                     # espeak_PARAMETER
_END, _WORD, _PHONEME = 0, 1, 7                     # espeak_EVENT_TYPE
_lock = threading.Lock()        # the library keeps one state for the whole process


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng 1.52."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),            # of a word's first letter, counted from 1
        ("length", ctypes.c_int),                   # of a word, which is wrong for "father's"
        ("audio_position", ctypes.c_int),           # milliseconds
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),                  # a phoneme in IPA, UTF-8
    )


# ---------------------------------------------------------------------------------------- speaking


def say(text, voice="en-us", rate=175, pitch=50, pitch_range=50):
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
    pitch_range : int
        How far the melody goes up and down: 0 to 100, 0 being monotonous and 50 the voice's own.

    Returns
    -------
    y : np.ndarray, shape [n], float32
        The same at every call, in any process. (Only the variants of espeak-ng's second synthesiser,
        such as ``"klatt6"`` and ``"Reed"``, breathe at random.)
    sr : int
        22050 for all voices used here.

    Raises
    ------
    ValueError
        If `text` is empty or holds nothing that can be spoken, the voice does not exist, or `rate`,
        `pitch` or `pitch_range` is out of range.

    Taught in: notebooks/00_start_here.ipynb, "What does my voice look like?"
    """
    y, sr, _ = _speak(text, voice, rate, pitch, pitch_range)
    return y, sr


def say_with_times(text, voice="en-us", rate=175, pitch=50, pitch_range=50, larynx=None):
    """Speak a text, and tell when each word and each phoneme sounds.

    The times are the synthesiser's own, to the sample, but for two habits of it. Before a stop (p, t,
    k, tʃ …) it is silent for some 40 ms: that closure counts to the stop, as phoneticians have it,
    except at the start and after a pause, where nobody can see it. And an l or a Scottish r between a
    vowel and a consonant has no beginning: it is the end of one glide, of which it is given a third.

    Parameters
    ----------
    text, voice, rate, pitch, pitch_range
        As in `say`. Words that are spelled out, not numerals, so that each has its place in the text.
    larynx : str, optional
        A variant of one's own, for American: lines of espeak-ng's voice files, such as ``"formant 1 90 80 120"``.

    Returns
    -------
    y : np.ndarray, shape [n], float32
    sr : int
    words : list of dict
        ``{"onset": s, "offset": s, "word": str}`` in seconds, the word as it stands in the text.
    phonemes : list of dict
        ``{"onset": s, "offset": s, "phoneme": str}``, the phoneme in IPA, stress marks (ˈ ˌ) included.
        Pauses are the gaps between them.

    Raises
    ------
    ValueError
        As `say`.
    """
    # espeak-ng slurs some pairs, such as "of the", into one word. A no-break space keeps them apart.
    apart = re.sub(r"(?<=\w)[ -](?=\w)", "\N{NO-BREAK SPACE}", text)
    y, sr, events = _speak(apart, voice, rate, pitch, pitch_range, larynx)
    marks = [(sample, name) for kind, sample, name, _ in events if kind == _PHONEME] + [(len(y), "")]
    sounding = np.flatnonzero(y)
    silence = [0]                                   # where the silence before each mark begins
    for (previous, _), (sample, _) in pairwise(marks):
        before = np.searchsorted(sounding, sample)
        start = max(previous, int(sounding[before - 1]) + 1 if before else 0)
        silence.append(start if sample - start > sr // 1000 else sample)        # a zero crossing is no silence

    words, phonemes = [], []
    i = 0
    for kind, _, _, start in events:
        if kind == _WORD:
            words.append({"onset": None, "offset": None, "word": re.match(r"[\w'’]*", text[start:])[0]})
            continue
        onset, name = marks[i]
        i += 1
        if not name:                                # a pause
            continue
        follows = i > 1 and marks[i - 2][1]         # a phoneme, not a pause
        if follows and re.match("[ˈˌ]?[pbtdkɡʔ]", name):
            onset = silence[i - 1]
        if follows and onset == silence[i]:
            vowel = phonemes[-1]
            onset -= round((onset - vowel["onset"]) / 3)
            vowel["offset"] = onset
        phonemes.append({"onset": onset, "offset": silence[i], "phoneme": name})
        if words and words[-1]["onset"] is None:
            words[-1]["onset"] = onset
        if words:
            words[-1]["offset"] = silence[i]
    words = [word for word in words if word["onset"] is not None]
    for row in words + phonemes:
        row.update(onset=round(row["onset"] / sr, 6), offset=round(row["offset"] / sr, 6))
    return y, sr, words, phonemes


def _speak(text, voice, rate, pitch, pitch_range, larynx=None):
    """Samples, sampling rate and events ``(type, sample, phoneme, index in the text)``."""
    if not text.strip():
        raise ValueError("There is no text to speak.")
    if not (80 <= rate <= 450 and 0 <= pitch <= 100 and 0 <= pitch_range <= 100):
        raise ValueError("rate must be 80 to 450, pitch and pitch_range 0 to 100, "
                         f"got {rate}, {pitch} and {pitch_range}.")
    chunks, events = [], []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
    def receive(samples, n, batch):
        if samples and n > 0:
            chunks.append(ctypes.string_at(samples, 2 * n))
        for event in batch:                         # ends with an event of type 0
            if event.type == _END:
                return 0
            if event.type in (_WORD, _PHONEME):
                name = event.id.decode(errors="ignore") if event.type == _PHONEME else ""
                events.append((event.type, event.sample, name, event.text_position - 1))

    home = _home(bool(larynx))
    with _fresh_library(home) as (library, sr):
        if larynx:                                  # one at a time: the library is locked
            (home / "voices" / "!v" / "own").write_text(f"language variant\nname own\n{larynx}\n", encoding="utf-8")
            voice += "+own"
        if library.espeak_SetVoiceByName(voice.encode()) or not _has_variant(voice, home):
            raise ValueError(f'There is no voice called {voice!r}. Try "en-us", "en" (British) or "en-gb-scotland".')
        library.espeak_SetParameter(_RATE, int(rate), 0)
        library.espeak_SetParameter(_PITCH, int(pitch), 0)
        library.espeak_SetParameter(_RANGE, int(pitch_range), 0)
        library.espeak_SetSynthCallback(receive)
        encoded = text.encode() + b"\0"
        library.espeak_Synth(encoded, ctypes.c_size_t(len(encoded)), 0, 0, 0, _UTF8, None, None)
    y = np.frombuffer(b"".join(chunks), np.int16)
    if not y.any():
        raise ValueError(f"Nothing in {text!r} can be spoken.")
    return (y / 32768).astype(np.float32), sr, events


def _has_variant(voice, home):
    """Whether the variant after the plus exists: espeak-ng would leave out one that does not, and not say so."""
    _, plus, variant = voice.partition("+")
    return not plus or (home / "voices" / "!v" / variant).is_file()


@functools.cache
def _home(own):
    """Where espeak-ng finds its data: its own folder, or a copy of what American needs, for a larynx called ``own``."""
    import espeakng_loader

    whole = Path(espeakng_loader.get_data_path())
    if not own:
        return whole
    home = Path(tempfile.mkdtemp(prefix="audiolab-"), whole.name)
    Finalize(None, shutil.rmtree, (home.parent,), {"ignore_errors": True}, exitpriority=0)     # also of a worker
    for name in ("phontab", "phonindex", "phondata", "intonations", "en_dict", "lang/gmw/en-US"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(whole / name, home / name)
    (home / "voices" / "!v").mkdir(parents=True)
    return home


@contextmanager
def _fresh_library(home):
    """A library that has said nothing yet, with its data in a folder, and its sampling rate."""
    import espeakng_loader

    path = espeakng_loader.get_library_path()
    with _lock, ExitStack() as stack:
        library = ctypes.CDLL(path)
        if library.espeak_ng_GetSampleRate():       # in use: somebody else in this process has it open
            _close(library)
            folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            library = ctypes.CDLL(shutil.copy(path, folder))
        stack.callback(_close, library)
        sr = library.espeak_Initialize(
            _SYNCHRONOUS, 0, str(home).encode(), _PHONEME_EVENTS | _IPA
        )
        if sr <= 0:
            raise RuntimeError("espeak-ng found no voices: reinstall espeakng-loader.")
        stack.callback(library.espeak_Terminate)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))         # it was seeded with the time of day
        yield library, sr


def _close(library):
    """Unload a library, so that the next loading starts with fresh memory; ctypes never does that by itself."""
    (_ctypes.FreeLibrary if hasattr(_ctypes, "FreeLibrary") else _ctypes.dlclose)(library._handle)


# ---------------------------------------------------------------------------------------- voices and texts


@functools.cache
def voices():
    """The synthetic speakers, each a variant (throat and larynx) with an English accent.

    Returns
    -------
    pandas.DataFrame
        Columns `voice` (a name for `say`), `accent`, `variant` and `split`. No variant is in two splits,
        and the accents of the test voices are heard in no other: 200 voices in train, 30 in validation
        and 36 in test. Two accents of one variant may agree on a short word.
    """
    rows = [
        (f"{accent}+{variant}" if variant else accent, accent, variant, split)
        for split, variants in _VARIANTS.items()
        for accent in (_HELD_OUT_ACCENTS if split == "test" else _ACCENTS)
        for variant in variants
    ]
    return pd.DataFrame(rows, columns=["voice", "accent", "variant", "split"])


@functools.cache
def people():
    """A crowd of American voices, drawn: each person has a throat, a larynx and a height of voice of their own.

    Returns
    -------
    pandas.DataFrame
        Columns `person`, `split`, `throat` (by which factor all formants are higher: a throat so many times as short),
        `f0` (Hz, the middle of what they speak in) and `larynx`, the rest, as `say_with_times` takes it: where each
        formant lies for itself, how strong and how broad it is, how dark the voice is, how breathy, rough and unsteady.
        1188 people in train, 40 in validation and 60 in test.

    Notes
    -----
    Formant 1 to 5: factors of e to the power of a normal draw, whose standard deviation is 0.06 for the frequency, 0.3
    for the height and 0.25 for the width. The throat moves all of them, and all noises, together.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    rng = np.random.default_rng(zlib.crc32(b"people"))

    def percent(scatter, n=None):
        return np.round(100 * np.exp(np.clip(rng.normal(0, scatter, n), -2 * scatter, 2 * scatter))).astype(int)

    rows = []
    for split, n in PEOPLE.items():
        for i in range(n):
            throat, f0 = 2 ** rng.uniform(-THROATS / 2, THROATS / 2), np.exp(rng.uniform(*np.log(HEIGHTS)))
            low, high = np.round(f0 / throat * np.array([0.83, 1.2])).astype(int)           # before it is played faster
            formants = zip(range(1, 6), percent(0.06, 5), percent(0.3, 5), percent(0.25, 5), strict=True)
            tone = zip((600, 1200, 2000, 3500), percent(0.35, 4) * (0.8, 0.65, 0.55, 0.5), strict=True)
            breath = int(rng.integers(1, 6)) * int(rng.random() < 0.4)
            larynx = [f"pitch {low} {high}", *("formant {} {} {} {}".format(*formant) for formant in formants),
                      "tone " + " ".join(f"{hertz} {level:.0f}" for hertz, level in tone),
                      f"breath 0 {' '.join([str(breath)] * 7)}", f"roughness {rng.integers(4)}",
                      f"flutter {rng.integers(1, 6)}", f"voicing {percent(0.2)}", f"consonants {percent(0.25)} 100"]
            rows.append({"person": f"{split}-{i:04d}", "split": split, "throat": round(throat, 4), "f0": round(f0, 1),
                         "larynx": "\n".join(larynx)})
    return pd.DataFrame(rows)


@functools.cache
def prompts():
    """Sentences to be read aloud: everyday English in which every phoneme is heard often.

    Returns
    -------
    tuple of str
        336 sentences of 7 to 12 words, written for this course.
    """
    return tuple(Path(__file__).with_name("sentences.txt").read_text("utf-8").splitlines())


def shared_prompts():
    """`prompts` by split: every ninth of ten for validation, every tenth for the test; a dict of lists."""
    shares = {"train": [], "validation": [], "test": []}
    for i, text in enumerate(prompts()):
        shares[{8: "validation", 9: "test"}.get(i % 10, "train")].append(text)
    return shares


@functools.cache
def texts_to_read():
    """Sentences from which a synthesiser learns: of all kinds, so that it has met most sounds in most company.

    Returns
    -------
    tuple of str
        949 sentences of 3 to 16 words, written for this course, none of them among `prompts`.

    Taught in: notebooks/05_text_to_speech.ipynb, "What does a network learn to speak from?"
    """
    return tuple(Path(__file__).with_name("readings.txt").read_text("utf-8").splitlines())


def spell(number):
    """A whole number in words, without "and": 342 is ``"three hundred forty two"``.

    Parameters
    ----------
    number : int
        0 to 999 999.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If `number` is negative or too large.
    """
    if not 0 <= number < 1_000_000:
        raise ValueError(f"Only numbers from 0 to 999999 are spelled here, got {number}.")
    small = (*DIGITS, "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
             "eighteen", "nineteen")  # fmt: skip
    tens = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
    if number < 20:
        return small[number]
    for size, name in ((1000, "thousand"), (100, "hundred")):
        if number >= size:
            head = f"{spell(number // size)} {name}"
            return f"{head} {spell(number % size)}" if number % size else head
    return f"{tens[number // 10 - 2]} {small[number % 10]}" if number % 10 else tens[number // 10 - 2]


# ---------------------------------------------------------------------------------------- corpora


def digits(n=2000, length=(1, 7), seed=0, n_jobs=1):
    """Corpus of digit strings: "four zero seven".

    Parameters
    ----------
    n : int
        Clips; a tenth of them validation, a tenth test.
    length : tuple of int
        Fewest and most digits. ``(1, 1)`` gives isolated digits, with the digit as `label` too.
    seed : int
        Another seed, other strings, speakers, rates and pitches.
    n_jobs : int
        Processes that render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `text`, `group` (the voice), `split`, `accent`, `rate`, `pitch`; tables ``words`` and
        ``phonemes`` with times.
    """
    least, most = length
    return _make(f"digits-{least}to{most}", plan_digits(n, length, seed), n, seed, n_jobs)


def words(n=2000, seed=0, n_jobs=1):
    """Corpus of isolated words, those of `prompts`. Parameters and result as `digits`, with `label`."""
    return _make("words", plan_words(n, seed), n, seed, n_jobs)


def commands(n=3500, seed=0, n_jobs=1):
    """Corpus of the words in `COMMANDS`, alike often. Parameters and result as `digits`, with `label`."""
    return _make("commands-synthetic", plan_commands(n, seed), n, seed, n_jobs)


def numbers(n=2000, seed=0, n_jobs=1):
    """Corpus of numbers from 0 to 999 999. Parameters and result as `digits`, with a column `value`."""
    return _make("numbers", plan_numbers(n, seed), n, seed, n_jobs)


def sentences(n=2000, seed=0, n_jobs=1):
    """Corpus of the sentences of `prompts`: those of one split are heard in no other. As `digits`."""
    return _make("sentences", plan_sentences(n, seed), n, seed, n_jobs)


def american(n=2000, seed=0, n_jobs=1):
    """Corpus of the sentences of `prompts` by American voices only, without those in `MODELS`. As `sentences`.

    One accent has one set of phonemes. Who trains on this corpus may judge a voice that learnt from `MODELS`.
    """
    return _make("american", plan_american(n, seed), n, seed, n_jobs)


def reader_digits(n=3000, length=(1, 7), seed=0, n_jobs=1):
    """Corpus of digit strings by one voice, `READER`, at about one pace, some higher than others; none comes twice.

    Parameters and result as `digits`, with a column `pitch_range`.

    Taught in: notebooks/05_text_to_speech.ipynb, "What can be learnt in two minutes?"
    """
    return _make(f"reader-digits-{length[0]}to{length[1]}", plan_reader_digits(n, length, seed), n, seed, n_jobs,
                 render_reading)


def reader_sentences(n=6000, seed=0, n_jobs=1):
    """Corpus of English by one voice, `READER`: each text at several pitches, ranges of pitch and paces.

    What is drawn apart can be learnt apart: the text foretells neither how high nor how fast it was said. A tenth of
    the training clips are words of the texts in any order, whose sounds meet as in no sentence. Validation and test
    clips say the sentences that `sentences` has for them, which are in no training clip.

    Parameters and result as `digits`, with a column `pitch_range`.

    Taught in: notebooks/05_text_to_speech.ipynb, "What does a network learn to speak from?"
    """
    return _make("reader-sentences", plan_reader_sentences(n, seed), n, seed, n_jobs, render_reading)


def crowd(seed=0, n_jobs=1):
    """Corpus of the `people`, each of whom reads some sentences, now higher and now lower, quicker and slower.

    Those of train read four, of `texts_to_read` and training sentences of `prompts`; those of validation eight and
    those of test twelve of the sentences that `sentences` has for them.

    Parameters
    ----------
    seed : int
        Another seed, other sentences, paces and moods of the same people.
    n_jobs : int
        Processes that render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns `text`, `group` (the person), `split`, `throat`, `larynx`, `rate`, `pitch`, `pitch_range`; tables
        ``words`` and ``phonemes`` with times. At 16 kHz.

    Taught in: notebooks/14_voice_cloning.ipynb, "Who is speaking?"
    """
    plan = plan_crowd(seed=seed)
    return _make("crowd", plan, len(plan), seed, n_jobs, render_person)


def emotion(n=1200, seed=0, n_jobs=1):
    """Corpus of short neutral sentences, spoken with more or less arousal: how much is to be told.

    Aroused speakers raise pitch, widen its range, hasten, and put more energy into high frequencies (Scherer). So
    does the synthesiser here: all four follow the intensity, each with a scatter of its own, from a pitch and a rate
    that are the voice's. The level tells nothing. It is arousal by rule, not the emotion of anybody.

    Parameters
    ----------
    n : int
        Clips; a tenth of them validation, a tenth test. All say the same `PHRASES`.
    seed : int
        Another seed, other voices, intensities and scatter.
    n_jobs : int
        Processes that render; -1 for one per core. The result is the same.

    Returns
    -------
    audiolab.corpus.Corpus
        Columns as `digits`, and `intensity` (0 to 1, all alike often), `pitch_range` (as in `say`), `tilt` (dB above
        `SHELF`) and `level` (dBFS, RMS); the same tables.

    References
    ----------
    Scherer, "Vocal communication of emotion: a review of research paradigms", 2003.

    Taught in: notebooks/06_classification.ipynb, "How much, instead of what?"
    """
    return _make("emotion", plan_emotion(n, seed), n, seed, n_jobs, render_emotion)


def plan_digits(n=2000, length=(1, 7), seed=0):
    """Plan of `digits`, a row for each clip; see `audiolab.corpus.make`."""
    least, most = length
    if not 1 <= least <= most:
        raise ValueError(f"length must be the fewest and the most digits, such as (1, 7), got {length}.")
    plan, rng = _plan("digits", n, seed)
    texts = [" ".join(rng.choice(DIGITS, rng.integers(least, most + 1))) for _ in range(n)]
    return plan.assign(text=texts, **({"label": texts} if most == 1 else {}))


def plan_words(n=2000, seed=0):
    """Plan of `words`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _plan("words", n, seed)
    vocabulary = sorted(set(re.findall(r"[a-z]{2,}", " ".join(prompts()).lower().replace("'s", ""))))
    texts = corpus.deal(rng, vocabulary, n)
    return plan.assign(text=texts, label=texts)


def plan_commands(n=3500, seed=0):
    """Plan of `commands`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _plan("commands", n, seed)
    texts = np.concatenate([corpus.deal(rng, COMMANDS, len(part)) for _, part in plan.groupby("split", sort=False)])
    return plan.assign(text=texts, label=texts)


def plan_numbers(n=2000, seed=0):
    """Plan of `numbers`, a row for each clip, as many of each count of digits; see `audiolab.corpus.make`."""
    plan, rng = _plan("numbers", n, seed)
    values = [int(rng.integers(0 if size == 1 else 10 ** (size - 1), 10**size)) for size in rng.integers(1, 7, n)]
    return plan.assign(text=[spell(value) for value in values], value=values)


def plan_sentences(n=2000, seed=0):
    """Plan of `sentences`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _plan("sentences", n, seed)
    shares = shared_prompts()
    texts = [corpus.deal(rng, shares[split], len(part)) for split, part in plan.groupby("split", sort=False)]
    return plan.assign(text=np.concatenate(texts))


def plan_american(n=2000, seed=0):
    """Plan of `american`, a row for each clip (fewer than `n`: those of `MODELS` are left out); see `corpus.make`."""
    plan = plan_sentences(n, seed)
    variant = plan.group.str.partition("+")[2]
    group = np.where(variant == "", "en-us", "en-us+" + variant)
    path = [f"{voice}/{i:05d}.flac" for i, voice in enumerate(group)]
    return plan.assign(path=path, group=group, accent="en-us")[~variant.isin(MODELS)].reset_index(drop=True)


def plan_reader_digits(n=3000, length=(1, 7), seed=0):
    """Plan of `reader_digits`, a row for each clip; see `audiolab.corpus.make`."""
    least, most = length
    if not 1 <= least <= most or n > 5 * 10 ** (most - 1):
        raise ValueError(f"{n} different strings of {least} to {most} digits cannot be drawn: take fewer, or longer "
                         "ones.")
    plan, rng = _plan_reader("reader-digits", n, seed, rate=(150, 200), pitch=(30, 91), pitch_range=(30, 71))
    texts = {}                                      # a dict keeps the order, and each string once
    while len(texts) < n:
        texts[" ".join(rng.choice(DIGITS, rng.integers(least, most + 1)))] = True
    return plan.assign(text=list(texts))


def plan_reader_sentences(n=6000, seed=0):
    """Plan of `reader_sentences`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _plan_reader("reader-sentences", n, seed, rate=(120, 240), pitch=(30, 101), pitch_range=(20, 71))
    shares = shared_prompts()
    shares["train"] = [*texts_to_read(), *shares["train"]]
    vocabulary = sorted(set(re.findall(r"[a-z]+(?:'[a-z]+)?", " ".join(shares["train"]).lower())))
    texts = []
    for split, part in plan.groupby("split", sort=False):
        mixed = len(part) // 10 if split == "train" else 0
        texts += list(corpus.deal(rng, shares[split], len(part) - mixed))
        texts += [" ".join(rng.choice(vocabulary, rng.integers(4, 10))) + "." for _ in range(mixed)]
    return plan.assign(text=texts)


def plan_crowd(each=None, seed=0):
    """Plan of `crowd`, a row for each clip, or with so many of each person; see `audiolab.corpus.make`."""
    rng = np.random.default_rng([seed, zlib.crc32(b"crowd")])
    crowd = people()
    crowd = crowd.loc[crowd.index.repeat(each or crowd.split.map(EACH))].reset_index(drop=True)
    n, shares = len(crowd), shared_prompts()
    shares["train"] = [*texts_to_read(), *shares["train"]]
    texts = [corpus.deal(rng, shares[split], len(part)) for split, part in crowd.groupby("split", sort=False)]
    return pd.DataFrame({
        "path": [f"{person}/{i:05d}.flac" for i, person in enumerate(crowd.person)],
        "text": np.concatenate(texts), "group": crowd.person, "split": crowd.split, "throat": crowd.throat,
        "larynx": crowd.larynx, "rate": (rng.integers(140, 211, n) / crowd.throat).round().astype(int),
        "pitch": rng.integers(50 - MOOD, 50 + MOOD, n, endpoint=True), "pitch_range": rng.integers(30, 71, n)})


def plan_emotion(n=1200, seed=0):
    """Plan of `emotion`, a row for each clip; see `audiolab.corpus.make`."""
    plan, rng = _plan("emotion", n, seed)
    intensity = rng.uniform(size=n)
    pitch, rate = (pd.Series(rng.uniform(*span, len(voices())), voices().voice)[plan.group].to_numpy()
                   for span in (VOICE_PITCH, VOICE_RATE))
    middle = {"pitch": pitch, "pitch_range": 50, "rate": rate, "tilt": 0}
    clue = {name: middle[name] + slope * (intensity - 0.5) + scatter * rng.normal(size=n)
            for name, (slope, scatter) in CLUES.items()}
    whole = {name: np.clip(np.round(clue[name]), *limits).astype(int)
             for name, limits in {"pitch": (0, 100), "pitch_range": (0, 100), "rate": (80, 450)}.items()}
    texts = [corpus.deal(rng, PHRASES, len(part)) for _, part in plan.groupby("split", sort=False)]
    return plan.assign(text=np.concatenate(texts), intensity=intensity.round(4), **whole, tilt=clue["tilt"].round(2),
                       level=rng.uniform(*LEVEL, n).round(2))


def render(row):
    """Speak one row of a plan.

    Parameters
    ----------
    row : dict
        With `text`, `group` (the voice), `rate` and `pitch`.

    Returns
    -------
    audiolab.corpus.Clip
        With the tables ``words`` and ``phonemes``.
    """
    y, sr, words, phonemes = say_with_times(row["text"], row["group"], row["rate"], row["pitch"])
    return corpus.Clip(y, sr, {"words": words, "phonemes": phonemes})


def render_reading(row):
    """Speak one row of a plan whose voice is `READER`: as `render`, with `pitch_range` and without `group`."""
    y, sr, words, phonemes = say_with_times(row["text"], READER, row["rate"], row["pitch"], row["pitch_range"])
    return corpus.Clip(y, sr, {"words": words, "phonemes": phonemes})


def render_person(row):
    """Speak one row of `plan_crowd`: the larynx, played as many times too fast as the throat is shorter.

    That moves the formants up, and with them pitch and pace, which were set so much lower.

    Parameters
    ----------
    row : dict
        With `text`, `larynx`, `throat`, and `rate`, `pitch` and `pitch_range` of what is played too fast.

    Returns
    -------
    audiolab.corpus.Clip
        At 16 kHz, with the tables ``words`` and ``phonemes``.
    """
    y, sr, *tables = say_with_times(row["text"], READER, row["rate"], row["pitch"], row["pitch_range"], row["larynx"])
    y = preprocess.resample(y, round(row["throat"] * sr), CROWD_SR)
    y *= min(CROWD_LEVEL / np.sqrt(np.mean(y**2)), 0.95 / np.abs(y).max())      # all equally loud
    words, phonemes = ([entry | {at: round(entry[at] / row["throat"], 6) for at in ("onset", "offset")}
                        for entry in table] for table in tables)
    return corpus.Clip(y, CROWD_SR, {"words": words, "phonemes": phonemes})


def render_emotion(row):
    """Speak one row of `plan_emotion`, tilt its spectrum by the shelf ``H(s) = (g s + w) / (s + w)``, set its level.

    Parameters
    ----------
    row : dict
        With `pitch_range`, `tilt` and `level`, and what `render` needs.

    Returns
    -------
    audiolab.corpus.Clip
        With the tables ``words`` and ``phonemes``.
    """
    y, sr, words, phonemes = say_with_times(row["text"], row["group"], row["rate"], row["pitch"], row["pitch_range"])
    high = preprocess.filter_signal(y, preprocess.butterworth(1, SHELF, sr, "highpass"))
    y = y + (10 ** (row["tilt"] / 20) - 1) * high               # = (g s + w) / (s + w), with g the gain
    y = preprocess.normalize(y, sr, to="rms", level=row["level"])
    return corpus.Clip(y, sr, {"words": words, "phonemes": phonemes})


def _plan(name, n, seed):
    """Speakers, rates and pitches of `n` clips, and the generator for their texts."""
    rng, sizes = _drawn(name, n, seed)
    speakers = voices().set_index("voice")
    dealt = [corpus.deal(rng, list(speakers.index[speakers.split == split]), size) for split, size in sizes.items()]
    group = np.concatenate(dealt)
    plan = pd.DataFrame({
        "path": [f"{voice}/{i:05d}.flac" for i, voice in enumerate(group)],
        "group": group,
        "split": np.repeat(list(sizes), list(sizes.values())),
        "accent": speakers.accent[group].to_numpy(),
        "rate": rng.integers(130, 221, n),          # words per minute
        "pitch": rng.integers(35, 66, n),
    })
    return plan, rng


def _plan_reader(name, n, seed, **spans):
    """Splits of `n` clips and how they are read, drawn evenly from each span; and the generator for their texts."""
    rng, sizes = _drawn(name, n, seed)
    plan = pd.DataFrame({"path": [f"{i:05d}.flac" for i in range(n)], "speaker": READER,
                         "split": np.repeat(list(sizes), list(sizes.values()))})
    return plan.assign(**{what: rng.integers(*span, n) for what, span in spans.items()}), rng


def _drawn(name, n, seed):
    """The generator of a corpus, and how many of its clips each split has."""
    sizes = {"validation": n // 10, "test": n // 10}
    return np.random.default_rng([seed, zlib.crc32(name.encode())]), {"train": n - sum(sizes.values())} | sizes


def _make(name, plan, n, seed, n_jobs, render=render):
    """The corpus in ``data/raw``. Its sounds are free of espeak-ng's licence; its sentences are the course's."""
    folder = f"speech-{name}-n{n}-s{seed}"
    return corpus.make(paths.data("raw", folder), plan, render, n_jobs=n_jobs, desc=folder, licence="CC-BY-4.0")
