"""Recipes: YAML files that configure a flow, by path or by name.

Names are those of the bundled ones and of your own: `*.yaml` in the folder that the environment variable
TRACEMILL_RECIPES names, else in `recipes/` of the working directory, where that is. Of two of one name yours counts.
"""

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError

from flows.overrides import apply
from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.places import DATA
from tasks.plugins import explain

OWN: Final = "TRACEMILL_RECIPES"
BUNDLED: Final = DATA / "recipes"
_FOLDER: Final = "recipes"
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-((?:[^{}]|\$\{[^{}]*\})*))?\}")

Config = TypeVar("Config", bound=ConfigBase)


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[Any] = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name} is given twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


class Known(NamedTuple):
    """A recipe that goes by a name."""

    name: str
    path: Path
    description: str
    sections: frozenset[str]
    """What it says something about, by its outermost keys; nothing where it cannot be read."""

    @property
    def own(self) -> bool:
        """Whether it is the user's, not a bundled one."""
        return self.path.parent != BUNDLED

    @property
    def hides(self) -> bool:
        """Whether it stands in the place of a bundled one of the same name."""
        return self.own and (BUNDLED / self.path.name).is_file()


def known() -> list[Known]:
    """All recipes that go by a name, sorted by it; of one that is no recipe the description says why.

    Raises:
        RecipeError: TRACEMILL_RECIPES names no folder.
    """
    return [_known(path, path.stat().st_mtime_ns) for _, path in sorted(_named().items())]


def names() -> dict[str, str]:
    """The recipes that go by a name, with their descriptions."""
    return {one.name: one.description for one in known()}


def choices(having: str, lacking: str = "") -> list[str]:
    """The names of the recipes that have one section and lack another."""
    return [one.name for one in known() if having in one.sections and lacking not in one.sections]


def sections(recipe: str) -> frozenset[str]:
    """What a recipe says something about, by its outermost keys.

    Raises:
        RecipeError: there is no such recipe, or it is not YAML.
    """
    return frozenset(read(recipe))


def read(recipe: str) -> dict[str, Any]:
    """What a recipe says, as it stands there.

    Raises:
        RecipeError: there is no such recipe, or it is not YAML.
    """
    return _read(_find(recipe))


def lasting(recipe: str) -> str:
    """What other processes find a recipe by, wherever they run: a bundled one's name, or a path.

    Raises:
        RecipeError: there is no such recipe.
    """
    path = _find(recipe)
    return recipe if path.parent == BUNDLED else str(path.resolve())


def resolve(recipe: str, overrides: Iterable[str], model: type[Config]) -> Config:
    """Read a recipe, apply `key.key=value` overrides (values are YAML, `*` stands for every entry) and validate.

    `${NAME}` and `${NAME:-default}` in a string stand for environment variables, in a default too; `${TRACEMILL_DATA}`
    is the folder that comes with tracemill. Relative paths are relative to the working directory.

    Raises:
        RecipeError: there is no such recipe, it is not YAML, or a key is unknown or has the wrong type.
    """
    content = read(recipe)
    for override in overrides:
        apply(content, override)
    try:
        return model.model_validate(_expanded(content))
    except (ValidationError, RecipeError) as exc:
        message = explain(exc) if isinstance(exc, ValidationError) else str(exc)
        raise RecipeError(f"recipe {recipe}: {message}; mend it, or give --set key=value") from exc


def _named() -> dict[str, Path]:
    """Bundled recipes and the user's own, which come last, by name."""
    told = os.environ.get(OWN)
    if told and not Path(told).is_dir():
        raise RecipeError(f"{OWN}: {told} is no folder; make it, or unset the variable")
    return {path.stem: path for folder in (BUNDLED, Path(told or _FOLDER)) for path in folder.glob("*.yaml")}


@lru_cache(maxsize=256)
def _known(path: Path, changed: int) -> Known:  # noqa: ARG001 - the time of the change is part of the cache's key
    try:
        content = _read(path)
    except RecipeError as exc:
        return Known(path.stem, path, str(exc), frozenset())
    return Known(path.stem, path, str(content.get("description") or ""), frozenset(map(str, content)))


def _find(recipe: str) -> Path:
    if recipe.endswith((".yaml", ".yml")) or os.sep in recipe:
        if Path(recipe).is_file():
            return Path(recipe)
        raise RecipeError(f"recipe {recipe}: no such file")
    named = _named()
    if recipe in named:
        return named[recipe]
    raise RecipeError(f"recipe {recipe}: there is none of this name; give a path, or one of {', '.join(sorted(named))}")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except (OSError, UnicodeDecodeError) as exc:
        raise RecipeError(f"recipe {path}: cannot be read: {exc}") from exc
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"recipe {path}{line}: not YAML: {getattr(exc, 'problem', exc)}") from exc
    if not isinstance(content, dict):
        raise RecipeError(f"recipe {path}: a recipe is a mapping of keys to settings")
    return content


def _expanded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    name, default = match.groups()
    value = str(DATA) if name == "TRACEMILL_DATA" else os.environ.get(name)
    if value is None and default is not None:
        return _VARIABLE.sub(_variable, default)
    if value is None:
        raise RecipeError(
            f"the environment variable {name} is not set; set it, or give a default as ${{{name}:-default}}"
        )
    return value
