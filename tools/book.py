"""Build the web site of the course from the notebooks as they are stored: nothing is executed, nothing fetched.

    python -m tools.book

The site is book/_build/html. It is made beside, in book/_build/next, and takes the old one's place when it is whole.
In next/source its pages are gathered as Sphinx wants them: with links to pages of the site instead of files of the
repository, and with what can be derived, so that nothing is written twice.
"""

import ast
import importlib
import inspect
import posixpath
import re
import shutil
import sys
import time
import tomllib
from pathlib import Path

import nbformat

import audiolab
from audiolab.claims import MIME
from tools import twins

ROOT = Path(__file__).absolute().parents[1]
FOLDER = ROOT / "book" / "_build"
TAUGHT = re.compile(r'Taught in: notebooks/(\w+)\.ipynb, "([^"]+)"')
PAGES = {"CONTRIBUTING.md": "contributing.md", "data/README.md": "data.md",
         "benchmarks/CLAIMS.md": "claims.md", "benchmarks/RESULTS.md": "results.md",
         "benchmarks/LEARNING.md": "learning.md", "benchmarks/CAPSTONE.md": "capstone.md",
         "benchmarks/REALTIME.md": "realtime.md"}
HOMES = {"README.md": "index.md", "audiolab/__init__.py": "api/index.rst", "notebooks": "notebooks/00_start_here.ipynb"}

_FENCE = re.compile(r"^(?P<ticks>`{3,}|~{3,}).*?^(?P=ticks)[ ]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(rf"(?P<fence>{_FENCE.pattern})|(?P<bang>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<to>[^()\s]+)\)"
                   r"|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(?P<term>\w.*)\n(?P<definition>(?:  .+\n)+)", re.MULTILINE)


def build(root, folder, repository=None):
    """Gather the pages and let Sphinx make the site, with every warning an error.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the course.
    folder : pathlib.Path
        Empty or new. The site becomes ``html`` in it.
    repository : str, optional
        Address of the public repository. By default the one that ``pyproject.toml`` names; "" for none.

    Returns
    -------
    bool
        Whether the site was built without a warning.
    """
    from sphinx.cmd.build import build_main

    if repository is None:
        repository = addresses(root).get("Repository", "")
    gather(root, folder / "source", repository)
    options = ["-W", "--keep-going", "-q", "-j", "auto", "-b", "html", "-c", str(root / "book"),
               "-d", str(folder / "doctrees"), "-D", f"repository={repository}"]
    return build_main([*options, str(folder / "source"), str(folder / "html")]) == 0


def addresses(root):
    """Public addresses of the course, by name, as ``[project.urls]`` gives them; an empty dict while there are none."""
    return _settings(root)["project"].get("urls", {})


def _settings(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def gather(root, sources, repository=""):
    """Put every page of the site into a folder.

    Parameters
    ----------
    root, sources : pathlib.Path
        Folder of the course, and the one to fill.
    repository : str
        Where links to files lead that are no page; "" makes them plain text.
    """
    places = _places(root)
    chapters = {path: twins.loads((root / path).read_text(encoding="utf-8")) for path in places
                if path.startswith("notebooks/")}
    terms = _introduced(glossary_terms(root), chapters)
    taught = lessons()
    made = _api_pages(root)
    made["bibliography.md"] = _bibliography(chapters)
    made["README.md"] = relink((root / "README.md").read_text(encoding="utf-8"), "README.md", "index.md", places, root,
                               repository)                         # the home page includes it
    for path, page in places.items():
        if not path.endswith((".md", ".ipynb")):
            made[page] = (root / path).read_bytes()
            continue
        text = (root / path).read_text(encoding="utf-8")

        def site(text, path=path, page=page):
            return relink(text, path, page, places, root, repository)

        if path in chapters:
            made[page] = twins.dumps(_chapter(chapters[path], page, site, terms, taught.get(Path(path).stem, {})))
        elif path.endswith(".ipynb"):
            made[page] = twins.dumps(_each_text(twins.loads(text), page, site))
        elif path == "book/glossary.md":
            made[page] = _glossary(text, terms)
        else:
            made[page] = site(text)
    for page, content in made.items():
        (sources / page).parent.mkdir(parents=True, exist_ok=True)
        (sources / page).write_bytes(content if isinstance(content, bytes) else content.encode())


def relink(text, path, page, places, root, repository=""):
    """Make the links of a text in the repository links of its page on the site.

    A file that has a page leads there, a module to its reference, any other file to the public repository, or
    nowhere while that has no address.

    Parameters
    ----------
    text : str
        Markdown.
    path, page : str
        Where the text is in the repository, and on the site.
    places : dict of str to str
        Page of each file that has one.
    root : pathlib.Path
        Folder of the course.
    repository : str
        Address, or "".

    Returns
    -------
    str
    """

    def link(match):
        if match["to"] is None or re.match(r"[a-z]+:|#", match["to"]):
            return match[0]
        file, hash_, anchor = match["to"].partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), file))
        if target in places | HOMES:
            return f"{match['bang']}[{match['text']}]({_relative((places | HOMES)[target], page)}{hash_}{anchor})"
        if re.fullmatch(r"audiolab/.+\.py", target):
            return f"[{match['text']}](#{target.removesuffix('.py').removesuffix('/__init__').replace('/', '.')})"
        if repository and (root / target).exists():
            kind = "tree" if (root / target).is_dir() else "blob"
            return f"[{match['text']}]({repository}/{kind}/main/{target})"
        return match["text"] if (root / target).exists() else match[0]     # what leads nowhere, Sphinx reports

    return _LINK.sub(link, text)


