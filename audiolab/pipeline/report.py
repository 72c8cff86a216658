"""The report card, for the terminal, and the report page, in one file that needs no other."""

import html

from .. import paths
from .stages import STAGES

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: .5rem 0; display: block; overflow-x: auto }
td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top; border-bottom: 1px solid #8886 }
td.number { text-align: right; font-variant-numeric: tabular-nums }
img { max-width: 100%; height: auto; background: white }
.players { display: flex; flex-wrap: wrap; gap: 1rem; margin: .5rem 0 }
pre { white-space: pre-wrap }
"""


def line(result):
    """A stage of the report card: tick, name, what was found, each grade with its bound."""
    return f"{result}  [{result.seconds:.1f} s]"


def card(report):
    """The report card: a line for each stage, and one for all.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
    """
    lines = [line(report[name]) if name in report else f"· {name:<10} not done" for name in STAGES]
    grades = [grade for result in report.values() for grade in result.grades]
    kept = [grade.holds for grade in grades if not grade.timing]
    late = sum(not grade.holds for grade in grades if grade.timing)
    lines.append(f"{sum(kept)} of {len(kept)} grades hold" + (f", {late} times are too long" if late else "")
                 + f"; {len(report)} of {len(STAGES)} stages are done.")
    return "\n".join(lines)


def page(report):
    """The report page: every stage with its grades, figures and players.

    Parameters
    ----------
    report : Report

    Returns
    -------
    str
        HTML. Sounds are compressed, figures embedded; it asks no other address for anything.
    """
    name, parts = html.escape(report.plan.name), []
    rows = "".join(f'<tr><td>{result.mark}</td><td><a href="#{stage}">{stage}</a></td>'
                   f'<td>{html.escape(result.says)}</td><td class="number">{result.seconds:.1f} s</td></tr>'
                   for stage, result in report.items())
    for stage, result in report.items():
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in result.notes)
        parts.append(f'<section><h2 id="{stage}">{stage}</h2><p>{html.escape(result.says)}.</p>{_grades(result)}'
                     f'{f"<ul>{notes}</ul>" if notes else ""}{result.as_html()}</section>')
    missing = f"<p>Not done: {', '.join(report.missing)}.</p>" if report.missing else ""
    if "card" in report:
        parts.append(f"<section><h2>model card</h2><pre>"
                     f"{html.escape((report['card'].folder / 'card.md').read_text('utf-8'))}</pre></section>")
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}: report</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
            f"<body><main><h1>{name}</h1><table><tr><th></th><th>stage</th><th>found</th><th>time</th></tr>{rows}"
            f"</table>{missing}\n" + "\n".join(parts) + "\n</main></body></html>\n")


def _grades(result):
    if not result.grades:
        return ""
    rows = "".join(
        f"<tr><td>{grade.mark}</td><td>{html.escape(grade.name)}</td><td class='number'>{grade.measured}</td>"
        f"<td>{grade.bounded}</td></tr>" for grade in result.grades)
    return f"<table><tr><th></th><th>grade</th><th>measured</th><th>bound</th></tr>{rows}</table>"


def write(report, file):
    """Write the report page, whole or not at all."""
    with paths.replacing(file) as tmp:
        tmp.write_text(page(report), "utf-8")
