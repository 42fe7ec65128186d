"""What a person sees of a run on the Prefect page."""

import pyarrow.dataset as ds
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from schemas.refs import ReleaseManifest, Tables
from schemas.summary import Summary
from tasks import report
from tasks.lake import Lake

SAMPLES = 20
_EXCERPT = 400


def show(lake: Lake, summary: Summary, tables: Tables) -> None:
    """The run's numbers and some of its traces with their verdicts."""
    create_markdown_artifact(
        _numbers(summary), key="funnel", description="What each stage left, and why it dropped the rest"
    )
    create_table_artifact(_samples(lake, tables), key="samples", description="Traces with their verdicts")
    if summary.agreement is not None:
        create_markdown_artifact(
            report.agreement(summary.agreement),
            key="agreement",
            description="Verdicts against the labels that came along",
        )
    overlaps = _overlaps(lake, tables)
    if overlaps:
        create_table_artifact(overlaps, key="contamination", description="Problems that overlap a benchmark")


def show_release(lake: Lake, release: ReleaseManifest) -> None:
    """Where the release lies, and its card."""
    place = lake.storage.full(f"releases/{release.name}/{release.version}")
    card = (lake.storage.read(f"releases/{release.name}/{release.version}/README.md") or b"").decode()
    body = card.split("---\n", 2)[-1]
    create_markdown_artifact(f"`{place}`\n\n{body}", key="release", description=f"{release.name} {release.version}")


def _numbers(summary: Summary) -> str:
    parts = [report.funnel(summary), report.verdicts(summary), report.counts(("rule", "pairs"), summary.pairs)]
    if summary.benchmarks:
        parts.append(report.benchmarks(summary))
    return "\n\n".join(parts)


def _samples(lake: Lake, tables: Tables) -> list[dict[str, object]]:
    """The first traces of each verdict, in equal shares."""
    verdicts = lake.read(*tables["verdicts"], columns=["trace_id", "status", "extracted_answer", "reason"]).to_pylist()
    by_status: dict[str, list[dict[str, object]]] = {}
    for verdict in verdicts:
        same = by_status.setdefault(verdict["status"], [])
        if len(same) < SAMPLES // 4:
            same.append(verdict)
    chosen = {str(one["trace_id"]): one for same in by_status.values() for one in same}
    wanted = ds.field("trace_id").isin(list(chosen))
    found = lake.dataset("traces", tables["traces"]).to_table(columns=["trace_id", "text"], filter=wanted)
    texts = dict(zip(found["trace_id"].to_pylist(), found["text"].to_pylist(), strict=True))
    return [one | {"text": str(texts[trace_id])[:_EXCERPT]} for trace_id, one in chosen.items()]


def _overlaps(lake: Lake, tables: Tables) -> list[dict[str, object]]:
    found = lake.read(*tables["contamination"]).slice(0, SAMPLES).to_pylist()
    return [
        {key: one[key] for key in ("benchmark", "item", "problem_id", "mode")}
        | {"coverage": round(one["coverage"], 3), "spans": " … ".join(span["text"] for span in one["spans"])}
        for one in found
    ]
