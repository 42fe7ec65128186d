"""Problems and what answers to them are checked against: what the formats of RL trainers are made of."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field

from schemas.tables import Domain
from tasks.export.messages import PromptConfig
from tasks.export.selection import Selection
from tasks.prompts import INSTRUCTIONS
from tasks.rows import positions


class RewardConfig(PromptConfig):
    """Which problems, and what a policy is asked."""

    instructions: dict[Domain, str] = Field(
        default=dict(INSTRUCTIONS),
        description="what follows the question, by domain; the scorers look where it tells to answer",
    )
    majority: bool = Field(
        default=True, description="problems without a reference have the majority's, where there is one"
    )


class Truths(NamedTuple):
    """Problems with what their answers are checked against, as Arrow columns side by side."""

    rows: NDArray[np.int64]
    """Positions in the selection's problems, ascending."""
    problem_id: "pa.ChunkedArray[Any]"
    domain: "pa.ChunkedArray[Any]"
    truth: "pa.ChunkedArray[Any]"

    def written(self, domain: Domain, write: Callable[[str], str | None]) -> "Truths":
        """The same, with the texts of a domain as `write` gives them; where it gives None, the problem is left out."""
        here = np.asarray(pc.equal(self.domain, pa.scalar(domain.value)), np.bool_)
        if not here.any():
            return self
        texts: list[Any] = self.truth.filter(pa.array(here)).to_pylist()
        new: Any = pa.array([write(text) for text in texts], pa.string())
        truth: Any = pc.replace_with_mask(self.truth, pa.array(here), new)
        kept = truth.is_valid()
        rows = self.rows[np.asarray(kept, np.bool_)]
        return Truths(rows, self.problem_id.filter(kept), self.domain.filter(kept), truth.filter(kept))


def references(selection: Selection, *, majority: bool) -> "pa.ChunkedArray[Any]":
    """Each problem's reference: its own, else the majority's where asked, else null."""
    own: pa.ChunkedArray[Any] = _said(selection.problems["reference"])
    if not majority:
        return own
    voted = positions(selection.problems["problem_id"], selection.references["problem_id"])
    where: Any = pa.array(voted, mask=voted < 0)
    theirs = selection.references["reference"].take(where)
    found: Any = pc.coalesce(own, theirs)
    return pa.chunked_array([found], pa.string()) if isinstance(found, pa.Array) else found


def truths(selection: Selection, domains: Collection[Domain], *, majority: bool) -> Truths:
    """The problems of these domains that can be checked: by tests (code), constraints (instruction) or a reference."""
    problems = selection.problems
    truth: Any = references(selection, majority=majority)
    for domain, column in ((Domain.CODE, "tests"), (Domain.INSTRUCTION, "constraints")):
        truth = pc.if_else(pc.equal(problems["domain"], pa.scalar(domain.value)), _said(problems[column]), truth)
    wanted: Any = pc.is_in(problems["domain"], value_set=pa.array([str(domain) for domain in domains], pa.string()))
    there = pc.and_(wanted, pc.is_valid(truth))
    return Truths(
        np.flatnonzero(np.asarray(there, np.bool_)),
        problems["problem_id"].filter(there),
        problems["domain"].filter(there),
        truth.filter(there),
    )


def named(names: Mapping[Domain, str], domains: "pa.ChunkedArray[Any]") -> "pa.ChunkedArray[Any]":
    """What each of these domains is called."""
    known = pa.array([str(domain) for domain in names], pa.string())
    which: Any = pc.index_in(domains, value_set=known)
    return pa.chunked_array([pa.array(list(names.values()), pa.string()).take(which.combine_chunks())], pa.string())


def _said(column: Any) -> Any:
    """The column, with null where there is but whitespace."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(column), pa.scalar("")), None, column)
