"""A search that is over, as samples: every branch is one, with the branch it goes on from."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas.tables import Origin
from tasks.engines.contract import Completion, Finish
from tasks.generate.contract import Branch
from tasks.generate.search import Search
from tasks.ids import content_id
from tasks.text.thinking import whole_thinking


class Sampled(NamedTuple):
    """One sample that has come."""

    trace_id: str
    problem_id: str
    sampler: str
    number: int
    temperature: float
    seed: int
    completion: Completion
    grown: "Grown | None" = None
    """What a search says of it; None where it was sampled at once."""
    own: bool = True
    """Whether it is what was wanted, and not another branch of the search for that."""


class Grown(NamedTuple):
    """A branch's columns in TRACES."""

    cuts: tuple[int, ...]
    origin: Origin
    parent_trace_id: str | None
    fork_step: int | None
    search: Mapping[str, Any]
    conversation: str | None = None


def samples(search: Search, strategy: str, sampler: str, *, independent: bool) -> Iterator[Sampled]:
    """All branches (the one that the search came to bears the sample's own id), at least one, in a fixed order.

    Where nothing was chosen, the branch that came furthest bears the id, and says why.
    """
    branches = [search.branches[key] for key in sorted(search.branches)] or [search.root]
    heir = search.chosen or max(branches, key=lambda one: (one.whole, one.value or 0.0, len(one.text), one.key))
    ids = {one.key: content_id(search.place.sample_id, "trace", one.key) for one in branches}
    ids[heir.key] = search.place.sample_id
    for one in branches:
        text = whole_thinking(one.text)
        cuts = tuple(cut + len(text) - len(one.text) if cut else 0 for cut in one.cuts)
        finish = one.finish if one is not search.root else Finish.REFUSED
        note = search.note or "nothing was chosen" if one is heir else one.note
        yield Sampled(
            ids[one.key],
            search.problem["problem_id"],
            sampler,
            search.place.number,
            search.sampling.temperature,
            one.seed,
            Completion(ids[one.key], text, finish, one.prompt_tokens, one.tokens, one.detail),
            Grown(
                cuts,
                Origin.GENERATED if one.plain or (independent and one is heir) else Origin.SEARCHED,
                ids[one.origin.key] if one.origin else None,
                one.fork if one.origin else None,
                _told(one, strategy, note, chosen=one is search.chosen),
                one.conversation,
            ),
            own=one is heir,
        )


def single(search: Search, sampler: str) -> Sampled:
    """The one branch of a search that asked once."""
    (one,) = search.branches.values()
    name, text = search.place.sample_id, whole_thinking(one.text)
    done = Completion(name, text, one.finish, one.prompt_tokens, one.tokens, one.detail)
    where, how = search.place, search.sampling
    return Sampled(name, where.problem["problem_id"], sampler, where.number, how.temperature, one.seed, done)


def _told(branch: Branch, strategy: str, note: str | None, *, chosen: bool) -> Mapping[str, Any]:
    """SEARCH."""
    return {
        "strategy": strategy,
        "value": branch.value,
        "visits": branch.visits,
        "step_scores": list(branch.scores) or None,
        "scorer": branch.scorer,
        "chosen": chosen,
        "note": note,
    }
