"""What the models are asked, by domain."""

from typing import Final

from schemas.tables import Domain
from tasks.engines.contract import Message
from tasks.generate.config import Sampler
from tasks.instructions import INSTRUCTIONS, instructed

PROMPTS: Final = {domain: instructed("{question}", INSTRUCTIONS.get(domain)) for domain in Domain}
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
