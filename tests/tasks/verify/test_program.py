import time

import pytest

from schemas.tables import WITNESSES
from tasks.engines.contract import Message
from tasks.verify.program import ProgramConfig, Ran, Written, program_messages, run_program, witness
from tasks.verify.source import program_in

ENOUGH = ProgramConfig(deadline_s=30, memory_mb=256)
SHORT = ProgramConfig(deadline_s=1, memory_mb=256)


def reason(source: str, config: ProgramConfig = ENOUGH) -> str:
    ran = run_program(source, config)
    assert ran.answer is None
    return ran.reason


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("print(6 * 7)", "42"),
        ("x = 1\nprint('first', x)\nprint(x / 4)\nprint()", "0.25"),
        ("from fractions import Fraction\nprint(Fraction(3, 6))", "1/2"),
        ("def main():\n    print('é')\nif __name__ == '__main__':\n    main()", "é"),
        ("import sys\nprint(3)\nsys.exit(0)", "3"),
        ("import sys\nsys.stderr.write('w' * 10**6)\nprint(1)", "1"),
        ("import os\nopen('notes', 'w').write('5')\nprint(open('notes').read())", "5"),
        ("import os\nprint(sorted(os.environ))", "['LC_CTYPE', 'PYTHONHASHSEED']"),
        ("import os\nprint(os.listdir('.'))", "[]"),
    ],
)
def test_the_last_printed_line_is_the_answer(source: str, answer: str) -> None:
    assert run_program(source, ENOUGH) == Ran(answer, "")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("print(3)\nraise SystemExit(2)", "it exited with code 2"),
        ("print(3)\nraise SystemExit('no idea')", "no idea"),
        ("x = (", "SyntaxError: '(' was never closed"),
        ("\x00\ud800", "SyntaxError: source code string cannot contain null bytes"),
        ("x = 1", "it printed nothing"),
        ("print('9' * 2000)", "its last line has more than 1000 characters"),
        ("print(input())", "EOFError: EOF when reading a line"),
        ("import sympy", "ModuleNotFoundError: No module named 'sympy'"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("import ctypes\nctypes.string_at(0)", "it was killed by SIGSEGV"),
    ],
)
def test_a_program_that_does_not_work_has_no_answer(source: str, why: str) -> None:
    assert reason(source) == why


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "print(10 ** 10 ** 10)",
        "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)",
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)",
    ],
)
def test_a_program_without_end_is_ended(source: str) -> None:
    start = time.monotonic()
    assert reason(f"print(1)\n{source}", SHORT) == "timed out after 1 s"
    assert time.monotonic() - start < 10


def test_output_is_capped() -> None:
    assert reason("import sys\nwhile True: sys.stdout.write('a\\n' * 10**6)") == "it printed more than 65536 bytes"
    assert reason("print('a' * 10**9)") == "MemoryError"


def test_memory_is_limited() -> None:
    assert reason("x = []\nwhile True: x.append('a' * 10**7)") == "MemoryError"


def test_no_second_process() -> None:
    assert "BlockingIOError" in reason("import os\nwhile True: os.fork()")
    assert "Error" in reason("import subprocess\nsubprocess.run(['ls'])")


def test_files_are_limited() -> None:
    assert "File too large" in reason("open('big', 'w').write('a' * 2**21)")
    assert "Too many open files" in reason("x = [open('/dev/null') for _ in range(100)]")


@pytest.mark.parametrize(
    ("text", "program"),
    [
        ("Sure:\n```python\nprint(1)\n```\nDone.", "print(1)\n"),
        ("```python\nprint(1)\n```\nBetter:\n```py\nprint(2)\n```\n```\n2\n```", "print(2)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("```output\n18\n```", None),
        ("```bash\nls\n```\n\n```python\nprint(3)\n```", "print(3)\n"),
        ("```python\nprint(1)", "print(1)"),
        ("  ```python\n  x = 1\n  print(x)\n  ```", "x = 1\nprint(x)\n"),
        ("x = 1\nprint(x)", "x = 1\nprint(x)"),
        ("<think>print( what?</think>\nprint(4)", "print(4)"),
        ("<think>\n```python\nprint(5)\n```\n</think>\n```python\nprint(6)\n```", "print(6)\n"),
        ("<think>\n```python\nprint(5)\n```\n", None),
        ("The answer is 18.", None),
        ("", None),
    ],
)
def test_the_program_in_a_text(text: str, program: str | None) -> None:
    assert program_in(text) == program


def test_witnesses_in_order_and_equal_programs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(source: str, config: ProgramConfig) -> Ran:
        ran.append(source)
        return run_program(source, config)

    monkeypatch.setattr("tasks.verify.program.run_program", run)
    texts = ["print(1)", "no program", "print(1)", "print(2 / 0)"]
    written = [Written(f"p{row}", text, "m", 3) for row, text in enumerate(texts)]
    made = witness(written, ENOUGH)
    assert made.schema.equals(WITNESSES, check_metadata=True)
    assert made["problem_id"].to_pylist() == ["p0", "p1", "p2", "p3"]
    assert made["answer"].to_pylist() == ["1", None, "1", None]
    reasons = ["", "no program in the text", "", "ZeroDivisionError: division by zero"]
    assert made["reason"].to_pylist() == reasons
    assert made["text"].to_pylist() == texts
    assert set(made["witness"].to_pylist()) == {"program"}
    assert made["model"].to_pylist() == ["m"] * 4
    assert made["completion_tokens"].to_pylist() == [3] * 4
    assert sorted(ran) == ["print(1)", "print(2 / 0)"]
    assert witness([]).num_rows == 0


def test_the_question_is_asked_as_it_stands() -> None:
    asked = program_messages({"question": "How many {x}?"})
    assert asked == (Message("user", "Write a Python program that prints the answer. How many {x}?"),)
