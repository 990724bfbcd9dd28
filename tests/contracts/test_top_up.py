"""topUp: anyone adds, only the payer extends."""

from __future__ import annotations

import pytest

from tests.contracts.world import DAY, MAX, State, World


def test_anyone_adds_to_the_deposit(world: World) -> None:
    config = world.open(deposit=1000)
    expiry = world.state(config).expiry
    receipt = world.channels.send("topUp", config, 0, 500, sender=world.stranger, value=500)
    assert world.state(config) == State(1500, 0, expiry)
    assert world.held() == 1500
    told = {"id": world.id(config), "deposit": 1500, "expiry": expiry}
    assert world.channels.events(receipt) == [("ToppedUp", told)]


def test_a_top_up_keeps_what_was_claimed_and_raises_the_cap(world: World) -> None:
    config = world.open(deposit=1000)
    assert world.claim(world.record(config, 5000)) == 1000
    world.channels.send("topUp", config, 0, 500, sender=world.payer, value=500)
    assert world.state(config)[:2] == (1500, 1000)
    assert world.claim(world.record(config, 5000)) == 500


def test_the_payer_extends_with_or_without_money(world: World) -> None:
    config = world.open()
    later = world.state(config).expiry + DAY
    world.channels.send("topUp", config, later, 0, sender=world.payer)
    assert world.state(config) == State(1000, 0, later)
    world.channels.send("topUp", config, later + 1, 7, sender=world.payer, value=7)
    assert world.state(config) == State(1007, 0, later + 1)


def test_nobody_else_extends(world: World) -> None:
    config = world.open()
    later = world.state(config).expiry + 1
    assert world.channels.refusal("topUp", config, later, 5, sender=world.stranger, value=5) == "payer"
    assert world.channels.refusal("topUp", config, later, 0, sender=world.operator) == "payer"


@pytest.mark.parametrize("earlier", [0, 1, DAY])
def test_an_expiry_not_above_the_present_one_changes_nothing(world: World, earlier: int) -> None:
    config = world.open()
    expiry = world.state(config).expiry
    for sender in (world.payer, world.stranger):
        world.channels.send("topUp", config, expiry - earlier, 1, sender=sender, value=1)
    assert world.state(config) == State(1002, 0, expiry)


def test_the_payer_extends_again_after_a_request_to_close(world: World) -> None:
    config = world.open()
    world.channels.send("requestClose", config, sender=world.payer)
    later = world.machine.now() + 20 * DAY
    world.channels.send("topUp", config, later, 0, sender=world.payer)
    assert world.state(config).expiry == later


def test_bounds(world: World) -> None:
    config = world.open(deposit=1000)
    world.machine.give(world.payer, 2**120)
    send = {"sender": world.payer}
    assert world.channels.refusal("topUp", config, 2**32, 0, **send) == "expiry"
    assert world.channels.refusal("topUp", config, 0, MAX - 999, value=MAX - 999, **send) == "amount"
    assert world.channels.refusal("topUp", config, 0, 5, value=4, **send) == "amount"
    assert world.channels.refusal("topUp", config, 0, 4, value=5, **send) == "amount"
    world.channels.send("topUp", config, 2**32 - 1, MAX - 1000, value=MAX - 1000, **send)
    assert world.state(config) == State(MAX, 0, 2**32 - 1)


def test_unknown_and_ended_channels_take_no_money(world: World) -> None:
    never = world.config()
    assert world.channels.refusal("topUp", never, 0, 5, sender=world.payer, value=5) == "ended"
    config = world.open()
    world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    assert world.channels.refusal("topUp", config, 0, 5, sender=world.payer, value=5) == "ended"
