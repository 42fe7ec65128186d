"""What a model is told of its program."""

import asyncio
import json

import pytest

from tasks.engines.contract import ToolCall
from tasks.generate.toolbox import Answer, Toolbox


def run(code: str, deadline_s: float = 20) -> Answer:
    box = Toolbox({"python": {"deadline_s": deadline_s, "isolation": "best_effort"}})
    return asyncio.run(box.answer(ToolCall("python", json.dumps({"code": code}))))


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("1 + 1", "2"),
        ("x = 3\nx * 2", "6"),
        ("print(1); 'é' * 2  # 'é' * 2", "1\néé"),
        ("x = [1,\r\n 2]\r\nx", "[1, 2]"),
        ("*[1], 2", "(1, 2)"),
        ("print(5)", "5"),
        ("import math\nmath.comb(5, 2)", "10"),
        ("None", "the program printed nothing"),
        ("", "the program printed nothing"),
        ("y = 1\n1 / 0", "error: line 2: ZeroDivisionError: division by zero"),
        ("print('so far')\nnope", "error: line 2: NameError: name 'nope' is not defined\nprinted before:\nso far"),
        ("def f(:", "error: line 1: SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "error: it exited with code 3"),
    ],
)
def test_what_it_says(code: str, told: str) -> None:
    assert run(code) == Answer(told)


def test_nothing_is_kept_between_calls() -> None:
    assert run("kept = 1") == Answer("the program printed nothing")
    assert "NameError" in run("kept").text


def test_there_is_no_network() -> None:
    answer = run("import socket\nsocket.create_connection(('127.0.0.1', 9))")
    assert answer.text.startswith("error: line 2: ")
    assert "/" not in answer.text.partition("printed before")[0].replace("Errno", "")


def test_it_is_ended_where_it_hangs() -> None:
    assert run("while True: pass", 0.5) == Answer("error: the tool gave no answer within 0.5 s", hung=True)


def test_too_much_is_said() -> None:
    assert run("print('x' * 100_000)").text.startswith("error: it printed more than 65536 bytes\nprinted before:\nxxx")
