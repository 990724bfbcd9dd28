"""A listener with an application that says everything back."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tallystick_helper.node.gate import Gate, GateRules
from tallystick_helper.server import Listener


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while (message := await websocket.receive())["type"] == "websocket.receive":
        await websocket.send({"type": "websocket.send", "bytes": message["bytes"]})


async def goodbye(websocket: WebSocket) -> None:
    """Says a lot, and goes."""
    await websocket.accept()
    for _ in range(int(websocket.query_params["messages"])):
        await websocket.send({"type": "websocket.send", "bytes": bytes(16_000)})
    await websocket.close()


@contextlib.asynccontextmanager
async def listening(header_deadline: float = 0.3) -> AsyncIterator[tuple[Listener, Gate]]:
    """The listener, and the gate that counts its sockets."""
    gate = Gate(GateRules(per_address=100, per_neighbourhood=100))
    app = Starlette(routes=[Route("/", hello), WebSocketRoute("/ws", echo), WebSocketRoute("/bye", goodbye)])
    made = Listener(app, "127.0.0.1", 0, websocket=True, header_deadline=header_deadline, gate=gate)
    made.start()
    yield made, gate
    await made.stop()
