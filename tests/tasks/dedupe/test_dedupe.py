import json
import random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.columns import SEARCH
from schemas.tables import DROPPED
from tasks.dedupe.dedupe import EXACT, NEAR, ORPHANED, DedupeConfig, drop_problems, drop_traces
from tasks.dedupe.index import sketched

QUESTION = "Ana has {} apples and buys {} more at the market near her house. How many apples does Ana have in the end?"
SOLUTION = "Ana starts with 5 apples and then buys 3 more at the market so she has 5 + 3 = 8 apples in the end"


def problems(*rows: tuple[str, str, str | None]) -> pa.Table:
    """Their sketches, with the default settings."""
    names = ["problem_id", "question", "reference"]
    table = pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(names)})
    config = DedupeConfig()
    assert config.problems
    return sketched(table, config.problems, config.splitting, threads=1)


def traces(*rows: tuple[str, str, str]) -> pa.Table:
    names = ["trace_id", "problem_id", "text"]
    table = pa.table({name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(names)})
    return table.append_column("search", pa.nulls(len(rows), SEARCH))


def standings(*rows: tuple[str, str]) -> pa.Table:
    return pa.table(
        {name: pa.array([row[at] for row in rows], pa.string()) for at, name in enumerate(["trace_id", "status"])}
    )


def dropped(found: pa.Table) -> dict[str, tuple[str, str | None]]:
    return {row["row_id"]: (row["reason"], row["duplicate_of"]) for row in found.to_pylist()}


def drop_duplicates(asked: pa.Table, solved: pa.Table, judged: pa.Table, config: DedupeConfig) -> pa.Table:
    """Both steps, one round."""
    right = judged.filter(pc.equal(judged["status"], pa.scalar("correct")))["trace_id"].combine_chunks()
    verified = solved.filter(pc.is_in(solved["trace_id"], value_set=right))["problem_id"].combine_chunks()
    twins = drop_problems(asked, asked.slice(0, 0), verified, config)
    return pa.concat_tables([twins, drop_traces(solved, judged, twins, config)])


def test_a_duplicate_problem_goes_with_its_traces() -> None:
    found = drop_duplicates(
        problems(("b", QUESTION.format(5, 3), "8"), ("a", QUESTION.format(5, 3).upper(), None), ("c", "Why?", None)),
        traces(("t1", "a", SOLUTION), ("t2", "b", SOLUTION), ("t3", "b", "something else")),
        standings(("t2", "correct")),
        DedupeConfig(),
    )
    assert found.schema.equals(DROPPED, check_metadata=True)
    first, second = found.to_pylist()
    assert first | {"evidence": json.loads(first["evidence"])} == {
        "table": "problems",
        "row_id": "a",
        "stage": "dedupe",
        "reason": EXACT,
        "evidence": {"jaccard": 1.0},
        "duplicate_of": "b",
    }
    assert (second["table"], second["row_id"], second["reason"], second["duplicate_of"]) == (
        "traces",
        "t1",
        ORPHANED,
        None,
    )
    assert json.loads(second["evidence"]) == {"problem": "a", "duplicate_of": "b"}


@pytest.mark.parametrize(
    ("first", "second", "same_only", "gone"),
    [("8", "9", True, 0), ("8", " 8 ", True, 1), ("8", None, True, 1), (None, None, True, 1), ("8", "9", False, 1)],
)
def test_problems_that_differ_in_their_numbers(
    first: str | None, second: str | None, same_only: bool, gone: int
) -> None:
    found = drop_duplicates(
        problems(("a", QUESTION.format(5, 3), first), ("b", QUESTION.format(5, 4), second)),
        traces(),
        standings(),
        DedupeConfig(same_reference_only=same_only),
    )
    assert found["reason"].to_pylist() == [NEAR] * gone


def test_the_verified_then_the_shorter_then_the_smaller_id_is_kept() -> None:
    found = drop_duplicates(
        problems(("p", "one", None), ("q", "two", None)),
        traces(
            ("p3", "p", SOLUTION),
            ("p2", "p", SOLUTION + "."),
            ("p1", "p", SOLUTION + "!"),
            ("q2", "q", SOLUTION),
            ("q1", "q", SOLUTION),
        ),
        standings(("p2", "correct"), ("p3", "unverifiable"), ("p1", "error")),
        DedupeConfig(across_verdicts=True),
    )
    assert dropped(found) == {"p1": (EXACT, "p2"), "p3": (EXACT, "p2"), "q2": (EXACT, "q1")}


