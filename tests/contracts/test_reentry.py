"""Payers, payees and tokens that call back while money moves: each function is refused by the lock, and by it alone.

The calls are on channels that have nothing to do with the movement, and each of them succeeds a moment later.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from contracts.machine import Contract
from tallystick_shared.evm.abi import artefact
from tests.contracts.coins import NEVER, OWNER, authorize, coin, issue, odd, owner, source
from tests.contracts.world import DAY, ZERO, Config, Leaf, World, pack

NO_SIGNATURE = (27, bytes(32), bytes(32))
USED = "    self.authorizationState[owner][nonce] = True\n"
TELLING = source("Coin").replace(USED, USED + '    raw_call(self.accomplice, b"")\n')
TELLING += """
accomplice: address


@external
def conspire(accomplice: address):
    self.accomplice = accomplice
"""


@dataclass
class Plot:
    """Who calls back, with what, and the channels that it aims at."""

    world: World
    actor: Contract
    messages: dict[str, bytes]
    aims: list[Config]

    def arm(self) -> None:
        self.actor.send(
            "behaveAll", self.world.channels.address, list(self.messages.values()), sender=self.world.second
        )

    def act(self, name: str, *values: object, amount: int = 0) -> None:
        """A call of Channels by the actor."""
        data = self.world.channels.encode(name, *values)
        self.actor.send("execute", self.world.channels.address, data, amount, sender=self.world.second)

    def assert_it_failed(self, moves: int = 1) -> None:
        """Each call was made at each movement, none succeeded; all would have, outside of it."""
        assert (self.actor.call("attempts"), self.actor.call("successes")) == (moves * len(self.messages), 0)
        for name, message in self.messages.items():
            data = self.actor.encode("execute", self.world.channels.address, message, 0)
            with self.world.machine.anchored():
                assert self.world.machine.transact(self.world.second, self.actor.address, data).ok, name


def plotted(world: World, actor: Contract) -> Plot:
    """Channels in a good token with the actor as payer, payee or closer, and a call of every function that writes."""
    good = coin(world)
    good.send("mint", actor.address, 10**6, sender=world.second)
    approve = good.encode("approve", world.channels.address, NEVER)
    actor.send("execute", good.address, approve, 0, sender=world.second)
    config = world.config(payer=actor.address, token=good.address)
    expiry = world.machine.now() + 60 * DAY
    owner(world, good)

    def mine(**changes: object) -> Config:
        """A configuration of the actor's that nobody has opened."""
        return world.config(payer=actor.address, token=good.address, **changes)

    leaf = Leaf(world.second, actor.address)
    aims = [config, mine(root=leaf.hash), mine(), world.config(token=good.address)]
    for each in aims[:3]:
        data = world.channels.encode("open", each, expiry, 1000)
        actor.send("execute", world.channels.address, data, 0, sender=world.second)
    over = world.open(aims[3], life=2 * DAY)
    world.machine.travel(world.state(over).expiry)
    relayed = world.config(payer=OWNER.address, token=good.address)
    payees = (world.payee, world.operator, good.address)
    encode = world.channels.encode
    messages = {
        "open": encode("open", mine(), expiry, 5),
        "openPermit": encode("openPermit", mine(), expiry, 5, NEVER, *NO_SIGNATURE),
        "openAuthorized": encode("openAuthorized", relayed, expiry, 5, *authorize(world, good, relayed, expiry, 5)),
        "topUp": encode("topUp", aims[0], 0, 5),
        "claim": encode("claim", *payees, [world.record(aims[0], 7)]),
        "claimPacked": encode("claimPacked", *payees, [pack(world.record(aims[0], 7))]),
        "close": encode("close", world.second, world.record(aims[1], 7, leaf)),
        "requestClose": encode("requestClose", aims[2]),
        "withdraw": encode("withdraw", aims[3]),
    }
    return Plot(world, actor, messages, aims)


def guarded(plot: Plot) -> tuple[list[object], int]:
    """What the calls aim at."""
    return [plot.world.state(each) for each in plot.aims], plot.world.held(plot.aims[0].token)


