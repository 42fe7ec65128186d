import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.columns import LABELS
from schemas.errors import SourceError
from tasks.tally.agreement import Agreement, agreements, compared, disagreements, told, wilson


def tables(pairs: list[tuple[str | None, str]]) -> tuple[pa.Table, pa.Table]:
    ids = [f"t{index}" for index in range(len(pairs))]
    labels = [None if label is None else [("is_correct", label)] for label, _ in pairs]
    traces = pa.table({"trace_id": ids, "problem_id": ids, "source_labels": pa.array(labels, LABELS)})
    verdicts = pa.table(
        {
            "trace_id": ids,
            "verifier": ["math"] * len(ids),
            "status": [status for _, status in pairs],
            "extracted_answer": ["18"] * len(ids),
            "reason": [""] * len(ids),
        }
    )
    return traces, verdicts


def measured(pairs: list[tuple[str | None, str]]) -> Agreement:
    return agreements(told(compared(*tables(pairs))))["math"]


def test_each_way_to_disagree_is_counted_and_listed() -> None:
    pairs: list[tuple[str | None, str]] = [
        ("true", "correct"),
        ("false", "incorrect"),
        ("false", "correct"),
        ("true", "incorrect"),
        ("0.9", "correct"),
        ("True", "error"),
        (None, "correct"),
        ("false", "unverifiable"),
    ]
    found = measured(pairs)
    assert (found.labelled, found.agreeing, found.false_positives, found.false_negatives) == (6, 3, 1, 1)
    assert (found.share, found.unverifiable) == (0.5, 1)
    problems = pa.table({"problem_id": ["t2", "t3"], "reference": ["7", None]})
    listed = disagreements(compared(*tables(pairs)), problems).to_pylist()
    assert [(row["trace_id"], row["label"], row["reference"]) for row in listed] == [
        ("t2", False, "7"),
        ("t3", True, None),
        ("t5", True, None),
    ]


def test_another_label_and_no_label() -> None:
    assert not len(compared(*tables([("true", "correct")]), label="other"))
    assert not agreements(told(compared(*tables([("true", "unverifiable"), (None, "correct")]))))


def test_a_label_that_is_no_truth_value_is_an_error() -> None:
    with pytest.raises(SourceError, match="trace t0: label is_correct is 'maybe'"):
        compared(*tables([("maybe", "correct")]))


def test_wilson_matches_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605)}
    published |= {(0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (successes, trials), interval in published.items():
        assert wilson(successes, trials) == pytest.approx(interval, abs=5e-5)


@given(st.integers(1, 10**6), st.floats(0, 1))
def test_the_interval_holds_the_share(trials: int, share: float) -> None:
    successes = round(trials * share)
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
