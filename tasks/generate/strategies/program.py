r"""Program: the model reasons in a Python program, which is run; what it prints last is the answer.

PAL (Gao et al. 2022, arXiv 2211.10435, section 3) and program of thoughts (Chen et al. 2022, arXiv 2211.12588, section
2.2). A trace looks like those of tool-integrated reasoning (ToRA, Gou et al. 2023, arXiv 2309.17452, section 2;
NuminaMath-TIR): reasoning, a ```python block, an ```output block, the answer in \boxed{}. A program that breaks is
shown its error there, and the model goes on from that with another one.
"""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Finish
from tasks.generate.contract import Branch, BrokenOffError, Reply, Strategy
from tasks.generate.search import Search, StepConfig, Way
from tasks.generate.wording import asking, holds
from tasks.sandbox.program import ProgramConfig, run_program
from tasks.showing import cut
from tasks.text.source import program_in

PROMPT: Final = (
    "{question}\n\nSolve this by a Python program. First say in a few sentences how, then write the program in one "
    "```python block; the last line that it prints is the answer alone. Write nothing after the block."
)
_FENCE: Final = "```"
_CLOSE: Final = f"\n{_FENCE}\n"


class Config(ConfigBase):
    """How a program is asked for and run."""

    attempts: int = Field(default=2, ge=1, description="programs at most; each sees the error of the one before")
    conclude: bool = Field(
        default=False,
        description="have the model go on after the output (NuminaMath-TIR); else the last line printed is the answer",
    )
    limits: ProgramConfig = ProgramConfig()
    characters: int = Field(default=2_000, ge=100, description="of an output in the trace; the middle may be left out")
    prompt: Annotated[str, holds("question")] = Field(default=PROMPT, description="asks for a program")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _Program(config)


class _Program(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        self._config = config
        # Threads of its own: programs that hang must not keep verifiers waiting.
        self._threads = ThreadPoolExecutor(config.limits.processes or os.cpu_count(), "programs")

    async def search(self, search: Search) -> None:
        messages = asking(search, self._config.prompt)
        stop = StepConfig(end=_CLOSE, max_tokens=search.sampling.max_tokens)
        branch, begin = search.root, ""
        for attempt in range(1, self._config.attempts + 1):
            way = Way(stop, begin, messages, kind="program", keep_end=False, instead=True)
            before = len(branch.text + begin)
            branch = await search.grow(branch, attempt, way)
            branch.leave()
            if not branch.open:
                raise BrokenOffError(f"a program did not end: attempt {attempt}, {branch.finish}")
            said = branch.text[before:]
            program = program_in(said)
            if program is None:
                raise BrokenOffError(f"no program in the reply: attempt {attempt}")
            ran = await search.keep("output", branch, partial(self._run, program))
            output = f"{_closed(said)}\n{self._block(ran)}"
            begin = f"{output}\n"
            if not ran.detail:
                await self._end(search, branch, begin, ran.text.strip().splitlines()[-1].strip())
                return
        search.write(branch, "output", output, Finish.STEP, Way(instead=True))
        search.note = f"no program of {self._config.attempts} has an answer: {ran.detail}"

    async def _run(self, source: str) -> Reply:
        ran = await asyncio.get_running_loop().run_in_executor(self._threads, run_program, source, self._config.limits)
        return Reply(ran.output, Finish.STOP, 0, 0, ran.reason)

    def _block(self, ran: Reply) -> str:
        """What a program printed, and the error that it ended with."""
        said = cut("\n".join(filter(None, (ran.text.strip(), ran.detail))), self._config.characters)
        fence = _FENCE
        while fence in said:
            fence += "`"
        return f"{fence}output\n{said}\n{fence}\n"

    async def _end(self, search: Search, branch: Branch, begin: str, answer: str) -> None:
        if self._config.conclude:
            way = Way(None, begin, asking(search, self._config.prompt), instead=True)
            done = await search.grow(branch, "end", way)
        else:
            text = f"{begin}The answer is \\boxed{{{answer}}}."
            done = search.write(branch, "end", text, Finish.STOP, Way(instead=True))
        search.choose(done, f"the program printed {answer}")


def _closed(text: str) -> str:
    """What closes a text's last block: it was cut off where that closes, or the model forgot to."""
    return _CLOSE if text.count(_FENCE) % 2 else "\n"
