"""The channel table: what each event of the contract does to a channel."""

from __future__ import annotations

import asyncio
from typing import Any

from tallystick_helper.chain.table import ChannelTable
from tallystick_shared.channel import ChannelState
from tallystick_shared.evm.channels import ChannelLog

CHANNEL = b"\1" * 32


def event(name: str, **values: Any) -> ChannelLog:
    return ChannelLog(name, CHANNEL, 1, "0xb", "0xt", values)


def opened() -> ChannelTable:
    table = ChannelTable()
    table.apply(event("Opened", deposit=100, expiry=5000))
    return table


def state(table: ChannelTable) -> ChannelState:
    known = table.get(CHANNEL)
    assert known is not None
    return known.state


def test_the_life_of_a_channel() -> None:
    table = opened()
    assert state(table) == ChannelState(100, 0, 5000)
    table.apply(event("ToppedUp", deposit=150, expiry=6000))
    table.apply(event("Claimed", payee="0x", cumulative=40, paid=40))
    table.apply(event("CloseRequested", expiry=5500))
    assert state(table) == ChannelState(150, 40, 5500)
    known = table.get(CHANNEL)
    assert known is not None and known.closing
    table.apply(event("ToppedUp", deposit=150, expiry=7000))
    known = table.get(CHANNEL)
    assert known is not None and not known.closing
    table.apply(event("Closed", paid=10, refund=100))
    assert state(table).ended
    assert len(table) == 1


def test_a_top_up_without_more_time_leaves_the_end_asked_for() -> None:
    table = opened()
    table.apply(event("CloseRequested", expiry=4000))
    table.apply(event("ToppedUp", deposit=150, expiry=4000))
    known = table.get(CHANNEL)
    assert known is not None and known.closing


def test_events_of_unknown_channels_are_passed_over() -> None:
    table = ChannelTable()
    table.apply(event("Claimed", payee="0x", cumulative=40, paid=40))
    assert table.get(CHANNEL) is None


def test_the_contracts_word_counts() -> None:
    table = opened()
    table.apply(event("CloseRequested", expiry=4000))
    table.put(CHANNEL, ChannelState(100, 60, 4000))
    known = table.get(CHANNEL)
    assert known is not None and known.closing and known.state.claimed == 60
    table.put(CHANNEL, ChannelState(100, 60, 4000), closing=False)
    known = table.get(CHANNEL)
    assert known is not None and not known.closing
    table.put(CHANNEL, ChannelState(0, 0, 0))
    assert table.get(CHANNEL) is None


async def test_waiting_ends_with_the_channel() -> None:
    table = ChannelTable()
    waits = [asyncio.create_task(table.wait(CHANNEL, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    table.apply(event("Opened", deposit=100, expiry=5000))
    assert [found.state.deposit for found in await asyncio.gather(*waits) if found] == [100, 100]
    assert table._waiting == {}


async def test_waiting_in_vain_leaves_nothing_behind() -> None:
    table = ChannelTable()
    assert await table.wait(CHANNEL, 0.01) is None
    assert table._waiting == {}
