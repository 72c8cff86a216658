"""Exercises: check an answer, take a hint, read the solution, start again, see how far one is.

A chapter's exercises are declared in ``cNN_topic.py`` (`spec`); an answer goes through `stages` in a
`worker` process; `report` words what came of it; `store` remembers; `learner` knows the notebooks;
`desk` is what a learner calls; `sheet` shows how far one is; `panel` puts buttons under a report.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "desk": ["check", "check_notebook", "hint", "reset", "solution", "start"],
        "report": ["CheckFailed"],
        "sheet": ["progress"],
        "spec": ["Exercise", "ExerciseError", "edge_signals"],
    },
)
