"""Channels: configuration, identity, payees and the state word, as the contract computes them.

A channel's id is keccak(domain separator ‖ abi(config)); its deposit, claimed sum and expiry are one 256-bit word
on chain. A payee at
depth d of the Merkle tree under `root` may take at most `deposit >> d` (Kraft's inequality keeps the tree solvent).
"""

from __future__ import annotations

from dataclasses import dataclass

from .crypto import Crypto
from .evm.abi import encode
from .evm.eip712 import Domain
from .messages import ConfigBody

NATIVE = bytes(20)
NO_SALT = bytes(32)
MAX_DEPTH = 8
CONFIG_ABI = "(address,address,bytes32,address,uint32,bytes32)"
ENDED = 1


def channels_domain(chain_id: int, contract: bytes) -> Domain:
    """The domain of ids, vouchers, SessionAuth and Receipt."""
    return Domain("Tallystick Channels", chain_id, contract)


@dataclass(frozen=True)
class Config:
    """A channel's immutable configuration. Addresses are 20 bytes, `root` and `salt` 32, `delay` seconds."""

    payer: bytes
    signer: bytes
    root: bytes
    token: bytes
    delay: int
    salt: bytes

    def abi(self) -> tuple[bytes, bytes, bytes, bytes, int, bytes]:
        return (self.payer, self.signer, self.root, self.token, self.delay, self.salt)

    def body(self) -> ConfigBody:
        return ConfigBody(*self.abi())

    @classmethod
    def from_body(cls, body: ConfigBody) -> Config:
        return cls(body.payer, body.signer, body.root, body.token, body.delay, body.salt)

    def channel_id(self, crypto: Crypto, domain: Domain) -> bytes:
        """32 bytes; `domain` is the one at the contract's deployment."""
        return crypto.keccak256(encode(["bytes32", CONFIG_ABI], [domain.separator(crypto), self.abi()]))


def leaf(crypto: Crypto, payee: bytes, closer: bytes, leaf_salt: bytes = NO_SALT) -> bytes:
    """The leaf of a payee: keccak over 73 bytes, so that no leaf can be read as a node (64 bytes)."""
    return crypto.keccak256(b"\0" + payee + closer + leaf_salt)


def root_of(crypto: Crypto, leaf_hash: bytes, proof: tuple[bytes, ...]) -> bytes:
    """The root that a leaf and its siblings lead to; pairs are sorted, so a path carries no directions."""
    node = leaf_hash
    for sibling in proof:
        node = crypto.keccak256(min(node, sibling) + max(node, sibling))
    return node


@dataclass(frozen=True)
class ChannelState:
    """The word on chain: amounts in the token's smallest unit, `expiry` in Unix seconds (1 = ended, 0 = unknown)."""

    deposit: int
    claimed: int
    expiry: int

    @classmethod
    def from_word(cls, word: int) -> ChannelState:
        mask = (1 << 112) - 1
        return cls(word & mask, (word >> 112) & mask, word >> 224)

    @property
    def known(self) -> bool:
        return self.expiry != 0

    @property
    def ended(self) -> bool:
        return self.expiry == ENDED

    def cap(self, depth: int) -> int:
        """The most a payee at that depth may ever take."""
        return self.deposit >> depth
