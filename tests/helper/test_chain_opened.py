"""The index of opened channels, on a real chain: by payer, through reorganisations and restarts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tallystick_helper.chain.follower import Follower
from tallystick_helper.chain.opened import OpenedIndex
from tallystick_helper.chain.sender import Sender
from tallystick_helper.chain.table import ChannelTable
from tallystick_helper.ledger import Ledger
from tallystick_shared.channel import NATIVE, Config
from tallystick_shared.evm.channels import Channels
from tallystick_shared.recovery import OpenedAsk, OpenedRecords, read_opened, recover

from .world import CHAIN_ID, HOUR, World


class Desk:
    """A payer, and a node's follower with the index."""

    def __init__(self, world: World) -> None:
        self.world, self.channels = world, Channels(world.crypto, world.where.channels)
        self.sender = Sender(world.rpc, world.user_key, CHAIN_ID, poll=0.01)
        self.payer = self.sender.address

    async def start(self) -> None:
        """As a node starts, on what an earlier one left."""
        self.ledger = Ledger(self.world.folder / "ledger.sqlite")
        self.index = OpenedIndex(self.ledger, self.world.where)
        self.follower = Follower(
            self.world.rpc, self.channels, self.ledger, ChannelTable(), start=self.world.where.block, interval=0.01
        )
        await self.index.prepare()
        await self.follower.prepare()
        self.follower.on_logs.append(self.index.take)

    async def open(self, number: int, sender: Sender | None = None) -> Config:
        sender = sender or self.sender
        config = Config(sender.address, self.payer, b"\1" * 32, NATIVE, HOUR, bytes([number]) * 32)
        block = await self.world.rpc.request("eth_getBlockByNumber", ["latest", False])
        data = self.channels.open(config, int(block["timestamp"], 16) + 50 * HOUR, 1000)
        await sender.transact(self.channels.address, data, 1000)
        return config

    async def answer(self, payer: bytes | None = None, start: int = 0) -> OpenedRecords:
        payer = payer or self.payer
        return read_opened(await self.index.answer(OpenedAsk(payer, start)), self.world.where, payer)

    async def salts(self) -> list[int]:
        await self.follower.look()
        answer = await self.answer()
        assert answer.count == len(answer.records)
        return [record.config.salt[0] for record in answer.records]


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    made = Desk(world)
    await made.start()
    yield made
    made.ledger.close()


async def test_a_payers_channels_newest_first(desk: Desk) -> None:
    first = await desk.open(1)
    await desk.open(2)
    other = Sender(desk.world.rpc, desk.world.owner_key, CHAIN_ID, poll=0.01)
    await desk.open(3, other)
    assert await desk.salts() == [2, 1]
    answer = await desk.answer()
    assert answer.block == desk.follower.head.number
    record = answer.records[1]
    assert (Config.from_body(record.config), int.from_bytes(record.deposit, "big")) == (first, 1000)
    receipt = await desk.world.rpc.request("eth_getTransactionReceipt", ["0x" + record.transaction.hex()])
    assert int(receipt["blockNumber"], 16) == record.block
    assert [record.config.salt[0] for record in (await desk.answer(start=1)).records] == [1]
    assert (await desk.answer(other.address)).count == 1
    assert (await desk.answer(b"\x77" * 20)).records == ()


async def test_records_lead_to_the_deposits(desk: Desk) -> None:
    config = await desk.open(1)
    await desk.follower.look()
    world, records = desk.world, (await desk.answer()).records
    recovery = await recover(world.crypto, world.rpc, world.where, desk.payer, records, logs=False)
    assert [(one.config, one.state.deposit, one.live) for one in recovery.found] == [(config, 1000, True)]


async def test_a_reorganisation_takes_a_record_back(desk: Desk) -> None:
    await desk.open(1)
    assert await desk.salts() == [1]
    before = await desk.world.rpc.request("evm_snapshot", [])
    await desk.open(2)
    assert await desk.salts() == [2, 1]
    await desk.world.rpc.request("evm_revert", [before])
    await desk.world.rpc.request("anvil_mine", ["0x4"])
    assert await desk.salts() == [1]


async def withdraw(desk: Desk, config: Config) -> None:
    await desk.sender.transact(desk.channels.address, desk.channels.request_close(config))
    await desk.world.pass_time(2 * HOUR)
    await desk.sender.transact(desk.channels.address, desk.channels.withdraw(config))


async def test_ended_channels_are_not_served_and_come_back_with_a_reorganisation(desk: Desk) -> None:
    config = await desk.open(1)
    await desk.open(2)
    await desk.follower.look()
    before = await desk.world.rpc.request("evm_snapshot", [])
    await withdraw(desk, config)
    assert await desk.salts() == [2]
    await desk.world.rpc.request("evm_revert", [before])
    await desk.world.rpc.request("anvil_mine", ["0x4"])
    assert await desk.salts() == [2, 1]


async def rows(desk: Desk) -> int:
    found: int = await desk.ledger.run(lambda db: db.execute("SELECT count(*) FROM opened").fetchone()[0])
    return found


async def test_ended_channels_are_forgotten_in_the_end(desk: Desk) -> None:
    await withdraw(desk, await desk.open(1))
    assert await desk.salts() == [] and await rows(desk) == 1
    await desk.world.rpc.request("anvil_mine", [hex(1100)])
    await desk.open(2)
    assert await desk.salts() == [2] and await rows(desk) == 1


async def test_a_restart_goes_on_and_sees_what_was_reorganised_meanwhile(desk: Desk) -> None:
    await desk.open(1)
    await desk.world.rpc.request("anvil_mine", ["0x10"])
    before = await desk.world.rpc.request("evm_snapshot", [])
    await desk.open(2)
    await desk.world.rpc.request("anvil_mine", ["0x2"])
    assert await desk.salts() == [2, 1]
    desk.ledger.close()
    await desk.world.rpc.request("evm_revert", [before])
    await desk.world.rpc.request("anvil_mine", ["0x9"])
    await desk.start()
    assert await desk.salts() == [1]


async def test_a_restart_does_not_read_from_the_start(desk: Desk) -> None:
    await desk.open(1)
    await desk.world.rpc.request("anvil_mine", ["0x40"])
    await desk.salts()
    desk.ledger.close()
    await desk.start()
    asked: list[Any] = []

    async def note(change: Any) -> None:
        asked.append(change.first)

    desk.follower.on_logs.append(note)
    await desk.open(2)
    assert await desk.salts() == [2, 1] and min(asked) > 40


async def test_a_ledger_from_before_is_read_from_the_start_once(desk: Desk) -> None:
    await desk.open(1)
    await desk.salts()
    await desk.ledger.run(lambda db: db.execute("DROP TABLE opened"))
    desk.ledger.close()
    await desk.start()
    assert await desk.salts() == [1]


async def test_an_answer_holds_at_most_five_hundred(desk: Desk) -> None:
    await desk.open(1)
    await desk.follower.look()
    record = (await desk.answer()).records[0]

    def many(db: Any) -> None:
        row = db.execute("SELECT * FROM opened").fetchone()
        for number in range(600):
            db.execute("INSERT INTO opened VALUES (?,?,?,?,?,?,?,?)", (number.to_bytes(32, "big"), *row[1:]))

    await desk.ledger.run(many)
    first, second = await desk.answer(), await desk.answer(start=500)
    assert (first.count, len(first.records), len(second.records)) == (601, 500, 101)
    assert first.records[0] == record
