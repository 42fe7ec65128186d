import json
import re
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from schemas.tables import BENCHMARKS, CANARIES
from tasks.decontaminate.canary import CHANGES, SHUFFLED, SIMILAR, Outcome, outcomes, planted
from tasks.decontaminate.config import DecontaminateConfig, Mode
from tasks.decontaminate.search import gather
from tasks.text.words import Splitting, words

GSM8K = Path(__file__).parents[4] / "shared/data/gsm8k/test.jsonl"
TRAIN = (
    "A train leaves the old station at nine. It travels 120 miles in 3 hours! How fast, then, does it go on average?",
    "Ben plants seven rows of beans; each row has eleven plants. Then 12 of them wither. How many plants are left?",
)


def measured(texts: dict[str, list[str]], config: DecontaminateConfig) -> dict[tuple[str, bool], Outcome]:
    rows = [
        {"benchmark": name, "item": str(number), "text": text}
        for name, several in texts.items()
        for number, text in enumerate(several)
    ]
    found = planted(gather(pa.Table.from_pylist(rows, BENCHMARKS), config), config)
    assert found.schema.equals(CANARIES)
    return {(one.variant, one.embedded): one for one in outcomes(found)}


def split(text: str) -> list[str]:
    return [word.text for word in words(text, Splitting())]


@pytest.mark.parametrize("text", TRAIN)
def test_each_change_changes_what_it_says_and_nothing_else(text: str) -> None:
    changed = {name: change(text, Random(1)) for name, change in CHANGES.items()}
    assert changed.pop("verbatim") == text
    assert all(one != text for one in changed.values())
    assert changed["re-cased"].lower() == text.lower()
    assert split(changed["re-punctuated"]) == split(text)
    assert re.findall(r"\W", changed["re-punctuated"]) != re.findall(r"\W", text)
    assert re.sub(r"\d", "#", changed["numbers changed"]) == re.sub(r"\d", "#", text)
    assert not set(re.findall(r"\d+", changed["numbers changed"])) & set(re.findall(r"\d+", text))
    assert sorted(split(changed["sentences re-ordered"])) == sorted(split(text))
    assert len(set(split(text)) - set(split(changed["10 % of words edited"]))) <= 2
    assert 2 <= len(set(split(text)) - set(split(changed["30 % of words edited"]))) <= 6


def test_the_same_items_are_planted_in_the_same_way_whatever_their_order() -> None:
    config = DecontaminateConfig(canaries=3)
    rows = [{"benchmark": name, "item": f"{n}", "text": f"{n} {TRAIN[n % 2]}"} for n in range(8) for name in ("a", "b")]
    one = planted(gather(pa.Table.from_pylist(rows, BENCHMARKS), config), config)
    other = planted(gather(pa.Table.from_pylist(rows[::-1], BENCHMARKS), config), config)
    assert one.sort_by("text").equals(other.sort_by("text"))
    chosen = {(row["benchmark"], row["item"]) for row in one.to_pylist()}
    assert len(chosen) == 3
    assert {name for name, _ in chosen} == {"a", "b"}


def test_what_is_found_of_planted_leaks_and_of_what_is_none() -> None:
    other = "Then 12 of them wither. How many plants are left? It is 9 in another garden, where roses stand in rows."
    any_ngram = measured({"b": [*TRAIN, other]}, DecontaminateConfig())
    assert all(one.found == one.planted for (name, _), one in any_ngram.items() if name in ("verbatim", "re-cased"))
    # Two items share ten words, which is no leak, but a shared 8-gram.
    assert any_ngram[SIMILAR, False] == Outcome(SIMILAR, leak=False, embedded=False, planted=3, found=2)
    assert any_ngram[SHUFFLED, False].found == 0
    coverage = measured({"b": [*TRAIN, other]}, DecontaminateConfig(mode=Mode.COVERAGE))
    assert coverage[SIMILAR, False].found == 0
    assert coverage["verbatim", True].found == 3


def test_settings_that_find_less_show_it() -> None:
    kept = {"splitting": {"punctuation": "kept", "fold_case": False}}
    found = measured({"b": [*TRAIN]}, DecontaminateConfig.model_validate(kept))
    assert found["verbatim", False].found == 2
    assert found["re-cased", False].found == found["re-punctuated", True].found == 0


def test_a_change_that_changes_nothing_is_left_out() -> None:
    found = measured({"b": ["Name the largest of the nine known planets", "?", ""]}, DecontaminateConfig())
    assert {name for name, _ in found} == {*CHANGES, SIMILAR, SHUFFLED} - {"numbers changed", "sentences re-ordered"}
    assert found["verbatim", False].planted == 1


@pytest.mark.skipif(not GSM8K.exists(), reason="needs ../shared/data/gsm8k")
def test_leaks_of_real_problems() -> None:
    texts = {"gsm8k": [json.loads(line)["question"] for line in GSM8K.read_text().splitlines()]}
    found = measured(texts, DecontaminateConfig())
    recall = {name: one.found / one.planted for name, one in found.items()}
    for variant in ("verbatim", "re-cased", "re-punctuated"):
        assert recall[variant, False] == recall[variant, True] == 1
    assert min(recall["sentences re-ordered", True], recall["10 % of words edited", True]) >= 0.97
    assert recall["numbers changed", True] >= 0.93
    assert recall[SIMILAR, False] <= 0.1
    assert recall[SHUFFLED, False] == 0
