"""The text of sampled tokens."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ANCHOR: Final = 4
"""Tokens of the prompt that are decoded along: some tokenizers drop the space before a text's first word."""


def decoded(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """The text of these tokens alone, without the special ones."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def text_after(tokenizer: "PreTrainedTokenizerBase", prompt: Sequence[int], ids: Sequence[int]) -> str:
    """What the tokens `ids` add to the text of `prompt`; special tokens are left out."""
    anchor = list(prompt[-ANCHOR:])
    before, text = decoded(tokenizer, anchor), decoded(tokenizer, [*anchor, *ids])
    return text[len(before) :] if text.startswith(before) else decoded(tokenizer, ids)
