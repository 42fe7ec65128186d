"""What a strategy is: a way to come to a trace by any number of completions, and what it may ask on the way."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from schemas.tables import Status
from tasks.engines.contract import Finish, Sampling

if TYPE_CHECKING:
    from tasks.generate.search import Search

Problem = Mapping[str, Any]
"""A row of PROBLEMS."""


class Told(Protocol):
    """Where a text stands, as verifiers say."""

    @property
    def status(self) -> Status:
        """Correct, incorrect, unverifiable or error."""

    @property
    def answer(self) -> str | None:
        """The answer that verifiers read in it."""

    @property
    def reason(self) -> str:
        """What they say beyond the status."""


class Accepts(Protocol):
    """Tells which of a problem's texts are right, while they are sampled."""

    def accepted(self, problem: Problem, texts: Sequence[str]) -> list[bool]:
        """For each text, whether it stands as correct."""

    def told(self, problem: Problem, texts: Sequence[str]) -> Sequence[Told]:
        """For each text, where it stands."""


class Reply(NamedTuple):
    """What came of one question of a search, as a row of COMPLETIONS has it."""

    text: str
    finish: Finish
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    detail: str = ""


class Asked(NamedTuple):
    """One question of a search, and its reply: whoever goes on with the search is told it again."""

    completion_id: str
    kind: str
    """`sample` where the reply is a sample like any other, else what the strategy calls it."""
    problem_id: str
    number: int
    """The search's: the how manieth sample of its problem it comes to."""
    model: str
    """The model's name in the recipe."""
    sampling: Sampling
    reply: Reply


class Branch:
    """A text that a search has come to: the steps of the branch it goes on from, and one or several more."""

    def __init__(self, key: str, text: str, cuts: tuple[int, ...], reply: Reply, origin: "Branch | None") -> None:
        self.key = key
        """Names it in its search."""
        self.text = text
        self.cuts = cuts
        """The characters at which its steps start."""
        self.finish = reply.finish
        """STOP: it is whole. STEP: it may be gone on with. Any other: it can not."""
        self.prompt_tokens = reply.prompt_tokens
        self.detail = reply.detail
        self.origin = origin
        """The branch it goes on from, or is another version of."""
        self.tokens = reply.completion_tokens
        """Of the whole text; None where that is not known."""
        self.fork = 0
        """The first of its steps that its origin does not have."""
        self.seed = 0
        self.plain = False
        """Whether it is what a model says to the problem's own prompt from start to end: a sample like any other."""
        self.value: float | None = None
        """What the search thinks it is worth, from 0 to 1."""
        self.visits = 0
        self.scores: tuple[float | None, ...] = ()
        """What its steps are worth; there may be fewer than steps."""
        self.scorer: str | None = None
        """Who says so: a reward model's name, or `rollouts`."""
        self.note: str | None = None
        self.conversation: str | None = None
        """JSON, of a branch that used tools."""

    def leave(self) -> None:
        """It is no trace by itself, though its model ended it: it stays in the tree, as one that was left."""
        if self.whole:
            self.finish = Finish.STEP

    @property
    def whole(self) -> bool:
        """Whether the model ended it."""
        return self.finish is Finish.STOP

    @property
    def open(self) -> bool:
        """Whether it ended with a step, to be gone on with."""
        return self.finish is Finish.STEP

    @property
    def steps(self) -> tuple[str, ...]:
        """Joined, they are the text."""
        ends = (*self.cuts[1:], len(self.text))
        return tuple(self.text[start:end] for start, end in zip(self.cuts, ends, strict=True))


class Uses(NamedTuple):
    """A model that a strategy asks beside its sampler's."""

    setting: str
    model: str
    rewards: bool
    """Whether it has to be a reward model."""


class Strategy(ABC):
    """What a strategy plug-in's `build(config)` returns."""

    once: bool = False
    """Whether it asks the sampler's model once and nothing else: then there is no tree to tell of."""
    independent: bool = False
    """Whether what it comes to is a sample like any other, which pass rates and majorities may count: not chosen by
    what is right, nor by other samples."""
    thinks: bool = False
    """Whether it takes a model that thinks between tags."""
    uses: Sequence[Uses] = ()
    """Models that it asks beside the sampler's."""

    @abstractmethod
    async def search(self, search: "Search") -> None:
        """Grow branches, and choose one of them; what is asked is on disk as it comes.

        The same replies have to lead to the same questions: what depends on the clock, on chance, or on the order in
        which replies come, asks again after a crash what was asked before.

        Raises:
            BrokenOffError: it cannot go on; what it grew so far is kept, and says why.
        """


class BrokenOffError(Exception):
    """A search cannot go on; the message is for the row. It never leaves the sampler."""


Emit = Callable[[Any], None]
"""Takes `Asked` as replies come, and `Sampled` when a search is over."""
