"""What a refresh grows from is made again where it is damaged, of whichever round it is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from flows.refresh import GROWING, refresh
from schemas.errors import DamagedError, SourceError
from schemas.refs import Ref, ReleaseManifest
from tasks.lake import Lake
from tasks.places import DATA

pytestmark = pytest.mark.usefixtures("prefect_server")


def flipped(folder: Path) -> None:
    for part in folder.glob("part-*"):
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 0x20
        part.write_bytes(data)


def deleted(folder: Path) -> None:
    for part in folder.glob("part-*"):
        part.unlink()


def truncated(folder: Path) -> None:
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Problems that a model writes and problems that are there, each sampled twice, one after another."""
    folder = tmp_path_factory.mktemp("recipe")
    content = yaml.safe_load((DATA / "recipes/demo.yaml").read_text())
    content["name"] = "small"
    content["models"]["tiny"]["engine"] = {"transformers": {"batch": 1}}
    content["problems"]["count"] = 40
    content["generate"]["samplers"]["tiny"]["n"] = 2
    content["verify"]["majority"] = None
    content["decontaminate"] = {"benchmarks": {}}
    samples = (DATA / "samples/demo-problems.jsonl").read_text().splitlines(keepends=True)
    (folder / "given.jsonl").write_text("".join(samples[:4]))
    content["ingest"] = {
        "source": {"format": "jsonl", "path": str(folder / "given.jsonl")},
        "problem": {"question": "question", "reference": "answer"},
    }
    (folder / "small.yaml").write_text(yaml.safe_dump(content))
    return folder / "small.yaml"


@pytest.fixture(scope="module")
def twice(prefect_server: str, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReleaseManifest]:
    """A lake after two refreshes, and its release."""
    lake = tmp_path_factory.mktemp("twice") / "lake"
    refresh(str(recipe), str(lake))
    return lake, refresh(str(recipe), str(lake))


@pytest.mark.parametrize("damage", [flipped, deleted, truncated])
def test_a_damaged_table_is_made_again(
    damage: Callable[[Path], None], twice: tuple[Path, ReleaseManifest], recipe: Path, tmp_path: Path
) -> None:
    lake = Lake(str(shutil.copytree(twice[0], tmp_path / "lake")))
    release = twice[1]
    growing = _growing(lake, release)
    assert {name for name, _ in growing} == {"ingest", "problems", "generate", "screen"}
    for _, ref in growing:
        damage(Path(lake.url, ref.path))
    again = refresh(str(recipe), lake.url, sample=False)
    assert [ref for _, ref in growing if not lake.whole(ref)] == []
    assert (again.version, again.formats, again.summary) == (release.version, release.formats, release.summary)


def test_of_completions_what_is_whole_is_kept(
    twice: tuple[Path, ReleaseManifest], recipe: Path, tmp_path: Path
) -> None:
    lake = Lake(str(shutil.copytree(twice[0], tmp_path / "lake")))
    written = twice[1].tables["completions"]
    for ref in written:
        truncated(Path(lake.url, ref.path))
    rows = Lake(str(twice[0])).row_count(written)
    assert refresh(str(recipe), lake.url, sample=False).formats == twice[1].formats
    assert lake.row_count(written) == rows
    flipped(Path(lake.url, written[0].path))
    assert refresh(str(recipe), lake.url, sample=False).formats == twice[1].formats
    assert lake.row_count(written) == rows - Lake(str(twice[0])).row_count(written[:1])


def test_what_cannot_be_made_again_is_named(twice: tuple[Path, ReleaseManifest], recipe: Path, tmp_path: Path) -> None:
    lake = Lake(str(shutil.copytree(twice[0], tmp_path / "lake")))
    (imported,) = {ref for name, ref in _growing(lake, twice[1]) if name == "ingest" and ref.table == "problems"}
    flipped(Path(lake.url, imported.path))
    given = recipe.parent / "given.jsonl"
    before = given.read_text()
    given.write_text(before.replace("a", "e"))
    with pytest.raises(SourceError, match=r"given.jsonl: has other content than when it was imported"):
        refresh(str(recipe), lake.url, sample=False)
    given.write_text(before)
    (Path(lake.url, imported.path) / "manifest.json").unlink()
    (Path(lake.url, imported.path) / "stage.json").unlink()
    with pytest.raises(DamagedError, match=f"{imported.path} is damaged, and nothing that this recipe has"):
        refresh(str(recipe), lake.url, sample=False)


def _growing(lake: Lake, release: ReleaseManifest) -> list[tuple[str, Ref]]:
    """The tables that runs grow from, with the names of their stages, but completions."""
    refs = [ref for name in ("problems", "traces", "dropped") for ref in release.tables[name]]
    stages = [(made.stage.name, ref) for ref in refs if (made := lake.manifest(ref)) is not None]
    return [(name, ref) for name, ref in stages if name in GROWING]
