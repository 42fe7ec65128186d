"""The words of `words.yaml`, with the names and places of the demo's samples."""

from pathlib import Path
from typing import Final, NamedTuple

import yaml

from data.samples.templates import NAMES, PLACES
from data.samples.wording import SENTENCES, SIGNS, VERBS

_CONTENT: Final = yaml.safe_load((Path(__file__).parent / "words.yaml").read_text(encoding="utf-8"))


class Occupation(NamedTuple):
    """What somebody of an occupation counts, and what holds it."""

    things: list[str]
    box: str


class Part(NamedTuple):
    """A part of a story: its wordings, the ranges of its numbers, the steps it asks for."""

    texts: list[str]
    draw: dict[str, list[int]]
    steps: list[str]
    start: str = ""


def _parts(section: str) -> list[Part]:
    return [Part(**{"steps": [], **one}) for one in _CONTENT[section].values()]


OCCUPATIONS: Final = {name: Occupation(**one) for name, one in _CONTENT["occupations"].items()}
OPENINGS: Final = _parts("openings")
EVENTS: Final = _parts("events")
ENDINGS: Final = _parts("endings")
DISTRACTORS: Final[list[str]] = _CONTENT["distractors"]
INTERESTS: Final[list[str]] = _CONTENT["interests"]
PERSONAS: Final[list[str]] = _CONTENT["personas"]
WRITE_PROMPTS: Final[list[str]] = _CONTENT["write_prompts"]
SOLVE_PROMPTS: Final[list[str]] = _CONTENT["solve_prompts"]
SYSTEM_PROMPTS: Final[list[str]] = _CONTENT["system_prompts"]
PHRASES: Final[dict[str, list[str]]] = _CONTENT["phrases"]
FRAMES: Final[list[str]] = [*SENTENCES, *_CONTENT["frames"]]
OP_WORDS: Final[dict[str, str]] = _CONTENT["op_words"]
ANSWERS: Final[list[str]] = _CONTENT["answers"]
FILLER: Final[list[str]] = _CONTENT["filler"]
HELD_OUT: Final[dict[str, list[str]]] = _CONTENT["held_out"]

__all__ = [
    "ANSWERS",
    "DISTRACTORS",
    "ENDINGS",
    "EVENTS",
    "FILLER",
    "FRAMES",
    "HELD_OUT",
    "INTERESTS",
    "NAMES",
    "OCCUPATIONS",
    "OPENINGS",
    "OP_WORDS",
    "PERSONAS",
    "PHRASES",
    "PLACES",
    "SIGNS",
    "SOLVE_PROMPTS",
    "SYSTEM_PROMPTS",
    "VERBS",
    "WRITE_PROMPTS",
]
