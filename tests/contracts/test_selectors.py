"""Every selector goes through the same cases."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conform import conform
from schemas.tables import DROPPED, PROBLEMS, RATINGS, STANDINGS, TRACES
from tasks import plugins
from tasks.embed.model import EmbeddingConfig
from tasks.select.contract import GONE, Earlier, Gone, Pool
from tasks.select.select import PACKAGE, build, pool_of, select

NAMES = plugins.names(PACKAGE)
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "caps": [
        {"problems": {"persona": 1, "domain": 2, "source": 3}},
        {"problems": {"label.kind": 1}, "traces": 2, "prefer": "shortest"},
        {"traces": 1, "total": 3, "prefer": "longest"},
        {"total": 2, "prefer": "score", "judge": "wise"},
    ],
    "chosen": [{}],
    "difficulty": [{"models": ["a"]}, {"models": ["a", "b"], "solved": 0.5, "drop_attempts": True}],
    "diversity": [
        {"count": 2},
        {"count": 3, "by": "label.kind", "of": "correct", "keep_traces": "all"},
        {"count": 2, "by": {"model": "m", "clusters": 2}, "seed": 7},
    ],
    "pass_rate": [{}, {"least": 0.3, "most": None, "by": ["a"], "judged": 2}],
    "quality": [{}, {"least_tokens": 3, "most_tokens": 8}],
    "rejection": [{}],
    "spread": [{"model": "m", "count": 2}],
}
CASES = [(name, each) for name, those in SETTINGS.items() for each in those]
cases = pytest.mark.parametrize(("name", "own"), CASES)

Row = tuple[int, str, str | None, int | None, str]
texts = st.sampled_from(["Twice 4 is 8.", "![a](b)", "  /  \\\n / \\ \\ \n", "As in the figure below."])
statuses = st.sampled_from(["correct", "incorrect", "unverifiable", None])
rows: st.SearchStrategy[list[Row]] = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("abc"), statuses, st.sampled_from([None, 1, 4, 9]), texts), max_size=14
)


def table(schema: pa.Schema, records: list[dict[str, Any]]) -> pa.Table:
    zero: dict[pa.DataType, Any] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): [], pa.float32(): 0.0}
    empty = {field.name: None if field.nullable else zero[field.type] for field in schema}
    return pa.Table.from_pylist([empty | one for one in records], schema)


def vectors(count: int) -> Callable[[EmbeddingConfig], pa.Table]:
    angles = np.random.default_rng(1).random(count) * 6
    ids = [f"p{at}" for at in range(count)]
    return lambda _: pa.table(
        {
            "row_id": ids,
            "vector": pa.array([[np.cos(one), np.sin(one)] for one in angles], pa.list_(pa.float32())),
        }
    )


def pool(given_: list[Row], order: np.random.Generator | None = None, earlier: int = 0) -> Pool:
    """A pool of six problems, of which the first `earlier` are an earlier round's."""
    problems: list[dict[str, Any]] = [
        {"problem_id": f"p{at}", "domain": ("math", "code")[at % 2], "question": text, "persona_id": who, "source": "s"}
        for at, (text, who) in enumerate(
            zip(["Why?", "1. How?", "In the figure below?", "a", "b", "c"], "xxyyz", strict=False)
        )
    ]
    problems.append({"problem_id": "p5", "domain": "open", "question": "Who?", "persona_id": None, "source": "t"})
    traces = [
        {
            "trace_id": f"t{at:02}",
            "problem_id": f"p{problem}",
            "model": model,
            "source": "file",
            "text": text,
            "completion_tokens": tokens,
            "source_labels": [("kind", model)],
            "search": None if model == "a" else {"strategy": "beam", "chosen": model == "b"},
        }
        for at, (problem, model, _, tokens, text) in enumerate(given_)
    ]
    stands = [(f"t{at:02}", status) for at, (_, _, status, _, _) in enumerate(given_) if status]
    standings = [{"trace_id": one, "status": status, "score": 0.5} for one, status in stands]
    ratings = [{"judge": "wise", "subject_id": one, "score": at / 20} for at, (one, _) in enumerate(stands)]
    if order is not None:
        problems, traces, standings = (
            [one[at] for at in order.permutation(len(one))] for one in (problems, traces, standings)
        )
    both = table(PROBLEMS, problems), table(TRACES, traces)
    first = [
        pa.array([int(str(one)[1:]) < earlier for one in each["problem_id"].to_pylist()], pa.bool_()) for each in both
    ]
    before = Earlier(*(each.filter(mask) for each, mask in zip(both, first, strict=True)))
    own = [each.filter(pa.compute.invert(mask)) for each, mask in zip(both, first, strict=True)]
    tables = {
        "problems": own[0],
        "traces": own[1],
        "standings": table(STANDINGS, standings),
        "ratings": table(RATINGS, ratings),
        "dropped": DROPPED.empty_table(),
    }
    return pool_of(tables, own[1]["text"], before, vectors(6))


