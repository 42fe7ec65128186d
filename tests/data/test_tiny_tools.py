"""What the model with a calculator is trained on, and that the committed one calls it."""

import json
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from data.tiny_reasoner.documents import ASSISTANT, END
from data.tiny_reasoner.problems import problems
from data.tiny_reasoner.tools import CHAT_TEMPLATE, TOOL, conversation, conversations
from tasks.engines.contract import Message, ToolCall
from tasks.engines.template import Template, load_template, turn_of
from tasks.engines.tool_calls import arguments_of, read_calls
from tasks.generate.tools.calculator import calculated

MODEL = Path(__file__).parents[2] / "data/models/tiny-tools"
OFFERED = {"type": "function", "function": {"name": "calculator", "description": "Adds.", "parameters": {}}}


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(str(MODEL))


def test_each_call_comes_to_what_is_read() -> None:
    rng = Random(0)
    for problem in islice(problems("calls", held_out=True), 50):
        spans = conversation(problem, rng)
        for said, told in zip(spans[1:-1:2], spans[2:-1:2], strict=True):
            (call,) = read_calls(said.text.removesuffix(END)).calls
            assert told.text == f"{TOOL}{calculated(str((arguments_of(call) or {})['expression']))}{END}{ASSISTANT}"
            assert said.learnt
            assert not told.learnt
        assert f"\\boxed{{{problem.answer}}}" in spans[-1].text


def test_the_same_seed_makes_the_same_conversations() -> None:
    assert (
        list(islice(conversations("a"), 30))
        == list(islice(conversations("a"), 30))
        != list(islice(conversations("b"), 30))
    )


def test_its_chat_renders_as_it_was_trained(template: Template) -> None:
    problem = next(problems("chat", held_out=True))
    text = "".join(span.text for span in conversation(problem, Random(1)))
    turns = [Message("user", text.split("<|user|>")[1].split(END)[0])]
    for number, part in enumerate(text.split(ASSISTANT)[1:]):
        said, *rest = part.split(END)
        read = read_calls(said)
        turns.append(Message("assistant", read.text, read.calls))
        if rest[0]:
            turns.append(Message("tool", rest[0].removeprefix(TOOL), call_id=str(number)))
    rendered = template.conversation([turn_of(one) for one in turns], reply_next=False, tools=[OFFERED])
    assert rendered == text
    assert json.loads((MODEL / "tokenizer_config.json").read_text())["extra_special_tokens"] == [TOOL]
    assert (MODEL / "chat_template.jinja").read_text().strip() == CHAT_TEMPLATE
    assert template.tokenizer.decode(template.tokens(text)) == text


def test_calls_with_text_for_arguments_render_too(template: Template) -> None:
    call = ToolCall("calculator", "no JSON")
    turns = [turn_of(Message("user", "q")), turn_of(Message("assistant", "", (call, call)))]
    assert template.conversation(turns, reply_next=False, tools=[OFFERED]).count("no JSON") == 2
