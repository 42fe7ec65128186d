"""A run's summary in Markdown, for the card and the page alike."""

from collections.abc import Iterable, Sequence

from schemas.summary import CONTAMINATED, BenchmarkOverlap, Disagreement, FunnelStep, Mixture, Rate, Summary, Yield
from schemas.tables import Status

_LISTED = 50


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; numbers get thousands separators."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def funnel(summary: Summary) -> str:
    """What each stage left and why it dropped the rest."""
    return table(
        ["stage", "table", "before", "dropped", "after", "why"],
        ((*_step(step), _reasons(step.reasons)) for step in summary.funnel),
    )


def narrow_funnel(summary: Summary) -> str:
    """The same for a page that breaks no lines in tables: the reasons are a table of their own."""
    left = table(["stage", "table", "before", "dropped", "after"], map(_step, summary.funnel))
    why = [(step.stage, step.table, *one) for step in summary.funnel for one in step.reasons.items()]
    return f"{left}\n\n{table(['stage', 'table', 'dropped because', 'rows'], why)}" if why else left


def _step(step: FunnelStep) -> tuple[str, str, int, int, int]:
    return step.stage, step.table, step.before, step.before - step.after, step.after


def verdicts(summary: Summary) -> str:
    """Traces by verdict, all of them and those that no stage dropped."""
    return table(
        ["verdict", "traces", "of those kept"],
        ((status, summary.verdicts.get(status, 0), summary.kept_verdicts.get(status, 0)) for status in Status),
    )


def pass_rates(summary: Summary) -> str:
    """pass@k, and how many problems pass how often."""
    line = ", ".join(f"pass@{k} {value:.1%}" for k, value in summary.pass_at_k.items())
    width = 100 // max(len(summary.pass_rates), 1)
    bins = ((f"{at * width} to {(at + 1) * width} %", count) for at, count in enumerate(summary.pass_rates))
    return f"{line}\n\n" + table(["pass rate", "problems"], bins)


def agreements(summary: Summary) -> str:
    """How far each verifier agrees with the labels that came along, and each disagreement with its reason."""
    measured = _turned(
        ["verifier", "label", "labelled", "agreeing", "wrong called correct", "right called incorrect", "unverifiable"],
        (
            (
                one.verifier,
                one.label,
                one.labelled,
                rate(Rate(count=one.agreeing, of=one.labelled, low=one.low, high=one.high)),
                rate(one.false_positives),
                rate(one.false_negatives),
                one.unverifiable,
            )
            for one in summary.agreements
        ),
    )
    rows = [_disagreement(verifier, one) for verifier, one in disagreements(summary)]
    if not rows:
        return measured
    listed = "\n".join(rows[:_LISTED])
    more = sum(one.labelled - one.agreeing for one in summary.agreements) - len(rows[:_LISTED])
    rest = f"\n\n… and {more:,} more: `tracemill sql 'from disagreements'` lists all." if more > 0 else ""
    return f"{measured}\n\nShares with 95 % intervals.\n\n{listed}{rest}"


def _disagreement(verifier: str, one: Disagreement) -> str:
    answer, reference, reason = (_quoted(text) or "none" for text in (one.extracted_answer, one.reference, one.reason))
    label = "right" if one.label else "wrong"
    head = f"- `{one.trace_id}` is labelled {label}, {verifier} says {one.status}"
    return " ".join(f"{head}: answer {answer}, reference {reference}; {reason}".split())


