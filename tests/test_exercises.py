"""Every exercise: its solution passes, its stub is unattempted, and no wrong answer gets through."""

import functools
import itertools
import math
import warnings

import numpy as np
import pytest
from mutants import automatic, by_hand

from audiolab.checks import learner, spec, stages
from audiolab.checks.desk import judge

EXERCISES = [one for chapter in spec.chapters() for one in spec.exercises(chapter).values()]
each = pytest.mark.parametrize("exercise", EXERCISES, ids=[one.id for one in EXERCISES])
SEEDS = range(25)


def chapter_of(exercise):
    return exercise.id.partition(".")[0]


@functools.cache
def solutions(chapter):
    """Answers of a chapter by name, from executing what ``audiolab check`` would execute."""
    namespace = {"__name__": "answers"}
    for cell in learner.cells(learner.solutions(chapter)):
        if "setup" in cell.tags or any(tag.startswith("exercise-") for tag in cell.tags):
            exec(cell.source, namespace)
    return namespace


def solution(exercise):
    return solutions(chapter_of(exercise))[exercise.name]


@functools.cache
def mutants(exercise):
    """All mutants of an exercise: those by hand, known mistakes, automatic ones."""
    return [*by_hand(chapter_of(exercise)).get(exercise.id, []), *automatic(exercise, solution(exercise))]


@functools.cache
def outcomes(exercise):
    """What came of every mutant."""
    return [(one, judged(exercise, one)) for one in mutants(exercise)]


def judged(exercise, one):
    answer = one.answer() if exercise.is_value and callable(one.answer) else one.answer
    return judge(exercise, stages.judge, answer, seed=7, seconds=one.seconds)


@each
def test_solution_passes_for_many_seeds(exercise):
    for seed in SEEDS:
        outcome = judge(exercise, stages.judge, solution(exercise), seed=seed)
        assert outcome, outcome.text


@each
def test_stub_is_unattempted(exercise):
    shipped = learner.cells(learner.pristine(chapter_of(exercise)))
    outcome = judge(exercise, learner.judge_cells, *learner.needed(shipped, exercise.id), seed=7)
    assert outcome.state == "unattempted", outcome.text


@each
def test_every_mutant_is_rejected_at_its_stage_with_its_words(exercise):
    wrong = []
    for one, outcome in outcomes(exercise):
        rejected = outcome.state == "failed" and outcome.stage in one.stages
        if not rejected or one.says.lower() not in outcome.text.lower():
            got = f"got {outcome.state} at {outcome.stage!r}: {outcome.text}"
            wrong.append(f"{one.name}: wanted {one.stages} {one.says!r}, {got}")
    assert not wrong, "\n".join(wrong)


@each
def test_no_stage_is_idle(exercise):
    killed = {outcome.stage for _, outcome in outcomes(exercise)}
    declared = {stage for stage, functions in exercise.stages.items() if functions}
    assert "output" in declared, "no contract for the output"
    assert not declared - killed, f"stages that reject no mutant: {sorted(declared - killed)}"


@each
def test_known_mistakes_are_rejected_and_named(exercise):
    for words, ask, mistake in exercise.mistakes:
        answer = mistake() if exercise.is_value else mistake
        outcome = judge(exercise, stages.judge, answer, seed=7)
        assert outcome.state == "failed", f"{mistake.__name__}: {outcome.text}"
        assert outcome.named == words, f"{mistake.__name__} is not named: {outcome.text}"
        assert ask is None or outcome.ask == ask, f"{mistake.__name__} is named as another: {outcome.text}"


def _as_a_list(y):
    return y.tolist() if isinstance(y, np.ndarray | np.generic) else y


def _in_other_precision(y):
    return np.asarray(y, np.complex64 if np.iscomplexobj(y) else np.float16)[()]


def _with_a_warning(y):
    warnings.warn("as if something were wrong", stacklevel=2)
    return y


def _with_warnings_off(y):
    np.seterr(all="ignore")
    return y


def _with_an_error(y):
    raise ValueError("stops here")


def _fused(solution, fault, call):
    """An answer that is right until this call of it, and from then on has a fault that is not about values."""
    calls = itertools.count()
    return lambda *args: fault(solution(*args)) if next(calls) >= call else solution(*args)


FAULTS = [_as_a_list, _in_other_precision, _with_a_warning, _with_warnings_off, _with_an_error]


@pytest.mark.parametrize("fault", FAULTS)
@each
def test_no_mistake_is_named_where_the_values_are_right(exercise, fault):
    if exercise.is_value:
        pytest.skip("a value is its values")
    for call in (0, 1, 2, 4, 8, 16, 32):
        with warnings.catch_warnings(), np.errstate(all="warn"):
            warnings.simplefilter("ignore")
            outcome = stages.judge(exercise, _fused(solution(exercise), fault, call), 7, lambda *_: None)
        assert not outcome.named, f"from call {call} on: {outcome.text}"


def _level_that_warns(y):
    y = y / (2**15 if y.dtype == np.int16 else 1)
    return 10 * np.log10(np.mean(y**2, axis=-1))


def _tone_as_a_list(frequency, duration, sr, phase=0.0):
    return [math.sin(2 * math.pi * frequency * i / sr + phase) for i in range(round(duration * sr))]


def _tone_rounded_up(frequency, duration, sr, phase=0.0):
    t = np.arange(math.ceil(duration * sr)) / sr
    return np.sin(2 * np.pi * frequency * t + phase).astype(np.float32)


@pytest.mark.parametrize(
    ("id", "answer", "named", "says"),
    [
        ("01.2", _level_that_warns, "", "NumPy warns"),
        ("01.1", _tone_as_a_list, "", "of type list, expected an array"),
        ("01.1", _tone_rounded_up, "The number of samples is rounded up", "the shape of your output is [3088]"),
    ],
)
def test_only_what_an_answer_does_is_named(id, answer, named, says):
    outcome = judge(spec.find(id), stages.judge, answer, seed=7)
    assert says in outcome.text and outcome.named.startswith(named) and bool(outcome.named) == bool(named), outcome.text


@each
def test_at_least_four_mutants_by_hand(exercise):
    assert len(by_hand(chapter_of(exercise)).get(exercise.id, [])) >= 4


@each
def test_words(exercise):
    assert 2 <= len(exercise.hints) <= 5
    assert all(text == text.strip() and text[-1] in ".?!`)" for text in (*exercise.hints, exercise.learned) if text)
    assert solution(exercise) is not None


@pytest.mark.slow
def test_an_answer_may_use_torch():
    def frame(y, frame_length, hop_length):
        import torch

        if len(y) < frame_length:
            return np.zeros((0, frame_length), y.dtype)
        return torch.from_numpy(y.copy()).unfold(0, frame_length, hop_length).numpy().copy()

    outcome = judge(spec.find("03.1"), stages.judge, frame, seed=7)
    assert outcome, outcome.text
