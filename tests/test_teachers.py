"""What the teacher's guide says is so: minutes add up; sections, messages, links and commands exist."""

import re
from pathlib import Path

import pytest
from mutants import by_hand

from audiolab import classroom, cli
from audiolab.checks import spec

ROOT = Path(__file__).absolute().parents[1]
GUIDE = ROOT / "book" / "teachers"
PAGES = sorted(GUIDE.glob("*.md"))
FENCE = re.compile(r"^```.*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CHAPTER = (ROOT / "notebooks" / "text" / "01_fundamentals.md").read_text(encoding="utf-8")
HEADINGS = set(re.findall(r"^## (.+)$", CHAPTER, re.MULTILINE))


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
    order = re.findall(r"\bchapter (\d\d)\b", " ".join(cell for _, cell, _ in table))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for number, needs in re.findall(r"^\| (\d\d) \|[^|]*\| ([\d, ]+) \|", readme, re.M):
        if number in order:
            assert all(order.index(one) < order.index(number) for one in needs.split(", ")), number


def test_a_chapter_is_called_planned_until_it_is_there():
    ready = {path.name[:2] for path in (ROOT / "notebooks").glob("*.ipynb")}
    for line in page("syllabi.md").splitlines():
        for number, planned in re.findall(r"^\| .*[Cc]hapter (\d\d)\b(.*\(planned\))?", line):
            assert bool(planned) == (number not in ready), line


def test_the_sittings_of_chapter_01_add_up_and_name_every_section():
    sitting = int(re.search(r"two sittings of (\d+) minutes", CHAPTER)[1])
    total, named = 0, set()
    for section, minutes in rows(part("chapter-01.md", "Minutes"))[1:]:
        if section.endswith("sitting"):
            assert int(minutes) == total == sitting
            total = 0
        else:
            total += int(minutes)
            named.add(section)
    assert named == HEADINGS - {"Numbers", "Your turn"} | {"The first cell: hear what will be built"}


def test_sections_named_in_the_syllabi_exist():
    named = set(re.findall(r"(?<!\*)\*([A-Z][^*|]+\?)\*(?!\*)", page("syllabi.md")))
    assert named and named <= HEADINGS


def test_messages_are_those_of_the_checks():
    table = rows(part("chapter-01.md", "What they get wrong"))[1:]
    assert len(table) > 12
    for id, _, says, _ in table:
        known = [words for words, _, _ in spec.find(id).mistakes] + [one.says for one in by_hand("01")[id]]
        assert any(says.strip("*") in words for words in known), says


def test_points_and_minutes_are_those_of_the_exercises(tmp_path):
    points = classroom.nbgrader("01", tmp_path)[1]
    assert f"worth {points} points" in page("syllabi.md") and f"# {points} points" in page("marking.md")
    text = (ROOT / "solutions/text/01_fundamentals.md").read_text(encoding="utf-8")
    minutes = dict(re.findall(r"^## (01\.\d) .*\n\n[●○]+ · (\d+) minutes", text, re.M))
    assert minutes["01.1"] == "8"
    for ids, numbers in re.findall(r"Exercises ((?:01\.\d[, and]*)+)\(([\d, ]+)\)", page("syllabi.md")):
        assert [minutes[id] for id in re.findall(r"01\.\d", ids)] == numbers.split(", ")
    for ids, total in re.findall(r"\| ((?:01\.\d(?:, )?)+) \((\d+)\) \|", page("syllabi.md")):
        assert sum(int(minutes[id]) for id in ids.split(", ")) == int(total)


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
