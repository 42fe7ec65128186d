"""Signing in and out."""

from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from review import throttle, users
from review.audit import note
from review.signins import LASTS, sign_in, sign_out
from review.store.database import Database
from review.store.models import User
from review.web.access import Reviewer, Store, cookie
from review.web.app import page
from schemas.errors import ReviewError

router = APIRouter()
_WRONG: Final = "name or password is wrong"


class SignIn(BaseModel):
    """A name and its password."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=100)
    password: str = Field(max_length=users.LONGEST)


@router.get("/login")
def login_page(request: Request) -> Response:
    """Where people sign in."""
    return page(request, "login.html", None)


@router.post("/api/login")
def login(request: Request, response: Response, given: SignIn, store: Store) -> dict[str, str]:
    """Sign in; the cookie is a new one each time, and the sign-in that the browser had before ends.

    Raises:
        HTTPException: 429: after too many failures, with the seconds to wait.
        ReviewError: name or password is wrong.
    """
    name = given.name.strip().lower()
    user = known(request, store, name, given.password)
    with store.writing() as session:
        # Again, for they may have been switched off or given another password meanwhile.
        now = session.get_one(User, user.id)
        if not now.active or now.password_hash != user.password_hash:
            raise ReviewError(_WRONG)
        if old := request.cookies.get(cookie(request)):
            sign_out(session, old)
        value = sign_in(session, now)
        note(session, now.name, "signed in", now.name)
    lasts = int(LASTS.total_seconds())
    secure = request.url.scheme == "https"
    response.set_cookie(cookie(request), value, lasts, httponly=True, samesite="lax", secure=secure)
    return {"name": user.name}


@router.post("/api/logout")
def logout(request: Request, response: Response, viewer: Reviewer, store: Store) -> dict[str, str]:
    """Sign out."""
    with store.writing() as session:
        sign_out(session, request.cookies.get(cookie(request), ""))
        note(session, viewer.name, "signed out", viewer.name)
    secure = request.url.scheme == "https"
    response.delete_cookie(cookie(request), httponly=True, samesite="lax", secure=secure)
    return {}


def known(request: Request, store: Database, name: str, password: str) -> User:
    """The user who has this password; tries are counted. It is looked at outside of any transaction, for it takes long.

    Raises:
        HTTPException: 429: after too many failures, with the seconds to wait.
        ReviewError: name or password is wrong.
    """
    with store.writing() as session:
        seconds = throttle.attempt(session, name, request.client.host if request.client else "")
    if seconds:
        raise HTTPException(429, f"too many failed sign-ins: wait {seconds} s", {"Retry-After": str(seconds)})
    with store.reading() as session:
        user = session.scalar(select(User).where(User.name == name, User.active))
    if not users.matches(password, user.password_hash if user else None) or user is None:
        raise ReviewError(_WRONG)
    with store.writing() as session:
        throttle.cleared(session, name)
    return user
