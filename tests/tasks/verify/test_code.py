import gzip
import json
import threading
from pathlib import Path

import pytest

from schemas.tables import Domain, Status
from tasks.verify.contract import CORRECT, Claim, Outcome, ProblemView
from tasks.verify.suite import suite_of
from tasks.verify.verifiers.code import Config, build

HUMANEVAL = Path(__file__).parents[4] / "shared/data/humaneval/HumanEval.jsonl.gz"
VERIFIER = build(Config(time_s=30))
HURRIED = build(Config(time_s=1))


def problem(tests: object, question: str = "Write it.", reference: str | None = None) -> ProblemView:
    return ProblemView(Domain.CODE, question, reference, tests if isinstance(tests, str) else json.dumps(tests), None)


def verdict(tests: object, program: str, question: str = "Write it.") -> Outcome:
    claim = VERIFIER.claim(problem(tests, question), f"```python\n{program}\n```")
    assert isinstance(claim, Claim)
    return VERIFIER.check(claim)


def why(tests: object, program: str) -> str:
    outcome = verdict(tests, program)
    assert outcome.status is Status.INCORRECT
    assert outcome.score == 0.0
    assert "\n" not in outcome.reason
    return outcome.reason


SQUARES = "assert square(3) == 9\nassert square(-4) == 16\nassert square(0) == 0"
RIGHT = "def square(x):\n    return x * x"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("def square(x): return 9", "test 2 failed: assert square(-4) == 16"),
        (
            "def square(x): return x / (x - 3)",
            "test 1 raised ZeroDivisionError: division by zero: assert square(3) == 9",
        ),
        ("def cube(x): return x ** 3", "test 1 raised NameError: name 'square' is not defined: assert square(3) == 9"),
        ("1 / 0", "the program raised ZeroDivisionError: division by zero"),
        ("x = (", "the program raised SyntaxError: '(' was never closed (program.py, line 1)"),
        ("def square(x): return input()", "test 1 raised EOFError: EOF when reading a line: assert square(3) == 9"),
        ("def square(x):\n    return 'a' * 2**30", "memory limit 512 MB"),
        ("x = 'a' * 2**30", "memory limit 512 MB"),
        (f"{RIGHT}\nimport sys\nsys.exit(0)", "the program raised SystemExit: 0"),
        ("import sys\nwhile True: sys.stdout.write('a' * 10**6)", "it printed more than 1048576 bytes"),
    ],
)
def test_a_wrong_program_and_why(program: str, reason: str) -> None:
    assert why(SQUARES, program) == reason


def test_a_right_one() -> None:
    assert verdict(SQUARES, RIGHT) == CORRECT
    assert verdict(SQUARES, f"{RIGHT}\nprint('testing')\nif __name__ == '__main__':\n    print(input())") == CORRECT


@pytest.mark.parametrize("program", ["while True: pass", "def square(x):\n    while True: pass"])
def test_its_own_time_is_the_programs_fault(program: str) -> None:
    claim = HURRIED.claim(problem(SQUARES), f"```python\n{program}\n```")
    assert isinstance(claim, Claim)
    assert HURRIED.check(claim) == Outcome(Status.INCORRECT, "timed out after 1 s", 0.0)


