"""Where an item stands."""

import pytest

from review.store.models import ItemState, State
from review.work.standing import Review, Standing, standing

DONE, BAD, GAVE_UP = State.SUBMITTED, State.BAD_PROBLEM, State.GAVE_UP


@pytest.mark.parametrize(
    ("reviews", "overlap", "expected"),
    [
        ([], 1, Standing(ItemState.OPEN, None)),
        ([Review(DONE, 2)], 2, Standing(ItemState.OPEN, None)),
        ([Review(DONE, 2)], 1, Standing(ItemState.AGREED, 2)),
        ([Review(DONE, -1), Review(GAVE_UP, -1)], 2, Standing(ItemState.AGREED, -1)),
        ([Review(DONE, 2), Review(GAVE_UP, None)], 2, Standing(ItemState.AGREED, 2)),
        ([Review(DONE, 2), Review(DONE, 1)], 2, Standing(ItemState.ADJUDICATION, None)),
        ([Review(GAVE_UP, None)], 1, Standing(ItemState.ADJUDICATION, None)),
        ([Review(BAD, None)], 1, Standing(ItemState.FINAL, None)),
        ([Review(BAD, 1), Review(BAD, None), Review(DONE, 1)], 3, Standing(ItemState.FINAL, None)),
        ([Review(BAD, None), Review(DONE, 1)], 2, Standing(ItemState.ADJUDICATION, None)),
    ],
)
def test_an_item_stands_where_its_reviews_say(reviews: list[Review], overlap: int, expected: Standing) -> None:
    assert standing(reviews, overlap) == expected
