"""Which of two judgements on one trace judges better? Another judge's judgements are judged themselves.

Wu et al. 2024, Meta-Rewarding Language Models (arXiv 2407.19594, § 2.2). There the matches give Elo scores; here each
judgement's rating is its share of wins.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import Field

from schemas.base import ConfigBase
from tasks.judge.contract import Case, Finding, Group, Judgement
from tasks.judge.duel import FORM, Better, DuelConfig, better_of, duels
from tasks.judge.rating import win_rates
from tasks.showing import question

TASK: Final = (
    "Two judges were told to judge an answer to a problem. Say whose judgement is better: whether it is right about "
    "the answer, whether its reasons are sound and bear out what it concludes, and whether it keeps to what the judge "
    "was told. Do not let their order or their length sway you. Say tie only where neither is better."
)


class Config(DuelConfig):
    """Judgements on one trace are compared, a part of all pairs."""

    of: str = Field(
        description="the judge, of a kind that judges traces one by one and with more than one of `samples`"
    )


@dataclass(frozen=True)
class Meta:
    """Two questions for each pair of judgements."""

    config: Config
    version: str = "1"
    task: None = None
    reply: type[ConfigBase] = Better
    verdict: None = None

    def cases(self, group: Group, _number: int, /) -> Iterator[Case]:
        """Pairs in a circle, in both orders."""
        assert group.trace is not None
        told = {"what the judges were told": group.task}
        given = told | self.config.given(group.problem) | {"the answer": group.trace.text}
        for one, two in duels(group.shown, self.config.rivals):
            texts = given | {"judgement A": one.text, "judgement B": two.text}
            yield Case((one.id, two.id), question(TASK, texts, FORM, self.config.characters))

    def finding(self, reply: Any, _case: Case, /) -> Finding:
        """The better one."""
        return better_of(reply)

    def ratings(self, judgements: Sequence[Judgement]) -> dict[str, float]:
        """Each judgement's share of wins; a tie is half a win."""
        return win_rates(judgements)


def build(config: Config) -> Meta:
    """The judge that a recipe's settings describe."""
    return Meta(config)
