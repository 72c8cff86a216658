"""One's own recordings load where they are; what is broken among them is named and left out."""

import hashlib
import os
import shutil

import numpy as np
import pytest

from audiolab import audio
from audiolab.corpora.folder import from_folder
from audiolab.corpus import CorpusError

SR = 8000


def sound(seed=0, n=SR // 2):
    return (0.1 * np.random.default_rng(seed).uniform(-1, 1, n)).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    """Two labels in sub-folders and in names, formats mixed."""
    root = tmp_path / "mine"
    for i, name in enumerate(["yes/yes_anna-1.wav", "yes/yes_ben-1.mp3", "no/no_anna-1.flac", "no/deep/no_ben-1.ogg"]):
        audio.save(root / name, sound(i), SR)
    return root


def state(root):
    return {p: (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime_ns) for p in root.rglob("*") if
            p.is_file()}


def test_labels_from_folders(folder, capsys):
    before = state(folder)
    corpus = from_folder(folder)
    assert list(corpus.table.path) == ["no/deep/no_ben-1.ogg", "no/no_anna-1.flac", "yes/yes_anna-1.wav",
                                       "yes/yes_ben-1.mp3"]
    assert list(corpus.table.label) == ["no", "no", "yes", "yes"] and list(corpus.table.sr) == [SR] * 4
    assert corpus.aside == {} and corpus.check() and capsys.readouterr().out == ""
    assert corpus[2][0].shape == (SR // 2,)
    assert state(folder) == before


def test_labels_from_names(folder):
    assert list(from_folder(folder, "names").table.label) == ["no", "no", "yes", "yes"]


def test_labels_and_more_from_a_pattern(folder):
    corpus = from_folder(folder, r"(?P<label>yes|no)_(?P<group>[a-z]+)")
    assert list(corpus.table) == ["path", "label", "group", "duration", "sr"]
    assert list(corpus.table.group) == ["ben", "anna", "anna", "ben"]


def test_no_labels(folder):
    corpus = from_folder(folder, None)
    assert list(corpus.table) == ["path", "duration", "sr"] and corpus.labels == []


@pytest.mark.parametrize("column", ["path", "file", "filename"])
def test_labels_from_a_table(folder, column):
    (folder / "labels.csv").write_text(
        f"{column},label,text,age,sr\nyes/yes_anna-1.wav,007,NA,7,1\nno/no_anna-1.flac,x,,8,1\n", "utf-8-sig")
    corpus = from_folder(folder, "labels.csv")
    assert list(corpus.table) == ["path", "label", "text", "duration", "sr", "age"]
    assert list(corpus.table.label) == ["x", "007"] and list(corpus.table.text) == ["", "NA"]
    assert list(corpus.table.sr) == [SR, SR]            # the files know better
    assert sorted(corpus.aside) == ["no/deep/no_ben-1.ogg", "yes/yes_ben-1.mp3"]


def test_three_broken_files_are_named_and_nothing_is_trained_on_them(folder, capsys):
    (folder / "yes" / "empty.wav").write_bytes(b"")
    (folder / "yes" / "page.mp3").write_text("<html>not found</html>")
    whole = (folder / "yes" / "yes_anna-1.wav").read_bytes()
    (folder / "no" / "cut.wav").write_bytes(whole[: len(whole) // 2])
    before = state(folder)
    corpus = from_folder(folder)
    assert len(corpus) == 4 and corpus.check()
    assert set(corpus.aside) == {"yes/empty.wav", "yes/page.mp3", "no/cut.wav"}
    assert not set(corpus.aside) & set(corpus.table.path)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "3 of 7 files are set aside:" and len(said) == 4
    assert said[1].startswith("  'no/cut.wav' is cut short") and "'yes/empty.wav' is empty" in said[2]
    assert "'yes/page.mp3' is a web page" in said[3] and str(folder) not in "".join(said)
    assert "3 files set aside" in repr(corpus)
    assert state(folder) == before
    quiet = corpus.map(folder.parent / "processed", lambda clip, row: clip, "as it is")
    assert len(quiet) == 4 and state(folder) == before


def test_what_has_no_label_is_set_aside(folder, capsys):
    audio.save(folder / "loose.wav", sound(), SR)
    assert "it lies in no sub-folder" in from_folder(folder).aside["loose.wav"]
    assert "its name has no _ or -" in from_folder(folder, "names").aside["loose.wav"]
    assert "does not tell" in from_folder(folder, "(?P<label>yes|no)").aside["loose.wav"]
    (folder / "l.csv").write_text("path,label\nyes/yes_anna-1.wav,yes\ngone.wav,no\n")
    corpus = from_folder(folder, "l.csv")
    assert len(corpus) == 1 and corpus.aside["gone.wav"] == "'gone.wav' is named in 'l.csv' and is not there."


def test_other_files_are_passed_over_and_foreign_sound_is_named(folder):
    for name in (".DS_Store", "._a.wav", "notes.txt", ".trash/b.wav"):
        (folder / "yes" / name).parent.mkdir(exist_ok=True)
        (folder / "yes" / name).write_bytes(b"x")
    (folder / "yes" / "phone.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(99))
    corpus = from_folder(folder)
    assert list(corpus.aside) == ["yes/phone.m4a"] and "convert" in corpus.aside["yes/phone.m4a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows names are not free")
def test_odd_names_load(folder):
    for name in ("ä ß 音.wav", "a,b'\"c.wav", "line\nbreak.wav", "A.wav", "a.wav"):
        shutil.copy(folder / "yes" / "yes_anna-1.wav", folder / "no" / name)
    corpus = from_folder(folder)
    assert len(corpus) == 9 and corpus.check()
    assert len(corpus.select(corpus.table.path != "no/A.wav").map(folder.parent / "p", lambda c, row: c, "same")) == 8


@pytest.mark.parametrize("labels, says", [
    ("folder", "neither 'folders'"), ("(?P<label>", "no regular expression"), ("none.csv", "There is no file"),
    ("bad.csv", "no column path, file or filename; it has name"), ("out.csv", "inside the folder"),
    ("dev.csv", "'dev' is none of"),
])
def test_labels_that_make_no_sense(folder, labels, says):
    (folder / "bad.csv").write_text("name,label\na.wav,x\n")
    (folder / "out.csv").write_text("path,label\n../a.wav,x\n")
    (folder / "dev.csv").write_text("path,split\na.wav,dev\n")
    with pytest.raises(CorpusError, match=says):
        from_folder(folder, labels)


def test_folders_with_nothing_in_them(tmp_path):
    with pytest.raises(CorpusError, match="There is no folder"):
        from_folder(tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"No recording in .* can be used\.$"):
        from_folder(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"can be used:\n  'a/a.wav' is empty"):
        from_folder(tmp_path)
