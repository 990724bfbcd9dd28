"""`/api/state`, and what a paired console may tell the node without its owner: pause, resume, drain, deny, allow."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute

from ..console.pairing import Session
from .control import Controls
from .door import Answer, Door, Nothing


class For(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For so many seconds; without them until `resume`, or however long it takes."""

    seconds: int | None = None


class Wallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wallet's address."""

    account: str


def renting_routes(door: Door, controls: Controls) -> list[BaseRoute]:
    """All answer with the state."""

    async def state(request: Request, session: Session) -> Answer:
        return controls.state()

    async def pause(wish: For, session: Session) -> Answer:
        return await controls.pause(wish.seconds)

    async def resume(wish: Nothing, session: Session) -> Answer:
        return await controls.resume()

    async def drain(wish: For, session: Session) -> Answer:
        return await controls.drain(wish.seconds)

    async def deny(wish: Wallet, session: Session) -> Answer:
        return await controls.deny(wish.account)

    async def allow(wish: Wallet, session: Session) -> Answer:
        return await controls.allow(wish.account)

    return [
        door.get("/api/state", state),
        door.post("/api/pause", For, pause),
        door.post("/api/resume", Nothing, resume),
        door.post("/api/drain", For, drain),
        door.post("/api/deny", Wallet, deny),
        door.post("/api/allow", Wallet, allow),
    ]
