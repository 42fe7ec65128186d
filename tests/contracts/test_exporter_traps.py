"""What a wrong export breaks without a word: the four traps at the end of reference/formats.md."""

from typing import Any

import pyarrow as pa
import pytest
import yaml
from pydantic import ValidationError

from tasks import plugins
from tasks.export.messages import MESSAGES
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection
from tasks.export.sharegpt import CONVERSATION

NAMES = plugins.names(PACKAGE)
PREFIX = "1 + 1 is\n\n"
END = "<|end|>"


def build(name: str, **settings: object) -> Exporter:
    plugin = plugins.load(PACKAGE, name)
    exporter: Exporter = plugin.build(plugin.Config.model_validate(settings))
    return exporter


def rows(name: str, selection: Selection, **settings: object) -> list[dict[str, Any]]:
    return build(name, **settings).rows(selection).to_pylist()


@pytest.fixture
def forked(selection: Selection) -> Selection:
    """Traces t0 and t2, the answers of pair k2, share their first step."""
    texts = [f"{PREFIX}2", "two", f"{PREFIX}3", "4", "?", "9"]
    offsets = pa.array([[0, len(PREFIX)], [0], [0, len(PREFIX)], [0], [0], [0]], pa.list_(pa.int32()))
    traces = selection.traces.set_column(2, "text", pa.array(texts))
    return selection._replace(traces=traces.set_column(5, "step_offsets", offsets))


@pytest.fixture
def scored(selection: Selection) -> Selection:
    """One trace of four steps: right, neutral, wrong, right again."""
    traces = selection.traces.slice(0, 1).combine_chunks()
    traces = traces.set_column(2, "text", pa.array(["a\nb\nc\nd"]))
    traces = traces.set_column(5, "step_offsets", pa.array([[0, 2, 4, 6]], pa.list_(pa.int32())))
    verdicts = pa.table(
        {
            "trace_id": ["t0"],
            "verifier": ["rollouts"],
            "first_wrong_step": pa.array([None], pa.int32()),
            "step_scores": pa.array([[1.0, 0.0, -1.0, 1.0]], pa.list_(pa.float32())),
            "verifier_version": ["2"],
        }
    )
    return selection._replace(traces=traces, verdicts=verdicts)


def prompts(exporter: Exporter, selection: Selection) -> list[list[dict[str, str]]]:
    """What stands before the answers: all turns, of formats that have no answer of ours."""
    found = exporter.rows(selection)
    column = next(name for name in ("prompt", "messages", "conversations") if name in exporter.columns.names)
    turns: list[Any] = found[column].to_pylist()
    return [[dict(zip(("role", "content"), turn.values(), strict=True)) for turn in row] for row in turns]


@pytest.mark.parametrize("system", [None, "Think."])
@pytest.mark.parametrize("name", ["dpo", "judge_dpo", "kto", "verl", "open_instruct", "llamafactory_dpo"])
def test_trap_1_no_prompt_ends_inside_an_assistant_turn(name: str, system: str | None, selection: Selection) -> None:
    for turns in prompts(build(name, system=system), selection):
        roles = [turn["role"] for turn in turns]
        assert roles in (["user"], ["human"]) if system is None else roles[0] == "system" and len(roles) == 2
        assert roles[-1] in ("user", "human")


def test_trap_1_covers_every_format_with_a_prompt() -> None:
    """Those with turns are named above, or hold whole conversations."""
    with_turns = {name for name in NAMES if {MESSAGES, CONVERSATION} & set(build(name).columns.types)}
    asking = {"dpo", "judge_dpo", "kto", "verl", "open_instruct", "llamafactory_dpo"}
    assert with_turns == asking | {"sft", "llamafactory_sft", "llamafactory_tools", "self_correction"}


@pytest.mark.parametrize("name", ["dpo", "llamafactory_dpo"])
def test_trap_1_a_shared_prefix_is_in_both_answers(name: str, forked: Selection) -> None:
    (row,) = (row for row in rows(name, forked) if row["pair_id"] == "k2")
    sides = [row[side][0]["content"] if name == "dpo" else row[side]["value"] for side in ("chosen", "rejected")]
    assert sides == [f"{PREFIX}2", f"{PREFIX}3"]


def test_trap_1_as_trl_renders_it(forked: Selection, tokenizer: Any) -> None:
    """The prompt ends with the generation prompt, and both sequences go on with the same tokens for the same prefix."""
    from trl.data_utils import maybe_apply_chat_template

    (row,) = (row for row in rows("dpo", forked) if row["pair_id"] == "k2")
    found = maybe_apply_chat_template(row, tokenizer)
    assert found["prompt"] == f"<|user|>1 + 1?{END}<|assistant|>"
    chosen, rejected = (tokenizer(found["prompt"] + found[side])["input_ids"] for side in ("chosen", "rejected"))
    shared = tokenizer(found["prompt"] + PREFIX.rstrip())["input_ids"]
    assert chosen[: len(shared)] == rejected[: len(shared)] == shared
    assert chosen != rejected


