"""The quality gate: small rules on a written problem, each with its reason. What fails one is dropped with it."""

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Completion, Finish
from tasks.problems.people import people, unknown
from tasks.text.loops import repeats

RuleName = Literal[
    "refusal",
    "repeats itself",
    "gives its own solution",
    "asks nothing",
    "too few numbers",
    "asks about somebody unknown",
]


class GateConfig(ConfigBase):
    """What a written problem has to meet."""

    min_chars: int = Field(default=20, ge=0, description="shorter questions are dropped")
    max_chars: int = Field(default=4000, gt=0, description="longer questions are dropped")
    min_numbers: int = Field(default=2, ge=0, description="numbers, in digits or words, that a worded problem needs")
    max_people: int | None = Field(
        default=None, ge=1, description="different names in a worded problem at most; small models mix up names"
    )
    skip: tuple[RuleName, ...] = Field(default=(), description="rules that are not applied")


class Flaw(NamedTuple):
    """Why a problem is dropped: the reason, one of few, and what was found."""

    reason: str
    detail: str = ""


Rule = Callable[[str, GateConfig], str | None]
"""From a question: what is wrong with it, None if nothing is."""

_REFUSAL: Final = re.compile(
    r"\bas an? (?:AI|artificial intelligence|(?:large )?language model)\b|\bI(?:['’]m| am) sorry,? but\b"
    r"|\bI (?:cannot|can['’]t|won['’]t|am (?:unable|not able) to) (?:help|assist|create|write|provide|generate|fulfil)",
    re.IGNORECASE,
)
_SOLUTION: Final = re.compile(
    r"\\boxed\b|^[\s*_#>]*(?:(?:the )?(?:final |correct )?answers?|solutions?|explanation)\b[\s*_]*(?::|is\b)"
    r"|^[\s*_#>]*(?:solution|answer key)[\s*_#]*$|\bthe (?:final|correct) answer is\b|^#### ",
    re.IGNORECASE | re.MULTILINE,
)
_ASKS: Final = re.compile(
    r"\?|\b(?:how|what|which|who|find|calculate|determine|compute|solve|evaluate|estimate|express|simplify|prove|show|"
    r"write|describe|explain|list|give|name|draft|compose|create|design|plan|summari[sz]e|compare|outline|propose|suggest|"
    r"prepare|develop|provide|tell|implement|return|choose|complete|rewrite|translate|recommend|imagine|help|make)\b",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(
    r"\d+(?:[.,]\d+)*|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(?:twen|thir|for|fif|six|"
    r"seven|eigh|nine)ty|hundred|thousand|million|half|halves|third|thirds|quarters?|fourths?|fifths?|once|twice|thrice|"
    r"doubled?|doubles|tripled?|triples|dozen|couple|pair|single)\b",
    re.IGNORECASE,
)
_SENTENCE_END: Final = re.compile(r"(?<!\bMr)(?<!\bMs)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\b[A-Z])[.!?][\"”)]*\s+")


def flaw_of_reply(completion: Completion) -> Flaw | None:
    """What is wrong with a completion before it is read: it did not end by itself, or there is nothing in it."""
    if completion.finish is not Finish.STOP:
        return Flaw("unfinished", f"{completion.finish}: {completion.detail}".removesuffix(": "))
    return None if completion.text.strip() else Flaw("empty")


def flaw_of_question(question: str, config: GateConfig, *, worded: bool) -> Flaw | None:
    """The first flaw of a question; `worded` for a story with numbers and people."""
    for reason, rule in _rules(worded=worded):
        if reason not in config.skip and (detail := rule(question, config)) is not None:
            return Flaw(reason, detail)
    return None


def refuses(text: str) -> str | None:
    """The words with which a model declines, where its reply begins with them."""
    found = _REFUSAL.search(text[:300])
    return found[0] if found else None


def question_start(text: str) -> int:
    """Where the last sentence with a question mark begins, or the last sentence where there is none."""
    ends = [0, *(found.end() for found in _SENTENCE_END.finditer(text))]
    mark = text.rfind("?")
    return max(end for end in ends if mark < 0 or end <= mark)


def _rules(*, worded: bool) -> Iterator[tuple[str, Rule]]:
    yield "refusal", lambda text, _: refuses(text)
    yield "too short", lambda text, config: _length(text) if len(text) < config.min_chars else None
    yield "too long", lambda text, config: _length(text) if len(text) > config.max_chars else None
    yield "repeats itself", lambda text, _: repeats(text)
    yield "gives its own solution", lambda text, _: _matched(_SOLUTION.search(text))
    yield "asks nothing", lambda text, _: None if _ASKS.search(text) else ""
    if worded:
        yield "too few numbers", _numbers
        yield "asks about somebody unknown", lambda text, _: unknown(text, question_start(text))
        yield "too many people", _crowd


def _length(text: str) -> str:
    return f"{len(text)} characters"


def _matched(found: re.Match[str] | None) -> str | None:
    return found[0].strip() if found else None


def _numbers(text: str, config: GateConfig) -> str | None:
    count = sum(1 for _ in _NUMBER.finditer(text))
    return f"{count} numbers" if count < config.min_numbers else None


def _crowd(text: str, config: GateConfig) -> str | None:
    named = people(text) if config.max_people is not None else []
    return ", ".join(named) if len(named) > (config.max_people or 0) else None
