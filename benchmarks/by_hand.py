"""Two stages beside what a home-made script would do with the usual packages, on the same rows, in one run.

verify: math-verify on each trace's final answer. dedupe: datasketch's MinHashLSH as its documentation shows it, on
3-word shingles. Rows: the 5,276 labelled GSM8K traces, repeated under other names for dedupe.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from datasketch import MinHash, MinHashLSH
from math_verify import ExprExtractionConfig, parse, verify

from benchmarks.curate import GSM8K, copies
from benchmarks.results import arguments, publish, write
from benchmarks.timing import paired
from tasks.dedupe.near import Near, near_duplicates
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
    publish("by hand", ["stage", "rows", "tracemill rows/s", "by hand rows/s", "ratio"], rows, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
