"""From forty clips to a detector that streams: one plan, eleven stages, each kept, graded and shown.

Read it from the top: `config` is the plan that a learner writes, `stages` one function for each stage, `folds` the
trainings, `listen` the detector on sound that never ends, `runs` who does what when, `results` what a stage leaves,
`report` the report card and the page, `serve` the small server. ``audiolab pipeline new plan.yaml`` begins.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["config", "folds", "listen", "report", "results", "runs", "serve", "stages", "team"],
    submod_attrs={
        "config": ["Plan", "PlanError", "load", "write"],
        "listen": ["Listener", "alerts", "counted", "false_seconds", "offline"],
        "results": ["Grade", "Result"],
        "runs": ["Report", "clear", "compared", "folder", "run", "shown"],
        "stages": ["STAGES"],
    },
)
