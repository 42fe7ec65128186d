"""When a problem counts as overlapping a benchmark.

Two rules are published. `any_ngram`: one shared run of n words is enough (s1, Muennighoff et al. 2025; Open-R1). It
also flags mere boilerplate, so look at the spans, and list in `keep` what is no leak. `coverage`: more than `threshold`
of the item's words lie in runs shared with this very problem (Tülu 3, Lambert et al. 2024, section 3.2). Of GSM8K's
1,319 test questions, held against its train questions, `any_ngram` flags 80, nearly all for phrases such as "how many
hours a week does he spend"; `coverage` flags 2, both the same problem with other names and numbers.
"""

from enum import StrEnum

from pydantic import Field

from schemas.base import ConfigBase
from tasks.decontaminate.benchmarks import BenchmarkConfig
from tasks.text.words import Splitting


class Mode(StrEnum):
    """When a problem counts as overlapping an item."""

    ANY_NGRAM = "any_ngram"
    COVERAGE = "coverage"


class DecontaminateConfig(ConfigBase):
    """With what to compare, and what counts as an overlap."""

    benchmarks: dict[str, BenchmarkConfig] = Field(default={}, description="by name; with none, nothing overlaps")
    mode: Mode = Field(default=Mode.ANY_NGRAM, description="any_ngram: one shared n-gram; coverage: see `threshold`")
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
    keep: tuple[str, ...] = Field(
        default=(), description="problem ids that stay although they overlap; the evidence is stored all the same"
    )
    max_items: int = Field(
        default=1, ge=1, description="how many items of a benchmark to store for a problem, best first"
    )
