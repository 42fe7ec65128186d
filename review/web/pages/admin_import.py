"""Administration: labels from elsewhere become review history."""

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel

from review.imports.prm800k import Imported, import_file
from review.web.access import Admin, Store
from review.web.app import page

router = APIRouter()
_IN_MEMORY: Final = 8_000_000
_NAMED: Final = 5
"""Lines that could not be used and are told of one by one."""


class Told(BaseModel):
    """What came of it, in a sentence."""

    message: str


async def upload(request: Request) -> AsyncIterator[SpooledTemporaryFile[bytes]]:
    """The request's body as a file; a large one lies on disk."""
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        async for chunk in request.stream():
            file.write(chunk)
        file.seek(0)
        yield file


Upload = Annotated[SpooledTemporaryFile[bytes], Depends(upload)]
Name = Annotated[str, Query(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]


@router.get("/admin/import")
def import_page(request: Request, viewer: Admin) -> Response:
    """A form for a file."""
    return page(request, "admin_import.html", viewer)


@router.post("/api/admin/import")
def import_labels(viewer: Admin, store: Store, name: Name, lines: Upload) -> Told:
    """A PRM800K file's labels become a batch of this name. What is there already stays: a file may come again."""
    with store.writing() as session:
        found = import_file(session, viewer.name, name, lines)
    return Told(message=_told(found))


def _told(found: Imported) -> str:
    new = f"{found.items} new items, {found.reviews} new reviews"
    if not found.unusable:
        return new
    some = "; ".join(f"line {number}: {why}" for number, why in found.unusable[:_NAMED])
    return f"{new}; {len(found.unusable)} lines could not be used, such as {some}"
