"""Which steps of a trace are right: what verdicts that judge steps say, for the formats that hold labelled steps."""

from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any, Final, Literal, NamedTuple, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks.engines.rewards import REWARD, RIGHT_FROM
from tasks.export.selection import Selection
from tasks.rows import positions
from tasks.text.steps import steps

GOOD: Final = 1
NEUTRAL: Final = 0
BAD: Final = -1

_BATCH: Final = 4096


class StepConfig(ConfigBase):
    """Whose verdicts on steps count, and what a score says of a step."""

    verifier: str | None = Field(
        default=None, min_length=1, description="whose verdicts; each trace's first by name unless given"
    )
    threshold: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="a step with a higher score is right; unless given 0.5 by a reward model, else 0, which is "
        "Math-Shepherd's hard label: some continuation succeeds",
    )
    neutral_from: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="a step with at least this score, and none above the threshold, is neutral; lower ones are wrong",
    )

    def right_above(self, verifier: str, version: str) -> float:
        """The greatest score by a verifier that does not make a step right; a search's version says whose it is."""
        if self.threshold is not None:
            return self.threshold
        return RIGHT_FROM if REWARD in (verifier, *version.split()) else 0.0

    @model_validator(mode="after")
    def _a_band(self) -> Self:
        if self.neutral_from is not None and self.neutral_from > (self.threshold or 0.0):
            raise ValueError("neutral_from lies above threshold: no step would be neutral; set it to at most that")
        return self


class LabelConfig(StepConfig):
    """Also: what becomes of steps that are neither right nor wrong, in formats that know nothing else."""

    neutral: Literal[True, False, "drop"] | None = Field(
        default=None,
        description="label of a neutral step; drop: the row ends before the first one. Needed with neutral_from",
    )
    after_error: Literal["truncate", "drop", False] = Field(
        default="truncate",
        description="truncate: a row ends with the first wrong step; drop: a trace that goes on after it has no row; "
        "false: the row goes on, and all that follows is labelled wrong",
    )

    @model_validator(mode="after")
    def _explicit(self) -> Self:
        if (self.neutral is None) != (self.neutral_from is None):
            raise ValueError("neutral and neutral_from go together: which steps are neutral, and what they count as")
        return self


class Judged(NamedTuple):
    """A trace with what a verdict says of its steps."""

    trace: Mapping[str, Any]
    """trace_id, problem_id, text, model, source."""
    problem: Mapping[str, Any]
    """question, domain."""
    verifier: str
    steps: list[str]
    """Without the whitespace between them, which the lake's steps end in."""
    marks: list[int]
    """GOOD, NEUTRAL or BAD, of each step up to the first wrong one: nothing is known of what comes after it."""

    @property
    def first_wrong(self) -> int:
        """Counted from 0; -1 where no judged step is wrong."""
        return len(self.marks) - 1 if self.marks[-1] == BAD else -1

    @property
    def settled(self) -> bool:
        """Whether the first wrong step is known, or that there is none."""
        return self.first_wrong >= 0 or len(self.marks) == len(self.steps)


def judged(config: StepConfig, selection: Selection) -> Iterator[Judged]:
    """The traces whose steps a verdict judges, in the order of traces.

    Scores of steps decide, as the settings say; where a verdict has none, its `first_wrong_step`. Fewer scores than
    steps judge the first ones. A verdict on steps that the trace does not have is left out.
    """
    told = _by_trace(config, selection.verdicts)
    ids = selection.traces["trace_id"]
    problem = positions(selection.traces["problem_id"], selection.problems["problem_id"])
    wanted = (positions(ids, pa.chunked_array([pa.array(list(told), pa.string())])) >= 0) & (problem >= 0)
    columns = ["trace_id", "problem_id", "text", "step_offsets", "model", "source"]
    those = selection.traces.select(columns).filter(pa.array(wanted))
    places = problem[wanted]
    done = 0
    for batch in those.to_batches(max_chunksize=_BATCH):
        asked = selection.problems.select(["question", "domain"]).take(places[done : done + len(batch)]).to_pylist()
        done += len(batch)
        for trace, question in zip(batch.to_pylist(), asked, strict=True):
            verdict = told[trace["trace_id"]]
            parts = [step.rstrip() for step in steps(trace["text"], trace.pop("step_offsets"))]
            marks = _marks(config, len(parts), verdict)
            if marks:
                yield Judged(trace, question, verdict["verifier"], parts, marks)


def labels(config: LabelConfig, one: Judged) -> list[bool]:
    """Whether each of the trace's first steps is right: a row ends with the last labelled one; no labels, no row."""
    marks = one.marks
    if config.neutral == "drop" and NEUTRAL in marks:
        marks = marks[: marks.index(NEUTRAL)]
    rest = len(one.steps) - len(marks) if marks and marks[-1] == BAD else 0
    if rest and config.after_error == "drop":
        return []
    told = [mark == GOOD or (mark == NEUTRAL and config.neutral is True) for mark in marks]
    return told + [False] * rest if config.after_error is False else told


def _by_trace(config: StepConfig, verdicts: pa.Table) -> dict[str, dict[str, Any]]:
    if config.verifier is not None:
        verdicts = verdicts.filter(pc.equal(verdicts["verifier"], pa.scalar(config.verifier)))
    found: dict[str, dict[str, Any]] = {}
    columns = ["trace_id", "verifier", "verifier_version", "first_wrong_step", "step_scores"]
    for verdict in verdicts.select(columns).sort_by("verifier").to_pylist():
        found.setdefault(verdict["trace_id"], verdict)
    return found


def _marks(config: StepConfig, count: int, verdict: Mapping[str, Any]) -> list[int]:
    if verdict["step_scores"]:
        marks = _scored(
            config, verdict["step_scores"], config.right_above(verdict["verifier"], verdict["verifier_version"])
        )
    else:
        wrong = verdict["first_wrong_step"]
        marks = [] if wrong is None else [GOOD] * count if wrong < 0 else [GOOD] * wrong + [BAD]
    if len(marks) > count:
        return []
    return marks[: marks.index(BAD) + 1] if BAD in marks else marks


def _scored(config: StepConfig, scores: list[float | None], threshold: float) -> list[int]:
    """The marks up to the first step without a score."""
    marks: list[int] = []
    for score in scores:
        if score is None or isnan(score):
            return marks
        neutral = config.neutral_from is not None and score >= config.neutral_from
        marks.append(GOOD if score > threshold else NEUTRAL if neutral else BAD)
    return marks
