"""What every engine must do, whatever it is made of: a suite of tests for whoever writes one.

It needs pytest and pytest-asyncio, which the distribution does not bring. A test file of an engine subclasses
`EngineConformance`, says how to open the engine, and gives three tasks; docs/howto/write-an-engine.md has an example
that is itself run. Nothing here waits for a time to pass: what took how long is recorded as a property of the test.
"""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, ClassVar

import psutil
import pytest
import pytest_asyncio

from tallystick_shared import chat
from tallystick_shared.errors import Code, TallystickError
from tallystick_shared.messages import encode
from tallystick_shared.services import Traffic, service_of

from .capabilities import SAMPLING
from .conformance_tasks import asking
from .seat import Engine, Event, Finish, Piece, Reason, Run, Task

Record = Callable[[str, object], None]
SLACK = 64 << 20
"""Bytes that a process may have grown by over opening and closing an engine a second time."""


def ask(text: str, max_units: int = 24, scope: bytes = b"", **params: Any) -> Task:
    """A chat task with one message of the user."""
    return Task(chat.SERVICE, chat.chat_input([("user", text)]), encode(chat.ChatParams(**params)), max_units, scope)


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


async def under_way(engine: Engine, other: Task) -> None:
    """Give the runs time to begin: counting another task takes a few turns of the loop, and must work meanwhile."""
    assert engine.load().running == 1
    assert await engine.count(other) > 0
    await asyncio.sleep(0)


async def refusal(engine: Engine, task: Task) -> TallystickError:
    """What `run` says to a task that it does not take. Fails where it takes it."""
    try:
        run = engine.run(task)
    except TallystickError as error:
        return error
    await run.aclose()
    pytest.fail("the engine took a task that it should refuse")


def text_of(pieces: list[Piece]) -> str:
    """The text of an answer, whether its tokens were scored or not."""
    scored = chat.FrameReader(chat.Scored)
    parts: list[str] = []
    for piece in pieces:
        if piece.kind == chat.Kind.SCORED:
            parts += [one.text for one in scored.feed(piece.data)]
        elif piece.kind == chat.Kind.ANSWER:
            parts.append(piece.data.decode())
    scored.end()
    return "".join(parts)


async def check_close(engine: Engine, task: Task) -> None:
    """Closing ends what runs and what waits, refuses what comes, and may be done twice."""
    load = engine.load()
    runs = [engine.run(task) for _ in range(load.slots + min(1, load.queue))]
    readers = [asyncio.create_task(collect(run)) for run in runs]
    await engine.close()
    for _, finish in await asyncio.gather(*readers):
        assert finish.reason is Reason.CANCELLED
    assert engine.load().running == engine.load().waiting == 0
    assert engine.busy()
    assert (await refusal(engine, task)).code is Code.DRAINING
    with pytest.raises(TallystickError):
        await engine.count(task)
    await engine.close()


