"""Three stages beside what a home-made script would do with the usual packages, on the same rows, in one run.

verify: math-verify on each trace's final answer. dedupe: datasketch's MinHashLSH as its documentation shows it, on
3-word shingles. decontaminate: a Python set of the benchmark's 8-grams. Rows: the 5,276 labelled GSM8K traces and
their 1,319 questions, repeated under other names for dedupe and decontamination.
"""

import json
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from datasketch import MinHash, MinHashLSH
from math_verify import ExprExtractionConfig, parse, verify

from benchmarks.curate import GSM8K, copies
from benchmarks.results import arguments, publish, write
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.decontaminate import decontaminate
from tasks.dedupe.near import near_duplicates
from tasks.dedupe.sketch import Near
from tasks.ingest.config import IngestConfig
from tasks.ingest.ingest import Imported, import_rows
from tasks.sources import Row
from tasks.text.words import Splitting
from tasks.verify.agreement import agreements
from tasks.verify.verify import VerifyConfig
from tasks.verify.verify import verify as verify_traces
from tasks.workers import WorkerPool

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
THRESHOLD = 0.8


def imported(traces: int) -> Imported:
    """So many traces, and their problems."""
    config = IngestConfig.model_validate(
        {
            "source": {"format": "jsonl", "path": "gsm8k"},
            "problem": {"question": "question", "reference": "ground_truth", "reference_marker": "A: "},
            "completions": [
                {"text": f"{name}.solution", "model": name, "labels": {"is_correct": f"{name}.is_correct"}}
                for name in MODELS
            ],
            "part_rows": 10**9,
        }
    )
    solutions = [json.loads(line) for line in (GSM8K / "example_model_solutions.jsonl").open()]
    rows = (Row(f"line {n}", n, json.loads(line)) for n, line in enumerate(copies(solutions, traces)))
    return next(import_rows(rows, config))


def math_verify(data: Imported) -> dict[str, bool]:
    """One trace after the other: both answers parsed, then compared."""
    gold = dict(zip(data.problems["problem_id"].to_pylist(), data.problems["reference"].to_pylist(), strict=True))
    right = {}
    for trace in data.traces.select(["trace_id", "problem_id", "text"]).to_pylist():
        answer = trace["text"].rpartition("A: ")[2]
        parsed = [parse(text, [ExprExtractionConfig()]) for text in (str(gold[trace["problem_id"]]), answer)]
        right[trace["trace_id"]] = verify(*parsed)
    return right


def datasketch_lsh(texts: list[Any]) -> int:
    """Texts that have an earlier near duplicate by LSH, as datasketch's documentation queries it."""
    index = MinHashLSH(threshold=THRESHOLD, num_perm=128)
    found = 0
    for number, text in enumerate(texts):
        split = re.findall(r"\w+", text.lower())
        sketch = MinHash(num_perm=128)
        for start in range(max(1, len(split) - 2)):
            sketch.update(" ".join(split[start : start + 3]).encode())
        if index.query(sketch):
            found += 1
        else:
            index.insert(number, sketch)
    return found


def ngram_set(questions: list[Any], items: list[Any]) -> int:
    """Questions that share an 8-gram with an item."""
    known = {gram for item in items for gram in _grams(item)}
    return sum(not known.isdisjoint(_grams(question)) for question in questions)


def _grams(text: str) -> list[tuple[str, ...]]:
    split = re.findall(r"\w+", text.lower())
    return [tuple(split[start : start + 8]) for start in range(len(split) - 7)]


def clock(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], times: int) -> tuple[float, float, Any, Any]:
    """Median seconds of both, run alternately after one warm-up of ours."""
    ours()
    runs = [(clock(ours), clock(theirs)) for _ in range(times)]
    seconds = [statistics.median(run[side][0] for run in runs) for side in (0, 1)]
    return seconds[0], seconds[1], runs[-1][0][1], runs[-1][1][1]


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    rows: list[list[str]] = []
    metrics: dict[str, float] = {}

    def compare(name: str, count: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[Any, Any]:
        mine, hand, found, by_hand = paired(ours, theirs, options.times)
        rows.append([name, f"{count:,}", f"{count / mine:,.0f}", f"{count / hand:,.0f}", f"{hand / mine:.1f} ×"])
        metrics[f"{name}_vs_by_hand"] = hand / mine
        return found, by_hand

    small, large = imported(5_276), imported(21_104)
    config = VerifyConfig.model_validate({"verifiers": {"math": {}}})
    # Both sides start with sympy imported: ours in the workers, by the warm-up.
    with WorkerPool() as pool:
        verdicts, right = compare(
            "verify",
            5_276,
            lambda: verify_traces(small.problems, small.traces, config, pool),
            lambda: math_verify(small),
        )
    metrics["agreement"] = agreements(small.traces, verdicts)["math"].share
    given: list[Any] = small.traces["source_labels"].to_pylist()
    labels = [dict(one)["is_correct"] == "true" for one in given]
    metrics["agreement_by_hand"] = float(
        np.mean([right[name] == label for name, label in zip(right, labels, strict=True)])
    )
    texts = large.traces["text"]
    compare(
        "dedupe",
        len(texts),
        lambda: near_duplicates(texts, Near(shingle=3, threshold=THRESHOLD), Splitting()),
        lambda: datasketch_lsh(texts.to_pylist()),
    )
    questions = large.problems
    items = pa.Table.from_pylist([json.loads(line) for line in (GSM8K / "train.jsonl").open()])
    benchmark = pa.table({"item": [str(n) for n in range(items.num_rows)], "text": items["question"]})
    compare(
        "decontaminate",
        questions.num_rows,
        lambda: decontaminate(questions, large.traces, {"gsm8k-train": benchmark}, DecontaminateConfig()),
        lambda: ngram_set(questions["question"].to_pylist(), benchmark["text"].to_pylist()),
    )
    publish("by hand", ["stage", "rows", "tracemill rows/s", "by hand rows/s", "ratio"], rows, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
