"""What the sandbox is asked and what it answers. Imports nothing heavy: a fresh interpreter reads this."""

from signal import Signals
from typing import Final, NamedTuple

PEER: Final = 3
"""The descriptor that connects the two programs of a run; it is there where a run has two."""
REPORT: Final = 4
"""The descriptor to which a `main` writes what comes back as `Ended.report`."""
SCRIPT: Final = "tasks.sandbox.script:run"
"""The `main` of a program that is Python source and nothing more."""
REPORT_BYTES: Final = 2**16
_LINE_MAX: Final = 1_000


class Limits(NamedTuple):
    """What a program may use.

    `time_s` is for the wall clock and, rounded up, for the processor; `memory_mb` is address space; `file_bytes` is for
    each file, and for all that is in its scratch folder at once; `output_bytes` for each of its two outputs.
    """

    time_s: float = 5.0
    memory_mb: int = 512
    file_bytes: int = 2**20
    output_bytes: int = 65_536
    threads: int = 16
    open_files: int = 32


class Job(NamedTuple):
    """One process to be: `main` is `module:function`, called with `payload` once nothing is left to give up."""

    payload: bytes
    main: str = SCRIPT
    stdin: bytes = b""
    limits: Limits = Limits()


class Order(NamedTuple):
    """A job as the zygote sees it: payload and input are files that only the program opens.

    What a zygote has read, all its later forks could find in their memory: the tests of one, the answers of another.
    """

    main: str
    limits: Limits


class Ended(NamedTuple):
    """How a program ended.

    `code` is its exit status, negative for a signal; `fault` says which limit it broke, and is then what counts. A
    program that did nothing wrong but was ended since the other one of its run had ended has neither: `code` is None.
    """

    stdout: bytes
    stderr: bytes
    report: bytes
    code: int | None
    fault: str = ""
    cpu_s: float = 0.0

    def why(self) -> str:
        """Why it failed, in one line: the limit it broke, its last complaint or its code; empty if it did not."""
        if self.fault or not self.code:
            return self.fault
        lines = self.stderr.decode("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1].strip()[:_LINE_MAX]
        return f"it was killed by {Signals(-self.code).name}" if self.code < 0 else f"it exited with code {self.code}"


class Hello(NamedTuple):
    """The zygote is ready: what each of the protections that it lacks failed with, by name."""

    missing: dict[str, str]


class Broken(NamedTuple):
    """It is our own doing, or the machine's, that a program did not run."""

    message: str
