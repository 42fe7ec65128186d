"""What is read and decided is the same on SQLite and on PostgreSQL."""

import json
from datetime import UTC, datetime

from sqlalchemy import select

from review import users
from review.adjudicating import Decision, case, decide, queue
from review.dashboard import board
from review.history import Asking, Filters, listed, told
from review.imports.prm800k import import_file
from review.store.database import Database
from review.store.models import Item, ItemState, Role


def _line(labeler: str, wrong: int | None) -> bytes:
    written = ["One.", "Two é.", "Three.\n\n# Answer\n\n3"]
    labeled = [
        {"completions": [{"text": text, "rating": -1 if at == wrong else 1}], "chosen_completion": 0}
        for at, text in enumerate(written[: None if wrong is None else wrong + 1])
    ]
    finish = "solution" if wrong is None else "found_error"
    question = {"problem": "How many?", "ground_truth_answer": "3", "pre_generated_steps": written}
    label = {"steps": labeled, "total_time": 9000, "finish_reason": finish}
    stamp = "2023-01-22T04:34:27.052924"
    return json.dumps({"labeler": labeler, "timestamp": stamp, "question": question, "label": label}).encode()


def test_imported_labels_are_compared_shown_and_decided(either: Database) -> None:
    lines = [_line("ada", 1), _line("ben", None), _line("cyd", 1)]
    with either.writing() as session:
        judge = users.add(session, "tests", "judge", None, Role.ADJUDICATOR).id
        assert import_file(session, "tests", "prm", lines) == (1, 3, [])
        assert import_file(session, "tests", "prm", lines) == (0, 0, [])
    with either.writing() as session:
        (waits,) = queue(session, judge)
        found = case(session, waits.item_id, judge)
        letter = next(one.letter for one in found.candidates if one.first_wrong == 1)
        assert decide(session, judge, waits.item_id, Decision(found.version, letter, None, "")) == found.version + 1
    asking = Asking(judge, Role.ADJUDICATOR)
    with either.reading() as session:
        item = session.scalars(select(Item)).one()
        shown = board(session, judge, Role.ADJUDICATOR, item.batch_id, datetime.now(UTC))
        lines_shown, tree = listed(session, asking, Filters()), told(session, asking, item.id)
    assert (item.state, item.verdict) == (ItemState.FINAL, 1)
    assert (shown.agreement.exact.value, shown.agreement.has_error.items) == (1, 1)
    assert ([one.finished for one in shown.paces], len(shown.people)) == ([3], 3)
    assert (len(lines_shown.lines), len(tree.tree.said), tree.audit[0].action) == (3, 3, "adjudicated")
    assert lines_shown.lines[0].finished_at == datetime(2023, 1, 22, 4, 34, 27, 52924, tzinfo=UTC)
