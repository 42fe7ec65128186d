"""How many traces of each problem are sampled, from which models, and how."""

from typing import Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks.engines.contract import Sampling
from tasks.prompts import Prompting


class Budget(ConfigBase):
    """Budget forcing: how long the model thinks, in tokens (s1, arXiv 2501.19393, section 3)."""

    least: int = Field(default=0, ge=0, description="a model that stops thinking earlier is made to go on")
    most: int | None = Field(default=None, ge=1, description="a model that thinks longer has its thinking closed")
    waits: int = Field(default=2, ge=0, description="how often it is made to go on")
    wait: str = Field(default="Wait", min_length=1, description="the word that makes it go on")
    answer: int = Field(default=256, ge=1, description="tokens left for the answer once the thinking is closed")


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
    budget: Budget | None = Field(default=None, description="how long it thinks; takes `think`")

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        if self.budget and not self.think:
            raise ValueError("a budget is for thinking between tags: set think: true")
        return self


class GenerateConfig(ConfigBase):
    """The samplers by name; a name is part of its traces' ids, so another name samples anew."""

    samplers: dict[str, Sampler] = Field(min_length=1)
    seed: int = Field(default=0, description="every sample's own seed follows from this and its id")
    in_flight: int = Field(default=2048, ge=1, description="problems whose samples are under way together")
    keep_unfinished: bool = Field(default=False, description="keep traces that ran into max_tokens")
