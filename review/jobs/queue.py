"""Jobs: asked for once."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from review.store.models import Item, Job, JobKind, JobState
from tasks.ids import content_id


def ask(session: Session, item: Item, kind: JobKind, asked: dict[str, Any]) -> Job:
    """The job that asks this about an item, new or as it stands; one that failed is queued again."""
    name = content_id("job", kind, item.id, json.dumps(asked, sort_keys=True))
    job = session.get(Job, name)
    if job is None:
        job = Job(id=name, item_id=item.id, kind=kind, asked=asked, created_at=datetime.now(UTC), done=0, total=0)
        session.add(job)
    elif job.state == JobState.FAILED:
        job.state, job.error, job.finished_at = JobState.QUEUED, None, None
    session.flush()
    return job
