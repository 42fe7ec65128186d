"""Which tables belong together: a round's problems, and all that was sampled and told of them."""

from collections.abc import Iterable

from schemas.refs import Ref, Tables
from tasks.lake import Lake


def rounds_of(store: Lake, tables: Tables) -> list[Tables]:
    """A run's tables by the problems that they come of, one round for each table of problems, in order."""
    found = _Lineage(store)
    rounds: list[dict[str, list[Ref]]] = [{} for _ in tables.get("problems", ())]
    for at, ref in enumerate(tables.get("problems", ())):
        found.begin(ref, at)
    for name, refs in tables.items():
        for ref in refs:
            if (own := found.round_of(ref)) is not None:
                rounds[own].setdefault(name, []).append(ref)
    return [{name: tuple(refs) for name, refs in one.items()} for one in rounds]


class _Lineage:
    def __init__(self, store: Lake) -> None:
        self._store = store
        self._known: dict[Ref, int | None] = {}
        self._keys: dict[str, int] = {}

    def begin(self, problems: Ref, at: int) -> None:
        """A round has the tables of the stage that made its problems, and the completions they were read from."""
        self._keys[problems.key] = at
        for ref in self._inputs(problems):
            self._known.setdefault(ref, at)

    def round_of(self, ref: Ref) -> int | None:
        """The round of a table: that of the first of its inputs that has one."""
        if ref.key in self._keys:
            return self._keys[ref.key]
        if ref not in self._known:
            rounds = (self.round_of(one) for one in self._inputs(ref))
            self._known[ref] = next((one for one in rounds if one is not None), None)
        return self._known[ref]

    def _inputs(self, ref: Ref) -> Iterable[Ref]:
        made = self._store.manifest(ref)
        return made.stage.inputs if made else ()
