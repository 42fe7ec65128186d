"""When a problem counts as overlapping a benchmark.

Two rules are published. `any_ngram`: one shared run of n words is enough (s1, Muennighoff et al. 2025; Open-R1). It
also flags mere boilerplate, so look at the spans, and list in `keep` what is no leak. `coverage`: more than `threshold`
of the item's words lie in runs shared with this very problem (Tülu 3, Lambert et al. 2024, section 3.2). Of GSM8K's
1,319 test questions, held against its train questions, `any_ngram` flags 80, nearly all for phrases such as "how many
hours a week does he spend"; `coverage` flags 2, both the same problem with other names and numbers.

Neither sees an item that was told in other words, which is what `semantic` looks for, beside one of them.
"""

from enum import StrEnum
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from schemas.base import ConfigBase
from tasks.decontaminate.benchmarks import BenchmarkConfig
from tasks.decontaminate.listed import with_listed
from tasks.decontaminate.semantic import MODE, Semantic
from tasks.text.words import Splitting


class Mode(StrEnum):
    """When a problem counts as overlapping an item."""

    ANY_NGRAM = "any_ngram"
    COVERAGE = "coverage"


class DecontaminateConfig(ConfigBase):
    """With what to compare, and what counts as an overlap."""

    benchmarks: dict[str, BenchmarkConfig] = Field(
        default={},
        description="by name; one of data/benchmarks.yaml needs no more than that: `gsm8k: {}`. With none, nothing "
        "overlaps",
    )
    folder: str | None = Field(
        default=None, description="a folder with copies of the listed benchmarks, which is read instead of the hub"
    )
    traces: bool = Field(default=False, description="compare what traces say too, and drop those that overlap")
    mode: Mode = Field(default=Mode.ANY_NGRAM, description="any_ngram: one shared n-gram; coverage: see `threshold`")
    semantic: Semantic | None = Field(
        default=None,
        description="beside `mode`, compare problems with items by their embeddings: `{model: …, threshold: 0.85}`. "
        "Traces are not, for a model reads no more than their beginning",
    )
    ngram: int = Field(default=8, ge=1, description="words a run")
    threshold: float = Field(
        default=0.5, ge=0, lt=1, description="in mode `coverage`, the share of an item's words above which it overlaps"
    )
    whole_min: int = Field(
        default=5,
        ge=1,
        description="a text of fewer words than `ngram` is looked for whole; of fewer than this, only its equal counts",
    )
    splitting: Splitting = Field(
        default=Splitting(), description="how texts become words; numbers are never blurred, they tell problems apart"
    )
    keep: frozenset[str] = Field(
        default=frozenset(),
        description="ids of problems (with their traces) or of traces that stay although they overlap; the evidence is "
        "stored all the same",
    )
    keep_items: dict[str, frozenset[str]] = Field(
        default={}, description="by benchmark, the items that give nothing away: they are not compared"
    )
    max_items: int = Field(
        default=1, ge=1, description="how many items of a benchmark to store for a problem, best first"
    )
    canaries: int = Field(
        default=200, ge=0, description="how many items to plant as leaks, which measures what would be found; 0: none"
    )

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, settings: Any) -> Any:
        if isinstance(settings, dict) and "benchmarks" in settings:
            benchmarks = with_listed(settings["benchmarks"], settings.get("folder"))
            return settings | {"benchmarks": benchmarks}
        return settings

    @field_validator("mode", mode="before")
    @classmethod
    def _beside(cls, given: Any) -> Any:
        if given == MODE:
            raise ValueError(f"{MODE} goes beside any_ngram or coverage: give `semantic: {{model: …}}` instead")
        return given

    @field_validator("keep_items", mode="before")
    @classmethod
    def _names(cls, given: Any) -> Any:
        """An item's name may look like a number in YAML."""
        if not isinstance(given, dict):
            return given
        return {name: [str(item) for item in items] for name, items in given.items()}

    @model_validator(mode="after")
    def _known(self) -> Self:
        unknown = sorted(self.keep_items.keys() - self.benchmarks.keys())
        if unknown:
            raise ValueError(f"keep_items names {', '.join(unknown)}, which is none of the recipe's benchmarks")
        return self

    def settings(self, benchmark: str) -> dict[str, Any]:
        """All that decides what n-grams are found to overlap this benchmark."""
        rule = ("mode", "ngram", "threshold", "whole_min", "splitting", "max_items")
        kept = sorted(self.keep_items.get(benchmark, ()))
        return self.model_dump(mode="json", include=set(rule)) | {"benchmark": benchmark, "keep_items": kept}
