"""Going on from rewritten steps in the lake: each is gone on from once, whatever happens in between."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import EngineError, SourceError
from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.engines.contract import Completion, Finish, Request
from tasks.ids import content_id
from tasks.lake import Lake
from tasks.prompts import Prompting
from tasks.rewrite.config import RewriteConfig
from tasks.rewrite.continuing import ids
from tasks.rewrite.task import Rewritten, outcomes, rewrite
from tasks.text.steps import split_steps, steps

Answer = Callable[[Request], Any]
WRONG = "1 + 2 = 4\n4 + 3 = 7\nIt is 7."


def store(lake: Lake, name: str, records: list[dict[str, Any]], number: int = 0) -> Tables:
    schema = TABLES[name]
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    empty = {field.name: None if field.nullable else zero[field.type] for field in schema}
    made = pa.Table.from_pylist([empty | record for record in records], schema)
    stage = Stage(name=f"made {name} {number}", version="1", config={}, tables=(name,))
    return lake.run(stage, lambda: [lambda: {name: made}])


def a_round(lake: Lake, number: int) -> Tables:
    """A problem with a wrong trace."""
    problem = {"problem_id": f"p{number}", "domain": "math", "question": "What is 1 + 2 + 3?", "reference": "6"}
    trace = {
        "trace_id": f"t{number}",
        "problem_id": f"p{number}",
        "text": WRONG,
        "step_offsets": split_steps(WRONG),
        "source": "sampler",
        "on_policy": True,
    }
    return joined(store(lake, "problems", [problem], number), store(lake, "traces", [trace], number))


def answer(request: Request) -> str:
    """Who begins with the right line comes to the answer, every other time."""
    right = request.prefix.startswith("1 + 2 = 3\n") and request.sampling.seed is not None
    return "3 + 3 = 6\nIt is 6." if right else "So it is 8."


class Run:
    """Runs the stage on a file of rewrites."""

    def __init__(self, folder: Path, told: Callable[[Answer], Any]) -> None:
        self.lake, self.told, self.path = Lake(str(folder / "lake")), told, folder / "rewrites.jsonl"
        self.rounds = [a_round(self.lake, 1), a_round(self.lake, 2)]

    def write(self, *rewrites: tuple[str, int, str]) -> None:
        rows = [{"trace_id": name, "step": step, "after": after, "reviewer": "owl"} for name, step, after in rewrites]
        self.path.write_text("\n".join(map(json.dumps, rows)))

    def config(self, **settings: Any) -> RewriteConfig:
        source = {"format": "jsonl", "path": str(self.path)}
        return RewriteConfig.model_validate({"source": source, "model": "m", "k": 2} | settings)

    def __call__(
        self, before: list[Tables] | None = None, say: Answer = answer, **settings: Any
    ) -> tuple[Rewritten, list[Request]]:
        models = self.told(say)
        rounds = [
            joined(one, {"completions": those.get("completions", ())})
            for one, those in zip(self.rounds, before or [{}, {}], strict=True)
        ]
        prompts = {"sampler": Prompting(prompt="Sum: {question}")}
        return rewrite.fn(self.lake, rounds, self.config(**settings), models, prompts), models.asked

    def rows(self, tables: Tables, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.lake.rows(tables, name).to_pylist()
        return found


@pytest.fixture
def run(tmp_path: Path, told: Callable[[Answer], Any]) -> Run:
    return Run(tmp_path, told)


def test_a_rewrite_becomes_traces_of_its_parents_round(run: Run) -> None:
    run.write(("t1", 0, "1 + 2 = 3"))
    made, asked = run()
    assert [one.prefix for one in asked] == ["1 + 2 = 3\n"] * 2
    assert {one.messages[-1].content for one in asked} == {"Sum: What is 1 + 2 + 3?"}
    assert len({one.sampling.seed for one in asked}) == 2
    found = run.rows(made.rounds[0], "traces")
    assert [row["trace_id"] for row in found] == [one.request_id for one in asked]
    assert [row["sample_index"] for row in found] == [0, 1]
    expected = {
        "problem_id": "p1",
        "origin": "rewritten",
        "parent_trace_id": "t1",
        "fork_step": 0,
        "text": "1 + 2 = 3\n3 + 3 = 6\nIt is 6.",
        "step_offsets": [0, 10, 20],
        "model": "told-m",
        "model_revision": "r1",
        "on_policy": True,
        "source": "sampler",
        "temperature": pytest.approx(0.7),
        "finish_reason": "stop",
    }
    assert {name: found[0][name] for name in expected} == expected
    assert made.rounds[1] == made.unusable == {}
    kept = run.rows(made.rounds[0], "completions")
    assert {(row["kind"], row["subject_id"]) for row in kept} == {("rewrite", "t1")}


def reviewed(lake: Lake, *lines: dict[str, Any]) -> None:
    """An exported batch of these lines."""
    every = dict.fromkeys(("after", "offsets", "continuations", "opened_at", "rewritten_at"))
    told = [every | {"item": "i", "round": 0, "step": 0, "reviewer": "owl", "gold": False} | one for one in lines]
    lake.storage.write("reviews/b.jsonl", "\n".join(map(json.dumps, told)).encode())


def went_on(number: int, text: str, *, trace: str = "t1", after: str = "1 + 2 = 3", step: int = 0) -> dict[str, Any]:
    (name,) = ids((trace, step, after), number + 1)[number:]
    return {"id": name, "number": number, "text": text, "model": "page", "finish_reason": "stop", "status": "correct"}


def test_without_a_source_exported_batches_are_read(run: Run) -> None:
    made, asked = run(source=None)
    assert (made, asked) == (Rewritten([{}, {}], {}), [])
    gold = {"trace_id": "t1", "after": "gold", "gold": True}
    bad = {"trace_id": "t1", "after": "bad", "bad_problem": True}
    reviewed(run.lake, {"trace_id": "t2"}, gold, bad, {"trace_id": "t1", "after": "1 + 2 = 3"})
    made, asked = run(source=None)
    assert [one.prefix for one in asked] == ["1 + 2 = 3\n"] * 2
    assert made.unusable == {}


def test_what_a_model_went_on_with_while_people_reviewed_is_taken_as_it_is(run: Run) -> None:
    given = [went_on(number, f"1 + 2 = 3\n3 + 3 = 6.\nIt is 6, {number}.") for number in (1, 0)]
    child = given[1]["id"]
    again = went_on(0, "1 + 2 = 3\nIt is six.\nYes.", trace=child, after="It is six.", step=1)
    later = {"trace_id": child, "step": 1, "after": "It is six.", "round": 1, "continuations": [again]}
    reviewed(run.lake, {"trace_id": "t1", "after": "1 + 2 = 3", "continuations": given}, later)
    made, asked = run(source=None, say=never, k=1)
    assert not asked
    found = run.rows(made.rounds[0], "traces")
    assert [(row["trace_id"], row["text"], row["model"]) for row in found] == [
        (child, given[1]["text"], "page"),
        (again["id"], again["text"], "page"),
    ]
    same, _ = run(made.rounds, source=None, say=never, k=1)
    assert same.rounds[0]["traces"] == made.rounds[0]["traces"]
    # Only what is missing is asked for, also once the file is gone.
    made, asked = run(source=None, k=2)
    assert [one.request_id for one in asked] == [went_on(1, "", trace=child, after="It is six.", step=1)["id"]]
    assert {row["subject_id"] for row in run.rows(made.rounds[0], "completions")} == {"t1", child}


def test_a_continuation_that_begins_otherwise_is_asked_for_again(run: Run) -> None:
    wrong = went_on(0, "1 + 2 = 4\nIt is 6.")
    reviewed(run.lake, {"trace_id": "t1", "after": "1 + 2 = 3", "continuations": [wrong]})
    _, asked = run(source=None, k=1)
    assert [one.request_id for one in asked] == [wrong["id"]]


def test_a_step_of_the_reviewers_own_cut(run: Run) -> None:
    """The trace's first two steps are one, and its last is two."""
    cut = [0, 20, 26]
    reviewed(run.lake, {"trace_id": "t1", "step": 1, "after": "That is", "offsets": cut})
    made, (one, _) = run(source=None)
    assert one.prefix == "1 + 2 = 4\n4 + 3 = 7\nThat is "
    assert one.request_id == content_id("rewrite", "t1", 1, "That is", 0, *cut)
    (trace, _) = run.rows(made.rounds[0], "traces")
    assert (trace["fork_step"], trace["step_offsets"]) == (1, [0, 20])
    rounds = [joined(run.rounds[0], made.rounds[0])]
    told = outcomes.fn(run.lake, rounds, run.config(source=None))
    found = run.rows(told[0], "rewrites")
    assert [row["continuation_trace_id"] for row in found] == [
        one.request_id,
        content_id("rewrite", "t1", 1, "That is", 1, *cut),
    ]
    assert found[0]["before"] == "It is "


