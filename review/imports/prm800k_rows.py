"""What a line of a PRM800K file says, as rounds over traces.

The form is that of github.com/openai/prm800k (Let's Verify Step by Step, arXiv 2305.20050). In phase 2 the solution was
written beforehand and labelled up to its first mistake; alternatives to the mistaken step are no part of it. In phase 1
a labeller went on with one of several completions of each step, or, where all were wrong, with a step of their own:
that is a rewrite, and what follows it a round of its own.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, Field, ValidationError, model_validator

from review.store.models import State
from tasks.ids import content_id

SPLITTER: Final = "prm800k/1"
"""A step a line, as the file has them; a step may have line breaks of its own."""
_BAD: Final = -1
_MOST_OWN: Final = 64
"""Each is a round, with a trace of its own."""
_STATES: Final = {
    "solution": State.SUBMITTED,
    "found_error": State.SUBMITTED,
    "give_up": State.GAVE_UP,
    "bad_problem": State.BAD_PROBLEM,
}


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a null character, which cannot be stored")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Rating = Literal[-1, 0, 1] | None


class _Completion(BaseModel):
    text: Text
    rating: Rating = None


class _Step(BaseModel):
    completions: list[_Completion] | None = None
    human_completion: _Completion | Text | None = None
    chosen_completion: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _choice_is_there(self) -> Self:
        if self.chosen_completion is not None and self.chosen_completion >= len(self.completions or []):
            raise ValueError("chosen_completion is none of its completions")
        return self


class _Label(BaseModel):
    steps: list[_Step]
    finish_reason: Literal["solution", "found_error", "give_up", "bad_problem"]
    total_time: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="milliseconds")


class _Question(BaseModel):
    problem: Text = Field(min_length=1)
    ground_truth_answer: Text | None = None
    pre_generated_steps: list[Text] | None = None
    pre_generated_answer: Text | None = None


class _Row(BaseModel):
    question: _Question
    label: _Label
    labeler: Text | None = None
    timestamp: datetime | None = None
    is_quality_control_question: bool | None = None
    is_initial_screening_question: bool | None = None
    problem_id: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    trace_id: Annotated[Text, Field(min_length=1, max_length=64)] | None = None
    verifier: Text | None = None


class Cut(NamedTuple):
    """A trace: its steps joined by line breaks, each of which belongs to the step before it."""

    trace_id: str
    text: str
    offsets: tuple[int, ...]
    fork_step: int | None
    """Where it parts from the trace of the round before."""


class Turn(NamedTuple):
    """A round: what the labeller said of a trace."""

    trace: Cut
    ratings: tuple[int | None, ...]
    first_wrong: int | None
    after: str | None
    """The first wrong step, rewritten; the next round goes on from it."""


class Label(NamedTuple):
    """One line."""

    question: str
    reference: str | None
    answer: str | None
    problem_id: str | None
    labeler: str
    state: State
    exit: str | None
    finished_at: datetime | None
    seconds: float
    why: str
    turns: tuple[Turn, ...]


class UnusableLineError(ValueError):
    """Nothing can be made of a line; the message is why."""


def label(line: bytes) -> Label:
    """Read a line.

    Raises:
        UnusableLineError: it is not of the form, or contradicts itself.
    """
    try:
        row = _Row.model_validate_json(line)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UnusableLineError(f"{place}: {first['msg']}" if place else first["msg"]) from exc
    return Label(
        row.question.problem,
        row.question.ground_truth_answer,
        row.question.pre_generated_answer,
        row.problem_id,
        row.labeler or row.verifier or "unknown",
        _STATES[row.label.finish_reason],
        row.label.finish_reason if row.label.finish_reason in {"give_up", "bad_problem"} else None,
        _utc(row.timestamp),
        (row.label.total_time or 0) / 1000,
        _why(row),
        _turns(row),
    )


def _turns(row: _Row) -> tuple[Turn, ...]:
    written = row.question.pre_generated_steps
    turns = [_written(row, written)] if written else _went_on(row)
    last = turns[-1].first_wrong
    if row.label.finish_reason == "found_error" and last is None:
        raise UnusableLineError("label.finish_reason: found_error, but no step is rated -1")
    if row.label.finish_reason == "solution" and last is None:
        turns[-1] = turns[-1]._replace(first_wrong=-1)
    return tuple(turns)


def _written(row: _Row, written: Sequence[str]) -> Turn:
    """Phase 2: ratings of the steps of a solution that was there."""
    if len(row.label.steps) > len(written):
        raise UnusableLineError("label.steps: there are more than pre_generated_steps")
    ratings = [_rating_of(text, step) for text, step in zip(written, row.label.steps, strict=False)]
    return _turn(row, written, ratings, None)


def _rating_of(text: str, step: _Step) -> int | None:
    """The rating of the solution's own step among the alternatives; the first is, if none is word for word."""
    options = step.completions or []
    own = next((one for one in options if one.text == text), options[0] if options else None)
    return own.rating if own else None


def _went_on(row: _Row) -> list[Turn]:
    """Phase 1: the path that was chosen, with a new round after each step that the labeller wrote."""
    path: list[str] = []
    ratings: list[int | None] = []
    turns: list[Turn] = []
    for step in row.label.steps:
        text, rating = _chosen(step)
        wrong = _rejected(step)
        if wrong is not None:
            if len(turns) == _MOST_OWN:
                raise UnusableLineError(f"label.steps: more than {_MOST_OWN} are the labeller's own")
            fork = _fork(turns)
            turns.append(_turn(row, [*path, wrong], [*ratings, _BAD], fork)._replace(after=text))
        path.append(text)
        ratings.append(rating)
    if not path:
        raise UnusableLineError("label.steps: there are none, and no pre_generated_steps")
    return [*turns, _turn(row, path, ratings, _fork(turns))]


def _fork(turns: Sequence[Turn]) -> int | None:
    return len(turns[-1].trace.offsets) - 1 if turns else None


def _chosen(step: _Step) -> tuple[str, int | None]:
    """The step that was gone on with; without one, the first completion, where the labeller stopped."""
    if step.chosen_completion is not None and step.completions:
        one = step.completions[step.chosen_completion]
        return one.text, one.rating
    if step.human_completion is not None:
        human = step.human_completion
        return (human, 1) if isinstance(human, str) else (human.text, 1)
    if not step.completions:
        raise UnusableLineError("label.steps: one has no completion")
    return step.completions[0].text, step.completions[0].rating


def _rejected(step: _Step) -> str | None:
    """The wrong completion that the labeller wrote their own step for."""
    if step.chosen_completion is not None or step.human_completion is None:
        return None
    return next((one.text for one in step.completions or [] if one.rating == _BAD), None)


def _turn(row: _Row, texts: Sequence[str], ratings: Sequence[int | None], fork: int | None) -> Turn:
    first = next((at for at, rating in enumerate(ratings) if rating == _BAD), None)
    padded = [*ratings, *[None] * (len(texts) - len(ratings))]
    offsets = (0, *accumulate(len(one) + 1 for one in texts[:-1]))
    given = row.trace_id if row.question.pre_generated_steps else None
    name = given or content_id("prm800k", row.question.problem, *texts)
    return Turn(Cut(name, "\n".join(texts), offsets, fork), tuple(padded), first, None)


def _utc(time: datetime | None) -> datetime | None:
    return time and (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC))


def _why(row: _Row) -> str:
    told = {
        "quality control": row.is_quality_control_question,
        "initial screening": row.is_initial_screening_question,
    }
    return ", ".join(name for name, said in told.items() if said)
