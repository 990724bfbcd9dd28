"""The public listener: a WebSocket for anyone. Any Origin may come, because nothing here has authority and there are
no cookies.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tallystick_shared.errors import Code
from tallystick_shared.records import Frame

from ..node.gate import Stranger

SAYS = "This is a Tallystick node. Connect to it with a WebSocket.\n"


class PublicSocket:
    """Fills the node's Socket seat over Starlette's WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        state = websocket.scope.get("state", {})
        self.stranger: Stranger | None = state.get("stranger")
        self._abort: Callable[[], None] | None = state.get("abort")

    async def receive(self) -> bytes | None:
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return None
        try:
            message = await self._websocket.receive()
        except RuntimeError:
            return None
        data = message.get("bytes")
        return data if isinstance(data, bytes) else None

    async def send(self, message: bytes) -> None:
        try:
            await self._websocket.send({"type": "websocket.send", "bytes": message})
        except (WebSocketDisconnect, RuntimeError) as error:
            raise OSError("the WebSocket is closed") from error

    async def close(self) -> None:
        try:
            await self._websocket.close()
        except (WebSocketDisconnect, RuntimeError, OSError):
            return

    def abort(self) -> None:
        if self._abort is not None:
            self._abort()


async def plain(request: Request) -> Response:
    """Plain HTTP gets one sentence, and the connection is closed."""
    headers = {"Connection": "close", "Upgrade": "websocket", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(SAYS, status_code=426, headers=headers)


class Server(Protocol):
    """Whoever serves the sockets: a node, or a switchboard before several."""

    @property
    def draining(self) -> bool:
        """Does it take nobody any more?"""

    async def serve(self, socket: PublicSocket, address: str) -> None:
        """One connection, until it ends."""


def public_routes(server: Callable[[], Server | None]) -> list[BaseRoute]:
    """`server` gives who serves, or None while there is nobody."""

    async def connect(websocket: WebSocket) -> None:
        await websocket.accept()
        socket = PublicSocket(websocket)
        serving = server()
        if serving is None or serving.draining:
            await socket.send(bytes([Frame.REFUSED]) + struct.pack(">H", Code.DRAINING))
            await socket.close()
            return
        address = websocket.client.host if websocket.client else ""
        await serving.serve(socket, address)

    return [WebSocketRoute("/{path:path}", connect), Route("/{path:path}", plain, methods=None)]
