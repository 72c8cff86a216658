"""The keyword spotter in whole numbers, and as a C program that computes the same."""

import dataclasses
import functools
import shutil
import struct
import subprocess
from fractions import Fraction

import numpy as np
import pytest
import torch

from audiolab import audio, cli, embedded, features, models, paths, recipes, training
from audiolab.corpora import speech
from audiolab.embedded import program
from audiolab.features.mel import SILENCE

NAME = "keywords-dscnn-digits"
FEW = functools.partial(speech.digits, n=500, length=(1, 1))   # its 400 training clips choose the steps
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
ASKED = """
#include <stdio.h>
#include "spotter.h"

static uint8_t features[SPOTTER_MELS * SPOTTER_FRAMES];
static int32_t scores[SPOTTER_CLASSES];

int main(void)
{
    while (fread(features, 1, sizeof features, stdin) == sizeof features) {
        spotter_classify(features, scores);
        fwrite(scores, 1, sizeof scores, stdout);
    }
    return 0;
}
"""


@pytest.fixture(scope="module")
def spotter():
    return embedded.spotter(NAME, corpus=FEW)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """All test clips, as the C program reads them."""
    return embedded.as_wav(recipes.find(NAME).test(), tmp_path_factory.mktemp("digits-wav"))


@pytest.fixture(scope="module")
def pictures(sounds, tmp_path_factory):
    """What Python makes of the same files, and the truth."""
    made = features.extract(sounds, recipes.word_picture, root=tmp_path_factory.mktemp("features") / "digits")
    return made.tensors(64, SILENCE)


def compiled(folder, *flags):
    """The program, or a skip where nothing compiles: a compiler that refuses is a failure."""
    try:
        embedded.compiler()
    except embedded.CompilerError:
        pytest.skip("needs a C compiler")
    return embedded.build(folder, *flags)


@pytest.fixture(scope="module")
def built(spotter, tmp_path_factory):
    folder = tmp_path_factory.mktemp("c")
    embedded.write(spotter, folder)
    return compiled(folder)


@pytest.fixture(scope="module")
def watched(spotter, tmp_path_factory):
    """The program with every access to memory and every sum looked at."""
    folder = tmp_path_factory.mktemp("watched")
    embedded.write(spotter, folder)
    (folder / "nothing.c").write_text("int main(void) { return 0; }\n")
    try:
        tried = subprocess.run([embedded.compiler(), *SANITIZERS, "nothing.c", "-o", "nothing"], cwd=folder)
        subprocess.run([folder / "nothing"], check=True)
        tried.check_returncode()
    except (embedded.CompilerError, OSError, subprocess.CalledProcessError):
        pytest.skip("needs a C compiler with sanitizers")
    return compiled(folder, *SANITIZERS)


def untrained(n_mels=40, n_classes=10, seed=0, **sizes):
    """A network with random weights, whose normalisations have seen random pictures; and those."""
    torch.manual_seed(seed)
    model, x = models.DSCNN(n_mels=n_mels, n_classes=n_classes, **sizes), 3 * torch.randn(16, 1, n_mels, 30) - 4
    with torch.no_grad():
        for _ in range(20):
            model.train()(x)
    return model.eval(), x


# ---- whole numbers ------------------------------------------------------------------------------------


def test_a_factor_is_a_whole_number_and_a_shift():
    ratio = np.concatenate([np.exp(np.random.default_rng(0).uniform(-20, 15, 1000)), [0.5, 1.0, 1 - 2.0**-40]])
    multiplier, shift = embedded.fixed_point(ratio)
    assert multiplier.min() >= 2**30 and shift.min() >= 1 and shift.max() <= 62
    assert np.abs(multiplier / 2.0**shift / ratio - 1).max() <= 2.0**-30
    with pytest.raises(ValueError, match="no network was trained"):
        embedded.fixed_point([1e-12])
    with pytest.raises(ValueError, match="no network was trained"):
        embedded.fixed_point([0.0])


