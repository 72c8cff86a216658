"""`audiolab data`: every corpus by name, and what the command says."""

import pytest

from audiolab import cli
from audiolab.corpora import catalogue, scenes
from audiolab.corpus import CorpusError


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path))
    monkeypatch.setattr(catalogue, "_MADE", {
        "scenes-events": ("a few", lambda n_jobs: scenes.events(n=12, n_jobs=n_jobs)),
    })
    return tmp_path


def test_names_are_unique_and_every_entry_says_what_it_costs():
    entries = catalogue.entries()
    assert len(entries) == len(catalogue._MADE) + len(catalogue.remote.DATASETS)
    assert all(entry.title and entry.licence for entry in entries.values())
    assert all((entry.size == 0) == (name in catalogue._MADE) for name, entry in entries.items())


def test_an_unknown_name_is_answered_with_all_names():
    with pytest.raises(CorpusError, match="fsdd"):
        catalogue.find("mnist")


def test_make_info_list_and_check(home, capsys):
    assert cli.main(["data", "make"]) == 0
    assert "12 clips" in capsys.readouterr().out
    assert cli.main(["data", "check", "scenes-events"]) == 0
    assert "can be read" in capsys.readouterr().out
    assert cli.main(["data", "info", "scenes-events"]) == 0
    assert "on this disk" in capsys.readouterr().out
    assert cli.main(["data", "list"]) == 0
    assert "On this disk: scenes-events-n12" in capsys.readouterr().out


def test_a_wrong_name_and_a_damaged_file_are_refused_in_words(home, capsys):
    assert cli.main(["data", "make", "mnist"]) == 2
    assert "No corpus is called 'mnist'" in capsys.readouterr().err
    cli.main(["data", "make"])
    victim = next(home.glob("data/raw/scenes-events*/**/*.flac"))
    victim.write_bytes(b"broken")
    capsys.readouterr()
    assert cli.main(["data", "check", "scenes-events"]) == 2
    assert victim.name in capsys.readouterr().err
