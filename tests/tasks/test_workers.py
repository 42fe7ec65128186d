import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from schemas.errors import WorkerError
from tasks import workers
from tasks.workers import Done, Failed, Fault, WorkerPool

# Workers import what they run, and test modules cannot be imported by name: `eval` runs any expression.
SLEEP = "__import__('time').sleep(60)"
PID = "__import__('os').getpid()"


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2, memory_mb=1024) as shared:
        yield shared


def results(pool: WorkerPool, items: Iterable[str], deadline_s: float = 10.0) -> dict[int, Done[object] | Failed]:
    return dict(pool.map(eval, items, deadline_s=deadline_s))


def gone(pid: int) -> bool:
    """Whether a process has ended; a container without an init process leaves its zombie behind."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return gone(pid)


def test_every_item_gets_its_own_value(pool: WorkerPool) -> None:
    found = dict(pool.map(abs, range(-3000, 0), deadline_s=10))
    assert {index: result.value for index, result in found.items() if isinstance(result, Done)} == {
        index: 3000 - index for index in range(3000)
    }


def test_a_late_item_fails_alone(pool: WorkerPool) -> None:
    found = results(pool, ["1"] * 40 + [SLEEP] + ["2"] * 40, deadline_s=0.5)
    late = found.pop(40)
    assert isinstance(late, Failed)
    assert (late.fault, late.message) == (Fault.TIMED_OUT, "timed out after 0.5 s")
    assert late.elapsed_ms >= 500
    assert all(isinstance(result, Done) for result in found.values())
    assert len(found) == 80


def test_a_loop_in_c_is_stopped_at_the_deadline(pool: WorkerPool) -> None:
    start = time.monotonic()
    found = results(pool, ["9**9**9", "1"], deadline_s=0.5)
    assert [type(found[index]) for index in (0, 1)] == [Failed, Done]
    assert time.monotonic() - start < 5


def test_a_crash_fails_alone_and_says_how(pool: WorkerPool) -> None:
    found = results(pool, ["1", "__import__('os')._exit(3)", "2", "__import__('os').abort()", "3"])
    assert [type(found[index]) for index in range(5)] == [Done, Failed, Done, Failed, Done]
    messages = [result.message for _, result in sorted(found.items()) if isinstance(result, Failed)]
    assert messages == ["its worker process exited with code 3", "its worker process was killed by SIGABRT"]


def test_whatever_an_item_raises_is_told(pool: WorkerPool) -> None:
    found = results(pool, ["1/0", "__import__('sys').exit(4)", "lambda: 0", "5"])
    messages = [result.message for _, result in sorted(found.items()) if isinstance(result, Failed)]
    assert messages[:2] == ["ZeroDivisionError: division by zero", "SystemExit: 4"]
    assert "pickle" in messages[2].lower()
    assert isinstance(found[3], Done)


def test_a_memory_bomb_fails_alone(pool: WorkerPool) -> None:
    found = results(pool, ["1", "len(bytearray(10**10))", "2"])
    bomb = found[1]
    assert isinstance(bomb, Failed)
    assert bomb.message == "MemoryError"
    assert isinstance(found[2], Done)


def test_the_children_of_a_late_item_die_with_it(pool: WorkerPool, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    start_child = f"open({str(note)!r}, 'w').write(str(__import__('subprocess').Popen(['sleep', '60']).pid))"
    results(pool, [f"({start_child}, {SLEEP})"], deadline_s=1.0)
    assert wait_until_gone(int(note.read_text()))


def test_workers_stay_warm_and_outlive_the_thread_that_started_them() -> None:
    found: list[object] = []
    with WorkerPool(1) as own:
        starter = threading.Thread(target=lambda: found.append(results(own, [PID])[0]))
        starter.start()
        starter.join()
        found.append(results(own, [PID])[0])
        first, second = found
        assert isinstance(first, Done)
        assert isinstance(second, Done)
        assert first.value == second.value
    assert isinstance(first.value, int)
    assert wait_until_gone(first.value)


def test_threads_may_use_one_pool_at_once() -> None:
    found: dict[int, dict[int, Done[object] | Failed]] = {}

    def work(thread: int) -> None:
        found[thread] = results(own, [f"{thread} * {item}" for item in range(200)])

    with WorkerPool(1) as own:
        threads = [threading.Thread(target=work, args=(thread,)) for thread in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for thread_index in range(2):
        values = {index: result.value for index, result in found[thread_index].items() if isinstance(result, Done)}
        assert values == {item: thread_index * item for item in range(200)}


def test_a_call_left_early_leaves_the_pool_usable(pool: WorkerPool) -> None:
    next(iter(pool.map(eval, ["1"] * 500, deadline_s=10)))
    assert isinstance(results(pool, ["2"])[0], Done)


def test_nothing_starts_without_items(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with WorkerPool(2) as own:
        assert results(own, []) == {}


def test_a_worker_that_cannot_be_prepared_is_an_error() -> None:
    with WorkerPool(1) as own, pytest.raises(WorkerError, match="cannot load its function: ZeroDivisionError"):
        list(own.map(abs, [1], deadline_s=5, prepare=partial(eval, "1/0")))


def test_workers_that_keep_dying_are_an_error() -> None:
    with WorkerPool(1) as own, pytest.raises(WorkerError, match="before they do anything: exited with code 3"):
        list(own.map(abs, [1], deadline_s=5, prepare=partial(os._exit, 3)))


def test_a_worker_that_hangs_at_its_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "START_S", 0.2)
    with WorkerPool(1) as own, pytest.raises(WorkerError, match="SIGKILL"):
        list(own.map(abs, [1], deadline_s=5, prepare=partial(time.sleep, 60)))


def test_preparation_does_not_count_against_the_deadline() -> None:
    with WorkerPool(1) as own:
        found = dict(own.map(abs, [-1], deadline_s=0.3, prepare=partial(time.sleep, 0.8)))
    assert isinstance(found[0], Done)


ORPHAN_MAKER = """
import os, signal, threading, time
from pathlib import Path
from tasks.workers import WorkerPool

