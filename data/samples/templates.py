"""The kinds of stories in `stories.yaml`."""

from pathlib import Path
from typing import Final, NamedTuple

import yaml

_CONTENT: Final = yaml.safe_load((Path(__file__).parent / "stories.yaml").read_text(encoding="utf-8"))


class Template(NamedTuple):
    """A kind of story; `unit` is how its answer is written: plain, `$`, `%` or `fraction`."""

    questions: list[str]
    numbers: dict[str, list[int | float]]
    steps: list[str]
    unit: str = ""


NAMES: Final[list[str]] = _CONTENT["names"]
PLACES: Final[list[str]] = _CONTENT["places"]
THINGS: Final[list[str]] = _CONTENT["things"]
STORIES: Final = [Template(**one) for one in _CONTENT["stories"]]
BENCHMARK: Final = [Template(**one) for one in _CONTENT["benchmark"]]