def never(request: Request) -> Exception:
    return EngineError(f"asked for {request.request_id}")


def test_the_same_file_again_asks_nothing_nor_does_another_model(run: Run) -> None:
    run.write(("t1", 0, "1 + 2 = 3"), ("t2", 1, "4 + 3 = 8"))
    made, _ = run()
    again, asked = run(made.rounds)
    assert not asked
    assert [one["traces"] for one in again.rounds] == [one["traces"] for one in made.rounds]
    _, asked = run(made.rounds, sampling={"temperature": 1}, model="other")
    assert not asked
    run.write(("t2", 1, "4 + 3 = 8"), ("t1", 0, "1 + 2 = 3\n"), ("t2", 1, "4 + 3 = 8"))
    same, asked = run(made.rounds)
    assert not asked
    assert same.rounds == again.rounds


def test_only_new_rewrites_are_asked_and_other_rounds_stay(run: Run) -> None:
    run.write(("t1", 0, "1 + 2 = 3"))
    made, _ = run()
    run.write(("t1", 0, "1 + 2 = 3"), ("t2", 0, "1 + 2 = 3"))
    more, asked = run(made.rounds)
    assert len(asked) == 2
    assert more.rounds[0]["traces"] == made.rounds[0]["traces"]
    assert {row["parent_trace_id"] for row in run.rows(more.rounds[1], "traces")} == {"t2"}


