"""A batch's settings, read once for each state that they are in."""

import json
from datetime import timedelta
from functools import lru_cache

from review.config import BatchSettings
from review.store.models import Batch


def settings_of(batch: Batch) -> BatchSettings:
    """What the batch keeps of its recipe."""
    return _read(json.dumps(batch.settings, sort_keys=True))


def lease_of(batch: Batch) -> timedelta:
    """How long a trace is somebody's without a sign of life."""
    return timedelta(minutes=settings_of(batch).review.lease_minutes)


@lru_cache(maxsize=64)
def _read(told: str) -> BatchSettings:
    return BatchSettings.model_validate_json(told)
