import random
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tasks.dedupe.near import Among, near_duplicates
from tasks.dedupe.sketch import PERMUTATIONS, SEED, Near, minhash, rows_a_band
from tasks.dedupe.space import Effort
from tasks.text.ragged import Ragged
from tasks.text.strings import Texts
from tasks.text.words import Splitting, Unit, words

SPLITTING = Splitting()


def corpus(rows: int, seed: int = 0) -> list[str]:
    """Texts of 20 to 80 words, four in ten of which are edited copies of earlier ones."""
    draw = random.Random(seed)
    vocabulary = [f"word{n}" for n in range(400)]
    texts: list[str] = []
    for _ in range(rows):
        if texts and draw.random() < 0.4:
            rate = draw.choice([0, 0.01, 0.03, 0.06, 0.1])
            copied = draw.choice(texts).split()
            texts.append(" ".join(draw.choice(vocabulary) if draw.random() < rate else word for word in copied))
        else:
            texts.append(" ".join(draw.choices(vocabulary, k=draw.randint(20, 80))))
    return texts


def shingle_sets(texts: list[str], size: int) -> list[set[tuple[str, ...]]]:
    split = [[word.text for word in words(text, SPLITTING)] for text in texts]
    return [
        {tuple(one[at : at + size]) for at in range(max(1, len(one) - size + 1))} if one else set() for one in split
    ]


def brute_force(texts: list[str], near: Near, ranks: NDArray[np.int64]) -> list[int]:
    """Best first, keep what is no near-duplicate of a kept row; all pairs compared."""
    sets = shingle_sets(texts, near.shingle)
    keepers, kept = list(range(len(texts))), list[int]()
    for row in np.argsort(ranks).tolist():
        one = sets[row]
        alike = (at for at in kept if one and len(one & sets[at]) / len(one | sets[at]) >= near.threshold)
        keepers[row] = next(alike, row)
        if keepers[row] == row:
            kept.append(row)
    return keepers


@pytest.mark.parametrize(("shingle", "threshold"), [(3, 0.8), (5, 0.8), (3, 0.6), (2, 0.5), (1, 1.0)])
def test_it_finds_what_comparing_all_pairs_finds(shingle: int, threshold: float) -> None:
    texts = corpus(1000)
    near = Near(shingle=shingle, threshold=threshold)
    among = Among.all(len(texts))._replace(tiers=np.random.default_rng(0).permutation(len(texts)))
    found = near_duplicates(pa.array(texts), near, SPLITTING, among)
    expected = brute_force(texts, near, among.tiers)
    gone = {row for row, keeper in enumerate(found.keepers.tolist()) if keeper != row}
    should_go = {row for row, keeper in enumerate(expected) if keeper != row}
    assert len(should_go) > 80
    assert len(gone & should_go) >= 0.99 * len(should_go)
    sets = shingle_sets(texts, shingle)
    for row in gone:
        one, other = sets[row], sets[found.keepers[row]]
        assert found.jaccard[row] == pytest.approx(len(one & other) / len(one | other))
        assert found.jaccard[row] >= threshold
        assert among.tiers[found.keepers[row]] < among.tiers[row]
        assert found.keepers[found.keepers[row]] == found.keepers[row]


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(draw: random.Random) -> None:
    texts = corpus(60, seed=1)
    names = list(range(len(texts)))

    def kept(order: list[int]) -> dict[int, int]:
        among = Among.all(len(texts))._replace(tiers=np.array(order))
        found = near_duplicates(pa.array([texts[one] for one in order]), Near(threshold=0.5), SPLITTING, among)
        return {order[row]: order[keeper] for row, keeper in enumerate(found.keepers)}

    shuffled = names.copy()
    draw.shuffle(shuffled)
    assert kept(shuffled) == kept(names)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 4))
def test_memory_threads_and_parts_do_not_matter(seed: int, size: int, threads: int) -> None:
    texts = [*corpus(80, seed), "so many words " * 2000]
    column = pa.array(texts)
    near, among = Near(threshold=0.5), Among.all(len(texts))
    roomy = near_duplicates(column, near, SPLITTING, among, Effort())

    def parts() -> Iterator[Texts]:
        return (column.slice(at, size) for at in range(0, len(texts), size))

    tight = near_duplicates(parts, near, SPLITTING, among, Effort(memory=1, threads=threads))
    for one, other in zip(roomy, tight, strict=True):
        assert one.tolist() == other.tolist()
    assert len(set(roomy.keepers.tolist())) < len(texts)


def test_of_equals_the_shortest_stays() -> None:
    texts = ["a b c d e f!!", "a b c d e f", "a b c d e f g", "A b c d e f"]
    among = Among.all(4)._replace(tiers=np.array([1, 1, 1, 1]), ids=np.array([0, 2, 1, 1]))
    found = near_duplicates(pa.array(texts), Near(threshold=0.5), SPLITTING, among)
    assert found.keepers.tolist() == [3, 3, 3, 3]
    assert found.exact.tolist() == [True, True, False, True]