def test_sums_are_rounded_once_and_halves_go_away_from_zero():
    halves = embedded.requantise([-3, -2, -1, 0, 1, 2, 3], *embedded.fixed_point(0.5))
    assert halves.tolist() == [-2, -1, -1, 0, 1, 1, 2]
    rng = np.random.default_rng(1)
    total = np.concatenate([rng.integers(-2**31 + 1, 2**31, 500), [2**31 - 1, -2**31 + 1, 0]])
    ratio = np.exp(rng.uniform(-20, -1, len(total)))
    multiplier, shift = embedded.fixed_point(ratio)
    found = embedded.requantise(total, multiplier, shift)
    for one, m, s, got in zip(total.tolist(), multiplier.tolist(), shift.tolist(), found.tolist(), strict=True):
        exact = Fraction(abs(one) * m, 2**s)
        assert abs(got) == (exact + Fraction(1, 2)).__floor__() and (got >= 0 or one < 0)


def test_each_channel_has_a_step_of_its_own_and_its_largest_weight_is_127(spotter):
    assert [len(layer.bias) for layer in spotter.layers] == [64] * 9 + [10]
    for layer in spotter.layers:
        assert layer.weights.dtype == np.int8 and layer.bias.dtype == layer.multiplier.dtype == np.int32
        assert (np.abs(layer.weights.reshape(len(layer.bias), -1)).max(axis=1) == 127).all()


def test_a_picture_is_coded_by_its_own_channel(spotter):
    norm = models.load(NAME)[0].norm.norm
    mean, deviation = norm.running_mean.numpy(), np.sqrt(norm.running_var.numpy() + norm.eps)
    picture = np.repeat(mean[:, None], 64, axis=1)
    assert (spotter.features(picture) == spotter.zero).all()
    step = 1 / (spotter.gain[0] * deviation[0])
    assert (spotter.features(picture + 3 * step * deviation[:, None]) == spotter.zero + 3).all()
    assert spotter.features(picture + 1e6).min() == 255 and spotter.features(picture - 1e6).max() == 0


def test_whole_numbers_decide_as_floats_do(spotter, pictures):
    x, y = pictures
    model, card = models.load(NAME)
    logits = training.predict(model, x).numpy()
    scores = spotter.scores(spotter.features(x[:, 0]))
    right, float_right = ((one.argmax(axis=1) == y.numpy()).sum() for one in (scores, logits))
    assert len(y) == 300 and float_right >= card["metrics"]["test"]["right"] - 1
    assert right >= float_right - 0.005 * len(y)
    assert (scores.argmax(axis=1) == logits.argmax(axis=1)).mean() >= 0.99
    assert np.abs(scores / 256 - logits).mean() < 0.2 and logits.std() > 4


def test_a_channel_that_learnt_nothing_keeps_its_bias():
    model, x = untrained(channels=6, blocks=1)
    _, norm, _ = model.blocks[0][0]
    with torch.no_grad():
        norm.weight[2], norm.bias[2] = 0.0, 0.7
        norm.weight[3], norm.bias[3] = 1e-12, 1e-12
    made = embedded.quantise(model, "abcdefghij", x)
    with torch.no_grad():
        logits = model(x).numpy()
    assert np.abs(made.scores(made.features(x[:, 0])) / 256 - logits).max() < 0.1 * logits.std()


