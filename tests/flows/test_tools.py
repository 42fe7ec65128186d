"""Traces that use tools, from a model that was taught to: sampled, verified, published, and read by a trainer."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from flows.refresh import refresh
from schemas.refs import ReleaseManifest
from tasks.lake import Lake
from tasks.places import DATA
from tasks.text.conversation import loaded

pytestmark = pytest.mark.usefixtures("prefect_server")

MODEL = DATA / "models/tiny-tools"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> tuple[Lake, ReleaseManifest]:
    """A release of the recipe's first problems."""
    folder = tmp_path_factory.mktemp("tools")
    rows = (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:8]
    problems = folder / "problems.jsonl"
    problems.write_text("\n".join(rows))
    settings = [f"ingest.source.path={problems}", "generate.samplers.tiny.n=2", "export.formats.sft={}"]
    release: ReleaseManifest = refresh("tool-use", str(folder / "lake"), settings)
    return Lake(str(folder / "lake")), release


def test_the_model_calls_and_is_mostly_right(made: tuple[Lake, ReleaseManifest]) -> None:
    lake, release = made
    traces = lake.rows(release.tables, "traces").to_pylist()
    assert len(traces) == 16
    for row in traces:
        roles = [one.role for one in loaded(row["conversation"]).messages]
        assert roles[:3] == ["user", "assistant", "tool"]
        assert "```calculator\n" in row["text"]
        assert row["search"]["strategy"] == "tools"
        assert row["search"]["note"].startswith("calls: ")
        assert "hung" not in row["search"]["note"]
        assert len(row["step_offsets"]) >= roles.count("assistant")
    assert release.summary.exported["sft_tools/train"] >= 11
    assert release.summary.exported["llamafactory_tools/train"] == release.summary.exported["sft_tools/train"]


def test_what_formats_without_a_place_for_calls_leave_out_is_said(made: tuple[Lake, ReleaseManifest]) -> None:
    _, release = made
    kept = sum(release.summary.kept_verdicts.values())
    assert release.summary.exported["sft/train"] == 0
    assert release.summary.left_out == f"{kept} traces called tools; without a place for calls: sft"


def test_a_trainer_takes_a_step_on_it(made: tuple[Lake, ReleaseManifest], tmp_path: Path) -> None:
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    lake, release = made
    files = f"{lake.url}/releases/{release.name}/{release.version}/sft_tools/train/*.parquet"
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    load: Any = AutoTokenizer.from_pretrained
    make: Any = AutoModelForCausalLM.from_pretrained
    tokenizer = load(MODEL)
    args = SFTConfig(
        output_dir=str(tmp_path), max_steps=1, per_device_train_batch_size=2, use_cpu=True, bf16=False, report_to=[],
        save_strategy="no", logging_steps=1, gradient_checkpointing=False, disable_tqdm=True,
    )  # fmt: skip
    trainer: Any = SFTTrainer(
        model=make(MODEL, dtype=torch.float32), args=args, train_dataset=rows, processing_class=tokenizer
    )
    seen = tokenizer.decode(trainer.train_dataset[0]["input_ids"])
    assert seen.startswith("<|system|>Tools: calculator<|end|><|user|>")
    assert '<tool_call>\n{"name": "calculator", "arguments": {"expression": "' in seen
    assert "<|tool|>" in seen
    assert json.loads(rows[0]["tools"])[0]["function"]["name"] == "calculator"
    assert rows[0]["messages_tokens"] == len(trainer.train_dataset[0]["input_ids"])
    trainer.train()
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    assert losses
    assert all(map(math.isfinite, losses))
