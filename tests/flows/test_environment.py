"""What a run by hand sets for Prefect, and what it says without a server."""

import os
from importlib.metadata import version

import pytest

from flows.environment import quiet_prefect, reachable
from schemas.errors import ServerError


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("DRIVER", "NAME", "CONNECTION_URL"):
        # Set first, so that what the code sets is taken back as well.
        monkeypatch.setenv(f"PREFECT_SERVER_DATABASE_{part}", "")
        monkeypatch.delenv(f"PREFECT_SERVER_DATABASE_{part}")
    monkeypatch.delenv("PREFECT_API_DATABASE_CONNECTION_URL", raising=False)
    monkeypatch.setenv("DO_NOT_TRACK", "0")


def test_each_version_of_prefect_has_its_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_HOME", "/somewhere")
    quiet_prefect()
    assert os.environ["PREFECT_SERVER_DATABASE_NAME"] == f"/somewhere/tracemill-{version('prefect')}.db"
    assert os.environ["DO_NOT_TRACK"] == "0"


def test_a_database_that_a_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", "postgresql+asyncpg://db/prefect")
    quiet_prefect()
    assert "PREFECT_SERVER_DATABASE_NAME" not in os.environ


@pytest.mark.parametrize(
    ("prefect_says", "said"),
    [
        ("Failed to reach API at http://127.0.0.1:1/api/", "answers at http://127.0.0.1:1/api/; start it"),
        ("Timed out while attempting to connect to ephemeral Prefect API server.", "`prefect server start` says why"),
    ],
)
def test_a_missing_server_is_one_sentence(prefect_says: str, said: str) -> None:
    with pytest.raises(ServerError, match=said), reachable():
        raise RuntimeError(prefect_says)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="something else"), reachable():
        raise RuntimeError("something else")
