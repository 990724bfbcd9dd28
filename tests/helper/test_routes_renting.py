"""Pause, resume, drain, deny and allow from a paired console."""

from __future__ import annotations

import asyncio

from .test_control import ask
from .test_routes_pairing import Console, console  # noqa: F401
from .world import until

PAYER = "0x" + 40 * "2"


async def test_a_console_does_what_the_commands_do(console: Console) -> None:  # noqa: F811
    assert (await console.call("POST", "/api/pause")).json()["error"] == "NOT_PAIRED"
    await console.pair()
    state = await console.get("/api/state")
    assert state["resting"] is None and state["chains"][""]["serving"]
    assert (await console.post("/api/pause", seconds=60))["resting"] == "paused"
    assert (await console.post("/api/resume"))["resting"] is None
    assert (await console.post("/api/deny", account=PAYER))["denied"] == [PAYER]
    assert (await console.post("/api/allow", account=PAYER))["denied"] == []
    wrong = await console.call("POST", "/api/deny", {"account": "0x12"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "BAD_SETTINGS")
    provider = console.provider
    talking = await provider.conversation(await provider.deposit())
    await talking.connect()
    running = asyncio.create_task(ask(provider, talking, 60))
    await until(lambda: provider.node.working)
    drained = await console.post("/api/drain")
    assert drained["resting"] == "paused" and drained["chains"][""]["requests"] == 0
    assert (await running).output_units == 60
    await talking.leave()
