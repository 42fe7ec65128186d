"""Problems that the library reasoning_gym made, scored by its own scorers (Stojanovski et al. 2025, arXiv 2505.24760).

Such a problem's `tests` is JSON: `{"reasoning_gym": <name of the data set>, "entry": <as the library made it>}`, the
entry with its `question`, `answer` and `metadata`. The library is the extra `gym`.

Some of its scorers run an answer as Python (`eval`, sympy's `parse_expr`). To these only answers are put that are plain
data, words or arithmetic; others are incorrect. What an entry holds is trusted, as the library's own.
"""

import ast
import importlib.util
import inspect
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, NamedTuple

from pydantic import Field

from schemas.errors import RecipeError
from schemas.tables import Domain, Status
from tasks.text.thinking import spoken
from tasks.verify.contract import Claim, Outcome, ProblemView, incorrect
from tasks.verify.given import LONGEST, GivenConfig

KEY: Final = "reasoning_gym"
_TUPLES: Final = frozenset({"arc_agi", "rearc"})
"""Data sets whose scorers compare with tuples, which JSON has made lists."""
_RUNS: Final = re.compile(r"\b(?:eval|exec|sympify|parse_expr)\(")
_CLOSE: Final = "</answer>"
_OPEN: Final = "<answer>"
_FUNCTIONS: Final = (
    "sinh|cosh|tanh|asin|acos|atan|sin|cos|tan|sec|csc|cot|sqrt|exp|log|ln|Abs|abs|erf|erfi|Si|Ci|pi|oo|Integral"
)
_ARITHMETIC: Final = re.compile(rf"(?:(?<![\w.])(?:{_FUNCTIONS}|[A-Za-z])(?!\w)|(?<![^\W\d])\d++|[\s+\-*/^%().,=])*+")
_WORDS: Final = re.compile(r"[\w\s]*")
_ATTRIBUTE: Final = re.compile(r"\.\s*[A-Za-z_]")


class Config(GivenConfig):
    """Answers are taken from `<answer>…</answer>` first, else as the settings say."""

    domains: tuple[Domain, ...] = Field(
        default=(Domain.MATH, Domain.CODE, Domain.CHOICE, Domain.OPEN),
        min_length=1,
        description="The problems it looks at; those without an entry of the library are unverifiable to it.",
    )
    least: float = Field(
        default=1.0, gt=0, le=1, description="The library's score that a correct trace needs; it gives parts, too."
    )


class _Entry(NamedTuple):
    name: str
    content: dict[str, Any]


@dataclass(frozen=True)
class GymVerifier:
    """Asks the library in a worker; its score is the verdict's."""

    config: Config
    version: str = "1"

    @property
    def domains(self) -> frozenset[Domain]:
        """Those that the settings name."""
        return frozenset(self.config.domains)

    def claim(self, problem: ProblemView, text: str) -> Claim | Outcome:
        """The entry is what the answer is checked against."""
        if not _has_entry(problem.tests):
            return Outcome(Status.UNVERIFIABLE, f"no tests with an entry of {KEY}")
        answer = self._given(text)
        return Claim(str(problem.tests), answer) if answer else incorrect("no answer found")

    def answer(self, problem: ProblemView, text: str) -> None:
        """None: many answers may be right, and only the entry tells."""

    def decide(self, claim: Claim) -> None:
        """None: the library is loaded in workers only."""

    def prepare(self) -> None:
        """Load the library, which takes seconds."""
        _library()

    def check(self, claim: Claim) -> Outcome:
        """Score the answer.

        Raises:
            Exception: whatever the library's scorer raises; the caller makes it an `error`.
        """
        entry = _entry(claim.reference)
        assert entry is not None
        score_of = _scorer(entry.name)
        if score_of is None:
            return Outcome(Status.UNVERIFIABLE, f"{KEY} has no data set {entry.name}")
        if _RUNS.search(inspect.getsource(score_of)) and not harmless(claim.answer):
            return incorrect("neither data nor arithmetic, which is all that this scorer may run")
        content = _tuples(entry.content) if entry.name in _TUPLES else entry.content
        score = float(score_of(claim.answer, content))
        if not math.isfinite(score):
            return Outcome(Status.ERROR, f"{KEY} scored {score}")
        right = score >= self.config.least
        reason = "" if right else f"{KEY} scores {score:.3g}, {self.config.least:g} is right"
        return Outcome(Status.CORRECT if right else Status.INCORRECT, reason, score)

    def gold(self, problem: ProblemView) -> str | None:
        """The entry's own answer."""
        entry = _entry(problem.tests)
        answer = entry.content.get("answer") if entry else None
        return f"{_OPEN}{answer}{_CLOSE}" if answer else None

    def _given(self, text: str) -> str | None:
        said = spoken(text) or ""
        start, end = said.rfind(_OPEN), said.rfind(_CLOSE)
        if 0 <= start < end:
            answer = said[start + len(_OPEN) : end].strip()
            return answer if answer and len(answer) <= LONGEST else None
        return self.config.given(text)


def harmless(answer: str) -> bool:
    """Whether running an answer as Python does no more than make data or numbers (which may still take forever)."""
    if _WORDS.fullmatch(answer) or (_ARITHMETIC.fullmatch(answer) and not _ATTRIBUTE.search(answer)):
        return True
    try:
        ast.literal_eval(answer)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


@lru_cache(maxsize=4096)
def _has_entry(tests: str | None) -> bool:
    return _entry(tests) is not None


def _entry(tests: str | None) -> _Entry | None:
    """A fresh copy each time, since a scorer may change what it is given."""
    try:
        stored = json.loads(tests) if tests and KEY in tests else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(stored, dict):
        return None
    name, content = stored.get(KEY), stored.get("entry")
    return _Entry(name, content) if isinstance(name, str) and isinstance(content, dict) else None


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(one) for key, one in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


@lru_cache(maxsize=256)
def _scorer(name: str) -> Callable[[str, dict[str, Any]], float] | None:
    gym = _library()
    return gym.get_score_answer_fn(name) if name in gym.factory.DATASETS else None


def _library() -> Any:
    if "pycosat" not in sys.modules and importlib.util.find_spec("pycosat") is None:
        # It writes puzzles with that, scores without, and is not imported without.
        sys.modules["pycosat"] = ModuleType("pycosat")
    return importlib.import_module(KEY)


def build(config: Config) -> GymVerifier:
    """Make the verifier that a recipe's settings describe.

    Raises:
        RecipeError: the library is not installed.
    """
    if importlib.util.find_spec(KEY) is None:
        raise RecipeError("verifiers.reasoning_gym: the package reasoning-gym is not there; install tracemill[gym]")
    return GymVerifier(config)
