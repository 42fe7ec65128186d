"""What a question is followed by, by domain: the same where traces are sampled and where RL prompts are exported."""

from collections.abc import Mapping
from typing import Final

from schemas.tables import Domain

INSTRUCTIONS: Final[Mapping[Domain, str]] = {
    Domain.MATH: "Please reason step by step, and put your final answer within \\boxed{}.",
    Domain.CHOICE: "Please reason step by step, and put the letter of the right option within \\boxed{}.",
    Domain.CODE: "Please reason step by step, and end with the program in one ```python block.",
    Domain.OPEN: "Please reason step by step before you answer.",
}
"""A domain that is not there needs none: its questions say all."""


def instructed(question: str, instruction: str | None) -> str:
    """The question, and the instruction after a blank line."""
    return f"{question}\n\n{instruction}" if instruction else question
