"""A Python program in the sandbox: the model sees what it prints, and the value of its last line.

Each call is a new program: it knows nothing of the calls before. There is no network, and no file is kept.
"""

import ast
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from tasks.generate.toolbox import HungError, Tool, ToolError
from tasks.sandbox.program import LimitsConfig, run_source
from tasks.sandbox.script import NAME

_DESCRIPTION: Final = (
    "Runs a Python program and returns what it prints, and the value of its last line if that is an expression. "
    "Only the standard library is there. Every call starts anew: variables of earlier calls are gone."
)
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"code": {"type": "string", "description": "the program"}},
    "required": ["code"],
}
_VALUE: Final = "__value__"
_SHOW: Final = f"if {_VALUE} is not None: print({_VALUE})"
_LINE: Final = re.compile(rf'^ *File "{re.escape(NAME)}", line (\d+)', re.MULTILINE)


class Config(LimitsConfig):
    """What the program of one call may use."""


def build(config: Config) -> Tool:
    """The tool with these limits."""
    return Tool("python", _DESCRIPTION, _PARAMETERS, partial(_call, config), config.deadline_s, confined=True)


def _call(config: Config, arguments: Mapping[str, Any]) -> str:
    ended = run_source(_with_value(str(arguments["code"])), config)
    if ended.fault.startswith("timed out"):
        raise HungError
    said = ended.stdout.decode("utf-8", "replace").rstrip()
    if ended.fault or ended.code:
        fault = ended.fault or _fault(ended.stderr.decode("utf-8", "replace")) or ended.why()
        raise ToolError(f"{fault}\nprinted before:\n{said}" if said else fault)
    return said or "the program printed nothing"


def _fault(complaint: str) -> str:
    """A traceback's last line, and the program's own line that led to it; no path of this machine."""
    lines = _LINE.findall(complaint)
    last = complaint.strip().rpartition("\n")[2].strip()
    return f"line {lines[-1]}: {last}" if lines else last


def _with_value(source: str) -> str:
    """The program, which prints the value of its last line too where that is an expression and no call of print."""
    source = source.replace("\r\n", "\n").replace("\r", "\n")
    try:
        last = ast.parse(source).body[-1:]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return source
    match last:
        case [ast.Expr(value, end_lineno=int(line), end_col_offset=int(column)) as node] if not _prints(value):
            data = source.encode()
            start, end = _place(data, node.lineno, node.col_offset), _place(data, line, column)
            return (data[:start] + f"{_VALUE} = (".encode() + data[start:end] + f")\n{_SHOW}".encode()).decode()
    return source


def _place(data: bytes, line: int, column: int) -> int:
    """Where a line's column is among the bytes."""
    return sum(len(one) + 1 for one in data.split(b"\n")[: line - 1]) + column


def _prints(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"
