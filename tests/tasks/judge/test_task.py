"""Judging in the lake: what was asked once is not asked again, whatever happens in between."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.errors import EngineError
from schemas.refs import Stage, Tables, joined
from schemas.tables import TABLES
from tasks.engines.contract import Completion, Finish, Identity, Request
from tasks.engines.flight import fly
from tasks.judge.judges import Judge, judges
from tasks.judge.task import judge
from tasks.lake import Lake

RIGHT = json.dumps({"reason": "it is the same", "verdict": "correct"})
WRONG = json.dumps({"reason": "it is another number", "verdict": "incorrect"})


class Wise:
    """Says of the answer in its question whether it is 4; `odd` replies come first; breaks after so many."""

    def __init__(self, odd: Callable[[str], str | None] = lambda asked: None, breaks_after: int = 1000) -> None:
        self.asked: list[Request] = []
        self.odd, self.breaks_after = odd, breaks_after
        self.runner = asyncio.Runner()

    def identity(self, name: str) -> Identity:
        return Identity(name, "r1", "told", None)

    async def complete(self, name: str, request: Request) -> Completion:
        if len(self.asked) >= self.breaks_after:
            raise EngineError("the model went away")
        self.asked.append(request)
        text = "".join(one.content for one in request.messages)
        said = self.odd(text) or (RIGHT if "It is 4" in text else WRONG)
        return Completion(request.request_id, said, Finish.STOP, 50, 10)

    def stream(self, jobs: Any, *, every_s: float = 0, in_flight: int = 1) -> Iterator[Any]:
        return fly(self.runner, jobs, every_s=0.01, in_flight=1)


def grader(**settings: Any) -> Judge:
    return judges({"grader": {"grade": {"model": "m"} | settings}})["grader"]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def store(lake: Lake, name: str, records: list[dict[str, object]], number: int = 0) -> Tables:
    schema = TABLES[name]
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    empty = {field.name: None if field.nullable else zero[field.type] for field in schema}
    made = pa.Table.from_pylist([empty | record for record in records], schema)
    stage = Stage(name=f"made {name} {number}", version="1", config={}, tables=(name,))
    return lake.run(stage, lambda: [lambda: {name: made}])


def traces(lake: Lake, texts: dict[str, str], number: int = 0) -> Tables:
    rows: list[dict[str, object]] = [
        {"trace_id": name, "problem_id": f"p{name[1]}", "text": text} for name, text in texts.items()
    ]
    return store(lake, "traces", rows, number)


@pytest.fixture
def tables(lake: Lake) -> Tables:
    """Two problems with three traces each; the last of each was dropped."""
    problems: list[dict[str, object]] = [
        {"problem_id": f"p{n}", "domain": "math", "question": f"Problem {n}: 2 + 2?", "reference": "4"} for n in (1, 2)
    ]
    texts = {f"t{n}{m}": f"It is {m}." for n in (1, 2) for m in (4, 5, 6)}
    lost: list[dict[str, object]] = [{"table": "traces", "row_id": f"t{n}6"} for n in (1, 2)]
    return joined(store(lake, "problems", problems), traces(lake, texts), store(lake, "dropped", lost))


def rows(lake: Lake, tables: Tables, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lake.rows(tables, name).to_pylist()
    return found


def statuses(lake: Lake, made: Tables) -> dict[str, str]:
    return {row["trace_id"]: row["status"] for row in rows(lake, made, "verdicts")}


def run(lake: Lake, tables: Tables, by: Judge, models: Wise) -> Tables:
    (made,) = judge.fn(lake, [tables], by, models)
    return made


def test_judgements_ratings_and_verdicts(lake: Lake, tables: Tables) -> None:
    made = run(lake, tables, grader(), Wise())
    assert statuses(lake, made) == {"t14": "correct", "t15": "incorrect", "t24": "correct", "t25": "incorrect"}
    verdict = rows(lake, made, "verdicts")[1]
    expected = {
        "verifier": "grader",
        "verifier_version": "grade 1, m r1",
        "score": 0.0,
        "reason": "it is another number",
    }
    assert verdict.items() >= expected.items()
    assert {row["subject_id"]: row["score"] for row in rows(lake, made, "ratings")} == {
        "t14": 1,
        "t15": 0,
        "t24": 1,
        "t25": 0,
    }
    asked = {row["completion_id"]: row for row in rows(lake, made, "completions")}
    for one in rows(lake, made, "judgements"):
        completion = asked[one["completion_id"]]
        assert (completion["kind"], completion["subject_id"]) == ("judge:grader", one["shown"][0])
        assert json.loads(one["reply"])["reason"] == one["reason"]
        assert (one["model"], one["problem_id"], one["status"]) == ("m", f"p{one['shown'][0][1]}", "read")


def test_a_run_again_asks_nothing_and_makes_the_same_tables(lake: Lake, tables: Tables) -> None:
    odd = Wise(lambda text: "unreadable" if "It is 5" in text and "cannot be read" not in text else None)
    made = run(lake, tables, grader(), odd)
    assert len(odd.asked) == 6
    assert {row["status"] for row in rows(lake, made, "judgements")} == {"read", "repaired"}
    for before in ({}, {"completions": made["completions"]}):
        again = Wise()
        found = run(lake, joined(tables, before), grader(), again)
        assert again.asked == []
        assert found | before == made
    assert statuses(lake, made)["t15"] == "incorrect"


@pytest.mark.parametrize("answers", [0, 1, 3, 4, 5])
def test_after_a_break_only_the_rest_is_asked(lake: Lake, tables: Tables, answers: int) -> None:
    """Four questions, and a repair of two of them: the model may go away in either round."""

    def odd(text: str) -> str | None:
        return "unreadable" if "It is 5" in text and "cannot be read" not in text else None

    with pytest.raises(EngineError, match="went away"):
        run(lake, tables, grader(), Wise(odd, breaks_after=answers))
    rest = Wise(odd)
    made = run(lake, tables, grader(), rest)
    assert len(rest.asked) == 6 - answers
    assert statuses(lake, made) == {"t14": "correct", "t15": "incorrect", "t24": "correct", "t25": "incorrect"}


def test_of_more_traces_only_the_new_ones_are_asked_about(lake: Lake, tables: Tables) -> None:
    made = run(lake, tables, grader(), Wise())
    more = traces(lake, {"t17": "It is 7.", "t18": "It is 4."}, number=1)
    models = Wise()
    grown = run(lake, joined(tables, more, {"completions": made["completions"]}), grader(), models)
    # The eighth says what the fourth says.
    assert ["It is 7." in one.messages[0].content for one in models.asked] == [True]
    assert statuses(lake, grown) == statuses(lake, made) | {"t17": "incorrect", "t18": "correct"}


def test_another_setting_or_reference_asks_again(lake: Lake, tables: Tables) -> None:
    made = run(lake, tables, grader(), Wise())
    known = joined(tables, {"completions": made["completions"]})
    for by in (grader(with_reference=False), grader(sampling={"temperature": 0, "max_tokens": 99})):
        models = Wise()
        run(lake, known, by, models)
        assert len(models.asked) == 4
    models = Wise()
    run(lake, known, grader(characters=9_999), models)
    assert models.asked == []


def test_where_a_trace_has_to_stand(lake: Lake, tables: Tables) -> None:
    stands = {"t14": "correct", "t15": "incorrect", "t24": "error"}
    rows_: list[dict[str, object]] = [{"trace_id": name, "status": status} for name, status in stands.items()]
    standing = store(lake, "standings", rows_)
    models = Wise()
    made = run(lake, joined(tables, standing), grader(when=["incorrect", "unverifiable"]), models)
    assert statuses(lake, made) == {"t15": "incorrect", "t25": "incorrect"}
    assert len(models.asked) == 2


def test_domains_that_it_does_not_judge(lake: Lake, tables: Tables) -> None:
    models = Wise()
    made = run(lake, tables, grader(domains=["open", "code"]), models)
    assert models.asked == []
    assert [lake.row_count(made[name]) for name in ("judgements", "ratings", "verdicts")] == [0, 0, 0]
    assert made["completions"] == ()


def test_several_samples_are_weighed(lake: Lake, tables: Tables) -> None:
    """Of three replies on each trace the second cannot be read, and the others contradict each other."""
    count = {"It is 4": 0, "It is 5": 0}

    def odd(text: str) -> str | None:
        if "cannot be read" in text:
            return "unreadable"
        name = next(one for one in count if one in text)
        count[name] += 1
        return {1: RIGHT, 2: "unreadable", 0: WRONG}[count[name] % 3]

    models = Wise(odd)
    made = run(lake, tables, grader(samples=3, sampling={"temperature": 1}), models)
    assert len({one.sampling.seed for one in models.asked}) == len(models.asked) == 16
    assert set(statuses(lake, made).values()) == {"unverifiable"}
    assert {row["judgements"] for row in rows(lake, made, "ratings")} == {2}


def test_a_judge_of_judgements(lake: Lake, tables: Tables) -> None:
    twice = {"grade": {"model": "m", "samples": 2, "sampling": {"temperature": 1}}}
    both = judges({"twice": twice, "over": {"meta": {"model": "m2", "of": "twice"}}})
    reasons = [json.dumps({"reason": f"reason {number}", "verdict": "correct"}) for number in range(8)]
    made = run(lake, tables, both["twice"], Wise(lambda text: reasons.pop()))
    models = Wise(lambda text: json.dumps({"reason": "?", "better": "A"}))
    ranked = run(lake, joined(tables, made), both["over"], models)
    assert len(models.asked) == 2 * 4
    assert "verdicts" not in ranked
    assert all("2 + 2?" in row["messages"][0]["content"] for row in rows(lake, made, "judgements"))
    assert {row["messages"] for row in rows(lake, ranked, "judgements")} == {None}
    ratings = {row["subject_id"]: row["score"] for row in rows(lake, ranked, "ratings")}
    assert ratings == dict.fromkeys((row["judgement_id"] for row in rows(lake, made, "judgements")), 0.5)
