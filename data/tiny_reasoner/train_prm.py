"""Train the bundled reward model: `python -m data.tiny_reasoner.train_prm --release RELEASE --out FOLDER`.

RELEASE is one of tracemill's, with the format `stepwise`; its labels are all that is known of steps. The bundled model
gets a head with two labels, which is read at the end of each step's line, and is trained on with it: cross-entropy
there (Math-Shepherd, Wang et al. 2023, arXiv 2312.08935, section 3.4). Writes the model in bf16, its tokenizer, and
`training.json` with what was done.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import pyarrow.dataset as ds
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from data.tiny_reasoner.train import ROUNDED, descend, optimizers, share
from tasks.engines.contract import Graded
from tasks.engines.grading import Grader, Reading, Text
from tasks.places import DATA
from tasks.prompts import Prompting, messages

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BASE: Final = DATA / "models/tiny-reasoner"
BATCH: Final = 32
POOL: Final = 32
"""Batches drawn together and sorted by length, so that little is padding."""
IGNORED: Final = -100


class Row(NamedTuple):
    """A trace's first steps, and which of them are right."""

    question: str
    steps: tuple[str, ...]
    labels: tuple[bool, ...]


class Training(NamedTuple):
    """How long and how fast."""

    epochs: float = 2.5
    rate: float = 1.5e-3
    seed: int = 0


def rows_of(release: Path) -> list[Row]:
    """The rows of a release's format `stepwise`."""
    table: Any = ds.dataset(release / "stepwise/train", format="parquet")
    read = table.to_table(columns=["prompt", "completions", "labels"]).to_pylist()
    return [Row(row["prompt"], tuple(row["completions"]), tuple(row["labels"])) for row in read]


def train(rows: Sequence[Row], how: Training) -> "PreTrainedModel":
    """The bundled model, trained to tell right steps from wrong ones."""
    torch.manual_seed(how.seed)
    load: Any = AutoModelForTokenClassification.from_pretrained
    model = load(BASE, num_labels=2, dtype=torch.float32, attn_implementation="eager")
    model.train()
    encoded = _encoded(rows)
    steps = ceil(len(encoded) * how.epochs / BATCH)
    those = optimizers(model)
    started = time.monotonic()
    for done, batch in enumerate(_batches(encoded, steps, how.seed), 1):
        loss = _loss(model, batch)
        descend(model, those, loss, how.rate * share(done / (steps + 1)))
        if done % 50 == 0 or done == steps:
            sys.stdout.write(
                f"{time.monotonic() - started:6.0f} s  step {done} of {steps}  loss {float(loss.detach()):.3f}\n"
            )
            sys.stdout.flush()
    return cast("PreTrainedModel", model.eval())


def save(model: "PreTrainedModel", out: Path, facts: dict[str, object]) -> None:
    """Write a model in bf16, with the bundled model's tokenizer and what was done."""
    cast("Any", model).bfloat16().save_pretrained(out)
    tokenizer: Any = AutoTokenizer
    tokenizer.from_pretrained(BASE).save_pretrained(out)
    (out / "training.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")


def graded(question: str, steps: Sequence[str]) -> Graded:
    """What a scorer is asked about a trace."""
    return Graded("", messages("math", question, Prompting()), tuple(steps))


def _encoded(rows: Sequence[Row]) -> list[tuple[Text, tuple[bool, ...]]]:
    """As the engine `reward` reads them."""
    grader = Grader(Reading(), str(BASE), None)
    return [(grader.texts(graded(row.question, row.steps))[0], row.labels) for row in rows]


def _batches(
    encoded: Sequence[tuple[Text, tuple[bool, ...]]], steps: int, seed: int
) -> Iterator[list[tuple[Text, tuple[bool, ...]]]]:
    """So many batches of texts of similar length; in an epoch each text comes once."""
    rng = Random(seed)  # noqa: S311 - an order, not a secret
    waiting: list[tuple[Text, tuple[bool, ...]]] = []
    pool: list[list[tuple[Text, tuple[bool, ...]]]] = []
    for _ in range(steps):
        if not pool:
            while len(waiting) < BATCH * POOL:
                waiting += rng.sample(encoded, len(encoded))
            now = sorted(waiting[: BATCH * POOL], key=lambda one: len(one[0].ids))
            del waiting[: BATCH * POOL]
            pool = [now[start : start + BATCH] for start in range(0, len(now), BATCH)]
            rng.shuffle(pool)
        yield pool.pop()


def _loss(model: Any, batch: Sequence[tuple[Text, tuple[bool, ...]]]) -> torch.Tensor:
    longest = -(-max(len(text.ids) for text, _ in batch) // ROUNDED) * ROUNDED
    ids = torch.zeros(len(batch), longest, dtype=torch.long)
    wanted = torch.full_like(ids, IGNORED)
    mask = torch.zeros_like(ids)
    for row, (text, labels) in enumerate(batch):
        ids[row, : len(text.ids)] = torch.tensor(text.ids)
        mask[row, : len(text.ids)] = 1
        wanted[row, list(text.places)] = torch.tensor(labels, dtype=torch.long)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(input_ids=ids, attention_mask=mask).logits
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=IGNORED)


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=Training().epochs)
    parser.add_argument("--rate", type=float, default=Training().rate)
    parser.add_argument("--seed", type=int, default=Training().seed)
    arguments = parser.parse_args()
    rows = rows_of(arguments.release)
    how = Training(arguments.epochs, arguments.rate, arguments.seed)
    started = time.monotonic()
    model = train(rows, how)
    labels = [label for row in rows for label in row.labels]
    facts = {**how._asdict(), "texts": len(rows), "steps": len(labels), "right": sum(labels)}
    save(model, arguments.out, {**facts, "seconds": round(time.monotonic() - started)})


if __name__ == "__main__":
    main()
