"""Token counts are those of the model's own tokenizer and template, counted as TRL counts."""

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from schemas.errors import RecipeError
from schemas.tables import REFERENCES, STANDINGS, VERDICTS
from tasks.export.messages import MESSAGES
from tasks.export.selection import Exporter, Selection
from tasks.export.tokens import Tokenizer, count, token_lengths, with_tokens

MODEL = Path(__file__).parents[3] / "data/models/tiny-reasoner"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(str(MODEL))


@pytest.fixture(scope="module")
def reference() -> Any:
    """The same tokenizer, as TRL would load it."""
    return AutoTokenizer.from_pretrained(str(MODEL))


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def column(values: list[Any], kind: Any) -> "pa.ChunkedArray[Any]":
    return pa.chunked_array([pa.array(values, kind)])


@given(rows=st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_preferences_have_the_tokens_that_trl_counts(
    tokenizer: Tokenizer, reference: Any, rows: list[tuple[str, str, str]]
) -> None:
    table = pa.table(
        {
            "prompt": column(
                [[said("system", "Be brief."), said("user", question)] for question, _, _ in rows], MESSAGES
            ),
            "chosen": column([[said("assistant", text)] for _, text, _ in rows], MESSAGES),
            "rejected": column([[said("assistant", text)] for _, _, text in rows], MESSAGES),
        }
    )
    found = count(table, ("prompt", "chosen", "rejected"), tokenizer)
    for at, row in enumerate(table.to_pylist()):
        prompt = reference.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        assert found["prompt"][at] == len(prompt)
        for side in ("chosen", "rejected"):
            both = reference.apply_chat_template(row["prompt"] + row[side], return_dict=False)
            assert found[side][at] == len(both) - len(prompt) > 0


def test_a_conversation_is_counted_whole(tokenizer: Tokenizer, reference: Any) -> None:
    turns = [said("user", "2 + 2?"), said("assistant", "4")]
    found = count(pa.table({"messages": column([turns, turns], MESSAGES)}), ("messages",), tokenizer)
    assert found["messages"] == [len(reference.apply_chat_template(turns, return_dict=False))] * 2


def test_strings_are_counted_as_they_are(tokenizer: Tokenizer, reference: Any) -> None:
    texts = ["2 + 2?", None, "", "four é😀"]
    found = count(pa.table({"prompt": texts, "completion": texts[::-1]}), ("prompt", "completion"), tokenizer)
    sizes = [None if text is None else len(reference(text, add_special_tokens=False)["input_ids"]) for text in texts]
    assert found == {"prompt": sizes, "completion": sizes[::-1]}


def exporter(rows: pa.Table) -> Exporter:
    return Exporter("problem_id", rows.schema, lambda _: rows, texts=("text",))


def selection() -> Selection:
    none = pa.table({})
    tables = (STANDINGS.empty_table(), none, REFERENCES.empty_table(), VERDICTS.empty_table())
    return Selection(none, none, *tables)


def test_the_columns_follow_the_exporters_own(tokenizer: Tokenizer) -> None:
    rows = pa.table({"text": ["2 + 2?", "4"], "problem_id": ["p0", "p1"]})
    counted = with_tokens(exporter(rows), tokenizer)
    table = counted.rows(selection())
    assert table.schema.equals(counted.columns)
    assert counted.columns.field("text_tokens").type == pa.int32()
    assert table.drop_columns("text_tokens").equals(rows)
    assert len(tokenizer.template.tokens("2 + 2?")) == table["text_tokens"][0].as_py()


def test_no_rows_need_no_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    empty = pa.table({"text": pa.array([], pa.string()), "problem_id": pa.array([], pa.string())})
    counted = with_tokens(exporter(empty), Tokenizer(str(tmp_path)))
    assert counted.rows(selection()).schema.equals(counted.columns)
    without = Exporter("problem_id", empty.schema, lambda _: empty)
    assert with_tokens(without, Tokenizer(str(tmp_path))) is without


def test_a_tokenizer_without_template_is_named(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(MODEL, bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(RecipeError, match=r"^export\.tokenizer: model .*bare: its tokenizer has no chat template"):
        _ = Tokenizer(str(bare)).template


def test_a_template_that_turns_turns_down(tmp_path: Path) -> None:
    strict = tmp_path / "strict"
    shutil.copytree(MODEL, strict)
    (strict / "chat_template.jinja").write_text("{{ raise_exception('no system turn') }}")
    table = pa.table({"messages": column([[said("system", "x")]], MESSAGES)})
    with pytest.raises(RecipeError, match=r"export\.tokenizer: strict: .*no system turn.*such as `system`"):
        count(table, ("messages",), Tokenizer(str(strict)))


@pytest.mark.parametrize("name", ["nowhere/at/all", "./gone"])
def test_a_folder_that_is_not_there(name: str) -> None:
    with pytest.raises(RecipeError, match=r"^export\.tokenizer: model: there is no folder"):
        Tokenizer(name)


def test_a_tokenizer_that_cuts_texts_off_counts_them_whole(tmp_path: Path) -> None:
    cutting = tmp_path / "cutting"
    shutil.copytree(MODEL, cutting)
    content = json.loads((cutting / "tokenizer.json").read_text())
    content["truncation"] = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    (cutting / "tokenizer.json").write_text(json.dumps(content))
    assert count(pa.table({"text": ["1 2 3 4 5 6 7"]}), ("text",), Tokenizer(str(cutting)))["text"][0] == len(
        Tokenizer(str(MODEL)).template.tokens("1 2 3 4 5 6 7")
    )


def test_the_identity_is_the_models_files_without_their_place(tmp_path: Path, tokenizer: Tokenizer) -> None:
    moved = tmp_path / "tiny-reasoner"
    shutil.copytree(MODEL, moved)
    assert Tokenizer(str(moved)).identity == tokenizer.identity
    assert str(MODEL.parent) not in json.dumps(tokenizer.identity)
    template = tmp_path / "other.jinja"
    template.write_text("x")
    assert Tokenizer(str(MODEL), chat_template=str(template)).identity != tokenizer.identity
    (moved / "tokenizer_config.json").write_text("{}")
    assert Tokenizer(str(moved)).identity != tokenizer.identity


def test_lengths() -> None:
    counts = pa.table({"messages_tokens": pa.array([*range(100, 0, -1), None], pa.int32())})
    (found,) = token_lengths("sft", counts)
    assert found.model_dump() == {"format": "sft", "column": "messages", "median": 50, "p95": 95, "longest": 100}
    assert list(token_lengths("sft", counts.slice(0, 0))) == []
