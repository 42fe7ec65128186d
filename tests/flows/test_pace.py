"""What a stage's pace says."""

import pytest

from flows.pace import Pace


def test_rows_tokens_and_what_an_accepted_trace_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pace = Pace(200)
    assert pace.outcome() == "done before, kept"
    now += 30
    pace.rows += 50
    assert pace.line() == "50 of 200 rows, 2 rows/s, 90 s left"
    pace.measure({"tokens": 6_000})
    assert pace.speed() == "200 tokens/s"
    pace.measure({"accepted": 20, "tokens": 3_000})
    assert pace.speed() == "300 tokens/s, 20 accepted, 40/min, 450 tokens and 1.5 s each"
    assert pace.share == 0.25
    assert pace.outcome() == "50 rows in 30.0 s, 300 tokens/s, 20 accepted, 40/min, 450 tokens and 1.5 s each"


def test_an_unknown_total_has_no_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    pace = Pace(None)
    now += 2
    pace.rows = 10
    assert pace.line() == "10 rows, 5 rows/s"
    assert pace.share == 0
