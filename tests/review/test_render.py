"""Whatever a model writes becomes HTML that does nothing and hides nothing."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.render import LONGEST, markdown_html, step_html

_TEXTUAL = {"class", "dir", "title", "data-tex", "data-display"}
_BARE = "code em strong br hr ul li blockquote details summary table thead tbody tr th td"
ALLOWED: dict[str, set[str]] = {
    **dict.fromkeys(("p", "pre", "div", "span"), _TEXTUAL),
    **{tag: set[str]() for tag in _BARE.split()},
    "ol": {"start"},
}
PIECES = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![a](http://evil.test/a.png)",
    "[a](javascript:alert(1))",
    "[r]: http://evil.test",
    "<http://evil.test>",
    "$x^2$",
    "$$\n\\frac12\n\n\\href{javascript:alert(1)}{x}$$",
    "\\(a\\)",
    "\\[",
    "\\]",
    "\\begin{align}a&=b\\end{align}",
    '```py" onload=x\n',
    "```\n",
    "`",
    "$",
    "&#x202e;",
    "\u202e",
    "\ue0000\ue001",
    "| a | b |\n|--|--|\n| 1 | 2 | 3 |\n",
    "# ",
    "> ",
    "1. ",
    "- ",
    "***",
    "\\",
    "\n\n",
    '" onclick="x',
]
TOKEN = re.compile(r'<span class="hidden-char" title="[^"]*">U\+([0-9A-F]+)</span>')
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=12).map("".join)


class Parsed(HTMLParser):
    """Every tag and attribute must be allowed; collects the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert {name for name, _ in attrs} <= ALLOWED[tag], (tag, attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def alnum(text: str) -> str:
    return "".join(filter(str.isalnum, text))


@given(TEXTS)
@settings(max_examples=300, deadline=None)
def test_a_step_is_inert_and_loses_nothing(text: str) -> None:
    html = step_html(text)
    assert not re.search("[\x00-\x08\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]", Parsed(html).text)
    told = TOKEN.sub(lambda found: chr(int(found[1], 16)), html)
    assert alnum(Parsed(told).text) == alnum(text)


@given(TEXTS)
@settings(max_examples=200, deadline=None)
def test_a_problem_is_inert(text: str) -> None:
    Parsed(markdown_html(text))


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("so $x$ is", ["x"]),
        ("$$a$$ and \\[b\\] and \\(c\\)", ["a", "b", "c"]),
        ("\\begin{align}\na\n\n&=b\\end{align}", ["\\begin{align}\na\n\n&=b\\end{align}"]),
        ("costs $5 and $10, or $5-$10", []),
        ("`$x$` is code", []),
        ("```\n$x$\n```\n$y$", ["y"]),
        ("```\n$x$", []),
        ("\\$5 and $y$", ["y"]),
        ("$a\u202eb$", []),
        ("*$a*b$*", ["a*b"]),
        ("so \\boxed{\\frac{1}{2}} and \\boxed{7", ["\\boxed{\\frac{1}{2}}"]),
    ],
)
def test_what_is_maths(text: str, tex: list[str]) -> None:
    assert re.findall(r'data-tex="([^"]*)"', step_html(text).replace("&amp;", "&")) == tex


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u202eb", 'a<span class="hidden-char" title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E</span>b'),
        ("3. **so**\n4. then", "<p>3. <strong>so</strong><br>\n4. then</p>"),
        ("2*100 = <<2*100=200>>", "<p>2*100 = &lt;&lt;2*100=200&gt;&gt;</p>"),
        ("[a](http://x.test)", "<p>[a](http://x.test)</p>"),
        ("#### 16", '<p class="heading"><span class="marks">####</span> 16</p>'),
        ("```python\nx<1\n```", '<span class="language">python</span><pre><code>x&lt;1\n</code></pre>'),
        (
            "I add.\n```calculator\n3 * 4\n```",
            '<p>I add.</p>\n<span class="language">calculator</span><pre><code>3 * 4\n',
        ),
        ("|a|\n|-|\n|1|2|", '<pre class="plain">|a|\n|-|\n|1|2|</pre>'),
    ],
)
def test_how_it_is_shown(text: str, shown: str) -> None:
    assert shown in step_html(text).replace("<br />", "<br>")


def test_prose_has_lists() -> None:
    assert "<li>a</li>" in markdown_html("- a\n- b")


@pytest.mark.parametrize(
    "unit", ["word ", "$", "\\[", "`", "*a", "<", "\u202e", "[", "> ", "\\begin{align}", "``` a\n"]
)
def test_a_hostile_text_takes_no_long(unit: str) -> None:
    for size in (LONGEST, 1_000_000):
        begun = time.monotonic()
        html = step_html(unit * (size // len(unit)))
        assert time.monotonic() - begun < 5
        assert len(html) < 12_000_000


def test_a_long_step_is_all_there() -> None:
    text = "".join(f"{number} " for number in range(200_000))
    html = step_html(text)
    assert f"Show all {len(text):,} characters" in html
    assert alnum(Parsed(re.sub("<summary>.*?</summary>", "", html)).text) == alnum(text)
