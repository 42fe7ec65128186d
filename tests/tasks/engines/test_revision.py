"""A folder's revision follows its files."""

import os
import shutil
from pathlib import Path

import pytest

from schemas.errors import EngineError
from tasks.engines import revision
from tasks.engines.revision import folder_of, revision_of

MODEL = Path(__file__).parents[3] / "data/models/tiny-reasoner"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return shutil.copytree(MODEL, tmp_path / "model")


def test_it_is_the_files_and_not_where_they_lie(copy: Path) -> None:
    before = revision_of(str(MODEL))
    assert revision_of(str(copy)) == before
    (copy / "README.md").write_text("another card")
    (copy / ".cache").mkdir()
    (copy / ".cache" / "note").write_text("x")
    assert revision_of(str(copy)) == before


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json", "chat_template.jinja"])
def test_every_file_counts(copy: Path, name: str) -> None:
    before = revision_of(str(copy))
    content = (copy / name).read_bytes()
    (copy / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert revision_of(str(copy)) != before


def test_names_count(copy: Path) -> None:
    before = revision_of(str(copy))
    (copy / "config.json").rename(copy / "other.json")
    assert revision_of(str(copy)) != before


def test_of_a_large_file_samples_are_read(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revision, "_WHOLE", 1 << 20)
    before = revision_of(str(copy))
    weights = copy / "model.safetensors"
    with weights.open("r+b") as file:
        file.seek(-2, os.SEEK_END)
        file.write(b"ab")
    changed = revision_of(str(copy))
    with weights.open("ab") as file:
        file.write(b"c")
    assert len({before, changed, revision_of(str(copy))}) == 3


def test_a_hundred_gigabytes_take_no_time(copy: Path) -> None:
    os.truncate(copy / "model.safetensors", 100 << 30)
    assert revision_of(str(copy)) != revision_of(str(MODEL))


def test_a_hub_id_goes_by_its_revision() -> None:
    assert revision_of("nobody/nothing", "v1") == "v1"
    assert revision_of("nobody/nothing") is None
    assert folder_of("nobody/nothing") is None


def test_a_cached_hub_id_goes_by_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--some--one" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = tmp_path / "models--some--one" / "refs"
    refs.mkdir()
    (refs / "main").write_text("a" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.file_download.constants.HF_HUB_CACHE", str(tmp_path))
    assert revision_of("some/one") == "a" * 40


@pytest.mark.parametrize("model", ["./models/none", "/nowhere/at/all", "a/b/c", "~/no-such-model", ""])
def test_no_folder_is_said(model: str) -> None:
    with pytest.raises(EngineError, match=r"model: .*folder"):
        revision_of(model)


def test_a_file_or_an_empty_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="holds no model"):
        revision_of(str(tmp_path))
    with pytest.raises(EngineError, match="is a file"):
        revision_of(str(MODEL / "config.json"))
