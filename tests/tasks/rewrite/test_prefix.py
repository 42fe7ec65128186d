"""What a model goes on from, character by character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.rewrite.prefix import forked, offsets_of
from tasks.text.steps import split_steps, steps

WORD = st.text("abcdefgh xyz0123+=.,", min_size=1, max_size=20).map(lambda text: f"w{text.strip()}")
LINES = st.lists(WORD, min_size=2, max_size=8)
GAP = st.sampled_from(["\n", "\n\n"])


@settings(deadline=None)
@given(LINES, GAP, WORD, st.lists(WORD, max_size=4), st.data())
def test_what_stands_before_a_rewritten_step_stays_and_is_cut_as_before(
    lines: list[str], gap: str, after: str, more: list[str], data: st.DataObject
) -> None:
    text = gap.join(lines)
    offsets = split_steps(text)
    step = data.draw(st.integers(0, len(lines) - 1))
    prefix = forked(text, offsets, step, after)
    assert prefix == "".join(steps(text, offsets)[:step]) + after + gap
    whole = prefix + gap.join(more)
    cut = offsets_of(whole, offsets[: step + 1])
    assert cut == split_steps(whole)
    assert [one.rstrip() for one in steps(whole, cut)] == [*lines[:step], after, *more]


@settings(deadline=None)
@given(st.text(" \nab.$`#|<>think/-1", max_size=60), st.text("\nab$`# ", min_size=1), st.text("\n\nab$`"), st.data())
def test_of_any_text_the_beginning_is_kept(text: str, after: str, more: str, data: st.DataObject) -> None:
    offsets = split_steps(text)
    if not offsets:
        return
    step = data.draw(st.integers(0, len(offsets) - 1))
    prefix = forked(text, offsets, step, after)
    assert prefix.startswith(text[: offsets[step]] + after)
    whole = prefix + more
    cut = offsets_of(whole, offsets[: step + 1])
    assert cut[: step + 1] == offsets[: step + 1]
    assert "".join(steps(whole, cut)) == whole
    assert cut == sorted(set(cut))


@pytest.mark.parametrize(
    ("text", "step", "prefix"),
    [
        ("a\nb\nc", 0, "NEW\n"),
        ("a\nb\nc", 2, "a\nb\nNEW\n"),
        ("a\n\nb", 1, "a\n\nNEW\n\n"),
        ("one step", 0, "NEW\n"),
        ("<think>\na\n</think>\nb", 1, "<think>\na\n</think>\nNEW\n"),
    ],
)
def test_a_new_step_ends_as_the_old_one_did(text: str, step: int, prefix: str) -> None:
    assert forked(text, split_steps(text), step, "NEW") == prefix


def test_a_continuation_that_makes_the_splitter_cut_otherwise() -> None:
    text = "a\nb\nc"
    whole = forked(text, split_steps(text), 1, "B") + "c\n\nd"
    assert split_steps(whole) == [0, 7]
    assert steps(whole, offsets_of(whole, [0, 2])) == ["a\n", "B\nc\n\n", "d"]
