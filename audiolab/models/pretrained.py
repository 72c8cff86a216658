"""The door to published models: always the real classes of `transformers`, and, where the course has one, a tiny
stand-in of the same class that needs no network.
"""

from dataclasses import dataclass

from .. import paths
from . import checkpoints

#: Published models that the course opens, their class, and the checkpoint of the course that stands in offline.
KNOWN = {
    "openai/whisper-tiny": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "openai/whisper-base": ("WhisperForConditionalGeneration", "digits-whisper-anywhere"),
    "facebook/wav2vec2-base-960h": ("Wav2Vec2ForCTC", None),
    "facebook/hubert-large-ls960-ft": ("HubertForCTC", None),
}


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
    """

    model: object
    processor: object
    name: str
    published: bool


def load(name, download=False):
    """Open a published model, or what stands in for it.

    Parameters
    ----------
    name : str
        One of `KNOWN`, such as ``"openai/whisper-base"``.
    download : bool
        Fetch the published weights (290 MB for whisper-base) where they are not in the cache. Without it the network
        is not touched.

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
    Only weights in the safetensors format are opened. While notebooks are built for the repository, published weights
    count as absent.

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

    model = getattr(transformers, kind).from_pretrained(name, local_files_only=local, use_safetensors=True)
    return Opened(model.eval(), transformers.AutoProcessor.from_pretrained(name, local_files_only=local), name, True)


def _of_the_course(name):
    from transformers.utils import logging

    from .whisper import processor

    logging.set_verbosity_error()                               # it warns of settings that `pipeline` makes itself

    model, _ = checkpoints.load(name)
    return Opened(model.whisper.eval(), processor(), name, False)
