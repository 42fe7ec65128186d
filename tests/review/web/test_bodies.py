"""What JSON must not hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.web.bodies import DEEPEST, fault


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'[["\\ud800"]]', "lone surrogate"),
        (b'"\\udc00\\ud800"', "lone surrogate"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
        (b"{'a': 1}", "not JSON"),
        (b"", "not JSON"),
        (b"[NaN]", "number that is none"),
        (b"[-Infinity]", "number that is none"),
        (b"[1e999]", "too large"),
        (b"[" + b"9" * 5000 + b"]", "too large"),
        (b"[9007199254740993]", "too large"),
        (b"[" * (DEEPEST + 2) + b"]" * (DEEPEST + 2), "deeper"),
        (b"[" * 500_000, "deeper"),
        (b'{"a":' * 100_000, "deeper"),
    ],
)
def test_what_is_refused(body: bytes, said: str) -> None:
    assert said in (fault(body) or "")


@pytest.mark.parametrize(
    "body", [b"{}", b"null", b'"\\ud83d\\ude00 \\\\u0000"', b"[-9007199254740992, 1.5e300]", "∑".encode()]
)
def test_what_is_taken(body: bytes) -> None:
    assert fault(b'"' + body + b'"' if body == "∑".encode() else body) is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc"), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_whatever_a_page_may_send_is_taken(value: object, plain: bool) -> None:
    assert fault(json.dumps(value, ensure_ascii=plain).encode()) is None


@given(st.binary(max_size=200))
def test_whatever_comes_there_is_an_answer(body: bytes) -> None:
    assert fault(body) is None or isinstance(fault(body), str)
