"""Which of a problem's samples stand as correct, told while sampling goes on."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from schemas.tables import Status
from tasks.verify.ballots import ranked, vote_of
from tasks.verify.contract import ProblemView, Verifier, covering, lacks_reference
from tasks.verify.majority import MajorityConfig, elected
from tasks.verify.rule import Said, judged, standing
from tasks.verify.settle import Asked, Court, Judged
from tasks.verify.verify import VerifyConfig, build, court_of
from tasks.workers import WorkerPool

_REMEMBERED: Final = 100_000
"""Checked claims that are kept, so that a problem that is asked about again and again costs workers once."""


class Told(NamedTuple):
    """Where a text stands."""

    status: Status
    answer: str | None
    """The one that the first verifier which finds any finds in it."""
    reason: str
    """What verifiers say beyond the status, each by its name."""


class LiveVerifier:
    """Verdicts on texts that are not in the lake yet. `with` starts and ends its workers.

    Many threads may ask at once: exact rules run in each of them, checks in workers, for one thread at a time.
    """

    def __init__(self, config: VerifyConfig) -> None:
        self._config = config
        self._block = ExitStack()

    def __enter__(self) -> Self:
        court = self._block.enter_context(court_of(self._config))
        self.court = _SharedCourt(court.verifiers, court.pool, court.deadline_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._block.close()

    @property
    def settings(self) -> dict[str, Any]:
        """All that its word depends on: settings, and the verifiers' versions."""
        versions = {name: one.version for name, one in build(self._config).items()}
        told = {"verifiers", "deadline_s", "majority", "rule"}
        return {"versions": versions, "verify": self._config.model_dump(mode="json", include=told)}

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        """Which of these texts stand as correct by the settings' rule.

        `problem` is a row of PROBLEMS. Where it has no reference, the texts are held against the majority among
        themselves, if the settings ask for one; without, and without a verifier for its domain, none is accepted.
        Texts that are no samples of their own (forks, unfinished ones) must not be given, or be given empty.

        Raises:
            WorkerError: workers cannot start.
        """
        return [one.status is Status.CORRECT for one in self.told(problem, texts)]

    def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[Told]:
        """Where each of these texts stands, and on what grounds; as `accepted`.

        Raises:
            WorkerError: workers cannot start.
        """
        view = ProblemView(**{name: problem[name] for name in ProblemView._fields})
        verifiers = covering(self.court.verifiers, view.domain)
        if self._config.majority is not None and lacks_reference(view):
            view = view._replace(reference=self._elected(view, texts, verifiers, self._config.majority))
        said: list[list[Said]] = [[] for _ in texts]
        reasons: list[list[str]] = [[] for _ in texts]
        rule = self._config.rule
        for names in rule.turns(verifiers):
            self._ask(names, view, texts, said, reasons)
        return [
            Told(standing(one, rule).status, _answer(view, text, verifiers), "; ".join(why))
            for one, text, why in zip(said, texts, reasons, strict=True)
        ]

    def _ask(
        self,
        names: Sequence[str],
        view: ProblemView,
        texts: Sequence[str],
        said: list[list[Said]],
        reasons: list[list[str]],
    ) -> None:
        """Add what these verifiers say; by the rule `first` only of texts that none has judged."""
        open_ = [one for one, row in enumerate(said) if self._config.rule.kind != "first" or not any(map(judged, row))]
        asked = {
            (one, name): (name, self.court.verifiers[name].claim(view, texts[one])) for one in open_ for name in names
        }
        settled = self.court.settle(asked.values())
        for (one, name), claim in asked.items():
            outcome = settled[claim].outcome
            said[one].append(Said(name, outcome.status.value, outcome.score))
            if outcome.reason:
                reasons[one].append(f"{name}: {outcome.reason}")

    def _elected(
        self, view: ProblemView, texts: Sequence[str], verifiers: Mapping[str, Verifier], config: MajorityConfig
    ) -> str | None:
        votes = Counter(vote for text in texts if (vote := vote_of(view, text, verifiers)))
        winner = elected(ranked({"": votes}, self.court)[""], len(texts), config)
        return winner.chosen.answer if winner else None


def _answer(view: ProblemView, text: str, verifiers: Mapping[str, Verifier]) -> str | None:
    found = (one.answer(view, text) for one in verifiers.values())
    return next((one for one in found if one is not None), None)


class _SharedCourt(Court):
    """A court that remembers what it checked, and whose workers serve one thread at a time.

    A pool gives each `map` in flight workers of its own; a hundred threads would start a hundred times as many.
    """

    def __init__(self, verifiers: Mapping[str, Verifier], pool: WorkerPool, deadline_s: float) -> None:
        super().__init__(verifiers, pool, deadline_s)
        self._lock = threading.Lock()
        self._checked: dict[Asked, Judged] = {}

    def check(self, undecided: Iterable[Asked]) -> Iterator[tuple[Asked, Judged]]:
        wanted = list(undecided)
        if not wanted:
            return iter(())
        with self._lock:
            if len(self._checked) > _REMEMBERED:
                self._checked.clear()
            self._checked.update(super().check(one for one in wanted if one not in self._checked))
            return iter([(one, self._checked[one]) for one in wanted])
