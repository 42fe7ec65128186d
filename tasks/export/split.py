"""Train and validation, by problem: all that comes of a problem lies on one side.

A problem's side follows from its id and the seed alone, so it stays where it is however the data set grows.
"""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from xxhash import xxh3_64_intdigest

from schemas.base import ConfigBase
from tasks.export.selection import TRAIN, VALIDATION, Selection

_RANGE: Final = 2.0**64


class Splitting(ConfigBase):
    """How problems are divided."""

    validation: float = Field(
        default=0.0, ge=0, lt=1, description="the share of problems held out for validation, with all that is of them"
    )
    split_seed: int = Field(default=0, ge=0, lt=2**64, description="another seed holds out other problems")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits there are: TRAIN alone where nothing is held out."""
        return (TRAIN, VALIDATION) if self.validation else (TRAIN,)


def held_out(ids: "pa.ChunkedArray[Any]", by: Splitting) -> "pa.ChunkedArray[Any]":
    """Which of these problem ids are held out (bool): those whose hash is in the lowest `validation` of all."""
    unique = [str(one) for one in ids.unique().to_pylist()]
    hashes = np.fromiter((xxh3_64_intdigest(one.encode(), by.split_seed) for one in unique), np.uint64, len(unique))
    out = np.flatnonzero(hashes < by.validation * _RANGE)
    found: Any = pc.is_in(ids, value_set=pa.array([unique[at] for at in out], ids.type))
    return pa.chunked_array(found.chunks, pa.bool_())


def part_of(selection: Selection, split: str, by: Splitting) -> Selection:
    """The problems of a split, with their traces and pairs; what is looked up by a trace's id stays whole."""
    if not by.validation:
        return selection._replace(split=split)

    def mine(table: pa.Table) -> pa.Table:
        out: Any = held_out(table["problem_id"], by)
        return table.filter(out if split == VALIDATION else pc.invert(out))

    return selection._replace(
        problems=mine(selection.problems), traces=mine(selection.traces), pairs=mine(selection.pairs), split=split
    )
