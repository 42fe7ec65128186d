import numpy as np
import pyarrow as pa
import pytest

from tasks.decontaminate import lookup
from tasks.decontaminate.lookup import Pairs, build_indexes, find_pairs
from tasks.text.ragged import Ragged
from tasks.text.strings import batches
from tasks.text.words import Splitting, hash_words


def words_of(*texts: str) -> Ragged:
    return Ragged.join(hash_words(batch, Splitting()) for batch in batches(pa.array(texts, pa.string())))


def found(problems: Ragged, items: Ragged, ngram: int = 4) -> list[tuple[int, int, int]]:
    pairs = Pairs.join(find_pairs(problems, build_indexes(items, ngram, whole_min=2)))
    return sorted(zip(*(column.tolist() for column in pairs), strict=True))


def test_words_in_several_shared_runs_count_once() -> None:
    problems = words_of("x b c d e f x c d e f g b c d e", "a b c d")
    items = words_of("a b c d e f g h", "g h a b", "a b c d")
    assert found(problems, items) == [(0, 0, 6), (1, 0, 4), (1, 2, 4)]


def test_short_texts_are_looked_for_whole_in_both_directions() -> None:
    items = words_of("a b", "z", "p q a b r s", "a b c d e", "q a b")
    assert found(words_of("x a b y", "a b", "z", "z y"), items) == [
        (0, 0, 2),
        (1, 0, 2),
        (1, 2, 2),
        (1, 3, 2),
        (1, 4, 2),
        (2, 1, 1),
    ]


def test_indexes_for_short_problems_are_made_when_one_comes() -> None:
    indexes = build_indexes(words_of("a b c d e f", "g h i j k"), 4, 2)
    list(find_pairs(words_of("a b c d x", "y " * 9), indexes))
    assert [index.run for index in indexes if "table" in index.__dict__] == [4]
    list(find_pairs(words_of("b c"), indexes))
    assert [index.run for index in indexes if "table" in index.__dict__] == [4, 2]


def test_what_all_texts_share_takes_no_more_room_than_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "_LEAST_ROOM", 7)
    items = words_of(*(f"answer with one letter i{number}" for number in range(40)))
    problems = words_of(*(f"answer with one letter p{number} answer with one letter" for number in range(30)))
    parts = list(find_pairs(problems, build_indexes(items, 4, 2)))
    assert max(len(part.rows) for part in parts) == 40
    assert len(parts) == 30
    pairs = Pairs.join(parts)
    assert len(pairs.rows) == 40 * 30
    assert set(pairs.matched.tolist()) == {4}
    assert np.array_equal(np.unique(pairs.rows), np.arange(30))
