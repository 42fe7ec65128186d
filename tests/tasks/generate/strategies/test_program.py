"""Programs that a model wrote are run in the sandbox, and their output becomes part of the trace."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tasks.engines.contract import Completion, Finish, Request
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import Goal, sample
from tasks.generate.rollouts import Rollouts
from tasks.sandbox.program import ProgramConfig, Ran, run_program
from tasks.text.source import program_in
from tasks.verify.live import LiveVerifier
from tasks.verify.verify import VerifyConfig

Play = Callable[..., Any]
QUICK = {"deadline_s": 1, "memory_mb": 256, "processes": 2}


def writing(*programs: str, ends: bool = False) -> Callable[[Request], str | Completion]:
    """Writes one program after the other, as it sees that the one before has been run."""

    def write(request: Request) -> str | Completion:
        at = request.prefix.count("```output")
        if at == len(programs):
            return "So it is \\boxed{seven}"
        text = f"{'Again.' if at else 'We add.'}\n\n```python\n{programs[at]}"
        if ends:
            return f"{text}\n```"
        return Completion(request.request_id, text, Finish.STOP, 5, 9, stopped="\n```\n")

    return write


@pytest.mark.parametrize("ends", [True, False])
def test_what_a_program_prints_is_the_answer(ends: bool, play: Play) -> None:
    done = play({"program": {"limits": QUICK}}, writing("print('sum')\nprint(3 + 4)", ends=ends))
    (own,) = done.traces
    assert own["text"] == (
        "We add.\n\n```python\nprint('sum')\nprint(3 + 4)\n```\n\n```output\nsum\n7\n```\n\nThe answer is \\boxed{7}."
    )
    assert (own["origin"], own["finish_reason"], own["parent_trace_id"]) == ("generated", "stop", None)
    assert done.note == "the program printed 7"
    assert done.kinds == ["program", "output"]
    assert not done.dropped
    assert len(own["step_offsets"]) > 2
    assert program_in(own["text"]) == "print('sum')\nprint(3 + 4)\n"


def test_verifiers_read_the_answer(play: Play, problem: dict[str, Any]) -> None:
    with LiveVerifier(VerifyConfig(verifiers={"math": {}})) as judge:
        done = play({"program": {"limits": QUICK}}, writing("print(7)"), judge=judge)
        assert judge.accepted(problem, [done.own["text"]]) == [True]


@pytest.mark.parametrize(
    ("broken", "error"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("x = 7", "it printed nothing"), ("while 1: 0", "timed out")],
)
def test_a_program_that_breaks_is_shown_its_error_and_another_is_written(broken: str, error: str, play: Play) -> None:
    done = play({"program": {"limits": QUICK}}, writing(broken, "print(7)"))
    (own,) = done.traces
    assert f"```output\n{error}" in own["text"]
    after = "\n\nAgain.\n\n```python\nprint(7)\n```\n\n```output\n7\n```\n\nThe answer is \\boxed{7}."
    assert own["text"].endswith(after)
    assert error in done.asked[-1].prefix
    assert done.kinds == ["program", "output", "program", "output"]


def test_programs_that_all_break_leave_a_marked_trace(play: Play) -> None:
    done = play({"program": {"limits": QUICK}}, writing("print(1, flush=True)\nwhile 1: 0", "print(2)\n1 / 0"))
    assert done.note == "no program of 2 has an answer: ZeroDivisionError: division by zero"
    assert done.own["text"].endswith("```output\n2\nZeroDivisionError: division by zero\n```\n")
    assert "```output\n1\ntimed out after 1 s\n```" in done.own["text"]
    assert not done.own["search"]["chosen"]
    assert list(done.dropped.values()) == ["a branch that its search left"]


def test_the_model_may_conclude(play: Play) -> None:
    done = play({"program": {"limits": QUICK, "conclude": True}}, writing("print(7)"))
    assert done.own["text"].endswith("```output\n7\n```\n\nSo it is \\boxed{seven}")
    assert done.kinds == ["program", "output", "branch"]


def test_no_tokens_left_to_conclude_is_a_trace_cut_off(play: Play) -> None:
    settings = {"limits": QUICK, "conclude": True}
    done = play({"program": settings}, writing("print(7)"), sampling={"max_tokens": 9})
    assert done.own["search"]["chosen"]
    assert done.own["finish_reason"] == "length"
    assert "ran into max_tokens" in done.dropped.values()


def test_an_output_with_fences_in_it_and_a_long_one_stay_one_block(play: Play) -> None:
    done = play({"program": {"limits": QUICK}}, writing("print('```\\n\\\\boxed{3}')\nprint(7)"))
    assert "````output\n```\n\\boxed{3}\n7\n````\n" in done.own["text"]
    done = play({"program": {"limits": QUICK, "characters": 100}}, writing("print('a' * 500)\nprint(7)"))
    assert "characters left out" in done.own["text"]


def test_what_a_program_printed_is_stored_and_it_is_not_run_again(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(source: str, _config: ProgramConfig) -> Ran:
        ran.append(source)
        return Ran("7", "", "7")

    monkeypatch.setattr("tasks.generate.strategies.program.run_program", run)
    done = play({"program": {"conclude": True}}, writing("print(7)"))
    assert done.kinds == ["program", "output", "branch"]
    assert len(ran) == 2  # Once, and where its output was not stored yet when the search was cut off.


def test_programs_run_beside_each_other_and_beside_the_loop(
    told: Any, live: Any, problem: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=30)

    def run(source: str, config: ProgramConfig) -> Ran:
        both.wait()
        return run_program(source, config)

    monkeypatch.setattr("tasks.generate.strategies.program.run_program", run)
    sampler = {"model": "m", "n": 2, "strategy": {"program": {"limits": QUICK}}}
    settings = GenerateConfig.model_validate({"samplers": {"s": sampler}})
    models = told(writing("print(7)"))
    (*came,) = sample([problem], Rollouts(settings, models, live, {}), models, settings, Goal())
    assert sum(one.traces.num_rows for one in came) == 2


def test_no_program_a_long_one_and_a_refused_prompt(play: Play, refused: Callable[[Request], Completion]) -> None:
    done = play({"program": {}}, lambda _: "It is 7")
    assert done.note == "broken off: no program in the reply: attempt 1"
    assert list(done.dropped.values()) == ["a branch that its search left"]
    done = play({"program": {}}, lambda one: Completion(one.request_id, "```python\nx =", Finish.LENGTH, 5, 9))
    assert (done.note, list(done.dropped.values())) == (
        "broken off: a program did not end: attempt 1, length",
        ["ran into max_tokens"],
    )
    assert play({"program": {}}, refused).note == "broken off: a program did not end: attempt 1, context overflow"
