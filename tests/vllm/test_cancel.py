"""A run that is told to end while vLLM generates: as Prefect's worker does, by SIGTERM to its process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tasks.lake import Lake

ROOT = Path(__file__).parents[2]
START_S = 240
GRACE_S = 30
"""Prefect kills a run that takes longer."""
RECIPE = """
name: long
models: {tiny: {model: "${TRACEMILL_DATA}/models/tiny-reasoner", engine: {vllm: {max_num_seqs: 4, dtype: float32}}}}
ingest:
  source: {format: jsonl, path: "${TRACEMILL_DATA}/samples/demo-problems.jsonl"}
  problem: {question: question, reference: answer}
  limit: 10
generate:
  samplers: {tiny: {model: tiny, on_policy: true, n: 20, sampling: {max_tokens: 400, temperature: 2}}}
export: {formats: {sft: {}}}
"""
RUN = "import sys; from flows.refresh import refresh; refresh(*sys.argv[1:])"


def started(recipe: Path, lake: Path, server: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", RUN, str(recipe), str(lake)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "PREFECT_API_URL": server})


def stored(lake: Path) -> set[str]:
    paths = lake.glob("traces/*/journal-*")
    return {str(one) for path in paths for one in pq.read_table(path, columns=["trace_id"])["trace_id"].to_pylist()}


def running(family: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(family, timeout=5)
    return [one for one in left if one.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(600)
def test_it_ends_in_time_without_a_process_and_goes_on_from_what_is_stored(prefect_server: str, tmp_path: Path) -> None:
    recipe, lake = tmp_path / "long.yaml", tmp_path / "lake"
    recipe.write_text(RECIPE)
    with started(recipe, lake, prefect_server) as run:
        until = time.monotonic() + START_S
        while not any(lake.glob("traces/*/journal-*")):
            assert run.poll() is None, "it ended before anything was sampled"
            assert time.monotonic() < until
            time.sleep(0.05)
        family = psutil.Process(run.pid).children(recursive=True)
        assert any("EngineCore" in one.name() for one in family)
        run.send_signal(signal.SIGTERM)
        assert run.wait(GRACE_S) != 0
    assert running(family) == []
    kept = stored(lake)
    assert 0 < len(kept) < 200

    with started(recipe, lake, prefect_server) as again:
        assert again.wait(2 * START_S) == 0
    finished = Lake(str(lake))
    traces = finished.rows(finished.newest(), "traces", ["trace_id"])["trace_id"].to_pylist()
    assert len(traces) == 200
    assert kept <= set(map(str, traces))
