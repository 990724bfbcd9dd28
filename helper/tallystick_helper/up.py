"""`tallystick up`: the page, the public listener, the engine and the node, from start to drain."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import structlog

from tallystick_shared.chains import Deployment
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from .announcement import FILE, Announcement
from .app import page_app, public_app
from .chain.deploy import chain_id
from .chain.rpc import HttpRpc
from .crypto import NativeCrypto
from .deployments import locate
from .engines import Engine, open_engine
from .keys import KeyStore
from .node.assemble import Running, renew, start_node
from .node.service import Node
from .routes.page import Page, page_folder
from .server import Listener
from .settings import Settings

log = structlog.get_logger(__name__)


def _rpc_of(settings: Settings) -> HttpRpc:
    return HttpRpc(settings.chain.rpc, chain_id=settings.chain.id, rest=settings.chain.rest)


class Up:
    """Everything that one process of Tallystick runs. `start`, then `stop`; `running` is the node while it serves."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.crypto = NativeCrypto()
        self.engine: Engine | None = None
        self.running: Running | None = None
        self.serving = asyncio.Event()
        self.public: Listener | None = None
        self.page: Listener | None = None
        self._rpc = _rpc_of(settings) if settings.chain.rpc else None
        self._chain_id = settings.chain.id
        self._where: Deployment | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._announced_at: int | None = None
        self._fault = ""

    @property
    def node(self) -> Node | None:
        return self.running.node if self.running else None

    async def start(self) -> None:
        """Opens the listeners, then the engine, then the node where one was announced. Raises LocalError."""
        settings = self.settings
        try:
            page = Page(page_folder(settings.page.files), demo=bool(settings.demo_key))
        except LocalError as error:
            log.warning("no_page", reason=error.values.get("reason"))
        else:
            app = page_app(page, self.configuration, settings.page.host)
            self.page = Listener(app, settings.page.host, settings.page.port, websocket=False)
            self.page.start()
        if self._rpc is None or settings.engine.kind == "none":
            return
        listen = settings.listen
        self.public = Listener(public_app(lambda: self.node), listen.host, listen.port, websocket=True)
        self.public.start()
        self.engine = await open_engine(settings.engine.kind, settings.engine.options, settings.data_dir)
        await self._try_look()
        self._supervisor = asyncio.create_task(self._supervise())

    def urls(self) -> dict[str, Any]:
        """What a person or a script needs to know."""
        settings = self.settings
        endpoint = settings.listen.endpoint or (f"ws://127.0.0.1:{self.public.port}" if self.public else None)
        return {
            "page": f"http://{settings.page.host}:{self.page.port}/" if self.page else None,
            "endpoint": endpoint,
            "provider": "0x" + self.running.announced.provider.hex() if self.running else None,
            "model": self.engine.capabilities().model if self.engine else None,
            "pid": os.getpid(),
        }

    async def configuration(self) -> dict[str, Any]:
        """`/tallystick.json`. Raises LocalError where no chain is set, or the contracts are unknown on it."""
        chain, where = self.settings.chain, await self.where()
        found: dict[str, Any] = {
            "chain_id": where.chain_id,
            "chain_name": chain.name,
            "currency": {"name": chain.symbol, "symbol": chain.symbol, "decimals": 18},
            "rpc": chain.rpc,
            "registry": "0x" + where.registry.hex(),
            "channels": "0x" + where.channels.hex(),
            "block": where.block,
        }
        if self.settings.demo_key:
            found["demo"] = {"key": self.settings.demo_key}
        return found

    async def where(self) -> Deployment:
        """The contracts in use. Raises LocalError NO_CONTRACTS or RPC_UNREACHABLE."""
        if self._rpc is None:
            raise LocalError(Code.NO_CONTRACTS)
        if self._chain_id is None:
            self._chain_id = await chain_id(self._rpc)
        if self._where is None:
            self._where = await locate(self.settings, self._chain_id, self._rpc, self.crypto)
        return self._where

    # -- the node

    async def _supervise(self) -> None:
        """Starts the node once it is announced, also while this runs, and takes over each newer announcement."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.chain.interval))
            await self._try_look()

    async def _try_look(self) -> None:
        try:
            await self._look()
        except (TallystickError, RpcError) as error:
            if str(error) != self._fault:
                log.error("node_not_started", error=str(error))
            self._fault = str(error)
        except Exception:
            log.exception("node_not_started")

    def _announcement_time(self) -> int | None:
        path: Path = self.settings.data_dir / FILE
        return path.stat().st_mtime_ns if path.exists() else None

    async def _look(self) -> None:
        changed = self._announcement_time()
        if changed is None or changed == self._announced_at:
            return
        announced = Announcement.load(self.settings.data_dir)
        assert announced is not None and self._rpc is not None and self.engine is not None
        await self._check_place(announced)
        if self.running and self._same_place(self.running.announced, announced):
            renew(self.running, announced, self.crypto, KeyStore(self.settings.data_dir))
        else:
            await self._stop_node()
            self.running = await start_node(self.settings, self.crypto, announced, self._rpc, self.engine)
        self._announced_at = changed
        self.serving.set()
        log.info("serving", provider="0x" + announced.provider.hex())

    async def _check_place(self, announced: Announcement) -> None:
        """The announcement is for this chain and these contracts. Raises LocalError WRONG_CHAIN or NOT_REGISTERED."""
        where = await self.where()
        assert self._rpc is not None
        if (found := await chain_id(self._rpc)) != where.chain_id:
            raise LocalError(Code.WRONG_CHAIN, wanted=where.chain_id, found=found)
        there = announced.where
        if (there.chain_id, there.registry, there.channels) != (where.chain_id, where.registry, where.channels):
            raise LocalError(Code.NOT_REGISTERED, reason="announced for other contracts: run `tallystick provide`")

    def _same_place(self, old: Announcement, new: Announcement) -> bool:
        same = (old.provider, old.where) == (new.provider, new.where)
        return same and old.profile(self.crypto).payee == new.profile(self.crypto).payee

    async def _stop_node(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            await running.stop()

    async def stop(self) -> None:
        """Drains the node, then closes listeners, engine and chain."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        if self.running is not None:
            await self.running.stop()
            self.running = None
        for listener in (self.public, self.page):
            if listener is not None:
                await listener.stop()
        if self.engine is not None:
            await self.engine.close()
        if self._rpc is not None:
            await self._rpc.aclose()
