"""The labelled GSM8K traces as tables, repeated under other names up to any number."""

import json

from benchmarks.curate import GSM8K, copies
from tasks.ingest.config import IngestConfig
from tasks.ingest.ingest import Imported, import_rows
from tasks.sources import Row

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")


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
