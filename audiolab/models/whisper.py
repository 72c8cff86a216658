"""Whisper, small enough to be trained here: the real classes of `transformers`, with a tokenizer of letters.

Published checkpoints listen to 30 s, know 50,000 pieces of words, and have 39 million parameters and more (Radford et
al., "Robust speech recognition via large-scale weak supervision", 2022). This one listens to 4 s, knows the 28 letters
of the course, and has fewer than a million. All else is alike: the front end, the tokens that say what is to be done,
encoder, decoder, and how `transformers` opens and runs it.
"""

import torch
from torch import nn

from .. import decode
from ..features import mel_filterbank

SR, SECONDS, HOP, N_FFT, N_MELS = 16000, 4, 160, 400, 80
FRAMES = SECONDS * SR // HOP
LETTERS = len(decode.LETTERS)                                   # tokens 0 to 27 are units 1 to 28
SPECIAL = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>",
           "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")
TOKENS = {token: i for i, token in enumerate((*decode.LETTERS.replace(" ", "Ġ"), *SPECIAL))}     # Ġ: a space, as a byte
END = TOKENS["<|endoftext|>"]
PROMPT = [TOKENS[token] for token in ("<|startoftranscript|>", "<|en|>", "<|transcribe|>", "<|notimestamps|>")]


def log_mel(signals):
    """Whisper's own picture of a batch of signals.

    80 mel channels of Slaney's scale from windows of 25 ms, common logarithm; what lies more than 80 dB under the
    clip's loudest value is lifted to there, then ``(x + 4) / 4``.

    Parameters
    ----------
    signals : torch.Tensor, shape [batch, n]
        At 16 kHz; cut or filled up with silence to 4 s.

    Returns
    -------
    torch.Tensor, shape [batch, 80, 400]

    Notes
    -----
    ``transformers.WhisperFeatureExtractor(chunk_length=4)`` agrees.

    Taught in: notebooks/04_speech_recognition.ipynb, "What does Whisper hear?"
    """
    signals = nn.functional.pad(signals[:, : SECONDS * SR], (0, max(0, SECONDS * SR - signals.shape[1])))
    window = torch.hann_window(N_FFT, device=signals.device)
    X = torch.stft(signals, N_FFT, HOP, window=window, return_complex=True)[..., :-1]           # [batch, 201, 400]
    bank = torch.from_numpy(mel_filterbank(SR, N_FFT, N_MELS)).to(signals)
    level = (bank @ X.abs().square()).clamp(min=1e-10).log10()
    level = torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - 8)
    return (level + 4) / 4


def tokens(texts, sizes):
    """What the decoder is to say for texts in units, filled up with -100, which is not asked: [batch, letters + 5]."""
    whole = torch.full((len(texts), len(PROMPT) + texts.shape[1] + 1), -100, device=texts.device)
    whole[:, : len(PROMPT)] = torch.tensor(PROMPT, device=texts.device)
    at = torch.arange(texts.shape[1], device=texts.device)
    whole[:, len(PROMPT) : -1] = (texts - 1).masked_fill(at >= sizes[:, None], -100)
    whole[torch.arange(len(texts)), len(PROMPT) + sizes] = END
    return whole


