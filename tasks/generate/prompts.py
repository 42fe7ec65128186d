"""What the models are asked, by domain."""

from typing import Final

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.generate.config import Sampler

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


def messages(domain: str, question: str, sampler: Sampler) -> tuple[Message, ...]:
    """The turns that ask for a trace."""
    system = sampler.system if sampler.system is not None else THINK if sampler.think else None
    asked = (sampler.prompt or PROMPTS[Domain(domain)]).replace("{question}", question)
    user = Message("user", asked)
    return (Message("system", system), user) if system else (user,)
