"""Answers of a megabyte and a half, receivers that burn all gas, and money that nobody asked for."""

from __future__ import annotations

import pytest
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from contracts.build import artefact
from contracts.machine import ETHER, Contract
from tests.contracts.coins import NEVER, PURSE, coin, odd, source
from tests.contracts.world import DAY, ZERO, Config, Leaf, World, pack

SIZE = 1_500_000
"""Bytes of an answer: to make it costs 4.4 million gas, and to copy it as much again, which no transaction here has."""

BOMB = "62" + SIZE.to_bytes(3, "big").hex() + "6000f3"
"""Code that returns so much: PUSH3, PUSH1 0, RETURN."""

BURN = "fe"
"""Code that spends all the gas it is given."""


def bombing(implementation: str, function: str) -> bytes:
    """Code of a token that does what another does, but in one function answers at that length."""
    forward = "366000600037" + "60006000366000" + "73" + implementation[2:] + "5af4"  # DELEGATECALL with the call data
    forward += "3d600060003e"  # the answer into memory at 0
    # a failure jumps to the REVERT, a match of the selector to the long RETURN; else what came is returned
    body = "1560{fail:02x}57" + "60003560e01c63" + keccak(text=function)[:4].hex() + "1460{long:02x}57" + "3d6000f3"
    end = len(bytes.fromhex(forward + body.format(fail=0, long=0)))
    return bytes.fromhex(forward + body.format(fail=end, long=end + 5) + "5b3d6000fd" + "5b" + BOMB)


def bombing_token(world: World, function: str) -> Contract:
    """An odd token, phantom, of which the usual payers hold plenty and have approved."""
    behind = odd(world)
    address = to_checksum_address(keccak(text=f"tests: bomb in {function}")[12:])
    world.machine.etch(address, bombing(behind.address, function))
    token = Contract(world.machine, address, artefact(source("Odd"), "Odd")["abi"], behind.receipt)
    token.send("rebase", 1, 1, sender=world.stranger)
    token.send("reply", (1).to_bytes(32, "big"), sender=world.stranger)
    token.send("haunt", True, ZERO, sender=world.stranger)
    token.send("mint", world.payer, PURSE, sender=world.payer)
    token.send("approve", world.channels.address, NEVER, sender=world.payer)
    return token


def ended(world: World, config: Config) -> int:
    """Withdraw; returns what the payer got."""
    before = world.balance(config.payer, config.token)
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    return world.balance(config.payer, config.token) - before


def test_a_token_that_answers_at_length_when_it_takes(world: World) -> None:
    token = bombing_token(world, "transferFrom(address,address,uint256)")
    config = world.open(world.config(token=token.address), deposit=1000)
    world.channels.send("topUp", config, 0, 500, sender=world.payer)
    assert world.claim(world.record(config, 300), token=token.address) == 300
    assert ended(world, config) == 1200


def test_a_token_that_answers_at_length_when_it_pays(world: World) -> None:
    token = bombing_token(world, "transfer(address,uint256)")
    config = world.open(world.config(token=token.address), deposit=1000)
    assert world.claim(world.record(config, 300), token=token.address) == 300
    assert world.claim_packed(pack(world.record(config, 400)), token=token.address) == 100
    assert ended(world, config) == 600


def test_a_token_that_answers_at_length_to_a_permit(world: World) -> None:
    token = bombing_token(world, "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)")
    config = world.config(token=token.address)
    arguments = (config, world.machine.now() + 9 * DAY, 1000, NEVER, 27, bytes(32), bytes(32))
    world.channels.send("openPermit", *arguments, sender=world.payer)
    assert ended(world, config) == 1000


def test_a_payee_that_answers_at_length_is_paid_all_the_same(world: World) -> None:
    config = world.open(deposit=1000)
    world.machine.etch(world.payee, bytes.fromhex(BOMB))
    assert world.claim(world.record(config, 300)) == 300
    assert world.claim_packed(pack(world.record(config, 400))) == 100
    world.channels.send("close", world.payee, world.record(config, 500), sender=world.operator)
    assert world.held() == 0


def paid_by_contract(world: World, code: str) -> Config:
    """A channel whose payer is a contract with that code, by then."""
    actor = world.actor()
    config = world.config(payer=actor.address)
    data = world.channels.encode("open", config, world.machine.now() + 9 * DAY, 1000)
    actor.send("execute", world.channels.address, data, 1000, sender=world.stranger)
    world.machine.etch(actor.address, bytes.fromhex(code))
    return config


