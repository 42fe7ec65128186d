from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import RecipeError
from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.lake import Lake
from tasks.verify.majority import MajorityConfig
from tasks.verify.rule import RuleConfig
from tasks.verify.task import stand, verify
from tasks.verify.verify import VerifyConfig

QUESTIONS = {"gold": "18", "voted": None, "split": None, "bad gold": "2}"}
ANSWERS = {"gold": ["18", "19"], "voted": ["5", "5.0", "5", "6"], "split": ["1", "2", "1", "2"], "bad gold": ["2"]}


def table_of(name: str, records: list[dict[str, object]]) -> pa.Table:
    """Rows of a table, its required columns filled in."""
    schema = TABLES[name]
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    empty = {field.name: None if field.nullable else zero[field.type] for field in schema}
    return pa.Table.from_pylist([empty | record for record in records], schema)


def store(lake: Lake, name: str, *parts: pa.Table) -> Tables:
    stage = Stage(name=f"made {name}", version="1", config={}, tables=(name,))
    return lake.run(stage, lambda: [lambda part=part: {name: part} for part in parts])  # type: ignore[misc]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def tables(lake: Lake) -> Tables:
    """Problems, and their traces in parts that go across problems."""
    problems = table_of(
        "problems",
        [
            {"problem_id": name, "domain": "math", "question": name, "reference": reference}
            for name, reference in QUESTIONS.items()
        ],
    )
    rows: list[dict[str, object]] = [
        {"trace_id": f"{name} {number}", "problem_id": name, "text": rf"\boxed{{{answer}}}", "sample_index": number}
        for name, answers in ANSWERS.items()
        for number, answer in enumerate(answers)
    ]
    traces = table_of("traces", rows)
    lost: list[dict[str, object]] = [{"table": "traces", "row_id": "split 3", "stage": "generate", "reason": "cut"}]
    return joined(
        store(lake, "problems", problems),
        store(lake, "traces", traces.slice(0, 4), traces.slice(4)),
        store(lake, "dropped", table_of("dropped", lost)),
    )


def only(rounds: list[Tables]) -> Tables:
    (tables,) = rounds
    return tables


def run(lake: Lake, tables: Tables, **majority: Any) -> Tables:
    config = MajorityConfig(**majority) if majority else None
    return only(verify.fn(lake, [tables], VerifyConfig(processes=1, majority=config)))


def reasons(lake: Lake, made: Tables) -> dict[str, str]:
    return {row["row_id"]: row["reason"] for row in lake.read(*made["dropped"]).to_pylist()}


def test_verdicts_and_bad_gold_answers(lake: Lake, tables: Tables) -> None:
    made = run(lake, tables)
    assert set(made) == {"verdicts", "dropped"}
    verdicts = lake.read(*made["verdicts"])
    assert verdicts["trace_id"].to_pylist() == lake.read(*tables["traces"])["trace_id"].to_pylist()
    assert verdicts["status"].to_pylist()[:6] == ["correct", "incorrect"] + ["unverifiable"] * 4
    stands = lake.read(*only(stand.fn(lake, [made], RuleConfig()))["standings"])
    assert dict(zip(*(stands[name].to_pylist() for name in ("trace_id", "status")), strict=True)) == dict(
        zip(*(verdicts[name].to_pylist() for name in ("trace_id", "status")), strict=True)
    )
    assert set(reasons(lake, made)) == {"bad gold", "bad gold 0"}


def test_filters_drop_with_their_reason(lake: Lake, tables: Tables) -> None:
    """Every text is a digit in a box, ten characters with its name; one digit more is too long."""
    plain = run(lake, tables)
    config = VerifyConfig(processes=1, filters={"length": {"answer": {"characters": {"most": len(r"\boxed{5}")}}}})
    made = only(verify.fn(lake, [tables], config))
    texts = {row["trace_id"]: row["text"] for row in lake.read(*tables["traces"]).to_pylist()}
    long = {trace_id for trace_id, text in texts.items() if len(text) > len(r"\boxed{5}")}
    assert long
    assert reasons(lake, made) == reasons(lake, plain) | dict.fromkeys(
        long, "length: too many characters in the answer"
    )
    assert made["verdicts"] == plain["verdicts"]


def test_a_majority_stands_in_and_only_where_the_recipe_asks(lake: Lake, tables: Tables) -> None:
    made = run(lake, tables, share=0.6)
    (reference,) = lake.read(*made["references"]).to_pylist()
    assert reference == {
        "problem_id": "voted",
        "reference": "5",
        "origin": "majority",
        "votes": 3,
        "samples": 4,
        "witness": None,
    }
    said = {row["trace_id"]: (row["status"], row["reason"]) for row in lake.read(*made["verdicts"]).to_pylist()}
    note = "the majority's answer, 3 of 4 samples"
    assert said["gold 0"] == ("correct", "")
    assert said["voted 1"] == ("correct", note)
    assert said["voted 3"] == ("incorrect", f"not the same as the reference: {note}")
    assert said["split 0"] == ("unverifiable", "no reference")
    dropped = reasons(lake, made)
    assert dropped["bad gold"] == "the reference fails its own verifier"
    assert "voted" not in dropped


def test_a_dropped_trace_has_no_vote(lake: Lake, tables: Tables) -> None:
    """Of the split problem's four samples the last was dropped: two votes to one, exactly half."""
    made = run(lake, tables, least=1)
    assert lake.read(*made["references"])["problem_id"].to_pylist() == ["voted", "split"]
    made = run(lake, {**tables, "dropped": ()}, least=1)
    assert lake.read(*made["references"])["problem_id"].to_pylist() == ["voted"]
    assert reasons(lake, made)["split"] == "no majority"
    assert reasons(lake, made)["split 3"] == "its problem has no majority"


def test_witnesses_are_read_where_the_recipe_asks(lake: Lake, tables: Tables) -> None:
    with pytest.raises(RecipeError, match=r"verify\.majority\.witness is agrees, but no programs were written"):
        run(lake, tables, witness="agrees")
    seen = table_of("witnesses", [{"problem_id": "voted", "witness": "program", "answer": "5"}])
    tables = joined(tables, store(lake, "witnesses", seen))
    made = run(lake, tables, witness="agrees", least=2)
    assert lake.read(*made["references"])["witness"].to_pylist() == ["agrees"]
    assert reasons(lake, made)["split"] == "no program agrees with its majority"


def test_a_vote_costs_the_rest_nothing(lake: Lake, tables: Tables) -> None:
    """What does not depend on the vote keeps its key; a second run makes nothing."""
    plain, voted = run(lake, tables), run(lake, tables, least=2)
    assert plain["dropped"][0] in voted["dropped"]
    assert plain["verdicts"] != voted["verdicts"]
    assert run(lake, tables, least=2) == voted
    assert run(lake, tables) == plain
