from hypothesis import given
from hypothesis import strategies as st

from tasks.ids import id_number


def test_a_number_stays_from_version_to_version() -> None:
    assert id_number("p0") == 3_177_730_530_227_364_630


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_numbers_fit_signed_columns(row_id: str) -> None:
    assert 0 <= id_number(row_id) < 2**63
