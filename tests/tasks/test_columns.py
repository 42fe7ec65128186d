"""Paths into a row."""

from typing import Any

import pytest

from schemas.errors import RecipeError
from tasks.columns import MISSING, follow, parse

ROW = {"a": {"b": 1}, "turns": [{"v": "x"}, {"v": "y"}], "list": [1, 2], "null": None, "dotted key": 5}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b", 1),
        ("turns[0].v", "x"),
        ("turns[-1].v", "y"),
        ("turns[].v", ["x", "y"]),
        ("list[]", [1, 2]),
        ("null", None),
        ("dotted key", 5),
        ("a.c", MISSING),
        ("list[2]", MISSING),
        ("null.a", MISSING),
        ("a[]", MISSING),
        ("turns[].w", [MISSING, MISSING]),
    ],
)
def test_follow(path: str, value: Any) -> None:
    assert follow(ROW, parse(path)) == value


@pytest.mark.parametrize("path", ["", ".a", "a.", "a..b", "a[", "a[x]", "[0]", "a[][]", "a[0"])
def test_what_is_no_path(path: str) -> None:
    with pytest.raises(RecipeError, match="column path"):
        parse(path)
