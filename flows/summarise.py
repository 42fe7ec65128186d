"""A finished run in numbers, read from its tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from flows.config import CurationConfig
from schemas.refs import Tables, joined
from schemas.summary import (
    BenchmarkOverlap,
    Canary,
    Disagreement,
    FunnelStep,
    JudgeReport,
    LabelAgreement,
    Rate,
    Summary,
)
from tasks.decontaminate.canary import outcomes
from tasks.decontaminate.decontaminate import benchmark_overlaps
from tasks.funnel import ID, alive, entered, funnel
from tasks.judge.bias import Bias, Share, biases
from tasks.lake import Lake
from tasks.passrate import coverage, histogram, sampled
from tasks.verify.agreement import JUDGED, Agreement, agreements, wilson

LABEL = "is_correct"


def summarise(lake: Lake, config: CurationConfig, tables: Tables, gold: Tables) -> Summary:
    """Read a run's tables and count; `gold` holds the labelled traces that its verifiers are measured on."""
    dropped = lake.rows(tables, "dropped")
    traces = lake.read(*tables["traces"], columns=["trace_id", "problem_id", "completion_tokens"])
    pairs = lake.read(*tables["pairs"], columns=["problem_id", "rule"])
    kept = alive(traces, "traces", dropped).select(["trace_id", "problem_id"])
    standings = lake.read(*tables["standings"], columns=["trace_id", "status"])
    kept_standings = kept.join(standings, "trace_id")
    rates = sampled(traces, standings)
    return Summary(
        recipe=config.name,
        funnel=_funnel(lake, tables, dropped, config.stages),
        tokens=_cost(lake, joined(tables, gold), traces),
        verdicts=_count(standings, "status"),
        kept_verdicts=_count(kept_standings, "status"),
        pass_at_k=coverage(rates),
        pass_rates=histogram(rates),
        agreements=_agreements(lake, tables, gold),
        judges=_judges(lake, tables),
        pairs=_count(pairs, "rule"),
        no_pairs=_count(dropped.filter(pc.equal(dropped["table"], pa.scalar("pairs"))), "reason"),
        benchmarks=_benchmarks(lake, tables),
        canaries=_canaries(lake, tables),
    )


def _funnel(
    lake: Lake, tables: Tables, dropped: pa.Table, stages: Mapping[str, Sequence[str]]
) -> tuple[FunnelStep, ...]:
    return funnel(
        {name: entered(lake.rows(tables, name, [ID[name]]), name, dropped) for name in stages}, dropped, stages
    )


def _cost(lake: Lake, tables: Tables, traces: pa.Table) -> int | None:
    """All tokens that were sampled; None where nothing was."""
    others = lake.rows(tables, "completions", ["completion_tokens"])
    counts = [*traces["completion_tokens"].to_pylist(), *others["completion_tokens"].to_pylist()]
    known = [int(one) for one in counts if one is not None]
    return sum(known) if known else None


def _count(table: pa.Table, column: str) -> dict[str, int]:
    return dict(sorted(Counter(str(value) for value in table[column].to_pylist()).items()))


def _agreements(lake: Lake, *several: Tables) -> tuple[LabelAgreement, ...]:
    """Each verifier against the labels that came along, in the run's traces and in the gold slice."""
    tables = joined(*several)
    problems = lake.rows(tables, "problems", ["problem_id", "reference"])
    references: dict[Any, Any] = dict(zip(*(problems[name].to_pylist() for name in problems.column_names), strict=True))
    traces = lake.rows(tables, "traces", ["trace_id", "problem_id", "source_labels"])
    found = agreements(traces, lake.rows(tables, "verdicts", JUDGED), LABEL)
    return tuple(_against_labels(name, one, references) for name, one in found.items())


def _against_labels(verifier: str, found: Agreement, references: Mapping[str, str | None]) -> LabelAgreement:
    return LabelAgreement(
        verifier=verifier,
        label=LABEL,
        labelled=found.labelled,
        agreeing=found.agreeing,
        unverifiable=found.unverifiable,
        low=found.low,
        high=found.high,
        false_positives=_rate(found.false_positives, found.labelled - found.right),
        false_negatives=_rate(found.false_negatives, found.right),
        disagreements=tuple(
            Disagreement(
                trace_id=row["trace_id"],
                label=row["label"],
                status=row["status"],
                extracted_answer=row["extracted_answer"],
                reference=references[row["problem_id"]],
                reason=row["reason"],
            )
            for row in found.disagreements.to_pylist()
        ),
    )


def _judges(lake: Lake, tables: Tables) -> tuple[JudgeReport, ...]:
    """Each judge's replies, and its leanings to places and lengths."""
    judgements = lake.rows(tables, "judgements")
    if not judgements.num_rows:
        return ()
    traces = lake.rows(tables, "traces", ["trace_id", "text"])
    lengths: dict[str, int] = {}
    for ids, texts in ((traces["trace_id"], traces["text"]), (judgements["judgement_id"], judgements["reply"])):
        measured: Any = pc.utf8_length(texts).to_pylist()
        lengths |= {str(name): int(size) for name, size in zip(ids.to_pylist(), measured, strict=True) if size}
    return tuple(_report(one) for one in biases(judgements, lengths))


def _report(found: Bias) -> JudgeReport:
    rates = {name: _rate(*share) for name, share in found._asdict().items() if isinstance(share, Share)}
    return JudgeReport.model_validate(found._asdict() | rates)


def _rate(count: int, of: int) -> Rate:
    low, high = wilson(count, of) if of else (None, None)
    return Rate(count=count, of=of, low=low, high=high)


def _benchmarks(lake: Lake, tables: Tables) -> tuple[BenchmarkOverlap, ...]:
    contamination = lake.rows(tables, "contamination", ["benchmark", "item", "problem_id", "trace_id"])
    return benchmark_overlaps(contamination, _items(lake, tables))


def _items(lake: Lake, tables: Tables) -> dict[str, int]:
    manifests = (lake.manifest(ref) for ref in tables.get("benchmarks", ()))
    return {name: rows for one in manifests if one for name, rows in one.counts.items()}


def _canaries(lake: Lake, tables: Tables) -> tuple[Canary, ...]:
    found: dict[str, Canary] = {}
    for one in outcomes(lake.rows(tables, "canaries")):
        rate = _rate(one.found, one.planted)
        if one.embedded:
            found[one.variant] = found[one.variant].model_copy(update={"embedded": rate})
        else:
            found[one.variant] = Canary(variant=one.variant, leak=one.leak, alone=rate)
    return tuple(found.values())
