"""What a run asks of its models, and what that costs."""

from typing import NamedTuple, Self

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Completion

_MILLION = 1_000_000
_HOUR_S = 3600.0


class Price(ConfigBase):
    """What a model costs; it decides nothing of what is made."""

    prompt: float = Field(default=0.0, ge=0, description="for a million tokens of prompts")
    completion: float = Field(default=0.0, ge=0, description="for a million tokens that are sampled")
    hour: float = Field(default=0.0, ge=0, description="for an hour in which the engine is up")
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$", description="three letters, such as EUR")


class Usage(NamedTuple):
    """What was asked of one model; tokens are those that the engine counts."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    """How long its engine was up."""

    def plus(self, done: Completion) -> Self:
        """With one more completion."""
        return self._replace(
            requests=self.requests + 1,
            prompt_tokens=self.prompt_tokens + (done.prompt_tokens or 0),
            completion_tokens=self.completion_tokens + (done.completion_tokens or 0),
        )

    def read(self, tokens: int | None) -> Self:
        """With one more text that was read alone."""
        return self._replace(requests=self.requests + 1, prompt_tokens=self.prompt_tokens + (tokens or 0))

    def and_also(self, other: "Usage") -> "Usage":
        """Both together."""
        return Usage(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.seconds + other.seconds,
        )

    def cost(self, price: Price) -> float:
        """In the price's currency."""
        tokens = self.prompt_tokens * price.prompt + self.completion_tokens * price.completion
        return tokens / _MILLION + self.seconds * price.hour / _HOUR_S
