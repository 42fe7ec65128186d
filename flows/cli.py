"""`tracemill`: the command line. A user's mistake ends in one sentence and exit code 2."""

import json
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.cli_gc import gc
from flows.cli_review import app as review
from flows.cli_server import app as server
from flows.environment import quiet_prefect
from schemas.errors import TracemillError
from tasks.keys import plain

if TYPE_CHECKING:
    from flows.config import CurationConfig
    from schemas.refs import ReleaseManifest

quiet_prefect()

app = typer.Typer(
    help="Curate chain-of-thought traces into verified, deduplicated, decontaminated training sets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(review, name="review")
app.command()(gc)
app.add_typer(server, name="server")
console: Final = Console(highlight=False)

Recipe = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A name from `tracemill recipes`, or a path to a YAML file.")
]
LakeUrl = Annotated[
    str,
    typer.Option("--lake", envvar="TRACEMILL_LAKE", callback=plain, help="The lake: a folder or an fsspec URL."),
]
Settings = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="Override a setting: --set generate.samplers.*.n=8")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
DEFAULT_LAKE: Final = "data/lake"


def main() -> None:
    """Run the command line; exit 2 with one sentence on a mistake, 130 when interrupted."""
    try:
        app()
    except TracemillError as exc:
        Console(stderr=True, highlight=False).print(f"tracemill: {exc}", markup=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("tracemill: stopped; run the same command again to go on from here")
        sys.exit(130)


@app.command()
def curate(recipe: Recipe, lake: LakeUrl = DEFAULT_LAKE, settings: Settings = []) -> None:  # noqa: B006 - typer copies it
    """Curate a recipe's traces and publish them as a release."""
    from flows.config import CurateConfig

    _check(recipe, settings, CurateConfig)
    from flows.curate import curate as flow
    from flows.terminal import watched

    _show(watched(console, lambda: flow(recipe, lake, settings)), lake)


@app.command()
def refresh(
    recipe: Recipe,
    lake: LakeUrl = DEFAULT_LAKE,
    settings: Settings = [],  # noqa: B006 - typer copies it
    target_accepted: Annotated[
        int | None, typer.Option(min=1, help="Go on until so many correct traces are kept, and stop there.")
    ] = None,
    sample: Annotated[  # noqa: FBT002 - a flag of the command line
        bool, typer.Option(help="Ask for new problems and traces, or only curate again what is there.")
    ] = True,
) -> None:
    """Generate problems and traces by a recipe, curate them with those of earlier runs, and publish a release."""
    from flows.config import RefreshConfig

    _check(recipe, settings, RefreshConfig)
    from flows.refresh import refresh as flow
    from flows.terminal import watched

    _show(watched(console, lambda: flow(recipe, lake, settings, target_accepted or 0, sample)), lake)


@app.command()
def mix(recipe: Recipe, lake: LakeUrl = DEFAULT_LAKE, settings: Settings = []) -> None:  # noqa: B006 - typer copies it
    """Make a release of several by a recipe's weights, deduplicated and decontaminated across them."""
    from flows.mix_config import MixConfig

    _check(recipe, settings, MixConfig)
    from flows.mix import mix as flow
    from flows.terminal import watched

    _show(watched(console, lambda: flow(recipe, lake, settings)), lake)


@app.command()
def export(recipe: Recipe, lake: LakeUrl = DEFAULT_LAKE, settings: Settings = []) -> None:  # noqa: B006 - typer copies it
    """Publish a recipe's newest run again, by other export settings: --set 'export.formats={verl: {}}'."""
    from flows.kinds import configured

    configured(recipe, settings)
    from flows.export import export as flow
    from flows.terminal import watched

    _show(watched(console, lambda: flow(recipe, lake, settings)), lake)


@app.command("import")
def import_(recipe: Recipe, lake: LakeUrl = DEFAULT_LAKE, settings: Settings = []) -> None:  # noqa: B006 - typer copies it
    """Only import a recipe's traces into the lake."""
    from flows.config import CurateConfig

    _check(recipe, settings, CurateConfig)
    from flows.curate import import_traces
    from flows.terminal import watched
    from tasks.lake import Lake

    tables = watched(console, lambda: import_traces(recipe, lake, settings))
    for name, refs in tables.items():
        console.print(f"{name}: {Lake(lake).row_count(refs):,} rows")


@app.command()
def stats(
    release: Annotated[str, typer.Argument(help="NAME or NAME/VERSION; the newest run unless given.")] = "",
    lake: LakeUrl = DEFAULT_LAKE,
    as_json: AsJson = False,  # noqa: FBT002 - a flag of the command line
) -> None:
    """Show the funnel, the verdicts and the sizes of a release, or of the newest run."""
    from flows import terminal
    from flows.runs import summary_of

    summary = summary_of(lake, release)
    if as_json:
        print(summary.model_dump_json(indent=2))  # noqa: T201 - what the command is for
    else:
        terminal.show(console, summary)


@app.command()
def push(
    release: Annotated[str, typer.Argument(help="NAME or NAME/VERSION.")],
    repository: Annotated[str, typer.Argument(metavar="OWNER/REPO", help="A repository of data sets on the hub.")],
    lake: LakeUrl = DEFAULT_LAKE,
    yes: Annotated[bool, typer.Option("--yes", help="Upload; without, only say what would be.")] = False,  # noqa: FBT002
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see it.")] = True,  # noqa: FBT002
) -> None:
    """Upload a release to the Hugging Face hub, with the token in HF_TOKEN or that of `hf auth login`."""
    from flows import terminal
    from tasks.export.push import plan
    from tasks.export.push import push as upload
    from tasks.lake import Lake

    storage = Lake(lake).storage
    planned = plan(storage, release, repository, private=private)
    terminal.show_upload(console, planned)
    if yes:
        console.print(f"uploaded: {upload(storage, planned)}", soft_wrap=True, markup=False)
    else:
        again = shlex.join(["tracemill", "push", release, repository, "--lake", lake, "--yes"])
        visible = "--private" if private else "--public"
        console.print(f"nothing was uploaded; to do it: {again} {visible}", soft_wrap=True, markup=False)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(metavar='"select …"')],
    lake: LakeUrl = DEFAULT_LAKE,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Query the lake with DuckDB: views named as the tables, the newest version of each."""
    from flows.query import query
    from tasks.lake import Lake

    table = query(Lake(lake), statement)
    if as_json:
        print(json.dumps(table.to_pylist(), default=str, ensure_ascii=False))  # noqa: T201 - what the command is for
        return
    shown = Table(*table.column_names)
    for row in table.slice(0, 100).to_pylist():
        shown.add_row(*(Text("" if value is None else str(value)) for value in row.values()))
    console.print(shown)
    console.print(f"{table.num_rows:,} rows" + ("; the first 100 are shown" if table.num_rows > 100 else ""))


@app.command()
def recipes() -> None:
    """List the recipes that go by a name: bundled ones, and yours from TRACEMILL_RECIPES or recipes/."""
    from flows.recipes import known

    found = known()
    table = Table("recipe", "from", "what it does")
    for one in found:
        place = "yours, not the bundled one" if one.hides else "yours" if one.own else "bundled"
        table.add_row(one.name, place, Text(" ".join(one.description.split())))
    console.print(table)
    if own := next((one.path.parent for one in found if one.own), None):
        console.print(f"yours: {own}", soft_wrap=True, markup=False)


@app.command()
def doctor(lake: LakeUrl = DEFAULT_LAKE) -> None:
    """Say what is installed, reachable and writable; exit 2 if something needed is not."""
    from flows.doctor import examine

    table = Table("what", "state", "details")
    findings = examine(lake)
    for one in findings:
        table.add_row(
            one.what, "[green]ok[/]" if one.good else "[red]fails[/]" if one.needed else "absent", one.details
        )
    console.print(table)
    if any(one.needed and not one.good for one in findings):
        raise typer.Exit(2)


def _check(recipe: str, settings: list[str], model: "type[CurationConfig]") -> None:
    """Tell of a mistake in the recipe at once, not after Prefect has started."""
    from flows.recipes import resolve

    resolve(recipe, settings, model)


def _show(release: "ReleaseManifest", lake: str) -> None:
    """What came of a run, and where it lies."""
    from flows import terminal
    from tasks.lake import Lake

    terminal.show(console, release.summary)
    place = Lake(lake).storage.shown(f"releases/{release.name}/{release.version}")
    console.print(f"\nrelease {release.name} {release.version}: {place}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    main()
