import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.export.selection import Selection
from tasks.export.steps import BAD, GOOD, NEUTRAL, Judged, LabelConfig, StepConfig, judged, labels

TEXT = "a\n\nb\n\nc"
MARKS = st.lists(st.sampled_from([GOOD, NEUTRAL]), max_size=6).flatmap(
    lambda start: st.sampled_from([start, [*start, BAD]])
)


def selection(*verdicts: tuple[str, int | None, list[float | None] | None]) -> Selection:
    """One trace of three steps, and what (verifier and maybe its version, first_wrong_step, step_scores) say of it."""
    names, wrong, scores = zip(*verdicts, strict=True) if verdicts else ((), (), ())
    strings = {name: pa.array([value]) for name, value in (("trace_id", "t"), ("problem_id", "p"), ("text", TEXT))}
    offsets = pa.array([[0, 3, 6]], pa.list_(pa.int32()))
    nothing = pa.table({"trace_id": pa.array([], pa.string())})
    return Selection(
        problems=pa.table({"problem_id": ["p"], "question": ["?"], "domain": ["math"]}),
        traces=pa.table(strings | {"step_offsets": offsets, "model": ["m"], "source": ["s"]}),
        standings=nothing,
        pairs=nothing,
        references=nothing,
        verdicts=pa.table(
            {
                "trace_id": pa.array(["t"] * len(names), pa.string()),
                "verifier": pa.array([name.partition(" ")[0] for name in names], pa.string()),
                "first_wrong_step": pa.array(wrong, pa.int32()),
                "step_scores": pa.array(scores, pa.list_(pa.float32())),
                "verifier_version": pa.array([name.partition(" ")[2] or "1" for name in names], pa.string()),
            }
        ),
    )


@pytest.mark.parametrize(
    ("wrong", "scores", "marks"),
    [
        (-1, None, [GOOD, GOOD, GOOD]),
        (0, None, [BAD]),
        (2, None, [GOOD, GOOD, BAD]),
        (1, [], [GOOD, BAD]),
        (None, [1.0, 0.25, 0.0], [GOOD, GOOD, BAD]),
        (None, [1.0, 0.0, 1.0], [GOOD, BAD]),
        (2, [1.0, 0.0, 1.0], [GOOD, BAD]),
        (None, [1.0], [GOOD]),
        (None, [1.0, None, 1.0], [GOOD]),
        (None, [1.0, math.nan], [GOOD]),
    ],
)
def test_marks(wrong: int | None, scores: list[float | None] | None, marks: list[int]) -> None:
    (one,) = judged(StepConfig(), selection(("v", wrong, scores)))
    assert one.marks == marks
    assert one.steps == ["a", "b", "c"]
    assert one.first_wrong == (len(marks) - 1 if BAD in marks else -1)
    assert one.settled == (BAD in marks or len(marks) == 3)
    assert (one.problem["question"], one.trace["model"], one.verifier) == ("?", "m", "v")


@pytest.mark.parametrize(("wrong", "scores"), [(3, None), (None, [1.0] * 4), (None, [None]), (None, None)])
def test_a_verdict_on_steps_that_are_not_there_judges_none(
    wrong: int | None, scores: list[float | None] | None
) -> None:
    assert list(judged(StepConfig(), selection(("v", wrong, scores)))) == []


def test_the_settings_say_what_a_score_says() -> None:
    told = selection(("v", None, [0.9, 0.5, 0.1]))
    config = StepConfig(threshold=0.5, neutral_from=0.3)
    assert next(judged(config, told)).marks == [GOOD, NEUTRAL, BAD]
    assert next(judged(StepConfig(threshold=0.05), told)).marks == [GOOD] * 3


def test_a_search_by_a_reward_model_does_so_too() -> None:
    scores: list[float | None] = [0.9, 0.4, 0.1]
    assert next(judged(StepConfig(), selection(("search 1 reward prm", None, scores)))).marks == [GOOD, BAD]
    assert next(judged(StepConfig(), selection(("search 1 rollouts", None, scores)))).marks == [GOOD] * 3


def test_a_reward_model_doubts_below_a_half() -> None:
    scores: list[float | None] = [0.9, 0.51, 0.5]
    assert next(judged(StepConfig(), selection(("reward", None, scores)))).marks == [GOOD, GOOD, BAD]
    assert next(judged(StepConfig(), selection(("rollouts", None, scores)))).marks == [GOOD] * 3
    assert next(judged(StepConfig(threshold=0.1), selection(("reward", None, scores)))).marks == [GOOD] * 3


def test_whose_verdicts_count() -> None:
    told = selection(("rollouts", 1, None), ("person", 2, None))
    assert [one.verifier for one in judged(StepConfig(), told)] == ["person"]
    assert [one.marks for one in judged(StepConfig(verifier="rollouts"), told)] == [[GOOD, BAD]]
    assert list(judged(StepConfig(verifier="nobody"), told)) == []


def test_what_is_gone_is_left_out() -> None:
    told = selection(("v", 1, None))
    assert list(judged(StepConfig(), told._replace(problems=told.problems.slice(0, 0)))) == []
    assert list(judged(StepConfig(), told._replace(traces=told.traces.slice(0, 0)))) == []
    assert list(judged(StepConfig(), selection())) == []


@given(
    marks=MARKS,
    more=st.integers(0, 3),
    neutral=st.sampled_from([True, False, "drop"]),
    after_error=st.sampled_from(["truncate", "drop", False]),
)
def test_labels(marks: list[int], more: int, neutral: Any, after_error: Any) -> None:
    """Labels are of the first steps; right ones are true, and all after a wrong one false."""
    config = LabelConfig(neutral_from=0.0, neutral=neutral, after_error=after_error)
    steps = [str(number) for number in range(len(marks) + more)]
    told = labels(config, Judged({}, {}, "v", steps, marks))
    wrong = BAD in marks and not (neutral == "drop" and NEUTRAL in marks)
    assert len(told) <= len(steps)
    if wrong and after_error == "drop" and more:
        assert told == []
        return
    assert len(told) == len(steps) if wrong and after_error is False else len(told) <= len(marks)
    for mark, label in zip(marks, told, strict=False):
        assert label == (mark == GOOD or (mark == NEUTRAL and neutral is True))
    assert not any(told[len(marks) :])
    assert neutral != "drop" or NEUTRAL not in marks[: len(told)]
