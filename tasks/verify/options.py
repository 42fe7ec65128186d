r"""The options of a multiple-choice problem, and which of them an answer names.

Options stand in the question, each behind its label (`A)`, `(A)`, `A.`, `A:`), or in the problem's `constraints` as
JSON: a list of texts, an object of texts by label, or `{"label": […], "text": […]}` as in ARC (Clark et al. 2018,
arXiv 1803.05457).
"""

import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS: Final = "123456789"
UNLISTED: Final = LETTERS[:10]
"""The labels of a question whose options are not known."""
LONGEST: Final = 2_000
"""Characters; a longer answer names no option."""

Options = Mapping[str, str]
"""The options' texts by label, in order."""
_Reading = Callable[[str, Options], str | None]

_LINE: Final = re.compile(r"^[ \t*_>-]*\(?([A-Za-z]|\d)[).:][*_]*[ \t]", re.MULTILINE)
_INLINE: Final = re.compile(r"(?:^|(?<=\s))\(?([A-Za-z]|\d)\)[ \t]")
_WRAPPED: Final = re.compile(r"\\(?:text|mathrm|mathbf|mathit|operatorname|mbox|boxed)[a-z]{0,2}\s*\{([^{}]*)\}")
_MATHS: Final = re.compile(r"\\[()\[\]]|\\?\$|\\[ ,;!]")
_FILLER: Final = re.compile(
    r"^(?:(?:therefore|thus|hence|clearly|obviously|definitely|certainly|probably|likely|simply|just|indeed|so|is|the"
    r"|correct|right|best|final|answer|option|choice|letter|alternative)\b[\s:,]*)+",
    re.IGNORECASE,
)
_NEGATED: Final = re.compile(
    r",?\s*\b(?:and |but )?(?:not|rather than|instead of) (?:option )?\(?[A-Z](?![\w.])\)?,?(?: but\b)?"
)
_ALONE: Final = re.compile(r"[(\[]?\s*([A-Za-z]|\d)\s*[)\]]?")
_LABELLED: Final = re.compile(
    r"(?:[(\[]([A-Za-z]|\d)[)\]][.:]?\s*|([A-Za-z]|\d)(?:\)\s*|[.:]\s+)|([A-Z])(?:,\s+|\s+(?=[-–—(])))[-–—(]?\s*(\S.*)",
    re.DOTALL,
)
_BESIDE: Final = re.compile(r"([A-Z]) (\S.*)", re.DOTALL)
_SEVERAL: Final = re.compile(r"[(\[]?[A-Z][)\]]?(?:(?:\s*[,&;+]\s*(?:and\s+)?|\s+and\s+)[(\[]?[A-Z][)\]]?)+")
_MARKED: Final = re.compile(r"\(([A-Z])\)|\b[Oo]ption \(?([A-Z])(?!\w)|\b[Cc]hoice \(?([A-Z])(?!\w)")
_DENIED: Final = re.compile(r"\b(?:not|neither|nor|never|except)\b|n't\b", re.IGNORECASE)
_AND_NOT: Final = re.compile(r",\s*(?:and |but )?(?:not|rather than|instead of)\b.*", re.DOTALL | re.IGNORECASE)
_EDGES: Final = " \t\r\n.,;:!?\"'`“”‘’*_"
_SHORTEST: Final = 3
"""Letters; an option of fewer is not looked for inside a sentence."""


@lru_cache(maxsize=4096)
def options_of(question: str, stored: str | None = None) -> Options:
    """The options of a problem; empty where none are found.

    Of several lists in a question the last counts. Labels have to be A, B, C … or 1, 2, 3 …, two at least.
    """
    return _stored(stored) or _listed(_LINE, question) or _listed(_INLINE, question)


def named(answer: str, options: Options, *, strict: bool = False) -> str | None:
    """The label of the option that an answer names, `A, C` where it names several; None if it names none.

    Without options, A to J are labels. `strict` takes an answer that is a label, a text or both, and no sentence.
    An answer with one option's label and another's text names none.
    """
    if len(answer) > LONGEST:
        return None
    bare = _plain(answer)
    plain = _FILLER.sub("", _NEGATED.sub(" ", bare).strip(_EDGES)).strip(_EDGES)
    readings: Sequence[_Reading] = (_alone, _several, _labelled, _by_text) + (() if strict else (_marked, _inside))
    if contradicts(plain, options):
        return None
    return next((found for one in readings for text in (plain, bare) if (found := one(text, options))), None)


