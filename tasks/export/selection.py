"""What an exporter gets and gives."""

from typing import NamedTuple, Protocol

import pyarrow as pa


class Selection(NamedTuple):
    """The tables that a release is made of; `problems` and `traces` hold what no stage dropped."""

    problems: pa.Table
    traces: pa.Table
    standings: pa.Table
    pairs: pa.Table


class Exporter(Protocol):
    """What a plug-in's `build(config)` returns: a pure function from a selection to a trainer's rows."""

    @property
    def id_column(self) -> str:
        """The column that names a row, the same from release to release."""

    @property
    def columns(self) -> pa.Schema:
        """What `rows` gives; the columns of trace ids end in `trace_id`."""

    def rows(self, selection: Selection) -> pa.Table:
        """The format's rows; what refers to a problem or trace that is no longer there is left out."""
