"""Recipes: YAML files that configure a flow, by name from `data/recipes/` or by path."""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.keys import names_a_key, refuse
from tasks.places import DATA
from tasks.plugins import explain

_VARIABLE = re.compile(r"\$\{(\w+)(?::-((?:[^{}]|\$\{[^{}]*\})*))?\}")

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


def names() -> dict[str, str]:
    """The bundled recipes with their descriptions."""
    return {path.stem: str(_read(path).get("description", "")) for path in sorted((DATA / "recipes").glob("*.yaml"))}


def sections(recipe: str) -> frozenset[str]:
    """What a recipe says something about, by its outermost keys.

    Raises:
        RecipeError: there is no such recipe, or it is not YAML.
    """
    return frozenset(_read(_find(recipe)))


def resolve(recipe: str, overrides: Iterable[str], model: type[Config]) -> Config:
    """Read a recipe, apply `key.key=value` overrides (values are YAML) and validate.

    `${NAME}` and `${NAME:-default}` in a string stand for environment variables, in a default too; `${TRACEMILL_DATA}`
    is the folder that comes with tracemill. Relative paths are relative to the working directory.

    Raises:
        RecipeError: there is no such recipe, it is not YAML, a setting is unknown or of the wrong type, or one holds a
            key or a login.
    """
    path = _find(recipe)
    content = _read(path)
    for override in overrides:
        _override(content, override)
    try:
        expanded = _expanded(content)
        refuse(expanded)
        return model.model_validate(expanded)
    except (ValidationError, RecipeError) as exc:
        message = explain(exc) if isinstance(exc, ValidationError) else str(exc)
        raise RecipeError(f"recipe {recipe}: {message}; mend it, or give --set key=value") from exc


def _find(recipe: str) -> Path:
    if recipe.endswith((".yaml", ".yml")) or os.sep in recipe:
        if Path(recipe).is_file():
            return Path(recipe)
        raise RecipeError(f"recipe {recipe}: no such file")
    bundled = DATA / "recipes" / f"{recipe}.yaml"
    if bundled.is_file():
        return bundled
    known = ", ".join(path.stem for path in sorted(bundled.parent.glob("*.yaml")))
    raise RecipeError(f"recipe {recipe}: there is none of this name; give a path, or one of {known}")


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


def _override(content: dict[str, Any], override: str) -> None:
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"--set {override}: give it as key.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise RecipeError(f"--set {key}: the value is not YAML") from exc
    *parents, last = key.split(".")
    place: Any = content
    for parent in parents:
        place = _child(place, parent, override)
    _put(place, last, value, override)


def _child(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, key, override)]
    if place.get(key) is None:
        place[key] = {}
    if not isinstance(place[key], dict | list):
        raise RecipeError(f"--set {override.partition('=')[0]}: {key} holds a value, not keys")
    return place[key]


def _put(place: Any, key: str, value: Any, override: str) -> None:
    if isinstance(place, list):
        place[_index(place, key, override)] = value
    else:
        place[key] = value


def _index(place: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise RecipeError(f"--set {override.partition('=')[0]}: {key} is no position in a list of {len(place)}")
    return int(key)


def _expanded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    name, default = match.groups()
    if names_a_key(name):
        raise RecipeError(
            f"${{{name}}} would put a key into manifests and pages; name the variable in the engine's `api_key_env`"
        )
    value = str(DATA) if name == "TRACEMILL_DATA" else os.environ.get(name)
    if value is None and default is not None:
        return _VARIABLE.sub(_variable, default)
    if value is None:
        raise RecipeError(
            f"the environment variable {name} is not set; set it, or give a default as ${{{name}:-default}}"
        )
    return value
