"""Where rewritten steps are, and how the model goes on from them."""

from typing import Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Sampling
from tasks.prompts import Prompting
from tasks.sources import SourceConfig


class RewriteColumns(ConfigBase):
    """Which columns hold what; each is a path such as `a.b`. Those that are null unless set may be missing."""

    trace_id: str = "trace_id"
    step: str = Field(default="step", description="which step is rewritten, from 0")
    after: str = Field(default="after", description="the new step's text")
    reviewer: str = Field(default="reviewer", description="a pseudonym")
    item: str | None = Field(default=None, description="the reviewers' name for the trace; its id unless given")
    round: str | None = Field(default=None, description="from 0; how often the trace was rewritten before unless given")
    opened_at: str | None = Field(default=None, description="ISO 8601; without a zone, UTC")
    saved_at: str | None = Field(default=None, description="as opened_at")
    offsets: str | None = Field(
        default=None, description="where steps start, of a trace that the reviewer cut otherwise; `step` counts these"
    )
    continuations: str | None = Field(
        default=None, description="what a model went on with already: it is taken as it is and not asked for again"
    )


REVIEWED: Final = RewriteColumns(
    item="item",
    round="round",
    opened_at="opened_at",
    saved_at="rewritten_at",
    offsets="offsets",
    continuations="continuations",
)
"""What exported batches have (`tasks/reviews.py`)."""


class GoingOn(Prompting):
    """How a model goes on from a rewritten step. Its prompt is for traces that no sampler of the recipe wrote."""

    k: int = Field(default=4, ge=1, description="continuations of a rewrite, each of them a trace")
    sampling: Sampling = Field(default=Sampling(), description="how they are sampled; its seed is not used")
    rounds: int = Field(
        default=8, ge=1, description="a rewritten trace may be rewritten again: so many rewrites follow one another"
    )


class RewriteConfig(GoingOn):
    """Going on from rewritten steps."""

    source: SourceConfig | None = Field(
        default=None,
        description="all rewrites there are, a row for each: earlier files stay beside new ones; a glob "
        "(`reviews/*.jsonl`) may match no file yet. Null: the batches that were exported into the lake",
    )
    columns: RewriteColumns = Field(default=RewriteColumns(), description="of the source; exported batches have theirs")
    model: str = Field(description="one of the recipe's models: it goes on from the rewritten step")
