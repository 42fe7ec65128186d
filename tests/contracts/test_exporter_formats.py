"""What each trainer's or data set's format holds, row by row; and that what reads it reads it."""

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from schemas.tables import REWRITES, Domain
from tasks import plugins
from tasks.export.pieces import PACKAGE
from tasks.export.selection import VALIDATION, Exporter, Selection
from tasks.ids import id_number
from tasks.prompts import INSTRUCTIONS

IDS = {"problem_id": "p0", "trace_id": "t0", "verifier": "person"}


def build(name: str, **settings: object) -> Exporter:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(settings))
    return exporter


def rows(name: str, selection: Selection, **settings: object) -> list[dict[str, Any]]:
    return build(name, **settings).rows(selection).to_pylist()


def with_problem(selection: Selection, **values: str | None) -> Selection:
    """One problem only, with these columns changed."""
    first = selection.problems.slice(0, 1).to_pylist()[0] | values
    return selection._replace(problems=pa.Table.from_pylist([first], selection.problems.schema))


def test_verl_rows(selection: Selection) -> None:
    found = rows("verl", selection._replace(split=VALIDATION))
    asked = f"1 + 1?\n\n{INSTRUCTIONS[Domain.MATH]}"
    assert found[0] == {
        "data_source": "lighteval/MATH",
        "prompt": [{"role": "user", "content": asked}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "2"},
        "extra_info": {"split": "validation", "index": id_number("p0")},
        "problem_id": "p0",
    }
    told = [(row["problem_id"], row["data_source"], row["reward_model"]["ground_truth"]) for row in found[1:]]
    assert told == [("p1", "lighteval/MATH", "4"), ("p5", "lighteval/MATH", "B")]


@pytest.mark.parametrize(
    ("tests", "truth"),
    [
        ('{"inputs": ["1"], "outputs": ["2"]}', {"inputs": ["1"], "outputs": ["2"]}),
        ('{"fn_name": "f", "inputs": [[1]], "outputs": [2]}', {"fn_name": "f", "inputs": [[1]], "outputs": [2]}),
        ('[{"input": "1", "output": "2"}]', {"inputs": ["1"], "outputs": ["2"]}),
        ("assert f(1) == 1", None),
        ('["assert f(1) == 1"]', None),
    ],
)
def test_verls_scorer_of_programs_reads_inputs_and_outputs(tests: str, truth: Any, selection: Selection) -> None:
    """Its prime_code takes a JSON object with both, and gives any program 0 for other tests."""
    coding = with_problem(selection, domain="code", tests=tests)
    assert [json.loads(row["reward_model"]["ground_truth"]) for row in rows("verl", coding)] == (
        [truth] if truth else []
    )
    (row,) = rows("verl", coding, data_sources={"code": "mine"})
    assert row["reward_model"]["ground_truth"] == tests


def test_verl_settings(selection: Selection) -> None:
    settings = {"data_sources": {"math": "mine"}, "majority": False, "instructions": {}, "system": "Think."}
    (row,) = rows("verl", selection, **settings)
    assert row["data_source"] == "mine"
    assert row["prompt"] == [{"role": "system", "content": "Think."}, {"role": "user", "content": "1 + 1?"}]


def test_open_instruct_rows(selection: Selection) -> None:
    found = {row["problem_id"]: row for row in rows("open_instruct", selection)}
    assert {key: (row["dataset"], row["ground_truth"]) for key, row in found.items() if key != "p4"} == {
        "p0": ("math", "2"),
        "p1": ("math", "4"),
        "p3": ("code", '["assert f(1) == 1"]'),
        "p5": ("math", "B"),
    }
    assert found["p4"]["dataset"] == "ifeval"
    assert found["p4"]["messages"] == [{"role": "user", "content": "No commas."}]


@pytest.mark.parametrize(
    "constraints",
    [
        '[{"kind": "length_constraints:number_words", "kwargs": {"num_words": 9, "relation": null}}]',
        '{"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 9, "relation": null}]}',
        '[{"instruction_id": ["length_constraints:number_words"], "kwargs": [{"num_words": 9, "relation": null}]}]',
    ],
)
def test_open_instruct_reads_the_constraints(constraints: str, selection: Selection) -> None:
    """As its IFEvalVerifier does: the first element of a Python literal, which JSON's null would break."""
    (row,) = rows("open_instruct", with_problem(selection, domain="instruction", constraints=constraints))
    first = ast.literal_eval(row["ground_truth"])[0]
    assert first["instruction_id"] == ["length_constraints:number_words"]
    assert first["kwargs"] == [{"num_words": 9, "relation": None}]


