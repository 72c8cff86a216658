"""The keyword spotter as a C program: written, compiled by the system's compiler where there is one, run, counted."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import textwrap
from pathlib import Path

import numpy as np

from .. import audio, features, paths, preprocess
from ..corpus import Corpus, write_table
from .fixed import SCORE, spotter

RATE = 8000                                             # Hz, of `recipes.word_picture`
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic")
OURS = Path(__file__).with_name("c")                    # what is the same for every model
FILES = ("main.c", "model.c", "model.h", "spotter.c", "spotter.h")


class CompilerError(RuntimeError):
    """There is no C compiler, or it refuses: why, in a line."""


def export(name="keywords-dscnn-digits", folder=None, n_jobs=1, corpus=None):
    """Write a keyword spotter of the course as a C program.

    Parameters
    ----------
    name : str
        Of a checkpoint.
    folder : str or os.PathLike, optional
        ``work/c/<name>`` when not given.
    n_jobs, corpus
        As in `spotter`.

    Returns
    -------
    spotter : Spotter
        What the program computes.
    folder : pathlib.Path

    Raises
    ------
    ValueError, CorpusError
        As `spotter` and `write`.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    folder = paths.work("c", name) if folder is None else Path(folder).expanduser()
    made = spotter(name, n_jobs, corpus)
    write(made, folder)
    return made, folder


def write(spotter, folder):
    """Write the C program of a `Spotter`: ``main.c``, ``model.c``, ``model.h``, ``spotter.c``, ``spotter.h``.

    Parameters
    ----------
    spotter : Spotter
    folder : str or os.PathLike
        Made when missing. What it holds under these names is never replaced by something else.

    Raises
    ------
    ValueError
        If one of the files is there with another content, or the folder cannot be written. Nothing is changed then.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    folder = Path(folder)
    contents = {name: (OURS / name).read_bytes() for name in FILES if not name.startswith("model")}
    contents |= {"model.h": _header(spotter).encode(), "model.c": _arrays(spotter).encode()}
    try:
        for name, content in contents.items():
            if (folder / name).exists() and (folder / name).read_bytes() != content:
                raise ValueError(f"{str(folder / name)!r} is there and is another: name another folder, or delete it.")
        with contextlib.ExitStack() as stack:                   # all are written before the first takes its place
            for name, content in contents.items():
                stack.enter_context(paths.replacing(folder / name)).write_bytes(content)
    except OSError as error:
        raise ValueError(f"{str(folder)!r} cannot be written ({error.strerror}): name another folder.") from None


def _header(spotter):
    """``model.h``: the sizes, and what `_arrays` defines."""
    sizes = features.log_mel_sizes(RATE)
    first, last = spotter.layers[0], spotter.layers[-1]
    numbers = {"RATE": RATE, "FFT": sizes["n_fft"], "WINDOW": sizes["win_length"], "HOP": sizes["hop_length"],
               "MELS": len(spotter.gain), "FRAMES": spotter.frames, "ZERO": spotter.zero,
               "CHANNELS": len(first.bias), "BLOCKS": len(spotter.layers) // 2 - 1, "CLASSES": len(last.bias)}
    defined = "\n".join(f"#define SPOTTER_{name} {number}" for name, number in numbers.items())
    return f"""{_about(spotter)}
#ifndef SPOTTER_MODEL_H
#define SPOTTER_MODEL_H

#include <stdint.h>

{defined}

typedef struct {{        /* y[o] = round((bias[o] + sum of w[o] (x - zero)) multiplier[o] / 2^shift[o]) */
    const int8_t *weights;
    const int32_t *bias, *multiplier;
    const uint8_t *shift;
}} spotter_layer;

extern const spotter_layer spotter_layers[2 * SPOTTER_BLOCKS + 2];
extern const char *const spotter_labels[SPOTTER_CLASSES];
extern const float spotter_window[SPOTTER_WINDOW];
extern const float spotter_cosine[SPOTTER_FFT / 2];     /* of 2 pi i / SPOTTER_FFT */
extern const uint16_t spotter_bins[SPOTTER_MELS][2];    /* of the spectrum: a channel's first, and after its last */
extern const float spotter_mel[];                       /* weights of these bins, channel after channel */
extern const float spotter_gain[SPOTTER_MELS];          /* code = gain log(power) + offset */
extern const float spotter_offset[SPOTTER_MELS];

