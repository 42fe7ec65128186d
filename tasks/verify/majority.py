"""The majority's answer as reference where a problem has none, marked as such.

Self-consistency (Wang et al. 2022, arXiv 2203.11171) makes the most common answer of many samples the likeliest; a
program that a model wrote for the problem (PAL, Gao et al. 2022, arXiv 2211.10435) can bear witness to it.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.conform import rows
from schemas.tables import DROPPED, REFERENCES, Status
from tasks.engines.contract import Finish
from tasks.verify.ballots import Group, Vote, ranked, vote_of
from tasks.verify.contract import Claim, ProblemView, covering, lacks_reference, views_of
from tasks.verify.settle import Asked, Court

MAJORITY: Final = "majority"
"""The part of the stage that lets samples vote."""
VOTING: Final = ["trace_id", "problem_id", "text", "parent_trace_id", "finish_reason"]
"""The columns of traces that a vote reads."""
_UNFINISHED: Final = frozenset({Finish.LENGTH, Finish.OVERFLOW, Finish.REFUSED})
_NONE: Final = "no majority", "its problem has no majority"
_UNSUPPORTED: Final = "no program agrees with its majority", "no program agrees with its problem's majority"
"""Why a problem is dropped, and why its traces are."""
_SHOWN: Final = 5
"""So many of the answers are named in the evidence of a dropped problem."""


class MajorityConfig(ConfigBase):
    """What makes an answer the majority's. A tie is none."""

    share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="the most common answer needs at least this share of the problem's samples, those without an "
        "answer included; 0 takes it whatever its share",
    )
    least: int = Field(default=3, ge=1, description="votes that it needs")
    witness: Literal["off", "noted", "agrees"] = Field(
        default="off", description="noted: say whether a program's printed answer agrees; agrees: one has to"
    )


class Voted(NamedTuple):
    """REFERENCES of the problems with a majority, and rows of DROPPED for those without one and for their traces."""

    references: pa.Table
    dropped: pa.Table


class _Poll(NamedTuple):
    samples: list[str]
    """Traces that count as samples."""
    forks: list[str]
    """Traces that go on from another one, so that their answer is no vote of its own."""
    votes: Counter[Vote]


def vote(
    problems: pa.Table,
    traces: Iterable[pa.Table],
    config: MajorityConfig,
    court: Court,
    *,
    dropped: pa.Table | None = None,
    witnesses: pa.Table | None = None,
) -> Voted:
    """Let the samples of each problem without reference, tests or constraints vote on its answer.

    `problems` needs problem_id and every column of ProblemView; each table of `traces` the columns VOTING. Every trace
    that is no fork of another is a sample. It has no vote if an earlier stage dropped it (`dropped`, DROPPED), it did
    not come to its end, or a verifier finds no answer in it. Problems without samples or without a verifier for their
    domain are passed over. The reference is the most common written form of the most common answer. `witnesses`
    (WITNESSES) are asked unless `config.witness` is off: `agrees` if more of a problem's programs print the majority's
    answer than another, `none` if none printed any, else `disagrees`.
    """
    views = {problem: view for problem, view in views_of(problems).items() if lacks_reference(view)}
    polls = _polls(views, traces, court, dropped)
    groups = ranked({problem: poll.votes for problem, poll in polls.items()}, court)
    won = {problem: elected(those, len(polls[problem].samples), config) for problem, those in groups.items()}
    winners = {problem: group for problem, group in won.items() if group is not None}
    testimony = {} if config.witness == "off" else _testimony(winners, views, court, witnesses)
    lost = {problem: _NONE for problem in polls if problem not in winners}
    if config.witness == "agrees":
        lost |= {problem: _UNSUPPORTED for problem in winners if testimony[problem] != "agrees"}
    return Voted(_references(polls, winners, testimony, lost), _dropped(polls, groups, testimony, lost))


def elected(groups: list[Group], samples: int, config: MajorityConfig) -> Group | None:
    """The group that has the majority of so many samples; `groups` come most votes first."""
    if not groups or groups[0].votes < config.least or groups[0].votes / samples < config.share:
        return None
    return None if len(groups) > 1 and groups[1].votes == groups[0].votes else groups[0]


