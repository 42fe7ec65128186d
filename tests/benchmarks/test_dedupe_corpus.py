import random
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks import dedupe_corpus
from benchmarks.dedupe_corpus import read_corpus, truth


@pytest.mark.parametrize("least", [0.5, 0.8])
def test_the_truth_is_what_comparing_all_pairs_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    monkeypatch.setattr(dedupe_corpus, "COUNTERS", 1 << 12)
    draw = random.Random(0)
    texts = [" ".join(f"w{draw.randrange(60)}" for _ in range(draw.randint(1, 40))) for _ in range(150)]
    texts += [dedupe_corpus.edited(draw.choice(texts), draw) for _ in range(100)] + texts[:20]
    path = tmp_path / "corpus.arrow"
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, pa.schema([("text", pa.large_string())])) as writer:
        writer.write_table(pa.table({"text": pa.array(texts, pa.large_string())}))
    assert read_corpus(path).to_pylist() == texts

    split = [text.split() for text in texts]
    sets = [{tuple(one[at : at + 2]) for at in range(max(1, len(one) - 1))} for one in split]
    expected = {
        (one, other): len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        for one, other in combinations(range(len(texts)), 2)
    }
    found = truth(path, 2, least)
    pairs = dict(zip(zip(found.one.tolist(), found.other.tolist(), strict=True), found.jaccard.tolist(), strict=True))
    assert len(pairs) == len(found.one) > 20
    assert pairs == pytest.approx({pair: value for pair, value in expected.items() if value >= least})
