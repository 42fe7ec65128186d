"""The forms of Prefect's page: recipes as a choice, and the settings that change from night to night, typed and flat.

A field that is left empty leaves the recipe as it is. One that is filled in becomes an ordinary override
(`flows/overrides.py`), which is applied before those that a run is given as text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Annotated, Any, NamedTuple

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, SerializerFunctionWrapHandler, model_serializer
from pydantic_core import CoreSchema

from flows import recipes
from flows.overrides import EACH, spelled
from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks import plugins
from tasks.export.pieces import PACKAGE as EXPORTERS


@dataclass(frozen=True)
class OneOf:
    """A drop-down on the form; in Python any value of the type will do, such as a recipe's path."""

    names: Callable[[], Sequence[str]]
    """Asked when the schema is made, which is when a flow is deployed."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The type's own schema, with the names."""
        return handler(schema) | {"enum": list(self.names())}


@dataclass(frozen=True)
class Emptied:
    """May be left empty: one input on the form, where `null` would be a second one beside it."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema without `null`; Prefect's server takes null all the same where there is no default."""
        return _without_null(handler(schema))


class Sets(NamedTuple):
    """The recipe's key that a field stands for."""

    key: str
    needed: bool = False
    """Whether the recipe has to have the key's section, for a field alone does not make one."""
    keyed: bool = False
    """Whether the key is a mapping by the names that the field lists."""
    beside: tuple[str, ...] = ()
    """Overrides that go with it."""


SamplingRecipe = Annotated[str, OneOf(partial(recipes.choices, having="generate"))]
CuratingRecipe = Annotated[str, OneOf(partial(recipes.choices, having="ingest", lacking="generate"))]
ReviewedRecipe = Annotated[str, OneOf(partial(recipes.choices, having="review"))]
AnyRecipe = Annotated[str, OneOf(partial(recipes.choices, having="name"))]

Target = Annotated[int | None, Emptied(), Field(ge=1)]
BatchName = Annotated[str | None, Emptied()]

Model = Annotated[
    str | None,
    Sets("models.*.model", beside=("models.*.revision=null",)),
    Field(
        min_length=1,
        title="Model",
        description="A folder, a hub id, or the name a server knows it by; for all models of the recipe",
    ),
]
NewProblems = Annotated[
    int | None,
    Sets("problems.count", needed=True),
    Field(ge=0, title="New problems", description="Problems to ask for in this run, where a model writes them"),
]
Samples = Annotated[
    int | None,
    Sets("generate.samplers.*.n"),
    Field(ge=1, title="Samples per problem", description="Traces of each problem, by each of the recipe's samplers"),
]
UntilAccepted = Annotated[
    int | None,
    Sets("generate.samplers.*.until_accepted"),
    Field(ge=1, title="Stop at correct traces", description="Stop sampling a problem that has so many correct traces"),
]
Temperatures = Annotated[
    tuple[Annotated[float, Field(ge=0)], ...] | None,
    Sets("generate.samplers.*.temperatures"),
    Field(min_length=1, title="Temperatures", description="The ladder: sample i is taken at the i-th, round and round"),
]
MaxTokens = Annotated[
    int | None,
    Sets("generate.samplers.*.sampling.max_tokens"),
    Field(ge=1, title="Longest trace", description="In tokens; sampling stops there"),
]
Deadline = Annotated[
    float | None,
    Sets("verify.deadline_s"),
    Field(gt=0, title="Verifying deadline", description="Seconds for one answer; one that takes longer is an error"),
]
ProblemThreshold = Annotated[
    float | None,
    Sets("dedupe.problems.threshold"),
    Field(gt=0, le=1, title="Alike problems", description="Least Jaccard similarity of duplicates; lower drops more"),
]
TraceThreshold = Annotated[
    float | None,
    Sets("dedupe.traces.threshold"),
    Field(gt=0, le=1, title="Alike traces", description="The same between the traces of one problem"),
]
Formats = Annotated[
    tuple[Annotated[str, OneOf(partial(plugins.names, EXPORTERS))], ...] | None,
    Sets("export.formats", keyed=True),
    Field(
        min_length=1,
        title="Formats",
        description="What is published, and nothing else; what the recipe says of one of them stays",
    ),
]
Release = Annotated[
    str | None,
    Sets("export.release"),
    Field(pattern=r"^[\w.-]+$", title="Release", description="The name to publish under; the recipe's unless given"),
]
Validation = Annotated[
    float | None,
    Sets("export.validation"),
    Field(ge=0, lt=1, title="Validation share", description="Of the problems, held out with all that is of them"),
]
License = Annotated[
    str | None, Sets("export.license"), Field(min_length=1, title="Licence", description="The one that the card states")
]
Tokenizer = Annotated[
    str | None,
    Sets("export.tokenizer"),
    Field(
        min_length=1,
        title="Tokenizer",
        description="Counts tokens in columns of their own: a model of the recipe, a folder or a hub id",
    ),
]
Cluster = Annotated[
    str | None,
    Sets("machines.cluster"),
    Field(
        min_length=1,
        title="Cluster",
        description="Run stages there: ray://host:10001, ray:host:6379 or dask:tcp://host:8786; this machine unless "
        "given",
    ),
]
Workers = Annotated[
    int | None,
    Sets("machines.workers"),
    Field(ge=1, title="Workers that generate", description="Each with an engine of its own; 1: the run itself"),
]


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


class RefreshSettings(Settings):
    """What is other than the recipe says, in this run."""

    model: Model = None
    new_problems: NewProblems = None
    samples: Samples = None
    until_accepted: UntilAccepted = None
    temperatures: Temperatures = None
    max_tokens: MaxTokens = None
    deadline_s: Deadline = None
    problem_threshold: ProblemThreshold = None
    trace_threshold: TraceThreshold = None
    formats: Formats = None
    release: Release = None
    cluster: Cluster = None
    workers: Workers = None


class CurateSettings(Settings):
    """What is other than the recipe says, in this run."""

    model: Model = None
    deadline_s: Deadline = None
    problem_threshold: ProblemThreshold = None
    trace_threshold: TraceThreshold = None
    formats: Formats = None
    release: Release = None
    cluster: Cluster = None


class ExportSettings(Settings):
    """What is other than the recipe says of its release."""

    formats: Formats = None
    release: Release = None
    validation: Validation = None
    tokenizer: Tokenizer = None
    license: License = None


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
    section, _, last = sets.key.partition(".")
    said = (content.get(section) or {}).get(last) or {}
    return {name: said.get(name) or {} for name in given}
