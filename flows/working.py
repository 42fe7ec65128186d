"""What every run that works on a lake is wrapped in."""

from collections.abc import Iterator
from contextlib import contextmanager

from flows.config import CurationConfig
from flows.keys import keys, needed
from flows.log import RunLog, logged
from tasks.lake import Lake
from tasks.running import running


@contextmanager
def working(store: Lake, config: CurationConfig, flow: str) -> Iterator[RunLog]:
    """Inside the block the run's progress is logged, its keys are there, and its mark in the lake keeps `gc` away.

    Raises:
        LakeError: the lake cannot be written.
    """
    variables = needed(config, store.url, *config.lakes)
    with logged() as log, keys(*variables), running(store.storage, f"{flow} {config.name}"):
        yield log
