"""The loopback engine: the seat's promises, and its own."""

from __future__ import annotations

import asyncio

import pytest

from tallystick_helper.engines import DEFAULT, Engine, Reason, open_engine
from tallystick_helper.engines.conformance import EngineConformance, ask, collect
from tallystick_helper.engines.echo import EchoEngine, EchoOptions
from tallystick_helper.engines.seat import Piece
from tallystick_shared.errors import Code, TallystickError


class TestEcho(EngineConformance):
    short = ask("one two three")
    long = ask("word " * 3000)
    overflow = ask("word " * 5000)

    async def open(self) -> Engine:
        return EchoEngine(EchoOptions(rate=0, prefill_rate=2000, slots=4, queue=2))


async def test_it_repeats_the_last_message() -> None:
    pieces, _ = await collect(EchoEngine(EchoOptions(rate=0)).run(ask("tally  ho", max_units=5)))
    assert b"".join(piece.data for piece in pieces) == b"tally ho tally ho tally"


async def test_it_answers_an_empty_message() -> None:
    pieces, _ = await collect(EchoEngine(EchoOptions(rate=0)).run(ask("", max_units=2)))
    assert b"".join(piece.data for piece in pieces) == b"tally tally"


async def test_the_answer_ends_where_the_context_does() -> None:
    engine = EchoEngine(EchoOptions(rate=0, context=10))
    _, finish = await collect(engine.run(ask("one two", max_units=50)))
    assert finish.units == 10 - await engine.count(ask("one two"))


async def test_it_keeps_its_rate() -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    await collect(EchoEngine(EchoOptions(rate=200)).run(ask("one", max_units=21)))
    assert loop.time() - started >= 20 / 200


async def test_it_says_what_it_is_and_is_not_the_default() -> None:
    engine = await open_engine("echo", {"name": "loopback-2"})
    assert "test" in engine.capabilities().label
    assert engine.capabilities().model == "loopback-2"
    assert DEFAULT != "echo"


@pytest.mark.parametrize("options", [{"rate": -1.0}, {"context": 4}, {"slots": 0}, {"queue": -1}, {"colour": "red"}])
async def test_settings_that_make_no_sense(options: dict[str, object]) -> None:
    with pytest.raises(TallystickError) as caught:
        await open_engine("echo", options)
    assert caught.value.code is Code.BAD_SETTINGS


async def test_units_are_handed_out_in_batches() -> None:
    engine = EchoEngine(EchoOptions(rate=0, batch=5))
    task = ask("one two three", 12)
    async with engine.run(task) as run:
        pieces = [event async for event in run if isinstance(event, Piece)]
    assert [piece.units for piece in pieces] == [5, 5, 2]
    assert b"".join(piece.data for piece in pieces).split() == (b"one two three " * 4).split()
    await engine.close()


async def test_caps_of_a_request_stand_in_the_settings_of_any_engine() -> None:
    engine = await open_engine("echo", {"rate": 0, "max_input": 10, "max_output": 5, "max_seconds": 30.0})
    able = engine.capabilities()
    assert (able.max_input, able.max_output) == (10, 5)
    _, finish = await collect(engine.run(ask("one", max_units=50)))
    assert (finish.reason, finish.units) == (Reason.LENGTH, 5)
    with pytest.raises(TallystickError) as caught:
        await engine.count(ask("word " * 20))
    assert (caught.value.code, caught.value.values["limit"]) == (Code.PROMPT_TOO_LONG, 10)
    with pytest.raises(TallystickError):
        await open_engine("echo", {"max_output": -1})
