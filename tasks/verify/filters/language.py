"""Language: the share of a trace's words that are in the expected one.

DeepSeek-R1's language consistency reward (arXiv 2501.12948, section 2.3.2) with a threshold.
"""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from tasks.text.languages import LANGUAGES, language_share
from tasks.text.thinking import halves
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import Fault, TraceView


class Config(ConfigBase):
    """`tasks.text.languages` says what a word of the language is."""

    language: str = Field(default="en", description=f"one of {', '.join(LANGUAGES)}")
    least: float = Field(default=0.9, gt=0, le=1, description="the share of words that a trace needs")
    of: Literal["thinking", "answer", "both"] = Field(
        default="both", description="both: of each of the two, for a short answer says little beside a long thinking"
    )
    fewest: int = Field(default=10, ge=1, description="words; a text with fewer is let pass")

    @field_validator("language")
    @classmethod
    def _known(cls, code: str) -> str:
        if code not in LANGUAGES:
            raise ValueError(f"unknown, use one of {', '.join(LANGUAGES)}")
        return code


@dataclass(frozen=True)
class LanguageFilter:
    """Judges thinking and answer each by itself."""

    config: Config
    version: str = "1"

    def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:  # noqa: ARG002 - the protocol's
        """Which of the two is in another language."""
        parts = halves(trace.text)
        for name in ("thinking", "answer"):
            text = getattr(parts, name)
            if not text or self.config.of not in (name, "both"):
                continue
            share, words = language_share(text, self.config.language)
            if words >= self.config.fewest and share < self.config.least:
                return Fault(f"{name} not in {self.config.language}", f"{share:.2f} of {words} words")
        return None


def build(config: Config) -> LanguageFilter:
    """Make the filter that a recipe's settings describe."""
    return LanguageFilter(config)
