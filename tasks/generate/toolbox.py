"""What a tool is, and a box of them: each call has a deadline, and a tool that hangs is killed."""

import asyncio
import atexit
import json
import os
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple

from tasks import plugins
from tasks.engines.contract import ToolCall
from tasks.engines.tool_calls import arguments_of
from tasks.showing import cut
from tasks.workers import Done, Fault, WorkerPool

PACKAGE: Final = "tasks.generate.tools"
_MEMORY_MB: Final = 1024
_FAULT_MAX: Final = 500


class ToolError(Exception):
    """The model called a tool wrongly; it is told the message, and may try again."""


class HungError(Exception):
    """A tool gave no answer in time."""


class Tool(NamedTuple):
    """What a plug-in's `build(config)` returns."""

    name: str
    description: str
    """What the model is told of it."""
    parameters: Mapping[str, Any]
    """JSON schema of its arguments."""
    call: Callable[[Mapping[str, Any]], str]
    """Answers, or raises ToolError; importable and picklable, for a worker process calls it."""
    deadline_s: float
    """A call that takes longer is ended."""
    confined: bool = False
    """Whether `call` sees to its deadline by itself and raises HungError; a thread of this process calls it then."""

    @property
    def schema(self) -> str:
        """The tool as JSON in OpenAI's form."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return json.dumps({"type": "function", "function": function})


class Answer(NamedTuple):
    """What a call came to, as the model is told."""

    text: str
    hung: bool = False


class Toolbox:
    """Tools by name; calls run beside the event loop, as many at once as there are cores.

    Raises:
        PluginError: there is no such tool.
        RecipeError: a tool has no such setting.
    """

    def __init__(self, settings: Mapping[str, Any], *, characters: int = 4000) -> None:
        configs = plugins.configure(PACKAGE, settings)
        built = [plugins.load(PACKAGE, name).build(config) for name, config in configs.items()]
        self._tools: dict[str, Tool] = {}
        self._characters = characters
        self._room = asyncio.Semaphore(os.cpu_count() or 1)
        self.names: tuple[str, ...] = ()
        self.schemas: tuple[str, ...] = ()
        """All tools as JSON in OpenAI's form, by name."""
        for one in built:
            self.add(one)

    def add(self, tool: Tool) -> None:
        """Put one more tool in."""
        self._tools = dict(sorted((self._tools | {tool.name: tool}).items()))
        self.names, self.schemas = tuple(self._tools), tuple(one.schema for one in self._tools.values())

    async def answer(self, call: ToolCall) -> Answer:
        """What a call comes to; whatever the model did wrong is told it as the result.

        Raises:
            RecipeError: programs cannot be isolated on this machine.
            WorkerError: worker processes cannot be started.
        """
        async with self._room:
            return await asyncio.to_thread(self._answer, call)

    def _answer(self, call: ToolCall) -> Answer:
        tool = self._tools.get(call.name)
        if tool is None:
            return Answer(f"error: there is no tool {call.name[:50]!r}; there are {', '.join(self.names)}")
        arguments = arguments_of(call)
        fault = "the arguments are no JSON object" if arguments is None else _unfit(arguments, tool.parameters)
        if fault or arguments is None:
            return Answer(f"error: {fault}")
        try:
            return Answer(cut(self._called(tool, arguments), self._characters))
        except ToolError as exc:
            return Answer(f"error: {str(exc)[:_FAULT_MAX]}")
        except HungError:
            return Answer(f"error: the tool gave no answer within {tool.deadline_s:g} s", hung=True)

    def _called(self, tool: Tool, arguments: Mapping[str, Any]) -> str:
        if tool.confined:
            return tool.call(arguments)
        [(_, done)] = _workers(os.getpid()).map(_Call(tool.call), [arguments], deadline_s=tool.deadline_s)
        if not isinstance(done, Done):
            if done.fault is Fault.TIMED_OUT:
                raise HungError
            raise ToolError(done.message)
        said: str | _Refusal = done.value
        if isinstance(said, _Refusal):
            raise ToolError(said.reason)
        return said


@cache
def _workers(_: int) -> WorkerPool:
    """Workers for this process's tools; they stay warm until it ends, and what a fork inherits is its parent's."""
    pool = WorkerPool(1, memory_mb=_MEMORY_MB)
    atexit.register(pool.__exit__, None, None, None)
    return pool


class _Refusal(NamedTuple):
    """A ToolError on its way out of a worker."""

    reason: str


class _Call:
    """Calls a tool in a worker."""

    def __init__(self, call: Callable[[Mapping[str, Any]], str]) -> None:
        self._call = call

    def __call__(self, arguments: Mapping[str, Any]) -> str | _Refusal:
        try:
            return self._call(arguments)
        except ToolError as exc:
            return _Refusal(str(exc))


_KINDS: Final[Mapping[str, Any]] = {
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def _unfit(arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """What is wrong with the arguments by the schema's first level: names and kinds."""
    known = parameters["properties"]
    wanted = ", ".join(known)
    if unknown := sorted(arguments.keys() - known.keys()):
        return f"there is no argument {unknown[0][:50]!r}; the arguments are {wanted}"
    if missing := [one for one in parameters.get("required", ()) if one not in arguments]:
        return f"the argument {missing[0]!r} is missing; the arguments are {wanted}"
    for name, value in arguments.items():
        if not isinstance(value, _KINDS[known[name]["type"]]):
            return f"the argument {name!r} has to be of type {known[name]['type']}"
    return ""
