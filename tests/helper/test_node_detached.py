"""Real sockets that break in mid-answer: the answer goes on, and is paid once; and a node that is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import replace

from tallystick_helper.chat import Answer, Conversation
from tallystick_shared.chat import SERVICE, chat_input
from tallystick_shared.deposit import Deposit
from tallystick_shared.errors import Code
from tallystick_shared.session.events import Closed, Dropped, Event, Finished, Output, Ready, Refused
from tallystick_shared.session.requests import Request

from .test_node_service import MODEL, PROMPT, cost
from .world import Serving, World, serving, until

WORDS = PROMPT[0][1].split()


def text_of(units: int) -> str:
    return " ".join(WORDS[at % len(WORDS)] for at in range(units))


def abort(conversation: Conversation) -> None:
    """The socket is gone, without a goodbye."""
    socket = conversation.user._socket
    assert socket is not None
    socket._connection.transport.abort()  # type: ignore[attr-defined]


class Heard:
    """Everything that a user's session says, for a test that looks itself."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.seen: list[Event] = []

    async def until(self, kind: type[Event], seconds: float = 20.0) -> Event:
        async with asyncio.timeout(seconds):
            while True:
                event = await self.conversation._events.get()
                self.seen.append(event)
                if isinstance(event, kind):
                    return event
                assert not isinstance(event, Closed), event.error

    @property
    def text(self) -> str:
        return b"".join(event.data for event in self.seen if isinstance(event, Output)).decode()


async def connected(provider: Serving, deposit: Deposit) -> tuple[Conversation, Heard]:
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    return conversation, Heard(conversation)


async def paid(provider: Serving, deposit: Deposit, conversation: Conversation) -> int:
    """What the ledger holds once all is settled; the client counts the same."""
    await conversation.settle()
    row = await provider.node.ledger.channel(deposit.channel_id(provider.world.crypto))
    assert row is not None
    assert row.voucher.amount == row.owed == conversation.user.session.account.owed
    return row.owed


async def test_an_answer_goes_on_over_a_new_socket(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 40.0}}) as provider:
        deposit = await provider.deposit()
        conversation, heard = await connected(provider, deposit)
        await conversation.user.ask(SERVICE, b"", chat_input(PROMPT), MODEL, 100)
        for _ in range(3):
            for _ in range(3):
                await heard.until(Output)
            abort(conversation)
            await heard.until(Dropped)
            await heard.until(Ready)
        finished = await heard.until(Finished)
        assert isinstance(finished, Finished)
        assert heard.text == text_of(100)
        assert (finished.finish, finished.units, finished.amount) == ("length", 100, cost(100))
        assert await paid(provider, deposit, conversation) == cost(100)
        row = await provider.node.ledger.run(lambda db: db.execute("SELECT units, finish FROM requests").fetchall())
        assert row == [(100, "length")]
        await conversation.leave()
        await until(lambda: not provider.node._channels)


async def test_a_terminals_conversation_does_not_notice(world: World) -> None:
    async with serving(world, engine={"options": {"rate": 50.0}}) as provider:
        conversation, _ = await connected(provider, await provider.deposit())
        pieces, answer = 0, None
        async for piece in conversation.ask(PROMPT, MODEL, 60):
            pieces += 1
            if pieces == 4:
                abort(conversation)
            answer = piece
        assert isinstance(answer, Answer) and answer.text == text_of(60) and answer.amount == cost(60)
        await conversation.leave()


async def test_the_slot_of_who_does_not_come_back_is_free(world: World) -> None:
    """After five seconds, and what was kept is wiped after two minutes; both by the node's own timer."""
    async with serving(world, engine={"options": {"rate": 20.0}}, offer={"window": cost(2000)}) as provider:
        node = provider.node
        deposit = await provider.deposit()
        conversation, heard = await connected(provider, deposit)
        await conversation.user.ask(SERVICE, b"", chat_input(PROMPT), MODEL, 1000)
        await heard.until(Output)
        assert conversation._run is not None
        conversation._run.cancel()
        abort(conversation)
        await until(lambda: len(node.detached.shelf) == 1)
        assert node.engine.load().running == 1
        now, shelf = node.ticker.now(), node.detached.shelf
        assert node.ticker._wanted[node.detached][0] == shelf.next_deadline() <= now + shelf.limits.slot_seconds
        node.detached.tick(now + shelf.limits.slot_seconds)
        await until(lambda: node.engine.load().running == 0)
        assert len(shelf) == 1 and node._channels
        node.detached.tick(now + shelf.limits.seconds)
        await until(lambda: not node._channels)
        row = await node.ledger.run(lambda db: db.execute("SELECT finish FROM requests").fetchall())
        assert row == [("interrupted",)]
        conversation._store.release(deposit)


async def test_a_node_that_is_killed_meanwhile_bills_nothing_twice(world: World) -> None:
    """The same request after a restart: the ledger knows its id, the new process says that it is gone."""
    request_id = os.urandom(16)
    async with serving(world, engine={"options": {"rate": 40.0}}) as provider:
        deposit = await provider.deposit()
        conversation, heard = await connected(provider, deposit)
        offer = (await provider.listing()).usable().offer(MODEL)
        request = Request(request_id, SERVICE, b"", chat_input(PROMPT), offer, 1000)
        session = conversation.user.session
        session.open(request, session.first_amount(request))
        await conversation.user._flush()
        for _ in range(4):
            await heard.until(Output)
        files = provider.node.ledger
        known = await files.channel(deposit.channel_id(world.crypto))
        rows = await files.run(lambda db: db.execute("SELECT id, units, finish FROM requests").fetchall())
        assert rows == [(request_id, 0, None)] and known is not None
        # Its disk at this moment is what a killed process leaves behind: nothing of what was in memory.
        shutil.copytree(provider.settings.data_dir, world.folder / "killed")
        assert conversation._run is not None
        conversation._run.cancel()
        conversation._store.release(deposit)
    async with serving(world, "killed", engine={"options": {"rate": 40.0}}) as provider:
        before = await provider.node.ledger.channel(deposit.channel_id(world.crypto))
        assert before is not None
        conversation, heard = await connected(provider, deposit)
        session = conversation.user.session
        owed = session.account.owed
        session.open(request, session.first_amount(request))
        await conversation.user._flush()
        finished = await heard.until(Finished)
        assert isinstance(finished, Finished) and (finished.finish, finished.amount) == ("gone", 0)
        assert not heard.text and session.account.owed == owed
        assert provider.node._channels[deposit.channel_id(world.crypto)].account.owed == before.owed
        other = replace(request, max_units=7)
        session.open(other, session.first_amount(other))
        await conversation.user._flush()
        refused = await heard.until(Refused)
        assert isinstance(refused, Refused) and refused.error.code is Code.REQUEST_CONFLICT
        await conversation.leave()
