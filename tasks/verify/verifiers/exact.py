"""Answers that are a text: the same as the reference, or as one of several, after both are normalised."""

import json
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from pydantic import Field

from schemas.tables import Domain, Status
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect, reference_of
from tasks.verify.given import GivenConfig, boxed

_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b", re.IGNORECASE)
_QUOTES: Final = "\"'`“”‘’«»„*_ \t\n"
_STOPS: Final = ".,;:!?…"
"""Only at the end: `.5` is not `5`. Brackets, `%` and `#` mean something: `[1, 2)`, `5%`, `C#`."""


class Config(GivenConfig):
    """What makes no difference; by default case, spacing, forms of a character, quotes around, a full stop after."""

    case: bool = Field(default=False, description="whether `Paris` and `paris` differ")
    whitespace: bool = Field(default=False, description="whether runs of blanks and one blank differ")
    compatibility: bool = Field(
        default=False, description="whether `５`, `²` and `ﬁ` differ from `5`, `2` and `fi` (NFKC)"
    )
    punctuation: Literal["kept", "around", "ignored"] = Field(
        default="around",
        description="kept: it differs; around: no quotes or bold around and no . , ; : ! ? after; ignored: none",
    )
    articles: bool = Field(default=True, description="whether `the Nile` and `Nile` differ")


@dataclass(frozen=True)
class ExactVerifier:
    """Compares a trace's answer with the reference, which may be a JSON list of accepted answers."""

    config: Config
    version: str = "1"

    @property
    def domains(self) -> frozenset[Domain]:
        """Those that the settings name."""
        return frozenset(self.config.domains)

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """Take the final answer, or the whole text after the thinking."""
        reference = reference_of(problem)
        if reference is None:
            return Outcome(Status.UNVERIFIABLE, "no reference")
        answer = self.config.given(text)
        return Claim(reference, answer) if answer else incorrect("no answer found")

    def answer(self, problem: ProblemView, text: str) -> str | None:  # noqa: ARG002 - the protocol's; the text says it all
        """The answer as it is written."""
        return self.config.given(text)

    def decide(self, claim: Claim) -> Outcome:
        """Compare, first as written, then normalised; nothing is left open."""
        if claim.answer.strip() == claim.reference.strip():
            return CORRECT
        given = normalised(claim.answer, self.config)
        if given and given in _accepted(claim.reference, self.config):
            return CORRECT
        return incorrect("not the same text as the reference")

    def prepare(self) -> None:
        """Nothing: no claim is left to a worker."""

    def check(self, claim: Claim) -> Outcome:
        """The same as `decide`."""
        return self.decide(claim)

    def gold(self, problem: ProblemView) -> str | None:
        """The first accepted answer, as the text or in a box."""
        reference = reference_of(problem)
        if reference is None:
            return None
        first = accepted(reference)[0]
        return first if self.config.source == "text" else boxed(first)


def normalised(text: str, config: Config) -> str:
    """The text without what the settings say makes no difference."""
    if not config.compatibility:
        text = unicodedata.normalize("NFKC", text)
    text = text.replace("−", "-")
    if not config.case:
        text = text.casefold()
    if not config.articles:
        text = _ARTICLES.sub(" ", text)
    if config.punctuation == "ignored":
        text = "".join(char for char in text if not _is_sign(char))
    elif config.punctuation == "around":
        text = text.strip().lstrip(_QUOTES).rstrip(_QUOTES + _STOPS)
    return text if config.whitespace else " ".join(text.split())


def accepted(reference: str) -> list[str]:
    """The answers that a reference accepts: the strings of a JSON list, else the text itself."""
    try:
        several = json.loads(reference) if reference.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        several = None
    listed = several if isinstance(several, list) and all(isinstance(one, str) for one in several) else []
    return [one for one in listed if one.strip()] or [reference]


@lru_cache(maxsize=4096)
def _accepted(reference: str, config: Config) -> frozenset[str]:
    return frozenset(normalised(one, config) for one in (*accepted(reference), reference))


def _is_sign(char: str) -> bool:
    return unicodedata.category(char)[0] in "PS"


def build(config: Config) -> ExactVerifier:
    """Make the verifier that a recipe's settings describe."""
    return ExactVerifier(config)