def with_origin(verdicts: pa.Table, traces: pa.Table, references: pa.Table) -> pa.Table:
    """`verdicts` whose `reason` says so where the reference was a majority's, that nobody takes it for gold.

    Only `correct` and `incorrect` ones rest on it. `traces` needs trace_id and problem_id.
    """
    if not references.num_rows:
        return verdicts
    notes = dict(zip(references["problem_id"].to_pylist(), map(_note, references.to_pylist()), strict=True))
    problem_of = dict(zip(traces["trace_id"].to_pylist(), traces["problem_id"].to_pylist(), strict=True))
    reasons = []
    judged = zip(*(verdicts[name].to_pylist() for name in ("trace_id", "status", "reason")), strict=True)
    for trace_id, status, reason in judged:
        note = notes.get(problem_of[trace_id], "") if status in {Status.CORRECT, Status.INCORRECT} else ""
        reasons.append(": ".join(filter(None, (reason, note))))
    at = verdicts.column_names.index("reason")
    return verdicts.set_column(at, verdicts.field(at), pa.array(reasons, pa.string()))


def _note(reference: Mapping[str, object]) -> str:
    witness = reference["witness"]
    program = f", a program {witness}" if witness in {"agrees", "disagrees"} else ""
    return f"the majority's answer, {reference['votes']} of {reference['samples']} samples{program}"


def _polls(
    views: Mapping[str, ProblemView], traces: Iterable[pa.Table], court: Court, dropped: pa.Table | None
) -> dict[str, _Poll]:
    """Who votes how, of each of the problems that a verifier covers and that has samples, in the problems' order."""
    judges = {domain: covering(court.verifiers, domain) for domain in {view.domain for view in views.values()}}
    mute = set() if dropped is None else set(dropped["row_id"].to_pylist())
    polls: dict[str, _Poll] = {}
    for trace_id, problem, text, parent, finish in _voters(traces):
        view = views.get(problem)
        if view is None or not judges[view.domain]:
            continue
        poll = polls.setdefault(problem, _Poll([], [], Counter()))
        (poll.samples if parent is None else poll.forks).append(trace_id)
        if parent is None and finish not in _UNFINISHED and trace_id not in mute:
            found = vote_of(view, text, judges[view.domain])
            poll.votes.update([found] if found else [])
    return {problem: polls[problem] for problem in views if problem in polls and polls[problem].samples}


def _voters(traces: Iterable[pa.Table]) -> Iterator[tuple[str, str, str, str | None, str | None]]:
    for part in traces:
        yield from zip(*(part[name].to_pylist() for name in VOTING), strict=True)


def _testimony(
    winners: Mapping[str, Group], views: Mapping[str, ProblemView], court: Court, witnesses: pa.Table | None
) -> dict[str, str]:
    """What the programs of each problem say of its winner."""
    asked: dict[str, list[Asked]] = {problem: [] for problem in winners}
    printed = witnesses.select(["problem_id", "answer"]).to_pylist() if witnesses else []
    for row in printed:
        problem, line = row["problem_id"], row["answer"]
        if line is not None and problem in winners:
            name, reference = winners[problem].chosen
            answer = court.verifiers[name].answer(views[problem], line) or line
            asked[problem].append((name, Claim(reference, answer)))
    judged = court.settle(one for several in asked.values() for one in several)
    said: dict[str, str] = {}
    for problem, claims in asked.items():
        agreeing = sum(judged[claim].outcome.status is Status.CORRECT for claim in claims)
        said[problem] = "none" if not claims else "agrees" if 2 * agreeing > len(claims) else "disagrees"
    return said


def _references(
    polls: Mapping[str, _Poll], winners: Mapping[str, Group], testimony: Mapping[str, str], lost: Collection[str]
) -> pa.Table:
    records: list[dict[str, object]] = [
        {
            "problem_id": problem,
            "reference": group.chosen.answer,
            "origin": "majority",
            "votes": group.votes,
            "samples": len(polls[problem].samples),
            "witness": testimony.get(problem),
        }
        for problem, group in winners.items()
        if problem not in lost
    ]
    return rows(records, REFERENCES, at="verify")


def _dropped(
    polls: Mapping[str, _Poll],
    groups: Mapping[str, list[Group]],
    testimony: Mapping[str, str],
    lost: Mapping[str, tuple[str, str]],
) -> pa.Table:
    gone = []
    for problem, (reason, theirs) in lost.items():
        answers = {group.chosen.answer: group.votes for group in groups[problem][:_SHOWN]}
        said = {"witness": testimony[problem]} if problem in testimony else {}
        evidence = json.dumps({"samples": len(polls[problem].samples), "answers": answers} | said, ensure_ascii=False)
        gone.append(("problems", problem, reason, evidence))
        gone += [("traces", trace, theirs, evidence) for trace in polls[problem].samples + polls[problem].forks]
    records: list[dict[str, object]] = [
        dict(zip(DROPPED.names, (table, row_id, "verify", reason, evidence, None), strict=True))
        for table, row_id, reason, evidence in sorted(gone)
    ]
    return rows(records, DROPPED, at="verify")
