"""The soak in small, and what its numbers are."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.soak import growth, schedule
from benchmarks.soak_faults import FAULTS


def test_every_kind_of_fault_has_its_turn_and_the_refresh_after_it_has_none() -> None:
    faults = schedule(50, 3)
    assert len(faults) == 50
    assert set(faults[::2]) == {""}
    assert faults[-1] == ""
    turns = Counter(faults[1:-1:2])
    assert set(turns) == set(FAULTS)
    assert max(turns.values()) - min(turns.values()) <= 1
    assert schedule(50, 3) == faults != schedule(50, 4)


def test_growth_is_of_a_warm_process() -> None:
    assert growth([900.0] * 4 + [100.0] * 36 + [110.0] * 10) == pytest.approx(10)
    assert growth([5.0] * 50) == 0
    assert growth([4.0, 4.0]) == 0


@pytest.mark.timeout(600)
def test_nothing_is_lost_though_a_manifest_is_cut_and_the_engine_breaks(tmp_path: Path) -> None:
    found = tmp_path / "metrics.json"
    command = [
        sys.executable,
        "-m",
        "benchmarks.soak",
        "--samples=1",
        "--json",
        str(found),
        "--faults",
        "truncated",
        "engine",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    metrics = json.loads(found.read_text())["metrics"]
    assert metrics["faults"] == 2
    assert metrics["refreshes"] == 4
    assert metrics["digests_held"] > 100
    assert [metrics[name] for name in ("lost", "broken", "changed", "children_left", "temporary_left")] == [0] * 5
