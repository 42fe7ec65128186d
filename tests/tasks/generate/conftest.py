"""Problems, and what is right of them, for tests of sampling."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pytest

from schemas.tables import Status


class Said(NamedTuple):
    """Where a text stands."""

    status: Status
    answer: str | None
    reason: str = ""


class Exact:
    """Accepts the texts that end in the problem's reference; of what ends in "?" it knows nothing."""

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        return [one.status is Status.CORRECT for one in self.told(problem, texts)]

    def told(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[Said]:
        return [self._one(str(problem["reference"]), text) for text in texts]

    def _one(self, reference: str, text: str) -> Said:
        if text.endswith("?"):
            return Said(Status.ERROR, None, "the verifier was late")
        right = text.endswith(reference)
        return Said(
            Status.CORRECT if right else Status.INCORRECT, text.rsplit(maxsplit=1)[-1] if text.split() else None
        )


@pytest.fixture
def live() -> Exact:
    """A live verifier that needs no workers."""
    return Exact()


@pytest.fixture
def problems() -> list[dict[str, Any]]:
    """Twenty sums."""
    return [
        {"problem_id": f"p{n}", "domain": "math", "question": f"What is {n} + 1?", "reference": str(n + 1)}
        for n in range(20)
    ]
