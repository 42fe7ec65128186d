"""Cards on the Prefect page. Each has a key that stays, so that the page shows its history from run to run."""

import base64

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.settings import PREFECT_UI_URL


def text(key: str, description: str, markdown: str) -> None:
    """A card of Markdown; what a model wrote stands in fences only (`fences.py`)."""
    create_markdown_artifact(markdown, key=key, description=description)


def picture(name: str, png: bytes) -> str:
    """Markdown with a picture in it: below one on a card of its own the page writes its whole address."""
    return f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})"


def link(key: str, description: str, address: str, name: str) -> None:
    """A card that leads elsewhere."""
    create_link_artifact(address, name, key=key, description=description)


def linked(key: str, name: str) -> str:
    """Markdown that leads to the history of a card; only its name where no page is known."""
    page = PREFECT_UI_URL.value()
    return f"[{name}]({str(page).rstrip('/')}/artifacts/key/{key})" if page else name
