"""The door of the console's API: every route behind it needs the bearer of a paired console, some the owner too.

What comes before it is the listener's guard (`admin_guard`): Host, Origin, no cookies, nobody else's page.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tallystick_shared.errors import Code, LocalError, TallystickError
from tallystick_shared.evm.rpc import RpcError

from ..console.pairing import Pairing, Session
from ..console.sign_in import SignIn

MOST_BODY = 64 * 1024
OWN = frozenset({"same-origin", "none"})
STATUS = {Code.NOT_PAIRED: 401, Code.PAIRING_OVER: 401, Code.OWNER_NEEDED: 403, Code.NOT_OWNER: 403,
          Code.BAD_SIGN_IN: 403, Code.TOO_LARGE: 413}  # fmt: skip
S = TypeVar("S", bound=msgspec.Struct)
Answer = dict[str, Any] | Response
Work = Callable[[Request, Session], Awaitable[Answer]]
log = structlog.get_logger(__name__)


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that says nothing."""


class OnChain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body that names a chain of the settings; the first one has no name."""

    chain: str = ""


class Door:
    """Makes routes. `get` and `post` are for whoever is paired, `owned` also for the owner alone: use it for whatever
    moves money or changes the offer.
    """

    def __init__(self, pairing: Pairing, sign_in: SignIn) -> None:
        self.pairing, self.sign_in = pairing, sign_in

    def get(self, path: str, work: Work) -> Route:
        """`work` gets the request; it changes nothing."""

        async def answer(request: Request) -> Answer:
            return await work(request, self._session(request))

        return Route(path, guarded(answer), methods=["GET"])

    def post(self, path: str, shape: type[S], work: Callable[[S, Session], Awaitable[Answer]]) -> Route:
        """`work` gets the body as `shape`."""

        async def answer(request: Request) -> Answer:
            session = self._session(request)
            return await work(await body_of(request, shape), session)

        return Route(path, guarded(answer), methods=["POST"])

    def owned(self, path: str, shape: type[S], work: Callable[[S, Session], Awaitable[Answer]]) -> Route:
        """As `post`, for a console that the owner signed in on: of the chain that the body's `chain` names, else of the
        first that this node is announced on.
        """

        async def checked(wish: S, session: Session) -> Answer:
            self.sign_in.check(session, getattr(wish, "chain", None))
            return await work(wish, session)

        return self.post(path, shape, checked)

    def _session(self, request: Request) -> Session:
        return self.pairing.session(request.headers.get("authorization"))


def guarded(work: Callable[[Request], Awaitable[Answer]]) -> Callable[[Request], Awaitable[Response]]:
    """Faults as one JSON object: error, code, says, next, and the values."""

    async def answer(request: Request) -> Response:
        try:
            if request.headers.get("sec-fetch-site", "none") not in OWN:
                raise LocalError(Code.NOT_PAIRED)
            found = await work(request)
            return found if isinstance(found, Response) else JSONResponse(found)
        except TallystickError as error:
            return JSONResponse(told(error), STATUS.get(error.code, 400))
        except RpcError as error:
            return JSONResponse(told(LocalError(Code.RPC_UNREACHABLE, reason=error.message)), 400)
        except Exception as error:
            log.exception("console_failed", path=request.url.path, kind=type(error).__name__)
            return JSONResponse(told(LocalError(Code.NODE_FAILED, kind=type(error).__name__)), 500)

    return answer


async def body_of(request: Request, shape: type[S]) -> S:
    """Raises LocalError TOO_LARGE, BAD_REQUEST."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY:
            raise LocalError(Code.TOO_LARGE, limit=MOST_BODY)
    try:
        return msgspec.convert(json.loads(body or b"{}"), shape)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise LocalError(Code.BAD_REQUEST, reason=str(error)[:200]) from None


def told(error: TallystickError) -> dict[str, Any]:
    """An error as JSON: error, code, says, next, and its values as text."""
    values = {name: str(value) for name, value in error.values.items()}
    return {**values, "error": error.code.name, "code": int(error.code), "says": error.says, "next": error.next_step}
