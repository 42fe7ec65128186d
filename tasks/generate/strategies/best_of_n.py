"""Best of N: samples side by side, of which one is chosen by a verifier, by their votes, or by a reward model.

`verifier`: the first that is right. `majority`: the most common answer (self-consistency, Wang et al. 2022, arXiv
2203.11171). `reward`: the highest value. `weighted`: of the answer whose samples' values sum to the most, the most
valuable one (Li et al. 2022, arXiv 2206.02336; Snell et al. 2024, arXiv 2408.03314, section 5.1). `consistent`: the
one that most of the others agree with, as the model itself says (universal self-consistency, Chen et al. 2023, arXiv
2311.17311), for answers that no rule can compare.
"""

import re
from collections.abc import Sequence
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.consistency import which_agrees
from tasks.generate.contract import Branch, Strategy, Told
from tasks.generate.search import Search
from tasks.generate.votes import elected
from tasks.generate.wording import said
from tasks.generate.worth import WorthConfig, weigh
from tasks.text.thinking import spoken

_CHOICE: Final = re.compile(r'"choice"\s*:\s*"?(\d{1,4})\b')
_NOTES: Final = {
    "verifier": "none of the samples is right",
    "consistent": "no sample ended, or the reply that says which is the most consistent cannot be read",
}


class Config(ConfigBase):
    """How many, and which is best."""

    n: int = Field(default=8, ge=1, description="samples of each search")
    by: Literal["verifier", "majority", "weighted", "reward", "consistent"] = "verifier"
    worth: WorthConfig | None = Field(default=None, description="for `weighted` and `reward`: {reward: MODEL}")
    characters: int = Field(
        default=24_000, ge=500, description="for `consistent`: of all samples together; long ones are cut in the middle"
    )

    @model_validator(mode="after")
    def _has_worth(self) -> Self:
        if (self.by in ("weighted", "reward")) != bool(self.worth):
            raise ValueError("`worth` goes with `by: weighted` and `by: reward`, and these need it")
        if self.worth and self.worth.rollouts:
            raise ValueError("worth.rollouts: whole samples have none; give worth.reward")
        return self


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _BestOfN(config)


class _BestOfN(Strategy):
    def __init__(self, config: Config) -> None:
        self._config = config
        self.uses = config.worth.uses if config.worth else ()

    async def search(self, search: Search) -> None:
        some = await search.grow_each((search.root, number) for number in range(self._config.n))
        whole = [one for one in some if one.whole]
        if self._config.worth:
            await weigh(search, whole, self._config.worth)
        chosen = await self._chosen(search, whole)
        if chosen:
            search.choose(*chosen)
        else:
            search.note = _NOTES.get(self._config.by, "no sample has an answer")

    async def _chosen(self, search: Search, whole: Sequence[Branch]) -> tuple[Branch, str] | None:
        if self._config.by == "reward":
            best = max(whole, key=lambda one: one.value or 0.0, default=None)
            return (best, f"the highest of {len(whole)} values, {best.value or 0:.3f}") if best else None
        if self._config.by == "consistent":
            return await self._agreeing(search, whole)
        told = await search.tell(whole)
        if self._config.by == "verifier":
            return _first_right(whole, told)
        return elected(whole, told, weighted=self._config.by == "weighted")

    async def _agreeing(self, search: Search, whole: Sequence[Branch]) -> tuple[Branch, str] | None:
        if len(whole) < 2:
            return (whole[0], "the only one that ended") if whole else None
        given = {"problem": search.problem["question"]}
        asked = which_agrees(given, [said(one) for one in whole], self._config.characters)
        found = _CHOICE.findall(spoken(await search.ask("consistent", asked)) or "")
        if not found or not 1 <= int(found[-1]) <= len(whole):
            return None
        return whole[int(found[-1]) - 1], f"most of {len(whole)} samples agree with it, says the model"


def _first_right(whole: Sequence[Branch], told: Sequence[Told]) -> tuple[Branch, str] | None:
    right = [one for one, said in zip(whole, told, strict=True) if said.status is Status.CORRECT]
    return (right[0], f"the first of {len(right)} that are right, of {len(whole)}") if right else None