@pytest.mark.parametrize(
    "constraints",
    [
        '{"func_name": "validate_no_commas", "N": null}',
        '[{"instruction_id": ["a"], "kwargs": [{}]}, {"instruction_id": ["b"], "kwargs": [{}]}]',
        "[]",
        "no JSON",
    ],
)
def test_open_instruct_leaves_out_other_constraints(constraints: str, selection: Selection) -> None:
    assert rows("open_instruct", with_problem(selection, domain="instruction", constraints=constraints)) == []


@pytest.mark.parametrize(
    ("tests", "verifier", "truth"),
    [
        ('["assert f(1) == 1", "assert f(2) == 2"]', "code", ["assert f(1) == 1", "assert f(2) == 2"]),
        ("assert f(1) == 1\nassert f(2) == 2", "code", ["assert f(1) == 1\nassert f(2) == 2"]),
        ('{"inputs": ["1\\n"], "outputs": ["2\\n"]}', "code_stdio", [{"input": "1\n", "output": "2\n"}]),
        ('[{"input": "1", "output": "2"}]', "code_stdio", [{"input": "1", "output": "2"}]),
        ('{"tests": ["assert f(1) == 1"]}', "code", ["assert f(1) == 1"]),
        (
            '{"tests": "def check(g):\\n    assert g(1) == 1", "entry_point": "f"}',
            "code",
            ["def check(g):\n    assert g(1) == 1\n\ncheck(f)"],
        ),
    ],
)
def test_open_instruct_reads_the_tests(tests: str, verifier: str, truth: list[Any], selection: Selection) -> None:
    (row,) = rows("open_instruct", with_problem(selection, domain="code", tests=tests))
    assert (row["dataset"], json.loads(row["ground_truth"])) == (verifier, truth)


@pytest.mark.parametrize(
    "tests",
    [
        "def check(candidate):\n    assert candidate(1) == 1",
        '{"fn_name": "f", "inputs": [[1]], "outputs": [1]}',
        '{"inputs": [[1]], "outputs": [1]}',
        '{"tests": "assert f(1) == 1", "setup": "import math"}',
        '{"tests": "def check(g): assert g(1) == 1"}',
        '[["assert f(1) == 1"]]',
        "[]",
        "{broken",
        " ",
    ],
)
def test_open_instruct_leaves_out_what_its_verifier_cannot_read(tests: str, selection: Selection) -> None:
    assert rows("open_instruct", with_problem(selection, domain="code", tests=tests)) == []


@pytest.mark.parametrize(
    ("reference", "solution", "answer"),
    [
        ("42", r"$\boxed{42}$", "42"),
        (r"\frac{1}{2}", r"$\boxed{\frac{1}{2}}$", "0.5"),
        ("1,234", r"$\boxed{1,234}$", "1234"),
        ("$18", r"$\boxed{$18}$", "18"),
        (r"$\frac12$", r"$\frac12$", r"\frac{1}{2}"),
        (r"so it is \boxed{7}", r"so it is \boxed{7}", "7"),
        (r"\(x^2+1\)", r"\(x^2+1\)", "1+x^2"),
    ],
)
def test_open_r1s_reward_finds_the_answer(reference: str, solution: str, answer: str, selection: Selection) -> None:
    """As its accuracy reward parses; where it finds nothing, any answer would be right."""
    from math_verify import LatexExtractionConfig, parse, verify

    (row,) = rows("open_r1", with_problem(selection, reference=reference))
    assert row == {"problem": "1 + 1?", "solution": solution, "problem_id": "p0"}
    gold, given, other = (
        parse(text, extraction_mode="first_match", extraction_config=[LatexExtractionConfig()])
        for text in (row["solution"], rf"\boxed{{{answer}}}", r"\boxed{99}")
    )
    assert gold
    assert verify(gold, given)
    assert not verify(gold, other)


