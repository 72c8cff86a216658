"""The plan of a run: what is read, and what is refused in one line before anything is done."""

import pytest

from audiolab import cli, pipeline
from audiolab.pipeline import Plan, PlanError, load, write


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("AUDIOLAB_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_is_written_is_the_default_plan(tmp_path):
    file = write(tmp_path / "mine.yaml")
    assert load(file) == Plan(name="mine") and load() == Plan()
    lines = file.read_text("utf-8").splitlines()
    settings = [i for i, line in enumerate(lines) if line and not line.startswith("#")]
    assert len(settings) == 15 and all(lines[i - 1].startswith("# ") for i in settings)


def test_a_plan_is_never_overwritten(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("epochs: 3\n")
    with pytest.raises(PlanError, match="is there already"):
        write(file)
    assert file.read_text() == "epochs: 3\n"
    with pytest.raises(PlanError, match=r"name: 'my plan' does not fit"):
        write(tmp_path / "my plan.yaml")
    assert not (tmp_path / "my plan.yaml").exists()


def test_an_own_folder_lies_beside_the_plan(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("corpus: clips\nseconds: 1\n")
    plan = load(file)
    assert plan.own == tmp_path / "clips" and plan.seconds == 1.0 and plan.name == "mine"
    assert load({}).own is None


@pytest.mark.parametrize(("text", "says"), [
    ("epoch: 10", "There is no setting 'epoch': did you mean epochs?"),
    ("denoising: never", "did you mean denoise?"),
    ("loudness: 3", "There is no setting 'loudness'. There are name, corpus,"),
    ("epochs: many", "epochs: 'many' does not fit: a whole number from 1 to 1000."),
    ("epochs: 0", "epochs: 0 does not fit"),
    ("epochs: true", "epochs: True does not fit"),
    ("epochs: 2.5", "epochs: 2.5 does not fit"),
    ("folds: 1", "folds: 1 does not fit: a whole number from 2 to 20."),
    ("threshold: 0", "threshold: 0.0 does not fit: a probability above 0 and at most 1."),
    ("seconds: .nan", "seconds: nan does not fit: seconds from 0.5 to 10."),
    ("preprocess: 1", "preprocess: 1 does not fit: true or false."),
    ("denoise: yes", "denoise: True does not fit: one of measure, always, never."),
    ("network: vgg", "network: 'vgg' does not fit: one of cnn, crnn."),
    ("device: tpu", "one of auto, cpu, cuda"),
    ("name: ../other", "name: '../other' does not fit"),
    ("corpus:", "corpus: None does not fit"),
    ("cluster: here", "cluster: 'here' does not fit: empty, or an address such as tcp://10.0.0.1:8786."),
    ("- epochs", "holds no settings"),
    ("epochs: [1", "is no YAML in line"),
    ("\tepochs: 1", "is no YAML in line 1"),
])
def test_a_bad_plan_is_named_in_one_line(tmp_path, capsys, home, text, says):
    file = tmp_path / "bad.yaml"
    file.write_text(text + "\n")
    assert cli.main(["pipeline", "run", str(file)]) == 2
    err = capsys.readouterr().err
    assert err.startswith("audiolab: ") and says in err and err.count("\n") == 1
    assert not home.exists()                                    # nothing was begun


def test_no_file_no_text_and_no_stage(tmp_path, capsys):
    assert cli.main(["pipeline", "run", str(tmp_path / "none.yaml")]) == 2
    assert "audiolab pipeline new none.yaml writes one" in capsys.readouterr().err
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00epochs")
    assert cli.main(["pipeline", "show", str(tmp_path / "a.yaml")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert cli.main(["pipeline", "show", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    with pytest.raises(PlanError, match=r"There is no stage 'splits'\. There are collect, preprocess"):
        pipeline.run({}, until="splits")


def test_a_key_changes_with_what_a_stage_depends_on_alone():
    from audiolab.pipeline.stages import STAGES, keys

    usual, longer = keys(Plan()), keys(Plan(epochs=41))
    changed = {name for name in STAGES if usual[name] != longer[name]}
    assert changed == set(STAGES) - {"collect", "preprocess"}
    assert keys(Plan(jobs=2, device="cpu")) == usual            # who works does not matter
