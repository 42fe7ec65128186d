"""Budget forcing, in the words of s1's section 3.1."""

import asyncio

from tasks.engines.contract import Completion, Finish, Message, Request, Sampling
from tasks.generate.config import Budget
from tasks.generate.forcing import complete_within

ASKED = Request("r1", (Message("user", "What is 1 + 1?"),), Sampling(max_tokens=100))


class Replies:
    """Gives one reply after the other; remembers the requests."""

    def __init__(self, *replies: tuple[str, Finish, int]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    async def __call__(self, request: Request) -> Completion:
        self.requests.append(request)
        text, finish, tokens = self.replies.pop(0)
        return Completion(request.request_id, text, finish, 11, tokens)


def forced(budget: Budget, replies: Replies) -> Completion:
    return asyncio.run(complete_within(budget, replies, ASKED))


def test_a_model_that_stops_early_is_told_to_wait() -> None:
    replies = Replies(
        ("<think>\n1 + 1 = 3.", Finish.STOP, 10),
        (", no, it is 2.", Finish.STOP, 30),
        ("The answer is 2.", Finish.STOP, 5),
    )
    done = forced(Budget(least=20), replies)
    assert done.text == "<think>\n1 + 1 = 3.\nWait, no, it is 2.\n</think>\nThe answer is 2."
    assert (done.finish, done.completion_tokens, done.prompt_tokens) == (Finish.STOP, 45, 11)
    assert replies.requests[0].sampling.stop == ("</think>",)
    assert replies.requests[1].prefix == "<think>\n1 + 1 = 3.\nWait"
    assert replies.requests[2].prefix.endswith("</think>\n")


def test_it_is_told_so_often_and_no_more() -> None:
    replies = Replies(*[("<think>x", Finish.STOP, 1), ("y", Finish.STOP, 1), ("z", Finish.STOP, 1)])
    assert forced(Budget(least=50, waits=1), replies).text == "<think>xWaity\n</think>\nz"


def test_a_model_that_thinks_too_long_is_made_to_answer() -> None:
    replies = Replies(("<think>\n1 + 1 might be", Finish.LENGTH, 40), ("The answer is 2.", Finish.STOP, 5))
    done = forced(Budget(most=40, answer=16), replies)
    assert done.text == "<think>\n1 + 1 might be\n</think>\nThe answer is 2."
    assert [request.sampling.max_tokens for request in replies.requests] == [40, 16]


def test_without_a_most_the_length_limit_is_the_end() -> None:
    replies = Replies(("<think>\n1 + 1 might be", Finish.LENGTH, 100))
    assert forced(Budget(least=5), replies).finish is Finish.LENGTH


def test_a_reply_that_does_not_think_and_one_that_was_refused_stay_as_they_are() -> None:
    assert forced(Budget(least=5), Replies(("It is 2.", Finish.STOP, 4))).text == "It is 2."
    assert forced(Budget(most=5), Replies(("", Finish.OVERFLOW, 0))).finish is Finish.OVERFLOW