def test_a_rewritten_trace_is_rewritten_again(run: Run) -> None:
    run.write(("t1", 1, "4 + 3 = 8"))
    made, _ = run()
    child = run.rows(made.rounds[0], "traces")[0]
    assert child["text"] == "1 + 2 = 4\n4 + 3 = 8\nSo it is 8."
    run.write(("t1", 1, "4 + 3 = 8"), (child["trace_id"], 0, "1 + 2 = 3"))
    more, asked = run(made.rounds)
    assert [one.prefix for one in asked] == ["1 + 2 = 3\n"] * 2
    assert [row["fork_step"] for row in run.rows(more.rounds[0], "traces")] == [1, 1, 0, 0]
    assert run.rows(more.rounds[0], "traces")[2]["parent_trace_id"] == child["trace_id"]
    # All of it at once, on a lake that knows nothing of it, comes to the same.
    whole, asked = run()
    assert {row["trace_id"] for row in run.rows(whole.rounds[0], "traces")} == {
        row["trace_id"] for row in run.rows(more.rounds[0], "traces")
    }
    shallow, _ = run(made.rounds, rounds=1)
    assert shallow.rounds[0]["traces"] == made.rounds[0]["traces"]
    assert [row["reason"] for row in run.rows(shallow.unusable, "dropped")] == [
        "rewritten more often than rewrite.rounds"
    ]


@pytest.mark.parametrize("answers", [0, 1, 3])
def test_after_a_break_only_the_rest_is_asked(run: Run, answers: int) -> None:
    run.write(("t1", 0, "1 + 2 = 3"), ("t1", 1, "4 + 3 = 8"))
    count = 0

    def breaks(request: Request) -> str | Exception:
        nonlocal count
        count += 1
        return answer(request) if count <= answers else EngineError("the model went away")

    with pytest.raises(EngineError, match="went away"):
        run(say=breaks)
    _, asked = run()
    assert len(asked) == 4 - answers


def test_rows_of_no_use_are_told_and_the_others_taken(run: Run) -> None:
    run.write(("t1", 0, "1 + 2 = 3"), ("t9", 0, "x"), ("t1", 3, "x"), ("t2", 0, " "))
    made, asked = run()
    assert len(asked) == 2
    lost = {row["row_id"].split(":")[-1]: row["reason"] for row in run.rows(made.unusable, "dropped")}
    assert lost == {"2": "unknown trace", "3": "no such step", "4": "empty rewritten step"}
    run.path.unlink()
    with pytest.raises(SourceError, match=r"rewrites\.jsonl"):
        run()


def test_continuations_of_no_use_are_dropped_and_may_be_rewritten(run: Run) -> None:
    run.write(("t1", 1, "4 + 3 = 8"))
    made, _ = run(say=lambda one: Completion(one.request_id, "and so on", Finish.LENGTH, 7, 7), k=1)
    (lost,) = run.rows(made.rounds[0], "dropped")
    (trace,) = run.rows(made.rounds[0], "traces")
    assert (lost["row_id"], lost["reason"], lost["stage"]) == (trace["trace_id"], "ran into max_tokens", "rewrite")
    told = outcomes.fn(run.lake, [joined(run.rounds[0], made.rounds[0])], run.config(k=1))
    assert [row["outcome"] for row in run.rows(told[0], "rewrites")] == ["ran into max_tokens"]


def test_what_came_of_rewrites(run: Run) -> None:
    run.write(("t1", 0, "1 + 2 = 3"))
    made, _ = run()
    first = [row["trace_id"] for row in run.rows(made.rounds[0], "traces")]
    run.write(("t1", 0, "1 + 2 = 3"), (first[0], 1, "3 + 3 = 6, it is 6."), ("t9", 0, "x"))
    made, _ = run(made.rounds)
    children = run.rows(made.rounds[0], "traces")
    stands = [{"trace_id": row["trace_id"], "status": "correct"} for row in children[:3]]
    rounds = [joined(run.rounds[0], made.rounds[0], store(run.lake, "standings", stands)), run.rounds[1]]
    told = outcomes.fn(run.lake, rounds, run.config())
    assert told[1] == {}
    found = run.rows(told[0], "rewrites")
    assert [row["continuation_trace_id"] for row in found] == [row["trace_id"] for row in children]
    assert [row["outcome"] for row in found] == ["correct", "correct", "correct", None]
    assert [(row["trace_id"], row["item"], row["round"], row["step"]) for row in found[1:3]] == [
        ("t1", "t1", 0, 0),
        (first[0], first[0], 1, 1),
    ]
    assert (found[0]["before"], found[0]["after"], found[0]["reviewer"]) == ("1 + 2 = 4\n", "1 + 2 = 3", "owl")
    assert [row["reason"] for row in found] == [None] * 4
    assert steps(children[2]["text"], children[2]["step_offsets"])[:2] == ["1 + 2 = 3\n", "3 + 3 = 6, it is 6.\n"]
