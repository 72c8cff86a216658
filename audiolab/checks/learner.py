"""The learner's notebooks: their cells, the answers in them, putting them into ``work/``, restoring them."""

import hashlib
import json
import linecache
import re
import shutil
import time
from dataclasses import dataclass

from .. import paths
from . import stages, store
from .report import Outcome
from .spec import ExerciseError, chapters, exercises

PLACED = "placed.json"      # what was put into work/: file name → digest of its cells


@dataclass
class Cell:
    """A code cell."""

    source: str
    tags: list


def cells(path):
    """Code cells of a notebook (``.ipynb``) or of its text twin (``.md``), in order.

    Raises
    ------
    ExerciseError
        If the file is missing or cannot be read as a notebook.
    """
    if path.suffix == ".md":
        try:
            return _twin_cells(path.read_text("utf-8"))
        except OSError as error:
            raise ExerciseError(f"{path} cannot be read: {error.strerror}.") from None
    return [Cell(_source(cell), _tags(cell)) for cell in _read(path)["cells"] if cell["cell_type"] == "code"]


def _twin_cells(text):
    """Cells of MyST Markdown: a ``{code-cell}`` fence, perhaps options, the source."""
    found = []
    for body in re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```[ \t]*$", text, re.M | re.S):
        options = re.match(r"---\n.*?^---\n|(?::[\w-]+:[^\n]*\n)+", body, re.M | re.S)
        head = options.group() if options else ""
        inline = re.search(r"tags: *\[([^\]]*)\]", head)
        tags = re.split(r"[,\s]+", inline.group(1).strip()) if inline else re.findall(r"^- +(\S+)", head, re.M)
        found.append(Cell(body[len(head) :].strip("\n"), [tag.strip("\"'") for tag in tags]))
    return found


def _read(path):
    try:
        notebook = json.loads(path.read_text("utf-8"))
        if not isinstance(notebook["cells"], list):
            raise TypeError
        return notebook
    except FileNotFoundError:
        raise ExerciseError(f"There is no {path}. `audiolab start` puts the exercises into work/.") from None
    except (OSError, ValueError, KeyError, TypeError):
        fix = f"`audiolab reset {path.name[:2]}` restores your copy and keeps this as a backup"
        raise ExerciseError(f"{path} cannot be read as a notebook. {fix}.") from None


def _source(cell):
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def _tags(cell):
    return cell.get("metadata", {}).get("tags", [])


def tag(id):
    """Tag of an exercise's answer cell."""
    return f"exercise-{id}"


@dataclass
class Task:
    """What the exercise notebook says of an exercise."""

    title: str = ""
    difficulty: str = ""    # "●●○"
    minutes: int = 0


def tasks(chapter):
    """A chapter's title, and its tasks by id, from the notebook that the course ships; empty when it has none."""
    try:
        cells = _read(pristine(chapter))["cells"]
    except ExerciseError:
        return "", {}
    text = "\n\n".join(_source(cell) for cell in cells if cell["cell_type"] == "markdown")
    title = re.search(r"^# \d\d (.+?)(?:: your turn)?$", text, re.M)
    found = re.findall(r"^## (\d\d\.\d+) (.+)\n+([●○]+) · (\d+) minutes$", text, re.M)
    return title[1] if title else "", {id: Task(words, level, int(n)) for id, words, level, n in found}


# -- files ----------------------------------------------------------------------------------------


def name_of(chapter):
    """File name of a chapter without its suffix: ``01_fundamentals``."""
    exercises(chapter)      # says so when there is none
    return chapters()[chapter].removeprefix("c")


def pristine(chapter):
    """The chapter's exercise notebook as the course ships it."""
    return paths.course() / "exercises" / f"{name_of(chapter)}.ipynb"


def copy_of(chapter):
    """The learner's copy, which may not exist yet."""
    return paths.work(f"{name_of(chapter)}.ipynb")


def solutions(chapter):
    """The text with the chapter's solutions."""
    return paths.course() / "solutions" / "text" / f"{name_of(chapter)}.md"


def digest(path):
    """Fingerprint of what a person can edit: the cells' sources, not their outputs."""
    content = [(cell["cell_type"], _relinked(_source(cell))) for cell in _read(path)["cells"]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _shipped():
    """Notebooks that learners get a copy of: the file, and the name of its copy in ``work/``.

    Chapters are copied too, since running one changes it: the clone stays as it is, and so does what
    a learner recorded.
    """
    for folder, prefix in (("exercises", ""), ("notebooks", "chapters/")):
        yield from ((path, prefix + path.name) for path in sorted(paths.course().joinpath(folder).glob("[0-9]*.ipynb")))


def _relinked(text):
    """Links between chapters and exercises as they stand in the copies, which lie in each other's reach."""
    return text.replace("](../exercises/", "](../").replace("](../notebooks/", "](chapters/")


def _copy(source):
    """A learner's copy: without outputs, which are another machine's, and would answer what is to be predicted."""
    notebook = _read(source)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return _relinked(json.dumps(notebook, indent=1, ensure_ascii=False)) + "\n"


def place():
    """Put new exercises and chapters into ``work/``, and newer ones in place of untouched copies.

    Returns
    -------
    dict of str to list of str
        File names under ``"new"``, ``"newer"`` (replaced, was untouched), ``"kept"`` (edited, while
        the course has a newer one).
    """
    done = {"new": [], "newer": [], "kept": []}

    def change(placed):
        for source, name in _shipped():
            target, now = paths.work(name), digest(source)
            if not target.exists():
                done["new"].append(name)
            elif placed.get(name) == now:
                continue
            elif _unedited(target, (placed.get(name), now)):
                done["newer"] += [name] if placed.get(name) else []
            else:
                done["kept"].append(name)
                continue
            with paths.replacing(target) as tmp:
                tmp.write_text(_copy(source), "utf-8")
            placed[name] = now

    store.update(change, PLACED)
    return done


def _unedited(path, known):
    try:
        return digest(path) in known
    except ExerciseError:       # not a notebook any more: theirs to look at
        return False


def backup(path):
    """Copy a file to ``work/backups/`` under a name that is new. Returns that path."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    folder = paths.work("backups")
    for name in (f"{path.stem}-{stamp}{'' if i == 1 else f'-{i}'}{path.suffix}" for i in range(1, 1000)):
        if not (folder / name).exists():
            with paths.replacing(folder / name) as tmp:
                shutil.copyfile(path, tmp)
            return folder / name


def restore(chapter, id=None):
    """Restore the learner's notebook, or the answer cell of one exercise in it, from the course's.

    A missing answer cell comes back after the cell it stood behind; copies of it (a split cell) go.

    Returns
    -------
    pathlib.Path or None
        The backup; None when there was nothing to keep.
    """
    source, target = pristine(chapter), copy_of(chapter)
    whole = _read(source)
    kept = backup(target) if target.exists() else None
    if id is None or kept is None:
        with paths.replacing(target) as tmp:
            tmp.write_text(_copy(source), "utf-8")
        store.update(lambda placed: placed.update({source.name: digest(source)}), PLACED)
        return kept
    fresh, mine = whole["cells"], _read(target)
    at = next((i for i, cell in enumerate(fresh) if tag(id) in _tags(cell)), None)
    if at is None:
        raise ExerciseError(f"{source.name} has no cell for {id}.")
    old = [i for i, cell in enumerate(mine["cells"]) if tag(id) in _tags(cell)]
    where = old[0] if old else _after(mine["cells"], fresh[:at])
    rest = [cell for i, cell in enumerate(mine["cells"]) if i not in old]
    mine["cells"] = [*rest[:where], fresh[at], *rest[where:]]
    with paths.replacing(target) as tmp:
        tmp.write_text(json.dumps(mine, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return kept


def _after(mine, before):
    """Index behind the last of the cells `before` that is still there."""
    ids = {cell.get("id"): i for i, cell in enumerate(mine)}
    return next((ids[cell["id"]] + 1 for cell in reversed(before) if cell.get("id") in ids), len(mine))


# -- answers --------------------------------------------------------------------------------------


def needed(all_cells, id):
    """What the answer to an exercise stands on: `setup` cells, and answer cells up to its own."""
    mine = [i for i, cell in enumerate(all_cells) if tag(id) in cell.tags]
    if not mine:
        raise ExerciseError(f"The notebook has no cell tagged {tag(id)}. `audiolab reset {id}` brings it back.")
    setup = [cell for cell in all_cells if "setup" in cell.tags]
    return setup, [cell for cell in all_cells[: mine[-1] + 1] if any(t.startswith("exercise-") for t in cell.tags)]


def judge_cells(exercise, setup, answers, seed, note):
    """Run the cells that an answer stands on, then judge it, in the worker (see `stages.judge`).

    An earlier exercise's cell that fails is that exercise's affair.
    """

    def failed(says, **more):
        return Outcome(exercise.id, exercise.name, "failed", "attempted", says, seed=seed, **more)

    namespace = {"__name__": "__main__"}
    try:
        for cell in setup:
            exec(_compiled(cell, "setup"), namespace)
    except BaseException as error:      # SystemExit too
        return failed(f"The setup cell stopped with {stages.describe(error)}", place=stages.place(error))
    for cell in answers:
        name = next(one for one in cell.tags if one.startswith("exercise-"))
        own = name == tag(exercise.id)
        note("attempted", "" if own else f"the cell of {name}")
        try:
            exec(_compiled(cell, name), namespace)
        except BaseException as error:
            if own and isinstance(error, NotImplementedError):
                return Outcome(exercise.id, exercise.name, "unattempted", seed=seed)
            if own:
                return failed(f"Its cell stopped with {stages.describe(error)}", place=stages.place(error))
        note(None, None)
    if exercise.name not in namespace:
        return failed(f"Its cell defines no **{exercise.name}**.", ask="Was it renamed? The check looks for that name.")
    return stages.judge(exercise, namespace[exercise.name], seed, note)


def _compiled(cell, name):
    """Code of a cell; its lines stay known, for messages that quote them."""
    name, source = f"<{name}>", cell.source
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        return compile(source, name, "exec")
    except SyntaxError:         # perhaps for its magics, which are the notebook's alone
        lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
        return compile("\n".join(lines), name, "exec")
