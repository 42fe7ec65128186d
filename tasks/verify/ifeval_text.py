"""What IFEval's checks count in a text: words, sentences, words in capitals, and its language.

IFEval (Zhou et al. 2023, arXiv 2311.07911) counts with nltk, whose sentence splitter is a trained model that has to be
downloaded. These are rules with the same results on nearly all texts (`tests/golden/constraints.json` has some).
"""

import re
from typing import Final


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_WORD: Final = re.compile(r"\w+")
_END: Final = re.compile(r"""(?<![.!?…])[.!?…]++["'”’)\]*_]*+(?=\s|$)""")
_OPENING: Final = "([\"'“‘*_"
_TITLES: Final = _words("mr mrs ms dr prof st mt gen sen rep rev hon capt lt sgt col vs")
_SHORTENED: Final = _words(
    "e.g i.e etc inc ltd co corp jr sr no vol fig eq approx dept est a.m p.m u.s u.k u.n ph.d",
    "jan feb aug sept oct nov dec",
)
_WORD_MAX: Final = 40
_PIECE: Final = re.compile(r"[^\s,;:…()\[\]{}<>?!&%\"“”]+")
_SMALL_END: Final = re.compile(r"'(?:s|m|d|ll|re|ve)\Z")
_CONTRACTED: Final = re.compile(r"\w(?:'(?:S|M|D|LL|RE|VE)|N'T)$|^(?:CANNOT|GONNA|GOTTA|GIMME|LEMME|WANNA)$")


def count_words(text: str) -> int:
    """Runs of letters, digits and underscores, so that `don't` is two."""
    return sum(1 for _ in _WORD.finditer(text))


def count_sentences(text: str) -> int:
    """Pieces that end in `.`, `!`, `?` or `…` before a blank or the end, and what is left after the last of these.

    A line's end by itself ends no sentence. `1.` before a list's item is a sentence, as for nltk. Within a line, a
    point after an initial or a title (`Dr.`) ends none, nor one after another short form (`e.g.`) unless a capital
    follows.
    """
    count = end = 0
    for mark in _END.finditer(text):
        if text[mark.start()] in ".…" and not _ends(text, mark):
            continue
        count, end = count + 1, mark.end()
    return count + bool(text[end:].strip())


def count_capital_words(text: str) -> int:
    """Words without a small letter and with a capital one; `WELL-KNOWN` is one, `I'M` two, `A` and `I` one each."""
    plain = text.replace("’", "'").replace("--", " ")
    pieces = (_SMALL_END.sub("", piece.strip(".'")) for piece in _PIECE.findall(plain))
    return sum(1 + bool(_CONTRACTED.search(piece)) for piece in pieces if piece.isupper())


def prepare() -> None:
    """Load the profiles of the languages, and make what is found depend on nothing but the text."""
    import langdetect  # type: ignore[import-untyped]  # its profiles take half a second

    langdetect.DetectorFactory.seed = 0
    langdetect.detect("Is it ready?")


def language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language (`zh-cn`, `zh-tw` for Chinese); None where it has no words.

    Words in capitals say nothing to langdetect, so a text in capitals is lowered first. Milliseconds; needs `prepare`.
    """
    if not text.strip():
        return None
    import langdetect

    try:
        return str(langdetect.detect(text.lower() if text.isupper() else text))
    except langdetect.LangDetectException:
        return None


def _ends(text: str, mark: re.Match[str]) -> bool:
    """Whether a point ends a sentence: not after an initial or title, nor a short form's or `...` in mid-sentence."""
    between, following = text[mark.end() : mark.end() + 1], text[mark.end() + 1 : mark.end() + 2]
    if between in ("", "\n") or not following.strip():
        return True
    if mark.group().startswith(("..", "…")):
        return not following.islower()
    word = text[max(0, mark.start() - _WORD_MAX) : mark.start()].rpartition(" ")[2].rpartition("\n")[2].lstrip(_OPENING)
    if word.lower() in _TITLES or (len(word) == 1 and word.isupper() and word != "I"):
        return False
    return word.lower() not in _SHORTENED or following.isupper()
