"""Train the bundled model from scratch: `python -m data.tiny_reasoner.train --out FOLDER --minutes 16`.

About ten million tokens on two cores. With `--steps` the schedule counts steps in place of minutes, so that a run can
be repeated. Writes the model in bf16, its tokenizer, and `training.json` with what was done.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from math import cos, pi
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from data.tiny_reasoner.documents import Span, documents
from data.tiny_reasoner.tokenizer import CONTEXT, VOCABULARY, save_tokenizer, train_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SEED: Final = 7
RATE: Final = 3e-3
WARM_UP: Final = 0.03
"""The share of the training in which the learning rate rises."""
BATCH: Final = 16
POOL: Final = 64
"""Batches drawn together and sorted by length, so that little is padding."""
ROUNDED: Final = 32
"""Lengths are rounded up to this: kernels for few shapes are quicker than kernels for many."""
TOKENIZED: Final = 20_000
"""Conversations that the tokenizer is trained on."""

Batch = tuple[torch.Tensor, torch.Tensor]


def new_model(tokenizer: "PreTrainedTokenizerFast") -> LlamaForCausalLM:
    """An untrained Llama of about 2 million parameters."""
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")  # On a CPU twice as quick as the fused kernel, backwards.
    return model


class Schedule(NamedTuple):
    """How long is trained: for these minutes, or these steps; and the highest learning rate."""

    minutes: float
    steps: int | None
    rate: float = RATE


def batches(tokenizer: "PreTrainedTokenizerFast", seed: str, source: Iterator[list[Span]]) -> Iterator[Batch]:
    """Endless batches of token ids and labels, of conversations of similar length."""
    rng = Random(seed)  # noqa: S311 - an order, not a secret
    while True:
        pool = sorted((_encode(tokenizer, one) for one in islice(source, BATCH * POOL)), key=lambda one: len(one[0]))
        starts = list(range(0, len(pool), BATCH))
        rng.shuffle(starts)
        yield from (_pad(pool[start : start + BATCH], tokenizer.pad_token_id) for start in starts)


def train(out: Path, schedule: Schedule) -> None:
    """Train a new model and write it to a folder."""
    texts = ("".join(span.text for span in one) for one in islice(documents("tokenizer"), TOKENIZED))
    tokenizer = train_tokenizer(texts)
    model = new_model(tokenizer)
    seed = f"train {SEED}"
    save(out, model, tokenizer, fit(model, tokenizer, batches(tokenizer, seed, documents(seed)), schedule))


def fit(
    model: LlamaForCausalLM, tokenizer: "PreTrainedTokenizerFast", source: Iterator[Batch], schedule: Schedule
) -> dict[str, int]:
    """Train on a schedule, and say what was done."""
    started, done, tokens = time.monotonic(), 0, 0
    those = optimizers(model)
    for ids, labels in source:
        seconds = time.monotonic() - started
        progress = done / schedule.steps if schedule.steps else seconds / (60 * schedule.minutes)
        if progress >= 1:
            break
        loss = _step(model, those, (ids, labels), schedule.rate * share(progress))
        done, tokens = done + 1, tokens + int((ids != tokenizer.pad_token_id).sum())
        if done % 50 == 0:
            speed = tokens / (time.monotonic() - started)
            sys.stdout.write(f"{seconds:6.0f} s  step {done}  tokens {tokens:,}  {speed:,.0f}/s  loss {loss:.3f}\n")
            sys.stdout.flush()
    return {"seed": SEED, "steps": done, "tokens": tokens, "seconds": round(time.monotonic() - started)}


def save(out: Path, model: LlamaForCausalLM, tokenizer: "PreTrainedTokenizerFast", facts: Mapping[str, int]) -> None:
    """Write the model in bf16, its tokenizer, and what was done."""
    model.bfloat16().save_pretrained(out)
    save_tokenizer(tokenizer, out)
    (out / "training.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _encode(tokenizer: "PreTrainedTokenizerFast", spans: list[Span]) -> tuple[list[int], list[int]]:
    encoded = tokenizer([span.text for span in spans], add_special_tokens=False)["input_ids"]
    ids = [one for part in encoded for one in part]
    labels = [one if span.learnt else -100 for span, part in zip(spans, encoded, strict=True) for one in part]
    return ids, labels


def _pad(rows: list[tuple[list[int], list[int]]], pad: int) -> Batch:
    longest = -(-max(len(ids) for ids, _ in rows) // ROUNDED) * ROUNDED
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row, _ in rows])
    return ids, torch.tensor([labels + [-100] * (longest - len(labels)) for _, labels in rows])


def optimizers(model: torch.nn.Module) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for the embeddings and norms."""
    matrices = [one for name, one in model.named_parameters() if one.ndim == 2 and "layers" in name]
    known = {id(one) for one in matrices}
    others = [one for one in model.parameters() if id(one) not in known]
    muon = torch.optim.Muon(matrices, lr=RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, lr=RATE, betas=(0.9, 0.98), weight_decay=0.0)]


def share(progress: float) -> float:
    """Of the highest learning rate: up in a line, then down along a cosine."""
    if progress < WARM_UP:
        return max(progress / WARM_UP, 0.02)
    return 0.02 + 0.98 * (1 + cos(pi * (progress - WARM_UP) / (1 - WARM_UP))) / 2


def descend(model: torch.nn.Module, those: list[torch.optim.Optimizer], loss: torch.Tensor, rate: float) -> None:
    """One step of the optimizers."""
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in those:
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()


def _step(model: LlamaForCausalLM, those: list[torch.optim.Optimizer], batch: Batch, rate: float) -> float:
    ids, labels = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss: torch.Tensor = model(input_ids=ids, labels=labels).loss
    descend(model, those, loss, rate)
    return float(loss.detach())


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=16)
    parser.add_argument("--steps", type=int, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    train(arguments.out, Schedule(arguments.minutes, arguments.steps))


if __name__ == "__main__":
    main()
