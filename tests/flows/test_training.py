"""TRL's own trainers take real steps on what is exported, with the bundled model."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.curate import curate
from schemas.refs import ReleaseManifest
from tasks.places import DATA

pytestmark = pytest.mark.usefixtures("prefect_server")

STEPS = 3
RECIPE = """
name: trained
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
  completions: [{text: "texts[]", model: m}]
preferences: {rules: {correct_vs_incorrect: {}, shared_prefix: {}}}
export:
  validation: 0.25
  tokenizer: "${TRACEMILL_DATA}/models/tiny-reasoner"
  formats: {sft: {system: Think.}, dpo: {}, kto: {}}
"""
Trainer = Callable[..., Any]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Path:
    """A release of gold solutions and of the same with a wrong last line."""
    folder = tmp_path_factory.mktemp("trained")
    rows = [json.loads(line) for line in (DATA / "samples/demo-problems.jsonl").read_text().splitlines()[:40]]
    for row in rows:
        steps, _, _ = row["solution"].rpartition("\n")
        row["texts"] = [row.pop("solution"), f"{steps}\nSo we find \\boxed{{{int(row['answer']) + 1}}}."]
    (folder / "traces.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "recipe.yaml").write_text(RECIPE % (folder / "traces.jsonl"))
    release: ReleaseManifest = curate(str(folder / "recipe.yaml"), str(folder / "lake"))
    return folder / "lake/releases" / release.name / release.version


def options() -> dict[str, Any]:
    return {
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4,
        "max_steps": STEPS,
        "logging_steps": 1,
        "learning_rate": 1e-4,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "disable_tqdm": True,
    }


def of_sft() -> tuple[Trainer, Trainer]:
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    return SFTTrainer, SFTConfig


def of_dpo() -> tuple[Trainer, Trainer]:
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    return DPOTrainer, DPOConfig


def of_kto() -> tuple[Trainer, Trainer]:
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    return KTOTrainer, KTOConfig


@pytest.mark.parametrize(("name", "classes"), [("sft", of_sft), ("dpo", of_dpo), ("kto", of_kto)])
def test_a_trainer_takes_steps(
    name: str, classes: Callable[[], tuple[Trainer, Trainer]], released: Path, tmp_path: Path
) -> None:
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = DATA / "models/tiny-reasoner"
    splits = {split: f"{released}/{name}/{split}/*.parquet" for split in ("train", "validation")}
    rows = load_dataset("parquet", data_files=splits, cache_dir=str(tmp_path / "cache"))
    assert not set(rows["train"]["problem_id"]) & set(rows["validation"]["problem_id"])
    make: Any = AutoModelForCausalLM.from_pretrained
    loaded = make(model, dtype=torch.float32)
    before = {key: value.clone() for key, value in loaded.state_dict().items()}
    trainer_of, options_of = classes()
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    trainer = trainer_of(
        model=loaded,
        args=options_of(output_dir=str(tmp_path), **options()),
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        processing_class=tokenizer,
    )
    trainer.train()
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    assert len(losses) == trainer.state.global_step == STEPS
    assert all(map(math.isfinite, map(float, losses)))
    after = loaded.state_dict()
    assert any(not torch.equal(before[key], after[key]) for key in before)
    assert math.isfinite(trainer.evaluate()["eval_loss"])


def test_tokens_are_counted_as_trl_counts_them(released: Path, tmp_path: Path) -> None:
    """What a row's columns say is the length of what TRL would train on."""
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = DATA / "models/tiny-reasoner"
    files = f"{released}/dpo/train/*.parquet"
    rows = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    trainer_of, options_of = of_dpo()
    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    make: Any = AutoModelForCausalLM.from_pretrained
    args = options_of(output_dir=str(tmp_path), **options())
    trainer = trainer_of(model=make(model), args=args, train_dataset=rows, processing_class=tokenizer)
    for row, seen in zip(rows, trainer.train_dataset, strict=True):
        counted = [row[f"{column}_tokens"] for column in ("prompt", "chosen", "rejected")]
        assert counted == [len(seen[f"{column}_ids"]) for column in ("prompt", "chosen", "rejected")]
