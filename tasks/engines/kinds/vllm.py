"""vLLM inside this process: all requests in flight together, batched continuously by its own scheduler."""

from collections.abc import Sequence
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import Field

from tasks.engines.contract import Completion, Engine, Finish, Identity, Request
from tasks.engines.detokenize import text_after
from tasks.engines.outcomes import overflow, refused
from tasks.engines.revision import revision_of
from tasks.engines.template import Template, load_template
from tasks.engines.tool_calls import with_calls
from tasks.engines.vllm_host import Host, Package, Settings

if TYPE_CHECKING:
    from vllm import SamplingParams

_COMPACT_JSON: Final = {"backend": "xgrammar", "disable_any_whitespace": True}
"""Else a reply that is held to a JSON schema may be blanks without end, which are JSON too."""


class Config(Settings):
    """What vLLM is started with; what is not given is vLLM's own default."""

    chat_template: str | None = Field(default=None, description="a file with a Jinja template, instead of the model's")


def build(config: Config, model: str, revision: str | None) -> Engine:
    """The engine, not yet started."""
    return VllmEngine(config, model, revision)


class VllmEngine:
    """vLLM's AsyncLLM behind the contract of engines."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config = config
        self._model = model
        self._revision = revision
        self._host = Host(config, model, revision)

    @cached_property
    def identity(self) -> Identity:
        """The model and its template; see `Engine`."""
        revision = revision_of(self._model, self._revision)
        return Identity(self._model, revision, "vllm", self._template.template_hash)

    @cached_property
    def _template(self) -> Template:
        return load_template(self._model, self._revision, self._config.chat_template)

    async def __aenter__(self) -> Self:
        """Load the model; see `Engine`."""
        assert self.identity
        await self._host.start("vllm", structured_outputs_config=_COMPACT_JSON)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut vLLM down; see `Engine`."""
        await self._host.stop()

    async def complete(self, request: Request) -> Completion:
        """Sample one completion; see `Engine`."""
        package, context = self._host.package, self._host.context
        try:
            ids = (await self._template.prompt_aside(request.messages, request.prefix, request.tools)).ids
            if len(ids) >= context:
                return overflow(request, len(ids), context)
            return with_calls(await self._sample(request, list(ids)), request)
        except package.dead as exc:
            raise self._host.dead from exc
        except package.refusals as exc:
            return refused(request, str(exc))

    async def _sample(self, request: Request, ids: list[int]) -> Completion:
        params = _params(self._host.package, request, self._host.context - len(ids))
        # The form with a type is passed on as it is, without a detour through vLLM's thread for tokenizing.
        prompt: Any = {"type": "token", "prompt_token_ids": ids}
        # What may take longest first: else the batch runs dry behind the last long ones.
        name, order = self._host.name(), -int(params.max_tokens or 0)
        async for output in self._host.llm.generate(prompt, params, name, priority=order):
            final = output.outputs[0]
        if final.finish_reason not in ("stop", "length"):
            return refused(request, f"vLLM gave it up: {final.finish_reason}")
        finish = Finish(final.finish_reason)
        text = final.text if params.detokenize else self._text(ids, final.token_ids, finish)
        stopped = final.stop_reason if isinstance(final.stop_reason, str) else None
        return Completion(request.request_id, text, finish, len(ids), len(final.token_ids), stopped=stopped)

    def _text(self, prompt: Sequence[int], ids: Sequence[int], finish: Finish) -> str:
        # What ended the completion is no part of it, special token or not.
        said = ids[:-1] if finish is Finish.STOP else ids
        return text_after(self._template.tokenizer, prompt, said)


def _params(package: Package, request: Request, room: int) -> "SamplingParams":
    sampling, schema = request.sampling, request.json_schema
    return package.sampling_params(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=min(sampling.max_tokens, room),
        stop=list(sampling.stop),
        detokenize=bool(sampling.stop),  # else once, at the end, which takes half the time
        seed=sampling.seed,
        structured_outputs=package.structured(json=schema) if schema else None,
        output_kind=package.final_only,
    )
