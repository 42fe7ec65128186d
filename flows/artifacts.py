"""What a person sees of a run on the Prefect page, card by card; the last one made stands first there."""

from flows.config import CurationConfig
from flows.page import cards
from flows.page.changes import changes
from flows.page.costs import Spent, costs, in_short
from flows.page.overlaps import overlaps
from flows.page.overview import Gain, overview
from flows.page.people import people
from flows.page.samples import samples
from flows.page.searches import searches
from schemas.refs import ReleaseManifest, Tables
from schemas.summary import Summary
from tasks import report
from tasks.export.published import folder
from tasks.lake import Lake
from tasks.pictures import pictures


def show(lake: Lake, summary: Summary, tables: Tables) -> None:
    """The run's numbers, some of its traces with their verdicts, disagreements and overlaps."""
    if summary.judges:
        cards.text("judges", "Judges, and what they lean to", report.judges(summary))
    if summary.agreements:
        cards.text("agreement", "Verdicts against the labels that came along", report.agreements(summary))
    if summary.benchmarks:
        cards.text("contamination", "Texts that problems share with a benchmark", overlaps(lake, tables))
    if summary.searches:
        cards.text(
            "searches", "What searches came to, and some trees", searches(lake, tables, report.searches(summary))
        )
    cards.text("samples", "Traces with their verdicts", samples(lake, tables))
    if summary.mixture:
        cards.text("mixture", "What came from which release", report.mixture(summary.mixture))
    if told := people(lake, tables):
        cards.text("personas", "Personas of which most came, and least", told)
    drawn = {name: cards.picture(name.removesuffix(".png"), png) for name, png in pictures(summary).items()}
    if summary.yields:
        table = report.yields(summary)
        cards.text("yields", "What came of each domain, model and sampler", f"{drawn.get('yields.png', '')}\n\n{table}")
    if summary.pass_at_k:
        both = f"{drawn['pass_rates.png']}\n\n{drawn['coverage.png']}"
        cards.text("pass-rates", "How often problems are solved", f"{both}\n\n{report.pass_rates(summary)}")
    numbers = f"{drawn['funnel.png']}\n\n{_numbers(summary)}"
    cards.text("funnel", "What each stage left, and why it dropped the rest", numbers)


def show_outcome(
    summary: Summary, before: ReleaseManifest | None, config: CurationConfig, spent: Spent, release: str
) -> None:
    """The run's cost, and above all the run in five lines; `release` says what came of publishing."""
    then = before.summary if before else None
    gain = Gain.of(summary, then)
    cards.text("cost", "What the run took", costs(spent, config.models, gain.accepted))
    cost = in_short(spent, config.models, gain.accepted)
    cards.text("overview", f"{config.name} in short", overview(summary, then, release, cost))


def show_release(lake: Lake, release: ReleaseManifest, before: ReleaseManifest | None) -> str:
    """Where the release lies, its card, and what changed; gives it in a few words, with a link to its card."""
    place = folder(release.name, release.version)
    card = (lake.storage.read(f"{place}/README.md") or b"").decode()
    path = lake.storage.shown(place)
    cards.text("release", f"{release.name} {release.version}", f"`{path}`\n\n{card.split('---', 2)[-1]}")
    name = cards.linked("release", f"{release.name} {release.version}")
    if before is None:
        return f"{name}, the first: `{path}`"
    if before.version == release.version:
        return f"{name}, as before: nothing is new"
    cards.text("changes", f"{release.name} {release.version} against {before.version}", changes(lake, release, before))
    return f"{name}, {cards.linked('changes', f'against {before.version}')}: `{path}`"


def _numbers(summary: Summary) -> str:
    sections = {
        "Funnel": report.narrow_funnel(summary),
        "Verdicts": report.verdicts(summary),
        "Pairs": report.pairs(summary) if summary.pairs or summary.no_pairs else "The recipe makes none.",
        "Problems without a pair": report.counts(("reason", "problems"), summary.no_pairs) if summary.no_pairs else "",
        "Benchmarks": report.decontamination(summary)
        if summary.benchmarks
        else "The recipe names none: nothing was checked.",
    }
    return "\n\n".join(f"### {title}\n\n{body}" for title, body in sections.items() if body)