#endif
"""


def _arrays(spotter):
    """``model.c``: every number of the front end and of the network."""
    parts, rows = [_about(spotter) + '#include "model.h"\n'], []
    for k, layer in enumerate(spotter.layers):
        parts += [_array(f"static const int8_t weights_{k}[]", layer.weights),
                  _array(f"static const int32_t bias_{k}[]", layer.bias),
                  _array(f"static const int32_t multiplier_{k}[]", layer.multiplier),
                  _array(f"static const uint8_t shift_{k}[]", layer.shift)]
        rows.append(f"    {{weights_{k}, bias_{k}, multiplier_{k}, shift_{k}}},\n")
    sizes = features.log_mel_sizes(RATE)
    bank = features.mel_filterbank(RATE, sizes["n_fft"], len(spotter.gain))
    bins = [(row.nonzero()[0][0], row.nonzero()[0][-1] + 1) for row in bank]
    turns = np.cos(2 * np.pi * np.arange(sizes["n_fft"] // 2) / sizes["n_fft"])
    window = features.frames.window_of("hann", sizes["win_length"], sizes["win_length"])
    parts += [f"const spotter_layer spotter_layers[2 * SPOTTER_BLOCKS + 2] = {{\n{''.join(rows)}}};\n",
              _array("const char *const spotter_labels[SPOTTER_CLASSES]", map(json.dumps, spotter.labels)),
              _array("const float spotter_window[SPOTTER_WINDOW]", window),
              _array("const float spotter_cosine[SPOTTER_FFT / 2]", turns),
              _array("const uint16_t spotter_bins[SPOTTER_MELS][2]", [f"{{{first}, {end}}}" for first, end in bins]),
              _array("const float spotter_mel[]", np.concatenate(
                  [row[first:end] for row, (first, end) in zip(bank, bins, strict=True)])),
              _array("const float spotter_gain[SPOTTER_MELS]", spotter.gain),
              _array("const float spotter_offset[SPOTTER_MELS]", spotter.offset)]
    return "\n".join(parts)


def _about(spotter):
    return f"/* {spotter.name}, written by `audiolab export-c`. */\n"


def _array(declared, numbers):
    """A C array: floats with the digits that tell float32 apart, all else as it is written."""
    if isinstance(numbers, np.ndarray):
        numbers = [f"{number}f" for number in numbers.astype(np.float32).flat] if numbers.dtype.kind == "f" else (
            numbers.flat)
    text = textwrap.fill(", ".join(map(str, numbers)), 116, initial_indent="    ", subsequent_indent="    ")
    return f"{declared} = {{\n{text}\n}};\n"


def compiler():
    """The C compiler of this machine.

    Raises
    ------
    CompilerError
        If there is none, with how to get one.
    """
    if found := next(filter(None, map(shutil.which, COMPILERS)), None):
        return found
    raise CompilerError(f"There is no C compiler ({', '.join(COMPILERS)}): on Debian and Ubuntu `sudo apt install gcc` "
                        "gets one, on macOS `xcode-select --install`. All else works without.")


def build(folder, *flags):
    """Compile a program that `write` has written, with every warning an error.

    Parameters
    ----------
    folder : str or os.PathLike
    *flags : str
        Other options of the compiler, such as ``"-fsanitize=address,undefined"``.

    Returns
    -------
    pathlib.Path
        The program, ``spotter`` in the same folder.

    Raises
    ------
    CompilerError
        If there is no compiler, or it refuses: with the first of its errors.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    program = Path(folder).absolute() / "spotter"
    _told(folder, compiler(), *FLAGS, *flags, "main.c", "spotter.c", "model.c", "-o", program, "-lm")
    return program


def _told(folder, *command):
    """What a tool prints, run in a folder."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        first = next((line for line in lines if "error" in line), lines[0])
        raise CompilerError(f"{Path(command[0]).name} refuses: {first}")
    return done.stdout


def run(program, files, spotter):
    """Have the C program name the words in sound files, all in one process.

    Parameters
    ----------
    program : str or os.PathLike
        As `build` gives it.
    files : sequence of str or os.PathLike
        WAV, as `as_wav` writes them.
    spotter : Spotter
        What the program was written of.

    Returns
    -------
    keywords : list of str
    scores : np.ndarray of int32, shape [files, classes]
        In 256ths of a logit, as `Spotter.scores` gives them.
    features : np.ndarray of uint8, shape [files, n_mels, frames]
        What the program's own front end has made of the files.

    Raises
    ------
    ValueError
        If it refuses a file: with what it says; if no file is named, a name has a line break or a tab in it, or the
        program is missing.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    files = [os.fsdecode(file) for file in files]
    if not files:
        raise ValueError("There is no file to listen to: name at least one.")
    if odd := [file for file in files if set("\t\r\n") & set(file)]:
        raise ValueError(f"{odd[0]!r} has a line break or a tab in its name, which would tear the answers: rename it.")
    try:
        done = subprocess.run([program, "--features", *files], capture_output=True, text=True, errors="replace")
    except OSError as error:
        raise ValueError(f"{str(program)!r} cannot be run ({error.strerror}): embedded.build makes it.") from None
    if done.returncode:
        raise ValueError(done.stderr.strip().partition("\n")[0] or f"The program ended with {done.returncode}.")
    lines = done.stdout.split("\n")[:-1]
    codes = np.array([line.split() for line in lines[::2]], np.uint8)
    answers = [line.split("\t") for line in lines[1::2]]
    logits = [[float(one.split()[-1]) for one in answer[1 : 1 + len(spotter.labels)]] for answer in answers]
    return ([answer[0] for answer in answers], np.round(np.array(logits) / SCORE).astype(np.int32),
            codes.reshape(-1, len(spotter.gain), spotter.frames))


