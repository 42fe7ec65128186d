"""The child's side of `tasks.verify.program`: give up what a program does not need, then be the program.

Run as a script in a fresh interpreter: `python program_child.py <source file> <cpu seconds> <memory bytes> <file
bytes>`, the working folder being its own. Imports nothing of the project.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import Final

_NOBODY: Final = 65534
_NEW_NAMESPACES: Final = 0x10000000 | 0x00020000 | 0x40000000 | 0x20000000 | 0x08000000
"""CLONE_NEWUSER, NEWNS (mounts), NEWNET, NEWPID and NEWIPC."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_MOUNT_SETATTR: Final = 442
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_READ_ONLY: Final = 1
_MS_BIND: Final = 0x1000
_MS_PRIVATE_ALL: Final = 0x40000 | 0x4000


def main(source: str, cpu_s: str, memory: str, file_size: str) -> None:
    """Become the program in `source`; its exit status is this process's."""
    code = Path(source).read_bytes()
    if sys.platform == "linux":
        _isolate()
    limits = {
        resource.RLIMIT_CPU: int(cpu_s),
        resource.RLIMIT_AS: int(memory),
        resource.RLIMIT_FSIZE: int(file_size),
        resource.RLIMIT_NOFILE: 32,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, most in limits.items():
        resource.setrlimit(limit, (most, most))
    exec(compile(code, "program.py", "exec"), {"__name__": "__main__"})  # noqa: S102 - what this process is for


def _isolate() -> None:
    """Namespaces without network and with read-only files where the kernel permits them; no privilege anywhere."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getuid() == 0:  # the kernel limits root's processes by the real user alone; files are read as before
        with contextlib.suppress(OSError):  # a user namespace may have no nobody
            os.setresuid(_NOBODY, -1, -1)
    if libc.unshare(_NEW_NAMESPACES) == 0:
        _read_only_but(libc, Path.cwd())
        _be_the_first_process(libc)
    libc.capset(struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _read_only_but(libc: ctypes.CDLL, folder: Path) -> None:
    """Mount every file system read-only, save a folder."""
    here = os.fsencode(folder)
    libc.mount(None, b"/", None, _MS_PRIVATE_ALL, None)
    libc.mount(here, here, None, _MS_BIND, None)
    for path, setting in ((b"/", (_MOUNT_READ_ONLY, 0, 0, 0)), (here, (0, _MOUNT_READ_ONLY, 0, 0))):
        attributes = struct.pack("4Q", *setting)
        libc.syscall(_MOUNT_SETATTR, _AT_FDCWD, path, _AT_RECURSIVE, attributes, ctypes.c_size_t(len(attributes)))
    os.chdir(folder)


def _be_the_first_process(libc: ctypes.CDLL) -> None:
    """Go on as the first process of the new namespace: when it ends, the kernel kills all others in there."""
    child = os.fork()
    if child == 0:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        return
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError):  # one that cannot be set, SIGKILL, needs no setting
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
