"""Verdicts on traces: the verifiers', then each judge's, and where traces stand by all of them; rewritten ones too."""

from collections.abc import Sequence

from flows.config import CurationConfig
from schemas.refs import Tables, added
from tasks.asking import replies_of
from tasks.decontaminate.meaning import replies_about
from tasks.engines.flight import Streams
from tasks.judge.task import judge, own_replies
from tasks.lake import Lake
from tasks.rewrite.task import ASKING as REWRITING
from tasks.rewrite.task import Rewritten, outcomes, rewrite
from tasks.score.task import ASKING as SCORING
from tasks.verify.task import stand, verify


def rewritten(store: Lake, config: CurationConfig, rounds: Sequence[Tables], models: Streams) -> Rewritten:
    """Each round with the traces that go on from steps that people have rewritten, and the rewrites of no use.

    Raises:
        SourceError: the rewrites cannot be read.
        EngineError: the model that goes on cannot be loaded or reached.
    """
    if config.rewrite is None:
        return Rewritten(list(rounds), {})
    made = rewrite(store, rounds, config.rewrite, models, config.prompts)
    return made._replace(rounds=added(rounds, made.rounds))


def verdicts(store: Lake, config: CurationConfig, rounds: Sequence[Tables], models: Streams) -> list[Tables]:
    """What verifiers and judges make of each round's traces, the traces' standings, and what came of rewrites.

    Raises:
        RecipeError: the majority needs witnesses, and there are none.
        EngineError: a judge's model cannot be loaded or reached.
    """
    rule = config.verify.rule
    made = verify(store, rounds, config.verify)
    for one in config.appointed().values():
        so_far = [stand(store, made, rule)] if one.choosy else []
        made = added(made, judge(store, added(rounds, made, *so_far), one, models))
    made = added(made, stand(store, made, rule))
    return added(made, outcomes(store, added(rounds, made), config.rewrite)) if config.rewrite else made


def replies_before(store: Lake, config: CurationConfig) -> Tables:
    """What models said in the recipe's last run of traces, steps and leaks: that is not asked again."""
    semantic = config.decontaminate.semantic
    asks = config.judges or config.rewrite or config.score or (semantic and semantic.judge)
    last = store.last(config.name) if asks else None
    if last is None:
        return {}
    judging = own_replies(store, last.tables, list(config.judges))
    going_on = replies_of(store, last.tables, REWRITING | SCORING)
    leaks = replies_about(store, last.tables, config.decontaminate.benchmarks)
    return {"completions": (*judging, *going_on, *leaks)}
