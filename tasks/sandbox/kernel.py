"""Calls of the Linux kernel that Python has no name for; each raises OSError with the call's name."""

import ctypes
import os
import struct
from typing import Final

NEW_USER: Final = 0x10000000
NEW_MOUNTS: Final = 0x00020000
NEW_NETWORK: Final = 0x40000000
NEW_PIDS: Final = 0x20000000
NEW_IPC: Final = 0x08000000
NEW_UTS: Final = 0x04000000

BIND: Final = 0x1000 | 0x4000
"""With the mounts below it: the kernel allows a user's namespace no less."""
PRIVATE: Final = 0x40000 | 0x4000
NO_SUID: Final = 2
NO_DEVICES: Final = 4
NO_EXEC: Final = 8
DETACH: Final = 2

_READ_ONLY: Final = 1
_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
_MOUNT_SETATTR: Final = 442
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_CAPABILITY_VERSION_3: Final = 0x20080522
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library."""
    return _checked(getattr(_LIBC, name)(*arguments), name)


def system_call(name: str, number: int, *arguments: object) -> int:
    """Call the kernel by number, for what the C library has no name for either; `name` is for the error."""
    return _checked(_LIBC.syscall(number, *arguments), name)


def _checked(result: int, name: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), name)
    return result


def unshare(namespaces: int) -> None:
    """Leave the shared namespaces of these kinds for new ones."""
    call("unshare", namespaces)


def enter_pids(descriptor: int) -> None:
    """Have later children start in the process namespace that a descriptor stands for."""
    call("setns", descriptor, NEW_PIDS)


def mount(source: str | None, target: str, kind: str | None = None, flags: int = 0, options: str = "") -> None:
    """Mount something, or change how it is mounted."""
    names = [None if name is None else os.fsencode(name) for name in (source, target, kind)]
    call("mount", *names, ctypes.c_ulong(flags), options.encode())


def unmount(target: str) -> None:
    """Detach a mount and all below it."""
    call("umount2", os.fsencode(target), DETACH)


def change_root(root: str, old: str) -> None:
    """Make `root`, a mount, the root of all files, and the root before it appear at `old`."""
    system_call("pivot_root", _PIVOT_ROOT[os.uname().machine], os.fsencode(root), os.fsencode(old))


def make_read_only(path: str) -> None:
    """Make a mount and all mounts below it read-only."""
    attributes = struct.pack("4Q", _READ_ONLY, 0, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    system_call("mount_setattr", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(path), _AT_RECURSIVE, attributes, size)


def die_with_parent(signal: int) -> None:
    """Be sent a signal once the thread that forked this process has ended."""
    call("prctl", _PR_SET_PDEATHSIG, signal, 0, 0, 0)


def own_proc() -> None:
    """Let this process, after a change of user, write its own files in /proc again."""
    call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)


def drop_privileges() -> None:
    """Give up every capability, and the ways to ever get one."""
    call("capset", struct.pack("Ii", _CAPABILITY_VERSION_3, 0), bytes(24))
    call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