def test_a_payer_that_answers_at_length_holds_up_nobody(world: World) -> None:
    config = paid_by_contract(world, BOMB)
    with world.machine.anchored():
        world.channels.send("close", world.payee, world.record(config, 300), sender=world.operator)
        assert world.held() == 0
    assert ended(world, config) == 1000


@pytest.mark.parametrize("code", [BURN, "6000" * 2 + "fd", "62" + SIZE.to_bytes(3, "big").hex() + "6000fd"])
def test_a_payer_that_burns_or_refuses_cannot_keep_the_payee_from_its_money(world: World, code: str) -> None:
    """All gas, a plain refusal, a refusal at length: `close` fails, `claim` does not ask the payer."""
    config = paid_by_contract(world, code)
    record = world.record(config, 300)
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == ""
    assert world.claim(record) == 300
    assert world.claim_packed(pack(world.record(config, 400))) == 100
    world.machine.travel(world.state(config).expiry)
    assert world.channels.refusal("withdraw", config, sender=world.stranger) == ""
    assert world.claim(world.record(config, 1000)) == 600
    world.channels.send("withdraw", config, sender=world.stranger)  # nothing is left to send, so nothing fails
    assert world.held() == 0


@pytest.mark.parametrize("code", [BURN, "6000" * 2 + "fd", "62" + SIZE.to_bytes(3, "big").hex() + "6000fd"])
def test_a_payee_that_burns_or_refuses_cannot_keep_the_payer_from_its_money(world: World, code: str) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    record = world.record(config, 300)
    world.machine.etch(world.payee, bytes.fromhex(code))
    for name, given in (("claim", record), ("claimPacked", pack(record))):
        arguments = (world.payee, world.operator, ZERO, [given])
        assert world.channels.refusal(name, *arguments, sender=world.stranger) == ""
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == ""
    assert ended(world, config) == 1000


# --- money that nobody asked for ---


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning")
def test_forced_ether_changes_nothing_and_is_nobodys(world: World) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    # SELFDESTRUCT to the contract while being created: no code of the receiver runs
    bequest = bytes.fromhex("73" + world.channels.address[2:] + "ff")
    world.machine.transact(world.stranger, None, bequest, value=77)
    assert world.held() == 1077
    world.machine.give(world.channels.address, 1077 + 23)  # as a block's author gets it
    arguments = (world.config(), world.machine.now() + 9 * DAY, 100)
    assert world.channels.refusal("open", *arguments, sender=world.payer) == "amount"
    assert world.channels.refusal("topUp", config, 0, 100, sender=world.payer) == "amount"
    assert world.claim(world.record(config, 5000)) == 1000
    assert ended(world, config) == 0
    assert world.held() == 100


def test_a_gift_of_tokens_changes_nothing_and_is_nobodys(world: World) -> None:
    token = coin(world)
    config = world.open(world.config(token=token.address), deposit=1000)
    token.send("transfer", world.channels.address, 77, sender=world.stranger)
    token.send("approve", world.channels.address, 0, sender=world.payer)
    arguments = (world.config(token=token.address), world.machine.now() + 9 * DAY, 77)
    assert world.channels.refusal("open", *arguments, sender=world.payer) == ""
    assert world.claim(world.record(config, 5000), token=token.address) == 1000
    assert ended(world, config) == 0
    assert world.held(token.address) == 77


def test_an_address_with_money_before_it_has_code(world: World) -> None:
    """Where the contract will stand is known before it stands there."""
    with world.machine.anchored():
        address = world.machine.deploy("Channels").address
    world.machine.give(address, ETHER)
    fresh = World(world.machine)
    assert (fresh.channels.address, fresh.held()) == (address, ETHER)
    config = fresh.open(deposit=1000)
    assert fresh.claim(fresh.record(config, 5000)) == 1000
    assert fresh.held() == ETHER


def test_a_payee_that_is_the_contract_itself(world: World) -> None:
    """A payer can name it, and gets its money back: the contract refuses native coin that comes without a call."""
    leaf = Leaf(world.channels.address, world.operator)
    config = world.open(world.config(root=leaf.hash), deposit=1000, life=2 * DAY)
    arguments = (leaf.payee, leaf.closer, ZERO, [world.record(config, 300, leaf)])
    assert world.channels.refusal("claim", *arguments, sender=world.stranger) == ""
    assert ended(world, config) == 1000
