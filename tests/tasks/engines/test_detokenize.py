"""The text of sampled tokens, with the tokenizers' own ways of beginning a text."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from tasks.engines.detokenize import text_after

MODEL = str(Path(__file__).parents[3] / "data/models/tiny-reasoner")


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(scope="module")
def spaced() -> PreTrainedTokenizerBase:
    """One of the SentencePiece kind: a word carries the space before it, which is dropped where a text begins."""
    words = ["<unk>", "</s>", "▁the", "▁sum", "▁is", "▁8", "."]
    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    build: Any = PreTrainedTokenizerFast
    built: PreTrainedTokenizerBase = build(tokenizer_object=made, unk_token="<unk>", eos_token="</s>")
    return built


@settings(max_examples=50, deadline=None)
@given(prompt=st.text(max_size=20), said=st.text(max_size=60))
def test_what_was_said_comes_back(tokenizer: PreTrainedTokenizerBase, prompt: str, said: str) -> None:
    ids = tokenizer.encode(said, add_special_tokens=False)
    assert text_after(tokenizer, tokenizer.encode(prompt, add_special_tokens=False), ids) == said


def test_the_space_before_the_first_word_is_kept(spaced: PreTrainedTokenizerBase) -> None:
    assert spaced.decode([4, 5]) == "is 8"
    assert text_after(spaced, [2, 3], [4, 5]) == " is 8"
    assert text_after(spaced, [], [4, 5]) == "is 8"


def test_special_tokens_are_left_out(spaced: PreTrainedTokenizerBase) -> None:
    assert text_after(spaced, [1, 2, 1], [3, 1, 4]) == " sum is"


def test_nothing_said_is_no_text(tokenizer: PreTrainedTokenizerBase) -> None:
    assert text_after(tokenizer, [5, 6], []) == ""
