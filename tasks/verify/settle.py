"""Claims become outcomes: exact rules inline, whatever they leave open in a killable worker."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, cast

from schemas.tables import Status
from tasks.verify.contract import Claim, Outcome, Verifier
from tasks.workers import Done, WorkerPool

Asked = tuple[str, Claim | Outcome]
"""A verifier by name, and the claim put to it or the outcome it gave in place of one."""


class Judged(NamedTuple):
    """What came of one claim, and how long that took."""

    outcome: Outcome
    elapsed_ms: float


class Court:
    """The verifiers by name, with the workers that check what `decide` leaves open."""

    def __init__(self, verifiers: Mapping[str, Verifier], pool: WorkerPool, deadline_s: float) -> None:
        self.verifiers = verifiers
        self.pool = pool
        self.deadline_s = deadline_s

    def settle(self, asked: Iterable[Asked]) -> dict[Asked, Judged]:
        """Decide every distinct claim, else check it."""
        judged, undecided = self.decide(asked)
        return judged | dict(self.check(undecided))

    def decide(self, asked: Iterable[Asked]) -> tuple[dict[Asked, Judged], list[Asked]]:
        """What exact rules settle, and the claims that they leave open, each once."""
        judged: dict[Asked, Judged] = {}
        undecided: list[Asked] = []
        for name, claim in dict.fromkeys(asked):
            start = time.perf_counter()
            outcome = claim if isinstance(claim, Outcome) else self.verifiers[name].decide(claim)
            if outcome is None:
                undecided.append((name, claim))
            else:
                judged[name, claim] = Judged(outcome, (time.perf_counter() - start) * 1000)
        return judged, undecided

    def check(self, undecided: Iterable[Asked]) -> Iterator[tuple[Asked, Judged]]:
        """Settle claims in workers, in the order in which they end; one that breaks or is late is an `error`.

        Raises:
            WorkerError: workers cannot start.
        """
        claims: defaultdict[str, list[Claim]] = defaultdict(list)
        for name, claim in undecided:
            claims[name].append(cast("Claim", claim))
        for name, own in claims.items():
            verifier = self.verifiers[name]
            for index, result in self.pool.map(
                verifier.check, own, deadline_s=self.deadline_s, prepare=verifier.prepare
            ):
                outcome = result.value if isinstance(result, Done) else Outcome(Status.ERROR, result.message)
                yield (name, own[index]), Judged(outcome, result.elapsed_ms)
