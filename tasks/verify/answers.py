"""The final answer in a trace's text."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

MARKERS: Final = ("A:", "####", "Answer:", "answer:", "ANSWER:", "Final answer:", "Final Answer:", "FINAL ANSWER:")
PHRASES: Final = ("final answer is", "answer is", "final answer:", "answer:")

_BRACE: Final = re.compile(r"\\.|[{}]", re.DOTALL)
_PLAIN: Final = re.compile(r"\s*(-?\d+)[ \t]*(?:\n|\Z)", re.ASCII)
_DECORATION: Final = re.compile(r"[\s*_:]*")
_BOLD_END: Final = re.compile(r"\*\*(?!\w)")
_DISPLAYED: Final = re.compile(r"\\\[(.*?)\\\]|\$\$(.*?)\$\$", re.DOTALL)
_INLINE_MATH: Final = re.compile(r"(?<!\\)\$([^$\n]+)(?<!\\)\$|\\\((.+?)\\\)")
_SENTENCE_END: Final = re.compile(
    r"[.!?;](?:\s|$)|,?\s(?:because|since|so|which|as|when|after|if|where)\b", re.IGNORECASE
)
_CALCULATOR: Final = re.compile(r"<<[^<>\n]*>>")
_NUMBER: Final = re.compile(r"(?<![\w.])-?\$?(?:\d+(?:,\d{3})+|\d+)(?:\.\d+)?%?")
_PROSE_MAX: Final = 2_000
"""Characters; no formula is looked for in a longer line."""
_INDENT: Final = 12
"""A line marker may stand behind this much quoting, bullet or bold."""


def final_answer(text: str, markers: Sequence[str], phrases: Sequence[str], *, last_number: bool) -> str | None:
    r"""Return the answer that a text ends in, or None.

    Tried in this order, the last occurrence of each counting:

    1. `\boxed{…}` (braces balanced), or a marker at the start of a line (`A: 18`, `#### 18`), whichever comes later;
    2. a phrase anywhere (`… the answer is 18.`), up to the sentence's end;
    3. with `last_number`, the last number in the text.

    After a marker or phrase the rest of the line counts, or the next line if nothing is left on it, or the displayed
    formula that starts there; a line of prose around one inline formula gives that formula.
    """
    boxed_at = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    boxed, boxed_end = _braced(text, boxed_at) if boxed_at >= 0 else (None, -1)
    marked_at = _last_marker(text, tuple(markers)) if markers else -1
    if boxed is not None and boxed_end > marked_at:
        return boxed.strip() or None
    if marked_at >= 0:
        return _after(text, marked_at) or None
    ends = [match.end() for match in _phrase_pattern(tuple(phrases)).finditer(text)] if phrases else []
    if ends:
        answer = _after(text, ends[-1])
        end = None if answer.startswith(("\\", "$")) else _SENTENCE_END.search(answer)
        return (answer[: end.start()] if end else answer) or None
    numbers = _NUMBER.findall(text) if last_number else []
    return numbers[-1] if numbers else None


def _braced(text: str, start: int) -> tuple[str | None, int]:
    """The content of the first braces after `start`, and where they end; None if they never close."""
    opening = text.find("{", start, start + len("\\boxed") + 2)
    if opening < 0:
        return None, -1
    depth = 0
    for match in _BRACE.finditer(text, opening):
        depth += {"{": 1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return text[opening + 1 : match.start()], match.end()
    return None, -1


def _last_marker(text: str, markers: tuple[str, ...]) -> int:
    """Where the text behind the last marker at a line's start begins; -1 if there is none."""
    pattern = _marker_pattern(markers)
    last = pattern.match(text, text.rfind("\n") + 1)  # where most answers stand
    if last:
        return last.end()
    return max((marked.end() for marked in pattern.finditer(text)), default=-1)


def _after(text: str, start: int) -> str:
    plain = _PLAIN.match(text, start)
    if plain:
        return plain[1]
    begin = _DECORATION.match(text, start)
    bold = begin is not None and begin.group().endswith("**")
    start = begin.end() if begin else start
    displayed = _DISPLAYED.match(text, start)
    if displayed:
        return (displayed[1] or displayed[2] or "").strip()
    line = _CALCULATOR.sub("", text[start:].split("\n", 1)[0])
    line = (_BOLD_END.sub("", line, count=1) if bold else line).strip(" *_")
    if len(line) > _PROSE_MAX:
        return line
    formulas = _INLINE_MATH.findall(line)
    prose = _INLINE_MATH.sub("", line)
    if len(formulas) == 1 and not re.search(r"\d", prose):
        return "".join(formulas[0]).strip()
    return line


@lru_cache(maxsize=16)
def _marker_pattern(markers: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"^[ \t>*_#-]{{0,{_INDENT}}}(?:{'|'.join(map(re.escape, markers))})", re.MULTILINE)


@lru_cache(maxsize=16)
def _phrase_pattern(phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b{re.escape(phrase)}(?!\w)" for phrase in phrases), re.IGNORECASE)
