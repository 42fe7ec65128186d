"""What asks a model which of several answers most of them agree with, and the choice in its reply.

Chen et al. 2023, Universal Self-Consistency for Large Language Model Generation (arXiv 2311.17311): for answers of any
form, where no rule says which of them are the same.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from tasks.engines.contract import Message
from tasks.showing import question

TASK: Final = (
    "You are shown several answers to one problem. Find what most of them agree on, and choose the answer that is most "
    "consistent with that. Do not solve the problem yourself, and do not let the order of the answers sway you."
)
FORM: Final = '{"reason": "<what most of them agree on, in a few sentences>", "choice": <the number of the answer>}'


def which_agrees(given: Mapping[str, str], answers: Sequence[str], characters: int) -> tuple[Message, ...]:
    """The question; `given` is shown before the answers, which are numbered from 1; `characters` for all together."""
    shown = {f"answer {place}": text for place, text in enumerate(answers, 1)}
    return question(TASK, dict(given) | shown, FORM, characters)