def _turned(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a column for each row: there are few, and each has much to say."""
    first, *rest = zip(header, *rows, strict=True)
    return table(list(map(str, first)), rest)


def disagreements(summary: Summary) -> list[tuple[str, Disagreement]]:
    """Verifiers with their verdicts that differ from a label."""
    return [(found.verifier, one) for found in summary.agreements for one in found.disagreements]


def rate(found: Rate) -> str:
    """`count of of (share; low to high)`."""
    share = f" ({found.share:.2%}; {found.low:.2%} to {found.high:.2%})" if found.share is not None else ""
    return f"{found.count:,} of {found.of:,}{share}"


def judges(summary: Summary) -> str:
    """Each judge's replies, and how far they follow a text's place and length."""
    measured = _turned(
        [
            "judge",
            "kind",
            "judgements",
            "read at the second try",
            "unreadable",
            "pairs that the order decides",
            "choices of the first place",
            "by chance",
            "wins of the longer text",
            "correlation of rating and length",
        ],
        (
            (
                one.judge,
                one.kind,
                one.judgements,
                one.repaired,
                one.unreadable,
                *map(_rate_or_none, (one.swayed, one.first)),
                _number(one.first_by_chance, "{:.0%}"),
                _rate_or_none(one.longer),
                _number(one.length_correlation, "{:+.2f}"),
            )
            for one in summary.judges
        ),
    )
    return f"{measured}\n\nShares with 95 % intervals; the correlation is Spearman's."


def searches(summary: Summary) -> str:
    """What came of searches, by strategy."""
    header = ["strategy", "searches", "right", "not right", "nothing", "branches", "tokens", "tokens a right one"]
    rows = [
        (
            one.strategy,
            one.searches,
            one.right,
            one.not_right,
            one.searches - one.right - one.not_right,
            one.branches,
            one.tokens,
            round(one.tokens / one.right) if one.right else "",
        )
        for one in summary.searches
    ]
    why = [(one.strategy, *each) for one in summary.searches for each in one.broken_off.items()]
    told = table(header, rows)
    return f"{told}\n\n{table(['strategy', 'broken off', 'searches'], why)}" if why else told


def _rate_or_none(found: Rate) -> str:
    return rate(found) if found.of else ""


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def decontamination(summary: Summary) -> str:
    """How much of each benchmark the problems overlapped before they were dropped, and what planted leaks show."""
    overlaps = table(
        ["benchmark", "items", "overlapped", "share", "", "problems", "traces"],
        (
            (one.benchmark, one.items, one.overlapped, f"{one.share:.2%}", _flag(one), one.problems, one.traces)
            for one in summary.benchmarks
        ),
    )
    said = (
        f"Counted before anything was dropped. Over {CONTAMINATED:.0%} of the items is what Tülu 3 calls contaminated."
    )
    return "\n\n".join([overlaps, said, *([_canaries(summary)] if summary.canaries else [])])


def _flag(one: BenchmarkOverlap) -> str:
    return f"contaminated (over {CONTAMINATED:.0%})" if one.contaminated else ""


def _canaries(summary: Summary) -> str:
    """Recall on leaks, false positives on what is none."""
    shown = table(
        ["canary", "should be found", "found alone", "found in other text"],
        (
            (one.variant, "yes" if one.leak else "no", rate(one.alone), rate(one.embedded) if one.embedded else "")
            for one in summary.canaries
        ),
    )
    return f"Items of the benchmarks, planted as leaks; shares with 95 % intervals.\n\n{shown}"


def yields(summary: Summary) -> str:
    """What came of each domain, model and sampler."""
    made = table(
        ["by", "", "problems", "traces", "judged samples that are correct", "kept", "of its traces"],
        (
            (
                one.by,
                _quoted(one.name),
                one.problems,
                one.traces,
                _rate_or_none(one.correct),
                one.kept,
                share(one.kept, one.traces),
            )
            for one in shown_yields(summary)
        ),
    )
    return f"{made}\n\nKept are correct traces that no stage dropped. Shares of correct ones with 95 % intervals."


def shown_yields(summary: Summary) -> list[Yield]:
    """Without the samplers where they only repeat the models."""
    sizes = {by: sorted(one.traces for one in summary.yields if one.by == by) for by in ("model", "sampler")}
    return [one for one in summary.yields if one.by != "sampler" or sizes["sampler"] != sizes["model"]]


def pairs(summary: Summary) -> str:
    """What each rule's pairs are like, and which the guards refused."""
    made = table(
        ["rule", "pairs", "on-policy", "chosen, median length", "rejected, median length", "chosen is longer"],
        (
            (
                one.rule,
                one.pairs,
                share(one.on_policy, one.on_policy + one.off_policy),
                one.chosen_length,
                one.rejected_length,
                share(one.chosen_longer, one.pairs),
            )
            for one in summary.pairing
        ),
    )
    said = f"{made}\n\nLengths to two digits, in tokens where these are known, else in characters."
    refused = counts(("refused pairs", "count"), summary.refused_pairs) if summary.refused_pairs else ""
    return f"{said}\n\n{refused}".rstrip()


def mixture(found: Mixture) -> str:
    """What came from where, what each group was to have and has, and how many exported rows that makes."""
    cells = table(
        ["release", "domain", "difficulty", "offered", "kept", "rows", "left out"],
        (
            (one.release, one.domain, one.difficulty, one.offered, one.kept, one.rows, _reasons(one.left_out))
            for one in found.cells
        ),
    )
    groups = table(
        ["group", "wanted", "got", "rows"],
        ((" · ".join(one.group), f"{one.wanted:.1%}", percent(one.rows, found.rows), one.rows) for one in found.shares),
    )
    paths = sorted({path for rows in found.exported.values() for path in rows})
    exported = table(
        ["release", *paths], ((name, *(rows.get(path, 0) for path in paths)) for name, rows in found.exported.items())
    )
    asked = f", of {found.wanted:,} that were asked for" if found.wanted else ""
    said = (
        f"{found.rows:,} rows{asked}. Counted are the traces that make up the shares; unfit are those that a selector "
        "dropped or whose problem has another reference in an earlier release."
    )
    return "\n\n".join([cells, said, groups, *([f"Exported rows:\n\n{exported}"] if paths else [])])


def percent(count: int, of: int) -> str:
    """To a tenth; of nothing there is none."""
    return f"{count / of:.1%}" if of else ""


def share(count: int, of: int) -> str:
    """In percent; of nothing there is none."""
    return f"{count / of:.0%}" if of else ""


def counts(header: tuple[str, str], numbers: dict[str, int]) -> str:
    """Two columns: a name and its count."""
    return table(header, numbers.items())


def _reasons(reasons: dict[str, int]) -> str:
    return "; ".join(f"{reason} {rows:,}" for reason, rows in reasons.items())


def _quoted(text: str | None) -> str:
    """Text that may be a model's, which must not be read as Markdown."""
    plain = (text or "").replace("`", "'")
    return f"`{plain}`" if plain else ""


def _cell(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return " ".join(str(value).replace("|", "\\|").split())
