"""Turns on a connection: so many at once, of one class of traffic, in the order in which they came."""

from __future__ import annotations

import asyncio

from tallystick_helper.gateway.turns import Turns
from tallystick_shared.services import Traffic

TEXT, BULK = Traffic.TEXT, Traffic.BULK


async def entered(turns: Turns, kind: Traffic) -> asyncio.Task[None]:
    task = asyncio.create_task(turns.enter(kind))
    await asyncio.sleep(0)
    return task


async def test_so_many_at_once_then_in_order() -> None:
    turns = Turns(2)
    tasks = [await entered(turns, TEXT) for _ in range(4)]
    assert [task.done() for task in tasks] == [True, True, False, False]
    turns.leave()
    await asyncio.sleep(0)
    assert [task.done() for task in tasks] == [True, True, True, False]
    turns.leave()
    await tasks[3]


async def test_another_class_waits_for_rest_and_is_not_overtaken() -> None:
    turns = Turns(4)
    await turns.enter(TEXT)
    vectors, later = await entered(turns, BULK), await entered(turns, TEXT)
    assert not vectors.done() and not later.done()
    turns.leave()
    await vectors
    assert not later.done()
    turns.leave()
    await later


async def test_who_gives_up_takes_no_turn() -> None:
    turns = Turns(1)
    await turns.enter(TEXT)
    waiting, next_one = await entered(turns, BULK), await entered(turns, TEXT)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert not next_one.done()
    turns.leave()
    await next_one
    late = await entered(turns, TEXT)
    turns.leave()  # granted, and cancelled before it heard of it
    late.cancel()
    await asyncio.wait([late])
    assert not turns.busy
    await turns.emptied()
