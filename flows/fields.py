"""What forms on Prefect's page are made of: drop-downs, and models of one level whose fields stand for a recipe's keys.

A field that is left empty leaves the recipe as it is. One that is filled in becomes an ordinary override
(`flows/overrides.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from pydantic import ConfigDict, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic_core import CoreSchema

from flows import recipes
from flows.overrides import EACH, spelled
from schemas.base import ConfigBase
from schemas.errors import RecipeError


@dataclass(frozen=True)
class OneOf:
    """A drop-down on the form; in Python any value of the type will do, such as a recipe's path."""

    names: Callable[[], Sequence[str]]
    """Asked when the schema is made, which is when a flow is deployed."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The type's own schema, with the names."""
        return handler(schema) | {"enum": list(self.names())}


class Sets(NamedTuple):
    """The recipe's key that a field stands for."""

    key: str
    needed: bool = False
    """Whether the recipe has to have the key's section, for a field alone does not make one."""
    keyed: bool = False
    """Whether the key is a mapping by the names that the field lists."""
    beside: tuple[str, ...] = ()
    """Overrides that go with it."""


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """`anyOf: [X, null]` becomes X, and a default of null goes."""
    either = schema.get("anyOf", [])
    some = [one for one in either if one != {"type": "null"}]
    if len(some) != 1 or len(either) != 2:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf" and (key, value) != ("default", None)}
    found: dict[str, Any] = some[0] | rest
    return found


def _flat(schema: dict[str, Any]) -> None:
    schema["properties"] = {name: _without_null(one) for name, one in schema["properties"].items()}


class Settings(ConfigBase):
    """One level of fields, all optional: each with a `Sets`, and None for what the recipe says."""

    model_config = ConfigDict(json_schema_extra=_flat)

    @model_validator(mode="before")
    @classmethod
    def _filled_in(cls, given: Any) -> Any:
        """An input that was filled in and emptied again comes as an empty text or list."""
        return {name: one for name, one in given.items() if one not in ("", [])} if isinstance(given, dict) else given

    @model_serializer(mode="wrap")
    def _given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What a run's page shows: the fields that are filled in."""
        return {name: value for name, value in handler(self).items() if value is not None}

    def overrides(self, recipe: str) -> list[str]:
        """What is filled in, as overrides of a recipe.

        Raises:
            RecipeError: there is no such recipe, or it has nothing that a field could set.
        """
        content = recipes.read(recipe)
        made: list[str] = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is None:
                continue
            sets = next(one for one in field.metadata if isinstance(one, Sets))
            if lacking := _lacking(content, sets):
                raise RecipeError(
                    f"recipe {recipe}: has no `{lacking}`, so the setting {name} changes nothing; leave it empty, or "
                    "take another recipe"
                )
            made += [spelled(sets.key, _value(value, content, sets)), *sets.beside]
        return made


def _lacking(content: Mapping[str, Any], sets: Sets) -> str | None:
    """The section without which a key has nothing to set: one that is null, or one that a field alone does not make."""
    above = sets.key.split(".")[:-1]
    needed = sets.needed or EACH in above
    place: Any = content
    for end, part in enumerate(takewhile(EACH.__ne__, above), start=1):
        if not isinstance(place, Mapping) or (part not in place and not needed):
            return None
        place = place.get(part)
        if place is None or (needed and not place):
            return ".".join(above[:end])
    return None


def _value(given: Any, content: Mapping[str, Any], sets: Sets) -> Any:
    """In plain types; names with what the recipe says of each."""
    if not sets.keyed:
        return list(given) if isinstance(given, tuple) else given
    said: Any = content
    for part in sets.key.split("."):
        said = said.get(part) if isinstance(said, Mapping) else None
    return {name: (said.get(name) if isinstance(said, Mapping) else None) or {} for name in given}