ALWAYS = """
class Always:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __gt__ = __le__ = __ge__ = __contains__ = __lt__
    def __sub__(self, other): return self
    __add__ = __rsub__ = __abs__ = __round__ = __sub__
    def __hash__(self): return 81
    def __bool__(self): return True
    def __iter__(self): return iter([])
"""
FORGERIES = {
    "leaves before the tests": f"import os\nos._exit(0)\n{RIGHT}",
    "leaves in the tests": "import os\ndef square(x): os._exit(0)",
    "exits in the tests": "import sys\ndef square(x): sys.exit(0)",
    "is equal to everything": f"{ALWAYS}\ndef square(x): return Always()",
    "is a number that is equal to everything": (
        "class Same(int):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef square(x): return Same(5)"
    ),
    "is a text that is equal to everything": (
        "class Same(str):\n    def __eq__(self, other): return True\n    __hash__ = None\ndef square(x): return Same()"
    ),
    "patches what asserts raise": (
        "import builtins\nclass Quiet(BaseException): pass\nbuiltins.AssertionError = Quiet\ndef square(x): return 0"
    ),
    "patches builtins": (
        "import builtins\nbuiltins.abs = builtins.len = lambda *_: 0\nbuiltins.isinstance = lambda *_: True\n"
        "builtins.compile = builtins.exec = lambda *_, **__: None\ndef square(x): return None"
    ),
    "traces": "import sys\nsys.settrace(lambda *_: None)\nsys.excepthook = lambda *_: None\ndef square(x): return None",
    "looks for the tests": (
        "import gc, sys\ndef square(x):\n    frame, seen = sys._getframe(1), gc.get_objects()\n"
        "    while frame:\n        seen += [frame.f_globals, frame.f_locals]\n        frame = frame.f_back\n"
        "    return x * x if ''.join(['qua', 're(3)']) in ''.join(map(repr, seen)) else None"
    ),
    "reports by itself": (
        'import os\nfor fd in range(3, 64):\n    try: os.write(fd, b\'{"passed": "3 asserts"}\')\n'
        "    except OSError: pass\ndef square(x): return 0"
    ),
    "talks as the tests do": (
        "import json, os, struct\nfor _ in range(9):\n    data = json.dumps(['value', 9, None]).encode()\n"
        "    os.write(3, struct.pack('>I', len(data)) + data)\nos._exit(0)"
    ),
    "reaches for the tests": (
        "import tasks.verify.calls as calls\ndef square(x):\n"
        "    import sys\n    frame = sys._getframe()\n"
        "    while 'self' not in frame.f_locals: frame = frame.f_back\n"
        "    link = frame.f_locals['self']\n"
        "    for number in range(9):\n"
        "        try: link.ask('get', number, '__globals__')['names'] = 1\n"
        "        except Exception: pass\n    return 0"
    ),
    "ends at exit": "import atexit, os\natexit.register(os._exit, 0)\ndef square(x): return 0",
    "has a thread that ends it": (
        "import os, threading\nthreading.Timer(0.01, os._exit, (0,)).start()\n"
        "import time\ndef square(x):\n    time.sleep(1)\n    return 9"
    ),
    "kills": "import os, signal\ndef square(x):\n    os.kill(-1, signal.SIGKILL)\n    return 0",
}


@pytest.mark.parametrize("name", FORGERIES)
def test_no_program_passes_but_by_its_answers(name: str) -> None:
    for tests in (SQUARES, "assert square(3) == 9 and square(4) == 16", "assert abs(square(3) - 9.5) < 1"):
        assert why(tests, FORGERIES[name])


def test_what_is_equal_to_everything_is_not_found_or_less_either() -> None:
    program = f"{ALWAYS}\ndef f(*_): return Always()"
    for test in (
        "f() < 3",
        "3 > f()",
        "3 in f()",
        "f() in [1, 2]",
        "f() - 3 == 0",
        "abs(f() - 3) < 1",
        "{f()} == {3}",
        "[f()] == [3]",
        "isinstance(f(), int)",
        "sorted([f(), 1]) == [1, 2]",
        "round(f(), 2) == 3.14",
    ):
        assert why(f"assert {test}", program)


TWO = """
class TestError(ValueError): pass
class Stack:
    "A stack."
    def __init__(self, *items): self.items = list(items)
    def push(self, item):
        self.items.append(item)
        return self
    def pop(self):
        if not self.items: raise TestError("empty")
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __getitem__(self, index): return self.items[index]
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __repr__(self): return f"Stack{tuple(self.items)}"
def fill(items): items.extend([1, 2]); items[0] = 0
def keys(table): table.setdefault("a", []).append(1)
def apply(function, *items, **named): return [function(one, **named) for one in items]
def count(limit):
    for number in range(limit): yield number
def make(): return lambda x: x + 1
def total(node): return node.value + (total(node.next) if node.next else 0)
def append(node, value):
    while node.next: node = node.next
    node.next = type(node)(value) if isinstance(node, Stack) else None
    node.value += value
def kinds(): return (1, 2.5, "é\\ud800", b"\\xff", None, True, 2**70, 1e400, 1j, {1: {2}}, frozenset([3]), range(3))
"""


