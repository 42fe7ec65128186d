"""What runs in the sandbox to judge a program: `judge` holds the tests, `serve` the program, each in its own process.

The tests see the program's answers through `tasks.verify.calls` alone. Only `judge` can report, and it reports success
after the last line of the tests; there is nothing that a program could exit from, patch or print to get there.
"""

import ast
import builtins
import hashlib
import importlib
import itertools
import json
import os
import sys
import types
from typing import Any, Final, NoReturn

from tasks.sandbox.messages import PEER, REPORT
from tasks.sandbox.script import end, execute
from tasks.verify.calls import MODULE, TESTS, GoneError, Link
from tasks.verify.suite import CHECK
from tasks.verify.values import pack

OBSERVE: Final = "tasks.verify.trial:observe"
JUDGE: Final = "tasks.verify.trial:judge"
SERVE: Final = "tasks.verify.trial:serve"
FILE: Final = "tests.py"
_SHOWN: Final = 160
_KNOWN: Final = frozenset(dir(builtins)) | sys.stdlib_module_names
_PASSED: Final = "__passed__"


def serve(payload: bytes) -> NoReturn:
    """Be the program, which is no main module here, and then do what the tests ask."""
    end(lambda: _serve(payload))


def judge(payload: bytes) -> NoReturn:
    """Run the tests (JSON: tests, setup, entry), and report (JSON) what they say: passed, failed or broken."""
    end(lambda: os.write(REPORT, json.dumps(_verdict(**json.loads(payload))).encode()))


def observe(payload: bytes) -> NoReturn:
    """Run a program and report, one a line, what calls of it give (JSON: program, calls)."""
    end(lambda: os.write(REPORT, "\n".join(_observed(**json.loads(payload))).encode()))


def _observed(program: str, calls: list[str]) -> list[str]:
    module = types.ModuleType("program")
    sys.modules["program"] = module
    execute(program.encode("utf-8", "replace"), module.__dict__)
    return [_given(call, module.__dict__) for call in calls]


def _given(call: str, names: dict[str, Any]) -> str:
    try:
        value = pack(eval(call, names), lambda one: [type(one).__name__])  # noqa: S307 - what this process is for
    except BaseException as exc:  # noqa: BLE001 - the kind of failure is a behaviour too
        return f"! {type(exc).__name__}"
    if isinstance(value, list) and value[0] in ("set", "frozenset", "dict"):
        value[1].sort(key=json.dumps)
    text = json.dumps(value)
    return text if len(text) <= _SHOWN else hashlib.sha256(text.encode()).hexdigest()


def _serve(payload: bytes) -> None:
    module = types.ModuleType("program")
    sys.modules["program"] = module
    link = Link(PEER, trusting=True)
    link.give(module)
    try:
        execute(payload, module.__dict__)
    except BaseException as exc:  # SystemExit too: a program that ends has no functions to test
        link.send(["raise", *(type(exc).__name__,) * 2, str(exc)])
        raise
    link.send(["value", None, None])
    link.serve()


def _verdict(tests: str, setup: str, entry: str | None) -> dict[str, str]:
    names: dict[str, Any] = {"__name__": TESTS}
    try:
        tree = ast.parse(tests, FILE)
        if setup:
            execute(setup.encode(), names)
    except Exception as exc:  # noqa: BLE001 - whatever is wrong with tests is said, not hidden
        return {"broken": f"the tests cannot be run: {_line(exc)}"}
    link = Link(PEER, trusting=False)
    try:
        kind, *rest = link.receive()
        if kind != "value":
            return {"failed": f"the program raised {_shown(': '.join(filter(None, (rest[0], rest[2]))))}"}
        names |= _imported(tree, names, entry, link)
        passed = _run(tree, names, entry)
    except BaseException as exc:  # noqa: BLE001 - told as the reason
        return {"failed": _where(exc, tree, tests)}
    return {"passed": f"{passed} asserts"} if passed else {"broken": "the tests came to no assert"}


def _run(tree: ast.Module, names: dict[str, Any], entry: str | None) -> int:
    """Run the tests, their functions named test… too; how many asserts they came to."""
    count = itertools.count()
    names[_PASSED] = lambda: next(count)
    exec(compile(_Counting().visit(tree), FILE, "exec"), names)  # noqa: S102 - what this process is for
    if entry and CHECK in names and not _calls_check(tree):
        names[CHECK](names[entry])
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and not node.args.args:
            names[node.name]()
    return next(count)


class _Counting(ast.NodeTransformer):
    """Has every assert that holds counted."""

    def visit_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        call = ast.Expr(ast.Call(ast.Name(_PASSED, ast.Load()), [], []))
        return [node, ast.fix_missing_locations(ast.copy_location(call, node))]


def _imported(tree: ast.Module, names: dict[str, Any], entry: str | None, link: Link) -> dict[str, Any]:
    """What the tests use and do not define: of the program, or modules of Python's library.

    A name that Python knows too is the program's only if it is what is tested: `abs` in `abs(f(2) - 4) < 1e-6` is not.
    """
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    free = (used - _defined(tree) - names.keys()) | ({entry} if entry else set())
    own = free - _KNOWN or free - sys.stdlib_module_names or free
    if entry:
        own |= {entry}
    found = {}
    for name in sorted(free):
        if name in own:
            try:
                found[name] = link.ask("get", MODULE, name)
            except AttributeError:
                if name == entry:
                    raise NameError(f"the program does not define {name}") from None
                continue
        elif name in sys.stdlib_module_names:
            found[name] = importlib.import_module(name)
    return found


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).partition(".")[0])
    return names


def _calls_check(tree: ast.Module) -> bool:
    calls = (node for statement in tree.body if isinstance(statement, ast.Expr) for node in ast.walk(statement))
    return any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == CHECK for node in calls)


def _where(exc: BaseException, tree: ast.Module, tests: str) -> str:
    """Which test failed, and how."""
    if isinstance(exc, GoneError):
        return "the program ended while it was tested"
    line, trace = 0, exc.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == FILE else line
        trace = trace.tb_next
    asserts = sorted((node for node in ast.walk(tree) if isinstance(node, ast.Assert)), key=lambda node: node.lineno)
    for number, node in enumerate(asserts, 1):
        if node.lineno <= line <= (node.end_lineno or node.lineno):
            how = "failed" if isinstance(exc, AssertionError) else f"raised {_line(exc)}"
            return f"test {number} {how}: {_shown(ast.get_source_segment(tests, node) or '')}"
    return f"the tests raised {_line(exc)}" + (f" in line {line}" if line else "")


def _line(exc: BaseException) -> str:
    return _shown(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__)


def _shown(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
