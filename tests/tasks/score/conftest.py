"""Sums, worked out line by line; who goes on from right lines comes to the answer."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from tasks.engines.contract import Request

QUESTION = "What is 1 + 2 + 3 + 4?"
LINES = ("1 + 2 = 3", "3 + 3 = 6", "6 + 4 = 10", "It is 10.")


def go_on(request: Request) -> str:
    """The lines that are missing; after a wrong one a wrong answer."""
    begun = request.prefix.splitlines()
    right = begun == list(LINES[: len(begun)])
    return "\n".join(LINES[len(begun) :]) if right else "It is 11."


class Exact:
    """Accepts what ends in the problem's reference."""

    settings: Mapping[str, Any] = {"exact": 1}

    def accepted(self, problem: Mapping[str, Any], texts: Sequence[str]) -> list[bool]:
        return [text.rstrip(".").endswith(f" {problem['reference']}") for text in texts]


@pytest.fixture
def adder() -> Callable[[Request], str]:
    return go_on


@pytest.fixture
def live() -> Exact:
    return Exact()


@pytest.fixture
def problem() -> dict[str, Any]:
    """A row of PROBLEMS."""
    return {"problem_id": "p", "domain": "math", "question": QUESTION, "reference": "10", "source": "t", "round": 0}


@pytest.fixture
def told_of() -> Callable[[int], str]:
    """The trace whose line of that number is wrong, and all after it; -1 for the right one."""

    def text(wrong: int) -> str:
        lines = [*LINES[:wrong], *(f"no {n} = 5" for n in range(3 - wrong)), "It is 11."]
        return "\n".join(LINES if wrong < 0 else lines[:4])

    return text
