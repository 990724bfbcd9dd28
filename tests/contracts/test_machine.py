"""machine.py, anvil.py and pyevm.py: both EVMs keep the promises of the seat."""

from __future__ import annotations

from http.client import HTTPConnection

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from contracts import anvil
from contracts.machine import GENESIS, Reverted
from tests.contracts.world import ETHER, World


def test_each_transaction_is_a_second_later(world: World) -> None:
    start = world.machine.now()
    first = world.machine.transact(world.payer, world.payee, b"", value=1)
    second = world.machine.transact(world.payer, world.payee, b"", value=1)
    assert second.block == first.block + 1
    assert world.machine.now() == start + 2
    assert start >= GENESIS


def test_travel_sets_the_next_blocks_time_for_views_too(world: World) -> None:
    config = world.open()
    expiry = world.state(config).expiry
    world.machine.travel(expiry)
    world.channels.call("withdraw", config)
    world.channels.send("withdraw", config, sender=world.payer)
    assert world.machine.now() == expiry


def test_an_anchor_brings_back_state_and_time(world: World) -> None:
    start, held = world.machine.now(), world.held()
    with world.machine.anchored():
        config = world.open(deposit=5)
        world.machine.travel(world.machine.now() + 1000)
        world.machine.transact(world.payer, world.payee, b"", value=1)
    assert (world.machine.now(), world.held()) == (start, held)
    assert world.state(config) == (0, 0, 0)
    world.machine.transact(world.payer, world.payee, b"")
    assert world.machine.now() == start + 1


def test_money_moves_by_value_alone(world: World) -> None:
    before = world.machine.balance(world.payer), world.machine.balance(world.payee)
    world.machine.transact(world.payer, world.payee, b"", value=ETHER)
    assert (world.machine.balance(world.payer), world.machine.balance(world.payee)) == (
        before[0] - ETHER,
        before[1] + ETHER,
    )


def test_a_refusal_that_does_not_come_is_an_error(world: World) -> None:
    with pytest.raises(AssertionError, match="was not refused"):
        world.channels.refusal("open", world.config(), 2**32 - 1, 1, sender=world.payer, value=1)
    with pytest.raises(AssertionError, match="failed"):
        world.channels.send("withdraw", world.config(), sender=world.payer)


def test_reasons() -> None:
    assert Reverted(keccak(text="Error(string)")[:4] + encode(["string"], ["early"])).reason == "early"
    assert Reverted(b"").reason == ""
    assert Reverted(b"\1\2\3\4" + bytes(32)).reason == ""


def test_anvil_ends_with_its_block() -> None:
    with anvil.running() as chain:
        host, port = chain.url.removeprefix("http://").split(":")
        assert chain.chain_id == 31_337
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection(host, int(port), timeout=5).connect()


def test_an_anvil_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="hardfork"), anvil.running(hardfork="nonsense"):
        pass