@pytest.mark.parametrize("name", ["dpo", "kto"])
def test_trap_2_answers_end_where_their_traces_end(name: str, forked: Selection, tokenizer: Any) -> None:
    """TRL puts an end-of-text token behind each answer, so none may be a lone step."""
    from trl.data_utils import maybe_apply_chat_template

    texts = dict(zip(*(forked.traces[column].to_pylist() for column in ("trace_id", "text")), strict=True))
    ids = (
        {"chosen": "chosen_trace_id", "rejected": "rejected_trace_id"} if name == "dpo" else {"completion": "trace_id"}
    )
    found = rows(name, forked)
    assert found
    for row in found:
        rendered = maybe_apply_chat_template(row, tokenizer)
        assert {side: rendered[side] for side in ids} == {side: texts[row[key]] + END for side, key in ids.items()}


@pytest.mark.parametrize("name", ["sft", "llamafactory_sft"])
def test_trap_2_conversations_end_where_their_traces_end(name: str, forked: Selection) -> None:
    texts = dict(zip(*(forked.traces[column].to_pylist() for column in ("trace_id", "text")), strict=True))
    found = build(name).rows(forked)
    conversations: list[Any] = found[found.column_names[0]].to_pylist()
    assert [list(turns[-1].values())[1] for turns in conversations] == [
        texts[one] for one in found["trace_id"].to_pylist()
    ]


@pytest.mark.parametrize(
    ("neutral", "labels", "signs"),
    [("true", [True, True, False], "++-"), ("false", [True, False, False], "+--"), ("drop", [True], "+")],
)
def test_trap_3_neutral_steps_are_an_explicit_option(
    neutral: str, labels: list[bool], signs: str, scored: Selection
) -> None:
    settings = yaml.safe_load(f"{{neutral_from: 0, neutral: {neutral}}}")
    (row,) = rows("stepwise", scored, **settings)
    assert (row["completions"], row["labels"]) == (["a", "b", "c"][: len(labels)], labels)
    (row,) = rows("math_shepherd", scored, **settings)
    assert [line[-1] for line in row["label"].split("\n")] == list(signs)


@pytest.mark.parametrize("name", ["stepwise", "math_shepherd"])
def test_trap_3_nothing_is_neutral_by_default(name: str) -> None:
    for settings in ({"neutral_from": 0.0}, {"neutral": True}):
        with pytest.raises(ValidationError, match="neutral and neutral_from go together"):
            build(name, **settings)
    with pytest.raises(ValidationError, match="neutral_from lies above threshold"):
        build(name, neutral_from=0.5, neutral=True)


def test_trap_3_formats_with_three_ratings_keep_them(scored: Selection) -> None:
    (row,) = rows("prm800k", scored, neutral_from=0.0)
    assert [step["completions"][0]["rating"] for step in row["label"]["steps"]] == [1, 0, -1]
    (row,) = rows("processbench", scored, neutral_from=0.0)
    assert row["label"] == 2


@pytest.mark.parametrize(
    ("after_error", "labels"),
    [
        (None, [[True, False]]),
        ("truncate", [[True, False]]),
        ("drop", []),
        ("false", [[True, False, False, False]]),
    ],
)
def test_trap_4_after_the_first_error(after_error: str | None, labels: list[list[bool]], scored: Selection) -> None:
    """A score is no evidence behind an error: the last step's 1.0 never makes it right."""
    settings = {} if after_error is None else yaml.safe_load(f"{{after_error: {after_error}}}")
    found = rows("stepwise", scored, **settings)
    assert [row["labels"] for row in found] == labels
    assert [row["completions"] for row in found] == [["a", "b", "c", "d"][: len(one)] for one in labels]
    signs = [[line[-1] for line in row["label"].split("\n")] for row in rows("math_shepherd", scored, **settings)]
    assert signs == [["+" if label else "-" for label in one] for one in labels]


def test_trap_4_drop_keeps_traces_that_end_with_the_error(selection: Selection) -> None:
    found = rows("stepwise", selection, after_error="drop")
    assert {row["trace_id"]: row["labels"] for row in found} == {"t0": [True, True], "t2": [False], "t3": [True, False]}


def test_trap_4_prm800k_ends_with_the_error(scored: Selection) -> None:
    (row,) = rows("prm800k", scored)
    assert [step["completions"][0]["rating"] for step in row["label"]["steps"]] == [1, -1]
    assert row["question"]["pre_generated_steps"] == ["a", "b", "c", "d"]
    assert row["label"]["finish_reason"] == "found_error"
