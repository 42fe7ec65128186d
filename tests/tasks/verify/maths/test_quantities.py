from fractions import Fraction

import pytest

from tasks.verify.maths.numbers import clean
from tasks.verify.maths.quantities import Quantity, Unit, measured, quantity, same_time


@pytest.mark.parametrize(
    ("text", "value", "measure", "size"),
    [
        ("18 dollars", "18", "dollar", 1),
        (r"\$18.90", "18.90", "dollar", 1),
        (r"5.4 \text{ cents}", "5.4", "dollar", Fraction(1, 100)),
        ("18 eggs", "18", "egg", 1),
        ("42 children tickets", "42", "children ticket", 1),
        (r"15\mbox{ cm}^2", "15", "meter^2", Fraction(1, 10_000)),
        ("10 cm^2", "10", "meter^2", Fraction(1, 10_000)),
        ("15 square centimeters", "15", "meter^2", Fraction(1, 10_000)),
        ("3 cubic feet", "3", "meter^3", Fraction(381, 1250) ** 3),
        ("1,000.99m²", "1,000.99", "meter^2", 1),
        ("10cm", "10", "meter", Fraction(1, 100)),
        (r"\frac{5}{2}\text{ m/s}", r"\frac{5}{2}", "meter/second", 1),
        ("60 miles per hour", "60", "meter/second", Fraction(1397, 3125)),
        ("60 mph", "60", "meter/second", Fraction(1397, 3125)),
        (r"90^\circ", "90", "degree", 1),
        ("90°", "90", "degree", 1),
        ("90 degrees", "90", "degree", 1),
        (r"\theta = 30^{\circ}", r"\theta = 30", "degree", 1),
        (r"12\pi\text{ cm}^3", r"12\pi", "meter^3", Fraction(1, 10**6)),
    ],
)
def test_values_and_units(text: str, value: str, measure: str, size: Fraction) -> None:
    assert quantity(clean(text)) == Quantity(value, Unit(measure, size))


@pytest.mark.parametrize(
    "text",
    ["18", "5x", "5 x", "5 thousand", "5 dozen or so", "3 and 4", r"\sin 30^\circ", "x+1", r"\text{east}", "", "5 i"],
)
def test_what_has_no_unit(text: str) -> None:
    assert quantity(text) == Quantity(text)


def test_a_value_in_another_unit() -> None:
    meters, kilometers, eggs = quantity("5 m"), quantity("5 km"), quantity("5 eggs")
    assert measured(kilometers, meters.unit) == r"(5) \cdot \frac{1000}{1}"
    assert measured(meters, meters.unit) == measured(meters, eggs.unit) == measured(meters, None) == "5"


@pytest.mark.parametrize(
    ("first", "second", "equal"),
    [
        ("12:00", "1:00", False),
        ("4:30", r"4:30 \text{ p.m.}", True),
        ("4:30 am", r"4:30 \text{ p.m.}", False),
        ("20:34", "8:34 P.M.", True),
        ("20:34", "20:34:00", True),
        ("20:34", "20:34:01", False),
        ("12:15 am", "0:15", True),
        ("10:15", "20:30", None),
        ("5:3", "5:30", None),
        ("5", "5:30", None),
    ],
)
def test_times_of_day(first: str, second: str, equal: bool | None) -> None:
    assert same_time(clean(first), clean(second)) is equal
    assert same_time(clean(second), clean(first)) is equal
