"""What the shape of text costs, counted in bytes on a real socket: at most 7 kB a second, both ways together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec

from tallystick_helper.chat import Answer, Conversation
from tallystick_shared.session.shape import TEXT

from .world import Serving, World, serving

MOST = 7_000


@dataclass
class Relay:
    """A relay of bytes between a user and a provider. `passed` holds (time, bytes) of each piece, both ways."""

    target: int
    port: int = 0
    passed: list[tuple[float, int]] = field(default_factory=list)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, until its end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.passed.append((asyncio.get_running_loop().time(), len(data)))
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self.carry(reader, back), self.carry(there, writer))


@contextlib.asynccontextmanager
async def relayed(provider: Serving) -> AsyncIterator[tuple[Relay, Conversation]]:
    """A conversation whose bytes are counted."""
    public = provider.up.public
    assert public is not None
    relay = Relay(public.port)
    server = await asyncio.start_server(relay.handle, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    profile = (await provider.listing()).usable()
    profile = msgspec.structs.replace(profile, endpoints=(f"ws://127.0.0.1:{relay.port}",))
    world = provider.world
    conversation = Conversation(world.crypto, world.store(), await provider.deposit(), profile)
    async with server:
        await conversation.connect()
        yield relay, conversation
        await conversation.leave()


async def test_text_costs_at_most_7_kb_a_second(world: World) -> None:
    """WebSocket frames and all, while an answer of sixty words a second comes."""
    engine = {"options": {"rate": 60.0}}
    async with serving(world, engine=engine) as provider, relayed(provider) as (relay, conversation):
        answer = None
        began: float | None = None
        async for piece in conversation.ask([("user", "count the notches")], "loopback", 240):
            began = began or asyncio.get_running_loop().time()
            if isinstance(piece, Answer):
                answer = piece
        ended = asyncio.get_running_loop().time()
        assert answer is not None and answer.output_units == 240 and began is not None
        seconds = ended - began
        count = sum(size for at, size in relay.passed if began < at <= ended)
        assert seconds > 3
        assert count / seconds <= MOST
        # The control: that much passes because of the shape, whatever is said.
        assert count / seconds >= 0.9 * (TEXT.down.size / TEXT.down.interval)
