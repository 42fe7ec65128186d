"""What a kind of judge is: it puts questions about traces to a model, and says what a reply finds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Final, NamedTuple, Protocol, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.tables import Domain, Status
from tasks.engines.contract import Message, Sampling

Problem = Mapping[str, Any]
"""A row of PROBLEMS: problem_id, domain, question, reference."""

REFERENCE: Final = "the reference answer"


class KindConfig(ConfigBase):
    """The settings that all kinds have."""

    SHUFFLES: ClassVar[bool] = False
    """Whether the same question is put in another way each time."""

    model: str = Field(description="the one of the recipe's models that judges")
    sampling: Sampling = Sampling(temperature=0, max_tokens=1024)
    samples: int = Field(default=1, ge=1, description="how often each question is asked")
    when: tuple[Status, ...] = Field(
        default=tuple(Status),
        min_length=1,
        description="where a trace has to stand by the verifiers, and the judges before this one, to be put to it",
    )
    domains: tuple[Domain, ...] = Field(default=tuple(Domain), min_length=1, description="the problems it judges")
    with_reference: bool = Field(default=True, description="show the problem's own reference; a majority's never is")
    with_thinking: bool = Field(default=False, description="show a trace's thinking too, not only what follows it")
    characters: int = Field(
        default=24_000, ge=500, description="of all texts in a question together; long ones are cut in the middle"
    )
    constrain: bool = Field(
        default=False,
        description="have the engine hold replies to the JSON schema, where it can (vllm, openai); a model that thinks "
        "before it answers cannot do so then, unless its server keeps thinking apart",
    )

    @model_validator(mode="after")
    def _varied(self) -> Self:
        if self.samples > 1 and not self.sampling.temperature and not self.SHUFFLES:
            raise ValueError("more than one of `samples` needs a sampling.temperature: all would be the same")
        return self

    def given(self, problem: Problem) -> dict[str, str]:
        """The problem's own texts by their titles: what it asks, and its reference where that is to be shown."""
        reference = str(problem["reference"] or "").strip() if self.with_reference else ""
        return {"the problem": str(problem["question"])} | ({REFERENCE: reference} if reference else {})


class Shown(NamedTuple):
    """A text to be judged: a trace's, or another judge's judgement."""

    id: str
    text: str


class Group(NamedTuple):
    """What is judged together: the traces of one problem, or the judgements on one trace. In the order of their ids."""

    problem: Problem
    shown: tuple[Shown, ...]
    trace: Shown | None = None
    """The trace, where judgements on it are judged."""
    task: str = ""
    """What the judge of these judgements was told to do."""


class Case(NamedTuple):
    """One question: whose texts it shows, in that order, and how it is put."""

    shown: tuple[str, ...]
    messages: tuple[Message, ...]


class Finding(NamedTuple):
    """What a reply says."""

    reason: str
    score: float | None = None
    """From 0 to 1, where it rates."""
    choice: int | None = None
    """The position of the better one in what was shown; None for none of them."""
    aspects: tuple[tuple[str, float], ...] | None = None


class Reading(StrEnum):
    """What came of a question."""

    READ = "read"
    REPAIRED = "repaired"
    """The first reply could not be read, the second one could."""
    ERROR = "error"
    """Neither could, or there was none."""


class Judgement(NamedTuple):
    """A row of JUDGEMENTS."""

    judgement_id: str
    judge: str
    kind: str
    problem_id: str
    shown: Sequence[str]
    number: int
    status: str
    score: float | None
    choice: int | None
    aspects: Sequence[tuple[str, float]] | None
    reason: str
    reply: str | None
    model: str
    completion_id: str
    messages: Sequence[Mapping[str, str]] | None = None
    """What was asked, where another judge judges this one."""

    @property
    def readable(self) -> bool:
        """Whether the model said something."""
        return self.status != Reading.ERROR


class UnreadableError(ValueError):
    """What is wrong with a reply; the model is told so, once."""


class Kind(Protocol):
    """What a plug-in's `build(config)` returns. What it asks depends on a group's ids and texts and on nothing else."""

    @property
    def version(self) -> str:
        """Changes whenever a reply would be read, or rated, in another way."""

    @property
    def reply(self) -> type[ConfigBase]:
        """The JSON object that a reply holds."""

    @property
    def task(self) -> Callable[[Problem], str] | None:
        """What the model is told to do about a trace of a problem; None where it does not judge each by itself."""

    @property
    def verdict(self) -> Callable[[float], Status] | None:
        """The verdict on a trace with this rating; None where a rating is no verdict."""

    def cases(self, group: Group, number: int, /) -> Iterator[Case]:
        """The questions about a group, the `number`th time they are asked."""

    def finding(self, reply: Any, case: Case, /) -> Finding:
        """What a reply, an object of the class `reply`, says.

        Raises:
            UnreadableError: it does not fit the case.
        """

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """What the judgements of a whole run come to, from 0 to 1, by the id of what was shown.

        What no readable judgement speaks of is left out.
        """
