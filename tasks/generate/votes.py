"""Branches vote: each for its own answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tasks.generate.contract import Branch


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