def test_a_wrong_trace_that_is_nearly_a_right_one_stays_unless_asked() -> None:
    rows = traces(("right", "p", SOLUTION), ("wrong", "p", SOLUTION.replace("= 8", "= 9")), ("copy", "p", SOLUTION))
    judged = standings(("right", "correct"), ("wrong", "incorrect"), ("copy", "correct"))
    asked = problems(("p", "one", None))
    default = drop_duplicates(asked, rows, judged, DedupeConfig())
    assert dropped(default) == {"right": (EXACT, "copy")}
    across = drop_duplicates(asked, rows, judged, DedupeConfig(across_verdicts=True))
    assert dropped(across) == {"right": (EXACT, "copy"), "wrong": (NEAR, "copy")}


def test_what_is_switched_off_drops_nothing() -> None:
    asked = problems(("a", "one two three", None), ("b", "one two three", None))
    rows = traces(("t1", "a", SOLUTION), ("t2", "a", SOLUTION))
    found = drop_duplicates(asked, rows, standings(), DedupeConfig(problems=None, traces=None))
    assert len(found) == 0


def test_of_alike_problems_the_earlier_round_s_stays() -> None:
    """Though the later one is shorter, and solved."""
    earlier = problems(("z", QUESTION.format(5, 3) + " Say why.", None))
    later = problems(
        ("a", QUESTION.format(5, 3), None), ("b", QUESTION.format(5, 3).upper(), None), ("c", "Why?", None)
    )
    found = drop_problems(later, earlier, pa.array(["a"]), DedupeConfig())
    assert dropped(found) == {"a": (NEAR, "z"), "b": (NEAR, "z")}
    alone = drop_problems(later, earlier.slice(0, 0), pa.array(["b"]), DedupeConfig())
    assert dropped(alone) == {"a": (EXACT, "b")}


def test_operators_tell_problems_apart() -> None:
    asked = problems(("a", "What is 3 + 5?", None), ("b", "What is 3 − 5?", None), ("c", "what is 3 - 5", None))
    found = drop_duplicates(asked, traces(), standings(), DedupeConfig())
    assert dropped(found) == {"b": (EXACT, "c")}


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_outcome_does_not_depend_on_the_order_of_rows(draw: random.Random) -> None:
    asked = [(f"p{n}", QUESTION.format(n % 4, n % 3), None if n % 5 == 0 else str(n % 4 + n % 3)) for n in range(14)]
    solved = [(f"t{n}", f"p{n % 7}", SOLUTION.replace("5", str(n % 4))) for n in range(40)]
    judged = [(f"t{n}", "correct" if n % 3 else "incorrect") for n in range(0, 40, 2)]

    def outcome() -> list[dict[str, Any]]:
        found = drop_duplicates(problems(*asked), traces(*solved), standings(*judged), DedupeConfig())
        return found.to_pylist()

    before = outcome()
    for rows in (asked, solved, judged):
        draw.shuffle(rows)
    assert outcome() == before
    assert before


def test_of_branches_that_are_alike_the_chosen_one_stays() -> None:
    said = [{"strategy": "beam", "chosen": name == "t3"} for name in ("t1", "t2", "t3")]
    some = traces(("t1", "a", SOLUTION), ("t2", "a", SOLUTION), ("t3", "a", SOLUTION)).drop_columns("search")
    some = some.append_column("search", pa.array([None, *said[1:]], SEARCH))
    twins = DROPPED.empty_table()
    found = dropped(drop_traces(some.slice(1), standings(("t2", "correct"), ("t3", "correct")), twins, DedupeConfig()))
    assert found == {"t2": (EXACT, "t3")}
    found = dropped(drop_traces(some, standings(("t2", "correct")), twins, DedupeConfig(across_verdicts=True)))
    assert found == {"t1": (EXACT, "t2"), "t3": (EXACT, "t2")}
