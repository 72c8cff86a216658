"""The web site: complete, whole by itself, every link alive, ways both ways between lesson and code."""

import json
import re
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlparse

import pytest
from bs4 import BeautifulSoup

from tools import book

ROOT = Path(__file__).absolute().parents[1]
NOTEBOOKS = sorted(path.relative_to(ROOT).with_suffix("").as_posix()
                   for folder in ("notebooks", "exercises") for path in (ROOT / folder).glob("*.ipynb"))
CHAPTERS = [name for name in NOTEBOOKS if name.startswith("notebooks/")]
pytestmark = pytest.mark.filterwarnings("ignore:.*Check CHANGES for Sphinx API")     # by MyST-NB, by the theme
SITE = "http://site/"                               # where its pages would be on a server


class Site:
    """A built site: its folder, and its pages read."""

    def __init__(self, folder, repository=""):
        self.built = book.build(ROOT, folder, repository)
        self.folder = folder / "html"
        self.pages = {path.relative_to(self.folder).as_posix(): BeautifulSoup(path.read_bytes(), "html.parser")
                      for path in self.folder.rglob("*.html") if "_static" not in path.parts}
        self.anchors = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in self.pages.items()}

    def links(self, name, part="a"):
        """Where the links of a page lead: (page, anchor) within the site, an address outside."""
        for tag in self.pages[name].select(f"{part}[href]"):
            whole, anchor = urldefrag(urljoin(SITE + name, tag["href"]))
            yield (unquote(whole.removeprefix(SITE)), unquote(anchor)) if whole.startswith(SITE) else (whole, "")


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    return Site(tmp_path_factory.mktemp("book"))


@pytest.mark.slow
def test_it_is_built_without_a_warning(site):
    assert site.built, "run `make book` to see the warnings"


@pytest.mark.slow
def test_every_notebook_has_a_page_and_no_solution_has(site):
    assert {f"{name}.html" for name in NOTEBOOKS} <= set(site.pages)
    assert {"index.html", "teachers/index.html", "glossary.html", "bibliography.html", "results.html", "learning.html",
            "claims.html", "data.html", "contributing.html", "api/index.html", "search.html"} <= set(site.pages)
    assert [name for name in site.pages if "solution" in name] == []
    assert not any("BEGIN SOLUTION" in site.pages[f"{name}.html"].get_text() for name in NOTEBOOKS)
    in_order = [a["href"] for a in site.pages["index.html"].select("nav.bd-docs-nav a") if "notebooks/" in a["href"]]
    assert in_order == [f"{name}.html" for name in CHAPTERS]


@pytest.mark.slow
def test_nothing_is_fetched_from_elsewhere(site):
    foreign = re.compile(r"^(?:https?:)?//")
    foreign_style = re.compile(r"""(?:url\(|@import)\s*['"]?(?:https?:)?//""")
    for name, page in site.pages.items():
        fetched = [tag[key] for key in ("src", "srcset", "data", "poster") for tag in page.find_all(attrs={key: True})]
        fetched += [tag["href"] for tag in page.find_all("link", href=True) if tag.get("rel") != ["canonical"]]
        assert [one for one in fetched if foreign.match(one)] == [], name
        for style in [tag.get_text() for tag in page.find_all("style")]:
            assert not foreign_style.search(style), name
    for path in site.folder.rglob("*.css"):
        assert not foreign_style.search(path.read_text(encoding="utf-8")), path
    said = "".join(str(page.find_all("script")) for page in site.pages.values())
    assert not re.search(r"mathjax|require\.js|html-manager|cdn\.|thebe", said, re.IGNORECASE)


@pytest.mark.slow
def test_files_that_pages_need_are_there(site):
    for name, page in site.pages.items():
        for tag in page.find_all(["script", "img", "link"]):
            if (address := tag.get("src") or tag.get("href")) and not address.startswith("data:"):
                file = urlparse(urljoin(SITE + name, address)).path.lstrip("/")
                assert (site.folder / file).is_file(), (name, address)


