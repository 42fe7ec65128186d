import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from schemas.errors import RecipeError, WorkerError
from tasks.sandbox import sandbox as module
from tasks.sandbox.messages import Job, Limits
from tasks.sandbox.sandbox import PROTECTIONS, Isolation, Sandbox, protections
from tasks.workers import Done, WorkerPool


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Isolation.BEST_EFFORT) as shared:
        yield shared


def double(number: int) -> str:
    (ended,) = module.shared(Isolation.BEST_EFFORT).run(Job(f"print({number} * 2)".encode()))
    return ended.stdout.decode().strip()


def test_a_program_is_what_python_would_make_of_it(sandbox: Sandbox) -> None:
    source = """
import atexit, dataclasses, sys, threading
atexit.register(print, "at exit")
@dataclasses.dataclass
class Point:
    x: int = int(input())
threading.Thread(target=print, args=("thread", Point())).start()
print(__name__, sys.argv, sys.stdin.read().split(), "é", file=sys.stderr)
sys.exit(3)
"""
    (ended,) = sandbox.run(Job(source.encode(), stdin=b"7\n8 9\n"))
    assert (ended.code, ended.fault, ended.report) == (3, "", b"")
    assert ended.stdout == b"thread Point(x=7)\nat exit\n"
    assert ended.stderr.decode() == "__main__ ['program.py'] ['8', '9'] é\n"
    assert 0 < ended.cpu_s < 5


def test_the_same_comes_of_it_each_time(sandbox: Sandbox) -> None:
    source = b"import random\nprint(random.random(), {str(one) for one in range(99)})"
    assert len({sandbox.run(Job(source))[0].stdout for _ in range(3)}) == 1


def test_much_goes_in(sandbox: Sandbox) -> None:
    (ended,) = sandbox.run(Job(b"import sys\nprint(len(sys.stdin.read()))", stdin=b"a" * 5_000_000))
    assert ended.stdout == b"5000000\n"


def test_threads_each_have_a_zygote_of_their_own(sandbox: Sandbox) -> None:
    nap = Job(b"import time\ntime.sleep(1)\nprint(1)")
    sandbox.run(Job(b"1"))
    start = time.monotonic()
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: sandbox.run(nap)[0].stdout, range(6)))
    assert answers == [b"1\n"] * 6
    assert time.monotonic() - start < 6


def test_it_works_in_workers() -> None:
    with WorkerPool(2, memory_mb=2048) as pool:
        results = dict(pool.map(double, range(6), deadline_s=30))
    assert {index: one.value for index, one in results.items() if isinstance(one, Done)} == {
        index: str(index * 2) for index in range(6)
    }


def test_a_process_killed_in_the_middle_takes_its_programs_with_it(tmp_path: Path) -> None:
    code = f"""
import threading, time
from tasks.sandbox.messages import Job, Limits
from tasks.sandbox.sandbox import Isolation, Sandbox
sandbox = Sandbox(Isolation.BEST_EFFORT)
sandbox.warm()
threading.Thread(target=sandbox.run, args=(Job(b"while True: pass", limits=Limits(time_s=100)),)).start()
time.sleep(1)
open({str(tmp_path / "running")!r}, "w").close()
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 30
    while not (tmp_path / "running").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    assert len(below) >= 2
    process.kill()
    process.wait()
    gone, alive = psutil.wait_procs(below, timeout=10)
    assert not alive
    assert len(gone) == len(below)


def test_two_programs_talk_and_end_together(sandbox: Sandbox) -> None:
    asks = b"import os\nos.write(3, b'21')\nprint(os.read(3, 9).decode())\nos.write(4, b'told')"
    answers = b"import os, time\nos.write(3, str(2 * int(os.read(3, 9))).encode())\ntime.sleep(60)"
    first, second = sandbox.run(Job(asks), Job(answers))
    assert (first.stdout, first.report, first.code) == (b"42\n", b"told", 0)
    assert (second.code, second.fault) == (None, "")


def test_two_programs_see_nothing_of_each_other(sandbox: Sandbox) -> None:
    look = b"import os, time\ntime.sleep(0.2)\nprint(os.listdir('.'))"
    first, _ = sandbox.run(Job(look), Job(b"open('left', 'w').close()\nimport time\ntime.sleep(60)"))
    assert first.stdout == b"[]\n"


def test_the_processors_time_counts_too(sandbox: Sandbox) -> None:
    (ended,) = sandbox.run(Job(b"while True: pass", limits=Limits(time_s=1)))
    assert ended.fault == "timed out after 1 s"


def test_isolation_that_is_missing_is_refused_or_named() -> None:
    with Sandbox(namespaces=False) as strict, pytest.raises(RecipeError, match="lacks namespaces"):
        strict.run(Job(b"1"))
    with Sandbox(Isolation.BEST_EFFORT, namespaces=False) as lax:
        assert lax.warm()["namespaces"] == "not asked for"
        assert lax.run(Job(b"print(1)"))[0].stdout == b"1\n"


def test_what_is_our_own_fault_is_an_error(sandbox: Sandbox) -> None:
    with pytest.raises(WorkerError, match="cannot start a program: KeyError: 'no_such'"):
        sandbox.run(Job(b"1", main="no_such:main"))
    with Sandbox(Isolation.BEST_EFFORT, modules=("no_such",)) as broken, pytest.raises(WorkerError, match="ended by"):
        broken.warm()


def test_protections_say_what_they_keep() -> None:
    found = protections()
    assert [one.name for one in found] == list(PROTECTIONS)
    assert all(one.active != bool(one.why_not) for one in found)
