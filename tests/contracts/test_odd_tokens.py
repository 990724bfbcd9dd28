"""Tokens that misbehave: refused when a channel opens, or harmful to channels in that token alone.

Beside each odd channel stand one in native coin and one in a good token: their money never moves. Of the two parties
of an odd channel, neither is held up by what the token does to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eth_abi.abi import encode

from contracts.machine import Contract
from tests.contracts.coins import coin, odd
from tests.contracts.world import DAY, Config, Leaf, State, World, grow

TRUE, FALSE = encode(["bool"], [True]), encode(["bool"], [False])
RUBBISH = {
    "two": (2).to_bytes(32, "big"),
    "all ones": b"\xff" * 32,
    "one byte": b"\1",
    "31 bytes": TRUE[1:],
    "a zero, then a one": FALSE + TRUE,
}


@dataclass
class Scene:
    """An odd token that still behaves, and bystanders' channels."""

    world: World
    token: Contract
    others: list[Config]

    def tell(self, name: str, *values: object) -> None:
        self.token.send(name, *values, sender=self.world.stranger)

    def open(self, deposit: int = 1000, root: bytes | None = None, life: int = 9 * DAY) -> Config:
        config = self.world.config(token=self.token.address)
        return self.world.open(config._replace(root=root or config.root), deposit, life)

    def refused(self, deposit: int = 1000) -> str:
        """Why a channel cannot open. The payer keeps its money."""
        world, config = self.world, self.world.config(token=self.token.address)
        before = self.token.call("shares", world.payer)
        expiry = world.machine.now() + 9 * DAY
        reason = world.channels.refusal("open", config, expiry, deposit, sender=world.payer)
        assert world.state(config) == State(0, 0, 0)
        assert self.token.call("shares", world.payer) == before
        return reason

    def claim(self, config: Config, total: int) -> int:
        return self.world.claim(self.world.record(config, total), token=self.token.address)

    def claim_refused(self, config: Config, total: int, leaf: Leaf | None = None) -> str:
        """Why a claim fails. Nothing is booked."""
        world, leaf = self.world, leaf or self.world.only
        state = world.state(config)
        arguments = (leaf.payee, leaf.closer, self.token.address, [world.record(config, total, leaf)])
        reason = world.channels.refusal("claim", *arguments, sender=world.stranger)
        assert world.state(config) == state
        return reason

    def refusals(self, config: Config, total: int) -> set[str]:
        """Why each of the ways out fails, the time of withdrawal having come. Nothing is booked."""
        world = self.world
        found = {self.claim_refused(config, total)}
        found.add(world.channels.refusal("close", world.payee, world.record(config, total), sender=world.operator))
        with world.machine.anchored():
            world.machine.travel(world.state(config).expiry)
            found.add(world.channels.refusal("withdraw", config, sender=world.stranger))
        return found

    def withdraw(self, config: Config) -> int:
        """What the payer gets at the end."""
        world = self.world
        before = world.balance(world.payer, self.token.address)
        world.machine.travel(max(world.state(config).expiry, world.machine.now() + 1))
        world.channels.send("withdraw", config, sender=world.stranger)
        return world.balance(world.payer, self.token.address) - before


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    good = coin(world)
    others = [world.open(deposit=5000, life=90 * DAY), world.open(world.config(token=good.address), 7000, 90 * DAY)]
    states = [world.state(each) for each in others]
    yield Scene(world, odd(world), others)
    assert (world.held(), world.held(good.address)) == (5000, 7000)
    assert [world.state(each) for each in others] == states
    for each in others:
        assert world.claim(world.record(each, 9999), token=each.token) == world.state(each).deposit


# --- fees ---


@pytest.mark.parametrize("fee", [1, 999, 1000])
def test_a_fee_on_transfer_is_refused(scene: Scene, fee: int) -> None:
    scene.tell("charge", fee, 0)
    assert scene.refused() == "amount"


def test_a_fee_that_comes_later_is_the_receivers(scene: Scene) -> None:
    """The contract gives what it booked, so every channel of the token stays covered; top-ups end."""
    config, other = scene.open(), scene.open()
    scene.tell("charge", 10, 0)
    world, token = scene.world, scene.token.address
    assert world.channels.refusal("topUp", config, 0, 500, sender=world.payer) == "amount"
    arguments = (world.payee, world.operator, token, [world.record(config, 300)])
    assert world.channels.call("claim", *arguments) == 300
    world.channels.send("claim", *arguments, sender=world.stranger)
    assert world.balance(world.payee, token) == 290
    assert scene.withdraw(config) == 690
    assert world.held(token) == world.state(other).deposit


