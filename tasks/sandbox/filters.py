"""A seccomp filter: what a program that only computes never asks the kernel for is refused.

Threads are allowed, processes are not; a program may signal itself alone; it opens no socket.
"""

import ctypes
import errno
import os
import struct
from functools import lru_cache
from typing import Final

from tasks.sandbox import kernel

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW: Final = 0x7FFF0000
_ERROR: Final = 0x00050000
_THREAD: Final = 0x00010000
_X32: Final = 0x40000000
_PR_GET_SECCOMP: Final = 21
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE: Final = {"x86_64": 56, "aarch64": 220}
_SIGNALS: Final = {"x86_64": (62, 234), "aarch64": (129, 131)}
"""kill, tgkill: allowed to the process itself."""
_LIMITS: Final = {"x86_64": 302, "aarch64": 261}
"""prlimit64: allowed for the process itself, which it names 0."""
_FORKS: Final = {"x86_64": (57, 58), "aarch64": ()}
_CLONE3: Final = 435
_SAME: Final = (*range(424, 435), 438, 440, *range(442, 449), 450, 457, 458)
"""The same number everywhere: pidfd_send_signal, io_uring_*, mounts, pidfd_*, landlock_*, memfd_secret, …"""
_DENIED: Final = """
socket 41 198, connect 42 203, accept 43 202, accept4 288 242, bind 49 200, listen 50 201, shmget 29 194,
shmat 30 196, shmctl 31 195, shmdt 67 197, semget 64 190, semop 65 193, semctl 66 191, semtimedop 220 192,
msgget 68 186, msgsnd 69 189, msgrcv 70 188, msgctl 71 187, mq_open 240 180, mq_unlink 241 181,
mq_timedsend 242 182, mq_timedreceive 243 183, mq_notify 244 184, mq_getsetattr 245 185, ptrace 101 117,
process_vm_readv 310 270, process_vm_writev 311 271, kcmp 312 272, mount 165 40, umount2 166 39,
pivot_root 155 41, chroot 161 51, unshare 272 97, setns 308 268, add_key 248 217, request_key 249 218,
keyctl 250 219, bpf 321 280, perf_event_open 298 241, userfaultfd 323 282, fanotify_init 300 262,
fanotify_mark 301 263, name_to_handle_at 303 264, open_by_handle_at 304 265, init_module 175 105,
delete_module 176 106, finit_module 313 273, kexec_load 246 104, kexec_file_load 320 294, settimeofday 164 170,
adjtimex 159 171, clock_settime 227 112, clock_adjtime 305 266, quotactl 179 60, acct 163 89, swapon 167 224,
swapoff 168 225, reboot 169 142, sethostname 170 161, setdomainname 171 162, syslog 103 116, execve 59 221,
execveat 322 281, tkill 200 130, rt_sigqueueinfo 129 138, rt_tgsigqueueinfo 297 240, personality 135 92,
vhangup 153 58, iopl 172 -, ioperm 173 -, uselib 134 -, ustat 136 -, sysfs 139 -, _sysctl 156 -, mbind 237 235,
set_mempolicy 238 237, get_mempolicy 239 236, migrate_pages 256 238, move_pages 279 239, lookup_dcookie 212 18,
setpriority 141 140, sched_setaffinity 203 122, sched_setscheduler 144 119, sched_setparam 142 118,
sched_setattr 314 274, ioprio_set 251 30
"""
"""Each with its number on x86-64 and on arm64, whose list has no old ones."""


def supported() -> bool:
    """Whether the kernel has filters, and the numbers of this machine's system calls are known here."""
    try:
        kernel.call("prctl", _PR_GET_SECCOMP, 0, 0, 0, 0)
    except OSError:
        return False
    return os.uname().machine in _AUDIT


@lru_cache
def program(process: int) -> bytes:
    """The filter for a process with this number."""
    machine = os.uname().machine
    checked = [_line(_LOAD, _ARCHITECTURE), _line(_EQUAL, _AUDIT[machine], 1, 0), *_refuse(errno.EPERM)]
    rules = dict.fromkeys({*_denied(machine), *_SAME}, _refuse(errno.EPERM))
    rules |= dict.fromkeys(_FORKS[machine], _refuse(errno.EAGAIN))
    rules |= dict.fromkeys(_SIGNALS[machine], _only(process))
    rules[_LIMITS[machine]] = _only(0)
    rules[_CLONE3] = _refuse(errno.ENOSYS)  # the C library then falls back on clone, whose flags a filter can see
    rules[_CLONE[machine]] = [
        _line(_LOAD, _FIRST_ARGUMENT),
        _line(_ANY_BIT, _THREAD, 1, 0),
        *_refuse(errno.EAGAIN),
        *_ALLOWED,
    ]
    return b"".join([*checked, _line(_LOAD, _NUMBER), *_search(_ranges(rules))])


def install(code: bytes) -> None:
    """Put a filter on this process for good; it must have given up its privileges."""
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    kernel.call("prctl", _PR_SET_SECCOMP, _MODE_FILTER, head, 0, 0)


def _denied(machine: str) -> set[int]:
    column = list(_AUDIT).index(machine) + 1
    numbers = (entry.split()[column] for entry in _DENIED.split(","))
    return {int(number) for number in numbers if number != "-"}


def _line(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, operand)


def _refuse(code: int) -> list[bytes]:
    return [_line(_RETURN, _ERROR | code)]


def _only(argument: int) -> list[bytes]:
    """Allow a call whose first argument is this one."""
    return [_line(_LOAD, _FIRST_ARGUMENT), _line(_EQUAL, argument, 0, 1), *_ALLOWED, *_refuse(errno.EPERM)]


def _ranges(rules: dict[int, list[bytes]]) -> list[tuple[int, list[bytes]]]:
    """From which number on what is done."""
    ranges: list[tuple[int, list[bytes]]] = [(0, _ALLOWED)]
    for number in sorted({*rules, *(number + 1 for number in rules)}):
        done = rules.get(number, _ALLOWED)
        if done != ranges[-1][1]:
            ranges.append((number, done))
    return [*ranges, (_X32, _refuse(errno.EPERM))]


def _search(ranges: list[tuple[int, list[bytes]]]) -> list[bytes]:
    """Halve the ranges until one is left: the kernel tries a filter on every number when it is installed."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    below, above = _search(ranges[:middle]), _search(ranges[middle:])
    return [_line(_AT_LEAST, ranges[middle][0], len(below), 0), *below, *above]


_ALLOWED: Final = [_line(_RETURN, _ALLOW)]
