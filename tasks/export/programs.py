"""Tests of programs, in the forms that RL trainers read; those that a problem may have are `tasks.verify.suite`'s."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Pair(NamedTuple):
    """What a program reads from standard input, and what it should print."""

    given: str
    wanted: str


def loaded(text: str) -> Any:
    """What a JSON text holds; None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def pairs(found: Any) -> list[Pair]:
    """Standard inputs and outputs (APPS) in loaded tests; none where they are of another form."""
    if isinstance(found, Mapping) and "fn_name" not in found:
        told: Iterable[tuple[Any, Any]] = zip(found.get("inputs", ()), found.get("outputs", ()), strict=False)
    elif isinstance(found, list) and all(isinstance(one, Mapping) for one in found):
        told = ((one.get("input"), one.get("output")) for one in found)
    else:
        return []
    both = [Pair(given, wanted) for given, wanted in told]
    return both if all(isinstance(text, str) for pair in both for text in pair) else []


def asserts(tests: str) -> list[str]:
    """Texts that each run after the program and raise where it is wrong; none where the tests are of another form.

    Tests that need a setup before the program, or that define `check` and do not name its function, have no such form.
    """
    if tests.lstrip()[:1] not in ("{", "["):
        return [] if "def check(" in tests else [tests]
    found = loaded(tests)
    if isinstance(found, list):
        return found if all(isinstance(one, str) for one in found) else []
    if not isinstance(found, Mapping) or "tests" not in found or found.get("setup"):
        return []
    body = found["tests"] if isinstance(found["tests"], str) else "\n".join(map(str, found["tests"]))
    if "def check(" not in body:
        return [body]
    entry = found.get("entry_point")
    return [f"{body}\n\ncheck({entry})"] if entry else []
