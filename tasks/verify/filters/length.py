"""Length: of the thinking, of the answer, and of both together."""

from dataclasses import dataclass
from typing import Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks.text.steps import split_steps
from tasks.text.thinking import halves
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import Fault, TraceView


class Between(ConfigBase):
    """The fewest and the most that are allowed, themselves included; None for no bound."""

    least: int | None = Field(default=None, ge=0)
    most: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is more than most")
        return self

    def fault(self, count: int, what: str) -> Fault | None:
        """`too few …` or `too many …`, with the count and the bound."""
        if self.least is not None and count < self.least:
            return Fault(f"too few {what}", f"{count}, at least {self.least}")
        if self.most is not None and count > self.most:
            return Fault(f"too many {what}", f"{count}, at most {self.most}")
        return None


class Bounds(ConfigBase):
    """How long a text may be."""

    characters: Between | None = None
    words: Between | None = Field(default=None, description="what blanks and line ends keep apart")
    steps: Between | None = Field(default=None, description="as tasks.text.steps cuts them")

    def fault(self, text: str, of: str) -> Fault | None:
        """The first bound that a text breaks."""
        measures = (
            (self.characters, len, "characters"),
            (self.words, lambda one: len(one.split()), "words"),
            (self.steps, lambda one: len(split_steps(one)), "steps"),
        )
        for bound, measure, name in measures:
            if bound and (found := bound.fault(measure(text), f"{name} in the {of}")):
                return found
        return None


class Config(ConfigBase):
    """A text without thinking tags is all answer, and its thinking of length 0."""

    thinking: Bounds = Bounds()
    answer: Bounds = Bounds()
    text: Bounds = Field(default=Bounds(), description="thinking and answer together")
    tokens: Between = Field(default=Between(), description="that were sampled; where not recorded, any number is right")


@dataclass(frozen=True)
class LengthFilter:
    """Measures only what is bounded."""

    config: Config
    version: str = "1"

    def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:  # noqa: ARG002 - the protocol's
        """The first bound that the trace breaks."""
        found = None if trace.tokens is None else self.config.tokens.fault(trace.tokens, "tokens")
        found = found or self.config.text.fault(trace.text, "text")
        if found or self.config.thinking == self.config.answer == Bounds():
            return found
        thinking, answer = halves(trace.text)
        return self.config.thinking.fault(thinking, "thinking") or self.config.answer.fault(answer, "answer")


def build(config: Config) -> LengthFilter:
    """Make the filter that a recipe's settings describe."""
    return LengthFilter(config)
