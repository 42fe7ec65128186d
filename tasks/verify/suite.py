"""The `tests` of a code problem, in the forms in which they are published."""

import ast
import json
import re
import warnings
from functools import lru_cache
from typing import Any, Final, NamedTuple

CHECK: Final = "check"
_DEFINED: Final = re.compile(r"^(?:async )?def (\w+)", re.MULTILINE)


class Suite(NamedTuple):
    """What a program is tested with: Python that calls it, or else inputs and the outputs they should give.

    `setup` runs before the program and before the tests; `check(candidate)` is called with the function `entry`.
    """

    tests: str = ""
    setup: str = ""
    entry: str | None = None
    pairs: tuple[tuple[str, str], ...] = ()

    def source(self, program: str) -> str:
        """The program behind its setup."""
        return f"{self.setup}\n\n{program}" if self.setup else program


@lru_cache(maxsize=1024)
def suite_of(tests: str, question: str) -> Suite | str:
    """Read the tests, or say why they are none.

    Taken are Python text that asserts (MBPP), that may define `check(candidate)` (HumanEval); and JSON: a list of
    assert lines; `{"tests": text or lines, "setup": text, "entry_point": name}`; `{"inputs": […], "outputs": […]}` or a
    list of `{"input": …, "output": …}`, standard input and output (APPS), or with `"fn_name"` a function's arguments
    and result. Where `check` needs a function and none is named, it is the last one in the question. A question that is
    Python itself (HumanEval's prompts) is the setup.
    """
    text = tests.strip()
    found: Any = text
    if text[:1] in ("{", "["):
        try:
            found = json.loads(text)
        except ValueError:
            return "the tests are neither Python nor JSON"
    try:
        suite = _read(found)
    except (TypeError, KeyError, ValueError, AttributeError):
        return "the tests are JSON of an unknown form"
    if suite.pairs:
        return suite
    setup = suite.setup or (question if _is_code(question) else "")
    if "assert" not in suite.tests:
        return "the tests hold no assert"
    return _with_entry(suite._replace(setup=setup), question)


def _with_entry(suite: Suite, question: str) -> Suite | str:
    if suite.entry or not re.search(rf"^def {CHECK}\(", suite.tests, re.MULTILINE):
        return suite
    if re.search(rf"^{CHECK}\(", suite.tests, re.MULTILINE):
        return suite
    named = _DEFINED.findall(suite.setup or question)
    return suite._replace(entry=named[-1]) if named else "the tests do not say which function they check"


def _read(found: Any) -> Suite:
    if isinstance(found, str):
        return Suite(found)
    if isinstance(found, list):
        if found and isinstance(found[0], str):
            return Suite("\n".join(found))
        return Suite(pairs=tuple((_text(one["input"]), _text(one["output"])) for one in found))
    if "inputs" in found:
        pairs = list(zip(found["inputs"], found["outputs"], strict=True))
        if name := found.get("fn_name"):
            return Suite("\n".join(_called(name, *pair) for pair in pairs))
        return Suite(pairs=tuple((_text(given), _text(wanted)) for given, wanted in pairs))
    tests = found["tests"]
    text = tests if isinstance(tests, str) else "\n".join(tests)
    return Suite(text, found.get("setup", ""), found.get("entry_point"))


def _called(name: str, given: list[Any], wanted: Any) -> str:
    """An assert; the sets that have such tests wrap most results in a list."""
    if not name.isidentifier():
        raise ValueError(name)
    results = [wanted, wanted[0]] if isinstance(wanted, list) and len(wanted) == 1 else [wanted]
    return f"assert {name}({', '.join(map(repr, given))}) in {results!r}"


def _text(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_code(question: str) -> bool:
    if not _DEFINED.search(question):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stray backslash is no news
            ast.parse(question)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