def same_text(one: str, other: str) -> bool:
    """Whether two answers are the same words."""
    return _folded(one) == _folded(other)


def contradicts(plain: str, options: Options) -> bool:
    """Whether an answer has one option's label before another's text."""
    found = _LABELLED.fullmatch(plain)
    if not found or not options:
        return False
    text = _by_text(found[4], options)
    label = (found[1] or found[2] or found[3]).upper()
    return text is not None and label in options and text != label


def _alone(plain: str, options: Options) -> str | None:
    found = _ALONE.fullmatch(plain)
    return _known(found[1], options) if found else None


def _several(plain: str, options: Options) -> str | None:
    run = plain if options and len(plain) > 1 and list(plain) == sorted(set(plain)) else ""
    found = _SEVERAL.fullmatch(plain)
    labels = re.findall(r"[A-Z]", found.group()) if found else list(run)
    if not labels or not all(_known(label, options) for label in labels):
        return None
    return ", ".join(sorted(set(labels)))


def _labelled(plain: str, options: Options) -> str | None:
    if found := _LABELLED.fullmatch(plain):
        return _known(found[1] or found[2] or found[3], options)
    beside = _BESIDE.fullmatch(plain)
    return beside[1] if beside and same_text(options.get(beside[1], ""), beside[2]) else None


def _by_text(plain: str, options: Options) -> str | None:
    folded = _folded(plain)
    same = [label for label, text in options.items() if _folded(text) == folded]
    return same[0] if len(same) == 1 else None


def _marked(plain: str, options: Options) -> str | None:
    labels = {
        label for found in _MARKED.finditer(plain) if (label := _known(found[1] or found[2] or found[3], options))
    }
    return labels.pop() if len(labels) == 1 and not _DENIED.search(plain) else None


def _inside(plain: str, options: Options) -> str | None:
    """The option whose text stands in a sentence, if it is one; of nested texts the longest."""
    plain = _AND_NOT.sub("", plain)
    if _DENIED.search(plain):
        return None
    folded = _folded(plain)
    texts = {label: _folded(text) for label, text in options.items()}
    here = {
        label: text
        for label, text in texts.items()
        if len(text) >= _SHORTEST and text in folded and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", folded)
    }
    longest = [label for label, text in here.items() if not any(text in other != text for other in here.values())]
    return longest[0] if len(longest) == 1 else None


def _known(label: str, options: Options) -> str | None:
    return label.upper() if label.upper() in (options or UNLISTED) else None


@lru_cache(maxsize=8192)
def _folded(text: str) -> str:
    return _plain(text).casefold()


def _plain(text: str) -> str:
    r"""Without `\text{…}`, dollars, quotes, bold and what ends a sentence."""
    text = unicodedata.normalize("NFKC", text)
    for _ in range(3):
        text = _WRAPPED.sub(r"\1", text)
    return " ".join(_MATHS.sub(" ", text).replace("**", "").split()).strip(_EDGES)


def _listed(pattern: re.Pattern[str], question: str) -> dict[str, str]:
    found = list(pattern.finditer(question))
    ends = [after.start() for _, after in pairwise(found)] + [len(question)] * bool(found)
    items = [
        (match[1].upper(), question[match.end() : end].strip().split("\n", 1)[0].strip())
        for match, end in zip(found, ends, strict=True)
    ]
    for start in reversed(range(len(items))):
        if (run := _run(items[start:])) and len(run) > 1:
            return run
    return {}


def _run(items: list[tuple[str, str]]) -> dict[str, str]:
    """The items from the first on whose labels follow each other from A or 1."""
    labels = LETTERS if items[0][0] in LETTERS else DIGITS
    run: dict[str, str] = {}
    for (label, text), wanted in zip(items, labels, strict=False):
        if label != wanted:
            break
        run[label] = text
    return run


def _stored(stored: str | None) -> dict[str, str]:
    try:
        value: Any = json.loads(stored) if stored and stored.strip() else None
    except (ValueError, RecursionError):
        return {}
    if isinstance(value, dict) and isinstance(value.get("text"), list) and isinstance(value.get("label"), list):
        value = dict(zip(value["label"], value["text"], strict=False))
    if isinstance(value, list):
        value = dict(zip(LETTERS, value, strict=False))
    texts = value if isinstance(value, dict) else {}
    return {str(label).upper(): text for label, text in texts.items() if isinstance(text, str)}
