"""Constraints as problems store them, and how many of them a text follows.

A problem's `constraints` is JSON in one of three forms:

- tracemill's: `[{"kind": "punctuation:no_comma", "kwargs": {}}, …]`;
- IFEval's (arXiv 2311.07911): `{"instruction_id_list": […], "kwargs": […]}`, also as `instruction_id`, also in a list;
- open-instruct's for RLVR (Tülu 3, arXiv 2411.15124): `{"func_name": "validate_no_commas", "N": null, …}`, or a list.
  These are checked by IFEval's rules too, which are a little more lenient than open-instruct's own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from tasks.verify.ifeval_kinds import KINDS, SLOW, Finding

_RELATED: Final = {"quantifier": "relation"}
_FUNCTIONS: Final[dict[str, tuple[str, dict[str, str], dict[str, Any]]]] = {
    "verify_keywords": ("keywords:existence", {"keyword_list": "keywords"}, {}),
    "verify_keyword_frequency": (
        "keywords:frequency",
        {"word": "keyword", "N": "frequency"},
        {"relation": "exactly", "whole": True},
    ),
    "validate_forbidden_words": ("keywords:forbidden_words", {"forbidden_words": "forbidden_words"}, {}),
    "verify_letter_frequency": (
        "keywords:letter_frequency",
        {"letter": "letter", "N": "let_frequency"},
        {"let_relation": "exactly", "case": True},
    ),
    "validate_response_language": ("language:response_language", {"language": "language"}, {}),
    "verify_paragraph_count": ("length_constraints:number_paragraphs", {"N": "num_paragraphs"}, {"divider": "* * *"}),
    "validate_word_constraint": ("length_constraints:number_words", {"N": "num_words"} | _RELATED, {}),
    "verify_sentence_constraint": ("length_constraints:number_sentences", {"N": "num_sentences"} | _RELATED, {}),
    "validate_paragraphs": (
        "length_constraints:nth_paragraph_first_word",
        {"N": "num_paragraphs", "i": "nth_paragraph", "first_word": "first_word"},
        {},
    ),
    "verify_postscript": ("detectable_content:postscript", {"postscript_marker": "postscript_marker"}, {}),
    "validate_placeholders": ("detectable_content:number_placeholders", {"N": "num_placeholders"}, {}),
    "verify_bullet_points": ("detectable_format:number_bullet_lists", {"N": "num_bullets"}, {}),
    "validate_title": ("detectable_format:title", {}, {}),
    "validate_choice": ("detectable_format:constrained_response", {"options": "options"}, {}),
    "validate_highlighted_sections": (
        "detectable_format:number_highlighted_sections",
        {"N": "num_highlights"},
        {},
    ),
    "validate_sections": (
        "detectable_format:multiple_sections",
        {"N": "num_sections", "section_splitter": "section_spliter"},
        {},
    ),
    "validate_json_format": ("detectable_format:json_format", {}, {}),
    "validate_repeat_prompt": ("combination:repeat_prompt", {"original_prompt": "prompt_to_repeat"}, {}),
    "validate_two_responses": ("combination:two_responses", {}, {}),
    "validate_uppercase": ("change_case:english_capital", {}, {}),
    "validate_lowercase": ("change_case:english_lowercase", {}, {}),
    "validate_frequency_capital_words": (
        "change_case:capital_word_frequency",
        {"N": "capital_frequency", "quantifier": "capital_relation"},
        {},
    ),
    "validate_end": ("startend:end_checker", {"end_phrase": "end_phrase"}, {}),
    "validate_quotation": ("startend:quotation", {}, {}),
    "validate_no_commas": ("punctuation:no_comma", {}, {}),
}
"""open-instruct's functions: the kind, the kind's names of its arguments, and what else the kind is told."""


class Rule(NamedTuple):
    """One constraint: its kind by IFEval's name, and its arguments."""

    kind: str
    kwargs: dict[str, Any]

    def finding(self, text: str) -> Finding:
        """Whether a text follows it."""
        return KINDS[self.kind](text, **self.kwargs)


@lru_cache(maxsize=8192)
def read(constraints: str) -> tuple[Rule, ...]:
    """Read a problem's constraints.

    Raises:
        ValueError: they are none, of an unknown kind, or their arguments are wrong; the message is for people.
    """
    try:
        stored = json.loads(constraints)
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the constraints are no JSON: {exc}") from exc
    rules = tuple(_rules(stored))
    if not rules:
        raise ValueError("the list of constraints is empty")
    for rule in rules:
        _tried(rule)
    return rules


def is_slow(rules: Sequence[Rule]) -> bool:
    """Whether a check has to detect a language."""
    return any(rule.kind in SLOW for rule in rules)


def findings(rules: Sequence[Rule], text: str, *, loose: bool) -> list[Finding]:
    """What comes of each rule; loose: it is followed if the text or one of its seven variants follows it.

    A text or variant without anything but blanks follows no rule.
    """
    strict = [_checked(rule, text) for rule in rules]
    if not loose:
        return strict
    others = _variants(text)
    return [
        found if found.followed else next((one for other in others if (one := _checked(rule, other)).followed), found)
        for rule, found in zip(rules, strict, strict=True)
    ]


def _checked(rule: Rule, text: str) -> Finding:
    return rule.finding(text) if text.strip() else Finding(followed=False, said="empty")


def _variants(text: str) -> list[str]:
    """Without its first line, its last, both; these and the text itself without asterisks (IFEval, section 2.2)."""
    lines = text.split("\n")
    cut = ["\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1])]
    return list(dict.fromkeys([*cut, *(one.replace("*", "") for one in (text, *cut))]))


def _rules(stored: Any) -> Iterator[Rule]:
    for one in stored if isinstance(stored, list) else [stored]:
        if not isinstance(one, Mapping):
            raise ValueError(f"a constraint is {type(one).__name__}, not an object with a kind")  # noqa: TRY004 - one type
        if "kind" in one:
            yield _rule(one["kind"], one.get("kwargs"))
        elif "func_name" in one:
            yield _translated(one)
        else:
            yield from _ifeval(one)


def _ifeval(one: Mapping[str, Any]) -> Iterator[Rule]:
    kinds = one.get("instruction_id_list", one.get("instruction_id"))
    kwargs = one.get("kwargs")
    if not isinstance(kinds, list) or not isinstance(kwargs, list) or len(kinds) != len(kwargs):
        raise ValueError(
            "a constraint has neither `kind`, nor `func_name`, nor `instruction_id_list` with its `kwargs`"
        )
    yield from map(_rule, kinds, kwargs)


def _rule(kind: Any, kwargs: Any) -> Rule:
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"unknown kind of constraint {kind!r}")
    if kwargs is not None and not isinstance(kwargs, Mapping):
        raise ValueError(f"the kwargs of {kind} are no object")
    return Rule(kind, {name: value for name, value in (kwargs or {}).items() if value is not None})


def _translated(one: Mapping[str, Any]) -> Rule:
    name = one["func_name"]
    if not isinstance(name, str) or name not in _FUNCTIONS:
        raise ValueError(f"unknown function of a constraint {name!r}")
    kind, names, fixed = _FUNCTIONS[name]
    return _rule(kind, {own: one.get(theirs) for theirs, own in names.items()} | fixed)


def _tried(rule: Rule) -> None:
    """Have the arguments validated: on an empty text no check does more."""
    try:
        rule.finding("")
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors())
        raise ValueError(f"{rule.kind}: {faults}") from exc
