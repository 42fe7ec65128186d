"""What a new server is given: a work pool, the deployments of prefect.yaml, a GPU slot, automations."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.alarms import ALARM
from flows.recipes import names
from flows.server.automations import create_missing
from flows.server.environment import environment
from flows.server.folder import Folder, Settings
from schemas.errors import ServerError

GPU: Final = "gpu"
"""The concurrency limit of runs that have an engine; one slot, until somebody changes it on the page."""
DEPLOYING_S: Final = 300.0


def prepare(folder: Folder, settings: Settings) -> str:
    """Give the server what it lacks, and return the digest of what was deployed; what users changed stays.

    Raises:
        ServerError: the deployments cannot be registered.
    """
    digest = _digest(settings)
    with temporary_settings({PREFECT_API_URL: settings.api}), get_client(sync_client=True) as client:
        _pool(client, settings.pool)
        _slot(client)
        if digest != settings.deployed or not _has_deployments(client):
            _deploy(folder, settings)
        create_missing(client, client.read_deployment_by_name(ALARM).id)
    return digest


def _pool(client: SyncPrefectClient, name: str) -> None:
    try:
        client.read_work_pool(name)
    except ObjectNotFound:
        from prefect.workers.process import ProcessWorker

        template = ProcessWorker.get_default_base_job_template()
        try:
            client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))
        except ObjectAlreadyExists:  # The worker was quicker.
            return


def _slot(client: SyncPrefectClient) -> None:
    if GPU not in {one.name for one in client.read_global_concurrency_limits(limit=200)}:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))


def _declared() -> list[dict[str, Any]]:
    return list(yaml.safe_load(Path("prefect.yaml").read_text(encoding="utf-8"))["deployments"])


def _has_deployments(client: SyncPrefectClient) -> bool:
    there = {one.name for one in client.read_deployments(limit=200)}
    return {str(one["name"]) for one in _declared()} <= there


def _digest(settings: Settings) -> str:
    # Forms offer the recipes by name: a new one is there after deploying again.
    known = [Path.cwd(), settings.pool, settings.database, *names()]
    content = "\n".join(map(str, known)).encode() + Path("prefect.yaml").read_bytes()
    return hashlib.sha256(content).hexdigest()


def _deploy(folder: Folder, settings: Settings) -> None:
    """Register all deployments; they run in this folder."""
    variables = environment(folder, settings) | {"PWD": os.getcwd()}  # noqa: PTH109 - as a shell says it
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--pool", settings.pool]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=DEPLOYING_S)
    if done.returncode:
        raise ServerError(f"prefect.yaml cannot be deployed: {' '.join((done.stderr or done.stdout).split())[-600:]}")
