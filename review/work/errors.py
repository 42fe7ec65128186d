"""Why a change of an assignment is turned down, beyond what was asked itself."""

from schemas.errors import ReviewError


class StaleError(ReviewError):
    """The lease is lost, or the change was made for another version than the present one."""


class AbsentError(ReviewError):
    """There is no such assignment, or it is somebody else's."""
