"""Completions of requests for which nothing was sampled."""

from tasks.engines.contract import Completion, Finish, Request


def overflow(request: Request, tokens: int, context: int) -> Completion:
    """The prompt's tokens leave no room in the model's context."""
    detail = f"the prompt has {tokens} tokens, the model's context {context}"
    return Completion(request.request_id, "", Finish.OVERFLOW, tokens, 0, detail)


def refused(request: Request, detail: str) -> Completion:
    """The engine turned the request down, because of `detail`."""
    return Completion(request.request_id, "", Finish.REFUSED, None, None, detail)
