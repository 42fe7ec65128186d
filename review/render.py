"""Texts that nobody trusts, as HTML that does nothing: no address is followed, no tag is theirs, nothing is hidden.

Maths is taken out before Markdown sees it and put back as its source, which the page's script typesets.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

LONGEST: Final = 20_000
"""Characters; a longer text is shown as it is, for Markdown and maths cost more than reading it is worth."""
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\ue000\ue001\U000e0000-\U000e0fff]"
)
"""Controls, bidi controls, what has no width, and the two characters that hold places here."""
_PLACE: Final = re.compile("\ue000([0-9]+)\ue001")
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_OPENS: Final = re.compile(
    r"^ {0,3}(?:`{3,}|~{3,})|`+|\\[(\[]|\$\$|\$"
    r"|\\boxed\{(?:[^{}\n]|\{[^{}\n]*+\})*+\}"  # answers stand there without dollars
    r"|\\begin\{(?:align|alignat|equation|gather|multline|split|cases|array|[bBpvV]?matrix)\*?\}|\\.",
    re.MULTILINE,
)
_INLINE: Final = re.compile(r"\$(?=\S)((?:\\.|[^$\\\n])+)(?<=\S)\$(?![0-9])")
"""As Pandoc has it (`tex_math_dollars`): so `$5 and $10` are prices."""
_CLOSES: Final = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_FAITHFUL: Final = ["list", "blockquote"]
"""Off for steps: Markdown would number a list anew."""
_OFF: Final = ["link", "image", "autolink", "entity", "reference", "lheading", "code", "html_block", "html_inline"]


def step_html(text: str) -> str:
    """A step, as safe HTML: every letter and digit of it is there, a link is shown as its source."""
    return _shown(text, faithful=True)


def markdown_html(text: str) -> str:
    """A problem or guidelines, as safe HTML; lists and quotes become such."""
    return _shown(text, faithful=False)


def legible(text: str) -> str:
    """A text that a template escapes: what would hide, or turn what follows it around, is shown by its code."""
    return _HIDDEN.sub(_code, text)


def _shown(text: str, *, faithful: bool) -> str:
    if len(text) > LONGEST:
        return _long(text)
    places: list[str] = []
    held = _without_maths(_HIDDEN.sub(lambda found: _hold(places, _visible(found[0])), text), places)
    made = _filled(_markdown(faithful).render(held), places)
    if _words(_said(made), faithful) != _words(_filled(held, list(map(_said, places))), faithful):
        made = f'<pre class="plain">{_plain(text)}</pre>'
    return f'<div class="prose" dir="auto">{made}</div>'


def _said(made: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", made))


def _words(text: str, digits: bool) -> str:  # noqa: FBT001
    """What must not be lost; a list's numbers may become marks."""
    return "".join(filter(str.isalnum if digits else str.isalpha, text))


def _long(text: str) -> str:
    """Escaped, the end behind a fold: linear in its length, and no element for each character that is hidden."""
    head, rest = (_HIDDEN.sub(_code, html.escape(part)) for part in (text[:LONGEST], text[LONGEST:]))
    return (
        f'<div class="prose" dir="auto"><pre class="plain">{head}</pre><details><summary>Show all {len(text):,} '
        f'characters</summary><pre class="plain">{rest}</pre></details></div>'
    )


def _plain(text: str) -> str:
    return _HIDDEN.sub(lambda found: _visible(found[0]), html.escape(text))


def _code(found: re.Match[str]) -> str:
    return f"[U+{ord(found[0]):04X}]"


def _visible(char: str) -> str:
    code = f"U+{ord(char):04X}"
    name = unicodedata.name(char, "a control character")
    return f'<span class="hidden-char" title="{code} {html.escape(name)}">{code}</span>'


def _hold(places: list[str], made: str) -> str:
    places.append(made)
    return f"\ue000{len(places) - 1}\ue001"


def _filled(text: str, places: list[str]) -> str:
    """Maths may lie in a place, and hidden characters in no maths: once is enough."""
    return _PLACE.sub(lambda found: places[int(found[1])], text)


