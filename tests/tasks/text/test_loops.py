"""Texts caught in a loop, and texts that are not."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text.loops import CHARS, PERIOD, REPEATS, repeats

GSM8K = Path(__file__).parents[4] / "shared/data/gsm8k/example_model_solutions.jsonl"
STORY = "Ana has 12 eggs and sells 5 of them.\nThen she finds 3 more.\nHow many eggs has she now?"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (STORY + " and so" * 30, "'and so' × 30"),
        (STORY + "x" * 200, "'x' × 200"),
        (STORY + "Wait, I should check.\n" * 9 + "Wait, I sh", "'ould check. Wait, I sh' × 9"),
        (STORY + "\n" + "Wait, I should check this.\n" * 9 + STORY, "'Wait, I should check this.' × 9"),
        ("So it must be seven then. " * 8 + STORY, "'So it must be seven then.' × 8"),
        ("\n".join(f"Let me check it again, slowly.\n{n}" for n in range(9)), "'Let me check it again, slowly.' × 9"),
        (STORY + "\n" * 300, "'' × 300"),
    ],
)
def test_loops(text: str, found: str) -> None:
    assert repeats(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        STORY,
        STORY * 3,
        STORY + "x" * 100,
        "He sells 3.\n" * 4 + STORY,
        "0 0 0 0 0 0 0 0 0 0 0 0\n" * 12 + STORY,
        "1/7 = 0." + "142857" * 15 + " and 12/7 = 1." + "714285" * 15,
        "\n".join(f"- the {n}th of the many eggs that Ana has in the basket" for n in range(50)),
    ],
)
def test_texts_without_a_loop(text: str) -> None:
    assert repeats(text) is None


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=300), st.integers(REPEATS, 12), st.text(max_size=300), st.data())
def test_a_periodic_end_is_always_found(unit: str, count: int, head: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(unit)))
    if len(unit) * count >= CHARS:
        assert repeats(head + unit * count + unit[:cut]) is not None


@settings(max_examples=200)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=400, unique=True))
def test_lines_that_differ_are_no_loop(numbers: list[int]) -> None:
    assert repeats("\n".join(f"line {number:010d}" for number in numbers)) is None


def test_the_longest_period() -> None:
    unit = "".join(map(str, range(2000)))[: PERIOD - 1]
    assert repeats(unit * REPEATS) is not None
    assert repeats("".join(map(str, range(2000)))[: PERIOD + 1] * REPEATS) is None


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 10**6 + "x",
        "." * 10**6 + "x",
        "a" * 24 + "".join("a" * 24 + chr(200 + n % 5000) for n in range(40_000)) + "a" * 24,
        ("a" * 30 + "b") * 30_000 + "c" + "a" * 23,
        "x. " * 300_000 + "y",
    ],
)
def test_a_megabyte_of_spite_is_no_trouble(text: str) -> None:
    repeats(text)


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data")
def test_real_traces() -> None:
    rows = map(json.loads, GSM8K.read_text().splitlines())
    texts = [value["solution"] for row in rows for value in row.values() if isinstance(value, dict)]
    found = [one for text in texts if (one := repeats(text))]
    assert len(texts) == 5276
    assert sorted(one[:8] for one in found) == sorted(["'3' × 14", "'18' × 3", "'18' × 3", "'27' × 3", "'sides, "])
