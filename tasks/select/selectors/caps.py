"""At most so many: problems of one persona, domain, source or label; traces of one problem; traces in all.

Which stay is decided by ids, as good as at random: of problems those with a correct trace before others, of traces as
`prefer` says. `total` is OpenMathInstruct's fair down-sampling (Toshniwal et al. 2024, arXiv 2402.10176): the first
trace of each problem is taken before the second of any.
"""

from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.rows import positions
from tasks.select.contract import Gone, Pool, Selector, gone
from tasks.select.measures import Group, by_id, group_of, lengths, numbered, places, rates, scores

Most = Annotated[int, Field(ge=1)]


class Config(ConfigBase):
    """How many at most. What earlier rounds kept counts, and stays."""

    problems: dict[Group, Most] = Field(
        default={}, description="by `domain`, `persona`, `source` (a file, or a template) or `label.NAME`: {persona: 5}"
    )
    traces: Most | None = Field(default=None, description="of one problem")
    total: Most | None = Field(default=None, description="traces in all, of as many problems as can be")
    prefer: Literal["random", "shortest", "longest", "score"] = Field(
        default="random", description="which traces of a problem stay"
    )
    judge: str | None = Field(default=None, description="whose ratings are the scores; null: the standings' scores")

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not self.problems and self.traces is None and self.total is None:
            raise RecipeError("caps: nothing is capped; set problems, traces or total")
        if self.judge is not None and self.prefer != "score":
            raise RecipeError("caps.judge: its ratings are used only with `prefer: score`")
        return self


def build(config: Config) -> Selector:
    """The selector with these settings."""
    return Selector(partial(_drop, config), looks_back=True)


def _drop(config: Config, pool: Pool) -> Gone:
    problems = _problems(config, pool)
    if config.traces is None and config.total is None:
        return Gone(problems)
    left = pool.without(Gone(problems))
    return Gone(problems, _traces(config, left))


def _problems(config: Config, pool: Pool) -> pa.Table:
    """Cap after cap, by the alphabet: what one leaves the next one counts."""
    unsolved, ids = rates(pool).right == 0, by_id(pool.problems["problem_id"])
    stays = np.ones(pool.problems.num_rows, np.bool_)
    found = [Gone().problems]
    for name, most in sorted(config.problems.items()):
        group = group_of(pool.problems, pool.traces, name)
        mine, before = numbered(group, group_of(*pool.earlier, name))
        rows = np.flatnonzero(stays & (mine >= 0))
        taken = np.bincount(before[before >= 0], minlength=mine.max(initial=-1) + 1)[mine[rows]]
        over = np.zeros(len(stays), np.bool_)
        over[rows] = places(mine[rows], unsolved[rows], ids[rows]) >= most - taken
        told: dict[str, Any] = {name: group}
        found.append(gone(pool.problems["problem_id"], over, f"more than {most} of one {name}", **told))
        stays &= ~over
    return pa.concat_tables(found)


def _traces(config: Config, pool: Pool) -> pa.Table:
    ids, problem = pool.traces["trace_id"], positions(pool.traces["problem_id"], pool.problems["problem_id"])
    place = places(problem, _order(config, pool), by_id(ids))
    over = np.zeros(len(place), np.bool_) if config.traces is None else place >= config.traces
    found = [gone(ids, over, f"more than {config.traces} of one problem", place=place + 1)]
    if config.total is not None:
        budget = max(config.total - pool.earlier.traces.num_rows, 0)
        rows = np.flatnonzero(~over)
        late = rows[np.lexsort((by_id(ids)[rows], place[rows]))[budget:]]
        beyond = np.isin(np.arange(len(place)), late)
        found.append(gone(ids, beyond, f"more than {config.total} in all", place=place + 1))
    return pa.concat_tables(found)


def _order(config: Config, pool: Pool) -> NDArray[Any]:
    match config.prefer:
        case "shortest":
            return lengths(pool)
        case "longest":
            return -lengths(pool)
        case "score":
            return -scores(pool, config.judge)
        case "random":
            return np.zeros(pool.traces.num_rows)
