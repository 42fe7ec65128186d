"""What errors become: a `Problem` where a program calls, a page with the usual head where a person looks."""

import logging
import secrets
import traceback
from typing import Final
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from starlette.exceptions import HTTPException

from review.web.access import SignInNeededError, Viewer, shown_to
from review.wire import Problem
from schemas.errors import TracemillError

_LOG: Final = logging.getLogger(__name__)
_WORDS: Final = {
    400: "refused",
    401: "signed out",
    403: "forbidden",
    404: "missing",
    405: "wrong method",
    409: "conflict",
    413: "too large",
    415: "not JSON",
    422: "invalid",
    429: "too many",
    500: "broken",
    503: "busy",
}


def handle(app: FastAPI) -> None:
    """Let the app turn errors into answers; those that nobody expects are the shield's."""
    app.add_exception_handler(SignInNeededError, _to_login)
    app.add_exception_handler(TracemillError, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(DataError, _unfit)
    app.add_exception_handler(OverflowError, _unfit)
    app.add_exception_handler(IntegrityError, _clash)
    app.add_exception_handler(OperationalError, _busy)


def answer(request: Request, status: int, message: str, viewer: Viewer | None = None) -> Response:
    """A `Problem`, or the same as a page."""
    word = _WORDS.get(status, "refused")
    if request.url.path.startswith(("/api/", "/static/")):
        return JSONResponse(Problem(error=word, message=message).model_dump(), status)
    templates: Jinja2Templates = request.app.state.templates
    shown = {"viewer": viewer, "word": word, "message": message}
    return templates.TemplateResponse(request, "error.html", shown, status)


def unexpected(request: Request, exc: Exception) -> Response:
    """A plain 500 with a number by which its place is found in the log.

    The log has no message of an exception: it might hold what somebody sent, a password too.
    """
    number = secrets.token_hex(6)
    places = "\n".join(f"  {at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(exc.__traceback__))
    _LOG.error("error %s: %s %r: %s\n%s", number, request.method, request.url.path, _kinds(exc), places)
    return answer(request, 500, f"something broke that should not; the server's log has it as error {number}")


def _kinds(exc: BaseException | None) -> str:
    """What an exception is, and what it came from."""
    return f"{type(exc).__name__} from {_kinds(exc.__cause__)}" if exc and exc.__cause__ else type(exc).__name__


def _to_login(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return answer(request, 401, "sign in again")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303)


def _refused(request: Request, exc: Exception) -> Response:
    return answer(request, 400, str(exc), shown_to(request))


def _http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    message = "there is nothing at this address" if exc.detail == "Not Found" else str(exc.detail)
    told = answer(request, exc.status_code, message, shown_to(request))
    told.headers.update(exc.headers or {})
    return told


def _invalid(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    first = exc.errors()[0]
    # What was sent is left out: it may be a password.
    field = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return answer(request, 422, f"{field}: {first['msg']}", shown_to(request))


def _unfit(request: Request, _: Exception) -> Response:
    return answer(request, 400, "a value is too large, or of a kind that the store cannot keep")


def _clash(request: Request, _: Exception) -> Response:
    return answer(request, 409, "somebody else did the same, or its opposite, at this moment: look again")


def _busy(request: Request, exc: Exception) -> Response:
    _LOG.error("the store: %s", type(getattr(exc, "orig", exc)).__name__)
    told = answer(request, 503, "the store is busy or away: try again in a moment")
    told.headers["Retry-After"] = "5"
    return told
