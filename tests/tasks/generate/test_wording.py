"""Prompts with words in braces, and lists in replies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.generate.wording import filled, last_line, listed

ITEMS = st.lists(st.from_regex(r"[a-z][a-z ]{0,9}[a-z]", fullmatch=True), unique=True)


@given(st.text(), st.text())
def test_what_stands_in_braces_in_a_text_stays(draft: str, question: str) -> None:
    texts = {"draft": f"{{question}}{draft}", "question": f"{question}{{draft}}"}
    assert filled("{draft}|{question}|{other}|{}", **texts) == f"{texts['draft']}|{texts['question']}|{{other}}|{{}}"


@pytest.mark.parametrize(
    ("reply", "items"),
    [
        ("1. one\n2. two", ["one", "two"]),
        ("Sure:\n\n1) one\n\n2) two\nThat is all.", ["one", "two"]),
        ("- one\n* two\n• three", ["one", "two", "three"]),
        ("**1.** one\n**2. two**", ["one", "two"]),
        ("Sub-question 1: one?\n### Question 2: two?\nQ3: three?", ["one?", "two?", "three?"]),
        ("<think>\n1. no\n</think>\n1. yes\n2. yes", ["yes"]),
        ("<think>\n1. never", []),
        ("1 + 1 = 2\n3.5 is more\n- \n2024 was warm.", []),
        ("", []),
    ],
)
def test_items_of_a_list(reply: str, items: list[str]) -> None:
    assert listed(reply, 9) == items
    assert listed(reply, 1) == items[:1]


@given(ITEMS, st.sampled_from(["{}.", "{})", "-"]))
def test_a_list_is_read_as_it_was_written(items: list[str], mark: str) -> None:
    reply = "\n".join(f"{mark.format(place)} {item}" for place, item in enumerate(items, 1))
    assert listed(reply, len(items)) == items


@given(st.text())
def test_any_reply_is_read(reply: str) -> None:
    assert all(item.strip() == item and item for item in listed(reply, 5))
    assert "\n" not in last_line(reply)
