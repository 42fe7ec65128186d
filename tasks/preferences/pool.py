"""What pairs are made of, and what of it a recipe's rules look at."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import pyarrow as pa

from schemas.tables import JUDGEMENTS, RATINGS, VERDICTS
from tasks.preferences.contract import Need, Of, Rule


class Opinions(NamedTuple):
    """What judges and verifiers say of traces, beside where these stand."""

    ratings: pa.Table = RATINGS.empty_table()
    """judge, subject_id, score."""
    judgements: pa.Table = JUDGEMENTS.empty_table()
    """judgement_id, judge, problem_id, shown, number, status, choice, reply, model."""
    verdicts: pa.Table = VERDICTS.empty_table()
    """trace_id, extracted_answer."""


class Pool(NamedTuple):
    """The tables that pairs are made of; `problems` and `traces` hold what no stage dropped."""

    problems: pa.Table
    traces: pa.Table
    standings: pa.Table
    opinions: Opinions


class Wanted(NamedTuple):
    """What some rules need to know of candidates."""

    needs: frozenset[Need]
    judges: tuple[str, ...]

    @classmethod
    def by(cls, rules: Iterable[Rule]) -> Self:
        """Of those rules that pair traces."""
        those = [one for one in rules if one.of == Of.TRACES]
        judges = sorted({one.judge for one in those if one.judge is not None})
        return cls(frozenset[Need]().union(*(one.needs for one in those)), tuple(judges))
