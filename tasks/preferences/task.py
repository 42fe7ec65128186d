"""Prefect's side of building pairs."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.alive import alive
from tasks.lake import Lake
from tasks.preferences.contract import Need
from tasks.preferences.guards import STAGE
from tasks.preferences.pairs import VERSION, PairsConfig, build_pairs
from tasks.preferences.pool import Opinions
from tasks.progress import reported, watcher

_COLUMNS = ["trace_id", "problem_id", "origin", "parent_trace_id", "text", "step_offsets"]
_COLUMNS += ["model", "completion_tokens", "on_policy", "source"]
_RATINGS = ["judge", "subject_id", "score"]
_JUDGEMENTS = ["judgement_id", "judge", "problem_id", "shown", "number", "status", "choice", "reply", "model"]
_VERDICTS = ["trace_id", "extracted_answer"]


@task(name="preferences", task_run_name="preferences", cache_policy=NO_CACHE, persist_result=False)
def preferences(lake: Lake, rounds: Sequence[Tables], config: PairsConfig) -> list[Tables]:
    """Chosen/rejected pairs from each round's traces that no stage dropped."""
    with reported(STAGE, lake.row_count(joined(*rounds).get("traces", ()))):
        return [_pairs(lake, one, config) for one in rounds]


def _pairs(lake: Lake, tables: Tables, config: PairsConfig) -> Tables:
    rules = config.built().values()
    read = ["problems", "traces", "standings", "dropped"]
    read += ["ratings", "judgements"] * any(one.judge is not None for one in rules)
    read += ["verdicts"] * any(Need.ANSWER in one.needs for one in rules)
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=config.model_dump(mode="json"),
        inputs=tuple(ref for name in read for ref in tables.get(name, ())),
        tables=("pairs", "judgement_pairs", "dropped"),
    )
    seen = {name: tables[name] for name in read if name in tables}

    def part() -> Mapping[str, pa.Table]:
        dropped = lake.rows(seen, "dropped")
        problems = alive(lake.rows(seen, "problems"), "problems", dropped)
        traces = alive(lake.rows(seen, "traces", _COLUMNS), "traces", dropped)
        opinions = Opinions(
            ratings=lake.rows(seen, "ratings", _RATINGS),
            judgements=lake.rows(seen, "judgements", _JUDGEMENTS),
            verdicts=lake.rows(seen, "verdicts", _VERDICTS),
        )
        made: Mapping[str, pa.Table] = build_pairs(
            problems, traces, lake.rows(seen, "standings"), config, opinions
        )._asdict()
        watcher().advanced(STAGE, lake.row_count(tables.get("traces", ())))
        return made

    return lake.run(stage, lambda: [part])
