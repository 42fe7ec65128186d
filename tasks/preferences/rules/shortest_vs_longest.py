"""The shortest right answer over the longest right one: Sky-T1-32B-Flash (NovaSky 2025), against overthinking."""

from collections.abc import Sequence
from functools import partial

from pydantic import Field

from schemas.base import ConfigBase
from tasks.preferences.contract import Candidate, Choice, Rule


class Config(ConfigBase):
    """When two lengths differ enough."""

    min_ratio: float = Field(1.0, ge=1, description="the longest must be so many times as long as the shortest")


def build(config: Config) -> Rule:
    """The rule with these settings; its margin is the difference of lengths."""
    return Rule(partial(_choose, config))


def _choose(config: Config, candidates: Sequence[Candidate], /) -> list[Choice] | str:
    correct = [one for one in candidates if one.correct]
    if len(correct) < 2:
        return "fewer than two correct traces"
    shortest, longest = min(correct, key=_length), max(correct, key=_length)
    if shortest.length == longest.length:
        return "correct traces of one length"
    if longest.length < config.min_ratio * shortest.length:
        return "correct traces of almost one length"
    return [Choice(shortest, longest, float(longest.length - shortest.length))]


def _length(candidate: Candidate) -> int:
    return candidate.length
