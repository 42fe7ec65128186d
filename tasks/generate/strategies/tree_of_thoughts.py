"""Tree of thoughts: next thoughts are proposed, the model itself says what they are worth, the best go on.

Yao et al. 2023 (arXiv 2305.10601), section 3: thoughts are sampled one by one or proposed in one list, states are
valued each by itself or by votes among them, and searched breadth-first (algorithm 1). The paper weighs `sure`,
`likely` and `impossible` as 20, 1 and 0.001; here they keep that proportion, from 0 to 1.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.base import ConfigBase
from tasks.engines.contract import Finish, Message
from tasks.generate.contract import Branch, BrokenOffError, Strategy
from tasks.generate.search import Search, StepConfig, Way, together
from tasks.generate.votes import ranked
from tasks.generate.wording import asking, holds, last_line, listed
from tasks.generate.worth import path_scores

SELF: Final = "self"
PROPOSING: Final = (
    "{problem}\n\nThe solution so far:\n{solution}\n\nList {thoughts} different next steps that may follow now, "
    "numbered, each on one line, and nothing else."
)
VALUING: Final = (
    "{question}\n\nThe beginning of a solution:\n{solution}\n\nCan it still lead to the right answer? Judge in a few "
    "sentences, then end with one line that holds one of these words alone: {words}."
)
VOTING: Final = (
    "{question}\n\nBeginnings of solutions:\n\n{choices}\n\nWhich is the most promising? Compare them in a few "
    "sentences, then end with the line: The best choice is NUMBER"
)
_NOTHING: Final = "(nothing yet)"
_CHOICE: Final = re.compile(r"best choice is\W*(\d{1,4})\b", re.IGNORECASE)
_Values = tuple[list[float | None], list[bool]]
"""What states are worth, and of each reply whether it can be read."""
Fraction = Annotated[float, Field(ge=0, le=1)]


class Config(ConfigBase):
    """The tree, and how the model is asked about it."""

    thoughts: int = Field(default=4, ge=1, description="next thoughts of each state")
    propose: Literal["sample", "list"] = Field(
        default="sample", description="sample: each thought by itself; list: all in one reply"
    )
    value: Literal["score", "vote"] = Field(
        default="score", description="score: each state by itself, in a word; vote: which of them is best"
    )
    values: int = Field(default=3, ge=1, description="how often each state is scored, or voted on")
    words: Mapping[str, Fraction] = Field(
        default={"sure": 1.0, "likely": 0.05, "impossible": 0.00005}, min_length=1, description="what a word is worth"
    )
    breadth: int = Field(default=2, ge=1, description="states that go on from each depth")
    depth: int = Field(default=4, ge=1, description="thoughts after one another; the best state is then gone on with")
    step: StepConfig = StepConfig()
    proposing: Annotated[str, holds("solution")] = Field(default=PROPOSING, description="asks for a list of thoughts")
    valuing: Annotated[str, holds("solution", "words")] = Field(default=VALUING, description="asks for a score")
    voting: Annotated[str, holds("choices")] = Field(default=VOTING, description="asks for a vote")


def build(config: Config) -> Strategy:
    """The strategy with these settings."""
    return _TreeOfThoughts(config)


class _TreeOfThoughts(Strategy):
    independent = True

    def __init__(self, config: Config) -> None:
        self._config = config

    async def search(self, search: Search) -> None:
        front, ended, read = [search.root], list[Branch](), list[bool]()
        for depth in range(self._config.depth):
            grown = await self._thoughts(search, front, depth)
            states = ranked([one for one in grown if one.open or one.whole])
            if not states:
                break
            read += await self._valued(search, states, len(read))
            best = ranked(states)[: self._config.breadth]
            ended += [one for one in best if one.whole]
            front = [one for one in best if one.open]
            if not front:
                break
        best = ranked([one for one in (*ended, *front) if one is not search.root])
        if not best:
            raise BrokenOffError("no thought could be had")
        unread = f"; {read.count(False)} of {len(read)} valuations cannot be read" if False in read else ""
        await self._end(search, best[0], unread)

    async def _end(self, search: Search, best: Branch, unread: str) -> None:
        """The best state, gone on with to the end."""
        done = best
        if best.open:
            done = await search.grow(best, "end")
            done.value, done.scores, done.scorer = best.value, best.scores, best.scorer
        why = f"from the thoughts that the model values most, {best.value or 0:.3f}{unread}"
        if done.whole:
            search.choose(done, why)
        else:
            search.note = f"did not end: {done.finish}; {why}"

    async def _thoughts(self, search: Search, front: Sequence[Branch], depth: int) -> list[Branch]:
        """The states that come next."""
        config = self._config
        if config.propose == "sample":
            asked = ((one, number) for one in front for number in range(config.thoughts))
            return await search.grow_each(asked, Way(config.step))
        prompts = enumerate((self._proposing(search, one) for one in front), depth * config.breadth)
        replies = await together(search.ask("thoughts", prompt, number) for number, prompt in prompts)
        return [
            search.write(one, number, f"{thought}{config.step.end}", Finish.STEP, Way(config.step))
            for one, reply in zip(front, replies, strict=True)
            for number, thought in enumerate(listed(reply, config.thoughts))
        ]

    def _proposing(self, search: Search, state: Branch) -> tuple[Message, ...]:
        solution = state.text.strip() or _NOTHING
        return asking(search, self._config.proposing, solution=solution, thoughts=self._config.thoughts)

    async def _valued(self, search: Search, states: Sequence[Branch], asked: int) -> list[bool]:
        """Value the states; of each reply, whether it can be read. `asked`: how many replies there were before.

        Raises:
            BrokenOffError: no reply can be read.
        """
        value = self._scored if self._config.value == "score" else self._voted
        values, read = await value(search, states, asked)
        if read and not any(read):
            raise BrokenOffError(f"no thought could be valued: none of {len(read)} replies can be read")
        for state, one in zip(states, values, strict=True):
            state.value, state.scorer = one, SELF
            state.scores = path_scores(state)
        return read

    async def _scored(self, search: Search, states: Sequence[Branch], asked: int) -> _Values:
        """By the mean worth of the words that each state is given."""
        words, times = ", ".join(self._config.words), self._config.values
        prompts = [asking(search, self._config.valuing, solution=one.text.strip(), words=words) for one in states]
        questions = enumerate((one for one in prompts for _ in range(times)), asked)
        replies = await together(search.ask("value", prompt, number) for number, prompt in questions)
        worth = [self._worth(reply) for reply in replies]
        each = [worth[at : at + times] for at in range(0, len(worth), times)]
        told = [[one for one in some if one is not None] for some in each]
        return [sum(some) / len(some) if some else None for some in told], [one is not None for one in worth]

    def _worth(self, reply: str) -> float | None:
        """What the word in a reply's last line is worth; None where there is none, or several."""
        said = set(re.findall(r"\w+", last_line(reply).lower()))
        found = [worth for word, worth in self._config.words.items() if word.lower() in said]
        return found[0] if len(found) == 1 else None

    async def _voted(self, search: Search, states: Sequence[Branch], asked: int) -> _Values:
        """By the share of the votes that each state gets; about one alone nobody is asked."""
        if len(states) == 1:
            return [1.0], []
        choices = "\n\n".join(f"Choice {place}:\n{one.text.strip()}" for place, one in enumerate(states, 1))
        prompt = asking(search, self._config.voting, choices=choices)
        numbers = range(asked, asked + self._config.values)
        replies = await together(search.ask("vote", prompt, number) for number in numbers)
        votes = [int(found[1]) if (found := _CHOICE.search(last_line(reply))) else 0 for reply in replies]
        valid = [1 <= one <= len(states) for one in votes]
        return [votes.count(place) / max(sum(valid), 1) for place in range(1, len(states) + 1)], valid
