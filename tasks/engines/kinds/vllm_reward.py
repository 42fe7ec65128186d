"""A reward model in vLLM inside this process, by its pooling interface.

A language model whose tokens are the score (`head: tokens`) is loaded as a classifier of which each label is a token.
What grows, as a search's replies do, is read on from where it was read before: vLLM keeps the prefix, and this engine
what the model said at the tags in it.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from tasks.engines.contract import Graded, Identity, Scores
from tasks.engines.grading import Grader, Numbers, Reading, Text
from tasks.engines.vllm_host import Host, Settings

if TYPE_CHECKING:
    import torch

SCORES: Final = True
_REMEMBERED: Final = 1 << 17
"""Tags; of each a digest and its numbers."""


class Config(Reading, Settings):
    """How the scores are read, and what vLLM is started with."""


def build(config: Config, model: str, revision: str | None) -> "VllmReward":
    """The engine, not yet started."""
    return VllmReward(config, model, revision)


class VllmReward:
    """vLLM's AsyncLLM behind the contract of scorers."""

    def __init__(self, config: Config, model: str, revision: str | None) -> None:
        self._config, self._model, self._revision = config, model, revision
        self._host = Host(config, model, revision)
        self._seen: OrderedDict[bytes, Numbers] = OrderedDict()

    @cached_property
    def identity(self) -> Identity:
        """The model, the digest of its files, of its template and of how it is read."""
        return self._grader.identity("vllm_reward")

    @cached_property
    def _grader(self) -> Grader:
        return Grader(self._config, self._model, self._revision)

    async def __aenter__(self) -> Self:
        """Load the model."""
        assert self.identity
        await self._host.start("vllm_reward", **self._arguments())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shut vLLM down."""
        self._seen.clear()
        await self._host.stop()

    async def score(self, request: Graded) -> Scores:
        """Score one reply; what it has in common with earlier ones is not read again."""
        package = self._host.package
        try:
            return await self._grader.graded(request, self._host.context, self._ask)
        except package.dead as exc:
            raise self._host.dead from exc
        except package.refusals as exc:
            return Scores(request.request_id, (), None, str(exc))

    def _arguments(self) -> dict[str, Any]:
        ours: dict[str, Any] = {"runner": "pooling", "trust_remote_code": self._config.trust_remote_code}
        if self._config.head == "sequence":
            return ours | {"convert": "classify"}
        # Of every token: vLLM's own choice of them, by a tag's id, cannot tell a tag from the same token in a step.
        ours["pooler_config"] = {"tok_pooling_type": "ALL"}
        if self._config.head == "tokens":
            names = self._grader.template.tokenizer.convert_ids_to_tokens(list(self._grader.tokens()))
            ours["convert"] = "classify"
            ours["hf_overrides"] = {"classifier_from_token": names, "method": "no_post_processing"}
        return ours

    async def _ask(self, text: Text) -> list[Numbers]:
        names = list(_digests(text))
        known = {name: self._seen[name] for name in names if name in self._seen}
        for whole in (False, True):
            if all(name in known for name in names):
                break
            rows = await self._read(text, whole=whole)
            first = len(text.ids) - len(rows)
            found = zip(names, text.places, strict=True)
            known |= {name: rows[place - first] for name, place in found if place >= first}
        self._remember(known)
        return [known[name] for name in names]

    async def _read(self, text: Text, *, whole: bool) -> list[Numbers]:
        """What the model says at the text's last tokens; unless `whole` not at those that vLLM read before."""
        task: Any = "classify" if self._config.head == "sequence" else "token_classify"
        params = self._host.package.pooling_params(task=task, use_activation=False, skip_reading_prefix_cache=whole)
        # The form with a type is passed on as it is, without a detour through vLLM's thread for tokenizing.
        prompt: Any = {"type": "token", "prompt_token_ids": list(text.ids)}
        async for output in self._host.llm.encode(prompt, params, self._host.name()):
            data: torch.Tensor = output.outputs.data
        said: list[Numbers] = data.float().reshape(-1, data.shape[-1]).tolist()
        return said

    def _remember(self, known: Mapping[bytes, Numbers]) -> None:
        for name, numbers in known.items():
            self._seen[name] = numbers
            self._seen.move_to_end(name)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)


def _digests(text: Text) -> Iterator[bytes]:
    """Of the tokens up to each place."""
    digest, start = hashlib.blake2b(digest_size=16), 0
    for place in text.places:
        digest.update(array("q", text.ids[start : place + 1]).tobytes())
        start = place + 1
        yield digest.digest()
