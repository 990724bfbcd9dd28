"""The public listener: a WebSocket for anyone. Any Origin may come, because nothing here has authority and there are
no cookies.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from tallystick_shared.errors import Code
from tallystick_shared.records import Frame

from ..node.service import Node

SAYS = "This is a Tallystick node. Connect to it with a WebSocket.\n"


class PublicSocket:
    """Fills the node's Socket seat over Starlette's WebSocket."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

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


async def plain(request: Request) -> Response:
    """Plain HTTP gets one sentence, and the connection is closed."""
    headers = {"Connection": "close", "Upgrade": "websocket", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(SAYS, status_code=426, headers=headers)


def public_routes(node: Callable[[], Node | None]) -> list[BaseRoute]:
    """`node` gives the node, or None while there is none to serve."""

    async def connect(websocket: WebSocket) -> None:
        await websocket.accept()
        socket = PublicSocket(websocket)
        serving = node()
        if serving is None or serving.draining:
            await socket.send(bytes([Frame.REFUSED]) + struct.pack(">H", Code.DRAINING))
            await socket.close()
            return
        address = websocket.client.host if websocket.client else ""
        await serving.serve(socket, address)

    return [WebSocketRoute("/{path:path}", connect), Route("/{path:path}", plain, methods=None)]
