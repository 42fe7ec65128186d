"""The way from a run's page to the batch that reviewers work on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from flows.curate import curate
from flows.page.reviewing import PAGE
from flows.review import open_review
from flows.store import STORE, store
from review import batches, users
from review.store.models import Role
from review.web.app import create_app

pytestmark = pytest.mark.usefixtures("prefect_server")
ADDRESS = "http://review.test"
WORDS = "correct horse battery"
REVIEWED = ["review={}", "queue={count: 3}"]


def test_a_run_links_its_open_batch_where_the_review_page_shows_it(
    recipe: str, tmp_path: Path, page: Callable[[], dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = str(tmp_path / "lake")
    monkeypatch.setenv(STORE, f"sqlite:///{tmp_path}/review.db")
    monkeypatch.setenv(PAGE, f"{ADDRESS}/")
    curate(recipe, lake, REVIEWED)
    assert "tiny" not in page().get("review", "")

    name = open_review(recipe, lake, REVIEWED)
    with store() as database:
        with database.writing() as session:
            batch = batches.find(session, name).id
            users.add(session, "tests", "ada", WORDS, Role.REVIEWER)
        link = f"[review batch {name}]({ADDRESS}/#{batch})"
        assert page()["review"] == link
        client = TestClient(create_app(database), base_url=ADDRESS, headers={"Origin": ADDRESS})
        client.post("/api/login", json={"name": "ada", "password": WORDS})
        assert f'id="{batch}">{name}<' in client.get("/").text

    monkeypatch.setenv(PAGE, "http://elsewhere.test")
    curate(recipe, lake, REVIEWED)
    assert page()["review"] == link.replace(ADDRESS, "http://elsewhere.test")

    with store() as database, database.writing() as session:
        batches.close(session, "tests", batches.find(session, name), "done")
    monkeypatch.setenv(PAGE, "http://nowhere.test")
    curate(recipe, lake, REVIEWED)
    assert "nowhere.test" not in page()["review"]
