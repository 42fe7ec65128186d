"""Write problems with their answers and worked solutions: `python -m data.tiny_reasoner.write --out FILE`.

The bundled `data/samples/demo-problems.jsonl` is what `--count 200 --seed samples --held-out` writes.
"""

import argparse
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from random import Random

from data.tiny_reasoner.problems import problems
from data.tiny_reasoner.solutions import solution


def rows(seed: str, *, held_out: bool) -> Iterator[dict[str, str]]:
    """Endless rows (id, question, answer, solution), the same for a seed, no question twice."""
    rng = Random(f"{seed} solutions")  # noqa: S311 - problems, not secrets
    seen: set[str] = set()
    for problem in problems(seed, held_out=held_out):
        if problem.question not in seen:
            seen.add(problem.question)
            text = "\n".join(solution(problem, rng))
            name = f"{seed}-{len(seen)}"
            yield {"id": name, "question": problem.question, "answer": str(problem.answer), "solution": text}


def write(out: Path, count: int, seed: str, *, held_out: bool) -> None:
    """Write so many rows as JSON lines."""
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in islice(rows(seed, held_out=held_out), count)]
    out.write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Read the arguments and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", default="samples")
    parser.add_argument("--held-out", action="store_true", help="questions that the bundled model was never trained on")
    arguments = parser.parse_args()
    write(arguments.out, arguments.count, arguments.seed, held_out=arguments.held_out)


if __name__ == "__main__":
    main()
