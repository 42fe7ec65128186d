"""What is written in a format, and read back with `datasets` or `json`, says what the lake says."""

import json
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.columns import MESSAGES
from tasks import plugins
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection
from tasks.text.thinking import whole_thinking

Row = Mapping[str, Any]


class Case(NamedTuple):
    """A problem with one trace, whose step `wrong` is the first wrong one; -1 if none is."""

    question: str
    reference: str
    steps: list[str]
    wrong: int

    @property
    def text(self) -> str:
        return "".join(self.steps)

    @property
    def bare(self) -> list[str]:
        return [step.rstrip() for step in self.steps]

    @property
    def labels(self) -> list[bool]:
        return [self.wrong < 0 or at < self.wrong for at in range(len(self.steps))]


PIECES = st.sampled_from(
    ["", " ", "\n\n", "ки", "</think>", "<think>", "Step 1: x", "a\n\n\nb\n", "é😀\u2028", "#### 2"]
)
TEXTS = st.lists(PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=3).map("".join)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    steps = draw(st.lists(TEXTS, max_size=5))
    wrong = draw(st.integers(-1, len(steps) - 1))
    return Case(draw(TEXTS), draw(st.from_regex(r"[0-9a-z{}\\]{1,9}", fullmatch=True)), steps, wrong)


def selected(found: list[Case]) -> Selection:
    """Trace `i` answers problem `i`; pair `i` has it as chosen and the trace before it as rejected.

    So has pair `i` of judgements: the one says the question, of the text that it was asked about.
    """
    ids = [f"{at:02d}" for at in range(len(found))]
    nulls = pa.nulls(len(found), pa.string())
    problems: dict[str, Any] = {
        "problem_id": ids,
        "domain": ["math"] * len(found),
        "question": [one.question for one in found],
    }
    problems |= {"reference": [one.reference for one in found], "tests": nulls, "constraints": nulls}
    offsets = [[0, *accumulate(len(step) for step in one.steps)][:-1] for one in found]
    traces = {"trace_id": ids, "problem_id": ids, "text": [one.text for one in found], "model": nulls, "source": ids}
    verdicts = {
        "trace_id": ids,
        "verifier": ["person"] * len(found),
        "first_wrong_step": pa.array([one.wrong for one in found], pa.int32()),
        "step_scores": pa.nulls(len(found), pa.list_(pa.float32())),
        "verifier_version": ["1"] * len(found),
    }
    pairs = dict.fromkeys(("pair_id", "problem_id", "rule", "chosen_trace_id"), ids)
    questions = pa.array([[{"role": "user", "content": one.text}] for one in found], MESSAGES)
    judgements = {"judgement_id": ids, "reply": [one.question for one in found], "messages": questions}
    names = ("pair_id", "problem_id", "rule", "judge", "trace_id", "chosen_judgement_id")
    of_judgements = dict.fromkeys(names, ids) | {"rejected_judgement_id": [*ids[-1:], *ids[:-1]]}
    return Selection(
        judgements=pa.table(judgements),
        judgement_pairs=pa.table(of_judgements),
        problems=pa.table(problems),
        traces=pa.table(traces | {"step_offsets": pa.array(offsets, pa.list_(pa.int32()))}),
        standings=pa.table({"trace_id": ids, "status": ["correct" if one.wrong < 0 else "incorrect" for one in found]}),
        pairs=pa.table(pairs | {"rejected_trace_id": [*ids[-1:], *ids[:-1]]}),
        references=pa.table({"problem_id": nulls[:0], "reference": nulls[:0]}),
        verdicts=pa.table(verdicts),
    )


def said(turns: list[Row]) -> list[str]:
    return [turn["content"] if "content" in turn else turn["value"] for turn in turns]


def shepherd(row: Row) -> tuple[list[str], list[bool]]:
    """The steps, the first behind the question, and the labels: the signs that stand where `ки` stands in the input."""
    steps, labels, at = [], [], 0
    for number, line in enumerate(row["input"].split("ки")[:-1], 1):
        assert row["label"][at : at + len(line)] == line
        labels.append({"+": True, "-": False}[row["label"][at + len(line)]])
        at += len(line) + 1
        steps.append(line.removeprefix(f"\nStep {number}: ").removesuffix(" "))
    assert at == len(row["label"])
    return steps, labels


def prm800k(row: Row) -> tuple[str, str, list[str], int]:
    ratings = [step["completions"][0]["rating"] for step in row["label"]["steps"]]
    question = row["question"]
    wrong = ratings.index(-1) if -1 in ratings else -1
    return question["problem"], question["ground_truth_answer"], question["pre_generated_steps"], wrong


