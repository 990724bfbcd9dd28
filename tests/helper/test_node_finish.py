"""What is under way when a node is told to end: it is given as long as `renting.finish` says."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_helper.chat import Answer
from tallystick_shared.errors import PeerError

from .world import World, serving


@pytest.mark.parametrize(("seconds", "whole"), [(0.0, False), (60.0, True)])
async def test_an_answer_under_way_has_so_long(world: World, seconds: float, whole: bool) -> None:
    engine = {"options": {"rate": 20.0}}
    async with serving(world, engine=engine, renting={"finish": seconds}) as provider:
        conversation = await provider.conversation(await provider.deposit(), low_latency=True)
        await conversation.connect()
        running = provider.up.places[0].running
        assert running is not None
        answered: list[Answer] = []
        begun = asyncio.Event()

        async def ask() -> None:
            async for piece in conversation.ask([("user", "one two")], "loopback", 30):
                begun.set()
                if isinstance(piece, Answer):
                    answered.append(piece)

        asking = asyncio.create_task(ask())
        await begun.wait()
        await running.node.drain(running.finish)
        if whole:
            await asking
            assert answered[0].output_units == 30
        else:
            with pytest.raises(PeerError):
                await asking
        await conversation.leave()
