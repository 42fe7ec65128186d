"""Teach the bundled model to use a calculator: `python -m data.tiny_reasoner.train_tools --out FOLDER --minutes 10`.

Goes on from `data/models/tiny-reasoner` with a few tokens more. With `--steps` the schedule counts steps in place of
minutes. Writes what `data.tiny_reasoner.train` writes.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from data.tiny_reasoner.tools import ADDED, CHAT_TEMPLATE, TOOL, conversations
from data.tiny_reasoner.train import SEED, Schedule, batches, fit, save

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BASE: Final = Path(__file__).parents[1] / "models/tiny-reasoner"
RATE: Final = 1.5e-3
ROUNDED: Final = 8
"""The vocabulary is rounded up to a multiple of this."""


def extended(base: Path) -> "tuple[LlamaForCausalLM, PreTrainedTokenizerFast]":
    """The model and its tokenizer with the tokens of calls; each begins as the mean of what its text was before."""
    load: Any = AutoTokenizer.from_pretrained
    tokenizer: Any = load(base)
    before = [tokenizer(one, add_special_tokens=False)["input_ids"] for one in (TOOL, *ADDED)]
    tokenizer.add_special_tokens({"additional_special_tokens": [TOOL]}, replace_extra_special_tokens=False)
    tokenizer.add_tokens(list(ADDED))
    tokenizer.chat_template = CHAT_TEMPLATE
    make: Any = LlamaForCausalLM.from_pretrained
    model: LlamaForCausalLM = make(base, dtype=torch.float32, attn_implementation="eager")
    torch.manual_seed(SEED)
    model.resize_token_embeddings(len(tokenizer), pad_to_multiple_of=ROUNDED)
    weights: torch.Tensor = getattr(model.get_input_embeddings(), "weight").data  # noqa: B009 - its type has none
    for one, ids in zip((TOOL, *ADDED), before, strict=True):
        weights[tokenizer.convert_tokens_to_ids(one)] = weights[ids].mean(0)
    return model, tokenizer


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model, tokenizer = extended(BASE)
    source = batches(tokenizer, f"tools {SEED}", conversations(f"tools {SEED}"))
    facts = fit(model, tokenizer, source, Schedule(arguments.minutes, arguments.steps, RATE))
    save(arguments.out, model, tokenizer, facts)


if __name__ == "__main__":
    main()
