"""What a recipe says of the writing of problems."""

from typing import Any, Final, Self, cast

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from tasks import plugins
from tasks.engines.contract import Sampling
from tasks.problems.contract import Template, TemplateConfig
from tasks.problems.gate import GateConfig

PACKAGE: Final = "tasks.problems.templates"


class ProblemsConfig(ConfigBase):
    """Have a model write problems for personas. Temperature and length are Tülu 3's unless set."""

    model: str = Field(description="the one of the recipe's models that writes")
    count: int = Field(default=100, ge=0, description="problems to ask for in a refresh")
    per_persona: int = Field(default=1, ge=1, description="problems a persona is asked for at most, over all refreshes")
    templates: dict[str, dict[str, Any]] = Field(
        default={"word_problem": {}}, min_length=1, description="settings by template; `weight` says how often each"
    )
    sampling: Sampling = Sampling(temperature=0.7, max_tokens=1024)
    seed: int = Field(default=0, description="draws the order of personas, the templates, and each request's own seed")
    gate: GateConfig = GateConfig()

    @model_validator(mode="after")
    def _known(self) -> Self:
        self.template_configs()
        return self

    def template_configs(self) -> dict[str, TemplateConfig]:
        """The templates' own settings, by name.

        Raises:
            RecipeError: a template is unknown, or a setting of one.
        """
        return cast("dict[str, TemplateConfig]", plugins.configure(PACKAGE, self.templates))

    def build(self) -> dict[str, Template]:
        """The templates, by name."""
        configs = self.template_configs()
        return {name: cast("Template", plugins.load(PACKAGE, name).build(own)) for name, own in configs.items()}
