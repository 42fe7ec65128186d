"""Replies as reward models read them: the forms of published ones, token by token."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.errors import EngineError
from tasks.engines.contract import Graded, Message, Scores
from tasks.engines.grading import Grader, Numbers, Reading, Text

BASE = str(Path(__file__).parents[3] / "data/models/tiny-reasoner")
PLAIN = "{% for m in messages %}{{ m.content }} {% endfor %}"
STEPS = ("1 + 2 = 3\n", "3 + 3 = 6.\n\n", "It is 6.")


def grader(**reading: Any) -> Grader:
    return Grader(Reading.model_validate(reading), BASE, None)


def reply(*steps: str, question: str = "1 + 2 + 3?") -> Graded:
    return Graded("r", (Message("user", question),), steps)


def shown(one: Grader, text: Text) -> tuple[str, list[str]]:
    """The text, and what it is up to each place."""
    decode: Any = one.template.tokenizer.decode
    return str(decode(text.ids)), [str(decode(text.ids[: place + 1])) for place in text.places]


@pytest.fixture
def plain(tmp_path: Path) -> str:
    (tmp_path / "plain.jinja").write_text(PLAIN)
    return str(tmp_path / "plain.jinja")


def test_a_tag_follows_each_step() -> None:
    """TRL's form, and Qwen's with another tag: the chat, then each step and its tag."""
    chat = "<|user|>1 + 2 + 3?<|end|><|assistant|>"
    one = grader()
    whole, places = shown(one, one.texts(reply(*STEPS))[0])
    assert whole == f"{chat}1 + 2 = 3\n3 + 3 = 6.\nIt is 6.\n"
    assert places == [f"{chat}1 + 2 = 3\n", f"{chat}1 + 2 = 3\n3 + 3 = 6.\n", whole]
    qwen = grader(tag="<|end|>")
    whole, places = shown(qwen, qwen.texts(reply(*STEPS))[0])
    assert whole == f"{chat}1 + 2 = 3<|end|>3 + 3 = 6.<|end|>It is 6.<|end|>"
    assert len(places) == 3


@pytest.mark.parametrize("apart", [True, False])
def test_math_shepherds_form(plain: str, apart: bool) -> None:
    """As on its model card: the question, numbered steps, each with ки behind it, a line each."""
    form = {"head": "tokens", "step": "Step {number}: {step} ", "tag": "ки", "between": "\n"}
    one = grader(**form, apart=apart, chat_template=plain)
    whole, places = shown(one, one.texts(reply(*STEPS))[0])
    assert whole == "1 + 2 + 3? Step 1: 1 + 2 = 3 ки\nStep 2: 3 + 3 = 6. ки\nStep 3: It is 6. ки"
    assert [place.count("ки") for place in places] == [1, 2, 3]
    assert all(place.endswith("ки") for place in places)


def test_rlhflows_form(tmp_path: Path) -> None:
    """Each step is a turn of the user's; the assistant answers + to those that are read on from."""
    (tmp_path / "open.jinja").write_text("<|user|>{% for m in messages %}{{ m.content }} {% endfor %}")
    turn = {"tag": "<|end|><|assistant|>", "between": "+<|end|><|user|>"}
    one = grader(head="tokens", **turn, chat_template=str(tmp_path / "open.jinja"))
    whole, places = shown(one, one.texts(reply(*STEPS[:2]))[0])
    assert whole == ("<|user|>1 + 2 + 3? 1 + 2 = 3<|end|><|assistant|>+<|end|><|user|>3 + 3 = 6.<|end|><|assistant|>")
    assert all(place.endswith("<|assistant|>") for place in places)


def test_an_outcome_is_that_of_each_reply_so_far() -> None:
    one = grader(head="sequence")
    texts = one.texts(reply(*STEPS))
    chat = "<|user|>1 + 2 + 3?<|end|><|assistant|>"
    assert [shown(one, text)[0] for text in texts] == [
        f"{chat}1 + 2 = 3<|end|>",
        f"{chat}1 + 2 = 3\n3 + 3 = 6.<|end|>",
        f"{chat}1 + 2 = 3\n3 + 3 = 6.\n\nIt is 6.<|end|>",
    ]
    assert all(text.places == (len(text.ids) - 1,) for text in texts)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1, max_size=6), st.booleans())
def test_later_steps_move_no_place(steps: list[str], apart: bool) -> None:
    one = GRADERS[apart]
    [whole] = one.texts(reply(*steps))
    [less] = one.texts(reply(*steps[:-1])) if len(steps) > 1 else [Text((), ())]
    assert len(whole.places) == len(steps)
    assert whole.places[:-1] == less.places
    assert sorted(set(whole.places)) == list(whole.places)


GRADERS = {True: grader(), False: grader(apart=False, tag="ки")}


def told(one: Grader, numbers: Sequence[Numbers], *steps: str, context: int = 1024) -> Scores:
    async def ask(text: Text) -> Sequence[Numbers]:
        return numbers

    return asyncio.run(one.graded(reply(*steps), context, ask))


def test_numbers_become_scores() -> None:
    assert told(grader(head="tokens"), [(0.0, 0.0), (100.0, -1e3)], "a", "b").scores == (0.5, 1.0)
    assert told(grader(), [(0.0, 0.0), (1e3, -100.0)], "a", "b").scores == (0.5, 0.0)
    assert told(grader(label=0), [(3.0, 3.0, 3.0)], "a").scores == pytest.approx((1 / 3,))
    assert told(grader(), [(0.0,), (-800.0,), (800.0,)], "a", "b", "c").scores == (0.5, 0.0, 1.0)


def test_what_is_no_number_is_said() -> None:
    done = told(grader(), [(float("nan"), 1.0)], "a")
    assert done.scores == ()
    assert "no number" in done.detail


def test_the_context_counts_the_tags() -> None:
    [text] = grader().texts(reply("a"))
    assert told(grader(), [(0.0,)], "a", context=len(text.ids)).scores == (0.5,)
    assert not told(grader(), [(0.0,)], "a", context=len(text.ids) - 1).scores


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValidationError, match="no place for the step"):
        Reading(step="Step {number}")
    with pytest.raises(EngineError, match="label: it has 2 labels"):
        told(grader(label=2), [(0.0, 0.0)], "a")
    with pytest.raises(EngineError, match=r"good: 'right' is \d+ tokens"):
        grader(head="tokens", good="right").tokens()
