"""Every verifier goes through the same cases; a new plug-in brings a sample below, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa
import pytest

from schemas.tables import Domain, Status
from tasks import plugins
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView, Verifier
from tasks.verify.verify import PACKAGE, VerifyConfig, build, gold_failures, verify
from tasks.workers import WorkerPool


class Sample(NamedTuple):
    """A problem of a verifier's domain with traces for it."""

    problem: ProblemView
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    unanswered: str
    hang: tuple[ProblemView, str] | None
    """None where nothing is left to a worker."""


def maths(reference: str | None) -> ProblemView:
    return ProblemView(Domain.MATH, "How much is it?", reference, None, None)


def countdown(target: int) -> ProblemView:
    metadata = {"numbers": [2, 3, 4], "target": target}
    tests = {"reasoning_gym": "countdown", "entry": {"answer": "2*3*4", "metadata": metadata}}
    return ProblemView(Domain.MATH, f"Make {target} of 2, 3 and 4.", None, json.dumps(tests), None)


RULES = '[{"kind": "punctuation:no_comma"}, {"kind": "keywords:existence", "kwargs": {"keywords": ["tea", "milk"]}}]'

DOUBLE = "assert double(2) == 4\nassert double('ab') == 'abab'"

SAMPLES = {
    "code": Sample(
        ProblemView(Domain.CODE, "Write double(x).", "def double(x):\n    return 2 * x", DOUBLE, None),
        ("```python\ndef double(x):\n    return x + x\n```", "<think>?</think>\ndef double(x):\n    return x * 2"),
        ("```python\ndef double(x):\n    return 4\n```", "```\nclass double: ...\n```", "```python\nx = (\n```"),
        "I do not know.",
        (
            ProblemView(Domain.CODE, "Write wait().", None, "assert wait() is None", None),
            "```python\ndef wait():\n    while True: pass\n```",
        ),
    ),
    "choice": Sample(
        ProblemView(Domain.CHOICE, "Which city?\nA) Rome\nB) Paris\nC) Madrid", "B", None, None),
        (r"\boxed{B}", "Answer: Paris", "So the answer is (B).", "Rome is in Italy.\n\nB"),
        (r"\boxed{C}", "Answer: Rome", "So the answer is (A).", "Answer: B) Rome"),
        "I do not know.",
        None,
    ),
    "constraints": Sample(
        ProblemView(Domain.INSTRUCTION, "Write about breakfast.", None, None, RULES),
        ("Tea with milk.", "<think>well, so</think>Milk or tea"),
        ("Tea, and milk.", "Tea with sugar."),
        "<think>Tea with milk",
        None,
    ),
    "exact": Sample(
        ProblemView(Domain.OPEN, "What is the capital of France?", '["Paris", "City of Light"]', None, None),
        ("Answer: Paris", r"\boxed{paris}", "The answer is City of Light."),
        ("Answer: Rome", r"\boxed{Pari}", "The answer is City of Lights."),
        "I do not know.",
        None,
    ),
    "math": Sample(
        maths(r"\frac{1}{2}"),
        (r"\boxed{\frac12}", "A: 0.5", "So the answer is 2/4.", r"\boxed{2^{-1}}"),
        (r"\boxed{\frac13}", "A: 0.51", "So the answer is 2/5.", r"\boxed{2^{-2}}"),
        "I do not know.",
        (maths("7"), r"\boxed{\int_0^\infty \sin(x^3) \cos(x) / (x + \ln(x + 2)) \, dx}"),
    ),
    "reasoning_gym": Sample(
        countdown(24),
        (r"\boxed{2*3*4}", "<answer>4*(2*3)</answer>"),
        (r"\boxed{2*3+4}", "<answer>24</answer>", "Answer: 2*3*4*__import__('os').getpid()**0"),
        "I do not know.",
        (countdown(25), "<answer>9**9**9**9</answer>"),
    ),
    "regex": Sample(
        ProblemView(Domain.OPEN, "When was it?", r"(18|19)\d\d", None, None),
        ("Answer: 1969", r"\boxed{1869}"),
        ("Answer: 1769", "Answer: in 1969"),
        "I do not know.",
        (ProblemView(Domain.OPEN, "What?", "(a+)+b", None, None), "Answer: " + "a" * 60),
    ),
}
NAMES = plugins.names(PACKAGE)
GARBAGE = (
    "",
    " \n\t ",
    "\x00\ud7ff\U0001f600",
    "\\boxed{" * 1000,
    "$" * 1001,
    "A: " * 1000,
    "\\(" * 1000 + "A: \\(" * 3,
    "A: " + "{" * 5000,
    "A: " + "9" * 10_000,
    "A: 1/0",
    "A: " + "-" * 3000 + "5",
)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2, memory_mb=4096) as shared:
        yield shared


