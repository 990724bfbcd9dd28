"""The tokens of the contract tests, and what their owners sign: permits and authorisations."""

from __future__ import annotations

from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from contracts.build import artefact
from contracts.machine import ROOT, Contract
from tests.contracts.keys import word
from tests.contracts.world import Config, World

TOKENS = ROOT / "tests" / "contracts" / "tokens"
OWNER = Account.from_key(keccak(text="tests: a payer with a key of its own"))
PURSE = 10**15
NEVER = 2**256 - 1

PERMIT = ["address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline"]
AUTHORIZATION = [
    "address from",
    "address to",
    "uint256 value",
    "uint256 validAfter",
    "uint256 validBefore",
    "bytes32 nonce",
]


class Vrs(NamedTuple):
    """A signature as the token standards take it."""

    v: int
    r: bytes
    s: bytes


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


def signed(world: World, token: Contract, kind: str, fields: list[str], values: dict[str, Any], key: Any) -> Vrs:
    """Typed data in the token's domain."""
    domain = {"name": "Test Coin", "version": "1", "chainId": world.chain_id, "verifyingContract": token.address}
    types = {kind: [dict(zip(("type", "name"), field.split(), strict=True)) for field in fields]}
    made = key.sign_message(encode_typed_data(domain_data=domain, message_types=types, message_data=values))
    return Vrs(made.v, word(made.r), word(made.s))


def permit(world: World, token: Contract, amount: int, key: Any = OWNER, **changes: Any) -> tuple[Any, ...]:
    """deadline, v, r, s of a permit for Channels by `OWNER`; `changes` are of what is signed."""
    values = {
        "owner": OWNER.address,
        "spender": world.channels.address,
        "value": amount,
        "nonce": token.call("nonces", OWNER.address),
        "deadline": NEVER,
    } | changes
    return (values["deadline"], *signed(world, token, "Permit", PERMIT, values, key))


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
    vrs = signed(world, token, kind, AUTHORIZATION, values, key)
    return (values["validAfter"], values["validBefore"], *vrs)


def opening_nonce(world: World, config: Config, expiry: int) -> bytes:
    """The EIP-3009 nonce that opens that channel and nothing else."""
    return bytes(keccak(encode(["bytes32", "uint256"], [world.id(config), expiry])))
