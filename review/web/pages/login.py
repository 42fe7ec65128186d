"""Signing in and out."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from review import users
from review.audit import note
from review.store.models import User
from review.web.access import COOKIE, LASTS, Reviewer, Store, sign_in, sign_out
from review.web.app import page
from schemas.errors import ReviewError

router = APIRouter()


class SignIn(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")

    name: str
    password: str


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where people sign in."""
    return page(request, "login.html", None)


@router.post("/api/login")
def login(request: Request, response: Response, given: SignIn, store: Store) -> dict[str, str]:
    """Sign in; the cookie is a new one each time.

    Raises:
        ReviewError: name or password is wrong.
    """
    with store.writing() as session:
        user = session.scalar(select(User).where(User.name == given.name.strip().lower(), User.active))
        if not users.matches(given.password, user.password_hash if user else None) or user is None:
            raise ReviewError("name or password is wrong")
        if old := request.cookies.get(COOKIE):
            sign_out(session, old)
        token = sign_in(session, user)
        note(session, user.name, "signed in", user.name)
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, int(LASTS.total_seconds()), httponly=True, samesite="lax", secure=secure)
    return {"name": user.name}


@router.post("/api/logout")
def logout(request: Request, response: Response, viewer: Reviewer, store: Store) -> dict[str, str]:
    """Sign out."""
    with store.writing() as session:
        sign_out(session, request.cookies[COOKIE])
        note(session, viewer.name, "signed out", viewer.name)
    response.delete_cookie(COOKIE)
    return {}
