"""Measure the bundled model on held-out problems: `python -m data.tiny_reasoner.evaluate --model FOLDER`.

Prints, as JSON, pass@1 and pass@k at a temperature, the share of solutions that come out right after a step rewritten
in wordings never trained on, and the share of problems written for a persona that read like one; with 95 % intervals.
"""

import argparse
import json
import sys
from itertools import islice
from math import sqrt
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from data.tiny_reasoner.documents import ASSISTANT, END, USER, solve_prompt, write_prompt
from data.tiny_reasoner.problems import Problem, problems
from data.tiny_reasoner.solutions import rewritten_line, solution

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH: Final = 256
LOOKED_AT: Final = 240
"""So many held-out problems were looked at when benchmarks' settings were chosen; figures are of later ones."""
LONGEST: Final = 256
"""Tokens of a completion, at most."""


class Loaded(NamedTuple):
    """A model and its tokenizer."""

    model: Any
    """A `LlamaForCausalLM`; the types of its `generate` cannot be met."""
    tokenizer: "PreTrainedTokenizerFast"


def load(folder: Path) -> Loaded:
    """The model in a folder, ready to generate."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, attn_implementation="eager")
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    return Loaded(model, tokenizer)


def complete(loaded: Loaded, prompts: list[str], *, temperature: float, seed: int = 0) -> list[str]:
    """A completion of each rendered prompt, in their order."""
    torch.manual_seed(seed)
    order = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    completions = [""] * len(prompts)
    for start in range(0, len(order), BATCH):
        places = order[start : start + BATCH]
        inputs = loaded.tokenizer([prompts[one] for one in places], return_tensors="pt", padding=True)
        length = inputs["input_ids"].shape[1]
        with torch.inference_mode():
            rows = loaded.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=True,
                temperature=temperature,
                top_k=0,
                max_new_tokens=LONGEST,
            )
        for place, row in zip(places, rows, strict=True):
            completions[place] = str(loaded.tokenizer.decode(row[length:], skip_special_tokens=True))
    return completions


def is_right(completion: str, problem: Problem) -> bool:
    """Whether the completion ends in the problem's answer, boxed."""
    return completion.rstrip(".\n ").endswith(f"\\boxed{{{problem.answer}}}")


def prompt_of(user: str, begun: str = "") -> str:
    """The rendered prompt of one user turn, with the beginning of the reply."""
    return f"{USER}{user}{END}{ASSISTANT}{begun}"


def held_out(count: int, after: int = 0) -> list[Problem]:
    """So many held-out problems, after the first ones."""
    return list(islice(problems("held out", held_out=True), after, after + count))


def rewritten_prompts(asked: list[Problem], rng: Random) -> list[str]:
    """Prompts whose reply begins with right steps, the last in wordings never trained on; a step or more is to come."""
    prompts = []
    for problem in asked:
        lines = solution(problem, rng)
        place = rng.randrange(len(problem.steps) - 1)
        begun = [*lines[:place], rewritten_line(problem.steps[place], problem, rng)]
        prompts.append(prompt_of(solve_prompt(problem, rng), "".join(f"{line}\n" for line in begun)))
    return prompts


def share(hits: int, count: int) -> dict[str, float]:
    """A share with its 95 % interval (Wilson, 1927)."""
    z, p = 1.96, hits / count
    middle, spread = p + z * z / (2 * count), z * sqrt(p * (1 - p) / count + z * z / (4 * count * count))
    low, high = ((middle + side * spread) / (1 + z * z / count) for side in (-1, 1))
    return {"share": round(p, 3), "low": round(low, 3), "high": round(high, 3), "n": count}


def measure(loaded: Loaded, count: int, samples: int, temperature: float) -> dict[str, object]:
    """All the figures of the model card."""
    rng = Random("evaluation")  # noqa: S311 - problems, not secrets
    asked = held_out(count)
    prompts = [prompt_of(solve_prompt(problem, rng)) for problem in asked for _ in range(samples)]
    completions = complete(loaded, prompts, temperature=temperature)
    right = [is_right(one, asked[place // samples]) for place, one in enumerate(completions)]
    solved = [sum(right[start : start + samples]) for start in range(0, len(right), samples)]
    by_steps = {
        length: share(sum(solved[one] for one in places), samples * len(places))
        for length in sorted({len(problem.steps) for problem in asked})
        if (places := [place for place, problem in enumerate(asked) if len(problem.steps) == length])
    }
    continued = complete(loaded, rewritten_prompts(asked, rng), temperature=temperature)
    written = complete(loaded, [prompt_of(write_prompt(one.persona, rng)) for one in asked], temperature=temperature)
    return {
        "temperature": temperature,
        "pass@1": share(sum(solved), len(right)),
        f"pass@{samples}": share(sum(one > 0 for one in solved), count),
        "pass@1 by steps": by_steps,
        "right after a rewritten step": share(sum(map(is_right, continued, asked)), count),
        "written problems that end in a question": share(sum(map(_reads_well, written)), count),
        "distinct written problems": len(set(written)),
        "examples": written[:3] + completions[:3] + continued[:3],
    }


def _reads_well(question: str) -> bool:
    numbers = sum(word.strip("$.,?").isdigit() for word in question.split())
    return numbers >= 2 and ("?" in question or "Find " in question) and question.rstrip()[-1] in "?."


def main() -> None:
    """Read the arguments and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.7)
    arguments = parser.parse_args()
    figures = measure(load(arguments.model), arguments.problems, arguments.samples, arguments.temperature)
    sys.stdout.write(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
