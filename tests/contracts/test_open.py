"""open: the deposit, its bounds, and the id."""

from __future__ import annotations

import pytest

from tests.contracts.world import DAY, MAX, ZERO, State, World


def expiry_in(world: World, seconds: int) -> int:
    """An expiry counted from the block of the next transaction."""
    return world.machine.now() + 1 + seconds


def test_open_books_the_deposit_and_tells_everything(world: World) -> None:
    config = world.config()
    expiry = expiry_in(world, 2 * DAY)
    arguments = (config, expiry, 700)
    assert world.channels.call("open", *arguments, sender=world.payer, value=700) == world.id(config)
    receipt = world.channels.send("open", *arguments, sender=world.payer, value=700)
    assert world.state(config) == State(700, 0, expiry)
    assert world.held() == 700
    [(name, values)] = world.channels.events(receipt)
    lowered = config._replace(payer=config.payer.lower(), signer=config.signer.lower())
    assert name == "Opened"
    assert values == {
        "id": world.id(config),
        "payer": world.payer.lower(),
        "config": tuple(lowered),
        "deposit": 700,
        "expiry": expiry,
    }


def test_only_the_payer_opens(world: World) -> None:
    arguments = (world.config(), expiry_in(world, 2 * DAY), 1)
    assert world.channels.refusal("open", *arguments, sender=world.stranger, value=1) == "payer"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signer": ZERO}, "signer"),
        ({"token": "0x" + "11" * 20}, "amount"),  # value with a token
        ({"delay": 15 * 60 - 1}, "delay"),
        ({"delay": 0}, "delay"),
        ({"delay": 30 * DAY + 1}, "delay"),
        ({"delay": 2**32 - 1}, "delay"),
    ],
)
def test_a_bad_configuration_is_refused(world: World, changes: dict, reason: str) -> None:
    arguments = (world.config(**changes), expiry_in(world, 60 * DAY), 1)
    assert world.channels.refusal("open", *arguments, sender=world.payer, value=1) == reason


@pytest.mark.parametrize("delay", [15 * 60, 30 * DAY])
def test_the_shortest_and_the_longest_delay(world: World, delay: int) -> None:
    world.open(world.config(delay=delay), life=31 * DAY)


def test_expiry_leaves_at_least_the_delay(world: World) -> None:
    config = world.config(delay=3600)
    early = expiry_in(world, 3599)
    assert world.channels.refusal("open", config, early, 1, sender=world.payer, value=1) == "expiry"
    exact = expiry_in(world, 3600)
    world.channels.send("open", config, exact, 1, sender=world.payer, value=1)
    assert world.state(config).expiry == exact


def test_expiry_has_32_bits(world: World) -> None:
    config = world.config()
    assert world.channels.refusal("open", config, 2**32, 1, sender=world.payer, value=1) == "expiry"
    world.channels.send("open", config, 2**32 - 1, 1, sender=world.payer, value=1)
    assert world.state(config) == State(1, 0, 2**32 - 1)


@pytest.mark.parametrize(("amount", "value"), [(0, 0), (5, 4), (4, 5), (0, 5), (5, 0)])
def test_the_amount_is_the_value_and_not_zero(world: World, amount: int, value: int) -> None:
    arguments = (world.config(), expiry_in(world, 2 * DAY), amount)
    assert world.channels.refusal("open", *arguments, sender=world.payer, value=value) == "amount"


def test_the_deposit_has_112_bits(world: World) -> None:
    world.machine.give(world.payer, 2**120)
    arguments = (expiry_in(world, 2 * DAY), MAX + 1)
    assert world.channels.refusal("open", world.config(), *arguments, sender=world.payer, value=MAX + 1) == "amount"
    config = world.open(deposit=MAX)
    assert world.state(config).deposit == MAX


def test_an_id_opens_once(world: World) -> None:
    config = world.open()
    arguments = (config, expiry_in(world, 9 * DAY), 1)
    assert world.channels.refusal("open", *arguments, sender=world.payer, value=1) == "exists"


def test_an_ended_id_never_opens_again(world: World) -> None:
    config = world.open(life=2 * DAY)
    world.machine.travel(world.state(config).expiry)
    world.channels.send("withdraw", config, sender=world.stranger)
    arguments = (config, expiry_in(world, 9 * DAY), 1)
    assert world.channels.refusal("open", *arguments, sender=world.payer, value=1) == "exists"


def test_every_field_changes_the_id(world: World) -> None:
    config = world.config()
    others = [
        config._replace(payer=world.stranger),
        config._replace(signer=world.stranger),
        config._replace(root=b"\1" * 32),
        config._replace(token=world.stranger),
        config._replace(delay=DAY + 1),
        config._replace(salt=b"\1" * 32),
    ]
    assert len({world.id(each) for each in [config, *others]}) == 7


def test_money_sent_without_a_call_is_refused(world: World) -> None:
    assert not world.machine.transact(world.stranger, world.channels.address, b"", value=1).ok
    assert not world.machine.transact(world.stranger, world.registry.address, b"", value=1).ok
