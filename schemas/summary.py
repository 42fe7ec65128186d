"""What a run came to: the numbers behind the card, the page, the terminal and `tracemill stats`."""

from collections import Counter
from typing import Final

from pydantic import Field

from schemas.base import ConfigBase


class FunnelStep(ConfigBase):
    """What one stage left of one table, and why it dropped the rest."""

    stage: str
    table: str
    before: int
    after: int
    reasons: dict[str, int]


CONTAMINATED: Final = 0.02
"""The share of a benchmark's items above which Tülu 3 calls a set contaminated (Lambert et al. 2024, section 3.2)."""


class BenchmarkOverlap(ConfigBase):
    """How much of a benchmark the problems overlap, and the traces where these are compared too."""

    benchmark: str
    items: int
    overlapped: int
    problems: int
    traces: int = 0

    @property
    def share(self) -> float:
        """Of the benchmark's items, those that overlap."""
        return self.overlapped / self.items if self.items else 0.0

    @property
    def contaminated(self) -> bool:
        """Whether that is more than CONTAMINATED."""
        return self.share > CONTAMINATED


class Disagreement(ConfigBase):
    """A verdict that differs from the label that came with the trace."""

    trace_id: str
    label: bool
    status: str
    extracted_answer: str | None
    reference: str | None
    reason: str


class Rate(ConfigBase):
    """A share with its 95 % interval (Wilson 1927); an empty one has no share."""

    count: int
    of: int
    low: float | None
    high: float | None

    @property
    def share(self) -> float | None:
        """The count by what it is of."""
        return self.count / self.of if self.of else None


class Yield(ConfigBase):
    """What came of one domain, model or sampler, or of one persona."""

    by: str
    name: str
    problems: int
    traces: int
    correct: Rate
    """Of the model's own samples that were judged."""
    kept: int
    """Correct traces that no stage dropped."""

    @property
    def share(self) -> float | None:
        """Kept / traces."""
        return self.kept / self.traces if self.traces else None


class Canary(ConfigBase):
    """How many of a benchmark's own items, changed in one way, decontamination finds: by themselves, and in other text.

    For a `leak` that is recall; for texts that are none, false positives.
    """

    variant: str
    leak: bool
    alone: Rate
    embedded: Rate | None = None


class LabelAgreement(ConfigBase):
    """One verifier's verdicts against the labels that came along; traces that are unverifiable are counted apart."""

    verifier: str
    label: str
    labelled: int
    agreeing: int
    unverifiable: int
    low: float
    high: float
    false_positives: Rate
    """Of the traces labelled wrong, those it calls correct."""
    false_negatives: Rate
    """Of the traces labelled right, those it calls incorrect."""
    disagreements: tuple[Disagreement, ...]
    """The first thousand of them."""

    @property
    def share(self) -> float:
        """Agreeing / labelled; `low` and `high` are its Wilson 95 % interval."""
        return self.agreeing / self.labelled if self.labelled else 1.0


class JudgeReport(ConfigBase):
    """One judge's judgements, and what they lean to that should not matter."""

    judge: str
    kind: str
    judgements: int
    repaired: int
    """Read at the second try."""
    unreadable: int
    swayed: Rate
    """Pairs of which the two orders do not give the same."""
    first: Rate
    """Choices that fell on what was shown first."""
    first_by_chance: float | None
    longer: Rate
    """Won comparisons that the longer text won."""
    length_correlation: float | None
    """Of ratings and lengths (Spearman's); None where texts are not rated by themselves, or all the same."""


class TokenLengths(ConfigBase):
    """How many tokens the texts in one column of a released format have, over all its rows."""

    format: str
    column: str
    median: int
    p95: int
    longest: int


class PairReport(ConfigBase):
    """What one rule's pairs are like; it is not known of all whether they are on-policy."""

    rule: str
    pairs: int
    on_policy: int
    off_policy: int
    chosen_length: int
    """The median, in tokens where these are known, else in characters."""
    rejected_length: int
    chosen_longer: int
    rejected_longer: int


