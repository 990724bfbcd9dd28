"""Channels in a well-behaved token: taken by approval, topped up, claimed, closed, withdrawn; never mixed up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from contracts.machine import Contract
from tests.contracts.coins import PURSE, coin
from tests.contracts.world import DAY, MAX, ZERO, Leaf, State, World, grow


@pytest.fixture
def token(world: World) -> Contract:
    return coin(world)


@contextmanager
def moved(world: World, token: Contract, **wanted: int) -> Iterator[None]:
    """Exactly these balances of the token change, by what is said; nobody's native coin does."""
    people = {name: getattr(world, name) for name in ("payer", "payee", "operator", "stranger")}
    people["channels"] = world.channels.address
    before = {name: (world.balance(who, token.address), world.balance(who)) for name, who in people.items()}
    yield
    for name, who in people.items():
        coins, native = before[name]
        assert world.balance(who, token.address) - coins == wanted.get(name, 0), name
        assert world.balance(who) == native, name


@pytest.mark.parametrize("places", [6, 18])
def test_a_whole_life_in_a_token(world: World, places: int) -> None:
    token = coin(world, places)
    unit = 10**places
    token.send("mint", world.payer, 100 * unit, sender=world.payer)
    config = world.config(token=token.address)
    with moved(world, token, payer=-5 * unit, channels=5 * unit):
        world.open(config, deposit=5 * unit)
    with moved(world, token, payer=-unit, channels=unit):
        world.channels.send("topUp", config, 0, unit, sender=world.payer)
    with moved(world, token, payee=2 * unit, channels=-2 * unit):
        assert world.claim(world.record(config, 2 * unit), token=token.address) == 2 * unit
    with moved(world, token, payee=unit, payer=3 * unit, channels=-4 * unit):
        world.channels.send("close", world.payee, world.record(config, 3 * unit), sender=world.operator)
    assert world.state(config) == State(6 * unit, 3 * unit, 1)
    assert world.held(token.address) == 0


def test_open_tells_the_token(world: World, token: Contract) -> None:
    config = world.config(token=token.address)
    expiry = world.machine.now() + 9 * DAY
    receipt = world.channels.send("open", config, expiry, 700, sender=world.payer)
    [(name, values)] = world.channels.events(receipt)
    assert (name, values["deposit"], values["expiry"]) == ("Opened", 700, expiry)
    assert values["config"][3] == token.address.lower()
    assert world.state(config) == State(700, 0, expiry)


@pytest.mark.parametrize("approved", [0, 999])
def test_an_approval_that_is_missing_or_too_small(world: World, token: Contract, approved: int) -> None:
    token.send("approve", world.channels.address, approved, sender=world.payer)
    config = world.config(token=token.address)
    arguments = (config, world.machine.now() + 9 * DAY, 1000)
    with moved(world, token):
        assert world.channels.refusal("open", *arguments, sender=world.payer) == ""
    assert world.state(config) == State(0, 0, 0)


def test_a_balance_that_is_too_small(world: World, token: Contract) -> None:
    arguments = (world.config(token=token.address), world.machine.now() + 9 * DAY, PURSE + 1)
    assert world.channels.refusal("open", *arguments, sender=world.payer) == ""


def test_an_exact_approval_is_used_up(world: World, token: Contract) -> None:
    token.send("approve", world.channels.address, 1000, sender=world.payer)
    world.open(world.config(token=token.address), deposit=1000)
    assert token.call("allowance", world.payer, world.channels.address) == 0


@pytest.mark.parametrize("value", [1, 1000])
def test_no_value_comes_with_a_token(world: World, token: Contract, value: int) -> None:
    config = world.config(token=token.address)
    send = {"sender": world.payer, "value": value}
    assert world.channels.refusal("open", config, world.machine.now() + 9 * DAY, 1000, **send) == "amount"
    world.open(config)
    assert world.channels.refusal("topUp", config, 0, 1000, **send) == "amount"
    assert world.channels.refusal("topUp", config, 0, 0, **send) == "amount"


@pytest.mark.parametrize("amount", [0, MAX + 1])
def test_the_amount_has_bounds(world: World, token: Contract, amount: int) -> None:
    arguments = (world.config(token=token.address), world.machine.now() + 9 * DAY, amount)
    assert world.channels.refusal("open", *arguments, sender=world.payer) == "amount"


