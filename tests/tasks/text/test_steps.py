from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text.steps import SPLITTER, split_column, split_steps, steps

FENCE = "```python\nx = 1\n\ny = 2\n```\n"
FORMULA = "$$\na = b\n\nc = d\n$$\n"
BRACKET = "\\[\na = b\n\nc\n\\]\n"
ENVIRONMENT = "\\begin{align}\na &= b \\\\[2pt]\n\nc\n\\begin{align}\n\nd\n\\end{align}\n\n\\end{align}\n"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |\n"
PROTECTED = [FENCE, FORMULA, BRACKET, ENVIRONMENT, TABLE]

PIECES = [
    *[
        "Add 3 and 4.",
        "\n",
        "\n\n",
        " \t\n \n",
        "   ",
        "Step 2: go on",
        "## Plan",
        "**Step 1:**",
        "**Bold**",
        "#### 42",
        "é😀",
    ],
    *[
        "<think>",
        "</think>",
        "$$",
        "\\[",
        "\\]",
        "\\\\[",
        "\\begin{align}",
        "\\end{align}",
        "```",
        "```py",
        "~~~",
        "|---|",
        "a|b",
    ],
    *["\r\n", "\u2028", "\x1c", "$x$", "\\$$"],
    *PROTECTED,
]
texts = st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60)

GOLDEN = {
    "empty": ("", []),
    "one line": ("Just this.", ["Just this."]),
    "whitespace only": (" \n\n ", [" \n\n "]),
    "blank lines": ("a\nb\n\nc\n \t\nd", ["a\nb\n\n", "c\n \t\n", "d"]),
    "blank lines at the ends cut nothing": ("\n\n a\n\n", ["\n\n a\n\n"]),
    "windows line ends": ("a\r\n\r\nb", ["a\r\n\r\n", "b"]),
    "single lines": ("3 + 4 = 7\n7 * 2 = 14\n#### 14", ["3 + 4 = 7\n", "7 * 2 = 14\n", "#### 14"]),
    "step N": ("Step 1: a\nmore\nStep 2: b\n", ["Step 1: a\nmore\n", "Step 2: b\n"]),
    "step N after an opening": ("Let me see.\nStep 1: a\nmore", ["Let me see.\n", "Step 1: a\nmore"]),
    "bold step N": ("**Step 1:**\nadd\n**Step 2:**\ntimes", ["**Step 1:**\nadd\n", "**Step 2:**\ntimes"]),
    "headings": ("# Plan\nadd\nmore\n# Do\nit", ["# Plan\nadd\nmore\n", "# Do\nit"]),
    "a step with its sentence is no heading": ("Step 1: 3 + 4.\n\nStep 2: 7.", ["Step 1: 3 + 4.\n\n", "Step 2: 7."]),
    "a heading stays with what follows": ("a\n\n## Plan\n\nb\n\nc", ["a\n\n", "## Plan\n\nb\n\n", "c"]),
    "headings stack": ("# A\n\n**B**\n\nc\n\nd", ["# A\n\n**B**\n\nc\n\n", "d"]),
    "a bold sentence is no heading": ("**It is 4.**\n\nb", ["**It is 4.**\n\n", "b"]),
    "a heading before lines": ("## Plan\n\na\nb", ["## Plan\n\na\n", "b"]),
    "fence": (f"a\n\n{FENCE}\nb", ["a\n\n", f"{FENCE}\n", "b"]),
    "unclosed fence reaches the end": ("a\n\n```\nx\n\ny", ["a\n\n", "```\nx\n\ny"]),
    "unclosed fence stops at the tag": ("<think>\n```\nx\n\ny</think>\n\nb", ["<think>\n```\nx\n\ny</think>\n\n", "b"]),
    "a longer fence holds a shorter": ("````\n```\n\n```\n````\n\nb", ["````\n```\n\n```\n````\n\n", "b"]),
    "dollars in code pair with nothing": ("```\necho $$\n```\n\na\n\n$$x", ["```\necho $$\n```\n\n", "a\n\n", "$$x"]),
    "formula joins the step before": (f"We get\n\n{FORMULA}\nso b", [f"We get\n\n{FORMULA}\n", "so b"]),
    "formula with a full stop": ("We get\n\n\\[x\\].\n\nso b", ["We get\n\n\\[x\\].\n\n", "so b"]),
    "formula and text stand alone": ("a\n\n$$x$$ holds\n\nb", ["a\n\n", "$$x$$ holds\n\n", "b"]),
    "formula first": ("$$x$$\n\nb", ["$$x$$\n\n", "b"]),
    "unclosed formula is text": ("a $$ b\n\nc \\[ d\n\ne", ["a $$ b\n\n", "c \\[ d\n\n", "e"]),
    "environments nest": (f"a\n\n{ENVIRONMENT}\nb", [f"a\n\n{ENVIRONMENT}\n", "b"]),
    "a list environment is no formula": (
        "a\n\n\\begin{itemize}\n\n\\item b\\end{itemize}\n\nc",
        ["a\n\n", "\\begin{itemize}\n\n\\item b\\end{itemize}\n\n", "c"],
    ),
    "a row break opens no formula": ("a \\\\[2pt]\n\nb\\]", ["a \\\\[2pt]\n\n", "b\\]"]),
    "table": (f"a\n{TABLE}b", ["a\n", TABLE, "b"]),
    "absolute values are no table": ("|x| = 5\n|y| = 7", ["|x| = 5\n", "|y| = 7"]),
    "think": ("<think>\na\n\nb\n</think>\n\nIt is 4.", ["<think>\na\n\n", "b\n</think>\n\n", "It is 4."]),
    "lines within think": ("<think>\na\nb\n</think>\nc", ["<think>\na\n", "b\n</think>\n", "c"]),
    "tags within a line": ("Hm <think>a</think> b", ["Hm ", "<think>a</think>", " b"]),
    "a bare tag set apart": ("<think>\n\na\n\n</think>\n\nb", ["<think>\n\na\n\n</think>\n\n", "b"]),
    "empty think": ("<think>\n\n</think>\n\na\n\nb", ["<think>\n\n</think>\n\na\n\n", "b"]),
    "closing tag alone": ("</think>\n\na\n\nb", ["</think>\n\na\n\n", "b"]),
    "opening tag at the end": ("a\n\n<think>\n", ["a\n\n<think>\n"]),
    "a tag in code is code": ("```\n<think>\n\n</think>\n```\n\nb", ["```\n<think>\n\n</think>\n```\n\n", "b"]),
    "no formula crosses a tag": ("<think>$$ a</think>\n\nb\n\nc $$", ["<think>$$ a</think>\n\n", "b\n\n", "c $$"]),
}


