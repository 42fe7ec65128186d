"""Chosen/rejected pairs from the traces of each problem, by the rules of a recipe."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform, rows
from schemas.tables import DROPPED, JUDGEMENT_PAIRS, JUDGEMENTS, PAIRS
from tasks import plugins
from tasks.ids import content_id
from tasks.preferences.candidates import Group, groups, judgement_groups
from tasks.preferences.contract import Choice, Of, Rule
from tasks.preferences.guards import STAGE, GuardsConfig, refusals
from tasks.preferences.pool import Opinions, Pool, Wanted
from tasks.preferences.texts import shared_prefix, text_keys

VERSION: Final = "3"
PACKAGE: Final = "tasks.preferences.rules"
NOTHING: Final = "no trace that verifiers agree on"


class PairsConfig(ConfigBase):
    """Which rules choose pairs, and which of these are refused."""

    rules: dict[str, dict[str, Any]] = Field(
        default={"correct_vs_incorrect": {}}, min_length=1, description="settings by rule name; each adds its own pairs"
    )
    guards: GuardsConfig = GuardsConfig()

    @model_validator(mode="after")
    def _known(self) -> Self:
        plugins.configure(PACKAGE, self.rules)
        return self

    def built(self) -> dict[str, Rule]:
        """The rules by name, in the order of names.

        Raises:
            RecipeError: a rule is unknown, or a setting of one.
        """
        settings = plugins.configure(PACKAGE, self.rules)
        return {name: cast("Rule", plugins.load(PACKAGE, name).build(own)) for name, own in settings.items()}


class PairsResult(NamedTuple):
    """PAIRS, JUDGEMENT_PAIRS, and rows of DROPPED with the table "pairs".

    There is one for each problem of which no pair is left, with the problem's id, and one for each refused pair, with
    the pair's.
    """

    pairs: pa.Table
    judgement_pairs: pa.Table
    dropped: pa.Table


class _Picked(NamedTuple):
    """What rules chose, pair by pair, and why they chose nothing of a problem."""

    rules: list[str]
    problems: list[int]
    choices: list[Choice]
    why_none: dict[int, set[str]]

    def sides(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of the chosen and of the rejected."""
        chosen = np.array([one.chosen.row for one in self.choices], np.int64)
        return chosen, np.array([one.rejected.row for one in self.choices], np.int64)


class _Made(NamedTuple):
    """All that was chosen: the pairs, of each whether its texts are equal, and why problems have none."""

    pairs: pa.Table
    same_text: NDArray[np.bool_]
    why_none: dict[int, set[str]]


def build_pairs(
    problems: pa.Table,
    traces: pa.Table,
    standings: pa.Table,
    config: PairsConfig | None = None,
    opinions: Opinions | None = None,
) -> PairsResult:
    """Pair traces problem by problem, and judgements trace by trace, in the order of `problems` and of rules' names.

    `problems` needs problem_id; `traces`, those still alive, trace_id, problem_id, text, step_offsets,
    completion_tokens, on_policy, and what `facts` reads (origin, source, model, parent_trace_id); `standings` trace_id,
    status and score. `opinions` may be empty where no rule reads them. Which traces take part: see
    `candidates.groups`. What is chosen depends on ids alone, not on the order of traces or standings. A pair is
    on-policy if both its traces are, and null where that is not known of either.

    Raises:
        RecipeError: a rule is unknown, or a setting of one.
    """
    config = config or PairsConfig()
    pool = Pool(problems, traces, standings, opinions or Opinions())
    rules = config.built()
    rated = [name for name, one in rules.items() if one.rated]
    made = [pair(rules, pool) for pair in (_of_traces, _of_judgements)]
    refused = [refusals(one.pairs, one.same_text, rated, config.guards) for one in made]
    kept = [_without(one.pairs, lost) for one, lost in zip(made, refused, strict=True)]
    dropped = pa.concat_tables([_no_pairs(problems, made, kept), *refused])
    return PairsResult(pairs=kept[0], judgement_pairs=kept[1], dropped=dropped)


