"""Verdicts on traces: the verifiers', then each judge's, and where traces stand by all of them."""

from collections.abc import Sequence

from flows.config import CurationConfig
from schemas.refs import Tables, added
from tasks.decontaminate.meaning import replies_about
from tasks.engines.flight import Streams
from tasks.judge.task import judge, own_replies
from tasks.lake import Lake
from tasks.verify.task import stand, verify


def verdicts(store: Lake, config: CurationConfig, rounds: Sequence[Tables], models: Streams) -> list[Tables]:
    """What verifiers and judges make of each round's traces, and the traces' standings.

    Raises:
        RecipeError: the majority needs witnesses, and there are none.
        EngineError: a judge's model cannot be loaded or reached.
    """
    rule = config.verify.rule
    made = verify(store, rounds, config.verify)
    for one in config.appointed().values():
        so_far = [stand(store, made, rule)] if one.choosy else []
        made = added(made, judge(store, added(rounds, made, *so_far), one, models))
    return added(made, stand(store, made, rule))


def replies_before(store: Lake, config: CurationConfig) -> Tables:
    """What the recipe's judges, and the one of leaks, were told in its last run: that is not asked again."""
    semantic = config.decontaminate.semantic
    last = store.last(config.name) if config.judges or (semantic and semantic.judge) else None
    if last is None:
        return {}
    judging = own_replies(store, last.tables, list(config.judges))
    return {"completions": (*judging, *replies_about(store, last.tables, config.decontaminate.benchmarks))}
