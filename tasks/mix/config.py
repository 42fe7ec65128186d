"""What a mixture is made of, and in which shares."""

import math
from collections import Counter
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from schemas.tables import Domain, Status

OTHERS: Final = "*"
"""In settings by value: every value that is not named."""
UNKNOWN: Final = "unknown"
"""The difficulty of a problem without judged traces, and the model of a trace that does not say it."""
RELEASE: Final = "release"

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Most = Annotated[int, Field(ge=1)]
Times = Annotated[int, Field(ge=1)]


class EntryConfig(ConfigBase):
    """One of the releases."""

    release: str = Field(pattern=r"^[\w.-]+$", description="its name")
    version: str | None = Field(default=None, pattern=r"^v\d+$", description="such as v3; null: the newest")
    lake: str | None = Field(default=None, description="where it lies; null: the lake of this run")
    weight: Weight | None = Field(
        default=None,
        description="its share against the others' weights: 1 where others have one; where none has, each gives all it "
        "has",
    )
    most: Most | None = Field(default=None, description="rows it gives at most")
    up: Times = Field(default=1, description="how often a trace of it may be repeated to reach its share")


class LevelConfig(ConfigBase):
    """How each release, or each group of the level above, is divided once more."""

    by: Literal["release", "domain", "source", "model", "difficulty"]
    weights: dict[str, Weight] = Field(
        default={},
        description="by value, `*` for those not named, which are left out without it; empty: each gives what it has",
    )
    most: dict[str, Most] = Field(default={}, description="rows at most, by value, in each group of the level above")
    up: dict[str, Times] = Field(default={}, description="how often a trace may be repeated, by value")

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        where = f"mix.within ({self.by})"
        if self.by == RELEASE and (self.weights or self.most or self.up):
            raise RecipeError(f"{where}: weights, most and up of releases stand in mix.releases; leave them out here")
        if self.weights and not any(self.weights.values()):
            raise RecipeError(f"{where}.weights: every weight is 0; give at least one value more than 0")
        if self.by == "domain":
            known = [OTHERS, *(one.value for one in Domain)]
            self.check_names(known)
        return self

    def check_names(self, known: list[str]) -> None:
        """Look whether every value that is named is one of these.

        Raises:
            RecipeError: one is not.
        """
        for setting in ("weights", "most", "up"):
            if wrong := next((one for one in getattr(self, setting) if one not in known), None):
                raise RecipeError(
                    f"mix.within ({self.by}).{setting}: there is no {self.by} {wrong}; give one of {', '.join(known)}"
                )


class MixtureConfig(ConfigBase):
    """Releases, and what is taken of each."""

    releases: tuple[EntryConfig, ...] = Field(
        min_length=1, description="the releases; of what several have, the earlier one's stays"
    )
    count: int | None = Field(
        default=None,
        ge=1,
        description="rows wanted in all; null: as many as the weights allow. A group that has too little is repeated "
        "up to its `up` to reach its share; what is missing then, others give that have rows left. Without `count` "
        "nobody does",
    )
    within: tuple[LevelConfig, ...] = Field(
        default=(), description="groups within groups, in this order; releases come first unless they are listed"
    )
    difficulty: dict[str, tuple[float, float]] = Field(
        default={"hard": (0.0, 0.3), "medium": (0.3, 0.7), "easy": (0.7, 1.0)},
        description="pass rates by name: from the first number to below the second, the highest one inclusive",
    )
    statuses: tuple[Status, ...] = Field(
        default=(Status.CORRECT,),
        min_length=1,
        description="where a trace must stand to be counted; others of a problem that is taken come along, for pairs",
    )

    @property
    def levels(self) -> tuple[LevelConfig, ...]:
        """All of them, releases too."""
        first = () if any(one.by == RELEASE for one in self.within) else (LevelConfig(by="release"),)
        return (*first, *self.within)

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if twice := [one for one, times in Counter(one.by for one in self.within).items() if times > 1]:
            raise RecipeError(f"mix.within: {twice[0]} is there twice; say all of it in one item")
        if same := [one for one, times in Counter(map(_identity, self.releases)).items() if times > 1]:
            raise RecipeError(f"mix.releases: {same[0][0]} is there twice; give it one entry, or two versions of it")
        weights = [one.weight for one in self.releases]
        if any(one == 0 for one in weights) and not any(one is None or one > 0 for one in weights):
            raise RecipeError("mix.releases: every weight is 0; give at least one release more than 0")
        self._check_difficulty()
        return self

    def _check_difficulty(self) -> None:
        ordered = sorted(self.difficulty.items(), key=lambda one: one[1])
        before = -math.inf
        for name, (low, high) in ordered:
            if not 0 <= low < high <= 1:
                raise RecipeError(f"mix.difficulty.{name}: give two pass rates from 0 to 1, the lower one first")
            if low < before:
                raise RecipeError(f"mix.difficulty.{name}: overlaps another one; let it begin at {before:g}")
            before = high
        if UNKNOWN in self.difficulty:
            raise RecipeError(f"mix.difficulty.{UNKNOWN}: is the name for problems without a pass rate; take another")
        for one in self.within:
            if one.by == "difficulty":
                one.check_names([OTHERS, *self.difficulty, UNKNOWN])


def _identity(one: EntryConfig) -> tuple[str, str | None, str | None]:
    return one.release, one.version, one.lake