def sizes(spotter, folder):
    """What the program takes of a device's memory, as this machine's compiler makes it: bytes.

    Parameters
    ----------
    spotter : Spotter
    folder : str or os.PathLike
        Where `write` has written it.

    Returns
    -------
    dict of str to int
        Flash: `weights` (with what belongs to them: bias, multiplier, shift), `tables` (of the front end, labels),
        `code`. RAM: `buffers` (static), `stack` (of all functions together, more than any chain of calls needs),
        `clip` (what the caller holds: the samples of one picture, its codes, the scores).

    Raises
    ------
    CompilerError
        If there is no compiler, or no ``size`` that counts the sections of ELF files, as GNU's and LLVM's do.

    Notes
    -----
    `code` leaves out the C library, of which ``logf``, ``memcpy`` and ``abs`` are called. On another processor code and
    stack are of another size; weights and buffers are not.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    folder, log_mel = Path(folder).absolute(), features.log_mel_sizes(RATE)
    with tempfile.TemporaryDirectory() as objects:
        for name in ("spotter", "model"):
            _told(objects, compiler(), *FLAGS, "-fstack-usage", "-c", folder / f"{name}.c", "-o", f"{name}.o")
        code, model = (_sections(objects, f"{name}.o") for name in ("spotter", "model"))
        frames = re.findall(r"\t(\d+)\t", (Path(objects) / "spotter.su").read_text("utf-8"))   # of each function
    samples = (spotter.frames - 1) * log_mel["hop_length"] + log_mel["win_length"]
    return {"weights": spotter.nbytes, "tables": model["flash"] - spotter.nbytes, "code": code["flash"],
            "buffers": code["ram"], "stack": sum(map(int, frames)),
            "clip": 2 * samples + len(spotter.gain) * spotter.frames + 4 * len(spotter.labels)}


def _sections(folder, file):
    """Bytes of an object file that go to flash (code, constants) and to RAM."""
    if not shutil.which("size"):
        raise CompilerError("There is no `size` to count with: on Debian and Ubuntu `sudo apt install binutils`.")
    rows = re.findall(r"^(\.\S+)\s+(\d+)\s", _told(folder, "size", "-A", file), re.M)
    if not rows:
        raise CompilerError("The `size` of this machine does not tell sections of ELF files, which GNU's and LLVM's do "
                            "on Linux: count there.")

    def bytes_of(pattern):
        return sum(int(size) for name, size in rows if re.match(pattern, name))

    return {"flash": bytes_of(r"\.(text|rodata|data\.rel\.ro)"), "ram": bytes_of(r"\.(bss|data(?!\.rel\.ro))")}


def as_wav(corpus, folder):
    """The clips of a corpus as the C program reads them: WAV, mono, 16 bits, 8 kHz.

    Parameters
    ----------
    corpus : Corpus
        Clips of one channel. What the filter of the resampler lifts beyond full scale is cut off there.
    folder : str or os.PathLike

    Returns
    -------
    Corpus
        In the same order.

    Raises
    ------
    AudioError
        As `audio.save`.

    Taught in: notebooks/10_edge_profiling.ipynb, "Can it run without Python?"
    """
    names = [f"{number:05}.wav" for number in range(len(corpus))]
    for (y, sr, _), name in zip(corpus, names, strict=True):
        audio.save(Path(folder) / name, np.clip(preprocess.resample(y, sr, RATE), -1, 1), RATE)
    write_table(Path(folder) / "metadata.csv", corpus.table.assign(path=names, sr=RATE))
    return Corpus(folder, labels=corpus.labels)
