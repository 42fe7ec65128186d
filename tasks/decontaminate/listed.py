"""The public benchmarks that tracemill knows by name: `data/benchmarks.yaml`, read and checked."""

from functools import cache
from typing import Any, Final

import yaml
from pydantic import Field, ValidationError

from schemas.base import ConfigBase
from schemas.errors import RecipeError
from tasks.places import DATA
from tasks.plugins import explain

FILE: Final = DATA / "benchmarks.yaml"


class Listed(ConfigBase):
    """Where a public benchmark is, and which of its columns hold the question."""

    title: str
    hub: tuple[str, ...] = Field(min_length=1, description="hub ids; one each where its parts are sets of their own")
    subsets: tuple[str | None, ...] = Field(default=(None,), min_length=1, description="configuration names")
    split: str
    files: str | None = Field(default=None, description="JSONL files of the hub's repository, where it has no Parquet")
    text: tuple[str, ...] = Field(min_length=1, description="columns that make an item's text, options included")
    item: str | None = Field(default=None, description="the column that names an item")
    items: int = Field(gt=0, description="how many items it has")
    license: str = Field(description="as its card states it; `unstated` where it does not")
    gated: bool = Field(default=False, description="whether the hub hands it only to those who have agreed to terms")

    @property
    def settings(self) -> dict[str, Any]:
        """What a recipe would say to name this benchmark itself."""
        if self.files:
            source = [{"format": "jsonl", "path": f"hf://datasets/{hub}/{self.files}"} for hub in self.hub]
        else:
            source = [self._of(hub, subset) for hub in self.hub for subset in self.subsets]
        source = [{**one, "license": self.license} for one in source]
        return {"source": source, "text": self.text, "item": self.item}

    def _of(self, hub: str, subset: str | None) -> dict[str, str]:
        named = {} if subset is None else {"subset": subset}
        return {"format": "datasets", "path": hub, "split": self.split, **named}


@cache
def listed() -> dict[str, Listed]:
    """Every listed benchmark, by name.

    Raises:
        RecipeError: an entry of the list is not of its form.
    """
    entries = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    try:
        return {name: Listed.model_validate(entry) for name, entry in entries.items()}
    except ValidationError as exc:
        raise RecipeError(f"{FILE.name}: {explain(exc)}; mend the list") from exc


def with_listed(benchmarks: Any, folder: str | None = None) -> Any:
    """A recipe's `benchmarks`, in which an entry without a source is completed by the one listed under its name.

    With a folder, its copy there is to be read.

    Raises:
        RecipeError: none is listed under the name.
    """
    if not isinstance(benchmarks, dict):
        return benchmarks
    return {name: _with_listed(str(name), one or {}, folder) for name, one in benchmarks.items()}


def _with_listed(name: str, settings: Any, folder: str | None) -> Any:
    if not isinstance(settings, dict) or "source" in settings:
        return settings
    if name not in listed():
        known = ", ".join(sorted(listed()))
        raise RecipeError(f"decontaminate.benchmarks: {name!r} is not listed; name its source, or use one of {known}")
    return {**listed()[name].settings, "folder": folder, **settings}
