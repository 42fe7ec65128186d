"""Few problems of many domains, and of each domain rather those that take long: s1's last step.

Muennighoff et al. 2025 (arXiv 2501.19393), section 2.2 and algorithm 1: a domain is drawn, all alike; of its problems
one, by weights 2^-rank, the problem with the longest trace first; and so on until there are enough. A domain that is
used up is drawn no more. The paper's domains are subjects (MSC) that a model named: have them as a label
(`by: label.subject`).
"""

from collections.abc import Sequence
from functools import partial
from math import log2
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Status
from tasks.embed.model import EmbeddingConfig
from tasks.embed.search import k_centres, nearest
from tasks.embed.store import vectors_of
from tasks.rows import positions
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import Group, by_id, group_of, lengths, numbered, places, stands


class Clusters(EmbeddingConfig):
    """Questions that are close to one centre are one domain; the centres are far apart (k-centre)."""

    clusters: int = Field(default=50, ge=1, description="s1 draws from 50 domains")


class Config(ConfigBase):
    """How many problems, and from what."""

    count: int = Field(ge=1, description="problems in all; those that earlier rounds kept count, and stay")
    by: Group | Clusters = Field(
        default="domain",
        description="what a domain is: `domain`, `persona`, `source` (a file, or a template), `label.NAME`, or "
        "clusters of embeddings: {model: …, clusters: 50}",
    )
    of: Literal["any", "correct"] = Field(
        default="any", description="`correct`: problems and traces that stand so come before all others"
    )
    keep_traces: Literal["longest", "all"] = Field(default="longest", description="of each problem that is drawn")
    seed: int = Field(default=0, ge=0, description="of the draws")

    UNSEEN: ClassVar = {"by": EmbeddingConfig.UNSEEN}
    """The settings on which no outcome depends, but for rounding."""


class _Longest(NamedTuple):
    """Of each trace whether it is its problem's longest; of each problem its length, and its place, longest first."""

    traces: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    order: NDArray[np.int64]


def build(config: Config) -> Selector:
    """The selector with these settings."""
    model = config.by if isinstance(config.by, Clusters) else None
    return Selector(partial(_drop, config), looks_back=True, embedding=model)


def _drop(config: Config, pool: Pool) -> Gone:
    longest = _longest(config, pool)
    domain, name = _domains(config, pool)
    budget = max(config.count - pool.earlier.problems.num_rows, 0)
    rows = np.lexsort((longest.order, domain))
    queues = [part.tolist() for part in np.split(rows, np.flatnonzero(np.diff(domain[rows])) + 1) if len(part)]
    goes = np.ones(pool.problems.num_rows, np.bool_)
    goes[drawn(queues, budget, config.seed)] = False
    told: dict[str, Any] = {"domain": name, "longest": longest.lengths}
    problems = gone(pool.problems["problem_id"], goes, f"not drawn among {config.count}", **told)
    if config.keep_traces == "all":
        return Gone(problems)
    return Gone(problems, _shorter(pool.without(Gone(problems)), config))


def drawn(queues: Sequence[Sequence[int]], count: int, seed: int) -> list[int]:
    """Draw `count` rows, or all: a queue uniformly, of it the n-th row with a probability that halves with each n."""
    # The first stand last, where taking them out is cheap.
    left = [list(reversed(one)) for one in queues]
    chosen: list[int] = []
    random = np.random.default_rng(seed)
    while left and len(chosen) < count:
        at = int(random.integers(len(left)))
        queue = left[at]
        place = int(-log2(1 - random.random() * (1 - 2.0 ** -len(queue))))
        chosen.append(queue.pop(-1 - min(place, len(queue) - 1)))
        if not queue:
            left.pop(at)
    return chosen


def _longest(config: Config, pool: Pool) -> _Longest:
    problem = positions(pool.traces["problem_id"], pool.problems["problem_id"])
    size = lengths(pool)
    unfit = ~stands(pool.traces, Status.CORRECT) if config.of == "correct" else np.zeros(len(size), np.bool_)
    first = places(problem, unfit, -size, by_id(pool.traces["trace_id"])) == 0
    best, fit = np.zeros(pool.problems.num_rows, np.int64), np.zeros(pool.problems.num_rows, np.bool_)
    best[problem[first]], fit[problem[first]] = size[first], ~unfit[first]
    nobody = np.zeros(len(best), np.int64)
    return _Longest(first, best, places(nobody, ~fit, -best, by_id(pool.problems["problem_id"])))


def _shorter(pool: Pool, config: Config) -> pa.Table:
    return gone(pool.traces["trace_id"], ~_longest(config, pool).traces, "not the longest of its problem")


def _domains(config: Config, pool: Pool) -> tuple[NDArray[np.int64], Any]:
    """Each problem's domain, as a number and as the evidence says it."""
    if isinstance(config.by, Clusters):
        clusters = _clusters(config.by, pool)
        return clusters, clusters
    group = group_of(pool.problems, pool.traces, config.by)
    return numbered(group)[0], group


def _clusters(config: Clusters, pool: Pool) -> NDArray[np.int64]:
    order = np.argsort(by_id(pool.problems["problem_id"]))
    vectors = vectors_of(pool.problems["problem_id"], pool.embeddings(config))[order]
    close = nearest(vectors, vectors[k_centres(vectors, config.clusters, seed=0)], 1, threshold=-2)
    found = np.zeros(len(order), np.int64)
    found[order[close.rows]] = close.items
    return found
