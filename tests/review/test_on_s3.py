"""A batch of a lake on S3 in a PostgreSQL store: opened from the command line, exported into the lake."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine, text

from tasks.lake import Lake

RECIPE = """
name: sums
ingest:
  source: {format: jsonl, path: "%s"}
  problem: {question: question, reference: answer}
  completions: [{text: "texts[]", model: m}]
queue: {count: 5}
review: {}
"""


def test_open_and_export(s3: str, postgres: str, prefect_server: str, tmp_path: Path) -> None:
    name = f"t{secrets.token_hex(8)}"
    engine = create_engine(postgres.replace("://", "+psycopg://") + "/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE blank"))
    engine.dispose()
    rows = [
        {
            "question": f"What is {n} + 1?",
            "answer": str(n + 1),
            "texts": [f"{n} + 1 = {n + of}.\nThe answer is {n + of}." for of in (1, 2)],
        }
        for n in range(10, 14)
    ]
    source, recipe = tmp_path / "sums.jsonl", tmp_path / "sums.yaml"
    source.write_text("\n".join(map(json.dumps, rows)))
    recipe.write_text(RECIPE % source)
    settings = {"PREFECT_API_URL": prefect_server, "TRACEMILL_REVIEW_DB": f"{postgres}/{name}", "COLUMNS": "200"}
    settings["TRACEMILL_LAKE"] = f"{s3}/lake"

    def tracemill(*arguments: str) -> str:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        done = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    tracemill("curate", str(recipe))
    assert "sums" in tracemill("review", "open", str(recipe))
    assert tracemill("review", "export", "sums") == f"0 rounds of reviews: {s3}/lake/reviews/sums.jsonl\n"
    lake = Lake(f"{s3}/lake")
    assert lake.storage.names("reviews") == ["sums.jsonl", "sums.manifest.json"]
    assert lake.row_count(lake.newest()["queue"]) == 4
    assert lake.storage.names("running") == []
