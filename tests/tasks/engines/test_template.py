"""Prompts are what the model was trained on, and end in the prefix."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers
from transformers import PreTrainedTokenizerFast

from schemas.errors import EngineError
from tasks.engines.contract import Message, ToolCall
from tasks.engines.template import Template, UnrenderableError, load_template

MODEL = Path(__file__).parents[3] / "data/models/tiny-reasoner"
UNICODE = st.characters(exclude_categories=["Cs"])


@pytest.fixture(scope="module")
def template() -> Template:
    return load_template(str(MODEL))


def test_the_models_own_template(template: Template) -> None:
    prompt = template.prompt((Message("system", "Be brief."), Message("user", "2 + 2?")), "<think>\n")
    assert prompt.text == "<|system|>Be brief.<|end|><|user|>2 + 2?<|end|><|assistant|><think>\n"
    assert template.tokenizer.decode(list(prompt.ids)) == prompt.text
    assert len(template.template_hash) == 16


@given(contents=st.lists(st.text(UNICODE)), prefix=st.text(UNICODE))
def test_it_ends_in_exactly_the_prefix(template: Template, contents: list[str], prefix: str) -> None:
    messages = (Message("user", "x"), *(Message("user", content) for content in contents))
    text = template.text(messages, prefix)
    assert text.endswith("<|assistant|>" + prefix)
    assert template.tokenizer.decode(template.tokens(text)) == text


@given(prefix=st.text(UNICODE, min_size=1))
def test_tokens_end_in_exactly_the_prefix(template: Template, prefix: str) -> None:
    prompt = template.prompt((Message("user", "x"),), prefix)
    assert str(template.tokenizer.decode(list(prompt.ids))).endswith(prefix)


@pytest.mark.parametrize(
    ("normalizer", "prefix", "read"),
    [
        (normalizers.NFC(), "cafe\u0301 is", r"<|assistant|>caf\xe9', not 'cafe\u0301'"),
        (normalizers.Lowercase(), "So 2", "<|assistant|>s', not 'S'"),
        (normalizers.Strip(), "So 2 \n", r"not 'So 2 \n'"),
    ],
)
def test_a_tokenizer_that_changes_the_prefix(normalizer: Any, prefix: str, read: str) -> None:
    """Qwen2.5's is NFC; none of them goes on from another text than it was given."""
    template = load_template(str(MODEL))
    backend: Any = template.tokenizer
    backend.backend_tokenizer.normalizer = normalizer
    asked = (Message("user", "x"),)
    with pytest.raises(UnrenderableError) as raised:
        template.prompt(asked, prefix)
    assert read in str(raised.value)
    assert template.prompt(asked, "so") == load_template(str(MODEL)).prompt(asked, "so")
    assert template.prompt(asked, "").text.endswith("<|assistant|>")


def test_a_token_over_the_join_loses_nothing() -> None:
    merged = Tokenizer(models.BPE({":": 0, ")": 1, ":)": 2}, [(":", ")")]))
    fast: Any = PreTrainedTokenizerFast
    template = Template(fast(tokenizer_object=merged), "{{ messages[0]['content'] }}")
    assert template.prompt((Message("user", ":"),), ")") == (":)", (2,))


def test_a_long_prompt_is_the_same_prompt(template: Template) -> None:
    long = (Message("user", "many words " * 10_000),)
    assert asyncio.run(template.prompt_aside(long, "So")) == template.prompt(long, "So")


@pytest.mark.parametrize("messages", [(), (Message("user", "\ud83d"),)])
def test_what_cannot_be_rendered(template: Template, messages: tuple[Message, ...]) -> None:
    with pytest.raises(UnrenderableError):
        template.text(messages, "")


def test_a_template_that_turns_messages_down(tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text("{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}ok")
    template = load_template(str(MODEL), None, str(own))
    assert template.text((Message("user", "a"),), " go") == "ok go"
    assert template.template_hash != load_template(str(MODEL)).template_hash
    with pytest.raises(UnrenderableError, match="no system here"):
        template.text((Message("system", "a"),), "")


def test_a_template_that_opens_the_thinking(tmp_path: Path) -> None:
    own = tmp_path / "own.jinja"
    own.write_text(r"{{ messages[0]['content'] + '<think>\n' }}")
    template = load_template(str(MODEL), None, str(own))
    asked = (Message("user", "a"),)
    assert template.text(asked, "So") == "a<think>\nSo"
    assert template.text(asked, "<think>\nSo") == "a<think>\nSo"


def test_without_a_template_it_says_what_to_set(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(MODEL / name, tmp_path)
    with pytest.raises(EngineError, match=r"no chat template; set `chat_template`"):
        load_template(str(tmp_path))
    with pytest.raises(EngineError, match=r"chat_template: .*none\.jinja cannot be read"):
        load_template(str(tmp_path), None, str(tmp_path / "none.jinja"))
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(EngineError, match="its tokenizer cannot be loaded"):
        load_template(str(tmp_path))


TOOL = '{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}'
WITH_TOOLS = (
    "{% if tools %}{{ tools[0].function.name }}: {{ tools[0].function.description }}\n{% endif %}"
    "{% for one in messages %}{{ one.role }}={{ one.content }}"
    "{% for call in one.tool_calls or [] %}{{ call.function.arguments | tojson }}{% endfor %}"
    "{% if one.name %}({{ one.name }}){% endif %}|{% endfor %}"
)


def test_tools_and_their_turns_are_rendered(tmp_path: Path) -> None:
    (tmp_path / "tools.jinja").write_text(WITH_TOOLS)
    template = load_template(str(MODEL), chat_template=str(tmp_path / "tools.jinja"))
    said = (
        Message("user", "q"),
        Message("assistant", "", (ToolCall("add", '{"a": "é"}'), ToolCall("add", "no JSON"))),
        Message("tool", "3", name="add", call_id="c"),
    )
    assert template.text(said, "", (TOOL,)) == 'add: Adds.\nuser=q|assistant={"a": "é"}"no JSON"|tool=3(add)|'
    assert template.text(said[:1], "") == "user=q|"


def test_a_template_without_a_place_for_tools(template: Template) -> None:
    with pytest.raises(UnrenderableError, match="no place for tools"):
        template.prompt((Message("user", "q"),), "", (TOOL,))


def test_ids_of_requests_without_tools_stay_what_they_were() -> None:
    assert Message("user", "q").said == ("user", "q")
    called = Message("assistant", "", (ToolCall("add", "{}", "c"),))
    assert called.said != Message("assistant", "").said
    assert Message("tool", "3", name="add").said != Message("tool", "3").said
