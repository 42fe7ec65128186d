import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.tables import DROPPED, REFERENCES, WITNESSES
from tasks.references import with_references
from tasks.verify.majority import MajorityConfig, Voted, vote, with_origin
from tasks.verify.settle import Court
from tasks.verify.verify import VerifyConfig, build, verify
from tasks.workers import WorkerPool

Election = Callable[..., Voted]


class Sample(NamedTuple):
    """A trace, by what it ends in."""

    text: str
    problem_id: str = "p"
    parent: str | None = None
    finish: str | None = "stop"


def problem_table(references: dict[str, str | None], **columns: str) -> pa.Table:
    count = len(references)
    given_columns = {"domain": "math", "question": "How many?", "tests": None, "constraints": None} | columns
    return pa.table(
        {
            "problem_id": list(references),
            "reference": pa.array(references.values(), pa.string()),
            **{name: pa.array([value] * count, pa.string()) for name, value in given_columns.items()},
        }
    )


def trace_table(samples: list[Sample]) -> pa.Table:
    columns: dict[str, list[str | None]] = {
        "problem_id": [one.problem_id for one in samples],
        "text": [one.text for one in samples],
        "parent_trace_id": [one.parent for one in samples],
        "finish_reason": [one.finish for one in samples],
    }
    ids = pa.array([f"t{row}" for row in range(len(samples))], pa.string())
    return pa.table({"trace_id": ids, **{name: pa.array(values, pa.string()) for name, values in columns.items()}})


def boxed(*answers: str, problem_id: str = "p") -> list[Sample]:
    return [Sample(rf"So it is \boxed{{{answer}}}." if answer else "I give up.", problem_id) for answer in answers]


def printed(*answers: str | None) -> pa.Table:
    row = {"problem_id": "p", "witness": "program", "text": "", "reason": "", "model": None, "completion_tokens": 3}
    return pa.Table.from_pylist([row | {"answer": answer} for answer in answers], WITNESSES)


@pytest.fixture(scope="module")
def court(pool: WorkerPool) -> Court:
    return Court(build(VerifyConfig()), pool, 5.0)


@pytest.fixture
def elect(court: Court) -> Election:
    def made(samples: list[Sample], problems: pa.Table | None = None, **options: Any) -> Voted:
        config = MajorityConfig(**options.pop("config", {}))
        return vote(problems or problem_table({"p": None}), [trace_table(samples)], config, court, **options)

    return made


def test_a_majority(elect: Election) -> None:
    voted = elect(boxed("18", "18.0", "18 dollars", "18", "20", ""))
    assert voted.references.schema.equals(REFERENCES, check_metadata=True)
    assert voted.references.to_pylist() == [
        {"problem_id": "p", "reference": "18", "origin": "majority", "votes": 4, "samples": 6, "witness": None}
    ]
    assert voted.dropped.num_rows == 0


def test_no_majority_drops_the_problem_and_its_traces(elect: Election) -> None:
    voted = elect([*boxed("18", "20", "20", "18", "18", "20", ""), Sample("A: 18", parent="t0")])
    assert voted.references.num_rows == 0
    assert voted.dropped.schema.equals(DROPPED, check_metadata=True)
    rows = voted.dropped.to_pylist()
    assert (rows[0]["table"], rows[0]["row_id"], rows[0]["reason"]) == ("problems", "p", "no majority")
    assert [row["row_id"] for row in rows[1:]] == [f"t{number}" for number in range(8)]
    assert {(row["table"], row["reason"]) for row in rows[1:]} == {("traces", "its problem has no majority")}
    assert {row["stage"] for row in rows} == {"verify"}
    assert json.loads(rows[0]["evidence"]) == {"samples": 7, "answers": {"18": 3, "20": 3}}


@pytest.mark.parametrize(
    ("answers", "config", "won"),
    [
        (("1", "1", "1", "2", "3", "4"), {}, True),  # exactly half
        (("1", "1", "1", "2", "3", "4", "5"), {}, False),
        (("1", "1", "1", "", "", "", ""), {}, False),  # samples without an answer count
        (("1", "1", "1", "2", "3", "4", "5"), {"share": 0.4}, True),
        (("1", "1", "1", "2", "2", "2"), {"share": 0}, False),  # a tie
        (("1", "1", "2"), {}, False),  # too few votes
        (("1", "1", "2"), {"least": 2}, True),
        (("1", "1", "1", "1", "2"), {"share": 0.8}, True),
        (("1", "1", "1", "1", "2"), {"share": 1}, False),
        (("1", "1", "1"), {"share": 1}, True),
        (("", "", ""), {"share": 0, "least": 1}, False),
    ],
)
def test_what_a_majority_takes(elect: Election, answers: tuple[str, ...], config: dict[str, Any], won: bool) -> None:
    assert elect(boxed(*answers), config=config).references.num_rows == won


def test_only_what_came_to_its_end_and_was_kept_has_a_vote(elect: Election) -> None:
    unfinished = [Sample("A: 20", finish=finish) for finish in ("length", "context overflow", "refused")]
    dropped = pa.Table.from_pylist(
        [{"table": "traces", "row_id": "t4", "stage": "generate", "reason": "broken thinking"}], DROPPED
    )
    samples = [
        *boxed("18", "18", "18", "18", "20"),
        *unfinished,
        Sample("A: 20", parent="t4"),
        Sample("A: 18", finish="eos"),
    ]
    (row,) = elect(samples, dropped=dropped).references.to_pylist()
    assert (row["reference"], row["votes"], row["samples"]) == ("18", 5, 9)


