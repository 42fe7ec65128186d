"""What a model is asked for a trace, by domain: the same whether it starts one or goes on from a step of it."""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.engines.contract import Message

INSTRUCTIONS: Final[Mapping[Domain, str]] = {
    Domain.MATH: "Please reason step by step, and put your final answer within \\boxed{}.",
    Domain.CHOICE: "Please reason step by step, and put the letter of the right option within \\boxed{}.",
    Domain.CODE: "Please reason step by step, and end with the program in one ```python block.",
    Domain.OPEN: "Please reason step by step before you answer.",
}
"""What follows a question, in exported prompts too. A domain that is not there needs none: its questions say all."""
THINK: Final = (
    "Think step by step between <think> and </think>. Check your work there. "
    "After </think>, give the final answer in \\boxed{}."
)


def instructed(question: str, instruction: str | None) -> str:
    """The question, and the instruction after a blank line."""
    return f"{question}\n\n{instruction}" if instruction else question


PROMPTS: Final = {domain: instructed("{question}", INSTRUCTIONS.get(domain)) for domain in Domain}


class Prompting(ConfigBase):
    """How a problem is put to a model."""

    prompt: str | None = Field(default=None, description="with {question} in it; the domain's own prompt unless given")
    system: str | None = Field(default=None, description="the system turn; with `think`, how to think unless given")
    think: bool = Field(default=False, description="the trace has to think between <think> and </think>, then answer")

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.prompt is not None and "{question}" not in self.prompt:
            raise ValueError("prompt needs {question} in it")
        return self


def messages(domain: str, question: str, how: Prompting) -> tuple[Message, ...]:
    """The turns that ask for a trace."""
    system = how.system if how.system is not None else THINK if how.think else None
    asked = (how.prompt or PROMPTS[Domain(domain)]).replace("{question}", question)
    user = Message("user", asked)
    return (Message("system", system), user) if system else (user,)
