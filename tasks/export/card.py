"""The data set card: what is in a release, where it came from, and what was left out and why."""

from collections import Counter
from typing import Any, NamedTuple

import yaml

from schemas.refs import Manifest
from schemas.summary import Summary
from tasks import report


class CardFacts(NamedTuple):
    """What a card says."""

    name: str
    version: str
    description: str
    license: str
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
        f"## What is in it\n\n{report.counts(('format', 'rows'), summary.exported)}\n\n{_usage(summary)}",
        f"## What was dropped, and why\n\n![The funnel](funnel.png)\n\n{report.funnel(summary)}",
        f"## Verdicts\n\n{report.verdicts(summary)}",
        _pass_rates(summary),
        _agreement(summary),
        _judges(summary),
        _decontamination(summary),
        _pairs(summary),
        f"## Traces by model\n\n{report.counts(('model', 'traces'), _models(facts.stages))}",
        _changes(facts),
        _sources(facts),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(facts: CardFacts) -> str:
    configs = [
        {"config_name": name, "data_files": [{"split": "train", "path": f"{name}/*.parquet"}]}
        for name in facts.summary.exported
    ]
    head: dict[str, Any] = {
        "license": facts.license,
        "tags": ["reasoning", "chain-of-thought", "tracemill"],
        "configs": configs,
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False)}---"


def _usage(summary: Summary) -> str:
    lines = [f'load_dataset("parquet", data_files="{name}/*.parquet", split="train")' for name in summary.exported]
    return "```python\nfrom datasets import load_dataset\n\n" + "\n".join(lines) + "\n```"


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


def _models(stages: tuple[Manifest, ...]) -> dict[str, int]:
    models: Counter[str] = Counter()
    for stage in stages:
        models.update(stage.counts if stage.table == "traces" else {})
    return dict(models)


def _changes(facts: CardFacts) -> str:
    if facts.previous is None:
        return ""
    rows = report.counts(("change", "rows"), facts.changes) if facts.changes else "No row differs."
    return f"## Against {facts.previous}\n\n{rows}\n\n`diff.parquet` names every row."


def _sources(facts: CardFacts) -> str:
    read = {(stage.stage.name, *source): None for stage in facts.stages for source in stage.stage.sources.items()}
    rows = [(stage, name, digest[:16]) for stage, name, digest in read]
    table = report.table(["read by", "source", "digest"], rows)
    return f"## Sources\n\n{table}\n\n`lineage.json` holds every stage's settings, inputs, versions and counts."
