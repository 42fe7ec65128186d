"""Prefect's side of mixing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import Ref, Stage, Tables, joined
from tasks.lake import Lake, Make
from tasks.mix import offers as offering
from tasks.mix.config import MixtureConfig
from tasks.mix.mix import STAGE, VERSION, Pool, mixed
from tasks.mix.offers import TOLD, Owned, Release
from tasks.progress import reported, watcher
from tasks.rows import positions

GATHER: Final = "gather"
GATHER_VERSION: Final = "1"


class Gathered(NamedTuple):
    """What releases offer, as tables of the mixture's own."""

    apart: list[Tables]
    """Of each release the problems that no earlier one has, and the traces and standings that it was made of."""
    together: Tables
    """All of it, as one round: each problem and trace once, with what is told of them."""


@task(name="gather", task_run_name="gather", cache_policy=NO_CACHE, persist_result=False)
def gather(lake: Lake, releases: Sequence[Release]) -> Gathered:
    """Take what releases offer; of what several have, the earlier one's."""
    apart: list[Tables] = []
    with reported(GATHER, lake.row_count([ref for one in releases for ref in one.tables.get("traces", ())])):
        for one in releases:
            apart.append(_problems(lake, one, joined(*apart).get("problems", ())))
        together = _together(lake, releases, joined(*apart)["problems"])
    told = [{name: one.tables.get(name, ()) for name in ("traces", "standings")} for one in releases]
    return Gathered([joined(*both) for both in zip(apart, told, strict=True)], together)


@task(name="mix", task_run_name="mix", cache_policy=NO_CACHE, persist_result=False)
def mix(lake: Lake, one: Tables, config: MixtureConfig, releases: Sequence[Release]) -> Tables:
    """Choose which of the traces that no stage dropped are taken, and how often: `mixture` and `dropped`.

    `one` holds what was gathered of these releases, and all that was dropped of it.
    """
    names = [release.name for release in releases]
    told = config.model_dump(mode="json", exclude={"releases": {"__all__": {"release", "version", "lake"}}})
    stage = Stage(
        name=STAGE,
        version=VERSION,
        config=told | {"names": names},
        inputs=tuple(
            ref
            for refs in (
                *(one.get(name, ()) for name in ("problems", "traces", "standings", "dropped")),
                *(release.refs for release in releases),
            )
            for ref in refs
        ),
        sources={f"release {release.name}": release.key for release in releases},
        tables=("mixture", "dropped"),
    )

    def part() -> Mapping[str, pa.Table]:
        pool = Pool(
            offers=offering.offers(lake, releases),
            problems=lake.rows(one, "problems", ["problem_id", "domain", "source"]),
            traces=lake.rows(one, "traces", ["trace_id", "model"]),
            standings=lake.rows(one, "standings", ["trace_id", "status"]),
            rates=offering.rates(lake, releases),
            dropped=lake.rows(one, "dropped"),
        )
        watcher().advanced(STAGE, pool.traces.num_rows)
        return mixed(pool, config, names)._asdict()

    with reported(STAGE, lake.row_count(one["traces"])):
        return lake.run(stage, lambda: [part])


def _problems(lake: Lake, release: Release, earlier: tuple[Ref, ...]) -> Tables:
    """The problems of a release that no earlier one has."""
    refs = [ref for name in ("problems", "dropped") for ref in release.tables.get(name, ())]
    stage = _stage("problems", (*refs, *earlier))

    def part() -> Mapping[str, pa.Table]:
        found = offering.problems(lake, release, None)
        seen = lake.rows({"problems": earlier}, "problems", ["problem_id"])["problem_id"]
        return {"problems": found.filter(pa.array(positions(found["problem_id"], seen) < 0))}

    return lake.run(stage, lambda: [part])


def _together(lake: Lake, releases: Sequence[Release], apart: tuple[Ref, ...]) -> Tables:
    problems = lake.run(_stage("problems", apart), lambda: lake.mapped(apart, _same))
    # The first input says which round a table is of.
    inputs = (*problems["problems"], *(ref for one in releases for ref in one.refs))
    adding = cache(partial(offering.owned, lake, releases))
    traces = lake.run(_stage("traces", inputs), lambda: _traces(lake, releases, adding()))
    having = [name for name in TOLD if any(one.tables.get(name) for one in releases)]

    def told(name: str) -> Tables:
        make = partial(_told, lake, releases, name, adding)
        return lake.run(_stage(name, inputs), lambda: [make])

    return joined(problems, traces, *map(told, having))


def _stage(table: str, inputs: tuple[Ref, ...]) -> Stage:
    return Stage(name=GATHER, version=GATHER_VERSION, config={"table": table}, inputs=inputs, tables=(table,))


def _same(problems: pa.Table) -> Mapping[str, pa.Table]:
    return {"problems": problems}


def _told(
    lake: Lake, releases: Sequence[Release], name: str, adding: Callable[[], Sequence[Owned]]
) -> Mapping[str, pa.Table]:
    return {name: offering.gathered(lake, releases, adding(), name)}


def _traces(lake: Lake, releases: Sequence[Release], adding: Sequence[Owned]) -> Iterator[Make]:
    """Part by part, for their texts may not fit into memory together."""
    for one, mine in zip(releases, adding, strict=True):
        for ref, at in lake.places(one.tables.get("traces", ())):
            yield partial(_part, lake, ref, at, mine.traces)


def _part(lake: Lake, ref: Ref, at: int, ids: "pa.Array[pa.StringScalar]") -> Mapping[str, pa.Table]:
    rows = lake.read_part(ref, at)
    watcher().advanced(GATHER, rows.num_rows)
    return {"traces": rows.filter(pc.is_in(rows["trace_id"], value_set=ids))}
