"""Traces that used tools: what trainers' own code and models' own templates make of the exported rows."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import plugins
from tasks.engines.contract import Message, ToolCall
from tasks.export.dialogues import without_tools
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection
from tasks.text.conversation import Conversation, dumped, loaded

CALL = {"id": "abcdefgh1", "type": "function", "function": {"name": "calculator", "arguments": {"expression": "1 + 1"}}}
SAID = [
    {"role": "assistant", "content": "I add.", "tool_calls": [CALL]},
    {"role": "tool", "content": "2", "name": "calculator", "tool_call_id": "abcdefgh1"},
    {"role": "assistant", "content": "two"},
]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


def build(name: str, **settings: object) -> Exporter:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(settings))
    return exporter


def read(name: str, selection: Selection, folder: Path, **settings: object) -> list[dict[str, Any]]:
    """The rows as `datasets` reads them from Parquet."""
    from datasets import Dataset

    pq.write_table(build(name, **settings).rows(selection), folder / "part.parquet")
    return list(Dataset.from_parquet(str(folder / "part.parquet"), cache_dir=str(folder)).to_list())


def test_sft_tools_rows(selection: Selection, tmp_path: Path) -> None:
    (row,) = read("sft_tools", selection, tmp_path, system="Think.")
    question = [{"role": "system", "content": "Think."}, {"role": "user", "content": "1 + 1?"}]
    assert row["messages"] == [*question, *SAID]
    assert [one["function"]["name"] for one in json.loads(row["tools"])] == ["calculator"]
    assert (row["problem_id"], row["trace_id"], row["source"]) == ("p0", "t1", "a.jsonl")
    assert build("sft_tools", statuses=["incorrect"]).rows(selection).num_rows == 0


def test_dpo_tools_rows(selection: Selection, tmp_path: Path) -> None:
    """A side that used no tool is one answer; pairs of which none did are left to `dpo`."""
    (row,) = read("dpo_tools", selection, tmp_path)
    assert row["prompt"] == [{"role": "user", "content": "1 + 1?"}]
    assert row["chosen"] == SAID
    assert row["rejected"] == [{"role": "assistant", "content": "3"}]
    assert (row["pair_id"], row["chosen_trace_id"], row["rejected_trace_id"]) == ("k1", "t1", "t2")
    assert json.loads(row["tools"])


def test_llamafactory_tools_rows(selection: Selection) -> None:
    (row,) = build("llamafactory_tools").rows(selection).to_pylist()
    thought, _, call = row["conversations"][1]["value"].partition("\n</think>\n\n")
    assert thought == "<think>\nI add."
    assert json.loads(call) == {"name": "calculator", "arguments": {"expression": "1 + 1"}}
    assert [one["from"] for one in row["conversations"]] == ["human", "function_call", "observation", "gpt"]
    assert json.loads(row["tools"]) == [{"name": "calculator", "description": "Adds.", "parameters": {}}]
    files = build("llamafactory_tools").files({"train": 1})
    told = json.loads(files["dataset_info.json"])["tracemill_tools_train"]
    assert told["columns"] == {"messages": "conversations", "tools": "tools"}
    assert told["tags"]["function_tag"] == "function_call"


def test_other_formats_are_not_given_what_used_tools(selection: Selection) -> None:
    left = without_tools(selection)
    assert left.traces["trace_id"].to_pylist() == ["t0", "t2", "t3", "t4", "t5"]
    assert build("sft").rows(left)["trace_id"].to_pylist() == ["t0", "t3"]
    assert build("dpo").rows(left)["pair_id"].to_pylist() == ["k2"]
    assert without_tools(left) is left


@pytest.mark.parametrize("template", ["qwen2_5", "qwen3", "llama3_1"])
def test_models_own_templates_render_the_rows(
    template: str, selection: Selection, tokenizer: Any, tmp_path: Path
) -> None:
    """Llama 3.1's fails where a turn without calls has a key for them, Qwen2.5's where arguments are text."""
    import trl
    from trl.data_utils import maybe_apply_chat_template

    source = (Path(trl.__file__).parent / f"chat_templates/{template}.jinja").read_text()
    (row,) = read("sft_tools", selection, tmp_path)
    tools = json.loads(row["tools"])
    text = maybe_apply_chat_template({"messages": row["messages"]}, tokenizer, tools=tools, chat_template=source)[
        "text"
    ]
    assert '{"expression": "1 + 1"}' in text
    assert '"description": "Adds."' in text
    assert text.index("1 + 1?") < text.index('{"expression"') < text.index("two")
    assert "None" not in text


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(TEXTS, st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=2), TEXTS), max_size=3)
)
def test_what_is_read_back_is_what_was_said(turns: list[tuple[str, dict[str, Any], str]]) -> None:
    messages = [Message("user", "q")]
    for content, arguments, result in turns:
        call = ToolCall("calculator", json.dumps(arguments, ensure_ascii=False))
        messages += [Message("assistant", content, (call,)), Message("tool", result, name="calculator")]
    said = dumped(Conversation(("{}",), (*messages, Message("assistant", "end"))))
    one = {"trace_id": ["t"], "problem_id": ["p"], "text": ["end"], "source": ["s"], "conversation": [said]}
    problem: dict[str, Any] = {"problem_id": ["p"], "domain": ["math"], "question": ["q"]}
    none = pa.table({"pair_id": pa.array([], pa.string())})
    stands = pa.table({"trace_id": ["t"], "status": ["correct"]})
    selection = Selection(pa.table(problem), pa.table(one), stands, none, none, none)
    (row,) = build("sft_tools").rows(selection).to_pylist()
    found = list(map(json.loads, row["messages"]))
    assert [turn["content"] for turn in found] == [turn.content for turn in loaded(said).messages]
    called = [turn["tool_calls"][0]["function"]["arguments"] for turn in found if "tool_calls" in turn]
    assert called == [arguments for _, arguments, _ in turns]
