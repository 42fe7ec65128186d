"""RL with verifiable rewards in verl: `data_source`, `prompt`, `ability`, `reward_model`, `extra_info`.

`data_source` picks the scorer in verl's `default_compute_score` (verl/utils/reward_score/__init__.py), which knows no
other names than those: for answers in a box `lighteval/MATH` (equal after normalising LaTeX), for numbers after `####`
`openai/gsm8k`, for programs `codecontests`, `apps`, `codeforces` and `taco`. Another name takes one's own scorer.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pyarrow as pa
from pydantic import Field

from schemas.conform import conform
from schemas.tables import Domain
from tasks.export.answers import RewardConfig, named, truths
from tasks.export.messages import MESSAGES, conversations, prompt
from tasks.export.programs import loaded, pairs
from tasks.export.selection import Exporter, Selection
from tasks.ids import id_number

_REWARD: Final[Any] = pa.struct([pa.field("style", pa.string()), pa.field("ground_truth", pa.string())])
_EXTRA: Final = pa.struct([pa.field("split", pa.string()), pa.field("index", pa.int64())])
COLUMNS: Final = pa.schema(
    [
        pa.field("data_source", pa.string(), nullable=False),
        pa.field("prompt", MESSAGES, nullable=False),
        pa.field("ability", pa.string(), nullable=False),
        pa.field("reward_model", _REWARD, nullable=False),
        pa.field("extra_info", _EXTRA, nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
    ]
)


_OF_PROGRAMS: Final = ("codecontests", "apps", "codeforces", "taco")


class Config(RewardConfig):
    """Which scorer each domain has."""

    data_sources: dict[Domain, str] = Field(
        {Domain.MATH: "lighteval/MATH", Domain.CHOICE: "lighteval/MATH", Domain.CODE: "taco"},
        min_length=1,
        description="verl's name for the scorer, by domain; others are left out. verl's own scorers of programs read "
        "inputs with outputs only: under their names, problems with other tests are left out too",
    )


def build(config: Config) -> Exporter:
    """The exporter with these settings."""
    return Exporter("problem_id", COLUMNS, partial(_rows, config), texts=("prompt",))


def _rows(config: Config, selection: Selection) -> pa.Table:
    """One row a problem that can be checked, in the order of problems; `index` is a number made of its id."""
    found = truths(selection, config.data_sources, majority=config.majority)
    if config.data_sources.get(Domain.CODE) in _OF_PROGRAMS:
        found = found.written(Domain.CODE, _inputs_and_outputs)
    columns: dict[str, Any] = {
        "data_source": named(config.data_sources, found.domain),
        "prompt": conversations(*prompt(config, selection.problems, found.rows)),
        "ability": found.domain,
        "reward_model": pa.chunked_array([_rewards(chunk) for chunk in found.truth.chunks], _REWARD),
        "extra_info": _extra(selection.split, found.problem_id),
        "problem_id": found.problem_id,
    }
    return conform(pa.table(columns), COLUMNS, at="export verl")


def _inputs_and_outputs(tests: str) -> str | None:
    found = loaded(tests)
    if isinstance(found, Mapping) and {"inputs", "outputs"} <= set(found):
        return tests
    told = pairs(found)
    return (
        json.dumps({"inputs": [one.given for one in told], "outputs": [one.wanted for one in told]}) if told else None
    )


def _rewards(truth: "pa.Array[Any]") -> pa.StructArray:
    style = pa.repeat("rule", len(truth))
    return pa.StructArray.from_arrays([style, truth], fields=list(_REWARD))


def _extra(split: str, problem_ids: "pa.ChunkedArray[Any]") -> pa.StructArray:
    ids: list[Any] = problem_ids.to_pylist()
    numbers = pa.array([id_number(one) for one in ids], pa.int64())
    return pa.StructArray.from_arrays([pa.repeat(split, len(numbers)), numbers], fields=list(_EXTRA))
