"""RL with verifiable rewards in open-instruct (Tülu 3, arXiv 2411.15124): `messages`, `ground_truth`, `dataset`.

`messages` are the turns before the answer. `dataset` names the verifier in open_instruct/ground_truth_utils.py: `math`,
`gsm8k` (the last number), `strict_math`, `ifeval`, `code`, `code_stdio`, `string_f1` and others. `ground_truth` is a
text as that verifier reads it: tests as a JSON list, constraints as Python's notation for IFEval's ids and arguments.
"""

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from schemas.conform import conform
from schemas.tables import Domain
from tasks.export.answers import RewardConfig, truths
from tasks.export.messages import MESSAGES, conversations, prompt
from tasks.export.programs import asserts, loaded, pairs
from tasks.export.selection import Exporter, Selection

COLUMNS: Final = pa.schema(
    [
        pa.field("messages", MESSAGES, nullable=False),
        pa.field("ground_truth", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
    ]
)


class Config(RewardConfig):
    """Which verifier each domain has."""

    datasets: dict[Domain, str] = Field(
        {Domain.MATH: "math", Domain.CHOICE: "math", Domain.CODE: "code", Domain.INSTRUCTION: "ifeval"},
        min_length=1,
        description="open-instruct's name for the verifier, by domain; others are left out. Tests of standard input "
        "and output have the name with `_stdio`",
    )


class _Truth(NamedTuple):
    text: str
    ending: str = ""


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("problem_id", COLUMNS, partial(_rows, config), texts=("messages",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a problem that can be checked by what the verifier reads, in the order of problems."""
    found = truths(selection, config.datasets, majority=config.majority)
    names: list[Any] = found.domain.to_pylist()
    texts: list[Any] = found.truth.to_pylist()
    domains = [Domain(name) for name in names]
    read = [_READ.get(domain, _Truth)(text) for domain, text in zip(domains, texts, strict=True)]
    kept = [(at, one) for at, one in enumerate(read) if one is not None]
    at = np.array([index for index, _ in kept], np.int64)
    columns: dict[str, Any] = {
        "messages": conversations(*prompt(config, selection.problems, found.rows[at])),
        "ground_truth": pa.array([one.text for _, one in kept], pa.string()),
        "dataset": pa.array([config.datasets[domains[index]] + one.ending for index, one in kept], pa.string()),
        "problem_id": found.problem_id.take(at),
    }
    return conform(pa.table(columns), COLUMNS, at="export open_instruct")


def _tests(text: str) -> _Truth | None:
    """Assertions as a list of texts that each run after the program, or inputs with their outputs."""
    found = pairs(loaded(text))
    if found:
        return _Truth(json.dumps([{"input": one.given, "output": one.wanted} for one in found]), "_stdio")
    texts = asserts(text)
    return _Truth(json.dumps(texts)) if texts else None


def _constraints(text: str) -> _Truth | None:
    """Constraints by IFEval's ids (tracemill's form or IFEval's own); open-instruct's functions have no such id."""
    found = loaded(text)
    many = found if isinstance(found, list) else [found]
    if not many or not all(isinstance(one, Mapping) for one in many):
        return None
    if all("kind" in one for one in many):
        ids, arguments = [one["kind"] for one in many], [one.get("kwargs") or {} for one in many]
    elif len(many) == 1:
        ids = many[0].get("instruction_id_list") or many[0].get("instruction_id")
        arguments = many[0].get("kwargs")
    else:
        return None
    return _Truth(repr([{"instruction_id": ids, "kwargs": arguments}])) if ids and arguments else None


_READ: Final[Mapping[Domain, Callable[[str], _Truth | None]]] = {Domain.CODE: _tests, Domain.INSTRUCTION: _constraints}
