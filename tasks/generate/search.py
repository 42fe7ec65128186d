"""One search: what it asks is stored as it comes, and a search that was cut off is told it again.

A strategy is a coroutine over this; a reply that is stored already is not asked for again, so whoever runs the
coroutine anew comes to where it was, by the same path.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import Field

from schemas.base import ConfigBase
from schemas.errors import TracemillError
from tasks.engines.contract import Completion, Finish, Graded, Grading, Message, Request, Sampling, said_in
from tasks.engines.tool_calls import with_calls_written
from tasks.generate.contract import Accepts, Asked, Branch, BrokenOffError, Emit, Problem, Reply, Told
from tasks.ids import content_id
from tasks.text.steps import split_steps

SAMPLE: Final = "sample"
"""The kind of completion that is also a trace, and a sample like any other."""
_BRANCH: Final = "branch"
_REWARD: Final = "reward"
_TURN: Final = "turn"
T = TypeVar("T")


class StepConfig(ConfigBase):
    """Where a step of a search ends."""

    end: str = Field(default="\n\n", min_length=1, description="the text that ends a step and belongs to it")
    max_tokens: int = Field(default=256, ge=1, description="a step that is longer does not end: it is given up")


class Way(NamedTuple):
    """How a branch is gone on with, where that is not simply to the end."""

    step: StepConfig | None = None
    """Only until a step ends."""
    begin: str = ""
    """What the new part begins with."""
    messages: tuple[Message, ...] | None = None
    """What is asked, where that is not the problem's own prompt."""
    version_of: Branch | None = None
    """The branch that a new text is another version of."""
    kind: str = _BRANCH
    """What the completion is called."""
    keep_end: bool = True
    """Whether the text that ends the step is part of it; one that is not only stops the model, and steps are cut as in
    any text."""
    instead: bool = False
    """Whether the new branch takes the place of the one that it goes on from, of which nothing else comes."""
    most: int | None = None
    """Tokens at most, whatever the sampler and the step say."""


class Place(NamedTuple):
    """Which sample of which problem a search comes to, and how its model is asked."""

    sample_id: str
    problem: Problem
    number: int
    model: str
    """The sampler's model."""
    messages: tuple[Message, ...]
    sampling: Sampling
    """With the temperature of this sample."""
    seed_of: Callable[[str], int]
    """By a request's id."""


class Tools(NamedTuple):
    """What searches share."""

    models: Grading
    live: Accepts
    replies: Mapping[str, Reply]
    """Stored ones, by the ids of their completions."""


