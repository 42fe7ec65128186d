import json
import time
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.columns import LABELS
from schemas.errors import PluginError, RecipeError
from schemas.tables import VERDICTS
from tasks.progress import watched_by
from tasks.tally.agreement import agreements, compared, told
from tasks.verify.contract import Claim, Outcome
from tasks.verify.verifiers.math import MathVerifier
from tasks.verify.verify import VerifyConfig, gold_failures, verify
from tasks.workers import WorkerPool

TableMaker = Callable[[list[tuple[str | None, str]]], tuple[pa.Table, pa.Table]]

ROOT = Path(__file__).parents[3]
SOLUTIONS = ROOT.parent / "shared" / "data" / "gsm8k" / "example_model_solutions.jsonl"
GOLDEN: list[dict[str, str]] = json.loads((ROOT / "tests" / "golden" / "math_answers.json").read_text("utf-8"))


def test_golden_answers(pool: WorkerPool, tables: TableMaker) -> None:
    problems, traces = tables([(case["reference"], case["text"]) for case in GOLDEN])
    verdicts = verify(problems, traces, VerifyConfig(deadline_s=2), pool).to_pylist()
    wrong = [
        (case["source"], case["reference"], case["text"], verdict["status"], verdict["reason"])
        for case, verdict in zip(GOLDEN, verdicts, strict=True)
        if verdict["status"] != case["status"]
    ]
    assert wrong == []
    assert len(GOLDEN) >= 120


def test_a_verdict_for_every_trace_in_order(pool: WorkerPool, tables: TableMaker) -> None:
    pairs: list[tuple[str | None, str]] = [("18", "A: 18"), ("x+1", "A: 1+x"), (None, "A: 3"), ("5", "no idea")]
    verdicts = verify(*tables(pairs), pool=pool)
    assert verdicts.schema == VERDICTS
    assert verdicts["trace_id"].to_pylist() == ["t0", "t1", "t2", "t3"]
    assert verdicts["status"].to_pylist() == ["correct", "correct", "unverifiable", "incorrect"]
    assert verdicts["score"].to_pylist() == [1.0, 1.0, None, 0.0]
    assert verdicts["extracted_answer"].to_pylist() == ["18", "1+x", None, None]
    assert verdicts["reason"].to_pylist() == ["", "", "no reference", "no final answer found"]


def test_nobody_judges_other_domains_and_unknown_problems(tables: TableMaker) -> None:
    problems, traces = tables([("18", "A: 18"), ("18", "A: 18")])
    problems = problems.set_column(1, "domain", pa.array(["open", "math"]))
    traces = traces.set_column(1, "problem_id", pa.array(["p0", "p9"]))
    verdicts = verify(problems, traces)
    assert verdicts["verifier"].to_pylist() == ["none", "none"]
    assert verdicts["status"].to_pylist() == ["unverifiable", "unverifiable"]
    assert verdicts["reason"].to_pylist() == ["no verifier for the domain open", "its problem p9 is not in the table"]


def test_a_late_claim_is_an_error_and_the_rest_unaffected(pool: WorkerPool, tables: TableMaker) -> None:
    hang = ("7", r"\boxed{\int_0^\infty \sin(x^3) \cos(x) / (x + \ln(x + 2)) \, dx}")
    verdicts = verify(*tables([("x+1", "A: 1+x"), hang, ("2x", "A: x+x")]), VerifyConfig(deadline_s=1), pool)
    assert verdicts["status"].to_pylist() == ["correct", "error", "correct"]
    assert verdicts["reason"].to_pylist()[1] == "timed out after 1 s"
    assert verdicts["score"].to_pylist()[1] is None


def test_it_works_where_multiprocessing_may_have_no_children(tables: TableMaker) -> None:
    with get_context("spawn").Pool(1) as daemon:
        verdicts = daemon.apply(verify, tables([("x+1", "A: 1+x"), ("f(x)", "A: f(y)")]))
    assert verdicts["status"].to_pylist() == ["correct", "incorrect"]


def test_what_a_check_raises_is_an_error(pool: WorkerPool, tables: TableMaker) -> None:
    verdicts = verify(*tables([("5:0", "A: 1:0")]), pool=pool)
    assert verdicts["status"].to_pylist() == ["error"]
    assert str(verdicts["reason"][0]).startswith("ValueError")


