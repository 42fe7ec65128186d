import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.decontaminate.overlap import PLACES, SHOWN, Overlap, Text, overlap
from tasks.text.words import Splitting, locate_words, words

SPLITTING = Splitting()


def compare(question: str, item: str, ngram: int = 8, whole_min: int = 5) -> Overlap | None:
    return overlap(Text.of(question, SPLITTING), locate_words(item, SPLITTING), ngram, whole_min)


def test_coverage_counts_the_words_of_the_item_in_shared_runs() -> None:
    """The rule of Tülu 3 (section 3.2): a token matches if it lies in an n-gram that the same instance has."""
    found = compare("x b c d e y c d e f z", "a b c d e f g h", ngram=3)
    assert found
    assert found.coverage == 5 / 8
    assert [span.text for span in found.spans] == ["b c d e", "c d e f"]


def test_spans_are_in_characters_and_merged() -> None:
    question = "Für “Janet’s” three big ducks lay 16 eggs; é."
    found = compare(question, "janet's three big ducks lay 16 eggs", ngram=3)
    assert found
    assert found.coverage == 1
    assert [question[span.start : span.end] for span in found.spans] == [span.text for span in found.spans]
    assert [span.text for span in found.spans] == ["Janet’s” three big ducks lay 16 eggs"]


@pytest.mark.parametrize(
    ("question", "item", "coverage"),
    [
        ("Please: what is three times four plus two? Answer.", "What is three times four?", 1),
        ("What is three times four?", "Tell me: what is three times four, and why is it so?", 5 / 12),
        ("what is three times four", "What is three times four?", 1),
        ("Find x. It is easy to find x here, is it not?", "Find x.", None),
        ("Find x.", "Find x. It is easy to find x here, is it not?", None),
        ("find X", "Find x.", 1),
        ("What is four times three, and what is it plus two?", "What is three times four?", None),
        ("", "Find x.", None),
        ("?", "!", None),
    ],
)
def test_a_short_text_is_compared_whole(question: str, item: str, coverage: float | None) -> None:
    found = compare(question, item)
    assert (found and found.coverage) == coverage


def test_runs_shorter_than_whole_min_can_be_asked_for() -> None:
    found = compare("a b x y", "z a b", ngram=2)
    assert found
    assert found.coverage == 2 / 3


def by_hand(question: str, item: str, ngram: int, whole_min: int) -> tuple[float, list[str]] | None:
    """The rule in plain Python, on words: the coverage, and the words of each span."""
    ours, theirs = ([word.text for word in words(text, SPLITTING)] for text in (question, item))
    run = min(len(ours), len(theirs), ngram)
    if not run or (run < min(ngram, whole_min) and ours != theirs):
        return None

    def covered(text: list[str], other: list[str]) -> list[int]:
        runs = {tuple(other[at : at + run]) for at in range(len(other) - run + 1)}
        hits = (at for at in range(len(text) - run + 1) if tuple(text[at : at + run]) in runs)
        return sorted({at + step for at in hits for step in range(run)})

    ends = [-9, *covered(ours, theirs), 10**9]
    spans: list[str] = []
    for before, here in pairwise(ends[:-1]):
        spans = [*spans[:-1], f"{spans[-1]} {ours[here]}"] if here == before + 1 else [*spans, ours[here]]
    matched = covered(theirs, ours)
    return (len(matched) / len(theirs), spans) if matched else None


@settings(max_examples=200, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 5), st.integers(1, 4))
def test_it_is_the_plain_rule(draw: random.Random, ngram: int, whole_min: int) -> None:
    question, item = (" ".join(draw.choices(["a", "b", "İß", "C.", "1,0"], k=draw.randint(0, 12))) for _ in "12")
    found = compare(question, item, ngram, whole_min)
    plain = by_hand(question, item, ngram, whole_min)
    assert (found is None) == (plain is None)
    if found and plain:
        assert found.coverage == plain[0]
        assert [" ".join(word.text for word in words(span.text, SPLITTING)) for span in found.spans] == plain[1]
        assert all(question[span.start : span.end] == span.text for span in found.spans)


def test_hashes_do_not_decide() -> None:
    """Words whose hashes are made equal are not taken for the same."""
    text, item = Text.of("a b c d e", SPLITTING), locate_words("a b x d e", SPLITTING)
    forged = item._replace(hashes=text.words.hashes)
    found = overlap(text, forged, 2, 1)
    assert found
    assert found.coverage == 4 / 5
    assert overlap(text, forged, 5, 1) is None


def test_of_a_long_text_the_evidence_is_short() -> None:
    lap = "so we count the red ones and then we count them "
    found = compare(lap * 20_000, "Then we count them so we count the red ones and leave.")
    assert found
    assert found.coverage == 11 / 12
    (span,) = found.spans
    assert len(lap) * PLACES < span.end < len(lap) * (PLACES + 2)
    assert span.text == (lap * 50)[span.start : span.start + SHOWN]
