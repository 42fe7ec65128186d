"""Whose word on steps is taken."""

from pydantic import Field

from schemas.base import ConfigBase


class LabelConfig(ConfigBase):
    """Verdicts of the exported batches' reviewers (`tasks/reviews.py`)."""

    least: int = Field(
        default=1,
        ge=1,
        description="reviewers who marked a trace; of fewer nothing is taken, unless its verdict was agreed on already",
    )
