"""Figures on the admin listener, with a key of their own that cannot spend: `GET /metrics` for Prometheus, and
`GET /models`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from ..gateway.key import ApiKey

SAYS = "The key is missing or wrong: give `Authorization: Bearer KEY`. `tallystick gateway key --metrics` shows it.\n"


@dataclass(frozen=True)
class Figures:
    """What is told: the text for Prometheus, and a row for each model."""

    metrics: Callable[[], Awaitable[bytes]]
    models: Callable[[], list[dict[str, Any]]]


def figure_routes(figures: Figures, key: ApiKey) -> list[BaseRoute]:
    """Both open to that key alone."""

    def closed(request: Request) -> Response | None:
        if key.opens(request.headers.get("authorization")):
            return None
        return PlainTextResponse(SAYS, status_code=401, headers={"WWW-Authenticate": "Bearer"})

    async def metrics(request: Request) -> Response:
        headers = {"Content-Type": CONTENT_TYPE_LATEST}
        return closed(request) or Response(await figures.metrics(), headers=headers)

    async def models(request: Request) -> Response:
        return closed(request) or JSONResponse({"models": figures.models()})

    return [Route("/metrics", metrics, methods=["GET"]), Route("/models", models, methods=["GET"])]
