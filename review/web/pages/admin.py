"""Administration: who may sign in, and by which tokens programs may."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from review import signins, users
from review.store.models import Role, Token, User
from review.web.access import Admin, Store
from review.web.app import page

router = APIRouter()


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UserIn(_In):
    """A new user; without a password one is made up."""

    name: str = Field(max_length=100)
    role: Role = Role.REVIEWER
    password: str | None = Field(default=None, max_length=users.LONGEST)


class RoleIn(_In):
    """A user's role from now on."""

    role: Role


class SwitchIn(_In):
    """Whether a user may sign in."""

    on: bool


class PasswordIn(_In):
    """A new password; none: one is made up."""

    password: str | None = Field(default=None, max_length=users.LONGEST)


class TokenIn(_In):
    """A token for a user, and what it is for."""

    user: str = Field(max_length=100)
    name: str = Field(min_length=1, max_length=100)


class Secret(BaseModel):
    """What is shown this once; null where the admin has given it."""

    secret: str | None


@router.get("/admin")
def admin_page(request: Request, viewer: Admin, store: Store) -> Response:
    """Users and tokens."""
    with store.reading() as session:
        people = session.scalars(select(User).order_by(User.active.desc(), User.name)).all()
        chosen = select(Token, User.name).join(User, User.id == Token.user_id).where(Token.revoked_at.is_(None))
        tokens = session.execute(chosen.order_by(Token.id)).all()
    return page(request, "admin.html", viewer, users=people, tokens=tokens, roles=list(Role), shortest=users.SHORTEST)


@router.post("/api/admin/users")
def add_user(given: UserIn, viewer: Admin, store: Store) -> Secret:
    """A new user."""
    password = given.password or users.generated()
    with store.writing() as session:
        users.add(session, viewer.name, given.name, password, given.role)
    return Secret(secret=None if given.password else password)


@router.post("/api/admin/users/{name}/role")
def set_role(name: str, given: RoleIn, viewer: Admin, store: Store) -> dict[str, str]:
    """Another role."""
    with store.writing() as session:
        users.set_role(session, viewer.name, name, given.role)
    return {}


@router.post("/api/admin/users/{name}/switch")
def switch(name: str, given: SwitchIn, viewer: Admin, store: Store) -> dict[str, str]:
    """Off, or on again."""
    with store.writing() as session:
        users.switch(session, viewer.name, name, on=given.on)
    return {}


@router.post("/api/admin/users/{name}/password")
def set_password(name: str, given: PasswordIn, viewer: Admin, store: Store) -> Secret:
    """A new password."""
    password = given.password or users.generated()
    with store.writing() as session:
        users.set_password(session, viewer.name, name, password)
    return Secret(secret=None if given.password else password)


@router.post("/api/admin/users/{name}/sign-out")
def sign_out_everywhere(name: str, viewer: Admin, store: Store) -> dict[str, str]:
    """End all their sign-ins and tokens."""
    with store.writing() as session:
        users.sign_out_everywhere(session, viewer.name, name)
    return {}


@router.post("/api/admin/tokens")
def make_token(given: TokenIn, viewer: Admin, store: Store) -> Secret:
    """A new token."""
    with store.writing() as session:
        value = signins.make_token(session, viewer.name, users.find(session, given.user), given.name)
    return Secret(secret=value)


@router.post("/api/admin/tokens/{token_id}/revoke")
def revoke_token(token_id: Annotated[int, Path(ge=1, lt=2**31)], viewer: Admin, store: Store) -> dict[str, str]:
    """End a token."""
    with store.writing() as session:
        signins.revoke(session, viewer.name, token_id)
    return {}
