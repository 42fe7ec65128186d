"""100,000 prompts against 20,000 benchmark items: ours, a plain Python n-gram loop, and datatrove's filter.

Prompts are GSM8K's train questions, items its test questions, both repeated under other words: within each repetition
they share what boilerplate they really share, and nothing across. One prompt in a hundred has an item put into it.

The loop is what one would write: a dict of the items' 8-grams, as tuples of words by the same rule, and a look at each
8-gram of each prompt. It finds the same pairs; ours also says how much of an item is covered, and where. datatrove's
filter (8-grams, its settings otherwise, its index made beforehand) only says whether, and sees fewer documents.
"""

import json
import random
import re
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.curate import GSM8K
from benchmarks.results import arguments, publish, write
from benchmarks.timing import paired
from schemas.tables import BENCHMARKS
from tasks.decontaminate.config import DecontaminateConfig
from tasks.decontaminate.decontaminate import decontaminate

NGRAM = 8
EVERY_PAIR = 10**6
WORD = re.compile(r"(?:\.(?=[0-9]))?[^\W_]+(?:(?<=[0-9])[.,](?=[0-9])[^\W_]+)*")

Found = set[tuple[int, int]]
"""Prompts and items, by position."""


def repeated(name: str, count: int) -> list[str]:
    """So many questions; each repetition's words are its own."""
    texts = [json.loads(line)["question"] for line in (GSM8K / name).open()]
    repeats = range(-(-count // len(texts)))
    return [_renamed(text, repeat) for repeat in repeats for text in texts][:count]


def _renamed(text: str, repeat: int) -> str:
    end = f"q{'abcdefghij'[repeat % 10]}{'klmnopqrst'[repeat // 10 % 10]}" if repeat else ""
    return re.sub(r"[A-Za-z]{2,}", lambda word: word.group() + end, text)


def leaked(prompts: list[str], items: list[str]) -> Found:
    """Put an item into one prompt in a hundred, of any repetition."""
    draw = random.Random(0)
    planted = {(at, draw.randrange(len(items))) for at in draw.sample(range(len(prompts)), len(prompts) // 100)}
    for at, item in planted:
        prompts[at] = f"{prompts[at]} {items[item]} Thank you."
    return planted


def python_loop(prompts: list[str], items: list[str]) -> Found:
    """Every prompt and item that share an n-gram."""
    known: dict[tuple[str, ...], set[int]] = {}
    for item, text in enumerate(items):
        for gram in _grams(text):
            known.setdefault(gram, set()).add(item)
    return {(at, item) for at, text in enumerate(prompts) for gram in _grams(text) for item in known.get(gram, ())}


def _grams(text: str) -> list[tuple[str, ...]]:
    words = WORD.findall(text.lower())
    return [tuple(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1)]


def ours(prompts: list[str], items: list[str]) -> Callable[[], pa.Table]:
    """Our rows for the same."""
    problems = pa.table({"problem_id": [str(at) for at in range(len(prompts))], "question": prompts})
    traces = pa.table({"trace_id": pa.array([], pa.string()), "problem_id": pa.array([], pa.string())})
    names = [str(at) for at in range(len(items))]
    benchmark = pa.table([["gsm8k"] * len(items), names, items], schema=BENCHMARKS)
    config = DecontaminateConfig(ngram=NGRAM, max_items=EVERY_PAIR)
    return lambda: decontaminate(problems, traces, benchmark, config).contamination


def datatrove_filter(prompts: list[str], items: list[str], folder: Path) -> Callable[[], int]:
    """How many documents it drops, as a function that may be called again."""
    from datatrove.data import Document
    from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.utils.text import ngrams, simplify_text

    config = NGramsDecontConfig(n_grams=NGRAM, find_query_ngrams=True)
    step = NGramsDecontFilter(str(folder), config)

    def hashes() -> Iterator[int]:
        for text in items:
            words = step.tokenizer.word_tokenize(simplify_text(text, config.norm_config))
            yield from (step.hash_func(" ".join(gram)) for gram in ngrams(words, NGRAM))

    np.array(sorted(set(hashes())), config.hash_config.np_descr).tofile(folder / "gsm8k.index.hashes")
    step.load_index_hashes()

    def filtered() -> int:
        documents = [Document(text=text, id=str(at)) for at, text in enumerate(prompts)]
        return len(prompts) - sum(1 for _ in step.run(documents))

    return filtered


def installed(*packages: str) -> str:
    """Their versions; empty where one is missing."""
    try:
        return ", ".join(f"{name} {version(name)}" for name in packages)
    except PackageNotFoundError:
        return ""


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--documents", type=int, default=5_000, help="prompts for datatrove")
    parser.add_argument("--times", type=int, default=5)
    options = parser.parse_args()
    prompts, items = repeated("train.jsonl", options.prompts), repeated("test.jsonl", options.items)
    planted = leaked(prompts, items)
    run = ours(prompts, items)
    seconds, theirs, found, pairs = paired(run, lambda: python_loop(prompts, items), options.times)
    same = {(int(row["problem_id"]), int(row["item"])) for row in found.select(["problem_id", "item"]).to_pylist()}
    rate = len(prompts) / seconds
    metrics: dict[str, float] = {
        "vs_python_set": theirs / seconds,
        "identical_findings": float(same == pairs),
        "documents_per_s": rate,
        "planted_recall": len(planted & same) / len(planted),
    }
    rows = [
        ["tracemill", f"{len(prompts):,}", f"{rate:,.0f}", "", f"{len(same):,} pairs, with spans"],
        [
            "Python loop",
            f"{len(prompts):,}",
            _rate(len(prompts), theirs),
            _times(theirs / seconds),
            f"{len(pairs):,} pairs",
        ],
    ]
    if versions := installed("datatrove", "spacy"):
        with tempfile.TemporaryDirectory() as folder:
            step = datatrove_filter(prompts[: options.documents], items, Path(folder))
            seconds, theirs, _, dropped = paired(run, step, options.times)
        metrics["vs_datatrove"] = theirs / options.documents * len(prompts) / seconds
        rate_there = _rate(options.documents, theirs)
        rows.append(
            [versions, f"{options.documents:,}", rate_there, _times(metrics["vs_datatrove"]), f"{dropped:,} documents"]
        )
    else:
        rows.append(["datatrove", "", "", "", "not installed: pip install datatrove spacy"])
    publish("decontaminate", ["", "prompts", "prompts/s", "ours is faster by", "found"], rows, metrics)
    write(options.json, metrics)


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:,.0f}"


def _times(ratio: float) -> str:
    return f"{ratio:.1f} ×"


if __name__ == "__main__":
    main()
