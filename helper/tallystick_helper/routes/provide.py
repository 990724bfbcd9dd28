"""`/api/provide`: the wizard's steps. What changes the offer needs the owner, once there is one; the transaction itself
is signed by the owner's wallet in any case.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute

from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes

from ..console.pairing import Session
from ..console.wizard import Wizard
from .door import Answer, Door


class Look(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names of the doctor's checks."""

    checks: list[str]
    chain: str = ""


class At(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder or a file on the node's machine."""

    path: str


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[engine]` as in the settings."""

    engine: dict[str, Any]


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shall the router be asked?"""

    on: bool


class OnChain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A chain of the settings."""

    chain: str = ""


class Wishes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who will own the provider; prices in the coin for a million units, and the address; what is left out stays."""

    owner: str
    price_in: str = ""
    price_out: str = ""
    endpoint: str = ""
    chain: str = ""


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Over the draft, in hex."""

    signature: str
    chain: str = ""


def _hex(text: str) -> bytes:
    """Raises LocalError BAD_REQUEST."""
    try:
        return to_bytes(text.strip())
    except ValueError:
        raise LocalError(Code.BAD_REQUEST, reason="it is not hexadecimal") from None


def provide_routes(door: Door, wizard: Wizard) -> list[BaseRoute]:
    """Behind the door."""

    async def look(request: Request, session: Session) -> Answer:
        return await wizard.look(request.query_params.get("chain", ""))

    async def check(wish: Look, session: Session) -> Answer:
        return await wizard.check(wish.chain, wish.checks)

    async def find(wish: At, session: Session) -> Answer:
        return await asyncio.to_thread(wizard.find, wish.path)

    async def use(wish: Engine, session: Session) -> Answer:
        return await wizard.use(wish.engine)

    async def port(wish: Port, session: Session) -> Answer:
        return await wizard.port(wish.on)

    async def market(wish: OnChain, session: Session) -> Answer:
        return await wizard.market(wish.chain)

    async def draft(wish: Wishes, session: Session) -> Answer:
        wishes = {"price_in": wish.price_in, "price_out": wish.price_out, "endpoint": wish.endpoint}
        owner = _hex(wish.owner)
        if len(owner) != 20:
            raise LocalError(Code.BAD_REQUEST, reason="an address has 40 hex digits")
        return await wizard.draft(wish.chain, owner, wishes, shared=door.sign_in.rules(session))

    async def seal(wish: Signature, session: Session) -> Answer:
        return await wizard.seal(wish.chain, _hex(wish.signature))

    return [
        door.get("/api/provide", look),
        door.post("/api/provide/check", Look, check),
        door.owned("/api/provide/find", At, find),
        door.post("/api/provide/market", OnChain, market),
        door.owned("/api/provide/use", Engine, use),
        door.owned("/api/provide/port", Port, port),
        door.owned("/api/provide/draft", Wishes, draft),
        door.owned("/api/provide/seal", Signature, seal),
    ]
