"""The bundled reward model in vLLM says what it says in transformers, whatever of a reply vLLM has read before."""

import asyncio
from collections.abc import Iterator

import pytest

from tasks.engines.contract import Graded, Message, Scorer, Scores
from tasks.engines.grading import Numbers, Text
from tasks.engines.kinds import reward, vllm_reward

MODEL = "data/models/tiny-prm"
LINES = tuple(f"{at} + {at + 1} = {2 * at + 1}.\n" for at in range(1, 60))


@pytest.fixture(scope="module")
def scorer(loop: asyncio.Runner) -> Iterator[vllm_reward.VllmReward]:
    engine = vllm_reward.build(vllm_reward.Config(dtype="float32"), MODEL, None)
    loop.run(engine.__aenter__())
    yield engine
    loop.run(engine.__aexit__(None, None, None))


def reply(count: int, question: str = "What is it?") -> Graded:
    return Graded(f"{count}", (Message("user", question),), LINES[:count])


def together(loop: asyncio.Runner, engine: Scorer, *asked: Graded) -> list[Scores]:
    async def gathered() -> list[Scores]:
        return await asyncio.gather(*map(engine.score, asked))

    return loop.run(gathered())


@pytest.fixture(scope="module")
def expected(loop: asyncio.Runner) -> Scores:
    engine = reward.build(reward.Config(), MODEL, None)
    loop.run(engine.__aenter__())
    [whole] = together(loop, engine, reply(len(LINES)))
    loop.run(engine.__aexit__(None, None, None))
    return whole


def test_it_scores_as_transformers_does(loop: asyncio.Runner, scorer: vllm_reward.VllmReward, expected: Scores) -> None:
    [whole] = together(loop, scorer, reply(len(LINES)))
    assert whole.scores == pytest.approx(expected.scores, abs=1e-3)
    assert whole.tokens == expected.tokens


def test_a_reply_that_grows_is_read_on(
    loop: asyncio.Runner, scorer: vllm_reward.VllmReward, expected: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What vLLM has in its cache it does not say again; where that was forgotten here, the whole text is read anew."""
    read: list[tuple[int, bool]] = []
    once = vllm_reward.VllmReward._read

    async def noted(self: vllm_reward.VllmReward, text: Text, *, whole: bool) -> list[Numbers]:
        said = await once(self, text, whole=whole)
        read.append((len(said), whole))
        return said

    monkeypatch.setattr(vllm_reward.VllmReward, "_read", noted)
    scorer._seen.clear()
    [first] = together(loop, scorer, reply(20, "Grows?"))
    counts = [20, 30, 45, 59]
    grown = [together(loop, scorer, reply(count, "Grows?"))[0] for count in counts]
    assert [len(one.scores) for one in grown] == counts
    assert grown[0] == first
    for one in grown:
        assert one.scores == pytest.approx(grown[-1].scores[: len(one.scores)], abs=1e-3)
    assert not any(whole for _, whole in read)
    assert len(read) == 4
    assert sum(said for said, _ in read) < 1.6 * (grown[-1].tokens or 0)
    scorer._seen.clear()
    assert together(loop, scorer, reply(59, "Grows?"))[0].scores == pytest.approx(grown[-1].scores, abs=1e-3)
    assert [whole for _, whole in read[4:]] == [False, True]