@pytest.mark.parametrize(("text", "expected"), GOLDEN.values(), ids=GOLDEN.keys())
def test_golden(text: str, expected: list[str]) -> None:
    assert steps(text, split_steps(text)) == expected


@settings(max_examples=400)
@given(texts)
def test_lossless_and_increasing(text: str) -> None:
    offsets = split_steps(text)
    parts = steps(text, offsets)
    assert "".join(parts) == text
    assert offsets[:1] == ([0] if text else [])
    assert all(a < b for a, b in pairwise(offsets))
    assert not text.strip() or all(part.strip() for part in parts)
    assert offsets == split_steps(text)


@settings(max_examples=400)
@given(texts)
def test_a_bare_tag_is_no_step(text: str) -> None:
    parts = steps(text, split_steps(text))
    if len(parts) > 1:
        assert all(part.replace("</think>", "").replace("<think>", "").strip() for part in parts)


words = st.lists(st.sampled_from(["Add.", "So 4.", "\n", "\n\n", "Step 3: x", "# Plan\n"]), max_size=8).map("".join)


@settings(max_examples=300)
@given(st.lists(st.tuples(words, st.sampled_from(PROTECTED)), min_size=1, max_size=5), words)
def test_protected_regions_are_never_cut(parts: list[tuple[str, str]], tail: str) -> None:
    text = ""
    regions = []
    for before, region in parts:
        text += f"{before}\n"
        regions.append((len(text), len(text) + len(region)))
        text += region
    text += f"\n{tail}"
    offsets = split_steps(text)
    assert not [cut for cut in offsets for start, end in regions if start < cut < end - 1]


@pytest.mark.timeout(60)  # quadratic work would take minutes
@pytest.mark.parametrize(
    "unit",
    [
        "$$\n\n",
        "```a\n\n",
        "~~~\n",
        "\\[",
        "\\begin{a}\n\n",
        "\\end{a}",
        "<think>\n",
        "<think>\nx $$y$$\n\n",
        "x</think>",
        "\n",
        " ",
        " \n x\n",
        "a|b\n-|-\n",
        "|-",
        "# a\n\n",
        "Step 1\n",
        "*",
        "$$a$$\n\n",
        "```a\n$$\n\\[<think>|\n",
        "a\n",
    ],
)
def test_linear_on_hostile_texts(unit: str) -> None:
    text = (unit * (400_000 // len(unit) + 1))[:400_000]
    assert "".join(steps(text, split_steps(text))) == text


@pytest.mark.timeout(60)
def test_two_megabytes() -> None:
    text = f"We add.\n\n{FORMULA}\n{FENCE}\nSo it goes.\n\n" * 30_000
    assert len(text) >= 2_000_000
    assert len(split_steps(text)) == 90_000


def test_column_form_agrees() -> None:
    given_texts = [text for text, _ in GOLDEN.values()]
    column = split_column(pa.chunked_array([given_texts[:7], given_texts[7:]], pa.string()))
    assert str(column.type) == "list<item: int32>"
    expected: list[object] = [*map(split_steps, given_texts)]
    assert column.to_pylist() == expected
    assert len(split_column(pa.array([], pa.string()))) == 0


def test_name_and_version() -> None:
    assert SPLITTER == "steps/1"
