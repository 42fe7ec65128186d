"""Licences that are missing, or that a mixture's own may not keep, by their names alone."""

import pytest

from tasks.terms import concerns


@pytest.mark.parametrize(
    ("terms", "own", "said"),
    [
        ("mit", "apache-2.0", ""),
        ("cc-by-4.0", "mit", ""),
        ("not stated", "mit", "is not stated"),
        ("unknown", "mit", "is not stated"),
        ("cc-by-nc-4.0", "mit", "the licence of a/v1 is cc-by-nc-4.0, which mit (export.license) may not keep"),
        ("CC-BY-SA-4.0", "cc-by-sa-4.0", ""),
        ("cc-by-sa-4.0", "cc-by-4.0", "may not keep"),
        ("gpl-3.0", "apache-2.0", "may not keep"),
        ("mit, cc-by-nd-4.0", "mit", "may not keep"),
        ("incomplete-sand-license", "mit", ""),
    ],
)
def test_what_to_look_at(terms: str, own: str, said: str) -> None:
    found = concerns({"a/v1": terms}, own)
    assert len(found) == bool(said)
    assert said in "".join(found)
