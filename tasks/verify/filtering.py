"""Traces that are dropped for their form, whatever their answer is worth; each with its reason.

Two filters are DeepSeek-R1's rewards (arXiv 2501.12948) turned into rules: format (section 2.2.2) and language
consistency (section 2.3.2).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol, cast

import pyarrow as pa

from schemas.conform import rows
from schemas.tables import DROPPED
from tasks import plugins
from tasks.verify.contract import ProblemView, views_of

PACKAGE: Final = "tasks.verify.filters"
STAGE: Final = "verify"
_SHOWN: Final = 200


class TraceView(NamedTuple):
    """What a filter may see of a trace: its text, and the tokens that it took to sample where that was recorded."""

    text: str
    tokens: int | None = None


class Fault(NamedTuple):
    """Why a trace is dropped: a reason of few words, the same for all such traces, and what was found in this one."""

    reason: str
    detail: str = ""


class Filter(Protocol):
    """What a plug-in's `build(config)` returns. `fault` runs inline on every trace: quick, and raising for no text."""

    @property
    def version(self) -> str:
        """Changes whenever a fault may be found that was not, or the other way round."""

    def fault(self, problem: ProblemView, trace: TraceView) -> Fault | None:
        """What is wrong with a trace; None if nothing is."""


def build(settings: Mapping[str, Any]) -> dict[str, Filter]:
    """Make the filters of a recipe's `{name: settings}`, in name order.

    Raises:
        RecipeError: a filter is unknown, or a setting of one.
    """
    configs = plugins.configure(PACKAGE, settings)
    return {name: cast("Filter", plugins.load(PACKAGE, name).build(own)) for name, own in configs.items()}


def filtered(problems: pa.Table, traces: pa.Table, filters: Mapping[str, Filter]) -> pa.Table:
    """Rows of `dropped` (DROPPED) for the traces that a filter finds fault with, in trace order.

    `problems` needs every column of ProblemView and problem_id; `traces` trace_id, problem_id, text, and may have
    completion_tokens. The reason is that of the first filter that finds one, as `format: no final answer`; the evidence
    has all faults with their details, and how the text begins and ends. A trace whose problem is not there is let pass:
    it gets a verdict that says so.
    """
    lost = list(_faults(views_of(problems), traces, filters))
    versions = {name: one.version for name, one in filters.items()}
    return rows([_dropped(trace_id, text, faults, versions) for trace_id, text, faults in lost], DROPPED, at=STAGE)


def _faults(
    views: Mapping[str, ProblemView], traces: pa.Table, filters: Mapping[str, Filter]
) -> Iterator[tuple[str, str, dict[str, Fault]]]:
    columns: list[Iterable[Any]] = [traces[name].to_pylist() for name in ("trace_id", "problem_id", "text")]
    recorded = "completion_tokens" in traces.column_names
    tokens = traces["completion_tokens"].to_pylist() if recorded else [None] * traces.num_rows
    for trace_id, problem_id, text, count in zip(*columns, tokens, strict=True):
        view = views.get(problem_id)
        if view is None:
            continue
        trace = TraceView(text, count)
        faults = {name: found for name, one in filters.items() if (found := one.fault(view, trace))}
        if faults:
            yield trace_id, text, faults


def _dropped(trace_id: str, text: str, faults: dict[str, Fault], versions: Mapping[str, str]) -> dict[str, object]:
    first, fault = next(iter(faults.items()))
    evidence = {
        "faults": {name: ": ".join(filter(None, found)) for name, found in faults.items()},
        "filters": {name: versions[name] for name in faults},
        "begins": text[:_SHOWN],
        "ends": text[_SHOWN:][-_SHOWN:],
    }
    return {
        "table": "traces",
        "row_id": trace_id,
        "stage": STAGE,
        "reason": f"{first}: {fault.reason}",
        "evidence": json.dumps(evidence, ensure_ascii=False),
        "duplicate_of": None,
    }
