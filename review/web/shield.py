"""What stands around all routes: headers that keep hostile text inert; no request that is none of our pages'."""

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review.web.access import SAFE, bearer
from review.web.bodies import fault
from review.web.errors import answer, unexpected

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
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
LARGEST: Final = 2_000_000
"""Bytes of a JSON body."""
UPLOADS: Final = {"/api/admin/import": 1_000_000_000}
"""Paths that take a file of JSON lines, and its largest size in bytes; it is passed on as it comes."""


class Shield:
    """The outermost layer of the app.

    Changes have to come from this host's own pages (`Origin`, or else `Referer`; a token needs neither), and their
    bodies have to be JSON of a sane size and content. What breaks inside becomes a plain 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sending = _Sending(send, scope["path"].startswith("/static/"))
        request = Request(scope, receive)
        try:
            await self.app(scope, await _checked(request), sending)
        except HTTPException as exc:
            await answer(request, exc.status_code, exc.detail)(scope, receive, sending)
        except ClientDisconnect:
            return
        except Exception as exc:  # noqa: BLE001  the last resort, which logs it
            told = unexpected(request, exc)
            if not sending.started:
                await told(scope, receive, sending)


class _Sending:
    """Adds our headers to an answer."""

    def __init__(self, send: Send, is_static: bool) -> None:  # noqa: FBT001
        self.send = send
        self.is_static = is_static
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            if not self.is_static:
                headers["Cache-Control"] = "no-store"
        await self.send(message)


async def _checked(request: Request) -> Receive:
    """What the app reads the request's body from.

    Raises:
        HTTPException: the request is none that our pages or programs with a token send.
    """
    if "\x00" in request.url.path or "%00" in request.url.query:
        raise HTTPException(400, "an address has no NUL in it")
    if request.method in SAFE:
        return request.receive
    if bearer(request) is None:
        _check_origin(request)
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    wanted, most = "application/json", LARGEST
    if request.url.path in UPLOADS:
        wanted, most = "application/x-ndjson", UPLOADS[request.url.path]
    has_body = request.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in request.headers
    if (has_body or kind) and kind != wanted:
        raise HTTPException(415, f"the body has to be {wanted}, by its Content-Type")
    limited = _limited(request, most)
    return limited if request.url.path in UPLOADS else await _whole(limited)


def _check_origin(request: Request) -> None:
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        raise HTTPException(403, "a change has to come from this site's own pages")
    sent = request.headers.get("Origin") or request.headers.get("Referer") or ""
    if _origin(sent) != (request.url.scheme, request.headers.get("Host", "").lower()):
        raise HTTPException(
            403,
            "Origin and Referer do not name this host; behind a proxy, pass Host and X-Forwarded-Proto on, and name "
            "the proxy in FORWARDED_ALLOW_IPS",
        )


def _origin(url: str) -> tuple[str, str] | None:
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts.scheme.lower(), parts.netloc.lower()


def _limited(request: Request, most: int) -> Receive:
    """The request's messages, until its body is longer than it may be."""
    too_large = HTTPException(413, f"a body has at most {most:,} bytes")
    length = request.headers.get("Content-Length", "0")
    if not length.isdecimal() or int(length[:20]) > most:
        raise too_large
    come = 0

    async def receive() -> Message:
        nonlocal come
        message = await request.receive()
        come += len(message.get("body", b""))
        if come > most:
            raise too_large
        return message

    return receive


async def _whole(receive: Receive) -> Receive:
    """The body read and looked over, then given to the app in one piece."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body and (wrong := fault(bytes(body))):
        raise HTTPException(400, wrong)
    return _again(bytes(body), receive)


def _again(body: bytes, receive: Receive) -> Callable[[], Awaitable[dict[str, Any]]]:
    left: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> dict[str, Any]:
        return left.pop() if left else dict(await receive())

    return replayed