@pytest.mark.parametrize("way", ["claim", "claimPacked", "close"])
@pytest.mark.parametrize("native", [True, False])
def test_a_payee(world: World, way: str, native: bool) -> None:
    plot = plotted(world, world.actor())
    leaf = Leaf(plot.actor.address, world.operator)
    token = odd(world)
    token.send("hook", plot.actor.address, sender=world.second)
    config = world.open(world.config(root=leaf.hash, token=ZERO if native else token.address), deposit=1000)
    record = world.record(config, 300, leaf)
    before, purse = guarded(plot), world.balance(plot.actor.address, config.token)
    plot.arm()
    if way == "close":
        world.channels.send("close", leaf.payee, record, sender=world.operator)
    else:
        records = [pack(record) if way == "claimPacked" else record]
        world.channels.send(way, leaf.payee, leaf.closer, config.token, records, sender=world.stranger)
    assert guarded(plot) == before
    assert world.balance(plot.actor.address, config.token) == purse + 300
    assert world.held(config.token) == (0 if way == "close" else 700)
    plot.assert_it_failed()


@pytest.mark.parametrize("way", ["close", "withdraw"])
@pytest.mark.parametrize("native", [True, False])
def test_a_payer_at_the_end(world: World, way: str, native: bool) -> None:
    plot = plotted(world, world.actor())
    token = odd(world)
    token.send("mint", plot.actor.address, 1000, sender=world.second)
    approve = token.encode("approve", world.channels.address, 1000)
    plot.actor.send("execute", token.address, approve, 0, sender=world.second)
    config = world.config(payer=plot.actor.address, token=ZERO if native else token.address)
    plot.act("open", config, world.machine.now() + 9 * DAY, 1000, amount=1000 if native else 0)
    token.send("hook", plot.actor.address, sender=world.second)
    before, purse = guarded(plot), world.balance(plot.actor.address, config.token)
    plot.arm()
    if way == "close":
        world.channels.send("close", world.payee, world.record(config, 300), sender=world.operator)
    else:
        world.machine.travel(world.state(config).expiry)
        world.channels.send("withdraw", config, sender=world.stranger)
    assert guarded(plot) == before
    assert world.balance(plot.actor.address, config.token) == purse + (700 if way == "close" else 1000)
    assert world.held(config.token) == 0
    plot.assert_it_failed()


@pytest.mark.parametrize("way", ["open", "openPermit", "topUp"])
def test_a_payer_whose_token_is_being_taken(world: World, way: str) -> None:
    plot = plotted(world, world.actor())
    token = odd(world)
    token.send("mint", plot.actor.address, 1000, sender=world.second)
    approve = token.encode("approve", world.channels.address, 1000)
    plot.actor.send("execute", token.address, approve, 0, sender=world.second)
    token.send("hook", plot.actor.address, sender=world.second)
    config = world.config(payer=plot.actor.address, token=token.address)
    expiry = world.machine.now() + 9 * DAY
    if way == "topUp":
        plot.act("open", config, expiry, 400)
    before = guarded(plot)
    plot.arm()
    more: dict[str, tuple[object, ...]] = {
        "open": (expiry, 600),
        "openPermit": (expiry, 600, NEVER, *NO_SIGNATURE),
        "topUp": (0, 600),
    }
    plot.act(way, config, *more[way])
    assert guarded(plot) == before
    assert world.held(token.address) == world.state(config).deposit == (1000 if way == "topUp" else 600)
    plot.assert_it_failed()


def test_a_token_that_calls_back_in_its_permit(world: World) -> None:
    """It cannot use the moment between the booking and the money either."""
    plot = plotted(world, world.actor())
    token = odd(world)
    token.send("haunt", True, plot.actor.address, sender=world.second)
    config = world.config(token=token.address)
    before = guarded(plot)
    plot.arm()
    arguments = (config, world.machine.now() + 9 * DAY, 600, NEVER, *NO_SIGNATURE)
    world.channels.send("openPermit", *arguments, sender=world.payer)
    assert guarded(plot) == before
    plot.assert_it_failed()


def test_a_token_that_calls_back_in_its_authorisation(world: World) -> None:
    """A Coin that tells the actor before it moves."""
    plot = plotted(world, world.actor())
    token = issue(world, TELLING, "Coin", 6)
    token.send("conspire", plot.actor.address, sender=world.second)
    owner(world, token)
    config = world.config(payer=OWNER.address, token=token.address)
    expiry = world.machine.now() + 9 * DAY
    before = guarded(plot)
    plot.arm()
    signature = authorize(world, token, config, expiry, 600)
    world.channels.send("openAuthorized", config, expiry, 600, *signature, sender=world.stranger)
    assert guarded(plot) == before
    assert world.held(token.address) == 600
    plot.assert_it_failed()


def test_the_calls_are_those_of_every_function_that_writes(pyevm: World) -> None:
    functions = [entry for entry in artefact("Channels")["abi"] if entry["type"] == "function"]
    writing = {entry["name"] for entry in functions if entry["stateMutability"] in ("nonpayable", "payable")}
    assert set(plotted(pyevm, pyevm.actor()).messages) == writing
