"""The 25 kinds of constraint of IFEval, as checks of a text.

Zhou et al. 2023, arXiv 2311.07911, table 1; names, arguments and what counts are those of its public checker, quirks
and all, so that verdicts compare with published ones. A relation of theirs is `at least` or `less than`; `at most`,
`around` (within a tenth, at least one) and `exactly` are open-instruct's. Keywords are literal here, where IFEval takes
them for regular expressions. Each check is linear in the text.
"""

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, NamedTuple, TypeVar

from pydantic import Field, validate_call

from tasks.verify.ifeval_text import count_capital_words, count_sentences, count_words, language


class Finding(NamedTuple):
    """Whether a text follows a constraint, and what was counted or found in it."""

    followed: bool
    said: str


Check = Callable[..., Finding]
"""From the text and the constraint's arguments, by name."""

KINDS: Final[dict[str, Check]] = {}
"""Checks by IFEval's names."""
SLOW: Final = frozenset({"language:response_language", "change_case:english_capital", "change_case:english_lowercase"})
"""Kinds that detect the text's language, which takes milliseconds and the profiles that `ifeval_text.prepare` loads."""

Relation = Literal["at least", "less than", "at most", "around", "exactly"]
Number = Annotated[int, Field(ge=0)]
Texts = Annotated[list[str], Field(min_length=1)]
Text = Annotated[str, Field(min_length=1)]
_F = TypeVar("_F", bound=Check)
_OPTIONS: Final = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCE: Final = re.compile(r"\A```(?:json|Json|JSON)?|```\Z")
_FIRST_WORD: Final = re.compile(r"""['"]*([^.,?!'"]*)""")
_HIGHLIGHT: Final = re.compile(r"\*([^\n*]*)\*")
_STRONG: Final = re.compile(r"\*\*([^\n*]*)\*\*")
_SHOWN: Final = 40


def _kind(name: str) -> Callable[[_F], _F]:
    """Register a check; its arguments are validated at each call."""

    def register(check: _F) -> _F:
        KINDS[name] = validate_call(check)
        return check

    return register


def _counted(count: int, what: str, relation: str, number: int) -> Finding:
    holds = {
        "at least": count >= number,
        "less than": count < number,
        "at most": count <= number,
        "around": abs(count - number) <= max(round(number / 10), 1),
        "exactly": count == number,
    }
    return Finding(holds[relation], f"{count} {what}, {relation} {number} asked for")


def _shown(text: str) -> str:
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= _SHOWN else flat[:_SHOWN] + "…")


@_kind("keywords:existence")
def _existence(text: str, *, keywords: Texts) -> Finding:
    """In any case and inside longer words too."""
    lowered = text.lower()
    missing = [word for word in keywords if word.lower() not in lowered]
    return Finding(not missing, f"without {', '.join(map(_shown, missing))}" if missing else "all there")


@_kind("keywords:frequency")
def _frequency(text: str, *, keyword: Text, frequency: Number, relation: Relation, whole: bool = False) -> Finding:
    """In any case and inside longer words too, unless `whole`."""
    wanted = keyword.strip().lower()
    pattern = rf"(?<!\w){re.escape(wanted)}(?!\w)" if whole else re.escape(wanted)
    return _counted(len(re.findall(pattern, text.lower())), f"times {_shown(wanted)}", relation, frequency)


@_kind("keywords:forbidden_words")
def _forbidden(text: str, *, forbidden_words: Texts) -> Finding:
    r"""As whole words (`\b` on both sides), in any case."""
    found = [word for word in forbidden_words if re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)]
    return Finding(not found, f"with {', '.join(map(_shown, found))}" if found else "with none of them")


@_kind("keywords:letter_frequency")
def _letters(
    text: str,
    *,
    letter: Annotated[str, Field(min_length=1, max_length=1)],
    let_frequency: Number,
    let_relation: Relation,
    case: bool = False,
) -> Finding:
    """Any character; in any case, unless `case`."""
    count = text.count(letter) if case else text.lower().count(letter.lower())
    return _counted(count, f"times {letter!r}", let_relation, let_frequency)


