"""Looking back at finished runs."""

from schemas.errors import LakeError
from schemas.summary import Summary
from tasks.export.published import find
from tasks.lake import Lake


def summary_of(lake: str, release: str = "") -> Summary:
    """The numbers of a release (`name` or `name/version`), or of the newest run.

    Raises:
        LakeError: there is none.
    """
    store = Lake(lake)
    if release:
        return find(store.storage, release).summary
    runs = [snapshot.summary for snapshot in store.snapshots() if snapshot.summary is not None]
    if not runs:
        raise LakeError(f"lake {lake}: no run has finished in it; start `tracemill refresh` or `tracemill curate`")
    return runs[-1]
