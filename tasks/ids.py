"""Content hashes that name rows."""

from xxhash import xxh3_128_hexdigest


def content_id(*parts: str | int | None) -> str:
    """24 hex digits that stand for these values, in this order."""
    return xxh3_128_hexdigest("\x00".join("" if part is None else str(part) for part in parts).encode())[:24]


def question_id(domain: str, question: str) -> str:
    """The id of the problem that this question sets in this domain; runs of whitespace are equal."""
    return content_id(domain, " ".join(question.split()))
