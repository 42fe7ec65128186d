"""Every exporter goes through the same cases, and through the code of the trainers that read it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from schemas.errors import PluginError
from schemas.tables import MESSAGES, REFERENCES, VERDICTS
from tasks import plugins
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection

NAMES = plugins.names(PACKAGE)
SYSTEM = "Think step by step."
PREFERENCE = ("prompt", "chosen", "rejected")
TEMPLATE = (
    "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def build(name: str, **settings: object) -> Exporter:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(settings))
    return exporter


def strings(**columns: list[str]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


@pytest.fixture
def selection() -> Selection:
    """Three problems; trace t5's problem is gone, and pair k3 refers to a trace that is gone."""
    texts = ["1 + 1 = 2\n#### 2", "two", "3", "<think>\nhm\n</think>\n\nfour é😀", "I do not know.", "9"]
    traces = strings(
        trace_id=[f"t{n}" for n in range(6)],
        problem_id=["p0", "p0", "p0", "p1", "p2", "gone"],
        text=texts,
        source=["a.jsonl"] * 6,
    )
    statuses = ["correct", "correct", "incorrect", "correct", "unverifiable", "correct"]
    pairs = strings(
        pair_id=["k1", "k2", "k3", "k4"],
        problem_id=["p0", "p0", "p0", "gone"],
        chosen_trace_id=["t1", "t0", "t0", "t5"],
        rejected_trace_id=["t2", "t2", "t9", "t2"],
        rule=["correct_vs_incorrect"] * 4,
    )
    asked = [{"role": "user", "content": "Is 1 + 1 = 2?"}]
    judgements = strings(judgement_id=["j0", "j1"], reply=['{"verdict": "correct"}', '{"verdict": "incorrect"}'])
    judgement_pairs = strings(
        pair_id=["m1", "m2", "m3"],
        problem_id=["p0", "p0", "gone"],
        trace_id=["t0", "t0", "t5"],
        judge=["grader"] * 3,
        chosen_judgement_id=["j0", "j0", "j0"],
        rejected_judgement_id=["j1", "gone", "j1"],
        rule=["meta_rewarding"] * 3,
    )
    return Selection(
        judgements=judgements.append_column("messages", pa.array([asked, asked], MESSAGES)),
        judgement_pairs=judgement_pairs,
        problems=strings(problem_id=["p0", "p1", "p2"], question=["1 + 1?", "2 + 2?", "Why?"]),
        traces=pa.concat_tables([traces.slice(0, 2), traces.slice(2)]),
        standings=strings(trace_id=[f"t{n}" for n in range(6)], status=statuses),
        pairs=pairs,
        references=REFERENCES.empty_table(),
        verdicts=VERDICTS.empty_table(),
    )


@pytest.fixture
def empty(selection: Selection) -> Selection:
    none: dict[str, Any] = {
        name: table.slice(0, 0) for name, table in selection._asdict().items() if isinstance(table, pa.Table)
    }
    return selection._replace(**none)


def test_all_are_found() -> None:
    assert NAMES == ["dpo", "judge_dpo", "sft"]
    with pytest.raises(PluginError, match="unknown name 'orpo' in exporters: use one of dpo, judge_dpo, sft"):
        plugins.load(PACKAGE, "orpo")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("system", [None, SYSTEM])
def test_rows_keep_the_contract(name: str, system: str | None, selection: Selection) -> None:
    exporter = build(name, system=system)
    rows = exporter.rows(selection)
    assert rows.schema.equals(exporter.columns)
    rows.validate(full=True)
    row_ids = rows[exporter.id_column].to_pylist()
    assert 0 < len(row_ids) == len(set(row_ids))
    assert rows.equals(exporter.rows(selection))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_selection_gives_no_rows(name: str, empty: Selection) -> None:
    exporter = build(name)
    rows = exporter.rows(empty)
    assert rows.num_rows == 0
    assert rows.schema.equals(exporter.columns)


@pytest.mark.parametrize("name", NAMES)
def test_settings_are_checked(name: str) -> None:
    with pytest.raises(ValidationError):
        build(name, sytem=SYSTEM)
    with pytest.raises(ValidationError):
        build(name, system="")


@pytest.mark.parametrize("name", NAMES)
def test_trl_reads_it_back_from_parquet(name: str, selection: Selection, tmp_path: Path) -> None:
    from datasets import load_dataset
    from trl.data_utils import is_conversational

    exporter = build(name, system=SYSTEM)
    rows = exporter.rows(selection)
    pq.write_table(rows, tmp_path / "part-0.parquet")
    dataset = load_dataset("parquet", data_files=str(tmp_path / "*.parquet"), split="train", cache_dir=str(tmp_path))
    assert dataset.to_list() == rows.to_pylist()
    assert all(is_conversational(row) for row in dataset)


