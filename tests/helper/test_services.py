"""Services other than text, end to end: real node, real sockets, a real chain, and nothing in the transport that knows
them. What is paid, what is digested and what is signed is right for each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tallystick_helper.chat import Conversation
from tallystick_helper.engines import toy_images
from tallystick_helper.engines.toy_images import picture, png
from tallystick_helper.engines.toy_vectors import vector_of
from tallystick_shared import audio, embeddings, images
from tallystick_shared.errors import Code
from tallystick_shared.messages import encode
from tallystick_shared.money import Price
from tallystick_shared.session import serving as serving_module
from tallystick_shared.session.events import Finished, Output
from tallystick_shared.session.shape import BULK, TEXT
from tallystick_shared.voucher import Receipt

from ..shared.tools import refused
from .world import ETHER, PRICE_IN, PRICE_OUT, Serving, World, serving, until


@dataclass
class Got:
    """An answer: its bytes, by kind too, and how it ended."""

    data: bytearray = field(default_factory=bytearray)
    parts: dict[int, bytearray] = field(default_factory=dict)
    end: Finished | None = None

    @property
    def finished(self) -> Finished:
        assert self.end is not None
        return self.end


async def get(conversation: Conversation, service: str, data: bytes, model: str, most: int, params: bytes = b"") -> Got:
    got = Got()
    async for event in conversation.exchange(service, params, data, model, most):
        if isinstance(event, Output):
            got.data += event.data
            got.parts.setdefault(event.kind, bytearray()).extend(event.data)
        else:
            got.end = event
    return got


@contextlib.asynccontextmanager
async def talking(
    world: World, what: str, amount: int = ETHER // 100, **offer: Any
) -> AsyncIterator[tuple[Serving, Conversation]]:
    """A provider of that toy, and a user with a deposit."""
    engine = {"kind": "toy", "options": {"what": what}}
    async with serving(world, engine=engine, offer=offer) as provider:
        conversation = await provider.conversation(await provider.deposit(amount))
        await conversation.connect()
        yield provider, conversation
        await conversation.leave()


async def check_paid(provider: Serving, conversation: Conversation, got: Finished, *more: Finished) -> None:
    """What it cost is the price of its units, it is what both sides count, a durable voucher pays it, and the receipt
    is the operator's.
    """
    price = Price(PRICE_IN, PRICE_OUT)
    assert all(one.amount == price.amount(one.input_units, one.units) for one in (got, *more))
    await conversation.settle()
    session = conversation.user.session
    row = await provider.node.ledger.channel(conversation.user._deposit.channel_id(provider.world.crypto))
    assert row is not None
    assert row.voucher.amount == row.owed == session.account.owed == sum(one.amount for one in (got, *more))
    receipt = got.receipt
    assert isinstance(receipt, Receipt)
    assert (receipt.amount, receipt.units) == (got.amount, got.units)
    assert receipt.manifest == provider.node.engine.capabilities().manifest


async def test_embeddings_are_vectors_paid_by_the_vector(world: World) -> None:
    texts = [f"notch number {number}" for number in range(40)]
    async with talking(world, "vectors") as (provider, conversation):
        got = await get(conversation, embeddings.SERVICE, embeddings.embeddings_input(texts), "toy-vectors", 100)
        vectors = embeddings.read_vectors(bytes(got.data), len(texts))
        assert got.finished.units == len(texts) == len(vectors)
        assert vectors[7] == pytest.approx(vector_of(texts[7]), abs=1e-6)
        assert conversation.user.session.shape is BULK
        await check_paid(provider, conversation, got.finished)


async def test_vectors_of_another_length_by_params(world: World) -> None:
    async with talking(world, "vectors") as (_, conversation):
        params = encode(embeddings.EmbeddingsParams(1024))
        data = embeddings.embeddings_input(["one", "two"])
        got = await get(conversation, embeddings.SERVICE, data, "toy-vectors", 2, params)
        assert [len(vector) for vector in embeddings.read_vectors(bytes(got.data), 2)] == [1024, 1024]


async def test_sound_out_and_sound_in(world: World) -> None:
    """Speech comes back as a WAV file in the shape of bulk; sent in again, its text comes in the shape of text."""
    said = "Seven shillings, and a notch for each."
    async with talking(world, "audio") as (provider, conversation):
        spoken = await get(conversation, audio.SPEECH, audio.speech_input(said), "toy-audio", 60)
        assert spoken.finished.units == -(-len(said) // 10)
        assert conversation.user.session.shape is BULK
        await check_paid(provider, conversation, spoken.finished)
        sound = bytes(spoken.data)
        await conversation.leave()
        again = await provider.conversation(conversation.user._deposit)
        await again.connect()
        heard = await get(again, audio.TRANSCRIPTIONS, sound, "toy-audio", 1000)
        assert heard.data.decode() == said
        assert (heard.finished.input_units, heard.finished.units) == (spoken.finished.units, len(said))
        assert again.user.session.shape is TEXT
        await check_paid(provider, again, heard.finished, spoken.finished)
        await again.leave()


async def test_images_come_whole_and_keep_apart(world: World) -> None:
    async with talking(world, "images") as (provider, conversation):
        got = await get(conversation, images.SERVICE, images.images_input("a notch"), "toy-images", 3)
        assert [bytes(got.parts[number]) for number in range(3)] == [picture("a notch", number) for number in range(3)]
        assert got.finished.units == 3
        await check_paid(provider, conversation, got.finished)


async def test_an_image_dearer_than_the_window_is_paid_first(world: World) -> None:
    """The window covers the prompt and no image: each is asked for by PAY_FIRST, and paid before a byte of it comes."""
    window = PRICE_OUT // 10**6 // 2
    async with talking(world, "images", window=window) as (provider, conversation):
        session, seen = conversation.user.session, []
        async for event in conversation.exchange(images.SERVICE, b"", images.images_input("x"), "toy-images", 2):
            if isinstance(event, Output):
                seen.append((event.kind, session.signed))
            else:
                end = event
        price = Price(PRICE_IN, PRICE_OUT)
        assert all(signed >= price.amount(1, kind + 1) for kind, signed in seen)
        assert end.units == 2
        await check_paid(provider, conversation, end)


async def test_an_advance_that_is_not_allowed_buys_no_image(world: World) -> None:
    """Nor is one made: an advance for the longest input is granted, and an image is dearer than that."""
    async with talking(world, "images", window=1, price_out=100 * PRICE_OUT) as (provider, conversation):
        session = conversation.user.session
        session.purse.limits = type(session.purse.limits)(10**18, 1, None)
        with refused(Code.ADVANCE_TOO_LARGE):
            await get(conversation, images.SERVICE, images.images_input("x"), "toy-images", 1)
        assert session.streams[1].units == 0 and session.streams[1].received == 0
        assert provider.node.engine.load().running == 0 and not session.streams[1].accepted


@pytest.mark.parametrize("window", [PRICE_OUT // 10**6 // 2, 2 * PRICE_OUT // 10**6])
async def test_an_engine_makes_no_image_ahead_of_the_money(
    world: World, window: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three requests of eight images each, and a client that stops paying once they run: what was made is paid, but for
    a window.
    """
    monkeypatch.setattr(serving_module, "PAUSE_LIMIT", 1.0)
    made: list[int] = []
    monkeypatch.setattr(toy_images, "png", lambda *pixels: made.append(1) or png(*pixels))
    async with talking(world, "images", window=window) as (provider, conversation):
        session = conversation.user.session
        [channel] = {connection.channel for connection in provider.node._connections}
        asking = [
            asyncio.create_task(get(conversation, images.SERVICE, images.images_input("x"), "toy-images", 8))
            for _ in range(3)
        ]
        await until(lambda: made)
        session.purse.limits = replace(session.purse.limits, advance=0)
        session.purse.asked = True  # no voucher leaves any more
        engine = provider.node.engine
        await until(lambda: not channel.account.running and not engine.load().running, 30.0)
        price = Price(PRICE_IN, PRICE_OUT)
        assert 0 < price.amount(0, len(made)) <= channel.account.durable + window
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)


