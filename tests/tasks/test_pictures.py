"""Pictures of a run: there where there is something to show, and readable as PNG."""

import io

import matplotlib.image
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.summary import FunnelStep, Rate, Summary, Yield
from tasks.pictures import pictures

STEPS = (
    FunnelStep(stage="problems", table="problems", before=20, after=15, reasons={"asks nothing": 4, "too short": 1}),
    FunnelStep(stage="generate", table="traces", before=0, after=0, reasons={}),
)
EMPTY = Summary(recipe="r", funnel=STEPS, verdicts={}, kept_verdicts={})


def test_a_run_without_judged_traces_has_a_funnel_only() -> None:
    assert set(pictures(EMPTY)) == {"funnel.png"}


def test_equal_numbers_give_equal_pictures() -> None:
    judged = EMPTY.model_copy(update={"pass_at_k": {1: 0.5, 2: 0.75}, "pass_rates": (1, 0, 0, 0, 0, 0, 0, 0, 0, 4)})
    assert pictures(judged) == pictures(judged)
    assert set(pictures(judged)) == {"funnel.png", "pass_rates.png", "coverage.png"}


@settings(max_examples=10, deadline=None)
@given(st.text(max_size=40), st.integers(0, 10**9))
def test_any_reason_and_number_can_be_drawn(reason: str, rows: int) -> None:
    step = FunnelStep(stage="s", table="t", before=rows, after=0, reasons={reason: rows})
    drawn = pictures(EMPTY.model_copy(update={"funnel": (step,)}))["funnel.png"]
    height, width = matplotlib.image.imread(io.BytesIO(drawn)).shape[:2]
    assert width > 500
    assert height > 50


@settings(max_examples=5, deadline=None)
@given(st.text(max_size=300), st.integers(0, 10**9))
def test_yields_of_any_name_can_be_drawn(name: str, traces: int) -> None:
    empty = Rate(count=0, of=0, low=None, high=None)
    one = Yield(by="model", name=name, problems=1, traces=traces, correct=empty, kept=traces // 2)
    drawn = pictures(EMPTY.model_copy(update={"yields": (one,)}))
    assert ("yields.png" in drawn) == (traces > 0)
