"""What a recipe says: one field per stage."""

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.decontaminate.config import DecontaminateConfig
from tasks.dedupe.dedupe import DedupeConfig
from tasks.engines.models import ModelConfig
from tasks.export.release import ExportConfig
from tasks.generate.config import GenerateConfig
from tasks.ingest.config import IngestConfig
from tasks.judge.judges import Judge, judges
from tasks.personas.personas import PersonasConfig
from tasks.preferences.pairs import PairsConfig
from tasks.problems.config import ProblemsConfig
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
    preferences: PairsConfig = PairsConfig()
    export: ExportConfig = ExportConfig()
    gold: IngestConfig | None = Field(
        default=None,
        description="labelled traces (`is_correct`) on which every run measures its verifiers; no release has them",
    )

    stages: ClassVar[dict[str, tuple[str, ...]]]
    """The stages that may drop rows of a table, in order."""

    @model_validator(mode="after")
    def _semantic_fits(self) -> Self:
        semantic = self.decontaminate.semantic
        if semantic and semantic.judge and semantic.judge.model not in self.models:
            known = ", ".join(self.models) or "none"
            setting = "decontaminate.semantic.judge.model"
            raise RecipeError(f"{setting}: {semantic.judge.model} is none of the recipe's models, which are {known}")
        return self

    @model_validator(mode="after")
    def _judges_fit(self) -> Self:
        appointed = self.appointed()
        for name, one in appointed.items():
            if one.config.model not in self.models:
                known = ", ".join(self.models) or "none"
                setting = f"judges.{name}.{one.kind_name}.model"
                raise RecipeError(f"{setting}: {one.config.model} is none of the recipe's models, which are {known}")
        if taken := sorted({*self.verify.verifiers, NOBODY} & set(appointed)):
            raise RecipeError(f"judges: {taken[0]} is a verifier's name; give the judge another one")
        deciding = [name for name, one in appointed.items() if one.decides]
        self.verify.rule.check(list(self.verify.verifiers), deciding)
        return self

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


class CurateConfig(CurationConfig):
    """Curate traces that somebody already has."""

    ingest: IngestConfig

    @model_validator(mode="before")
    @classmethod
    def _of_this_flow(cls, recipe: Any) -> Any:
        if "generate" in recipe and "ingest" not in recipe:
            raise ValueError("this recipe generates traces: run it with `tracemill refresh`")
        return recipe

    stages: ClassVar = dict.fromkeys(("problems", "traces"), ("ingest", "verify", "dedupe", "decontaminate"))


class RefreshConfig(CurationConfig):
    """Generate problems and traces, and curate them. A recipe's name is its data set's: runs add to what is there."""

    models: dict[str, ModelConfig] = Field(min_length=1, description="the models, by the names that stages use")
    personas: PersonasConfig = PersonasConfig()
    problems: ProblemsConfig
    generate: GenerateConfig
    witness: WitnessConfig | None = Field(
        default=None, description="have programs written that bear witness to a majority's answer (verify.majority)"
    )

    @model_validator(mode="before")
    @classmethod
    def _of_this_flow(cls, recipe: Any) -> Any:
        if "ingest" in recipe and "generate" not in recipe:
            raise ValueError("this recipe imports traces: run it with `tracemill curate`")
        return recipe

    stages: ClassVar = {
        "personas": ("personas",),
        "problems": ("problems", "dedupe", "decontaminate", "verify"),
        "traces": ("generate", "verify", "dedupe", "decontaminate"),
    }
