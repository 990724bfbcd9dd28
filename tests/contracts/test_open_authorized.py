"""openAuthorized: a signature that opens one channel and nothing else, handed in by anybody."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from contracts.machine import Contract
from tests.contracts.coins import (
    NEVER,
    PURSE,
    authorize,
    coin,
    issue,
    odd,
    opening_nonce,
    owner,
    permit,
    source,
)
from tests.contracts.signing import RECEIVE
from tests.contracts.world import DAY, MAX, THIEF, ZERO, Config, State, World

FIELDS = ",".join(f"{kind} {name}" for name, kind in RECEIVE)
TRANSFER = """
TRANSFER_TYPEHASH: constant(bytes32) = keccak256("KIND")


@external
def transferWithAuthorization(
    owner: address,
    to: address,
    amount: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    assert block.timestamp > validAfter and block.timestamp < validBefore, "time"
    assert not self.authorizationState[owner][nonce], "used"
    hashed: bytes32 = keccak256(abi_encode(TRANSFER_TYPEHASH, owner, to, amount, validAfter, validBefore, nonce))
    self._check(hashed, owner, v, r, s)
    self.authorizationState[owner][nonce] = True
    self._move(owner, to, amount)
""".replace("KIND", f"TransferWithAuthorization({FIELDS})")
"""The other half of EIP-3009, where anyone may hand in the signature and the money just moves."""


class Scene(NamedTuple):
    """A payer with a key, a token, a configuration of both, and an expiry that is good."""

    token: Contract
    payer: str
    config: Config
    expiry: int


def staged(world: World, token: Contract) -> Scene:
    payer = owner(world, token)
    return Scene(token, payer, world.config(payer=payer, token=token.address), world.machine.now() + 9 * DAY)


@pytest.fixture
def scene(world: World) -> Scene:
    return staged(world, coin(world))


def arguments_of(world: World, scene: Scene, amount: int = 1000, **changes: Any) -> tuple[Any, ...]:
    signature = authorize(world, scene.token, scene.config, scene.expiry, amount, **changes)
    return (scene.config, scene.expiry, amount, *signature)


def refused(world: World, scene: Scene, arguments: tuple[Any, ...]) -> str:
    reason = world.channels.refusal("openAuthorized", *arguments, sender=world.stranger)
    assert world.channels.call("channels", world.id(arguments[0])) == 0
    assert world.balance(scene.payer, scene.token.address) == PURSE
    return reason


def test_a_stranger_hands_it_in_and_pays_the_gas(world: World, scene: Scene) -> None:
    arguments = arguments_of(world, scene)
    assert world.channels.call("openAuthorized", *arguments, sender=world.stranger) == world.id(scene.config)
    receipt = world.channels.send("openAuthorized", *arguments, sender=world.stranger)
    [(name, values)] = world.channels.events(receipt)
    assert (name, values["payer"], values["deposit"]) == ("Opened", scene.payer.lower(), 1000)
    assert world.state(scene.config) == State(1000, 0, scene.expiry)
    assert world.held(scene.token.address) == 1000
    assert world.balance(scene.payer, scene.token.address) == PURSE - 1000
    assert world.balance(world.stranger, scene.token.address) == PURSE
    assert world.machine.balance(scene.payer) == 0
    assert world.claim(world.record(scene.config, 300), token=scene.token.address) == 300
    world.channels.send("close", world.payee, world.record(scene.config, 400), sender=world.operator)
    assert world.balance(scene.payer, scene.token.address) == PURSE - 400


def test_it_opens_once_even_when_front_run(world: World, scene: Scene) -> None:
    """A copy out of the pending transactions opens the very channel that its author wanted."""
    arguments = arguments_of(world, scene)
    world.channels.send("openAuthorized", *arguments, sender=world.second)
    assert world.state(scene.config) == State(1000, 0, scene.expiry)
    assert world.channels.refusal("openAuthorized", *arguments, sender=world.stranger) == "exists"
    assert world.held(scene.token.address) == 1000


@pytest.mark.parametrize(
    "changes",
    [
        {"from": THIEF.address},
        {"to": ZERO},
        {"value": 999},
        {"nonce": bytes(32)},
        {"key": THIEF},
    ],
    ids=str,
)
def test_an_authorisation_of_something_else(world: World, scene: Scene, changes: dict[str, Any]) -> None:
    assert refused(world, scene, arguments_of(world, scene, **changes)) == "signature"


@pytest.mark.parametrize(("place", "other"), [(2, 999), (2, 1001), (3, 1), (4, NEVER - 1), (5, 29)])
def test_other_arguments_than_the_signed_ones(world: World, scene: Scene, place: int, other: int) -> None:
    arguments = list(arguments_of(world, scene))
    arguments[place] = other
    assert refused(world, scene, tuple(arguments)) == "signature"


@pytest.mark.parametrize("later", [-1, 1, 20 * DAY])
def test_the_nonce_binds_the_expiry(world: World, scene: Scene, later: int) -> None:
    config, expiry, *rest = arguments_of(world, scene)
    assert refused(world, scene, (config, expiry + later, *rest)) == "signature"


@pytest.mark.parametrize(
    "changes", [{"signer": THIEF.address}, {"root": bytes(32)}, {"delay": DAY + 1}, {"salt": bytes(32)}], ids=str
)
def test_the_nonce_binds_the_configuration(world: World, scene: Scene, changes: dict[str, Any]) -> None:
    """Or who relays could put a session key or payees of its own into the channel."""
    config, *rest = arguments_of(world, scene)
    assert refused(world, scene, (config._replace(**changes), *rest)) == "signature"


def test_another_payer_or_token(world: World, scene: Scene) -> None:
    config, *rest = arguments_of(world, scene)
    assert refused(world, scene, (config._replace(payer=world.stranger), *rest)) == "signature"
    other = coin(world)
    owner(world, other)
    assert refused(world, scene, (config._replace(token=other.address), *rest)) == "signature"
    assert refused(world, scene, (config._replace(token=ZERO), *rest)) == ""


def test_too_early_and_too_late(world: World, scene: Scene) -> None:
    """EIP-3009: valid after the one second and before the other."""
    first, last = world.machine.now() + 1000, world.machine.now() + 2000
    arguments = arguments_of(world, scene, validAfter=first, validBefore=last)
    for moment in (first, last):
        with world.machine.anchored():
            world.machine.travel(moment)
            assert refused(world, scene, arguments) == "time"
    for moment in (first + 1, last - 1):
        with world.machine.anchored():
            world.machine.travel(moment)
            world.channels.send("openAuthorized", *arguments, sender=world.stranger)
            assert world.state(scene.config).deposit == 1000


def test_it_waits_no_longer_than_the_expiry_allows(world: World, scene: Scene) -> None:
    """Who relays late cannot open a channel that the payer can withdraw at once: `delay` must be left."""
    arguments = arguments_of(world, scene)
    world.machine.travel(scene.expiry - DAY + 1)
    assert refused(world, scene, arguments) == "expiry"


def test_an_authorisation_is_good_once(world: World, scene: Scene) -> None:
    arguments = arguments_of(world, scene)
    world.channels.send("openAuthorized", *arguments, sender=world.stranger)
    world.channels.send("close", world.payee, world.record(scene.config, 0), sender=world.operator)
    assert world.channels.refusal("openAuthorized", *arguments, sender=world.stranger) == "exists"
    assert world.balance(scene.payer, scene.token.address) == PURSE


def test_nobody_takes_the_authorisation_to_the_token_itself(world: World, scene: Scene) -> None:
    """It is one to receive: only the contract that it names can hand it in, so the money never comes without a word."""
    _, _, amount, *signature = arguments_of(world, scene)
    nonce = opening_nonce(world, scene.config, scene.expiry)
    values = (scene.payer, world.channels.address, amount, *signature[:2], nonce, *signature[2:])
    assert scene.token.refusal("receiveWithAuthorization", *values, sender=world.stranger) == "receiver"


def test_an_authorisation_to_transfer_is_not_one_to_open(world: World) -> None:
    """A signature of the other kind opens nothing; spent at the token, it moves the money and the nonce is gone."""
    token = issue(world, source("Coin") + TRANSFER, "Coin", 6)
    scene = staged(world, token)
    arguments = arguments_of(world, scene, kind="TransferWithAuthorization")
    assert refused(world, scene, arguments) == "signature"
    nonce = opening_nonce(world, scene.config, scene.expiry)
    values = (scene.payer, world.channels.address, 1000, 0, NEVER, nonce)
    token.send("transferWithAuthorization", *values, *arguments[5:], sender=world.stranger)
    good = arguments_of(world, scene)
    assert world.channels.refusal("openAuthorized", *good, sender=world.stranger) == "used"
    assert world.state(scene.config) == State(0, 0, 0)


def test_too_little_money(world: World, scene: Scene) -> None:
    assert refused(world, scene, arguments_of(world, scene, PURSE + 1)) == ""


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
    assert refused(world, scene, arguments_of(world, scene, amount)) == reason


def test_it_takes_no_value(world: World, scene: Scene) -> None:
    arguments = arguments_of(world, scene)
    assert world.channels.refusal("openAuthorized", *arguments, sender=world.stranger, value=1) == ""


@pytest.mark.parametrize(("phantom", "reason"), [(False, ""), (True, "amount")])
def test_a_token_without_authorisations(world: World, phantom: bool, reason: str) -> None:
    """A token that takes any call and moves nothing: the balance tells. The payer's approval is not touched."""
    token = odd(world)
    token.send("haunt", phantom, ZERO, sender=world.stranger)
    arguments = (world.config(token=token.address), world.machine.now() + 9 * DAY, 1000, 0, NEVER, 27)
    arguments = (*arguments, bytes(32), bytes(32))
    for sender in (world.stranger, world.payer):
        assert world.channels.refusal("openAuthorized", *arguments, sender=sender) == reason
    assert world.held(token.address) == 0


def test_neither_signature_passes_for_the_other(world: World, scene: Scene) -> None:
    deadline, *vrs = permit(world, scene.token, 1000)
    assert refused(world, scene, (scene.config, scene.expiry, 1000, 0, deadline, *vrs)) == "signature"
    authorized = arguments_of(world, scene)
    arguments = (*authorized[:3], authorized[4], *authorized[5:])
    assert world.channels.refusal("openPermit", *arguments, sender=scene.payer) == ""
