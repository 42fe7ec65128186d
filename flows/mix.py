"""Several releases become one: gathered, deduplicated, decontaminated, mixed by weights, paired, published."""

from collections.abc import Sequence

from prefect import flow, get_run_logger

from flows.cluster import shared
from flows.forms import MixingRecipe, MixSettings
from flows.licenses import of_releases
from flows.mix_config import MixConfig
from flows.mixing import releases
from flows.page.costs import Spent
from flows.publish import conclude, publish
from flows.recipes import resolve
from flows.slots import slot
from flows.working import working
from schemas.refs import ReleaseManifest, Tables, added, joined
from tasks.decontaminate.task import canaries, decontaminate
from tasks.dedupe.task import dedupe_problems, dedupe_traces
from tasks.engines.models import Models
from tasks.lake import Lake
from tasks.mix.offers import Release
from tasks.mix.task import gather
from tasks.mix.task import mix as choose
from tasks.mix.told import told
from tasks.preferences.task import preferences
from tasks.select.task import select
from tasks.tally.store import tallies
from tasks.terms import concerns


@flow(name="mix", flow_run_name="mix {recipe}", persist_result=False)
def mix(
    recipe: MixingRecipe,
    lake: str = "data/lake",
    overrides: Sequence[str] = (),
    settings: MixSettings = MixSettings(),  # noqa: B008 - frozen
) -> ReleaseManifest:
    """Make a release of several, as a recipe says.

    Args:
        recipe: A name from `tracemill recipes`; a new one is here after deploying again. From Python also a path.
        lake: A folder or an fsspec URL; a relative one is below the folder that was deployed.
        overrides: Any other settings that differ from the recipe's, each as `key.key=value`, such as
            `mix.releases.0.weight=2`; `*` stands for every entry. They come after `settings`.
        settings: What is other than the recipe says, in this run; what is left empty stays as the recipe has it.

    Raises:
        TracemillError: What is wrong with the recipe, a release or the lake; what was finished is kept.
    """
    config = resolve(recipe, [*settings.overrides(recipe), *overrides], MixConfig)
    store = Lake(lake)
    with (
        working(store, config, "mix") as log,
        shared(config.machines, store),
        Models(config.models, slot) as models,
    ):
        found, licenses = releases(store, config)
        tables = _mixed(store, config, found, models)
        names = [one.name for one in found]
        numbers = told(store.rows(tables, "mixture"), config.mix, names, licenses)
        for concern in concerns(of_releases(numbers), config.export.license):
            get_run_logger().warning("%s", concern)
        summary = conclude(store, config, tables, models, numbers)
        return publish(store, config, tables, summary, lambda: Spent(log.took, models.used))


def _mixed(store: Lake, config: MixConfig, found: Sequence[Release], models: Models) -> Tables:
    """One round of all that the releases offer, with what was dropped of it, what is taken, pairs and numbers."""
    gathered = gather(store, found)
    twins = joined(*dedupe_problems(store, gathered.apart, config.dedupe))
    rounds = [gathered.together]
    copies = dedupe_traces(store, rounds, [twins], config.dedupe)
    kept = added(rounds, [twins], copies, decontaminate(store, rounds, config.decontaminate, models))
    kept = added(kept, select(store, kept, config.select))
    mixed = added(kept, [choose(store, one, config.mix, found) for one in kept])
    paired = added(mixed, preferences(store, mixed, config.preferences))
    return joined(canaries(store, config.decontaminate), *paired, *tallies(store, paired, config.stages))
