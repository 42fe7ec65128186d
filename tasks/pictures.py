"""A run in pictures, for the card and the page alike: PNG files drawn from its summary."""

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from schemas.summary import FunnelStep, Summary, Yield
from tasks.report import shown_yields

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KEPT: Final = "#2f6f8f"
LOST: Final = "#e0a458"
_DPI: Final = 110
_ROW: Final = 0.34
_REASON: Final = 48
_YIELDS: Final = 30


def pictures(summary: Summary) -> dict[str, bytes]:
    """PNG files by name: `funnel.png`, and what there is of `pass_rates.png`, `coverage.png` and `yields.png`."""
    drawn = {"funnel.png": _funnel(summary.funnel)}
    if summary.pass_at_k:
        drawn["pass_rates.png"] = _pass_rates(summary.pass_rates)
        drawn["coverage.png"] = _coverage(summary.pass_at_k)
    if any(one.traces for one in summary.yields):
        drawn["yields.png"] = _yields(shown_yields(summary))
    return drawn


def _funnel(steps: tuple[FunnelStep, ...]) -> bytes:
    """A row of bars for each stage: what it left, and in another colour what it dropped."""
    shown = list(_rows(steps))
    figure, axes = _figure(9.0, 0.9 + _ROW * len(shown))
    widest = {step.table: max(step.before, 1) for step in reversed(steps)}
    for place, (label, step) in enumerate(shown):
        if step is None:
            axes.text(0, place, label, weight="bold", va="center")
            continue
        left, lost = step.after / widest[step.table], (step.before - step.after) / widest[step.table]
        axes.barh(place, left, height=0.72, color=KEPT)
        axes.barh(place, lost, left=left, height=0.72, color=LOST)
        why = _plain(max(step.reasons, key=lambda reason: step.reasons[reason])) if step.reasons else ""
        more = f", and {len(step.reasons) - 1} more" if len(step.reasons) > 1 else ""
        told = f"  {step.after:,}" + (f"   −{step.before - step.after:,}: {why}{more}" if lost else "")
        axes.text(left + lost, place, told, va="center", fontsize=9, parse_math=False)
    axes.set_yticks([place for place, (_, step) in enumerate(shown) if step], [label for label, step in shown if step])
    axes.set_xlim(0, 1.75)
    axes.set_xticks([])
    axes.set_ylim(len(shown) - 0.4, -0.9)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title("What each stage left, and what it dropped", loc="left")
    return _png(figure)


def _plain(reason: str) -> str:
    """A reason's beginning, in characters that can be drawn."""
    return "".join(one if one.isprintable() else " " for one in reason[:_REASON])


def _rows(steps: tuple[FunnelStep, ...]) -> Iterator[tuple[str, FunnelStep | None]]:
    """The stages in order, each table's under its name."""
    table = None
    for step in steps:
        if step.table != table:
            table = step.table
            yield table, None
        yield step.stage, step


def _pass_rates(counts: tuple[int, ...]) -> bytes:
    figure, axes = _figure(6.0, 3.2)
    width = 100 / len(counts)
    bars = axes.bar([(at + 0.5) * width for at in range(len(counts))], counts, width=0.9 * width, color=KEPT)
    axes.bar_label(bars, labels=[f"{count:,}" if count else "" for count in counts], fontsize=9)
    axes.set(xlabel="pass rate, %", ylabel="problems", xticks=range(0, 101, 20))
    axes.set_title("Problems by the share of their traces that is correct", loc="left", fontsize=11)
    return _png(figure)


def _coverage(pass_at_k: dict[int, float]) -> bytes:
    figure, axes = _figure(6.0, 3.2)
    axes.plot(list(pass_at_k), [100 * value for value in pass_at_k.values()], marker="o", color=KEPT)
    for k, value in pass_at_k.items():
        axes.annotate(f"{value:.0%}", (k, 100 * value), textcoords="offset points", xytext=(0, 7), ha="center")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(pass_at_k), [str(k) for k in pass_at_k])
    axes.set(xlabel="samples, k", ylabel="problems solved, %", ylim=(0, 108))
    axes.set_title("Coverage: pass@k", loc="left", fontsize=11)
    return _png(figure)


def _yields(found: Sequence[Yield]) -> bytes:
    """A bar for each domain, model and sampler: the share of its traces that was kept."""
    rows = [one for one in found if one.traces][:_YIELDS]
    figure, axes = _figure(9.0, 1.1 + _ROW * len(rows))
    for place, one in enumerate(rows):
        share = 100 * one.kept / one.traces
        axes.barh(place, share, height=0.72, color=KEPT)
        axes.barh(place, 100 - share, left=share, height=0.72, color=LOST)
        told = f"  {share:.0f} %, {one.kept:,} of {one.traces:,}"
        axes.text(100, place, told, va="center", fontsize=9)
    labels = [f"{one.by} {_plain(one.name)}".replace("$", r"\$") for one in rows]
    axes.set_yticks(range(len(rows)), labels)
    axes.set(xlabel="traces that were kept (blue), %", xlim=(0, 130), ylim=(len(rows) - 0.4, -0.6))
    axes.set_xticks(range(0, 101, 20))
    axes.spines[["left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("What was kept, by domain and model", loc="left")
    return _png(figure)


def _figure(width: float, height: float) -> "tuple[Figure, Axes]":
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: "Figure") -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
