"""What the recipe of a mixture says: releases, shares, and how what comes of them is curated once more."""

from typing import Any, ClassVar, Final

from pydantic import model_validator

from flows.config import CurationConfig
from tasks.mix.config import MixtureConfig

_TAKEN_AS_THEY_ARE: Final = ("verify", "gold", "queue", "review", "rewrite", "score", "labels")


class MixConfig(CurationConfig):
    """Make a release of several; their verdicts, ratings and labels are taken as they are."""

    mix: MixtureConfig

    @model_validator(mode="before")
    @classmethod
    def _of_this_flow(cls, recipe: Any) -> Any:
        for section, flow in (("generate", "refresh"), ("ingest", "curate")):
            if section in recipe and "mix" not in recipe:
                raise ValueError(f"this recipe mixes nothing: run it with `tracemill {flow}`")
        for section in (*_TAKEN_AS_THEY_ARE, "ingest", "generate", "problems", "personas", "witness"):
            if recipe.get(section) is not None:
                raise ValueError(
                    f"{section}: a mixture takes its releases as they are; leave it out, and say it in their recipes"
                )
        return recipe

    @property
    def lakes(self) -> tuple[str, ...]:
        """Those of releases that lie elsewhere."""
        return tuple(one.lake for one in self.mix.releases if one.lake)

    STAGES: ClassVar = {
        "problems": ("dedupe", "decontaminate", "select", "mix"),
        "traces": ("dedupe", "decontaminate", "select", "mix"),
    }
