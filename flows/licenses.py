"""The licences of all that a recipe reads, for the card of its release."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from flows.config import CurationConfig, RefreshConfig
from schemas.base import ConfigBase
from tasks.personas.personas import BUNDLED
from tasks.places import DATA
from tasks.sources import SourceConfig

NOT_STATED: Final = "not stated"
_OURS: Final = "apache-2.0"


def licenses(config: CurationConfig) -> dict[str, str]:
    """The licence of each source anywhere in a recipe, by the source's name; several of one name are listed."""
    found: dict[str, list[str]] = {}
    for source in sources(config):
        found.setdefault(source.name, []).append(source.license or (_OURS if _bundled(source) else NOT_STATED))
    if isinstance(config, RefreshConfig) and config.problems and config.personas.source is None:
        found[f"personas ({BUNDLED})"] = [_OURS]
    return {name: ", ".join(sorted(set(told))) for name, told in sorted(found.items())}


def _bundled(source: SourceConfig) -> bool:
    return Path(source.path).is_relative_to(DATA)


def sources(value: object) -> Iterator[SourceConfig]:
    """Every source in a settings model, however deep."""
    if isinstance(value, SourceConfig):
        yield value
    elif isinstance(value, ConfigBase):
        for name in type(value).model_fields:
            yield from sources(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from sources(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from sources(one)
