"""A network that speaks: from phonemes to the picture of a sound, all of its frames at once.

A text does not say how long each sound lasts, how high and how loud it is. `FastSpeech` learns to foretell these from
the phonemes, and to draw the picture when they are known. While it trains they are taken from the recording, so that it
need not average over all the ways to say a sentence. When it speaks, its own forecasts take their place, and there a
listener may interfere: `synthesise` speaks faster, higher, or with more melody.
"""

import math
import re
import textwrap
from numbers import Real

import numpy as np
import torch
from torch import nn
from torch.nn.functional import l1_loss, mse_loss, normalize

from .. import pronounce, vocode
from ..corpora.speech import PHONEMES
from ..features import hz_to_mel, mel_to_hz
from ..features.mel import SILENCE
from ..vocode import SIZES, SR
from .asr import Block, mask

SYMBOLS = ("", " ", ",", ".", "?", "!", *PHONEMES.split())      # the first is filling
STRESSES = ("", "ˈ", "ˌ")
FOREIGN = {"x": "k", "ɬ": "l", "r": "ɹ", "ɑ̃": "ɑː", "ɔ̃": "ɔː"}  # loch, Llanelli, señor, croissant: the nearest known
N_MELS = SIZES["n_mels"]
HARMONIC = 40                   # channels, up to 1.7 kHz, in which harmonics can be told apart
PAUSE = 0.25                    # seconds between two sentences
PAUSES = 0.15                   # share of a sentence's frames that do not sound, and have no colour
CONTROLS = {"speed": (0.25, 4.0), "pitch": (-24.0, 24.0), "pitch_range": (0.0, 3.0)}     # what `synthesise` takes


def to_units(phonemes):
    """The numbers of phonemes and marks: ``stress * len(SYMBOLS) + symbol``, so that a phoneme is known at any stress.

    In front stands ``" "``, for what comes before the first sound.

    Parameters
    ----------
    phonemes : list of str
        As `audiolab.pronounce.phonemes` returns them.

    Returns
    -------
    list of int, one longer

    Raises
    ------
    ValueError
        If there is no phoneme, or one that American English has not.

    Taught in: notebooks/05_text_to_speech.ipynb, "What does a network read?"
    """
    number = {symbol: i for i, symbol in enumerate(SYMBOLS)}
    units = [number[" "]]
    for phoneme in phonemes:
        stress, symbol = (phoneme[:1], phoneme[1:]) if phoneme[:1] in ("ˈ", "ˌ") else ("", phoneme)
        symbol = FOREIGN.get(symbol, symbol)
        if symbol not in number or not symbol:
            raise ValueError(f"{phoneme!r} is no phoneme that was learnt. They are, with ˈ or ˌ before those that are "
                             f"stressed: {' '.join(PHONEMES.split())}; and ' ', ',', '.', '?', '!'. "
                             "A text that is written goes in as one str.")
        units.append(STRESSES.index(stress) * len(SYMBOLS) + number[symbol])
    if all(unit < SYMBOLS.index("aɪ") for unit in units):
        raise ValueError("There is no phoneme to speak: give a text, or what pronounce.phonemes makes of it.")
    return units