def config_of(name: str) -> VerifyConfig:
    return VerifyConfig(verifiers={name: {}}, deadline_s=2)


def verifier_of(name: str) -> Verifier:
    return build(config_of(name))[name]


def problem_table(views: list[ProblemView]) -> pa.Table:
    columns = {name: pa.array([getattr(view, name) for view in views], pa.string()) for name in ProblemView._fields}
    return pa.table({"problem_id": [f"p{index}" for index in range(len(views))], **columns})


def statuses(name: str, pool: WorkerPool, cases: list[tuple[ProblemView, str]]) -> list[str]:
    ids = [f"p{index}" for index in range(len(cases))]
    traces = pa.table({"trace_id": ids, "problem_id": ids, "text": [text for _, text in cases]})
    verdicts = verify(problem_table([view for view, _ in cases]), traces, config_of(name), pool)
    assert verdicts["verifier"].to_pylist() == [name] * len(cases)
    return [str(status) for status in verdicts["status"].to_pylist()]


def test_every_verifier_has_a_sample() -> None:
    assert sorted(SAMPLES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_right_traces_pass_and_near_misses_fail(name: str, pool: WorkerPool) -> None:
    sample = SAMPLES[name]
    cases = [(sample.problem, text) for text in (*sample.right, *sample.wrong)]
    expected = ["correct"] * len(sample.right) + ["incorrect"] * len(sample.wrong)
    assert statuses(name, pool, cases) == expected
    assert statuses(name, pool, cases) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_gold_answer_passes(name: str, pool: WorkerPool) -> None:
    assert gold_failures(problem_table([SAMPLES[name].problem]), config_of(name), pool).num_rows == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_is_incorrect_and_no_reference_unverifiable(name: str) -> None:
    sample, verifier = SAMPLES[name], verifier_of(name)
    for text in ("", sample.unanswered):
        told = verifier.claim(sample.problem, text)
        assert isinstance(told, Outcome)
        assert told.status is Status.INCORRECT
        assert told.reason
    bare = sample.problem._replace(reference=None, tests=None, constraints=None)
    told = verifier.claim(bare, sample.right[0])
    assert isinstance(told, Outcome)
    assert told.status is Status.UNVERIFIABLE
    assert verifier.gold(bare) is None


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_needs_no_reference_and_equals_itself(name: str) -> None:
    sample, verifier = SAMPLES[name], verifier_of(name)
    bare = sample.problem._replace(reference=None, tests=None, constraints=None)
    for text in (*sample.right, *sample.wrong):
        answer = verifier.answer(bare, text)
        assert answer == verifier.answer(sample.problem, text)
        if answer is not None:
            assert verifier.decide(Claim(answer, answer)) == CORRECT
    for text in ("", sample.unanswered):
        assert verifier.answer(bare, text) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_hang_is_an_error_and_harms_no_other(name: str, pool: WorkerPool) -> None:
    sample = SAMPLES[name]
    if sample.hang is None:
        claims = [verifier_of(name).claim(sample.problem, text) for text in (*sample.right, *sample.wrong)]
        assert all(isinstance(one, Outcome) or verifier_of(name).decide(one) for one in claims)
        return
    cases = [(sample.problem, sample.right[-1]), sample.hang, (sample.problem, sample.wrong[-1])]
    assert statuses(name, pool, cases) == ["correct", "error", "incorrect"]


@pytest.mark.parametrize("name", NAMES)
def test_garbage_is_never_correct(name: str, pool: WorkerPool) -> None:
    found = statuses(name, pool, [(SAMPLES[name].problem, text) for text in GARBAGE])
    assert "correct" not in found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("piece", ["A: ", "\\boxed{", "\\(", "the answer is ", "é\n", "9", "<<", "**", "#"])
def test_two_megabytes_are_read_quickly(name: str, piece: str) -> None:
    sample, verifier = SAMPLES[name], verifier_of(name)
    text = piece * (2_000_000 // len(piece))
    start = time.process_time()
    for claim in (verifier.claim(sample.problem, text), verifier.claim(sample.problem, f"{text}\n{sample.right[0]}")):
        if isinstance(claim, Claim):
            verifier.decide(claim)
    verifier.answer(sample.problem, text)
    assert time.process_time() - start < 2.0
