"""What a recipe says: one field per stage."""

from pydantic import Field

from schemas.base import ConfigBase
from tasks.decontaminate.config import DecontaminateConfig
from tasks.dedupe.dedupe import DedupeConfig
from tasks.export.release import ExportConfig
from tasks.ingest.config import IngestConfig
from tasks.preferences.pairs import PairsConfig
from tasks.verify.verify import VerifyConfig


class CurateConfig(ConfigBase):
    """Curate traces that somebody already has."""

    name: str = Field(pattern=r"^[\w.-]+$", description="names the release and the run")
    description: str = ""
    ingest: IngestConfig
    verify: VerifyConfig = VerifyConfig()
    dedupe: DedupeConfig = DedupeConfig()
    decontaminate: DecontaminateConfig = DecontaminateConfig()
    preferences: PairsConfig = PairsConfig()
    export: ExportConfig = ExportConfig()
