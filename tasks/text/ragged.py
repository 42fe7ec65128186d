"""Rows of differing length in two flat arrays: what the kernels read and write."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Ragged(NamedTuple):
    """Row i is `values[offsets[i]:offsets[i + 1]]`."""

    values: NDArray[np.uint64]
    offsets: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many values each row has."""
        return np.diff(self.offsets)

    def take(self, rows: NDArray[np.int64]) -> "Ragged":
        """Some rows, in the order asked for."""
        return Ragged.of_runs(self.values, self.offsets[rows], self.lengths[rows])

    @classmethod
    def of_runs(cls, values: NDArray[np.uint64], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> "Ragged":
        """Rows that lie anywhere in an array, each from its start on."""
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return cls(values[positions], offsets)

    @classmethod
    def join(cls, parts: Iterable["Ragged"]) -> "Ragged":
        """The rows of all parts, one part after the other."""
        empty = cls(np.empty(0, np.uint64), np.zeros(1, np.int64))
        values, lengths = zip(*((part.values, part.lengths) for part in (empty, *parts)), strict=True)
        return cls(np.concatenate(values), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))
