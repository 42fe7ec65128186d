"""Prefect's side of publishing."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from schemas.refs import ReleaseManifest
from tasks.export.release import Plan, publish
from tasks.lake import Lake
from tasks.progress import reported, watcher


@task(name="export", task_run_name="export {plan.name}", cache_policy=NO_CACHE, persist_result=False)
def export(lake: Lake, plan: Plan) -> ReleaseManifest:
    """Publish a release."""
    with reported("export"):
        release = publish(lake, plan)
        watcher().advanced("export", sum(release.summary.exported.values()))
    return release
