r"""How a reply is laid out for a reward model, and how what the model says becomes a score from 0 to 1.

A process reward model reads the reply once, with a tag behind each step, and says at each tag what it thinks so far:
what comes later does not change it. The settings of some published ones:

- Qwen2.5-Math-PRM-7B: `{head: token_classification, tag: <extra_0>, trust_remote_code: true}`
- trained by TRL's PRMTrainer: `{head: token_classification, tag: "\n"}`, the defaults
- Math-Shepherd-Mistral-7B-PRM: `{head: tokens, step: "Step {number}: {step} ", tag: ки, between: "\n", apart: false}`,
  and a `chat_template` of `{{ bos_token }}{% for m in messages %}{{ m.content }} {% endfor %}`
- RLHFlow's: `{head: tokens}`; the tag is what ends the user's turn and begins the assistant's, `between` is `+`, and
  what begins the next turn of the user; the `chat_template` ends within the user's first turn
- an outcome reward model: `{head: sequence}`, or `{head: sequence, label: 1}` where it tells classes apart
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from math import exp, isfinite
from typing import Any, Final, Literal, NamedTuple

from pydantic import Field, field_validator

from schemas.base import ConfigBase
from schemas.errors import EngineError
from tasks.engines.contract import Graded, Identity, Scores
from tasks.engines.revision import revision_of
from tasks.engines.template import Template, UnrenderableError, load_template
from tasks.text.surrogates import is_unicode

_LONG: Final = 50_000
"""Characters; reading so many takes the tokenizer several milliseconds."""
Numbers = Sequence[float]
"""What a model says at one place: a logit for each of its labels, or of the good and the bad token."""


class Reading(ConfigBase):
    """How a reward model's score of a step is read."""

    head: Literal["tokens", "token_classification", "sequence"] = Field(
        default="token_classification",
        description="tokens: a language model that says a good or a bad token behind each step; token_classification: "
        "a label at each step's tag; sequence: one number for a reply (an outcome reward model): a step's is that of "
        "the reply up to there, which is read once for each step",
    )
    step: str = Field(default="{step}", description="how a step is written; {number} counts them from 1")
    tag: str = Field(
        default="\n", min_length=1, description="what stands behind each step; its last token is where the score is"
    )
    between: str = Field(default="", description="what stands between a tag and the next step")
    good: str = Field(default="+", min_length=1, description="head tokens: the token that says a step is right")
    bad: str = Field(default="-", min_length=1, description="head tokens: the token that says it is wrong")
    label: int = Field(default=1, ge=0, description="the other heads: which label is the right one")
    apart: bool = Field(
        default=True,
        description="steps and tags become tokens each by itself, as TRL trains; false: the text becomes tokens as one",
    )
    chat_template: str | None = Field(default=None, description="a file with a Jinja template, instead of the model's")
    trust_remote_code: bool = Field(default=False, description="run the Python code that comes with the model")

    @field_validator("step")
    @classmethod
    def _holds_the_step(cls, value: str) -> str:
        if "{step}" not in value:
            raise ValueError("has no place for the step; write {step} where it is to stand")
        return value


class Text(NamedTuple):
    """Tokens, and at which of them scores are read."""

    ids: tuple[int, ...]
    places: tuple[int, ...]


Ask = Callable[[Text], Awaitable[Sequence[Numbers]]]


