"""Verdicts on answers to mathematics beside plain math-verify's, on the same rows in one run.

vs_math_verify: the whole verify stage with one worker process, from Parquet tables in a lake to verdicts in it, on the
5,276 labelled GSM8K traces; and math-verify, which parses reference and answer of each row in memory, one after the
other. In alternation; the figure is the median of the ratios. Both have sympy imported before the clock starts.

agreement: with the labels of these traces. golden: with those of `tests/golden/math_pairs.json`, where math-verify gets
the final answers, as LaTeX between dollar signs. fresh: with those of pairs made at random (`benchmarks.verify_fresh`).

hang_rate_ratio: rows a second of 10,000 of which every hundredth has an answer that hangs math-verify, over the same
rows without them, in alternation. GSM8K traces are the harder case, for they alone take little time; the other is the
golden answers.
"""

import json
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from math_verify import ExprExtractionConfig, parse, verify

from benchmarks.gsm8k import imported
from benchmarks.results import arguments, publish, write
from benchmarks.verify_fresh import Pair, fresh
from benchmarks.verify_plain import prepare, same
from schemas.refs import Stage, Tables, joined
from schemas.tables import PROBLEMS, TRACES, Domain, Status
from tasks.lake import Lake
from tasks.tally.agreement import agreements, compared, told
from tasks.verify.task import verify as verify_stage
from tasks.verify.verify import VerifyConfig
from tasks.verify.verify import verify as verify_traces
from tasks.workers import Done, WorkerPool

GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "math_pairs.json"
CONFIG = VerifyConfig.model_validate({"verifiers": {"math": {}}, "processes": 1})
FRESH = 60
"""Rounds of 17 pairs."""
ROWS = 10_000
HUNG = "hung"
PATIENCE_S = 2.0
"""How long math-verify may take over an answer that is to hang it."""
HANGS = {
    "power of powers": (r"N^{N^{N^N}}", r"N \cdot N^{N^{N^N} - 1}"),
    "power in two spellings": (r"N^{N^9}", r"\left(N^N\right)^{N^8}"),
    "fraction of a power": (r"\frac{N^{N^{N^N}} - N}{16}", r"\frac{N^{N^{N^N}}}{16} - \frac{N}{16}"),
    "factorial": ("(10^8 + N)!", r"(10^8 + N) \cdot (10^8 + N - 1)!"),
    "binomial": (r"\binom{10^8 + N}{10^7}", r"\binom{10^8 + N}{9 \cdot 10^7 + N}"),
    "product": (r"\prod_{k=1}^{10^6 + N} (k^2 + 1)", r"2\prod_{k=2}^{10^6 + N} (k^2 + 1)"),
    "remainder": (r"N^{N^{N^N}} \mod 10", r"(N^{N^{N^N}} + 0) \mod 10"),
    "logarithm": (r"\log_2 (N^{N^{N^N}} + 1)", r"\log_2 (1 + N^{N^{N^N}})"),
    "set": (r"\{N^{N^{N^N}}, 1\}", r"\{1, N \cdot N^{N^{N^N} - 1}\}"),
    "equation": (r"x^{17} + N x^5 - 2 = 0", r"2x^{17} + 2 \cdot N x^5 - 4 = 0"),
}
"""Reference and answer, equal and spelled differently, for a number N: none may be called incorrect."""


class Rows(NamedTuple):
    """What is verified."""

    problems: pa.Table
    traces: pa.Table


def math_verify(rows: Rows) -> dict[str, bool]:
    """One trace after the other: both answers parsed, then compared."""
    gold = dict(zip(rows.problems["problem_id"].to_pylist(), rows.problems["reference"].to_pylist(), strict=True))
    right = {}
    for trace in rows.traces.select(["trace_id", "problem_id", "text"]).to_pylist():
        answer = trace["text"].rpartition("A: ")[2]
        parsed = [parse(text, [ExprExtractionConfig()]) for text in (str(gold[trace["problem_id"]]), answer)]
        right[trace["trace_id"]] = verify(*parsed)
    return right


