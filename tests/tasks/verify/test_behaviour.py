from hypothesis import given
from hypothesis import strategies as st

from tasks.sandbox.messages import Limits
from tasks.verify.behaviour import behaviours, clusters, inputs_of
from tasks.verify.suite import Suite

LIMITS = Limits(time_s=20)


def test_calls_are_the_inputs_of_asserts() -> None:
    assert inputs_of(Suite("assert f(1) == 2\nassert abs(f(2) - 4) < 1\nassert f(1) != 3")) == ("f(1)", "f(2)")
    check = "def check(candidate):\n    assert candidate([1], k=2) == 3"
    assert inputs_of(Suite(check, entry="f")) == ("f([1], k=2)",)
    assert inputs_of(Suite(pairs=(("1\n", "2"), ("3", "4"), ("1\n", "2")))) == ("1\n", "3")


def test_programs_that_give_the_same_are_one_cluster() -> None:
    programs = [
        "def f(x): return x * 2",
        "def f(x): return x ** 2",
        "def f(x):\n    print('?')\n    return x + x",
        "def f(x): return 1 / 0",
        "def f(x): raise ZeroDivisionError",
        "def f(x): return 2 * x\n",
        "x = (",
        "while True: pass",
    ]
    given = behaviours(programs[:7], Suite("assert f(0) == 0\nassert f(2) == 4\nassert f(3) == 6"), limits=LIMITS)
    assert given[0] == ("0", "4", "6")
    assert given[3] == ("! ZeroDivisionError",) * 3
    assert clusters(given) == [(0, 2, 5), (3, 4), (1,), (6,)]
    assert behaviours(programs[7:], Suite(), ["f(1)"], limits=Limits(time_s=1)) == [("! timed out after 1 s",)]


def test_values_are_compared_as_values() -> None:
    programs = [
        "def f(): return {1: 2, 3: 4}",
        "def f(): return {3: 4, 1: 2}",
        "def f(): return {(1, 2)}",
        "def f(): ...",
    ]
    assert clusters(behaviours(programs, Suite(), ["f()"], limits=LIMITS)) == [(0, 1), (2,), (3,)]


def test_setup_comes_first() -> None:
    suite = Suite("assert f() == 2", setup="def helper(): return 2")
    assert behaviours(["def f(): return helper()"], suite, limits=LIMITS) == [("2",)]


def test_outputs_are_compared_word_by_word() -> None:
    suite = Suite(pairs=(("1 2", "3"), ("3 4", "7")))
    programs = [
        "print(sum(map(int, input().split())))",
        "a, b = input().split()\nprint(int(a) + int(b), '\\n')",
        "1 / 0",
    ]
    given = behaviours(programs, suite, limits=LIMITS)
    assert given[2] == ("! ZeroDivisionError: division by zero",) * 2
    assert clusters(given) == [(0, 1), (2,)]
    assert behaviours(programs[:1], suite, ["5 6"], limits=LIMITS) == [("11",)]


@given(st.lists(st.sampled_from([("1",), ("2",), ("! x",)]), max_size=12))
def test_clusters_part_the_programs(given: list[tuple[str, ...]]) -> None:
    found = clusters(given)
    assert sorted(position for members in found for position in members) == list(range(len(given)))
    assert [len(members) for members in found] == sorted((len(members) for members in found), reverse=True)
    assert len({given[members[0]] for members in found}) == len(found)
    assert all(len({given[position] for position in members}) == 1 for members in found)
