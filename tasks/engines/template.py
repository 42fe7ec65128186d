"""Messages and a reply's beginning as the text a model was trained to go on from: its own chat template."""

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from schemas.errors import EngineError
from tasks.engines.contract import Message, ToolCall
from tasks.engines.revision import folder_of
from tasks.engines.tool_calls import arguments_of
from tasks.text.surrogates import is_unicode
from tasks.text.thinking import OPEN_THINK

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_REMEMBERED: Final = 128
"""Prompts; the samples of one problem share theirs."""
_LONG: Final = 50_000
"""Characters; reading so many takes the tokenizer several milliseconds."""
_SHOWN: Final = 40
"""Characters of a text that are shown where it was not kept."""


class Prompt(NamedTuple):
    """A rendered prompt; `ids` hold no special token that the template did not write."""

    text: str
    ids: tuple[int, ...]


class UnrenderableError(ValueError):
    """The template turns these messages down (it has no place for a system message, say), or tokens lose the prefix."""


class Template:
    """A tokenizer and its chat template."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", source: str) -> None:
        self.tokenizer = tokenizer
        self._source = source
        self.prompt = lru_cache(_REMEMBERED)(self._prompt)

    @property
    def template_hash(self) -> str:
        """16 hex digits of the SHA-256 of the template's source."""
        return hashlib.sha256(self._source.encode()).hexdigest()[:16]

    def text(self, messages: tuple[Message, ...], prefix: str, tools: tuple[str, ...] = ()) -> str:
        """The messages up to where the assistant's turn begins, then exactly `prefix`.

        A template that opens the thinking itself (DeepSeek-R1's distilled ones) leaves that to a prefix that does too.

        Raises:
            UnrenderableError: the template turns the messages down, or has no place for tools.
        """
        turns = [turn_of(message) for message in messages]
        asked = self.conversation(turns, reply_next=True, tools=[json.loads(one) for one in tools])
        if tools and asked == self.conversation(turns, reply_next=True):
            raise UnrenderableError("the chat template has no place for tools")
        if prefix.startswith(OPEN_THINK) and asked.rstrip().endswith(OPEN_THINK):
            asked = asked.rstrip().removesuffix(OPEN_THINK)
        text = asked + prefix
        assert text.endswith(prefix)
        if not is_unicode(text):
            raise UnrenderableError("the messages or the prefix hold half of a surrogate pair")
        return text

    def conversation(
        self, turns: Sequence[Mapping[str, Any]], *, reply_next: bool, tools: Sequence[Mapping[str, Any]] = ()
    ) -> str:
        """Turns as `turn_of` gives them; with `reply_next` up to where the assistant's turn begins.

        Raises:
            UnrenderableError: the template turns them down.
        """
        from jinja2 import TemplateError

        render: Any = self.tokenizer.apply_chat_template
        offered = [dict(one) for one in tools] or None
        try:
            rendered = render(
                list(turns), tools=offered, chat_template=self._source, tokenize=False, add_generation_prompt=reply_next
            )
        except (TemplateError, TypeError, ValueError) as exc:
            raise UnrenderableError(f"the chat template turns the messages down: {exc}") from exc
        return str(rendered)

    async def prompt_aside(self, messages: tuple[Message, ...], prefix: str, tools: tuple[str, ...] = ()) -> Prompt:
        """As `prompt`, but a long one is tokenized beside the event loop.

        Raises:
            UnrenderableError: the template turns the messages down, or the tokens do not end in exactly the prefix.
        """
        if len(prefix) + sum(len(message.content) for message in messages) > _LONG:
            return await asyncio.to_thread(self.prompt, messages, prefix, tools)
        return self.prompt(messages, prefix, tools)

    def tokens(self, text: str) -> list[int]:
        """Token ids of a rendered text; nothing is put before it."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def lengths(self, texts: list[str]) -> list[int]:
        """How many tokens each rendered text has; nothing is put before it, and nothing cut off."""
        if not self.tokenizer.is_fast:
            return [len(self.tokens(text)) for text in texts]
        backend: Any = getattr(self.tokenizer, "backend_tokenizer")  # noqa: B009 - slow tokenizers' type has none
        # Some tokenizers' files ask for it, and it would stay on for this direct call.
        backend.no_truncation()
        backend.no_padding()
        return [len(one) for one in backend.encode_batch_fast(texts, add_special_tokens=False)]

    def _prompt(self, messages: tuple[Message, ...], prefix: str, tools: tuple[str, ...] = ()) -> Prompt:
        text = self.text(messages, prefix, tools)
        ids = self.tokens(text)
        if prefix:
            self._check(ids, prefix)
        return Prompt(text, tuple(ids))

    def _check(self, ids: list[int], prefix: str) -> None:
        """See that the tokens say what the prefix does: a tokenizer that normalises text has the model read another.

        What stands before the prefix may be read otherwise: there a template's spaces are lost on some tokenizers. A
        token may also hold the end of the one and the beginning of the other.
        """
        read = str(self.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
        if not read.endswith(prefix):
            same = _common_end(read, prefix)
            asked, kept = prefix[: len(prefix) - same], read[: len(read) - same]
            raise UnrenderableError(
                f"the model's tokenizer does not keep the text to go on from: up to its character {len(asked)} the "
                f"model would read {kept[-_SHOWN:]!a}, not {asked[-_SHOWN:]!a}"
            )


def turn_of(message: Message) -> dict[str, Any]:
    """A message as chat templates read it: `role`, `content`, and what else it has; arguments are no text there."""
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    told = {"name": message.name, "tool_call_id": message.call_id}
    return turn | {key: value for key, value in told.items() if value}


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = arguments_of(call)
    function = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    return ({"id": call.call_id} if call.call_id else {}) | {"type": "function", "function": function}


def load_template(model: str, revision: str | None = None, chat_template: str | None = None) -> Template:
    """The tokenizer of a folder or hub id with its chat template, or with the one in the file `chat_template`.

    Raises:
        EngineError: there is no such tokenizer or file, or the tokenizer has no chat template.
    """
    from transformers import AutoTokenizer

    folder = folder_of(model)
    options: Mapping[str, Any] = {"local_files_only": True} if folder else {"revision": revision}
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder or model), **options)
    except (OSError, ValueError, KeyError, ImportError) as exc:
        raise EngineError(f"model {model}: its tokenizer cannot be loaded: {_first_line(exc)}") from exc
    return Template(tokenizer, _source(tokenizer, model, chat_template))


def _source(tokenizer: "PreTrainedTokenizerBase", model: str, chat_template: str | None) -> str:
    if chat_template is not None:
        try:
            return Path(chat_template).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise EngineError(f"chat_template: {chat_template} cannot be read: {exc}") from exc
    if not tokenizer.chat_template:
        raise EngineError(
            f"model {model}: its tokenizer has no chat template; set `chat_template` to a file with a Jinja template"
        )
    return str(tokenizer.get_chat_template())


def _common_end(one: str, other: str) -> int:
    """How many characters at the end are the same."""
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((count for count, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _first_line(exc: BaseException) -> str:
    return str(exc).strip().split("\n", 1)[0] or type(exc).__name__