@_kind("language:response_language")
def _language(text: str, *, language: Text) -> Finding:
    """Followed, too, where no language can be told."""
    return _in_language(text, language)


@_kind("length_constraints:number_sentences")
def _sentences(text: str, *, num_sentences: Number, relation: Relation) -> Finding:
    return _counted(count_sentences(text), "sentences", relation, num_sentences)


@_kind("length_constraints:number_paragraphs")
def _paragraphs(text: str, *, num_paragraphs: Number, divider: Text = "***") -> Finding:
    """Between dividers; an empty one is let pass at the beginning and the end, not in between."""
    parts = [part.strip() for part in text.split(divider)]
    if not all(parts[1:-1]):
        return Finding(followed=False, said="an empty paragraph between two dividers")
    return _counted(sum(map(bool, parts)), "paragraphs", "exactly", num_paragraphs)


@_kind("length_constraints:number_words")
def _words(text: str, *, num_words: Number, relation: Relation) -> Finding:
    return _counted(count_words(text), "words", relation, num_words)


@_kind("length_constraints:nth_paragraph_first_word")
def _first_word(text: str, *, num_paragraphs: Number, nth_paragraph: int, first_word: Text) -> Finding:
    """Paragraphs are apart by a blank line; empty ones do not count, but are passed when the nth is looked for."""
    parts = [part.strip() for part in text.split("\n\n")]
    count = sum(map(bool, parts))
    if count != num_paragraphs:
        return _counted(count, "paragraphs", "exactly", num_paragraphs)
    nth = parts[nth_paragraph - 1] if 0 < nth_paragraph <= len(parts) else ""
    word = nth.split(maxsplit=1)[0] if nth else ""
    begins = _FIRST_WORD.match(word)
    first = begins[1].lower() if begins else ""
    return Finding(first == first_word.lower(), f"paragraph {nth_paragraph} begins with {_shown(first)}")


@_kind("detectable_content:number_placeholders")
def _placeholders(text: str, *, num_placeholders: Number) -> Finding:
    """Square brackets with anything in them, on one line."""
    return _counted(sum(map(_brackets, text.split("\n"))), "placeholders", "at least", num_placeholders)


def _brackets(line: str) -> int:
    count = at = 0
    while (opening := line.find("[", at)) >= 0 and (closing := line.find("]", opening)) >= 0:
        count, at = count + 1, closing + 1
    return count


@_kind("detectable_content:postscript")
def _postscript(text: str, *, postscript_marker: Text) -> Finding:
    """The marker anywhere, in any case; `P.S.` and `P.P.S` may have a blank after each point."""
    marker = postscript_marker.strip()
    spaced = r"\.\s?".join(map(re.escape, marker.lower().rstrip(".").split("."))) + (r"\." if marker == "P.S." else "")
    pattern = spaced if marker in ("P.S.", "P.P.S") else re.escape(marker.lower())
    found = re.search(pattern, text.lower()) is not None
    return Finding(found, f"{'a' if found else 'no'} {marker}")


@_kind("detectable_format:number_bullet_lists")
def _bullets(text: str, *, num_bullets: Number) -> Finding:
    """Lines that begin with one `*`, or with `-`; a rule of dashes is one too."""
    lines = (line.lstrip() for line in text.split("\n"))
    count = sum(1 for line in lines if line.startswith("-") or (line.startswith("*") and line[1:2] != "*"))
    return _counted(count, "bullet points", "exactly", num_bullets)


@_kind("detectable_format:constrained_response")
def _constrained(text: str, *, options: Texts = list(_OPTIONS)) -> Finding:  # noqa: B006 - never changed
    """One of the options somewhere in the text, to the letter; the model may say more."""
    return Finding(any(option in text for option in options), "the options were looked for to the letter")


