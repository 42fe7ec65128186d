"""How much of a text is in one language: by script, and among languages of the Latin script by their commonest words.

DeepSeek-R1 (arXiv 2501.12948, section 2.3.2) rewards the share of words in the target language. Here that is

    words in its script / all words  ×  its common words / common words of any language

where the second factor is left out for languages that their script tells, and for texts with few common words. Words
are runs of letters; an ideograph or kana is one by itself; a single letter (a variable, a unit) is none. Code, formulas
and addresses are left out. Quick, where a detector takes milliseconds; closely related languages are not its business.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

from schemas.errors import RecipeError

_LETTERS: Final = {
    "latin": r"A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff",
    "cyrillic": r"\u0400-\u052f",
    "greek": r"\u0370-\u03ff\u1f00-\u1fff",
    "arabic": r"\u0600-\u06ff\u0750-\u077f",
    "hebrew": r"\u0590-\u05ff",
    "devanagari": r"\u0900-\u097f",
    "thai": r"\u0e00-\u0e7f",
    "hangul": r"\uac00-\ud7af\u1100-\u11ff",
    "kana": r"\u3041-\u30ff",
    "han": r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
}
_IDEOGRAPHS: Final = ("kana", "han")
_SCRIPTS: Final = {
    **dict.fromkeys(("en", "de", "es", "fr", "it", "nl", "pt"), ("latin",)),
    **dict.fromkeys(("ru", "uk"), ("cyrillic",)),
    **dict.fromkeys(("ar", "fa"), ("arabic",)),
    "el": ("greek",),
    "he": ("hebrew",),
    "hi": ("devanagari",),
    "ja": ("kana", "han"),
    "ko": ("hangul",),
    "th": ("thai",),
    "zh": ("han",),
}
LANGUAGES: Final = tuple(sorted(_SCRIPTS))
"""ISO 639-1 codes. Languages of one script other than Latin are not told apart."""
_COMMON: Final = {
    "en": "the of and to in is that it for was on are with his they be at this have from or had by but what all were "
    "when your can there an which their if will each about how up out them then she many some so these would "
    "her has two more could been now find did its only made over than people may after also most where much us "
    "must since need know because number get got first let not you he our just like does into no do am we",
    "de": "der das und ist nicht mit ein eine einen einem einer auf für wir von sich auch wird werden sind zu dem "
    "dass aber wenn dann haben oder ich im durch bei nach diese dieser daher müssen können in an so was am",
    "fr": "le les et une dans que qui pas avec nous vous donc ce cette mais où sont du au aux sur avons ainsi alors "
    "être comme chaque chacun on",
    "es": "el los las que y por para lo más pero su entonces está tiene cada cuando esto esta también número hemos "
    "podemos ser uno sus no",
    "it": "che è sono della nel quindi anche ma gli dei alla ogni numero abbiamo questo questa perché più allora in",
    "nl": "het een en dat niet voor zijn op aan ook dus wordt maar bij hebben dit deze elke aantal als moet kan "
    "naar worden is in of was we",
    "pt": "uma não com para é da que por mais mas então são ao das cada número temos quando isso também ela seu sua "
    "tem no do",
}
"""Without words that texts in another language have too, as names or with another meaning: `de`, `plus`, `son`."""
_LEFT_OUT: Final = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$[^$]*+\$\$|\$[^$\n]*+\$|\\\[(?:[^\\]++|\\(?![\[\]]))*+\\\]"
    r"|\\\((?:[^\\]++|\\(?![()]))*+\\\)|\\[A-Za-z]++|https?://\S++|<</?[^<>\n]*+>>",
    re.DOTALL,
)
_MARKUP: Final = re.compile(r"[`$\\<]|http")
_FEW: Final = 5
"""With fewer common words than this in a text, only its script counts."""


class Share(NamedTuple):
    """How much of a text is in the language, and of how many words that is said."""

    share: float
    words: int


class _Language(NamedTuple):
    own: re.Pattern[str]
    ideographs: re.Pattern[str]
    others: re.Pattern[str]
    common: frozenset[str]
    foreign: frozenset[str]

    def count_strange(self, text: str) -> int:
        return len(self.ideographs.findall(text)) + len(self.others.findall(text))


def language_share(text: str, language: str) -> Share:
    """The share of a text's words that are in `language`, one of LANGUAGES; 1 where it has no words.

    Raises:
        RecipeError: the language is not one of LANGUAGES.
    """
    kind = _language(language)
    plain = _LEFT_OUT.sub(" ", text) if _MARKUP.search(text) else text
    own = kind.own.findall(plain)
    strange = 0 if kind.common and plain.isascii() else kind.count_strange(plain)
    total = len(own) + strange
    if not total:
        return Share(1.0, 0)
    share = len(own) / total
    if kind.common:
        lowered = list(map(str.lower, own))
        ours = sum(map(kind.common.__contains__, lowered))
        theirs = sum(map(kind.foreign.__contains__, lowered))
        share *= ours / (ours + theirs) if ours + theirs >= _FEW else 1.0
    return Share(share, total)


@lru_cache(maxsize=32)
def _language(code: str) -> _Language:
    if code not in _SCRIPTS:
        raise RecipeError(f"language {code!r} is not known: use one of {', '.join(LANGUAGES)}")
    scripts = _SCRIPTS[code]
    letters = "".join(_LETTERS[one] for one in scripts)
    signs = "".join(_LETTERS[one] for one in _IDEOGRAPHS)
    strange_signs = "".join(_LETTERS[one] for one in _IDEOGRAPHS if one not in scripts)
    common = {one: frozenset(words.split()) for one, words in _COMMON.items()}
    ours = common.get(code, frozenset())
    return _Language(
        re.compile(f"[{letters}]" if set(scripts) <= set(_IDEOGRAPHS) else f"[{letters}]{{2,}}"),
        re.compile(f"[{strange_signs}]" if strange_signs else "(?!)"),
        re.compile(rf"[^\W\d_{letters}{signs}]{{2,}}"),
        ours,
        frozenset().union(*(words for one, words in common.items() if one != code)) - ours,
    )