@pytest.mark.slow
def test_every_link_and_anchor_within_the_site_leads_somewhere(site):
    dead = []
    for name in site.pages:
        for page, anchor in site.links(name):
            if page.startswith(("http:", "https:", "mailto:", "javascript:")):
                continue
            if not (site.folder / page).is_file() or (anchor and anchor not in site.anchors[page]):
                dead.append((name, page, anchor))
    assert dead == []


@pytest.mark.slow
def test_every_picture_has_its_text(site):
    for name, page in site.pages.items():
        assert [str(tag)[:80] for tag in page.select("article img") if not tag.get("alt", "").strip()] == [], name
        assert [str(tag)[:80] for tag in page.find_all("img") if not tag.has_attr("alt")] == [], name
    shown = {tag["alt"] for page in site.pages.values() for tag in page.select("article img")}
    for name in CHAPTERS:
        for cell in json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
            for output in cell.get("outputs", ()):
                if text := output.get("metadata", {}).get("image/png", {}).get("alt"):
                    assert text in shown


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_players_and_claims_of_a_chapter_are_on_its_page(site, name):
    cells = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]
    html = "".join("".join(output.get("data", {}).get("text/html", "")) for output in outputs)
    page = site.pages[f"{name}.html"]
    assert len(page.find_all("audio")) == html.count("<audio") > 0
    assert all((tag.get("src") or tag.source["src"]).startswith("data:audio/") for tag in page.find_all("audio"))
    assert page.get_text().count("✓") >= html.count("✓") > 0


@pytest.mark.slow
def test_formulas_are_mathml_and_none_is_left_as_text(site):
    for name in CHAPTERS:
        page = site.pages[f"{name}.html"]
        prose = " ".join(cell_less.get_text() for cell_less in page.select("article p, article li"))
        assert not re.search(r"\\(?:frac|sum|cos|log|text)|\$\$", prose)
    fundamentals = site.pages["notebooks/01_fundamentals.html"]
    assert len(fundamentals.select("article math")) > 80
    assert all(tag.get_text(strip=True) for tag in fundamentals.select("article math"))


