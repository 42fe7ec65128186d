"""Which samples are missing, and how those of one problem are taken."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from tasks.engines.contract import Grading
from tasks.generate.config import GenerateConfig, Sampler
from tasks.generate.contract import Accepts, BrokenOffError, Emit, Problem, Reply
from tasks.generate.screen import fault
from tasks.generate.search import Place, Search, Tools, together
from tasks.generate.tree import samples, single
from tasks.ids import content_id
from tasks.prompts import messages


class Rollouts:
    """The samples of problems that are not stored yet.

    `stored` holds the text of every trace of this round that is on disk (empty where it cannot be used), `before` the
    ids of earlier rounds' traces, `replies` what searches that were cut off were told, by the completions' ids.
    """

    def __init__(
        self,
        config: GenerateConfig,
        models: Grading,
        live: Accepts,
        stored: Mapping[str, str],
        before: Collection[str] = frozenset(),
        replies: Mapping[str, Reply] = MappingProxyType({}),
    ) -> None:
        self._config = config
        self._live = live
        self._stored = stored
        self._before = before
        self._tools = Tools(models, live, replies)
        self._strategies = {name: one.built() for name, one in config.samplers.items()}
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
        texts = await together(self._sampler(problem, one, emit) for one in due)
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
            texts += await together(self._sample(problem, due, index, emit) for index in indexes)
        return texts

    async def _sample(self, problem: Problem, due: "_Due", index: int, emit: Emit) -> str:
        """Take one sample; its text as a verifier should see it."""
        sampler, name = due.sampler, due.ids[index]
        strategy, how = self._strategies[due.name]
        sampling = sampler.sampling.model_copy(
            update={"temperature": sampler.temperatures[index % len(sampler.temperatures)]}
        )
        asked = messages(problem["domain"], problem["question"], sampler)
        place = Place(name, problem, index, sampler.model, asked, sampling, self._seed)
        search = Search(place, self._tools, emit, once=how.once)
        try:
            await how.search(search)
        except BrokenOffError as exc:
            search.chosen, search.note = None, f"broken off: {exc}"
        came = (
            [single(search, due.name)]
            if how.once
            else list(samples(search, strategy, due.name, independent=how.independent))
        )
        for one in came:
            emit(one)
        (own,) = (one.completion for one in came if one.trace_id == name)
        return "" if fault(own.text, own.finish, sampler, self._config) else own.text

    def _seed(self, name: str) -> int:
        return int(content_id(self._config.seed, name)[:7], 16)

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
