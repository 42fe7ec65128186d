"""A finished run in numbers, read from its tables."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

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
from tasks.alive import ID
from tasks.decontaminate.canary import outcomes
from tasks.decontaminate.decontaminate import benchmark_overlaps
from tasks.judge.bias import LOOKED_AT, Bias, Share, biases
from tasks.lake import Lake
from tasks.tally import searches, yields
from tasks.tally.agreement import LABEL, Agreement, agreements, wilson
from tasks.tally.funnel import drops, entered, funnel
from tasks.tally.pairing import reports
from tasks.tally.passrate import Sampled, coverage, histogram
from tasks.tally.store import PERSONAS, tallies
from tasks.tally.tally import Count, added_up

LISTED: Final = 1_000
"""Disagreements that are kept with their reason; the table `disagreements` holds all."""
_LISTED_COLUMNS: Final = list(Disagreement.model_fields)


def summarise(lake: Lake, config: CurationConfig, tables: Tables, gold: Tables) -> Summary:
    """What a run's tables come to; `gold` holds the labelled traces that its verifiers are measured on."""
    measured = joined(*tallies(lake, [gold], {})) if gold else {}
    found, more = (added_up(lake.rows(one, "tallies")) for one in (tables, measured))

    def both(kind: str) -> Count:
        return found.get(kind, Counter()) + more.get(kind, Counter())

    rates = Sampled.of({(int(judged), int(right)): rows for (judged, right), rows in found.get("sampled", {}).items()})
    return Summary(
        recipe=config.name,
        funnel=_funnel(lake, tables, found, config.stages),
        yields=yields.added(lake.dataset("yields", tables.get("yields", ()))),
        tokens=both("tokens").get(()),
        searches=searches.reports(found),
        verdicts=_numbers(found, "verdict"),
        kept_verdicts=_numbers(found, "kept"),
        tool_traces=found.get("tools", Counter())[()],
        pass_at_k=coverage(rates),
        pass_rates=histogram(rates),
        agreements=_agreements(lake, joined(tables, measured), both("agreement")),
        judges=_judges(lake, tables),
        queued=lake.row_count(tables.get("queue", ())) if config.queue else None,
        pairs=_numbers(found, "pair"),
        no_pairs=_numbers(found, "no pair"),
        refused_pairs=_numbers(found, "refused pair"),
        pairing=reports(found),
        benchmarks=_benchmarks(lake, tables),
        canaries=_canaries(lake, tables),
    )


def _numbers(found: Mapping[str, Count], kind: str) -> dict[str, int]:
    return {name: rows for (name,), rows in sorted(found.get(kind, Counter()).items())}


def _funnel(
    lake: Lake, tables: Tables, found: Mapping[str, Count], stages: Mapping[str, Sequence[str]]
) -> tuple[FunnelStep, ...]:
    came = _numbers(found, "entered")
    lost = {(table, stage, reason): rows for (table, stage, reason), rows in found.get("dropped", {}).items()}
    if PERSONAS in stages:
        # They belong to no round.
        dropped = lake.rows(tables, "dropped")
        came[PERSONAS] = entered(lake.rows(tables, PERSONAS, [ID[PERSONAS]]), PERSONAS, dropped)
        lost |= drops(dropped, {PERSONAS: stages[PERSONAS]})
    return funnel(came, lost, stages)


def _agreements(lake: Lake, tables: Tables, counts: Count) -> tuple[LabelAgreement, ...]:
    """Each verifier against the labels that came along, in the run's traces and in the gold slice."""
    told = {(verifier, label, status): rows for (verifier, label, status), rows in counts.items()}
    found = agreements(told)
    listed = _listed(lake, tables, found)
    return tuple(_against_labels(name, one, listed[name]) for name, one in found.items())


def _listed(lake: Lake, tables: Tables, verifiers: Iterable[str]) -> dict[str, list[Disagreement]]:
    """The first LISTED disagreements of each verifier; all of them may be too many for the memory."""
    first: dict[str, list[Disagreement]] = {name: [] for name in verifiers}
    for batch in lake.batches(tables, "disagreements", ["verifier", *_LISTED_COLUMNS]):
        for name, those in first.items():
            mine = batch.filter(pc.equal(batch["verifier"], pa.scalar(name))).slice(0, LISTED - len(those))
            those.extend(map(Disagreement.model_validate, mine.select(_LISTED_COLUMNS).to_pylist()))
    return first


def _against_labels(verifier: str, found: Agreement, listed: Sequence[Disagreement]) -> LabelAgreement:
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
        disagreements=tuple(listed),
    )


def _judges(lake: Lake, tables: Tables) -> tuple[JudgeReport, ...]:
    """Each judge's replies, and its leanings to places and lengths."""
    judgements = lake.rows(tables, "judgements", LOOKED_AT)
    if not judgements.num_rows:
        return ()
    shown = pc.unique(pc.list_flatten(judgements["shown"]))
    traces = _lengths(lake, tables, "traces", ("trace_id", "text"), shown)
    replies = _lengths(lake, tables, "judgements", ("judgement_id", "reply"), shown)
    return tuple(_report(one) for one in biases(judgements, traces | replies))


def _lengths(lake: Lake, tables: Tables, table: str, columns: tuple[str, str], ids: "pa.Array[Any]") -> dict[str, int]:
    """How many characters the texts of these ids have, but for empty ones; some thousand texts are held at once."""
    found: dict[str, int] = {}
    for batch in lake.batches(tables, table, [*columns]):
        mine = batch.filter(pc.is_in(batch.column(0), value_set=ids))
        names: Any = mine.column(0)
        sizes: Any = pc.utf8_length(cast("pa.StringArray", mine.column(1)))
        found |= {name: size for name, size in zip(names.to_pylist(), sizes.to_pylist(), strict=True) if size}
    return found


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
