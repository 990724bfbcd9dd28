"""Onto the chain by a wallet that is not the node's: what is signed, the one transaction, and that the node sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from tallystick_helper.announcement import Announcement
from tallystick_helper.chain.sender import Sender
from tallystick_helper.drafts import wait_for, waiting
from tallystick_helper.engines import open_engine
from tallystick_helper.operator_gas import operator_gas
from tallystick_helper.provide_elsewhere import to_send, to_sign
from tallystick_helper.registering import Draft, Registering
from tallystick_helper.up import Up
from tallystick_shared.errors import Code, LocalError
from tallystick_shared.evm.rpc import to_bytes

from .shell import Shell
from .test_provide import provide
from .world import ETHER, World, until

ENDPOINT = "ws://192.0.2.1:8766"
KEY = b"\x33" * 32


class Wallet:
    """A person's, as the node knows it: an address, a signature, one transaction."""

    def __init__(self, world: World) -> None:
        self.world, self.key = world, KEY
        self.address = world.crypto.secp256k1_address(KEY)
        self.hexed = "0x" + self.address.hex()

    def sign(self, typed_data: dict[str, Any]) -> str:
        """By another implementation of EIP-712."""
        return str(Account.sign_message(encode_typed_data(full_message=typed_data), self.key).signature.to_0x_hex())

    async def send(self, transaction: dict[str, Any]) -> None:
        assert to_bytes(transaction["from"]) == self.address
        sender = Sender(self.world.rpc, self.key, 31337, poll=0.01)
        await sender.transact(to_bytes(transaction["to"]), to_bytes(transaction["data"]), int(transaction["value"], 16))

    async def nonce(self) -> int:
        return int(await self.world.rpc.request("eth_getTransactionCount", [self.hexed, "latest"]), 16)


@pytest.fixture
async def wallet(world: World) -> Wallet:
    await world.fund(KEY)
    return Wallet(world)


async def drafted(world: World, owner: bytes, **changes: Any) -> tuple[Registering, Draft]:
    settings = world.settings(**changes)
    engine = await open_engine("echo", {}, settings.data_dir)
    await engine.close()
    steps = Registering(settings, world.crypto, world.rpc, world.where)
    return steps, await steps.draft(owner, engine.models(), ENDPOINT)


async def test_one_signature_and_one_transaction_by_another_wallet(world: World, wallet: Wallet) -> None:
    steps, draft = await drafted(world, wallet.address)
    assert (draft.call, draft.value) == ("register", world.settings().offer.stake)
    typed = steps.typed_data(draft)
    assert typed["message"]["endpoint"] == ENDPOINT and typed["message"]["payee"] == wallet.hexed
    blob, call = steps.seal(draft, to_bytes(wallet.sign(typed)))
    assert await steps.settle(wallet.address, blob) is None and Announcement.load(world.settings().data_dir) is None
    await wallet.send(call.values())
    announced = await steps.settled(wallet.address, blob)
    assert announced.provider == wallet.address and await wallet.nonce() == 1
    _, again = await drafted(world, wallet.address)
    assert again.call == "" and again.profile.encode() == blob
    steps, dearer = await drafted(world, wallet.address, offer={"price_out": 7})
    assert (dearer.call, dearer.value, dearer.profile.epoch) == ("announce", 0, again.profile.epoch + 1)


async def test_a_signature_of_another_or_over_another_profile_is_refused(world: World, wallet: Wallet) -> None:
    steps, draft = await drafted(world, wallet.address)
    good = to_bytes(wallet.sign(steps.typed_data(draft)))
    other = steps.typed_data(draft)
    other["message"]["epoch"] = "7"
    domain = steps.typed_data(draft)
    domain["domain"]["chainId"] = 1
    for bad in (to_bytes(wallet.sign(other)), to_bytes(wallet.sign(domain)), good[:-1], bytes(65), b"", good + b"\0"):
        with pytest.raises(LocalError) as caught:
            steps.seal(draft, bad)
        assert caught.value.code is Code.NOT_SIGNED_BY_OWNER
    with pytest.raises(LocalError):
        steps.seal(replace(draft, owner=b"\x01" * 20), good)
    from_zero = good[:64] + bytes([good[64] - 27])  # as some wallets count
    assert steps.seal(draft, from_zero) == steps.seal(draft, good)


async def test_what_was_signed_elsewhere_is_taken_up_by_the_node_that_runs(world: World, wallet: Wallet) -> None:
    settings = world.settings(listen={"endpoint": ENDPOINT})
    up = Up(settings)
    await up.start()
    try:
        with pytest.raises(LocalError):
            await to_send(settings, wallet.hexed, "0x" + "11" * 65)  # nothing waits yet
        asked = await to_sign(settings, wallet.hexed)
        for wrong in ("0x" + "11" * 65, "zz"):
            with pytest.raises(LocalError):
                await to_send(settings, wallet.hexed, wrong)
        found = await to_send(settings, wallet.hexed, wallet.sign(asked["typed_data"]))
        assert up.node is None and waiting(settings) is not None
        await wallet.send(found["transaction"])
        await until(lambda: up.node is not None)
        assert up.node is not None and up.node.identity.provider == wallet.address
        assert waiting(settings) is None and await wallet.nonce() == 1
        assert (await to_sign(settings, wallet.hexed))["typed_data"] is None
        gas = await operator_gas(settings, world.crypto, world.rpc)
        assert (gas.held, gas.claims, gas.missing) == (0, 0, settings.money.gas)
    finally:
        await up.stop()


async def test_what_was_signed_before_another_announcement_is_over(world: World, wallet: Wallet) -> None:
    settings = world.settings()
    steps, late = await drafted(world, wallet.address)
    blob, call = steps.seal(late, to_bytes(wallet.sign(steps.typed_data(late))))
    wait_for(settings, late, blob)
    await provide(world)  # with the key file of another owner
    assert waiting(settings) is None
    await wallet.send(call.values())  # the stale one, sent late: it is on chain, and nobody here looks for it
    announced = Announcement.load(settings.data_dir)
    assert announced is not None and announced.provider == world.crypto.secp256k1_address(world.owner_key)


async def test_the_command_goes_the_same_way(world: World, wallet: Wallet) -> None:
    shell = Shell(world)
    flags = ("provide", "--engine", "echo", "--endpoint", ENDPOINT)
    for wrong in ((), ("--wallet", "--owner", wallet.hexed), ("--wallet", "--signature", "0x")):
        assert (await shell.json(*flags, *wrong, code=1))["error"] == "BAD_SETTINGS"
    assert (await shell.json(*flags, "--wallet", code=1))["error"] == "NO_NODE"
    asked = await shell.json(*flags, "--owner", wallet.hexed)
    found = await shell.json(*flags, "--owner", wallet.hexed, "--signature", wallet.sign(asked["typed_data"]))
    await wallet.send(found["transaction"])
    said, _ = await shell.text(*flags, "--owner", wallet.hexed)
    assert "there is nothing to sign" in said
    announced = Announcement.load(world.folder / "user")
    assert announced is not None and announced.provider == wallet.address
    assert await world.balance(wallet.address) < 10 * ETHER
