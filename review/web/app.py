"""The app: every page's router, within the shield."""

import importlib
import pkgutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from review.jobs.runner import Runner
from review.render import legible
from review.store.database import Database
from review.store.models import Batch
from review.web import pages
from review.web.access import Viewer
from review.web.errors import handle
from review.web.shield import Shield

_HERE: Final = Path(__file__).parent
templates: Final = Jinja2Templates(_HERE / "templates")
templates.env.filters["legible"] = legible


def create_app(
    database: Database, runner: Runner | None = None, closed: Callable[[Batch], None] | None = None
) -> FastAPI:
    """The app over a store that has been migrated.

    Args:
        database: the store.
        runner: does its jobs while it is served.
        closed: is told of each batch that an admin has closed on the page, once that is in the store and answered; if
            it raises, that is logged.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with runner or nullcontext():
            yield

    app = FastAPI(title="tracemill review", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.database = database
    app.state.closed = closed
    app.state.templates = templates
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    for module in pkgutil.iter_modules(pages.__path__):
        app.include_router(importlib.import_module(f"{pages.__name__}.{module.name}").router)
    app.add_middleware(Shield)
    handle(app)
    return app


def page(request: Request, name: str, viewer: Viewer | None, **shown: Any) -> Response:
    """A template, with whoever looks at it."""
    return templates.TemplateResponse(request, name, {"viewer": viewer, **shown})
