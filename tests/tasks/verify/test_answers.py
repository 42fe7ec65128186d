import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.verify.answers import MARKERS, PHRASES, final_answer


def extract(text: str, *, last_number: bool = False) -> str | None:
    return final_answer(text, MARKERS, PHRASES, last_number=last_number)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("9 * 2 = 18\nA: 18", "18"),
        ("9 * 2 = 18\n#### 18", "18"),
        ("#### $<<9*2=18>>18", "$18"),
        ("A: 17\nNo.\nA: 18", "18"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{17} … \boxed{18}", "18"),
        ("\\boxed{17}\n#### 18", "18"),
        ("#### 17\n\\boxed{18}", "18"),
        (r"Answer: \boxed{18}", "18"),
        ("**Answer:** 18", "18"),
        ("**Answer: 18**", "18"),
        ("- A: 18", "18"),
        ("Final Answer:\n\n18", "18"),
        ("Final answer:\n\\[\n\\frac12\n\\]", r"\frac12"),
        ("Answer: $$x^2$$", "x^2"),
        ("Answer: the value is $x$.", "x"),
        (r"Answer: we get \(x+1\) here", "x+1"),
        ("Answer: $5 and $6", "$5 and $6"),
        ("So the answer is 18. I hope so.", "18"),
        ("The answer is 0.5 because it is half.", "0.5"),
        ("The Final Answer Is 18", "18"),
        ("My answering is 18", None),
        ("Option FDA: 12", None),
        (r"\boxed{\frac{5}{", None),
        (r"\boxed{}", None),
        ("A: ", None),
        ("it makes 18", None),
        ("", None),
    ],
)
def test_the_answer_that_a_text_names(text: str, answer: str | None) -> None:
    assert extract(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [("it makes 18 of 20 eggs", "20"), ("so $1,250.50.", "$1,250.50"), ("it is -3%", "-3%"), ("none at all", None)],
)
def test_the_last_number_is_a_fallback_on_request(text: str, answer: str | None) -> None:
    assert extract(text, last_number=True) == answer


def test_a_named_answer_comes_before_the_last_number() -> None:
    assert extract("A: 18\n(see page 20)", last_number=True) == "18"


@given(st.text(max_size=60), st.text(alphabet="0123456789xyz+-^ ", min_size=1).filter(str.strip))
@settings(max_examples=100)
def test_a_box_at_the_end_is_found_behind_any_text(before: str, answer: str) -> None:
    assert extract(f"{before}\n\\boxed{{{answer}}}") == answer.strip()


@given(st.text(max_size=200))
@settings(max_examples=100)
def test_no_text_raises(text: str) -> None:
    extract(text, last_number=True)
