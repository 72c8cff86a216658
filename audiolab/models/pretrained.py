"""The door to published models: always the real classes of `transformers`, and, where the course has one, a tiny
stand-in of the same class that needs no network.
"""

import os
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from .. import paths, preprocess, pronounce
from . import checkpoints, selfsupervised, tts, whisper

#: Published models that the course opens, their class, and the checkpoint of the course that stands in offline.
KNOWN = {
    "openai/whisper-tiny": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "openai/whisper-base": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "facebook/wav2vec2-base-960h": ("Wav2Vec2ForCTC", None),
    "facebook/hubert-large-ls960-ft": ("HubertForCTC", None),
    "facebook/wav2vec2-base": ("Wav2Vec2Model", "speech-wav2vec2-sentences"),
    "facebook/hubert-base-ls960": ("HubertModel", "speech-hubert-sentences"),
    "MIT/ast-finetuned-audioset-10-10-0.4593": ("ASTForAudioClassification", None),
    "microsoft/speecht5_tts": ("SpeechT5ForTextToSpeech", None),
}
#: Classes that listen and write nothing: with them comes a feature extractor, and no tokenizer.
LISTENERS = ("Wav2Vec2Model", "HubertModel", "ASTForAudioClassification")
MOMENT = 400, 160               # samples of a column of the AST's picture, and from one to the next
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
        Of `transformers`. The processor has a `feature_extractor` and a `tokenizer`; for `LISTENERS` it is the feature
        extractor.
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
    front = transformers.AutoFeatureExtractor if kind in LISTENERS else transformers.AutoProcessor
    return Opened(opened(kind, name), front.from_pretrained(name, local_files_only=local), name, True, vocoder)


def _of_the_course(name):
    from transformers.utils import logging

    logging.set_verbosity_error()                               # it warns of settings that `pipeline` makes itself

    model, _ = checkpoints.load(name)
    if hasattr(model, "encoder"):
        return Opened(model.encoder.eval(), selfsupervised.front(), name, False)
    return Opened(model.whisper.eval(), whisper.processor(), name, False)


def embed(opened, signals, sr, layer=-1, parts=3, batch_size=16):
    """Embeddings of clips: what a layer of a model makes of them, averaged over equal stretches of each.

    Parameters
    ----------
    opened : Opened
        One of `LISTENERS`.
    signals : sequence of np.ndarray, shape [n]
        Of any lengths; one too short for a single frame is filled up with silence. The AST takes 10 s in.
    sr : int
        Of all of them; they are brought to the rate of the model.
    layer : int or None
        0 is what goes into the transformer, 1 comes out of its first layer, -1 of its last. None gives all.
    parts : int
        Stretches into which a clip's own frames are cut; their means stand one after the other. With 3, what comes
        first and what last is told apart.
    batch_size : int
        Clips at a time.

    Returns
    -------
    np.ndarray, shape [clips, parts * dim], float32
        With all layers, [layers + 1, clips, parts * dim].

    Raises
    ------
    ValueError
        If the model is none that listens, there is nothing to listen to, a signal holds NaN or infinity, or `layer` or
        `parts` is out of range.

    Notes
    -----
    A clip gives the same alone as among others: frames that are filled up to the longest of a batch count nowhere.
    Models whose first layer measures the whole clip with its filling (`feat_extract_norm="group"`, as of wav2vec 2.0
    base) get each clip alone.

    Taught in: notebooks/12_transfer.ipynb, "What is an embedding?"
    """
    _require_listening(opened, signals, layer, parts)
    rate, config = opened.processor.sampling_rate, opened.model.config
    patches = not hasattr(config, "conv_kernel")
    states_of, least = (_columns, MOMENT[0]) if patches else (_states, _field(config))
    size = 1 if not patches and config.feat_extract_norm == "group" else batch_size
    longer = [preprocess.resample(np.asarray(y, np.float32), sr, rate) for y in signals]
    longer = [np.pad(y, (0, max(0, least - len(y)))) for y in longer]
    order = np.argsort([len(y) for y in longer], kind="stable")         # alike long together, so that little is filled
    found = [None] * len(longer)
    for at in range(0, len(order), size):
        own = order[at : at + size]
        for i, states in zip(own, states_of(opened, [longer[i] for i in own]), strict=True):
            edge = np.arange(parts + 1) * states.shape[1] // parts
            means = [states[:, a : max(a + 1, b)].mean(axis=1) for a, b in pairwise(edge)]
            means = np.concatenate(means, axis=1)               # [layers + 1, parts * dim]
            found[i] = means if layer is None else means[layer].copy()      # a view would keep all layers in memory
    return np.stack(found, axis=1 if layer is None else 0)


def _require_listening(opened, signals, layer, parts):
    kind = type(opened.model).__name__
    if kind not in LISTENERS:
        raise ValueError(f"{opened.name} is a {kind}, of which no embeddings are taken here: open a model of "
                         f"{', '.join(LISTENERS)}.")
    if not len(signals) or any(np.ndim(y) != 1 or not np.isfinite(y).all() for y in signals):
        raise ValueError("Embeddings are made of a list of signals of shape [n], of finite numbers, one at least.")
    layers = opened.model.config.num_hidden_layers
    if layer is not None and not -layers - 1 <= layer <= layers:
        raise ValueError(f"{opened.name} has layers 0 to {layers}, or -1 to {-layers - 1} from the end: not {layer}.")
    if parts < 1:
        raise ValueError(f"parts={parts}: a clip has one at least.")


def _field(config):
    """Samples that one frame of a model needs."""
    field = 1
    for kernel, stride in zip(config.conv_kernel[::-1], config.conv_stride[::-1], strict=True):
        field = (field - 1) * stride + kernel
    return field


def _states(opened, signals):
    """Of each signal the hidden states of all layers at its own frames: arrays [layers + 1, frames, dim]."""
    model, rate = opened.model, opened.processor.sampling_rate
    given = opened.processor(signals, sampling_rate=rate, padding=True, return_tensors="pt").to(model.device)
    with torch.inference_mode():
        made = model(**given, output_hidden_states=True)
    states = torch.stack([*made.hidden_states[:-1], made.last_hidden_state]).float().cpu()      # normalised at the end
    sizes = model._get_feat_extract_output_lengths(torch.tensor([len(y) for y in signals]))
    return [states[:, i, :n].numpy() for i, n in enumerate(sizes.tolist())]


def _columns(opened, signals):
    """The same of an AST: patches that stand above one another, at the same time, are averaged to one frame."""
    config, rate = opened.model.config, opened.processor.sampling_rate
    given = opened.processor(signals, sampling_rate=rate, return_tensors="pt").to(opened.model.device)
    with torch.inference_mode():
        states = torch.stack(opened.model(**given, output_hidden_states=True).hidden_states).float().cpu()
    rows = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    states = states[:, :, 2:].unflatten(2, (rows, -1)).mean(dim=2)              # the first two are no patches
    moments = 1 + (torch.tensor([len(y) for y in signals]) - MOMENT[0]) // MOMENT[1]
    sizes = (1 + (moments - config.patch_size) // config.time_stride).clamp(1, states.shape[2])
    return [states[:, i, :n].numpy() for i, n in enumerate(sizes.tolist())]


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
