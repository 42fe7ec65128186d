"""Every exporter goes through the same cases, and through the code of the trainers that read it."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from schemas.errors import PluginError
from tasks import plugins
from tasks.export.dialogues import DIALOGUE
from tasks.export.messages import MESSAGES
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection

NAMES = plugins.names(PACKAGE)
SYSTEM = "Think step by step."
PREFERENCE = ("prompt", "chosen", "rejected")


def build(name: str, **settings: object) -> Exporter:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(settings))
    return exporter


def with_system(name: str, system: str | None) -> dict[str, object]:
    """The setting, for the formats that have conversations."""
    return {"system": system} if "system" in plugins.load(PACKAGE, name).Config.model_fields else {}


@pytest.fixture
def empty(selection: Selection) -> Selection:
    none: dict[str, Any] = {
        name: table.slice(0, 0) for name, table in selection._asdict().items() if isinstance(table, pa.Table)
    }
    return selection._replace(**none)


def test_all_are_found() -> None:
    assert NAMES == [
        "dpo",
        "dpo_tools",
        "judge_dpo",
        "kto",
        "llamafactory_dpo",
        "llamafactory_sft",
        "llamafactory_tools",
        "math_shepherd",
        "open_instruct",
        "open_r1",
        "prm800k",
        "processbench",
        "self_correction",
        "sft",
        "sft_tools",
        "stepwise",
        "verl",
    ]
    with pytest.raises(PluginError, match="unknown name 'orpo' in exporters: use one of dpo, dpo_tools, judge_dpo"):
        plugins.load(PACKAGE, "orpo")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("system", [None, SYSTEM])
def test_rows_keep_the_contract(name: str, system: str | None, selection: Selection) -> None:
    exporter = build(name, **with_system(name, system))
    rows = exporter.rows(selection)
    assert rows.schema.equals(exporter.columns)
    rows.validate(full=True)
    row_ids = rows[exporter.id_column].to_pylist()
    assert 0 < len(row_ids) == len(set(row_ids))
    assert rows.equals(exporter.rows(selection))
    assert set(rows["problem_id"].to_pylist()) <= set(selection.problems["problem_id"].to_pylist())
    for column in (name for name in rows.column_names if name.endswith("trace_id")):
        assert set(rows[column].to_pylist()) <= set(selection.traces["trace_id"].to_pylist())
    kinds = {exporter.columns.field(column).type for column in exporter.texts}
    assert kinds <= {MESSAGES, DIALOGUE, pa.string()}
    assert exporter.tools == ("tools" in exporter.columns.names)


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

    exporter = build(name, **with_system(name, SYSTEM))
    rows = exporter.rows(selection)
    pq.write_table(rows, tmp_path / "part-0.parquet")
    dataset = load_dataset("parquet", data_files=str(tmp_path / "*.parquet"), split="train", cache_dir=str(tmp_path))
    jsons = [one for one in rows.column_names if rows[one].type == DIALOGUE]
    told = [row | {one: list(map(json.loads, row[one])) for one in jsons} for row in rows.to_pylist()]
    assert dataset.to_list() == told
    assert all(is_conversational(row) == (MESSAGES in exporter.columns.types or bool(jsons)) for row in dataset)


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
        ({"sources": ["b.jsonl"]}, []),
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


def test_self_correction_rows(selection: Selection) -> None:
    asked = {"role": "user", "content": "1 + 1?"}
    ids = {"problem_id": "p0", "trace_id": "t1", "parent_trace_id": "t2"}
    told = build("self_correction", marker="No. ").rows(selection).to_pylist()
    assert told == [{"messages": [asked, {"role": "assistant", "content": "3\nNo. two"}], **ids}]


def test_self_correction_leaves_out_what_people_found_wrong_and_what_lost_its_parent(selection: Selection) -> None:
    no_parent = selection._replace(traces=selection.traces.slice(0, 2))
    assert build("self_correction").rows(no_parent).num_rows == 0
    told = {"trace_id": ["t1"], "verifier": ["reviewers"], "first_wrong_step": pa.array([0], pa.int32())}
    found = selection._replace(verdicts=pa.table(told))
    assert build("self_correction").rows(found).num_rows == 0
    fine = found._replace(verdicts=pa.table(told | {"first_wrong_step": pa.array([-1], pa.int32())}))
    assert build("self_correction").rows(fine).num_rows == 1


@pytest.mark.parametrize(
    ("before", "answer"),
    [
        (None, "1\n\n2 + 2 = 5\n\nWait, 2 + 2 = 4\n\nfour"),
        ("2 + 2 = 5\n\nfive", "1\n\n2 + 2 = 5\n\nfive\n\nWait, 2 + 2 = 4\n\nfour"),
    ],
)
def test_self_correction_puts_the_marker_behind_the_wrong_step(
    before: str | None, answer: str, selection: Selection
) -> None:
    """A reviewer's own cut may make the wrong step longer than the trace's: the table of rewrites has it."""
    parent, child = "1\n\n2 + 2 = 5\n\nfive", "1\n\n2 + 2 = 4\n\nfour"
    first = selection.traces.slice(1, 2).to_pylist()
    more: tuple[dict[str, Any], ...] = ({"text": child, "fork_step": 1}, {"text": parent})
    made = [{**one, **change, "step_offsets": [0, 3, 14]} for one, change in zip(first, more, strict=True)]
    traces = pa.Table.from_pylist(made, selection.traces.schema)
    told = {"continuation_trace_id": ["t1"], "before": [before]} if before else None
    rewrites = pa.table(told) if told else selection.rewrites
    (row,) = build("self_correction").rows(selection._replace(traces=traces, rewrites=rewrites)).to_pylist()
    assert row["messages"][-1]["content"] == answer


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


def test_kto_rows(selection: Selection) -> None:
    rows = build("kto").rows(selection).to_pylist()
    assert [(row["trace_id"], row["label"]) for row in rows] == [
        ("t0", True),
        ("t1", True),
        ("t2", False),
        ("t3", True),
    ]
    assert rows[2] == {
        "prompt": [{"role": "user", "content": "1 + 1?"}],
        "completion": [{"role": "assistant", "content": "3"}],
        "label": False,
        "problem_id": "p0",
        "trace_id": "t2",
    }


def test_kto_takes_the_first_ids_of_each_label(selection: Selection) -> None:
    assert build("kto", per_problem=1).rows(selection)["trace_id"].to_pylist() == ["t0", "t2", "t3"]
    backwards = selection.traces.take(list(range(selection.traces.num_rows))[::-1])
    shuffled = selection._replace(traces=backwards)
    assert build("kto", per_problem=1).rows(shuffled)["trace_id"].to_pylist() == ["t3", "t2", "t0"]


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


def test_trl_renders_sft(selection: Selection, tokenizer: Any) -> None:
    from trl.data_utils import maybe_apply_chat_template

    row = build("sft", system=SYSTEM).rows(selection).to_pylist()[0]
    text = f"<|system|>{SYSTEM}<|end|><|user|>1 + 1?<|end|><|assistant|>1 + 1 = 2\n#### 2<|end|>"
    assert maybe_apply_chat_template(row, tokenizer)["text"] == text


def test_trl_renders_dpo(selection: Selection, tokenizer: Any) -> None:
    from trl.data_utils import maybe_apply_chat_template

    row = build("dpo").rows(selection).to_pylist()[0]
    rendered = maybe_apply_chat_template(row, tokenizer)
    assert {key: rendered[key] for key in PREFERENCE} == {
        "prompt": "<|user|>1 + 1?<|end|><|assistant|>",
        "chosen": "two<|end|>",
        "rejected": "3<|end|>",
    }


def test_trl_unpairs_dpo_into_ktos_columns(selection: Selection) -> None:
    from datasets import Dataset
    from trl.data_utils import unpair_preference_dataset

    pairs, single = (Dataset(build(name).rows(selection)) for name in ("dpo", "kto"))
    columns = ["prompt", "completion", "label"]
    unpaired = unpair_preference_dataset(pairs.select_columns(["prompt", "chosen", "rejected"])).select_columns(columns)
    assert unpaired.features == single.select_columns(columns).features
    answers = {row["completion"][0]["content"]: row["label"] for row in single}
    assert all(answers[row["completion"][0]["content"]] == row["label"] for row in unpaired)


def test_trl_renders_kto(selection: Selection, tokenizer: Any) -> None:
    from trl.data_utils import maybe_apply_chat_template

    row = build("kto").rows(selection).to_pylist()[2]
    rendered = maybe_apply_chat_template(row, tokenizer)
    assert {key: rendered[key] for key in ("prompt", "completion", "label")} == {
        "prompt": "<|user|>1 + 1?<|end|><|assistant|>",
        "completion": "3<|end|>",
        "label": False,
    }
