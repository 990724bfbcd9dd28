"""One chain on which a node works: its RPC, its contracts, what was announced there, and the node that serves it.

A process has one engine and one public listener for all its chains; whatever is owed and claimed is each chain's own.
A chain that cannot be reached keeps no other from starting or going on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from . import drafts
from .announcement import Announcement, file_name
from .chain.deploy import chain_id
from .chain.rpc import HttpRpc
from .deployments import locate
from .engines import Engine
from .keys import KeyStore
from .node.assemble import Running, renew, start_node
from .node.gate import Gate
from .node.trial import Trial
from .registering import Registering
from .renting import Renting
from .settings import Settings

log = structlog.get_logger(__name__)


class Place:
    """`settings` are those of this chain (`Settings.on`); `running` is the node while it serves."""

    def __init__(
        self,
        settings: Settings,
        crypto: Crypto,
        gate: Gate,
        free: Callable[[Place], bool],
        renting: Renting | None = None,
        trial: Trial | None = None,
    ) -> None:
        """`free` tells whether no other section of the settings has this place's chain."""
        self.settings, self._crypto, self._gate, self._free = settings, crypto, gate, free
        self._renting, self._trial = renting, trial
        self.name = settings.place
        self.rpc = HttpRpc(settings.chain.rpc, chain_id=settings.chain.id, rest=settings.chain.rest)
        self.running: Running | None = None
        self.announced: Announcement | None = None
        self.serving = asyncio.Event()
        self.chain_id = settings.chain.id
        self._where: Deployment | None = None
        self._announced_at: int | None = None
        self._fault = ""

    async def where(self) -> Deployment:
        """The contracts in use. Raises LocalError NO_CONTRACTS or RPC_UNREACHABLE."""
        if self.chain_id is None:
            self.chain_id = await chain_id(self.rpc)
        if self._where is None:
            self._where = await locate(self.settings, self.chain_id, self.rpc, self._crypto)
        return self._where

    def provider(self) -> str | None:
        """The provider's address, while it serves."""
        return "0x" + self.running.announced.provider.hex() if self.running else None

    async def supervise(self, engine: Engine) -> None:
        """Starts the node once it is announced, also while this runs, and takes over each newer announcement."""
        while True:
            await asyncio.sleep(min(1.0, self.settings.chain.interval))
            await self.try_look(engine)

    async def try_look(self, engine: Engine) -> None:
        try:
            await self._settle()
            await self._look(engine)
        except (TallystickError, RpcError) as error:
            if str(error) != self._fault:
                log.error("node_not_started", chain=self.name, error=str(error))
            self._fault = str(error)
        except Exception:
            log.exception("node_not_started", chain=self.name)

    async def _settle(self) -> None:
        """Keeps as announced what its owner signed, once the chain has it."""
        found = drafts.waiting(self.settings)
        if found is None or not found.blob or found.until < time.time():
            return
        steps = Registering(self.settings, self._crypto, self.rpc, await self.where())
        await steps.settle(found.draft.owner, found.blob)

    def _announcement_time(self) -> int | None:
        path = self.settings.data_dir / file_name(self.name)
        return path.stat().st_mtime_ns if path.exists() else None

    async def _look(self, engine: Engine) -> None:
        changed = self._announcement_time()
        if changed is None or changed == self._announced_at:
            return
        announced = self.announced = Announcement.load(self.settings.data_dir, self.name)
        assert announced is not None
        await self._check(announced)
        if self.running and self._same_place(self.running.announced, announced):
            renew(self.running, announced, self._crypto, KeyStore(self.settings.data_dir))
        else:
            await self._stop_node()
            parts = (self.settings, self._crypto, announced, self.rpc, engine, self._gate, self._renting, self._trial)
            self.running = await start_node(*parts)
        self._announced_at = changed
        self.serving.set()
        log.info("serving", provider="0x" + announced.provider.hex(), chain=announced.where.chain_id)

    async def _check(self, announced: Announcement) -> None:
        """The announcement is for this chain and these contracts. Raises LocalError WRONG_CHAIN, NOT_REGISTERED or
        BAD_SETTINGS.
        """
        where = await self.where()
        if (found := await chain_id(self.rpc)) != where.chain_id:
            raise LocalError(Code.WRONG_CHAIN, wanted=where.chain_id, found=found)
        if not self._free(self):
            raise LocalError(Code.BAD_SETTINGS, chain=self.name, reason=f"another section is on chain {where.chain_id}")
        there = announced.where
        if (there.chain_id, there.registry, there.channels) != (where.chain_id, where.registry, where.channels):
            raise LocalError(Code.NOT_REGISTERED, reason="announced for other contracts: run `tallystick provide`")

    def _same_place(self, old: Announcement, new: Announcement) -> bool:
        before, after = old.profile(self._crypto), new.profile(self._crypto)
        same = [(one.provider, one.where.chain_id, one.where.registry, one.where.channels) for one in (old, new)]
        return same[0] == same[1] and (before.payee, before.operator) == (after.payee, after.operator)

    async def _stop_node(self) -> None:
        running, self.running = self.running, None
        if running is not None:
            await running.stop()

    async def stop(self) -> None:
        """Drains the node and lets the chain go."""
        await self._stop_node()
        await self.rpc.aclose()
