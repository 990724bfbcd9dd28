"""Receivers that refuse money or call back: nobody else is held up, nothing is paid twice."""

from __future__ import annotations

import pytest

from contracts.machine import Contract
from tests.contracts.world import DAY, ZERO, Config, Leaf, World

REFUSE, CALL_BACK = 1, 2


def test_a_payee_that_refuses_fails_its_own_claim_only(world: World) -> None:
    actor = world.actor()
    actor.send("behave", REFUSE, ZERO, b"", sender=world.stranger)
    leaf = Leaf(actor.address, world.operator)
    config = world.open(world.config(root=leaf.hash), deposit=1000, life=2 * DAY)
    record = world.record(config, 300, leaf)
    assert world.channels.refusal("claim", actor.address, world.operator, ZERO, [record], sender=world.stranger) == ""
    assert world.channels.refusal("close", actor.address, record, sender=world.operator) == ""
    assert world.state(config).claimed == 0
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    assert world.held() == 0


def opened_by(world: World, actor: Contract) -> Config:
    """A channel whose payer is the actor."""
    config = world.config(payer=actor.address)
    data = world.channels.encode("open", config, world.machine.now() + 2 * DAY, 1000)
    actor.send("execute", world.channels.address, data, 1000, sender=world.stranger)
    return config


def test_a_payer_that_refuses_cannot_keep_the_payee_from_its_money(world: World) -> None:
    actor = world.actor()
    config = opened_by(world, actor)
    actor.send("behave", REFUSE, ZERO, b"", sender=world.stranger)
    record = world.record(config, 300)
    assert world.channels.refusal("close", world.payee, record, sender=world.operator) == ""
    assert world.claim(record) == 300
    world.machine.travel(world.state(config).expiry)
    assert world.channels.refusal("withdraw", config, sender=world.stranger) == ""
    actor.send("behave", 0, ZERO, b"", sender=world.stranger)
    before = world.machine.balance(actor.address)
    world.channels.send("withdraw", config, sender=world.stranger)
    assert world.machine.balance(actor.address) == before + 700


def calls(world: World, config: Config, leaf: Leaf) -> dict[str, bytes]:
    """Every function that writes, with arguments that would do something."""
    higher = world.record(config, 900, leaf)
    return {
        "open": world.channels.encode("open", world.config(), world.machine.now() + 9 * DAY, 1),
        "topUp": world.channels.encode("topUp", config, 0, 0),
        "claim": world.channels.encode("claim", leaf.payee, leaf.closer, ZERO, [higher]),
        "close": world.channels.encode("close", leaf.payee, higher),
        "requestClose": world.channels.encode("requestClose", config),
        "withdraw": world.channels.encode("withdraw", config),
    }


@pytest.mark.parametrize("name", ["open", "topUp", "claim", "close", "requestClose", "withdraw"])
def test_a_payee_cannot_call_back(world: World, name: str) -> None:
    actor = world.actor()
    leaf = Leaf(actor.address, actor.address)
    config = world.open(world.config(root=leaf.hash), deposit=1000, life=2 * DAY)
    world.open(deposit=5000)
    world.machine.travel(world.state(config).expiry + 1)
    actor.send("behave", CALL_BACK, world.channels.address, calls(world, config, leaf)[name], sender=world.stranger)
    before = world.machine.balance(actor.address)
    arguments = (actor.address, actor.address, ZERO, [world.record(config, 300, leaf)])
    world.channels.send("claim", *arguments, sender=world.stranger)
    assert world.machine.balance(actor.address) == before + 300
    assert (actor.call("attempts"), actor.call("successes")) == (1, 0)
    assert world.held() == 5700


@pytest.mark.parametrize("way", ["close", "withdraw"])
@pytest.mark.parametrize("name", ["topUp", "claim", "requestClose", "withdraw"])
def test_a_payer_cannot_call_back(world: World, way: str, name: str) -> None:
    actor = world.actor()
    config = opened_by(world, actor)
    world.open(deposit=5000)
    actor.send("behave", CALL_BACK, world.channels.address, calls(world, config, world.only)[name], sender=world.payer)
    before = world.machine.balance(actor.address)
    if way == "close":
        world.channels.send("close", world.payee, world.record(config, 300), sender=world.operator)
    else:
        world.machine.travel(world.state(config).expiry)
        world.channels.send("withdraw", config, sender=world.stranger)
    assert world.machine.balance(actor.address) == before + (700 if way == "close" else 1000)
    assert (actor.call("attempts"), actor.call("successes")) == (1, 0)
    assert world.held() == 5000


@pytest.mark.parametrize(
    ("name", "values"), [("exit", ()), ("requestExit", ()), ("addStake", ()), ("announce", (b"x",))]
)
def test_a_provider_that_calls_back_while_it_leaves_is_gone(world: World, name: str, values: tuple[bytes, ...]) -> None:
    """There is no lock: everything is written before the stake goes out."""
    actor, registry = world.actor(), world.registry
    stake = registry.call("minStake")
    registry.send("register", b"other", sender=world.stranger, value=5 * stake)

    def act(function: str, *arguments: object, amount: int = 0) -> None:
        data = registry.encode(function, *arguments)
        actor.send("execute", registry.address, data, amount, sender=world.stranger)

    act("register", b"profile", amount=stake)
    act("requestExit")
    message = registry.encode(name, *values)
    actor.send("behave", CALL_BACK, registry.address, message, sender=world.stranger)
    world.machine.travel(world.machine.now() + registry.call("exitDelay"))
    act("exit")
    assert (actor.call("attempts"), actor.call("successes")) == (1, 0)
    assert world.machine.balance(registry.address) == 5 * stake
    assert registry.call("count") == 1


def test_a_provider_that_refuses_its_stake_stays_listed(world: World) -> None:
    actor, registry = world.actor(), world.registry

    def act(name: str, *values: object, amount: int = 0) -> bool:
        data = actor.encode("execute", registry.address, registry.encode(name, *values), amount)
        return world.machine.transact(world.stranger, actor.address, data).ok

    assert act("register", b"profile", amount=registry.call("minStake"))
    assert act("requestExit")
    actor.send("behave", REFUSE, ZERO, b"", sender=world.stranger)
    world.machine.travel(world.machine.now() + registry.call("exitDelay"))
    assert not act("exit")
    assert registry.call("count") == 1
    actor.send("behave", 0, ZERO, b"", sender=world.stranger)
    assert act("exit")
    assert registry.call("count") == 0