def test_open_r1_settings(selection: Selection) -> None:
    found = rows("open_r1", selection, domains=["math", "choice"], majority=False, solution="#### {answer}")
    assert [row["solution"] for row in found] == ["#### 2", "#### B"]
    with pytest.raises(ValidationError, match=r"solution needs {answer} in it, once"):
        build("open_r1", solution="42")
    with pytest.raises(ValidationError):
        build("open_r1", domains=["code"])


def test_stepwise_rows(selection: Selection) -> None:
    found = rows("stepwise", selection)
    assert found[0] == {"prompt": "1 + 1?", "completions": ["1 + 1 = 2", "#### 2"], "labels": [True, True], **IDS}
    assert [(row["completions"], row["labels"]) for row in found[1:]] == [
        (["3"], [False]),
        (["<think>\nhm\n</think>", "four é😀"], [True, False]),
    ]


def test_processbench_rows(selection: Selection) -> None:
    found = rows("processbench", selection)
    assert found[0] == {
        "id": "t0",
        "generator": "tiny",
        "problem": "1 + 1?",
        "steps": ["1 + 1 = 2", "#### 2"],
        "final_answer_correct": True,
        "label": -1,
        **IDS,
    }
    assert [(row["label"], row["final_answer_correct"]) for row in found[1:]] == [(0, False), (1, True)]


def test_processbench_has_no_row_where_the_answer_or_the_error_is_unknown(selection: Selection) -> None:
    partly = pa.array([[1.0]] * 5, pa.list_(pa.float32()))
    verdicts = selection.verdicts.set_column(3, "step_scores", partly)
    assert [row["trace_id"] for row in rows("processbench", selection._replace(verdicts=verdicts))] == ["t2"]
    assert rows("processbench", selection._replace(standings=selection.standings.slice(0, 0))) == []


def test_prm800k_rows(selection: Selection) -> None:
    """The fields of github.com/openai/prm800k, in its order."""
    found = rows("prm800k", selection, neutral_from=0.0, threshold=0.5)
    assert list(found[0])[:7] == [
        "labeler",
        "timestamp",
        "generation",
        "is_quality_control_question",
        "is_initial_screening_question",
        "question",
        "label",
    ]
    assert found[0]["question"] == {
        "problem": "1 + 1?",
        "ground_truth_solution": None,
        "ground_truth_answer": "2",
        "pre_generated_steps": ["1 + 1 = 2", "#### 2"],
        "pre_generated_answer": None,
        "pre_generated_verifier_score": None,
    }
    assert found[0]["label"] == {
        "steps": [step("1 + 1 = 2", 1), step("#### 2", 1)],
        "total_time": None,
        "finish_reason": "solution",
    }
    assert found[1]["label"] == {"steps": [step("3", -1)], "total_time": None, "finish_reason": "found_error"}
    assert found[2]["question"]["ground_truth_answer"] == "4"
    ratings = [one["completions"][0]["rating"] for one in found[2]["label"]["steps"]]
    assert (ratings, found[2]["label"]["finish_reason"]) == ([0, 0], "solution")


def test_prm800k_tells_who_rewrote_the_first_wrong_step(selection: Selection) -> None:
    """The first rewrite there is, of traces whose verdict is the reviewers'."""
    opened = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = {"trace_id": "t2", "reviewer": "r-1", "after": "2", "saved_at": opened + timedelta(seconds=9.5)}
    written = [first | {"opened_at": opened}, first | {"reviewer": "r-2", "opened_at": None}]
    zero: dict[pa.DataType, object] = {pa.string(): "", pa.int32(): 0}
    empty = {field.name: None if field.nullable else zero[field.type] for field in REWRITES}
    told = {"trace_id": ["t0", "t2"], "verifier": ["reviewers"] * 2}
    verdicts = pa.table(
        told
        | {"first_wrong_step": pa.array([-1, 0], pa.int32())}
        | {"step_scores": pa.array([[1.0, 0.5], [0.0]], pa.list_(pa.float32()))}
        | {"verifier_version": ["1"] * 2}
    )
    rewrites = pa.Table.from_pylist([empty | one for one in written], REWRITES)
    changed = selection._replace(verdicts=verdicts, rewrites=rewrites)
    right, wrong = rows("prm800k", changed, verifier="reviewers", neutral_from=0.5, threshold=0.5)
    assert [one["completions"][0]["rating"] for one in right["label"]["steps"]] == [1, 0]
    assert (right["labeler"], right["timestamp"], right["label"]["total_time"]) == (None, None, None)
    assert (wrong["labeler"], wrong["timestamp"]) == ("r-1", "2026-01-02T03:04:14.500000+00:00")
    human = {"text": "2", "rating": 1, "flagged": False}
    expected = {"steps": [step("3", -1) | {"human_completion": human}], "finish_reason": "found_error"}
    assert wrong["label"] == expected | {"total_time": 9500}
    (other,) = (one for one in rows("prm800k", selection._replace(rewrites=rewrites)) if one["trace_id"] == "t2")
    assert (other["labeler"], other["label"]["steps"]) == (None, [step("3", -1)])


