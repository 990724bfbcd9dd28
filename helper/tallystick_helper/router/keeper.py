"""Keeps a port open while the node runs: asks, renews, asks anew where the router has forgotten, and takes it back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import structlog

from tallystick_shared.errors import Code, LocalError

from .mapping import LIFETIME, Mapping, Ports, Router
from .search import open_port

OFTEN = 600.0
"""Seconds after which it is renewed at the latest: a router that was restarted has forgotten it."""
AGAIN = 60.0
"""Seconds after a failure."""
FAREWELL = 3.0
"""Seconds that the end waits for the router."""
log = structlog.get_logger(__name__)


class PortKeeper:
    """For one TCP port of this machine. `start`, then `stop`; `wanted` is the port on the router's outside."""

    def __init__(
        self,
        internal: int,
        wanted: int,
        gateway: str | None = None,
        ports: Ports | None = None,
        lifetime: int = LIFETIME,
        again: float = AGAIN,
    ) -> None:
        self._internal, self._wanted, self._gateway, self._ports = internal, wanted, gateway, ports
        self._lifetime, self._again = lifetime, again
        self._router: Router | None = None
        self.mapping: Mapping | None = None
        self.fault: LocalError | None = None
        self.renewals = 0
        self._tried, self._asking = asyncio.Event(), asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def opened(self) -> Mapping:
        """Waits for the first attempt. Raises LocalError NO_ROUTER, ROUTER_REFUSED."""
        await self._tried.wait()
        if self.mapping is None:
            raise self.fault or LocalError(Code.NO_ROUTER)
        return self.mapping

    def values(self) -> dict[str, Any]:
        """For `--json`: the mapping, and why there is none."""
        fault = {"error": self.fault.code.name, **self.fault.values} if self.fault else {}
        return {"open": self.mapping is not None, **(self.mapping.values() if self.mapping else {}), **fault}

    async def _run(self) -> None:
        while True:
            async with self._asking:
                await self._once()
            self._tried.set()
            held = self.mapping
            if held is None:
                await asyncio.sleep(self._again)
            else:
                await asyncio.sleep(min(OFTEN, held.lifetime / 2) if held.lifetime else OFTEN)

    async def _once(self) -> None:
        before = self.mapping
        try:
            await self._ask()
        except (LocalError, OSError) as error:
            fault = error if isinstance(error, LocalError) else LocalError(Code.NO_ROUTER, reason=error.strerror)
            if self.fault is None or str(fault) != str(self.fault):
                log.warning("port_not_open", port=self._internal, error=fault.code.name, **fault.values)
            self.mapping, self._router, self.fault = None, None, fault
            return
        self.fault = None
        now = self.mapping
        if now is not None and (before is None or (before.external, before.port) != (now.external, now.port)):
            log.info("port_open", port=self._internal, endpoint=now.url, protocol=now.protocol)

    async def _ask(self) -> None:
        held, router = self.mapping, self._router
        if held is not None and router is not None:
            self.mapping = await router.map(self._internal, held.port, self._lifetime)
            self.renewals += 1
        else:
            self._router, self.mapping = await open_port(
                self._internal, self._wanted, self._gateway, self._ports, self._lifetime
            )

    async def stop(self) -> None:
        """Ends renewing, and closes the port at the router. A request that is under way is waited for: it may have
        opened one.
        """
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(FAREWELL), self._asking:
                    self._task.cancel()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        router, held, self.mapping = self._router, self.mapping, None
        if router is None or held is None:
            return
        try:
            async with asyncio.timeout(FAREWELL):
                await router.unmap(held)
        except (LocalError, OSError, TimeoutError) as error:
            log.warning("port_left_open", port=held.port, lifetime=held.lifetime, reason=type(error).__name__)
