import json

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tasks.export import sharegpt
from tasks.export.messages import Turn
from tasks.text.thinking import whole_thinking

PIECES = st.sampled_from(["<think>", "</think>", "so\n", "é😀", ""])


def texts(*values: str) -> pa.LargeStringArray:
    return pa.array(values, pa.large_string())


def test_turns() -> None:
    rows = np.array([1, 0])
    column = sharegpt.turns(Turn("user", texts("a", "b"), rows), Turn("assistant", texts("x", "y"), rows))
    assert column.type == sharegpt.CONVERSATION
    assert column.to_pylist() == [
        [{"from": "human", "value": "b"}, {"from": "gpt", "value": "y"}],
        [{"from": "human", "value": "a"}, {"from": "gpt", "value": "x"}],
    ]


def test_single_turns() -> None:
    column = sharegpt.single(Turn("assistant", texts("x", "y"), np.array([1, 1, 0])))
    assert column.type == sharegpt.SAID
    assert column.to_pylist() == [{"from": "gpt", "value": value} for value in ("y", "y", "x")]
    none = Turn("assistant", texts("x"), np.array([], np.int64))
    assert (len(sharegpt.single(none)), len(sharegpt.turns(none))) == (0, 0)


@given(st.lists(st.lists(PIECES, max_size=5).map("".join), max_size=5))
def test_thinking_is_whole_as_for_one_text(given_texts: list[str]) -> None:
    assert sharegpt.thinking(texts(*given_texts)).to_pylist() == [whole_thinking(text) for text in given_texts]


def test_dataset_info_names_the_splits_that_have_rows() -> None:
    rows = {"train": 3, "validation": 1, "test": 0}
    info = json.loads(sharegpt.dataset_info("set", rows, {"messages": "conversations"}, ranking=False))
    assert {name: entry["file_name"] for name, entry in info.items()} == {
        "set_train": "train",
        "set_validation": "validation",
    }
    assert json.loads(sharegpt.dataset_info("set", {}, {}, ranking=True)) == {}
