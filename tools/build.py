"""Build what learners read from what authors write.

    python -m tools.build [--check] [--force] [01 02_preprocessing …]

notebooks/text/*.md → notebooks/*.ipynb, executed. solutions/text/*.md → solutions/*.ipynb, executed, and
exercises/*.ipynb. All claims → benchmarks/CLAIMS.md. A notebook is executed again only when its code or
what it imports from here changed; when only prose changed, its outputs are kept.
"""

import argparse
import copy
import hashlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from audiolab.paths import replacing
from tools import claims, clean, execute, twins
from tools.twins import BuildError

ROOT = Path(__file__).absolute().parents[1]
WORKERS = 2                             # notebooks at once; each computes with one thread
LOCK = "requirements.lock"              # another library can mean other outputs


def build(root, names=(), force=False):
    """Bring notebooks, exercises and the table of claims in step with their sources.

    Parameters
    ----------
    root : pathlib.Path
        Folder of the course.
    names : sequence of str
        Chapters, by number or name; all when empty.
    force : bool
        Execute also what did not change.

    Returns
    -------
    list of str
        What failed, one entry per text; its stored notebook is untouched.
    """
    failures = []
    texts = _texts(root, names)
    with TemporaryDirectory(ignore_cleanup_errors=True) as scratch, ThreadPoolExecutor(WORKERS) as pool:
        jobs = {pool.submit(_build_executed, text, root, Path(scratch), force): text for text in texts}
        try:
            for job in as_completed(jobs):
                try:
                    if said := job.result():
                        tqdm.write(said)
                except BuildError as e:
                    failures.append(f"{_place(jobs[job], root, e)}: {e}")
                    tqdm.write(failures[-1])
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            execute.stop()
            raise
    for text in texts:
        if _is_solution(text):
            try:
                _write(_exercise_path(text), _exercise(text))
            except BuildError as e:
                failures.append(f"{text.relative_to(root).as_posix()}: {e}")
                tqdm.write(failures[-1])
    if not failures:
        _write(root / "benchmarks" / "CLAIMS.md", claims.table(root))
    return failures


def check(root, names=()):
    """Say what is not in step with its source, without executing anything.

    Parameters
    ----------
    root, names
        As for `build`.

    Returns
    -------
    list of str
        One line per finding; empty when all is in step.
    """
    found = []
    for text in _texts(root, names):
        target = _target(text)
        label = target.relative_to(root).as_posix()
        try:
            twin, stored = twins.read(text), _load(target)
            if stored is None:
                found.append(f"{label} is missing or cannot be read")
                continue
            if reason := _code_changed(twin, stored):
                found.append(f"{label}: {reason}")
                continue
            found += [f"{label}: {what}" for what in _faults(text, stored, target.stat().st_size, root)]
            if reason := _difference(_assemble(twin, stored), stored):
                found.append(f"{label}: {reason}")
            if _is_solution(text):
                made = _load(_exercise_path(text))
                if made is None or _difference(twins.loads(_exercise(text)), made):
                    found.append(f"exercises/{label.partition('/')[2]} is not what its solution makes")
        except BuildError as e:
            found.append(f"{text.relative_to(root).as_posix()}: {e}")
    if not names:
        found += _orphans(root)
        table = root / "benchmarks" / "CLAIMS.md"
        if not found and (not table.exists() or table.read_text(encoding="utf-8") != claims.table(root)):
            found.append("benchmarks/CLAIMS.md is not the table of the stored notebooks")
    return found


def notes(root, names=()):
    """Say which notebooks are older than what they use, which `build` mends and `check` allows.

    The tests run these notebooks with the code as it is now, so nothing is wrong with them; but a
    stored picture may not be the one which that code draws.

    Parameters
    ----------
    root, names
        As for `build`.

    Returns
    -------
    list of str
    """
    stored = {_target(text): _load(_target(text)) for text in _texts(root, names)}
    return [f"note: {target.relative_to(root).as_posix()} was executed before {reason}"
            for target, nb in stored.items() if nb and (reason := _outdated_by(nb, root))]


def _build_executed(text, root, scratch, force):
    """Bring one executed notebook in step with its text; returns what to tell, or None if it was in step."""
    start = time.monotonic()
    twin, target = twins.read(text), _target(text)
    stored = _load(target)
    reason = "asked for" if force else _reason(twin, stored, root)
    ran = stored
    if reason:
        ran = copy.deepcopy(twin)
        own = scratch / f"{text.parent.parent.name}-{text.stem}"
        own.mkdir()
        before = _neighbours(target)
        files = execute.run(ran, target.parent, execute.environment(root, own), title=text.stem)
        if left := sorted(_neighbours(target) - before):
            raise BuildError(f"the notebook leaves {', '.join(left)} beside itself: write to a temporary folder")
        clean.clean(ran)
        ran.metadata.audiolab = {"uses": _uses(files, root)}
    whole = twins.dumps(_assemble(twin, ran))
    if faults := _faults(text, ran, len(whole.encode()), root):
        raise BuildError("\n    ".join(["not fit to be stored", *faults]))
    changed = _write(target, whole)
    label = target.relative_to(root).as_posix()
    if reason:
        return f"{label}  executed ({reason}), {time.monotonic() - start:.0f} s"
    return f"{label}  prose only" if changed else None


def _assemble(twin, ran):
    """The stored form: cells of the text, outputs of the run, numbers in the prose."""
    nb = copy.deepcopy(twin)
    for cell, source in zip(twins.code_cells(nb), twins.code_cells(ran), strict=True):
        cell.outputs, cell.execution_count = copy.deepcopy(source.outputs), source.execution_count
    nb.metadata.audiolab = ran.metadata.get("audiolab", {})
    return twins.fill(nb, claims.collect(ran))


