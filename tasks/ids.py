"""Content hashes that name rows."""

from xxhash import xxh3_64_intdigest, xxh3_128_hexdigest


def content_id(*parts: str | int | None) -> str:
    """24 hex digits that stand for these values, in this order."""
    return xxh3_128_hexdigest("\x00".join("" if part is None else str(part) for part in parts).encode())[:24]


def question_id(domain: str, question: str) -> str:
    """The id of the problem that this question sets in this domain; runs of whitespace are equal."""
    return content_id(domain, " ".join(question.split()))


def id_number(row_id: str) -> int:
    """A number from 0 to 2^63 - 1 that stands for an id, for formats whose rows are numbered."""
    return xxh3_64_intdigest(row_id.encode()) >> 1
