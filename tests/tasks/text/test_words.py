from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import SchemaError
from tasks.text.strings import Texts, batches
from tasks.text.words import Punctuation, Splitting, Unit, hash_word, hash_words, locate_words, words

SPLITTINGS = [Splitting(fold_case=fold, punctuation=kind) for fold in (True, False) for kind in Punctuation]
TEXTS = st.lists(
    st.text(st.one_of(st.sampled_from("aB3.,'’-−× (é\u0301漢あไม่็İß\u3000\u200b😀"), st.characters(codec="utf-8")))
)


def texts_of(text: str, splitting: Splitting | None = None, unit: Unit = Unit.WORDS) -> list[str]:
    return [word.text for word in words(text, splitting or Splitting(), unit)]


def kernel_hashes(texts: Texts, splitting: Splitting, unit: Unit = Unit.WORDS) -> list[list[int]]:
    found = []
    for batch in batches(texts):
        hashed = hash_words(batch, splitting, unit)
        found += [hashed.values[a:b].tolist() for a, b in zip(hashed.offsets, hashed.offsets[1:], strict=False)]
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Janet’s ducks", ["janet", "s", "ducks"]),
        ("Janet's ducks", ["janet", "s", "ducks"]),
        ("costs 1,000 or 3.5, not .5.", ["costs", "1,000", "or", "3.5", "not", ".5"]),
        ("x.5 1, 2 and 3.", ["x", "5", "1", "2", "and", "3"]),
        ("ab1.5c", ["ab1.5c"]),
        ("<<16-3=13>>13", ["16", "3", "13", "13"]),
        ("CAFÉ\u3000Ünder—cut", ["café", "ünder", "cut"]),
        ("鸡蛋 3个", ["鸡", "蛋", "3", "个"]),
        ("ไม่ใช่3คน", ["ไ", "ม่", "ใ", "ช่", "3", "ค", "น"]),
        ("ﾘﾝｺﾞ កម្ម", ["ﾘ", "ﾝ", "ｺ", "ﾞ", "ក", "ម្", "ម"]),
        ("½ of x²", ["½", "of", "x²"]),
        ("İ and Straße", ["İ", "and", "straße"]),
        ("so 😀 𝐀", ["so", "😀", "𝐀"]),
        ("…?!", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert texts_of(text) == expected


def test_operators_keep_sums_and_differences_apart() -> None:
    operators = Splitting(punctuation=Punctuation.OPERATORS)
    assert texts_of("3+5−2×4 = 7!", operators) == ["3", "+", "5", "-", "2", "*", "4", "=", "7"]
    assert texts_of("3+5") == texts_of("3-5")
    assert texts_of("3+5", operators) != texts_of("3-5", operators)


def test_kept_punctuation_has_one_form_of_each_quote_and_dash() -> None:
    kept = Splitting(punctuation=Punctuation.KEPT)
    assert texts_of("“Hi” – he’s", kept) == ['"', "hi", '"', "-", "he", "'", "s"]


def test_case_is_kept_where_asked() -> None:
    assert texts_of("Mary É", Splitting(fold_case=False)) == ["Mary", "É"]


def test_characters_stand_alone_with_their_marks() -> None:
    assert texts_of("Né\u0301 3.5 ไม่ 😀", unit=Unit.CHARACTERS) == ["n", "é\u0301", "3", ".", "5", "ไ", "ม่", "😀"]


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize("splitting", SPLITTINGS)
def test_the_kernel_splits_as_the_reference_does(splitting: Splitting, unit: Unit) -> None:
    @settings(max_examples=50, deadline=None)
    @given(TEXTS)
    def check(texts: list[str]) -> None:
        expected = [[hash_word(word.text) for word in words(text, splitting, unit)] for text in texts]
        assert kernel_hashes(pa.array(texts, pa.string()), splitting, unit) == expected

    check()


@pytest.mark.parametrize("splitting", SPLITTINGS)
def test_the_words_of_one_text_are_located_as_the_reference_does(splitting: Splitting) -> None:
    @settings(max_examples=50, deadline=None)
    @given(TEXTS)
    def check(texts: list[str]) -> None:
        for text in texts:
            found, located = words(text, splitting), locate_words(text, splitting)
            assert located.hashes.tolist() == [hash_word(word.text) for word in found]
            assert located.bounds.tolist() == [[word.start, word.end] for word in found]
            for word, (start, end) in zip(found, located.bounds.tolist(), strict=True):
                assert [chr(code) for code in located.folded[start:end]] == list(word.text)

    check()


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_words_stand_where_they_say(texts: list[str]) -> None:
    exact = Splitting(fold_case=False)
    for text in texts:
        found = words(text, exact)
        assert all(len(word.text) == word.end - word.start for word in found)
        assert all(texts_of(text[word.start : word.end], exact) == [word.text] for word in found if word.text[0] != ".")
        assert all(one.end <= other.start for one, other in pairwise(found))


def test_chunks_slices_and_wide_offsets_read_alike() -> None:
    texts = [f"text number {n} é" for n in range(50)]
    plain = kernel_hashes(pa.array(texts), Splitting())
    assert kernel_hashes(pa.array(texts, pa.large_string()), Splitting()) == plain
    assert kernel_hashes(pa.chunked_array([texts[:7], [], texts[7:]], pa.string()), Splitting()) == plain
    assert kernel_hashes(pa.array(["no", *texts, "no"]).slice(1, 50), Splitting()) == plain
    assert kernel_hashes(pa.array(["", "", ""]), Splitting()) == [[], [], []]


def test_batches_cover_every_row_once() -> None:
    texts = pa.array(["x" * n for n in (5, 100, 0, 3, 3, 3, 90)])
    found = list(batches(texts, size=10))
    assert [row for batch in found for row in batch.rows.tolist()] == list(range(7))
    assert len(found) > 3


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(SchemaError, match="1 of 2 values are null"):
        list(batches(pa.array(["a", None])))
    with pytest.raises(SchemaError, match="int64 is no text"):
        list(batches(pa.array([1])))
