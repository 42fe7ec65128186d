"""What is left of verified traces: duplicates and overlaps with benchmarks go, selectors choose, pairs are made."""

from collections.abc import Sequence

from flows.config import CurationConfig
from schemas.refs import Tables, added, joined
from tasks.decontaminate.task import canaries, decontaminate
from tasks.dedupe.task import dedupe_traces
from tasks.engines.flight import GradingStreams
from tasks.label.task import label
from tasks.lake import Lake
from tasks.preferences.task import preferences
from tasks.score.scores import Accepts
from tasks.score.task import score, search_verdicts
from tasks.select.task import queue, select
from tasks.tally.store import tallies


def sifted(
    store: Lake,
    config: CurationConfig,
    rounds: Sequence[Tables],
    twins: Sequence[Tables],
    models: GradingStreams,
    live: Accepts,
) -> Tables:
    """All rounds' tables with all that was dropped, the review queue, pairs, and each round in numbers.

    `twins` holds the duplicates among their problems; `live` tells whether a step's continuations reach the answer.

    Raises:
        RecipeError: a selector names a model or sampler that no trace is by.
        EngineError: a model that is asked about leaks or to go on from steps, or embeds, cannot be loaded or reached.
    """
    copies = dedupe_traces(store, rounds, twins, config.dedupe)
    kept = added(rounds, twins, copies, decontaminate(store, rounds, config.decontaminate, models))
    chosen = added(kept, select(store, kept, config.select), queue(store, kept, config.queue))
    if config.score:
        chosen = added(chosen, score(store, chosen, config.score, models, live, config.prompts))
    chosen = added(chosen, search_verdicts(store, chosen))
    if config.labels:
        chosen = added(chosen, label(store, chosen, config.labels))
    paired = added(chosen, preferences(store, chosen, config.preferences))
    counted = tallies(store, paired, config.stages)
    return joined(canaries(store, config.decontaminate), *paired, *counted)
