"""The admin listener's `/node`: the commands of whoever holds the control key, which lies beside the node's own keys.

It can pause, drain and change the engine. It cannot move money or change what is announced: that needs the owner's
signature, which no node has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tallystick_shared.errors import Code, LocalError, TallystickError

from ..console.facts import Facts
from ..gateway.key import ApiKey
from .door import body_of, told

log = structlog.get_logger(__name__)


class Controls(Protocol):
    """What can be asked of the process."""

    def state(self) -> dict[str, Any]: ...
    def models(self) -> Any: ...
    async def pause(self, seconds: int | None) -> dict[str, Any]: ...
    async def resume(self) -> dict[str, Any]: ...
    async def drain(self, seconds: int | None) -> dict[str, Any]: ...
    async def deny(self, account: str) -> dict[str, Any]: ...
    async def allow(self, account: str) -> dict[str, Any]: ...
    async def snapshot(self) -> dict[str, Any]: ...
    async def port(self, on: bool) -> dict[str, Any]: ...
    async def try_models(self) -> dict[str, Any]: ...
    async def use(self, engine: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]: ...
    async def pair(self) -> dict[str, Any]: ...
    @property
    def facts(self) -> Facts: ...


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of any of them; each reads what it knows."""

    seconds: int | None = None
    account: str = ""
    on: bool = True
    engine: dict[str, Any] = {}
    models: dict[str, Any] = {}
    days: int = 30
    level: str = "debug"
    search: str = ""
    after: int = 0


Work = Callable[[Wish], Awaitable[dict[str, Any]]]


def control_routes(controls: Controls, key: ApiKey) -> list[BaseRoute]:
    """Each behind the key. Errors are one JSON object: error, code, says, next, and the values."""

    async def show(wish: Wish) -> dict[str, Any]:
        return controls.state()

    async def models(wish: Wish) -> dict[str, Any]:
        return {"models": msgspec.to_builtins(list(controls.models()))}

    async def logs(wish: Wish) -> dict[str, Any]:
        return controls.facts.logs(wish.level, wish.search, wish.after)

    async def sessions(wish: Wish) -> dict[str, Any]:
        return controls.facts.sessions()

    async def hardware(wish: Wish) -> dict[str, Any]:
        return controls.facts.hardware()

    rows: list[tuple[str, str, Work]] = [
        ("GET", "/node", show),
        ("GET", "/node/models", models),
        ("POST", "/node/pause", lambda wish: controls.pause(wish.seconds)),
        ("POST", "/node/resume", lambda wish: controls.resume()),
        ("POST", "/node/drain", lambda wish: controls.drain(wish.seconds)),
        ("POST", "/node/deny", lambda wish: controls.deny(wish.account)),
        ("POST", "/node/allow", lambda wish: controls.allow(wish.account)),
        ("POST", "/node/snapshot", lambda wish: controls.snapshot()),
        ("POST", "/node/port", lambda wish: controls.port(wish.on)),
        ("POST", "/node/try", lambda wish: controls.try_models()),
        ("POST", "/node/earnings", lambda wish: controls.facts.earnings(wish.days)),
        ("POST", "/node/purse", lambda wish: controls.facts.purse()),
        ("POST", "/node/logs", logs),
        ("POST", "/node/claims", lambda wish: controls.facts.claims()),
        ("POST", "/node/sessions", sessions),
        ("POST", "/node/hardware", hardware),
        ("POST", "/node/bundle", lambda wish: controls.facts.bundle_text()),
        ("POST", "/node/pair", lambda wish: controls.pair()),
        ("POST", "/node/engine", lambda wish: controls.use(wish.engine, wish.models)),
    ]
    return [Route(path, _guarded(work, key), methods=[method]) for method, path, work in rows]


def _guarded(work: Work, key: ApiKey) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            if not key.opens(request.headers.get("authorization")):
                return JSONResponse({"error": "unauthorized"}, 401)
            return JSONResponse(await work(await body_of(request, Wish)))
        except TallystickError as error:
            return JSONResponse(told(error), 400)
        except Exception as error:
            log.exception("control_failed", path=request.url.path, kind=type(error).__name__)
            return JSONResponse(told(LocalError(Code.ENGINE_FAILED, reason=type(error).__name__)), 500)

    return answer
