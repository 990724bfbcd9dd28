"""`/api/pair`, `/api/leave`, `/api/session` and the owner's sign-in."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.routing import BaseRoute, Route

from ..console.pairing import BEARER_LIFE, Session
from .door import Answer, Door, Nothing, body_of, guarded


class Secret(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands behind the `#pair=` of the address."""

    secret: str


class Account(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wallet's account that wants to sign in, for one chain of the settings."""

    account: str
    chain: str = ""


class Signed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The message as it was signed, and the signature in hex."""

    message: str
    signature: str


def pairing_routes(door: Door) -> list[BaseRoute]:
    """Only the first of them is open to whoever is not paired."""

    async def pair(request: Request) -> Answer:
        wish = await body_of(request, Secret)
        return {"bearer": door.pairing.redeem(wish.secret), "seconds": int(BEARER_LIFE)}

    async def leave(wish: Nothing, session: Session) -> Answer:
        door.pairing.leave(session)
        return {}

    async def session(request: Request, session: Session) -> Answer:
        owners = {name: "0x" + owner.hex() for name, owner in door.sign_in.owners_of(session).items()}
        return {"seconds": int(session.until - door.pairing.clock()), "owners": owners}

    async def message(request: Request) -> Answer:
        session = door.pairing.session(request.headers.get("authorization"))
        wish = await body_of(request, Account)
        return {"message": await door.sign_in.message(session, request.headers["host"], wish.chain, wish.account)}

    async def sign_in(request: Request) -> Answer:
        session = door.pairing.session(request.headers.get("authorization"))
        wish = await body_of(request, Signed)
        host = request.headers["host"]
        return {"chain": await door.sign_in.accept(session, host, wish.message, wish.signature)}

    return [
        Route("/api/pair", guarded(pair), methods=["POST"]),
        door.post("/api/leave", Nothing, leave),
        door.get("/api/session", session),
        Route("/api/owner/message", guarded(message), methods=["POST"]),
        Route("/api/owner/sign-in", guarded(sign_in), methods=["POST"]),
    ]
