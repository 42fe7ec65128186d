"""Which of the pairs that rules chose are refused, and why."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import DROPPED

STAGE: Final = "preferences"

Mask = NDArray[np.bool_]


class GuardsConfig(ConfigBase):
    """What every pair has to keep to, whichever rule chose it. Pairs whose texts are equal are always refused."""

    least_margin: float = Field(
        default=0.0, ge=0, le=1, description="of rules whose margin is a difference of ratings; 0 is always a tie"
    )
    max_length_ratio: float | None = Field(
        default=None, ge=1, description="the longer text is at most so many times as long as the shorter one"
    )
    on_policy_only: bool = Field(default=False, description="both texts were sampled by the model that is trained")
    per_problem: int | None = Field(
        default=None, gt=0, description="pairs of a problem by all rules together, taken from the rules by turns"
    )


def refusals(pairs: pa.Table, same_text: Mask, rated: Sequence[str], config: GuardsConfig) -> pa.Table:
    """The pairs that are refused, as rows of DROPPED in the order of `pairs`, each with the first reason there is.

    Args:
        pairs: PAIRS or JUDGEMENT_PAIRS, each rule's best pairs of a problem first.
        same_text: of each pair, whether its texts are equal but for whitespace and capitals.
        rated: the rules whose margins are differences of ratings.
        config: the guards; that of the policy is for PAIRS alone.
    """
    reasons: NDArray[Any] = np.full(pairs.num_rows, "", object)

    def refuse(which: Mask, reason: str) -> None:
        reasons[which & (reasons == "")] = reason

    by_rating: Any = pc.is_in(pairs["rule"], value_set=pa.array(rated, pa.string()))
    margins = np.where(np.asarray(by_rating).astype(np.bool_), _numbers(pairs, "margin"), np.nan)
    refuse(same_text, "equal texts")
    refuse(margins <= 0, "tie")
    refuse(margins < np.float32(config.least_margin), f"margin under {config.least_margin}")
    if config.max_length_ratio is not None:
        refuse(_ratios(pairs) > config.max_length_ratio, f"length gap over {config.max_length_ratio}")
    if config.on_policy_only and "on_policy" in pairs.column_names:
        refuse(_numbers(pairs, "on_policy") != 1, "not on-policy")
    if config.per_problem is not None:
        left = np.flatnonzero(reasons == "")
        over = np.zeros(len(reasons), np.bool_)
        over[left[_turns(pairs, left) >= config.per_problem]] = True
        refuse(over, f"over {config.per_problem} pairs of a problem")
    return _dropped(pairs, reasons)


def _turns(pairs: pa.Table, left: NDArray[np.intp]) -> NDArray[np.int64]:
    """The place of each of these pairs among its problem's, when the rules give theirs by turns."""
    problem, rule = (_codes(pairs[name])[left] for name in ("problem_id", "rule"))
    nth = _places(np.lexsort((rule, problem)), problem * (rule.max(initial=0) + 1) + rule)
    return _places(np.lexsort((rule, nth, problem)), problem)


def _places(order: NDArray[np.intp], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each row among its group's, when rows are taken in this order, in which groups are together."""
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return places


def _codes(names: "pa.ChunkedArray[Any]") -> NDArray[np.int64]:
    """A number for each name, in the order of names."""
    encoded: Any = names.combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(np.array(encoded.dictionary.to_pylist(), object)))
    return rank[np.asarray(encoded.indices)] if len(names) else np.empty(0, np.int64)


def _ratios(pairs: pa.Table) -> NDArray[np.float64]:
    """The longer of a pair's texts by the shorter; one of no length counts as 1 long."""
    both = np.maximum(np.stack([_numbers(pairs, f"{side}_length") for side in ("chosen", "rejected")]), 1)
    ratios: NDArray[np.float64] = both.max(axis=0) / both.min(axis=0)
    return ratios


def _numbers(pairs: pa.Table, name: str) -> NDArray[np.float64]:
    """A column, NaN where it is null."""
    column: Any = pairs[name].cast(pa.float64())
    return np.asarray(column.fill_null(np.nan), np.float64)


def _dropped(pairs: pa.Table, reasons: NDArray[Any]) -> pa.Table:
    refused = np.flatnonzero(reasons != "")
    told = pairs.take(refused).select(["pair_id", "rule", "margin", "chosen_length", "rejected_length"])
    records: list[dict[str, object]] = [
        {
            "table": "pairs",
            "row_id": row["pair_id"],
            "stage": STAGE,
            "reason": reason,
            "evidence": _evidence(row),
            "duplicate_of": None,
        }
        for row, reason in zip(told.to_pylist(), reasons[refused].tolist(), strict=True)
    ]
    return rows(records, DROPPED, at=STAGE)


def _evidence(pair: dict[str, Any]) -> str:
    margin = "" if pair["margin"] is None else f", margin {pair['margin']:.3g}"
    return f"{pair['rule']}: chosen {pair['chosen_length']} long, rejected {pair['rejected_length']}{margin}"
