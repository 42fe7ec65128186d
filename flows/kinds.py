"""Recipes of either flow: those that generate traces, and those that curate what is there."""

from collections.abc import Iterable

from flows.config import CurateConfig, CurationConfig, RefreshConfig
from flows.recipes import resolve, sections


def configured(recipe: str, overrides: Iterable[str]) -> CurationConfig:
    """A recipe of either flow, with overrides.

    Raises:
        RecipeError: there is no such recipe, or it is wrong.
    """
    return resolve(recipe, overrides, RefreshConfig if "generate" in sections(recipe) else CurateConfig)
