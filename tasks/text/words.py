"""What a word is, for comparing texts: the rule, a plain splitter, and the same one compiled.

A word is a run of letters, marks and digits (Unicode L, M, N). Whatever else stands between words separates them, so
"Janet’s" and "Janet's" are the same two words. On top of that:

- Numbers stay as they are. A point or comma between two digits belongs to the word (`3.5`, `1,000`, `1,2`), and so does
  a point before a digit at a word's beginning (`.5`). `1,000` and `1000` are different words.
- An ideograph or kana is a word by itself, and so is a letter of Thai, Lao, Burmese or Khmer with its marks, since
  those scripts put no spaces between words. With `Unit.CHARACTERS` that holds for every letter and digit.
- Operators, or all punctuation, are one-character words where `Splitting.punctuation` says so.
- Case is folded one character to one character, so that positions hold; typographic quotes, dashes and signs are
  folded to their plain forms. Otherwise a text is taken as given: composed and decomposed letters differ.
- Above the Basic Multilingual Plane (emoji, rare scripts) every character counts as a letter and keeps its case.
"""

import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from schemas.base import ConfigBase
from tasks.text.kernels import ALONE, HEAD, LETTER, MARK, PLANE, SEPARATOR, WORD_SEED, WORD_STEP, locate, mix, split
from tasks.text.ragged import Ragged
from tasks.text.strings import Strings

_OPERATORS = frozenset("+-*/=<>^%()")
_PLAIN = {
    **dict.fromkeys("‘’ʼ′", "'"),
    **dict.fromkeys("“”″", '"'),
    **dict.fromkeys("‐‑‒–—−", "-"),
    **dict.fromkeys("×∗⋅·", "*"),
    **dict.fromkeys("÷∕⁄", "/"),
}
# Hiragana and katakana; CJK extension A; CJK unified; CJK compatibility; katakana of half the width.
_IDEOGRAPHS = ((0x3041, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0xFF66, 0xFF9F))
# Thai and Lao; Burmese; Khmer.
_UNSPACED = ((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF))


class Punctuation(StrEnum):
    """Which characters besides letters and digits are words."""

    IGNORED = "ignored"
    OPERATORS = "operators"
    KEPT = "kept"


class Unit(StrEnum):
    """What a text is taken apart into."""

    WORDS = "words"
    CHARACTERS = "characters"


class Splitting(ConfigBase):
    """How texts become words."""

    fold_case: bool = Field(default=True, description="whether `Mary` and `mary` are the same word")
    punctuation: Punctuation = Field(
        default=Punctuation.IGNORED,
        description="ignored: separates words; operators: + - * / = < > ^ % ( ) and other mathematical signs are "
        "words, so that 3+5 and 3-5 differ; kept: every sign is a word",
    )


class Word(NamedTuple):
    """A word as it compares (folded), and where it stands, in characters."""

    text: str
    start: int
    end: int


class Located(NamedTuple):
    """The words of one text, compiled: where they stand, and what to compare them by."""

    hashes: NDArray[np.uint64]
    """As `hash_words` gives them."""
    bounds: NDArray[np.int64]
    """Where each word begins and ends, in characters; shape [words, 2]."""
    folded: NDArray[np.uint32]
    """The text's characters, as they compare."""


def words(text: str, splitting: Splitting, unit: Unit = Unit.WORDS) -> list[Word]:
    """Split one text: the rule, in plain Python. `hash_words` does so to whole columns, `locate_words` to one text."""
    classes, folds = _tables(splitting, unit)
    found: list[Word] = []
    start, state = 0, SEPARATOR
    for at, char in enumerate(text):
        kind = int(classes[min(ord(char), PLANE)])
        if _joins(text, at, inside=state == LETTER):
            kind = LETTER
        marks = kind == MARK and state in (LETTER, HEAD)
        if marks or (kind == state == LETTER):
            continue
        if state != SEPARATOR:
            found.append(Word(_fold(text[start:at], folds), start, at))
        start, state = at, LETTER if kind == MARK else kind
    if state != SEPARATOR:
        found.append(Word(_fold(text[start:], folds), start, len(text)))
    return found


def hash_words(texts: Strings, splitting: Splitting, unit: Unit = Unit.WORDS) -> Ragged:
    """Hash every word of every row to 64 bits; equal words have equal hashes, whatever the row."""
    classes, folds = _tables(splitting, unit)
    out = np.empty(int((texts.ends - texts.starts).sum()) + 1, np.uint64)
    offsets = np.empty(len(texts.rows) + 1, np.int64)
    split(texts.data, (texts.starts, texts.ends), classes, folds, out, offsets)
    return Ragged(out[: offsets[-1]], offsets)


def locate_words(text: str, splitting: Splitting) -> Located:
    """Split one text into words, as `words` does."""
    chars = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    folded, hashes = np.empty_like(chars), np.empty(len(chars), np.uint64)
    bounds = np.empty((len(chars), 2), np.int64)
    count = locate(chars, _tables(splitting, Unit.WORDS), folded, hashes, bounds)
    return Located(hashes[:count], bounds[:count], folded)


def hash_word(text: str) -> int:
    """The hash of one word as `words` gives it."""
    value = int(WORD_SEED)
    for char in text:
        value = (value ^ ord(char)) * int(WORD_STEP) % 2**64
    return int(mix(np.uint64(value)))


def _joins(text: str, at: int, *, inside: bool) -> bool:
    if text[at] not in ".," or not _is_digit(text[at + 1 : at + 2]):
        return False
    return _is_digit(text[at - 1 : at]) or (text[at] == "." and not inside)


def _is_digit(char: str) -> bool:
    return char.isascii() and char.isdigit()


def _fold(text: str, folds: NDArray[np.uint16]) -> str:
    return "".join(chr(folds[ord(char)]) if ord(char) < PLANE else char for char in text)


@lru_cache
def _tables(splitting: Splitting, unit: Unit) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
    """For each character of the Basic Multilingual Plane its class, and what it folds to; last, all others' class."""
    folds = np.arange(PLANE, dtype=np.uint16)
    classes = np.empty(PLANE + 1, np.uint8)
    marks = np.zeros(PLANE + 1, np.bool_)
    for code in range(PLANE):
        plain = _PLAIN.get(chr(code), chr(code))
        classes[code] = _class_of(plain, splitting.punctuation)
        folds[code] = ord(_lower(plain) if splitting.fold_case else plain)
        marks[code] = unicodedata.category(plain)[0] == "M"
    classes[PLANE] = LETTER
    for first, last in _IDEOGRAPHS if unit is Unit.WORDS else ():
        block = classes[first : last + 1]
        block[block == LETTER] = ALONE
    for first, last in _UNSPACED if unit is Unit.WORDS else ((0, PLANE),):
        block = classes[first : last + 1]
        block[block == LETTER] = np.where(marks[first : last + 1], MARK, HEAD)[block == LETTER]
    return classes, folds


def _class_of(char: str, punctuation: Punctuation) -> int:
    category = unicodedata.category(char)
    if category[0] in "LMN":
        return LETTER
    is_operator = char in _OPERATORS or category == "Sm"
    is_sign = category[0] in "PS"
    if punctuation is Punctuation.IGNORED or not is_sign:
        return SEPARATOR
    return ALONE if is_operator or punctuation is Punctuation.KEPT else SEPARATOR


def _lower(char: str) -> str:
    """Fold case without changing how many characters there are (ß and İ stay)."""
    return next((low for low in (char.casefold(), char.lower()) if len(low) == 1 and ord(low) < PLANE), char)
