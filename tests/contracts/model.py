"""What the contracts should do, told in plain Python: an oracle for the stateful tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address

from tests.contracts.signing import P256Key
from tests.contracts.world import NO_SALT, Config, Leaf, Packed, Record, pack


@dataclass
class Channel:
    """One channel as it should be. ``paid`` is by payee; ``key`` signs its vouchers."""

    config: Config
    leaves: list[Leaf]
    deposit: int
    expiry: int
    id: bytes = b""
    key: Any = None
    paid: Counter[str] = field(default_factory=Counter)
    refunded: int = 0
    ended: bool = False

    @property
    def claimed(self) -> int:
        return sum(self.paid.values())

    @property
    def rest(self) -> int:
        """What the contract still holds for this channel."""
        return 0 if self.ended else self.deposit - self.claimed

    @property
    def word(self) -> int:
        """What the contract should keep: the last values, and expiry 1, once it is over."""
        return self.deposit | self.claimed << 112 | (1 if self.ended else self.expiry) << 224

    @property
    def is_p256(self) -> bool:
        return isinstance(self.key, P256Key)

    @property
    def is_shared(self) -> bool:
        """Whether there are several payees (depth > 0)."""
        return bool(self.leaves[0].proof)

    def cap(self, leaf: Leaf) -> int:
        """The most its payee gets from this leaf."""
        return self.deposit >> len(leaf.proof)

    def due(self, leaf: Leaf, total: int) -> int:
        """What a well-signed voucher over `total` would bring its payee now."""
        return 0 if self.ended else max(0, min(total, self.cap(leaf)) - self.paid[leaf.payee])

    def end(self) -> int:
        """End it; returns the refund."""
        self.refunded = self.rest
        self.ended = True
        return self.refunded


class Paper(NamedTuple):
    """A record that somebody hands in, and what the model thinks of its signature and place."""

    channel: Channel
    leaf: Leaf
    record: Record
    good: bool

    def is_for(self, leaf: Leaf, token: str) -> bool:
        """Whether it may pay in a batch of that payee, closer and token."""
        own = (self.leaf.payee, self.leaf.closer) == (leaf.payee, leaf.closer)
        return self.good and own and self.channel.config.token == token

    @property
    def fits_packed(self) -> bool:
        """Whether the packed form can pay it: one payee, no salt, secp256k1."""
        return not self.channel.is_shared and self.leaf.salt == NO_SALT and not self.channel.is_p256


def packed(record: Record) -> Packed:
    """The five words of a packed record, whatever its signature is; bits that are not read are set."""
    sig = record.sig.ljust(65, b"\0")
    s = int.from_bytes(sig[32:64], "big") & (2**255 - 1)
    words = pack(record._replace(sig=sig[:32] + s.to_bytes(32, "big") + (b"\x1c" if sig[64] == 28 else b"\x1b")))
    return words[0], words[1] | (2**48 - 1) << 16, *words[2:]


def unpacked(words: Packed, root: bytes, token: str) -> Record:
    """The record that the words stand for, in a call whose payee and closer are that root."""
    salt, first, second, r, vs = words
    config = Config(
        to_checksum_address((first >> 96).to_bytes(20, "big")),
        to_checksum_address((second >> 96).to_bytes(20, "big")),
        root,
        token,
        first >> 64 & 0xFFFFFFFF,
        salt.to_bytes(32, "big"),
    )
    sig = r.to_bytes(32, "big") + (vs & 2**255 - 1).to_bytes(32, "big") + bytes([27 + (vs >> 255)])
    return Record(config, (first & 0xFFFF) << 96 | second & 2**96 - 1, NO_SALT, (), sig)
