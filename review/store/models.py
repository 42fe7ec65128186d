"""The store's tables. Times are UTC; steps count from 0, and a first wrong step of -1 says that none is wrong."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final

from sqlalchemy import JSON, DateTime, ForeignKey, Index, String, Text, TypeDecorator, UniqueConstraint, text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

Json = dict[str, Any]
_IS_GOLD: Final = text("gold IS NOT NULL")


class Role(StrEnum):
    """What a user may do; each may do what those before it may."""

    REVIEWER = "reviewer"
    ADJUDICATOR = "adjudicator"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """The higher, the more is allowed."""
        return list(Role).index(self)


class BatchState(StrEnum):
    """What may be done with a batch."""

    OPEN = "open"
    CLOSED = "closed"


class ItemState(StrEnum):
    """How far people have come with a trace: `open → enough → agreed | adjudication → final`."""

    OPEN = "open"
    ENOUGH = "enough"
    AGREED = "agreed"
    ADJUDICATION = "adjudication"
    FINAL = "final"


class State(StrEnum):
    """Where one reviewer's work on one trace stands."""

    LEASED = "leased"
    MARKING = "marking"
    REWRITING = "rewriting"
    GENERATING = "generating"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    GAVE_UP = "gave_up"
    BAD_PROBLEM = "bad_problem"
    MAX_ROUNDS = "max_rounds"
    EXPIRED = "expired"


AT_WORK = frozenset({State.LEASED, State.MARKING, State.REWRITING, State.GENERATING})
"""Somebody holds a lease, which may have run out."""
FINISHED = frozenset({State.SUBMITTED, State.GAVE_UP, State.BAD_PROBLEM, State.MAX_ROUNDS})
"""These count towards an item's overlap; skipped and expired ones do not."""


class JobKind(StrEnum):
    """What a model is asked for."""

    CONTINUE = "continue"
    """Continuations of a rewritten step; each becomes a trace."""
    SUGGEST = "suggest"
    """The first wrong step, by binary search over rollouts."""
    EFFECT = "effect"
    """How many continuations reach the answer from before the wrong step, and from after it."""


class JobState(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Utc(TypeDecorator[datetime]):
    """A time with its zone, which SQLite does not keep."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Refuse a time without a zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time needs its zone")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """In UTC: SQLite keeps no zone, PostgreSQL answers in its session's."""
        return value and (value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC))


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[Mapping[Any, Any]] = {datetime: Utc, Json: JSON, list[Any]: JSON, str: Text}


class User(Base):
    """Somebody who may sign in, or a labeller of imported history, who may not."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    """Lower case."""
    pseudonym: Mapped[str] = mapped_column(String(40), unique=True)
    """The only name that leaves the store."""
    password_hash: Mapped[str | None]
    """None: cannot sign in."""
    role: Mapped[str] = mapped_column(String(20), default=Role.REVIEWER)
    active: Mapped[bool] = mapped_column(default=True)
    keys: Mapped[Json] = mapped_column(default=dict)
    """Their own keys by action; `{"off": true}`: none."""
    created_at: Mapped[datetime]


class Login(Base):
    """A browser that is signed in."""

    __tablename__ = "logins"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    csrf: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    """Something was asked under it then, to the minute."""


class Token(Base):
    """A key for programs: `Authorization: Bearer …`."""

    __tablename__ = "tokens"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Attempt(Base):
    """A sign-in that failed."""

    __tablename__ = "attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    __table_args__ = (Index("attempts_by_name", "name", "at"), Index("attempts_by_address", "address", "at"))


class Batch(Base):
    """Traces that are reviewed together."""

    __tablename__ = "batches"
    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    recipe: Mapped[str | None]
    lake: Mapped[str | None]
    overrides: Mapped[list[Any] | None]
    """Settings that differ from the recipe's, each as `key.key=value`."""
    settings: Mapped[Json]
    """A `BatchSettings`."""
    own_guidelines: Mapped[bool] = mapped_column(default=False)
    """An admin wrote those in the settings; they are not the recipe's."""
    state: Mapped[str] = mapped_column(String(20), default=BatchState.OPEN)
    opened_at: Mapped[datetime]
    deadline: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str | None]


class Item(Base):
    """A trace of a batch, with its problem."""

    __tablename__ = "items"
    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    batch_id: Mapped[str] = mapped_column(ForeignKey("batches.id"))
    rank: Mapped[int]
    """Lower ones are handed out first."""
    why: Mapped[str] = mapped_column(default="")
    """Why it is in the queue."""
    problem_id: Mapped[str] = mapped_column(String(64))
    domain: Mapped[str] = mapped_column(String(20))
    question: Mapped[str]
    reference: Mapped[str | None]
    tests: Mapped[str | None]
    constraints: Mapped[str | None]
    source: Mapped[str]
    """The trace's `source`: how its model was asked."""
    trace_id: Mapped[str] = mapped_column(String(64))
    """The trace that is reviewed first, the root of the tree."""
    state: Mapped[str] = mapped_column(String(20), default=ItemState.OPEN)
    gold: Mapped[int | None]
    """The first wrong step, if it is known; then the item has no overlap: everyone may get it once."""
    suggestion: Mapped[int | None]
    suggested_by: Mapped[str | None]
    """How the suggestion came about; one line."""
    verdict: Mapped[int | None]
    """The first wrong step that people agreed on, or an adjudicator chose."""
    version: Mapped[int] = mapped_column(default=1)
    __table_args__ = (
        UniqueConstraint("batch_id", "trace_id"),
        Index("items_by_rank", "batch_id", "state", "rank"),
        Index("items_of_gold", "batch_id", sqlite_where=_IS_GOLD, postgresql_where=_IS_GOLD),
    )


