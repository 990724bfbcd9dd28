"""The listeners: uvicorn with guarded protocols. Signals are not its business: the process drains first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.records import MAX_MESSAGE

from .node.gate import Gate
from .wires import HEADER_DEADLINE, GuardedConfig, GuardedHttp, GuardedWebSocket


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, header_deadline: float, gate: Gate | None, **options: Any) -> GuardedConfig:
    config = GuardedConfig(
        app,
        http=GuardedHttp,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=8192,
        timeout_graceful_shutdown=3,
        **options,
    )
    config.header_deadline, config.gate = header_deadline, gate
    return config


class Listener:
    """A bound socket and its server. `port` is the real one, also where 0 was asked for."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        websocket: bool,
        header_deadline: float = HEADER_DEADLINE,
        gate: Gate | None = None,
        keep_alive: int = 5,
    ) -> None:
        """`gate` counts every socket from its first moment; an idle one is kept for `keep_alive` seconds. Raises
        LocalError BAD_SETTINGS where the port is taken.
        """
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=256)
        except OSError as error:
            raise LocalError(Code.BAD_SETTINGS, port=port, host=host, reason=error.strerror) from None
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        options: dict[str, Any] = {"ws": "none", "timeout_keep_alive": keep_alive}
        if websocket:
            options |= {
                "ws": GuardedWebSocket,
                "ws_max_size": MAX_MESSAGE,
                "ws_per_message_deflate": False,
                "ws_ping_interval": 20,
                "ws_ping_timeout": 20,
            }
        self._server = Server(_config(app, header_deadline, gate, **options))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Closes the socket and what is left of its connections."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
