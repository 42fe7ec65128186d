"""Verdicts for traces: every distinct claim decided once, inline where exact rules can, else in a killable worker."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, Self, cast

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform, rows
from schemas.tables import VERDICTS, Status
from tasks import plugins
from tasks.progress import watcher
from tasks.verify.contract import Claim, Outcome, ProblemView, Verifier
from tasks.workers import Done, WorkerPool

VERSION: Final = "1"
STAGE: Final = "verify"
GOLD: Final = "references"
"""The part of the stage that puts every reference to its own verifier."""
PACKAGE: Final = "tasks.verify.verifiers"
NOBODY: Final = "none"
"""The verifier named by the verdict on a trace that no configured verifier covers."""

GOLD_FAILURES: Final = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("problem_id", "verifier", "reference", "status", "reason")
    ],
    metadata={"tracemill.table": "gold_failures", "tracemill.version": "1"},
)


class VerifyConfig(ConfigBase):
    """Which verifiers judge traces, and what they may use."""

    verifiers: dict[str, dict[str, Any]] = Field(
        default={"math": {}}, min_length=1, description="Settings by verifier name; each judges the domains it covers."
    )
    deadline_s: float = Field(default=5.0, gt=0, description="For one claim in a worker; a later one is an error.")
    processes: int | None = Field(default=None, ge=1, description="Workers; one per core unless set.")
    memory_mb: int | None = Field(default=4096, ge=512, description="Address space of each worker.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        plugins.configure(PACKAGE, self.verifiers)
        return self


class _Judged(NamedTuple):
    outcome: Outcome
    elapsed_ms: float


class _Case(NamedTuple):
    """One verdict to be: a row (of traces or problems), who judges, and on what."""

    row: int
    verifier: str
    claim: Claim | Outcome


def verify(
    problems: pa.Table, traces: pa.Table, config: VerifyConfig | None = None, pool: WorkerPool | None = None
) -> pa.Table:
    """Return one verdict per trace and verifier that covers its problem's domain (VERDICTS), in trace order.

    `problems` needs every column of ProblemView and problem_id; `traces` trace_id, problem_id, text. A trace that no
    verifier covers gets one verdict, `unverifiable` by `none`. `elapsed_ms` is the time its claim took, the same for
    all traces that make it. `pool` lends warm workers; without it they last for this call.

    Raises:
        WorkerError: workers cannot start.
        RecipeError: a verifier is unknown, or a setting of one.
    """
    config = config or VerifyConfig()
    verifiers = build(config)
    views = _views(problems)
    cases = list(_cases(views, traces, verifiers))
    judged = _judge(cases, verifiers, config, pool, STAGE)
    return _table(_strings(traces, "trace_id"), cases, verifiers, judged)


def gold_failures(problems: pa.Table, config: VerifyConfig | None = None, pool: WorkerPool | None = None) -> pa.Table:
    """Return the problems whose own reference does not pass their verifiers (GOLD_FAILURES), with the reason.

    Each reference is put as a trace's answer and judged like any other. Problems without one are not listed.
    """
    config = config or VerifyConfig()
    verifiers = build(config)
    cases = []
    views = _views(problems)
    for row, view in enumerate(views.values()):
        for name, verifier in _covering(verifiers, view).items():
            text = verifier.gold(view)
            if text is not None:
                cases.append(_Case(row, name, verifier.claim(view, text)))
    judged = _judge(cases, verifiers, config, pool, GOLD)
    problem_ids = list(views)
    records: list[dict[str, object]] = [
        {
            "problem_id": problem_ids[case.row],
            "verifier": case.verifier,
            "reference": views[problem_ids[case.row]].reference or "",
            "status": judged[case.verifier, case.claim].outcome.status.value,
            "reason": judged[case.verifier, case.claim].outcome.reason,
        }
        for case in cases
        if judged[case.verifier, case.claim].outcome.status is not Status.CORRECT
    ]
    return rows(records, GOLD_FAILURES, at=STAGE)


def build(config: VerifyConfig) -> dict[str, Verifier]:
    """Make the configured verifiers, by name."""
    settings = plugins.configure(PACKAGE, config.verifiers)
    return {name: cast("Verifier", plugins.load(PACKAGE, name).build(own)) for name, own in settings.items()}


def _views(problems: pa.Table) -> dict[str, ProblemView]:
    columns = [problems[name].to_pylist() for name in ProblemView._fields]
    return dict(zip(_strings(problems, "problem_id"), map(ProblemView._make, zip(*columns, strict=True)), strict=True))


def _covering(verifiers: Mapping[str, Verifier], view: ProblemView) -> dict[str, Verifier]:
    return {name: verifier for name, verifier in verifiers.items() if view.domain in verifier.domains}


def _cases(views: Mapping[str, ProblemView], traces: pa.Table, verifiers: Mapping[str, Verifier]) -> Iterator[_Case]:
    covering = {domain: _covering(verifiers, view) for view in views.values() for domain in [view.domain]}
    texts = zip(_strings(traces, "problem_id"), _strings(traces, "text"), strict=True)
    for row, (problem_id, text) in enumerate(texts):
        view = views.get(problem_id)
        if view is None:
            yield _Case(row, NOBODY, Outcome(Status.UNVERIFIABLE, f"its problem {problem_id} is not in the table"))
        elif not covering[view.domain]:
            yield _Case(row, NOBODY, Outcome(Status.UNVERIFIABLE, f"no verifier for the domain {view.domain}"))
        else:
            for name, verifier in covering[view.domain].items():
                yield _Case(row, name, verifier.claim(view, text))


def _judge(
    cases: list[_Case], verifiers: Mapping[str, Verifier], config: VerifyConfig, pool: WorkerPool | None, stage: str
) -> dict[tuple[str, Claim | Outcome], _Judged]:
    """Settle every distinct claim: what is already an outcome, then `decide`, then `check` in workers."""
    traces = _traces_waiting(cases)
    judged: dict[tuple[str, Claim | Outcome], _Judged] = {}
    undecided: defaultdict[str, list[Claim]] = defaultdict(list)
    for name, claim in traces:
        start = time.perf_counter()
        outcome = claim if isinstance(claim, Outcome) else verifiers[name].decide(claim)
        if outcome is None:
            undecided[name].append(cast("Claim", claim))
        else:
            judged[name, claim] = _Judged(outcome, (time.perf_counter() - start) * 1000)
    watcher().advanced(stage, sum(traces[key] for key in judged))
    with ExitStack() as stack:
        pool = pool or stack.enter_context(WorkerPool(config.processes, memory_mb=config.memory_mb))
        for name, claims in undecided.items():
            for claim, result in _check(verifiers[name], claims, config.deadline_s, pool):
                judged[name, claim] = result
                watcher().advanced(stage, traces[name, claim])
    return judged


def _traces_waiting(cases: list[_Case]) -> Counter[tuple[str, Claim | Outcome]]:
    """How many traces each distinct claim settles; a trace with several verifiers counts at its first."""
    traces: Counter[tuple[str, Claim | Outcome]] = Counter()
    row = -1
    for case in cases:
        traces[case.verifier, case.claim] += case.row != row
        row = case.row
    return traces


def _check(
    verifier: Verifier, claims: list[Claim], deadline_s: float, pool: WorkerPool
) -> Iterator[tuple[Claim, _Judged]]:
    for index, result in pool.map(verifier.check, claims, deadline_s=deadline_s, prepare=verifier.prepare):
        outcome = result.value if isinstance(result, Done) else Outcome(Status.ERROR, result.message)
        yield claims[index], _Judged(outcome, result.elapsed_ms)


def _table(
    trace_ids: list[str],
    cases: list[_Case],
    verifiers: Mapping[str, Verifier],
    judged: Mapping[tuple[str, Claim | Outcome], _Judged],
) -> pa.Table:
    versions = {NOBODY: VERSION} | {name: verifier.version for name, verifier in verifiers.items()}
    results = [judged[case.verifier, case.claim] for case in cases]
    columns: dict[str, list[object]] = {
        "trace_id": [trace_ids[case.row] for case in cases],
        "verifier": [case.verifier for case in cases],
        "verifier_version": [versions[case.verifier] for case in cases],
        "status": [result.outcome.status.value for result in results],
        "score": [result.outcome.score for result in results],
        "extracted_answer": [case.claim.answer if isinstance(case.claim, Claim) else None for case in cases],
        "first_wrong_step": [result.outcome.first_wrong_step for result in results],
        "step_scores": [result.outcome.step_scores for result in results],
        "reason": [result.outcome.reason for result in results],
        "elapsed_ms": [result.elapsed_ms for result in results],
    }
    arrays = {name: pa.array(values, VERDICTS.field(name).type) for name, values in columns.items()}
    return conform(pa.table(arrays), VERDICTS, at=STAGE)


def _strings(table: pa.Table, column: str) -> list[str]:
    return cast("list[str]", table[column].to_pylist())
