"""What a model is asked for a trace, by domain: the same whether it starts one or goes on from a step of it."""

from typing import Final, Self

from pydantic import Field, model_validator

from schemas.base import ConfigBase
from schemas.tables import Domain
from tasks.engines.contract import Message

BOXED: Final = "{question}\n\nPlease reason step by step, and put your final answer within \\boxed{}."
PROMPTS: Final = {
    Domain.MATH: BOXED,
    Domain.CHOICE: "{question}\n\nPlease reason step by step, and put the letter of the right option within \\boxed{}.",
    Domain.CODE: "{question}\n\nPlease reason step by step, and end with the program in one ```python block.",
    Domain.INSTRUCTION: "{question}",
    Domain.OPEN: "{question}\n\nPlease reason step by step before you answer.",
}
THINK: Final = (
    "Think step by step between <think> and </think>. Check your work there. "
    "After </think>, give the final answer in \\boxed{}."
)


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
