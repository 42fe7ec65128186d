"""How good is a trace, aspect by aspect? The four of UltraFeedback (Cui et al. 2023, arXiv 2310.01377), from 1 to 5.

Tülu 3 (Lambert et al. 2024, arXiv 2411.15124, § 5.1) takes the answer with the highest mean as chosen. There each
aspect is asked for by itself; here one question asks for all.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Final, Self

from pydantic import Field, create_model, model_validator

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.judge.contract import Case, Finding, Group, Judgement, KindConfig, Problem
from tasks.judge.rating import mean_scores
from tasks.showing import question

ASPECTS: Final = {
    "helpfulness": "it does what the problem asks for: right, complete and clear, and no longer than it has to be",
    "instruction_following": "it keeps to every limit that the problem sets, and to the form it asks for",
    "honesty": "it is as sure as it can be: it says what it does not know, and makes no show of knowledge",
    "truthfulness": "what it states is true, and nothing in it is made up or contradicts the problem or itself",
}
TASK: Final = (
    "You rate an answer to a problem, each aspect by itself, with a whole number from 1 (not at all) to {scale} "
    "(entirely). A longer answer is no better for that. The aspects:\n{aspects}"
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class Config(KindConfig):
    """What is rated."""

    aspects: dict[str, str] = Field(default=ASPECTS, min_length=1, description="what each means, by name")
    scale: int = Field(default=5, ge=2, le=100, description="the highest rating; the lowest is 1")
    least: float | None = Field(
        default=None,
        description="the mean rating from which on a trace is correct; below it is incorrect. Unless set, ratings are "
        "no verdicts",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if odd := [name for name in self.aspects if not _NAME.fullmatch(name) or hasattr(ConfigBase, name)]:
            raise ValueError(f"{odd[0]!r} cannot name an aspect: small letters and underscores can")
        if self.least is not None and not 1 < self.least <= self.scale:
            raise ValueError(f"`least` is {self.least}, not above 1 and at most {self.scale}")
        return self


@dataclass(frozen=True)
class Aspects:
    """One question for each trace."""

    config: Config
    version: str = "1"

    @cached_property
    def reply(self) -> type[ConfigBase]:
        """An object for each aspect: its reason and its rating."""
        rating: Any = (int, Field(ge=1, le=self.config.scale))
        rated = create_model("Rated", __base__=ConfigBase, reason=(str, ...), rating=rating)
        fields: dict[str, Any] = dict.fromkeys(self.config.aspects, (rated, ...))
        return create_model("Ratings", __base__=ConfigBase, **fields)

    @property
    def verdict(self) -> Callable[[float], Status] | None:
        """None unless the settings say which rating is good enough."""
        return None if self.config.least is None else self._verdict

    def task(self, _problem: Problem, /) -> str:
        """The aspects, one a line."""
        aspects = "\n".join(f"- {name}: {meaning}" for name, meaning in self.config.aspects.items())
        return TASK.format(scale=self.config.scale, aspects=aspects)

    def cases(self, group: Group, _number: int, /) -> Iterator[Case]:
        """Each trace by itself."""
        task, form, given = self.task(group.problem), self._form(), self.config.given(group.problem)
        for one in group.shown:
            texts = given | {"the answer to rate": one.text}
            yield Case((one.id,), question(task, texts, form, self.config.characters))

    def finding(self, reply: Any, _case: Case, /) -> Finding:
        """The mean of the ratings, from 0 to 1."""
        rated = {name: getattr(reply, name) for name in self.config.aspects}
        mean = fmean(one.rating for one in rated.values())
        reason = "; ".join(f"{name} {one.rating}: {one.reason}" for name, one in rated.items())
        ratings = tuple((name, float(one.rating)) for name, one in rated.items())
        return Finding(reason, (mean - 1) / (self.config.scale - 1), aspects=ratings)

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """The mean over replies."""
        return mean_scores(judgements)

    def _form(self) -> str:
        one = f'{{"reason": "<why, in a sentence or two>", "rating": <1 to {self.config.scale}>}}'
        return "{" + ", ".join(f'"{name}": {one}' for name in self.config.aspects) + "}"

    def _verdict(self, score: float) -> Status:
        mean = 1 + score * (self.config.scale - 1)
        return Status.CORRECT if mean >= (self.config.least or 0) - 1e-6 else Status.INCORRECT


def build(config: Config) -> Aspects:
    """The judge that a recipe's settings describe."""
    return Aspects(config)
