"""Differences between texts lose nothing, and are found in bounded time."""

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from review.diff import Piece, visible, words

text = st.text(st.sampled_from("ab \n$é\u202e"), max_size=60)


def _sides(pieces: list[Piece]) -> tuple[str, str]:
    old = "".join(one for kind, one in pieces if kind != "new")
    return old, "".join(one for kind, one in pieces if kind != "gone")


@given(text, text)
@settings(max_examples=200)
def test_the_pieces_are_both_texts(a: str, b: str) -> None:
    pieces = words(a, b)
    assert _sides(pieces) == (a, b)
    assert all(one for _, one in pieces)
    assert all(one[0] != other[0] for one, other in pairwise(pieces))


@given(text, text, text)
def test_what_both_begin_and_end_with_stays(a: str, b: str, end: str) -> None:
    pieces = words(f"start {a}|{end}\nstop", f"start {b}|{end}\nstop")
    assert pieces[0][0] == pieces[-1][0] == "same"
    assert pieces[0][1].startswith("start")
    assert pieces[-1][1].endswith("\nstop")


def test_a_changed_word_is_told_from_its_neighbours() -> None:
    assert words("She has 16 - 3 = 13 eggs", "She has 16 - 7 = 9 eggs") == [
        ("same", "She has 16 - "),
        ("gone", "3"),
        ("new", "7"),
        ("same", " = "),
        ("gone", "13"),
        ("new", "9"),
        ("same", " eggs"),
    ]


def test_equal_and_empty_texts() -> None:
    assert words("", "") == []
    assert words("a b", "a b") == [("same", "a b")]
    assert words("", "a") == [("new", "a")]


def test_long_hostile_texts_take_bounded_time_and_lose_nothing() -> None:
    one, other = "a b " * 200_000, "b a c " * 150_000
    before = time.process_time()
    assert _sides(words(one, other)) == (one, other)
    assert _sides(words("a b b " * 330, "b a " * 490)) == ("a b b " * 330, "b a " * 490)
    assert time.process_time() - before < 10


def test_what_hides_is_shown_by_its_code_point() -> None:
    assert visible([("new", "a\u202eb\n\u00a0\x07é")]) == [("new", "a[U+202E]b\n\u00a0[U+0007]é")]