async def test_a_service_that_is_not_offered_is_refused(world: World) -> None:
    async with talking(world, "images") as (_, conversation):
        with refused(Code.UNKNOWN_SERVICE):
            await get(conversation, embeddings.SERVICE, embeddings.embeddings_input(["x"]), "toy-images", 1)


async def test_input_that_is_no_sound_is_refused_and_costs_nothing(world: World) -> None:
    async with talking(world, "audio") as (_, conversation):
        with refused(Code.BAD_REQUEST):
            await get(conversation, audio.TRANSCRIPTIONS, b"no sound at all", "toy-audio", 10)
        assert conversation.user.session.account.owed == 0


async def test_a_large_answer_flows_no_faster_than_it_is_read(world: World) -> None:
    """Two megabytes of image through a send queue of 64 KiB: it never fills beyond, and nothing is cut."""
    params = encode(images.ImagesParams(800, 800))
    async with talking(world, "images") as (provider, conversation):
        [connection] = provider.node._connections
        most = 0
        async for event in conversation.exchange(images.SERVICE, params, images.images_input("big"), "toy-images", 1):
            most = max(most, connection._queued)
            if isinstance(event, Finished):
                end = event
        assert end.units == 1
        assert most <= 64 * 1024 + 3 * 16_500
        await check_paid(provider, conversation, end)