def _without_maths(text: str, places: list[str]) -> str:
    return "".join(_pieces(text, places))


def _pieces(text: str, places: list[str]) -> Iterator[str]:
    """The text with a place for each formula; code is left as it is."""
    at = 0
    while found := _OPENS.search(text, at):
        yield text[at : found.start()]
        end, tex, display = _formula(text, found)
        source = text[found.start() : end]
        if tex is None or "\ue000" in source or not tex.strip():
            yield source
        else:
            yield _hold(places, _maths(source, tex, display))
        at = end
    yield text[at:]


def _formula(text: str, found: re.Match[str]) -> tuple[int, str | None, bool]:
    """Where what opens here ends; its TeX, None where it is none; whether it stands by itself."""
    opened, start = found[0], found.end()
    if opened.lstrip().startswith(("`", "~")):
        return _code_end(text, found), None, False
    if opened == "$":
        inline = _INLINE.match(text, found.start())
        return (inline.end(), inline[1], False) if inline else (start, None, False)
    if opened.startswith("\\boxed"):
        return start, opened, False
    if opened.startswith("\\begin"):
        closing = opened.replace("\\begin", "\\end", 1)
        end = text.find(closing, start)
        return (start, None, False) if end < 0 else (end + len(closing), text[found.start() : end + len(closing)], True)
    closing = _CLOSES.get(opened, "")
    end = text.find(closing, start) if closing else -1
    return (start, None, False) if end < 0 else (end + len(closing), text[start:end], opened != "\\(")


def _code_end(text: str, found: re.Match[str]) -> int:
    """Where code ends; a fence that nothing closes goes on to the end, as CommonMark 4.5 says."""
    ticks = found[0].lstrip()
    if _FENCE.match(found[0]) and not (ticks[0] == "`" and "`" in text[found.end() :].split("\n", 1)[0]):
        closed = re.compile(rf"^ {{0,3}}{ticks[0]}{{{len(ticks)},}}[ \t]*$", re.MULTILINE).search(text, found.end())
        return closed.end() if closed else len(text)
    closed = re.compile(rf"(?<!`){ticks}(?!`)").search(text, found.end())
    return closed.end() if closed else found.end()


def _maths(source: str, tex: str, display: bool) -> str:  # noqa: FBT001
    stands = " data-display" if display else ""
    return f'<span class="math" data-tex="{html.escape(tex.strip())}"{stands}>{html.escape(source)}</span>'


@lru_cache
def _markdown(faithful: bool) -> MarkdownIt:  # noqa: FBT001
    made = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable("table")
    made.disable(_OFF + (_FAITHFUL if faithful else []))
    for tag, rule in (_RULES | (_STARS if faithful else {})).items():
        made.add_render_rule(tag, rule)
    return made


def _tag(made: str) -> Callable[..., str]:
    def rule(_self: RendererHTML, _tokens: Any, _at: int, _options: Any, _env: Any) -> str:
        return made

    return rule


def _fence(_self: RendererHTML, tokens: Any, at: int, _options: Any, _env: Any) -> str:
    """Code with its language as text: as an attribute it would be theirs to write."""
    told = html.escape(tokens[at].info.strip())
    label = f'<span class="language">{told}</span>' if told else ""
    return f"{label}<pre><code>{html.escape(tokens[at].content)}</code></pre>\n"


def _heading(_self: RendererHTML, tokens: Any, at: int, _options: Any, _env: Any) -> str:
    """No heading of the page; its marks stay, for GSM8K's answers stand behind `####`."""
    return f'<p class="heading"><span class="marks">{tokens[at].markup}</span> '


def _marks(_self: RendererHTML, tokens: Any, at: int, _options: Any, _env: Any) -> str:
    """A lone star is more often a product than emphasis: it stays what it is."""
    return html.escape(tokens[at].markup)


_STARS: Final = {"em_open": _marks, "em_close": _marks}
_RULES: Final[dict[str, Callable[..., str]]] = {
    "fence": _fence,
    "heading_open": _heading,
    "heading_close": _tag("</p>\n"),
    "th_open": _tag("<th>"),
    "td_open": _tag("<td>"),
}