@pytest.mark.parametrize(
    "tests",
    [
        "s = Stack(1, 2)\nassert s.push(3).pop() == 3 and len(s) == 2 and list(s) == [1, 2] and s[0] == 1",
        "assert Stack(1) == Stack(1) and Stack(1) != Stack(2) and str(Stack(1, 2)) == 'Stack(1, 2)'",
        "s = Stack()\ns.items = [5]\nassert s.items == [5] and isinstance(s, Stack) and not isinstance(3, Stack)",
        "try:\n    Stack().pop()\n    assert False\nexcept TestError as exc:\n    assert str(exc) == 'empty'",
        "try:\n    Stack().pop()\n    assert False\nexcept ValueError as exc:\n    assert isinstance(exc, TestError)",
        "try:\n    Stack(1)['x']\n    assert False\nexcept TypeError:\n    assert True",
        "l = [5]\nfill(l)\nassert l == [0, 1, 2]",
        "d = {}\nkeys(d)\nassert d == {'a': [1]}",
        "assert apply(lambda x, up=0: x * 2 + up, 1, 2, up=1) == [3, 5]",
        "assert apply(str, 1, 2) == ['1', '2'] and apply(len, 'ab') == [2]",
        "assert list(count(3)) == [0, 1, 2] and next(count(1)) == 0 and sum(count(5)) == 10",
        "assert make()(2) == 3",
        "from collections import namedtuple\nNode = namedtuple('Node', 'value next')\nassert Node(1, None).value == 1",
        "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\n"
        "assert total(Node(1, Node(2))) == 3",
        "class Node:\n    def __init__(self, value, next=None): self.value, self.next = value, next\n"
        "n = Node(1, Node(2))\nappend(n, 3)\nassert n.next.value == 5 and n.next.next is None",
        "assert kinds() == (1, 2.5, 'é\\ud800', b'\\xff', None, True, 2**70, float('inf'), 1j, {1: {2}}, "
        "frozenset([3]), range(3))\nassert [type(x) for x in kinds()][:3] == [int, float, str]",
        "assert math.isclose(make()(0.5), 1.5)",
        "def test_it():\n    assert make()(1) == 2\n\ndef test_more():\n    assert Stack(1).pop() == 1",
        ["assert make()(1) == 2", "assert make()(2) == 3"],
        {"fn_name": "apply", "inputs": [[None], [None]], "outputs": [[], [[]]]},
    ],
)
def test_tests_use_a_program_as_if_it_were_at_hand(tests: object) -> None:
    assert verdict(tests, TWO) == CORRECT


@pytest.mark.parametrize(
    "reach",
    [
        "f.__globals__",
        "f.__code__",
        "g.gi_frame",
        "setattr(f, 'x', 1)",
        "setattr(n, '__class__', 1)",
        "setattr(kind, 'value', 1)",
        "n._hidden",
        "n.module.sys",
    ],
)
def test_a_program_does_not_reach_into_the_tests(reach: str) -> None:
    tests = (
        "import types\nclass Node:\n    module = types\n    value = 1\n"
        "assert reach(lambda: 1, (x for x in 'ab'), Node(), Node) == 'PermissionError'"
    )
    program = (
        f"def reach(f, g, n, kind):\n    try:\n        {reach}\n    except Exception as exc: return type(exc).__name__"
    )
    assert verdict(tests, program) == CORRECT


def test_a_function_may_be_named_as_one_of_pythons() -> None:
    assert verdict("assert sum(10, 15) == 25", "def sum(a, b): return a + b") == CORRECT
    assert why("assert abs(f(2)) == 4", "def f(x): return 0\ndef abs(x): return 4").startswith("test 1 failed")
    assert why("assert math.floor(f(2)) == 4", "def f(x): return 0\nclass math: floor = lambda x: 4")


SUMS = {"inputs": ["1 2\n", "3 4\n", "5 6\n"], "outputs": ["3\n", "7", "11\n"]}


