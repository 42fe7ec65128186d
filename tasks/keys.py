"""What counts as a key or a password: it comes from the environment, and is in no recipe, address or idle process.

What a recipe or an address says goes into manifests, cards, pages and logs; so both are refused with a key in them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.errors import LakeError, RecipeError

_VARIABLE: Final = re.compile(
    r"(?:(?:^|_)(?:API_?)?KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH_STRING|LOGIN)(?:_(?:ID|\d+))?$",
    re.IGNORECASE,
)
_SETTING: Final = re.compile(
    r"(?:(?:api|access|secret|private|account)_?key|token|secret|password|passwd|authorization|cookie|credentials?)$",
    re.IGNORECASE,
)
_LOGIN: Final = re.compile(r"(?<!github)(?<!\bgit)://[^\s/@'\"]+@")
"""fsspec has `github://owner:repository@revision`, which is no login."""
_QUERY: Final = re.compile(
    r"[?&][\w-]*(?:token|secret|password|signature|credential|api[_-]?key|\bsig|\bkey)=[^\s&]", re.IGNORECASE
)
_KEY: Final = re.compile(
    r"\b(?:(?:sk|pk|gsk|xai|nvapi)-(?=[\w-]*\d)[\w-]{16,}|(?:hf|gsk|ghp|gho|glpat)_[A-Za-z0-9]{16,}"
    r"|github_pat_\w{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}\b)"
)
_named: set[str] = set()


def named(variable: str) -> str:
    """Note that a variable of the environment holds a key, whatever it is called."""
    _named.add(variable)
    return variable


def names_a_key(variable: str) -> bool:
    """Whether a variable of the environment is one for a key, by its name or because a recipe says so."""
    return variable in _named or _VARIABLE.search(variable) is not None


def fault_of(text: str) -> str | None:
    """What is wrong with a text that others will read; None: nothing."""
    for pattern, fault in ((_LOGIN, "holds a login"), (_QUERY, "holds a key in its query"), (_KEY, "holds a key")):
        if pattern.search(text):
            return fault
    return None


def refuse(settings: Mapping[str, Any]) -> None:
    """Look whether a recipe's settings hold a key.

    Raises:
        RecipeError: one does; the message names it and does not show it.
    """
    for place, fault in _faults(settings, ""):
        raise RecipeError(
            f"{place}: {fault}, which manifests and pages would show; put it into the environment variable that "
            f"the engine's `api_key_env` or `login_env` names, or where the storage's own library looks for it"
        )


def plain(address: str) -> str:
    """An address of a lake, which logs, cards and the reviewers' store repeat.

    Raises:
        LakeError: it holds a key.
    """
    if fault := fault_of(address):
        raise LakeError(
            f"lake: the address {fault}, which logs and pages would show; put it where the storage's own "
            f"library looks for it, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return address


def keyless(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a process that needs no keys."""
    given = os.environ if environment is None else environment
    return {name: value for name, value in given.items() if not names_a_key(name) and fault_of(value) is None}


def block_name(variable: str) -> str:
    """The name of the Prefect block for a variable: `openai-api-key` for OPENAI_API_KEY."""
    return variable.lower().replace("_", "-")


def _faults(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            inside = f"{place}.{name}" if place else str(name)
            if isinstance(one, str) and one and _SETTING.search(str(name).replace("-", "_")):
                yield inside, "is a key"
            yield from _faults(one, inside)
    elif isinstance(value, list | tuple):
        for at, one in enumerate(value):
            yield from _faults(one, f"{place}.{at}")
    elif isinstance(value, str) and (fault := fault_of(value)):
        yield place, fault
