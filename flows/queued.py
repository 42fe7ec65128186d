"""What a batch is made of: a run's queue with all that a reviewer, or the model that goes on, has to know."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import pyarrow as pa
from pydantic import BaseModel, Field, ValidationError

from flows.config import CurationConfig
from review.batches import NewItem
from review.config import BatchSettings, GoldConfig, ReviewConfig
from schemas.errors import RecipeError, SourceError
from schemas.refs import Tables
from schemas.tables import Domain, Status
from tasks.engines.rewards import REWARD
from tasks.ids import content_id, question_id
from tasks.lake import Lake
from tasks.plugins import explain
from tasks.prompts import Prompting
from tasks.references import with_references
from tasks.reviews import REVIEWERS
from tasks.rewrite.config import GoingOn
from tasks.score.scores import ROLLOUTS
from tasks.score.searched import SEARCH
from tasks.sources import read_rows

_ABOUT_STEPS: Final = frozenset({ROLLOUTS, SEARCH, REWARD, REVIEWERS})
_SAID: Final = ["trace_id", "verifier", "status", "extracted_answer", "first_wrong_step", "reason"]
_GAP: Final = "\n\n"
_Rows = dict[str, dict[str, Any]]
"""By id."""
_GIVEN: Final = "given"
"""The splitter of a gold trace: its source cut it."""


class _Gold(BaseModel):
    """A row as ProcessBench has them; what else is in it is no matter."""

    problem: str = Field(min_length=1)
    steps: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    label: int
    final_answer_correct: bool | None = None


def settings_of(config: CurationConfig) -> BatchSettings:
    """What a batch keeps of its recipe.

    Raises:
        RecipeError: the recipe says nothing of reviewing.
    """
    if config.review is None:
        raise RecipeError(f"recipe {config.name}: says nothing of reviewing; add `review: {{}}`, and a `queue`")
    going_on = config.rewrite or GoingOn()
    fields = GoingOn.model_fields
    return BatchSettings(
        review=config.review,
        model=config.models[config.rewrite.model].model_copy(update={"price": None}) if config.rewrite else None,
        going_on=GoingOn(**{name: getattr(going_on, name) for name in fields}),
        prompts={name: _prompting(one) for name, one in config.prompts.items()},
        verify=config.verify,
    )


def queued(lake: Lake, tables: Tables, leave_out: Collection[str]) -> list[NewItem]:
    """The traces of a run's queue, of each round the best first, without those to leave out.

    Of the lake's other tables only the queue's rows are held in memory.
    """
    queue = lake.rows(tables, "queue").sort_by([("rank", "ascending"), ("trace_id", "ascending")])
    rows = [row for row in queue.to_pylist() if row["trace_id"] not in leave_out]
    traces, problems, stands = _about(lake, tables, rows)
    said: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in lake.chosen(tables, "verdicts", "trace_id", traces, _SAID).to_pylist():
        said[one["trace_id"]].append(one)
    return [
        NewItem(
            problem=problems[row["problem_id"]],
            trace=traces[row["trace_id"]],
            rank=rank,
            why=row["reason"],
            status=stands[row["trace_id"]]["status"],
            **_told(said[row["trace_id"]]),
        )
        for rank, row in enumerate(rows, start=1)
    ]


def gold(config: ReviewConfig, count: int) -> list[NewItem]:
    """As many traces with a known first wrong step as `count` others need, to be their share of what a reviewer gets.

    Raises:
        SourceError: the source cannot be read, or a row has no `problem`, `steps` and `label`.
    """
    if config.gold is None or not count:
        return []
    share = config.gold.share
    found = {one.trace["trace_id"]: one for one in _golden(config.gold)}
    # By ids, as good as at random: an added gold trace moves no other one.
    wanted = -int(-count * share // (1 - share))
    return [found[name] for name in sorted(found)[:wanted]]


def _told(said: list[Mapping[str, Any]]) -> dict[str, Any]:
    """What verdicts on a trace come to on the page."""
    answers = [one for one in said if one["verifier"] not in _ABOUT_STEPS]
    scored = next((one for one in said if one["verifier"] in (ROLLOUTS, REWARD)), None)
    return {
        "answer": next((one["extracted_answer"] for one in answers if one["extracted_answer"] is not None), None),
        "reason": "; ".join(f"{one['verifier']}: {one['reason']}" for one in answers if one["reason"]),
        "suggestion": scored["first_wrong_step"] if scored else None,
        "suggested_by": f"{scored['verifier']}: {scored['reason']}" if scored else None,
    }


def _golden(config: GoldConfig) -> Iterator[NewItem]:
    for row in read_rows(config.source):
        try:
            one = _Gold.model_validate(row.values)
        except ValidationError as exc:
            raise SourceError(f"{row.place}: no gold trace: {explain(exc)}") from exc
        if not -1 <= one.label < len(one.steps):
            raise SourceError(f"{row.place}: `label` is {one.label}, and there are {len(one.steps)} steps, from 0")
        yield _gold_item(one, row.number + 1)


def _gold_item(one: _Gold, rank: int) -> NewItem:
    problem, steps, label, right = one.problem, one.steps, one.label, one.final_answer_correct
    parts = [f"{step}{_GAP}" for step in steps[:-1]] + [steps[-1]]
    starts = [sum(map(len, parts[:at])) for at in range(len(parts))]
    stands = Status.UNVERIFIABLE if right is None else Status.CORRECT if right else Status.INCORRECT
    trace = {
        "trace_id": content_id("gold", problem, *steps),
        "text": "".join(parts),
        "step_offsets": starts,
        "splitter": _GIVEN,
        "source": _GIVEN,
    }
    asked = {"problem_id": question_id(Domain.MATH, problem), "domain": Domain.MATH.value, "question": problem}
    nothing = dict.fromkeys(("reference", "tests", "constraints"))
    return NewItem(asked | nothing, trace, rank, status=stands.value, gold=label)


def _about(lake: Lake, tables: Tables, queue: Sequence[Mapping[str, str]]) -> tuple[_Rows, _Rows, _Rows]:
    """Traces by id, problems by id with their references, standings by trace."""
    traces, problems = ([row[name] for row in queue] for name in ("trace_id", "problem_id"))
    asked, references = (lake.chosen(tables, name, "problem_id", problems) for name in ("problems", "references"))
    own, stands = (lake.chosen(tables, name, "trace_id", traces) for name in ("traces", "standings"))
    return (
        _by_id(own, "trace_id"),
        _by_id(with_references(asked, references), "problem_id"),
        _by_id(stands, "trace_id"),
    )


def _by_id(table: pa.Table, column: str) -> _Rows:
    return {row[column]: row for row in table.to_pylist()}


def _prompting(one: Prompting) -> Prompting:
    return Prompting(**{name: getattr(one, name) for name in Prompting.model_fields})
