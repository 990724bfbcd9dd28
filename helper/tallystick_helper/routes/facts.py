"""`/api/models`, `sessions`, `hardware`, `earnings`, `claims`, `logs`, `bundle`; `/api/claim` for the owner alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from ..console.earnings import as_csv
from ..console.facts import Facts
from ..console.pairing import Session
from .door import Answer, Door, OnChain


def fact_routes(door: Door, facts: Facts) -> list[BaseRoute]:
    """All behind the bearer."""

    def plain(told: Callable[[], dict[str, Any]]) -> Callable[[Request, Session], Any]:
        async def answer(request: Request, session: Session) -> Answer:
            return told()

        return answer

    async def earned(request: Request, session: Session) -> Answer:
        return await facts.earnings(number(request, "days", 30))

    async def table(request: Request, session: Session) -> Answer:
        text = as_csv(await facts.earnings(number(request, "days", 30)))
        return Response(text, media_type="text/csv; charset=utf-8", headers=attached("earnings.csv"))

    async def claims(request: Request, session: Session) -> Answer:
        return await facts.claims()

    async def claim(wish: OnChain, session: Session) -> Answer:
        return await facts.claim(wish.chain)

    async def logs(request: Request, session: Session) -> Answer:
        asked = request.query_params
        return facts.logs(asked.get("level", "debug"), asked.get("search", "")[:200], number(request, "after", 0))

    async def bundle(request: Request, session: Session) -> Answer:
        return Response(await facts.bundle(), media_type="application/zip", headers=attached("tallystick-support.zip"))

    return [
        door.get("/api/models", plain(facts.models)),
        door.get("/api/sessions", plain(facts.sessions)),
        door.get("/api/hardware", plain(facts.hardware)),
        door.get("/api/earnings", earned),
        door.get("/api/earnings.csv", table),
        door.get("/api/claims", claims),
        door.owned("/api/claim", OnChain, claim),
        door.get("/api/logs", logs),
        door.get("/api/bundle", bundle),
    ]


def number(request: Request, name: str, usual: int) -> int:
    """A whole number of the query; the usual one where there is none."""
    given = request.query_params.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else usual


def attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