def _reason(twin, stored, root):
    """Why a notebook must be executed, or None."""
    if stored is None:
        return "new"
    if reason := _code_changed(twin, stored):
        return reason
    return _outdated_by(stored, root)


def _outdated_by(stored, root):
    """Name the first file which is not as it was when the notebook was executed; None if there is none."""
    for name, digest in stored.metadata.get("audiolab", {}).get("uses", {}).items():
        if not (root / name).exists() or _digest(root / name) != digest:
            return f"{name} changed"
    return None


def _code_changed(twin, stored):
    """Name the first code cell that is not the text's, or that was never run; None if there is none."""
    new, old = ([(cell.source, twins.tags(cell)) for cell in twins.code_cells(nb)] for nb in (twin, stored))
    for count, (cell, ours) in enumerate(zip(twins.code_cells(twin), new, strict=True), 1):
        if count > len(old) or ours != old[count - 1]:
            return f'its text differs from code cell [{count}], "{twins.first_line(cell)}"'
    if len(old) > len(new):
        return f"its text has no code cell [{len(new) + 1}]"
    if any(cell.execution_count is None for cell in twins.code_cells(stored)):
        return "it was never run"
    return None


def _difference(made, stored):
    """Name the first cell in which two notebooks differ; None if they are the same."""
    made, stored = (json.loads(twins.dumps(nb)) for nb in (made, stored))
    for count, (ours, theirs) in enumerate(zip(made["cells"], stored["cells"], strict=False), 1):
        if ours != theirs:
            line = "".join(ours["source"]).strip().partition("\n")[0]
            return f'cell {count} differs from the text: "{line[:70]}"'
    if made != stored:
        return "its cells or metadata are not those of the text"
    return None


def _faults(text, nb, size, root):
    """Why an executed notebook must not be stored."""
    faults = clean.problems(nb, root)
    if _is_solution(text):
        faults += clean.failed_checks(nb)
    if size > clean.LIMIT:
        faults.append(f"{size / 1e6:.2f} MB; {clean.LIMIT / 1e6:.0f} MB is the most")
    return faults


def _orphans(root):
    """Notebooks that no text makes."""
    for folder, source in (("notebooks", "notebooks"), ("solutions", "solutions"), ("exercises", "solutions")):
        for path in sorted((root / folder).glob("*.ipynb")):
            if not (root / source / "text" / f"{path.stem}.md").exists():
                yield f"{folder}/{path.name} has no text {source}/text/{path.stem}.md: delete it or write one"


def _texts(root, names):
    """The text twins asked for, chapters before solutions."""
    texts = [path for folder in ("notebooks", "solutions") for path in sorted((root / folder / "text").glob("*.md"))]
    for name in names:
        if not any(_is_named(path, name) for path in texts):
            raise BuildError(f"there is no chapter {name}; there are {', '.join(sorted({p.stem for p in texts}))}")
    return [path for path in texts if not names or any(_is_named(path, name) for name in names)]


def _is_named(path, name):
    return name in (path.stem, path.stem.partition("_")[0])


def _is_solution(text):
    return text.parent.parent.name == "solutions"


def _target(text):
    return text.parent.parent / f"{text.stem}.ipynb"


def _exercise_path(text):
    return text.parents[2] / "exercises" / f"{text.stem}.ipynb"


def _exercise(text):
    return twins.dumps(twins.exercise(twins.read(text), text.stem.partition("_")[0]))


def _load(path):
    """The notebook in a file; None if there is none or, after a bad merge, none that can be read."""
    try:
        return twins.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write(path, text):
    """Replace a file as a whole, unless it holds that text already; returns whether it did."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    with replacing(path) as tmp:
        tmp.write_text(text, encoding="utf-8", newline="\n")
    return True


def _uses(files, root):
    """Digests of the files of this project that a run used, by their path in it."""
    own = {file for file in files if file.is_relative_to(root) and not file.is_relative_to(sys.prefix)}
    if (root / LOCK).exists():
        own.add(root / LOCK)
    return {file.relative_to(root).as_posix(): _digest(file) for file in sorted(own)}


def _digest(path):
    return hashlib.sha256(path.read_text(encoding="utf-8").encode()).hexdigest()[:12]    # same with any line ending


def _neighbours(target):
    """Names beside a notebook, other than notebooks and what is being written or hidden."""
    return {path.name for path in target.parent.glob("*") if path.suffix != ".ipynb" and path.name[0] != "."}


def _place(text, root, error):
    """The text, with the line of the cell that failed if one did."""
    label = text.relative_to(root).as_posix()
    if cell := getattr(error, "cell", None):
        content = text.read_text(encoding="utf-8")
        return f"{label}:{content[:content.find(cell.source)].count(chr(10)) + 1}"
    return label


def main(argv=None, root=ROOT):
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.build", description="Build notebooks and exercises.")
    parser.add_argument("names", nargs="*", metavar="name", help="chapters, by number or name (default: all)")
    parser.add_argument("--check", action="store_true", help="execute nothing, say what is not in step")
    parser.add_argument("--force", action="store_true", help="execute also what did not change")
    args = parser.parse_args(argv)
    try:
        if args.check:
            found = check(root, args.names)
            verdict = "Run `make notebooks`." if found else "All notebooks are in step."
            print("\n".join([*notes(root, args.names), *found, verdict]))
        else:
            found = build(root, args.names, args.force)
            print(f"{len(found)} failed." if found else "All notebooks are in step.")
    except BuildError as e:
        print(e)
        return 2
    except KeyboardInterrupt:
        print("Stopped; what was finished is stored.")
        return 130
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
