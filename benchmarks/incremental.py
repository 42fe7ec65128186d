"""What a refresh costs that adds one row to every hundred: `cost_share`, beside curating all of them.

A lake holds a round of GSM8K traces, repeated under other names, up to a million of them; it is curated, from verifying
to the release. Then a second round of one per cent is added and curated, as a refresh does it after sampling. Sampling
itself, which costs the same in both, is left out, and so is Prefect, whose share `benchmarks.curate` measures.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import NamedTuple
from unittest import mock

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.curate import GSM8K, Meter
from benchmarks.gsm8k import imported
from benchmarks.results import arguments, publish, write
from flows.config import CurateConfig
from flows.environment import quiet_prefect
from schemas.refs import Stage, Tables, joined
from tasks.engines.models import Models
from tasks.lake import Lake

PART_ROWS = 100_000


class Rows(NamedTuple):
    """A round's problems and traces."""

    problems: pa.Table
    traces: pa.Table


def stored(lake: Lake, number: int, rows: Rows) -> Tables:
    """The round in the lake, as the stages that sample leave it."""
    problems = Stage(name="problems", version="1", config={"round": number}, tables=("problems",))
    made = lake.run(problems, lambda: [lambda: {"problems": rows.problems}])
    traces = Stage(name="generate", version="1", config={}, inputs=made["problems"], tables=("traces",))

    def part(start: int) -> Mapping[str, pa.Table]:
        return {"traces": rows.traces.slice(start, PART_ROWS)}

    starts = range(0, rows.traces.num_rows, PART_ROWS)
    return joined(made, lake.run(traces, lambda: (partial(part, start) for start in starts)))


def curated(lake: Lake, config: CurateConfig, rounds: list[Tables]) -> Meter:
    """Curate and publish, and measure."""
    from prefect import Task

    from flows import artifacts
    from flows.page.costs import Spent
    from flows.publish import conclude
    from flows.publish import publish as publish_release
    from flows.sift import sifted
    from flows.verdicts import verdicts
    from schemas.refs import added
    from tasks.dedupe.task import dedupe_problems
    from tasks.verify.live import LiveVerifier

    meter = Meter()
    with (
        mock.patch.object(Task, "__call__", lambda task, *given: task.fn(*given)),
        mock.patch.multiple(
            artifacts, show=lambda *_: None, show_release=lambda *_: None, show_outcome=lambda *_: None
        ),
        Models({}) as models,
        LiveVerifier(config.verify) as live,
        meter.running(),
    ):
        twins = dedupe_problems(lake, [{"problems": one["problems"]} for one in rounds], config.dedupe)
        judged = added(rounds, verdicts(lake, config, rounds, models))
        tables = sifted(lake, config, judged, twins, models, live)
        began = time.perf_counter()
        summary = conclude(lake, config, tables, models)
        meter.seconds["summary"] = time.perf_counter() - began
        publish_release(lake, config, tables, summary, lambda: Spent({}, {}))
    return meter


def main() -> None:
    """Measure and print."""
    quiet_prefect()
    parser = arguments(__doc__ or "")
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3, help="times that one per cent is added")
    options = parser.parse_args()
    with mock.patch.dict(os.environ, {"GSM8K": str(GSM8K)}), tempfile.TemporaryDirectory() as folder:
        from flows.recipes import resolve

        config = resolve("gsm8k-model-solutions", [], CurateConfig)
        share = options.traces // 100
        everything = imported(options.traces + options.rounds * share)
        ends = [options.traces + number * share for number in range(options.rounds + 1)]
        lake, rounds, meters = Lake(folder), list[Tables](), list[Meter]()
        for number, (start, end) in enumerate(zip([0, *ends], ends, strict=False)):
            traces = everything.traces.slice(start, end - start)
            ids = traces["problem_id"].unique()
            problems = everything.problems.filter(pc.is_in(everything.problems["problem_id"], value_set=ids))
            rounds.append(stored(lake, number, Rows(problems, traces)))
            meters.append(curated(lake, config, rounds))
    full, *later = meters
    stages = list(full.seconds)
    rows = [
        [stage, f"{full.seconds[stage]:,.2f}", f"{statistics.median(one.seconds[stage] for one in later):,.2f}"]
        for stage in stages
    ]
    seconds = statistics.median(one.seconds["all"] for one in later)
    metrics = {
        "cost_share": seconds / full.seconds["all"],
        "full_s": full.seconds["all"],
        "added_s": seconds,
        "peak_mb": full.peak_mb["all"],
    }
    publish("incremental", ["stage", f"{options.traces:,} traces, s", f"{share:,} more, s"], rows, metrics)
    write(options.json, metrics)


if __name__ == "__main__":
    main()