def test_problems_that_do_not_need_a_vote_are_passed_over(elect: Election) -> None:
    samples = [one for problem in ("p", "q") for one in boxed("1", "2", problem_id=problem)]
    for problems in (
        problem_table({"p": "18", "q": "1/2"}),
        problem_table({"p": None}, tests="assert f(1) == 2"),
        problem_table({"p": None}, constraints="{}"),
        problem_table({"p": None}, domain="open"),
        problem_table({"not sampled": None}),
    ):
        voted = elect(samples, problems)
        assert voted.references.num_rows == voted.dropped.num_rows == 0
    blank = elect(boxed("1", "1", "1"), problem_table({"p": "  "}))
    assert blank.references["reference"].to_pylist() == ["1"]


def test_samples_may_come_in_many_tables(court: Court) -> None:
    problems = problem_table({"q": None, "p": None})
    parts = [trace_table([*boxed("1", problem_id="p"), *boxed("2", problem_id="q")]) for _ in range(3)]
    references = vote(problems, iter(parts), MajorityConfig(), court).references
    assert references["problem_id"].to_pylist() == ["q", "p"]
    assert references["votes"].to_pylist() == [3, 3]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["18.0"], "agrees"),
        (["The answer is 18 dollars"], "agrees"),
        (["20"], "disagrees"),
        (["18", "20"], "disagrees"),
        (["18", "18", "20", None], "agrees"),
        ([None], "none"),
        (["done", "no number"], "disagrees"),
        ([], "none"),
    ],
)
def test_programs_bear_witness(elect: Election, lines: list[str | None], said: str) -> None:
    noted = elect(boxed("18", "18", "18"), witnesses=printed(*lines), config={"witness": "noted"})
    assert noted.references["witness"].to_pylist() == [said]
    asked = elect(boxed("18", "18", "18"), witnesses=printed(*lines), config={"witness": "agrees"})
    assert asked.references["witness"].to_pylist() == (["agrees"] if said == "agrees" else [])
    if said != "agrees":
        reasons = asked.dropped["reason"].to_pylist()
        assert reasons[0] == "no program agrees with its majority"
        assert set(reasons[1:]) == {"no program agrees with its problem's majority"}
        evidence = json.loads(str(asked.dropped["evidence"][0]))
        assert evidence == {"samples": 3, "answers": {"18": 3}, "witness": said}


def test_witnesses_are_not_asked_unless_the_settings_say_so(elect: Election) -> None:
    assert elect(boxed("18", "18", "18"), witnesses=printed("20")).references["witness"].to_pylist() == [None]


def test_references_fill_only_what_is_missing(elect: Election) -> None:
    references = elect(boxed("18", "18", "18")).references
    problems = problem_table({"q": "5", "p": None, "r": None, "s": " "})
    filled = with_references(problems, references)
    assert filled["reference"].to_pylist() == ["5", "18", None, None]
    assert filled.schema == problems.schema
    assert with_references(problems, references.slice(0, 0))["reference"].to_pylist() == ["5", None, None, None]


def test_a_verdict_says_that_its_reference_was_a_majoritys(elect: Election, pool: WorkerPool) -> None:
    problems = problem_table({"p": None, "q": "5", "r": None})
    samples = [*boxed("18", "18.0", "20", "18"), *boxed("5", "6", problem_id="q"), *boxed("1", problem_id="r")]
    references = elect(samples, problems, witnesses=printed("18"), config={"witness": "noted"}).references
    traces = trace_table(samples)
    verdicts = with_origin(verify(with_references(problems, references), traces, None, pool), traces, references)
    note = "the majority's answer, 3 of 4 samples, a program agrees"
    wrong = "not the same as the reference"
    assert verdicts["reason"].to_pylist() == [note, note, f"{wrong}: {note}", note, "", wrong, "no reference"]
    assert verdicts["status"].to_pylist() == ["correct"] * 2 + ["incorrect"] + ["correct"] * 2 + [
        "incorrect",
        "unverifiable",
    ]


def test_settings_are_checked() -> None:
    for wrong in ({"share": 1.1}, {"share": -0.1}, {"least": 0}, {"witness": "maybe"}, {"shares": 0.5}):
        with pytest.raises(ValidationError):
            MajorityConfig.model_validate(wrong)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(["1", "1.0", "2", "4/2", "3", ""]), max_size=10),
    st.sampled_from([0.0, 0.3, 0.5, 0.7, 1.0]),
    st.integers(1, 4),
)
def test_a_majority_is_what_it_says(court: Court, answers: list[str], share: float, least: int) -> None:
    config = MajorityConfig(share=share, least=least)
    voted = vote(problem_table({"p": None}), [trace_table(boxed(*answers))], config, court)
    values = {"1": 1, "1.0": 1, "2": 2, "4/2": 2, "3": 3}
    counts = sorted((sum(values.get(one) == value for one in answers) for value in (1, 2, 3)), reverse=True)
    expected = counts[0] >= least and counts[0] >= share * len(answers) - 1e-9 and counts[0] > counts[1]
    assert voted.references.num_rows == expected
    assert (voted.dropped.num_rows > 0) == (bool(answers) and not expected)
    if expected:
        (row,) = voted.references.to_pylist()
        assert (row["votes"], row["samples"]) == (counts[0], len(answers))
        assert answers.count(row["reference"]) == max(
            answers.count(one) for one in answers if values.get(one) == values[row["reference"]]
        )
