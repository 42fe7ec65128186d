"""What a person sees of a run on the terminal: a bar for each stage with rate and time left, then the numbers."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from flows.environment import reachable
from flows.pace import Pace
from schemas.summary import CONTAMINATED, JudgeReport, Mixture, PairReport, SearchReport, Summary
from schemas.tables import Status
from tasks.export.push import Upload
from tasks.progress import watched_by
from tasks.report import disagreements, percent, rate, share

_BAR = 16
_SHARE = 10
"""Characters of the funnel's bars: a narrow terminal has room for the reasons beside them."""
_HEIGHTS = " ▁▂▃▄▅▆▇█"
Result = TypeVar("Result")


def watched(console: Console, run: Callable[[], Result]) -> Result:
    """Run a flow with progress on the terminal.

    Raises:
        ServerError: Prefect's server cannot be reached, or a temporary one does not start.
    """
    with TerminalWatcher(console) as watcher, watched_by(watcher), reachable():
        return run()


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        pace: Pace = task.fields["pace"]
        return Text(task.fields["said"] or (pace.speed() if pace.rows > 1 else ""), style="dim")


class TerminalWatcher:
    """Bars on a terminal, with rate and time left; elsewhere one line for each stage that ends."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<27}"),
            BarColumn(_BAR),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            _Speed(),
            console=console,
            disable=not console.is_terminal,
        )
        self._stages: dict[str, tuple[TaskID, Pace]] = {}

    def __enter__(self) -> "TerminalWatcher":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def started(self, stage: str, total: int | None) -> None:
        """Show a bar; of unknown length while the total is unknown."""
        pace = Pace(total)
        self._stages[stage] = (self._bars.add_task(stage, total=total, pace=pace, said=""), pace)

    def advanced(self, stage: str, rows: int) -> None:
        """Move the bar on."""
        bar, pace = self._stages[stage]
        pace.rows += rows
        self._bars.advance(bar, rows)

    def measured(self, stage: str, amounts: Mapping[str, int]) -> None:
        """Note tokens and accepted traces."""
        self._stages[stage][1].measure(amounts)

    def noted(self, message: str) -> None:
        """Write it above the bars."""
        self._console.print(message, highlight=False, soft_wrap=True, markup=False)

    def finished(self, stage: str) -> None:
        """Fill the bar, or write the stage's line."""
        bar, pace = self._stages[stage]
        rows = max(pace.rows, 1)
        name = stage if pace.rows else f"{stage} (done before)"
        self._bars.update(bar, total=rows, completed=rows, description=name, said=pace.speed() if pace.rows else " ")
        if not self._console.is_terminal:
            self._console.print(f"{stage}: {pace.outcome()}", highlight=False, soft_wrap=True)


def show(console: Console, summary: Summary) -> None:
    """Print the funnel, the verdicts and what was made of them."""
    console.print(_funnel(summary))
    console.print(_verdicts(summary))
    if summary.pass_at_k:
        console.print(f"problems by pass rate, 0 to 100 %: {_sparks(summary.pass_rates)}", markup=False)
        console.print(", ".join(f"pass@{k} {value:.1%}" for k, value in summary.pass_at_k.items()))
    _agreements(console, summary)
    for judge in summary.judges:
        console.print(_judge(judge), soft_wrap=True, markup=False)
    for search in summary.searches:
        console.print(_search(search), soft_wrap=True, markup=False)
    if summary.tokens is not None:
        each = f", {summary.tokens / summary.accepted:,.0f} for each correct trace kept" if summary.accepted else ""
        console.print(f"{summary.tokens:,} tokens sampled{each}")
    _benchmarks(console, summary)
    if summary.mixture:
        console.print(_mixture(summary.mixture))
    if summary.queued is not None:
        console.print(f"review queue: {summary.queued:,} wrong traces (tracemill sql 'from queue')", soft_wrap=True)
    _pairs(console, summary)
    if summary.exported:
        console.print(f"exported rows: {_listed(summary.exported)}", soft_wrap=True)
    if summary.left_out:
        console.print(f"left out of formats: {summary.left_out}", soft_wrap=True)