class TinyWhisper(nn.Module):
    """A `transformers.WhisperForConditionalGeneration` of under a million parameters, ready to be trained.

    ``(features [batch, 80, 400], lengths, texts, sizes)`` to ``(scores [batch, tokens, 37], ctc log_probs)``; `write`
    gives texts. While training, the encoder has a second task, CTC, without which a decoder takes much longer to find
    out that it may look at the sound.

    Parameters
    ----------
    dim, layers, heads, hidden : int
        Width, layers of the encoder (the decoder has one less), heads of each, width inside a layer.
    dropout : float

    Attributes
    ----------
    whisper : transformers.WhisperForConditionalGeneration

    Taught in: notebooks/04_speech_recognition.ipynb, "What does Whisper hear?"
    """

    sr = SR

    def __init__(self, dim=128, layers=3, heads=4, hidden=288, dropout=0.05):
        from transformers import WhisperConfig, WhisperForConditionalGeneration

        super().__init__()
        self.whisper = WhisperForConditionalGeneration(WhisperConfig(
            vocab_size=len(TOKENS), num_mel_bins=N_MELS, d_model=dim, max_source_positions=FRAMES // 2,
            max_target_positions=64, encoder_layers=layers, decoder_layers=layers - 1, encoder_attention_heads=heads,
            decoder_attention_heads=heads, encoder_ffn_dim=hidden, decoder_ffn_dim=hidden, dropout=dropout,
            init_std=dim**-0.5,                                 # 0.02, made for wide layers, would drown the sound
            bos_token_id=END, eos_token_id=END, pad_token_id=END, decoder_start_token_id=PROMPT[0],
            suppress_tokens=None, begin_suppress_tokens=None))
        ready = self.whisper.generation_config
        ready.is_multilingual, ready.no_timestamps_token_id = True, PROMPT[3]
        ready.lang_to_id, ready.task_to_id = {"<|en|>": PROMPT[1]}, {"transcribe": PROMPT[2],
                                                                     "translate": TOKENS["<|translate|>"]}
        ready.max_length, ready.suppress_tokens, ready.begin_suppress_tokens = 64, None, None
        self.ctc = nn.Linear(dim, 1 + LETTERS)

    @staticmethod
    def batch(items):
        """Signals [1, n] or pictures [80, 400] and their units: pictures, and the texts among what goes in."""
        signals, texts = zip(*items, strict=True)
        sizes = torch.tensor([len(text) for text in texts])
        filled = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([signal.shape[-1] for signal in signals])
        if signals[0].shape[0] == 1:
            x = nn.utils.rnn.pad_sequence([signal[0] for signal in signals], batch_first=True)[:, None]
        else:
            x = torch.stack(signals)
        return (x, lengths, filled, sizes), (filled, sizes)

    def forward(self, x):
        pictures, _, texts, sizes = x
        told = tokens(texts, sizes)[:, :-1]
        made = self.whisper(input_features=pictures, decoder_input_ids=told.masked_fill(told < 0, END))
        return made.logits, self.ctc(made.encoder_last_hidden_state).log_softmax(dim=2)

    @staticmethod
    def loss(output, y):
        """Cross entropy of letters and end, and 0.3 of the encoder's CTC loss, both by letter."""
        (scores, log_probs), (texts, sizes) = output, y
        wanted = tokens(texts, sizes)[:, 1:].clone()
        wanted[:, : len(PROMPT) - 1] = -100                     # which the prompt gives
        spelling = nn.functional.cross_entropy(scores.transpose(1, 2), wanted, label_smoothing=0.05)
        lengths = torch.full((len(texts),), log_probs.shape[1])
        each = nn.functional.ctc_loss(log_probs.transpose(0, 1), texts, lengths, sizes, reduction="none",
                                      zero_infinity=True)
        return spelling + 0.3 * (each / sizes.clamp(min=1)).mean()

    def write(self, pictures):
        """The texts of a batch of pictures [batch, 80, 400], by greedy decoding."""
        with torch.inference_mode():
            pictures = pictures.to(next(self.parameters()).device)
            said = self.whisper.generate(pictures, language="en", task="transcribe", do_sample=False)
        return [decode.to_text([token + 1 for token in one if token < LETTERS]) for one in said.tolist()]


def processor():
    """Front end and tokenizer of the tiny Whisper: a `transformers.WhisperProcessor`.

    Taught in: notebooks/04_speech_recognition.ipynb, "What does Whisper hear?"
    """
    from transformers import WhisperFeatureExtractor, WhisperProcessor, WhisperTokenizer

    tokenizer = WhisperTokenizer(vocab=dict(TOKENS), merges=[], language="en", task="transcribe",
                                 additional_special_tokens=list(SPECIAL[1:]))
    return WhisperProcessor(WhisperFeatureExtractor(feature_size=N_MELS, sampling_rate=SR, chunk_length=SECONDS),
                            tokenizer)
