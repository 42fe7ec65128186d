"""One standing for each trace, from what several verifiers say of it."""

from collections.abc import Iterable, Sequence
from functools import lru_cache, partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, Self

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform
from schemas.errors import RecipeError
from schemas.tables import STANDINGS, Status

Kind = Literal["agree", "all", "any", "weighted", "first"]
NOBODY: Final = "none"
"""The verifier named by the verdict on a trace that no configured verifier covers."""
OPEN: Final = (Status.UNVERIFIABLE, Status.ERROR)
"""Where a trace stands that nobody has judged."""
_JUDGED: Final = (Status.CORRECT, Status.INCORRECT)


class RuleConfig(ConfigBase):
    """How verdicts on one trace become its standing. Only `correct` and `incorrect` count as judged.

    A trace that nobody judged is an `error` if a verifier broke, else `unverifiable`. A judge that gives verdicts is a
    verifier here.
    """

    kind: Kind = Field(
        default="agree",
        description="agree: right or wrong if all that judged it say so, and unverifiable where they contradict each "
        "other; all: right if every verifier says so, wrong if one does; any: right if one says so; weighted: right if "
        "the weighted mean of the scores reaches `least`; first: the first in `order` that judged it decides, and "
        "those after it are not asked; who is not in `order` has no say",
    )
    weights: dict[str, float] = Field(default={}, description="by verifier, for `weighted`; 1 unless given")
    least: float = Field(default=0.5, gt=0, le=1, description="the weighted mean that a correct trace needs")
    order: tuple[str, ...] = Field(
        default=(), description="verifiers, the fast ones first, and then judges, for `first`"
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.order) != (self.kind == "first"):
            raise ValueError("`order` names the verifiers for the kind `first`, and only for it")
        if self.weights and self.kind != "weighted":
            raise ValueError("`weights` are for the kind `weighted` only")
        if any(weight < 0 for weight in self.weights.values()):
            raise ValueError("`weights` cannot be negative")
        return self

    def turns(self, verifiers: Iterable[str]) -> list[list[str]]:
        """These verifiers in the order they are asked in: all at once, or one after another by the kind `first`."""
        known = list(verifiers)
        return [[name] for name in self.order if name in known] if self.order else [known]

    def check(self, verifiers: Sequence[str], judges: Sequence[str] = ()) -> None:
        """Look at the names it uses: of verifiers, and of judges that give verdicts.

        Raises:
            RecipeError: it uses others, or a verifier comes after a judge, which is asked later.
        """
        if unknown := sorted({*self.order, *self.weights} - {*verifiers, *judges}):
            known = ", ".join([*verifiers, *judges])
            raise RecipeError(f"verify.rule: {', '.join(unknown)} not among those that give verdicts: {known}")
        ranks = [name in judges for name in self.order]
        if ranks != sorted(ranks):
            raise RecipeError("verify.rule.order: verifiers come first, for judges are asked after all of them")


class Said(NamedTuple):
    """What one verifier says of a trace."""

    verifier: str
    status: str
    score: float | None = None


class Standing(NamedTuple):
    """What a trace is taken for; `score` is the mean of the scores, weighted where the rule weighs."""

    status: Status
    score: float | None


def standings(verdicts: pa.Table, rule: RuleConfig) -> pa.Table:
    """One row (STANDINGS) for each trace in `verdicts` (trace_id, verifier, status, score), sorted by trace_id."""
    combine = lru_cache(maxsize=4096)(partial(standing, rule=rule))
    rows = zip(*(verdicts[name].to_pylist() for name in ("trace_id", *Said._fields)), strict=True)
    ids, found = [], []
    for trace_id, those in groupby(sorted(rows, key=itemgetter(0, 1)), key=itemgetter(0)):
        ids.append(trace_id)
        found.append(combine(tuple(Said(*one[1:]) for one in those)))
    columns = [ids, [one.status.value for one in found], [one.score for one in found]]
    arrays = [pa.array(values, column.type) for values, column in zip(columns, STANDINGS, strict=True)]
    return conform(pa.table(arrays, names=STANDINGS.names), STANDINGS, at="verify")


def judged(said: Said) -> bool:
    """Whether the verifier came to a verdict."""
    return said.status in _JUDGED


def standing(said: Sequence[Said], rule: RuleConfig) -> Standing:
    """Where a trace stands by a rule."""
    said = [one for one in said if one.verifier != NOBODY] or said
    told = [one for one in said if judged(one)]
    if rule.kind == "first":
        told = sorted(_named(told, rule), key=lambda one: rule.order.index(one.verifier))[:1]
    score = _mean(told or said, rule)
    if not told or (rule.kind == "weighted" and score is None):
        broken = any(one.status == Status.ERROR for one in said)
        return Standing(Status.ERROR if broken else Status.UNVERIFIABLE, score)
    if rule.kind == "weighted":
        return Standing(Status.CORRECT if (score or 0) >= rule.least else Status.INCORRECT, score)
    return Standing(_agreed({one.status for one in told}, whole=len(told) == len(said), rule=rule), score)


def _named(said: Sequence[Said], rule: RuleConfig) -> list[Said]:
    return [one for one in said if one.verifier in rule.order]


def _agreed(statuses: set[str], *, whole: bool, rule: RuleConfig) -> Status:
    if len(statuses) == 1 and (whole or rule.kind != "all" or Status.INCORRECT in statuses):
        return Status(next(iter(statuses)))
    if rule.kind == "any":
        return Status.CORRECT
    return Status.INCORRECT if rule.kind == "all" and Status.INCORRECT in statuses else Status.UNVERIFIABLE


def _mean(said: Sequence[Said], rule: RuleConfig) -> float | None:
    """The mean score, where a verdict without one counts as 1 if it is correct and as 0 if it is incorrect."""
    plain = {Status.CORRECT.value: 1.0, Status.INCORRECT.value: 0.0}
    scored = [
        (rule.weights.get(one.verifier, 1.0), plain.get(one.status) if one.score is None else one.score) for one in said
    ]
    known = [(weight, score) for weight, score in scored if score is not None]
    total = sum(weight for weight, _ in known)
    return sum(weight * score for weight, score in known) / total if total else None
