"""Chosen/rejected pairs from the verified traces of each problem, by the rules of a recipe."""

from typing import Any, Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform, rows
from schemas.tables import DROPPED, PAIRS
from tasks import plugins
from tasks.ids import content_id
from tasks.preferences.candidates import groups
from tasks.preferences.contract import Choice, Rule
from tasks.preferences.texts import shared_prefix

VERSION: Final = "2"
STAGE: Final = "preferences"
PACKAGE: Final = "tasks.preferences.rules"


class PairsConfig(ConfigBase):
    """Which rules choose pairs."""

    rules: dict[str, dict[str, Any]] = Field(
        default={"correct_vs_incorrect": {}}, min_length=1, description="settings by rule name; each adds its own pairs"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        plugins.configure(PACKAGE, self.rules)
        return self


class PairsResult(NamedTuple):
    """The pairs; and for each problem without one a row of `dropped`: table "pairs", the problem's id, the reason."""

    pairs: pa.Table
    dropped: pa.Table


class _Picked(NamedTuple):
    rule: str
    problem: int
    choice: Choice


def build_pairs(
    problems: pa.Table, traces: pa.Table, standings: pa.Table, config: PairsConfig | None = None
) -> PairsResult:
    """Pair traces (PAIRS) problem by problem, in the order of `problems` and then of the rules' names.

    `problems` needs problem_id; `traces`, those still alive, trace_id, problem_id, text, step_offsets,
    completion_tokens and on_policy; `standings` trace_id, status and score. Which traces take part: see
    `candidates.groups`. What is chosen depends on ids alone, not on the order of traces or standings. A pair is
    on-policy if both its traces are, and null where that is not known of either.

    Raises:
        RecipeError: a rule is unknown, or a setting of one.
    """
    rules = _build(config or PairsConfig())
    picked: list[_Picked] = []
    why_none = dict.fromkeys(range(problems.num_rows), "no trace that verifiers agree on")
    for problem, candidates in groups(problems, traces, standings):
        results = {name: rule(candidates) for name, rule in rules.items()}
        found = [
            _Picked(name, problem, one)
            for name, result in results.items()
            if isinstance(result, list)
            for one in result
        ]
        picked += found
        why_none[problem] = "; ".join(sorted({one for one in results.values() if isinstance(one, str)}))
        if found:
            del why_none[problem]
    return PairsResult(_table(picked, problems, traces), _dropped(why_none, problems["problem_id"].to_pylist()))


def _build(config: PairsConfig) -> dict[str, Rule]:
    settings = plugins.configure(PACKAGE, config.rules)
    return {name: cast("Rule", plugins.load(PACKAGE, name).build(own)) for name, own in settings.items()}


def _dropped(why_none: dict[int, str], problem_ids: list[Any]) -> pa.Table:
    lost: list[dict[str, object]] = [
        {
            "table": "pairs",
            "row_id": problem_ids[problem],
            "stage": STAGE,
            "reason": reason,
            "evidence": None,
            "duplicate_of": None,
        }
        for problem, reason in why_none.items()
    ]
    return rows(lost, DROPPED, at=STAGE)


def _table(picked: list[_Picked], problems: pa.Table, traces: pa.Table) -> pa.Table:
    chosen = np.array([one.choice.chosen.row for one in picked], np.int64)
    rejected = np.array([one.choice.rejected.row for one in picked], np.int64)
    problem = np.array([one.problem for one in picked], np.int64)
    names = [one.rule for one in picked]
    sides = [traces["trace_id"].take(rows) for rows in (chosen, rejected)]
    own = [traces["on_policy"].take(rows) for rows in (chosen, rejected)]
    ids = map(content_id, names, sides[0].to_pylist(), sides[1].to_pylist())
    columns: dict[str, Any] = {
        "pair_id": pa.array(ids, pa.string()),
        "problem_id": problems["problem_id"].take(problem),
        "chosen_trace_id": sides[0],
        "rejected_trace_id": sides[1],
        "rule": pa.array(names, pa.string()),
        "margin": pa.array([one.choice.margin for one in picked], pa.float32()),
        "on_policy": pc.and_(*own),
        "shared_prefix": pa.array(shared_prefix(traces, chosen, rejected), pa.int32()),
    }
    return conform(pa.table(columns), PAIRS, at=STAGE)