class MixedCell(ConfigBase):
    """What came of the counted traces that one release has in one domain and difficulty."""

    release: str
    domain: str
    difficulty: str
    offered: int
    same: dict[str, int] = Field(default_factory=dict)
    """Those that an earlier release has too, by that release."""
    duplicates: dict[str, int] = Field(default_factory=dict)
    """Those that dedupe dropped, by the release that has what they repeat."""
    leaks: int
    unfit: int
    """Dropped by selectors, or because their problem has another reference here."""
    over: int
    """Over a share or a cap, or without a weight."""
    kept: int
    rows: int
    """The kept ones, each as often as it is repeated."""

    @property
    def left_out(self) -> Counter[str]:
        """Traces that are not kept, by why."""
        found = Counter({f"also in {release}": count for release, count in self.same.items()})
        found.update({f"repeats {release}": count for release, count in self.duplicates.items()})
        found.update({"leaks": self.leaks, "unfit": self.unfit, "over share, cap": self.over})
        return +found


class MixedShare(ConfigBase):
    """One group of a mixture: what it was to have, and what it has."""

    group: tuple[str, ...]
    """A release, and its parts where the recipe has `within`."""
    wanted: float
    """Of all rows."""
    rows: int


class Mixture(ConfigBase):
    """What a mixture is made of."""

    licenses: dict[str, dict[str, str]]
    """By release (`name/version`): its own under its name, and those of what it was made of."""
    wanted: int | None
    """The rows that the recipe asks for."""
    cells: tuple[MixedCell, ...]
    shares: tuple[MixedShare, ...]
    exported: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Rows by release, and by format and split."""

    @property
    def rows(self) -> int:
        """Counted traces, each as often as it is repeated."""
        return sum(one.rows for one in self.shares)


class SearchReport(ConfigBase):
    """What came of one strategy's searches."""

    strategy: str
    searches: int
    right: int
    """Searches that chose a trace that stands as correct."""
    not_right: int
    """Searches that chose another one; the rest chose none."""
    broken_off: dict[str, int]
    """Searches that could not go on, by what broke them off."""
    branches: int
    tokens: int
    """Sampled for branches, not for what was asked beside them."""


class Summary(ConfigBase):
    """One run of a recipe in numbers."""

    recipe: str
    funnel: tuple[FunnelStep, ...]
    verdicts: dict[str, int]
    """All traces by status."""
    kept_verdicts: dict[str, int]
    """The traces that no stage dropped, by status."""
    pass_at_k: dict[int, float] = Field(default_factory=dict)
    """pass@k over the problems' judged traces, by k (Chen et al. 2021)."""
    pass_rates: tuple[int, ...] = ()
    """Problems by the share of their judged traces that is correct, in ten bins."""
    yields: tuple[Yield, ...] = ()
    """By domain, model and sampler; of each the largest."""
    tokens: int | None = None
    """All tokens that were sampled, for problems, traces and judgements; None where none was."""
    searches: tuple[SearchReport, ...] = ()
    """By strategy, where samplers search."""
    agreements: tuple[LabelAgreement, ...] = ()
    """By verifier, where traces came with labels or the recipe has a gold slice."""
    judges: tuple[JudgeReport, ...] = ()
    benchmarks: tuple[BenchmarkOverlap, ...] = ()
    canaries: tuple[Canary, ...] = ()
    """What decontamination finds of leaks that were planted."""
    queued: int | None = None
    """Wrong traces in the review queue; None where the recipe asks for none."""
    pairs: dict[str, int] = Field(default_factory=dict)
    """Pairs by rule."""
    no_pairs: dict[str, int] = Field(default_factory=dict)
    """Kept problems without a pair, by reason."""
    refused_pairs: dict[str, int] = Field(default_factory=dict)
    """Pairs that rules chose and guards refused, by reason."""
    pairing: tuple[PairReport, ...] = ()
    """What pairs are like, by rule."""
    mixture: Mixture | None = None
    """Of a mixture of releases: what came from where."""
    exported: dict[str, int] = Field(default_factory=dict)
    """Rows by format and split: `sft/train`."""
    tool_traces: int = 0
    """Kept traces that called tools."""
    toolless: tuple[str, ...] = ()
    """Formats that have no place for calls, and leave such traces out."""
    tokens_by_column: tuple[TokenLengths, ...] = ()
    """Where `export.tokenizer` is set."""

    @property
    def left_out(self) -> str:
        """A sentence on the traces that formats leave out since these called tools; empty where there are none."""
        if not (self.tool_traces and self.toolless):
            return ""
        return f"{self.tool_traces:,} traces called tools; without a place for calls: {', '.join(self.toolless)}"

    @property
    def accepted(self) -> int:
        """Traces that are correct and that no stage dropped."""
        return self.kept_verdicts.get("correct", 0)
