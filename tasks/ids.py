"""Content hashes that name rows."""

from xxhash import xxh3_128_hexdigest


def content_id(*parts: str | int | None) -> str:
    """24 hex digits that stand for these values, in this order."""
    return xxh3_128_hexdigest("\x00".join("" if part is None else str(part) for part in parts).encode())[:24]
