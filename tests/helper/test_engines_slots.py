"""Slots and queue: channels take turns, never more than there are."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick_helper.engines.slots import Load, Slots, Ticket
from tallystick_shared.errors import Code, TallystickError
from tests.shared.tools import refused


async def test_tickets_get_slots_in_order() -> None:
    slots = Slots(2, 2)
    first, second, third, fourth = (slots.reserve() for _ in range(4))
    assert {await first.slot(), await second.slot()} == {0, 1}
    assert [ticket.place for ticket in (first, second, third, fourth)] == [0, 0, 1, 2]
    second.release()
    assert await third.slot() == 1
    assert fourth.place == 1


async def test_refusal_says_when_to_come_back() -> None:
    slots = Slots(1, 0)
    slots.reserve()
    with pytest.raises(TallystickError) as caught:
        slots.reserve()
    assert caught.value.code is Code.BUSY
    assert 250 <= caught.value.values["retry_after_ms"] <= 30_000


async def test_who_is_charged_waits_beyond_the_queue() -> None:
    slots = Slots(1, 1)
    running, queued = slots.reserve(), slots.reserve()
    charged = slots.reserve(charged=True)
    assert charged.place == 2 and slots.full()
    with pytest.raises(TallystickError):
        slots.reserve()
    running.release()
    queued.release()
    assert await charged.slot() == 0


async def test_channels_take_turns() -> None:
    slots = Slots(1, 20)
    running = slots.reserve(b"x")
    greedy = [slots.reserve(b"greedy") for _ in range(5)]
    other = slots.reserve(b"other")
    assert [ticket.place for ticket in greedy] == [1, 3, 4, 5, 6]
    assert other.place == 2
    running.release()
    await greedy[0].slot()
    greedy[0].release()
    await other.slot()
    again = slots.reserve(b"other")
    assert again.place == 2 and greedy[1].place == 1


async def test_one_channel_holds_no_more_than_half_of_the_queue() -> None:
    slots = Slots(1, 4)
    slots.reserve(b"a")
    for _ in range(2):
        slots.reserve(b"a")
    assert slots.full(b"a") and not slots.full(b"b")
    with pytest.raises(TallystickError):
        slots.reserve(b"a")
    slots.reserve(b"b")
    assert slots.reserve(b"a", charged=True).place == 4


async def test_a_newcomers_place_and_wait() -> None:
    slots = Slots(2, 4)
    assert (slots.load().place, slots.load().wait_ms) == (0, 0)
    slots.reserve()
    assert slots.load().place == 0
    slots.reserve()
    assert slots.load().place == 1 and slots.load().wait_ms == 1000  # two seconds are taken for granted, at two slots
    slots.reserve()
    assert slots.load().place == 2 and slots.load().wait_ms == 2000
    both = slots.load() + Slots(1, 1).load()
    assert (both.slots, both.queue, both.running, both.waiting, both.wait_ms) == (3, 5, 2, 1, 0)


async def test_the_wait_is_learnt_from_how_long_slots_are_held() -> None:
    now = [0.0]
    slots = Slots(1, 0, clock=lambda: now[0])
    before = slots.retry_after_ms()
    for _ in range(20):
        ticket = slots.reserve()
        now[0] += 10.0
        ticket.release()
    assert before < slots.retry_after_ms() <= 10_000


async def test_a_released_place_in_the_queue_is_cancelled() -> None:
    slots = Slots(1, 1)
    slots.reserve()
    waiting = slots.reserve()
    waiting.release()
    with pytest.raises(asyncio.CancelledError):
        await waiting.slot()
    assert slots.load() == Load(1, 1, 1, 0)


async def test_a_waiter_that_was_cancelled_is_passed_over() -> None:
    slots = Slots(1, 2)
    first, second, third = (slots.reserve() for _ in range(3))
    waiter = asyncio.create_task(second.slot())
    await asyncio.sleep(0)
    waiter.cancel()
    first.release()
    assert await third.slot() == 0
    second.release()
    assert slots.load() == Load(1, 2, 1, 0)


async def test_release_twice_gives_one_slot() -> None:
    slots = Slots(1, 0)
    ticket = slots.reserve()
    ticket.release()
    ticket.release()
    slots.reserve()
    assert slots.full()


async def test_a_scope_returns_to_its_own_warm_slot() -> None:
    slots = Slots(3, 0)
    first, second = slots.reserve(b"a"), slots.reserve(b"b")
    place = await second.slot()
    first.release()
    second.release()
    again = slots.reserve(b"b")
    assert await again.slot() == place
    assert again.warm
    assert not first.warm


async def test_whoever_comes_without_a_scope_leaves_the_warm_slots_alone() -> None:
    slots = Slots(3, 0)
    payer = slots.reserve(b"a")
    place = await payer.slot()
    others = [slots.reserve(free=True) for _ in range(2)]
    payer.release()  # the one that has been free longest
    for other in others:
        other.release()
    guests = [slots.reserve(free=True), slots.reserve(b"b")]
    assert place not in [await guest.slot() for guest in guests]
    again = slots.reserve(b"a")
    assert await again.slot() == place and again.warm


async def test_no_scope_is_never_warm() -> None:
    slots = Slots(1, 0)
    slots.reserve().release()
    assert not slots.reserve().warm


async def test_another_scope_makes_a_slot_cold() -> None:
    slots = Slots(1, 0)
    for scope in (b"a", b"b", b"a"):
        ticket = slots.reserve(scope)
        assert not ticket.warm
        ticket.release()


@pytest.mark.parametrize(("size", "queue"), [(0, 1), (1, -1)])
def test_sizes_that_make_no_sense(size: int, queue: int) -> None:
    with pytest.raises(TallystickError):
        Slots(size, queue)


@given(st.integers(1, 4), st.integers(0, 4), st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=60))
def test_never_more_than_there_are(size: int, queue: int, steps: list[tuple[bool, int]]) -> None:
    asyncio.run(_walk(size, queue, steps))


async def _walk(size: int, queue: int, steps: list[tuple[bool, int]]) -> None:
    slots = Slots(size, queue)
    tickets: list[Ticket] = []
    for reserve, index in steps:
        scope = bytes([index % 3])
        if reserve and not slots.full(scope):
            tickets.append(slots.reserve(scope))
        elif reserve:
            with pytest.raises(TallystickError):
                slots.reserve(scope)
        elif tickets:
            tickets.pop(index % len(tickets)).release()
        running = [ticket for ticket in tickets if ticket.place == 0]
        load = slots.load()
        assert (load.running, load.waiting) == (len(running), len(tickets) - len(running))
        assert load.running <= size
        assert load.waiting == 0 or load.running == size
        held = [await ticket.slot() for ticket in running]
        assert len(set(held)) == len(held)


# -- what is free


async def test_whoever_pays_does_not_see_what_is_free() -> None:
    slots = Slots(2, 0)
    free = [slots.reserve(free=True) for _ in range(3)]
    assert [ticket.place for ticket in free] == [0, 0, 1]
    assert slots.load() == Load(2, 0, 0, 0) and slots.load().place == 0 and slots.load().guests == 3
    assert not slots.full(b"payer")


async def test_the_newest_gives_way_to_whoever_pays() -> None:
    slots, gone = Slots(2, 0), []
    free = [slots.reserve(free=True) for _ in range(2)]
    for number, ticket in enumerate(free):
        ticket.give_way = lambda number=number: gone.append(number)  # type: ignore[misc]
    payer = slots.reserve(b"a")
    assert gone == [1] and payer.place == 1
    free[1].release()
    assert await payer.slot() == 1
    other = slots.reserve(b"b")
    assert gone == [1, 0]
    with refused(Code.BUSY):
        slots.reserve(b"c")
    assert slots.full(b"c")
    free[0].release()
    assert await other.slot() == 0 and slots.load() == Load(2, 0, 2, 0)


async def test_it_is_asked_once_and_only_where_somebody_waits() -> None:
    slots, gone = Slots(1, 4), []
    free = slots.reserve(free=True)
    free.give_way = lambda: gone.append("now")
    slots.reserve(b"a")
    slots.reserve(b"b")
    assert gone == ["now"]
    free.release()
    with refused(Code.BUSY):
        slots.reserve(free=True)


async def test_what_is_free_waits_behind_all_who_pay() -> None:
    slots = Slots(1, 4)
    running = slots.reserve(b"a")
    free = slots.reserve(free=True)
    later = slots.reserve(b"b")
    assert (later.place, free.place) == (1, 2)
    running.release()
    assert (later.place, free.place) == (0, 1)
    free.release()
    assert slots.load().guests == 0
    later.release()
    assert slots.load() == Load(1, 4, 0, 0)


async def test_few_wait_for_nothing() -> None:
    slots = Slots(1, 8)
    slots.reserve(free=True)
    for _ in range(4):
        slots.reserve(free=True)
    with refused(Code.BUSY):
        slots.reserve(free=True)
