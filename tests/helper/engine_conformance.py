"""What every engine must do, whatever it is made of.

A test file of an engine subclasses `EngineConformance` and gives the fixture `engine` and the tasks. Nothing here
waits for a time to pass; what took how long is recorded as a property of the test, and asserted only by benches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from tallystick_helper.engines import Engine, Event, Finish, Piece, Reason, Run, Task
from tallystick_shared.chat import ChatParams, chat_input
from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.messages import encode

Record = Callable[[str, object], None]


def ask(text: str, max_units: int = 24, scope: bytes = b"", **params: object) -> Task:
    """A chat task with one message of the user."""
    return Task("chat", chat_input([("user", text)]), encode(ChatParams(**params)), max_units, scope)  # type: ignore[arg-type]


async def collect(run: Run) -> tuple[list[Piece], Finish]:
    """All of a run. Fails where the finish is not exactly one, and last."""
    events: list[Event] = []
    async with run:
        async for event in run:
            events.append(event)
    *pieces, finish = events
    assert isinstance(finish, Finish)
    assert all(isinstance(piece, Piece) for piece in pieces)
    return [piece for piece in pieces if isinstance(piece, Piece)], finish


async def first_piece(run: Run) -> Piece:
    """The first piece of a run. Fails where it ended without one."""
    event = await anext(run)
    assert isinstance(event, Piece), event
    return event


class EngineConformance:
    """The seat's promises. `short` must give at least 24 units, `long` be slow to prefill, `overflow` exceed the
    context.
    """

    short: Task
    long: Task
    overflow: Task

    async def test_streams_pieces_then_one_finish(self, engine: Engine, record_property: Record) -> None:
        started = time.perf_counter()
        async with engine.run(self.short) as run:
            await first_piece(run)
            record_property("first_token_ms", round(1000 * (time.perf_counter() - started)))
        pieces, finish = await collect(engine.run(self.short))
        assert finish.error is None
        assert len(pieces) > 1
        assert all(piece.data for piece in pieces)
        for piece in pieces:
            piece.data.decode()

    async def test_units_add_up_and_never_exceed_bytes(self, engine: Engine) -> None:
        pieces, finish = await collect(engine.run(self.short))
        assert finish.units == sum(piece.units for piece in pieces)
        units = size = 0
        for piece in pieces:
            units += piece.units
            size += len(piece.data)
            assert units <= size

    async def test_stops_at_max_units(self, engine: Engine) -> None:
        for limit in (1, 7):
            _, finish = await collect(engine.run(replace(self.short, max_units=limit)))
            assert (finish.reason, finish.units) == (Reason.LENGTH, limit)

    async def test_counts_input_before_running_it(self, engine: Engine) -> None:
        capabilities = engine.capabilities()
        for task in (self.short, self.long):
            units = await engine.count(task)
            assert (
                len(task.input) / capabilities.bytes_per_unit <= units <= len(task.input) + capabilities.template_units
            )
        assert engine.load().running == 0

    async def test_cancel_while_streaming(self, engine: Engine, record_property: Record) -> None:
        run = engine.run(replace(self.short, max_units=1000))
        first = await first_piece(run)
        started = time.perf_counter()
        run.cancel()
        rest = [event async for event in run]
        record_property("cancel_ms", round(1000 * (time.perf_counter() - started)))
        assert rest == [Finish(Reason.CANCELLED, first.units)]
        assert engine.load().running == 0

    async def test_cancel_while_reading_the_prompt(self, engine: Engine, record_property: Record) -> None:
        run = engine.run(self.long)
        await under_way(engine, self.short)
        started = time.perf_counter()
        run.cancel()
        rest = [event async for event in run]
        record_property("cancel_ms", round(1000 * (time.perf_counter() - started)))
        assert rest == [Finish(Reason.CANCELLED, 0)]
        assert engine.load().running == 0

    async def test_cancel_of_a_prompt_behind_another_does_not_wait_for_it(self, engine: Engine) -> None:
        first, second = engine.run(self.long), engine.run(self.long)
        assert await engine.count(self.short) > 0
        await second.aclose()
        assert engine.load().running == 1
        assert [event async for event in second] == [Finish(Reason.CANCELLED, 0)]
        await first.aclose()

    async def test_cancel_wakes_a_reader_in_another_task(self, engine: Engine) -> None:
        run = engine.run(self.long)
        reader = asyncio.create_task(collect(run))
        await under_way(engine, self.short)
        run.cancel()
        assert await reader == ([], Finish(Reason.CANCELLED, 0))

    async def test_leaving_the_block_frees_the_slot(self, engine: Engine) -> None:
        with pytest.raises(RuntimeError, match="the reader failed"):
            async with engine.run(replace(self.short, max_units=1000)) as run:
                await first_piece(run)
                raise RuntimeError("the reader failed")
        assert engine.load().running == 0

    async def test_a_cancelled_reader_frees_the_slot(self, engine: Engine) -> None:
        reader = asyncio.create_task(collect(engine.run(self.long)))
        await under_way(engine, self.short)
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        assert engine.load().running == 0

    async def test_a_prompt_beyond_the_context(self, engine: Engine) -> None:
        with pytest.raises(TallystickError) as caught:
            await engine.count(self.overflow)
        assert caught.value.code is Code.PROMPT_TOO_LONG
        assert caught.value.values["units"] > caught.value.values["limit"]
        pieces, finish = await collect(engine.run(self.overflow))
        assert not pieces
        assert finish.reason is Reason.ERROR
        assert finish.error is not None
        assert finish.error.code is Code.PROMPT_TOO_LONG
        assert engine.load().running == 0

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"input": b""}, Code.BAD_REQUEST),
            ({"input": b"\xc1"}, Code.BAD_REQUEST),
            ({"input": chat_input([])}, Code.BAD_REQUEST),
            ({"params": b"\xff\xff"}, Code.BAD_REQUEST),
            ({"params": encode([9.0, None, None, []])}, Code.BAD_REQUEST),
            ({"max_units": 0}, Code.BAD_REQUEST),
            ({"service": "telepathy"}, Code.UNKNOWN_SERVICE),
        ],
    )
    async def test_survives_a_bad_request(self, engine: Engine, change: dict[str, object], code: Code) -> None:
        bad = replace(self.short, **change)  # type: ignore[arg-type]
        with pytest.raises(TallystickError) as caught:
            engine.run(bad)
        assert caught.value.code is code
        if "max_units" not in change:
            with pytest.raises(TallystickError):
                await engine.count(bad)
        _, finish = await collect(engine.run(replace(self.short, max_units=2)))
        assert finish.units == 2

    async def test_four_streams_at_once(self, engine: Engine) -> None:
        runs = [engine.run(replace(self.short, scope=bytes([index]))) for index in range(4)]
        assert engine.load().running == 4
        assert [run.place for run in runs] == [0, 0, 0, 0]
        for pieces, finish in await asyncio.gather(*map(collect, runs)):
            assert finish.reason in (Reason.LENGTH, Reason.STOP)
            assert finish.units == sum(piece.units for piece in pieces) > 0
        assert engine.load().running == 0

    async def test_one_more_than_slots_and_queue_is_refused(self, engine: Engine) -> None:
        load = engine.load()
        runs = [engine.run(self.long) for _ in range(load.slots + load.queue)]
        assert engine.busy()
        assert [run.place for run in runs] == [0] * load.slots + list(range(1, load.queue + 1))
        with pytest.raises(TallystickError) as caught:
            engine.run(self.short)
        assert caught.value.code is Code.BUSY
        assert caught.value.values["retry_after_ms"] > 0
        await asyncio.gather(*(run.aclose() for run in runs))
        assert not engine.busy()
        assert engine.load().running == engine.load().waiting == 0

    async def test_what_is_charged_already_waits_where_others_are_refused(self, engine: Engine) -> None:
        load = engine.load()
        runs = [engine.run(self.long) for _ in range(load.slots + load.queue)]
        charged = engine.run(replace(self.short, charged=True))
        assert charged.place == load.queue + 1
        with pytest.raises(TallystickError) as caught:
            engine.run(self.short)
        assert caught.value.code is Code.BUSY
        await asyncio.gather(*(run.aclose() for run in runs))
        _, finish = await collect(charged)
        assert finish.reason in (Reason.LENGTH, Reason.STOP)
        assert engine.load().running == engine.load().waiting == 0

    async def test_a_queued_run_starts_when_a_slot_is_free(self, engine: Engine) -> None:
        slots = engine.load().slots
        first = [engine.run(self.long) for _ in range(slots)]
        queued = engine.run(replace(self.short, max_units=3))
        assert queued.place == 1
        await first[0].aclose()
        assert queued.place == 0
        await asyncio.gather(*(run.aclose() for run in first))
        _, finish = await collect(queued)
        assert finish.units == 3


async def under_way(engine: Engine, other: Task) -> None:
    """Give the runs time to begin: counting another task takes a few turns of the loop, and must work meanwhile."""
    assert engine.load().running == 1
    assert await engine.count(other) > 0
    await asyncio.sleep(0)


async def check_close(engine: Engine, task: Task) -> None:
    """Closing ends what runs and what waits, refuses what comes, and may be done twice."""
    load = engine.load()
    runs = [engine.run(task) for _ in range(load.slots + 1)]
    readers = [asyncio.create_task(collect(run)) for run in runs]
    await engine.close()
    for _, finish in await asyncio.gather(*readers):
        assert finish.reason is Reason.CANCELLED
    assert engine.load().running == engine.load().waiting == 0
    assert engine.busy()
    with pytest.raises(TallystickError) as caught:
        engine.run(task)
    assert caught.value.code is Code.DRAINING
    with pytest.raises(TallystickError):
        await engine.count(task)
    await engine.close()
