"""What README and the guides tell people to type and write: commands parse, recipes are valid, links lead somewhere."""

import importlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import yaml
from pydantic import TypeAdapter
from typer.main import get_command

from flows.cli import app
from flows.config import CurateConfig, RefreshConfig
from flows.kinds import configured
from flows.mix_config import MixConfig

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs/guides").glob("*.md")))
_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLUGIN: Final = re.compile(r"^`(tasks/[\w/]+)/(\w+)\.py`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)")
_INLINE: Final = re.compile(r"`((?:tracemill|make) [^`]+)`")
_ENDS: Final = {";", "&", "&&", "|", "||", "(", ")", ">", ">>", "<", "<<"}


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def _blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for found in _BLOCK.finditer(text):
            yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


BLOCKS: Final = tuple(_blocks())


def of_kind(kind: str, fits: Callable[[Block], bool] = lambda _: True) -> pytest.MarkDecorator:
    """One case for each block of a kind."""
    return pytest.mark.parametrize("block", [one for one in BLOCKS if one.kind == kind and fits(one)], ids=str)


def typed(text: str) -> list[list[str]]:
    """The commands of a console block, as words, without what stands before them such as `NAME=value`."""
    lines = re.findall(r"^\$ (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return [command for line in lines for command in commands(line)]


def commands(line: str) -> Iterator[list[str]]:
    """The commands of one line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    command: list[str] = []
    for word in [*lexer, ";"]:
        if word in _ENDS:
            if command:
                yield command
            command = []
        elif command or not re.match(r"\w+=", word):
            command.append(word)


def parse(words: list[str]) -> None:
    """Have the command line read its words, without running anything; raises what a user would be told."""
    command: Any = get_command(app)
    context = None
    while hasattr(command, "resolve_command"):
        context = command.make_context("tracemill", words, parent=context, resilient_parsing=True)
        assert words, "missing command"
        _, command, words = command.resolve_command(context, said := words)
        assert command, f"no such command: {' '.join(said)}"
    command.make_context("tracemill", words, parent=context)


def targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def made(words: list[str]) -> set[str]:
    """The targets that a call of make names."""
    return {word for word in words[1:] if not word.startswith("-") and "=" not in word}


def test_commands_are_taken_apart() -> None:
    assert typed("$ A=1 tracemill sql 'a; b'; make x \\\n  y | head # z\nmore\n") == [
        ["tracemill", "sql", "a; b"],
        ["make", "x", "y"],
        ["head"],
    ]
    for wrong in ("refres demo", "refresh demo --targets 3", "server go", "refresh", "review user"):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            parse(wrong.split())


@of_kind("console")
def test_what_is_typed(block: Block) -> None:
    known = targets()
    for words in typed(block.text):
        if words[0].endswith("tracemill"):
            parse(words[1:])
        if words[0] == "make":
            assert made(words) <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_said_in_passing(page: Path) -> None:
    text = _BLOCK.sub("", page.read_text())
    named = [shlex.split(one.replace("…", "")) for one in _INLINE.findall(text)]
    groups: Mapping[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # a group, for there are several
    assert {words[1] for words in named if words[0] == "tracemill"} <= set(groups)
    assert set().union(*(made(words) for words in named if words[0] == "make")) <= targets()


def written(block: Block) -> Any:
    return yaml.safe_load(block.text)


def is_recipe(block: Block) -> bool:
    content = written(block)
    return "name" in content and not {"ingest", "generate", "mix"}.isdisjoint(content)


def plug_in(package: str, name: str, code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a page's plug-in, for one test."""
    (folder / f"{name}.py").write_text(code)
    there = importlib.import_module(package)
    monkeypatch.setattr(there, "__path__", [*there.__path__, str(folder)])
    monkeypatch.delitem(sys.modules, f"{package}.{name}", raising=False)


@of_kind("yaml", is_recipe)
def test_recipes(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(re.findall(r"\$\{(\w+)\}", block.text)) - {"TRACEMILL_DATA", *os.environ}:
        monkeypatch.setenv(name, "elsewhere")
    for folder, name, code in _PLUGIN.findall(block.page.read_text()):
        plug_in(folder.replace("/", "."), name, code, tmp_path, monkeypatch)
    path = tmp_path / "recipe.yaml"
    path.write_text(block.text)
    configured(str(path), [])


@of_kind("yaml", lambda block: not is_recipe(block))
def test_pieces_of_recipes_and_of_prefect_yaml(block: Block) -> None:
    content = written(block)
    if "deployments" in content:
        return pieces_of(content, yaml.safe_load((ROOT / "prefect.yaml").read_text()))
    fields = CurateConfig.model_fields | RefreshConfig.model_fields | MixConfig.model_fields
    assert set(content) <= set(fields), f"{set(content) - set(fields)}: no sections of a recipe"
    for name, section in content.items():
        TypeAdapter(fields[name].rebuild_annotation()).validate_python(section)
    return None


def pieces_of(said: Any, real: Any) -> None:
    """Keys that are written down are there in the real file, and lists of named things name some of it."""
    if isinstance(said, dict):
        assert set(said) <= set(real)
        for key, value in said.items():
            pieces_of(value, real[key])
    elif isinstance(said, list):
        for one in said:
            names = {key: one[key] for key in ("name", "slug") if key in one}
            pieces_of(one, next(it for it in real if names.items() <= it.items()))


@of_kind("python")
def test_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links(page: Path) -> None:
    for path, anchor in _LINK.findall(_BLOCK.sub("", page.read_text())):
        place = page.parent / path if path else page
        assert place.exists(), path
        assert not anchor or anchor in headings(place), f"{path}#{anchor}"