def sorted_(lost: Gone) -> list[list[dict[str, Any]]]:
    return [sorted(each.to_pylist(), key=lambda one: str(one["row_id"])) for each in lost]


def test_all_are_tried() -> None:
    assert set(SETTINGS) == set(NAMES)


@cases
@settings(max_examples=12, deadline=None)
@given(given_=rows, seed=st.integers(0, 99), earlier=st.integers(0, 6))
def test_what_goes_was_there_and_depends_on_rows_alone(
    name: str, own: dict[str, Any], given_: list[Row], seed: int, earlier: int
) -> None:
    ((_, _, selector),) = build([{name: own}])
    one = pool(given_, earlier=earlier)
    before = one.problems, one.traces, one.samples
    lost = selector.drop(one)
    assert (one.problems, one.traces, one.samples) == before
    assert sorted_(lost) == sorted_(selector.drop(one))
    assert sorted_(lost) == sorted_(selector.drop(pool(given_, np.random.default_rng(seed), earlier)))
    for each, table_, column in zip(lost, before, ("problem_id", "trace_id"), strict=False):
        assert each.schema == GONE
        ids = each["row_id"].to_pylist()
        assert len(set(ids)) == len(ids)
        assert set(ids) <= set(table_[column].to_pylist())
        assert all(each["reason"].to_pylist())
        assert all(json.loads(str(told)) for told in each["evidence"].to_pylist() if told is not None)


@cases
@settings(max_examples=8, deadline=None)
@given(given_=rows)
def test_nothing_is_half_dropped(name: str, own: dict[str, Any], given_: list[Row]) -> None:
    """A trace goes with its problem, and a problem with its last trace."""
    one = pool(given_)
    dropped = select(one, build([{name: own}]))
    assert dropped == conform(dropped, DROPPED, at="test")
    gone = {(row["table"], row["row_id"]) for row in dropped.to_pylist()}
    assert len(gone) == dropped.num_rows
    of = dict(zip(one.traces["trace_id"].to_pylist(), one.traces["problem_id"].to_pylist(), strict=True))
    left = {problem for trace, problem in of.items() if ("traces", trace) not in gone}
    for problem in one.problems["problem_id"].to_pylist():
        if problem in of.values():
            assert (problem in left) == (("problems", problem) not in gone)
    assert all(str(row["reason"]).startswith(f"{name}: ") for row in dropped.to_pylist())


@cases
def test_an_empty_pool(name: str, own: dict[str, Any]) -> None:
    assert select(pool([], earlier=6), build([{name: own}])).num_rows == 0


@cases
def test_looks_back_only_if_it_says_so(name: str, own: dict[str, Any]) -> None:
    ((_, _, selector),) = build([{name: own}])
    given_: list[Row] = [(at % 6, "abc"[at % 3], "correct", at, "So it is.") for at in range(14)]
    here = pool(given_, earlier=3)
    forgot = here._replace(earlier=Earlier(here.earlier.problems.slice(0, 0), here.earlier.traces.slice(0, 0)))
    assert selector.looks_back or sorted_(selector.drop(here)) == sorted_(selector.drop(forgot))


@cases
def test_settings_name_all_that_counts(name: str, own: dict[str, Any]) -> None:
    (step,) = build([{name: own}])
    told = step.settings[name]
    assert own.keys() <= told.keys()
    assert not {"device", "batch"} & {*told, *(told.get("by") if isinstance(told.get("by"), dict) else ())}
