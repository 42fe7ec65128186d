"""Where tracemill's own data lie, and paths told so that they say nothing about this machine."""

from pathlib import Path
from typing import Any, Final

DATA: Final = Path(__file__).resolve().parents[1] / "data"
"""The folder that comes with tracemill: recipes, personas, samples, benchmarks' names, the bundled model."""


def portable(value: Any) -> Any:
    """A JSON value with absolute paths as a recipe would have them.

    `${TRACEMILL_DATA}` stands for DATA; what lies below the working directory is relative to it, what lies below the
    home `~/…`; of any other absolute path the last part is left.
    """
    if isinstance(value, dict):
        return {key: portable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [portable(one) for one in value]
    return _path(value) if isinstance(value, str) and value.startswith("/") and "\n" not in value else value


def _path(text: str) -> str:
    path = Path(text)
    for place, name in ((DATA, "${TRACEMILL_DATA}"), (Path.cwd(), "."), (Path.home(), "~")):
        if path.is_relative_to(place):
            return str(Path(name) / path.relative_to(place))
    return path.name or text
