"""Several models behind one seat: the seat's promises while they are loaded and unloaded."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick_helper.engines import Engine, Reason, Task
from tallystick_helper.engines.conformance import EngineConformance, ask, collect, first_piece, refusal
from tallystick_helper.engines.echo import EchoEngine, EchoOptions
from tallystick_helper.engines.facts import key_of
from tallystick_helper.engines.fleet import Fleet, Member
from tallystick_helper.engines.residence import Residence, Resident
from tallystick_shared.errors import Code, LocalError

from ..shared.tools import refused
from .world import until

GIB = 1 << 30


class Shelf:
    """Models that can be loaded, and what was loaded so far."""

    def __init__(self, rate: float = 0.0, slots: int = 2, **needs: int) -> None:
        self.options = EchoOptions(rate=rate, prefill_rate=2000, slots=slots, queue=4)
        self.needs = needs
        self.opened: list[str] = []
        self.broken: set[str] = set()
        self.may_open = asyncio.Event()
        self.may_open.set()

    def member(self, name: str, key: str = "") -> Member:
        async def open_it() -> Engine:
            await asyncio.sleep(0)
            await self.may_open.wait()
            if name in self.broken:
                raise LocalError(Code.MODEL_MISSING, model=name)
            self.opened.append(name)
            return EchoEngine(replace(self.options, name=name))

        return Member(Resident(name, open_it, lambda: self.needs.get(name, 0)), key)

    async def fleet(self, *names: str, rules: Residence | None = None, free: int = 16 * GIB) -> Fleet:
        members = [self.member(name) for name in names]
        return await Fleet.open(members, rules or Residence(loaded=1), None, lambda: (free, 16 * GIB))


def of(model: str, text: str = "one two three", units: int = 24, scope: bytes = b"") -> Task:
    return replace(ask(text, units, scope), model=model)


async def answer(fleet: Engine, task: Task) -> str:
    await fleet.count(task)
    pieces, finish = await collect(fleet.run(replace(task, charged=True)))
    assert finish.error is None and finish.units == sum(piece.units for piece in pieces) == task.max_units
    return b"".join(piece.data for piece in pieces).decode()


class TestFleetWithItsModelLoaded(EngineConformance):
    short = ask("one two three")
    long = ask("word " * 3000)
    overflow = ask("word " * 5000)

    async def open(self) -> Engine:
        return await Shelf().fleet("a", rules=Residence())


async def test_models_are_loaded_by_name_and_the_other_goes() -> None:
    shelf = Shelf()
    fleet = await shelf.fleet("a", "b")
    assert [able.model for able in fleet.models()] == ["a", "b"] and shelf.opened == ["a", "b"]
    assert (fleet.state("a"), fleet.state("b")) == ("unloaded", "loaded")
    assert await answer(fleet, of("a", "tally", 2)) == "tally tally"
    assert (fleet.state("a"), fleet.state("b")) == ("loaded", "unloaded")
    assert await answer(fleet, of("", "tally", 2)) == "tally tally"
    assert shelf.opened == ["a", "b", "a"]
    await fleet.close()
    assert fleet.state("a") == "unloaded"


async def test_two_models_under_load_alternate_and_none_fails() -> None:
    fleet = await Shelf(slots=2).fleet("a", "b")
    tasks = [of("ab"[at % 2], f"word{at}", 5, bytes([at])) for at in range(12)]
    answers = await asyncio.gather(*(answer(fleet, task) for task in tasks))
    assert all(f"word{at}" in text for at, text in enumerate(answers))
    assert 1 <= fleet.swaps < 6
    assert fleet.load().running == fleet.load().waiting == 0
    await fleet.close()


async def test_what_runs_is_finished_before_its_model_goes() -> None:
    fleet = await Shelf(rate=500.0).fleet("a", "b", rules=Residence(loaded=1))
    running = fleet.run(of("b", units=30))
    await first_piece(running)
    other = asyncio.create_task(answer(fleet, of("a", units=3)))
    await until(lambda: fleet.state("b") == "leaving")
    queued = fleet.run(of("b", units=2))  # comes while it is leaving: waits until it is loaded again
    assert not fleet.busy("b")
    _, finish = await collect(running)
    assert (finish.reason, finish.units) == (Reason.LENGTH, 30)
    await other
    assert (await collect(queued))[1].units == 2
    await fleet.close()


async def test_an_answer_that_is_read_after_its_model_went_is_whole() -> None:
    fleet = await Shelf().fleet("a", "b")
    done = fleet.run(of("b", units=5))
    await answer(fleet, of("a", units=2))
    assert fleet.state("b") == "unloaded"
    pieces, finish = await collect(done)
    assert (finish.reason, finish.units) == (Reason.LENGTH, 5) and sum(piece.units for piece in pieces) == 5
    await fleet.close()


async def test_a_relay_keeps_to_its_gate_and_hears_of_money() -> None:
    fleet = await Shelf().fleet("a", "b")
    run = fleet.run(of("a", units=10))
    allowed = 3
    asked = asyncio.Event()

    def may(units: int) -> bool:
        if run.made + units <= allowed:
            return True
        asked.set()
        return False

    run.gate = may
    await first_piece(run)
    await asked.wait()
    assert run.made == 3
    allowed = 10
    run.look()
    _, finish = await collect(run)
    assert finish.units == 10
    await fleet.close()


async def test_cancel_of_one_that_waits_for_its_model() -> None:
    fleet = await Shelf(rate=50.0).fleet("a", "b")
    running = fleet.run(of("b", units=500))
    await first_piece(running)
    waiting = fleet.run(of("a"))
    await until(lambda: fleet.state("b") == "leaving")
    await waiting.aclose()
    assert [event.reason async for event in waiting] == [Reason.CANCELLED]  # type: ignore[union-attr]
    assert fleet.state("b") == "loaded"
    await running.aclose()
    await fleet.close()


async def test_a_model_that_finds_no_memory_is_refused_for_now() -> None:
    shelf = Shelf(a=2 * GIB, b=2 * GIB)
    with refused(Code.BUSY):
        await shelf.fleet("a", rules=Residence(), free=GIB)
    free = 3 * GIB
    members = [shelf.member("a"), shelf.member("b")]
    fleet = await Fleet.open(members, Residence(), None, lambda: (free, 16 * GIB))
    free = GIB
    fleet._residences._there.clear()  # somebody else's program took what is free
    with refused(Code.BUSY) as caught:
        members[0].resident.engine = members[1].resident.engine = None
        await fleet.count(of("a"))
    assert caught.value.values["retry_after_ms"] > 0
    await fleet.close()


async def test_as_many_stay_as_fit() -> None:
    shelf, free = Shelf(a=2 * GIB, b=2 * GIB, c=9 * GIB), 5 * GIB
    fleet = await Fleet.open([shelf.member("a"), shelf.member("b")], Residence(), None, lambda: (free, 16 * GIB))
    assert {fleet.state("a"), fleet.state("b")} == {"loaded"}
    await fleet.close()


async def test_a_model_that_cannot_be_loaded_fails_its_requests_and_may_come_back() -> None:
    shelf = Shelf()
    fleet = await shelf.fleet("a", "b")
    shelf.broken = {"a"}
    _, finish = await collect(fleet.run(of("a")))
    assert finish.error is not None and finish.error.code is Code.ENGINE_FAILED
    with refused(Code.ENGINE_FAILED):
        await fleet.count(of("a"))
    shelf.broken = set()
    await answer(fleet, of("a"))
    await answer(fleet, of("b"))
    await fleet.close()


async def test_unloaded_after_idle() -> None:
    fleet = await Shelf().fleet("a", rules=Residence(idle=0.01))
    await until(lambda: fleet.state("a") == "unloaded")
    await answer(fleet, of("a"))
    await fleet.close()


async def test_names_that_are_none_or_taken_twice() -> None:
    shelf = Shelf()
    fleet = await shelf.fleet("a")
    for call in (lambda: fleet.run(of("z")), lambda: fleet.busy("z"), lambda: fleet.load("z")):
        with refused(Code.UNKNOWN_MODEL):
            call()
    await fleet.close()
    assert (await refusal(fleet, of("a"))).code is Code.DRAINING
    with refused(Code.BAD_SETTINGS):
        await shelf.fleet("a", "a")
    with refused(Code.BAD_SETTINGS):
        await shelf.fleet()
    with refused(Code.BAD_SETTINGS):
        Residence(loaded=-1)


async def test_what_a_model_offers_is_kept_while_its_files_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"one")
    key = key_of("gguf", {"path": str(file), "slots": 2})
    assert key and key_of("echo", {"slots": 2}) == key_of("gguf", {"path": str(tmp_path / "none")}) == ""
    shelf = Shelf()
    first = await Fleet.open([shelf.member("a", key)], Residence(loaded=1), tmp_path)
    able = first.models()
    await first.close()
    again = await Fleet.open([shelf.member("a", key)], Residence(loaded=1), tmp_path)
    assert again.models() == able and shelf.opened == ["a"] and again.state("a") == "unloaded"
    await again.close()
    file.write_bytes(b"three")
    assert key_of("gguf", {"path": str(file), "slots": 2}) != key
    (tmp_path / "model-facts.json").write_text("{")
    third = await Fleet.open([shelf.member("a", key)], Residence(loaded=1), tmp_path)
    assert shelf.opened == ["a", "a"]
    await third.close()


async def test_an_odd_error_before_a_model_is_loaded_fails_its_requests_and_it_may_come_back() -> None:
    shelf, wrong = Shelf(), [OSError("no such file")]

    def needs() -> int:
        if wrong:
            raise wrong[0]
        return 0

    members = [shelf.member("a"), shelf.member("b")]
    fleet = await Fleet.open(members, Residence(loaded=1), None, lambda: (16 * GIB, 16 * GIB))
    members[0].resident.needs = needs
    async with asyncio.timeout(10):
        counting = [asyncio.create_task(fleet.count(of("a"))) for _ in range(2)]
        found = await asyncio.gather(*counting, return_exceptions=True)
        assert [isinstance(one, LocalError) and one.code for one in found] == [Code.ENGINE_FAILED] * 2
        wrong.clear()
        await answer(fleet, of("a"))
    await fleet.close()


async def test_a_model_that_breaks_when_it_goes_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = await Shelf().fleet("a", "b")
    left = fleet._places[1].resident

    async def breaks() -> None:
        raise RuntimeError("CUDA error")

    assert left.engine is not None
    monkeypatch.setattr(left.engine, "close", breaks)
    async with asyncio.timeout(10):
        await answer(fleet, of("a"))
        assert (fleet.state("a"), fleet.state("b")) == ("loaded", "unloaded")
        await answer(fleet, of("b"))
        assert left.engine is not None
        monkeypatch.setattr(left.engine, "close", breaks)
        await fleet.close()
    assert fleet.state("b") == "unloaded"


# -- what nobody pays for


def free(model: str, units: int = 24) -> Task:
    return replace(of(model, units=units), free=True)


async def unloaded(folder: Path, shelf: Shelf, *names: str) -> Fleet:
    """A fleet that knows its models, with none of them loaded. `folder` keeps what is known."""
    members = []
    for name in names:
        (folder / name).write_text(name)
        members.append(shelf.member(name, key_of("gguf", {"path": str(folder / name)})))
    for _ in range(2):
        fleet = await Fleet.open(members, Residence(loaded=1), folder)
        await fleet.close()
    return await Fleet.open(members, Residence(loaded=1), folder)


async def test_guests_give_way_where_their_model_has_to_go_for_a_payer() -> None:
    fleet = await Shelf(rate=50.0, slots=1).fleet("a", "b")
    running, waiting = fleet.run(free("b", 500)), fleet.run(free("b", 500))
    first = await first_piece(running)
    async with asyncio.timeout(5):  # the guests' answers would take twenty seconds
        assert await answer(fleet, of("a", "tally", 2)) == "tally tally"
    pieces, finish = await collect(running)
    assert finish.reason is Reason.GAVE_WAY and finish.units == first.units + sum(piece.units for piece in pieces)
    pieces, finish = await collect(waiting)
    assert (finish.reason, pieces) == (Reason.GAVE_WAY, [])
    assert not any(place.resident.guests for place in fleet._places)
    await fleet.close()


async def test_a_guest_that_had_its_model_loaded_gives_way_too(tmp_path: Path) -> None:
    fleet = await unloaded(tmp_path, Shelf(rate=50.0), "a", "b")
    guest = fleet.run(free("b", 500))
    await first_piece(guest)
    async with asyncio.timeout(5):
        assert await answer(fleet, of("a", "tally", 2)) == "tally tally"
    assert (await collect(guest))[1].reason is Reason.GAVE_WAY
    await fleet.close()


async def test_a_payer_is_not_asked_to_give_way() -> None:
    fleet = await Shelf(rate=200.0).fleet("a", "b")
    payer, guest = fleet.run(of("b", units=30)), fleet.run(free("b", 500))
    await first_piece(guest)
    other = asyncio.create_task(answer(fleet, of("a", units=2)))
    assert (await collect(guest))[1].reason is Reason.GAVE_WAY
    assert (await collect(payer))[1].reason is Reason.LENGTH
    await other
    await fleet.close()


async def test_a_guests_count_keeps_no_model() -> None:
    fleet = await Shelf().fleet("a", "b")
    one = fleet._places[1].resident
    await fleet.count(free("b"))
    assert not one.users
    await fleet.count(of("b"))
    guest = fleet.run(free("b"))
    await collect(guest)
    await until(lambda: not one.guests)
    assert one.users == 1, "what was kept for a payer is still kept"
    await fleet.close()


async def test_no_model_goes_for_a_guest_nor_waits_for_one(tmp_path: Path) -> None:
    shelf = Shelf()
    fleet = await unloaded(tmp_path, shelf, "a", "b")
    await fleet.count(free("b"))
    with refused(Code.BUSY):
        fleet.run(free("a"))
    with refused(Code.BUSY):
        await fleet.count(free("a"))
    await fleet.close()
    fleet = await unloaded(tmp_path, shelf, "a", "b")
    shelf.may_open.clear()
    payer = asyncio.create_task(answer(fleet, of("b", "tally", 2)))
    await until(lambda: fleet._places[1].resident.opening)
    with refused(Code.BUSY):  # nothing is loaded yet, and somebody who pays waits
        fleet.run(free("a"))
    shelf.may_open.set()
    assert await payer == "tally tally" and fleet.swaps == 0
    await fleet.close()


async def test_a_model_that_only_guests_use_goes_first() -> None:
    fleet = await Shelf(rate=50.0).fleet("a", "b", "c", rules=Residence(loaded=2))
    assert [fleet.state(name) for name in "abc"] == ["unloaded", "loaded", "loaded"]
    guest = fleet.run(free("b", 500))
    await first_piece(guest)
    await answer(fleet, of("c", units=2))
    await answer(fleet, of("a", units=2))
    assert [fleet.state(name) for name in "abc"] == ["loaded", "unloaded", "loaded"]
    assert (await collect(guest))[1].reason is Reason.GAVE_WAY
    await fleet.close()
