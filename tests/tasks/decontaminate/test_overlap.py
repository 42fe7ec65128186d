import pytest

from tasks.decontaminate.overlap import Overlap, overlap
from tasks.text.words import Splitting, words

SPLITTING = Splitting()


def compare(question: str, item: str, ngram: int = 8, whole_min: int = 5) -> Overlap | None:
    return overlap(question, (words(question, SPLITTING), words(item, SPLITTING)), ngram, whole_min)


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
