r"""Cutting a chain of thought into steps, without losing a character.

A step starts at a character offset; the steps of a text joined together are the text. Whitespace between two steps
belongs to the first of them. What is one thing stays in one step: code fences, display formulas (`$$…$$`, `\[…\]`),
`\begin…\end` and tables. An unclosed fence reaches to the next think tag or the end; an unclosed formula is plain text.
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

SPLITTER: Final = "steps/1"
"""Name and version of these rules, stored beside every list of offsets."""

_SLICE: Final = 1 << 16

# Possessive quantifiers (*+) keep every pattern linear, whatever the text.
_TOKEN: Final = re.compile(
    r"^[ \t]*+(?P<fence>`{3,}+|~{3,}+)(?P<info>[^`\n]*+)$"
    r"|\\[\\$]"  # an escaped backslash or dollar opens nothing
    r"|(?P<dollars>\$\$)"
    r"|\\(?P<bracket>[\[\]])"
    r"|\\(?P<side>begin|end)\{(?P<name>[A-Za-z]{1,40}\*?)\}"
    r"|(?P<tag></?think>)",
    re.MULTILINE,
)
_TABLE: Final = re.compile(
    r"^[^\n|]*+\|[^\n]*+\n(?=[^\n|]*+\|)[ \t|:]*+-[ \t|:-]*+$(?:\n[^\n|]*+\|[^\n]*+)*+", re.MULTILINE
)
_HARD: Final = re.compile(r"\$\$|\\[\[b]|```|~~~|think>|\|")
_AFTER_TAG: Final = re.compile(r"(?:\s*\n)?")
_BARE_TAGS: Final = re.compile(r"(?:\s|</?think>)*+")

_STEP_N: Final = r"[*#>_-]*+[ \t]*+[*_]*+step[ \t]++\d"
_GAP: Final = re.compile(r"\n(?:[^\S\n]*+\n)++")
_MARKER: Final = re.compile(
    rf"^[ \t]*+(?:\#{{1,6}}[ \t]|\*\*[^\n*]++\*\*:?[ \t]*$|{_STEP_N})", re.MULTILINE | re.IGNORECASE
)
_MORE_LINES: Final = re.compile(r"\n\s*+\S")
_LINE: Final = re.compile(r"\n(?:[^\S\n]*+\n)*+")

_HEADING: Final = re.compile(
    rf"\#{{1,6}}[ \t][^\n]*+|\*\*[^\n*]*[^\n*.!?]\*\*:?|{_STEP_N}\d*+[*_]*+[:.]?[*_]*+", re.IGNORECASE
)
_FORMULA: Final = re.compile(
    r"\$\$|\\\[|\\begin\{(?:align|equation|gather|multline|eqnarray|flalign|displaymath|math|split|array|cases|\w*matrix)"
)


class _Span(NamedTuple):
    start: int
    end: int


_START: Final = attrgetter("start")


def split_steps(text: str) -> list[int]:
    """Character offsets at which the steps of `text` start; the first is 0, an empty text has none.

    Cut before `<think>`, after `</think>`, and at blank lines. A part between think tags that this leaves whole is cut
    at `Step N` and headings, else at single newlines. A bare display formula stays with the step before it, a heading
    or a bare tag with what it opens. Time is linear in the text, for hostile texts too.
    """
    if not text:
        return []
    protected, tag_cuts = _scan(text) if _HARD.search(text) else ([], [])
    parts = _parts(text, tag_cuts)
    cuts: list[int] = []
    for start, end in pairwise([*parts, len(text)]):
        cuts += _cut_part(text, _Span(start, end), _within(protected, start, end))
    return cuts


def steps(text: str, offsets: Iterable[int]) -> list[str]:
    """The steps that start at `offsets`; joined, they are `text`."""
    return [text[start:end] for start, end in pairwise([*offsets, len(text)])]


def split_column(
    texts: "pa.ChunkedArray[Any] | pa.Array[Any]",
) -> "pa.ListArray[Any]":
    """`split_steps` of each text of a string column, as a list<int32> array; a null has no steps."""
    cuts, ends = array("i"), array("i", [0])
    for start in range(0, len(texts), _SLICE):
        for text in texts.slice(start, _SLICE).to_pylist():
            cuts.extend(split_steps(text or ""))
            ends.append(len(cuts))
    return pa.ListArray.from_arrays(_int32(ends), _int32(cuts))


def _int32(values: "array[int]") -> pa.Int32Array:
    return pa.array(np.asarray(values, np.int32), pa.int32())


def _scan(text: str) -> tuple[list[_Span], list[int]]:
    """Protected spans, apart and in order, and the cuts that think tags outside of them make."""
    tokens = list(_TOKEN.finditer(text))
    ends = _region_ends(tokens, len(text))
    spans: list[_Span] = []
    cuts: list[int] = []
    reached = 0
    for token, end in zip(tokens, ends, strict=True):
        if token.start() < reached:
            continue
        if end is not None:
            spans.append(_Span(token.start(), end))
            reached = end
        elif token["tag"] == "<think>":
            cuts.append(token.start())
        elif token["tag"]:
            cuts.append(_after(text, token.end()))
    tables = [_Span(*table.span()) for table in _TABLE.finditer(text)] if "|" in text else []
    return _union([*spans, *tables]), cuts


def _after(text: str, tag_end: int) -> int:
    match = _AFTER_TAG.match(text, tag_end)
    return match.end() if match else tag_end


def _region_ends(tokens: list[re.Match[str]], length: int) -> list[int | None]:
    """For each token, where the region it opens ends; None where it opens none.

    Read from the back, so that the nearest closer is at hand. No formula crosses a fence or a think tag.
    """
    ends: list[int | None] = []
    formulas: dict[str, list[int]] = {}
    fences: dict[str, int] = {}
    barrier = length
    for token in reversed(tokens):
        end: int | None = None
        if token["fence"]:
            formulas.clear()
            end = fences.get(token["fence"], barrier)
            if not token["info"].strip():
                fences[token["fence"]] = token.end()
        elif token["tag"]:
            formulas.clear()
            barrier = token.start()
        else:
            end = _formula_end(token, formulas)
        ends.append(end)
    return ends[::-1]


def _formula_end(token: re.Match[str], closers: dict[str, list[int]]) -> int | None:
    """Where the formula that `token` opens ends; a token that may close one joins `closers`."""
    if token["dollars"]:
        end = closers["$$"][-1] if closers.get("$$") else None
        closers["$$"] = [token.end()]
        return end
    key = "[]" if token["bracket"] else token["name"]
    if token["bracket"] == "]":
        closers[key] = [token.end()]
    elif token["side"] == "end":
        closers.setdefault(key, []).append(token.end())  # environments nest
    elif key and closers.get(key):
        return closers[key][-1] if token["bracket"] else closers[key].pop()
    return None


def _union(spans: list[_Span]) -> list[_Span]:
    apart: list[_Span] = []
    for span in sorted(spans):
        if apart and span.start < apart[-1].end:
            apart[-1] = _Span(apart[-1].start, max(apart[-1].end, span.end))
        else:
            apart.append(span)
    return apart


def _parts(text: str, tag_cuts: list[int]) -> list[int]:
    """Where the parts that think tags set off start; a part of nothing but tags joins its neighbour."""
    starts = [0]
    bare = True  # nothing but tags since the last start
    for start, end in pairwise([0, *tag_cuts, len(text)]):
        if not bare:
            starts.append(start)
        bare = (bare or start == starts[-1]) and _BARE_TAGS.fullmatch(text, start, end) is not None
    return starts[:-1] if bare and len(starts) > 1 else starts


def _within(spans: list[_Span], start: int, end: int) -> list[_Span]:
    return spans and spans[bisect_left(spans, start, key=_START) : bisect_left(spans, end, key=_START)]


def _cut_part(text: str, part: _Span, protected: list[_Span]) -> list[int]:
    """The step starts of one part: blank lines if they cut it, else markers, else lines."""
    for cuts in _attempts(text, part):
        allowed = _outside(cuts, protected) if protected else cuts
        glued = _glue(text, [part.start, *allowed], part.end, protected)
        if len(glued) > 1:
            return glued
    return [part.start]


def _attempts(text: str, part: _Span) -> Iterator[list[int]]:
    yield [gap.end() for gap in _GAP.finditer(text, *part)]
    markers = [mark.start() for mark in _MARKER.finditer(text, *part)]
    # A marker that nothing follows heads nothing: `#### 42` closes a plain list of lines.
    if markers and _MORE_LINES.search(text, markers[0], part.end):
        yield [mark for mark in markers if mark > part.start]
    yield [line.end() for line in _LINE.finditer(text, *part)]


def _outside(cuts: list[int], protected: list[_Span]) -> list[int]:
    before = [bisect_left(protected, cut, key=_START) - 1 for cut in cuts]
    return [cut for cut, i in zip(cuts, before, strict=True) if i < 0 or protected[i].end <= cut]


def _glue(text: str, cuts: list[int], end: int, protected: list[_Span]) -> list[int]:
    """The cuts less those after a heading or opening tag and those before a formula, a closing tag or nothing."""
    formulas = {span.start: span.end for span in protected if _FORMULA.match(text, span.start)}
    kept: list[int] = []
    opening = tags = False  # all that the current step holds so far opens what comes; is tags
    for start, stop in pairwise([*cuts, end]):
        piece = text[start:stop].strip()
        bare = not piece or _BARE_TAGS.fullmatch(piece) is not None
        opens = bare or _HEADING.fullmatch(piece) is not None
        closes = bare and not piece.startswith("<think>")
        if kept and (opening or closes or _is_formula(text, _Span(start, stop), formulas)):
            opening, tags = opening and opens, tags and bare
        else:
            kept.append(start)
            opening, tags = opens, bare
    return kept[:-1] if tags and len(kept) > 1 else kept


def _is_formula(text: str, piece: _Span, formulas: dict[int, int]) -> bool:
    if not formulas:
        return False
    raw = text[piece.start : piece.end]
    end = formulas.get(piece.end - len(raw.lstrip()))
    return end is not None and text[end : piece.end].strip() in {"", ".", ",", ";", ":"}
