"""The JSON object in a reply: found whatever stands around it, and then held strictly to its form."""

import json
import re
from typing import Any, Final

from pydantic import ValidationError

from schemas.base import ConfigBase
from tasks.engines.contract import Message
from tasks.judge.contract import UnreadableError
from tasks.plugins import explain
from tasks.showing import cut
from tasks.text.thinking import spoken

_DECODER: Final = json.JSONDecoder(strict=False)
_ESCAPE: Final = re.compile(r'\\(["\\/bfnrt]|u[0-9a-fA-F]{4})|\\')
"""An escape that JSON knows, or a backslash that begins none, as LaTeX's do."""
_LONGEST: Final = 100_000
_TRIES: Final = 1_000
_REPEATED: Final = 4_000
"""So many characters of an unreadable reply are shown to the model again."""
_REPAIR: Final = (
    "This reply cannot be read: {fault}. Give it once more, as one JSON object in the form that was asked for and "
    "with nothing around it."
)


def read(text: str, form: type[ConfigBase]) -> Any:
    """The last JSON object that a reply holds after its thinking, as `form`.

    Raises:
        UnreadableError: there is none, or it breaks the form.
    """
    said = spoken(text)
    if said is None:
        raise UnreadableError("the thinking never ends")
    try:
        return form.model_validate(object_in(said), strict=True)
    except ValidationError as exc:
        raise UnreadableError(explain(exc)) from exc


def object_in(text: str) -> dict[str, Any]:
    """The last JSON object in a text that is not part of another one.

    Raises:
        UnreadableError: there is none.
    """
    mended = _ESCAPE.sub(lambda found: found[0] if found[1] else r"\\", text[-_LONGEST:])
    last: dict[str, Any] | None = None
    end = 0
    for _ in range(_TRIES):
        start = mended.find("{", end)
        if start < 0:
            break
        try:
            last, end = _DECODER.raw_decode(mended, start)
        except (ValueError, RecursionError):
            end = start + 1
    if last is None:
        raise UnreadableError("there is no JSON object in it")
    return last


def repair(messages: tuple[Message, ...], text: str, fault: str) -> tuple[Message, ...]:
    """What asks a model once more, after a reply that could not be read."""
    said = cut(spoken(text) or "(nothing)", _REPEATED)
    return (*messages, Message("assistant", said), Message("user", _REPAIR.format(fault=fault)))
