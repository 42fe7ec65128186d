"""Rows that come and go are decoded as if each were alone."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from schemas.errors import EngineError
from tasks.engines.contract import Finish, Sampling
from tasks.engines.decoding import Decoder, Row

MODEL = str(Path(__file__).parents[3] / "data/models/tiny-reasoner")
SMALL: dict[str, Any] = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "initializer_range": 0.5,
}
KINDS: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {"tie_word_embeddings": True},
    "mistral": {"sliding_window": 16},
    "gemma3_text": {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]},
}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(MODEL)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other are slow where tests run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made(kind: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    auto: Any = AutoModelForCausalLM
    return auto.from_config(AutoConfig.for_model(kind, **SMALL | settings), dtype=torch.float32).eval()


def greedy(model: Any, row: Row[int], **settings: Any) -> list[int]:
    """What transformers' own generate makes of a prompt alone."""
    ids = torch.tensor([row.prompt])
    settings |= {"attention_mask": torch.ones_like(ids), "max_new_tokens": row.limit, "do_sample": False}
    whole: list[int] = model.generate(ids, **settings)[0].tolist()
    return whole[len(row.prompt) :]


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> Any:
    return made(request.param, **KINDS[request.param])


def row(name: int, prompt: list[int], limit: int, **sampling: Any) -> Row[int]:
    return Row(name, prompt, Sampling.model_validate({"temperature": 0} | sampling), limit, name)


def decode(decoder: Decoder[int], rows: list[Row[int]], slots: int) -> dict[int, Row[int]]:
    """Fill the slots as they come free, in bites of three."""
    waiting, done = list(rows), {}
    while waiting or decoder.rows:
        taken = waiting[: min(3, slots - len(decoder.rows))]
        del waiting[: len(taken)]
        decoder.admit(taken)
        done.update({one.ticket: one for one in decoder.step()})
    return done


def test_rows_that_come_and_go_are_as_alone(model: Any, tokenizer: Any) -> None:
    chance = random.Random(1)
    rows: list[Row[int]] = []
    for name in range(14):
        prompt = [chance.randrange(5, 1000) for _ in range(chance.choice([1, 2, 9, 40]))]
        rows.append(row(name, list(rows[-1].prompt) if name % 4 == 3 else prompt, chance.randrange(1, 40)))
    done = decode(Decoder(model, tokenizer, 5), rows, 5)
    assert [done[one.ticket].ids for one in rows] == [greedy(model, one) for one in rows]


def test_slots_grow_past_their_first_columns(tokenizer: Any) -> None:
    model = made("llama")
    rows = [row(0, list(range(5, 300)), 300), row(1, list(range(5, 20)), 280)]
    decoder: Decoder[int] = Decoder(model, tokenizer, 2)
    decoder._ends = frozenset()
    done = decode(decoder, rows, 2)
    assert [done[one.ticket].ids for one in rows] == [greedy(model, one, eos_token_id=-1) for one in rows]
    assert {one.finish for one in done.values()} == {Finish.LENGTH}


def test_rows_may_leave_early(model: Any, tokenizer: Any) -> None:
    rows = [row(name, [7 + name, 8, 9], 30) for name in range(6)]
    alone = decode(Decoder(model, tokenizer, 1), [row(name, [7 + name, 8, 9], 30) for name in range(6)], 1)
    decoder: Decoder[int] = Decoder(model, tokenizer, 6)
    decoder.admit(rows)
    done = {one.ticket: one for _ in range(4) for one in decoder.step()}
    gone = {one.ticket for one in decoder.leave(lambda one: one.ticket % 2 == 0)}
    done |= decode(decoder, [], 6)
    assert gone | done.keys() == set(range(6))
    assert all(one.ids == alone[name].ids for name, one in done.items())


def test_the_space_before_the_first_word_stays(tokenizer: Any) -> None:
    class Stripping:
        eos_token_id = 1

        def decode(self, ids: list[int], **_: Any) -> str:
            return "".join(" w" + str(one) for one in ids).lstrip()

    stripping: Any = Stripping()
    decoder: Decoder[int] = Decoder(made("llama"), stripping, 1)
    [done] = decode(decoder, [row(0, [7, 8], 2)], 1).values()
    assert done.text == "".join(f" w{one}" for one in done.ids)


def test_a_model_that_remembers_otherwise_is_turned_down(tokenizer: Any) -> None:
    model = made("llama")
    model.config.layer_types = ["linear_attention", "full_attention"]
    with pytest.raises(EngineError, match="linear_attention: use the engine vllm or openai"):
        Decoder(model, tokenizer, 2)
