import time

import pytest

from tasks.sandbox.program import ProgramConfig, Ran, run_program

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
    ran = run_program(source, ENOUGH)
    assert (ran.answer, ran.reason) == (answer, "")
    assert ran.output.rstrip().endswith(answer)


def test_what_it_printed_is_kept_when_it_breaks() -> None:
    assert run_program("print(3)\n1 / 0", ENOUGH) == Ran(None, "ZeroDivisionError: division by zero", "3\n")


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
