"""Keys stay out of what is shown."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.engines.redact import redact, redacted_logs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key my-own-key here", "key [hidden] here"),
        ("key=my%2Down-key, Token bXktb3duLWtleQ==", "key=my%2Down-key, Token [hidden]=="),
        ("Authorization: Bearer abcdefgh.ijk_l-m~n", "Authorization: Bearer [hidden]"),
        ("authorization: basic bWU6cGFzcw==", "authorization: basic [hidden]"),
        ("Incorrect API key provided: sk-proj-abc***************xyz.", "Incorrect API key provided: [hidden]."),
        ("hf_abcdefghijklm and nvapi-abcdefghijk", "[hidden] and [hidden]"),
        ("at http://user:pass@host:80/v1", "at http://[hidden]@host:80/v1"),
        ("https://host/v1?mail=a@b", "https://host/v1?mail=a@b"),
        ("task-oriented ask-me-anything desk-lamp", "task-oriented ask-me-anything desk-lamp"),
    ],
)
def test_redact(text: str, shown: str) -> None:
    assert redact(text, ["my-own-key"]) == shown


@given(st.text(), st.text(min_size=4), st.text())
def test_no_secret_is_left(before: str, secret: str, after: str) -> None:
    shown = redact(before + secret + after, [secret])
    assert secret not in shown.replace("[hidden]", "\0")


def test_a_short_key_hides_nothing_else() -> None:
    assert redact("a cab", ["a", ""]) == "a cab"


def test_logs_are_redacted_inside_the_block_only(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("httpcore.connection.test")
    logger.setLevel(logging.DEBUG)
    with redacted_logs(["my-own-key"]):
        logger.debug("sent %s %d", "my-own-key", 3)
    logger.debug("sent %s", "harmless")
    assert caplog.messages == ["sent [hidden] 3", "sent harmless"]
    assert not logger.filters
