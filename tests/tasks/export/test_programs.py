import json

import pytest

from tasks.export.programs import asserts, loaded, pairs


def test_loaded() -> None:
    assert loaded('["a"]') == ["a"]
    assert loaded("assert f(1)") is None


@pytest.mark.parametrize(
    "tests",
    [{"inputs": ["1", "2"], "outputs": ["3", "4"]}, [{"input": "1", "output": "3"}, {"input": "2", "output": "4"}]],
)
def test_inputs_and_outputs(tests: object) -> None:
    assert pairs(tests) == [("1", "3"), ("2", "4")]
    assert asserts(json.dumps(tests)) == []


@pytest.mark.parametrize("tests", [None, [], {}, ["assert f(1)"], {"inputs": [1], "outputs": [2]}, [{"input": "1"}]])
def test_other_forms_are_no_pairs(tests: object) -> None:
    assert pairs(tests) == []


def test_assertions_run_after_the_program() -> None:
    """HumanEval's form, by the name of its function."""
    tests = {"tests": "def check(candidate):\n    assert candidate(1) == 2\n", "entry_point": "f"}
    (text,) = asserts(json.dumps(tests))
    right, wrong = ("def f(x):\n    return x + 1\n\n", "def f(x):\n    return x\n\n")
    exec(right + text, {})
    with pytest.raises(AssertionError):
        exec(wrong + text, {})
