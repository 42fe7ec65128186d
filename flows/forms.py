"""The forms of Prefect's page: recipes as a choice, and what changes from night to night as typed fields."""

from functools import partial
from typing import Annotated

from pydantic import Field

from flows import recipes
from flows.fields import OneOf, Sets, Settings
from tasks import plugins
from tasks.export.pieces import PACKAGE as EXPORTERS

SamplingRecipe = Annotated[str, OneOf(partial(recipes.choices, having="generate"))]
CuratingRecipe = Annotated[str, OneOf(partial(recipes.choices, having="ingest", lacking="generate"))]
MixingRecipe = Annotated[str, OneOf(partial(recipes.choices, having="mix"))]
ReviewedRecipe = Annotated[str, OneOf(partial(recipes.choices, having="review"))]
AnyRecipe = Annotated[str, OneOf(partial(recipes.choices, having="name"))]

Target = Annotated[int, Field(ge=0)]

Model = Annotated[
    str | None,
    Sets("models.*.model", beside=("models.*.revision=null",)),
    Field(
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
    Field(title="Temperatures", description="Sample i of a problem is taken at the i-th of them, round and round"),
]
MaxTokens = Annotated[
    int | None,
    Sets("generate.samplers.*.sampling.max_tokens"),
    Field(ge=1, title="Longest trace", description="Tokens at which the sampling of a trace stops"),
]
Deadline = Annotated[
    float | None,
    Sets("verify.deadline_s"),
    Field(gt=0, title="Verifying deadline", description="Seconds for one answer; one that takes longer is an error"),
]
ProblemThreshold = Annotated[
    float | None,
    Sets("dedupe.problems.threshold"),
    Field(
        gt=0,
        le=1,
        title="Near-duplicate problems",
        description="Least Jaccard similarity of two that count as one; lower drops more",
    ),
]
TraceThreshold = Annotated[
    float | None,
    Sets("dedupe.traces.threshold"),
    Field(gt=0, le=1, title="Near-duplicate traces", description="The same, between the traces of one problem"),
]
Formats = Annotated[
    tuple[Annotated[str, OneOf(partial(plugins.names, EXPORTERS))], ...] | None,
    Sets("export.formats", keyed=True),
    Field(
        title="Formats",
        description="What is published, and nothing else; what the recipe says of one of them stays",
    ),
]
Release = Annotated[
    str | None,
    Sets("export.release"),
    Field(pattern=r"^[\w.-]*$", title="Release", description="The name to publish under; the recipe's unless given"),
]
Validation = Annotated[
    float | None,
    Sets("export.validation"),
    Field(ge=0, lt=1, title="Validation share", description="Of the problems, held out with all that is of them"),
]
License = Annotated[
    str | None, Sets("export.license"), Field(title="Licence", description="The one that the card states")
]
Tokenizer = Annotated[
    str | None,
    Sets("export.tokenizer"),
    Field(
        title="Tokenizer",
        description="Counts tokens in columns of their own: a model of the recipe, a folder or a hub id",
    ),
]
Cluster = Annotated[
    str | None,
    Sets("machines.cluster"),
    Field(
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


Count = Annotated[
    int | None,
    Sets("mix.count", needed=True),
    Field(ge=1, title="Rows", description="Rows wanted in all, by traces; a larger number keeps what was taken"),
]


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


class MixSettings(Settings):
    """What is other than the recipe says, in this run."""

    count: Count = None
    problem_threshold: ProblemThreshold = None
    trace_threshold: TraceThreshold = None
    formats: Formats = None
    release: Release = None
    license: License = None
    cluster: Cluster = None


class ExportSettings(Settings):
    """What is other than the recipe says of its release."""

    formats: Formats = None
    release: Release = None
    validation: Validation = None
    tokenizer: Tokenizer = None
    license: License = None
