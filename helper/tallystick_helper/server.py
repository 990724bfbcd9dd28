"""The listeners: uvicorn with guarded protocols. Signals are not its business: the process drains first."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.records import MAX_MESSAGE

from .node.gate import Gate
from .wires import HEADER_DEADLINE, GuardedConfig, GuardedHttp, GuardedWebSocket

LOOK = 0.01
"""Seconds between two looks at connections that end: no event tells of it."""


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone, and ends when it is told to: uvicorn's own looks every 100 ms whether
    it is, and again whether its connections are gone.
    """

    def __init__(self, config: GuardedConfig) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        """Makes `serve` end."""
        self.should_exit = True
        self._told.set()

    async def main_loop(self) -> None:
        """There is nothing to do meanwhile: no date is sent, and nobody asked for a number of requests."""
        await self.on_tick(0)
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Asks its connections to end, and after `timeout_graceful_shutdown` waits no longer."""
        for server in self.servers:
            server.close()
        for own in sockets or []:
            own.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.timeout_graceful_shutdown):
                while state.connections or state.tasks:  # noqa: ASYNC110 (LOOK)
                    await asyncio.sleep(LOOK)
                for server in self.servers:
                    await server.wait_closed()
        for task in list(state.tasks):
            task.cancel()


def _config(
    app: ASGIApp, header_deadline: float, gate: Gate | None, proxies: Sequence[str], **options: Any
) -> GuardedConfig:
    config = GuardedConfig(
        app,
        http=GuardedHttp,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=[*proxies],
        h11_max_incomplete_event_size=8192,
        timeout_graceful_shutdown=3,
        **options,
    )
    config.header_deadline, config.gate = header_deadline, gate
    config.proxies = tuple(ipaddress.ip_network(proxy) for proxy in proxies)
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
        proxies: Sequence[str] = (),
    ) -> None:
        """`gate` counts every socket from its first moment; an idle one is kept for `keep_alive` seconds; `proxies` are
        addresses or networks whose X-Forwarded-For is believed. Raises LocalError BAD_SETTINGS where the port is taken.
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
        self._server = Server(_config(app, header_deadline, gate, proxies, **options))
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Closes the socket and what is left of its connections."""
        self._server.stop()
        if self._task is not None:
            await self._task
        self._socket.close()
