"""Licences by their names: which are not stated, and which a release under another one may not keep."""

import re
from collections.abc import Mapping
from typing import Final

NOT_STATED: Final = "not stated"
UNKNOWN: Final = "unknown"
"""What a recipe's `export.license` is unless it says one."""
_BINDING: Final = frozenset({"nc", "nd", "sa", "gpl", "agpl", "lgpl", "noncommercial"})
"""Parts of licences' names that say: not for any purpose, not changed, or only under the same licence."""


def concerns(licenses: Mapping[str, str], own: str) -> list[str]:
    """What to look at before what is made of these sources is passed on under the licence `own`.

    Only names are read: it is a hint, no legal advice.
    """
    said: list[str] = []
    for name, terms in licenses.items():
        if terms in (NOT_STATED, UNKNOWN):
            said.append(f"the licence of {name} is not stated; say it in its recipe (export.license, source.license)")
        elif _binding(terms) and terms.lower() != own.lower():
            said.append(f"the licence of {name} is {terms}, which {own} (export.license) may not keep")
    return said


def _binding(terms: str) -> bool:
    return not _BINDING.isdisjoint(re.split(r"[^a-z]+", terms.lower()))
