"""Pairs of reference and answer, half of them near misses.

`source` says where the reference is from or, of a grader's tests and issues, the pair; "own" are those made here. Where
convention decides, the label is what graders agree on: `10%` is 10 and 0.1, a missing unit or base is forgiven, a list
without brackets is a set, decimals agree at six places.
"""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.verify.verify import VerifyConfig, verify
from tasks.workers import WorkerPool

TableMaker = Callable[[list[tuple[str | None, str]]], tuple[pa.Table, pa.Table]]

GOLDEN = Path(__file__).parents[3] / "golden" / "math_pairs.json"
PAIRS: list[dict[str, Any]] = json.loads(GOLDEN.read_text("utf-8"))
DISAGREEING: dict[tuple[str, str], str] = {}
"""What is said of pairs on which we differ from the label, and why, is to stand here."""


def test_golden_pairs(pool: WorkerPool, tables: TableMaker) -> None:
    problems, traces = tables([(pair["reference"], rf"\boxed{{{pair['answer']}}}") for pair in PAIRS])
    verdicts = verify(problems, traces, VerifyConfig(deadline_s=20), pool).to_pylist()
    wrong = {
        (pair["reference"], pair["answer"]): f"{verdict['status']}: {verdict['reason']}"
        for pair, verdict in zip(PAIRS, verdicts, strict=True)
        if verdict["status"] != ("correct" if pair["right"] else "incorrect")
    }
    assert wrong == DISAGREEING


def test_the_pairs_are_many_and_of_many_kinds() -> None:
    kinds, rights = Counter(pair["kind"] for pair in PAIRS), Counter(pair["right"] for pair in PAIRS)
    assert len(PAIRS) >= 900
    assert len(kinds) >= 25
    assert min(kinds.values()) >= 10
    assert min(rights.values()) >= 0.4 * len(PAIRS)
    assert len({(pair["reference"], pair["answer"]) for pair in PAIRS}) == len(PAIRS)
    assert all(pair["source"] for pair in PAIRS)
    assert sum(pair["source"] != "own" for pair in PAIRS) >= 500
