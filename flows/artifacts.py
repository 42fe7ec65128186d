"""What a person sees of a run on the Prefect page.

Text that a model wrote stands in fences only: the page would render it as Markdown, images and all.
"""

import base64
import re
from textwrap import TextWrapper
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from prefect.artifacts import create_image_artifact, create_markdown_artifact

from schemas.refs import ReleaseManifest, Tables
from schemas.summary import Summary
from schemas.tables import Status
from tasks import report
from tasks.decontaminate.semantic import MODE
from tasks.export.published import folder
from tasks.lake import Lake
from tasks.pictures import pictures

SAMPLES = 3
"""Traces shown of each verdict."""
OVERLAPS = 30
_EXCERPT = 1_500
_WRAP = TextWrapper(
    width=80,
    expand_tabs=False,
    replace_whitespace=False,
    drop_whitespace=False,
    break_long_words=False,
    break_on_hyphens=False,
)
_PICTURES = {
    "funnel.png": "What each stage left, and what it dropped",
    "pass_rates.png": "Problems by pass rate",
    "coverage.png": "pass@k",
}


def show(lake: Lake, summary: Summary, tables: Tables) -> None:
    """The run's numbers, some of its traces with their verdicts, disagreements and overlaps."""
    _page("funnel", "What each stage left, and why it dropped the rest", _numbers(summary))
    for name, drawn in pictures(summary).items():
        address = f"data:image/png;base64,{base64.b64encode(drawn).decode()}"
        create_image_artifact(
            address, key=name.removesuffix(".png").replace("_", "-") + "-picture", description=_PICTURES[name]
        )
    _page("samples", "Traces with their verdicts", _samples(lake, tables))
    if summary.agreements:
        _page("agreement", "Verdicts against the labels that came along", report.agreements(summary))
    if summary.judges:
        _page("judges", "Judges, and what they lean to", report.judges(summary))
    if summary.benchmarks:
        _page("contamination", "Problems that overlap a benchmark", _overlaps(lake, tables))


def show_release(lake: Lake, release: ReleaseManifest) -> None:
    """Where the release lies, and its card."""
    place = folder(release.name, release.version)
    card = (lake.storage.read(f"{place}/README.md") or b"").decode()
    _page(
        "release", f"{release.name} {release.version}", f"`{lake.storage.shown(place)}`\n\n{card.split('---', 2)[-1]}"
    )


def fenced(text: str) -> str:
    """The text in a fence that nothing in it ends; long lines are broken, for the page would not show them whole."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(map(_WRAP.fill, text.split("\n")))
    return f"{fence}text\n{lines}\n{fence}"


def _page(key: str, description: str, markdown: str) -> None:
    create_markdown_artifact(markdown, key=key, description=description)


def _numbers(summary: Summary) -> str:
    sections = {
        "Funnel": report.funnel(summary),
        "Verdicts": report.verdicts(summary),
        "Pass rates": report.pass_rates(summary),
        "Pairs": report.pairs(summary),
        "Problems without a pair": report.counts(("reason", "problems"), summary.no_pairs),
        "Benchmarks": report.decontamination(summary)
        if summary.benchmarks
        else "The recipe names none: nothing was checked.",
    }
    return "\n\n".join(f"### {title}\n\n{body}" for title, body in sections.items())


def _samples(lake: Lake, tables: Tables) -> str:
    """From the first part, whose verdicts, traces and problems belong together: the page need not wait for all."""
    verdicts, traces, problems = (lake.read_part(tables[name][0], 0) for name in ("verdicts", "traces", "problems"))
    chosen = [row for status in Status for row in _spread(verdicts.filter(ds.field("status") == str(status)))]
    trace_of = _rows(traces, "trace_id", [row["trace_id"] for row in chosen])
    problem_of = _rows(problems, "problem_id", [trace["problem_id"] for trace in trace_of.values()])
    return "\n\n---\n\n".join(
        _sample(row, trace_of[row["trace_id"]], problem_of[trace_of[row["trace_id"]]["problem_id"]]) for row in chosen
    )


def _spread(rows: pa.Table) -> list[dict[str, str]]:
    """Some rows from all over a table."""
    step = max(1, rows.num_rows // SAMPLES)
    return rows.take(list(range(0, rows.num_rows, step))[:SAMPLES]).to_pylist() if rows.num_rows else []


def _rows(table: pa.Table, key: str, ids: list[str]) -> dict[str, dict[str, str]]:
    return {row[key]: row for row in table.filter(ds.field(key).isin(pa.array(ids, pa.string()))).to_pylist()}


def _sample(verdict: dict[str, str], trace: dict[str, str], problem: dict[str, str]) -> str:
    facts = {
        "answer": verdict["extracted_answer"],
        "reference": problem["reference"],
        "reason": verdict["reason"],
        "model": trace["model"],
        "trace": trace["trace_id"],
    }
    lines = "\n".join(f"{name}: {value}" for name, value in facts.items() if value)
    text = trace["text"][:_EXCERPT] + (" …" if len(trace["text"]) > _EXCERPT else "")
    return f"### {verdict['status']}\n\n{fenced(lines)}\n\n{fenced(problem['question'][:_EXCERPT])}\n\n{fenced(text)}"


def _overlaps(lake: Lake, tables: Tables) -> str:
    found = lake.rows(tables, "contamination").sort_by([("coverage", "descending"), ("problem_id", "ascending")])
    shown = found.slice(0, OVERLAPS)
    in_meaning = shown.filter(ds.field("mode") == MODE)
    texts = _texts(lake, tables, in_meaning, ("problems", ["problem_id", "question"]))
    texts |= _texts(lake, tables, in_meaning, ("benchmarks", ["item", "benchmark", "text"]))
    blocks = [_alike(row, texts) if row["mode"] == MODE else _overlap(row) for row in shown.to_pylist()]
    more = found.num_rows - len(blocks)
    return "\n\n".join(blocks + [f"… and {more:,} more in the table `contamination`."] * (more > 0))


def _texts(lake: Lake, tables: Tables, rows: pa.Table, where: tuple[str, list[str]]) -> dict[tuple[str, ...], str]:
    """A table's last column by those before it, for the rows that have the first one's values."""
    table, columns = where
    wanted = ds.field(columns[0]).isin(rows[columns[0]].unique())
    found = lake.dataset(table, tables.get(table, ())).to_table(columns=columns, filter=wanted)
    return {tuple(key): text for *key, text in zip(*(found[name].to_pylist() for name in columns), strict=True)}


def _where(row: dict[str, Any]) -> str:
    return f"trace `{row['trace_id']}`" if row["trace_id"] else f"problem `{row['problem_id']}`"


def _alike(row: dict[str, Any], texts: dict[tuple[str, ...], str]) -> str:
    said = f"; {row['reason']}" if row["reason"] else ""
    head = f"**{row['benchmark']}**, item `{row['item']}`: cosine {row['coverage']:.2f} with {_where(row)}{said}"
    both = (texts[row["item"], row["benchmark"]], texts[row["problem_id"],])
    return "\n\n".join([head, *(fenced(text[:_EXCERPT]) for text in both)])


def _overlap(row: dict[str, Any]) -> str:
    head = f"**{row['benchmark']}**, item `{row['item']}`: {row['coverage']:.0%} of it in {_where(row)}"
    return f"{head}\n\n" + fenced("\n…\n".join(span["text"] for span in row["spans"]))
