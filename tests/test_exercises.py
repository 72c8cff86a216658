"""Every exercise: its solution passes, its stub is unattempted, and no wrong answer gets through."""

import functools

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


@each
def test_at_least_four_mutants_by_hand(exercise):
    assert len(by_hand(chapter_of(exercise)).get(exercise.id, [])) >= 4


@each
def test_words(exercise):
    assert 2 <= len(exercise.hints) <= 5
    assert all(text == text.strip() and text[-1] in ".?!`)" for text in (*exercise.hints, exercise.learned) if text)
    assert solution(exercise) is not None


