"""How a source's columns become problems and traces."""

from typing import Literal

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.columns import parse
from tasks.sources import SourceConfig


class ProblemColumns(ConfigBase):
    """Which columns describe the problem; each is a path such as `a.b`, `turns[0].value`."""

    question: str
    reference: str | None = None
    reference_marker: str | None = Field(
        None, description="the reference is what follows the last of these in its column, to the line's end: `#### `"
    )
    tests: str | None = None
    constraints: str | None = None
    id: str | None = Field(None, description="a column that names the row; a name given twice is a fault of the file")
    domain: Domain = Domain.MATH

    _paths = field_validator("question", "reference", "tests", "constraints", "id")(
        lambda path: path if path is None else parse(path).text
    )


class CompletionColumns(ConfigBase):
    """Which columns hold a completion; a path with `[]` stands for every element of a list."""

    text: str
    model: str | None = Field(None, description="the model's name, the same for all these completions")
    model_column: str | None = Field(None, description="or the column that names it")
    source: str | None = Field(
        None,
        description="these traces' `source`, such as `gold` for reference solutions; the path unless set",
    )
    on_policy: bool | None = Field(None, description="whether the policy to be trained sampled them")
    labels: dict[str, str] = Field(
        default_factory=dict, description="labels that came with the trace, kept in source_labels: {is_correct: column}"
    )

    _paths = field_validator("text", "model_column")(lambda path: path if path is None else parse(path).text)


class IngestConfig(ConfigBase):
    """Import rows as problems and traces."""

    source: SourceConfig
    problem: ProblemColumns
    completions: tuple[CompletionColumns, ...] = Field(
        (), description="traces that come along; `curate` takes one at least, `refresh` none or gold solutions"
    )
    on_bad_row: Literal["fail", "drop"] = Field(
        "fail",
        description="what broken JSON, a wrong type, invalid UTF-8 or an id given twice does: end the run or the row",
    )
    max_chars: int = Field(1_000_000, gt=0, description="longer questions and traces are dropped")
    limit: int | None = Field(None, gt=0, description="read only so many rows of the source")
    part_rows: int = Field(50_000, gt=0, description="traces a part")