def test_sft_rows(selection: Selection) -> None:
    rows = build("sft").rows(selection).to_pylist()
    assert rows[0] == {
        "messages": [{"role": "user", "content": "1 + 1?"}, {"role": "assistant", "content": "1 + 1 = 2\n#### 2"}],
        "problem_id": "p0",
        "trace_id": "t0",
        "source": "a.jsonl",
    }
    assert [row["trace_id"] for row in rows] == ["t0", "t1", "t3"]
    assert rows[2]["messages"][-1]["content"] == "<think>\nhm\n</think>\n\nfour é😀"


def test_sft_system_prompt(selection: Selection) -> None:
    for row in build("sft", system=SYSTEM).rows(selection).to_pylist():
        assert [turn["role"] for turn in row["messages"]] == ["system", "user", "assistant"]
        assert row["messages"][0]["content"] == SYSTEM


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"statuses": ["correct", "unverifiable"]}, ["t0", "t1", "t3", "t4"]),
        ({"statuses": ["incorrect"]}, ["t2"]),
        ({"per_problem": 1}, ["t1", "t3"]),
        ({"per_problem": 2}, ["t0", "t1", "t3"]),
        ({"per_problem": 1, "statuses": ["correct", "incorrect"]}, ["t2", "t3"]),
    ],
)
def test_sft_selects(settings: dict[str, object], expected: list[str], selection: Selection) -> None:
    assert build("sft", **settings).rows(selection)["trace_id"].to_pylist() == expected


def test_sft_prefers_the_first_id_among_equals(selection: Selection) -> None:
    texts = pa.array(["same"] * 6, pa.string())
    backwards = pa.array([f"t{n}" for n in (1, 0, 2, 3, 4, 5)], pa.string())
    traces = selection.traces.set_column(2, "text", texts).set_column(0, "trace_id", backwards)
    assert build("sft", per_problem=1).rows(selection._replace(traces=traces))["trace_id"].to_pylist() == ["t0", "t3"]


def test_dpo_rows(selection: Selection) -> None:
    rows = build("dpo").rows(selection).to_pylist()
    assert [row["pair_id"] for row in rows] == ["k1", "k2"]
    assert rows[0] == {
        "prompt": [{"role": "user", "content": "1 + 1?"}],
        "chosen": [{"role": "assistant", "content": "two"}],
        "rejected": [{"role": "assistant", "content": "3"}],
        "pair_id": "k1",
        "problem_id": "p0",
        "rule": "correct_vs_incorrect",
        "chosen_trace_id": "t1",
        "rejected_trace_id": "t2",
    }


@pytest.mark.parametrize("system", [None, SYSTEM])
def test_judge_dpo_rows(system: str | None, selection: Selection) -> None:
    """Pairs of which a judgement, the trace or the problem is gone are left out."""
    before = [{"role": "system", "content": system}] if system else []
    assert build("judge_dpo", system=system).rows(selection).to_pylist() == [
        {
            "prompt": [*before, {"role": "user", "content": "Is 1 + 1 = 2?"}],
            "chosen": [{"role": "assistant", "content": '{"verdict": "correct"}'}],
            "rejected": [{"role": "assistant", "content": '{"verdict": "incorrect"}'}],
            "pair_id": "m1",
            "problem_id": "p0",
            "rule": "meta_rewarding",
            "judge": "grader",
            "trace_id": "t0",
            "chosen_judgement_id": "j0",
            "rejected_judgement_id": "j1",
        }
    ]


@pytest.mark.parametrize("system", [None, SYSTEM])
def test_dpo_prompt_ends_with_the_user_and_answers_are_whole(system: str | None, selection: Selection) -> None:
    texts = dict(zip(*(selection.traces[name].to_pylist() for name in ("trace_id", "text")), strict=True))
    for row in build("dpo", system=system).rows(selection).to_pylist():
        assert [turn["role"] for turn in row["prompt"]] == (["system", "user"] if system else ["user"])
        for side in ("chosen", "rejected"):
            assert row[side] == [{"role": "assistant", "content": texts[row[f"{side}_trace_id"]]}]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A tokenizer that knows no words, for its chat template."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    make: Any = PreTrainedTokenizerFast
    return make(tokenizer_object=words, chat_template=TEMPLATE)


def test_trl_renders_sft(selection: Selection, tokenizer: Any) -> None:
    from trl.data_utils import maybe_apply_chat_template

    row = build("sft", system=SYSTEM).rows(selection).to_pylist()[0]
    text = f"<system>{SYSTEM}</s><user>1 + 1?</s><assistant>1 + 1 = 2\n#### 2</s>"
    assert maybe_apply_chat_template(row, tokenizer)["text"] == text


def test_trl_renders_dpo(selection: Selection, tokenizer: Any) -> None:
    from trl.data_utils import maybe_apply_chat_template

    row = build("dpo").rows(selection).to_pylist()[0]
    rendered = maybe_apply_chat_template(row, tokenizer)
    assert {key: rendered[key] for key in PREFERENCE} == {
        "prompt": "<user>1 + 1?</s><assistant>",
        "chosen": "two</s>",
        "rejected": "3</s>",
    }