class Search:
    """What a strategy may ask, and the tree that comes of it."""

    def __init__(self, place: Place, tools: Tools, emit: Emit, *, once: bool = False) -> None:
        self.problem = place.problem
        self.messages = place.messages
        self.sampling = place.sampling
        self.place = place
        self.root = Branch("", "", (), Reply("", Finish.STEP, completion_tokens=0), None)
        self.branches: dict[str, Branch] = {}
        self.chosen: Branch | None = None
        self.note: str | None = None
        self.spent = 0
        """Tokens that were sampled for it so far, by whichever model."""
        self._tools = tools
        self._emit = emit
        self._once = once

    async def grow(self, branch: Branch, number: int | str = 0, way: Way = Way()) -> Branch:  # noqa: B008 - a tuple
        """Have the sampler's model go on from a branch, exactly from its end: to the end, or as `way` says.

        `number` tells the branches that grow from one apart. One that has no tokens left is not gone on with.
        """
        key = _key(branch, number)
        name = self.place.sample_id if self._once else content_id(self.place.sample_id, key)
        sampling = self._limited(branch, way)
        if sampling is None:
            return Branch(key, branch.text, branch.cuts, Reply("", Finish.LENGTH), branch)
        sampling = sampling.model_copy(update={"seed": self.place.seed_of(name)})
        plain = branch is self.root and way._replace(kind=_BRANCH) == Way()
        request = Request(name, way.messages or self.messages, sampling, branch.text + way.begin)
        reply = await self._reply(SAMPLE if plain else way.kind, self.place.model, request, way)
        grown = self._grown(branch, key, reply, way)
        grown.seed, grown.plain = sampling.seed or 0, plain
        return grown

    async def grow_each(self, branches: Iterable[tuple[Branch, int | str]], way: Way = Way()) -> list[Branch]:  # noqa: B008 - a tuple
        """Several at once, all in flight together."""
        return await together(self.grow(branch, number, way) for branch, number in branches)

    def write(self, branch: Branch, number: int | str, text: str, finish: Finish, way: Way = Way()) -> Branch:  # noqa: B008 - a tuple
        """Go on from a branch with a text that is not sampled: a step from a list, what a program printed."""
        tokens = None if branch is self.root else 0
        grown = self._grown(branch, _key(branch, number), Reply(text, finish, branch.prompt_tokens, tokens), way)
        grown.seed = branch.seed
        return grown

    async def keep(self, kind: str, branch: Branch, work: Callable[[], Awaitable[Reply]]) -> Reply:
        """What comes of work that is no model's, such as running a branch's program: stored, and not done twice."""
        name = content_id(self.place.sample_id, kind, branch.key)
        return await self._stored(name, kind, (self.place.model, self.sampling), work)

    async def ask(
        self, kind: str, messages: tuple[Message, ...], number: int = 0, model: str | None = None, **sampling: object
    ) -> str:
        """Ask something beside the traces: a plan, a value, what is wrong with a draft. The reply's text.

        Raises:
            BrokenOffError: it could not be asked, such as for the length of the prompt.
        """
        name = content_id(self.place.sample_id, kind, number, *said_in(messages))
        how = self.sampling.model_copy(update={"seed": self.place.seed_of(name), **sampling})
        reply = await self._reply(kind, model or self.place.model, Request(name, messages, how), Way())
        if reply.finish in (Finish.OVERFLOW, Finish.REFUSED):
            raise BrokenOffError(f"{kind}: {reply.detail or reply.finish}")
        return reply.text

    async def turn(self, number: int, asked: Request, most: int) -> Reply:
        """One turn of a conversation, in `most` tokens; calls of tools stand in the reply's text, in Hermes's form."""
        name = content_id(self.place.sample_id, _TURN, number, *said_in(asked.messages))
        sampling = self.sampling.model_copy(update={"max_tokens": most, "seed": self.place.seed_of(name)})
        request = asked._replace(request_id=name, sampling=sampling)
        return await self._reply(_TURN, self.place.model, request, Way())

    async def tell(self, branches: Sequence[Branch]) -> list[Told]:
        """Where whole branches stand, as the recipe's verifiers say; one that breaks says `error`.

        Raises:
            BrokenOffError: the verifiers raised something.
        """
        texts = [branch.text for branch in branches]
        try:
            return list(await asyncio.to_thread(self._tools.live.told, self.problem, texts)) if texts else []
        except TracemillError:
            raise
        except Exception as exc:
            # A verifier may be anybody's: the search says what it did, and the others go on.
            raise BrokenOffError(f"a verifier broke: {type(exc).__name__}: {exc}") from exc

    async def grade(self, branches: Sequence[Branch], model: str) -> list[tuple[float, ...]]:
        """What a reward model thinks of each step of these branches; nothing where it cannot read one."""
        return await together(self._graded(branch, model) for branch in branches)

    def choose(self, branch: Branch, note: str) -> None:
        """Say what the search came to, and why."""
        self.branches.setdefault(branch.key, branch)  # One that had no tokens left to grow is none of them.
        self.chosen, self.note = branch, note

    def _grown(self, branch: Branch, key: str, reply: Reply, way: Way) -> Branch:
        """The branch that a reply makes of the one that it goes on from."""
        text = branch.text + way.begin + reply.text
        base = branch.cuts[: branch.fork] if way.instead else branch.cuts
        start = next(iter(branch.cuts[len(base) :]), len(branch.text))
        origin = branch.origin if way.instead else None if branch is self.root else branch
        # A sample at once is cut with all others, when it is stored.
        cuts = () if self._once else (*base, *_cuts(start, text, way.step if way.keep_end else None))
        grown = Branch(key, text, cuts, reply, way.version_of or origin)
        own = reply.completion_tokens
        grown.tokens = None if own is None or branch.tokens is None else branch.tokens + own
        grown.fork = len(base)
        if way.instead and branch is not self.root:
            grown.prompt_tokens = branch.prompt_tokens
            self.branches.pop(branch.key, None)
        self.branches[key] = grown
        return grown

    def _limited(self, branch: Branch, way: Way) -> Sampling | None:
        """How a branch is gone on with; None where it has no tokens left."""
        room = way.most or self.sampling.max_tokens - (branch.tokens or 0)
        if room <= 0:
            return None
        stop = self.sampling.stop
        if way.step:
            room, stop = way.most or min(room, way.step.max_tokens), (*stop, way.step.end)
        return self.sampling.model_copy(update={"max_tokens": room, "stop": stop})

    async def _reply(self, kind: str, model: str, request: Request, way: Way) -> Reply:
        async def sampled() -> Reply:
            done = await self._tools.models.complete(model, request)
            text, finish = await self._ended(request, done, way)
            return Reply(text, finish, done.prompt_tokens, done.completion_tokens, done.detail)

        reply = await self._stored(request.request_id, kind, (model, request.sampling), sampled)
        self.spent += reply.completion_tokens or 0
        return reply

    async def _ended(self, request: Request, done: Completion, way: Way) -> tuple[str, Finish]:
        """The text with the end of its step, if that is what ended it."""
        if way.step is None or done.finish is not Finish.STOP or done.stopped is None:
            return with_calls_written(done), done.finish
        stepped = done.text + (way.step.end if way.keep_end else "")
        if done.stopped:
            return (stepped, Finish.STEP) if done.stopped == way.step.end else (done.text, done.finish)
        # The server does not say what ended it: where there is an answer, the model did.
        told = await asyncio.to_thread(self._tools.live.told, self.problem, [request.prefix + done.text])
        return (done.text, done.finish) if told[0].answer else (stepped, Finish.STEP)

    async def _graded(self, branch: Branch, model: str) -> tuple[float, ...]:
        name = content_id(self.place.sample_id, _REWARD, model, branch.key)

        async def scored() -> Reply:
            done = await self._tools.models.score(model, Graded(name, self.messages, branch.steps))
            finish = Finish.STOP if done.scores else Finish.REFUSED
            return Reply(" ".join(f"{one:.6f}" for one in done.scores), finish, done.tokens, 0, done.detail)

        known = await self._stored(name, _REWARD, (model, self.sampling), scored)
        return tuple(map(float, known.text.split()))

    async def _stored(
        self, name: str, kind: str, how: tuple[str, Sampling], work: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """The stored reply of this name, or what comes of the work, which is stored; `how`: the model, its sampling."""
        known = self._tools.replies.get(name)
        if known is None:
            known = await work()
            if not self._once:
                where = self.place
                self._emit(Asked(name, kind, where.problem["problem_id"], where.number, *how, known))
        return known


def _key(branch: Branch, number: int | str) -> str:
    """What a branch that grows from this one is called in its search."""
    return f"{branch.key}.{number}" if branch.key else str(number)


def _cuts(start: int, text: str, step: StepConfig | None) -> Collection[int]:
    """Where the steps of the new part of a text start."""
    if len(text) == start:
        return ()
    return [start] if step else [start + cut for cut in split_steps(text[start:])]


async def together(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results in order; where one fails the others are cancelled and ended first."""
    tasks = [asyncio.create_task(one) for one in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
