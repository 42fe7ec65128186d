"""The base of every setting model."""

from pydantic import BaseModel, ConfigDict


class ConfigBase(BaseModel):
    """Frozen settings; an unknown key is an error, never ignored."""

    # Errors name the setting and not its value, which might be a key.
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)
