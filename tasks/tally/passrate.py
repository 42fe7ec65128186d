"""Pass rates and pass@k of problems with several judged traces."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.tables import Status

BINS: Final = 10


class Sampled(NamedTuple):
    """Of each problem that has a judged trace: how many are judged, and how many of those are correct."""

    judged: NDArray[np.int64]
    correct: NDArray[np.int64]

    @classmethod
    def of(cls, counts: Mapping[tuple[int, int], int]) -> Self:
        """From the number of problems with so many judged traces, so many of them correct."""
        pairs = np.array(list(counts), np.int64).reshape(-1, 2)
        judged, correct = np.repeat(pairs, list(counts.values()), axis=0).T
        return cls(judged, correct)

    @property
    def rates(self) -> NDArray[np.float64]:
        """The pass rate of each problem."""
        rates: NDArray[np.float64] = self.correct / self.judged
        return rates


def sampled(traces: pa.Table, standings: pa.Table) -> Sampled:
    """Count by problem. `traces`: trace_id, problem_id; `standings`: trace_id, status. Only right or wrong counts."""
    right, wrong = (pc.equal(standings["status"], pa.scalar(str(one))) for one in (Status.CORRECT, Status.INCORRECT))
    judged = pa.table({"trace_id": standings["trace_id"], "right": pc.cast(right, pa.int64())}).filter(
        pc.or_(right, wrong)
    )
    counts = (
        traces.select(["trace_id", "problem_id"]).join(judged, "trace_id", join_type="inner").group_by("problem_id")
    )
    found = counts.aggregate([("right", "count"), ("right", "sum")])
    return Sampled(_numbers(found["right_count"]), _numbers(found["right_sum"]))


def pass_at_k(problems: Sampled, k: int) -> float | None:
    """The share of problems that k samples solve: the mean of 1 - C(n - c, k) / C(n, k) over problems with n >= k.

    The unbiased estimator of Chen et al. 2021 (arXiv 2107.03374, section 2.1); None if no problem has k samples.
    """
    enough = problems.judged >= k
    if not enough.any():
        return None
    judged, correct = problems.judged[enough], problems.correct[enough]
    # C(n - c, k) / C(n, k) as a product of k factors, none of which overflows.
    steps = np.arange(k)
    factors = (judged - correct)[:, None] - steps
    missed = np.prod(np.maximum(factors, 0) / (judged[:, None] - steps), axis=1)
    return float(np.mean(1 - missed))


def coverage(problems: Sampled) -> dict[int, float]:
    """pass@k for k = 1, 2, 4, … as far as at least half of the problems have k samples."""
    if not len(problems.judged):
        return {}
    most = int(np.quantile(problems.judged, 0.5, method="lower"))
    ks = [2**power for power in range(most.bit_length())]
    return {k: value for k in ks if (value := pass_at_k(problems, k)) is not None}


def histogram(problems: Sampled) -> tuple[int, ...]:
    """Problems by pass rate, in ten bins of equal width; the last holds those that always pass."""
    counts, _ = np.histogram(problems.rates, bins=BINS, range=(0, 1))
    return tuple(int(count) for count in counts)


def _numbers(column: Any) -> NDArray[np.int64]:
    return np.asarray(column, np.int64)
