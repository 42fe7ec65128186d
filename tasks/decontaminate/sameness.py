"""A model says whether a problem and a benchmark's item that seem to mean the same are the same problem.

The second step of the LLM decontaminator (Yang et al. 2023, arXiv 2311.04850). A request's id is the hash of all that
decides its reply, so what was asked once is known again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import pyarrow as pa
from pydantic import Field

from schemas.base import ConfigBase
from schemas.tables import CONTAMINATION
from tasks.engines.contract import Finish, Identity, Message, Request, Sampling
from tasks.ids import content_id
from tasks.showing import fenced
from tasks.text.thinking import spoken

VERSION: Final = "1"

SAME: Final = "the same problem"
_TASK: Final = (
    "Below are a problem that somebody wants to train a model on, and an item of a test. Would a model that has seen "
    "the one with its solution know the other? It would if they are the same problem: told in other words, in another "
    "language, with other names or in another order. It would not if they only share their subject, or their kind of "
    "story or method, and what is given or asked differs. Mere changes of the numbers make another problem unless all "
    "else stays as it is."
)
_FORM: Final = "Is it the same problem? Reply with one word, yes or no, and nothing else."
_WORD: Final = re.compile(r"\W*(yes|no)\W*", re.IGNORECASE)


class SameProblem(ConfigBase):
    """Who is asked, and how."""

    model: str = Field(description="the one of the recipe's models that is asked")
    sampling: Sampling = Field(
        default=Sampling(temperature=0, max_tokens=1024), description="room for a model that thinks before it answers"
    )
    characters: int = Field(
        default=12_000, ge=500, description="of both texts together; long ones are cut in the middle"
    )


class Reply(NamedTuple):
    """What came of a request, as COMPLETIONS has it."""

    text: str
    finish_reason: str
    detail: str | None


def request(problem: str, item: str, by: SameProblem, identity: Identity) -> Request:
    """The question about a problem and an item; the same for the same texts."""
    shown = fenced(_TASK, {"the problem": problem, "the test item": item}, by.characters)
    content = f"{shown}\n\n{_FORM}"
    settings = by.sampling.model_dump_json()
    name = content_id("same problem", identity.model, identity.revision, settings, content)
    return Request(name, (Message("user", content),), by.sampling.model_copy(update={"seed": int(name[:7], 16)}))


def requests(
    candidates: pa.Table, problems: Mapping[str, str], items: Mapping[str, str], by: SameProblem, identity: Identity
) -> Iterator[Request]:
    """One question for each candidate (CONTAMINATION), from the texts by problem_id and by item."""
    for problem_id, item in zip(candidates["problem_id"].to_pylist(), candidates["item"].to_pylist(), strict=True):
        yield request(problems[str(problem_id)], items[str(item)], by, identity)


def judged(candidates: pa.Table, asked: Iterable[Request], replies: Mapping[str, Reply], model: str) -> pa.Table:
    """The candidates (CONTAMINATION) that the model does not tell apart, with what it said as `reason`.

    What cannot be read, or was not answered, stays: a leak costs more than a problem.
    """
    said: Sequence[str | None] = [said_of(replies[one.request_id]) for one in asked]
    told = pa.array([one and f"{model}: {one}" for one in said], pa.string())
    at = CONTAMINATION.get_field_index("reason")
    return candidates.set_column(at, CONTAMINATION.field(at), told).filter(told.is_valid())


def said_of(reply: Reply) -> str | None:
    """None if a reply says no; else that it says yes, or what is wrong with it."""
    if reply.finish_reason not in (Finish.STOP, Finish.LENGTH):
        return f"no reply: {reply.finish_reason}"
    word = _WORD.fullmatch(spoken(reply.text) or "")
    if word is None:
        return "neither yes nor no"
    return SAME if word[1].lower() == "yes" else None
