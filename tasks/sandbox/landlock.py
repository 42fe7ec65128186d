"""Landlock: files can be read in a few folders and written in one. For where the kernel permits no namespaces."""

import os
import struct
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from tasks.sandbox import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_VERSION: Final = 1
_BENEATH: Final = 1
_READ: Final = 1 << 2 | 1 << 3
_WRITE_FILE: Final = 1 << 1
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""So many rights over files are known from that version of Landlock on."""


@lru_cache
def version() -> int:
    """The kernel's version of Landlock; 0 where it has none."""
    try:
        return kernel.system_call("landlock_create_ruleset", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Restrict this process for good; it must have given up its privileges."""
    rights = (1 << max(count for since, count in _RIGHTS.items() if since <= version())) - 1
    network, scopes = (3 if version() >= 4 else 0), (3 if version() >= 6 else 0)
    attributes = struct.pack("3Q", rights, network, scopes)[: 24 if scopes else 16 if network else 8]
    rules = kernel.system_call("landlock_create_ruleset", _CREATE, attributes, len(attributes), 0)
    for paths, allowed in ((readable, _READ), (writable, rights)):
        for path in paths:
            device = path.startswith("/dev/")
            _allow(rules, path, _READ | _WRITE_FILE if device else allowed)
    kernel.system_call("landlock_restrict_self", _RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, allowed: int) -> None:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not os.path.isdir(path):  # noqa: PTH112 - the fork this runs in should import nothing
        allowed &= _READ & ~(1 << 3) | _WRITE_FILE
    kernel.system_call("landlock_add_rule", _ADD, rules, _BENEATH, struct.pack("=Qi", allowed, descriptor), 0)
    os.close(descriptor)
