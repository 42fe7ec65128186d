"""A model with tools: what it is told of its calls, how a conversation ends, and what is kept of it."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pytest

from schemas.errors import PluginError, RecipeError
from tasks.engines.contract import Completion, Finish, Request, ToolCall
from tasks.engines.flight import GradingStreams
from tasks.engines.tool_calls import with_calls, written
from tasks.generate.config import GenerateConfig
from tasks.generate.contract import Accepts
from tasks.generate.generate import Batch, Goal, sample, stored_replies
from tasks.generate.rollouts import Rollouts
from tasks.generate.screen import screen
from tasks.text.conversation import Conversation, loaded

Problems = list[dict[str, Any]]
PYTHON = {"deadline_s": 0.5, "isolation": "best_effort"}


class Models(GradingStreams, Protocol):
    asked: list[Request]


Told = Callable[..., Models]


def call(name: str = "calculator", **arguments: object) -> str:
    return written(ToolCall(name, json.dumps(arguments)))


def scripted(*turns: str, finish: Finish = Finish.STOP) -> Callable[[Request], Completion]:
    """Says these turns one after the other; the last again and again. `{}` is the result before it."""

    def answer(request: Request) -> Completion:
        turn = sum(one.role == "assistant" for one in request.messages)
        text = turns[min(turn, len(turns) - 1)].replace("{}", request.messages[-1].content)
        ends = finish if turn >= len(turns) - 1 else Finish.STOP
        return with_calls(Completion(request.request_id, text, ends, 7, 10), request)

    return answer


def config(sampling: Mapping[str, Any] | None = None, **settings: Any) -> GenerateConfig:
    sampler = {"model": "m", "n": 1, "strategy": {"tools": settings}, "sampling": sampling or {"max_tokens": 100}}
    return GenerateConfig.model_validate({"samplers": {"using": sampler}})


def run(problems: Problems, models: Models, live: Accepts, settings: GenerateConfig, *before: pa.Table) -> Batch:
    rollouts = Rollouts(settings, models, live, {}, replies=stored_replies(before))
    came = list(sample(problems, rollouts, models, settings, Goal()))
    return Batch(*(pa.concat_tables(those) for those in zip(*came, strict=True)))


def one(problems: Problems, models: Models, live: Accepts, settings: GenerateConfig) -> dict[str, Any]:
    (row,) = run(problems[3:4], models, live, settings).traces.to_pylist()
    found: dict[str, Any] = row
    return found


def results(row: Mapping[str, Any]) -> Sequence[str]:
    return [said.content for said in loaded(row["conversation"]).messages if said.role == "tool"]


def test_it_calls_is_told_and_answers(told: Told, live: Accepts, problems: Problems) -> None:
    models = told(scripted(f"I add.\n{call(expression='3 + 1')}", "So it is {}"))
    row = one(problems, models, live, config())
    assert row["text"] == "I add.\n```calculator\n3 + 1\n```\n```output\n4\n```\n\nSo it is 4"
    assert row["step_offsets"] == [0, row["text"].index("So")]
    assert (row["finish_reason"], row["origin"]) == ("stop", "generated")
    assert (row["prompt_tokens"], row["completion_tokens"]) == (7, 20)
    assert row["search"]["note"] == "calls: 1 of calculator"
    assert row["search"]["chosen"]
    conversation = loaded(row["conversation"])
    assert [said.role for said in conversation.messages] == ["user", "assistant", "tool", "assistant"]
    assert conversation.messages[1].tool_calls[0].call_id == conversation.messages[2].call_id != ""
    assert [json.loads(tool)["function"]["name"] for tool in conversation.tools] == ["calculator"]
    first, second = models.asked
    assert first.tools == second.tools == conversation.tools
    assert second.messages == conversation.messages[:3]
    assert (first.sampling.max_tokens, second.sampling.max_tokens) == (100, 90)
    assert first.request_id != second.request_id


def test_an_answer_without_a_call_is_a_conversation_too(told: Told, live: Accepts, problems: Problems) -> None:
    row = one(problems, told(scripted("It is 4")), live, config())
    assert (row["text"], row["search"]["note"]) == ("It is 4", "calls: none")
    assert row["conversation"]


def test_a_tool_that_hangs_is_told_and_noted_and_the_others_go_on(
    told: Told, live: Accepts, problems: Problems
) -> None:
    """Problem 3's program never ends; the batch goes on."""

    def answer(request: Request) -> Completion:
        number = request.messages[0].content.split()[2]
        code = "while True: pass" if number == "3" else f"{number} + 1"
        return scripted(call("python", code=code), "So it is {}", "never")(request)

    settings = config(tools={"calculator": None, "python": PYTHON})
    traces = run(problems, told(answer), live, settings).traces
    rows = {row["problem_id"]: row for row in traces.to_pylist()}
    assert len(rows) == 20
    hung = rows.pop("p3")
    assert hung["search"]["note"] == "calls: 1 of python; turn 1: python hung"
    assert results(hung) == ["error: the tool gave no answer within 0.5 s"]
    assert hung["finish_reason"] == "stop"
    assert all(row["text"].endswith(f"So it is {int(name[1:]) + 1}") for name, row in rows.items())
    assert screen(traces, settings).num_rows == 0


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        ("<tool_call>{oops</tool_call>", "error: a call has to be one JSON object"),
        (call("abacus", x=1), "error: there is no tool 'abacus'; there are calculator"),
        (call(expression="1/0"), "error: division by zero"),
        (call(sum="1"), "error: there is no argument 'sum'"),
        (written(ToolCall("calculator", "[1]")), "error: the arguments are no JSON object"),
    ],
)
def test_what_is_wrong_with_a_call_is_told(turn: str, said: str, told: Told, live: Accepts, problems: Problems) -> None:
    row = one(problems, told(scripted(turn, "It is 4")), live, config())
    (result,) = results(row)
    assert result.startswith(said)
    assert row["text"].endswith("It is 4")
    assert row["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (config(turns=3), "calls: 2 of calculator; 3 turns without an answer"),
        (config({"max_tokens": 20}), "calls: 1 of calculator; no tokens are left for an answer"),
    ],
)
def test_without_an_end_it_ends_for_length_and_is_kept(
    settings: GenerateConfig, note: str, told: Told, live: Accepts, problems: Problems
) -> None:
    models = told(scripted(f"On.\n{call(expression='1 + 1')}"))
    traces = run(problems[:1], models, live, settings).traces
    (row,) = traces.to_pylist()
    assert (row["finish_reason"], row["search"]["note"]) == ("length", note)
    assert row["text"].startswith("On.\n```calculator")
    assert screen(traces, settings)["reason"].to_pylist() == ["ran into max_tokens"]


