"""Which of several branches is the best: by what each is worth, or by votes, each for its own answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tasks.generate.contract import Branch, Told
from tasks.generate.search import Search


def winner(
    branches: Sequence[Branch], answers: Mapping[str, str | None], weights: Mapping[str, float]
) -> tuple[Branch, str] | None:
    """The weightiest branch of the answer with the most weight, and why; None where no branch has an answer.

    Answers and weights are by the branches' keys. Answers are one where they differ in spaces and case alone; of equal
    ones the first branch's wins.
    """
    weight: defaultdict[str, float] = defaultdict(float)
    voters: defaultdict[str, list[Branch]] = defaultdict(list)
    for branch in branches:
        if (answer := answers.get(branch.key)) is not None:
            plain = "".join(answer.split()).lower()
            weight[plain] += weights[branch.key]
            voters[plain].append(branch)
    if not voters:
        return None
    best = max(voters, key=weight.__getitem__)
    chosen = max(voters[best], key=lambda one: weights[one.key])
    total = sum(weight.values())
    share = f"{weight[best] / total:.0%} of the weight, " if total else ""
    return chosen, f"{share}{len(voters[best])} of {len(branches)} branches, for the answer {answers[chosen.key]}"


def elected(branches: Sequence[Branch], told: Sequence[Told], *, weighted: bool) -> tuple[Branch, str] | None:
    """The `winner` of branches whose answers verifiers read; each has one vote, or weighs what it is worth."""
    weights = {one.key: (one.value or 0.0) if weighted else 1.0 for one in branches}
    return winner(branches, {one.key: said.answer for one, said in zip(branches, told, strict=True)}, weights)


def ranked(branches: Sequence[Branch]) -> list[Branch]:
    """The most valuable first; among equals by their keys, and of branches with one text only the first."""
    once = {one.text: one for one in sorted(branches, key=lambda one: one.key, reverse=True)}
    return sorted(once.values(), key=lambda one: (-(one.value if one.value is not None else -1.0), one.key))


async def chosen(search: Search, whole: Sequence[Branch], by: str) -> None:
    """Choose one of the whole branches: the best by its value, or the weightiest of the winning answer."""
    if not whole:
        search.note = "no branch came to an end"
    elif by in ("reward", "value"):
        best = ranked(whole)[0]
        search.choose(best, f"the highest of {len(whole)} values, {best.value or 0:.3f}")
    elif found := elected(whole, await search.tell(whole), weighted=by == "weighted"):
        search.choose(*found)
    else:
        search.note = "no branch has an answer"
