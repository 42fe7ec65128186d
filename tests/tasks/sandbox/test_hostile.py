"""Programs that mean harm: each is held, with namespaces and with Landlock instead, and leaves nothing behind."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tasks.sandbox.messages import Ended, Job, Limits
from tasks.sandbox.sandbox import Isolation, Sandbox

LIMITS = Limits(time_s=20, memory_mb=256)
LATE = "timed out after 1 s"
DENIED = "PermissionError: [Errno 1] Operation not permitted"


class World(NamedTuple):
    sandbox: Sandbox
    home: Path
    """What is only ours: it holds `secret`, and `kept`, a folder with a file."""

    def run(self, source: str, time_s: float = LIMITS.time_s) -> Ended:
        text = f"HOME = {str(self.home)!r}\n{source}"
        (ended,) = self.sandbox.run(Job(text.encode(), limits=LIMITS._replace(time_s=time_s)))
        return ended

    def complaint(self, source: str) -> str:
        ended = self.run(source)
        assert ended.code == 1
        assert not ended.fault
        return ended.stderr.decode().splitlines()[-1]

    def printed(self, source: str) -> list[str]:
        ended = self.run(source)
        assert (ended.code, ended.fault) == (0, ""), ended.stderr.decode()
        return ended.stdout.decode().splitlines()


@pytest.fixture(scope="module", params=["namespaces", "landlock"])
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with (
        pytest.MonkeyPatch.context() as patch,
        Sandbox(Isolation.BEST_EFFORT, namespaces=request.param == "namespaces") as shared,
    ):
        patch.setattr("tempfile.tempdir", str(tmp_path_factory.mktemp("scratch")))
        missing = shared.warm()
        if {request.param, "seccomp"} & missing.keys():
            pytest.skip(f"this kernel cannot isolate that way: {missing}")
        yield shared


@pytest.fixture
def world(sandbox: Sandbox, tmp_path: Path) -> Iterator[World]:
    """Checks that nothing is left running, or on disk, once the test is over."""
    (tmp_path / "kept").mkdir()
    for path in ("secret", "kept/file"):
        (tmp_path / path).write_text("top secret")
    yield World(sandbox, tmp_path)
    zygotes = [one for child in psutil.Process().children() for one in (child, *child.children())]
    assert not [one for zygote in zygotes for one in zygote.children() if one not in zygotes]
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["kept", "kept/file", "secret"]
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"top secret"}
    assert not list(Path(tempfile.gettempdir()).glob("tracemill-sandbox-*/*"))


ENDLESS = {
    "loop": "while True: pass",
    "sleep": "import time\ntime.sleep(60)",
    "one C call": "10 ** 10 ** 10",
    "outputs closed": "import os, time\nos.closerange(0, 100)\ntime.sleep(60)",
    "fork bomb that does not give up": (
        "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    ),
    "every signal ignored": (
        "import signal, time\n"
        "for one in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:\n"
        "    signal.signal(one, signal.SIG_IGN)\n"
        "while True: time.sleep(60)"
    ),
    "a thread that outlives": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()",
    "at exit": "import atexit, time\natexit.register(time.sleep, 60)",
    "output that trickles": "import time\nwhile True:\n    print('.', flush=True)\n    time.sleep(0.05)",
    "interrupts swallowed": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_whatever_does_not_end_is_ended(world: World, name: str) -> None:
    start = time.monotonic()
    assert world.run(ENDLESS[name], 1).fault == LATE
    assert time.monotonic() - start < 10


COMPLAINTS = {
    "fork bomb": ("import os\nwhile True: os.fork()", "BlockingIOError"),
    "daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)",
        "BlockingIOError",
    ),
    "shell": ("import os\nos.execv('/bin/sh', ['sh', '-c', 'sleep 60'])", "Error"),
    "subprocess": ("import subprocess\nsubprocess.run(['sleep', '60'])", "Error"),
    "memory bomb": ("x = []\nwhile True: x.append('a' * 10**7)", "MemoryError"),
    "memory at once": ("bytearray(2**31)", "MemoryError"),
    "thread bomb": (
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "RuntimeError: can't start new thread",
    ),
    "socket": ("import socket\nsocket.create_connection(('192.0.2.1', 80), 1)", DENIED),
    "listener": ("import socket\nsocket.socket(socket.AF_UNIX).bind('\\0x')", DENIED),
    "kill the parent": ("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)", DENIED),
    "kill everyone": ("import os, signal\nos.kill(-1, signal.SIGKILL)", DENIED),
    "kill the group": ("import os, signal\nos.killpg(0, signal.SIGKILL)", DENIED),
    "pidfd": ("import os, signal\nsignal.pidfd_send_signal(os.pidfd_open(os.getpid()), 0)", DENIED),
    "read the home folder": ("open(HOME + '/secret')", "Error"),
    "list the home folder": ("import os\nos.listdir(HOME)", "Error"),
    "symlink": ("import os\nos.symlink(HOME + '/secret', 'link')\nopen('link')", "Error"),
    "symlink to write through": ("import os\nos.symlink(HOME, 'link')\nopen('link/new', 'w')", "Error"),
    "climb out": ("import os\nopen('/'.join(['..'] * 20) + HOME + '/secret')", "Error"),
    "hard link": ("import os\nos.link(HOME + '/secret', 'mine')", "Error"),
    "passwords": ("open('/etc/passwd')", "Error"),
    "memory of others": ("open('/proc/1/environ')", "Error"),
    "write elsewhere": ("open(HOME + '/new', 'w')", "Error"),
    "write beside": ("open('/tmp/tracemill-was-here', 'w')", "Error"),
    "shared memory": ("open('/dev/shm/tracemill-was-here', 'w')", "Error"),
    "change a file": ("open(HOME + '/secret', 'a')", "Error"),
    "delete": ("import os\nos.remove(HOME + '/secret')", "Error"),
    "rename": ("import os\nos.rename(HOME + '/secret', 'mine')", "Error"),
    "big file": ("open('big', 'w').write('a' * 2**22)", "OSError: [Errno 27] File too large"),
    "many open files": ("x = [open('/dev/null') for _ in range(100)]", "Too many open files"),
    "more for itself": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**40, 2**40))",
        "ValueError: not allowed to raise maximum limit",
    ),
    "limits of others": ("import resource\nresource.prlimit(1, resource.RLIMIT_CPU, (0, 0))", DENIED),
}


@pytest.mark.parametrize("name", COMPLAINTS)
def test_what_is_not_allowed_fails(world: World, name: str) -> None:
    source, why = COMPLAINTS[name]
    assert why in world.complaint(source)
    assert not Path("/tmp/tracemill-was-here").exists()


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        ("ptrace", "16, 1, 0, 0"),
        ("unshare", "0x10000000"),
        ("setns", "0, 0"),
        ("mount", "b'none', b'.', b'tmpfs', 0, None"),
        ("umount2", "b'/', 2"),
        ("chroot", "b'.'"),
        ("process_vm_readv", "1, None, 0, None, 0, 0"),
        ("shmget", "0, 4096, 0o1600"),
    ],
)
def test_what_only_administration_needs_is_refused(world: World, call: str, arguments: str) -> None:
    libc = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    assert world.printed(f"{libc}print(libc.{call}({arguments}), ctypes.get_errno())") == ["-1 1"]


def test_output_without_end(world: World) -> None:
    ended = world.run("import sys\nwhile True: sys.stdout.write('a' * 10**6)")
    assert ended.fault == "it printed more than 65536 bytes"
    assert len(ended.stdout) <= 2 * LIMITS.output_bytes
    ended = world.run("import os\nfor _ in range(1000): os.write(2, b'b' * 65536)\nos.write(4, b'c' * 65536)")
    assert (ended.code, len(ended.stderr)) == (0, LIMITS.output_bytes)


def test_a_full_folder_is_the_programs_own_trouble(world: World) -> None:
    fill = "for name in range(100):\n    with open(str(name), 'wb') as file: file.write(bytes(2**18))"
    if not world.sandbox.warm():  # only the folder that is in memory has a size
        assert "No space left on device" in world.complaint(fill)
    assert "File too large" in world.complaint(fill.replace("2**18", "2**22"))
    assert world.printed("import os\nprint(os.listdir())") == ["[]"]


def test_deleting_everything_deletes_nothing(world: World) -> None:
    assert world.printed("import shutil\nshutil.rmtree(HOME, ignore_errors=True)\nprint('done')") == ["done"]


def test_one_program_finds_nothing_of_another(world: World) -> None:
    world.run("open('left', 'w').write('x')\nimport math, sys\nmath.pi = 3\nsys.modules['os'] = None")
    assert world.printed("import math, os\nprint(os.listdir(), math.pi > 3.1, len(os.environ))") == ["[] True 2"]


@pytest.mark.parametrize("exit_", ["import os\nos._exit(0)", "raise SystemExit", "import sys\nsys.exit(0)"])
def test_an_early_end_is_an_end(world: World, exit_: str) -> None:
    ended = world.run(f"print('so far', flush=True)\n{exit_}\nprint('and on')")
    assert (ended.stdout, ended.code) == (b"so far\n", 0)


def test_a_crash_is_told(world: World) -> None:
    assert world.run("import ctypes\nctypes.string_at(0)").code == -11
