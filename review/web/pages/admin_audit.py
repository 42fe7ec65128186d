"""Who did what, for admins."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from review import audit
from review.web.access import Admin, Store
from review.web.app import page

router = APIRouter()
_ROWS: Final = 100


class Wanted(BaseModel):
    """Which rows; an empty field says nothing."""

    actor: str = Field(default="", max_length=200)
    action: str = Field(default="", max_length=200)
    subject: str = Field(default="", max_length=200)
    before: int | None = Field(default=None, ge=1, lt=2**31)
    """Rows older than this one."""


@router.get("/admin/audit")
def audit_page(request: Request, wanted: Annotated[Wanted, Query()], viewer: Admin, store: Store) -> Response:
    """The newest rows, and whether the chain is whole."""
    of = wanted.model_dump(exclude={"before"})
    with store.reading() as session:
        rows = audit.newest(session, _ROWS, wanted.before, **of)
        broken, head = audit.broken(session), audit.head(session)
    more = rows[-1].id if len(rows) == _ROWS else None
    return page(request, "admin_audit.html", viewer, rows=rows, broken=broken, head=head, wanted=of, more=more)
