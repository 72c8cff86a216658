"""A file is written whole or not at all."""

import os
import stat

import pytest

from audiolab import paths


def test_replacing_makes_and_replaces(tmp_path):
    target = tmp_path / "deep" / "a.txt"
    for text in ("one", "two"):
        with paths.replacing(target) as tmp:
            assert tmp.parent == target.parent and tmp.suffix == ".txt"
            tmp.write_text(text)
        assert target.read_text() == text
    assert os.listdir(target.parent) == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_alone(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(type(error)), paths.replacing(target) as tmp:
        tmp.write_text("half")
        raise error
    assert target.read_text() == "old" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_are_the_usual_ones(tmp_path):
    with paths.replacing(tmp_path / "new") as tmp:
        tmp.write_text("x")
    plain = tmp_path / "plain"
    plain.write_text("x")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


def test_the_folder_can_be_chosen(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.delenv("AUDIOLAB_WORK", raising=False)
    assert paths.data("raw") == tmp_path / "data" / "raw" and paths.work() == tmp_path / "work"
    monkeypatch.setenv("AUDIOLAB_WORK", str(tmp_path / "mine"))
    assert paths.work("a") == tmp_path / "mine" / "a"
