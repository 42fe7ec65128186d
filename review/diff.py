"""What of a text was changed, word by word, in bounded time for any text."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, Literal

import numpy as np

Kind = Literal["same", "gone", "new"]
Piece = tuple[Kind, str]
_WORD: Final = re.compile(r"\S+|\s+")
_PLAIN: Final = "\n\t"
_CELLS: Final = 1_000_000
"""Of the table of common subsequences; beyond it the whole differing middle counts as changed."""


def words(a: str, b: str) -> list[Piece]:
    """How `a` became `b`: pieces that are the same, gone, or new.

    Joined, those that are not new are `a`, and those that are not gone are `b`. Between the
    common beginning and end, a longest common subsequence of words stays; of texts too long for that, all between is
    gone and new, told in linear time.
    """
    old, new = _WORD.findall(a), _WORD.findall(b)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle = _changed(old[head : len(old) - tail], new[head : len(new) - tail])
    kept: list[tuple[Kind, str]] = [("same", word) for word in old[:head]]
    kept += middle
    kept += [("same", word) for word in old[len(old) - tail :]]
    return [(kind, "".join(word for _, word in run)) for kind, run in groupby(kept, key=itemgetter(0))]


def visible(pieces: list[Piece]) -> list[Piece]:
    """The same, to be looked at: controls and characters of no width, bidi controls too, as their code points."""
    return [(kind, "".join(map(_visible, text))) for kind, text in pieces]


def _visible(char: str) -> str:
    hides = not char.isprintable() and char not in _PLAIN and unicodedata.category(char) != "Zs"
    return f"[U+{ord(char):04X}]" if hides else char


def _common(old: Sequence[str], new: Sequence[str]) -> int:
    """How many words the two begin with alike."""
    pairs = enumerate(zip(old, new, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(old), len(new)))


def _changed(old: Sequence[str], new: Sequence[str]) -> list[Piece]:
    if not old or not new or len(old) * len(new) > _CELLS:
        return [*(("gone", word) for word in old), *(("new", word) for word in new)]
    return list(_steps(old, new, _longest(old, new)))


def _longest(old: Sequence[str], new: Sequence[str]) -> "np.ndarray[tuple[int, int], np.dtype[np.int32]]":
    """`[i, j]`: the length of the longest common subsequence of `old[i:]` and `new[j:]`."""
    codes = {word: code for code, word in enumerate(dict.fromkeys([*old, *new]))}
    backwards = np.array([codes[word] for word in reversed(new)])
    table = np.zeros((len(old) + 1, len(new) + 1), np.int32)
    for row, word in enumerate(reversed(old)):
        taken = table[row, :-1] + (backwards == codes[word])
        np.maximum.accumulate(np.maximum(table[row, 1:], taken), out=table[row + 1, 1:])
    return table[::-1, ::-1]


def _steps(
    old: Sequence[str], new: Sequence[str], longest: "np.ndarray[tuple[int, int], np.dtype[np.int32]]"
) -> Iterator[Piece]:
    i = j = 0
    while i < len(old) or j < len(new):
        if i < len(old) and j < len(new) and old[i] == new[j]:
            yield "same", old[i]
            i, j = i + 1, j + 1
        elif i < len(old) and (j == len(new) or longest[i + 1, j] >= longest[i, j + 1]):
            yield "gone", old[i]
            i += 1
        else:
            yield "new", new[j]
            j += 1
