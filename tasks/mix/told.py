"""What a mixture is made of, in numbers: for the card, the page and the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
import pyarrow as pa

from schemas.summary import MixedCell, MixedShare, Mixture
from tasks.mix.config import MixtureConfig
from tasks.mix.mix import KEPT, SAME, UNLIKE, shares

_CELLS: Final = """
    select release, domain, difficulty, count(*) as offered,
           histogram(other) filter (outcome = $same) as same,
           histogram(coalesce(other, release)) filter (outcome = 'dedupe') as duplicates,
           count(*) filter (outcome = 'decontaminate') as leaks,
           count(*) filter (outcome = 'select' or reason = $unlike) as unfit,
           count(*) filter (outcome = 'mix' and reason <> $unlike) as over,
           count(*) filter (outcome = $kept) as kept,
           sum(repeats)::bigint as rows
    from mixture where counted group by all order by min(list_position($releases, release)), domain, difficulty
"""


def told(
    mixture: pa.Table, config: MixtureConfig, releases: Sequence[str], licenses: Mapping[str, dict[str, str]]
) -> Mixture:
    """The numbers of a table MIXTURE; `licenses` are those of each release."""
    names = {"same": SAME, "kept": KEPT, "unlike": UNLIKE, "releases": list(releases)}
    with duckdb.connect() as connection:
        connection.register("mixture", mixture)
        found: Any = connection.sql(_CELLS, params=names).to_arrow_table()
    cells: list[dict[str, Any]] = found.to_pylist()
    groups = shares(mixture, config, releases)
    total = sum(one.wanted for one in groups) or 1.0
    return Mixture(
        licenses=dict(licenses),
        wanted=config.count,
        cells=tuple(_cell(one) for one in cells),
        shares=tuple(
            MixedShare(group=one.path, wanted=one.wanted / total, rows=one.taken)
            for one in groups
            if one.taken or one.wanted
        ),
    )


def _cell(row: dict[str, Any]) -> MixedCell:
    maps = {name: dict(sorted(row[name] or [])) for name in ("same", "duplicates")}
    return MixedCell.model_validate(row | maps)
