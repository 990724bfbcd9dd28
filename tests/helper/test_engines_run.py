"""A run: whatever the work does, pieces stop at cancel, one finish comes, and the slot is free."""

from __future__ import annotations

import asyncio
import threading

import pytest

from tallystick_helper.engines import Finish, Piece, Reason, Run
from tallystick_helper.engines.slots import Slots
from tallystick_shared.errors import Code, LocalError


async def test_pieces_from_a_thread_come_before_the_finish() -> None:
    slots = Slots(1, 0)

    async def work(run: Run, slot: int) -> Reason:
        await asyncio.to_thread(lambda: [run.emit(Piece(b"x", 1)) for _ in range(50)])
        return Reason.STOP

    events = [event async for event in Run(slots.reserve(), work)]
    assert events == [Piece(b"x", 1)] * 50 + [Finish(Reason.STOP, 50)]


async def test_nothing_comes_after_cancel_even_if_it_was_ready() -> None:
    slots = Slots(1, 0)
    emitted = asyncio.Event()

    async def work(run: Run, slot: int) -> Reason:
        run.emit(Piece(b"x", 1))
        run.emit(Piece(b"y", 1))
        emitted.set()
        with run.interruptible():
            await asyncio.Event().wait()
        return Reason.STOP

    run = Run(slots.reserve(), work)
    await emitted.wait()
    assert await anext(run) == Piece(b"x", 1)
    run.cancel()
    assert [event async for event in run] == [Finish(Reason.CANCELLED, 1)]
    assert slots.load().running == 0


async def test_an_engine_waits_at_the_gate_and_a_cancel_ends_that() -> None:
    """What it was let begin counts at once, so that two runs are not let through for the same money."""
    asked: list[int] = []

    async def work(run: Run, slot: int) -> Reason:
        while True:
            await run.room(2)
            asked.append(run.made)
            run.emit(Piece(b"xyz", 3))

    run = Run(Slots(1, 0).reserve(), work)
    run.gate = lambda units: run.made + units <= limit
    limit = 5
    assert await anext(run) == Piece(b"xyz", 3) and await anext(run, None) == Piece(b"xyz", 3)
    assert (run.made, asked) == (6, [2, 5])
    limit = 8
    run.look()
    assert await anext(run) == Piece(b"xyz", 3)
    assert (run.made, asked) == (9, [2, 5, 8])
    await run.aclose()
    assert await anext(run) == Finish(Reason.CANCELLED, 9)


async def test_the_finish_of_a_cancel_waits_for_the_thread() -> None:
    slots = Slots(1, 0)
    let_go = threading.Event()

    async def work(run: Run, slot: int) -> Reason:
        await asyncio.to_thread(let_go.wait)
        return Reason.STOP

    run = Run(slots.reserve(), work)
    reader = asyncio.create_task(anext(run))
    await asyncio.sleep(0)
    run.cancel()
    assert slots.load().running == 1
    let_go.set()
    assert await reader == Finish(Reason.CANCELLED, 0)
    assert slots.load().running == 0


async def test_an_error_of_ours_is_the_finish() -> None:
    error = LocalError(Code.PROMPT_TOO_LONG, units=2, limit=1)

    async def work(run: Run, slot: int) -> Reason:
        run.emit(Piece(b"x", 1))
        raise error

    assert [event async for event in Run(Slots(1, 0).reserve(), work)] == [
        Piece(b"x", 1),
        Finish(Reason.ERROR, 1, error),
    ]


async def test_a_crash_becomes_engine_failed_without_its_words() -> None:
    async def work(run: Run, slot: int) -> Reason:
        raise KeyError("a secret prompt")

    (finish,) = [event async for event in Run(Slots(1, 0).reserve(), work)]
    assert isinstance(finish, Finish)
    assert finish.error is not None
    assert finish.error.code is Code.ENGINE_FAILED
    assert "secret" not in str(finish.error)


async def test_a_cancelled_place_in_the_queue_never_starts() -> None:
    slots = Slots(1, 1)
    slots.reserve()

    async def work(run: Run, slot: int) -> Reason:
        raise AssertionError("it started")

    run = Run(slots.reserve(), work)
    assert run.place == 1
    await run.aclose()
    assert [event async for event in run] == [Finish(Reason.CANCELLED, 0)]
    assert slots.load().waiting == 0


async def test_its_time_is_over_and_what_was_made_is_given() -> None:
    async def work(run: Run, slot: int) -> Reason:
        run.emit(Piece(b"x", 1))
        with run.interruptible():
            await asyncio.Event().wait()
        raise AssertionError("it went on")

    slots = Slots(1, 0)
    assert [event async for event in Run(slots.reserve(), work, seconds=0.01)] == [
        Piece(b"x", 1),
        Finish(Reason.TIME, 1),
    ]
    assert slots.load().running == 0


async def test_its_time_begins_with_its_slot() -> None:
    slots = Slots(1, 1)
    first = slots.reserve()

    async def work(run: Run, slot: int) -> Reason:
        return Reason.STOP

    run, over = Run(slots.reserve(), work, seconds=0.01), asyncio.Event()
    run.when_over(over.set)
    await asyncio.sleep(0.05)  # longer than it may run
    first.release()
    assert [event async for event in run] == [Finish(Reason.STOP, 0)]
    await over.wait()


async def test_iteration_is_over_after_the_finish() -> None:
    async def work(run: Run, slot: int) -> Reason:
        return Reason.STOP

    run = Run(Slots(1, 0).reserve(), work)
    assert await anext(run) == Finish(Reason.STOP, 0)
    with pytest.raises(StopAsyncIteration):
        await anext(run)
    await run.aclose()


def test_a_piece_takes_no_units_back() -> None:
    with pytest.raises(ValueError, match="cannot take units back"):
        Piece(b"x", -1)
