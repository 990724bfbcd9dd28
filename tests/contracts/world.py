"""The cast of the contract tests: roles, configurations, trees of payees, vouchers signed by eth-account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import to_canonical_address
from eth_utils.crypto import keccak

from contracts.build import artefact
from contracts.machine import ETHER, ROOT, Contract, Machine

ZERO = "0x" + "00" * 20
NO_SALT = bytes(32)
DAY = 86_400
MAX = 2**112 - 1
SESSION = Account.from_key(keccak(text="tests: session key"))
THIEF = Account.from_key(keccak(text="tests: some other key"))
ACTOR = (ROOT / "tests" / "contracts" / "actors" / "Actor.vy").read_text(encoding="utf-8")
VOUCHER = {
    "Voucher": [
        {"name": "channelId", "type": "bytes32"},
        {"name": "payee", "type": "address"},
        {"name": "cumulative", "type": "uint256"},
    ]
}


class Config(NamedTuple):
    """The contract's tuple of the same name."""

    payer: str
    signer: str
    root: bytes
    token: str
    delay: int
    salt: bytes


class Record(NamedTuple):
    """The contract's tuple `Claim`."""

    config: Config
    cumulative: int
    leaf_salt: bytes
    proof: tuple[bytes, ...]
    sig: bytes


Packed = tuple[int, int, int, int, int]


def pack(record: Record) -> Packed:
    """A record of `claimPacked`, from one that `claim` would take: depth 0, no leaf salt, 65 bytes of signature."""
    config, cumulative = record.config, record.cumulative
    payer, signer = (int(address, 16) for address in (config.payer, config.signer))
    r, s = (int.from_bytes(record.sig[place : place + 32], "big") for place in (0, 32))
    return (
        int.from_bytes(config.salt, "big"),
        payer << 96 | config.delay << 64 | cumulative >> 96,
        signer << 96 | cumulative & (2**96 - 1),
        r,
        (record.sig[64] - 27) << 255 | s,
    )


class State(NamedTuple):
    """A channel's word, taken apart."""

    deposit: int
    claimed: int
    expiry: int


@dataclass(frozen=True)
class Leaf:
    """A payee's place in a tree, with the siblings on the way up once the tree is built."""

    payee: str
    closer: str
    salt: bytes = NO_SALT
    proof: tuple[bytes, ...] = field(default=(), compare=False)

    @property
    def hash(self) -> bytes:
        packed = b"\0" + to_canonical_address(self.payee) + to_canonical_address(self.closer) + self.salt
        return bytes(keccak(packed))


Tree = Leaf | tuple["Tree", "Tree"]


def node(left: bytes, right: bytes) -> bytes:
    """The parent of two nodes."""
    return bytes(keccak(min(left, right) + max(left, right)))


def grow(tree: Tree) -> tuple[bytes, list[Leaf]]:
    """Root and leaves (with their proofs) of nested pairs."""
    if isinstance(tree, Leaf):
        return tree.hash, [tree]
    (left, lefts), (right, rights) = grow(tree[0]), grow(tree[1])
    grown = [Leaf(each.payee, each.closer, each.salt, (*each.proof, right)) for each in lefts]
    grown += [Leaf(each.payee, each.closer, each.salt, (*each.proof, left)) for each in rights]
    return node(left, right), grown


