"""Every filter goes through the same cases; a new plug-in brings a sample below, and nothing else."""

import json
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conform import conform
from schemas.errors import RecipeError
from schemas.tables import DROPPED, Domain
from tasks import plugins
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import PACKAGE, Fault, Filter, TraceView, build, filtered

GSM8K: Final = Path(__file__).parents[3] / "shared/data/gsm8k/example_model_solutions.jsonl"
PROBLEM: Final = ProblemView(Domain.MATH, "How many eggs are left?", "6", None, None)
GOOD: Final = (
    "Ana has 12 eggs in the basket. She sells 5 of them at the market, so that 7 are left.\n"
    "Then she drops one of these on her way, and there are 7 - 1 = 6 eggs.\n\nAnswer: 6"
)
GERMAN: Final = "Ana hat zwölf Eier im Korb und verkauft fünf, also sind das dann noch sieben. Die Antwort ist sieben."


class Sample(NamedTuple):
    """Settings, traces that pass, and traces that do not, each with the reason."""

    settings: dict[str, Any]
    passes: tuple[TraceView, ...]
    fails: tuple[tuple[TraceView, str], ...]


def text(*parts: str) -> TraceView:
    return TraceView("".join(parts))


SAMPLES = {
    "format": Sample(
        {},
        (text(GOOD), text("<think>\\boxed{5}?</think>", GOOD), text("So the answer is 6."), text("A: 6\n\\boxed{6}")),
        (
            (text("Six, I think."), "no final answer"),
            (text("A: 7\nNo.\nA: 6"), "several final answers"),
            (text("<think>A: 6"), "broken <think>"),
            (text("<think>A: 6</think>"), "no answer after </think>"),
            (text(""), "no answer"),
        ),
    ),
    "language": Sample(
        {},
        (text(GOOD), text("5 + 7 = 12"), text(""), text("$所以$ ", GOOD), text("```\n# das ist nicht so\n```", GOOD)),
        (
            (text(GERMAN), "answer not in en"),
            (text("<think>", GERMAN, "</think>", GOOD), "thinking not in en"),
            (text(GOOD, " 所以答案是六个鸡蛋"), "answer not in en"),
        ),
    ),
    "length": Sample(
        {"answer": {"words": {"least": 3}}, "text": {"characters": {"most": 400}}, "tokens": {"most": 100}},
        (text(GOOD), TraceView(GOOD, 100), text("one two three")),
        (
            (text("6"), "too few words in the answer"),
            (text("<think>one two three</think>6"), "too few words in the answer"),
            (text("<think>one two three"), "too few words in the answer"),
            (text(GOOD * 3), "too many characters in the text"),
            (TraceView(GOOD, 101), "too many tokens"),
        ),
    ),
    "repetition": Sample(
        {},
        (text(GOOD), text(""), text(GOOD * 2)),
        (
            (text(GOOD, "\n" + "Wait, I should check this.\n" * 12), "goes in circles"),
            (text(GOOD, "\n", GOOD, "\n.\n", GOOD, "\n!\n"), "lines said again"),
        ),
    ),
}
NAMES = plugins.names(PACKAGE)
GARBAGE = (
    "",
    " \n\t ",
    "\x00\ud7ff\U0001f600",
    "\\boxed{" * 1000,
    "$" * 1001,
    "A: " * 1000,
    "<think>" * 99,
    "</think>",
)


def filter_of(name: str) -> Filter:
    return build({name: SAMPLES[name].settings})[name]


def tables(texts: list[str]) -> tuple[pa.Table, pa.Table]:
    views = {name: pa.array([getattr(PROBLEM, name)], pa.string()) for name in ProblemView._fields}
    problems = pa.table({"problem_id": ["p"], **views})
    count = len(texts)
    return problems, pa.table(
        {"trace_id": [f"t{one}" for one in range(count)], "problem_id": ["p"] * count, "text": texts}
    )