def test_what_cannot_be_done_in_whole_numbers_is_refused(spotter):
    model, x = untrained()
    with pytest.raises(ValueError, match="a DSCNN, not a CNN"):
        embedded.quantise(models.CNN(40, 10), "abcdefghij", x)
    with pytest.raises(ValueError, match="could pass 32 bits"):
        embedded.quantise(model, "abcdefghij", torch.randn(2, 1, 40, 6400))
    with pytest.raises(ValueError, match="or no number"):
        embedded.quantise(model, "abcdefghij", torch.full_like(x, torch.nan))
    with torch.no_grad():
        model.first[1].bias[:], model.first[1].weight[:] = -1, 0
    with pytest.raises(ValueError, match="A layer gives nothing"):
        embedded.quantise(model, "abcdefghij", x)
    for wrong in (np.zeros((1, 40, 64)), np.zeros((40, 64), np.uint8), np.zeros((1, 64, 40), np.uint8)):
        with pytest.raises(ValueError, match=r"takes uint8 of shape \[clips, 40, 64\]"):
            spotter.scores(wrong)
    with pytest.raises(ValueError, match="There are: keywords-dscnn-digits, keywords-dscnn-fsdd"):
        embedded.spotter("events-cnn-scenes")


# ---- the C program ------------------------------------------------------------------------------------


def test_the_program_says_what_python_says_on_every_test_clip(spotter, built, sounds, pictures):
    x, y = pictures
    keywords, scores, codes = embedded.run(built, [sounds.root / path for path in sounds.table.path], spotter)
    assert len(keywords) == len(y) == 300
    assert np.array_equal(scores, spotter.scores(codes))                        # given the same features
    ours = spotter.features(x[:, 0])
    assert np.abs(ours.astype(int) - codes).max() <= 1                          # features within one step
    assert np.array_equal(spotter.scores(ours).argmax(axis=1), scores.argmax(axis=1))   # and the same decisions
    assert keywords == [spotter.labels[k] for k in scores.argmax(axis=1)]
    right = sum(label == keyword for label, keyword in zip(sounds.table.label, keywords, strict=True))
    model, _ = models.load(NAME)
    assert right >= recipes.measured(model, x, y)["right"] - 0.005 * len(y)


@pytest.mark.parametrize("sizes", [{}, {"n_mels": 21, "n_classes": 3, "channels": 5, "blocks": 2}])
def test_any_codes_have_the_same_scores_in_c(tmp_path, sizes):
    model, x = untrained(**sizes)
    made = embedded.quantise(model, [f"word {k}" for k in range(model.head[-1].out_features)], x, "untrained")
    embedded.write(made, tmp_path)
    compiled(tmp_path)
    (tmp_path / "main.c").write_text(ASKED)
    asked = compiled(tmp_path)
    shape = (len(made.gain), made.frames)
    codes = np.random.default_rng(0).integers(0, 256, (60, *shape)).astype(np.uint8)
    codes = np.concatenate([codes, np.zeros((1, *shape), np.uint8), np.full((1, *shape), 255, np.uint8)])
    said = subprocess.run([asked], input=codes.tobytes(), capture_output=True, check=True).stdout
    assert np.array_equal(np.frombuffer(said, np.int32).reshape(62, -1), made.scores(codes))


def test_nothing_undefined_happens(spotter, watched, sounds, tmp_path):
    rng = np.random.default_rng(0)
    lengths = (1, 79, 80, 81, 5119, 5120, 5121, 12000)
    files = [tmp_path / f"{n}.wav" for n in lengths]
    for file, n in zip(files, lengths, strict=True):
        audio.save(file, np.sign(rng.normal(size=n)), program.RATE)             # as loud as can be
    audio.save(tmp_path / "silence.wav", np.zeros(3000, np.float32), program.RATE)
    files += [tmp_path / "silence.wav", *(sounds.root / path for path in sounds.table.path[:20])]
    _, scores, codes = embedded.run(watched, files, spotter)
    assert np.array_equal(scores, spotter.scores(codes))
    heard = [audio.load(file)[0] for file in files[:9]]
    ours = [spotter.features(middle(features.log_mel(y, program.RATE))) for y in heard]
    assert np.abs(np.array(ours, int) - codes[:9]).max() <= 1


