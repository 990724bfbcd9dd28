"""An engine that is changed while requests run, and between their count and their run."""

from __future__ import annotations

import asyncio

from tallystick_helper.engines.conformance import ask, collect, text_of
from tallystick_helper.engines.door import Door, held
from tallystick_helper.engines.echo import EchoEngine, EchoOptions

from .world import until


async def test_what_an_engine_is_held_for_it_runs_though_it_was_replaced() -> None:
    first, second = EchoEngine(EchoOptions(name="first")), EchoEngine(EchoOptions(name="second"))
    door, task = Door(first), ask("tally", 3)
    with held(door) as engine:
        assert await engine.count(task)
        door.swap(second)
        assert door.capabilities().model == "second" and engine.capabilities().model == "first"
        closing = next(iter(door._closing))
        done, _ = await asyncio.wait([closing], timeout=0.6)
        assert not done
        pieces, finish = await collect(engine.run(task))
        assert finish.error is None and text_of(pieces)
    await until(lambda: first._closed)
    await door.close()
    assert second._closed


async def test_an_engine_that_never_changes_is_held_as_it_is() -> None:
    engine = EchoEngine(EchoOptions())
    with held(engine) as same:
        assert same is engine
    await engine.close()
