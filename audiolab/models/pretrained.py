"""The door to published models: always the real classes of `transformers`, and, where the course has one, a tiny
stand-in of the same class that needs no network.
"""

import os
from dataclasses import dataclass

import numpy as np
import torch

from .. import paths, pronounce
from . import checkpoints, tts

#: Published models that the course opens, their class, and the checkpoint of the course that stands in offline.
KNOWN = {
    "openai/whisper-tiny": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "openai/whisper-base": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "facebook/wav2vec2-base-960h": ("Wav2Vec2ForCTC", None),
    "facebook/hubert-large-ls960-ft": ("HubertForCTC", None),
    "microsoft/speecht5_tts": ("SpeechT5ForTextToSpeech", None),
}
#: Classes that draw pictures, and who makes sounds of them.
VOCODERS = {"SpeechT5ForTextToSpeech": ("SpeechT5HifiGan", "microsoft/speecht5_hifigan")}


class NotHere(RuntimeError):
    """Published weights are neither on this machine nor may they be fetched, and nothing stands in for them."""


@dataclass(frozen=True)
class Opened:
    """What came through the door.

    Attributes
    ----------
    model, processor
        Of `transformers`. The processor has a `feature_extractor` and a `tokenizer`.
    name : str
        What was really opened: the published name, or that of the course's checkpoint.
    published : bool
        Whether these are the published weights.
    vocoder
        Of `transformers`, beside a model that draws pictures.
    """

    model: object
    processor: object
    name: str
    published: bool
    vocoder: object = None


def load(name, download=False):
    """Open a published model, or what stands in for it.

    Parameters
    ----------
    name : str
        One of `KNOWN`, such as ``"openai/whisper-base"``.
    download : bool
        Fetch the published weights (290 MB for whisper-base, 640 MB for SpeechT5 and its vocoder) where they are not in
        the cache. Without it the network is not touched.

    Returns
    -------
    Opened

    Raises
    ------
    ValueError
        If the course does not know the model.
    NotHere
        If the weights are not on this machine and nothing stands in for them, or they were to be fetched and could not.

    Notes
    -----
    Weights are opened in the safetensors format. Where their publisher has none, as of SpeechT5, whose files are Python
    pickles, by ``weights_only=True``: that makes tensors, and refuses whatever else a pickle could make or run. While
    notebooks are built for the repository, published weights count as absent.

    Taught in: notebooks/04_speech_recognition.ipynb, "What does Whisper hear?"
    """
    if name not in KNOWN:
        raise ValueError(f"The course does not know {name!r}. It opens {', '.join(KNOWN)}.")
    kind, stands_in = KNOWN[name]
    if not paths.building():
        try:
            return _published(name, kind, local=not download)
        except (OSError, ValueError) as error:                  # what transformers raises for: not there, no network
            if download:
                reason = " ".join(str(error).split())[:120]
                raise NotHere(f"The weights of {name} could not be fetched ({reason}).") from None
    if stands_in is None:
        raise NotHere(f"The weights of {name} are not on this machine: load(..., download=True) fetches them. The "
                      "course has no model that stands in for it.")
    return _of_the_course(stands_in)


def _published(name, kind, local):
    import transformers
    from huggingface_hub import constants

    # Even of what is here already they would have a server make safetensors, and tell it who is asking.
    os.environ["DISABLE_SAFETENSORS_CONVERSION"], constants.HF_HUB_DISABLE_TELEMETRY = "1", True

    def opened(kind, name):
        return getattr(transformers, kind).from_pretrained(name, local_files_only=local, weights_only=True).eval()

    vocoder = opened(*VOCODERS[kind]) if kind in VOCODERS else None
    processor = transformers.AutoProcessor.from_pretrained(name, local_files_only=local)
    return Opened(opened(kind, name), processor, name, True, vocoder)


def _of_the_course(name):
    from transformers.utils import logging

    from .whisper import processor

    logging.set_verbosity_error()                               # it warns of settings that `pipeline` makes itself

    model, _ = checkpoints.load(name)
    return Opened(model.whisper.eval(), processor(), name, False)


def speak(opened, text, speaker, seed=0):
    """A text in the voice of a speaker, by SpeechT5 and its vocoder.

    SpeechT5 is a Tacotron whose encoder and decoder are transformers: it reads letters, draws two frames a step, each
    in the light of those before it, and says when to stop. Who speaks is told by 512 numbers, an x-vector, scaled to
    length 1 and put beside every frame.

    Parameters
    ----------
    opened : Opened
        As ``load("microsoft/speecht5_tts")`` returns it.
    text : str
        English, of any length; each sentence up to some hundred letters, for which the network has places.
    speaker : np.ndarray, shape [512]
        The x-vector of a recording, by the network that made those from which SpeechT5 learnt,
        ``speechbrain/spkrec-xvect-voxceleb``; or one that was published, a file for `np.load`. 512 numbers of another
        network pass too, and name nobody, since each network has its own map of voices.
    seed : int
        The network draws some of its numbers by lot when it speaks too: dropout is part of its prenet.

    Returns
    -------
    y : np.ndarray, shape [n], float32
    sr : int
        16000.

    Raises
    ------
    ValueError
        If the model does not speak, the speaker is not 512 finite numbers or all of them are 0, or a sentence holds
        nothing to say or is too long.

    Notes
    -----
    Without an x-vector `transformers` raises a ValueError. Its examples pass 512 zeros, which it takes: the centre of
    the sphere on which all voices lie, where none was heard while it learnt, so that nothing is promised of the sound.

    References
    ----------
    Ao et al., "SpeechT5: unified-modal encoder-decoder pre-training for spoken language processing", 2022; Snyder et
    al., "X-vectors: robust DNN embeddings for speaker recognition", 2018; Kong, Kim and Bae, "HiFi-GAN: generative
    adversarial networks for efficient and high fidelity speech synthesis", 2020.

    Taught in: notebooks/05_text_to_speech.ipynb, "Whose voice is it?"
    """
    if opened.vocoder is None:
        raise ValueError(f"{opened.name} does not speak: open microsoft/speecht5_tts.")
    config, device = opened.model.config, opened.model.device
    speaker = np.asarray(speaker, np.float32)
    if speaker.shape != (config.speaker_embedding_dim,) or not np.isfinite(speaker).all():
        raise ValueError(f"A speaker is an x-vector of shape [{config.speaker_embedding_dim}], of finite numbers; this "
                         f"one has shape {list(speaker.shape)}.")
    if not speaker.any():
        raise ValueError("This speaker is all zeros, which is nobody's voice: give the x-vector of a recording.")
    x = torch.from_numpy(speaker)[None].to(device)

    def say(sentence):
        ids = opened.processor(text=pronounce.normalise(sentence), return_tensors="pt").input_ids
        if ids.shape[1] > config.max_text_positions:
            raise ValueError(f"SpeechT5 reads {config.max_text_positions} letters at once, and a sentence has "
                             f"{ids.shape[1]}. Make two of it: {sentence[:40]!r} …")
        with torch.inference_mode():
            return opened.model.generate_speech(ids.to(device), x, vocoder=opened.vocoder).cpu().numpy()

    sr = opened.vocoder.config.sampling_rate
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return tts.aloud(text, say, sr), sr