def _places(root):
    """The page of each file that is on the site. Solutions are not: a learner would stumble over them."""
    places = {path: page for path, page in PAGES.items() if (root / path).exists()}
    for folder in ("notebooks", "exercises"):
        places |= {path: path for path in _names(root, f"{folder}/*.ipynb")}
    places |= {path: path for path in _names(root, "docs/*.png")}
    return places | {path: path.removeprefix("book/") for path in _names(root, "book/**/*.md") if "/_" not in path}


def _names(root, pattern):
    return [path.relative_to(root).as_posix() for path in sorted(root.glob(pattern))]


def _relative(target, page):
    return posixpath.relpath(target, posixpath.dirname(page) or ".")


def _each_text(nb, page, change):
    """Change every Markdown cell of a notebook. What a widget left in its place says how to get the widget.

    The records of its claims, which are for machines, are left out.
    """
    start = f'in a running notebook (<a href="{_relative("index.html", page)}#start">how to start one</a>)'
    for cell in nb.cells:
        if cell.cell_type == "markdown":
            cell.source = change(cell.source)
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            data.pop(MIME, None)
            if "text/html" in data:
                data["text/html"] = data["text/html"].replace("in a running notebook", start)
    return nb


def _chapter(nb, page, site, terms, taught):
    """A chapter as a page: its terms lead to the glossary, and at its end stands what the package has of it."""
    here = {f"**{word}**": term for term, (chapter, _, word) in terms.items() if chapter == page}

    def linked(text):
        for bold, term in list(here.items()):
            if bold in text:
                text = text.replace(bold, f"**{{term}}`{bold.strip('*')} <{term}>`**", 1)
                del here[bold]
        return site(text)

    nb = _each_text(nb, page, linked)
    if taught:
        rows = [f"- [{title}](#{_slug(title)}) {', '.join(map(_object, names))}" for title, names in taught.items()]
        nb.cells.append(nbformat.v4.new_markdown_cell("\n".join(["## In the package", "", *rows]), id="in-the-package"))
    return nb


def _object(name):
    """A link to what the reference has under a full name."""
    return f"{{py:obj}}`{name.removeprefix('audiolab.')} <{name}>`"


def lessons():
    """Chapter → heading → full names of the functions whose docstrings name that section, in the order of the text."""
    found = {}
    package = Path(audiolab.__file__).parent
    for path in sorted(package.rglob("*.py")):
        module = ".".join(["audiolab", *path.relative_to(package).with_suffix("").parts])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and (
                match := TAUGHT.search(ast.get_docstring(node) or "")):
                found.setdefault(match[1], {}).setdefault(match[2], []).append(f"{module}.{node.name}")
    return found


def glossary_terms(root):
    """Terms of the glossary, in its order."""
    return [match["term"] for match in _ENTRY.finditer((root / "book" / "glossary.md").read_text(encoding="utf-8"))]