def _of_traces(rules: Mapping[str, Rule], pool: Pool) -> _Made:
    those = {name: one for name, one in rules.items() if one.of == Of.TRACES}
    keys = text_keys(pool.traces["text"]) if those else text_keys(pa.array([], pa.string()))
    picked = _Picked([], [], [], {})
    if those:
        _pick(those, groups(pool, keys, Wanted.by(those.values())), picked)
    chosen, rejected = picked.sides()
    own = [pool.traces["on_policy"].take(rows) for rows in (chosen, rejected)]
    columns: dict[str, Any] = {
        "on_policy": pc.and_(*own),
        "shared_prefix": pa.array(shared_prefix(pool.traces, chosen, rejected), pa.int32()),
    }
    columns |= _columns(picked, pool, pool.traces, ("chosen_trace_id", "rejected_trace_id"))
    same = keys.folded[chosen] == keys.folded[rejected]
    return _Made(conform(pa.table(columns), PAIRS, at=STAGE), same, picked.why_none)


def _of_judgements(rules: Mapping[str, Rule], pool: Pool) -> _Made:
    those = {name: one for name, one in rules.items() if one.of == Of.JUDGEMENTS}
    judgements = pool.opinions.judgements if those else JUDGEMENTS.empty_table()
    replies: Any = judgements["reply"]
    keys = text_keys(replies.fill_null(""))
    picked = _Picked([], [], [], {})
    for name, rule in those.items():
        _pick({name: rule}, judgement_groups(pool, keys, str(rule.judge)), picked)
    chosen, rejected = picked.sides()
    columns: dict[str, Any] = {
        "trace_id": pc.list_element(judgements["shown"].take(chosen), 0),
        "judge": judgements["judge"].take(chosen),
    }
    columns |= _columns(picked, pool, judgements, ("chosen_judgement_id", "rejected_judgement_id"))
    same = keys.folded[chosen] == keys.folded[rejected]
    return _Made(conform(pa.table(columns), JUDGEMENT_PAIRS, at=STAGE), same, picked.why_none)


def _pick(rules: Mapping[str, Rule], found: Iterable[Group], picked: _Picked) -> None:
    """Add what the rules choose of each group."""
    choosing = [(name, one.choose) for name, one in rules.items()]
    for problem, candidates in found:
        for name, choose in choosing:
            result = choose(candidates)
            if isinstance(result, str):
                picked.why_none.setdefault(problem, set()).add(result)
            else:
                picked.rules.extend([name] * len(result))
                picked.problems.extend([problem] * len(result))
                picked.choices.extend(result)


def _columns(picked: _Picked, pool: Pool, paired: pa.Table, sides: tuple[str, str]) -> dict[str, Any]:
    """The columns that all pairs have; `sides` name those with the ids of the chosen and of the rejected."""
    id_column = sides[0].removeprefix("chosen_")
    ids = [paired[id_column].take(rows) for rows in picked.sides()]
    return {
        "pair_id": pa.array(map(content_id, picked.rules, *(side.to_pylist() for side in ids)), pa.string()),
        "problem_id": pool.problems["problem_id"].take(np.array(picked.problems, np.int64)),
        **dict(zip(sides, ids, strict=True)),
        "rule": pa.array(picked.rules, pa.string()),
        "margin": pa.array([one.margin for one in picked.choices], pa.float32()),
        "chosen_length": pa.array([one.chosen.length for one in picked.choices], pa.int32()),
        "rejected_length": pa.array([one.rejected.length for one in picked.choices], pa.int32()),
    }


def _without(pairs: pa.Table, refused: pa.Table) -> pa.Table:
    if not refused.num_rows:
        return pairs
    return pairs.filter(pc.invert(pc.is_in(pairs["pair_id"], value_set=refused["row_id"].combine_chunks())))


def _no_pairs(problems: pa.Table, made: Sequence[_Made], kept: Sequence[pa.Table]) -> pa.Table:
    """A row of DROPPED for each problem without a pair."""
    chosen, left = (
        {name for table in tables for name in table["problem_id"].unique().to_pylist()}
        for tables in ([one.pairs for one in made], kept)
    )
    lost: list[dict[str, object]] = []
    for row, problem_id in enumerate(problems["problem_id"].to_pylist()):
        if problem_id not in left:
            reasons = set[str]().union(*(one.why_none.get(row, ()) for one in made))
            reasons |= {"every pair was refused"} if problem_id in chosen else set()
            lost.append(
                {
                    "table": "pairs",
                    "row_id": problem_id,
                    "stage": STAGE,
                    "reason": "; ".join(sorted(reasons)) or NOTHING,
                    "evidence": None,
                    "duplicate_of": None,
                }
            )
    return rows(lost, DROPPED, at=STAGE)