def test_the_largest_deposit(world: World, token: Contract) -> None:
    token.send("mint", world.payer, MAX, sender=world.payer)
    config = world.open(world.config(token=token.address), deposit=MAX)
    assert world.channels.refusal("topUp", config, 0, 1, sender=world.payer) == "amount"
    assert world.claim(world.record(config, 2**256 - 1), token=token.address) == MAX


def test_only_the_payer_opens_with_its_approval(world: World, token: Contract) -> None:
    """An approval stands for as long as its owner likes: nobody else can spend it."""
    arguments = (world.config(token=token.address), world.machine.now() + 9 * DAY, 1000)
    assert world.channels.refusal("open", *arguments, sender=world.stranger) == "payer"


def test_anyone_tops_up_with_its_own_money(world: World, token: Contract) -> None:
    config = world.open(world.config(token=token.address), deposit=1000)
    expiry = world.state(config).expiry
    with moved(world, token, stranger=-500, channels=500):
        world.channels.send("topUp", config, 0, 500, sender=world.stranger)
    assert world.state(config) == State(1500, 0, expiry)
    token.send("approve", world.channels.address, 499, sender=world.stranger)
    assert world.channels.refusal("topUp", config, 0, 500, sender=world.stranger) == ""
    assert world.channels.refusal("topUp", config, expiry + 1, 1, sender=world.stranger) == "payer"


def test_the_payer_extends_without_touching_the_token(world: World, token: Contract) -> None:
    config = world.open(world.config(token=token.address))
    later = world.state(config).expiry + DAY
    with moved(world, token):
        receipt = world.channels.send("topUp", config, later, 0, sender=world.payer)
    assert [log.address.lower() for log in receipt.logs] == [world.channels.address.lower()]
    assert world.state(config).expiry == later


def test_withdraw_returns_the_rest_in_the_token(world: World, token: Contract) -> None:
    config = world.open(world.config(token=token.address), deposit=1000, life=2 * DAY)
    assert world.claim(world.record(config, 300), token=token.address) == 300
    world.machine.travel(world.state(config).expiry)
    with moved(world, token, payer=700, channels=-700):
        world.channels.send("withdraw", config, sender=world.stranger)
    assert world.channels.refusal("withdraw", config, sender=world.payer) == "ended"


def test_a_kraft_channel_in_a_token(world: World, token: Contract) -> None:
    root, grown = grow((world.only, Leaf(world.second, world.operator)))
    config = world.open(world.config(token=token.address, root=root), deposit=1001)
    for leaf in grown:
        assert world.claim(world.record(config, 1001, leaf), leaf=leaf, token=token.address) == 500
    assert world.held(token.address) == 1


def test_a_batch_is_of_one_token(world: World, token: Contract) -> None:
    """Records of another token are skipped: none is ever paid in the wrong one."""
    other = coin(world)
    kinds = [ZERO, token.address, other.address]
    records = [world.record(world.open(world.config(token=each)), 10**number) for number, each in enumerate(kinds)]
    for number, each in enumerate(kinds):
        with world.machine.anchored():
            assert world.claim(*records, token=each) == 10**number
            assert [world.held(kind) for kind in kinds] == [
                1000 - (10**place if place == number else 0) for place in range(3)
            ]


def test_the_token_is_part_of_the_id(world: World, token: Contract) -> None:
    """A deposit in one token cannot be claimed, closed or withdrawn in another."""
    config = world.open(world.config(token=token.address), deposit=1000, life=2 * DAY)
    world.open(deposit=1000)
    record = world.record(config, 300)
    native = record._replace(config=config._replace(token=ZERO))
    assert world.claim(native) == 0
    assert world.channels.refusal("close", world.payee, native, sender=world.operator) == "ended"
    world.machine.travel(world.state(config).expiry)
    assert world.channels.refusal("withdraw", native.config, sender=world.payer) == "ended"


def test_closing_for_nothing_moves_no_token(world: World, token: Contract) -> None:
    config = world.open(world.config(token=token.address), deposit=1000)
    with moved(world, token, payer=1000, channels=-1000):
        world.channels.send("close", world.payee, world.record(config, 0), sender=world.operator)
    config = world.open(world.config(token=token.address), deposit=1000)
    with moved(world, token, payee=1000, channels=-1000):
        world.channels.send("close", world.payee, world.record(config, 5000), sender=world.operator)
