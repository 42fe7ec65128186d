"""What a recipe says: one field per stage."""

from typing import Any, ClassVar

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks.decontaminate.config import DecontaminateConfig
from tasks.dedupe.dedupe import DedupeConfig
from tasks.engines.models import ModelConfig
from tasks.export.release import ExportConfig
from tasks.generate.config import GenerateConfig
from tasks.ingest.config import IngestConfig
from tasks.personas.personas import PersonasConfig
from tasks.preferences.pairs import PairsConfig
from tasks.problems.config import ProblemsConfig
from tasks.verify.program import WitnessConfig
from tasks.verify.verify import VerifyConfig


class CurationConfig(ConfigBase):
    """How traces become a release, wherever they came from."""

    name: str = Field(pattern=r"^[\w.-]+$", description="names the data set, its release and the run")
    description: str = ""
    verify: VerifyConfig = VerifyConfig()
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
