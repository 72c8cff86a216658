"""What a notebook asserts and displays: ``verify`` checks a number, ``table`` lists them, ``show`` prints source."""

import html
import inspect
import math

#: MIME type of the record that ``verify`` leaves in the notebook, for tools to collect.
MIME = "application/vnd.audiolab.claim+json"

_session = {}                       # name → record, in the order in which this kernel verified them


class ClaimError(AssertionError):
    """A number that the text states is not what was measured."""


def verify(name, value, *, at_least=None, at_most=None, close_to=None, tol=None, unit="", timing=False, needs="",
           card=None):
    """Compare a measured number with its stated bound, display the result and record it.

    Parameters
    ----------
    name : str
        What was measured, unique in the notebook.
    value : float or None
        The measurement; None where what it `needs` is not on this machine.
    at_least, at_most, close_to : float
        The bound: exactly one of the three.
    tol : float, optional
        Largest distance from `close_to`; needed with it, 0 for exact equality.
    unit : str
        Printed after the numbers.
    timing : bool
        True for times and speeds, which depend on the machine: recorded and shown, not enforced.
    needs : str
        Corpus without which it cannot be measured.
    card : float, optional
        What the model's card says, which stands for `value` where that is None, and is shown as such.

    Raises
    ------
    ClaimError
        If the bound is broken or the value is not a number, unless `timing`. The record is displayed
        first, so that the notebook shows what was found.
    ValueError
        If not exactly one bound is given, `close_to` and `tol` do not come together, or there is neither a value nor
        a card's.

    Taught in: notebooks/00_start_here.ipynb, "How does the course keep its word?"
    """
    from IPython.display import display

    given = dict(at_least=at_least, at_most=at_most, close_to=close_to)
    bounds = {kind: float(bound) for kind, bound in given.items() if bound is not None}
    if len(bounds) != 1 or (close_to is None) != (tol is None):
        raise ValueError("verify needs one of at_least, at_most, or close_to with tol.")
    absent = value is None
    if absent and not (needs and card is not None):
        raise ValueError("verify has no value: where a corpus may be missing, give needs= and the card's figure.")
    value = float(card if absent else value)
    holds = {
        "at_least": lambda b: value >= b,
        "at_most": lambda b: value <= b,
        "close_to": lambda b: abs(value - b) <= tol,
    }[next(iter(bounds))](next(iter(bounds.values())))              # False for NaN, whichever the bound
    if tol is not None:
        bounds["tol"] = float(tol)
    record = dict(name=name, value=value if math.isfinite(value) else str(value), bound=bounds, unit=unit,
                  holds=holds, timing=timing)
    if absent:
        record["card"] = needs
    _session[name] = record
    display({"text/plain": _line(record), "text/html": _html_table([record]), MIME: record}, raw=True)
    if not holds and not timing:
        raise ClaimError(_line(record))


def table():
    """Display every claim that this notebook has verified so far, as one table.

    Taught in: notebooks/00_start_here.ipynb, "How does the course keep its word?"
    """
    from IPython.display import display

    records = list(_session.values())
    display({"text/plain": "\n".join(map(_line, records)), "text/html": _html_table(records, head=True)}, raw=True)


def show(*objects):
    """Display the source of functions, classes or modules, highlighted.

    Parameters
    ----------
    *objects
        Anything that ``inspect.getsource`` can find.

    Taught in: notebooks/00_start_here.ipynb, "Where is the code?"
    """
    from IPython.display import display

    for thing in objects:               # as Markdown, which the notebook colours by its own theme
        source = inspect.getsource(thing)
        display({"text/plain": source, "text/markdown": f"```python\n{source}\n```"}, raw=True)


def bound_text(record):
    """The bound of a record in words: ``at most 0.5 dB``."""
    bound, unit = record["bound"], f" {record['unit']}".rstrip()
    if "close_to" in bound:
        centre = f"{bound['close_to']:.4g}"
        return f"{centre} ± {bound['tol']:.2g}{unit}" if bound["tol"] else f"exactly {centre}{unit}"
    kind = next(iter(bound))
    return f"{kind.replace('_', ' ')} {bound[kind]:.4g}{unit}"


def _mark(record):
    return "✓" if record["holds"] else "·" if record["timing"] else "✗"


def _measured(record):
    value = record["value"]
    return f"{value if isinstance(value, str) else format(value, '.4g')} {record['unit']}".rstrip()


def _line(record):
    return f"{_mark(record)} {record['name']}: {_measured(record)} ({bound_text(record)}{_note(record)})"


def _note(record):
    """What else is to be known of a record."""
    if "card" in record:
        return f", from the model's card: {record['card']} is not on this machine"
    return ", a time: not enforced" if record["timing"] else ""


def _html_table(records, head=False):
    cell = '<td style="text-align:{};padding:.15em .8em">{}</td>'
    rows = [
        "<tr>" + cell.format("center", _mark(r)) + cell.format("left", html.escape(r["name"]))
        + cell.format("right", f"<b>{html.escape(_measured(r))}</b>")
        + cell.format("left", html.escape(bound_text(r) + _note(r))) + "</tr>"
        for r in records
    ]
    titles = ("<tr><th></th><th style='text-align:left'>claim</th><th style='text-align:right'>measured</th>"
              "<th style='text-align:left'>bound</th></tr>")
    return f"<table style='margin:.3em 0'>{titles if head else ''}{''.join(rows)}</table>"
