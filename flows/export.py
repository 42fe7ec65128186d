"""A recipe's newest run is published again, by other export settings: nothing is sampled, nothing is curated."""

from collections.abc import Sequence

from prefect import flow

from flows.forms import AnyRecipe, ExportSettings
from flows.kinds import configured
from flows.log import logged
from flows.page.costs import Spent
from flows.publish import publish
from schemas.errors import LakeError
from schemas.refs import ReleaseManifest
from tasks.lake import Lake


@flow(name="export", flow_run_name="export {recipe}", persist_result=False)
def export(
    recipe: AnyRecipe,
    lake: str = "data/lake",
    overrides: Sequence[str] = (),
    settings: ExportSettings = ExportSettings(),  # noqa: B008 - frozen
) -> ReleaseManifest:
    """Publish a recipe's newest run again; where nothing is other than before, that is the release there is.

    Args:
        recipe: A name from `tracemill recipes`; a new one is here after deploying again. From Python also a path.
        lake: A folder or an fsspec URL; a relative one is below the folder that was deployed.
        overrides: Any other settings that differ from the recipe's, each as `key.key=value`, such as
            `export.formats={sft: {per_problem: 1}}`; `*` stands for every entry. Only those of `export` and
            `description` matter here. They come after `settings`.
        settings: What is other than the recipe says of its release; what is left empty stays as the recipe has it.

    Raises:
        TracemillError: What is wrong with the recipe, or the lake has no finished run of it.
    """
    config = configured(recipe, [*settings.overrides(recipe), *overrides])
    store = Lake(lake)
    for run in reversed(store.snapshots()):
        if run.recipe == config.name and run.summary is not None:
            with logged() as log:
                return publish(store, config, run.tables, run.summary, lambda: Spent(log.took, {}))
    raise LakeError(f"lake {lake}: no run of recipe {config.name} has finished in it; run the recipe first")
