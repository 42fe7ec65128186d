"""A model that uses tools: it calls, is told the results, and goes on until it answers without a call."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from tasks.engines.contract import Finish, Message
from tasks.engines.tool_calls import Read, read_calls
from tasks.generate.contract import Reply
from tasks.generate.toolbox import Toolbox
from tasks.ids import content_id
from tasks.text.conversation import Conversation, in_words
from tasks.text.thinking import whole_thinking

_ID: Final = 9
"""Characters of a call's id: Mistral's templates take no other number."""


Ask = Callable[[int, Conversation, int], Awaitable[Reply]]
"""Has a model take its turn, the how manieth, in so many tokens; `read_calls` knows the calls in the reply's text."""


class Uses(NamedTuple):
    """How tools are used."""

    toolbox: Toolbox
    turns: int
    """The most turns of the model; the last has to be its answer."""
    in_words: bool = False
    """For a model whose chat has no tools: they are told in the system turn, calls and results are plain text."""


class Used(NamedTuple):
    """A whole conversation, its last reply with the tokens of all, and what happened in a few words."""

    conversation: Conversation
    reply: Reply
    note: str


async def use_tools(uses: Uses, ask: Ask, question: tuple[Message, ...], most: int) -> Used:
    """Have a model answer with tools, in `most` tokens of all turns together.

    A call that cannot be read, a tool that refuses and one that hangs are told to the model, and the conversation goes
    on. Where it ends otherwise than by an answer, what there is of it is kept.
    """
    talk = _Talk(uses, question)
    while True:
        reply = await ask(talk.turn, talk.asked(), most - talk.spent)
        read = talk.hear(reply)
        if reply.finish is not Finish.STOP or not (read.calls or read.fault):
            return talk.used(reply.finish, reply.detail)
        if talk.turn >= uses.turns:
            return talk.used(Finish.LENGTH, f"{uses.turns} turns without an answer")
        if talk.spent >= most:
            return talk.used(Finish.LENGTH, "no tokens are left for an answer")
        await talk.call(read)


class _Talk:
    """What was said so far."""

    def __init__(self, uses: Uses, question: tuple[Message, ...]) -> None:
        self._uses = uses
        self._messages = list(question)
        self._first: Reply | None = None
        self._called = Counter[str]()
        self._notes: list[str] = []
        self.turn = 0
        self.spent = 0

    def asked(self) -> Conversation:
        """All that the model is told now."""
        so_far = Conversation(self._uses.toolbox.schemas, tuple(self._messages))
        return Conversation((), in_words(so_far)) if self._uses.in_words else so_far

    def hear(self, reply: Reply) -> Read:
        """Note what the model said; nothing where it could not be asked."""
        self._first = self._first or reply
        self.turn += 1
        self.spent += reply.completion_tokens or 0
        if reply.finish in (Finish.OVERFLOW, Finish.REFUSED):
            return Read("")
        text = whole_thinking(reply.text)
        whole = reply.finish is Finish.STOP
        read = read_calls(text, self._uses.toolbox.names) if whole else Read(text)
        ids = [content_id(self.turn, number)[:_ID] for number in range(len(read.calls))]
        calls = tuple(call._replace(call_id=name) for call, name in zip(read.calls, ids, strict=True))
        self._messages.append(Message("assistant", read.text, calls))
        return read._replace(calls=calls)

    async def call(self, read: Read) -> None:
        """Have the calls answered, one after the other, or say what is wrong with them."""
        if read.fault:
            self._messages.append(Message("tool", f"error: {read.fault}"))
        for one in read.calls:
            answer = await self._uses.toolbox.answer(one)
            self._called[one.name] += 1
            self._messages.append(Message("tool", answer.text, name=one.name, call_id=one.call_id))
            if answer.hung:
                self._notes.append(f"turn {self.turn}: {one.name} hung")

    def used(self, finish: Finish, detail: str) -> Used:
        calls = ", ".join(f"{count} of {name}" for name, count in sorted(self._called.items())) or "none"
        notes = [f"calls: {calls}", *self._notes, *([detail] if detail else [])]
        read = self._first.prompt_tokens if self._first else None
        reply = Reply("", finish, read, self.spent, detail)
        conversation = Conversation(self._uses.toolbox.schemas, tuple(self._messages))
        return Used(conversation, reply, "; ".join(notes))
