"""The model's tokenizer: byte-level BPE, so that any text can be read, with every digit a token of its own."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from data.tiny_reasoner.documents import CHAT_TEMPLATE, END, PAD, SPECIALS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VOCABULARY: Final = 1024
CONTEXT: Final = 1024
PIECES: Final = r"\d| ?[^\s\d]+|\s"
"""A digit, a word with the space before it, or one space or line break: a line's tokens end where it ends."""


def train_tokenizer(texts: Iterable[str]) -> "PreTrainedTokenizerFast":
    """A tokenizer of `VOCABULARY` tokens, with the special tokens first."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(PIECES), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast: Any = PreTrainedTokenizerFast
    wrapped: PreTrainedTokenizerFast = fast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def save_tokenizer(tokenizer: "PreTrainedTokenizerFast", out: Path) -> None:
    """Write the tokenizer, its class named so that transformers 4 and 5 both know it, and not where it was from."""
    tokenizer.save_pretrained(out)
    path = out / "tokenizer_config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), "tokenizer_class": "PreTrainedTokenizerFast"}
    for name in ("is_local", "local_files_only"):
        config.pop(name, None)
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