def step(text: str, rating: int) -> dict[str, Any]:
    completion = {"text": text, "rating": rating, "flagged": False}
    return {"completions": [completion], "human_completion": None, "chosen_completion": None if rating < 0 else 0}


def test_math_shepherd_rows(selection: Selection) -> None:
    found = rows("math_shepherd", selection, verifier="rollouts")
    assert found[0] == {
        "input": "1 + 1? Step 1: 1 + 1 = 2 ки\nStep 2: #### 2 ки",
        "label": "1 + 1? Step 1: 1 + 1 = 2 +\nStep 2: #### 2 -",
        "task": "math",
        **(IDS | {"verifier": "rollouts"}),
    }
    assert rows("math_shepherd", selection, task="GSM8K")[0]["task"] == "GSM8K"


def test_math_shepherd_numbers_a_step_once(selection: Selection) -> None:
    traces = selection.traces.set_column(2, "text", pa.array(["Step 1: 2\n#### 2"] * 6))
    assert (
        rows("math_shepherd", selection._replace(traces=traces))[0]["input"] == "1 + 1? Step 1: 2 ки\nStep 2: #### 2 ки"
    )


def test_llamafactory_sft_rows(selection: Selection) -> None:
    found = rows("llamafactory_sft", selection, system="Think.")
    assert found[0] == {
        "conversations": [
            {"from": "system", "value": "Think."},
            {"from": "human", "value": "1 + 1?"},
            {"from": "gpt", "value": "1 + 1 = 2\n#### 2"},
        ],
        "problem_id": "p0",
        "trace_id": "t0",
        "source": "a.jsonl",
    }
    assert found[2]["conversations"][-1]["value"] == "<think>\nhm\n</think>\n\nfour é😀"


def test_llamafactory_dpo_rows(selection: Selection) -> None:
    assert rows("llamafactory_dpo", selection)[0] == {
        "conversations": [{"from": "human", "value": "1 + 1?"}],
        "chosen": {"from": "gpt", "value": "two"},
        "rejected": {"from": "gpt", "value": "3"},
        "pair_id": "k1",
        "problem_id": "p0",
        "rule": "correct_vs_incorrect",
        "chosen_trace_id": "t1",
        "rejected_trace_id": "t2",
    }


@pytest.mark.parametrize(("name", "ranking"), [("llamafactory_sft", False), ("llamafactory_dpo", True)])
def test_llamafactory_finds_its_files(name: str, ranking: bool, selection: Selection, tmp_path: Path) -> None:
    """As its loader does: `file_name` is a folder, whose files are all of one type and make up one set."""
    from datasets import load_dataset

    exporter = build(name, dataset="mine")
    found = exporter.rows(selection)
    (tmp_path / "train").mkdir()
    pq.write_table(found, tmp_path / "train" / "part-0.parquet")
    info = json.loads(exporter.files({"train": found.num_rows, "validation": 0})["dataset_info.json"])
    assert list(info) == ["mine_train"]
    entry = info["mine_train"]
    assert (entry["formatting"], entry["ranking"]) == ("sharegpt", ranking)
    files = [str(path) for path in (tmp_path / entry["file_name"]).iterdir()]
    dataset = load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert set(entry["columns"].values()) <= set(dataset.column_names)
    tags = entry["tags"]
    roles = [turn[tags["role_tag"]] for turn in dataset[0][entry["columns"]["messages"]]]
    assert roles == ([tags["user_tag"]] if ranking else [tags["user_tag"], tags["assistant_tag"]])
    assert set(tags) == {
        *("role_tag", "content_tag", "user_tag", "assistant_tag", "observation_tag", "function_tag", "system_tag")
    }
