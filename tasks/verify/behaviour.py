"""Programs that do the same are found by what they give for the same inputs.

AlphaCode: Li et al. 2022, arXiv 2203.07814, section 4.6: sampled programs are clustered by their outputs on inputs, and
one is taken of each of the largest clusters.
"""

import ast
import builtins
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from tasks.sandbox.messages import Job, Limits
from tasks.sandbox.sandbox import Isolation, Sandbox, shared
from tasks.verify.suite import CHECK, Suite
from tasks.verify.trial import OBSERVE

Behaviour = tuple[str, ...]
"""What a program gives for each input: its output, or how it failed."""
FAILED: Final = "! "


def inputs_of(suite: Suite) -> tuple[str, ...]:
    """The inputs in a problem's tests: standard inputs, or else calls as they stand in its asserts, each once."""
    if suite.pairs:
        return tuple(dict.fromkeys(given for given, _ in suite.pairs))
    tree = ast.parse(suite.tests)
    calls: list[str] = []
    for node in (
        one for statement in ast.walk(tree) if isinstance(statement, ast.Assert) for one in ast.walk(statement)
    ):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id):
            if suite.entry and node.func.id == _candidate(tree):
                node.func.id = suite.entry
            calls.append(ast.unparse(node))
    return tuple(dict.fromkeys(calls))


def behaviours(
    programs: Sequence[str],
    suite: Suite,
    inputs: Sequence[str] = (),
    *,
    limits: Limits | None = None,
    isolation: Isolation = Isolation.REQUIRED,
) -> list[Behaviour]:
    """Run every program on every input: those given, else `inputs_of(suite)`; in order.

    An input is standard input where the suite has pairs, and else an expression such as `solve(3)`, of which those
    of one program share its time. Objects of a program's own count as the name of their class.

    Raises:
        RecipeError: programs cannot be isolated here, and have to be.
        WorkerError: the sandbox does not work.
    """
    sandbox, given = shared(isolation, ("tasks.verify.trial",)), tuple(inputs) or inputs_of(suite)
    observe = partial(_fed if suite.pairs else _called, sandbox, suite, given, limits or Limits())
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return list(threads.map(observe, programs))


def clusters(behaviours: Sequence[Behaviour]) -> list[tuple[int, ...]]:
    """The positions of those that are the same; larger clusters first, then the one with the earliest member."""
    found: defaultdict[Behaviour, list[int]] = defaultdict(list)
    for position, behaviour in enumerate(behaviours):
        found[behaviour].append(position)
    return sorted((tuple(members) for members in found.values()), key=lambda members: (-len(members), members))


def _fed(sandbox: Sandbox, _: Suite, inputs: Sequence[str], limits: Limits, program: str) -> Behaviour:
    source = program.encode("utf-8", "replace")
    answers = []
    for given in inputs:
        (ended,) = sandbox.run(Job(source, stdin=given.encode("utf-8", "replace"), limits=limits))
        printed = ended.stdout.decode("utf-8", "replace").split()
        why = ended.why()
        answers.append(FAILED + why if why else " ".join(printed))
    return tuple(answers)


def _called(sandbox: Sandbox, suite: Suite, inputs: Sequence[str], limits: Limits, program: str) -> Behaviour:
    source = suite.source(program)
    payload = json.dumps({"program": source, "calls": list(inputs)}).encode()
    (ended,) = sandbox.run(Job(payload, OBSERVE, limits=limits))
    answers = ended.report.decode("utf-8", "replace").splitlines()
    if ended.fault or len(answers) != len(inputs):  # the report is by the program's own process: it may be anything
        return (FAILED + ended.why(),) * len(inputs)
    return tuple(answers)


def _candidate(tree: ast.Module) -> str | None:
    """What the tests' check calls the function that it is given."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == CHECK and node.args.args:
            return node.args.args[0].arg
    return None
