"""Which samples are missing, and how those of one problem are taken."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from tasks.engines.contract import Completion, Request, Samples
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.forcing import complete_within
from tasks.generate.screen import fault
from tasks.ids import content_id
from tasks.prompts import messages
from tasks.text.thinking import whole_thinking

T = TypeVar("T")

Problem = Mapping[str, Any]
"""A row of PROBLEMS."""


class Accepts(Protocol):
    """Tells which of a problem's texts are right, while they are sampled."""

    def accepted(self, problem: Problem, texts: Sequence[str]) -> list[bool]:
        """For each text, whether it stands as correct."""


class Sampled(NamedTuple):
    """One sample that has come."""

    trace_id: str
    problem_id: str
    sampler: str
    number: int
    temperature: float
    seed: int
    completion: Completion


Emit = Callable[[Sampled], None]


class Rollouts:
    """The samples of problems that are not stored yet.

    `stored` holds the text of every trace of this round that is on disk (empty where it cannot be used), `before` the
    ids of earlier rounds' traces.
    """

    def __init__(
        self,
        config: GenerateConfig,
        models: Samples,
        live: Accepts,
        stored: Mapping[str, str],
        before: Collection[str] = frozenset(),
    ) -> None:
        self._config = config
        self._models = models
        self._live = live
        self._stored = stored
        self._before = before
        self._identities = {name: models.identity(one.model) for name, one in config.samplers.items()}

    def wanted(self, problem: Problem) -> int:
        """How many samples of a problem are still to be taken, at most."""
        return sum(trace_id not in self._stored for _, _, ids in self._due(problem) for trace_id in ids.values())

    def finished(self, problem: Problem) -> int:
        """How many of a problem's samples are right if all are stored that this round has of it, else 0."""
        texts = [self._stored.get(one) for _, _, ids in self._due(problem) for one in ids.values()]
        whole = [text for text in texts if text is not None]
        return sum(self._live.accepted(problem, whole)) if whole and len(whole) == len(texts) else 0

    async def take(self, problem: Problem, emit: Emit) -> int:
        """Take a problem's missing samples, each emitted as it comes, and say how many of all of them are right."""
        due = list(self._due(problem))
        texts = await _together(self._sampler(problem, one, emit) for one in due)
        return await self._right(problem, [text for some in texts for text in some])

    def _due(self, problem: Problem) -> Iterator["_Due"]:
        """The samplers whose samples of a problem belong to this round."""
        for name, sampler in self._config.samplers.items():
            ids = {index: self._id(problem, name, index) for index in range(sampler.n)}
            new = {index: one for index, one in ids.items() if one not in self._before}
            # Sampling until enough are right ended with the round that began it.
            if new and (len(new) == len(ids) or not sampler.until_accepted):
                yield _Due(name, sampler, new)

    async def _sampler(self, problem: Problem, due: "_Due", emit: Emit) -> list[str]:
        texts = [self._stored[one] for one in due.ids.values() if one in self._stored]
        left = [index for index, one in due.ids.items() if one not in self._stored]
        while left:
            wave = len(left)
            if due.sampler.until_accepted:
                wave = due.sampler.until_accepted - await self._right(problem, texts)
                if wave <= 0:
                    break
            indexes, left = left[:wave], left[wave:]
            texts += await _together(self._sample(problem, due, index, emit) for index in indexes)
        return texts

    async def _sample(self, problem: Problem, due: "_Due", index: int, emit: Emit) -> str:
        """Take one sample; its text as a verifier should see it."""
        sampler = due.sampler
        temperature = sampler.temperatures[index % len(sampler.temperatures)]
        seed = int(content_id(self._config.seed, due.ids[index])[:7], 16)
        request = Request(
            due.ids[index],
            messages(problem["domain"], problem["question"], sampler),
            sampler.sampling.model_copy(update={"temperature": temperature, "seed": seed}),
        )
        complete = partial(self._models.complete, sampler.model)
        done = await (complete_within(sampler.budget, complete, request) if sampler.budget else complete(request))
        done = done._replace(text=whole_thinking(done.text))
        emit(Sampled(due.ids[index], problem["problem_id"], due.name, index, temperature, seed, done))
        return "" if fault(done.text, done.finish, sampler, self._config) else done.text

    async def _right(self, problem: Problem, texts: Sequence[str]) -> int:
        return sum(await asyncio.to_thread(self._live.accepted, problem, texts)) if texts else 0

    def _id(self, problem: Problem, name: str, index: int) -> str:
        identity = self._identities[name]
        return content_id(problem["problem_id"], name, identity.model, identity.revision, index)


class _Due(NamedTuple):
    """A sampler's samples of a problem that this round takes: their ids by index."""

    name: str
    sampler: Sampler
    ids: dict[int, str]


async def _together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; where one fails the others are cancelled and ended first."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
