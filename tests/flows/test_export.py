"""`export`: a finished run is published by other settings, and nothing else is done."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flows.curate import curate, import_traces
from flows.export import export
from flows.forms import ExportSettings
from schemas.errors import LakeError
from tasks.lake import Lake

pytestmark = pytest.mark.usefixtures("prefect_server")


def test_a_run_is_published_again_by_other_settings(
    recipe: str, tmp_path: Path, page: Callable[[], dict[str, str]]
) -> None:
    lake = str(tmp_path / "lake")
    first = curate(recipe, lake)
    assert {name.split("/")[0] for name in first.formats} == {"sft", "dpo"}

    again = export(recipe, lake, settings=ExportSettings(formats=("kto",), license="mit"))
    assert (again.name, again.version, again.previous) == ("tiny", "v2", "v1")
    assert list(again.formats) == ["kto/train"]
    assert again.tables == first.tables
    assert again.summary.funnel == first.summary.funnel
    assert again.summary.exported["kto/train"] > 0
    assert "license: mit" in (tmp_path / "lake/releases/tiny/v2/README.md").read_text()
    last = Lake(lake).last("tiny")
    assert last is not None
    assert last.release == "tiny/v2"
    assert "releases/tiny/v2" in page()["release"]

    assert export(recipe, lake).version == "v1"
    other = export(recipe, lake, ["export.validation=0.5"], ExportSettings(release="halved", formats=("sft",)))
    assert (other.name, set(other.formats)) == ("halved", {"sft/train", "sft/validation"})


def test_a_lake_without_a_finished_run_has_nothing_to_publish(recipe: str, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    with pytest.raises(LakeError, match="no run of recipe tiny has finished in it; run the recipe first"):
        export(recipe, lake)
    import_traces(recipe, lake)
    with pytest.raises(LakeError, match="no run of recipe tiny has finished"):
        export(recipe, lake)
