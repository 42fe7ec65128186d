"""However an engine ends, none of the processes that vLLM started is left."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable

import psutil
import pytest

from tasks.engines.kinds.vllm import Config, build

MODEL = "data/models/tiny-reasoner"
IDLE = f"""
import asyncio
from tasks.engines.kinds.vllm import Config, build

async def main():
    async with build(Config(), "{MODEL}", None):
        print("ready", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def vllm_processes() -> list[psutil.Process]:
    """Children of this process that vLLM started, dead but unburied ones among them."""
    family = psutil.Process().children(recursive=True)
    return [one for one in family if one.status() == psutil.STATUS_ZOMBIE or "tracker" not in " ".join(one.cmdline())]


def left(processes: Iterable[psutil.Process], seconds: float = 20) -> list[psutil.Process]:
    """Those that still run after so long; who buries the dead of a dead process is not our concern."""
    until = time.monotonic() + seconds
    running = list(processes)
    while running and time.monotonic() < until:
        time.sleep(0.1)
        running = [one for one in running if _runs(one)]
    return running


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for(process: subprocess.Popen[str], name: str) -> list[psutil.Process]:
    """The descendants of a process, once one of them is called so."""
    until = time.monotonic() + 240
    while time.monotonic() < until:
        family = psutil.Process(process.pid).children(recursive=True)
        if any(name in one.name() for one in family):
            return family
        time.sleep(0.1)
    raise TimeoutError(name)


@pytest.mark.parametrize("when", ["while it starts", "while it idles"])
def test_kill_9_leaves_no_process(when: str) -> None:
    command = [sys.executable, "-c", IDLE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if when == "while it idles":
            assert process.stdout.readline() == "ready\n"
        family = wait_for(process, "EngineCore")
        process.kill()
    assert len(family) >= 2
    assert not left(family)


def test_a_start_that_is_given_up_leaves_no_process(loop: asyncio.Runner) -> None:
    async def given_up() -> list[psutil.Process]:
        engine = build(Config(), MODEL, None)
        task = asyncio.create_task(engine.__aenter__())
        while not (started := [one for one in vllm_processes() if "EngineCore" in one.name() and one not in before]):
            await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return started

    before = vllm_processes()
    assert loop.run(given_up())
    assert [one for one in vllm_processes() if one not in before] == []