def test_standard_input_and_output() -> None:
    assert verdict(SUMS, "print(sum(map(int, input().split())))") == CORRECT
    pairs = [{"input": "1 2", "output": "3"}]
    assert verdict(pairs, "import sys\nprint('3  \\n')\nif __name__ == '__main__': sys.exit()") == CORRECT
    assert why(SUMS, "print(3)") == "test 2 failed: line 1 is '3' where '7' was expected"
    assert why(SUMS, "input()") == "test 1 failed: it printed nothing"
    assert why(SUMS, "print(3)\nprint(3)") == "test 1 failed: it printed 2 lines where 1 were expected"
    assert why(SUMS, "print(3)\n1 / 0") == "test 1 failed: ZeroDivisionError: division by zero"
    assert why(SUMS, "print(3)\nraise SystemExit(2)") == "test 1 failed: it exited with code 2"
    assert why(SUMS, "x = bytearray(2**30)") == "test 1 failed: memory limit 512 MB"
    claim = HURRIED.claim(problem(SUMS), "```python\nprint(3)\nif input()[0] == '3':\n    while True: pass\n```")
    assert isinstance(claim, Claim)
    assert HURRIED.check(claim).reason == "timed out after 1 s in test 2"


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        ("", "no tests"),
        (None, "no tests"),
        ("x = 1", "the tests hold no assert"),
        ("[1, 2]", "the tests are JSON of an unknown form"),
        ("{'a': 1}", "the tests are neither Python nor JSON"),
        ('{"inputs": ["1"], "outputs": []}', "the tests are JSON of an unknown form"),
        ("def check(candidate):\n    assert candidate(1)", "the tests do not say which function they check"),
    ],
)
def test_without_usable_tests_nothing_is_told(tests: str | None, reason: str) -> None:
    view = ProblemView(Domain.CODE, "Write it.", "def f(): pass", tests, None)
    assert VERIFIER.claim(view, "```python\nx\n```") == Outcome(Status.UNVERIFIABLE, reason)


def test_broken_tests_are_an_error() -> None:
    assert verdict("assert f( == 3", RIGHT).status is Status.ERROR
    assert verdict("class Tests:\n    def test(self): assert square(1) == 1", RIGHT) == Outcome(
        Status.ERROR, "the tests came to no assert"
    )


def test_check_of_a_candidate() -> None:
    check = "def check(candidate):\n    for n in range(3):\n        assert candidate(n) == helper(n)"
    prompt = "def helper(n):\n    return n * n\n\ndef square(n):\n    '''Squares.'''\n"
    assert verdict(check, "def square(n): return helper(n)", prompt) == CORRECT
    forged = verdict(check, "def helper(n): return 7\ndef square(n): return 7", prompt)
    assert forged.reason == "test 1 failed: assert candidate(n) == helper(n)"
    named = {"tests": check, "setup": "def helper(n): return n", "entry_point": "same"}
    assert verdict(named, "def same(n): return n") == CORRECT
    assert "the program does not define same" in why(named, "def other(n): return n")
    assert verdict(f"{check}\n\ncheck(square)", "def square(n): return n * n\ndef helper(n): return n * n") == CORRECT
    assert suite_of(check, prompt) == (check, prompt, "square", ())


def test_a_body_goes_on_from_its_prompt() -> None:
    prompt = "def square(n):\n    '''Squares.'''\n"
    view = problem("def check(candidate):\n    assert candidate(3) == 9", prompt, "    return n * n\n")
    gold = VERIFIER.gold(view)
    assert gold is not None
    claim = VERIFIER.claim(view, gold)
    assert isinstance(claim, Claim)
    assert VERIFIER.check(claim) == CORRECT


def test_it_works_off_the_main_thread() -> None:
    found: list[Outcome] = []
    threads = [threading.Thread(target=lambda: found.append(verdict(SQUARES, RIGHT))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CORRECT] * 4


@pytest.mark.skipif(not HUMANEVAL.exists(), reason="needs ../shared/data/humaneval")
def test_humanevals_solutions_pass_and_their_stubs_do_not() -> None:
    rows = [json.loads(line) for line in gzip.decompress(HUMANEVAL.read_bytes()).splitlines()]
    assert len(rows) == 164
    for number, row in enumerate(rows):
        view = problem(row["test"], row["prompt"], row["canonical_solution"])
        stubs = [(f"{row['prompt']}    pass", Status.INCORRECT)] if number % 10 == 0 else []
        for text, expected in [(VERIFIER.gold(view), Status.CORRECT), *stubs]:
            claim = VERIFIER.claim(view, str(text))
            assert isinstance(claim, Claim)
            assert VERIFIER.check(claim).status is expected, row["task_id"]
