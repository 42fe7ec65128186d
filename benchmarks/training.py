"""Training on releases with TRL, as its users do: DPO with a likelihood term, and supervised fine-tuning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

CHECKPOINT = "checkpoint-{step}"


class Training(NamedTuple):
    """How long and how fast; everything else is TRL's default, but for what a CPU needs."""

    learning_rate: float
    epochs: float
    batch: int
    seed: int
    checkpoints: int = 1
    """How many models are saved on the way, the last one at the end."""


class Preference(NamedTuple):
    """IRPO's loss (arXiv 2404.19733, equation 1): DPO with `beta`, and `alpha` times the chosen text's mean NLL."""

    beta: float
    alpha: float


def irpo(model: Path, pairs: Path, out: Path, how: Training, loss: Preference) -> list[Path]:
    """Train with DPO + NLL on a folder of `dpo` rows; the saved models."""
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    def build(rows: Any, common: dict[str, Any], loaded: Any, tokenizer: Any) -> Any:
        losses: Any = {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, loss.alpha]}
        options = DPOConfig(beta=loss.beta, max_length=None, **losses, **common)
        return DPOTrainer(model=loaded, args=options, train_dataset=rows, processing_class=tokenizer)

    return _train(model, pairs, out, how, build)


def sft(model: Path, messages: Path, out: Path, how: Training) -> list[Path]:
    """Fine-tune on a folder of `sft` rows, on the assistant's turns; the saved models."""
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    def build(rows: Any, common: dict[str, Any], loaded: Any, tokenizer: Any) -> Any:
        rows = rows.map(_split_answer, remove_columns=rows.column_names)
        options = SFTConfig(max_length=None, **common)
        return SFTTrainer(model=loaded, args=options, train_dataset=rows, processing_class=tokenizer)

    return _train(model, messages, out, how, build)


def _split_answer(row: dict[str, Any]) -> dict[str, Any]:
    """TRL leaves the prompt out of the loss where it is a column of its own."""
    *prompt, answer = row["messages"]
    return {"prompt": prompt, "completion": [answer]}


def _train(
    model: Path, data: Path, out: Path, how: Training, build: Callable[[Any, dict[str, Any], Any, Any], Any]
) -> list[Path]:
    import torch
    from datasets import load_dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    rows = load_dataset("parquet", data_files=str(data / "*.parquet"), split="train", cache_dir=str(out / "cache"))
    tokenizer = AutoTokenizer.from_pretrained(model)
    loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    steps = max(1, round(len(rows) * how.epochs / how.batch))
    every = max(1, steps // how.checkpoints)
    common: dict[str, Any] = {
        "output_dir": str(out),
        "per_device_train_batch_size": how.batch,
        "learning_rate": how.learning_rate,
        "lr_scheduler_type": "cosine",
        "warmup_steps": min(10, steps // 4),
        "max_steps": every * how.checkpoints,
        "save_steps": every,
        "save_only_model": True,
        "logging_steps": every,
        "seed": how.seed,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "report_to": [],
        "disable_tqdm": True,
    }
    build(rows, common, loaded, tokenizer).train()
    return [_rounded(out / CHECKPOINT.format(step=every * (number + 1)), model) for number in range(how.checkpoints)]


def _rounded(folder: Path, base: Path) -> Path:
    """The saved model in bfloat16 like the one it began as, with that one's tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder
