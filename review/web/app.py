"""The app: every page's router, the headers that keep hostile text inert, and what errors become."""

import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.middleware.base import BaseHTTPMiddleware

from review.store.database import Database
from review.web import pages
from review.web.access import SignInNeededError, Viewer
from review.wire import Problem
from schemas.errors import TracemillError

_HERE: Final = Path(__file__).parent
CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; font-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""`style-src-attr`: KaTeX sets sizes by style attributes."""
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
templates: Final = Jinja2Templates(_HERE / "templates")


def create_app(database: Database) -> FastAPI:
    """The app over a store that has been migrated."""
    app = FastAPI(title="tracemill review", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.database = database
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    for module in pkgutil.iter_modules(pages.__path__):
        app.include_router(importlib.import_module(f"{pages.__name__}.{module.name}").router)
    app.add_middleware(BaseHTTPMiddleware, dispatch=_with_headers)
    app.add_exception_handler(SignInNeededError, _to_login)
    app.add_exception_handler(TracemillError, _refused)
    return app


def page(request: Request, name: str, viewer: Viewer | None, **shown: Any) -> Response:
    """A template, with whoever looks at it."""
    return templates.TemplateResponse(request, name, {"viewer": viewer, **shown})


async def _with_headers(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call(request)
    response.headers.update(HEADERS)
    if not request.url.path.startswith("/static/"):
        response.headers["Cache-Control"] = "no-store"
    return response


def _to_login(request: Request, _: Exception) -> Response:
    if request.url.path.startswith("/api/"):
        return _problem(401, "signed out", "sign in again")
    return RedirectResponse(f"/login?next={request.url.path}", 303)


def _refused(_: Request, exc: Exception) -> Response:
    return _problem(400, "refused", str(exc))


def _problem(status: int, error: str, message: str) -> Response:
    return JSONResponse(Problem(error=error, message=message).model_dump(), status)
