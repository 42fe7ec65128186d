"""Tables that later runs grow from are made again where they are damaged: each as it was made, or what is left of it.

All other tables are made of these, and are made again by their own stages.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from flows.config import RefreshConfig
from schemas.errors import DamagedError, EngineError
from schemas.refs import Ref, Stage, Tables
from tasks.engines.models import Models
from tasks.generate.config import GenerateConfig
from tasks.generate.generate import SEARCH
from tasks.generate.generate import STAGE as GENERATE
from tasks.generate.task import SCREEN, rescreen
from tasks.generate.task import remake as sample_again
from tasks.ingest.task import remake as import_again
from tasks.journal import salvage
from tasks.lake import Lake
from tasks.problems.plan import STAGE as PROBLEMS
from tasks.problems.task import remake as read_again
from tasks.progress import watcher
from tasks.verify.live import LiveVerifier

_UNKNOWN: Final = frozenset({"problems", "traces", "completions"})
"""Tables that only stages write that a refresh grows from: one of them that nobody knows the stage of is lost."""


def mend(
    store: Lake, tables: Tables, growing: Collection[str], config: RefreshConfig, models: Models, live: LiveVerifier
) -> None:
    """Make what is damaged of these stages' tables whole again.

    Completions of a damaged part are gone, but for those that are asked for again where they are needed; samples are
    taken again, with the same ids and seeds.

    Raises:
        DamagedError: something cannot be made again: what made it is not known, or is not in the recipe any more.
        SourceError: a source is not what it was when it was imported.
        EngineError: a model is not the one that sampled then, or cannot be loaded.
    """
    again: Mapping[str, Callable[[Stage], Tables]] = {
        "ingest": partial(import_again, store),
        GENERATE: lambda stage: sample_again(store, stage, config.generate, models, live),
        SEARCH: lambda stage: _search_again(store, stage, config.generate, models, live),
        SCREEN: lambda stage: rescreen(store, stage, config.generate),
    }
    if config.problems:
        again = {**again, PROBLEMS: partial(read_again, store, config=config.problems)}
    for ref in (ref for name in ("problems", "traces", "dropped", "completions") for ref in tables.get(name, ())):
        stage = store.stage_of(ref)
        if stage is None and ref.table not in _UNKNOWN:
            continue
        if (stage and stage.name not in growing) or store.whole(ref):
            continue
        watcher().noted(f"{ref.path} is damaged: it is made again")
        if stage and (stage.name in again or stage.tables == ("completions",)):
            again.get(stage.name, partial(salvage, store))(stage)
        _check(store, ref)


def _search_again(store: Lake, stage: Stage, config: GenerateConfig, models: Models, live: LiveVerifier) -> Tables:
    """Ask again what searches asked; by another model what is left has to do, for the traces are there."""
    try:
        return sample_again(store, stage, config, models, live)
    except EngineError as exc:
        watcher().noted(f"what its searches asked is not asked again: {exc}")
        return salvage(store, stage)


def _check(store: Lake, ref: Ref) -> None:
    if not store.whole(ref):
        raise DamagedError(
            f"lake {store.url}: {ref.path} is damaged, and nothing that this recipe has makes it again; restore the "
            "folder from a copy, or run the recipe as it was then"
        )
