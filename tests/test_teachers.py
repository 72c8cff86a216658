"""What the teacher's guide says is so: minutes add up; sections, messages, links and commands exist."""

import re
from collections import Counter
from pathlib import Path

import pytest
from mutants import by_hand

from audiolab import classroom, cli
from audiolab.checks import spec

ROOT = Path(__file__).absolute().parents[1]
GUIDE = ROOT / "book" / "teachers"
PAGES = sorted(GUIDE.glob("*.md"))
FENCE = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHAPTERS = {path.name[:2]: path.read_text(encoding="utf-8") for path in (ROOT / "notebooks" / "text").glob("*.md")}
HEADINGS = {number: set(re.findall(r"^## (.+)$", text, re.MULTILINE)) for number, text in CHAPTERS.items()}
TAUGHT = sorted(CHAPTERS.keys() - {"00"})
WITH_EXERCISES = sorted(path.name[:2] for path in (ROOT / "solutions" / "text").glob("*.md"))


def page(name):
    return (GUIDE / name).read_text(encoding="utf-8")


def rows(text):
    """Rows of all tables of a text, marks of emphasis taken off."""
    lines = re.findall(r"^\|(?!-)(.+)\|$", text.replace("**", ""), re.MULTILINE)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def part(name, heading):
    return page(name).partition(f"\n## {heading}")[2].partition("\n## ")[0]


def test_the_day_adds_up():
    table = rows(part("syllabi.md", "A day"))[1:]
    assert int(table.pop()[1]) == sum(int(minutes) for _, minutes in table) == 7 * 60


def test_each_half_day_is_three_hours():
    days = {}
    for day, _, minutes in rows(part("syllabi.md", "A week"))[1:]:
        days[day] = days.get(day, 0) + int(minutes)
    assert days == dict.fromkeys("12345", 180)


def test_each_week_of_the_term_is_ninety_minutes_and_keeps_the_order_of_chapters():
    table = rows(part("syllabi.md", "A term"))[1:]
    assert [sum(map(int, re.findall(r"(?:^|, )(\d+) ", cell))) for _, cell, _ in table] == [90] * 14
    minutes = {}
    for one, number in re.findall(r"\b(\d+) chapter (\d\d)\b", " ".join(cell for _, cell, _ in table)):
        minutes[number] = minutes.get(number, 0) + int(one)
    order = re.findall(r"\bchapter (\d\d)\b", " ".join(cell for _, cell, _ in table))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, needs in re.findall(r"^\| (\d\d) \|[^|]*\| ([\d, ]+) \|", readme, re.M):
        if number in order:
            assert all(order.index(one) < order.index(number) for one in needs.split(", ")), number
    chapters = dict(re.findall(r"^\| (\d\d) \|.*\| (\d+) \|$", readme, re.M))
    assert {number: int(chapters[number]) for number in minutes} == minutes


def test_a_chapter_is_called_planned_until_it_is_there():
    ready = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    for line in page("syllabi.md").splitlines():
        for number, planned in re.findall(r"^\| .*[Cc]hapter (\d\d)\b(.*\(planned\))?", line):
            assert bool(planned) == (number not in ready), line


@pytest.mark.parametrize("number", TAUGHT)
def test_sittings_add_up_and_name_every_section(number):
    sittings, sitting = re.search(r"\*\*Time\*\*: (?:(two) sittings of )?(\d+) minutes", CHAPTERS[number]).groups()
    found, total, named = [], 0, set()
    for section, minutes in rows(part(f"chapter-{number}.md", "Minutes"))[1:]:
        if section.endswith("sitting"):
            assert int(minutes) == total
            found.append(total)
            total = 0
        else:
            total += int(minutes)
            named.add(section.partition(":")[0] if section.startswith("The first cell:") else section)
    assert found == [int(sitting)] * (2 if sittings else 1) and total == 0
    assert named == HEADINGS[number] - {"Numbers", "Your turn"} | {"The first cell"}


def test_sections_named_in_the_guide_exist():
    for path in PAGES:
        named = set(re.findall(r"(?<!\*)\*([A-Z][^*|]+\?)\*(?!\*)", re.sub(r"\| \*[^|]+\* \|", "|", page(path.name))))
        number = path.stem.removeprefix("chapter-")
        assert named <= HEADINGS.get(number, set().union(*HEADINGS.values())), path.name
        assert named or path.name in ("index.md", "marking.md", "setup.md")


@pytest.mark.parametrize("number", WITH_EXERCISES)
def test_messages_are_those_of_the_checks(number):
    table = rows(part(f"chapter-{number}.md", "What they get wrong"))[1:]
    assert 12 <= len(table) <= 17
    assert {id for id, *_ in table} == {id for id, _ in exercises(number)}
    for id, _, says, _ in table:
        known = [words for words, _, _ in spec.find(id).mistakes] + [one.says for one in by_hand(number)[id]]
        assert any(says.strip("*") in words for words in known), says


def exercises(number):
    """Each exercise of a chapter with its minutes."""
    text = next((ROOT / "solutions" / "text").glob(f"{number}_*.md")).read_text(encoding="utf-8")
    return re.findall(rf"^## ({number}\.\d) .*\n\n[●○]+ · (\d+) minutes", text, re.M)


@pytest.mark.parametrize("number", WITH_EXERCISES)
def test_points_are_those_of_the_exercises(number, tmp_path):
    points = classroom.nbgrader(number, tmp_path)[1]
    assert re.search(rf"\b{number} are worth {points} points", page("syllabi.md"))
    assert number != "01" or f"# {points} points" in page("marking.md")


def test_minutes_are_those_of_the_exercises():
    minutes = {id: int(one) for number in WITH_EXERCISES for id, one in exercises(number)}
    assert Counter(id[:2] for id in minutes) == dict.fromkeys(WITH_EXERCISES, 6) | {"04": 7, "06": 8}
    assert minutes["01.1"] == 8
    ids, text = r"((?:0\d\.\d(?:, | and )?)+)", page("syllabi.md")
    each = re.findall(rf"Exercises {ids} \(([\d, ]+)\)", text)
    total = re.findall(rf"\| {ids} \((\d+)\) \|", text)
    room = re.findall(rf"\| Exercises {ids}[^|]*what the checks said \| (\d+) \|", text)
    assert each and total and room
    for some, numbers in each:
        assert [minutes[id] for id in re.findall(r"\d\d\.\d", some)] == [int(one) for one in numbers.split(", ")]
    for some, number in total:
        assert sum(minutes[id] for id in re.findall(r"\d\d\.\d", some)) == int(number), some
    for some, number in room:
        assert sum(minutes[id] for id in re.findall(r"\d\d\.\d", some)) < int(number), some


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_commands_lead_somewhere(path, capsys):
    text = path.read_text(encoding="utf-8")
    targets = re.findall(r"\]\(([^)#]+)", FENCE.sub("", text))
    assert [target for target in targets if not (GUIDE / target).exists()] == []
    code = "\n".join([*FENCE.findall(text), *re.findall(r"`([^`\n]+)`", FENCE.sub("", text))])
    for command in set(re.findall(r"\baudiolab ([a-z]+)\b", code)):
        with pytest.raises(SystemExit) as stopped:
            cli.main([command, "--help"])
        assert stopped.value.code == 0, command


def test_the_index_leads_to_every_page():
    tree = re.search(r"```\{toctree\}\n:hidden:\n\n(.*?)```", page("index.md"), re.DOTALL)[1]
    assert {f"{name}.md" for name in ["index", *tree.split()]} == {path.name for path in PAGES}
