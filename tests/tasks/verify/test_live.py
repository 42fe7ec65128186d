from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from schemas.tables import PROBLEMS
from tasks.verify.live import LiveVerifier
from tasks.verify.majority import MajorityConfig
from tasks.verify.verify import VerifyConfig

Row = dict[str, Any]


def problem(reference: str | None, **columns: str) -> Row:
    return dict.fromkeys(PROBLEMS.names) | {"domain": "math", "question": "How many?", "reference": reference} | columns


@pytest.fixture(scope="module")
def live() -> Iterator[LiveVerifier]:
    with LiveVerifier(VerifyConfig(processes=2, deadline_s=2, majority=MajorityConfig())) as one:
        yield one


def test_texts_against_the_reference(live: LiveVerifier) -> None:
    texts = ["A: 18", r"\boxed{18.0}", "A: 19", "no idea", "", "The answer is 18 dollars."]
    assert live.accepted(problem("18"), texts) == [True, True, False, False, False, True]
    assert live.accepted(problem("x+1"), ["A: 1+x", "A: x-1"]) == [True, False]
    assert live.accepted(problem("18"), []) == []


def test_texts_against_their_majority(live: LiveVerifier) -> None:
    texts = ["A: 18", "A: 18.0", "A: 20", "no idea", "A: 18 dollars"]
    assert live.accepted(problem(None), texts) == [True, True, False, False, True]
    assert live.accepted(problem(None), texts[:4]) == [False] * 4
    assert live.accepted(problem(" "), ["A: 1+x", "A: x+1", "A: x + 1"]) == [True] * 3
    assert live.accepted(problem(None), []) == []


def test_nothing_is_accepted_without_a_reference_or_a_verifier(live: LiveVerifier) -> None:
    texts = ["A: 18"] * 4
    assert live.accepted(problem(None, domain="open"), texts) == [False] * 4
    assert live.accepted(problem(None, tests="assert f() == 18"), texts) == [False] * 4
    with LiveVerifier(VerifyConfig()) as plain:
        assert plain.accepted(problem(None), texts) == [False] * 4
        assert plain.accepted(problem("18"), texts) == [True] * 4


def test_a_check_that_hangs_is_not_accepted(live: LiveVerifier) -> None:
    hanging = r"\boxed{\int_0^\infty \sin(x^3) \cos(x) / (x + \ln(x + 2)) \, dx}"
    assert live.accepted(problem("7"), [hanging, "A: 1"]) == [False, False]


def test_many_threads_ask_and_a_claim_is_checked_once(live: LiveVerifier, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[int] = []
    pool_map = live.court.pool.map

    def counting(function: Any, items: Any, **options: Any) -> Any:
        claims = list(items)
        checked.append(len(claims))
        return pool_map(function, claims, **options)

    monkeypatch.setattr(live.court.pool, "map", counting)

    def ask(number: int) -> list[bool]:
        n = number % 8 + 1
        return live.accepted(problem(f"y + {n}"), [f"A: {n} + y", "A: y", f"A: y + {n}"])

    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(ask, range(64)))
    assert found == [[True, False, True]] * 64
    assert sum(checked) <= 16
