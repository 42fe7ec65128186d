"""Verdicts for traces: every distinct claim decided once, inline where exact rules can, else in a killable worker."""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final, NamedTuple, Self, cast

import pyarrow as pa
from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.conform import conform, rows
from schemas.tables import VERDICTS, Status
from tasks import plugins
from tasks.progress import watcher
from tasks.verify.contract import Claim, Outcome, ProblemView, Verifier, covering, views_of
from tasks.verify.filtering import PACKAGE as FILTERS
from tasks.verify.majority import MajorityConfig
from tasks.verify.rule import NOBODY, RuleConfig
from tasks.verify.settle import Asked, Court, Judged
from tasks.workers import WorkerPool

VERSION: Final = "1"
STAGE: Final = "verify"
GOLD: Final = "references"
"""The part of the stage that puts every reference to its own verifier."""
PACKAGE: Final = "tasks.verify.verifiers"

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
    majority: MajorityConfig | None = Field(
        default=None, description="Take the answer of most samples as reference where a problem has none."
    )

    filters: dict[str, dict[str, Any]] = Field(
        default={}, description="Settings by filter name: traces that one finds fault with are dropped with its reason."
    )
    rule: RuleConfig = Field(
        default=RuleConfig(), description="how several verdicts on a trace become one; its kind alone will do"
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name, settings in plugins.configure(PACKAGE, self.verifiers).items():
            # A worker that is killed at the deadline cannot tell that the program was too slow.
            if settings.model_dump(exclude_unset=True).get("time_s", 0) >= self.deadline_s:
                raise ValueError(f"verifiers.{name}.time_s has to be below deadline_s, {self.deadline_s:g}")
        plugins.configure(FILTERS, self.filters)
        return self


class _Case(NamedTuple):
    """One verdict to be: a row (of traces or problems), who judges, and on what."""

    row: int
    verifier: str
    claim: Claim | Outcome


def verify(
    problems: pa.Table,
    traces: pa.Table,
    config: VerifyConfig | None = None,
    pool: WorkerPool | None = None,
    only: str | None = None,
) -> pa.Table:
    """Return one verdict per trace and verifier that covers its problem's domain (VERDICTS), in trace order.

    `problems` needs every column of ProblemView and problem_id; `traces` trace_id, problem_id, text. A trace that no
    verifier covers gets one verdict, `unverifiable` by `none`. `elapsed_ms` is the time its claim took, the same for
    all traces that make it. `pool` lends warm workers; without it they last for this call. Of the verifiers, of
    which `none` is one, `only` that one is asked.

    Raises:
        WorkerError: workers cannot start.
        RecipeError: a verifier is unknown, or a setting of one.
    """
    config = config or VerifyConfig()
    with court_of(config, pool) as court, _heap_left_alone():
        cases = list(_cases(views_of(problems), traces, court.verifiers, only))
        judged = _judge(cases, court, label(config, only))
        return _table(_strings(traces, "trace_id"), cases, court.verifiers, judged)


def gold_failures(problems: pa.Table, config: VerifyConfig | None = None, pool: WorkerPool | None = None) -> pa.Table:
    """Return the problems whose own reference does not pass their verifiers (GOLD_FAILURES), with the reason.

    Each reference is put as a trace's answer and judged like any other. Problems without one are not listed.
    """
    views = views_of(problems)
    with court_of(config or VerifyConfig(), pool) as court, _heap_left_alone():
        cases = [
            _Case(row, name, verifier.claim(view, text))
            for row, view in enumerate(views.values())
            for name, verifier in covering(court.verifiers, view.domain).items()
            if (text := verifier.gold(view)) is not None
        ]
        judged = _judge(cases, court, GOLD)
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


@contextmanager
def court_of(config: VerifyConfig, pool: WorkerPool | None = None) -> Iterator[Court]:
    """The configured verifiers with `pool`'s workers, or else workers that last for the block."""
    with ExitStack() as stack:
        pool = pool or stack.enter_context(WorkerPool(config.processes, memory_mb=config.memory_mb))
        yield Court(build(config), pool, config.deadline_s)


@contextmanager
def _heap_left_alone() -> Iterator[None]:
    """Millions of small rows make the collector look through all that the libraries hold, again and again."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def build(config: VerifyConfig) -> dict[str, Verifier]:
    """Make the configured verifiers, by name."""
    settings = plugins.configure(PACKAGE, config.verifiers)
    return {name: cast("Verifier", plugins.load(PACKAGE, name).build(own)) for name, own in settings.items()}


def turns(config: VerifyConfig, problems: pa.Table) -> list[list[str]]:
    """The verifiers that are asked about traces of these problems (domain), in turns; `none` is for all the others.

    By the rule `first` they come one after another, and each is asked only about what those before it left open.
    """
    covered = {str(domain) for verifier in build(config).values() for domain in verifier.domains}
    rest = set(problems["domain"].to_pylist()) - covered
    return [*config.rule.turns(config.verifiers), *([[NOBODY]] if rest else [])]


def alone(config: VerifyConfig, name: str) -> VerifyConfig:
    """The settings as they are for one of the verifiers, and all that its verdicts depend on."""
    return config.model_copy(update={"verifiers": {name: config.verifiers[name]} if name in config.verifiers else {}})


def label(config: VerifyConfig, name: str | None) -> str:
    """What progress calls the work of one verifier."""
    return STAGE if name is None or list(config.verifiers) == [name] else f"{STAGE}: {name}"


def _cases(
    views: Mapping[str, ProblemView], traces: pa.Table, verifiers: Mapping[str, Verifier], only: str | None
) -> Iterator[_Case]:
    """What is put to every verifier that covers a trace's problem, or `only` to one; `none` stands for no verifier."""
    judges = {domain: covering(verifiers, domain) for domain in {view.domain for view in views.values()}}
    texts = zip(_strings(traces, "problem_id"), _strings(traces, "text"), strict=True)
    for row, (problem_id, text) in enumerate(texts):
        view = views.get(problem_id)
        if view is None or not judges[view.domain]:
            if only in (None, NOBODY):
                yield _Case(row, NOBODY, Outcome(Status.UNVERIFIABLE, _why_nobody(problem_id, view)))
            continue
        for name, verifier in judges[view.domain].items():
            if only in (None, name):
                yield _Case(row, name, verifier.claim(view, text))


def _why_nobody(problem_id: str, view: ProblemView | None) -> str:
    return f"no verifier for the domain {view.domain}" if view else f"its problem {problem_id} is not in the table"


def _judge(cases: list[_Case], court: Court, stage: str) -> dict[Asked, Judged]:
    """Settle every distinct claim, telling the watcher how many traces that was."""
    traces = _traces_waiting(cases)
    judged, undecided = court.decide(traces)
    watcher().advanced(stage, sum(traces[key] for key in judged))
    for key, result in court.check(undecided):
        judged[key] = result
        watcher().advanced(stage, traces[key])
    return judged


def _traces_waiting(cases: list[_Case]) -> Counter[Asked]:
    """How many traces each distinct claim settles; a trace with several verifiers counts at its first."""
    traces: Counter[Asked] = Counter()
    row = -1
    for case in cases:
        traces[case.verifier, case.claim] += case.row != row
        row = case.row
    return traces


def _table(
    trace_ids: list[str],
    cases: list[_Case],
    verifiers: Mapping[str, Verifier],
    judged: Mapping[Asked, Judged],
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