def kill_me():
    while not Path({note!r}).exists() or not Path({note!r}).read_text().endswith("!"):
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill_me).start()
spin = "(open({note!r}, 'w').write(str(__import__('os').getpid()) + '!'), 9**9**9)"
with WorkerPool(1) as pool:
    list(pool.map(eval, [spin], deadline_s=300))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has F_SETSIG; elsewhere a worker ends at its next read")
def test_no_orphan_survives_a_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    parent = subprocess.run([sys.executable, "-c", ORPHAN_MAKER.format(note=str(note))], timeout=60, check=False)
    assert parent.returncode == -signal.SIGKILL
    assert wait_until_gone(int(note.read_text().rstrip("!")))


SCRIPT = """
from tasks.workers import WorkerPool
print("imported")
with WorkerPool(1) as pool:
    print(sorted(result.value for _, result in pool.map(abs, [-1, -2], deadline_s=10)))
"""


@pytest.mark.parametrize("way", ["-c", "-", "file"])
def test_the_main_module_is_not_run_again(way: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    arguments = {"-c": ["-c", SCRIPT], "-": ["-"], "file": [str(script)]}[way]
    ran = subprocess.run(
        [sys.executable, *arguments], input=SCRIPT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.stdout, ran.stderr) == ("imported\n[1, 2]\n", "")


def test_workers_have_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_API_KEY", "planted")
    monkeypatch.setenv("PLANTED_STORE", "postgresql://u:planted@h/db")
    monkeypatch.setenv("UNPLANTED", "there")
    with WorkerPool(1) as own:
        (seen,) = results(own, ["[*__import__('os').environ.values()]"]).values()
    assert isinstance(seen, Done)
    assert isinstance(seen.value, list)
    assert "there" in seen.value
    assert not [value for value in seen.value if "planted" in value]
