import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.text.kernels import sort_hashes
from tasks.text.ragged import Ragged
from tasks.text.shingles import digests, distinct, shingles
from tasks.text.strings import batches
from tasks.text.words import Splitting, hash_words

WORD_LISTS = st.lists(st.lists(st.sampled_from(["ab", "ba", "a", "b", "7"]), max_size=9), min_size=1, max_size=6)


def hashed(texts: list[list[str]]) -> Ragged:
    column = pa.array([" ".join(words) for words in texts], pa.string())
    return Ragged.join(hash_words(batch, Splitting()) for batch in batches(column))


def rows(ragged: Ragged) -> list[list[int]]:
    return [ragged.values[a:b].tolist() for a, b in zip(ragged.offsets, ragged.offsets[1:], strict=False)]


@settings(max_examples=150, deadline=None)
@given(WORD_LISTS, st.integers(1, 10))
def test_shingles_are_equal_where_the_words_are(texts: list[list[str]], size: int) -> None:
    runs = [
        [tuple(words[at : at + size]) for at in range(max(1, len(words) - size + 1))] if words else []
        for words in texts
    ]
    found = rows(shingles(hashed(texts), size))
    assert [len(row) for row in found] == [len(row) for row in runs]
    pairs = {
        (run, value)
        for words, values in zip(runs, found, strict=True)
        for run, value in zip(words, values, strict=True)
    }
    assert len(pairs) == len({run for run, _ in pairs}) == len({value for _, value in pairs})


@settings(max_examples=100, deadline=None)
@given(WORD_LISTS)
def test_digests_are_equal_where_the_texts_are(texts: list[list[str]]) -> None:
    found = [tuple(row) for row in digests(hashed(texts)).tolist()]
    assert len(set(zip(map(tuple, texts), found, strict=True))) == len(set(map(tuple, texts))) == len(set(found))


def test_groups_share_nothing() -> None:
    words = hashed([["a", "b", "7"]] * 3)
    first, second, third = rows(shingles(words, 2, np.array([1, 2, 1], np.uint64)))
    assert first == third
    assert not set(first) & set(second)
    one, other, again = digests(words, np.array([1, 2, 1], np.uint64)).tolist()
    assert one == again != other


def test_distinct_sorts_each_row() -> None:
    ragged = Ragged(np.array([3, 1, 3, 9, 9], np.uint64), np.array([0, 3, 3, 5]))
    out = np.zeros(6, np.uint64)
    assert distinct(ragged, out, np.array([1, 3, 4])).tolist() == [3, 3, 5]
    assert out.tolist() == [0, 1, 3, 0, 9, 0]


def test_rows_are_taken_and_joined() -> None:
    ragged = Ragged(np.array([1, 2, 3, 4], np.uint64), np.array([0, 1, 1, 4]))
    assert rows(ragged.take(np.array([2, 0]))) == [[2, 3, 4], [1]]
    assert rows(Ragged.join([ragged, ragged])) == rows(ragged) * 2
    assert rows(Ragged.join([])) == []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**64 - 1])), max_size=300), st.integers(1, 5)
)
def test_hashes_are_sorted(values: list[int], times: int) -> None:
    given_ = np.array(values * times, np.uint64)
    out = np.empty_like(given_)
    sort_hashes(given_, out)
    assert out.tolist() == sorted(values * times)
