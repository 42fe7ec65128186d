"""What an answer that is no completion means."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import EngineError
from tasks.engines.faults import Blame, fault_of_status, pause
from tasks.engines.reach import Reach
from tasks.progress import watcher


@pytest.mark.parametrize(
    ("status", "blame"),
    [
        *[(status, Blame.ROW) for status in (400, 413, 422)],
        *[(status, Blame.SETTING) for status in (401, 402, 403, 404, 405)],
        *[(status, Blame.BUSY) for status in (429, 503)],
        *[(status, Blame.SERVER) for status in (408, 409, 500, 502, 504, 599)],
    ],
)
def test_blame_by_status(status: int, blame: Blame) -> None:
    assert fault_of_status(status, "no", {})[:2] == (blame, f"status {status}: no")


@pytest.mark.parametrize(
    ("message", "blame"),
    [
        # vLLM
        ("This model's maximum context length is 1024 tokens. However, you requested 2000 tokens", Blame.LENGTH),
        ("The decoder prompt (length 2) is longer than the maximum model length of 1", Blame.LENGTH),
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 5. This model's maximum context length is 4",
            Blame.LENGTH,
        ),
        # OpenAI
        ("{'error': {'code': 'context_length_exceeded'}}", Blame.LENGTH),
        # llama.cpp
        ("the request exceeds the available context size, try increasing it", Blame.LENGTH),
        # SGLang
        ("The input (2000 tokens) is longer than the model's context length (1024 tokens).", Blame.LENGTH),
        ("Input length (2000 tokens) exceeds the maximum allowed length (1024 tokens).", Blame.LENGTH),
        ("prompt is too long: 5 tokens", Blame.LENGTH),
        ("Conversation roles must alternate user/assistant/user/assistant", Blame.ROW),
        ("Unsupported parameter: 'max_tokens' is not supported with this model", Blame.ROW),
    ],
)
def test_what_servers_say_of_long_prompts(message: str, blame: Blame) -> None:
    assert fault_of_status(400, message, {}).blame is blame
    assert fault_of_status(500, message, {}).blame is Blame.SERVER


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 0),
    ],
)
def test_retry_after(told: str, wait_s: float | None) -> None:
    assert fault_of_status(429, "", {"retry-after": told}).wait_s == wait_s


def test_retry_after_a_date() -> None:
    told = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    wait_s = fault_of_status(429, "", {"retry-after": told}).wait_s
    assert wait_s is not None
    assert 57 < wait_s <= 60


@given(st.integers(0, 10_000), st.none() | st.floats(0, 1000))
def test_pauses_grow_to_a_bound_and_keep_what_was_asked(failures: int, wait_s: float | None) -> None:
    assert (wait_s or 0) <= pause(failures, wait_s) <= (30 if wait_s is None else wait_s + 0.5)


def test_pauses_are_spread() -> None:
    assert len({pause(4, None) for _ in range(20)}) == 20
    assert max(pause(0, None) for _ in range(200)) < 0.5 < max(pause(6, None) for _ in range(200))


def test_a_person_is_told_once_that_a_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, told = [0.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(watcher(), "noted", told.append)
    server = Reach("it", 60)
    for clock[0] in (0.0, 1.0):
        server.failed("boom")
    server.answered()
    assert told == []
    for clock[0] in (10.0, 15.0, 20.0):
        server.failed("boom")
    assert told == ["it does not answer (boom): waiting 55 s more for it"]
    server.answered()
    server.answered()
    assert told[1:] == ["it answers again"]


def test_patience_counts_from_the_first_failure_in_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    server = Reach("it", 10)
    assert not server.lively
    for clock[0] in (0.0, 5.0, 9.0):
        server.failed("boom")
    assert server.left_s == 1
    server.answered()
    assert server.lively
    clock[0] = 100.0
    server.failed("boom")
    assert (server.left_s, server.lively) == (10, False)
    clock[0] = 110.0
    with pytest.raises(EngineError, match=r"it answered no request for 10 s \(boom\)"):
        server.failed("boom")
