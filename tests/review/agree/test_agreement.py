"""Agreement: golden cases from the literature, and what must hold of any."""

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.agreement import ENOUGH, Found, agreement, alpha, alphas, estimate, tallied


# All from Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"; a dot is a missing value.
@pytest.mark.parametrize(
    ("observers", "expected"),
    [
        (("0100000010", "1110010000"), 0.095),
        (("aabbdcccedda", "babbbccceddd"), 0.692),
        (("123321412...", "1233224125.3", ".33323422" + "51.", "123324412" + "51."), 0.743),
    ],
    ids=["A: two observers, two values", "B: two observers, five values", "C: four observers, missing data"],
)
def test_krippendorffs_own_examples(observers: tuple[str, ...], expected: float) -> None:
    units = [[None if value == "." else value for value in unit] for unit in zip(*observers, strict=True)]
    found = alpha(units)
    assert found is not None
    assert round(found, 3) == expected


def test_alpha_is_not_defined_where_nothing_varies_or_nobody_has_a_second_reviewer() -> None:
    assert alpha([[1, 1], [1, 1]]) is None
    assert alpha([[1], [2, None]]) is None
    assert alpha([]) is None


units = st.lists(st.lists(st.sampled_from("ab"), min_size=2, max_size=4), min_size=1, max_size=12)


@given(units, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_alpha_does_not_depend_on_order_or_on_names_and_is_1_at_most(
    given_units: list[list[str]], shuffled: random.Random
) -> None:
    found = alpha(given_units)
    other = [["xy"["ab".index(value)] for value in shuffled.sample(unit, len(unit))] for unit in given_units]
    shuffled.shuffle(other)
    again = alpha(other)
    if found is None:
        assert again is None
    else:
        assert again == pytest.approx(found)
        assert found <= 1
        assert (found == pytest.approx(1)) == all(len(set(unit)) == 1 for unit in given_units)


def test_agreement_on_the_step_stands_beside_what_chance_gives() -> None:
    same, near, far = [Found(2, 4)] * 2, [Found(0, 4), Found(1, 4)], [Found(0, 4), Found(3, 4)]
    told = agreement([same, near, far, [Found(-1, 4), Found(2, 4)], [Found(1, 4)]])
    assert (told.exact.value, told.within_one.value, told.distance.value) == pytest.approx((1 / 3, 2 / 3, 4 / 3))
    assert (told.exact.items, told.has_error.items) == (3, 4)
    drawn = [abs(i - j) for i in range(4) for j in range(4)]
    assert told.exact_by_chance == pytest.approx(sum(one == 0 for one in drawn) / 16)
    assert told.within_one_by_chance == pytest.approx(sum(one <= 1 for one in drawn) / 16)
    assert told.distance_by_chance == pytest.approx(sum(drawn) / 16)


@given(st.integers(1, 30))
def test_reviewers_who_choose_blindly_come_out_as_chance(steps: int) -> None:
    every = [[Found(i, steps), Found(j, steps)] for i in range(steps) for j in range(steps)]
    told = agreement(every[: 30 * 30])
    assert told.exact.value == pytest.approx(told.exact_by_chance)
    assert told.within_one.value == pytest.approx(told.within_one_by_chance)
    assert told.distance.value == pytest.approx(told.distance_by_chance, abs=1e-9)


def test_nothing_to_compare_is_no_number_and_too_little_is_said() -> None:
    nothing = agreement([])
    assert nothing.has_error == nothing.exact == (None, None, None, 0)
    assert nothing.exact_by_chance is None
    enough = agreement([[Found(-1, 3), Found(-1, 3)]] * ENOUGH)
    assert (enough.has_error.enough, enough.has_error.value, enough.exact.enough) == (True, None, False)


def test_the_interval_is_that_of_a_plain_bootstrap_over_items_and_the_same_each_time() -> None:
    draw = random.Random(4)
    values = [[draw.random() < 0.5, draw.random() < 0.5] for _ in range(40)]
    values = [[one, one] if draw.random() < 0.6 else [one, other] for one, other in values]
    rows = tallied(values, (False, True))
    found = estimate(rows, alphas)
    rng = np.random.default_rng(7)
    plain = alphas(np.array([rows[rng.integers(0, 40, 40)].sum(axis=0) for _ in range(4000)]))
    low, high = np.nanquantile(plain, [0.025, 0.975])
    assert found == estimate(rows[::-1], alphas)
    assert found.low is not None
    assert found.high is not None
    assert found.value is not None
    assert math.isclose(found.low, low, abs_tol=0.04)
    assert math.isclose(found.high, high, abs_tol=0.04)
    assert found.low < found.value < found.high
