"""openPermit: an approval that comes along, whoever used it first."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from contracts.machine import Contract
from tests.contracts.coins import NEVER, OWNER, PURSE, coin, odd, owner, permit
from tests.contracts.world import DAY, MAX, THIEF, ZERO, Config, State, World


class Scene(NamedTuple):
    """A payer with a key, a token, a configuration of both, and an expiry that is good."""

    token: Contract
    payer: str
    config: Config
    expiry: int


@pytest.fixture
def scene(world: World) -> Scene:
    token = coin(world)
    payer = owner(world, token)
    return Scene(token, payer, world.config(payer=payer, token=token.address), world.machine.now() + 9 * DAY)


def refused(world: World, scene: Scene, amount: int, permission: tuple[Any, ...], sender: str | None = None) -> str:
    arguments = (scene.config, scene.expiry, amount, *permission)
    reason = world.channels.refusal("openPermit", *arguments, sender=sender or scene.payer)
    assert world.state(scene.config) == State(0, 0, 0)
    assert world.balance(scene.payer, scene.token.address) == PURSE
    return reason


def test_a_permit_opens(world: World, scene: Scene) -> None:
    arguments = (scene.config, scene.expiry, 1000, *permit(world, scene.token, 1000))
    assert world.channels.call("openPermit", *arguments, sender=scene.payer) == world.id(scene.config)
    receipt = world.channels.send("openPermit", *arguments, sender=scene.payer)
    assert [name for name, _ in world.channels.events(receipt)] == ["Opened"]
    assert world.state(scene.config) == State(1000, 0, scene.expiry)
    assert world.held(scene.token.address) == 1000
    assert scene.token.call("allowance", scene.payer, world.channels.address) == 0
    assert world.claim(world.record(scene.config, 300), token=scene.token.address) == 300


def test_permits_one_after_the_other(world: World, scene: Scene) -> None:
    for number in (1, 2):
        config = scene.config._replace(salt=bytes([number]) * 32)
        permission = permit(world, scene.token, 1000 * number)
        world.channels.send("openPermit", config, scene.expiry, 1000 * number, *permission, sender=scene.payer)
    assert world.held(scene.token.address) == 3000


def test_a_permit_is_good_once(world: World, scene: Scene) -> None:
    permission = permit(world, scene.token, 1000)
    world.channels.send("openPermit", scene.config, scene.expiry, 1000, *permission, sender=scene.payer)
    other = scene._replace(config=scene.config._replace(salt=bytes(32)))
    arguments = (other.config, other.expiry, 1000, *permission)
    assert world.channels.refusal("openPermit", *arguments, sender=scene.payer) == ""
    assert world.channels.refusal("openPermit", scene.config, *arguments[1:], sender=scene.payer) == "exists"
    assert world.held(scene.token.address) == 1000


def test_a_front_run_permit_still_opens(world: World, scene: Scene) -> None:
    """Anyone can take the permit out of a pending transaction and use it up; its approval then stands."""
    permission = permit(world, scene.token, 1000)
    thief = world.stranger
    scene.token.send("permit", scene.payer, world.channels.address, 1000, *permission, sender=thief)
    arguments = (scene.config, scene.expiry, 1000, *permission)
    assert world.channels.refusal("openPermit", *arguments, sender=thief) == "payer"
    stolen = (scene.config._replace(payer=thief), *arguments[1:])
    world.channels.send("openPermit", *stolen, sender=thief)  # with the thief's own approval and money
    assert world.balance(scene.payer, scene.token.address) == PURSE
    world.channels.send("openPermit", *arguments, sender=scene.payer)
    assert world.held(scene.token.address) == 2000
    assert world.balance(thief, scene.token.address) == PURSE - 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 999},
        {"value": 1001},
        {"spender": ZERO},
        {"owner": THIEF.address},
        {"nonce": 1},
        {"key": THIEF},
    ],
    ids=str,
)
def test_a_permit_of_something_else(world: World, scene: Scene, changes: dict[str, Any]) -> None:
    assert refused(world, scene, 1000, permit(world, scene.token, 1000, **changes)) == ""


def test_another_deadline_than_the_signed_one(world: World, scene: Scene) -> None:
    deadline, *vrs = permit(world, scene.token, 1000)
    assert refused(world, scene, 1000, (deadline - 1, *vrs)) == ""


def test_the_deadline_is_the_last_second(world: World, scene: Scene) -> None:
    deadline = world.machine.now() + 100
    permission = permit(world, scene.token, 1000, deadline=deadline)
    world.machine.travel(deadline + 1)
    with world.machine.anchored():
        assert refused(world, scene, 1000, permission) == ""
    world.machine.travel(deadline)
    world.channels.send("openPermit", scene.config, scene.expiry, 1000, *permission, sender=scene.payer)


def test_a_bad_permit_does_not_stand_in_the_way_of_an_approval(world: World, scene: Scene) -> None:
    scene.token.send("approve", world.channels.address, 1000, sender=scene.payer)
    permission = (0, 27, bytes(32), bytes(32))
    world.channels.send("openPermit", scene.config, scene.expiry, 1000, *permission, sender=scene.payer)
    assert world.state(scene.config).deposit == 1000


def test_a_stranger_cannot_use_it(world: World, scene: Scene) -> None:
    permission = permit(world, scene.token, 1000)
    assert refused(world, scene, 1000, permission, sender=world.stranger) == "payer"


@pytest.mark.parametrize(
    ("changes", "amount", "reason"),
    [
        ({"signer": ZERO}, 1000, "signer"),
        ({"delay": 0}, 1000, "delay"),
        ({"delay": 10 * DAY}, 1000, "expiry"),
        ({}, 0, "amount"),
        ({}, MAX + 1, "amount"),
    ],
)
def test_the_bounds_are_those_of_open(
    world: World, scene: Scene, changes: dict[str, Any], amount: int, reason: str
) -> None:
    scene = scene._replace(config=scene.config._replace(**changes))
    assert refused(world, scene, amount, permit(world, scene.token, amount)) == reason


def test_native_coin_has_no_permit(world: World) -> None:
    world.machine.give(OWNER.address, 10**18)
    arguments = (world.config(), world.machine.now() + 9 * DAY, 1000, NEVER, 27, bytes(32), bytes(32))
    assert world.channels.refusal("openPermit", *arguments, sender=world.payer) == "amount"
    assert world.channels.refusal("openPermit", *arguments, sender=world.payer, value=1000) == ""


@pytest.mark.parametrize("phantom", [False, True])
def test_a_token_without_permits_opens_by_its_approval_alone(world: World, phantom: bool) -> None:
    """Where every call succeeds, as with WETH, or every unknown one fails: the permit gains nothing."""
    token = odd(world)
    token.send("haunt", phantom, ZERO, sender=world.stranger)
    config = world.config(token=token.address)
    arguments = (config, world.machine.now() + 9 * DAY, 1000, NEVER, 27, bytes(32), bytes(32))
    token.send("approve", world.channels.address, 999, sender=world.payer)
    assert world.channels.refusal("openPermit", *arguments, sender=world.payer) == ""
    token.send("approve", world.channels.address, 1000, sender=world.payer)
    world.channels.send("openPermit", *arguments, sender=world.payer)
    assert world.held(token.address) == 1000
