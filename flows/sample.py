"""Generation by several workers: each takes a share of the problems with an engine of its own, into one journal.

The run that wants the samples writes a plan into the lake, has each share taken by a run of the deployment `sample`,
and then generates as it would alone: it finds what is stored, takes what is missing and finishes the table.
"""

import hashlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pyarrow.compute as pc
from prefect import flow
from pydantic import Field, ValidationError

from flows.config import RefreshConfig
from flows.recipes import lasting, resolve
from flows.slots import slot
from flows.spread import Job, send
from flows.working import working
from schemas.base import ConfigBase
from schemas.errors import LakeError, RecipeError
from schemas.refs import Tables
from tasks.engines.models import Models
from tasks.engines.usage import Usage
from tasks.generate.generate import STAGE, Goal, Share
from tasks.generate.task import generate_share, missing, searches_of, stages_of
from tasks.journal import arrived
from tasks.lake import Lake
from tasks.progress import reported, watcher
from tasks.verify.live import LiveVerifier

DEPLOYMENT: Final = "sample/sample"
_NEEDED: Final = ("problems", "dropped", "traces")
_SAMPLE: Final = ["problem_id", "source", "sample_index"]
"""What all branches of a search, which come together, share."""
_BEAT_S: Final = 30.0


class _Sign(ConfigBase):
    """A share's sign of life, never the same for long, and what the share has asked of its models so far."""

    number: int = 0
    used: dict[str, Usage] = Field(default={})


class Asked(NamedTuple):
    """What a run was asked for: its recipe, and what differs from it."""

    recipe: str
    overrides: tuple[str, ...]


class Tools(NamedTuple):
    """What lasts for a whole run: engines and workers stay warm."""

    models: Models
    live: LiveVerifier
    asked: Asked


class Plan(ConfigBase):
    """What the runs of `sample` share out among them; a file of the lake, named by its digest."""

    rounds: tuple[Tables, ...] = Field(description="the problems, what was dropped of them, and their traces so far")
    keys: tuple[str, ...] = Field(description="of the stages that the samples belong to")
    shares: int = Field(ge=1)
    target: int | None = Field(description="accepted traces that are wanted of each share; null: all samples")


@flow(name="sample", persist_result=False)
def sample(recipe: str, lake: str, overrides: Sequence[str], plan: str, share: int) -> None:
    """Take a share of a run's missing samples; started by that run, where its recipe says `machines: {workers: 4}`.

    Args:
        recipe: The run's recipe: a name, or a path that every worker has.
        lake: The run's lake: a folder that this machine shares, or an fsspec URL.
        overrides: The run's settings that differ from the recipe's.
        plan: The plan's name in the lake, which says what is to be sampled.
        share: Which of its shares, from 0.

    Raises:
        RecipeError: the recipe, its models or tracemill are not the same here as where the run began.
        LakeError: there is no such plan: the run that made it is over.
        EngineError: a model cannot be loaded or reached; what was sampled before is stored.
    """
    config = resolve(recipe, overrides, RefreshConfig)
    store = Lake(lake)
    todo = _read(store, plan)
    rounds = list(todo.rounds)
    with (
        working(store, config, "sample"),
        Models(config.models, slot) as models,
        LiveVerifier(config.verify) as live,
    ):
        stages = stages_of(store, rounds, config.generate, models)
        if tuple(one.key for one in stages.values()) != todo.keys:
            raise RecipeError(
                f"recipe {recipe}: on this machine it asks for other samples than where the run began; have the same "
                "recipe, model files and version of tracemill on all workers"
            )
        with _beating(store, plan, share, models):
            part = Share(Goal(todo.target), share, todo.shares)
            generate_share(store, rounds, config.generate, models, live, part)


