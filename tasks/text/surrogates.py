"""Texts that no encoding has: Python and JSON can hold half of a surrogate pair."""


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
