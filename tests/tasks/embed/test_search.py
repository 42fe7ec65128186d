import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.embed import search
from tasks.embed.search import k_centres, keep_apart, nearest


def unit_vectors(rows: int, seed: int, dimensions: int = 6) -> NDArray[np.float32]:
    """Around a few directions, so that many are close."""
    draw = np.random.default_rng(seed)
    found = draw.normal(size=(5, dimensions))[draw.integers(5, size=rows)] + draw.normal(size=(rows, dimensions)) / 4
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def one_by_one(vectors: NDArray[np.float32], labels: NDArray[np.int64], ranks: NDArray[np.int64]) -> list[int]:
    wide = vectors.astype(np.float32)
    kept, keepers = list[int](), list(range(len(vectors)))
    for row in np.argsort(ranks).tolist():
        fits = [other for other in kept if labels[row] == labels[other] or -1 in (labels[row], labels[other])]
        close = [(float(wide[row] @ wide[other]), -kept.index(other), other) for other in fits]
        if close and round(max(close)[0], 4) >= 0.9:
            keepers[row] = max(close)[2]
        else:
            kept.append(row)
    return keepers


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 90), st.integers(1, 40), st.integers(1, 40))
def test_blocks_give_what_one_by_one_gives(seed: int, rows: int, block: int, chunk: int) -> None:
    draw = np.random.default_rng(seed)
    vectors, labels = unit_vectors(rows, seed), draw.integers(-1, 3, rows)
    ranks = draw.permutation(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_BLOCK", block)
        patch.setattr(search, "_CHUNK", chunk)
        found = keep_apart(vectors, labels, ranks, 0.9)
    assert found.keepers.tolist() == one_by_one(vectors, labels, ranks)
    gone = np.flatnonzero(found.keepers != np.arange(rows))
    cosines = (vectors[gone].astype(np.float64) * vectors[found.keepers[gone]].astype(np.float64)).sum(axis=1)
    assert found.cosines[gone] == pytest.approx(cosines, abs=1e-5)
    assert (found.cosines[np.flatnonzero(found.keepers == np.arange(rows))] == 1).all()


def test_the_order_of_rows_does_not_matter() -> None:
    vectors, labels, ranks = unit_vectors(60, 1), np.full(60, -1), np.arange(60)
    shuffled = np.random.default_rng(2).permutation(60)
    plain = keep_apart(vectors, labels, ranks, 0.9).keepers
    mixed = keep_apart(vectors[shuffled], labels, ranks[shuffled], 0.9).keepers
    assert shuffled[mixed].tolist() == plain[shuffled].tolist()
    assert 5 <= len(set(plain.tolist())) < 60


def test_centres_are_the_farthest_from_each_other() -> None:
    vectors = unit_vectors(200, 3)
    chosen = k_centres(vectors, 12, seed=7)
    wide = vectors.astype(np.float32)
    for count in range(1, 12):
        nearest = (wide @ wide[chosen[:count]].T).max(axis=1)
        assert nearest[chosen[count]] == pytest.approx(nearest.min(), abs=1e-6)
    assert chosen.tolist() == k_centres(vectors, 12, seed=7).tolist()
    assert chosen[0] != k_centres(vectors, 12, seed=8)[0]


def test_given_centres_come_first() -> None:
    vectors = unit_vectors(200, seed=3)
    chosen = k_centres(vectors, 9, seed=7, given=4)
    assert chosen[:4].tolist() == [0, 1, 2, 3]
    for count in range(4, 8):
        nearest = (vectors @ vectors[chosen[:count]].T).max(axis=1)
        assert nearest[chosen[count]] == pytest.approx(nearest.min(), abs=1e-6)


def test_no_more_centres_than_rows() -> None:
    assert sorted(k_centres(unit_vectors(5, 0), 9, seed=0).tolist()) == [0, 1, 2, 3, 4]
    assert k_centres(np.empty((0, 4), np.float32), 3, seed=0).tolist() == []


def plain_nearest(
    vectors: NDArray[np.float32], items: NDArray[np.float32], count: int, threshold: float
) -> list[tuple[int, int, float]]:
    cosines = np.round(vectors.astype(np.float64) @ items.T.astype(np.float64), 4)
    order = [sorted(range(len(items)), key=lambda item: (-row[item], item))[:count] for row in cosines]
    return [
        (at, item, cosines[at, item]) for at, row in enumerate(order) for item in row if cosines[at, item] >= threshold
    ]


def halves(rows: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """Vectors of four halves and two zeros: their cosines are exact, and many are equal."""
    halves = np.array([0.5, 0.5, 0.5, 0.5, 0, 0]) * draw.choice([-1, 1], (rows, 6))
    return draw.permuted(halves, axis=1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(0, 50), st.integers(0, 50)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 60),
    st.sampled_from([-1.0, 0.0, 0.25, 0.5, 1.0]),
)
def test_the_nearest_are_those_that_plain_numpy_finds(
    seed: int, sizes: tuple[int, int], blocks: tuple[int, int], count: int, threshold: float
) -> None:
    draw = np.random.default_rng(seed)
    vectors, items = halves(sizes[0], draw), halves(sizes[1], draw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_BLOCK", blocks[0])
        patch.setattr(search, "_CHUNK", blocks[1])
        found = nearest(vectors, items, count, threshold)
    assert [*zip(*(part.tolist() for part in found), strict=True)] == plain_nearest(vectors, items, count, threshold)


def test_the_nearest_of_what_is_not_exact() -> None:
    vectors, items = unit_vectors(300, 1), unit_vectors(2000, 2)
    found = nearest(vectors, items, 5, 0.9)
    wide = vectors.astype(np.float64) @ items.T.astype(np.float64)
    assert np.bincount(found.rows, minlength=300) == pytest.approx(
        np.minimum((np.round(wide, 4) >= 0.9).sum(axis=1), 5)
    )
    assert found.cosines == pytest.approx(wide[found.rows, found.items], abs=6e-5)
    best = np.sort(wide, axis=1)[:, ::-1]
    ranks = np.concatenate([np.arange(n) for n in np.bincount(found.rows, minlength=300)])
    assert found.cosines == pytest.approx(best[found.rows, ranks], abs=6e-5)
