"""Replies become judgements, judgements ratings and verdicts."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import JUDGEMENTS, RATINGS, VERDICTS, Status
from tasks.engines.contract import Finish, Identity
from tasks.ids import content_id
from tasks.judge.contract import Finding, Judgement, Reading, UnreadableError
from tasks.judge.judges import Judge
from tasks.judge.plan import Asked, repaired
from tasks.judge.reading import read

STAGE: Final = "judge"
_REASON: Final = 500
"""Characters of a reason that a verdict repeats."""


class Reply(NamedTuple):
    """What came of a request, as COMPLETIONS has it."""

    text: str
    finish_reason: str
    detail: str | None


Replies = Mapping[str, Reply]
"""By the request's id."""


class Judged(NamedTuple):
    """JUDGEMENTS, RATINGS, and VERDICTS (empty for a judge that gives none)."""

    judgements: pa.Table
    ratings: pa.Table
    verdicts: pa.Table


class _Heard(NamedTuple):
    """What was found in a reply, or what is wrong with it; `mendable` if a second one may be better."""

    finding: Finding | None
    reply: str | None
    fault: str = ""
    mendable: bool = False


def repairs(judge: Judge, identity: Identity, asked: Iterable[Asked], replies: Replies) -> Iterator[Asked]:
    """The questions that are asked once more, for their reply cannot be read."""
    for one in asked:
        reply = replies[one.request.request_id]
        heard = _hear(judge, one, reply)
        if heard.mendable:
            yield one._replace(request=repaired(judge, identity, one, reply.text, heard.fault))


def judged(judge: Judge, identity: Identity, asked: Iterable[Asked], replies: Replies) -> Judged:
    """What a judge says, from the replies to all that it was asked, and to all repairs."""
    made = [_judgement(judge, identity, one, replies) for one in asked]
    ratings = judge.kind.ratings(made)
    return Judged(
        rows([one._asdict() for one in made], JUDGEMENTS, at=STAGE),
        _ratings(judge, made, ratings),
        _verdicts(judge, identity, made, ratings),
    )


def _judgement(judge: Judge, identity: Identity, asked: Asked, replies: Replies) -> Judgement:
    completion_id, status = asked.request.request_id, Reading.READ
    heard = _hear(judge, asked, replies[completion_id])
    if heard.mendable:
        completion_id = repaired(judge, identity, asked, replies[completion_id].text, heard.fault).request_id
        status = Reading.REPAIRED
        heard = _hear(judge, asked, replies[completion_id])
    finding = heard.finding or Finding(heard.fault)
    return Judgement(
        judgement_id=content_id(judge.name, asked.request.request_id, *asked.case.shown),
        judge=judge.name,
        kind=judge.kind_name,
        problem_id=asked.problem_id,
        shown=asked.case.shown,
        number=asked.number,
        status=status if heard.finding else Reading.ERROR,
        score=finding.score,
        choice=finding.choice,
        aspects=finding.aspects,
        reason=finding.reason,
        reply=heard.reply,
        model=identity.model,
        completion_id=completion_id,
        messages=[{"role": one.role, "content": one.content} for one in asked.case.messages] if judge.judged else None,
    )


def _hear(judge: Judge, asked: Asked, reply: Reply) -> _Heard:
    if reply.finish_reason not in (Finish.STOP, Finish.LENGTH):
        return _Heard(None, None, f"{reply.finish_reason}: {reply.detail or 'no reply'}")
    try:
        found = read(reply.text, judge.kind.reply)
        finding = judge.kind.finding(found, asked.case)
    except UnreadableError as exc:
        ended = "it was cut off at max_tokens, and " if reply.finish_reason == Finish.LENGTH else ""
        return _Heard(None, None, f"{ended}{exc}", mendable=True)
    return _Heard(finding, json.dumps(found.model_dump(mode="json"), ensure_ascii=False))


def _ratings(judge: Judge, made: Sequence[Judgement], ratings: Mapping[str, float]) -> pa.Table:
    spoken_of: defaultdict[str, list[Judgement]] = defaultdict(list)
    for one in made:
        for name in one.shown if one.readable else ():
            spoken_of[name].append(one)
    records: list[dict[str, object]] = [
        {
            "judge": judge.name,
            "subject_id": name,
            "problem_id": spoken_of[name][0].problem_id,
            "score": score,
            "judgements": len(spoken_of[name]),
        }
        for name, score in sorted(ratings.items())
    ]
    return rows(records, RATINGS, at=STAGE)


def _verdicts(judge: Judge, identity: Identity, made: Sequence[Judgement], ratings: Mapping[str, float]) -> pa.Table:
    if judge.kind.verdict is None:
        return VERDICTS.empty_table()
    on_trace: defaultdict[str, list[Judgement]] = defaultdict(list)
    for one in made:
        on_trace[one.shown[0]].append(one)
    records: list[dict[str, object]] = []
    for trace_id, those in on_trace.items():
        score = ratings.get(trace_id)
        status = Status.ERROR if score is None else judge.kind.verdict(score)
        record: dict[str, Any] = dict.fromkeys(VERDICTS.names)
        record |= {"trace_id": trace_id, "verifier": judge.name, "verifier_version": judge.version(identity)}
        record |= {"status": status.value, "score": score, "reason": _reason(those, score), "elapsed_ms": 0.0}
        records.append(record)
    return rows(records, VERDICTS, at=STAGE)


def _reason(those: Sequence[Judgement], score: float | None) -> str:
    """The reason of the judgement that comes nearest to what all came to."""
    told = [one for one in those if one.score is not None and score is not None] or those
    nearest = min(told, key=lambda one: abs((one.score or 0) - (score or 0)))
    reason = " ".join(nearest.reason.split())
    return reason if len(reason) <= _REASON else f"{reason[:_REASON]}…"
