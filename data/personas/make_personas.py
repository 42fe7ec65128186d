"""Write the bundled personas: `python -m data.personas.make_personas`.

Every persona combines an occupation, a place, a stage of life, a circumstance and an interest in one of several
sentences. The same words always give the same file. No two are near duplicates by tracemill's own dedupe (a test).
"""

import json
import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import yaml

HERE: Final = Path(__file__).parent
PERSONAS: Final = HERE / "personas.jsonl"
EACH: Final = 10
"""Personas for each occupation."""
PARTS: Final = ("places", "stages", "interests", "circumstances")
SEED: Final = 20261121


def personas() -> Iterator[dict[str, str]]:
    """Each persona with its domain, occupation by occupation."""
    words: dict[str, Any] = yaml.safe_load((HERE / "words.yaml").read_text(encoding="utf-8"))
    draw = random.Random(SEED)  # noqa: S311 - not a secret
    said: set[tuple[str, ...]] = set()
    for domain, occupations in words["occupations"].items():
        for occupation in occupations:
            # Without replacement: two personas of one occupation share neither place, interest nor circumstance.
            drawn = {name: draw.sample(words[name], EACH) for name in PARTS}
            for number in range(EACH):
                parts = {name: some[number] for name, some in drawn.items()}
                sentence = _unlike(draw.sample(words["sentences"], len(words["sentences"])), parts, said)
                yield {"persona": _render(sentence, occupation, parts), "domain": domain}


def _unlike(sentences: list[str], parts: dict[str, str], said: set[tuple[str, ...]]) -> str:
    """The first sentence in which no two of these parts have been said together; they are noted as said in it."""
    pairs = list(combinations(parts.values(), 2))
    for sentence in sentences:
        if said.isdisjoint((sentence, *pair) for pair in pairs):
            break
    said.update((sentence, *pair) for pair in pairs)
    return sentence


def _render(sentence: str, occupation: str, words: dict[str, str]) -> str:
    article = "an" if occupation[0] in "aeiou" and not occupation.startswith("uni") else "a"
    return sentence.format(
        A=article.capitalize(),
        a=article,
        occupation=occupation,
        place=words["places"],
        stage=words["stages"],
        Stage=words["stages"][0].upper() + words["stages"][1:],
        interest=words["interests"],
        Interest=words["interests"][0].upper() + words["interests"][1:],
        circumstance=words["circumstances"],
    )


def render() -> str:
    """The file's content: one JSON object a line."""
    return "".join(json.dumps(persona, ensure_ascii=False) + "\n" for persona in personas())


def main() -> None:
    """Write the file and say so."""
    text = render()
    PERSONAS.write_text(text, encoding="utf-8")
    print(f"{PERSONAS.name}: {text.count(chr(10)):,} personas")  # noqa: T201 - a script


if __name__ == "__main__":
    main()