def _introduced(terms, chapters):
    """Term → (chapter, heading, the words set in bold there): where each is first set in bold, as one or as many."""
    found = {}
    for path, nb in chapters.items():
        heading = ""
        for cell in nb.cells:
            for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
                heading = line.removeprefix("## ") if line.startswith("## ") else heading
            if cell.cell_type != "markdown":
                continue
            for word in re.findall(r"\*\*([^*\n]+)\*\*", cell.source):
                for term in terms:
                    if word.casefold() in (term.casefold(), f"{term}s".casefold()):
                        found.setdefault(term, (path, heading, word))
    return found


def _glossary(text, terms):
    """The glossary, each entry with a link to the section that introduces its term."""

    def entry(match):
        if match["term"] not in terms:
            return match[0]
        path, heading, _ = terms[match["term"]]
        anchor = f"#{_slug(heading)}" if heading else ""
        return f"{match[0].rstrip()} [{Path(path).stem[:2]}]({path}{anchor})\n"

    return _ENTRY.sub(entry, text)


def _bibliography(chapters):
    """What the chapters refer to, each work once, with links to the chapters whose own list has it."""
    works = {}
    for path, nb in chapters.items():
        for cell in nb.cells:
            if cell.cell_type == "markdown" and "**References**" in cell.source:
                for work in re.findall(r"^- (.+(?:\n  .+)*)", cell.source.partition("**References**")[2], re.MULTILINE):
                    works.setdefault(work, []).append(path)
    lines = [f"- {work} " + " ".join(f"[{Path(path).stem[:2]}]({path})" for path in works[work])
             for work in sorted(works, key=str.casefold)]
    return "\n".join(["# Bibliography", "", "What the chapters refer to; the number is the chapter.", "", *lines, ""])


def _api_pages(root):
    """Reference pages, one per module of the package, or package in it, in the order in which audio flows."""
    [order] = _settings(root)["tool"]["importlinter"]["contracts"]
    names = order["layers"][::-1]
    pages = {f"api/{name}.rst": _api_page(name) for name in names}
    about = [f":py:mod:`audiolab.{name}`\n    {_first_line(name)}" for name in names]
    listed = "\n".join(f"   {name}" for name in names)
    pages["api/index.rst"] = "\n".join([
        _title("The package", "="),
        "``import audiolab as al`` is how the chapters begin. A module uses only those above it in this list, and is\n"
        "written to be read. Functions say which section teaches them. :ref:`All names <genindex>` are in the index.\n",
        "\n".join(about), "", f".. toctree::\n   :hidden:\n\n{listed}\n"])
    return pages


def _api_page(name):
    package = Path(audiolab.__file__).parent
    if not (package / name).is_dir():
        return _title(f"audiolab.{name}", "=") + _automodule(f"audiolab.{name}")
    parts = [_title(f"audiolab.{name}", "="), f".. automodule:: audiolab.{name}\n"]
    for path in sorted((package / name).glob("*.py")):
        if not re.match(r"__init__|c\d\d_", path.stem):             # the checks of a chapter are no reference
            parts += [_title(f"audiolab.{name}.{path.stem}", "-"), _automodule(f"audiolab.{name}.{path.stem}")]
    return "\n".join(parts)


def _title(text, line):
    return f"{text}\n{line * len(text)}\n\n"


def _automodule(module):
    return f".. automodule:: {module}\n   :members:\n   :member-order: bysource\n"


def _first_line(name):
    return inspect.getdoc(importlib.import_module(f"audiolab.{name}")).partition("\n")[0]


def _slug(heading):
    """The anchor that MyST gives a heading: GitHub's."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def main():
    start = time.monotonic()
    site, new, old = FOLDER / "html", FOLDER / "next", FOLDER / "old"
    shutil.rmtree(new, ignore_errors=True)          # of a build that failed; this one's stays too, to look at
    if not build(ROOT, new):
        print(f"The site was not made; {'the one before stays' if site.exists() else 'there is none yet'}.",
              file=sys.stderr)
        return 1
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        site.rename(old)                            # whole: a page that is no more must not stay
    (new / "html").rename(site)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(new)
    size = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    page = (site / "index.html").relative_to(ROOT)
    print(f"{page}: the site, {size / 1e6:.1f} MB, made in {time.monotonic() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
