"""Repetition: loops, lines said twice, and phrases that make up too much of a text.

The shares are Gopher's (Rae et al. 2021, arXiv 2112.11446, table A1), measured in characters and meant for web pages.
Reasoning repeats itself more than a page does (a quantity's name, the same step with other numbers), so the defaults
are looser; `tests/contracts/test_filters.py` holds them to real traces.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from schemas.base import ConfigBase
from tasks.text.loops import repeats
from tasks.verify.contract import ProblemView
from tasks.verify.filtering import Fault, TraceView

Share = Annotated[float, Field(gt=0, le=1)]
Size = Annotated[int, Field(ge=2, le=50)]


class Config(ConfigBase):
    """The largest shares that are allowed; None or an empty mapping for any."""

    loops: bool = Field(default=True, description="text that runs in circles, as tasks.text.loops finds it")
    lines: Share | None = Field(default=0.5, description="characters in lines that were there before; Gopher: 0.2")
    top: dict[Size, Share] = Field(
        default={},
        description="by words in a phrase: characters that the commonest one makes up; "
        "Gopher: 2: 0.2, 3: 0.18, 4: 0.16",
    )
    again: dict[Size, Share] = Field(
        default={10: 0.6},
        description="by words in a phrase: characters in phrases that were there before; "
        "Gopher: 5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10",
    )
    fewest: int = Field(default=50, ge=1, description="words; shares of a shorter text say nothing")


@dataclass(frozen=True)
class RepetitionFilter:
    """Looks for loops first, then measures."""

    config: Config
    version: str = "1"

    def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:  # noqa: ARG002 - the protocol's
        """The first thing that comes too often."""
        loop = repeats(trace.text) if self.config.loops else None
        if loop:
            return Fault("goes in circles", loop)
        words = trace.text.split()
        if len(words) < self.config.fewest:
            return None
        lines = [line.strip() for line in trace.text.split("\n") if line.strip()]
        share = _again(lines) if self.config.lines else 0.0
        if self.config.lines and share > self.config.lines:
            return Fault("lines said again", f"{share:.2f} of its characters")
        return _phrases(words, self.config.top, "one phrase too often", top=True) or _phrases(
            words, self.config.again, "phrases said again", top=False
        )


def _phrases(words: Sequence[str], limits: Mapping[int, float], reason: str, *, top: bool) -> Fault | None:
    for size, limit in limits.items():
        share = top_share(words, size) if top else again_share(words, size)
        if share > limit:
            return Fault(reason, f"of {size} words: {share:.2f} of its characters")
    return None


def top_share(words: Sequence[str], size: int) -> float:
    """The share of the words' characters that the commonest run of `size` words makes up; 0 where none comes twice."""
    counts = Counter(zip(*(words[start:] for start in range(size)), strict=False))
    best = max(((count * sum(map(len, run)), count) for run, count in counts.items()), default=(0, 0))
    return min(best[0] / max(sum(map(len, words)), 1), 1.0) if best[1] > 1 else 0.0


def again_share(words: Sequence[str], size: int) -> float:
    """The share of the words' characters in runs of `size` words that stood before, each character counted once."""
    seen: set[tuple[str, ...]] = set()
    again = reached = 0
    for at, run in enumerate(zip(*(words[start:] for start in range(size)), strict=False)):
        if run in seen:
            again += sum(map(len, words[max(at, reached) : at + size]))
            reached = at + size
        else:
            seen.add(run)
    return again / max(sum(map(len, words)), 1)


def _again(lines: Sequence[str]) -> float:
    seen: set[str] = set()
    again = 0
    for line in lines:
        if line in seen:
            again += len(line)
        seen.add(line)
    return again / max(sum(map(len, lines)), 1)


def build(config: Config) -> RepetitionFilter:
    """Make the filter that a recipe's settings describe."""
    return RepetitionFilter(config)
