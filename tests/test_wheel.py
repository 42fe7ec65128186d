"""The wheel, unpacked somewhere else, holds what a run needs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_wheel_elsewhere_has_recipes_and_samples(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    assert not (site / "data/lake").exists()
    assert not (site / "tests").exists()
    # The unpacked tracemill comes before the installed one, and says where its data lie.
    code = """
import flows.recipes as recipes
from fastapi.testclient import TestClient
from review.store.database import Database
from review.web.app import create_app
from tasks.decontaminate.listed import listed
assert (recipes.DATA / "samples/demo-traces.jsonl").is_file()
assert (recipes.DATA / "models/tiny-prm/model.safetensors").is_file()
assert "gsm8k" in listed()
store = Database("sqlite:///review.db")
store.migrate()
page = TestClient(create_app(store))
assert "Sign in" in page.get("/login").text
assert page.get("/static/vendor/katex/katex.min.js").status_code == 200
print(recipes.DATA, *recipes.names(), sep="\\n")
"""
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    place, *names = done.stdout.splitlines()
    assert place == str(site / "data")
    assert {"demo", "gsm8k-model-solutions"} <= set(names)
