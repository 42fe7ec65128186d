"""`key.key=value`: how a setting differs from the recipe's; `*` stands for every entry of a mapping or a list."""

from copy import deepcopy
from typing import Any, Final

import yaml

from schemas.errors import RecipeError

EACH: Final = "*"


def spelled(key: str, value: Any) -> str:
    """An override from a value of plain Python types; `apply` reads it as the same again."""
    how: dict[str, Any] = {"default_flow_style": True, "allow_unicode": True, "sort_keys": False, "width": float("inf")}
    listed = str(yaml.dump([value], Dumper=_Dumper, **how))
    return f"{key}={listed.strip()[1:-1]}"


class _Dumper(yaml.SafeDumper):
    """Quotes line breaks so that they are read again as they were: in single quotes U+0085 would become a space."""

    def text(self, value: str) -> yaml.ScalarNode:
        style = '"' if len(value.splitlines()) > 1 or value != value.rstrip() else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _Dumper.text)


def apply(content: dict[str, Any], override: str) -> None:
    """Set `key.key=value` in a recipe's content; the value is YAML, and missing sections are made.

    Raises:
        RecipeError: it is not of this form, leads through a value, or to nothing where `*` stands.
    """
    key, sign, text = override.partition("=")
    if not sign or not key:
        raise RecipeError(f"--set {override}: give it as key.key=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise RecipeError(f"--set {key}: the value is not YAML") from exc
    *parents, last = key.split(".")
    places: list[Any] = [content]
    for parent in parents:
        places = [_child(place, name, key) for place in places for name in _names(place, parent, key)]
    for place in places:
        for name in _names(place, last, key):
            _put(place, name, deepcopy(value), key)


def _names(place: Any, key: str, where: str) -> list[str]:
    """The key, or all there are for `*`."""
    if key != EACH:
        return [key]
    names = [str(index) for index in range(len(place))] if isinstance(place, list) else list(place)
    if not names:
        raise RecipeError(f"--set {where}: the recipe has no entry that {EACH} could stand for")
    return names


def _child(place: Any, key: str, where: str) -> Any:
    if isinstance(place, list):
        child = place[_index(place, key, where)]
    else:
        child = place.get(key)
        if child is None:
            child = place[key] = {}
    if not isinstance(child, dict | list):
        raise RecipeError(f"--set {where}: {key} holds a value, not keys")
    return child


def _put(place: Any, key: str, value: Any, where: str) -> None:
    if isinstance(place, list):
        place[_index(place, key, where)] = value
    else:
        place[key] = value


def _index(place: list[Any], key: str, where: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise RecipeError(f"--set {where}: {key} is no position in a list of {len(place)}")
    return int(key)
