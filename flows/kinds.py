"""Recipes of any flow: those that generate traces, those that curate what is there, and those that mix releases."""

from collections.abc import Iterable

from flows.config import CurateConfig, CurationConfig, RefreshConfig
from flows.mix_config import MixConfig
from flows.recipes import resolve, sections


def configured(recipe: str, overrides: Iterable[str]) -> CurationConfig:
    """A recipe of any flow, with overrides.

    Raises:
        RecipeError: there is no such recipe, or it is wrong.
    """
    said = sections(recipe)
    return resolve(
        recipe, overrides, RefreshConfig if "generate" in said else MixConfig if "mix" in said else CurateConfig
    )
