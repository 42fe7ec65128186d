"""`tracemill server`: a Prefect server with a worker, left running."""

from typing import Annotated, Final

import typer
from rich.console import Console

from flows.server import control
from flows.server.folder import Folder, Settings
from schemas.errors import ServerError

app = typer.Typer(
    help="A Prefect server with schedules, page and a worker, which keeps running when this command has ended.",
    no_args_is_help=True,
)
console: Final = Console(highlight=False)


@app.command()
def start(
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the Prefect page is, on this machine only.")
    ] = 4200,
    pool: Annotated[str, typer.Option(help="The work pool, and that of its worker.")] = "tracemill",
    silence: Annotated[
        int,
        typer.Option(min=60, help="Seconds without a sign of life until a run counts as dead, and is taken up again."),
    ] = 300,
) -> None:
    """Start what is missing of server, work pool, deployments, automations and worker."""
    from flows.server.prepare import prepare

    folder = Folder()
    settings = control.start(folder, Settings(port=port, pool=pool, silence=silence), prepare)
    _say(f"the Prefect page: {settings.page}/")
    _say(f"runs are kept in {settings.database}; logs: {folder.path}/*.log")
    _say(f"to run a flow from here: export PREFECT_API_URL={settings.api}")
    _say("to stop it: tracemill server stop")


@app.command()
def stop(
    grace: Annotated[float, typer.Option(min=0, help="Seconds for each process to end by itself.")] = control.GRACE_S,
) -> None:
    """End what was started: the worker with its runs, then the server; the runs go on when it is started again."""
    for line in control.stop(Folder(), grace) or ["nothing is up"]:
        _say(line)


@app.command()
def status() -> None:
    """Say what is up; exit 2 if anything is not."""
    folder = Folder()
    settings, found = folder.settings(), control.status(folder)
    for name, state in found.items():
        _say(f"{name}: {state}")
    missing = [name for name, state in found.items() if state == "not up"]
    if missing or settings is None:
        raise ServerError(f"{' and '.join(missing)} not up; start what is missing: tracemill server start")
    from flows.server.answers import ready

    if not ready(settings.api):
        raise ServerError(
            f"the server does not answer at {settings.api}, or its database does not; see {folder.log('server')}"
        )
    _say(f"the Prefect page: {settings.page}/")


def _say(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)
