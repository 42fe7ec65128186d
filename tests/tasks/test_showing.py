"""Texts are cut to their budget, and fenced by a mark that stands in none of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks import showing
from tasks.showing import cut, mark_for, question

TEXTS = st.dictionaries(st.text("abcdef ", min_size=1), st.text(max_size=300), min_size=1, max_size=5)


def test_the_middle_is_left_out() -> None:
    assert cut("0123456789", 10) == "0123456789"
    assert cut("0123456789", 4) == "01\n[… 6 characters left out …]\n89"
    assert cut("0123456789", 5) == "01\n[… 5 characters left out …]\n789"


@given(st.text(max_size=50), st.integers(0, 60))
def test_as_much_is_kept_as_may_be(text: str, most: int) -> None:
    short = cut(text, most)
    if len(text) <= most:
        assert short == text
    else:
        head, _, tail = short.partition(f"\n[… {len(text) - most} characters left out …]\n")
        assert len(head) + len(tail) == most
        assert text.startswith(head)
        assert text.endswith(tail)


@given(TEXTS, st.integers(10, 2_000))
def test_each_text_stands_between_its_marks(texts: dict[str, str], characters: int) -> None:
    (message,) = question("Judge.", texts, "{}", characters)
    mark = message.content.split("line that holds ", 1)[1].split(".", 1)[0]
    assert message.content.count(mark) == 1 + 2 * len(texts)
    assert question("Judge.", texts, "{}", characters) == (message,)
    for title, text in texts.items():
        fenced = message.content.split(f"\n{mark} {title}\n", 1)[1].split(f"\n{mark} end of {title}\n", 1)[0]
        assert fenced == text or "characters left out" in fenced
    if sum(map(len, texts.values())) <= characters:
        assert "characters left out" not in message.content


def test_what_short_texts_leave_goes_to_the_long_one() -> None:
    (message,) = question("Judge.", {"one": "a" * 10, "two": "b" * 1_000}, "{}", 500)
    assert message.content.count("b") >= 490


def test_a_mark_is_another_where_it_is_in_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mark_for(["some text"]) == mark_for(["some text"])
    marks = iter(["taken", "taken too", "free"])
    monkeypatch.setattr(showing, "content_id", lambda *parts: next(marks))
    assert mark_for(["this is taken", "and this is taken too"]) == "free"


@pytest.mark.parametrize(
    "token",
    ["<|im_start|>", "<｜User｜>", "</s>", "<s>", "[INST]", "[/INST]", "<end_of_turn>", "<tool_call>", "[TOOL_CALLS]"],
)
def test_control_words_of_chats_are_parted(token: str) -> None:
    (message,) = question("Judge.", {"one": f"a {token} b"}, "{}", 500)
    assert token not in message.content
    assert token[0] + " " + token[1:] in message.content


def test_mathematics_and_code_stay_as_they_are() -> None:
    text = "if a < b and c <= d: x[1] = {'|': 1}; |x| < |y|; <think>no</think> <summary> [int]"
    (message,) = question("Judge.", {"one": text}, "{}", 500)
    assert text in message.content
