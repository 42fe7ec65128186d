"""What a reviewer should look at again in a rewritten step."""

from tasks.rewrite.outcomes import doubt


def doubts(before: str, after: str, reference: str | None) -> list[str]:
    """Sentences, each a reason to look again."""
    found = doubt(before, after, reference)
    return found.split("; ") if found else []
