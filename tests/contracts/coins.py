"""The tokens of the contract tests, and what their owners sign: permits and authorisations."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_utils.crypto import keccak

from contracts.build import artefact
from contracts.machine import ROOT, Contract
from tests.contracts.signing import PERMIT, RECEIVE, typed
from tests.contracts.world import Config, World

TOKENS = ROOT / "tests" / "contracts" / "tokens"
OWNER = Account.from_key(keccak(text="tests: a payer with a key of its own"))
PURSE = 10**15
NEVER = 2**256 - 1


def source(name: str) -> str:
    """A test token's text."""
    return (TOKENS / f"{name}.vy").read_text(encoding="utf-8")


def issue(world: World, text: str, name: str, *constructor: Any) -> Contract:
    """Deploy a token; the usual payers hold plenty and have approved Channels without limit."""
    made = artefact(text, name)
    suffix = encode(["uint8"] * len(constructor), constructor).hex()
    usual, old = (build | {"bytecode": build["bytecode"] + suffix} for build in (made, made["paris"]))
    token = world.machine.make({**usual, "paris": old})
    for holder in (world.payer, world.stranger):
        token.send("mint", holder, PURSE, sender=holder)
        token.send("approve", world.channels.address, NEVER, sender=holder)
    return token


def coin(world: World, places: int = 6) -> Contract:
    """A well-behaved token with permits and authorisations."""
    return issue(world, source("Coin"), "Coin", places)


def odd(world: World) -> Contract:
    """A token that behaves until it is told otherwise."""
    return issue(world, source("Odd"), "Odd")


def owner(world: World, token: Contract) -> str:
    """The address of `OWNER`, able to send, with plenty of the token and nothing approved."""
    world.machine.adopt(OWNER.address)
    token.send("mint", OWNER.address, PURSE, sender=world.stranger)
    return str(OWNER.address)


def permit(world: World, token: Contract, amount: int, key: Any = OWNER, **changes: Any) -> tuple[Any, ...]:
    """deadline, v, r, s of a permit for Channels by `OWNER`; `changes` are of what is signed."""
    values = {
        "owner": OWNER.address,
        "spender": world.channels.address,
        "value": amount,
        "nonce": token.call("nonces", OWNER.address),
        "deadline": NEVER,
    } | changes
    return (values["deadline"], *typed(token, key, "Permit", PERMIT, values))


def authorize(
    world: World,
    token: Contract,
    config: Config,
    expiry: int,
    amount: int,
    key: Any = OWNER,
    kind: str = "ReceiveWithAuthorization",
    **changes: Any,
) -> tuple[Any, ...]:
    """validAfter, validBefore, v, r, s by which `OWNER` opens that channel; `changes` are of what is signed."""
    values = {
        "from": OWNER.address,
        "to": world.channels.address,
        "value": amount,
        "validAfter": 0,
        "validBefore": NEVER,
        "nonce": opening_nonce(world, config, expiry),
    } | changes
    return (values["validAfter"], values["validBefore"], *typed(token, key, kind, RECEIVE, values))


def opening_nonce(world: World, config: Config, expiry: int) -> bytes:
    """The EIP-3009 nonce that opens that channel and nothing else."""
    return bytes(keccak(encode(["bytes32", "uint256"], [world.id(config), expiry])))
