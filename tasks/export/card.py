"""The data set card: what is in a release, where it came from, and what was left out and why."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from schemas.refs import Manifest
from schemas.summary import Summary
from tasks import report
from tasks.terms import concerns


class CardFacts(NamedTuple):
    """What a card says."""

    name: str
    version: str
    description: str
    license: str
    licenses: Mapping[str, str]
    """Of the sources, by their names."""
    summary: Summary
    stages: tuple[Manifest, ...]
    changes: dict[str, int]
    previous: str | None


def card(facts: CardFacts) -> str:
    """A README.md that the `datasets` library and a hub read: each format is a configuration."""
    summary = facts.summary
    sections = [
        _front_matter(facts),
        f"# {facts.name} {facts.version}\n\n{facts.description}".rstrip(),
        f"## What is in it\n\n{_contents(summary)}{_usage(summary)}",
        _tokens(summary),
        f"## What came from where\n\n{report.mixture(summary.mixture)}" if summary.mixture else "",
        f"## What was dropped, and why\n\n![The funnel](funnel.png)\n\n{report.funnel(summary)}",
        f"## Verdicts\n\n{report.verdicts(summary)}",
        _pass_rates(summary),
        _agreement(summary),
        _judges(summary),
        _decontamination(summary),
        _pairs(summary),
        _yields(facts),
        _sampling(facts.stages),
        _changes(facts),
        _sources(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(facts: CardFacts) -> str:
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": split, "path": f"{name}/{split}/*.parquet"} for split in splits],
        }
        for name, splits in _splits(facts.summary).items()
    ]
    head: dict[str, Any] = {
        "license": facts.license,
        "tags": ["reasoning", "chain-of-thought", "tracemill"],
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _splits(summary: Summary) -> dict[str, list[str]]:
    """The splits of each format that have rows: `datasets` reads no Parquet file without any."""
    found: dict[str, list[str]] = {}
    for path in filter(summary.exported.get, summary.exported):
        name, _, split = path.partition("/")
        found.setdefault(name, []).append(split)
    return found


def _contents(summary: Summary) -> str:
    left_out = f"Left out of formats: {summary.left_out}.\n\n" if summary.left_out else ""
    return f"{report.counts(('format', 'rows'), summary.exported)}\n\n{left_out}"


def _usage(summary: Summary) -> str:
    lines = [
        f'load_dataset("parquet", data_files={{"{split}": "{name}/{split}/*.parquet"}}, split="{split}")'
        for name, splits in _splits(summary).items()
        for split in splits
    ]
    return "```python\nfrom datasets import load_dataset\n\n" + "\n".join(lines) + "\n```"


def _tokens(summary: Summary) -> str:
    if not summary.tokens_by_column:
        return ""
    rows = [(one.format, one.column, one.median, one.p95, one.longest) for one in summary.tokens_by_column]
    header = ["format", "column", "median", "95 % have at most", "longest"]
    return f"## Tokens\n\n{report.table(header, rows)}"


def _pass_rates(summary: Summary) -> str:
    if not summary.pass_at_k:
        return ""
    shown = "![Problems by pass rate](pass_rates.png) ![pass@k](coverage.png)"
    return f"## Pass rates\n\n{shown}\n\n{report.pass_rates(summary)}"


def _agreement(summary: Summary) -> str:
    return f"## Verdicts against labels\n\n{report.agreements(summary)}" if summary.agreements else ""


def _judges(summary: Summary) -> str:
    return f"## Judges\n\n{report.judges(summary)}" if summary.judges else ""


def _decontamination(summary: Summary) -> str:
    if not summary.benchmarks:
        return "## Decontamination\n\nThe recipe named no benchmark: nothing was checked."
    return f"## Decontamination\n\n{report.decontamination(summary)}"


def _pairs(summary: Summary) -> str:
    if not summary.pairs and not summary.no_pairs:
        return ""
    without = report.counts(("problems without a pair", "count"), summary.no_pairs) if summary.no_pairs else ""
    return f"## Pairs\n\n{report.pairs(summary)}\n\n{without}".rstrip()


def _yields(facts: CardFacts) -> str:
    if facts.summary.yields:
        return f"## Yield by domain and model\n\n![Kept traces](yields.png)\n\n{report.yields(facts.summary)}"
    return f"## Traces by model\n\n{report.counts(('model', 'traces'), _models(facts.stages))}"


def _models(stages: tuple[Manifest, ...]) -> dict[str, int]:
    models: Counter[str] = Counter()
    for stage in stages:
        models.update(stage.counts if stage.table == "traces" else {})
    return dict(models)


def _sampling(stages: tuple[Manifest, ...]) -> str:
    """The settings of all samplers that gave traces, each once, however many rounds they were used in."""
    rows = dict.fromkeys(row for stage in stages if stage.stage.name == "generate" for row in _samplers(stage))
    if not rows:
        return ""
    header = ["sampler", "model", "revision", "engine", "temperatures", "top_p", "max_tokens", "n"]
    return f"## How it was sampled\n\n{report.table(header, rows)}"


def _samplers(stage: Manifest) -> Iterator[tuple[str, ...]]:
    settings = stage.stage.config
    for name, one in settings["samplers"].items():
        model, revision, engine, *_ = settings["models"][name]
        sampling = one["sampling"]
        temperatures = ", ".join(map(str, one["temperatures"]))
        plain = (sampling["top_p"], sampling["max_tokens"], one["n"])
        yield (name, model, revision or "", engine, temperatures, *map(str, plain))


def _changes(facts: CardFacts) -> str:
    if facts.previous is None:
        return ""
    rows = report.counts(("change", "rows"), facts.changes) if facts.changes else "No row differs."
    return f"## Against {facts.previous}\n\n{rows}\n\n`diff.parquet` names every row."


def _sources(facts: CardFacts) -> str:
    read = {(stage.stage.name, *source): None for stage in facts.stages for source in stage.stage.sources.items()}
    digests = report.table(["read by", "source", "digest"], [(*source, digest[:16]) for *source, digest in read])
    licenses = report.table(["source", "licence"], facts.licenses.items()) if facts.licenses else ""
    wary = concerns(facts.licenses, facts.license) if facts.summary.mixture else []
    doubts = "\n".join(f"- {one}" for one in wary)
    told = "`lineage.json` holds every stage's settings, inputs, versions and counts."
    return "\n\n".join(section for section in ("## Sources", digests, licenses, doubts, told) if section)
