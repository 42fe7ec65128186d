"""A problem is on one side, and stays there."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.tables import REFERENCES, STANDINGS, VERDICTS
from tasks.export.selection import TRAIN, VALIDATION, Selection
from tasks.export.split import Splitting, held_out, part_of

IDS = st.lists(st.text(max_size=12), unique=True, max_size=60)


def column(ids: list[str]) -> "pa.ChunkedArray[pa.StringScalar]":
    return pa.chunked_array([pa.array(ids[:7], pa.string()), pa.array(ids[7:], pa.string())])


def out(ids: list[str], by: Splitting) -> set[str]:
    return {one for one, held in zip(ids, held_out(column(ids), by).to_pylist(), strict=True) if held}


def selection(ids: list[str]) -> Selection:
    """Two traces and a pair of each problem."""
    problems = [*ids, *ids]
    names = [str(at) for at in range(len(problems))]
    return Selection(
        problems=pa.table({"problem_id": column(ids)}),
        traces=pa.table({"trace_id": column(names), "problem_id": column(problems)}),
        standings=STANDINGS.empty_table(),
        pairs=pa.table({"pair_id": column(ids), "problem_id": column(ids)}),
        references=REFERENCES.empty_table(),
        verdicts=VERDICTS.empty_table(),
    )


@given(ids=IDS, share=st.floats(0, 0.99), seed=st.integers(0, 2**64 - 1))
@settings(max_examples=100, deadline=None)
def test_the_sides_are_disjoint_and_lose_nothing(ids: list[str], share: float, seed: int) -> None:
    by = Splitting(validation=share, split_seed=seed)
    whole = selection(ids)
    parts = [part_of(whole, split, by) for split in by.splits]
    assert [part.split for part in parts] == list(by.splits)
    for name in ("problems", "traces", "pairs"):
        sides = [getattr(part, name) for part in parts]
        assert sum(side.num_rows for side in sides) == getattr(whole, name).num_rows
        assert {one for side in sides[1:] for one in side["problem_id"].to_pylist()} == out(ids, by)


@given(ids=IDS, more=IDS, share=st.floats(0, 0.99))
@settings(max_examples=100, deadline=None)
def test_what_comes_later_moves_nobody(ids: list[str], more: list[str], share: float) -> None:
    by = Splitting(validation=share)
    together = list(dict.fromkeys(more + ids))
    assert out(ids, by) == out(together, by) & set(ids)


@given(low=st.floats(0, 0.5), more=st.floats(0, 0.49))
@settings(max_examples=50, deadline=None)
def test_a_larger_share_holds_out_the_same_and_more(low: float, more: float) -> None:
    ids = [f"p{at}" for at in range(60)]
    assert out(ids, Splitting(validation=low)) <= out(ids, Splitting(validation=low + more))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.5])
def test_the_share_is_near_what_was_asked(share: float) -> None:
    ids = [f"p{at}" for at in range(20_000)]
    found = len(out(ids, Splitting(validation=share))) / len(ids)
    deviation: float = (share * (1 - share) / len(ids)) ** 0.5
    assert abs(found - share) <= 4 * deviation


def test_another_seed_holds_out_others() -> None:
    ids = [f"p{at}" for at in range(1_000)]
    one, other = (out(ids, Splitting(validation=0.5, split_seed=seed)) for seed in (0, 1))
    assert 150 < len(one & other) < 350


def test_these_ids_are_held_out_for_good() -> None:
    """A version of tracemill that divided otherwise would leak validation problems into training."""
    assert out([f"p{at}" for at in range(12)], Splitting(validation=0.25)) == {"p6", "p8", "p11"}


def test_no_share_is_train_alone() -> None:
    assert Splitting().splits == (TRAIN,)
    assert Splitting(validation=0.1).splits == (TRAIN, VALIDATION)
    with pytest.raises(ValidationError):
        Splitting(validation=1.0)
