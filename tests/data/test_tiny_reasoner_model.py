"""The committed model: small, loads unchanged, renders its chat, solves held-out problems, goes on from a rewrite."""

from pathlib import Path
from random import Random

import pytest

from data.tiny_reasoner.documents import solve_prompt
from data.tiny_reasoner.evaluate import Loaded, complete, held_out, is_right, load, prompt_of, rewritten_prompts
from data.tiny_reasoner.evaluate import share as interval

FOLDER = Path(__file__).parents[2] / "data" / "models" / "tiny-reasoner"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(FOLDER)


def test_it_is_a_small_llama(loaded: Loaded) -> None:
    assert (FOLDER / "model.safetensors").stat().st_size <= 12_000_000
    assert loaded.model.config.model_type == "llama"
    assert loaded.model.config.tie_word_embeddings


def test_its_chat_renders_as_it_was_trained(loaded: Loaded) -> None:
    messages = [{"role": "user", "content": "How many?"}]
    text = loaded.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == prompt_of("How many?")


def test_any_text_comes_back_from_its_tokens(loaded: Loaded) -> None:
    text = "Zoë’s 1,250 €-notes\n\t→ 数 12 + 7 = 19\n"
    ids = loaded.tokenizer(text)["input_ids"]
    assert loaded.tokenizer.decode(ids) == text
    assert len(loaded.tokenizer("1250")["input_ids"]) == 4


def test_it_solves_held_out_problems(loaded: Loaded) -> None:
    rng = Random(0)
    asked = held_out(20)
    completions = complete(loaded, [prompt_of(solve_prompt(one, rng)) for one in asked], temperature=0.7)
    assert sum(map(is_right, completions, asked)) >= 6


def test_it_goes_on_from_a_rewritten_step(loaded: Loaded) -> None:
    asked = held_out(20)
    completions = complete(loaded, rewritten_prompts(asked, Random(0)), temperature=0.7)
    assert sum(map(is_right, completions, asked)) >= 5


def test_an_interval_holds_its_share() -> None:
    found = interval(45, 50)
    assert found == {"share": 0.9, "low": 0.786, "high": 0.957, "n": 50}
