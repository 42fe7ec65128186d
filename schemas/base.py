"""The base of every setting model."""

from pydantic import BaseModel, ConfigDict


class ConfigBase(BaseModel):
    """Frozen settings; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
