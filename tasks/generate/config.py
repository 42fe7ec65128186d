"""How many traces of each problem are sampled, from which models, and how."""

from typing import Any, Final, Self

from pydantic import Field, field_validator, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks import plugins
from tasks.engines.contract import Sampling
from tasks.generate.contract import Strategy
from tasks.prompts import Prompting

STRATEGIES: Final = "tasks.generate.strategies"


class Sampler(Prompting):
    """Samples from one model.

    Sample i of a problem is taken at the i-th temperature of the ladder, round and round.
    """

    model: str = Field(description="one of the recipe's models")
    on_policy: bool | None = Field(default=None, description="whether that is the policy to be trained")
    n: int = Field(default=4, ge=1, description="samples of each problem; with until_accepted, the most")
    until_accepted: int | None = Field(
        default=None, ge=1, description="stop at so many correct traces of a problem (rejection sampling)"
    )
    temperatures: tuple[float, ...] = Field(default=(0.7,), min_length=1, description="the ladder")
    sampling: Sampling = Field(default=Sampling(), description="everything else; its temperature and seed are not used")
    strategy: dict[str, dict[str, Any]] = Field(
        default={"sample": {}},
        description="how it comes to a sample, one strategy with its settings: `best_of_n: {n: 8}`; a bare `beam` is "
        "`beam: {}`",
    )

    @model_validator(mode="before")
    @classmethod
    def _budget(cls, given: Any) -> Any:
        """`budget: {…}` is how budget forcing was asked for before there were strategies."""
        if not isinstance(given, dict) or "budget" not in given:
            return given
        rest = {name: value for name, value in given.items() if name != "budget"}
        return rest | ({"strategy": {"budget_forcing": given["budget"]}} if given["budget"] else {})

    @field_validator("strategy", mode="before")
    @classmethod
    def _settings(cls, value: object) -> object:
        return plugins.spelled_out(value)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if len(self.strategy) != 1:
            raise ValueError(f"strategy: takes exactly one, not {len(self.strategy)}")
        _, strategy = self.built()
        if strategy.thinks and not self.think:
            raise ValueError(f"strategy {next(iter(self.strategy))} is for thinking between tags: set think: true")
        return self

    def built(self) -> tuple[str, Strategy]:
        """The strategy by its name.

        Raises:
            RecipeError: there is no such strategy, or it has no such setting.
        """
        try:
            [(name, config)] = plugins.configure(STRATEGIES, self.strategy).items()
        except RecipeError as exc:
            raise type(exc)(f"strategy: {exc}") from exc
        return name, plugins.load(STRATEGIES, name).build(config)


class GenerateConfig(ConfigBase):
    """The samplers by name; a name is part of its traces' ids, so another name samples anew."""

    samplers: dict[str, Sampler] = Field(min_length=1)
    seed: int = Field(default=0, description="every sample's own seed follows from this and its id")
    in_flight: int = Field(default=2048, ge=1, description="problems whose samples are under way together")
    keep_unfinished: bool = Field(default=False, description="keep traces that ran into max_tokens")
