"""Engines that die under paid streams: each ends by one error that may be tried again, is billed for what it delivered
and nothing more, and the next request works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tallystick_helper.engines.gguf import GgufEngine
from tallystick_helper.engines.upstream.options import KEY_ENV
from tallystick_shared.advert import Advert
from tallystick_shared.errors import Code
from tallystick_shared.messages import decode

from .llama_process import KEY, llama_process
from .paid import Outcome, Payer, slots_free
from .world import Serving, new_world, serving, until

pytestmark = pytest.mark.model

STREAMS = 3
LONG = 200


async def streams_under_way(payers: list[Payer]) -> tuple[list[Outcome], list[asyncio.Task[Outcome]]]:
    """A long stream of each, all of which have given something."""
    outcomes = [Outcome() for _ in payers]
    tasks = [
        asyncio.create_task(payer.ask(f"Write poem {at} about the sea.", LONG, outcome=outcome))
        for at, (payer, outcome) in enumerate(zip(payers, outcomes, strict=True))
    ]
    await asyncio.gather(*(outcome.began.wait() for outcome in outcomes))
    return outcomes, tasks


def check_failed(outcome: Outcome) -> None:
    assert outcome.error is not None and outcome.error.code is Code.ENGINE_FAILED, outcome
    assert outcome.retryable
    assert 0 < outcome.units < LONG


async def check_next(node: Serving, payers: list[Payer]) -> None:
    """The next requests work, and all money is for what was delivered."""
    again = await asyncio.gather(*(payer.ask("And now the wind.", 8) for payer in payers))
    for outcome in again:
        assert outcome.error is None and 0 < outcome.units <= 8
    for payer in payers:
        await payer.check_money()
        await payer.conversation.leave()
    await slots_free(node)


class FaultyServer:
    """A real server of the engine's, whose next streams break inside after some chunks."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.broken = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def chat(self, body: dict[str, Any], on_chunk: Callable[[dict[str, Any]], bool]) -> None:
        """As the real one, until `broken` is set; then it raises where a chunk would have come."""

        def take(chunk: dict[str, Any]) -> bool:
            if self.broken.is_set():
                return True
            return on_chunk(chunk)

        self._server.chat(body, take)
        if self.broken.is_set():
            raise RuntimeError("decode() failed: the prompt was secret")


async def test_an_engine_that_raises_inside(tmp_path: Path) -> None:
    options = {"context": 1024, "slots": STREAMS, "threads": 1, "ignore_eos": True}
    async with new_world(tmp_path) as world, serving(world, engine={"kind": "gguf", "options": options}) as node:
        assert node.up.door is not None
        engine = node.up.door._engine
        assert isinstance(engine, GgufEngine)
        engine._server = faulty = FaultyServer(engine._server)  # type: ignore[assignment]
        payers = [await Payer.at(node) for _ in range(STREAMS)]
        _, tasks = await streams_under_way(payers)
        faulty.broken.set()
        for outcome in await asyncio.gather(*tasks):
            check_failed(outcome)
            assert "secret" not in str(outcome.error)
        await slots_free(node)
        faulty.broken.clear()
        await check_next(node, payers)


async def test_a_server_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGKILL to the process behind the node, which is started again on the same port a moment later."""
    monkeypatch.setenv(KEY_ENV, KEY)
    async with llama_process(slots=STREAMS, context=1024) as server:
        options = {"url": server.url, "slots": STREAMS, "extra": {"ignore_eos": True}, "probe_interval": 3600.0}
        engine = {"kind": "upstream", "options": options}
        async with new_world(tmp_path) as world, serving(world, engine=engine) as node:
            payers = [await Payer.at(node) for _ in range(STREAMS)]
            _, tasks = await streams_under_way(payers)
            await server.kill()
            for outcome in await asyncio.gather(*tasks):
                check_failed(outcome)
            await until(node.node.engine.busy)
            assert decode(Advert, node.node.advert()).load.busy  # and so the market knows
            refused = await payers[0].ask("Are you there?", 8)
            assert refused.error is not None and refused.error.code is Code.ENGINE_FAILED
            assert refused.retry_after_ms >= 1000 and refused.units == refused.input_units == 0
            async with llama_process(slots=STREAMS, context=1024, port=int(server.url.rsplit(":", 1)[1])):
                await until(lambda: not node.node.engine.busy(), 40)
                await check_next(node, payers)
