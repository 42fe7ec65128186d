"""Which of two traces is better? Each pair is asked about in both orders; where these disagree, neither wins.

Zheng et al. 2023, Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena (arXiv 2306.05685, § 3.4).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schemas.base import ConfigBase
from tasks.judge.contract import Case, Finding, Group, Judgement
from tasks.judge.duel import FORM, Better, DuelConfig, better_of, duels
from tasks.judge.rating import win_rates
from tasks.showing import question

TASK: Final = (
    "You compare two answers to a problem and say which is better: first by whether it is right, then by whether its "
    "reasoning holds, then by whether it is clear. Do not let their order, their length or their manner sway you. Say "
    "tie only where neither is better."
)


class Config(DuelConfig):
    """Traces of one problem are compared, a part of all pairs."""


@dataclass(frozen=True)
class Pairwise:
    """Two questions for each pair."""

    config: Config
    version: str = "1"
    task: None = None
    reply: type[ConfigBase] = Better
    verdict: None = None

    def cases(self, group: Group, _number: int, /) -> Iterator[Case]:
        """Pairs in a circle, in both orders."""
        given = self.config.given(group.problem)
        for one, two in duels(group.shown, self.config.rivals):
            texts = given | {"answer A": one.text, "answer B": two.text}
            yield Case((one.id, two.id), question(TASK, texts, FORM, self.config.characters))

    def finding(self, reply: Any, _case: Case, /) -> Finding:
        """The better one."""
        return better_of(reply)

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """Each trace's share of wins; a tie is half a win."""
        return win_rates(judgements)


def build(config: Config) -> Pairwise:
    """The judge that a recipe's settings describe."""
    return Pairwise(config)
