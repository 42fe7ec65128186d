"""Problems, and what is right of them, for tests of sampling."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest


class Exact:
    """Accepts the texts that end in the problem's reference."""

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        return [text.endswith(str(problem["reference"])) for text in texts]


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
