"""Multiple choice: the option that a trace names, by its letter or its text, is that of the reference."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain, Status
from tasks.text.thinking import spoken
from tasks.verify.answers import MARKERS, PHRASES, final_answer
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, incorrect, reference_of
from tasks.verify.options import LONGEST, Options, named, options_of, same_text

_MARKERS: Final = tuple(marker for marker in MARKERS if marker != "A:")
"""`A: Paris` at a line's start is an option, not an answer."""
_PHRASES: Final = (
    *PHRASES,
    *("correct option is", "correct choice is", "right option is", "right choice is", "best option is"),
    *("best choice is", "correct option:", "correct choice:", "answer would be", "answer must be", "answer should be"),
)
_WEAK: Final = ("i choose", "i'd choose", "i pick", "i select", "we choose", "go with", "option is", "choice is")
_RIGHT: Final = re.compile(
    r"(?<!\w)\(?([A-Z])\)?(?: \([^()\n]{1,80}\))?,? (?:is|must be|seems)"
    r"(?: therefore| thus| clearly| indeed)?(?: the)?(?: only| single)? (?:correct|right|best|true)\b(?! only| if)"
)
_ITEM: Final = re.compile(r"[ \t*_>-]*\(?(?:[A-Za-z]|\d)[).:][*_]*\s+\S")


class Config(ConfigBase):
    """Where the answer stands in a trace: boxed, behind a marker or phrase, else on the last line."""

    markers: tuple[str, ...] = Field(
        default=_MARKERS,
        description="What an answer stands behind at the start of a line; the last one in the text counts.",
    )
    phrases: tuple[str, ...] = Field(
        default=_PHRASES, description="What an answer stands behind anywhere, in any case, where there is no marker."
    )


@dataclass(frozen=True)
class ChoiceVerifier:
    """Compares options; what names none is compared as a text where the options are not known."""

    config: Config
    version: str = "1"
    domains: frozenset[Domain] = frozenset({Domain.CHOICE})

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """The label of the option in the text and that of the reference, which may be a label or an option's text."""
        reference = reference_of(problem)
        if reference is None:
            return Outcome(Status.UNVERIFIABLE, "no reference")
        reference = _reference(reference, problem.question, problem.constraints)
        if reference is None:
            return Outcome(Status.UNVERIFIABLE, "the reference is none of the options")
        answer = self.answer(problem, text)
        return Claim(reference, answer) if answer else incorrect("no final answer found")

    def answer(self, problem: ProblemView, text: str) -> str | None:
        """The label of the option that the text names, else what it answers as it is written."""
        said = spoken(text)
        if not said:
            return None
        options = options_of(problem.question, problem.constraints)
        given = final_answer(said, self.config.markers, self.config.phrases, last_number=False)
        label = (named(given, options) if given else None) or self._elsewhere(said, options)
        return label or (given[:LONGEST].strip() if given else None)

    def decide(self, claim: Claim) -> Outcome:
        """Compare; nothing is left open."""
        equal = claim.answer == claim.reference or same_text(claim.answer, claim.reference)
        return CORRECT if equal else incorrect("not the option of the reference")

    def prepare(self) -> None:
        """Nothing: no claim is left to a worker."""

    def check(self, claim: Claim) -> Outcome:
        """The same as `decide`."""
        return self.decide(claim)

    def gold(self, problem: ProblemView) -> str | None:
        """The reference as the final answer."""
        reference = reference_of(problem)
        if reference is None:
            return None
        return f"Answer: {reference.strip()}"

    def _elsewhere(self, said: str, options: Options) -> str | None:
        """`Option B is correct`, `I choose B`, or a last line that is an option and does not end a list of them."""
        right = [found[1] for found in _RIGHT.finditer(said)]
        if right and (label := named(right[-1], options)):
            return label
        chosen = final_answer(said, (), _WEAK, last_number=False)
        if chosen and (label := named(chosen, options, strict=True)):
            return label
        lines = [line for line in said[-2 * LONGEST :].split("\n") if line.strip()]
        listed = len(lines) > 1 and _ITEM.match(lines[-1]) and _ITEM.match(lines[-2])
        return None if listed else named(lines[-1], options, strict=True)


@lru_cache(maxsize=4096)
def _reference(reference: str, question: str, stored: str | None) -> str | None:
    options = options_of(question, stored)
    label = named(reference, options, strict=True)
    return label or (None if options else reference.strip())


def build(config: Config) -> ChoiceVerifier:
    """Make the verifier that a recipe's settings describe."""
    return ChoiceVerifier(config)
