"""What runs leave on the Prefect page."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

from flows.config import CurateConfig
from flows.curate import curate
from flows.page.people import people
from flows.recipes import resolve
from schemas.errors import EmptyError, RecipeError
from schemas.refs import Stage, Tables
from schemas.tables import PERSONAS, YIELDS
from tasks.lake import Lake, Make

pytestmark = pytest.mark.usefixtures("prefect_server")
Page = Callable[[], dict[str, str]]


def test_two_runs_and_what_the_second_changed(recipe: str, tmp_path: Path, traces: Path, page: Page) -> None:
    lake = str(tmp_path / "lake")
    lines = traces.read_text().splitlines()
    traces.write_text("\n".join(lines[:8]))
    curate(recipe, lake)
    cards = page()
    assert "**new traces**: 24\n" in cards["overview"]
    assert "tiny v1" in cards["overview"]
    assert "no model was asked" in cards["cost"]
    assert "| verify |" in cards["cost"]
    assert "| domain | `math` | 8 | 24 | 16 of 24 " in cards["yields"]
    assert "![yields](data:image/png;base64," in cards["yields"]
    assert "![funnel](data:image/png;base64," in cards["funnel"]
    assert "![coverage](data:image/png;base64," in cards["pass-rates"]

    traces.write_text("\n".join([lines[0], *lines[2:]]))
    curate(recipe, lake)
    cards = page()
    assert "**new traces**: 21 of 45\n" in cards["overview"]
    assert "/artifacts/key/changes)" in cards["overview"]
    changes = cards["changes"]
    assert [line for line in changes.splitlines() if line.startswith("| sft")] == ["| sft/train | 8 | 1 | 0 |"]
    assert "| traces | 24 | 45 | +21 |" in changes
    assert "**sft/train, removed**" in changes
    assert "user: Basket " in changes
    assert "Basket" not in "".join(changes.split("```text")[0])

    curate(recipe, lake)
    assert "tiny v2](" in page()["overview"]
    assert "as before: nothing is new" in page()["overview"]
    assert "**new traces**: 0 of 45\n" in page()["overview"]
    with pytest.raises(EmptyError):
        curate(recipe, lake, ["decontaminate.mode=any_ngram", "decontaminate.ngram=1"])
    assert "**release**: none: release tiny: nothing is left to publish" in page()["overview"]


def test_a_price_decides_nothing(recipe: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    content = yaml.safe_load(Path(recipe).read_text())
    content["models"] = {"m": {"model": "none"}}
    Path(recipe).write_text(yaml.safe_dump(content))
    first = curate(recipe, lake)
    dear = ["models.m.price={prompt: 0.15, completion: 0.6, hour: 2.5}"]
    assert curate(recipe, lake, dear) == first
    with pytest.raises(RecipeError, match="currency"):
        resolve(recipe, ["models.m.price={currency: dollars}"], CurateConfig)


def test_personas_at_either_end_in_fences(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    names = [f"p{at:02}" for at in range(12)]
    persons = [{"persona_id": name, "persona": f"# {name}", "domain": None, "source": "t"} for name in names]
    counts = [dict.fromkeys(("problems", "traces", "judged"), 20) | {"correct": at, "kept": at} for at in range(12)]
    yields = [{"by": "persona", "name": name} | one for name, one in zip(names, counts, strict=True)]
    tables: Tables = {}
    for name, schema, rows in (("personas", PERSONAS, persons), ("yields", YIELDS, yields)):
        made = pa.Table.from_pylist(rows, schema)
        stage = Stage(name=name, version="1", config={}, tables=(name,))
        tables |= lake.run(stage, partial(_parts, {name: made}))
    told = people(lake, tables)
    assert told is not None
    best, worst = told.split("### The worst")
    assert "Of 12 personas" in best
    assert best.index("# p11") < best.index("# p07")
    assert "# p06" not in told
    assert worst.index("# p00") < worst.index("# p04")
    assert "```text\n# p11\n```" in best
    assert people(lake, {}) is None


def _parts(made: dict[str, pa.Table]) -> list[Make]:
    return [lambda: made]
