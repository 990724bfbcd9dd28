"""What the checks look at: settings, this machine, the chain. Earlier checks leave here what later ones need."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from tallystick_shared.chains import Deployment
from tallystick_shared.crypto import Crypto
from tallystick_shared.market import Listing

from ..announcement import Announcement
from ..chain.rpc import HttpRpc
from ..engines import Capabilities, Engine
from ..keys import KeyStore
from ..models import open_models
from ..running import RunningNode
from ..settings import Settings
from .machine import Here, Machine


class Payer(Protocol):
    """Pays for the test prompt."""

    async def ask(self, rpc: HttpRpc, where: Deployment, listing: Listing) -> PaidAnswer:
        """Asks that provider's first model one paid question. Raises TallystickError."""


@dataclass(frozen=True)
class PaidAnswer:
    """Of a paid test prompt: output units, the amount in smallest units, seconds to the first piece."""

    units: int
    amount: int
    first: float


@dataclass
class Patient:
    """`rpc` is None where no chain is set, `node` where none runs on this data, `payer` where nothing may be paid.
    `clock` gives Unix seconds.
    """

    settings: Settings
    crypto: Crypto
    rpc: HttpRpc | None = None
    machine: Machine = field(default_factory=Here)
    payer: Payer | None = None
    node: RunningNode | None = None
    clock: Callable[[], float] = time.time
    open_engine: Callable[[Settings], Awaitable[Engine]] = open_models

    chain_id: int = 0
    where: Deployment | None = None
    able: tuple[Capabilities, ...] = ()
    announced: Announcement | None = None
    listing: Listing | None = None

    @property
    def keys(self) -> KeyStore:
        return KeyStore(self.settings.data_dir)

    @property
    def chain(self) -> HttpRpc:
        """For checks that need the one called `rpc`."""
        assert self.rpc is not None
        return self.rpc

    @property
    def contracts(self) -> Deployment:
        """For checks that need the one called `contracts`."""
        assert self.where is not None
        return self.where

    @property
    def registered(self) -> Listing:
        """For checks that need the one called `registered`."""
        assert self.listing is not None
        return self.listing

    async def aclose(self) -> None:
        if self.rpc is not None:
            await self.rpc.aclose()
