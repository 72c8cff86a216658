"""How far a learner is: what is known of every exercise, as a page in a notebook and as columns in a terminal."""

import html
import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from . import learner, spec, store
from .report import EXPECTED, GREY, STATES, Note, marked

#: Symbol, word and colour of how an exercise stands.
STANDS = {
    "right": ("✓", "right", STATES["passed"][2]),
    "tried": ("◐", "tried", EXPECTED),
    "open": ("○", "to do", GREY),
}


@dataclass
class Row:
    """An exercise: what the notebook says of it, and how it stands."""

    id: str
    name: str
    task: learner.Task
    stands: str             # a key of `STANDS`
    checks: int
    hints: int
    of: int                 # hints that there are

    @property
    def state(self):
        """``"✓ right"``."""
        symbol, word, _ = STANDS[self.stands]
        return f"{symbol} {word}"

    @property
    def words(self):
        """One line for those who do not see the drawing."""
        about = (f"{self.id} {self.task.title or self.name}", self.state, self.task.difficulty, minutes([self]))
        return ", ".join(filter(None, about))

    @property
    def cells(self):
        """As it stands in a table, under `HEAD`."""
        return (self.id, self.name, self.task.difficulty, minutes([self]).replace("utes", ""),
                self.state, f"{self.checks or ''}", f"{self.hints} of {self.of}")


HEAD = ("exercise", "", "difficulty", "time", "state", "checks", "hints")


@dataclass
class Chapter:
    """A chapter's exercises."""

    number: str
    title: str
    rows: list
    last: str               # when one was worked on last, "2026-03-31T18:05"; empty when never

    @property
    def counts(self):
        """``3 right, 1 tried, 2 to do · 38 minutes left``."""
        counts = {word: sum(row.stands == key for row in self.rows) for key, (_, word, _) in STANDS.items()}
        return " · ".join(filter(None, (", ".join(f"{n} {word}" for word, n in counts.items() if n), left(self.rows))))

    @property
    def words(self):
        """The same, and ``last worked on yesterday``."""
        return f"{self.counts} · last worked on {when(self.last)}" if self.last else self.counts


def chapter(number, record):
    """How a chapter stands.

    Parameters
    ----------
    number : str
        ``"01"``.
    record : dict
        Of `store.read`.

    Returns
    -------
    Chapter
    """
    title, tasks = learner.tasks(number)
    known, rows = record.get("exercises", {}), []
    for id, one in spec.exercises(number).items():
        mine = known.get(id, {})
        tries = mine.get("attempts", 0)
        stands = "right" if mine.get("passed") else "tried" if tries else "open"
        rows.append(Row(id, one.name, tasks.get(id, learner.Task()), stands, tries, mine.get("hints", 0),
                        len(one.hints)))
    last = max((str(known.get(row.id, {}).get("last", "")) for row in rows), default="")
    return Chapter(number, title, rows, last)


def minutes(rows):
    """How long these exercises take, in words; empty when nobody said."""
    total = sum(row.task.minutes for row in rows)
    return f"{total} minutes" if total else ""


def left(rows):
    """``38 minutes left``: of what is not right yet."""
    words = minutes([row for row in rows if row.stands != "right"])
    return f"{words} left" if words else ""


def when(moment):
    """A moment as one says it: today, yesterday, 5 days ago, on a date."""
    try:
        day = date.fromisoformat(moment[:10])
    except ValueError:
        return "at an unknown time"
    ago = (date.today() - day).days
    return {0: "today", 1: "yesterday"}.get(ago) or (f"{ago} days ago" if 0 < ago < 30 else f"on {day}")