class Trace(Base):
    """A text of an item: its first, or a continuation of a rewritten step. Never changed but for its verdict."""

    __tablename__ = "traces"
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"), primary_key=True)
    trace_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    parent_trace_id: Mapped[str | None] = mapped_column(String(64))
    fork_step: Mapped[int | None]
    fork_offset: Mapped[int | None]
    """The character at which it parts from its parent."""
    number: Mapped[int] = mapped_column(default=0)
    """Which of the k continuations."""
    job_id: Mapped[str | None] = mapped_column(String(24))
    text: Mapped[str]
    step_offsets: Mapped[list[Any]]
    splitter: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    """A `Status`: how the verifiers grade its answer."""
    answer: Mapped[str | None]
    reason: Mapped[str] = mapped_column(default="")
    sampled: Mapped[Json] = mapped_column(default=dict)
    """What `tasks.rewrite.continuing.SAMPLED` names, but the text."""
    created_at: Mapped[datetime]
    __table_args__ = (Index("traces_by_job", "job_id"), Index("traces_by_id", "trace_id"))


class Assignment(Base):
    """One reviewer's work on one item."""

    __tablename__ = "assignments"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(String(20), default=State.LEASED)
    version: Mapped[int] = mapped_column(default=1)
    """Raised by every change but heartbeats."""
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None]
    round: Mapped[int] = mapped_column(default=0)
    """The one at work, from 0."""
    draft: Mapped[Json | None]
    """What the page has not sent yet."""
    reason: Mapped[str | None]
    """Why it was given up, skipped, or the problem is bad."""
    opened_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    revealed_at: Mapped[datetime | None]
    """When the reference was looked at first."""
    seconds: Mapped[float] = mapped_column(default=0.0)
    """The page was open and looked at for so long."""
    imported: Mapped[bool] = mapped_column(default=False)
    __table_args__ = (
        UniqueConstraint("item_id", "user_id"),
        Index("assignments_by_user", "user_id", "state"),
    )


class Round(Base):
    """What a reviewer made of one trace of the tree."""

    __tablename__ = "rounds"
    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    trace_id: Mapped[str] = mapped_column(String(64))
    offsets: Mapped[list[Any] | None]
    """Where the reviewer's own steps start; None: those of the trace."""
    ratings: Mapped[list[Any]] = mapped_column(default=list)
    """Of each step 1, 0, -1 or null."""
    first_wrong: Mapped[int | None]
    """None: not marked yet."""
    after: Mapped[str | None]
    """The first wrong step, rewritten."""
    doubts: Mapped[list[Any]] = mapped_column(default=list)
    """What the guards say of the rewrite, in words."""
    job_id: Mapped[str | None] = mapped_column(String(24))
    effect_id: Mapped[str | None] = mapped_column(String(24))
    """The job that says what the rewrite did."""
    chosen: Mapped[str | None] = mapped_column(String(64))
    """The continuation that the next round is about."""
    opened_at: Mapped[datetime]
    marked_at: Mapped[datetime | None]
    rewritten_at: Mapped[datetime | None]


class Past(Base):
    """An assignment as it was, to go back to."""

    __tablename__ = "pasts"
    assignment_id: Mapped[str] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(String(40))
    """What was done then."""
    was: Mapped[Json]


class Job(Base):
    """Something a model is asked, outside of any request. Its id is a hash of what is asked."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    kind: Mapped[str] = mapped_column(String(20))
    asked: Mapped[Json]
    """continue, effect: `{trace_id, step, after, offsets}`; suggest: `{trace_id}`."""
    state: Mapped[str] = mapped_column(String(20), default=JobState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    """A running job whose server died is taken up again after this."""
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    """Continuations."""
    found: Mapped[Json] = mapped_column(default=dict)
    """effect: `{before: [right, of], wrong: [right, of]}`; suggest: `{first_wrong}`."""
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    __table_args__ = (Index("jobs_by_state", "state", "created_at"),)


class Rollout(Base):
    """A continuation that only counts, by its request's id."""

    __tablename__ = "rollouts"
    id: Mapped[str] = mapped_column(String(24), primary_key=True)
    text: Mapped[str]
    finish_reason: Mapped[str] = mapped_column(String(40))
    right: Mapped[bool]


class Adjudication(Base):
    """What an adjudicator decided about an item; the last one counts."""

    __tablename__ = "adjudications"
    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[str] = mapped_column(ForeignKey("items.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    assignment_id: Mapped[str | None] = mapped_column(ForeignKey("assignments.id"))
    """Whose marks were taken over; None: the adjudicator's own."""
    first_wrong: Mapped[int]
    note: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Audit(Base):
    """Who did what, each row chained to the one before by its hash."""

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(String(100))
    action: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(200))
    details: Mapped[Json] = mapped_column(default=dict)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