def test_a_fee_on_top_harms_channels_of_that_token_alone(scene: Scene) -> None:
    """Who is paid last is short by it, and can still take what is left through `claim` of a smaller total."""
    world = scene.world
    scene.tell("charge", 0, 10)
    config = scene.open()
    assert scene.claim(config, 300) == 300
    assert world.held(scene.token.address) == 690
    assert scene.claim_refused(config, 1000) == ""
    assert scene.claim(config, 980) == 680


# --- answers ---


def test_a_token_that_returns_nothing_serves(scene: Scene) -> None:
    scene.tell("reply", b"")
    config = scene.open()
    scene.world.channels.send("topUp", config, 0, 500, sender=scene.world.stranger)
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 1200


def test_a_token_that_returns_more_than_true_serves(scene: Scene) -> None:
    scene.tell("reply", TRUE + FALSE)
    config = scene.open()
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 700


@pytest.mark.parametrize("idle", [False, True])
def test_a_token_that_returns_false_is_refused(scene: Scene, idle: bool) -> None:
    scene.tell("rest", idle)
    scene.tell("reply", FALSE)
    assert scene.refused() == "token"


def test_a_token_that_comes_to_return_false_holds_its_own_channels_alone(scene: Scene) -> None:
    config = scene.open()
    scene.tell("rest", True)
    scene.tell("reply", FALSE)
    assert scene.refusals(config, 300) == {"token"}
    scene.tell("rest", False)
    scene.tell("reply", TRUE)
    assert scene.claim(config, 300) == 300


@pytest.mark.parametrize("what", RUBBISH)
def test_a_token_that_returns_rubbish(scene: Scene, what: str) -> None:
    config = scene.open()
    scene.tell("reply", RUBBISH[what])
    reason = "token" if what == "a zero, then a one" else ""
    assert scene.refused() == reason
    assert scene.refusals(config, 300) == {reason}


def test_a_token_that_says_yes_and_moves_nothing(scene: Scene) -> None:
    scene.tell("rest", True)
    assert scene.refused() == "amount"
    scene.tell("reply", b"")
    assert scene.refused() == "amount"


# --- frozen people ---


def test_a_frozen_payee_fails_its_own_claim_only(scene: Scene) -> None:
    world = scene.world
    config = scene.open()
    scene.tell("freeze", world.payee, True)
    assert scene.claim_refused(config, 300) == "frozen"
    assert world.channels.refusal("close", world.payee, world.record(config, 300), sender=world.operator) == "frozen"
    with world.machine.anchored():
        assert scene.withdraw(config) == 1000
    with world.machine.anchored():  # the closer may give up what cannot be paid
        world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    scene.tell("freeze", world.payee, False)
    assert scene.claim(config, 300) == 300


def test_a_frozen_payee_holds_up_nobody_else_in_the_tree(scene: Scene) -> None:
    world = scene.world
    root, (frozen, other) = grow((world.only, Leaf(world.second, world.operator)))
    config = scene.open(root=root)
    scene.tell("freeze", world.payee, True)
    assert scene.claim_refused(config, 300, frozen) == "frozen"
    assert world.claim(world.record(config, 400, other), leaf=other, token=scene.token.address) == 400
    assert scene.withdraw(config) == 600


def test_a_frozen_payer_does_not_hold_up_the_payee(scene: Scene) -> None:
    world = scene.world
    config = scene.open()
    scene.tell("freeze", world.payer, True)
    assert world.channels.refusal("close", world.payee, world.record(config, 300), sender=world.operator) == "frozen"
    assert scene.claim(config, 300) == 300
    world.machine.travel(world.state(config).expiry)
    assert world.channels.refusal("withdraw", config, sender=world.stranger) == "frozen"
    assert scene.claim(config, 400) == 100
    with world.machine.anchored():  # all of it is the payee's: nothing goes to the payer, so nothing fails
        world.channels.send("close", world.payee, world.record(config, 1000), sender=world.operator)
    scene.tell("freeze", world.payer, False)
    assert scene.withdraw(config) == 600


