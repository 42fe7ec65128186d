"""Prefect's side of writing problems."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Stage, Tables, joined
from tasks.asking import Question, ask
from tasks.engines.contract import Completion, Finish
from tasks.engines.flight import Streams
from tasks.lake import Lake
from tasks.problems.config import ProblemsConfig
from tasks.problems.plan import SOURCE, STAGE, Ask, plan
from tasks.problems.problems import VERSION, gather, requests


@task(name="problems", task_run_name="problems", cache_policy=NO_CACHE, persist_result=False)
def problems(lake: Lake, tables: Tables, config: ProblemsConfig, models: Streams) -> Tables:
    """A round's new problems: completions, problems, dropped; no tables where every persona has been asked already.

    `tables` holds the personas, and what earlier rounds asked for and got.
    """
    before = tables.get("completions", ())
    stage = Stage(
        name="write",
        version=VERSION,
        config={
            "problems": config.model_dump(mode="json", exclude={"gate"}),
            "model": tuple(models.identity(config.model)),
        },
        inputs=(*tables["personas"], *before),
        tables=("completions",),
    )

    def questions() -> Sequence[Question]:
        asked = set(map(str, lake.rows(tables, "completions", ["completion_id"])["completion_id"].to_pylist()))
        asks = plan(lake.rows(tables, "personas"), asked, config)
        return [
            Question(SOURCE + one.template, one.persona_id, one.number, config.model, request)
            for one, request in zip(asks, requests(asks, config), strict=True)
        ]

    written = ask(lake, stage, questions, models)
    if before and not lake.row_count(written["completions"]):
        return {}
    return joined(written, _read(lake, tables, written, config))


def remake(lake: Lake, stage: Stage, config: ProblemsConfig) -> Tables:
    """Read a round's problems once more from its completions, as `stage` did: where a part of them is damaged."""
    refs = {name: tuple(ref for ref in stage.inputs if ref.table == name) for name in ("completions", "problems")}
    then = ProblemsConfig.model_validate(config.model_dump(mode="json") | stage.config)
    return _read(lake, {"problems": refs["problems"]}, {"completions": refs["completions"]}, then)


def _read(lake: Lake, tables: Tables, written: Tables, config: ProblemsConfig) -> Tables:
    """The replies as problems, so far as they pass the gate."""
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=config.model_dump(mode="json", include={"gate", "templates", "seed"}),
        inputs=(*written["completions"], *tables.get("problems", ())),
        tables=("problems", "dropped"),
    )

    def part() -> Mapping[str, pa.Table]:
        # In the order of their ids: replies come in any order, and of two alike the first stays.
        replies = lake.rows(written, "completions").sort_by("completion_id").to_pylist()
        known = set(map(str, lake.rows(tables, "problems", ["problem_id"])["problem_id"].to_pylist()))
        rounds = len(tables.get("problems", ()))
        made: Mapping[str, pa.Table] = gather(map(_reply, replies), known, config, round_number=rounds)._asdict()
        return made

    return lake.run(stage, lambda: [part])


def _reply(row: Mapping[str, str]) -> tuple[Ask, Completion]:
    template = row["kind"].removeprefix(SOURCE)
    asked = Ask(row["completion_id"], row["subject_id"], "", template, int(row["number"]))
    return asked, Completion(
        row["completion_id"], row["text"], Finish(row["finish_reason"]), None, None, row["detail"] or ""
    )
