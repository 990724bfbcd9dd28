"""What the person at this machine can tell a running node: how it goes, pause, resume, drain, deny, another engine."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes, to_hex

from .console.facts import Facts
from .engines import Capabilities
from .engines.probe import first_units
from .ledger_file import write_private
from .models import open_models
from .renting import Renting
from .settings import EngineSettings, Settings

if TYPE_CHECKING:
    from .up import Up

PATIENCE = 24 * 3600
"""Seconds for which a drain waits at most."""
STEP = 0.2
log = structlog.get_logger(__name__)


class Control:
    """Over one process. Every method is safe to call twice."""

    def __init__(self, up: Up, renting: Renting) -> None:
        self._up, self.renting = up, renting
        self._began = int(time.time())
        self._engine = sections_of(up.settings)

    def state(self) -> dict[str, Any]:
        """Amounts are decimal text in smallest units, times Unix seconds."""
        up = self._up
        load = up.engine.load() if up.engine else None
        nodes = {place.name or "": self._place(index) for index, place in enumerate(up.places)}
        return {
            "pid": os.getpid(),
            "since": self._began,
            **self.renting.values(),
            "models": [able.model for able in self.models()],
            "engine": self._engine,
            "load": vars_of(load) if load else None,
            "router": up.router.values() if up.router else None,
            "chains": nodes,
        }

    def _place(self, index: int) -> dict[str, Any]:
        place = self._up.places[index]
        if place.running is None:
            return {"serving": False, "announced": place.announced is not None}
        node = place.running.node
        offers = [
            {"model": offer.model, "price_in": str(offer.price.input), "price_out": str(offer.price.output)}
            for offer in node.profile.offers
        ]
        return {
            "serving": True,
            "provider": to_hex(node.identity.provider),
            "operator": to_hex(node.identity.operator),
            "endpoints": list(node.profile.endpoints),
            "epoch": node.profile.epoch,
            "block": place.running.follower.head.number,
            "connections": node.connections,
            "requests": node.working,
            "symbol": place.settings.chain.symbol,
            "token": to_hex(node.profile.tokens[0]),
            "offers": offers,
        }

    def models(self) -> Sequence[Capabilities]:
        return self._up.engine.models() if self._up.engine else ()

    async def pause(self, seconds: int | None) -> dict[str, Any]:
        """No new requests, for so many seconds or until `resume`."""
        self.renting.pause(seconds)
        return self.state()

    async def resume(self) -> dict[str, Any]:
        self.renting.resume()
        return self.state()

    async def drain(self, seconds: int | None) -> dict[str, Any]:
        """Pauses, and returns once nothing runs any more, or after so many seconds."""
        self.renting.pause()
        end = time.monotonic() + (PATIENCE if seconds is None else seconds)
        while True:
            if not self.requests or time.monotonic() >= end:
                break
            await asyncio.sleep(STEP)
        return self.state()

    @property
    def requests(self) -> int:
        """Those that are under way, on all chains."""
        return sum(node.working for node in self._up.nodes)

    async def deny(self, account: str) -> dict[str, Any]:
        """Raises LocalError BAD_SETTINGS."""
        self.renting.deny(address_of(account))
        return self.state()

    async def allow(self, account: str) -> dict[str, Any]:
        """Raises LocalError BAD_SETTINGS."""
        self.renting.allow(address_of(account))
        return self.state()

    async def snapshot(self) -> dict[str, Any]:
        """Writes each ledger as it is at one moment into a file beside it; whoever asked takes them away. Returns their
        names by the ledgers' names.
        """
        made: dict[str, str] = {}
        for place in self._up.places:
            if place.running is not None:
                ledger = place.running.ledger
                copy = ledger.path.with_name(f".{ledger.path.name}.{secrets.token_hex(8)}")
                write_private(copy, await ledger.snapshot())
                made[ledger.path.name] = copy.name
        return {"ledgers": made}

    async def port(self, on: bool) -> dict[str, Any]:
        """Asks the router for the public listener's port, or gives it back. Raises LocalError NO_ROUTER,
        ROUTER_REFUSED; it is tried again all the same while this runs.
        """
        if on:
            await self._up.map_port().opened()
        else:
            await self._up.leave_port()
        return self.state()

    @property
    def facts(self) -> Facts:
        return self._up.facts

    async def pair(self) -> dict[str, Any]:
        """An address that pairs one browser with the console, and for how many seconds it is good. Raises LocalError
        BAD_SETTINGS.
        """
        if self._up.admin is None:
            raise LocalError(Code.BAD_SETTINGS, setting="admin.on", reason="there is no admin listener")
        return self._up.admin.pair()

    async def try_models(self) -> dict[str, Any]:
        """Seconds to the first unit of each model; None where nobody here knows how to ask it. Raises LocalError."""
        if self._up.door is None:
            raise LocalError(Code.BAD_SETTINGS, reason="this node was started without an engine")
        return {"seconds": await first_units(self._up.door)}

    async def use(self, engine: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
        """Other models in place of those that run, whose requests end first: `[engine]` and `[models]` as in the
        settings. They are opened before, so that nothing is lost where that fails, and not sold before they are
        announced. Raises LocalError.
        """
        if self._up.door is None:
            raise LocalError(Code.BAD_SETTINGS, reason="this node was started without an engine: start it with one")
        opened = await open_models(with_models(self._up.settings, engine, models))
        self._up.door.swap(opened)
        self._engine = {"engine": engine, "models": models}
        log.info("models_changed", models=[able.model for able in opened.models()])
        return self.state()


def with_models(settings: Settings, engine: dict[str, Any], models: dict[str, Any]) -> Settings:
    """The settings with other models. Raises LocalError BAD_SETTINGS."""
    try:
        values = {name: EngineSettings.model_validate(section) for name, section in models.items()}
        return settings.model_copy(update={"engine": EngineSettings.model_validate(engine), "models": values})
    except ValidationError as error:
        raise LocalError(Code.BAD_SETTINGS, reason=str(error.errors()[0]["msg"])) from None


def sections_of(settings: Settings) -> dict[str, Any]:
    """`engine` and `models` as `use` takes them."""
    models = {name: section.model_dump(mode="json") for name, section in settings.models.items()}
    return {"engine": settings.engine.model_dump(mode="json"), "models": models}


def vars_of(load: Any) -> dict[str, Any]:
    return {name: getattr(load, name) for name in ("slots", "running", "queue", "waiting")}


def address_of(text: str) -> bytes:
    """20 bytes. Raises LocalError BAD_SETTINGS."""
    try:
        address = to_bytes(text)
    except ValueError:
        address = b""
    if len(address) != 20:
        raise LocalError(Code.BAD_SETTINGS, account=text, reason="an address has 40 hex digits")
    return address
