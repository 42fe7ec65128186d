"""Form: thinking tags, one final answer, a box or a code fence where it is asked for.

DeepSeek-R1's format reward (arXiv 2501.12948, section 2.2.2) as a rule with reasons.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.text.thinking import broken_thinking, halves
from tasks.verify.answers import MARKERS, PHRASES, final_answer
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import Fault, TraceView

_TAG: Final = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_FENCE: Final = re.compile(r"^[ \t]*(?:`{3,}|~{3,})", re.MULTILINE)
_BOX: Final = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SAME: Final = re.compile(r"[\s$*,.]|\\[,;! ]")
_OPTION: Final = "A:"
"""In multiple choice this begins an option."""
_SHOWN: Final = 60


class Config(ConfigBase):
    """What a trace's form has to be. Without tags, the whole text is the answer."""

    think: Literal["required", "allowed", "forbidden"] = Field(
        default="allowed", description="`<think>` … `</think>`: one pair at the start, an answer after it; or none"
    )
    one_answer: tuple[Domain, ...] = Field(
        default=(Domain.MATH, Domain.CHOICE), description="where exactly one final answer has to be given"
    )
    boxed: tuple[Domain, ...] = Field(default=(), description=r"where the answer has to be in `\boxed{…}`")
    fenced: tuple[Domain, ...] = Field(default=(), description="where the answer needs a closed code fence")
    markers: tuple[str, ...] = Field(default=MARKERS, description="what a final answer stands behind at a line's start")
    phrases: tuple[str, ...] = Field(
        default=PHRASES, description="what it stands behind anywhere, where there is no box and no marker"
    )


@dataclass(frozen=True)
class FormatFilter:
    """Looks at the tags, then at what follows the thinking."""

    config: Config
    version: str = "1"

    def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:
        """The first thing that is wrong."""
        tags = self._tags(trace.text)
        if tags:
            return Fault(tags)
        said = halves(trace.text).answer
        if not said:
            return Fault("no answer")
        if problem.domain in self.config.fenced and (missing := _fence_fault(said)):
            return Fault(missing)
        if problem.domain in self.config.boxed and not _BOX.search(said):
            return Fault("no boxed answer")
        return self._answers(problem.domain, said) if problem.domain in self.config.one_answer else None

    def _tags(self, text: str) -> str | None:
        if self.config.think == "forbidden":
            return "thinking tags" if _TAG.search(text) else None
        return broken_thinking(text, needed=self.config.think == "required")

    def _answers(self, domain: str, said: str) -> Fault | None:
        markers = tuple(one for one in self.config.markers if domain != Domain.CHOICE or one != _OPTION)
        named = named_answers(said, markers)
        if not named and not final_answer(said, markers, self.config.phrases, last_number=False):
            return Fault("no final answer")
        different = {_SAME.sub("", one).lower(): one for one in named}
        shown = ", ".join(repr(one[:_SHOWN]) for one in different.values())
        return Fault("several final answers", shown) if len(different) > 1 else None


def named_answers(text: str, markers: tuple[str, ...]) -> list[str]:
    """Every answer in a box or behind a marker at a line's start, in order."""
    marked = (
        re.compile(rf"^[ \t>*_#-]{{0,12}}(?:{'|'.join(map(re.escape, markers))})", re.MULTILINE) if markers else None
    )
    starts = sorted(found.start() for pattern in (_BOX, marked) if pattern for found in pattern.finditer(text))
    parts = (text[start:end] for start, end in pairwise([*starts, len(text)]))
    return [answer for part in parts if (answer := final_answer(part, markers, (), last_number=False))]


@lru_cache(maxsize=16)
def _marked(markers: tuple[str, ...]) -> re.Pattern[str]:
    """A marker at a line's start; without markers, what is nowhere."""
    return re.compile(rf"^[ \t>*_#-]{{0,12}}(?:{'|'.join(map(re.escape, markers)) or '(?!)'})", re.MULTILINE)


def _fence_fault(said: str) -> str | None:
    fences = len(_FENCE.findall(said))
    if not fences:
        return "no code fence"
    return "open code fence" if fences % 2 else None


def build(config: Config) -> FormatFilter:
    """Make the filter that a recipe's settings describe."""
    return FormatFilter(config)