def regulate(h, durations):
    """Length regulator: what stands for a phoneme, repeated for each of its frames.

    Parameters
    ----------
    h : torch.Tensor, shape [batch, phonemes, dim]
    durations : torch.Tensor of int, shape [batch, phonemes]
        Frames, 0 for filling; 0 also leaves a phoneme out.

    Returns
    -------
    frames : torch.Tensor, shape [batch, frames, dim]
        Filled up with 0 to the longest.
    place : torch.Tensor, shape [batch, frames, 1]
        Where in its phoneme a frame is, 0 to 1; 0 in the filling.
    lengths : torch.Tensor of int, shape [batch]
        Frames of each.

    References
    ----------
    Ren et al., "FastSpeech: fast, robust and controllable text to speech", 2019.

    Taught in: notebooks/05_text_to_speech.ipynb, "How long does a sound last?"
    """
    ends = durations.cumsum(dim=1)
    lengths = ends[:, -1]
    t = torch.arange(int(lengths.max()), device=h.device).expand(len(h), -1).contiguous()    # [batch, frames]
    which = torch.searchsorted(ends, t, right=True).clamp(max=ends.shape[1] - 1)             # the first that ends later
    real = mask(lengths, t.shape[1])
    after = ends.gather(1, which) - t                           # frames left of the phoneme, this one too
    place = 1 - (after - 0.5) / durations.gather(1, which).clamp(min=1)
    frames = h.gather(1, which[..., None].expand(-1, -1, h.shape[2]))
    return frames * real, place[..., None] * real, lengths


def mel_frequencies():
    """Hertz at the centres of the picture's channels, [80]."""
    mels = np.linspace(0, hz_to_mel(SR / 2), N_MELS + 2)[1:-1]
    return torch.from_numpy(mel_to_hz(mels)).float()


def rounded(durations):
    """Whole frames for durations that are none, so that ends are rounded and errors do not add up.

    Parameters
    ----------
    durations : torch.Tensor, shape [batch, phonemes]
        Frames.

    Returns
    -------
    torch.Tensor of int, same shape
        Their sums differ from those of `durations` by half a frame at most.

    Taught in: notebooks/05_text_to_speech.ipynb, "How long does a sound last?"
    """
    ends = durations.double().cumsum(dim=1).round().long()
    return ends.diff(dim=1, prepend=ends.new_zeros(len(ends), 1))


def glide(values, durations):
    """A number of each phoneme as a curve: the number stands in the phoneme's middle, straight lines lead to the next.

    Parameters
    ----------
    values : torch.Tensor, shape [batch, phonemes]
    durations : torch.Tensor of int, shape [batch, phonemes]

    Returns
    -------
    torch.Tensor, shape [batch, frames, 1]

    Taught in: notebooks/05_text_to_speech.ipynb, "How high is each sound?"
    """
    last = durations.cumsum(dim=1) == durations.sum(dim=1, keepdim=True)        # what follows is filling
    before = torch.cat([values[:, :1], values[:, :-1]], dim=1)
    after = torch.where(last, values, values.roll(-1, dims=1))
    around, place, _ = regulate(torch.stack([before, values, after], dim=2), durations)
    before, own, after = around.split(1, dim=2)
    return own + (place - 0.5) * torch.where(place < 0.5, own - before, after - own)


class Predictor(nn.Module):
    """One number for each phoneme, from what it is and what its neighbours are."""

    def __init__(self, dim, dropout):
        super().__init__()
        self.block = Block(dim, 5, dropout)
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 1))

    def forward(self, h, real):                                 # [batch, phonemes, dim], [batch, phonemes, 1]
        return (self.head(self.block(h, real)) * real)[..., 0]


