from pathlib import Path

import pytest

from tasks.places import DATA, portable


def test_paths_say_nothing_about_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, here, elsewhere = (tmp_path / name for name in ("bob", "here", "elsewhere"))
    here.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(here)
    given = {
        "bundled": str(DATA / "models/tiny-reasoner"),
        "mine": [{"path": str(home / "sets/a.jsonl")}, str(here / "b.jsonl")],
        "other": str(elsewhere / "secret-customer/c.jsonl"),
        "plain": ["a/b", "org/model", 3, None, "/usr/bin is where\nit lies", "s3://bucket/x"],
    }
    assert portable(given) == {
        "bundled": "${TRACEMILL_DATA}/models/tiny-reasoner",
        "mine": [{"path": "~/sets/a.jsonl"}, "b.jsonl"],
        "other": "c.jsonl",
        "plain": ["a/b", "org/model", 3, None, "/usr/bin is where\nit lies", "s3://bucket/x"],
    }
