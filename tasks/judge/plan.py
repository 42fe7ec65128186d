"""Which questions there are: from tables to groups, from groups to requests.

A request's id is the hash of all that decides its reply, so what was asked once is known again whatever has changed
around it, and equal questions are one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.base import ConfigBase
from tasks.engines.contract import Identity, Message, Request, said_in
from tasks.ids import content_id
from tasks.judge.contract import Case, Group, KindConfig, Problem, Reading, Shown
from tasks.judge.judges import Judge
from tasks.judge.reading import repair
from tasks.rows import flat
from tasks.text.thinking import spoken

SEEN: Final = ["problem_id", "domain", "question", "reference"]
"""The columns of problems that are looked at."""
JUDGED: Final = ["trace_id", "problem_id", "text"]
"""Those of traces."""
_BATCH: Final = 4096


class Asked(NamedTuple):
    """One question as it is put to a model."""

    problem_id: str
    number: int
    case: Case
    request: Request


def questions(
    judge: Judge, identity: Identity, problems: pa.Table, traces: pa.Table, judgements: pa.Table
) -> Iterator[Asked]:
    """What a judge is to be asked: in the order of problems' and traces' ids, whatever that of the tables.

    `problems` needs the columns SEEN, `traces`, those that are put to it, JUDGED; `judgements` (JUDGEMENTS) are looked
    at by a judge of judgements only. Traces that say nothing are left out.
    """
    groups = _groups(problems, traces, judge.config)
    if judge.over is not None:
        groups = _judged(groups, judge.over, judgements)
    for group in groups:
        for number in range(judge.config.samples):
            for case in judge.kind.cases(group, number):
                yield Asked(group.problem["problem_id"], number, case, _request(judge, identity, number, case.messages))


def repaired(judge: Judge, identity: Identity, asked: Asked, text: str, fault: str) -> Request:
    """What is asked after a reply that could not be read."""
    return _request(judge, identity, asked.number, repair(asked.case.messages, text, fault))


def _request(judge: Judge, identity: Identity, number: int, messages: tuple[Message, ...]) -> Request:
    config = judge.config
    schema = _schema(judge.kind.reply) if config.constrain else None
    settings = config.sampling.model_dump_json()
    turns = said_in(messages)
    name = content_id("judge", identity.model, identity.revision, settings, schema, number, *turns)
    sampling = config.sampling.model_copy(update={"seed": int(name[:7], 16)})
    return Request(name, messages, sampling, json_schema=schema)


@cache
def _schema(form: type[ConfigBase]) -> str:
    return json.dumps(form.model_json_schema())


def _groups(problems: pa.Table, traces: pa.Table, config: KindConfig) -> Iterator[Group]:
    """The traces of each problem that say something."""
    known: dict[str, Problem] = {
        row["problem_id"]: row for row in problems.select(SEEN).to_pylist() if row["domain"] in config.domains
    }
    for problem_id, those in groupby(_sorted(traces), key=itemgetter(0)):
        texts = ((trace_id, _said(text, config)) for _, trace_id, text in those)
        shown = tuple(Shown(trace_id, text) for trace_id, text in texts if text)
        if shown and problem_id in known:
            yield Group(known[problem_id], shown)


def _sorted(traces: pa.Table) -> Iterator[tuple[str, str, str]]:
    """Problem, id and text of each trace, some thousands of them in memory at a time."""
    order = pc.sort_indices(traces, sort_keys=[("problem_id", "ascending"), ("trace_id", "ascending")])
    columns: list[Any] = [flat(traces[name]) for name in ("problem_id", "trace_id", "text")]
    for start in range(0, len(order), _BATCH):
        rows = order.slice(start, _BATCH)
        yield from zip(*(column.take(rows).to_pylist() for column in columns), strict=True)


def _said(text: str, config: KindConfig) -> str:
    return text.strip() if config.with_thinking else spoken(text) or ""


def _judged(groups: Iterator[Group], over: Judge, judgements: pa.Table) -> Iterator[Group]:
    """The judgements on each trace that has two or more."""
    task = over.kind.task
    assert task is not None, "a judge of judgements is over one that judges each trace by itself"
    of_trace: defaultdict[str, list[Shown]] = defaultdict(list)
    for row in judgements.sort_by("judgement_id").to_pylist():
        if row["judge"] == over.name and row["status"] != Reading.ERROR:
            of_trace[row["shown"][0]].append(Shown(row["judgement_id"], row["reply"]))
    for group in groups:
        for trace in group.shown:
            if len(those := of_trace[trace.id]) > 1:
                yield Group(group.problem, tuple(those), trace, task(group.problem))
