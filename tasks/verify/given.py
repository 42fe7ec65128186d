"""What a trace gives as its answer, for the verifiers that compare it as a text."""

from typing import Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.text.thinking import spoken
from tasks.verify.answers import MARKERS, PHRASES, final_answer

LONGEST: Final = 20_000
"""Characters; a longer text is no answer that could be compared."""


class GivenConfig(ConfigBase):
    """Which problems are judged, and which part of a trace is the answer. Thinking between tags is never part of it."""

    domains: tuple[Domain, ...] = Field(
        default=(Domain.OPEN,), min_length=1, description="The problems it applies to; open: whatever has a reference."
    )
    source: Literal["final", "text"] = Field(
        default="final",
        description="final: what is boxed, or behind a marker or phrase; text: all that follows the thinking",
    )
    markers: tuple[str, ...] = Field(
        default=MARKERS,
        description="What a final answer stands behind at the start of a line; the last one in the text counts.",
    )
    phrases: tuple[str, ...] = Field(
        default=PHRASES, description="What a final answer stands behind anywhere, where there is no marker."
    )

    def given(self, text: str) -> str | None:
        """The answer in a trace's text; None if it gives none, never ends its thinking, or goes on for too long."""
        said = spoken(text)
        if said is None:
            return None
        answer = said if self.source == "text" else final_answer(said, self.markers, self.phrases, last_number=False)
        return answer if answer and len(answer) <= LONGEST else None


def boxed(answer: str) -> str:
    r"""A text whose final answer is `answer`: boxed, or on a line behind a marker where braces do not pair."""
    depth = lowest = 0
    for char in answer:
        depth += (char == "{") - (char == "}")
        lowest = min(lowest, depth)
    return f"Answer: {' '.join(answer.split())}" if depth or lowest or answer.endswith("\\") else rf"\boxed{{{answer}}}"