def progress():
    """How far one is, in every chapter that has exercises: what is right, tried and to do, and how long the rest takes.

    Taught in: notebooks/00_start_here.ipynb, "How far am I?"
    """
    try:
        record, small = store.read(), []
    except OSError as error:
        why = f"work/{store.PROGRESS} cannot be read now ({error.strerror}), so nothing is counted here."
        record, small = {}, [f"{why} It was left as it is."]
    if broken := store.aside():
        small.append(
            f"A record that could not be read was set aside as work/{broken[-1]}. Your answers stand in your notebooks "
            "and are all there: `audiolab check 01` in a terminal counts again what is right in chapter 01. "
            "Delete that file when this line has served.")
    chapters = [chapter(number, record) for number in spec.chapters()]
    rows = [row for one in chapters for row in one.rows]
    right = sum(row.stands == "right" for row in rows)
    sheet = Sheet(f"{right} of {len(rows)} exercises right", small=" ".join(small))
    sheet.chapters = chapters
    return sheet


class Sheet(Note):
    """Progress, chapter by chapter."""

    chapters = ()

    def __repr__(self):
        table = [row.cells for one in self.chapters for row in one.rows]
        widths = [max(map(len, column)) for column in zip(HEAD, *table, strict=True)]
        lines = [self.title]
        for one in self.chapters:
            lines.append(f"{one.number} {one.title}: {one.words}".replace(" :", ":"))
            lines += ["  ".join(map(str.ljust, row.cells, widths)).rstrip() for row in one.rows]
        return "\n".join(filter(None, [*lines, self.small]))

    def _repr_html_(self):
        rows = [row for one in self.chapters for row in one.rows]
        title = " · ".join(filter(None, (f"<b>{self.title}</b>", left(rows))))
        note = f"<p>{marked(self.small)}</p>" if self.small else ""
        return f"<div style='max-width:52em'><p>{title}</p>{''.join(map(_chapter_html, self.chapters))}{note}</div>"


def bar(rows, now=""):
    """Exercises drawn as one bar: a piece for each, the wider the longer it takes. HTML.

    Parameters
    ----------
    rows : list of Row
    now : str
        The exercise that the page is about, if it is about one.
    """
    pieces = "".join(_piece(row, row.id == now) for row in rows)
    return f"<ul style='display:flex;flex-wrap:wrap;gap:3px;margin:0;padding:0;list-style:none'>{pieces}</ul>"


def _piece(row, now):
    symbol, _, colour = STANDS[row.stands]
    words, time = html.escape(row.words, quote=True), minutes([row]).replace("utes", "")
    fill = {"right": f"{colour}55", "tried": f"linear-gradient(90deg,{colour}55 50%,transparent 50%)"}.get(row.stands)
    style = (f"flex:{row.task.minutes or 10} 1 6.5em;box-sizing:border-box;margin:0;padding:.2em .5em;"
             f"white-space:nowrap;border:1.5px solid {colour};border-radius:3px;background:{fill or 'none'}")
    name = f"<b>{row.id}</b>" if now else row.id
    return (f"<li style='{style}' title='{words}'{' aria-current=true' if now else ''}>"
            f"<span role='img' aria-label='{words}'>{symbol} {name} <small>{time}</small></span></li>")


def _chapter_html(one):
    """Words, bar, and the table folded."""
    words = html.escape(one.words)
    link = f" · <a href='{link}'>open your copy</a>" if (link := _link(one.number)) else ""
    head = "".join(f"<th style='text-align:left'>{part}</th>" for part in HEAD)
    table = "".join(f"<tr>{''.join(f'<td style=text-align:left>{html.escape(part)}</td>' for part in row.cells)}</tr>"
                    for row in one.rows)
    return (
        f"<p style='margin:1em 0 .3em'><b>{html.escape(f'{one.number} {one.title}'.strip())}</b> · {words}{link}</p>"
        f"{bar(one.rows)}<details style='margin:.3em 0'><summary>Exercise by exercise</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{table}</tbody></table></details>"
    )


def _link(number):
    """Where the learner's copy lies, seen from this notebook; empty where there is none to go to."""
    copy = learner.copy_of(number)
    try:
        return quote(Path(os.path.relpath(copy)).as_posix()) if copy.exists() else ""
    except ValueError:          # another drive, on Windows
        return ""
