"""Tools that do what they should not."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tasks.engines.contract import ToolCall
from tasks.generate.toolbox import Answer, Tool, Toolbox, ToolError


def misbehave(arguments: Mapping[str, Any]) -> str:
    match arguments["how"]:
        case "hang":
            time.sleep(60)
        case "refuse":
            raise ToolError("not so")
        case "break":
            raise RuntimeError("broken")
        case "exit":
            raise SystemExit
    return str(arguments["how"]) * 100


@pytest.fixture
def box() -> Toolbox:
    box = Toolbox({"calculator": {}}, characters=200)
    parameters = {"properties": {"how": {"type": "string"}}, "required": ["how"]}
    box.add(Tool("odd", "Misbehaves.", parameters, misbehave, deadline_s=0.5))
    return box


def ask(box: Toolbox, *how: str) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        return await asyncio.gather(*(box.answer(ToolCall("odd", f'{{"how": "{one}"}}')) for one in how))

    return asyncio.run(all_of_them())


def test_one_that_hangs_is_killed_and_the_others_go_on(box: Toolbox) -> None:
    hung, refused, broken, ended, long = ask(box, "hang", "refuse", "break", "exit", "x")
    assert hung == Answer("error: the tool gave no answer within 0.5 s", hung=True)
    assert refused == Answer("error: not so")
    assert broken == Answer("error: RuntimeError: broken")
    assert ended.text.startswith("error: ")
    assert long == Answer("x" * 100)


def test_a_long_result_is_cut(box: Toolbox) -> None:
    (answer,) = ask(box, "long")
    assert answer.text.startswith("longlong")
    assert "200 characters left out" in answer.text


def test_the_schemas_come_by_name(box: Toolbox) -> None:
    assert box.names == ("calculator", "odd")
    assert ['"name": "calculator"' in box.schemas[0], '"name": "odd"' in box.schemas[1]] == [True, True]
