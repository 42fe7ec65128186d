"""Plug-ins: one file each, found by its module name.

A plug-in module exports `Config` (a ConfigBase) and `build(config)`. Its folder is the registry: nothing is
registered by hand, and a module is imported only when a recipe names it.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from pydantic import ValidationError

from schemas.base import ConfigBase
from schemas.errors import PluginError, RecipeError


class Plugin(Protocol):
    """What a plug-in module exports."""

    Config: type[ConfigBase]
    build: Callable[[Any], Any]


def names(package: str) -> list[str]:
    """The plug-ins of a package (such as `tasks.verify.verifiers`), by name."""
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.name.startswith("_"))


def load(package: str, name: str) -> Plugin:
    """Import one plug-in.

    Raises:
        PluginError: there is none of this name; the message lists those there are.
    """
    known = names(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1]
        raise PluginError(f"unknown name {name!r} in {kind}: use one of {', '.join(known)}")
    return cast("Plugin", importlib.import_module(f"{package}.{name}"))


def configure(package: str, settings: Mapping[str, Any]) -> dict[str, ConfigBase]:
    """Validate a recipe's `{plug-in name: settings}` into each plug-in's own Config, in name order.

    Raises:
        PluginError: a name is unknown.
        RecipeError: a setting is unknown or of the wrong type.
    """
    configs: dict[str, ConfigBase] = {}
    for name in sorted(settings):
        plugin = load(package, name)
        try:
            configs[name] = plugin.Config.model_validate(settings[name] or {})
        except ValidationError as exc:
            raise RecipeError(explain(exc, prefix=(name,))) from exc
    return configs


def spelled_out(given: object) -> object:
    """A plug-in as settings name it, as `{name: settings}`: a bare `vllm` is `vllm: {}`."""
    if isinstance(given, str):
        return {given: {}}
    return {name: settings or {} for name, settings in given.items()} if isinstance(given, dict) else given


def explain(exc: ValidationError, *, prefix: tuple[str, ...] = ()) -> str:
    """One line for a pydantic error: each wrong key with its path, and why."""
    faults = []
    for error in exc.errors():
        key = ".".join(str(part) for part in (*prefix, *error["loc"]))
        message = "is not a known key" if error["type"] == "extra_forbidden" else error["msg"]
        message = message.removeprefix("Value error, ")
        faults.append(f"{key}: {message}")
    return "; ".join(faults)
