"""Gateways for tests: a node that serves nobody and asks others, and the stock client before it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
from openai import AsyncOpenAI

from tallystick_helper.up import Up

from .world import World


@dataclass
class Local:
    """A node's local API, its key, and two clients of it."""

    up: Up
    base: str
    key: str
    client: AsyncOpenAI
    http: httpx2.AsyncClient

    @property
    def port(self) -> int:
        assert self.up.admin is not None and self.up.admin.listener is not None
        return self.up.admin.listener.port


@contextlib.asynccontextmanager
async def local_api(up: Up) -> AsyncIterator[Local]:
    """The clients of a node that runs."""
    assert up.admin is not None
    base, key = up.urls()["gateway"], up.admin.key.text()
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        AsyncOpenAI(base_url=base, api_key=key, max_retries=0) as client,
        httpx2.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=30) as http,
    ):
        yield Local(up, base, key, client, http)


@contextlib.asynccontextmanager
async def gateway(world: World, name: str = "user", **changes: Any) -> AsyncIterator[Local]:
    """A node without an engine, whose deposits are those that `world.account()` opens."""
    changes["gateway"] = {"traffic": "low_latency", **changes.get("gateway", {})}
    up = Up(world.settings(name, engine={"kind": "none", "options": {}}, **changes))
    await up.start()
    try:
        async with local_api(up) as local:
            yield local
    finally:
        await up.stop()
