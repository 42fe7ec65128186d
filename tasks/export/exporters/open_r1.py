r"""GRPO in Open-R1: `problem`, `solution`.

Its accuracy reward (src/open_r1/rewards.py) parses the solution as LaTeX alone, with math-verify, and counts every
answer as right where it finds none: a bare `42` would reward anything. So a reference stands in a box.
"""

from functools import partial
from typing import Any, Final, Literal, Self

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform
from schemas.tables import Domain
from tasks.export.answers import truths
from tasks.export.selection import Exporter, Selection

COLUMNS: Final = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("problem", "solution", "problem_id")]
)
_ANSWER: Final = "{answer}"
_READ_AS_IT_IS: Final = r"\$[^$]+\$|\\boxed|\\\(|\\\["


class Config(ConfigBase):
    """Which problems, and how their references are written."""

    domains: tuple[Literal[Domain.MATH, Domain.CHOICE, Domain.OPEN], ...] = Field(
        (Domain.MATH,), min_length=1, description="the problems' domains"
    )
    majority: bool = Field(
        default=True, description="problems without a reference have the majority's, where there is one"
    )
    solution: str = Field(
        rf"$\boxed{{{_ANSWER}}}$",
        description="with {answer} in it, the reference; one that is a formula or a box by itself stays",
    )

    @model_validator(mode="after")
    def _holds_the_answer(self) -> Self:
        if self.solution.count(_ANSWER) != 1:
            raise ValueError("solution needs {answer} in it, once")
        return self


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("problem_id", COLUMNS, partial(_rows, config), texts=("problem",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a problem that has a reference, in the order of problems."""
    found = truths(selection, config.domains, majority=config.majority)
    before, after = config.solution.split(_ANSWER)
    truth: Any = found.truth
    written = pc.binary_join_element_wise(before, truth, after, "")
    columns: dict[str, Any] = {
        "problem": selection.problems["question"].take(found.rows),
        "solution": pc.if_else(pc.match_substring_regex(truth, _READ_AS_IT_IS), truth, written),
        "problem_id": found.problem_id,
    }
    return conform(pa.table(columns), COLUMNS, at="export open_r1")