def test_a_frozen_contract_waits(scene: Scene) -> None:
    """Everything of that token stands still, nothing is lost, and people can still ask for the end."""
    world = scene.world
    config = scene.open()
    scene.tell("freeze", world.channels.address, True)
    assert scene.refused() == "frozen"
    assert scene.refusals(config, 300) == {"frozen"}
    world.channels.send("requestClose", config, sender=world.payer)
    world.channels.send("topUp", config, world.state(config).expiry + DAY, 0, sender=world.payer)
    scene.tell("freeze", world.channels.address, False)
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 700


# --- balances that change by themselves ---


def test_a_rebase_upwards_leaves_everybody_what_was_booked(scene: Scene) -> None:
    config, other = scene.open(), scene.open()
    scene.tell("rebase", 2, 1)
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 700
    assert scene.withdraw(other) == 1000
    assert scene.world.held(scene.token.address) == 2000


def test_a_rebase_downwards_leaves_channels_of_that_token_short(scene: Scene) -> None:
    """First come, first served, in that token alone; what is there can be taken."""
    world = scene.world
    first, second = scene.open(), scene.open()
    scene.tell("rebase", 1, 2)
    assert world.held(scene.token.address) == 1000
    assert scene.claim(first, 600) == 600
    assert scene.claim_refused(second, 1000) == ""
    assert scene.claim(second, 400) == 400
    world.machine.travel(world.state(first).expiry)
    assert world.channels.refusal("withdraw", first, sender=world.payer) == ""
    scene.tell("mint", world.channels.address, 400)
    assert scene.withdraw(first) == 400


def test_a_balance_that_rounds_opens_where_the_sum_comes_out(scene: Scene) -> None:
    """Tokens that count in shares move a unit less than told now and then: such a deposit is refused, not guessed."""
    scene.tell("rebase", 3, 2)
    scene.tell("mint", scene.world.payer, 3000)
    assert scene.refused(1000) == "amount"
    config = scene.open(999)
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 699


@pytest.mark.parametrize("extra", [1, 10**30, 2**256 - 1 - 2000])
def test_a_balance_that_lies_evenly_hides_no_theft(scene: Scene, extra: int) -> None:
    """Only the difference counts, so the deposit is what came, and that is what is paid."""
    scene.tell("lie", scene.world.channels.address, extra)
    config = scene.open()
    assert scene.token.call("shares", scene.world.channels.address) == 1000
    assert scene.claim(config, 300) == 300
    assert scene.withdraw(config) == 700


def test_a_balance_at_its_end_is_refused(scene: Scene) -> None:
    scene.tell("lie", scene.world.channels.address, 2**256 - 1 - 500)
    assert scene.refused() == ""


# --- no token at all ---


@pytest.mark.parametrize("number", [0xDEAD, *range(1, 10), 0x100])
def test_a_token_without_code_is_refused(world: World, number: int) -> None:
    """An address nobody has put code at, and the precompiles, some of which answer any call."""
    config = world.config(token=f"0x{number:040x}")
    expiry = world.machine.now() + 9 * DAY
    assert world.channels.refusal("open", config, expiry, 1000, sender=world.payer) == ""
    zero = bytes(32)
    signature = (2**256 - 1, 27, zero, zero)
    assert world.channels.refusal("openPermit", config, expiry, 1000, *signature, sender=world.payer) == ""
    assert world.channels.refusal("openAuthorized", config, expiry, 1000, 0, *signature, sender=world.payer) == ""


def test_a_contract_that_is_no_token_is_refused(world: World) -> None:
    for address in (world.channels.address, world.registry.address, world.actor().address):
        config = world.config(token=address)
        expiry = world.machine.now() + 9 * DAY
        assert world.channels.refusal("open", config, expiry, 1000, sender=world.payer) == ""
        signature = (2**256 - 1, 27, bytes(32), bytes(32))
        assert world.channels.refusal("openPermit", config, expiry, 1, *signature, sender=world.payer) == ""
        assert world.channels.refusal("openAuthorized", config, expiry, 1, 0, *signature, sender=world.payer) == ""


def test_a_token_that_vanishes_pays_nobody_and_books_nothing(scene: Scene) -> None:
    """A call to no code succeeds: taken for a payment, it would end the channel for nothing."""
    world = scene.world
    config = scene.open()
    with world.machine.anchored():
        world.machine.etch(scene.token.address, b"")
        assert scene.refusals(config, 300) == {""}
        assert world.state(config).claimed == 0
    assert scene.claim(config, 300) == 300