def test_what_breaks_it_off_is_said(told: Told, live: Accepts, problems: Problems) -> None:
    def answer(request: Request) -> Completion:
        if len(request.messages) > 1:
            return Completion(request.request_id, "", Finish.OVERFLOW, 99, 0, "the prompt has 99 tokens")
        return scripted(call(expression="1 + 1"))(request)

    row = one(problems, told(answer), live, config())
    assert row["finish_reason"] == "context overflow"
    assert row["search"]["note"] == "calls: 1 of calculator; the prompt has 99 tokens"
    assert results(row) == ["2"]


def test_in_words_the_model_needs_no_template_for_tools(told: Told, live: Accepts, problems: Problems) -> None:
    models = told(scripted(f"I add.\n{call(expression='3 + 1')}", "It is 4"))
    row = one(problems, models, live, config(protocol="words"))
    assert row["text"] == "I add.\n```calculator\n3 + 1\n```\n```output\n4\n```\n\nIt is 4"
    first, second = models.asked
    assert first.tools == ()
    assert [said.role for said in second.messages] == ["system", "user", "assistant", "user"]
    assert second.messages[-1].content == "<tool_response>\n4\n</tool_response>"


def test_a_run_that_was_cut_off_is_told_again(told: Told, live: Accepts, problems: Problems) -> None:
    models = told(scripted(f"I add.\n{call(expression='3 + 1')}", "So it is {}"))
    came = run(problems, models, live, config())
    assert len(models.asked) == 40
    again = told(scripted("never asked"))
    told_again = run(problems, again, live, config(), came.completions).traces
    assert told_again.sort_by("trace_id").equals(came.traces.sort_by("trace_id"))
    assert not again.asked
    half = came.completions.filter(
        pa.array(["tool_call" in text for text in map(str, came.completions["text"].to_pylist())])
    )
    rest = told(scripted("never asked", "So it is {}"))
    assert run(problems, rest, live, config(), half).traces.sort_by("trace_id").equals(came.traces.sort_by("trace_id"))
    assert len(rest.asked) == 20


def test_settings_are_checked() -> None:
    with pytest.raises(PluginError, match="unknown name 'abacus' in tools"):
        config(tools={"abacus": {}})
    with pytest.raises(RecipeError, match=r"python\.deadline_s"):
        config(tools={"python": {"deadline_s": 0}})
    assert Conversation((), ()) == loaded('{"tools": [], "messages": []}')