def sample_by_workers(store: Lake, config: RefreshConfig, rounds: Sequence[Tables], tools: Tools, goal: Goal) -> None:
    """Have workers take what is missing of these rounds; does nothing where that is nothing, or the recipe has one.

    A share that comes to nothing is sent once more; what is missing after that is left to this run, and it says so.

    Raises:
        ServerError: this run has a Prefect server of its own, which has no workers.
        RecipeError: the server lacks the deployment `sample`.
    """
    if config.machines.workers == 1:
        return
    needed: list[Tables] = [{name: one[name] for name in _NEEDED if name in one} for one in rounds]
    left = missing(store, needed, config.generate, tools.models, tools.live)
    if not left:
        return
    # An engine of this run that waits for the others would keep a GPU, or its slot, from them.
    tools.models.rest()
    stages = stages_of(store, needed, config.generate, tools.models)
    shares = min(config.machines.workers, left)
    target = None if goal.target is None else -(-(goal.target - goal.accepted) // shares)
    keys = tuple(one.key for one in stages.values())
    name = _write(store, Plan(rounds=tuple(needed), keys=keys, shares=shares, target=target))
    those = [*stages.values(), *searches_of(stages.values())]
    counting = _Counting(store, [ref for one in those for refs in one.outputs.values() for ref in refs])
    with reported(counting.stage, left):
        _send(store, config, tools, (name, shares), counting)


def _send(store: Lake, config: RefreshConfig, tools: Tools, plan: tuple[str, int], counting: "_Counting") -> None:
    name, shares = plan
    jobs = [_job(store, config.name, tools.asked, plan, share) for share in range(shares)]
    try:
        outcomes = send(DEPLOYMENT, jobs, config.machines.patience_s, counting)
        counting()
        for share, why in enumerate(outcomes):
            if why is not None:
                watcher().noted(f"share {share + 1} of {shares}: {why}; this run takes what is missing of it")
        for share in range(shares):
            tools.models.also_used(_sign(store, _beat(name, share)).used)
    finally:
        for path in (_path(name), *(_beat(name, share) for share in range(shares))):
            store.storage.remove(path)


def _job(store: Lake, run: str, asked: Asked, plan: tuple[str, int], share: int) -> Job:
    name, shares = plan
    parameters: dict[str, Any] = {
        "recipe": lasting(asked.recipe),
        "lake": store.address,
        "overrides": list(asked.overrides),
        "plan": name,
        "share": share,
    }
    return Job(f"{run}, share {share + 1} of {shares}", parameters, lambda: store.storage.read(_beat(name, share)))


class _Counting:
    """Counts what workers bring in, as this run's watcher sees it: of a search its one sample, and all it asked."""

    stage = f"{STAGE} by workers"

    def __init__(self, store: Lake, refs: Sequence[Any]) -> None:
        self._store, self._refs = store, refs
        self._known: set[str] = set()
        for _ in self._batches():
            pass

    def __call__(self) -> None:
        for batch in self._batches():
            traces = "trace_id" in batch.column_names
            asked = batch.filter(pc.is_null(batch["search"])) if traces else batch
            watcher().measured(self.stage, {"tokens": pc.sum(asked["completion_tokens"]).as_py() or 0})
            watcher().advanced(self.stage, batch.group_by(_SAMPLE).aggregate([]).num_rows if traces else 0)

    def _batches(self) -> Iterator[Any]:
        return itertools.chain.from_iterable(arrived(self._store, ref, self._known) for ref in self._refs)


def _path(plan: str) -> str:
    return f"plans/{plan}.json"


def _beat(plan: str, share: int) -> str:
    return f"plans/{plan}-{share}"


def _write(store: Lake, plan: Plan) -> str:
    data = plan.model_dump_json(indent=2).encode()
    name = hashlib.sha256(data).hexdigest()[:20]
    store.storage.write(_path(name), data)
    return name


def _read(store: Lake, plan: str) -> Plan:
    data = store.storage.read(_path(plan))
    if data is None:
        raise LakeError(f"lake {store.url}: {_path(plan)} is not there: the run that shared it out is over")
    return Plan.model_validate_json(data)


def _sign(store: Lake, path: str) -> _Sign:
    """A share's last one; the first where there is none, or it was cut off in the middle."""
    try:
        return _Sign.model_validate_json(store.storage.read(path) or b"{}")
    except ValidationError:
        return _Sign()


@contextmanager
def _beating(store: Lake, plan: str, share: int, models: Models) -> Iterator[None]:
    """Give a sign of life from time to time, and at the end; it counts on from that of a run that did not complete."""
    path = _beat(plan, share)
    over, before = threading.Event(), _sign(store, path)

    def beat(number: int) -> None:
        used = dict(before.used)
        for name, more in models.used.items():
            used[name] = used.get(name, Usage()).and_also(more)
        sign = _Sign(number=before.number + number, used=used)
        try:
            if store.storage.read(_path(plan)) is not None:  # else nobody looks any more, and nobody would remove it
                store.storage.write(path, sign.model_dump_json().encode())
        except LakeError as exc:
            watcher().noted(f"no sign of life can be given: {exc}")

    def beats() -> None:
        for number in itertools.count(1):
            beat(number)
            if over.wait(_BEAT_S):
                beat(number + 1)
                return

    thread = threading.Thread(target=beats, name="signs of life", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
