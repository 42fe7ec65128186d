"""What the generate stage is held against: vLLM and OpenAI's client as a short script would use them."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

from benchmarks.generate_work import Run
from tasks.engines.contract import Request
from tasks.engines.guard import Guard

START_S: Final = 600.0
"""How long a server may take to answer; a large model takes minutes."""
ON_CPU: Final = {"enforce_eager": True, "enable_chunked_prefill": False}
"""vLLM 0.32 dies on a CPU of a prompt that is read in parts and whose request has a seed."""


class Prompt(NamedTuple):
    """A request, rendered and tokenized."""

    text: str
    ids: list[int]


def prompts(model: str, requests: Sequence[Request]) -> list[Prompt]:
    """The requests' messages as the model's own template renders them."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    rendered = []
    for request in requests:
        turns = [{"role": one.role, "content": one.content} for one in request.messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        rendered.append(Prompt(text, tokenizer.encode(text, add_special_tokens=False)))
    return rendered


def start_options(memory: float) -> dict[str, Any]:
    """What vLLM is started with: on a CPU what it needs, on a GPU this share of its memory."""
    # Gigabytes; else it takes nine tenths of a CPU's memory.
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_WORKER_MULTIPROC_METHOD", "spawn")
    from vllm.platforms import current_platform

    return ON_CPU if current_platform.is_cpu() else {"gpu_memory_utilization": memory}


class BareVllm:
    """`LLM.generate`, given all requests at once; `with` ends its engine."""

    def __init__(self, model: str, memory: float, requests: Sequence[Request]) -> None:
        settings = start_options(memory)
        from vllm import LLM, SamplingParams

        self._prompts = [{"prompt_token_ids": one.ids} for one in prompts(model, requests)]
        self._params = [
            SamplingParams(
                temperature=one.sampling.temperature,
                top_p=one.sampling.top_p,
                max_tokens=one.sampling.max_tokens,
                seed=one.sampling.seed,
            )
            for one in requests
        ]
        self._guard = Guard()
        with self._guard.marking():
            self._llm: Any = LLM(model=model, **settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._llm.llm_engine.engine_core.shutdown()
        self._guard.close()

    def __call__(self) -> Run:
        """All requests, once."""
        began = time.perf_counter()
        outputs = self._llm.generate(self._prompts, self._params, use_tqdm=False)
        seconds = time.perf_counter() - began
        return Run([len(one.outputs[0].token_ids) for one in outputs], seconds)


class BareClient:
    """`AsyncOpenAI` under `asyncio.gather`, so many requests at a time; `with` closes it."""

    def __init__(self, model: str, url: str, concurrency: int, requests: Sequence[Request]) -> None:
        from openai import AsyncOpenAI

        self._model, self._concurrency = model, concurrency
        self._asked = list(zip(prompts(model, requests), requests, strict=True))
        self._client = AsyncOpenAI(base_url=url, api_key="EMPTY")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def __call__(self) -> Run:
        """All requests, once."""
        began = time.perf_counter()
        lengths = self._runner.run(self._all())
        return Run(lengths, time.perf_counter() - began)

    async def _all(self) -> list[int]:
        gate = asyncio.Semaphore(self._concurrency)
        return await asyncio.gather(*(self._one(prompt, request, gate) for prompt, request in self._asked))

    async def _one(self, prompt: Prompt, request: Request, gate: asyncio.Semaphore) -> int:
        async with gate:
            reply = await self._client.completions.create(
                model=self._model,
                prompt=prompt.text,
                temperature=request.sampling.temperature,
                top_p=request.sampling.top_p,
                max_tokens=request.sampling.max_tokens,
                seed=request.sampling.seed,
                extra_body={"add_special_tokens": False},
            )
        assert reply.usage is not None
        return reply.usage.completion_tokens


@contextmanager
def served(model: str, memory: float) -> Iterator[str]:
    """A server of vLLM's own for the block: its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What `vllm serve` runs; the command itself looks for a package of the name vllm, and vllm-cpu has another.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    address = ["--host", "127.0.0.1", "--port", str(port), "--disable-uvicorn-access-log"]
    flags = [_flag(*one) for one in start_options(memory).items()]
    with tempfile.TemporaryFile() as log:
        guard = Guard()
        try:
            with guard.marking():
                process = subprocess.Popen([*command, *address, *flags], stdout=log, stderr=subprocess.STDOUT)
            if not _answers(process, port):
                log.seek(0)
                raise RuntimeError(f"the server did not start:\n{log.read().decode()[-3000:]}")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            guard.close()


def _flag(name: str, value: object) -> str:
    """A setting of Python's as the command line takes it."""
    option = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option}={value}"


def _answers(process: "subprocess.Popen[bytes]", port: int) -> bool:
    """Wait for the server, unless it ends before."""
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
                return True
        except OSError:
            time.sleep(0.5)
    return False
