"""Models, a file for each task, and the checkpoints of the course: ``models.load(name) -> (model, card)``."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["asr", "checkpoints", "classify", "detect", "infilling", "music", "pretrained", "running",
                "selfsupervised", "separate", "speaker", "spot", "tacotron", "tts", "vocoder", "whisper"],
    submod_attrs={
        "asr": ["AttentionASR", "CTCNet", "FrameNet", "transcribe"],
        "infilling": ["InfillTransformer"],
        "music": ["ChordTransformer", "KeysLSTM", "KeysTransformer", "VoiceTransformer"],
        "running": ["threads"],
        "selfsupervised": ["TinyHubert", "TinyWav2Vec2", "mask_spans"],
        "separate": ["ConvTasNet", "RecurrentMask", "UNet"],
        "speaker": ["SpeakerEncoder", "SpeakerJudge", "ge2e_loss"],
        "spot": ["DSCNNSpotter"],
        "tacotron": ["Tacotron"],
        "tts": ["FastSpeech", "speak", "synthesise"],
        "vocoder": ["Vocoder"],
        "whisper": ["TinyWhisper"],
        "checkpoints": ["build", "load", "names", "save", "size"],
        "detect": ["EventCRNN", "EventTransformer", "MeanTeacher", "attention_pooling", "linear_softmax_pooling",
                   "semi_supervised_loss"],
        "classify": ["AttentionPooling", "AudioTransformer", "CNN", "CRNN", "DSCNN", "RNN", "WaveCNN"],
    },
)
