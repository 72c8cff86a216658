"""Exercises: check an answer, take a hint, read the solution, start again, see how far one is.

A chapter's exercises are declared in ``cNN_topic.py`` (`spec`); an answer goes through `stages` in a
`worker` process; `report` words what came of it; `store` remembers; `learner` knows the notebooks;
`desk` is what a learner calls.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "desk": ["check", "check_notebook", "hint", "progress", "reset", "solution", "start"],
        "report": ["CheckFailed"],
        "spec": ["Exercise", "ExerciseError", "edge_signals"],
    },
)
