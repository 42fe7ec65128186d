"""The queue's page, a reviewer's keys, and how steps look."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

SignedIn = Callable[..., TestClient]


def test_an_empty_store_says_how_to_open_a_batch(signed_in: SignedIn) -> None:
    assert "tracemill review open" in signed_in("ada").get("/").text


def test_keys_are_kept(signed_in: SignedIn) -> None:
    keys = {"wrong": "w", "off": True}
    assert signed_in("ada").put("/api/me/keys", json={"keys": keys}).json() == {"keys": keys}


@pytest.mark.parametrize(
    "keys", [{"wrong": "ww"}, {"wrong": " "}, {"wrong": "w", "okay": "w"}, {"a b": "x"}, {"wrong": True}]
)
def test_keys_that_are_none_are_refused(signed_in: SignedIn, keys: dict[str, object]) -> None:
    assert signed_in("ada").put("/api/me/keys", json={"keys": keys}).status_code in {400, 422}


def test_steps_are_rendered(signed_in: SignedIn) -> None:
    told = signed_in("ada").post("/api/render", json={"texts": ["**a**", "<b>"]}).json()
    assert told["html"] == [
        '<div class="prose" dir="auto"><p><strong>a</strong></p>\n</div>',
        '<div class="prose" dir="auto"><p>&lt;b&gt;</p>\n</div>',
    ]


def test_another_ones_trace_is_not_there(signed_in: SignedIn) -> None:
    assert signed_in("ada").get("/review/nobody").status_code == 404


def test_taking_the_next_one_by_get_claims_nothing(signed_in: SignedIn) -> None:
    assert "Looking for the next trace" in signed_in("ada").get("/review").text
