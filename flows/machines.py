"""One machine or many: what a recipe says of where its work is done. No key depends on it: results are the same."""

from typing import Final

from pydantic import Field

from schemas.base import ConfigBase

CLUSTER: Final = r"^(ray://|ray:|dask:(tcp://|tls://)?)[^\s:/@]+:\d+$"


class MachinesConfig(ConfigBase):
    """Where stages run, and how many engines sample at once."""

    cluster: str | None = Field(
        default=None,
        pattern=CLUSTER,
        description="run the shards of stages there: `ray://host:10001` (a Ray client server), `ray:host:6379` (a Ray "
        "cluster of which this machine is part) or `dask:tcp://host:8786`; null: on this machine",
    )
    shard_rows: int = Field(
        default=20_000,
        ge=1,
        description="no shard has fewer rows, but for the last; a stage that is but one shard stays on this machine. A "
        "shard costs about 0.1 s beside its work",
    )
    workers: int = Field(
        default=1,
        ge=1,
        description="so many runs of the deployment `sample` generate at once, each with an engine of its own, where "
        "workers take them; 1: the run itself generates",
    )
    patience_s: float = Field(
        default=300,
        gt=0,
        description="seconds after which a run takes the samples itself that no worker takes, while none is at work",
    )
