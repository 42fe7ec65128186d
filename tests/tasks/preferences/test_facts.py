"""What rules get to know of candidates, from the tables of judges and verifiers."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.tables import JUDGEMENTS, RATINGS, TRACES, VERDICTS
from tasks.preferences.contract import Need
from tasks.preferences.facts import facts, victories
from tasks.preferences.pool import Opinions, Pool, Wanted

ZERO: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): [0], pa.float32(): 0.0}


def table(schema: pa.Schema, *records: dict[str, Any]) -> pa.Table:
    empty = {field.name: None if field.nullable else ZERO.get(field.type) for field in schema}
    return pa.Table.from_pylist([empty | record for record in records], schema)


def found(traces: list[dict[str, Any]], wanted: Wanted, opinions: Opinions | None = None) -> dict[str, list[Any]]:
    made = table(TRACES, *({"trace_id": f"t{at}"} | one for at, one in enumerate(traces)))
    pool = Pool(pa.table({"problem_id": ["p"]}), made, pa.table({"trace_id": []}), opinions or Opinions())
    columns = facts(pool, np.arange(len(traces)), wanted)
    return {name: list(column) for name, column in columns.items()}


def need(*needs: Need) -> Wanted:
    return Wanted(frozenset(needs), ())


def test_what_nobody_wants_is_not_looked_up() -> None:
    assert found([{"origin": "imported", "model": "gold"}], need()) == {}


@pytest.mark.parametrize(
    ("trace", "gold"),
    [
        ({"model": "gold"}, True),
        ({"model": "reference"}, True),
        ({"source": "gold"}, True),
        ({"source": "reference-solutions.jsonl"}, False),
        ({"model": "golden", "source": "a/gold.jsonl"}, False),
        ({"model": "gold", "origin": "generated"}, False),
    ],
)
def test_gold(trace: dict[str, str], gold: bool) -> None:
    columns = found([{"origin": "imported"} | trace, {"origin": "imported"}], need(Need.GOLD))
    assert columns == ({"gold": [True, False]} if gold else {})


def test_steps_and_parents() -> None:
    texts = [{"text": "é\nb", "step_offsets": [0, 2]}, {"text": "é\nc", "step_offsets": [0, 2]}]
    columns = found([texts[0] | {"parent_trace_id": "t1"}, texts[1] | {"parent_trace_id": "gone"}], need(Need.STEPS))
    one, other = columns["steps"]
    assert (one[0] == other[0], one[1] == other[1]) == (True, False)
    assert columns["parent"] == [1, None]


def test_answers_are_compared_without_spaces_and_capitals() -> None:
    verdicts = [("t0", "Forty Two"), ("t1", "fortytwo"), ("t1", None), ("t2", "b"), ("t2", "A")]
    rows = [{"trace_id": name, "extracted_answer": answer} for name, answer in verdicts]
    columns = found([{}, {}, {}, {}], need(Need.ANSWER), Opinions(verdicts=table(VERDICTS, *rows)))
    assert columns["answer"] == ["fortytwo", "fortytwo", "a", None]


def duel(shown: list[str], choice: int | None, number: int = 0, **more: object) -> dict[str, Any]:
    return {"judge": "j", "model": "m", "shown": shown, "choice": choice, "number": number, "status": "read"} | more


def both(winner: str, loser: str, number: int = 0) -> list[dict[str, Any]]:
    return [duel([winner, loser], 0, number), duel([loser, winner], 1, number)]


def test_victories() -> None:
    """Won in both orders; two matches of the same pair are counted against each other."""
    rows = [
        *both("a", "b"),
        *(duel(["a", "c"], 0), duel(["c", "a"], 0)),  # the orders disagree
        *(duel(["b", "c"], None), duel(["c", "b"], None)),
        duel(["a", "d"], 0),  # the other order could not be read
        duel(["d", "a"], None, status="error"),
        *both("d", "c", 0),
        *both("d", "c", 1),
        *both("c", "d", 2),
        *both("e", "f", 0),
        *both("f", "e", 1),
        duel(["g", "h"], 0, judge="another"),
        duel(["h", "g"], 1, judge="another"),
        duel(["a"], None),
    ]
    expected = {("a", "b"): 1.0, ("d", "c"): pytest.approx(1 / 3)}
    assert victories(table(JUDGEMENTS, *rows), "j") == expected
    assert victories(table(JUDGEMENTS, *reversed(rows)), "j") == expected


def test_ratings_and_victories_are_the_judges_that_rules_name() -> None:
    ratings = [("j", "t0", 0.5), ("j", "t1", 1.0), ("k", "t0", 0.25), ("other", "t0", 0.75), ("j", "gone", 0.0)]
    rows = [{"judge": judge, "subject_id": name, "score": score} for judge, name, score in ratings]
    judgements = [*both("t1", "t0"), *both("t0", "gone"), duel(["t0"], None, judge="k", model="n")]
    opinions = Opinions(table(RATINGS, *rows), table(JUDGEMENTS, *judgements))
    columns = found([{"model": "m"}, {"model": "n"}, {"model": None}], Wanted(frozenset(), ("j", "k")), opinions)
    assert columns == {
        "ratings": [{"j": 0.5, "k": 0.25}, {"j": 1.0}, {}],
        "own": [{"j"}, {"k"}, frozenset()],
        "beats": [{}, {"j": {0: 1.0}}, {}],
    }
