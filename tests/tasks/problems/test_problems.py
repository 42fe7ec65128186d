"""Asks become requests, replies problems or dropped rows, in batches of any size."""

import json
from itertools import pairwise

import pyarrow as pa
import pytest

from tasks.engines.contract import Completion, Finish
from tasks.ids import question_id
from tasks.problems.config import ProblemsConfig
from tasks.problems.plan import Ask, plan
from tasks.problems.problems import ProblemsResult, gather, requests

STORY = "Ana has {n} eggs and buys 7 more. How many eggs has Ana now?"


def config(**changes: object) -> ProblemsConfig:
    return ProblemsConfig.model_validate({"model": "m", "count": 1000} | changes)


def asks(count: int, **changes: object) -> list[Ask]:
    ids = [f"p{one}" for one in range(count)]
    return plan(pa.table({"persona_id": ids, "persona": ids}), set(), config(**changes))


def reply(ask: Ask, text: str, finish: Finish = Finish.STOP, detail: str = "") -> tuple[Ask, Completion]:
    return ask, Completion(ask.ask_id, text, finish, 10, 20, detail)


def one(text: str, finish: Finish = Finish.STOP, detail: str = "", **changes: object) -> ProblemsResult:
    return gather([reply(asks(1, **changes)[0], text, finish, detail)], set(), config(**changes), round_number=3)


def test_requests() -> None:
    planned = asks(50, sampling={"temperature": 0.3, "seed": 5})
    made = list(requests(planned, config(sampling={"temperature": 0.3, "seed": 5})))
    assert [request.request_id for request in made] == [ask.ask_id for ask in planned]
    assert all(ask.persona in request.messages[-1].content for ask, request in zip(planned, made, strict=True))
    seeds = [request.sampling.seed for request in made]
    assert len(set(seeds)) == 50
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)
    assert {request.sampling.temperature for request in made} == {0.3}
    assert seeds == [request.sampling.seed for request in requests(planned, config())]
    assert seeds != [request.sampling.seed for request in requests(planned, config(seed=1))]


def test_a_problem() -> None:
    problems, dropped = one(STORY.format(n=12))
    (ask,) = asks(1)
    assert dropped.num_rows == 0
    assert problems.to_pylist() == [
        {
            "problem_id": question_id("math", STORY.format(n=12)),
            "domain": "math",
            "question": STORY.format(n=12),
            "reference": None,
            "tests": None,
            "constraints": None,
            "persona_id": ask.persona_id,
            "source": "persona:word_problem",
            "source_row": 0,
            "round": 3,
        }
    ]


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        (STORY, Finish.LENGTH, "unfinished"),
        ("", Finish.OVERFLOW, "unfinished"),
        ("", Finish.REFUSED, "unfinished"),
        ("", Finish.STOP, "empty"),
        (" \n ", Finish.STOP, "empty"),
        ("<think>a problem", Finish.STOP, "the thinking never ends"),
        ("<think>a problem</think>\n", Finish.STOP, "empty"),
        ("<think>a</think>I'm sorry, but as an AI I cannot help with that.", Finish.STOP, "refusal"),
        ("Ana has 2 eggs and 3 rolls.", Finish.STOP, "asks nothing"),
    ],
)
def test_a_reply_that_is_no_problem_is_dropped(text: str, finish: Finish, reason: str) -> None:
    problems, dropped = one(text, finish, "too long")
    (row,) = dropped.to_pylist()
    assert problems.num_rows == 0
    assert (row["table"], row["stage"], row["reason"]) == ("problems", "problems", reason)
    assert row["row_id"] == asks(1)[0].ask_id
    evidence = json.loads(row["evidence"])
    assert evidence["text"] == text[:200]
    assert (evidence["persona_id"], evidence["template"]) == ("p0", "word_problem")
    assert evidence["detail"] == (f"{finish}: too long" if reason == "unfinished" else evidence["detail"])


def test_thinking_is_no_part_of_the_problem() -> None:
    thought = "<think>It should be about eggs.</think>\n\n**Problem:** " + STORY.format(n=1)
    assert one(thought).problems["question"].to_pylist() == [STORY.format(n=1)]


def test_evidence_stays_short() -> None:
    (row,) = one("word " * 200_000).dropped.to_pylist()
    assert len(row["evidence"]) < 1000


def test_the_same_question_twice_is_dropped() -> None:
    texts = [STORY.format(n=1), STORY.format(n=2), STORY.format(n=1).replace(" ", "  "), STORY.format(n=3)]
    known = {question_id("math", STORY.format(n=3))}
    replies = [reply(ask, text) for ask, text in zip(asks(4), texts, strict=True)]
    problems, dropped = gather(replies, known, config(), round_number=0)
    assert problems["question"].to_pylist() == texts[:2]
    assert set(dropped["reason"].to_pylist()) == {"exact duplicate"}
    assert dropped["duplicate_of"].to_pylist() == [problems["problem_id"][0].as_py(), *known]


def test_batches_give_what_the_whole_gives() -> None:
    texts = [STORY.format(n=n % 11) if n % 5 else "" for n in range(40)]
    replies = [reply(ask, text) for ask, text in zip(asks(40), texts, strict=True)]
    whole = gather(replies, set(), config(), round_number=0)
    parts, known = [], set[str]()
    for start, end in pairwise([0, 1, 1, 17, 30, 40]):
        parts.append(gather(replies[start:end], known, config(), round_number=0))
        known |= {str(one) for one in parts[-1].problems["problem_id"].to_pylist()}
    assert pa.concat_tables(part.problems for part in parts) == whole.problems
    assert pa.concat_tables(part.dropped for part in parts) == whole.dropped


def test_constraints_are_those_that_were_asked_for() -> None:
    templates: dict[str, object] = {"instruction": {}}
    planned = asks(20, templates=templates)
    made = requests(planned, config(templates=templates))
    prompts = {request.request_id: request.messages[-1].content for request in made}
    replies = [reply(ask, f"Write letter {ask.persona_id}.") for ask in planned]
    problems, dropped = gather(replies, set(), config(templates=templates), round_number=0)
    assert (problems.num_rows, dropped.num_rows) == (20, 0)
    for ask, row in zip(planned, problems.to_pylist(), strict=True):
        rules = [line[2:] for line in prompts[ask.ask_id].splitlines() if line.startswith("- ")]
        assert row["question"].endswith("\n\n" + " ".join(rules))
        assert len(json.loads(row["constraints"])) == len(rules)
