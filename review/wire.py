"""What the page and the server say to each other, as JSON."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Rating = Literal[-1, 0, 1] | None


class StepView(BaseModel):
    """One step; `html` is safe to put into a page as it is."""

    text: str
    html: str


class TraceView(BaseModel):
    """A trace, cut as its own splitter (or the reviewer, in a round) cut it."""

    trace_id: str
    parent_trace_id: str | None
    fork_step: int | None
    number: int
    model: str | None
    steps: list[StepView]
    status: str
    answer: str | None
    reason: str


class Share(BaseModel):
    """Of so many continuations, how many reach the answer."""

    right: int
    of: int


class EffectView(BaseModel):
    """What a rewrite did; a share that is not known yet is null."""

    before: Share | None
    """Continuations of the steps before the wrong one."""
    wrong: Share | None
    """Of the wrong step."""
    after: Share | None
    """Of the rewritten one."""


class JobView(BaseModel):
    """Where a job stands."""

    id: str
    kind: str
    state: str
    done: int
    total: int
    error: str | None


class RoundView(BaseModel):
    """One round: a trace, what the reviewer said of it, and what came of that."""

    number: int
    trace: TraceView
    ratings: list[Rating]
    first_wrong: int | None
    """-1: no step is wrong; null: not marked yet."""
    after: str | None
    doubts: list[str]
    job: JobView | None
    continuations: list[TraceView]
    effect: EffectView | None
    chosen: str | None
    """The continuation that the next round is about."""


class ProblemView(BaseModel):
    """What the trace answers."""

    domain: str
    question: str
    html: str


class SuggestionView(BaseModel):
    """The first wrong step that rollouts suggest; `first_wrong` is null where they tell nothing."""

    first_wrong: int | None
    by: str


class Lease(BaseModel):
    """The right to change an assignment, for a while."""

    token: str
    until: str
    """ISO 8601, UTC."""


class AssignmentView(BaseModel):
    """All that the review page shows."""

    id: str
    item_id: str
    batch: str
    state: str
    version: int
    lease: Lease | None
    """Null where it ran out, or somebody else looks on."""
    problem: ProblemView
    reference: str | None
    """Null until it was revealed."""
    round: int
    rounds: list[RoundView]
    rounds_left: int
    """Rewrites that are left; with none, and nothing written in this round, a wrong step ends the work."""
    draft: dict[str, Any] | None
    suggestion: SuggestionView | None
    """Null where it is not to be shown (yet), or there is none."""
    guidelines_html: str
    can_undo: bool


class Held(BaseModel):
    """Every change says which lease it is made under, and which version it was made for."""

    model_config = ConfigDict(extra="forbid")

    token: str
    version: int


class DraftIn(Held):
    """What the page holds so far: it is the page's own affair what is in it."""

    draft: dict[str, Any]


class MarkIn(Held):
    """A reviewer's ratings of the round's steps.

    `first_wrong` n: steps before n are rated 0 or 1 (null counts as 1), step n is -1. -1: no step is wrong.
    """

    first_wrong: int = Field(ge=-1)
    ratings: list[Rating]
    offsets: list[int] | None = Field(default=None, description="where steps start, if the reviewer cut otherwise")


class RewriteIn(Held):
    """The first wrong step, rewritten."""

    after: str = Field(min_length=1, max_length=100_000)


class ChooseIn(Held):
    """The continuation to look at next."""

    trace_id: str


class SubmitIn(Held):
    """The work is done."""

    despite: bool = Field(default=False, description="the trace is right although its answer is graded incorrect")


class ExitIn(Held):
    """Skipping, giving up, or a bad problem; the last two need a reason."""

    reason: str = Field(default="", max_length=2000)


class ClaimIn(BaseModel):
    """The next trace; of one batch, or of any."""

    model_config = ConfigDict(extra="forbid")

    batch: str | None = None


class BeatIn(BaseModel):
    """A sign of life, and how many seconds the page was looked at since the last one."""

    model_config = ConfigDict(extra="forbid")

    token: str
    seconds: float = Field(ge=0, le=3600)


class Problem(BaseModel):
    """Why a request was turned down; `error` is one word, `message` one sentence."""

    error: str
    message: str
    current: AssignmentView | None = None
    """With a 409: the assignment as it is now, beside what was sent."""