def test_characters_find_what_words_do_not() -> None:
    texts = pa.array(
        ["an antidisestablishmentarianism", "antidisestablishmentarianisms", "something else entirely here"]
    )
    assert near_duplicates(texts, Near(shingle=1, threshold=0.7), SPLITTING).keepers.tolist() == [0, 1, 2]
    letters = Near(unit=Unit.CHARACTERS, shingle=5, threshold=0.7)
    assert near_duplicates(texts, letters, SPLITTING).keepers.tolist() == [0, 0, 2]


@pytest.mark.parametrize("near", [Near(shingle=3, threshold=0.6), Near(unit=Unit.CHARACTERS, shingle=4, threshold=0.6)])
@pytest.mark.parametrize(
    ("text", "edited", "other"),
    [
        (
            "小明有五个苹果，他给了小红两个苹果，请问小明现在还剩下几个苹果？",
            "小明有五个苹果，他给了小华两个苹果。请问，小明现在还剩下几个苹果？",
            "一列火车每小时行驶六十公里，三个小时可以行驶多少公里？",
        ),
        (
            "太郎さんはりんごを五個持っています。花子さんに二個あげました。残りは何個ですか。",
            "太郎さんはリンゴを五個持っています。花子さんに二個あげました。残りは何個でしょう。",
            "電車は一時間に六十キロ進みます。三時間で何キロ進みますか。",
        ),
        (
            "สมชายมีแอปเปิลห้าผล เขาให้สมหญิงสองผล ตอนนี้สมชายเหลือแอปเปิลกี่ผล",
            "สมชายมีแอปเปิลห้าผล เขาให้สมศรีสองผล ตอนนี้ สมชายเหลือแอปเปิลกี่ผล",
            "รถไฟวิ่งได้หกสิบกิโลเมตรต่อชั่วโมง สามชั่วโมงวิ่งได้กี่กิโลเมตร",
        ),
    ],
    ids=["Chinese", "Japanese", "Thai"],
)
def test_languages_without_spaces(near: Near, text: str, edited: str, other: str) -> None:
    found = near_duplicates(pa.array([text, edited, other]), near, SPLITTING)
    assert found.keepers.tolist() == [0, 0, 2]
    assert not found.exact[1]


def test_every_row_that_goes_is_near_the_row_that_stays() -> None:
    """A chain: each row is near the next, the ends are far apart."""
    base = [f"w{n}" for n in range(40)]
    chain = [" ".join([f"new{n}" for n in range(step)] + base[step:]) for step in range(0, 30, 2)]
    found = near_duplicates(pa.array(chain), Near(shingle=1, threshold=0.8), SPLITTING)
    assert found.jaccard.min() >= 0.8
    assert 3 <= len(set(found.keepers.tolist())) < len(chain)


def test_exact_means_the_same_words_in_the_same_order() -> None:
    texts = ["a b a b a", "A, b a b a!", "b a b a", "", "?!", ""]
    found = near_duplicates(pa.array(texts), Near(shingle=2, threshold=1), SPLITTING)
    assert found.keepers.tolist() == [0, 0, 0, 3, 4, 5]
    assert found.exact.tolist() == [True, True, False, True, True, True]
    assert found.jaccard.tolist() == [1.0] * 6


def test_groups_and_labels_keep_rows_apart() -> None:
    texts = pa.array(["one two three four"] * 5)
    groups = Among.all(5)._replace(groups=np.array([1, 2, 1, 2, 2], np.uint64))
    labels = Among.all(5)._replace(labels=np.array([7, 8, -1, 8, 7]))
    assert near_duplicates(texts, Near(), SPLITTING, groups).keepers.tolist() == [0, 1, 0, 1, 1]
    assert near_duplicates(texts, Near(), SPLITTING, labels).keepers.tolist() == [0, 1, 0, 1, 0]


def test_many_copies_and_one_giant_text_are_no_trouble() -> None:
    same = ["the same few words again and again in this text"] * 20_000
    alike = [f"{same[0]} and then some more words that do not change at all but for {n}" for n in range(3_000)]
    giant = " ".join(str(n) for n in range(300_000))
    found = near_duplicates(pa.array([*same, *alike, giant]), Near(), SPLITTING)
    assert set(found.keepers.tolist()) == {0, 20_000, 23_000}


def test_an_empty_column_has_no_duplicates() -> None:
    assert near_duplicates(pa.array([], pa.string()), Near(), SPLITTING).keepers.tolist() == []


def test_sketches_are_those_of_datasketch() -> None:
    draw = np.random.default_rng(3)
    sets = [draw.integers(0, 2**63, size, dtype=np.uint64) for size in (1, 5, 300, 0)]
    out = minhash(Ragged(np.concatenate(sets), np.cumsum([0, *map(len, sets)])))
    for values, row in zip(sets, out, strict=True):
        reference = MinHash(PERMUTATIONS, seed=SEED, hashfunc=lambda value: value % 2**32)
        reference.update_batch(values.tolist())
        assert reference.hashvalues.tolist() == row.tolist()


@pytest.mark.parametrize(("threshold", "rows"), [(1.0, 128), (0.8, 6), (0.7, 4), (0.5, 3), (0.05, 1), (0.01, 1)])
def test_bands_are_as_long_as_recall_allows(threshold: float, rows: int) -> None:
    assert rows_a_band(threshold) == rows
