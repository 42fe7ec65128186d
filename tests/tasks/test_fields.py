"""What columns hold, as text."""

from typing import Any

import pytest

from schemas.errors import SourceError
from tasks.fields import BadRowError, UnusableRowError, check_columns, text_of, usable, value_of
from tasks.sources import Row

ROW = Row("file:1", 0, {"a": {"b": 2}, "c": None, "d": [1], "e": True})


@pytest.mark.parametrize(("path", "found"), [("a.b", "2"), ("c", None), (None, None)])
def test_text(path: str | None, found: str | None) -> None:
    assert text_of(ROW, path) == found


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.x", "missing column: 'a.x'"),
        ("d", "wrong type: column 'd' holds list where text should be"),
        ("e", "wrong type: column 'e' holds bool where text should be"),
    ],
)
def test_no_text(path: str, message: str) -> None:
    with pytest.raises(BadRowError) as caught:
        text_of(ROW, path)
    assert str(caught.value) == message


def test_a_row_that_could_not_be_read() -> None:
    with pytest.raises(BadRowError, match="broken JSON: at 3"):
        value_of(Row("file:1", 0, {}, ("broken JSON", "at 3")), "a")


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "empty name"), (" \n", "empty name"), ("abcd", "name longer than max_chars: 4 characters, max_chars 3")],
)
def test_unusable_texts(text: Any, message: str) -> None:
    assert usable("abc", "name", 3) == "abc"
    with pytest.raises(UnusableRowError) as caught:
        usable(text, "name", 3)
    assert str(caught.value) == message


def test_columns_are_checked_by_their_root() -> None:
    check_columns(ROW, {"x.a": "a.zzz", "x.c": "c", "x.none": None})
    with pytest.raises(SourceError, match=r"file:1: no column 'z', which x\.z names; there are a, c, d, e"):
        check_columns(ROW, {"x.z": "z.b"})