class World:
    """Contracts on a machine, and who is who."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.channels: Contract = machine.deploy("Channels")
        self.registry: Contract = machine.deploy("Registry")
        self.payer, self.payee, self.operator, self.stranger, self.second, *self.crowd = machine.accounts[1:]
        self.only = Leaf(self.payee, self.operator)
        self.chain_id = machine.chain_id
        self._salts = 0
        self._ids: dict[Config, bytes] = {}

    def actor(self) -> Contract:
        """A contract that acts for a test."""
        actor = self.machine.make(artefact(ACTOR, "Actor"))
        self.machine.give(actor.address, 10 * ETHER)
        return actor

    def config(self, **changes: Any) -> Config:
        """A configuration that can be opened, with one payee; a salt of its own."""
        self._salts += 1
        salt = bytes(keccak(text=f"tests: salt {self._salts}"))
        return Config(self.payer, SESSION.address, self.only.hash, ZERO, DAY, salt)._replace(**changes)

    def open(self, config: Config | None = None, deposit: int = 1000, life: int = 30 * DAY) -> Config:
        """Open a channel that expires `life` seconds from now; returns its configuration.

        A deposit in a token must have been approved.
        """
        config = config or self.config()
        expiry = self.machine.now() + life
        value = deposit if config.token == ZERO else 0
        self.channels.send("open", config, expiry, deposit, sender=config.payer, value=value)
        return config

    def id(self, config: Config) -> bytes:
        """The channel's id, as the contract told it when first asked."""
        if config not in self._ids:
            self._ids[config] = bytes(self.channels.call("idOf", config))
        return self._ids[config]

    def state(self, config: Config) -> State:
        """Deposit, claimed and expiry."""
        word = self.channels.call("channels", self.id(config))
        return State(word & MAX, (word >> 112) & MAX, word >> 224)

    def voucher(self, config: Config, payee: str, total: int, **domain: Any) -> SignableMessage:
        """What is signed; `domain` changes the EIP-712 domain."""
        fields = {
            "name": "Tallystick Channels",
            "version": "1",
            "chainId": self.chain_id,
            "verifyingContract": self.channels.address,
        }
        message = {"channelId": self.id(config), "payee": payee, "cumulative": total}
        return encode_typed_data(domain_data=fields | domain, message_types=VOUCHER, message_data=message)

    def digest(self, config: Config, payee: str, total: int) -> bytes:
        """The voucher's EIP-712 digest."""
        typed = self.voucher(config, payee, total)
        return bytes(keccak(b"\x19" + typed.version + typed.header + typed.body))

    def sign(self, config: Config, payee: str, total: int, key: Any = SESSION, **domain: Any) -> bytes:
        """A voucher's signature."""
        return bytes(key.sign_message(self.voucher(config, payee, total, **domain)).signature)

    def record(self, config: Config, total: int, leaf: Leaf | None = None, key: Any = SESSION) -> Record:
        """A claim with a signature over `total`."""
        leaf = leaf or self.only
        return Record(config, total, leaf.salt, leaf.proof, self.sign(config, leaf.payee, total, key))

    def claim(self, *records: Record, leaf: Leaf | None = None, sender: str | None = None, token: str = ZERO) -> int:
        """Hand in claims of one payee; returns what came, which must be what the call foretold."""
        leaf = leaf or self.only
        return self._claimed("claim", leaf, sender or self.stranger, token, list(records))

    def claim_packed(self, *records: Packed, leaf: Leaf | None = None, token: str = ZERO) -> int:
        """The same with packed records."""
        return self._claimed("claimPacked", leaf or self.only, self.stranger, token, list(records))

    def _claimed(self, name: str, leaf: Leaf, sender: str, token: str, records: list[Any]) -> int:
        arguments = (leaf.payee, leaf.closer, token, records)
        foretold = self.channels.call(name, *arguments, sender=sender)
        before = self.balance(leaf.payee, token)
        receipt = self.channels.send(name, *arguments, sender=sender)
        paid = self.balance(leaf.payee, token) - before
        assert foretold == paid == sum(values["paid"] for _, values in self.channels.events(receipt))
        return paid

    def balance(self, who: str, token: str = ZERO) -> int:
        """What somebody has of a token, in its smallest unit; zero: native coin."""
        if token == ZERO:
            return self.machine.balance(who)
        data = keccak(text="balanceOf(address)")[:4] + encode(["address"], [who])
        return int.from_bytes(self.machine.view(self.stranger, token, data), "big")

    def held(self, token: str = ZERO) -> int:
        """What the Channels contract has of a token, in its smallest unit; zero: native coin."""
        return self.balance(self.channels.address, token)
