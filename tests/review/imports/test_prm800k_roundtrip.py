"""What our own exporter writes in PRM800K's form comes back as reviews that say the same."""

import json
from itertools import accumulate

import pyarrow as pa
from sqlalchemy import select

from review.imports.prm800k import import_file
from review.store.database import Database
from review.store.models import Assignment, Item, ItemState, Round, Trace, User
from tasks import plugins
from tasks.export.pieces import PACKAGE
from tasks.export.selection import Exporter, Selection
from tasks.text.steps import steps

TRACES = {"t0": ["One.\n\n", "Two.\n\n", "Three."], "t1": ["Only."], "t2": ["a\nb\n\n", "é\n\n", "c\n\n", "d"]}
FIRST_WRONG = {"t0": 1, "t1": -1, "t2": 3}


def _selection() -> Selection:
    names = list(TRACES)
    nulls = pa.nulls(len(names), pa.string())
    offsets = [[0, *accumulate(map(len, one[:-1]))] for one in TRACES.values()]
    traces = {"trace_id": names, "problem_id": names, "text": list(map("".join, TRACES.values())), "model": nulls}
    problems = {"problem_id": names, "domain": ["math"] * 3, "question": [f"Why {one}?" for one in names]}
    verdicts = {
        "trace_id": names,
        "verifier": ["person"] * 3,
        "verifier_version": ["1"] * 3,
        "first_wrong_step": pa.array(list(FIRST_WRONG.values()), pa.int32()),
        "step_scores": pa.nulls(3, pa.list_(pa.float32())),
    }
    none = pa.table({"problem_id": nulls[:0], "reference": nulls[:0]})
    return Selection(
        judgements=none,
        judgement_pairs=none,
        problems=pa.table(problems | {"reference": ["42"] * 3, "tests": nulls, "constraints": nulls}),
        traces=pa.table(traces | {"source": names, "step_offsets": pa.array(offsets, pa.list_(pa.int32()))}),
        standings=pa.table({"trace_id": names, "status": ["incorrect", "correct", "incorrect"]}),
        pairs=none,
        references=none,
        verdicts=pa.table(verdicts),
    )


def test_exported_rows_come_back(database: Database) -> None:
    plugin = plugins.load(PACKAGE, "prm800k")
    exporter: Exporter = plugin.build(plugin.Config())
    lines = [json.dumps(row).encode() for row in exporter.rows(_selection()).to_pylist()]
    with database.writing() as session:
        assert import_file(session, "tests", "ours", lines) == (3, 3, [])
    query = (
        select(Item, Trace, Round, User.name)
        .join(Trace, Trace.item_id == Item.id)
        .join(Assignment, Assignment.item_id == Item.id)
        .join(Round, Round.assignment_id == Assignment.id)
        .join(User, User.id == Assignment.user_id)
    )
    with database.reading() as session:
        for item, trace, round_, name in session.execute(query):
            cut = [one.rstrip() for one in steps(trace.text, trace.step_offsets)]
            assert cut == [one.rstrip() for one in TRACES[trace.trace_id]]
            assert (item.problem_id, item.question) == (trace.trace_id, f"Why {trace.trace_id}?")
            assert (item.reference, name) == ("42", "prm800k-person")
            assert round_.first_wrong == item.verdict == FIRST_WRONG[trace.trace_id]
            assert item.state == ItemState.AGREED
            assert len(round_.ratings) == len(cut)
