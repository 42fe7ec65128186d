"""A program that is Python source: it runs as `python program.py` would."""

import atexit
import os
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import NoReturn

NAME = "program.py"


def run(source: bytes) -> NoReturn:
    """Be the program."""
    names = main_names()
    end(lambda: execute(source, names))


def main_names() -> dict[str, object]:
    """The names of a new main module."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    sys.argv = [NAME]
    return module.__dict__


def execute(source: bytes, names: dict[str, object]) -> None:
    """Run source among these names."""
    exec(compile(source, NAME, "exec"), names)  # noqa: S102 - what this process is for


def end(work: Callable[[], object]) -> NoReturn:
    """Do the work, then end the process as the interpreter would, only sooner."""
    code = _code_of(work)
    code = _code_of(threading._shutdown) or code  # type: ignore[attr-defined]
    code = _code_of(atexit._run_exitfuncs) or code
    for stream in (sys.stdout, sys.stderr):
        code = _code_of(stream.flush) or code
    os._exit(code)


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as exc:
        if exc.code is None or isinstance(exc.code, int):
            return (exc.code or 0) & 0xFF
        sys.stderr.write(f"{exc.code}\n")
        return 1
    except BaseException:  # noqa: BLE001 - whatever a program does not catch
        traceback.print_exc()
        return 1
    return 0