class EngineConformance:
    """The seat's promises. `short` gives at least `least` units, `long` is slow to come to its first, `overflow` has
    more input than the engine takes. The engine should have at least two slots and a queue of two.
    """

    short: ClassVar[Task]
    long: ClassVar[Task]
    overflow: ClassVar[Task]
    least: ClassVar[int] = 24

    async def open(self) -> Engine:
        """A new engine."""
        raise NotImplementedError("say how to open the engine")

    @pytest_asyncio.fixture
    async def engine(self) -> AsyncIterator[Engine]:
        """The engine under test: one for each test, unless a subclass or its module has a fixture of this name."""
        engine = await self.open()
        yield engine
        await engine.close()

    # -- what it says of itself

    async def test_says_what_it_can_do(self, engine: Engine) -> None:
        first, *others = models = engine.models()
        assert engine.capabilities() == first
        assert len({able.model for able in models}) == 1 + len(others)
        for able in models:
            assert able.services and able.kind and able.unit and 0 < len(able.model) <= 64
            assert able.context > 0 and able.bytes_per_unit > 0 and len(able.manifest) == 32
            assert able.sampling <= SAMPLING
            json.loads(able.manifest_json)

    # -- streams

    async def test_streams_pieces_then_one_finish(self, engine: Engine, record_property: Record) -> None:
        started = time.perf_counter()
        async with engine.run(self.short) as run:
            await first_piece(run)
            record_property("first_token_ms", round(1000 * (time.perf_counter() - started)))
        pieces, finish = await collect(engine.run(self.short))
        assert finish.error is None
        assert finish.units >= min(self.least, self.short.max_units) or finish.reason is Reason.STOP
        assert pieces and all(piece.data for piece in pieces)
        if service_of(self.short.service).traffic is Traffic.TEXT:
            assert len(pieces) > 1
            for piece in pieces:
                piece.data.decode()

    async def test_units_add_up_and_never_exceed_bytes(self, engine: Engine) -> None:
        pieces, finish = await collect(engine.run(self.short))
        assert finish.units == sum(piece.units for piece in pieces)
        service, units, size = service_of(self.short.service), 0, 0
        for piece in pieces:
            units += piece.units
            size += len(piece.data)
            assert service.plausible(units, size) and service.fits(units, size)
            assert service.traffic is not Traffic.TEXT or units <= size

    async def test_stops_at_max_units(self, engine: Engine) -> None:
        for limit in sorted({1, min(7, self.least)}):
            _, finish = await collect(engine.run(replace(self.short, max_units=limit)))
            assert (finish.reason, finish.units) == (Reason.LENGTH, limit)

    async def test_counts_input_before_running_it(self, engine: Engine) -> None:
        able = engine.capabilities()
        for task in (self.short, self.long):
            units = await engine.count(task)
            assert len(task.input) // able.bytes_per_unit <= units <= len(task.input) + able.template_units
        assert engine.load().running == 0

    async def test_makes_no_more_than_the_gate_allows(self, engine: Engine) -> None:
        """An engine that does not ask `room` before each unit is not held up, and makes the rest for nothing."""
        run = engine.run(self.short)
        run.gate = lambda units: run.made + units <= 2
        await first_piece(run)
        run.gate = None
        run.look()
        _, finish = await collect(run)
        assert finish.error is None and finish.units >= min(2, self.least)

    # -- cancels

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

    # -- refuses

    async def test_a_prompt_beyond_the_context(self, engine: Engine) -> None:
        with pytest.raises(TallystickError) as caught:
            await engine.count(self.overflow)
        assert caught.value.code is Code.PROMPT_TOO_LONG
        assert caught.value.values["units"] > caught.value.values["limit"]
        try:
            pieces, finish = await collect(engine.run(self.overflow))
        except TallystickError as error:
            assert error.code is Code.PROMPT_TOO_LONG
        else:
            assert not pieces and finish.reason is Reason.ERROR
            assert finish.error is not None and finish.error.code is Code.PROMPT_TOO_LONG
        assert engine.load().running == 0

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"input": b"\xc1"}, Code.BAD_REQUEST),
            ({"params": b"\xff\xff"}, Code.BAD_REQUEST),
            ({"max_units": 0}, Code.BAD_REQUEST),
            ({"service": "telepathy"}, Code.UNKNOWN_SERVICE),
            ({"input": b"", "service": chat.SERVICE}, Code.BAD_REQUEST),
            ({"input": chat.chat_input([]), "service": chat.SERVICE}, Code.BAD_REQUEST),
            ({"params": b"\x91\xcb\x40\x22" + bytes(6), "service": chat.SERVICE}, Code.BAD_REQUEST),
            ({"input": chat.chat_input([("assistant", "x")]), "service": chat.SERVICE}, Code.BAD_REQUEST),
        ],
    )
    async def test_survives_a_bad_request(self, engine: Engine, change: dict[str, Any], code: Code) -> None:
        bad = replace(self.short, **change)
        if change.get("service") == chat.SERVICE and self.short.service != chat.SERVICE:
            code = Code.UNKNOWN_SERVICE
        assert (await refusal(engine, bad)).code is code
        if "max_units" not in change:
            with pytest.raises(TallystickError):
                await engine.count(bad)
        _, finish = await collect(engine.run(replace(self.short, max_units=1)))
        assert finish.units == 1

    @pytest.mark.parametrize(
        "feature",
        ["json_schema", "logprobs", "continues", "top_k", "min_p", "presence_penalty", "frequency_penalty",
         "repeat_penalty", "tools"],
    )  # fmt: skip
    async def test_does_what_it_promises_and_refuses_the_rest(self, engine: Engine, feature: str) -> None:
        if self.short.service != chat.SERVICE:
            return
        able, task = engine.capabilities(), asking(self.short, feature)
        promised = feature in able.sampling or getattr(able, feature, None) not in (False, None)
        if not promised:
            for refused in (await refusal(engine, task), await _count_refusal(engine, task)):
                assert (refused.code, refused.values["feature"]) == (Code.UNSUPPORTED, feature)
            return
        assert await engine.count(task) > 0
        pieces, finish = await collect(engine.run(task))
        assert finish.error is None and finish.units == sum(piece.units for piece in pieces) > 0
        if feature == "json_schema" and finish.reason is Reason.STOP:
            assert set(json.loads(text_of(pieces))) == {"ok"}
        if feature == "logprobs":
            check_scores(pieces)
        if feature == "tools" and finish.reason is Reason.STOP:
            calls = chat.FrameReader(chat.Call)
            found = [call for piece in pieces if piece.kind == chat.Kind.CALLS for call in calls.feed(piece.data)]
            assert found[0].name == "weather" and json.loads("".join(call.arguments for call in found)) is not None

    # -- shares

    async def test_streams_at_once(self, engine: Engine) -> None:
        slots = min(4, engine.load().slots)
        runs = [engine.run(replace(self.short, scope=bytes([index]))) for index in range(slots)]
        assert engine.load().running == slots
        assert [run.place for run in runs] == [0] * slots
        for pieces, finish in await asyncio.gather(*map(collect, runs)):
            assert finish.reason in (Reason.LENGTH, Reason.STOP)
            assert finish.units == sum(piece.units for piece in pieces) > 0
        assert engine.load().running == 0

    async def test_one_more_than_slots_and_queue_is_refused(self, engine: Engine) -> None:
        load = engine.load()
        runs = [engine.run(self.long) for _ in range(load.slots + load.queue)]
        assert engine.busy()
        assert [run.place for run in runs] == [0] * load.slots + list(range(1, load.queue + 1))
        refused = await refusal(engine, self.short)
        assert refused.code is Code.BUSY
        assert refused.values["retry_after_ms"] > 0
        await asyncio.gather(*(run.aclose() for run in runs))
        assert not engine.busy()
        assert engine.load().running == engine.load().waiting == 0

    async def test_what_is_charged_already_waits_where_others_are_refused(self, engine: Engine) -> None:
        load = engine.load()
        runs = [engine.run(self.long) for _ in range(load.slots + load.queue)]
        charged = engine.run(replace(self.short, charged=True))
        assert charged.place == load.queue + 1
        assert (await refusal(engine, self.short)).code is Code.BUSY
        await asyncio.gather(*(run.aclose() for run in runs))
        _, finish = await collect(charged)
        assert finish.reason in (Reason.LENGTH, Reason.STOP)
        assert engine.load().running == engine.load().waiting == 0

    async def test_a_queued_run_starts_when_a_slot_is_free(self, engine: Engine) -> None:
        slots = engine.load().slots
        first = [engine.run(self.long) for _ in range(slots)]
        queued = engine.run(replace(self.short, max_units=1))
        assert queued.place == 1
        await first[0].aclose()
        assert queued.place == 0
        await asyncio.gather(*(run.aclose() for run in first))
        _, finish = await collect(queued)
        assert finish.units == 1

    # -- the end

    async def test_close_ends_what_runs_and_gives_memory_back(self) -> None:
        sizes = []
        for _ in range(2):
            await check_close(await self.open(), replace(self.long, max_units=1000))
            gc.collect()
            sizes.append(psutil.Process().memory_info().rss)
        assert sizes[1] - sizes[0] < SLACK


def check_scores(pieces: list[Piece]) -> None:
    """Each piece of a scored answer has the tokens that it stands for; their bytes are its text."""
    reader = chat.FrameReader(chat.Scored)
    scored = [one for piece in pieces for one in reader.feed(piece.data)]
    reader.end()
    assert scored and any(one.tokens for one in scored)
    for one in scored:
        for token in one.tokens:
            assert token.chosen.logprob <= 0 and all(other.logprob <= 0 for other in token.top)
            assert sorted(token.top, key=lambda other: -other.logprob) == list(token.top)


async def _count_refusal(engine: Engine, task: Task) -> TallystickError:
    with pytest.raises(TallystickError) as caught:
        await engine.count(task)
    return caught.value
