"""kill -9 of a node's process at random moments under paid load, and then: what was acknowledged is on its disk, what
is owed is remembered to within the window, and the chain pays what is owed, to the wei.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from typing import Any

import pytest

from tallystick_helper.chat import Answer, Conversation
from tallystick_helper.engines import open_engine
from tallystick_helper.ledger import ChannelRow
from tallystick_helper.provide import Provider
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import TallystickError
from tallystick_shared.messages import amount_int

from .mortal import Mortal
from .world import ETHER, World, until

SHORT, LONG = 5, 200
WORDS = "one two three " * 20


class Reader:
    """A user who asks until the node is gone."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.pieces = self.answers = self.durable = self.owed = self.signed = 0

    async def read(self) -> None:
        with contextlib.suppress(TallystickError):
            await self.conversation.connect()
            while True:
                async for piece in self.conversation.ask([("user", WORDS)], "loopback", 120):
                    self.pieces += 1
                    self.answers += isinstance(piece, Answer)

    def note(self) -> None:
        """What this side counts now; a connection that begins anew counts from what it kept."""
        session = self.conversation.user.session
        self.durable = max(self.durable, session.account.durable)
        self.owed, self.signed = max(self.owed, session.account.owed), max(self.signed, session.signed)


async def announced(world: World) -> Mortal:
    """A node that is announced, not started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    money = {"interval": 0.1, "dust": True, "confirmations": 1, "threshold": ETHER}
    engine = {"kind": "echo", "options": {"rate": 400.0}}
    settings = world.settings("mortal", listen={"port": port}, admin={"port": 0}, money=money, engine=engine)
    opened = await open_engine("echo", {}, settings.data_dir)
    owner = Provider(settings, world.crypto, world.rpc, world.where, world.owner_key)
    await owner.provide(opened.models(), f"ws://127.0.0.1:{port}", lambda name, transaction: None)
    await owner.fund(lambda name, transaction: None)
    await opened.close()
    return Mortal(settings, world.crypto)


async def killed_once(
    world: World, node: Mortal, deposit: Deposit, chance: random.Random
) -> tuple[Reader, ChannelRow | None]:
    """Kills it at some piece of an answer, or some moments into the connection, and starts it again. The reader, and
    what the disk knew between.
    """
    profile = (await world.account().choose(deposit.provider)).usable()
    reader = Reader(Conversation(world.crypto, world.store(), deposit, profile, low_latency=True))
    reading = asyncio.create_task(reader.read())
    if chance.random() < 0.25:
        await asyncio.wait([reading], timeout=chance.random() * 0.3)
    else:
        wanted = chance.randrange(1, 30)
        await until(lambda: reader.pieces >= wanted, 60)
    reader.note()
    await node.kill()
    reader.note()
    row = await node.row(deposit)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.gather(reader.conversation.leave(), node.start())
    return reader, row


@pytest.mark.timeout(3600)
async def test_a_killed_node_forgets_nothing_that_counts(world: World, full: bool) -> None:
    chance, node = random.Random(20261124), await announced(world)
    await node.start()
    try:
        listing = await world.account().choose(None)
        window = amount_int(listing.usable().window)
        deposit, _ = await world.account().open(listing, Terms(ETHER))
        highest = signed = 0
        for _ in range(LONG if full else SHORT):
            reader, row = await killed_once(world, node, deposit, chance)
            signed = max(signed, reader.signed)  # one that was killed while it greeted has not looked into its store
            if row is None:  # it was killed before it had heard of the deposit
                assert reader.durable == 0
                continue
            assert reader.durable <= row.voucher.amount, "an acknowledged voucher is gone"
            assert row.voucher.amount <= signed, "it has a voucher that nobody signed"
            assert reader.owed - row.owed <= window, "more than a window of debt is forgotten"
            assert row.owed - row.voucher.amount <= window, "it gave more credit than its window"
            assert row.voucher.amount >= highest, "a voucher went back"
            highest = row.voucher.amount
        assert highest > 0
        await closes_for_what_is_owed(world, deposit, highest)
    finally:
        await node.kill()


async def closes_for_what_is_owed(world: World, deposit: Deposit, highest: int) -> None:
    profile = (await world.account().choose(deposit.provider)).usable()
    talking = Conversation(world.crypto, world.store(), deposit, profile)
    await talking.connect()
    account = talking.user.session.account
    owed = account.owed
    assert account.durable >= highest
    before = await world.balance(profile.payee)
    transaction = "0x" + (await talking.close()).hex()
    await talking.leave()
    receipt: Any = None
    while receipt is None:
        receipt = await world.rpc.request("eth_getTransactionReceipt", [transaction])
        await asyncio.sleep(0.02)
    paid, refund = world.account().closing(receipt["logs"], deposit)
    # With nothing under way the last of it is signed by the close itself.
    signed = talking.user.session.signed
    # What was signed ahead for an input that a kill took away is not owed: the close may leave it to its user.
    assert owed <= paid <= signed and paid + refund == deposit.cap
    assert await world.balance(profile.payee) == before + paid
