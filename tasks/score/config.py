"""Which traces' steps are scored, by which model, and how they are searched."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.tables import Status
from tasks.engines.contract import Sampling
from tasks.engines.rewards import REWARD, RIGHT_FROM
from tasks.prompts import Prompting


class ScoreConfig(Prompting):
    """Step scores. The prompt is for traces that no sampler of the recipe wrote, such as imported ones."""

    model: str = Field(
        description="one of the recipe's models: it goes on from each step; by `reward` it is a reward model"
    )
    k: int = Field(default=8, ge=1, description="continuations of a step")
    sampling: Sampling = Field(
        default=Sampling(temperature=1.0), description="how they are sampled; its seed is not used"
    )
    method: Literal["math_shepherd", "omega", "reward"] = Field(
        default="math_shepherd",
        description="math_shepherd: every step is scored; omega: a binary search for the first wrong step of traces "
        "whose answer is wrong, with far fewer continuations; reward: a reward model scores every step, without any; "
        "k and sampling are not used",
    )
    threshold: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="a step is wrong where no greater share reaches the answer, or no greater score is said; 0.5 by "
        "`reward` unless given",
    )
    statuses: tuple[Status, ...] = Field(
        default=(Status.CORRECT, Status.INCORRECT), min_length=1, description="how a trace has to stand to be scored"
    )
    per_problem: int | None = Field(
        default=None, ge=1, description="so many traces of a problem at most, the first by their ids"
    )

    @model_validator(mode="before")
    @classmethod
    def _as_a_reward_model_says(cls, settings: Any) -> Any:
        if isinstance(settings, Mapping) and settings.get("method") == REWARD:
            return {"threshold": RIGHT_FROM, **settings}
        return settings