def stored(rows: Rows, folder: str) -> tuple[Lake, Tables]:
    """The rows in a lake of their own."""
    lake = Lake(tempfile.mkdtemp(dir=folder))

    def write_table(name: str, table: pa.Table) -> Tables:
        stage = Stage(name=f"made {name}", version="1", config={}, tables=(name,))
        return lake.run(stage, lambda: [lambda: {name: table}])

    return lake, joined(write_table("problems", rows.problems), write_table("traces", rows.traces))


def staged(rows: Rows, folder: str) -> tuple[float, pa.Table]:
    """Seconds of the whole stage, and its verdicts."""
    lake, tables = stored(rows, folder)
    began = time.perf_counter()
    (made,) = verify_stage.fn(lake, [tables], CONFIG)
    return time.perf_counter() - began, lake.read(*made["verdicts"])


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def against_math_verify(folder: str, times: int) -> tuple[dict[str, float], list[list[str]]]:
    """Speed and agreement on the labelled traces."""
    data = imported(5_276)
    rows = Rows(data.problems, data.traces)
    verify(parse("1"), parse("1"))
    staged(rows, folder)
    runs = [(staged(rows, folder), clock(lambda: math_verify(rows))) for _ in range(times)]
    (_, verdicts), (_, right) = runs[-1]
    given: list[Any] = data.traces["source_labels"].to_pylist()
    labels = [dict(one)["is_correct"] == "true" for one in given]
    ours = said_right(verdicts)
    theirs = [right[name] for name in data.traces["trace_id"].to_pylist()]
    rates = [len(labels) / statistics.median(run[side][0] for run in runs) for side in (0, 1)]
    metrics = {
        "vs_math_verify": statistics.median(theirs[0] / own[0] for own, theirs in runs),
        "verdicts_per_s": rates[0],
        "math_verify_per_s": rates[1],
        "agreement": agreements(told(compared(data.traces, verdicts)))["math"].share,
        "agreement_math_verify": agreement(theirs, labels),
        "worse_rows": worse(ours, theirs, labels),
    }
    return metrics, [["GSM8K traces", f"{len(labels):,}", f"{rates[0]:,.0f}", f"{rates[1]:,.0f}"]]


def golden() -> list[Pair]:
    """The golden pairs."""
    return [Pair(case["reference"], case["answer"], case["right"]) for case in json.loads(GOLDEN.read_text("utf-8"))]


def on_pairs(name: str, pairs: Sequence[Pair], pool: WorkerPool) -> tuple[dict[str, float], list[list[str]]]:
    """Agreement of both with the labels, and the pairs on which they differ."""
    rows = rows_of([(pair.reference, rf"\boxed{{{pair.answer}}}") for pair in pairs])
    ours = said_right(verify_traces(*rows, CONFIG, pool))
    asked = [(pair.reference, pair.answer) for pair in pairs]
    results = dict(pool.map(same, asked, deadline_s=60, prepare=prepare))
    theirs = [result.value if isinstance(result := results[place], Done) else None for place in range(len(pairs))]
    lines = [
        [pair.reference, pair.answer, *("right" if said else "wrong" for said in (pair.right, own, other))]
        for pair, own, other in zip(pairs, ours, theirs, strict=True)
        if own != other
    ]
    labels = [pair.right for pair in pairs]
    metrics = {
        f"{name}_pairs": float(len(pairs)),
        f"{name}_agreement": agreement(ours, labels),
        f"{name}_agreement_math_verify": agreement(theirs, labels),
        f"{name}_worse": worse(ours, theirs, labels),
    }
    return metrics, lines


def said_right(verdicts: pa.Table) -> list[bool]:
    """Whether each trace was found correct."""
    return [status == Status.CORRECT for status in verdicts["status"].to_pylist()]


def agreement(said: Sequence[bool | None], labels: Sequence[bool]) -> float:
    """The share that is as labelled."""
    return statistics.fmean(one == label for one, label in zip(said, labels, strict=True))


def worse(ours: Sequence[bool], theirs: Sequence[bool | None], labels: Sequence[bool]) -> float:
    """How often we are wrong and they are right."""
    return float(sum(own != label == other for own, other, label in zip(ours, theirs, labels, strict=True)))


