"""uvicorn, with the limits that it lacks.

uvicorn leaves a socket that never finishes its request headers open for ever; here a header deadline, absolute from
the connection's first moment, cuts it. Signals are not uvicorn's business: the process drains first.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from tallystick_shared import limits
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.records import MAX_MESSAGE

HEADER_DEADLINE = limits.HEADER_DEADLINE.value


class DeadlineConfig(uvicorn.Config):
    """uvicorn's, with the seconds within which a first request must be complete."""

    header_deadline = HEADER_DEADLINE


class DeadlineProtocol(H11Protocol):
    """HTTP/1.1 whose first request must be complete in four seconds. An upgraded WebSocket has a protocol of its own
    by then.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        assert isinstance(self.config, DeadlineConfig)
        self._deadline = self.loop.call_later(self.config.header_deadline, self._cut)

    def _cut(self) -> None:
        # `scope` is set when the headers are complete; a WebSocket has left this protocol.
        if getattr(self, "scope", None) is None and self.transport.get_protocol() is self:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp, header_deadline: float, **options: Any) -> DeadlineConfig:
    config = DeadlineConfig(
        app,
        http=DeadlineProtocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        h11_max_incomplete_event_size=8192,
        timeout_graceful_shutdown=3,
        **options,
    )
    config.header_deadline = header_deadline
    return config


class Listener:
    """A bound socket and its server. `port` is the real one, also where 0 was asked for."""

    def __init__(
        self, app: ASGIApp, host: str, port: int, *, websocket: bool, header_deadline: float = HEADER_DEADLINE
    ) -> None:
        """Raises LocalError BAD_SETTINGS where the port is taken."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=256)
        except OSError as error:
            raise LocalError(Code.BAD_SETTINGS, port=port, host=host, reason=error.strerror) from None
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]
        options: dict[str, Any] = {"ws": "none"}
        if websocket:
            options = {
                "ws": "websockets-sansio",
                "ws_max_size": MAX_MESSAGE,
                "ws_max_queue": 16,
                "ws_per_message_deflate": False,
                "ws_ping_interval": 20,
                "ws_ping_timeout": 20,
                "limit_concurrency": 4096,
            }
        self._server = Server(_config(app, header_deadline, **options))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Closes the socket and what is left of its connections."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
