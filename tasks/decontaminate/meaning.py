"""Comparing by meaning, in the lake: what is embedded, compared and asked, for each table of problems and benchmark."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import count
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.refs import Ref, Stage, Tables, joined
from tasks.asking import Question, answers, ask, replies_of
from tasks.decontaminate import sameness
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.sameness import Reply, SameProblem, judged, requests
from tasks.decontaminate.search import without_kept
from tasks.decontaminate.semantic import Items, Semantic, resembling
from tasks.embed.model import load_embedder
from tasks.embed.search import nearest
from tasks.embed.store import embed, vectors_of
from tasks.engines.contract import Request
from tasks.engines.flight import Streams
from tasks.lake import Lake, Make
from tasks.shards import Shared

VERSION: Final = "1"
ASKING: Final = "same problem"
"""The stage that asks a model."""
_SEVERAL: Final = 3
"""Room for the item itself and its copies beside another one."""

Refs = tuple[Ref, ...]


class Benchmark(NamedTuple):
    """A benchmark as the lake holds it."""

    ref: Ref
    content: str
    """The digest of its items, wherever they were read from."""


class Session(NamedTuple):
    """What comparing by meaning needs all the time."""

    lake: Lake
    config: DecontaminateConfig
    semantic: Semantic
    benchmarks: Mapping[str, Benchmark]
    embedded: Callable[[], Mapping[str, Ref]]
    """The embeddings of each benchmark's items; they are made when they are first asked for."""
    items: Callable[[str], Shared[Items]]
    """A benchmark's items but for those that are kept."""

    def resemblance(self, name: str, inputs: Refs) -> Stage:
        """One benchmark compared with these embeddings."""
        settings = {
            "benchmark": name,
            "keep_items": sorted(self.config.keep_items.get(name, ())),
            "threshold": self.semantic.threshold,
            "nearest": self.semantic.nearest,
        }
        sources = {f"benchmark {name}": self.benchmarks[name].content}
        return Stage(
            name="resemblance",
            version=VERSION,
            config=settings,
            inputs=inputs,
            sources=sources,
            tables=("contamination",),
        )


def session(lake: Lake, config: DecontaminateConfig, benchmarks: Mapping[str, Benchmark]) -> Session | None:
    """Nothing where a recipe does not ask for it, or names no benchmark."""
    semantic = config.semantic
    if semantic is None or not benchmarks:
        return None

    @cache
    def embedded() -> Mapping[str, Ref]:
        made = embed(lake, [one.ref for one in benchmarks.values()], "text", semantic)
        return dict(zip(benchmarks, made["embeddings"], strict=True))

    @cache
    def items(name: str) -> Shared[Items]:
        return Shared(_items, lake, benchmarks[name].ref, embedded()[name], config)

    return Session(lake, config, semantic, benchmarks, embedded, items)


def resembled(by: Session, one: Tables, models: Streams) -> Tables:
    """A round's problems that resemble items: `contamination`, their `embeddings`, and the `completions` that are new.

    Every benchmark is compared in a table of its own. Of the round's `completions` those are looked at that this stage
    asked for: what was asked before is not asked again.

    Raises:
        EngineError: a model cannot be loaded or reached; every reply that came before is stored.
    """
    found: list[Tables] = []
    for problems in one["problems"]:
        embedded = embed(by.lake, [problems], "question", by.semantic)
        for name in by.benchmarks:
            stage = by.resemblance(name, embedded["embeddings"])
            candidates = by.lake.run(stage, partial(_compared, by, embedded["embeddings"], name))
            judge = by.semantic.judge
            asked = _Asked(by, judge, models, problems, name, candidates["contamination"]) if judge else None
            found.append(joined(embedded, asked.settled(replies_about(by.lake, one, [name])) if asked else candidates))
    return joined(*found)


