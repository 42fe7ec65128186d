"""What a recipe says: one field per stage."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from flows.machines import MachinesConfig
from flows.yields import AlarmConfig
from review.config import ReviewConfig
from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.decontaminate.config import DecontaminateConfig
from tasks.dedupe.dedupe import DedupeConfig
from tasks.engines.models import ModelConfig
from tasks.engines.rewards import REWARD, scores
from tasks.export.release import ExportConfig
from tasks.export.tokens import check
from tasks.generate.config import GenerateConfig
from tasks.ingest.config import IngestConfig
from tasks.judge.judges import Judge, judges
from tasks.label.config import LabelConfig
from tasks.personas.personas import PersonasConfig
from tasks.preferences.pairs import PairsConfig
from tasks.problems.config import ProblemsConfig
from tasks.prompts import Prompting
from tasks.reviews import REVIEWERS
from tasks.rewrite.config import RewriteConfig
from tasks.score.config import ScoreConfig
from tasks.score.scores import ROLLOUTS
from tasks.score.searched import SEARCH
from tasks.select.queue import QueueConfig
from tasks.select.select import configured
from tasks.verify.program import WitnessConfig
from tasks.verify.rule import NOBODY, OPEN
from tasks.verify.verify import VerifyConfig


class CurationConfig(ConfigBase):
    """How traces become a release, wherever they came from."""

    name: str = Field(pattern=r"^[\w.-]+$", description="names the data set, its release and the run")
    description: str = ""
    models: dict[str, ModelConfig] = Field(default={}, description="the models, by the names that stages use")
    verify: VerifyConfig = VerifyConfig()
    judges: dict[str, dict[str, dict[str, Any] | None]] = Field(
        default={},
        description="models that judge traces: by a name, which verify.rule may use as a verifier's, a kind with its "
        "settings. They are asked one after another when all is sampled: while sampling goes on (until_accepted, "
        "--target-accepted) verifiers alone say what is accepted",
    )
    dedupe: DedupeConfig = DedupeConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    select: tuple[dict[str, dict[str, Any] | None], ...] = Field(
        default=(), description="selectors, one after another: `- quality: {}`, `- pass_rate: {most: 0.9}`"
    )
    machines: MachinesConfig = MachinesConfig()
    queue: QueueConfig | None = Field(default=None, description="wrong traces that people look at first; null: none")
    review: ReviewConfig | None = Field(
        default=None, description="how people review the queue on the review page: `tracemill review open`"
    )
    rewrite: RewriteConfig | None = Field(
        default=None, description="steps that people have rewritten: a model goes on from them, which makes new traces"
    )
    score: ScoreConfig | None = Field(
        default=None,
        description="score the steps of verified traces by what continuations of them come to, or by a reward model; "
        "such verdicts say which step is the first wrong one and have no part in where a trace stands",
    )
    labels: LabelConfig | None = Field(
        default=None,
        description="verdicts of the review page's reviewers on steps; they have no part in where a trace stands",
    )
    preferences: PairsConfig = PairsConfig()
    export: ExportConfig = ExportConfig()
    gold: IngestConfig | None = Field(
        default=None,
        description="labelled traces (`is_correct`) on which every run measures its verifiers; no release has them",
    )

    STAGES: ClassVar[dict[str, tuple[str, ...]]]
    """The stages that may drop rows of a table, in order; each has a field of its name."""

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """Those of them that this recipe has."""
        having = {table: tuple(one for one in those if getattr(self, one)) for table, those in self.STAGES.items()}
        return {table: those for table, those in having.items() if those}

    @model_validator(mode="after")
    def _semantic_fits(self) -> Self:
        semantic = self.decontaminate.semantic
        if semantic and semantic.judge:
            _among("decontaminate.semantic.judge.model", semantic.judge.model, "models", self.models)
            _fits("decontaminate.semantic.judge.model", semantic.judge.model, self.models, scoring=False)
        return self

    @model_validator(mode="after")
    def _selects(self) -> Self:
        configured(self.select)
        if self.queue and self.queue.judge is not None:
            _among("queue.judge", self.queue.judge, "judges", self.judges)
        if self.review and not self.queue:
            raise RecipeError("review: nothing is queued to be reviewed; add `queue: {count: 50}`")
        return self

    @model_validator(mode="after")
    def _going_on_fits(self) -> Self:
        for name, one in (("rewrite", self.rewrite), ("score", self.score)):
            if one:
                _among(f"{name}.model", one.model, "models", self.models)
        if self.rewrite:
            _fits("rewrite.model", self.rewrite.model, self.models, scoring=False)
        if self.score:
            _fits("score.model", self.score.model, self.models, scoring=self.score.method == REWARD)
        return self

    @model_validator(mode="after")
    def _tokenizer_fits(self) -> Self:
        if self.export.tokenizer and self.export.tokenizer not in self.models:
            check(self.export.tokenizer)
        return self

    @model_validator(mode="after")
    def _judges_fit(self) -> Self:
        appointed = self.appointed()
        for name, one in appointed.items():
            _among(f"judges.{name}.{one.kind_name}.model", one.config.model, "models", self.models)
            _fits(f"judges.{name}.{one.kind_name}.model", one.config.model, self.models, scoring=False)
        if taken := sorted({*self.verify.verifiers, NOBODY, ROLLOUTS, SEARCH, REWARD, REVIEWERS} & set(appointed)):
            raise RecipeError(f"judges: {taken[0]} is a verifier's name; give the judge another one")
        deciding = [name for name, one in appointed.items() if one.decides]
        self.verify.rule.check(list(self.verify.verifiers), deciding)
        return self

    @property
    def lakes(self) -> tuple[str, ...]:
        """Other lakes that a run reads."""
        return ()

    @property
    def prompts(self) -> Mapping[str, Prompting]:
        """How problems were put to models, by the `source` of the traces that came of it."""
        return {}

    @model_validator(mode="after")
    def _rules_have_judges(self) -> Self:
        appointed = self.appointed()
        for name, rule in self.preferences.built().items():
            fit = [judge for judge, one in appointed.items() if one.kind_name in rule.kinds]
            if rule.judge is not None and rule.judge not in fit:
                raise RecipeError(
                    f"preferences.rules.{name}.judge: {rule.judge} is none of the recipe's judges of kind "
                    f"{' or '.join(rule.kinds)}, which are {', '.join(fit) or 'none'}; name one, or add it to `judges`"
                )
        return self

    def appointed(self) -> dict[str, Judge]:
        """The recipe's judges by name, in the order in which they are asked: that of the rule, then the recipe's.

        By the rule `first` those in `order` are asked only about traces that nobody before them has judged.

        Raises:
            RecipeError: a judge's kind or setting is unknown.
        """
        order = self.verify.rule.order
        made = judges(self.judges)
        turns = [*filter(made.__contains__, order), *(name for name in made if name not in order)]
        return {name: made[name].among(OPEN) if name in order else made[name] for name in turns}


def _unmixed(recipe: Any) -> Any:
    """A recipe as it is said, which mixes no releases.

    Raises:
        ValueError: it does.
    """
    if "mix" in recipe:
        raise ValueError("this recipe mixes releases: run it with `tracemill mix`")
    return recipe


def _among(setting: str, name: str, what: str, there: Collection[str]) -> None:
    """Look whether the recipe has a model or judge that a setting names.

    Raises:
        RecipeError: it has not.
    """
    if name not in there:
        raise RecipeError(f"{setting}: {name} is none of the recipe's {what}, which are {', '.join(there) or 'none'}")


def _fits(setting: str, name: str, models: Mapping[str, ModelConfig], *, scoring: bool) -> None:
    """Look whether the model that a setting names is a reward model, where it is to score, and else is none.

    Raises:
        RecipeError: it is not as it has to be.
    """
    if scores(models[name]) == scoring:
        return
    if scoring:
        raise RecipeError(f"{setting}: {name} is no reward model; give it an engine that is, such as `reward: {{}}`")
    raise RecipeError(f"{setting}: {name} is a reward model, which scores and does not write; name another one")


class CurateConfig(CurationConfig):
    """Curate traces that somebody already has."""

    ingest: IngestConfig

    @field_validator("ingest")
    @classmethod
    def _has_traces(cls, ingest: IngestConfig) -> IngestConfig:
        if not ingest.completions:
            raise ValueError("`completions` names no column with traces")
        return ingest

    @model_validator(mode="before")
    @classmethod
    def _of_this_flow(cls, recipe: Any) -> Any:
        if "generate" in recipe:
            raise ValueError("this recipe generates traces: run it with `tracemill refresh`")
        return _unmixed(recipe)

    STAGES: ClassVar = {
        "problems": ("ingest", "verify", "dedupe", "decontaminate", "select"),
        "traces": ("ingest", "rewrite", "verify", "dedupe", "decontaminate", "select"),
    }


class RefreshConfig(CurationConfig):
    """Generate traces, and curate them, of problems that a model writes or that are there already, or of both.

    A recipe's name is its data set's: runs add to what is there.
    """

    models: dict[str, ModelConfig] = Field(min_length=1, description="the models, by the names that stages use")
    personas: PersonasConfig = PersonasConfig()
    ingest: IngestConfig | None = Field(
        default=None, description="problems that are there already; with `completions` their gold solutions"
    )
    problems: ProblemsConfig | None = Field(default=None, description="problems that a model writes")
    generate: GenerateConfig
    alarm: AlarmConfig | None = Field(
        default=AlarmConfig(), description="when a run that yields little is an alarm; null: never"
    )
    witness: WitnessConfig | None = Field(
        default=None, description="have programs written that bear witness to a majority's answer (verify.majority)"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_this_flow(cls, recipe: Any) -> Any:
        if "ingest" in recipe and "generate" not in recipe:
            raise ValueError("this recipe imports traces: run it with `tracemill curate`")
        return _unmixed(recipe)

    @model_validator(mode="after")
    def _has_problems(self) -> Self:
        if self.problems is None and self.ingest is None:
            raise RecipeError("problems: no model writes any, and `ingest` brings none; give one of the two")
        return self

    @model_validator(mode="after")
    def _writers_write(self) -> Self:
        writers = {f"generate.samplers.{name}.model": one.model for name, one in self.generate.samplers.items()}
        writers |= {"problems.model": self.problems.model} if self.problems else {}
        writers |= {"witness.model": self.witness.model} if self.witness else {}
        for setting, name in writers.items():
            _among(setting, name, "models", self.models)
            _fits(setting, name, self.models, scoring=False)
        return self

    @model_validator(mode="after")
    def _strategies_fit(self) -> Self:
        for name, sampler in self.generate.samplers.items():
            strategy, built = sampler.built()
            for use in built.uses:
                setting = f"generate.samplers.{name}.strategy.{strategy}.{use.setting}"
                _among(setting, use.model, "models", self.models)
                _fits(setting, use.model, self.models, scoring=use.rewards)
        return self

    STAGES: ClassVar = {
        "personas": ("personas",),
        "problems": ("ingest", "problems", "dedupe", "decontaminate", "verify", "select"),
        "traces": ("ingest", "generate", "rewrite", "verify", "dedupe", "decontaminate", "select"),
    }

    @property
    def stages(self) -> dict[str, tuple[str, ...]]:
        """The same; personas are asked only where a model writes problems."""
        return {table: those for table, those in super().stages.items() if self.problems or table != "personas"}

    @property
    def prompts(self) -> Mapping[str, Prompting]:
        """The samplers', by name."""
        return self.generate.samplers
