"""A run in five lines."""

from flows.page.overview import Gain, dropped_most, overview
from schemas.summary import FunnelStep, Summary


def summary(traces: int, accepted: int, **reasons: int) -> Summary:
    step = FunnelStep(stage="dedupe", table="traces", before=traces, after=traces, reasons=reasons)
    counts = {"correct": accepted, "incorrect": traces - accepted}
    return Summary(recipe="r", funnel=(step,), verdicts=counts, kept_verdicts=counts)


def test_the_first_run_is_told_by_itself() -> None:
    told = overview(summary(100, 40, copy=7), None, "[r v1](…)", "nothing").splitlines()
    assert told[0] == "## r"
    assert told[2:] == [
        "- **new traces**: 100",
        "- **accepted**: 40",
        "- **yield**: 40% of all traces",
        "- **dropped most by**: dedupe: copy (7 traces)",
        "- **release**: [r v1](…)",
        "- **cost**: nothing",
    ]


def test_a_later_run_is_told_by_what_it_added() -> None:
    told = overview(summary(150, 50, copy=9, leak=3), summary(100, 40, copy=8), "v2", "1 USD")
    assert "- **new traces**: 50 of 150\n- **accepted**: 50 (+10)\n" in told
    assert "- **yield**: 20% of the new ones, 33% of all traces; 40% before\n" in told
    assert "- **dropped most by**: dedupe: leak (3 traces); dedupe: copy (1 traces)\n" in told


def test_nothing_new_and_nothing_at_all() -> None:
    same = summary(100, 40, copy=7)
    assert Gain.of(same, same) == (0, 0)
    assert dropped_most(same, same) == "nothing"
    assert "new ones" not in overview(same, same, "v1", "")
    assert "**yield**: none of all traces" in overview(summary(0, 0), None, "none", "")
