"""What a recipe says about reviewing, and what a batch keeps of the recipe it was opened by."""

from typing import Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.models import ModelConfig
from tasks.prompts import Prompting
from tasks.rewrite.config import GoingOn
from tasks.sources import SourceConfig
from tasks.verify.verify import VerifyConfig

GOLD_SHARE: Final = 0.1
"""Of what a reviewer gets, where a recipe does not say; admins mark gold items in any batch."""


class SuggestConfig(ConfigBase):
    """The first wrong step that rollouts suggest, by OmegaPRM's binary search (`tasks/score/search.py`)."""

    when: Literal["after_mark", "before_mark", "never"] = Field(
        default="after_mark", description="when a reviewer sees it; before their own mark it would sway them"
    )
    k: int = Field(default=4, ge=1, description="continuations of each step that is looked at")


class GoldConfig(ConfigBase):
    """Traces whose first wrong step is known, mixed into everyone's work to see how well they find it."""

    source: SourceConfig = Field(description="rows as ProcessBench has them: `problem`, `steps`, `label` (-1: none)")
    share: float = Field(default=GOLD_SHARE, gt=0, le=0.5, description="of what a reviewer gets")


class ReviewConfig(ConfigBase):
    """How people review what a recipe queues."""

    overlap: int = Field(default=1, ge=1, description="reviewers who look at each trace")
    lease_minutes: int = Field(default=15, ge=1, description="without a sign of life, a trace goes to someone else")
    within_days: float | None = Field(default=None, gt=0, description="then the batch closes without what is missing")
    effect: int = Field(
        default=4, ge=0, description="continuations before and after the wrong step, to say what a rewrite did; 0: none"
    )
    suggest: SuggestConfig = SuggestConfig()
    gold: GoldConfig | None = None
    guidelines: str = Field(
        default="",
        description="Markdown that reviewers see beside their work, until an admin writes other ones on the page: "
        "those stay, whatever the recipe says later",
    )


class BatchSettings(ConfigBase):
    """What a batch keeps of its recipe: all that is needed to go on from a rewritten step."""

    review: ReviewConfig = ReviewConfig()
    model: ModelConfig | None = Field(default=None, description="goes on; None: labels only, as in imported history")
    going_on: GoingOn = GoingOn()
    prompts: dict[str, Prompting] = Field(default={}, description="the samplers', by a trace's `source`")
    verify: VerifyConfig = VerifyConfig()
