"""What a trace costs beside its sampling: a row's share and its text's, and what many long ones would come to by that.

The labelled GSM8K traces are curated as they are, and with `--longer` times their text before their own (sentences of
other traces, at random), as plain functions without Prefect. Seconds of a stage = a x traces + b x bytes of text, from
the two. What `--plan` traces of `--chars` each would take on this machine follows from that; it is no measurement. The
journal, its joining and the checking of digests are measured apart, for they write and read all text.
"""

import json
import random
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.curate import GSM8K, STAGES, copies, curate
from benchmarks.results import arguments, publish, write
from benchmarks.timing import clock
from flows.environment import quiet_prefect
from schemas.refs import Stage
from tasks.journal import collect
from tasks.lake import Lake
from tasks.parts import JOURNAL, write_part

BATCH: Final = 1_000
"""Traces in a file of the journal."""
STORING: Final = ("journal", "joining", "digests")
_STAGE: Final = Stage(name="units", version="1", config={}, tables=("traces",))


class Cost(NamedTuple):
    """One curation: its traces, the bytes of their text, seconds by stage, and bytes that it left on disk."""

    traces: int
    text_bytes: int
    seconds: Mapping[str, float]
    lake_bytes: int


def longer(lines: Iterator[str], factor: int, seed: int = 0) -> Iterator[str]:
    """The same rows; before each solution stand sentences of other ones, `factor` times its length."""
    rng = random.Random(seed)
    rows = [json.loads(line) for line in lines]
    sentences = [one for row in rows for own in _solutions(row) for one in re.split(r"(?<=\.)\s", own["solution"])]
    sentences = [one for one in sentences if "A:" not in one]
    for row in rows:
        for own in _solutions(row):
            before = rng.choices(sentences, k=1 + factor * len(own["solution"]) // _mean(sentences))
            own["solution"] = "\n".join([*(before if factor else ()), own["solution"]])
        yield json.dumps(row)


def _solutions(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [value for value in row.values() if isinstance(value, dict) and "solution" in value]


def _mean(texts: list[str]) -> int:
    return max(1, sum(map(len, texts[:1000])) // len(texts[:1000]))


def measured(folder: Path, name: str, lines: Iterator[str]) -> Cost:
    """Curate these lines into a lake of their own, and store their traces once more by themselves."""
    data, place = folder / f"{name}.jsonl", folder / name
    place.mkdir()
    data.write_text("\n".join(lines))
    seconds = curate(place, data, plain=True).seconds
    (root,) = place.iterdir()
    lake = Lake(str(root))
    traces = lake.rows(lake.newest(), "traces")
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    stored = _stored(Lake(str(folder / f"{name}-journal")), traces)
    return Cost(traces.num_rows, int(pc.sum(pc.binary_length(traces["text"])).as_py()), seconds | stored, size)


def _stored(lake: Lake, traces: pa.Table) -> dict[str, float]:
    """Seconds to write a journal, to join one, and to check the digests of what came of it."""
    batches = [traces.slice(start, BATCH).combine_chunks() for start in range(0, traces.num_rows, BATCH)]

    def journal() -> None:
        for number, batch in enumerate(batches):
            write_part(lake.storage, "alone", number, batch, kind=JOURNAL)

    alone, _ = clock(journal)
    both, _ = clock(lambda: collect(lake, _STAGE, lambda _: batches))
    digests, _ = clock(lambda: lake.done(_STAGE))
    return {"journal": alone, "joining": max(both - alone, 0.0), "digests": digests}


def per_unit(short: Cost, long: Cost, stage: str) -> tuple[float, float]:
    """Seconds a trace and seconds a byte of text, neither below 0."""
    amounts = np.array([[short.traces, short.text_bytes], [long.traces, long.text_bytes]], float)
    row, byte = np.linalg.solve(amounts, [short.seconds[stage], long.seconds[stage]])
    if byte < 0:
        return short.seconds[stage] / short.traces, 0.0
    return (row, byte) if row > 0 else (0.0, long.seconds[stage] / long.text_bytes)


def main() -> None:
    """Measure and print."""
    quiet_prefect()
    parser = arguments(__doc__ or "")
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--longer", type=int, default=55)
    parser.add_argument("--plan", type=int, default=10_000_000, help="traces of the plan")
    parser.add_argument("--chars", type=int, default=16_000, help="characters of each of them")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (GSM8K / "example_model_solutions.jsonl").open()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measured(folder, "warm", copies(rows, 4 * len(rows)))
        short = measured(folder, "short", copies(rows, options.traces))
        long = measured(folder, "long", longer(copies(rows, options.traces // 5), options.longer))
    metrics = {"bytes_per_text_byte": long.lake_bytes / long.text_bytes}
    table = [["traces", f"{short.traces:,}", f"{long.traces:,}", "", "", ""]]
    table.append(["characters each", *(f"{one.text_bytes / one.traces:,.0f}" for one in (short, long)), "", "", ""])
    for stage in (*STAGES, *STORING):
        row, byte = per_unit(short, long, stage)
        metrics[f"hours_{stage.replace(': ', '_')}"] = hours = options.plan * (row + byte * options.chars) / 3600
        seconds = (f"{one.seconds[stage]:.2f} s" for one in (short, long))
        table.append([stage, *seconds, f"{row * 1e6:.1f}", f"{byte * 1e9:.2f}", f"{hours:.2f}"])
    header = ["stage", "short", "long", "µs a trace", "s a GB", f"hours: {options.plan:,} of {options.chars:,}"]
    publish("units", header, table, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
