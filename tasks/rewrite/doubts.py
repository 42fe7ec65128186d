"""What a person should look at again in a rewritten step."""

import re

from tasks.text.steps import split_steps


def doubts(before: str, after: str, reference: str | None) -> list[str]:
    """A rewritten step that holds the final answer early, or that is several."""
    found = []
    if reference and reference.strip() and holds(after, reference) and not holds(before, reference):
        found.append("the rewritten step holds the reference answer")
    if (count := len(split_steps(after.strip()))) > 1:
        found.append(f"the rewritten step is {count} steps")
    return found


def holds(text: str, answer: str) -> bool:
    """Whether the answer stands in the text, not as a part of another word or number."""
    return re.search(rf"(?<![\w.]){re.escape(answer.strip())}(?!\w|\.\d)", text) is not None
