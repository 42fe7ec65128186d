"""`key.key=value`: read as it was spelled, and applied to all that `*` stands for."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from flows.overrides import apply, spelled
from schemas.errors import RecipeError

CONTENT: dict[str, Any] = {
    "samplers": {"a": {"n": 1, "sampling": {"max_tokens": 5}}, "b": {"n": 2}, "c": None},
    "completions": [{"text": "x"}, {"text": "y"}],
    "empty": {},
    "number": 3,
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text("abc.*=", min_size=1), inner))


def changed(*overrides: str) -> dict[str, Any]:
    content = deepcopy(CONTENT)
    for override in overrides:
        apply(content, override)
    return content


@settings(deadline=None)
@given(VALUES)
@example("'\x85a")
@example(["\u2028", {"a": "'b\u2029 c\n"}])
def test_a_value_is_read_as_it_was_spelled(value: Any) -> None:
    content: dict[str, Any] = {}
    apply(content, spelled("one.two", value))
    assert content == {"one": {"two": value}}
    assert type(content["one"]["two"]) is type(value)


def test_a_star_stands_for_every_entry_of_a_mapping() -> None:
    samplers = changed("samplers.*.sampling.max_tokens=9")["samplers"]
    assert samplers == {
        "a": {"n": 1, "sampling": {"max_tokens": 9}},
        "b": {"n": 2, "sampling": {"max_tokens": 9}},
        "c": {"sampling": {"max_tokens": 9}},
    }


def test_a_star_stands_for_every_position_of_a_list() -> None:
    assert changed("completions.*.model=m")["completions"] == [{"text": "x", "model": "m"}, {"text": "y", "model": "m"}]


def test_a_star_at_the_end_sets_every_entry() -> None:
    assert changed("samplers.*={n: 7}")["samplers"] == {name: {"n": 7} for name in "abc"}


def test_entries_that_one_override_sets_stay_apart() -> None:
    samplers = changed("samplers.*={n: 7}", "samplers.a.n=1")["samplers"]
    assert [one["n"] for one in samplers.values()] == [1, 7, 7]


@pytest.mark.parametrize("override", ["empty.*.n=1", "nowhere.*.n=1", "empty.*=1"])
def test_a_star_that_stands_for_nothing_is_a_mistake(override: str) -> None:
    with pytest.raises(RecipeError, match=r"--set .*: the recipe has no entry that \* could stand for"):
        changed(override)


def test_a_star_leads_through_no_value() -> None:
    with pytest.raises(RecipeError, match="number holds a value, not keys"):
        changed("number.*.n=1")


def test_a_spelled_value_is_one_line_of_yaml() -> None:
    assert spelled("a.b", {"sft": {}, "dpo": {"margin": 1e-5}}) == "a.b={sft: {}, dpo: {margin: 1.0e-05}}"
