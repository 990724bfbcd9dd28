"""Who may speak to the admin listener: section 8 of the protocol, as pure ASGI middleware.

Three things together keep every web page out, also one that the same person has open: the Host must be this listener's
own name (against rebinding), an Origin, where a browser sends one, must be this listener's own (against requests across
sites), and what changes anything needs an Origin, but for `/v1`, whose key no browser ever holds by itself. No answer
allows another origin to read it, and no cookie is set or looked at.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEYED = "/v1/"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
FOREIGN = frozenset({"cross-site", "same-site"})
"""What browsers that know no better than to leave out Origin say of a request by another page."""


def names_of(host: str, port: int) -> frozenset[str]:
    """The Host values of a listener on this machine; without the port where browsers leave it out."""
    names = ["[::1]"] if host == "::1" else ["127.0.0.1", "localhost"]
    return frozenset(name if port == 80 else f"{name}:{port}" for name in names)


class AdminGuard:
    """`names` gives the exact Host values; the origins are those with `http://` before them."""

    def __init__(self, app: ASGIApp, names: Callable[[], frozenset[str]]) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            if self._refusal(scope) is not None:
                await send({"type": "websocket.close", "code": 1008})
                return
        elif scope["type"] == "http":
            refusal = self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, _quiet(send))
                return
            send = _quiet(send)
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, names = Headers(scope=scope), self._names()
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in names:
            return _says(421, "unknown_host", "This address is not the listener's own.")
        if origins:
            allowed = len(origins) == 1 and origins[0] in {f"http://{name}" for name in names}
        else:
            allowed = self._without_origin(scope, headers)
        return None if allowed else _says(403, "foreign_origin", "Requests from other origins are refused.")

    @staticmethod
    def _without_origin(scope: Scope, headers: Headers) -> bool:
        if scope["type"] == "websocket":
            return False
        reads = scope["method"] in ("GET", "HEAD")
        opened = reads and headers.get("sec-fetch-mode") == "navigate"  # a link to the console from another page
        if headers.get("sec-fetch-site") in FOREIGN and not opened:
            return False
        return reads or scope["path"].startswith(KEYED)


def _says(status: int, code: str, text: str) -> JSONResponse:
    kind = "invalid_request_error"
    return JSONResponse({"error": {"message": text, "type": kind, "param": None, "code": code}}, status)


def _quiet(send: Send) -> Send:
    """Every answer says that it is nobody else's."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending
