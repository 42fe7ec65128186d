"""The compiled loops: words and shingles to 64-bit hashes.

They stand in one file because numba's cache notices a change of the file a kernel is in, and of no other.
All are `nogil`, and work on flat arrays: row i of `values` is `values[offsets[i]:offsets[i + 1]]`.
"""

from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")

# What a character does: part words; go on with a word of letters; be a word by itself; begin a word that only marks go
# on with; go on with a word of either kind.
SEPARATOR: Final = 0
LETTER: Final = 1
ALONE: Final = 2
HEAD: Final = 3
MARK: Final = 4
PLANE: Final = 65_536

# Odd constants with no structure: of splitmix64, xxHash and wyhash.
WORD_SEED: Final = np.uint64(0xA0761D6478BD642F)
WORD_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
SHINGLE_STEP: Final = np.uint64(0xC2B2AE3D27D4EB4F)
DIGEST_STEP: Final = np.uint64(0xE7037ED1A0B428DB)

FEW: Final = 32
"""So many values are sorted by insertion."""


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop on first use, without the interpreter's lock, and keep the machine code for the next process."""
    return cast("Callable[P, R]", numba.njit(nogil=True, cache=True)(function))


@kernel
def mix(value: np.uint64) -> np.uint64:
    """Spread every input bit over all output bits, one to one (the finaliser of splitmix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel
def decode(data: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The code point at a byte of valid UTF-8, and how many bytes it takes."""
    lead = int(data[at])
    if lead < 0x80:
        return lead, 1
    if lead < 0xE0:
        return (lead & 0x1F) << 6 | (data[at + 1] & 0x3F), 2
    code = (lead & 0x0F) << 12 | (data[at + 1] & 0x3F) << 6 | (data[at + 2] & 0x3F)
    if lead < 0xF0:
        return code, 3
    return code << 6 | (data[at + 3] & 0x3F), 4


@kernel
def is_joined(data: NDArray[Any], at: int, stop: int, digit: bool, inside: bool) -> bool:  # noqa: FBT001
    """Whether a point or comma belongs to the number it stands in (`3.5`, `1,000`) or begins (`.5`)."""
    if (data[at] != 46 and data[at] != 44) or at + 1 == stop or not 48 <= data[at + 1] <= 57:
        return False
    return digit or (data[at] == 46 and not inside)


@kernel
def split_row(
    data: NDArray[np.uint8],
    span: tuple[int, int],
    classes: NDArray[np.uint8],
    folds: NDArray[np.uint16],
    out: NDArray[np.uint64],
    filled: int,
) -> int:
    """Write the hash, still unmixed, of every word of one text to `out[filled:]`; return where the last one ends.

    Word ends come too irregularly for a processor to predict, so the loop branches on none, where letters come without
    heads: it writes the hash so far at every character, and moves on only where a word has ended.
    """
    at, stop = span
    value = WORD_SEED
    inside = False
    headed = False
    digit = False
    beyond = classes[PLANE]
    while at < stop:
        code = int(data[at])
        width = 1
        if code >= 0x80:
            code, width = decode(data, at)
        kind = beyond
        folded = np.uint64(code)
        if code < PLANE:
            kind = classes[code]
            folded = np.uint64(folds[code])
        if (code == 46 or code == 44) and is_joined(data, at, stop, digit, inside and not headed):  # noqa: PLR1714
            kind = LETTER
        digit = 48 <= code <= 57
        at += width
        if kind > ALONE or headed:
            if kind != MARK:
                out[filled] = value
                filled += inside
                value = WORD_SEED
                inside = headed = False
            if kind > ALONE:
                headed |= kind == HEAD
                value = (value ^ folded) * WORD_STEP
                inside = True
                continue
        letter = kind == LETTER
        out[filled] = value
        filled += inside and not letter
        out[filled] = (WORD_SEED ^ folded) * WORD_STEP
        filled += kind == ALONE
        value = (value ^ folded) * WORD_STEP if letter else WORD_SEED
        inside = letter
    out[filled] = value
    return filled + inside


@kernel
def split(
    data: NDArray[np.uint8],
    spans: tuple[NDArray[np.int64], NDArray[np.int64]],
    classes: NDArray[np.uint8],
    folds: NDArray[np.uint16],
    out: NDArray[np.uint64],
    offsets: NDArray[np.int64],
) -> None:
    """Fill `out` (one longer than the bytes) with the word hashes of all rows, and `offsets`."""
    starts, ends = spans
    filled = 0
    offsets[0] = 0
    for row in range(len(starts)):
        filled = split_row(data, (starts[row], ends[row]), classes, folds, out, filled)
        offsets[row + 1] = filled
    for at in range(filled):
        out[at] = mix(out[at])


