"""What each rule's pairs are like: how many are on-policy, how long both sides are, which is the longer one."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.summary import PairReport

COLUMNS: Final = ["rule", "on_policy", "chosen_length", "rejected_length"]
"""What is looked at of a table of pairs; pairs of judgements have no `on_policy`."""
SIDES: Final = ("chosen", "rejected")
NO_PAIR: Final = "pairs"
"""The table that rows of `dropped` name where a problem has no pair, or a pair was refused."""

Counts = Mapping[tuple[str, ...], int]


def pairing(*tables: pa.Table) -> dict[str, Counter[tuple[str, ...]]]:
    """Count pairs, all kinds of tables together.

    kind, key: `pair` (rule), `pair on-policy` (rule, true or false, where that is known), `pair longer` (rule, chosen
    or rejected), `pair length` (rule, chosen or rejected, length to two digits).
    """
    pairs = pa.concat_tables(tables, promote_options="default").combine_chunks()
    sizes = {side: np.asarray(pairs[f"{side}_length"], np.int64) for side in SIDES}
    longer = np.sign(sizes["chosen"] - sizes["rejected"])
    known = pairs.filter(pc.is_valid(pairs["on_policy"]))
    lengths = [
        _counted(pairs["rule"], [side] * len(pairs), list(map(str, _two_digits(sizes[side]).tolist())))
        for side in SIDES
    ]
    return {
        "pair": _counted(pairs["rule"]),
        "pair on-policy": _counted(
            known["rule"], ["true" if one else "false" for one in known["on_policy"].to_pylist()]
        ),
        "pair longer": _counted(
            pairs.filter(pa.array(longer != 0))["rule"], [SIDES[one < 0] for one in longer.tolist() if one]
        ),
        "pair length": lengths[0] + lengths[1],
    }


def reports(found: Mapping[str, Counts]) -> tuple[PairReport, ...]:
    """What the counts of `pairing` come to, by rule; medians are of lengths to two digits."""
    lengths: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for (rule, side, length), rows in found.get("pair length", {}).items():
        lengths[rule, side][int(length)] = rows
    policy, longer = (found.get(kind, {}) for kind in ("pair on-policy", "pair longer"))
    return tuple(
        PairReport(
            rule=rule,
            pairs=rows,
            on_policy=policy.get((rule, "true"), 0),
            off_policy=policy.get((rule, "false"), 0),
            chosen_length=_median(lengths[rule, "chosen"]),
            rejected_length=_median(lengths[rule, "rejected"]),
            chosen_longer=longer.get((rule, "chosen"), 0),
            rejected_longer=longer.get((rule, "rejected"), 0),
        )
        for (rule,), rows in sorted(found.get("pair", {}).items())
    )


def _counted(rules: "pa.ChunkedArray[Any]", *more: Sequence[str]) -> Counter[tuple[str, ...]]:
    return Counter(zip(rules.to_pylist(), *more, strict=True))


def _two_digits(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each length cut to its first two digits, so that there are few different ones."""
    digits = np.floor(np.log10(np.maximum(lengths, 1))).astype(np.int64)
    unit: NDArray[np.int64] = np.power(10, np.maximum(digits - 1, 0))
    return lengths // unit * unit


def _median(counts: Mapping[int, int]) -> int:
    """The lower median of values with their counts; 0 of none."""
    values = np.array(sorted(counts), np.int64)
    below = np.cumsum([counts[one] for one in values.tolist()])
    return int(values[np.searchsorted(below, (below[-1] + 1) // 2)]) if len(values) else 0
