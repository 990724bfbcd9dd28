"""No deposit without a yes, none with a provider that is gone, and none where one is open already."""

from __future__ import annotations

import pytest

from tallystick_helper.commands import ChatWishes, chat_now
from tallystick_helper.embed_command import embed_now
from tallystick_helper.keys import Secret
from tallystick_helper.open_command import open_now
from tallystick_helper.quote import Quote
from tallystick_helper.terminal import Consent
from tallystick_shared.channel import NATIVE
from tallystick_shared.errors import Code

from ..shared.tools import refused
from .world import Serving, World, serving

WISHES = ChatWishes("one two", None, "0.001", None, 4, False, False)
YES = Consent(yes=True)


async def asks(world: World, agree: Consent, wishes: ChatWishes = WISHES) -> None:
    await chat_now(world.settings("user"), Secret(world.user_key), wishes, lambda *_: None, agree, stream=False)


async def test_where_nobody_says_yes_no_deposit_is_made(provider: Serving, capsys: pytest.CaptureFixture[str]) -> None:
    world = provider.world
    with refused(Code.NOT_CONFIRMED):
        await asks(world, Consent())
    assert world.store().deposits() == []
    said = capsys.readouterr().err
    assert "Put 0.001 ETH down with" in said and "Fee   at most" in said
    await asks(world, YES)
    await asks(world, Consent())  # what is open is spent without another word
    assert len(world.store().deposits()) == 1


async def test_nor_for_vectors(world: World) -> None:
    async with serving(world, engine={"kind": "toy", "options": {"what": "vectors"}}):
        with refused(Code.NOT_CONFIRMED):
            key = Secret(world.user_key)
            await embed_now(world.settings("user"), key, ["x"], WISHES, lambda *_: None, Consent())
    assert world.store().deposits() == []


async def test_no_money_goes_to_a_provider_that_is_gone(world: World) -> None:
    async with serving(world) as provider:
        address = provider.provider
    asked = list[Quote]()

    async def agree(quote: Quote) -> None:
        asked.append(quote)

    for who in (address, None):
        with refused(Code.PROVIDER_GONE):
            await open_now(world.settings("user"), Secret(world.user_key), who, "0.001", 7, NATIVE, agree)
        with refused(Code.PROVIDER_GONE):
            await asks(world, YES, ChatWishes("x", who, "0.001", None, 4, False, False))
    assert asked == [] and world.store().deposits() == []


async def test_an_open_deposit_goes_before_a_cheaper_provider(provider: Serving) -> None:
    world = provider.world
    deposit = await provider.deposit()
    account = world.account()
    found = await account.held("text")
    assert found is not None and found[1].channel_id(world.crypto) == deposit.channel_id(world.crypto)
    assert await account.held("vectors") is None
    await provider.up.stop()
    assert await account.held("text") is None