@kernel
def locate(
    chars: NDArray[np.uint32],
    tables: tuple[NDArray[np.uint8], NDArray[np.uint16]],
    folded: NDArray[np.uint32],
    hashes: NDArray[np.uint64],
    bounds: NDArray[np.int64],
) -> int:
    """Write each word's hash, and where it begins and ends, to `hashes` and `bounds`; return how many there are.

    What `split` does to UTF-8 in a hurry, plainly, for one text of code points; `folded` gets these, folded.
    """
    classes, folds = tables
    filled = start = 0
    state = SEPARATOR
    digit = False
    value = WORD_SEED
    for at in range(len(chars)):
        code = chars[at]
        kind = int(classes[min(code, PLANE)])
        folded[at] = folds[code] if code < PLANE else code
        if is_joined(chars, at, len(chars), digit, state == LETTER):
            kind = LETTER
        digit = 48 <= code <= 57
        goes_on = state in (LETTER, HEAD) if kind == MARK else kind == LETTER and state == LETTER
        if not goes_on:
            if state != SEPARATOR:
                hashes[filled], bounds[filled, 0], bounds[filled, 1] = mix(value), start, at
                filled += 1
            start = at
            state = LETTER if kind == MARK else kind
            value = WORD_SEED
        value = (value ^ np.uint64(folded[at])) * WORD_STEP
    if state != SEPARATOR:
        hashes[filled], bounds[filled, 0], bounds[filled, 1] = mix(value), start, len(chars)
        filled += 1
    return filled


@kernel
def shingle(
    words: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    size: int,
    groups: NDArray[np.uint64],
    out: NDArray[np.uint64],
    ends: NDArray[np.int64],
) -> None:
    """Fill `out` with the hash of every run of `size` words, by a rolling polynomial modulo 2^64 that is then mixed."""
    filled = 0
    ends[0] = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        run = min(size, stop - start)
        group = mix(groups[row])
        value = np.uint64(0)
        leaving = np.uint64(1)
        for at in range(start, start + run):
            value = value * SHINGLE_STEP + words[at]
            leaving *= SHINGLE_STEP
        if run:
            out[filled] = mix(value ^ group)
            filled += 1
        for at in range(start + run, stop):
            value = value * SHINGLE_STEP + words[at] - leaving * words[at - run]
            out[filled] = mix(value ^ group)
            filled += 1
        ends[row + 1] = filled


@kernel
def digest(
    words: NDArray[np.uint64], offsets: NDArray[np.int64], groups: NDArray[np.uint64], out: NDArray[np.uint64]
) -> None:
    """Fill `out`, of shape [rows, 2], with 128 bits for each row's whole sequence of words."""
    for row in range(len(offsets) - 1):
        first = mix(groups[row])
        second = ~first
        for at in range(offsets[row], offsets[row + 1]):
            first = mix(first ^ words[at])
            second = (second + words[at]) * DIGEST_STEP
        out[row, 0] = first
        out[row, 1] = mix(second)


@kernel
def sort_hashes(values: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Fill `out` with the values in order: in linear time, for hashes are spread evenly over their range."""
    bits = 1
    while 1 << bits < len(values):
        bits += 1
    shift = np.uint64(64 - bits)
    places = np.zeros((1 << bits) + 1, np.int64)
    for value in values:
        places[(value >> shift) + np.uint64(1)] += 1
    for at in range(1, len(places)):
        places[at] += places[at - 1]
    for value in values:
        out[places[value >> shift]] = value
        places[value >> shift] += 1
    start = 0
    for end in places[:-1]:
        if end - start > FEW:
            out[start:end] = np.sort(out[start:end])
        for at in range(start + 1, end):
            value = out[at]
            back = at
            while back > start and out[back - 1] > value:
                out[back] = out[back - 1]
                back -= 1
            out[back] = value
        start = end


@kernel
def compact(
    values: NDArray[np.uint64],
    offsets: NDArray[np.int64],
    out: NDArray[np.uint64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
) -> None:
    """Write each row's distinct values, sorted, to `out` from `starts` on, and where they end to `ends`."""
    ordered = np.empty(256, np.uint64)
    for row in range(len(offsets) - 1):
        count = offsets[row + 1] - offsets[row]
        if count > len(ordered):
            ordered = np.empty(2 * count, np.uint64)
        sort_hashes(values[offsets[row] : offsets[row + 1]], ordered[:count])
        filled = starts[row]
        for at in range(count):
            if at == 0 or ordered[at] != ordered[at - 1]:
                out[filled] = ordered[at]
                filled += 1
        ends[row] = filled