class FastSpeech(nn.Module):
    """Phonemes to a log-mel spectrogram, without a loop over time.

    Phonemes → encoder → forecasts of duration, pitch and energy, one of each for a phoneme → each phoneme as often as
    it has frames → decoder → picture. A duration is ``ln(1 + frames)``, pitch is ``ln F0``, energy the logarithm of the
    mean mel power. All of them, and the channels of the picture, are handled in standard deviations from the mean;
    `scaled` learns both. So that the decoder need not find out where harmonics lie, each frame is also given
    ``cos(2π f / F0)`` for the low channels' frequencies f: 1 on a harmonic, -1 between two.

    ``(units, sizes)`` to ``(pictures [batch, frames, 80], lengths, forecasts [batch, phonemes, 3])``. While training
    the truth goes along, ``(units, sizes, durations, prosody)``, and that is drawn. A network of many voices is also
    given whose it is to be, as the last member, [batch, voice]: that goes through a layer of its own, and is added to
    what stands for each phoneme, before anything is foretold or drawn.

    Parameters
    ----------
    dim : int
        How many numbers stand for a phoneme, or a frame.
    encoder, decoder : int
        Blocks.
    kernel : int
        Frames that a block of the decoder looks at.
    dropout : float
    voice : int
        Numbers that stand for a voice, as `SpeakerEncoder` gives them; 0 for a network of one voice.

    References
    ----------
    Ren et al., "FastSpeech 2: fast and high-quality end-to-end text to speech", 2020; Łańcucki, "FastPitch: parallel
    text-to-speech with pitch prediction", 2021. Both have transformers where here are convolutions. Jia et al.,
    "Transfer learning from speaker verification to multispeaker text-to-speech synthesis", 2018, for the voice.

    Taught in: notebooks/05_text_to_speech.ipynb, "What can be learnt in two minutes?"
    """

    sr = SR

    def __init__(self, dim=128, encoder=2, decoder=4, kernel=9, dropout=0.1, voice=0):
        super().__init__()
        self.of_voice = nn.Linear(voice, dim) if voice else None
        self.symbols, self.stresses = nn.Embedding(len(SYMBOLS), dim), nn.Embedding(len(STRESSES), dim)
        self.encoder = nn.ModuleList(Block(dim, 5, dropout) for _ in range(encoder))
        self.predictors = nn.ModuleList(Predictor(dim, dropout) for _ in range(3))      # duration, pitch, energy
        self.of_prosody = nn.Sequential(nn.Linear(2, dim), nn.GELU(), nn.Linear(dim, dim))
        self.of_place, self.of_harmonics = nn.Linear(2, dim), nn.Linear(HARMONIC, dim)
        self.decoder = nn.ModuleList(Block(dim, kernel, dropout) for _ in range(decoder))
        self.head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, N_MELS))
        self.register_buffer("centres", mel_frequencies()[:HARMONIC], persistent=False)
        for name, n in (("picture", N_MELS), ("told", 3)):      # of the channels; of duration, pitch and energy
            self.register_buffer(f"{name}_mean", torch.zeros(n))
            self.register_buffer(f"{name}_std", torch.ones(n))

    def scaled(self, clips):
        """Learn means and standard deviations from training clips, as `batch` takes them. Returns the model."""
        pictures, durations, prosody = map(torch.cat, zip(*(told[:3] for _, told in clips), strict=True))
        for name, values in (("picture", pictures), ("told", _told(durations, prosody))):
            getattr(self, f"{name}_mean").copy_(values.mean(dim=0))
            getattr(self, f"{name}_std").copy_(values.std(dim=0))
        return self

    @staticmethod
    def batch(items):
        """A batch of clips of any length: ``collate`` of `audiolab.training.fit`.

        Parameters
        ----------
        items : list of pair
            Units [phonemes]; and what is to be learnt of them: a picture [frames, 80], durations in frames [phonemes],
            prosody [phonemes, 2], which is ``ln F0`` and energy; for a network of many voices also the voice [voice].

        Returns
        -------
        x : tuple
            Units [batch, phonemes], filled up with 0, how many [batch], durations, prosody and voices.
        y : tuple
            Pictures [batch, frames, 80], how many units [batch], durations, prosody and voices.

        Taught in: notebooks/05_text_to_speech.ipynb, "What can be learnt in two minutes?"
        """
        units, targets = zip(*items, strict=True)
        sizes = torch.tensor([len(row) for row in units])
        units, pictures, *told = (nn.utils.rnn.pad_sequence(parts, batch_first=True)
                                  for parts in (units, *zip(*targets, strict=True)))
        return (units, sizes, *told), (pictures, sizes, *told)

    def encode(self, units, sizes, voice=None):
        """What stands for each phoneme in a voice, [batch, phonemes, dim], and the forecasts, [batch, phonemes, 3]."""
        real = mask(sizes, units.shape[1])
        h = self.symbols(units % len(SYMBOLS)) + self.stresses(units // len(SYMBOLS))
        for block in self.encoder:
            h = block(h, real)
        if self.of_voice:
            h = h + self.of_voice(voice * voice.shape[1] ** 0.5)[:, None]      # as large as what else comes in: about 1
        h = h * real
        return h, torch.stack([predictor(h, real) for predictor in self.predictors], dim=2)

    def frames(self, forecasts, sizes, speed=1.0):
        """Durations in whole frames, [batch, phonemes], as they are foretold, at a speed."""
        durations = (forecasts[..., 0] * self.told_std[0] + self.told_mean[0]).expm1().clamp(min=0)
        return rounded(durations * mask(sizes, durations.shape[1])[..., 0] / speed)

    def decode(self, h, durations, prosody):
        """The picture of phonemes that last and sound as they are told to, [batch, frames, 80], and its lengths."""
        h = torch.cat([h + self.of_prosody(prosody), durations[..., None].float().log1p()], dim=2)
        h, place, lengths = regulate(h, durations)
        h, real = h[..., :-1] + self.of_place(torch.cat([h[..., -1:], place], dim=2)), mask(lengths, h.shape[1])
        f0 = (glide(prosody[..., 0], durations) * self.told_std[1] + self.told_mean[1]).exp()       # hertz, per frame
        h = h + self.of_harmonics(torch.cos(2 * math.pi * self.centres / f0.clamp(min=20)))
        for block in self.decoder:
            h = block(h, real)
        return (self.head(h) * self.picture_std + self.picture_mean) * real, lengths

    def forward(self, x):
        units, sizes, *told = x
        voice = told.pop() if self.of_voice else None
        h, forecasts = self.encode(units, sizes, voice)
        if told:
            durations, prosody = told[0], self._standard(*told)[..., 1:]
        else:
            durations, prosody = self.frames(forecasts, sizes), forecasts[..., 1:]
        return *self.decode(h, durations, prosody), forecasts

    def _standard(self, durations, prosody):
        """Duration, pitch and energy, [batch, phonemes, 3], in standard deviations from their means."""
        return (_told(durations, prosody) - self.told_mean) / self.told_std

    def loss(self, output, y):
        """How far frames (absolute) and forecasts (squared) are off, in standard deviations: means, added up."""
        (drawn, lengths, forecasts), (pictures, sizes, durations, prosody, *_) = output, y
        frames = mask(lengths, pictures.shape[1])[..., 0] > 0
        phonemes = mask(sizes, durations.shape[1])[..., 0] > 0
        return (l1_loss((drawn / self.picture_std)[frames], (pictures / self.picture_std)[frames])
                + 3 * mse_loss(forecasts[phonemes], self._standard(durations, prosody)[phonemes]))


def _told(durations, prosody):
    """What is foretold of a phoneme, [..., 3]: ``ln(1 + frames)``, ``ln F0``, energy."""
    return torch.cat([durations[..., None].float().log1p(), prosody], dim=-1)


def synthesise(model, text, speed=1.0, pitch=0.0, pitch_range=1.0, voice=None):
    """The picture of a text that is spoken.

    Parameters
    ----------
    model : FastSpeech
        The first of the two that ``models.load`` returns.
    text : str or list of str
        A text; or phonemes, as `audiolab.pronounce.phonemes` returns them.
    speed : float
        0.25 to 4: how much faster than the voice's own pace. Every sound is shortened alike.
    pitch : float
        Semitones above the voice's own height, -24 to 24.
    pitch_range : float
        0 to 3: how far the melody goes up and down, as a factor; 0 is monotonous. The slider of `widgets.speaker` calls
        it melody.
    voice : np.ndarray, shape [voice], optional
        Of a network of many voices: whose it is to be, as `audiolab.models.speaker.embed` returns it.

    Returns
    -------
    np.ndarray, shape [80, frames], float32
        As `audiolab.vocode.picture`, which makes a sound of it by `audiolab.vocode.sound`.

    Raises
    ------
    TypeError
        If the model is no FastSpeech, or the text neither str nor list.
    ValueError
        If there is nothing to speak, a phoneme is unknown, or a control is no number in its range; if a voice is
        missing, or none is wanted, or it is not the embedding of anybody.

    Notes
    -----
    The ranges are wider than what a voice can do. Measured of ``english-fastspeech-readings``: asked for 3 or 6
    semitones, up or down, it gives nearly that, for 12 about 7, for 24 about 8. Of its phonemes a recogniser gets some
    6 % wrong at speed 1, 8 % at 1.2, a fifth at 0.5 and 1.5, and more than half at 2.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    phonemes = text if isinstance(text, list) else pronounce.phonemes(pronounce.normalise(text))
    return drawn(model, phonemes, speed, pitch, pitch_range, voice)[0]


def drawn(model, phonemes, speed=1.0, pitch=0.0, pitch_range=1.0, voice=None):
    """The picture of phonemes, as `synthesise` draws it, and how many frames of it belong to each.

    Returns
    -------
    picture : np.ndarray, shape [80, frames], float32
    durations : np.ndarray of int, shape [1 + phonemes]
        The first is what comes before the first phoneme. Their sum is the number of frames.

    Raises
    ------
    TypeError, ValueError
        As `synthesise`.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    admit(model, voice, speed, pitch, pitch_range)
    device = model.told_mean.device
    if voice is not None:
        voice = normalize(torch.from_numpy(np.array(voice)).float()[None]).to(device)
    units, sizes = torch.tensor([to_units(phonemes)], device=device), torch.tensor([1 + len(phonemes)], device=device)
    with torch.inference_mode():
        h, forecasts = model.eval().encode(units, sizes, voice)
        height, energy = forecasts[..., 1], forecasts[..., 2]
        height = height.mean() + pitch_range * (height - height.mean())
        height = height + pitch * math.log(2) / 12 / model.told_std[1]          # a semitone is a twelfth of an octave
        durations = model.frames(forecasts, sizes, speed)
        picture, _ = model.decode(h, durations, torch.stack([height, energy], dim=2))
    return picture[0].T.cpu().numpy(), durations[0].cpu().numpy()


def colour(picture):
    """The colour of a voice: mean and standard deviation of each mel channel, over the frames that sound.

    The means are known as the long-term average spectrum. `SpeakerEncoder` is taught not to hear it, for microphones
    have one as well.

    Parameters
    ----------
    picture : np.ndarray, shape [n_mels, frames]
        As of `audiolab.vocode.picture`; some seconds of speech.

    Returns
    -------
    np.ndarray, shape [2, n_mels]

    Raises
    ------
    ValueError
        If there are less than ten frames.

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    if picture.shape[1] < 10:
        raise ValueError(f"A colour is that of some seconds of speech, not of {picture.shape[1]} frames.")
    level = picture.mean(axis=0)
    sounding = picture[:, level > np.quantile(level, PAUSES)]
    return np.stack([sounding.mean(axis=1), sounding.std(axis=1)])


def coloured(picture, wanted):
    """A picture in another colour: each mel channel moved and stretched, until `colour` finds there what is wanted.

    Parameters
    ----------
    picture : np.ndarray, shape [n_mels, frames]
        As `synthesise` returns it.
    wanted : np.ndarray, shape [2, n_mels]
        As `colour` returns it.

    Returns
    -------
    np.ndarray, shape [n_mels, frames], float32

    Taught in: notebooks/14_voice_cloning.ipynb, "Can it speak in a voice it never heard?"
    """
    (mean, std), (to_mean, to_std) = colour(picture)[..., None], wanted[..., None]
    stretch = np.clip(to_std / np.maximum(std, 1e-3), 0.5, 2)         # of what hardly moves nothing is known
    return np.maximum((picture - mean) * stretch + to_mean, SILENCE).astype(np.float32)


def admit(model, voice, *controls):
    """The door: raises the errors of `synthesise` for a model that is no FastSpeech, a voice, and controls."""
    if not isinstance(model, FastSpeech):
        raise TypeError("The voice is a FastSpeech, the first of the two that models.load returns, and not a "
                        f"{type(model).__name__}.")
    if model.of_voice is None and voice is not None:
        raise ValueError("This network has one voice of its own: leave voice out, or load one of many voices.")
    if model.of_voice is not None:
        n = model.of_voice.in_features
        if voice is None or np.shape(voice) != (n,) or not (np.isfinite(voice).all() and np.any(voice)):
            raise ValueError(f"This network speaks in any voice, and is told in whose: voice={n} finite numbers, not "
                             "all 0, as models.speaker.embed returns them.")
    for value, (name, (low, high)) in zip(controls, CONTROLS.items(), strict=True):
        if not (isinstance(value, Real) and low <= value <= high):
            raise ValueError(f"{name} goes from {low} to {high}, not {value!r}.")


def parts(text):
    """The sentences of a text that hold a letter or a numeral; the text itself where none does.

    Raises
    ------
    TypeError
        If the text is no str.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    if not isinstance(text, str):
        raise TypeError(f"A text is a str, not {type(text).__name__}.")
    return [part for part in pronounce.sentences(text) if re.search(r"[^\W_]", part)] or [text]


def aloud(text, say, sr):
    """A text of any length: its `parts`, one after the other, with `PAUSE` in between.

    Parameters
    ----------
    text : str
    say : callable
        ``say(sentence) -> signal [n]``.
    sr : int
        Samples per second of what `say` returns.

    Returns
    -------
    np.ndarray, shape [n], float32

    Raises
    ------
    TypeError
        If the text is no str.
    ValueError
        Of `say`, with the number of the sentence and its beginning in front if there are several. Nothing is returned
        then, also of sentences that could be said.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    sentences, sounds, silence = parts(text), [], np.zeros(round(PAUSE * sr), np.float32)
    for i, sentence in enumerate(sentences, 1):
        try:
            sounds += [silence, say(sentence)]
        except ValueError as error:
            if len(sentences) == 1:
                raise
            begin = textwrap.shorten(sentence, 60, placeholder=" …")
            raise ValueError(f"Sentence {i} of {len(sentences)}, {begin!r}: {error}") from None
    return np.concatenate(sounds[1:])


def speak(model, text, sound=vocode.sound, speed=1.0, pitch=0.0, pitch_range=1.0, voice=None):
    """A text of any length, spoken: `synthesise` and a vocoder for each sentence.

    Parameters
    ----------
    model : FastSpeech
    text : str
        English. What holds neither letter nor numeral, such as a line of stars, is passed over if there is more.
    sound : callable
        ``sound(picture [80, frames]) -> signal``: `audiolab.vocode.sound`, or the method `sound` of a `Vocoder`.
    speed, pitch, pitch_range : float
    voice : np.ndarray, optional
        As of `synthesise`.

    Returns
    -------
    y : np.ndarray, shape [n], float32
    sr : int
        16000.

    Raises
    ------
    TypeError
        As `synthesise`, if the text is no str, or `sound` is a model and not its method.
    ValueError
        As `synthesise`, with the number of the sentence if there are several.

    Taught in: notebooks/05_text_to_speech.ipynb, "Faster, higher, livelier?"
    """
    admit(model, voice, speed, pitch, pitch_range)
    if isinstance(sound, nn.Module):
        raise TypeError(f"The sound is a method of the {type(sound).__name__}: pass vocoder.sound, not vocoder.")
    return aloud(text, lambda part: sound(synthesise(model, part, speed, pitch, pitch_range, voice)), SR), SR
