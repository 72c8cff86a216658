"""Trained weights that the course ships: a file of numbers, and a card that says where they come from."""

import json

from .. import paths

CLASSES = {                                                     # and the module of each
    "CNN": "classify", "RNN": "classify", "CRNN": "classify", "DSCNN": "classify", "DSCNNSpotter": "spot",
    "AudioTransformer": "classify", "WaveCNN": "classify", "EventCRNN": "detect", "EventTransformer": "detect",
    "CTCNet": "asr", "AttentionASR": "asr", "FrameNet": "asr", "TinyWhisper": "whisper", "Vocoder": "vocoder",
    "FastSpeech": "tts", "Tacotron": "tacotron",
    "SpeakerEncoder": "speaker", "SpeakerJudge": "speaker",
    "KeysLSTM": "music", "KeysTransformer": "music", "ChordTransformer": "music", "VoiceTransformer": "music",
    "InfillTransformer": "infilling", "UNet": "separate", "RecurrentMask": "separate", "ConvTasNet": "separate",
    "TinyWav2Vec2": "selfsupervised", "TinyHubert": "selfsupervised"}


def names():
    """Names of the checkpoints that are here, sorted.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """
    return sorted(file.stem for file in _folder().glob("[!.]*.safetensors") if file.with_suffix(".json").exists())


def load(name):
    """Open a checkpoint.

    Parameters
    ----------
    name : str
        ``<task>-<architecture>-<corpus>``, such as ``"events-crnn-scenes"``.

    Returns
    -------
    model : torch.nn.Module
        In evaluation mode, on the CPU.
    card : dict
        How it was made (`recipe`, `corpus`, `seed`, `epochs`, `seconds`, `machine`), what it is (`class`, `arguments`,
        `parameters`, `labels`), what it was worth on held-out data (`metrics`), and the `licence` of the data.

    Raises
    ------
    ValueError
        If there is no such checkpoint, its card is damaged, or card and weights do not belong together.

    Notes
    -----
    The weights are in the safetensors format, which holds numbers and nothing that could be run.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    weights, file = _files(name)
    if not (weights.exists() and file.exists()):
        raise ValueError(f"There is no checkpoint {name!r}. Here are: {', '.join(names()) or 'none'}, in {_folder()}. "
                         "Set AUDIOLAB_HOME to the folder of the course if that is elsewhere; `audiolab train` makes "
                         "its checkpoints.")
    try:
        card = json.loads(file.read_text("utf-8"))
        model = build(card)
        model.load_state_dict(load_file(weights))
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"The checkpoint {name!r} is damaged, or its card belongs to other weights ({reason}): "
                         f"restore it with git, or make it anew with `audiolab train {name}`.") from None
    return model.eval(), card


def save(name, model, card):
    """Keep a model under ``data/checkpoints``: weights and card, or neither when something goes wrong.

    Parameters
    ----------
    name : str
    model : torch.nn.Module
        Of one of `CLASSES`.
    card : dict
        With `arguments`, by which the model was built.

    Returns
    -------
    dict
        The card as it was written: with `name`, `class` and `parameters`.

    Raises
    ------
    ValueError
        If the model is of no class that `load` could open.
    """
    from safetensors.torch import save_file

    kind = type(model).__name__
    if kind not in CLASSES:
        raise ValueError(f"A {kind} could not be opened again: the classes with checkpoints are {', '.join(CLASSES)}.")
    known = {"name": name, "class": kind, "parameters": size(model)}
    card = {**known, **card, **known}                           # first in the file, and never another model's
    weights, file = _files(name)
    with paths.replacing(file) as new_card, paths.replacing(weights) as new_weights:    # both whole, then both renamed
        new_card.write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")
        state = {key: _small(value.detach().cpu().clone().contiguous()) for key, value in model.state_dict().items()}
        save_file(state, new_weights)
    return card


def halve(model):
    """Round a model's numbers to half precision, in place, so that `save` needs two bytes for each and not four."""
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(value.half())


def _small(value):
    """The same numbers in half precision, where that changes none."""
    return value.half() if value.is_floating_point() and bool((value.half() == value).all()) else value


def build(card):
    """A model as its card describes it, with fresh weights."""
    from importlib import import_module

    module = import_module(f".{CLASSES[card['class']]}", __package__)
    return getattr(module, card["class"])(**card["arguments"])


def size(model):
    """Number of trained parameters.

    Taught in: notebooks/06_classification.ipynb, "Which network?"
    """
    return sum(parameter.numel() for parameter in model.parameters())


def _folder():
    return paths.course() / "data" / "checkpoints"


def _files(name):
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError(f"{name!r} is no name of a checkpoint: <task>-<architecture>-<corpus>.")
    return _folder() / f"{name}.safetensors", _folder() / f"{name}.json"
