"""machine.py, anvil.py, pyevm.py and ethereumjs.py: every EVM keeps the promises of the seat."""

from __future__ import annotations

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from contracts import anvil
from contracts.machine import GENESIS, P256, P256_SAMPLE, Receipt, Reverted
from tests.contracts import ethereumjs
from tests.contracts.world import DAY, ETHER, ZERO, World


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


def test_p256_is_known_or_its_absence_is(world: World, request: pytest.FixtureRequest) -> None:
    known = {"py-evm": False, "anvil": True, "ethereumjs": True, "anvil-paris": False}
    assert world.machine.has_p256 == known[request.node.callspec.params["machine"]]
    wrong = P256_SAMPLE[:-1] + bytes([P256_SAMPLE[-1] ^ 1])
    assert world.machine.view(world.payer, P256, wrong) == b""


def test_a_life_costs_the_same_on_two_evms(chain: anvil.Anvil) -> None:
    """Same accounts, same calls: every receipt of revm is ethereumjs' too, to the last unit of gas and bit of a log."""
    with ethereumjs.running(accounts=chain.accounts) as node, anvil.running() as fresh:
        lives = [list(life(World(machine))) for machine in (node, fresh)]
    assert lives[0] == lives[1]
    assert all(receipt.ok for receipt in lives[0])


def life(world: World) -> Iterator[Receipt]:
    """Receipts of a short life: of the deployments, and of calls that write."""
    yield from (world.channels.receipt, world.registry.receipt)
    yield world.registry.send("register", b"profile", sender=world.operator, value=ETHER)
    config = world.config()
    yield world.channels.send("open", config, GENESIS + 9 * DAY, 1000, sender=world.payer, value=1000)
    yield world.channels.send("topUp", config, 0, 24, sender=world.payer, value=24)
    claim = (world.payee, world.operator, ZERO, [world.record(config, 400)])
    yield world.channels.send("claim", *claim, sender=world.stranger)
    yield world.channels.send("requestClose", config, sender=world.payer)
    yield world.channels.send("close", world.payee, world.record(config, 500), sender=world.operator)


def test_ethereumjs_tells_what_it_cannot_do() -> None:
    with ethereumjs.running() as node:
        with pytest.raises(RuntimeError, match="enough funds"):
            node.transact("0x" + "99" * 20, node.accounts[0], b"", value=1)
        assert node.chain_id == 31_337
    with pytest.raises((RuntimeError, ValueError)):
        node.now()


def test_anvil_ends_with_its_block() -> None:
    with anvil.running() as chain:
        host, port = chain.url.removeprefix("http://").split(":")
        assert chain.chain_id == 31_337
    with pytest.raises(ConnectionRefusedError):
        HTTPConnection(host, int(port), timeout=5).connect()


def test_an_anvil_that_cannot_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="hardfork"), anvil.running(hardfork="nonsense"):
        pass
