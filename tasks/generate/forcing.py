"""Budget forcing: a model that stops thinking early is told to wait, one that thinks too long is made to answer.

s1: Simple test-time scaling (Muennighoff et al. 2025, arXiv 2501.19393), section 3.1.
"""

from collections.abc import Awaitable, Callable

from tasks.engines.contract import Completion, Finish, Request
from tasks.generate.config import Budget
from tasks.text.thinking import CLOSE_THINK, OPEN_THINK

Complete = Callable[[Request], Awaitable[Completion]]


async def complete_within(budget: Budget, complete: Complete, request: Request) -> Completion:
    """One completion whose thinking keeps to the budget; its text is whole and its tokens are the sum.

    A reply that does not think at all is returned as it is.
    """
    thought = _Thought(request)
    waits = budget.waits
    while True:
        room = request.sampling.max_tokens if budget.most is None else budget.most - thought.tokens
        last = await complete(thought.request(max(room, 1), (CLOSE_THINK,)))
        thought.add(last)
        if last.finish not in (Finish.STOP, Finish.LENGTH):
            return thought.completion(last)
        if OPEN_THINK not in thought.text or (budget.most is None and last.finish is Finish.LENGTH):
            return thought.completion(last)
        if last.finish is Finish.LENGTH or thought.tokens >= budget.least or not waits:
            break
        waits -= 1
        thought.text += f"\n{budget.wait}" if thought.text.endswith((".", "\n")) else budget.wait
    thought.text = f"{thought.text.rstrip()}\n{CLOSE_THINK}\n"
    last = await complete(thought.request(budget.answer, request.sampling.stop))
    thought.add(last)
    return thought.completion(last)


class _Thought:
    """What the model has written so far, over several requests."""

    def __init__(self, request: Request) -> None:
        self._asked = request
        self.text = ""
        self.tokens = 0
        self._prompt_tokens: int | None = None

    def request(self, max_tokens: int, stop: tuple[str, ...]) -> Request:
        sampling = self._asked.sampling.model_copy(update={"max_tokens": max_tokens, "stop": stop})
        return self._asked._replace(sampling=sampling, prefix=self._asked.prefix + self.text)

    def add(self, more: Completion) -> None:
        self.text += more.text
        self.tokens += more.completion_tokens or 0
        if self._prompt_tokens is None:
            self._prompt_tokens = more.prompt_tokens

    def completion(self, last: Completion) -> Completion:
        return last._replace(text=self.text, completion_tokens=self.tokens, prompt_tokens=self._prompt_tokens)