def middle(picture, frames=64):
    """64 frames of a log-mel spectrogram, as `FeatureSet.tensors` takes them."""
    n = picture.shape[1]
    if n >= frames:
        return picture[:, (n - frames) // 2 :][:, :frames]
    before = (frames - n) // 2
    return np.pad(picture, ((0, 0), (before, frames - n - before)), constant_values=SILENCE)


def piece(name, content):
    return name + struct.pack("<I", len(content)) + content


def extension(kind, bits=16):
    """What follows in an extensible header: bits that are used, loudspeakers, and the kind in front of a long name."""
    return struct.pack("<HHIH", 22, bits, 4, kind) + bytes.fromhex("000000001000800000aa00389b71")


def a_wav(kind=1, channels=1, rate=8000, bits=16, data=b"\1\2" * 3000, before=b"", more=b"", size=None):
    form = struct.pack("<HHIIHH", kind, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits) + more
    size = struct.pack("<I", len(data) if size is None else size)
    content = b"WAVE" + piece(b"fmt ", form) + before + b"data" + size + data
    return b"RIFF" + struct.pack("<I", len(content)) + content


BAD = {
    "missing": (None, "cannot be opened: is it there?"),
    "empty": (b"", "is no WAV file."),
    "text": (b"RIFF I am a text that begins like a sound", "is no WAV file."),
    "rate": (a_wav(rate=16000), "has 16000 samples a second: resample it to 8000."),
    "stereo": (a_wav(channels=2), "has 2 channels: mix it down to one."),
    "float": (a_wav(kind=3, bits=32), "holds 32 bits a sample of kind 3: save it as 16-bit PCM."),
    "bytes": (a_wav(bits=8), "holds 8 bits a sample of kind 1: save it as 16-bit PCM."),
    "nothing": (a_wav(data=b""), "holds no samples."),
    "long": (a_wav(data=bytes(24002)), "is longer than 1500 ms, and the network sees 655 ms: cut the word out."),
    "long stream": (a_wav(data=bytes(24002), size=0xFFFFFFFF),
                    "is longer than 1500 ms, and the network sees 655 ms: cut the word out."),
    "empty stream": (a_wav(data=b"", size=0xFFFFFFFF), "holds no samples."),
    "extensible float": (a_wav(kind=0xFFFE, more=extension(3)), "holds 16 bits a sample of kind 3: save it as 16-bit "
                                                                "PCM."),
    "extensible, and short": (a_wav(kind=0xFFFE, more=b"\0\0"), "holds 16 bits a sample of kind 65534: save it as "
                                                               "16-bit PCM."),
    "cut": (a_wav()[:-11], "is cut off: 2994 of 3000 samples are there."),
    "head": (a_wav()[:30], "is cut off before its samples."),
    "no data": (a_wav()[:36], "is cut off before its samples."),
    "short form": (b"RIFF\0\0\0\0WAVE" + piece(b"fmt ", b"\1\0\1\0") + piece(b"data", b"\1\2"),
                   "is cut off before its samples."),
    "no form": (b"RIFF\0\0\0\0WAVE" + piece(b"data", b"\1\2" * 9), "is cut off before its samples."),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_cannot_be_used_is_one_clear_line(built, sounds, tmp_path, name):
    content, words = BAD[name]
    file, good = tmp_path / f"{name}.wav", sounds.root / sounds.table.path[0]
    if content is not None:
        file.write_bytes(content)
    done = subprocess.run([built, file, good], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr == f"spotter: {file} {words}\n"
    assert done.stdout.count("\n") == 1 and str(good) in done.stdout           # the others are read all the same
    with pytest.raises(ValueError, match=f"{name}.wav "):
        embedded.run(built, [file], spotter=None)


def test_no_file_and_a_folder_are_refused_too(built, tmp_path):
    for arguments in ([], ["--features"]):
        done = subprocess.run([built, *arguments], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr == "usage: spotter [--features] FILE ...\n" and not done.stdout
    done = subprocess.run([built, tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_pieces_that_it_does_not_know_are_skipped(spotter, built, tmp_path):
    plain, more = tmp_path / "plain.wav", tmp_path / "more.wav"
    plain.write_bytes(a_wav())
    more.write_bytes(a_wav(before=piece(b"LIST", b"odd") + b"\0" + piece(b"fact", b"1234")))
    _, scores, codes = embedded.run(built, [plain, more], spotter)
    assert np.array_equal(scores[0], scores[1]) and np.array_equal(codes[0], codes[1])


def test_an_extensible_header_and_a_stream_hold_the_same_samples(spotter, watched, tmp_path):
    wavs = {"plain": a_wav(), "extensible": a_wav(kind=0xFFFE, more=extension(1)), "stream": a_wav(size=0xFFFFFFFF),
            "torn stream": a_wav(size=0xFFFFFFFF) + b"\1", "longer form": a_wav(more=bytes(30))}
    for name, content in wavs.items():
        (tmp_path / name).write_bytes(content)
    _, scores, codes = embedded.run(watched, [tmp_path / name for name in wavs], spotter)
    assert (scores == scores[0]).all() and (codes == codes[0]).all()


def test_a_clip_of_a_second_and_a_half_is_the_longest(spotter, watched, tmp_path):
    (tmp_path / "long.wav").write_bytes(a_wav(data=b"\1\2" * 12000))
    assert len(embedded.run(watched, [tmp_path / "long.wav"], spotter)[0]) == 1


def test_what_cannot_be_run_is_told(spotter, built, tmp_path):
    with pytest.raises(ValueError, match="no file to listen to: name at least one"):
        embedded.run(built, [], spotter)
    for name in ("a\nb.wav", "a\tb.wav", "a\rb.wav"):
        (tmp_path / name).write_bytes(a_wav())
        with pytest.raises(ValueError, match=r"has a line break or a tab in its name.*rename it"):
            embedded.run(built, [tmp_path / name], spotter)
    odd = tmp_path / "a\x0b \u2028b.wav"                                     # no line breaks to C
    odd.write_bytes(a_wav())
    assert len(embedded.run(built, [odd, odd], spotter)[0]) == 2
    with pytest.raises(ValueError, match=r"missing' cannot be run \(No such file.*\): embedded.build makes it"):
        embedded.run(tmp_path / "missing", [odd], spotter)


def test_the_header_says_what_to_do_before():
    said = " ".join((program.OURS / "spotter.h").read_text().split())
    for words in ("It always answers with one of its labels, to silence and noise as well", "as loud as in training"):
        assert words in said


def test_broken_files_of_any_kind_do_no_harm(watched, tmp_path):
    rng, files = np.random.default_rng(0), []
    for k in range(150):
        content = bytearray(a_wav(data=rng.bytes(400), before=piece(b"LIST", b"of things")))
        for _ in range(rng.integers(1, 6)):
            content[rng.integers(0, 70)] = rng.integers(0, 256)
        files.append(tmp_path / f"{k}.wav")
        files[-1].write_bytes(content[: rng.integers(0, len(content) + 1)] if k % 3 == 0 else content)
    done = subprocess.run([watched, *files], capture_output=True, text=True, errors="replace")
    assert done.returncode == 1
    complaints = done.stderr.splitlines()
    assert all(line.startswith("spotter: ") for line in complaints)             # none of a sanitizer's
    assert len(complaints) + done.stdout.count("\n") == 150 and len(complaints) > 30


def test_what_it_takes_of_a_device(spotter, built):
    if not (shutil.which("size") and shutil.which("nm")):
        pytest.skip("needs a C compiler and size")
    takes = embedded.sizes(spotter, built.parent)
    model, _ = models.load(NAME)
    weights = sum(p.numel() for name, p in model.named_parameters() if p.ndim > 1)
    outputs = sum(len(layer.bias) for layer in spotter.layers)
    assert takes["weights"] == weights + 9 * outputs <= 54_000                  # a byte each; bias, multiplier, shift
    assert takes["weights"] + takes["tables"] + takes["code"] <= 54_000         # all that lies in flash
    assert 64 * 160 < takes["buffers"] <= 16_000 and 0 < takes["stack"] <= 2_000
    assert takes["clip"] == 2 * 5240 + 2560 + 40
    subprocess.run([embedded.compiler(), *program.FLAGS, "-c", "spotter.c"], cwd=built.parent, check=True)
    needs = subprocess.run(["nm", "-u", "spotter.o"], cwd=built.parent, capture_output=True, text=True).stdout.split()
    assert "logf" in needs and not {"malloc", "calloc", "realloc", "free", "fopen", "printf"} & set(needs)


def test_sizes_of_another_format_are_refused(spotter, built, monkeypatch):
    told = program._told
    said = "__TEXT  __DATA  __OBJC  others  dec hex\n1234 56 0 78 90 ab\n"                              # as on macOS
    monkeypatch.setattr(program, "_told", lambda *command: said if command[1] == "size" else told(*command))
    with pytest.raises(embedded.CompilerError, match="does not tell sections of ELF files"):
        embedded.sizes(spotter, built.parent)


# ---- writing it ---------------------------------------------------------------------------------------


def test_files_of_others_are_never_replaced(spotter, tmp_path):
    embedded.write(spotter, tmp_path / "new" / "c")
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "new" / "c").iterdir()}
    assert sorted(before) == sorted(program.FILES)
    embedded.write(spotter, tmp_path / "new" / "c")                             # the same again
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "spotter.h").write_text("mine")
    with pytest.raises(ValueError, match=r"spotter\.h' is there and is another"):
        embedded.write(spotter, tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["spotter.h"]
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        embedded.write(spotter, tmp_path / "file")


@pytest.fixture
def few(monkeypatch):
    """The recipe with a corpus that is made quickly."""
    monkeypatch.setitem(recipes.RECIPES, NAME, dataclasses.replace(recipes.RECIPES[NAME], corpus=FEW))


def test_the_command_writes_and_compiles(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "work"))
    assert cli.main(["export-c"]) == 0
    said = capsys.readouterr().out
    folder = paths.work("c", NAME)
    assert said.startswith(f"{folder}: main.c, model.c, model.h, spotter.c, spotter.h\n")
    assert {file.name for file in folder.iterdir()} >= set(program.FILES)
    if any(map(shutil.which, program.COMPILERS)) and shutil.which("size"):
        assert "Bytes of flash: weights 27,738 + tables" in said and (folder / "spotter").exists()


def test_without_a_compiler_the_files_are_there_and_one_line_says_so(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(program, "COMPILERS", ())
    assert cli.main(["export-c", NAME, str(tmp_path / "c")]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[1].startswith("There is no C compiler") and shown.out.count("\n") == 2
    assert sorted(file.name for file in (tmp_path / "c").iterdir()) == sorted(program.FILES)
    with pytest.raises(embedded.CompilerError, match="sudo apt install gcc"):
        embedded.build(tmp_path / "c")


def test_a_compiler_that_refuses_is_quoted(built, tmp_path):
    shutil.copytree(built.parent, tmp_path / "c")
    (tmp_path / "c" / "main.c").write_text("int main(void) { return nothing; }\n")
    with pytest.raises(embedded.CompilerError, match=r"refuses: main\.c:1:.*error.*nothing") as refused:
        embedded.build(tmp_path / "c")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("arguments, words", [
    (["no-such-spotter"], "There is no checkpoint"), (["../x"], "is no name of a checkpoint"),
    (["events-cnn-scenes"], "is no keyword spotter"),
])
def test_a_name_that_is_none_is_refused_in_one_line(tmp_path, capsys, arguments, words):
    assert cli.main(["export-c", *arguments, str(tmp_path / "c")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("audiolab: ") and words in said and said.count("\n") == 1
    assert not (tmp_path / "c").exists()