def canaries(by: Session, texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Which texts are close to which items of all benchmarks, in their order: pairs of positions; no model is asked."""
    vectors = load_embedder(by.semantic)(texts)
    before = 0
    for name in by.benchmarks:
        items = by.items(name)()
        close = nearest(vectors, items.vectors, max(by.semantic.nearest, _SEVERAL), by.semantic.threshold)
        yield from zip(close.rows.tolist(), (close.items + before).tolist(), strict=True)
        before += len(items.table)


def _items(lake: Lake, benchmark: Ref, embeddings: Ref, config: DecontaminateConfig) -> Items:
    table = without_kept(lake.read(benchmark), config)
    return Items(table, vectors_of(table["item"], lake.read(embeddings, columns=["row_id", "vector"])))


def _compared(by: Session, embeddings: Refs, name: str) -> Iterator[Make]:
    return by.lake.mapped(embeddings, _resembling, by.items(name), by.semantic)


def _resembling(embeddings: pa.Table, items: Shared[Items], semantic: Semantic) -> Mapping[str, pa.Table]:
    return {"contamination": resembling(embeddings, items(), semantic)}


def replies_about(lake: Lake, tables: Tables, benchmarks: Collection[str]) -> Refs:
    """Those of a run's completions that this stage asked for about one of these benchmarks."""
    return replies_of(lake, tables, {ASKING}, benchmark=benchmarks)


class _Asked(NamedTuple):
    """The candidates of one benchmark among one table of problems, and who is asked about them."""

    by: Session
    judge: SameProblem
    models: Streams
    problems: Ref
    name: str
    candidates: Refs

    def settled(self, before: Refs) -> Tables:
        """What stays contamination, and the completions that are not among those `before`."""
        lake = self.by.lake
        stage = self._stage(ASKING, before, "completions")
        made = ask(lake, stage, partial(self._new, before), self.models, label=f"{ASKING}: {self.name}")
        new = made["completions"] if lake.row_count(made["completions"]) else ()

        def part() -> Mapping[str, pa.Table]:
            replies = self._replies((*before, *new))
            model = self.models.identity(self.judge.model).model
            return {"contamination": judged(self._rows(), self._requests(), replies, model)}

        read = self._stage("judged resemblance", (*before, *new), "contamination")
        return joined({"completions": new}, lake.run(read, lambda: [part]))

    def _stage(self, name: str, completions: Refs, table: str) -> Stage:
        model = tuple(self.models.identity(self.judge.model))
        config = {"benchmark": self.name, "judge": self.judge.model_dump(mode="json"), "model": model}
        inputs = (*self.candidates, *completions)
        return Stage(name=name, version=sameness.VERSION, config=config, inputs=inputs, tables=(table,))

    def _rows(self) -> pa.Table:
        return self.by.lake.read(*self.candidates)

    def _requests(self) -> Iterable[Request]:
        rows = self._rows()
        lake, identity = self.by.lake, self.models.identity(self.judge.model)
        problems = lake.read(self.problems, columns=["problem_id", "question"])
        items = lake.read(self.by.benchmarks[self.name].ref, columns=["item", "text"])
        return requests(rows, _texts(problems, rows["problem_id"]), _texts(items, rows["item"]), self.judge, identity)

    def _new(self, before: Refs) -> Iterator[Question]:
        """The questions whose answers are not among these."""
        known = set(self._replies(before))
        numbers: defaultdict[str, Iterator[int]] = defaultdict(count)
        for problem_id, request in zip(self._rows()["problem_id"].to_pylist(), self._requests(), strict=True):
            number = next(numbers[str(problem_id)])
            if request.request_id not in known:
                known.add(request.request_id)
                yield Question(f"{ASKING}: {self.name}", str(problem_id), number, self.judge.model, request)

    def _replies(self, completions: Refs) -> dict[str, Reply]:
        return answers(self.by.lake, completions, Reply)


def _texts(table: pa.Table, ids: "pa.ChunkedArray[Any]") -> dict[str, str]:
    """The second column by the first, for these ids."""
    some = table.filter(pc.is_in(table.column(0), value_set=ids.combine_chunks()))
    return dict(zip(map(str, some.column(0).to_pylist()), map(str, some.column(1).to_pylist()), strict=True))
