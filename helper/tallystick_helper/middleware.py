"""Pure ASGI middleware."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackHosts:
    """Answers only requests that name this machine: a foreign site whose name was made to point here (DNS rebinding)
    gets nothing.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = Headers(scope=scope).get("host", "")
            name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
            if name not in self._hosts:
                await PlainTextResponse("Unknown host.\n", status_code=421)(scope, receive, send)
                return
        await self._app(scope, receive, send)
