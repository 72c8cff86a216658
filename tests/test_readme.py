"""What the README and the pages for authors say is so: links, commands, pictures, the map, the worked example."""

import re
from pathlib import Path

import mutants
import pytest

import audiolab as al
from audiolab import cli
from audiolab.checks import learner, stages
from audiolab.checks.desk import judge
from tools import pictures, twins

ROOT = Path(__file__).absolute().parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "data/README.md"]
FENCE = re.compile(r"^(`{3,})(\w*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)


def page(name):
    return (ROOT / name).read_text(encoding="utf-8")


def code(name):
    """Everything on a page that is set as code, and the prose without it."""
    text = page(name)
    prose = FENCE.sub("", text)
    inline = re.findall(r"`([^`]+)`", prose)
    return [body for _, _, body in FENCE.findall(text)] + inline, re.sub(r"`[^`]+`", "", prose)


def words(text):
    """Text without marks and line breaks, to compare what is written with what is displayed."""
    return " ".join(re.sub(r"^> ?|\*\*", "", text, flags=re.MULTILINE).split())


def chapters(text):
    """Rows of the map of chapters: cells without links, and what the second one links to."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
            if re.match(r"\| \d\d \|", line)]
    links = {row[0]: re.findall(r"\]\((?:notebooks/)?(.+?)\)", row[1]) for row in rows}
    return {row[0]: [re.sub(r"\[(.+?)\]\(.+?\)", r"\1", cell) for cell in row[1:]] for row in rows}, links


@pytest.mark.parametrize("name", PAGES)
def test_links_within_the_repository_lead_somewhere(name):
    targets = [target for target in re.findall(r"\]\(([^)]+)\)", code(name)[1]) if not re.match("https?://", target)]
    assert targets
    assert [target for target in targets if not ((ROOT / name).parent / target).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_commands_exist(name, capsys):
    said = "\n".join(code(name)[0])
    targets = set(re.search(r"^\.PHONY: (.+)$", page("Makefile"), re.MULTILINE)[1].split())
    assert set(re.findall(r"(?<!data )\bmake ([a-z]+)", said)) <= targets
    for command in set(re.findall(r"\baudiolab ([a-z]+)", said)):
        with pytest.raises(SystemExit) as stopped:
            cli.main([command, "--help"])
        assert stopped.value.code == 0, f"audiolab {command}"
    for module in re.findall(r"python -m (tools\.\w+)", said):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def test_ci_runs_the_lines_for_windows():
    lines = re.findall(r"^(?:python -m pip install uv|uv (?!run).+)$", page("README.md"), re.MULTILINE)
    assert len(lines) == 4
    workflow = page(".github/workflows/test.yml")
    assert [line for line in lines if f"- run: {line}\n" not in workflow] == []


@pytest.mark.parametrize("name", PAGES)
def test_names_of_the_package_exist(name):
    for body in code(name)[0]:
        for dotted in re.findall(r"\bal((?:\.[a-z]\w*)+)", body):
            thing = al
            for part in dotted[1:].split("."):
                thing = getattr(thing, part)


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_pictures_are_those_of_the_notebooks(name):
    png, alt = pictures.find(ROOT, *pictures.PICTURES[name])
    assert (ROOT / "docs" / name).read_bytes() == png, "run `python -m tools.pictures`"
    assert f"![{alt}](docs/{name})" in page("README.md")


def test_every_picture_in_docs_is_one_of_them():
    assert {path.name for path in (ROOT / "docs").iterdir()} == set(pictures.PICTURES)


def test_the_map_is_that_of_chapter_00():
    here, links = chapters(page("README.md"))
    there, linked = chapters(page("notebooks/text/00_start_here.md"))
    minutes = re.search(r"\*\*Time\*\*: (\d+) minutes", page("notebooks/text/00_start_here.md"))[1]
    first = here.pop("00")
    assert here == there
    assert first[0] == "Start here" and first[-1] == minutes
    assert links.pop("00") == ["00_start_here.ipynb"] and links == linked
    ready = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")} - {"00"}
    assert {number for number, target in links.items() if target} == ready
    hours = sum(int(row[-1]) for row in [first, *here.values()]) / 60
    assert f"About {hours:.0f} hours" in page("README.md")


def test_the_message_is_the_one_that_chapter_00_shows():
    [source] = [body for _, language, body in FENCE.findall(page("README.md")) if language == "python"]
    nb = twins.loads(page("notebooks/00_start_here.ipynb"))
    [cell] = [cell for cell in twins.code_cells(nb) if cell.source == source.strip()]
    quoted = "\n".join(re.findall(r"^>.*$", page("README.md"), re.MULTILINE))
    assert words(quoted) == words(cell.outputs[0].data["text/plain"])


def test_variables_are_those_that_the_code_reads():
    used = {name for folder in ("audiolab", "tools") for path in (ROOT / folder).rglob("*.py")
            for name in re.findall(r"AUDIOLAB_[A-Z]+", path.read_text(encoding="utf-8"))}
    assert set(re.findall(r"^\| `(AUDIOLAB_[A-Z]+)`", page("CONTRIBUTING.md"), re.MULTILINE)) == used


@pytest.mark.parametrize("name", ["spoken", "music"])
def test_the_cards_describe_the_samples(name):
    about = al.info(al.sample(name))
    card = page("data/README.md").partition(f"### `{name}`")[2].partition("\n###")[0]
    channels = {1: "mono", 2: "stereo"}[about.channels]
    assert f"{about.duration:.1f} s, {channels}, {about.sr:,} Hz, 16-bit FLAC" in card


# ---- the worked example of CONTRIBUTING ---------------------------------------------------------------

@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The exercise of the page for authors, its answer as the text gives it, and its mutants."""
    blocks = FENCE.findall(page("CONTRIBUTING.md"))
    text = tmp_path_factory.mktemp("example") / "solution.md"
    text.write_text(next(body for _, language, body in blocks if language == "md"), encoding="utf-8")
    checks, wrong = (next(body for _, _, body in blocks if marker in body) for marker in ("Exercise(", "@mutant("))
    [cell] = [cell for cell in learner.cells(text) if "exercise-02.7" in cell.tags]
    solved = {}
    exec("import numpy as np\n" + cell.source, solved)
    declared = {"__name__": "worked_example", "__package__": "audiolab.checks"}
    exec(checks, declared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mutants, "_declared", [])             # the real chapters' lists stay as they are
        exec(wrong, {"__name__": "worked_mutants"})
        found = [one for _, one in mutants._declared]
    exercise = declared["preemphasis"]
    return exercise, solved[exercise.name], found


def test_the_worked_solution_passes(example):
    exercise, solution, _ = example
    for seed in range(5):
        outcome = judge(exercise, stages.judge, solution, seed=seed)
        assert outcome, outcome.text


def test_the_worked_mutant_is_rejected_as_it_declares(example):
    exercise, _, found = example
    for one in found:
        outcome = judge(exercise, stages.judge, one.answer, seed=7)
        assert (outcome.state, outcome.stage) == ("failed", *one.stages), outcome.text
        assert one.says in outcome.text
    assert len(found) == 1


def test_the_worked_mistake_is_named(example):
    exercise, _, _ = example
    for said, ask, mistake in exercise.mistakes:
        outcome = judge(exercise, stages.judge, mistake, seed=7)
        assert (outcome.named, outcome.ask) == (said, ask), outcome.text
