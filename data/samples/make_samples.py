"""Write the demo's traces and its benchmark: `python -m data.samples.make_samples`.

The same files each time. Beside ordinary problems with right and wrong traces they hold what curation has to cope with:
copies and near-copies of traces and of problems, problems taken from the benchmark, problems without a reference,
an answer that hangs a careless checker, and a trace cut off before its answer.
"""

import json
import sys
from pathlib import Path
from random import Random
from typing import Any, Final

from data.samples.stories import Story, go_wrong, tell, work
from data.samples.templates import BENCHMARK, NAMES, STORIES
from data.samples.wording import trace, worked_answer

FOLDER: Final = Path(__file__).parent
TRACES: Final = "demo-traces.jsonl"
ITEMS: Final = "demo-benchmark.jsonl"

MODELS: Final = {"demo-large": 0.69, "demo-small": 0.43}
"""How often each model is right."""
SAMPLES: Final = 3
"""Traces of each model for a problem."""

FRESH: Final = 368
REWORDED: Final = 18
LEAKED: Final = 14
ITEM_COUNT: Final = 60
UNREFERENCED: Final = 7
HANGING: Final = "That power is quickly written down.\nThe answer is 9**9**9."

FRAMES: Final = (
    "{question} Show your work.",
    "Here is a riddle. {question}",
    "{question} Explain each step.",
    "Please solve this: {question}",
)

Row = dict[str, Any]


def benchmark() -> list[Row]:
    """The benchmark's items: id, question."""
    return [{"id": f"item-{number:02d}", "question": story.question} for number, story in enumerate(_items(), start=1)]


def traces() -> list[Row]:
    """The problems with their completions: id, question, answer, completions[text, model, is_correct]."""
    rng = _rng("traces")
    rows = [_row(number, story, rng) for number, story in enumerate(_stories(rng), start=1)]
    for row in rng.sample(rows, UNREFERENCED):
        row["answer"] = None
    for number, row in enumerate(rng.sample(rows, 48)):
        _copy_one(row, near=number % 2 == 0, rng=rng)
    wrong = [one for row in rows if row["answer"] for one in row["completions"] if not one["is_correct"]]
    hanging, cut = rng.sample(wrong, 2)
    hanging["text"] = HANGING
    cut["text"] = cut["text"].splitlines()[0][:40]
    return rows


def to_jsonl(rows: list[Row]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def main() -> None:
    """Write both files beside this one and say so."""
    for name, rows in ((TRACES, traces()), (ITEMS, benchmark())):
        text = to_jsonl(rows)
        (FOLDER / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{name}: {len(rows)} rows, {len(text.encode()):,} bytes\n")


def _rng(purpose: str) -> Random:
    return Random(f"tracemill demo {purpose}")  # noqa: S311 - samples, not secrets


def _items() -> list[Story]:
    rng = _rng("benchmark")
    return [tell(BENCHMARK[index % len(BENCHMARK)], rng) for index in range(ITEM_COUNT)]


def _stories(rng: Random) -> list[Story]:
    """All that is asked: fresh stories, some told twice, some from the benchmark; shuffled."""
    fresh = _fresh(rng)
    again = [_reworded(story, index, rng) for index, story in enumerate(rng.sample(fresh, REWORDED))]
    leaked = rng.sample(_items(), LEAKED)
    edited = [story if index % 2 else _reworded(story, index, rng) for index, story in enumerate(leaked)]
    return rng.sample([*fresh, *again, *edited], FRESH + REWORDED + LEAKED)


def _fresh(rng: Random) -> list[Story]:
    """Stories of all kinds in turn; two of a kind never have the same numbers."""
    told: dict[tuple[int, ...], Story] = {}
    while len(told) < FRESH:
        kind = len(told) % len(STORIES)
        story = tell(STORIES[kind], rng)
        told.setdefault((kind, *(int(100 * number) for number in story.numbers.values())), story)
    return list(told.values())


def _reworded(story: Story, index: int, rng: Random) -> Story:
    """Lightly edited: in a frame, or of somebody else; the answer stays."""
    if index % 3 or story.name not in story.question:
        return story._replace(question=rng.choice(FRAMES).format(question=story.question))
    name = rng.choice([one for one in NAMES if one != story.name])
    return story._replace(question=story.question.replace(story.name, name), name=name)


def _row(number: int, story: Story, rng: Random) -> Row:
    right = work(story.plan, story.numbers)
    completions = []
    for model, share in MODELS.items():
        for _ in range(SAMPLES):
            is_correct = rng.random() < share
            text = trace(story, right if is_correct else go_wrong(story, rng), rng)
            completions.append({"text": text, "model": model, "is_correct": is_correct})
    answer = worked_answer(story, right)
    return {"id": f"demo-{number:03d}", "question": story.question, "answer": answer, "completions": completions}


def _copy_one(row: Row, *, near: bool, rng: Random) -> None:
    """Make one completion a copy of another."""
    source, copy = rng.sample(row["completions"], 2)
    copy["text"] = f"Sure. {source['text']}" if near else source["text"]
    copy["is_correct"] = source["is_correct"]


if __name__ == "__main__":
    main()