class Grader:
    """A model's template and the settings by which it is read."""

    def __init__(self, reading: Reading, model: str, revision: str | None) -> None:
        self.reading, self._model, self._revision = reading, model, revision
        self.template: Template = load_template(model, revision, reading.chat_template)

    def identity(self, engine: str) -> Identity:
        """The model; its template's hash is also one of how it is read.

        Raises:
            EngineError: there is no such model.
        """
        how = self.reading.model_dump_json(exclude={"chat_template", "trust_remote_code"})
        digest = hashlib.sha256(f"{self.template.template_hash} {how}".encode()).hexdigest()[:16]
        return Identity(self._model, revision_of(self._model, self._revision), engine, digest)

    def tokens(self) -> tuple[int, int]:
        """The good and the bad token.

        Raises:
            EngineError: one of them is not one token of this model.
        """
        good, bad = (self._token(name, getattr(self.reading, name)) for name in ("good", "bad"))
        return good, bad

    async def graded(self, request: Graded, context: int, ask: Ask) -> Scores:
        """Have one reply scored; `ask` gets a text and says what the model says at its places.

        Raises:
            EngineError: the model has no such label.
        """
        if not request.steps:
            return Scores(request.request_id, (), None, "there is no step to be scored")
        try:
            texts = await self._aside(request)
        except UnrenderableError as exc:
            return Scores(request.request_id, (), None, str(exc))
        longest, read = max(len(text.ids) for text in texts), sum(len(text.ids) for text in texts)
        if longest > context:
            detail = f"the text has {longest} tokens, the reward model's context {context}"
            return Scores(request.request_id, (), None, detail)
        told = await asyncio.gather(*map(ask, texts))
        found = tuple(self._score(numbers) for one in told for numbers in one)
        if not all(map(isfinite, found)):
            return Scores(request.request_id, (), read, "the reward model says something that is no number")
        return Scores(request.request_id, found, read)

    async def _aside(self, request: Graded) -> list[Text]:
        """Long texts become tokens beside the event loop."""
        if sum(map(len, request.steps)) > _LONG:
            return await asyncio.to_thread(self.texts, request)
        return self.texts(request)

    def texts(self, request: Graded) -> list[Text]:
        """What the model reads: one text, or of an outcome reward model one for each step.

        Raises:
            UnrenderableError: the template turns the messages down.
        """
        if self.reading.head == "sequence":
            return list(self._replies(request))
        asked, pieces = self.template.prompt(request.messages, ""), self._pieces(request.steps)
        return [self._apart(asked.ids, pieces) if self.reading.apart else self._whole(asked.text, pieces)]

    def _replies(self, request: Graded) -> Iterable[Text]:
        turns = [{"role": one.role, "content": one.content} for one in request.messages]
        for count in range(1, len(request.steps) + 1):
            reply = {"role": "assistant", "content": "".join(request.steps[:count]).rstrip()}
            ids = tuple(self.template.tokens(_unicode(self.template.conversation([*turns, reply], reply_next=False))))
            yield Text(ids, (len(ids) - 1,))

    def _pieces(self, steps: Sequence[str]) -> list[str]:
        """A step, its tag, what stands between, the next step, and so on."""
        found: list[str] = []
        for number, step in enumerate(steps, 1):
            written = self.reading.step.replace("{number}", str(number)).replace("{step}", step.strip())
            found += [*([self.reading.between] if found else []), _unicode(written), self.reading.tag]
        return found

    def _apart(self, asked: Sequence[int], pieces: Sequence[str]) -> Text:
        ids, places = list(asked), []
        for at, piece in enumerate(pieces):
            ids += self.template.tokens(piece) if piece else []
            if at % 3 == 1:  # a tag
                places.append(len(ids) - 1)
        return Text(tuple(ids), tuple(places))

    def _whole(self, asked: str, pieces: Sequence[str]) -> Text:
        """A tag's last token is the last that holds its last character, or bytes of it."""
        text, ends = asked, []
        for at, piece in enumerate(pieces):
            text += piece
            if at % 3 == 1:
                ends.append(len(text) - 1)
        read: Any = self.template.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans: list[tuple[int, int]] = read["offset_mapping"]
        places, at = [], 0
        for end in ends:
            while at + 1 < len(spans) and spans[at + 1][0] <= end:
                at += 1
            places.append(at)
        return Text(tuple(read["input_ids"]), tuple(places))

    def _score(self, numbers: Numbers) -> float:
        if len(numbers) == 1:
            return _sigmoid(numbers[0])
        right = 0 if self.reading.head == "tokens" else self.reading.label
        if right >= len(numbers):
            raise EngineError(f"model {self._model}: label: it has {len(numbers)} labels, from 0, and none is {right}")
        top = max(numbers)
        return exp(numbers[right] - top) / sum(exp(number - top) for number in numbers)

    def _token(self, setting: str, text: str) -> int:
        ids = self.template.tokens(text)
        if len(ids) != 1:
            raise EngineError(
                f"model {self._model}: {setting}: {text!r} is {len(ids)} tokens of it; name a text that is one"
            )
        return ids[0]


def _sigmoid(number: float) -> float:
    return 1 / (1 + exp(-number)) if number >= 0 else exp(number) / (1 + exp(number))


def _unicode(text: str) -> str:
    if not is_unicode(text):
        raise UnrenderableError("the messages or the steps hold half of a surrogate pair")
    return text
