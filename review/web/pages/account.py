"""What users do about themselves."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from review import users
from review.web.access import Reviewer, Store
from review.web.app import page
from review.web.pages.login import known

router = APIRouter()


class OwnPasswordIn(BaseModel):
    """The password as it is, and as it is to be."""

    model_config = ConfigDict(extra="forbid")

    old: str = Field(max_length=users.LONGEST)
    new: str = Field(max_length=users.LONGEST)


@router.get("/account")
def account_page(request: Request, viewer: Reviewer) -> Response:
    """A user's own page."""
    return page(request, "account.html", viewer, shortest=users.SHORTEST, longest=users.LONGEST)


@router.post("/api/account/password")
def set_own_password(request: Request, given: OwnPasswordIn, viewer: Reviewer, store: Store) -> dict[str, str]:
    """Another password, by the old one: whoever finds a browser signed in cannot take the account over.

    Raises:
        HTTPException: 429: after too many failures, with the seconds to wait.
        ReviewError: the old password is wrong, or the new one breaks the rules.
    """
    known(request, store, viewer.name, given.old)
    with store.writing() as session:
        users.set_password(session, viewer.name, viewer.name, given.new)
    return {}
