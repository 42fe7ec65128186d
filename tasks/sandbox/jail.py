"""Namespaces: a root folder with Python's own library and nothing else, no network, no other process in sight.

The layout is bubblewrap's: an empty file system becomes the root, what a program may read is bound into it, and the
old root is taken away. There is no /proc.
"""

import os
import sys
from pathlib import Path
from typing import Final

from tasks.sandbox import kernel

SCRATCH: Final = "/scratch"
NOBODY: Final = 65534
_OLD: Final = "/.old"
_FOLDERS: Final = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo")
_FILES: Final = ("/etc/ld.so.cache", "/etc/localtime")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


def readable() -> dict[str, str]:
    """What a program may read, with the real path of each: Python's library, and what it is linked with."""
    python = (f"{sys.base_prefix}/lib", f"{sys.base_exec_prefix}/lib", str(Path(os.__file__).parent))
    paths = {path: os.path.realpath(path) for path in (*_FOLDERS, *python, *_FILES, *_DEVICES)}
    return {path: real for path, real in paths.items() if Path(real).exists()}


def enter(temporary: str) -> None:
    """Move this process, which must have one thread, into the jail; its children get a new process namespace.

    `temporary` is any folder: the new root is mounted there, seen by nobody else.

    Raises:
        OSError: the kernel refuses; the process is then of no further use.
    """
    user, group = os.getuid(), os.getgid()
    os.umask(0o022)
    me = os.open("/proc/self", os.O_PATH | os.O_DIRECTORY)
    root = user == 0 and _may_mount()
    if not root:
        _own_a_namespace(me, user, group)
        kernel.unshare(kernel.NEW_MOUNTS)
    _change_root(temporary)
    if root:  # the kernel limits root's processes by no number, and lets root read what only root may
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        kernel.own_proc()
        _own_a_namespace(me, NOBODY, NOBODY)
        kernel.unshare(kernel.NEW_MOUNTS)
    os.close(me)
    kernel.make_read_only("/")
    kernel.unshare(kernel.NEW_NETWORK | kernel.NEW_IPC | kernel.NEW_UTS | kernel.NEW_PIDS)


def own_scratch(file_bytes: int) -> None:
    """Give this process, and no other, an empty scratch folder in memory, and go there."""
    kernel.unshare(kernel.NEW_MOUNTS)
    flags = kernel.NO_SUID | kernel.NO_DEVICES | kernel.NO_EXEC
    kernel.mount("tmpfs", SCRATCH, "tmpfs", flags, f"size={file_bytes},nr_inodes=1000,mode=700")
    os.chdir(SCRATCH)


def _may_mount() -> bool:
    """Take mounts of its own, if this process may: in most containers root may not."""
    try:
        kernel.unshare(kernel.NEW_MOUNTS)
    except PermissionError:
        return False
    return True


def _own_a_namespace(me: int, user: int, group: int) -> None:
    """Enter a user namespace in which this process, in there nobody, may do everything; `me` is /proc/self."""
    kernel.unshare(kernel.NEW_USER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{NOBODY} {user} 1"), ("gid_map", f"{NOBODY} {group} 1")):
        descriptor = os.open(name, os.O_WRONLY, dir_fd=me)
        os.write(descriptor, text.encode())
        os.close(descriptor)


def _change_root(temporary: str) -> None:
    visible = readable()
    kernel.mount(None, "/", None, kernel.PRIVATE)
    kernel.mount("tmpfs", temporary, "tmpfs", kernel.NO_SUID, "size=1m,mode=755")
    Path(temporary + _OLD).mkdir()
    kernel.change_root(temporary, temporary + _OLD)
    os.chdir("/")
    Path(SCRATCH).mkdir()
    for path, real in visible.items():
        if Path(_OLD + real).is_dir():
            Path(path).mkdir(parents=True, exist_ok=True)
        else:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
        kernel.mount(_OLD + real, path, None, kernel.BIND)
    kernel.unmount(_OLD)
    Path(_OLD).rmdir()