@_kind("detectable_format:number_highlighted_sections")
def _highlights(text: str, *, num_highlights: Number) -> Finding:
    """`*one*` and `**one**`, on one line and not empty."""
    found = (*_HIGHLIGHT.findall(text), *_STRONG.findall(text))
    return _counted(sum(1 for one in found if one.strip()), "highlights", "at least", num_highlights)


@_kind("detectable_format:multiple_sections")
def _sections(text: str, *, section_spliter: Text, num_sections: Number) -> Finding:
    """The word (in this case) and a number, anywhere; the numbers themselves do not matter."""
    count = len(re.findall(re.escape(section_spliter.strip()) + r"\s?\d+", text))
    return _counted(count, "sections", "at least", num_sections)


@_kind("detectable_format:json_format")
def _json(text: str) -> Finding:
    """The whole text, or what is in the one code fence around it."""
    try:
        json.loads(_FENCE.sub("", text.strip()).strip(), parse_int=len)
    except (ValueError, RecursionError) as exc:
        return Finding(followed=False, said=f"no JSON: {exc}")
    return Finding(followed=True, said="JSON")


@_kind("detectable_format:title")
def _title(text: str) -> Finding:
    """`<<one>>` on one line, not empty."""
    lines = ((line, line.find("<<"), line.rfind(">>")) for line in text.split("\n"))
    found = any(0 <= start < end and line[start:end].lstrip("<").strip("> \t\r") for line, start, end in lines)
    return Finding(found, f"{'a' if found else 'no'} title between << and >>")


@_kind("combination:two_responses")
def _two(text: str) -> Finding:
    """Two that differ, with `******` between them."""
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    if len(given) != 2 or not all(parts[1:-1]):
        return Finding(followed=False, said=f"{len(given)} responses between ******")
    return Finding(given[0] != given[1], "two responses" if given[0] != given[1] else "the same response twice")


@_kind("combination:repeat_prompt")
def _repeat(text: str, *, prompt_to_repeat: Text) -> Finding:
    """At the beginning, in any case; blanks and line ends as in the prompt."""
    begins = text.strip().lower().startswith(prompt_to_repeat.strip().lower())
    return Finding(begins, f"begins with {_shown(text[:200])}")


@_kind("startend:end_checker")
def _end(text: str, *, end_phrase: Text) -> Finding:
    """At the end, in any case; double quotation marks after it do not count."""
    ends = text.strip().strip('"').lower().endswith(end_phrase.strip().lower())
    return Finding(ends, f"ends with {_shown(text[-_SHOWN:])}")


@_kind("startend:quotation")
def _quotation(text: str) -> Finding:
    """Straight double quotation marks; typographic ones do not count."""
    bare = text.strip()
    return Finding(len(bare) > 1 and bare[0] == bare[-1] == '"', f"begins with {bare[:1]!r}, ends with {bare[-1:]!r}")


@_kind("change_case:capital_word_frequency")
def _capital_words(text: str, *, capital_frequency: Number, capital_relation: Relation) -> Finding:
    return _counted(count_capital_words(text), "words in capitals", capital_relation, capital_frequency)


@_kind("change_case:english_capital")
def _capital(text: str) -> Finding:
    return _in_language(text, "en") if text.isupper() else Finding(followed=False, said="small letters")


@_kind("change_case:english_lowercase")
def _lowercase(text: str) -> Finding:
    return _in_language(text, "en") if text.islower() else Finding(followed=False, said="capital letters")


@_kind("punctuation:no_comma")
def _no_comma(text: str) -> Finding:
    return _counted(text.count(","), "commas", "exactly", 0)


def _in_language(text: str, wanted: str) -> Finding:
    found = language(text)
    same: Any = found is None or wanted.lower() in (found, found.partition("-")[0])
    return Finding(bool(same), f"language {found or 'not found'}, {wanted} asked for")