@pytest.mark.parametrize("path", sorted(ROOT.glob("*/text/*.md")), ids=lambda path: path.stem)
def test_a_formula_on_a_line_of_its_own_begins_a_paragraph(path):
    """Right below a line of text its dollars are taken for those of a formula within the text."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"^(?!\s*$|.*\$\$)(.+)\n *\$\$", text, re.MULTILINE)


@pytest.mark.slow
def test_functions_lead_to_their_lesson_and_lessons_to_their_functions(site):
    taught = book.lessons()
    assert len(taught) >= 2
    for chapter, sections in taught.items():
        lesson = f"notebooks/{chapter}.html"
        there = set(site.links(lesson, "#in-the-package a"))
        for heading, names in sections.items():
            for name in names:
                page = f"api/{name.split('.')[1]}.html"
                assert (page, name) in there, name
                entry = site.pages[page].find(id=name).parent
                links = {a["href"] for a in entry.select("a.reference") if a.get_text() == f"{chapter[:2]}: {heading}"}
                [link] = links                              # methods may name it too
                whole, anchor = urldefrag(urljoin(SITE + page, link))
                assert whole == SITE + lesson
                assert site.pages[lesson].find(id=anchor).find(["h1", "h2"]).get_text().rstrip("#") == heading


@pytest.mark.slow
def test_code_of_a_chapter_leads_to_the_reference(site):
    first = site.pages["notebooks/00_start_here.html"]
    in_code = {a.get_text(): a["href"] for a in first.select(".highlight a.reference-code")}
    in_prose = {a.get_text(): a["href"] for a in first.select("p a.reference-code")}
    assert in_code["al.plots.overview"] == "../api/plots.html#audiolab.plots.overview"
    assert in_code["al.check"] == "../api/checks.html#audiolab.checks.desk.check"
    assert in_prose["al.verify"] == "../api/claims.html#audiolab.claims.verify"


@pytest.mark.slow
def test_terms_lead_to_the_glossary_and_back(site):
    terms = book.glossary_terms(ROOT)
    assert len(terms) > 40 and terms == sorted(terms, key=str.casefold)
    linked = {}
    for name in CHAPTERS:
        for page, anchor in site.links(f"{name}.html", "article strong a"):
            if page == "glossary.html":
                linked.setdefault(anchor, f"{name}.html")
    for term in terms:
        plain = unicodedata.normalize("NFKD", term).encode("ascii", "ignore").decode()         # as Sphinx names it
        entry = site.pages["glossary.html"].find(id="term-" + re.sub(r"[^\w.]+", "-", plain))
        assert entry is not None, term
        assert entry["id"] in linked, f"no chapter sets the term {term} in bold"
        back = [a["href"] for a in entry.find_next_sibling("dd").find_all("a")]
        assert back[-1].partition("#")[0] == linked[entry["id"]], term


@pytest.mark.slow
def test_the_bibliography_is_that_of_the_chapters(site):
    listed = [item.get_text().replace("’", "'") for item in site.pages["bibliography.html"].select("article li")]
    assert any("Schroeder (1965)" in work and work.endswith("01") for work in listed)
    assert listed == sorted(listed, key=str.casefold) and len(listed) == len(set(listed))
    for name in CHAPTERS:
        text = (ROOT / "notebooks" / "text" / f"{Path(name).stem}.md").read_text(encoding="utf-8")
        works = re.findall(r"^- (\w[^(\n]+\(\d{4}\))", text.partition("**References**")[2], re.MULTILINE)
        assert [work for work in works if not any(work in one for one in listed)] == []


@pytest.mark.slow
def test_buttons_lead_elsewhere_only_when_the_course_has_an_address(site, tmp_path):
    launch = ".dropdown-launch-buttons"
    assert [name for name, page in site.pages.items() if page.select(f"{launch}, .btn-source-repository-button")] == []
    public = Site(tmp_path / "book", "https://github.com/someone/audiolab")
    assert public.built
    for name in NOTEBOOKS:
        file = f"{name}.ipynb"
        to = {a.get_text(strip=True): a["href"] for a in public.pages[f"{name}.html"].select(f"{launch} a")}
        assert to == {"Binder": f"https://mybinder.org/v2/gh/someone/audiolab/main?urlpath=lab/tree/{file}",
                      "Colab": f"https://colab.research.google.com/github/someone/audiolab/blob/main/{file}"}
    assert not public.pages["glossary.html"].select(launch)
    assert ("https://github.com/someone/audiolab/blob/main/LICENSE", "") in public.links("using.html")
    assert not any("github.com/someone" in str(page) for page in site.pages.values())


@pytest.mark.slow
def test_what_a_widget_left_says_how_to_get_it(site):
    [note] = [p for p in site.pages["notebooks/00_start_here.html"].select("p") if "A voice recorder" in p.get_text()]
    whole, anchor = urldefrag(urljoin(f"{SITE}notebooks/", note.a["href"]))
    assert whole == f"{SITE}index.html"
    assert "make lab" in site.pages["index.html"].find(id=anchor).get_text()


@pytest.mark.slow
def test_what_learners_need_stands_before_what_teachers_need(site):
    headings = [tag.get_text().rstrip("#") for tag in site.pages["using.html"].select("article h2")]
    assert headings.index("Your recordings stay with you") < headings.index("In class")


# ---- without a build ------------------------------------------------------------------------------

def test_a_build_that_fails_leaves_the_old_site_and_a_new_one_takes_its_place(tmp_path, monkeypatch, capsys):
    def fails(root, folder):
        (folder / "html").mkdir(parents=True)
        return False

    def works(root, folder):
        assert not fails(root, folder)              # which would stumble over what a failed build left
        return (folder / "html" / "index.html").write_text("new") == 3

    folder = tmp_path / "book" / "_build"
    monkeypatch.setattr(book, "ROOT", tmp_path)
    monkeypatch.setattr(book, "FOLDER", folder)
    monkeypatch.setattr(book, "build", fails)
    assert book.main() == 1 and "none yet" in capsys.readouterr().err
    monkeypatch.setattr(book, "build", works)
    assert book.main() == 0 and "book/_build/html/index.html: the site" in capsys.readouterr().out
    (folder / "html" / "gone.html").write_text("of a page that is no more")
    monkeypatch.setattr(book, "build", fails)
    assert book.main() == 1 and "stays" in capsys.readouterr().err
    assert (folder / "html" / "index.html").read_text() == "new"
    monkeypatch.setattr(book, "build", works)
    assert book.main() == 0
    assert [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*"))] == ["html", "html/index.html"]



PLACES = {path: path for path in ("notebooks/01_a.ipynb", "docs/voice.png")} | {"data/README.md": "data.md"}


@pytest.mark.parametrize("text, path, page, expected", [
    ("[a](../data/README.md#spoken)", "notebooks/01_a.ipynb", "notebooks/01_a.ipynb", "[a](../data.md#spoken)"),
    ("[a](../notebooks/01_a.ipynb)", "data/README.md", "data.md", "[a](notebooks/01_a.ipynb)"),
    ("![v](docs/voice.png)", "README.md", "index.md", "![v](docs/voice.png)"),
    ("[`speech.say`](../audiolab/corpora/speech.py)", "data/README.md", "data.md",
     "[`speech.say`](#audiolab.corpora.speech)"),
    ("[b](https://example.org) [c](#here)", "README.md", "index.md", "[b](https://example.org) [c](#here)"),
    ("the [licence](LICENSE).", "README.md", "index.md", "the licence."),
    ("[gone](missing.md)", "README.md", "index.md", "[gone](missing.md)"),          # Sphinx reports it
    ("`[a](LICENSE)`", "README.md", "index.md", "`[a](LICENSE)`"),
    ("```text\n[a](LICENSE)\n```\n", "README.md", "index.md", "```text\n[a](LICENSE)\n```\n"),
])
def test_links_of_the_repository_become_links_of_the_site(text, path, page, expected):
    assert book.relink(text, path, page, PLACES, ROOT) == expected


def test_links_to_files_lead_to_the_repository_when_it_has_an_address():
    assert book.relink("[l](LICENSE) [s](solutions)", "README.md", "index.md", {}, ROOT, "https://host/us/it") == (
        "[l](https://host/us/it/blob/main/LICENSE) [s](https://host/us/it/tree/main/solutions)")


@pytest.fixture(scope="module")
def course():
    sys.path.insert(0, str(ROOT / "book"))
    yield __import__("course")
    sys.path.remove(str(ROOT / "book"))


@pytest.mark.parametrize("tex, expected", [
    (r"\tfrac12", "<mfrac><mn>1</mn><mn>2</mn></mfrac>"),
    (r"\tfrac{a - b}2", "<mfrac><mrow><mi>a</mi><mo>−</mo><mi>b</mi></mrow><mn>2</mn></mfrac>"),
    (r"k = 0, \dots, N", "<mi>k</mi><mo>=</mo><mn>0</mn><mo>,</mo><mi>…</mi><mo>,</mo><mi>N</mi>"),
    (r"10 \log_{10} A", "<mn>10</mn><mspace></mspace><msub><mi>log</mi><mn>10</mn></msub><mspace></mspace><mi>A</mi>"),
])
def test_formulas_become_mathml(course, tex, expected):
    drawn = re.sub(r"\s*\n\s*", "", course.mathml(tex, None))
    assert expected in re.sub(r"<(mfrac|mspace|mo)\b[^>]*>", r"<\1>", drawn)


def test_a_formula_that_cannot_be_drawn_is_reported(course, monkeypatch):
    said = []
    monkeypatch.setattr(course.LOG, "warning", lambda *words, **place: said.append(words[0] % words[1:]))
    assert course.mathml(r"\nonsense{x}", None) == ""
    assert len(said) == 1 and "nonsense" in said[0]


def test_a_line_may_end_before_an_equals_sign(course):
    assert course.at_equals(r"f_0 = f_s / (P = 1) = 2") == ["f_0", "= f_s / (P = 1)", "= 2"]
    assert course.at_equals("= 2") == ["= 2"]


def test_names_in_code_are_those_of_the_reference(course):
    assert course.full_name("al.load") == "audiolab.audio.load"
    assert course.full_name("al.synth") == "audiolab.synth"
    assert course.full_name("al.synth.no_such_thing") is None
