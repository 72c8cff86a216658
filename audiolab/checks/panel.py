"""Buttons under a report: check again, the next hint, the solution, a fresh start; and how far the chapter is."""

import threading
import uuid
from pathlib import Path

import anywidget
import traitlets
from IPython import get_ipython
from IPython.display import display

from . import desk, sheet, spec, store
from .report import marked

QUIET = {"says": "", "heard": "", "report": "", "mark": ""}     # no message, seen or spoken, and no report

_panels = {}            # one for each exercise, however often it is checked


def show(outcome):
    """Display the report of a check, and its buttons below.

    Two outputs: the report stays in the saved notebook, the buttons live as long as the kernel.

    Parameters
    ----------
    outcome : Outcome
    """
    if outcome.id not in _panels:
        _panels[outcome.id] = Panel(spec.find(outcome.id))
    _panels[outcome.id].under(outcome)


class Panel(anywidget.AnyWidget):
    """The buttons of one exercise.

    Parameters
    ----------
    exercise : Exercise

    Attributes
    ----------
    state : dict
        What `panel.js` draws.
    """

    _esm = Path(__file__).with_name("panel.js")
    _css = Path(__file__).with_name("panel.css")
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, exercise):
        super().__init__()
        self._exercise = exercise
        self._lock = threading.Lock()       # the check runs in a thread
        self._tell(id=exercise.id, name=exercise.name, total=len(exercise.hints), hints=self._hints(_seen(exercise.id)),
                   solution="", busy=False, **QUIET)
        self.on_msg(self._asked)

    def under(self, outcome):
        """Display the report of a check with these buttons below it."""
        bundle, mark = _framed(outcome)
        self._report = display(bundle, raw=True, display_id=True)
        self._tell(says="", heard=outcome.text, report="", mark=mark)
        _count()
        display(self)

    def __repr__(self):
        return f"Run this cell for the buttons of {self._exercise.id}: check again, hints, solution, start over."

    def _tell(self, **changes):
        """Change some of what is drawn; `turn` counts, so that the page sees every answer."""
        with self._lock:
            self.state = {**self.state, **changes, "turn": self.state.get("turn", 0) + 1}

    def _hints(self, seen):
        return [marked(text) for text in self._exercise.hints[:seen]]

    def _asked(self, _, content, buffers):
        """A button was pressed."""
        answers = {"check": self._check, "hint": self._hint, "solution": self._solution, "reset": self._reset}
        try:
            answers[content["press"]]()
        except Exception as error:          # nobody would see it where messages are handled
            self._tell(says=marked(f"That did not work: {type(error).__name__}: {error}"))

    def _check(self):
        name, known = self._exercise.name, get_ipython().user_ns
        if self.state["busy"]:
            return
        if name not in known:
            self._tell(says=marked(f"There is no `{name}` yet: run the cell with your answer first."))
            return
        self._tell(busy=True, **QUIET | {"says": marked(f"Checking `{name}` …")})
        threading.Thread(target=self._judge, args=(known[name],), daemon=True).start()

    def _judge(self, answer):
        try:
            outcome = desk.check(self._exercise.id, answer)
            bundle, mark = _framed(outcome)
            self._report.update(bundle, raw=True)
            title = marked(f"**{outcome.note().title}** That is `{self._exercise.name}` as its cell was last run.")
            _count()
            self._tell(busy=False, says=title, heard=outcome.text, report=bundle["text/html"], mark=mark)
        except Exception as error:
            self._tell(busy=False, says=marked(f"The check stopped: {type(error).__name__}: {error}"))

    def _hint(self):
        seen = len(self.state["hints"])
        desk.hint(self._exercise.id)
        seen = max(seen + 1, _seen(self._exercise.id))      # some may have been asked for in a cell
        self._tell(hints=self._hints(seen), says="", heard="")

    def _solution(self):
        note = desk.solution(self._exercise.id)
        if note.refused:
            self._tell(says=_words(note), heard="")
        else:
            code, after = note.paragraphs
            self._tell(solution=code, says=marked(after), heard="")

    def _reset(self):
        note = desk.reset(self._exercise.id)
        self._tell(says=_words(note), heard="", **({} if note.refused else {"hints": [], "solution": ""}))


def _framed(outcome):
    """A report as an output, and the mark by which the page finds it (see `panel.js`)."""
    mark = uuid.uuid4().hex
    page = f"<div data-audiolab-report='{mark}'>{outcome._repr_html_()}</div>"
    return {"text/html": page, "text/plain": repr(outcome)}, mark


def _record():
    """What is remembered; nothing where it cannot be read, which `progress` says."""
    try:
        return store.read()
    except OSError:
        return {}


def _seen(id):
    """How many hints of an exercise were shown."""
    return _record().get("exercises", {}).get(id, {}).get("hints", 0)


def _words(note):
    """A note as a line of HTML."""
    return marked(" ".join(filter(None, (f"**{note.title}**", *note.paragraphs, note.small))))


def _count():
    """Bring the chapter's bar up to date in every panel."""
    record = _record()
    for id, panel in _panels.items():
        one = sheet.chapter(id.partition(".")[0], record)
        tried = any(row.id == id and row.stands != "open" for row in one.rows)
        panel._tell(chapter=f"<p>Chapter {one.number}: {one.counts}</p>{sheet.bar(one.rows, now=id)}", tried=tried)
