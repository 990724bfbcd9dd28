"""Deposits in tokens, and vouchers signed by P-256 keys: through a node, on a chain, to the last unit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from eth_abi.abi import encode

from contracts.build import artefact
from tallystick_helper.chain.sender import Sender
from tallystick_helper.commands import ChatWishes, chat_now
from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.keys import Secret
from tallystick_helper.shown import Money
from tallystick_helper.terminal import Consent
from tallystick_shared.deposit import Deposit, Terms
from tallystick_shared.errors import Code, LocalError, PeerError
from tallystick_shared.evm.token import Token
from tests.contracts.coins import source
from tests.contracts.signing import P256Key
from tests.shared.tools import refused

from .world import HOUR, Serving, World, new_world, serving

PURSE = 10**9
AMOUNT = 5 * 10**6


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with new_world(tmp_path) as made:
        yield made


async def issue(world: World, name: str, *constructor: int) -> Token:
    """A test token; the user holds some of it."""
    made = artefact(source(name), name)
    owner = Sender(world.rpc, world.owner_key, world.where.chain_id, poll=0.01)
    code = bytes.fromhex(made["bytecode"][2:]) + encode(["uint8"] * len(constructor), constructor)
    receipt = await owner.transact(None, code)
    assert receipt.contract is not None
    mint = world.crypto.keccak256(b"mint(address,uint256)")[:4]
    user = world.crypto.secp256k1_address(world.user_key)
    await owner.transact(receipt.contract, mint + encode(["address", "uint256"], [user, PURSE]))
    return Token(world.crypto, receipt.contract)


def provider_of(world: World, token: Token) -> Any:
    """A node that is paid in that token, six decimals: 2 and 6 tokens for a million units."""
    offer = {"price_in": 2 * 10**6, "price_out": 6 * 10**6, "tokens": ["0x" + token.address.hex()], "window": 1000}
    return serving(world, offer=offer)


async def talk(provider: Serving, deposit: Deposit) -> int:
    """A paid answer, then the close; returns what it cost."""
    conversation = await provider.conversation(deposit)
    await conversation.connect()
    asked = conversation.ask([("user", "what does it cost?")], "loopback", 20)
    answer: Any = [part async for part in asked][-1]
    await conversation.settle()
    await conversation.close()
    await provider.node.till.finish()
    await conversation.leave()
    return int(answer.amount)


async def test_the_terminal_pays_in_a_token(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    token = await issue(world, "Coin", 6)
    async with provider_of(world, token) as provider:
        settings = world.settings("terminal")
        wishes = ChatWishes("hello", provider.provider, "2.5", None, 20, False, True, token.address)
        told: list[str] = []
        key = Secret(world.user_key)
        await chat_now(settings, key, wishes, lambda _, text: told.append(text), Consent(yes=True), stream=False)
        assert "Deposit of 2.5 COIN opened." in told[0]
        paid = await token.balance(world.rpc, provider.provider)
        assert 0 < paid == PURSE - await token.balance(world.rpc, world.crypto.secp256k1_address(world.user_key))
        assert (
            told[-1] == f"[dim]Closed: {Money('COIN', 6).show(paid)} paid, "
            f"{Money('COIN', 6).show(2_500_000 - paid)} back.[/dim]"
        )


@pytest.mark.parametrize(("name", "constructor", "transactions"), [("Coin", (6,), 1), ("Odd", (), 2)])
async def test_a_token_with_permits_takes_one_transaction_and_another_two(
    world: World, name: str, constructor: tuple[int, ...], transactions: int
) -> None:
    token = await issue(world, name, *constructor)
    async with provider_of(world, token) as provider:
        user = world.crypto.secp256k1_address(world.user_key)
        count = ["0x" + user.hex(), "latest"]
        before = int(await world.rpc.request("eth_getTransactionCount", count), 16)
        deposit, _ = await world.account().open(await provider.listing(), Terms(AMOUNT, token=token.address))
        assert int(await world.rpc.request("eth_getTransactionCount", count), 16) - before == transactions
        assert await token.balance(world.rpc, user) == PURSE - AMOUNT
        assert await token.allowance(world.rpc, user, world.where.channels) == 0, "no more than the deposit was allowed"
        cost = await talk(provider, deposit)
        assert 0 < cost < AMOUNT
        assert await token.balance(world.rpc, provider.provider) == cost
        assert await token.balance(world.rpc, user) == PURSE - cost


async def test_what_was_approved_before_is_used(world: World) -> None:
    token = await issue(world, "Coin", 6)
    account = world.account()
    sender = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)
    await sender.transact(token.address, token.approve(world.where.channels, AMOUNT + 7))
    async with provider_of(world, token) as provider:
        await account.open(await provider.listing(), Terms(AMOUNT, token=token.address))
    assert await token.allowance(world.rpc, account.address, world.where.channels) == 7


async def stubborn(world: World) -> Token:
    """A token whose allowances go through zero, and what an earlier opening left approved."""
    token = await issue(world, "Odd")
    user = Sender(world.rpc, world.user_key, world.where.chain_id, poll=0.01)
    insist = world.crypto.keccak256(b"insist(bool)")[:4] + encode(["bool"], [True])
    await user.transact(token.address, insist)
    await user.transact(token.address, token.approve(world.where.channels, 7))
    return token


async def test_an_allowance_that_stands_is_cleared_where_the_token_wants_it(world: World) -> None:
    token = await stubborn(world)
    account = world.account()
    async with provider_of(world, token) as provider:
        await account.open(await provider.listing(), Terms(AMOUNT, token=token.address))
    assert await token.balance(world.rpc, world.where.channels) == AMOUNT
    assert await token.allowance(world.rpc, account.address, world.where.channels) == 0


async def test_too_little_no_token_and_a_token_that_is_not_taken(world: World) -> None:
    token = await issue(world, "Coin", 6)
    async with provider_of(world, token) as provider:
        listing = await provider.listing()
        with refused(Code.NOT_ENOUGH_MONEY, LocalError):
            await world.account().open(listing, Terms(PURSE + 1, token=token.address))
        with refused(Code.WRONG_TOKEN, PeerError):
            await world.account().open(listing, Terms(AMOUNT))
        nowhere = b"\x66" * 20
        bent = replace(listing, profile=_with_token(listing.usable(), nowhere))
        with refused(Code.WRONG_TOKEN, PeerError):
            await world.account().open(bent, Terms(AMOUNT, token=nowhere))


def _with_token(profile: Any, token: bytes) -> Any:
    return msgspec.structs.replace(profile, tokens=(token,))


class P256Crypto(NativeCrypto):
    """A page whose session key is WebCrypto's: what a session key signs is signed by a P-256 key."""

    def __init__(self) -> None:
        self._p256 = P256Key("tests: a session key")

    def secp256k1_address(self, private: bytes) -> bytes:
        return bytes.fromhex(self._p256.address[2:])

    def secp256k1_sign(self, private: bytes, digest: bytes) -> bytes:
        return self._p256.sign(digest)


async def open_by_p256(world: World, provider: Serving) -> Deposit:
    """A deposit of the user's whose signer is a P-256 key."""
    account = world.account()
    account._crypto = P256Crypto()
    deposit, _ = await account.open(await provider.listing(), Terms(10**16, life=30 * HOUR))
    return deposit


async def test_vouchers_of_a_p256_key_are_served_and_paid(world: World) -> None:
    async with serving(world) as provider:
        deposit = await open_by_p256(world, provider)
        before = await world.balance(provider.provider)
        world.crypto = P256Crypto()
        cost = await talk(provider, deposit)
        assert 0 < cost == await world.balance(provider.provider) - before


async def test_where_the_chain_verifies_no_p256_it_is_refused_before_anything_is_served(tmp_path: Path) -> None:
    async with new_world(tmp_path, hardfork="prague") as world, serving(world) as provider:
        deposit = await open_by_p256(world, provider)
        world.crypto = P256Crypto()
        conversation = await provider.conversation(deposit)
        with refused(Code.UNCLAIMABLE, PeerError):
            await conversation.connect()
        await conversation.leave()