def _pairs(console: Console, summary: Summary) -> None:
    if summary.pairs or summary.no_pairs:
        console.print(f"pairs: {_listed(summary.pairs)}", soft_wrap=True, markup=False)
        for rule in summary.pairing:
            console.print(f"  {_pairing(rule)}", soft_wrap=True, markup=False)
        if summary.refused_pairs:
            console.print(f"refused pairs: {_listed(summary.refused_pairs)}", soft_wrap=True, markup=False)
        console.print(f"problems without a pair: {_listed(summary.no_pairs)}", soft_wrap=True, markup=False)


def show_upload(console: Console, upload: Upload) -> None:
    """Each file that goes to the hub, with its size."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("file")
    table.add_column("size", justify="right", no_wrap=True)
    for name, size in upload.files.items():
        table.add_row(Text(name), decimal(size))
    console.print(table)
    release, seen = upload.release, "private" if upload.private else "public"
    console.print(
        f"{len(upload.files)} files, {decimal(sum(upload.files.values()))}, of release {release.name} "
        f"{release.version} for the {seen} data set repository {upload.repository}",
        soft_wrap=True,
        markup=False,
    )


def _funnel(summary: Summary) -> Table:
    """One line a stage and table, and below it a line for each reason."""
    table = Table(
        box=SIMPLE_HEAD, title=f"{summary.recipe}: what each stage left", title_justify="left", padding=(0, 1)
    )
    table.add_column("")
    for name in ("before", "dropped", "after"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    widest = {step.table: step.before for step in reversed(summary.funnel)}
    before: str | None = None
    for step in summary.funnel:
        if step.table != before:
            table.add_row(Text(step.table, style="bold"))
            before = step.table
        bar = "█" * round(_SHARE * step.after / max(widest[step.table], 1))
        lost = step.before - step.after
        table.add_row(f"  {step.stage}", f"{step.before:,}", f"{lost:,}" if lost else "", f"{step.after:,}", bar)
        for reason, rows in step.reasons.items():
            table.add_row(Text(f"  {reason}", style="dim"), "", Text(f"{rows:,}", style="dim"))
    return table


def _verdicts(summary: Summary) -> Table:
    table = Table(box=SIMPLE_HEAD, title="verdicts on traces", title_justify="left", padding=(0, 1))
    table.add_column("")
    table.add_column("all", justify="right")
    table.add_column("kept", justify="right")
    for status in Status:
        table.add_row(
            f"  {status}", f"{summary.verdicts.get(status, 0):,}", f"{summary.kept_verdicts.get(status, 0):,}"
        )
    return table


def _agreements(console: Console, summary: Summary) -> None:
    for one in summary.agreements:
        console.print(
            f"{one.verifier} agrees with {one.label} on {one.agreeing:,} of {one.labelled:,} labelled traces "
            f"({one.share:.2%}; 95 % interval {one.low:.2%} to {one.high:.2%}); it calls correct "
            f"{one.false_positives.count:,} of {one.false_positives.of:,} wrong ones, and incorrect "
            f"{one.false_negatives.count:,} of {one.false_negatives.of:,} right ones",
            soft_wrap=True,
        )
        if one.unverifiable:
            console.print(f"  {one.unverifiable:,} more labelled traces are unverifiable")
    for verifier, each in disagreements(summary):
        console.print(
            f"  trace {each.trace_id}: label {each.label}, {verifier} says {each.status}: answer "
            f"{each.extracted_answer!r}, reference {each.reference!r}: {each.reason}",
            markup=False,
            soft_wrap=True,
        )


def _mixture(found: Mixture) -> Table:
    """A line for each release, for each reason why some of it is left out, and for each group in it."""
    asked = f" of {found.wanted:,} asked for" if found.wanted else ""
    table = Table(box=SIMPLE_HEAD, title=f"mixture: {found.rows:,} rows{asked}", title_justify="left", padding=(0, 1))
    table.add_column("", overflow="fold", min_width=12)
    for name in ("offered", "left out", "kept", "rows", "got", "wanted"):
        table.add_column(name, justify="right", no_wrap=True)
    for release in found.licenses:
        cells = [one for one in found.cells if one.release == release]
        groups = [one for one in found.shares if release in one.group]
        out = sum((one.left_out for one in cells), Counter[str]())
        numbers = [sum(one.offered for one in cells), out.total()]
        numbers += [sum(getattr(one, name) for one in cells) for name in ("kept", "rows")]
        wanted = f"{sum(one.wanted for one in groups):.1%}"
        got = percent(sum(one.rows for one in groups), found.rows)
        table.add_row(Text(release, style="bold"), *(f"{one:,}" for one in numbers), got, wanted)
        for reason, count in out.items():
            table.add_row(Text(f"  {reason}", style="dim"), "", f"{count:,}")
        for one in groups if len(groups) > 1 else ():
            name = " · ".join(part for part in one.group if part != release)
            share = [f"{one.rows:,}", percent(one.rows, found.rows), f"{one.wanted:.1%}"]
            table.add_row(Text(f"  {name}"), "", "", "", *share)
    return table


def _benchmarks(console: Console, summary: Summary) -> None:
    for one in summary.benchmarks:
        flag = f", contaminated (over {CONTAMINATED:.0%})" if one.contaminated else ""
        traces = f" and {one.traces:,} traces" if one.traces else ""
        console.print(
            f"benchmark {one.benchmark}: {one.overlapped:,} of {one.items:,} items overlap with {one.problems:,} "
            f"problems{traces}{flag}",
            soft_wrap=True,
            markup=False,
        )
    for leak, said in ((True, "planted leaks found"), (False, "found though no leak")):
        rates = ", ".join(f"{one.variant} {one.alone.share or 0:.0%}" for one in summary.canaries if one.leak is leak)
        if rates:
            console.print(f"{said}: {rates}", soft_wrap=True, markup=False)


def _judge(judge: JudgeReport) -> str:
    """What a judge said, and what it leans to, as far as its kind lets that be told."""
    said = f"judge {judge.judge} ({judge.kind}): {judge.judgements:,} judgements"
    said += f", {judge.repaired:,} read at the second try, {judge.unreadable:,} unreadable"
    if judge.swayed.of:
        said += f"; the order decides {rate(judge.swayed)} pairs"
    if judge.first_by_chance is not None:
        said += f"; the first place is chosen {rate(judge.first)} times, by chance {judge.first_by_chance:.0%}"
    if judge.longer.of:
        said += f"; the longer text wins {rate(judge.longer)}"
    if judge.length_correlation is not None:
        said += f"; ratings and lengths correlate by {judge.length_correlation:+.2f}"
    return said


def _search(one: SearchReport) -> str:
    said = f"{one.strategy}: {one.searches:,} searches, {one.branches / one.searches:,.1f} branches each; "
    said += f"{one.right:,} came to a right trace, {one.not_right:,} to another"
    if one.right:
        said += f"; {one.tokens / one.right:,.0f} tokens for each right one"
    return f"{said}; {_listed(one.broken_off)}" if one.broken_off else said


def _pairing(rule: PairReport) -> str:
    said = f"{rule.rule}: median length {rule.chosen_length:,} chosen, {rule.rejected_length:,} rejected; chosen is "
    said += f"longer in {share(rule.chosen_longer, rule.pairs)}"
    on_policy = share(rule.on_policy, rule.on_policy + rule.off_policy)
    return f"{said}; {on_policy} on-policy" if on_policy else said


def _sparks(counts: tuple[int, ...]) -> str:
    """A bar for each count, as high as its share of the largest."""
    most = max(*counts, 1)
    return "".join(_HEIGHTS[-(-count * (len(_HEIGHTS) - 1) // most)] for count in counts)


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {rows:,}" for name, rows in counts.items()) or "none"
