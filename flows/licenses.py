"""The licences of all that a recipe reads, for the card of its release."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from flows.config import CurationConfig, RefreshConfig
from schemas.base import ConfigBase
from schemas.summary import Mixture
from tasks.personas.personas import BUNDLED
from tasks.places import DATA
from tasks.sources import SourceConfig
from tasks.terms import NOT_STATED

_OURS: Final = "apache-2.0"


def licenses(config: CurationConfig, mixture: Mixture | None = None) -> dict[str, str]:
    """The licence of each source anywhere in a recipe, by the source's name; several of one name are listed.

    Of a mixture also the licences of its releases, and of what these were made of.
    """
    found: dict[str, list[str]] = {}
    for source in sources(config):
        found.setdefault(source.name, []).append(source.license or (_OURS if _bundled(source) else NOT_STATED))
    if isinstance(config, RefreshConfig) and config.problems and config.personas.source is None:
        found[f"personas ({BUNDLED})"] = [_OURS]
    own = {name: ", ".join(sorted(set(told))) for name, told in sorted(found.items())}
    return (of_releases(mixture) if mixture else {}) | own


def of_releases(mixture: Mixture) -> dict[str, str]:
    """The licences that a mixture's releases brought along."""
    return {name: terms for those in mixture.licenses.values() for name, terms in those.items()}


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
