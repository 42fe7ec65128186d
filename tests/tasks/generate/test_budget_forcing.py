"""Budget forcing, in the words of s1's section 3.1."""

import asyncio
from typing import Any

import pytest

from tasks.engines.contract import Completion, Finish, Graded, Identity, Message, Request, Sampling, Scores
from tasks.generate.contract import Accepts, Branch
from tasks.generate.search import Place, Search, Tools
from tasks.generate.strategies.budget_forcing import Config, build
from tasks.text.steps import split_steps

ASKED = (Message("user", "What is 1 + 1?"),)


class Replies:
    """Gives one reply after the other; remembers the requests."""

    def __init__(self, *replies: tuple[str, Finish, int]) -> None:
        self.replies = list(replies)
        self.requests: list[Request] = []

    def identity(self, name: str) -> Identity:
        raise NotImplementedError

    async def score(self, name: str, request: Graded) -> Scores:
        raise NotImplementedError

    async def complete(self, name: str, request: Request) -> Completion:
        self.requests.append(request)
        text, finish, tokens = self.replies.pop(0)
        stopped = "</think>" if finish is Finish.STOP and "</think>" in request.sampling.stop else None
        return Completion(request.request_id, text, finish, 11, tokens, stopped=stopped)


def searched(replies: Replies, live: Accepts, **settings: Any) -> Search:
    problem = {"problem_id": "p", "question": "What is 1 + 1?", "reference": "2"}
    place = Place("s", problem, 0, "m", ASKED, Sampling(max_tokens=100), lambda _: 7)
    search = Search(place, Tools(replies, live, {}), lambda _: None)
    asyncio.run(build(Config(**settings)).search(search))
    return search


def forced(replies: Replies, live: Accepts, **settings: Any) -> Branch:
    search = searched(replies, live, **settings)
    assert search.chosen
    return search.chosen


def test_a_model_that_stops_early_is_told_to_wait(live: Accepts) -> None:
    replies = Replies(
        ("<think>\n1 + 1 = 3.", Finish.STOP, 10),
        (", no, it is 2.", Finish.STOP, 30),
        ("The answer is 2.", Finish.STOP, 5),
    )
    done = forced(replies, live, least=20)
    assert done.text == "<think>\n1 + 1 = 3.\nWait, no, it is 2.\n</think>\nThe answer is 2."
    assert (done.finish, done.tokens) == (Finish.STOP, 45)
    assert replies.requests[0].sampling.stop == ("</think>",)
    assert replies.requests[1].prefix == "<think>\n1 + 1 = 3.\nWait"
    assert replies.requests[2].prefix.endswith("</think>\n")


def test_it_is_told_so_often_and_no_more(live: Accepts) -> None:
    replies = Replies(*[("<think>x", Finish.STOP, 1), ("y", Finish.STOP, 1), ("z", Finish.STOP, 1)])
    assert forced(replies, live, least=50, waits=1).text == "<think>xWaity\n</think>\nz"


def test_a_model_that_thinks_too_long_is_made_to_answer(live: Accepts) -> None:
    replies = Replies(("<think>\n1 + 1 might be", Finish.LENGTH, 40), ("The answer is 2.", Finish.STOP, 5))
    done = forced(replies, live, most=40, answer=16)
    assert done.text == "<think>\n1 + 1 might be\n</think>\nThe answer is 2."
    assert [request.sampling.max_tokens for request in replies.requests] == [40, 16]


def test_without_a_most_the_length_limit_is_the_end(live: Accepts) -> None:
    replies = Replies(("<think>\n1 + 1 might be", Finish.LENGTH, 100))
    assert forced(replies, live, least=5).finish is Finish.LENGTH


def test_a_template_that_opens_the_thinking_itself_is_no_reply_without_thinking(live: Accepts) -> None:
    replies = Replies(("1 + 1 is 2.", Finish.STOP, 9), ("2", Finish.STOP, 1))
    assert forced(replies, live).text == "1 + 1 is 2.\n</think>\n2"


def test_a_reply_that_does_not_think_and_one_that_was_refused_stay_as_they_are(live: Accepts) -> None:
    class Unthinking(Replies):
        async def complete(self, name: str, request: Request) -> Completion:
            return (await super().complete(name, request))._replace(stopped=None)

    assert forced(Unthinking(("It is 2.", Finish.STOP, 4)), live, least=5).text == "It is 2."
    assert forced(Replies(("", Finish.OVERFLOW, 0)), live, most=5).finish is Finish.OVERFLOW


def test_it_is_one_trace_cut_into_steps_like_any_other(live: Accepts) -> None:
    replies = Replies(
        ("<think>\nFirst.\n\nThen 3.", Finish.STOP, 10),
        (", no, 2.\n\nYes.", Finish.STOP, 30),
        ("The answer is 2.", Finish.STOP, 5),
    )
    search = searched(replies, live, least=20)
    (done,) = search.branches.values()
    assert done is search.chosen
    assert list(done.cuts) == split_steps(done.text)
    assert len(done.cuts) > 3
    assert (done.origin, done.fork, done.prompt_tokens) == (None, 0, 11)
    assert search.note == "it thought for 40 tokens"


def test_a_template_that_opens_the_thinking_itself_may_think_too_long(live: Accepts) -> None:
    replies = Replies(("1 + 1 might be", Finish.LENGTH, 40), ("It is 2.", Finish.STOP, 5))
    assert forced(replies, live, most=40).text == "1 + 1 might be\n</think>\nIt is 2."


def test_waits_do_not_lift_the_limit_of_the_whole(live: Accepts) -> None:
    replies = Replies(("<think>x", Finish.STOP, 60), ("y", Finish.STOP, 40), ("z", Finish.STOP, 1))
    assert forced(replies, live, least=200, waits=5).text == "<think>xWaity\n</think>\nz"
    assert [request.sampling.max_tokens for request in replies.requests] == [100, 40, 256]


def test_limits_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="least has to be no more than most"):
        Config(least=100, most=50)