def rows_of(pairs: Sequence[tuple[str, str]], name: str = "") -> Rows:
    """A problem and a trace for each reference and text, with ids that begin with a name."""
    named = [(f"{name}{place}", *pair) for place, pair in enumerate(pairs)]
    problems = [{"problem_id": one, "domain": Domain.MATH, "reference": reference} for one, reference, _ in named]
    traces = [{"trace_id": one, "problem_id": one, "text": text} for one, _, text in named]
    return Rows(table_of(PROBLEMS, problems), table_of(TRACES, traces))


def table_of(schema: pa.Schema, records: Sequence[Mapping[str, object]]) -> pa.Table:
    """Rows of a table, its other required columns empty."""
    empty: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0, pa.list_(pa.int32()): []}
    row = {field.name: None if field.nullable else empty[field.type] for field in schema}
    return pa.Table.from_pylist([row | dict(record) for record in records], schema)


def hanging() -> list[tuple[str, str]]:
    """A hundred references and answers, ten of each kind."""
    numbers = range(11, 11 + ROWS // 100 // len(HANGS))
    return [
        (reference.replace("N", str(number)), answer.replace("N", str(number)))
        for number in numbers
        for reference, answer in HANGS.values()
    ]


def with_hangs(rows: Rows) -> Rows:
    """Every hundredth trace is one of a problem of its own, and hangs."""
    bad = rows_of([(reference, rf"\boxed{{{answer}}}") for reference, answer in hanging()], HUNG)
    problems = pa.concat_tables([rows.problems, bad.problems])
    step = rows.traces.num_rows // bad.traces.num_rows
    slices = [
        part
        for place in range(bad.traces.num_rows)
        for part in (rows.traces.slice(place * step, step - 1), bad.traces.slice(place, 1))
    ]
    return Rows(problems, pa.concat_tables(slices).combine_chunks())


def hang_rates(folder: str, times: int, pool: WorkerPool) -> tuple[dict[str, float], list[list[str]]]:
    """Rates with and without rows that hang, and what is said of these."""
    held = pool.map(same, hanging()[: len(HANGS)], deadline_s=PATIENCE_S, prepare=prepare)
    ended = [list(HANGS)[place] for place, result in held if isinstance(result, Done)]
    if ended:
        raise SystemExit(f"math-verify ends on: {', '.join(ended)}")
    data = imported(ROWS)
    answers = [(pair.reference, rf"\boxed{{{pair.answer}}}") for pair in golden()]
    sets = {
        "hang_rate_ratio": Rows(data.problems, data.traces),
        "hang_rate_ratio_golden": rows_of([answers[place % len(answers)] for place in range(ROWS)]),
    }
    metrics: dict[str, float] = {}
    lines: list[list[str]] = []
    for name, rows in sets.items():
        both = rows, with_hangs(rows)
        runs = [[staged(one, folder) for one in both] for _ in range(times + 1)][1:]
        seconds = [statistics.median(run[side][0] for run in runs) for side in (0, 1)]
        metrics[name] = statistics.median(run[0][0] / run[1][0] for run in runs)
        verdicts = runs[-1][1][1]
        said = Counter(verdicts.filter(pc.starts_with(verdicts["trace_id"], HUNG))["status"].to_pylist())
        metrics[f"{name}_incorrect"] = float(said[Status.INCORRECT])
        counts = ", ".join(f"{count} {status}" for status, count in said.items())
        lines.append([name, *(f"{ROWS / each:,.0f}" for each in seconds), counts])
    return metrics, lines


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--seed", type=int, default=0, help="of the fresh pairs")
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core for all, and for the workers, which inherit it
    with tempfile.TemporaryDirectory() as folder, WorkerPool(1) as pool:
        speed, rates = against_math_verify(folder, options.times)
        known, differing = on_pairs("golden", golden(), pool)
        new, differing_new = on_pairs("fresh", fresh(options.seed, FRESH), pool)
        hangs, with_and_without = hang_rates(folder, options.times, pool)
    metrics = speed | known | new | hangs
    publish("verify", ["rows", "count", "tracemill rows/s", "math-verify rows/s"], rates, {})
    said = ["reference", "answer", "label", "tracemill", "math-verify"]
    publish("answers on which they differ", said, differing + differing_new, {})
    header = ["rows", "without, rows/s", "with 1 % that hang", "said of those"]
    publish("answers that hang math-verify", header, with_and_without, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