REBUILT: dict[str, Callable[[Row], object]] = {
    "sft": lambda row: said(row["messages"]),
    "dpo": lambda row: said([*row["prompt"], *row["chosen"], *row["rejected"]]),
    "judge_dpo": lambda row: said([*row["prompt"], *row["chosen"], *row["rejected"]]),
    "kto": lambda row: (said([*row["prompt"], *row["completion"]]), row["label"]),
    "verl": lambda row: (said(row["prompt"]), row["reward_model"]["ground_truth"]),
    "open_instruct": lambda row: (said(row["messages"]), row["ground_truth"]),
    "open_r1": lambda row: (row["problem"], row["solution"]),
    "stepwise": lambda row: (row["prompt"], row["completions"], row["labels"]),
    "processbench": lambda row: (row["problem"], row["steps"], row["label"], row["final_answer_correct"]),
    "prm800k": prm800k,
    "math_shepherd": shepherd,
    "llamafactory_sft": lambda row: said(row["conversations"]),
    "llamafactory_dpo": lambda row: said([*row["conversations"], row["chosen"], row["rejected"]]),
}


def numbered(one: Case) -> list[str]:
    first, *others = (step.strip().removeprefix(f"Step {at}:").strip() for at, step in enumerate(one.steps, 1))
    return [f"{one.question.strip()} Step 1: {first}", *others]


LAKE: dict[str, Callable[[Case, Case], object]] = {
    "sft": lambda one, _: [one.question, one.text],
    "dpo": lambda one, before: [one.question, one.text, before.text],
    "judge_dpo": lambda one, before: [one.text, one.question, before.question],
    "kto": lambda one, _: ([one.question, one.text], one.wrong < 0),
    "verl": lambda one, _: ([one.question], one.reference),
    "open_instruct": lambda one, _: ([one.question], one.reference),
    "open_r1": lambda one, _: (one.question, one.reference if r"\boxed" in one.reference else f"={one.reference}="),
    "stepwise": lambda one, _: (one.question, one.bare, one.labels),
    "processbench": lambda one, _: (one.question, one.bare, one.wrong, one.wrong < 0),
    "prm800k": lambda one, _: (one.question, one.reference, one.bare, one.wrong),
    "math_shepherd": lambda one, _: (numbered(one), one.labels),
    "llamafactory_sft": lambda one, _: [one.question, whole_thinking(one.text)],
    "llamafactory_dpo": lambda one, before: [one.question, whole_thinking(one.text), whole_thinking(before.text)],
}
SETTINGS: dict[str, dict[str, object]] = {
    "sft": {"statuses": ["correct", "incorrect"]},
    "llamafactory_sft": {"statuses": ["correct", "incorrect"]},
    "verl": {"instructions": {}},
    "open_instruct": {"instructions": {}},
    "open_r1": {"solution": "={answer}="},
    "stepwise": {"after_error": False},
    "math_shepherd": {"after_error": False},
}


def there(name: str, one: Case) -> bool:
    """Whether a format has a row for the case: one of steps needs some, and Math-Shepherd's tag is in no text."""
    if name == "math_shepherd":
        return bool(one.steps) and "ки" not in one.question + "\0".join(one.bare)
    return bool(one.steps) or name not in ("stepwise", "processbench", "prm800k")


def read_back(exporter: Exporter, rows: pa.Table, folder: Path) -> list[Any]:
    from datasets import Dataset, disable_progress_bars

    if exporter.lines:
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows.to_pylist())
        (folder / "train.jsonl").write_text(lines, "utf-8", newline="\n")
        return [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").split("\n") if line]
    if not rows.num_rows:  # `datasets` reads no Parquet file without rows
        return []
    disable_progress_bars()
    pq.write_table(rows, folder / "part.parquet")
    return list(Dataset.from_parquet(str(folder / "part.parquet"), cache_dir=str(folder)).to_list())


def test_every_format_is_here() -> None:
    """But the one whose rows are of two traces, and those of traces with tools (test_exporters_of_tools.py)."""
    others = {"self_correction", "sft_tools", "dpo_tools", "llamafactory_tools"}
    assert REBUILT.keys() == LAKE.keys() == set(plugins.names(PACKAGE)) - others


@pytest.mark.parametrize("name", sorted(REBUILT))
@settings(max_examples=7, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(found=st.lists(cases(), min_size=1, max_size=8))
def test_what_is_read_back_is_what_the_lake_holds(name: str, found: list[Case]) -> None:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(SETTINGS.get(name, {})))
    with TemporaryDirectory() as folder:
        read = read_back(exporter, exporter.rows(selected(found)), Path(folder))
    wanted = [at for at, one in enumerate(found) if there(name, one)]
    assert [int(row["problem_id"]) for row in read] == wanted
    for row, at in zip(read, wanted, strict=True):
        assert REBUILT[name](row) == LAKE[name](found[at], found[at - 1])