def test_equal_claims_are_decided_once(monkeypatch: pytest.MonkeyPatch, tables: TableMaker) -> None:
    decided: list[Claim] = []
    decide = MathVerifier.decide

    def noting(self: MathVerifier, claim: Claim) -> Outcome | None:
        decided.append(claim)
        return decide(self, claim)

    monkeypatch.setattr(MathVerifier, "decide", noting)
    verdicts = verify(*tables([("18", "A: 18"), ("18", "so the answer is 18."), ("18", "A: 19")]))
    assert decided == [Claim("18", "18"), Claim("18", "19")]
    assert verdicts["status"].to_pylist() == ["correct", "correct", "incorrect"]
    elapsed = verdicts["elapsed_ms"].to_pylist()
    assert elapsed[0] == elapsed[1]


def test_progress_counts_every_trace(pool: WorkerPool, tables: TableMaker) -> None:
    class Counting:
        rows = 0

        def started(self, stage: str, total: int | None) -> None: ...
        def finished(self, stage: str) -> None: ...
        def measured(self, stage: str, amounts: Mapping[str, int]) -> None: ...
        def noted(self, message: str) -> None: ...
        def advanced(self, stage: str, rows: int) -> None:
            assert stage == "verify"
            self.rows += rows

    counting = Counting()
    with watched_by(counting):
        verify(*tables([("18", "A: 18"), ("x+1", "A: 1+x"), ("x+1", "A: 1+x"), (None, "")]), pool=pool)
    assert counting.rows == 4


def test_no_traces_give_no_verdicts(tables: TableMaker) -> None:
    problems, traces = tables([("18", "A: 18")])
    assert verify(problems, traces.slice(0, 0)).num_rows == 0


def test_a_fault_in_the_settings_is_told_at_once() -> None:
    with pytest.raises(PluginError, match=r"unknown name 'maths' in verifiers: use one of .*math"):
        VerifyConfig(verifiers={"maths": {}})
    with pytest.raises(RecipeError, match=r"math\.marker: is not a known key"):
        VerifyConfig(verifiers={"math": {"marker": "A:"}})


def test_markers_are_settings(tables: TableMaker) -> None:
    settings: dict[str, dict[str, Any]] = {"math": {"markers": ["=>"], "phrases": []}}
    verdicts = verify(*tables([("18", "=> 18"), ("18", "A: 18")]), VerifyConfig(verifiers=settings))
    assert verdicts["status"].to_pylist() == ["correct", "incorrect"]


def test_gold_answers_that_fail_their_own_verifier(pool: WorkerPool, tables: TableMaker) -> None:
    references = ["18", "1/2", "so 9 * 2 = 18\n#### 18", r"\begin{pmatrix}1\\2\end{pmatrix}", "2}", "#### ", None]
    problems, _ = tables([(reference, "") for reference in references])
    failures = gold_failures(problems, pool=pool).to_pylist()
    assert [(failure["problem_id"], failure["reason"]) for failure in failures] == [
        ("p4", "the reference cannot be read as mathematics")
    ]


@pytest.mark.skipif(not SOLUTIONS.exists(), reason="needs ../shared/data/gsm8k, which is not part of the project")
def test_agreement_on_real_labelled_traces(pool: WorkerPool, tables: TableMaker) -> None:
    problems, traces = labelled_traces(tables)
    verify(problems, traces.slice(0, 4 * 400), pool=pool)
    start = time.perf_counter()
    found = agreements(told(compared(traces, verify(problems, traces, pool=pool))))["math"]
    elapsed_s = time.perf_counter() - start
    assert found.labelled == 5276
    assert found.agreeing == found.labelled
    assert found.low > 0.999
    assert elapsed_s < 2.0
    assert gold_failures(problems, pool=pool).num_rows == 0


def test_a_program_may_not_take_as_long_as_its_worker() -> None:
    assert VerifyConfig(verifiers={"code": {"time_s": 4}}, deadline_s=5)
    with pytest.raises(ValueError, match=r"verifiers\.code\.time_s has to be below deadline_s, 5"):
        VerifyConfig(verifiers={"code": {"time_s": 5}}, deadline_s=5)


def labelled_traces(tables: TableMaker) -> tuple[pa.Table, pa.Table]:
    rows = [json.loads(line) for line in SOLUTIONS.read_text("utf-8").splitlines()]
    problems, _ = tables([(row["ground_truth"].rsplit("A: ", 1)[1], "") for row in rows])
    records = [
        (f"{index}-{model}", f"p{index}", answer["solution"], [("is_correct", str(answer["is_correct"]).lower())])
        for index, row in enumerate(rows)
        for model, answer in row.items()
        if isinstance(answer, dict)
    ]
    ids, problem_ids, texts, labels = (list(column) for column in zip(*records, strict=True))
    columns = {"trace_id": ids, "problem_id": problem_ids, "text": texts}
    return problems, pa.table({**columns, "source_labels": pa.array(labels, LABELS)})
