"""The last second and the last unit: one below, exactly there, one above."""

from __future__ import annotations

import pytest

from tests.contracts.coins import coin
from tests.contracts.world import DAY, MAX, ZERO, State, World, pack

LAST = 2**32 - 1


@pytest.mark.parametrize("kind", ["native", "token"])
@pytest.mark.parametrize(
    ("amount", "fits"), [(0, False), (1, True), (MAX, True), (MAX + 1, False), (2**128, False), (2**255, False)]
)
def test_a_deposit(world: World, kind: str, amount: int, fits: bool) -> None:
    token = coin(world)
    world.machine.give(world.payer, 2**255)
    token.send("mint", world.payer, 2**255, sender=world.payer)
    config = world.config(token=token.address if kind == "token" else ZERO)
    value = amount if kind == "native" else 0
    arguments = (config, world.machine.now() + 9 * DAY, amount)
    if not fits:
        assert world.channels.refusal("open", *arguments, sender=world.payer, value=value) == "amount"
        return
    world.channels.send("open", *arguments, sender=world.payer, value=value)
    assert world.state(config).deposit == amount
    assert world.claim(world.record(config, amount), token=config.token) == amount


@pytest.mark.parametrize("amount", [2**112, 2**255, 2**256 - 1])
def test_a_top_up_that_would_overflow(world: World, amount: int) -> None:
    """Neither the field nor the sum may wrap: not by 2**112, nor by a number that brings 2**256 back to something."""
    token = coin(world)
    config = world.open(world.config(token=token.address), deposit=1000)
    assert world.channels.refusal("topUp", config, 0, amount, sender=world.payer) == "amount"
    assert world.channels.refusal("topUp", config, 0, 2**256 - 1000, sender=world.payer) == "amount"
    assert world.state(config)[:2] == (1000, 0)


def test_the_fields_of_the_word_do_not_touch(world: World) -> None:
    """Everything at its largest: deposit, claimed and expiry keep apart."""
    world.machine.give(world.payer, 2**120)
    config = world.config()
    world.channels.send("open", config, LAST, MAX - 1, sender=world.payer, value=MAX - 1)
    assert world.state(config) == State(MAX - 1, 0, LAST)
    assert world.claim(world.record(config, 2**256 - 1)) == MAX - 1
    assert world.state(config) == State(MAX - 1, MAX - 1, LAST)
    world.channels.send("topUp", config, LAST, 1, sender=world.payer, value=1)
    assert world.state(config) == State(MAX, MAX - 1, LAST)
    assert world.claim_packed(pack(world.record(config, MAX))) == 1
    assert world.state(config) == State(MAX, MAX, LAST)
    world.channels.send("requestClose", config, sender=world.payer)
    assert world.state(config) == State(MAX, MAX, world.machine.now() + DAY)
    world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    assert world.state(config) == State(MAX, MAX, 1)


@pytest.mark.parametrize(("expiry", "fits"), [(LAST, True), (LAST + 1, False), (2**255, False), (2**256 - 1, False)])
def test_the_latest_expiry(world: World, expiry: int, fits: bool) -> None:
    fresh, config = world.config(), world.open()
    if fits:
        world.channels.send("open", fresh, expiry, 1, sender=world.payer, value=1)
        world.channels.send("topUp", config, expiry, 0, sender=world.payer)
        assert (world.state(fresh).expiry, world.state(config).expiry) == (expiry, expiry)
    else:
        assert world.channels.refusal("open", fresh, expiry, 1, sender=world.payer, value=1) == "expiry"
        assert world.channels.refusal("topUp", config, expiry, 0, sender=world.payer) == "expiry"


@pytest.mark.parametrize(("seconds", "fits"), [(-1, False), (0, True), (1, True)])
def test_open_leaves_the_delay(world: World, seconds: int, fits: bool) -> None:
    moment = world.machine.now() + 100
    config = world.config()
    arguments = (config, moment + config.delay + seconds, 1)
    world.machine.travel(moment)
    if fits:
        world.channels.send("open", *arguments, sender=world.payer, value=1)
        assert world.state(config).expiry == world.machine.now() + config.delay + seconds
    else:
        assert world.channels.refusal("open", *arguments, sender=world.payer, value=1) == "expiry"


@pytest.mark.parametrize("expiry", [0, 1, 2])
def test_an_expiry_that_would_read_as_unknown_or_ended(world: World, expiry: int) -> None:
    assert world.channels.refusal("open", world.config(), expiry, 1, sender=world.payer, value=1) == "expiry"


@pytest.mark.parametrize(("seconds", "fits"), [(-1, False), (0, True), (1, True)])
def test_withdraw_from_the_very_second(world: World, seconds: int, fits: bool) -> None:
    config = world.open(deposit=1000, life=2 * DAY)
    world.machine.travel(world.state(config).expiry + seconds)
    if fits:
        world.channels.send("withdraw", config, sender=world.stranger)
        assert world.held() == 0
    else:
        assert world.channels.refusal("withdraw", config, sender=world.payer) == "early"


@pytest.mark.parametrize("seconds", [-1, 0, 1])
def test_claims_do_not_look_at_the_clock(world: World, seconds: int) -> None:
    """The payee is paid until the channel is ended, at the second of the expiry and after it too."""
    config = world.open(deposit=1000, life=2 * DAY)
    expiry = world.state(config).expiry
    world.machine.travel(expiry + seconds)
    assert world.claim(world.record(config, 300)) == 300


@pytest.mark.parametrize(("seconds", "moved"), [(-1, False), (0, False), (1, True)])
def test_a_request_that_comes_when_the_delay_is_just_left(world: World, seconds: int, moved: bool) -> None:
    """It makes the end earlier or leaves it: exactly at `delay` before the expiry there is nothing to change."""
    config = world.open(life=5 * DAY)
    expiry = world.state(config).expiry
    world.machine.travel(expiry - config.delay - seconds)
    world.channels.send("requestClose", config, sender=world.payer)
    assert world.state(config).expiry == (expiry - seconds if moved else expiry)


@pytest.mark.parametrize(("seconds", "changed"), [(-1, False), (0, False), (1, True)])
def test_a_new_expiry_just_above_the_present_one(world: World, seconds: int, changed: bool) -> None:
    config = world.open()
    expiry = world.state(config).expiry
    world.channels.send("topUp", config, expiry + seconds, 0, sender=world.payer)
    assert world.state(config).expiry == (expiry + seconds if changed else expiry)
    arguments = (config, world.state(config).expiry + seconds, 0)
    if changed:
        assert world.channels.refusal("topUp", *arguments, sender=world.stranger) == "payer"
    else:
        world.channels.send("topUp", *arguments, sender=world.stranger)


def test_nothing_for_nothing(world: World) -> None:
    """Zero amounts: a top-up of nothing, a claim of nothing, a close for nothing after all was claimed."""
    config = world.open(deposit=1)
    receipt = world.channels.send("topUp", config, 0, 0, sender=world.stranger)
    assert [name for name, _ in world.channels.events(receipt)] == ["ToppedUp"]
    for record in (world.record(config, 0), world.record(config, 0)._replace(sig=b"")):
        assert world.claim(record) == 0
    assert world.claim(world.record(config, 1)) == 1
    world.channels.send("close", world.payee, world.record(config, 1)._replace(sig=b""), sender=world.operator)
    assert world.state(config) == State(1, 1, 1)