def test_every_filter_has_a_sample() -> None:
    assert sorted(SAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_good_traces_pass_and_bad_ones_get_the_reason(name: str) -> None:
    sample, one = SAMPLES[name], filter_of(name)
    assert [one.fault(PROBLEM, trace) for trace in sample.passes] == [None] * len(sample.passes)
    for trace, reason in sample.fails:
        fault = one.fault(PROBLEM, trace)
        assert fault is not None
        assert fault.reason == reason
        assert one.fault(PROBLEM, trace) == fault


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.sampled_from(GARBAGE), st.text(max_size=400)))
def test_no_text_breaks_it_and_it_says_the_same_again(name: str, written: str) -> None:
    one = filter_of(name)
    fault = one.fault(PROBLEM, TraceView(written))
    assert fault == filter_of(name).fault(PROBLEM, TraceView(written))
    assert fault is None or fault.reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "piece", ["a ", "\\[", "\\(", "$", "`", "```\n", "<<", "é", "。", "\\boxed{", "A: 1\n", "<think>", "\n"]
)
def test_a_megabyte_is_read_quickly(name: str, piece: str) -> None:
    trace = TraceView(piece * (1_000_000 // len(piece)))
    start = time.process_time()
    filter_of(name).fault(PROBLEM, trace)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("name", NAMES)
def test_settings_it_does_not_know_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name}.nonsense"):
        build({name: {"nonsense": 1}})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data")
def test_real_traces_are_let_pass_by_the_defaults(name: str) -> None:
    rows = map(json.loads, GSM8K.read_text().splitlines())
    texts = [value["solution"] for row in rows for value in row.values() if isinstance(value, dict)]
    one = build({name: {}})[name]
    found = [fault for written in texts if (fault := one.fault(PROBLEM, TraceView(written)))]
    assert len(texts) == 5276
    # 11 traces name no answer, most of them cut off; 5 run in circles, 2 say most of their phrases again.
    assert len(found) == {"format": 11, "repetition": 7}.get(name, 0), found


def test_dropped_rows_name_the_first_fault_and_keep_all_of_them_as_evidence() -> None:
    filters = build({"format": {}, "length": {"answer": {"words": {"least": 3}}}})
    dropped = conform(filtered(*tables([GOOD, "6", "It is 6, I think."]), filters), DROPPED, at="test")
    assert dropped["row_id"].to_pylist() == ["t1", "t2"]
    assert dropped["stage"].to_pylist() == ["verify", "verify"]
    assert dropped["reason"].to_pylist() == ["format: no final answer", "format: no final answer"]
    assert json.loads(str(dropped["evidence"][0])) == {
        "faults": {"format": "no final answer", "length": "too few words in the answer: 1, at least 3"},
        "filters": {"format": "1", "length": "1"},
        "begins": "6",
        "ends": "",
    }


def test_recorded_tokens_are_looked_at_and_traces_without_a_problem_are_not() -> None:
    problems, traces = tables([GOOD, GOOD, GOOD])
    traces = traces.append_column("completion_tokens", pa.array([5, 500, None], pa.int32()))
    filters = build({"length": {"tokens": {"most": 100}}})
    assert filtered(problems, traces, filters)["row_id"].to_pylist() == ["t1"]
    assert filtered(problems.slice(0, 0), traces, filters).num_rows == 0
    assert filtered(problems, traces, {}).num_rows == 0


def test_a_fault_of_another_filter_is_found_too() -> None:
    class Never:
        version = "2"

        def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:
            return Fault("never good", trace.text[:1])

    dropped = filtered(*tables([GOOD]), {"never": Never()})
    assert dropped["reason"].to_pylist() == ["never: never good"]


@pytest.mark.parametrize("unknown", ["", "Format", "xyz"])
def test_an_unknown_filter_lists_the_known(unknown: str) -> None:
    with pytest.raises(RecipeError, match="format, language, length, repetition"):
        build({unknown: {}})
