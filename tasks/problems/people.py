"""Who is named in a worded problem, by simple signs: capitals, and what stands before and after them.

English only. A heuristic: it is measured on human-written problems, see the tests.
"""

import re
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*")
_STARTS: Final = re.compile(r"(?:\A|[.!?:;\n(\[\"“”*•-]|\d\.)[\s\"“'‘(*•-]*\Z")
_POSSESSIVE: Final = re.compile(r"['’](?:s|d|ll|re|ve)?\Z")
_NAME: Final = re.compile(r"[^\W\d_a-z][^\W\d_A-Z'’-]+\Z")
_ASKS: Final = re.compile(
    r"([,;]\s*(?:and |by )?)?\b(?:how|what|which|who|whose|when|find|calculate|determine|compute)\b", re.IGNORECASE
)
_APPOSED: Final = re.compile(r",? (?:an?|the)\b|, (?:who|whose|aged|\d)")
_WHO: Final = re.compile(r"(?:['’]s)?,?\s+who\b")
_DEFINED: Final = re.compile(rf"{_WHO.pattern}|,\s")
_PLACED: Final = frozenset(["in", "at", "near", "from", "through", "around", "across", "visit", "leaving", "outside"])
_NO_NAMES: Final = frozenset(
    word
    for line in (
        "January February March April May June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Christmas Easter Halloween Thanksgiving Hanukkah",
        "Mondays Tuesdays Wednesdays Thursdays Fridays Saturdays Sundays Valentine Eve Day Year New",
        "Mr Mrs Ms Miss Dr Sir Uncle Aunt Auntie Grandma Grandpa Mom Mum Dad Mommy Daddy Mother Father Coach Captain",
        "Celsius Fahrenheit Kelvin English French Spanish German Chinese Japanese American Americans Python Earth",
    )
    for word in line.split()
)
_NO_SUBJECTS: Final = frozenset(
    word
    for line in (
        "it he she they we you i this that these those there each every everyone everybody nobody someone somebody one",
        "why both all who what which his her their its my our your another some most half none neither either if the a",
        "an after before during while since over under until between given despite through upon among later today",
        "then and but so at in of on to for from by with as is are was were do does did has have had how when where",
    )
    for word in line.split()
)
_VERB: Final = re.compile(
    r"(?!(?:this|his|its|as|us)\Z)(?:[a-z]+(?:s|ed)|got|gave|had|made|ran|ate|won|lost|sold|bought|took|went|can|will)\Z"
)


class Mention(NamedTuple):
    """A capitalised word that may be somebody's name, and what stands around it."""

    name: str
    start: int
    before: str
    opens: bool
    """Whether it begins a sentence, so that its capital says nothing."""


def mentions(text: str) -> list[Mention]:
    """Names inside sentences, and those at a sentence's start that a verb, an apposition or an apostrophe follows."""
    found = []
    tokens = list(_TOKEN.finditer(text))
    words = ["", *(token[0] for token in tokens), ""]
    for token, before, after in zip(tokens, words, words[2:], strict=False):
        name = _POSSESSIVE.sub("", token[0])
        if not _NAME.match(name) or name in _NO_NAMES or name.lower() in _NO_SUBJECTS:
            continue
        opens = _STARTS.search(text, max(0, token.start() - 8), token.start()) is not None
        if not opens or _VERB.match(after) or _APPOSED.match(text, token.end()) or name != token[0]:
            found.append(Mention(name, token.start(), before.lower(), opens))
    return found


def people(text: str) -> list[str]:
    """The distinct names in order of appearance, without those that only ever stand where a place does."""
    return list(dict.fromkeys(one.name for one in mentions(text) if one.before not in _PLACED))


def unknown(text: str, question_start: int) -> str | None:
    """A person asked about, or compared with, of whom the text says nothing else; None if all are known.

    `question_start` is where the last sentence begins. Where nobody else is named before, a name there is no fault.
    """
    named = [one for one in mentions(text) if one.before not in _PLACED]
    asked_from = _asking_clause(text, question_start)
    for one in named:
        end = one.start + len(one.name)
        compared = one.before == "than" and not _DEFINED.match(text, end)
        asked = one.start >= asked_from and not one.opens and not _WHO.match(text, end)
        others_known = any(other.start < one.start and other.name != one.name for other in named)
        if (compared or asked) and others_known and _count(one.name, text) < 2:
            return one.name
    return None


def _asking_clause(text: str, start: int) -> int:
    """Where `how many …` begins: at the last such word after a comma, or else at the first one."""
    found = list(_ASKS.finditer(text, start))
    after_comma = [one.start() for one in found if one[1]]
    return after_comma[-1] if after_comma else found[0].start() if found else len(text)


def _count(name: str, text: str) -> int:
    """How often a word stands in a text, in any case: what is also written small is no name."""
    return len(re.findall(rf"\b{re.escape(name)}", text, re.IGNORECASE))
