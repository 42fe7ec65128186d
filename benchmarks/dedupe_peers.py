"""One tool's duplicates in one corpus, in a process of its own: `benchmarks.dedupe` starts it once for each run.

It imports nothing of tracemill but for tracemill's own run, so that a peer whose pins clash can have an interpreter of
its own. The clock covers everything between texts in memory and a flag for each; memory is the peak resident set while
it runs, less what was resident when the texts and the tool were loaded and had been tried on a few documents.
"""

import gc
import json
import re
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SHINGLE = 5
PERMUTATIONS = 128
WARM_UP = 2_000

Find = Callable[[Any, float], NDArray[np.bool_]]
"""From texts and a threshold to a flag for each text that is to go."""


def tracemill(texts: Any, threshold: float) -> NDArray[np.bool_]:
    """Ours, as the stage `dedupe` calls it."""
    from tasks.dedupe.near import near_duplicates
    from tasks.dedupe.sketch import Near
    from tasks.text.words import Splitting

    found = near_duplicates(texts, Near(shingle=SHINGLE, threshold=threshold), Splitting())
    return np.not_equal(found.keepers, np.arange(len(found.keepers)))


def datasketch(texts: Any, threshold: float) -> NDArray[np.bool_]:
    """As its documentation has it, with the faster `update_batch`: update, query, insert."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    gone = np.zeros(len(texts), np.bool_)
    for row, text in enumerate(texts):
        sketch = MinHash(num_perm=PERMUTATIONS)
        sketch.update_batch([one.encode() for one in shingles(text)])
        if index.query(sketch):
            gone[row] = True
        else:
            index.insert(row, sketch)
    return gone


def rensa(texts: Any, threshold: float) -> NDArray[np.bool_]:
    """As its documentation has it: a deduplicator that is given the tokens of each document."""
    from rensa import RMinHashDeduplicator

    index = RMinHashDeduplicator(threshold=threshold, num_perm=PERMUTATIONS, use_lsh=True)
    kept = index.add_pairs((str(row), shingles(text)) for row, text in enumerate(texts))
    return ~np.array(kept, np.bool_)


def datatrove(texts: Any, _threshold: float) -> NDArray[np.bool_]:
    """Its four stages one after the other, 14 bands of 8 as it comes; its threshold follows from these (about 0.72)."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.typeshelper import Languages

    config = MinhashConfig(n_grams=SHINGLE)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "in").mkdir()
        lines = (json.dumps({"id": f"row {row}", "text": text}) for row, text in enumerate(texts))
        (place / "in" / "texts.jsonl").write_text("\n".join(lines))
        source = JsonlReader(str(place / "in"))
        signatures, buckets, removed = (str(place / part) for part in ("signatures", "buckets", "removed"))
        stages: list[tuple[list[Any], int]] = [
            ([source, MinhashDedupSignature(signatures, config, language=Languages.english)], 1),
            ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
            ([MinhashDedupCluster(buckets, removed, config=config)], 1),
            ([source, MinhashDedupFilter(removed), JsonlWriter(str(place / "out"), compression=None)], 1),
        ]
        for number, (steps, count) in enumerate(stages):
            LocalPipelineExecutor(steps, tasks=count, workers=1, logging_dir=str(place / f"log {number}")).run()
        lists = (place / "removed").glob("*.remove")  # none where nothing goes
        found = b"".join(one.read_bytes() for one in lists)
    gone = np.zeros(len(texts), np.bool_)
    gone[[row for (row,) in struct.iter_unpack("<I", found)]] = True
    return gone


def shingles(text: str) -> Iterator[str]:
    """Runs of five words, as a script would make them."""
    words = re.findall(r"\w+", text.lower())
    return (" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1)))


PEERS: dict[str, Find] = {"tracemill": tracemill, "datasketch": datasketch, "rensa": rensa, "datatrove": datatrove}


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(field))) << 10


def main() -> None:
    """`TOOL CORPUS THRESHOLD OUT`: read an Arrow file, write the flags, print seconds and bytes as JSON."""
    name, corpus, threshold, out = sys.argv[1:]
    find = PEERS[name]
    with pa.OSFile(corpus, "rb") as file:
        column = pa.ipc.open_file(file).read_all()["text"]
    texts: Any = column if name == "tracemill" else column.to_pylist()
    del column
    find(texts[:WARM_UP], float(threshold))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    began, worked = time.perf_counter(), time.process_time()
    gone = find(texts, float(threshold))
    seconds, cpu = time.perf_counter() - began, time.process_time() - worked
    above = resident("VmHWM") - before
    np.save(out, gone)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "bytes": above, "version": version(name)}))


if __name__ == "__main__":
    main()
