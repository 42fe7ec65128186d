"""Constraints on a written answer that a program can check.

Kinds and their arguments are named as in IFEval (Zhou et al. 2023, arXiv 2311.07911, table 1, and its public checker);
the sentences are our own. A relation is `at least` or `less than`.
"""

from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final, NamedTuple

WORDS: Final = tuple(
    word
    for line in (
        "morning window teacher bridge garden letter market number picture river season story summer table travel",
        "weather winter answer balance beginning budget calendar careful choice detail evening friend future habit",
        "history journey kitchen lesson memory mistake neighbour patience practice question quiet reason simple",
    )
    for word in line.split()
)
_ENDINGS: Final = ("That is all for today.", "Let me know what you think.", "Thank you for reading this.")


class Constraint(NamedTuple):
    """One constraint: its name and arguments in IFEval's terms, and the sentence that tells it."""

    kind: str
    kwargs: dict[str, Any]
    sentence: str


class Kind(NamedTuple):
    """How a kind is drawn. Of kinds in one group at most one is drawn, since they contradict or hide each other.

    Sections are in the group of cases: their mark has capitals and small letters.
    """

    group: str
    draw: Callable[[Random], tuple[dict[str, Any], str]]


def draw_constraints(kinds: Iterable[str], count: int, draw: Random) -> list[Constraint]:
    """`count` constraints of these kinds, no two of one group; fewer where there are not so many groups."""
    order = sorted(kinds)
    draw.shuffle(order)
    first_of_group = {KINDS[name].group: name for name in reversed(order)}
    chosen = [name for name in order if name in first_of_group.values()][:count]
    return [Constraint(name, *KINDS[name].draw(draw)) for name in chosen]


def _number_words(draw: Random) -> tuple[dict[str, Any], str]:
    relation, number = draw.choice(("at least", "less than")), draw.randrange(100, 401, 50)
    return {"num_words": number, "relation": relation}, f"Write {relation} {number} words."


def _number_sentences(draw: Random) -> tuple[dict[str, Any], str]:
    relation = draw.choice(("at least", "less than"))
    number = draw.randint(4, 12) if relation == "at least" else draw.randint(10, 15)
    return {"num_sentences": number, "relation": relation}, f"Use {relation} {number} sentences."


def _number_paragraphs(draw: Random) -> tuple[dict[str, Any], str]:
    number = draw.randint(2, 5)
    return {
        "num_paragraphs": number
    }, f"Write exactly {number} paragraphs, with a line of three asterisks (***) between them."


def _bullets(draw: Random) -> tuple[dict[str, Any], str]:
    number = draw.randint(2, 6)
    return {
        "num_bullets": number
    }, f"Include exactly {number} bullet points, each on a line that starts with an asterisk (* like this)."


def _highlights(draw: Random) -> tuple[dict[str, Any], str]:
    number = draw.randint(2, 4)
    return {"num_highlights": number}, f"Highlight at least {number} passages between asterisks, *like this*."


def _sections(draw: Random) -> tuple[dict[str, Any], str]:
    number, word = draw.randint(2, 4), draw.choice(("Section", "SECTION"))
    return (
        {"section_spliter": word, "num_sections": number},
        f"Divide the answer into {number} sections that begin with {word} 1, {word} 2 and so on.",
    )


def _placeholders(draw: Random) -> tuple[dict[str, Any], str]:
    number = draw.randint(1, 4)
    return {"num_placeholders": number}, f"Leave at least {number} placeholders in square brackets, such as [name]."


def _title(_draw: Random) -> tuple[dict[str, Any], str]:
    return {}, "Give the answer a title in double angle brackets, <<like this>>."


def _existence(draw: Random) -> tuple[dict[str, Any], str]:
    words = sorted(draw.sample(WORDS, draw.randint(1, 3)))
    return {"keywords": words}, f"Use each of these words: {_listed(words)}."


def _forbidden(draw: Random) -> tuple[dict[str, Any], str]:
    words = sorted(draw.sample(WORDS, draw.randint(2, 4)))
    return {"forbidden_words": words}, f"Use none of these words: {_listed(words)}."


def _frequency(draw: Random) -> tuple[dict[str, Any], str]:
    word, number = draw.choice(WORDS), draw.randint(2, 4)
    return {
        "keyword": word,
        "frequency": number,
        "relation": "at least",
    }, f'Use the word "{word}" at least {number} times.'


def _letters(draw: Random) -> tuple[dict[str, Any], str]:
    letter, number = draw.choice("bcfgkpvwy"), draw.randint(4, 10)
    return (
        {"letter": letter, "let_frequency": number, "let_relation": "at least"},
        f'Let the letter "{letter}" appear at least {number} times.',
    )


def _upper(_draw: Random) -> tuple[dict[str, Any], str]:
    return {}, "Answer in English and in capital letters only."


def _lower(_draw: Random) -> tuple[dict[str, Any], str]:
    return {}, "Answer in English and in lowercase letters only, without any capital letter."


def _capital_words(draw: Random) -> tuple[dict[str, Any], str]:
    relation, number = draw.choice(("at least", "less than")), draw.randint(3, 6)
    return (
        {"capital_frequency": number, "capital_relation": relation},
        f"Write {relation} {number} words in all capital letters.",
    )


def _no_comma(_draw: Random) -> tuple[dict[str, Any], str]:
    return {}, "Do not use any comma."


def _ending(draw: Random) -> tuple[dict[str, Any], str]:
    phrase = draw.choice(_ENDINGS)
    return {"end_phrase": phrase}, f'End with exactly these words and nothing after them: "{phrase}"'


def _postscript(_draw: Random) -> tuple[dict[str, Any], str]:
    return {"postscript_marker": "P.S."}, "Add a postscript at the end that starts with P.S."


def _quotation(_draw: Random) -> tuple[dict[str, Any], str]:
    return {}, "Put the whole answer between double quotation marks."


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)


KINDS: Final[dict[str, Kind]] = {
    "length_constraints:number_words": Kind("length", _number_words),
    "length_constraints:number_sentences": Kind("length", _number_sentences),
    "length_constraints:number_paragraphs": Kind("shape", _number_paragraphs),
    "detectable_format:number_bullet_lists": Kind("shape", _bullets),
    "detectable_format:number_highlighted_sections": Kind("shape", _highlights),
    "detectable_format:multiple_sections": Kind("case", _sections),
    "detectable_content:number_placeholders": Kind("content", _placeholders),
    "detectable_format:title": Kind("content", _title),
    "keywords:existence": Kind("keywords", _existence),
    "keywords:forbidden_words": Kind("keywords", _forbidden),
    "keywords:frequency": Kind("keywords", _frequency),
    "keywords:letter_frequency": Kind("keywords", _letters),
    "change_case:english_capital": Kind("case", _upper),
    "change_case:english_lowercase": Kind("case", _lower),
    "change_case:capital_word_frequency": Kind("case", _capital_words),
    "punctuation:no_comma": Kind("punctuation", _no_comma),
    "startend:end_checker": Kind("ending", _ending),
    "detectable_content:postscript": Kind("ending", _postscript),
    "startend:quotation": Kind("ending", _quotation),
}
"""By IFEval's names."""
