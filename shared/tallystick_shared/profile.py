"""A provider's profile: what it announces on chain and its owner signs.

The chain never reads it: an event carries the bytes, a slot 160 bits of their hash. The owner's EIP-712 signature
lies inside, so that an RPC
that lies about the chain still cannot put its own key under a provider's address. Canonical: encoding a decoded
profile gives the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from .crypto import Crypto
from .errors import Code, PeerError
from .evm.eip712 import Domain
from .messages import U8, U16, U32, U63, Bytes20, Bytes32, Name, amount_bytes, amount_int, decode, encode
from .money import Price
from .records import SUITE
from .voucher import is_signed_by

VERSION = 1
MAX_PROFILE = 2048
PROFILE = "Profile(string endpoint,bytes32 nodeKey,address operator,address payee,uint64 epoch,bytes32 contents)"
Sum = Annotated[bytes, Meta(max_length=16)]
"""An amount. `sum_bytes` makes its shortest form: each byte costs a provider 25 gas at every announcement."""
Endpoint = Annotated[str, Meta(min_length=6, max_length=200, pattern=r"^wss?://[^\s/]+(/\S*)?\Z")]


def sum_bytes(amount: int) -> bytes:
    """An amount without its leading zeros; zero is empty. Raises OverflowError beyond 128 bits or below zero."""
    return amount_bytes(amount).lstrip(b"\0")


class Offer(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One model at one price. `bytes_per_unit` bounds the input's units from below (bytes ÷ it), `template_units`
    from above (bytes + it).
    """

    model: Name
    kind: Annotated[str, Meta(max_length=32)]
    price_in: Sum
    price_out: Sum
    unit: Annotated[str, Meta(max_length=32)]
    bytes_per_unit: U16
    template_units: U16
    context: U32
    manifest: Bytes32

    @property
    def price(self) -> Price:
        return Price(amount_int(self.price_in), amount_int(self.price_out))


class Profile(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a provider listens, with which keys, on what terms. `payee` may be a cold key; `operator` claims and
    closes for it.
    """

    version: U8
    endpoints: Annotated[tuple[Endpoint, ...], Meta(min_length=1, max_length=4)]
    node_key: Bytes32
    operator: Bytes20
    payee: Bytes20
    tokens: Annotated[tuple[Bytes20, ...], Meta(min_length=1, max_length=16)]
    minimum_cap: Sum
    minimum_delay: U32
    first_voucher: Sum
    window: Sum
    minimum_suite: U8
    epoch: U63
    offers: Annotated[tuple[Offer, ...], Meta(min_length=1, max_length=32)]
    signature: Annotated[bytes, Meta(max_length=128)] = b""

    @property
    def least_suite(self) -> int:
        """The lowest suite that this provider takes: 2 where nothing (0) is stated."""
        return self.minimum_suite or SUITE

    def offer(self, model: str) -> Offer:
        """Raises PeerError UNKNOWN_MODEL."""
        for offer in self.offers:
            if offer.model == model:
                return offer
        raise PeerError(Code.UNKNOWN_MODEL, model=model)

    @property
    def least(self) -> int:
        """The smallest cap that it serves: what it says, and never less than the first voucher comes to."""
        return max(amount_int(self.minimum_cap), amount_int(self.first_voucher))

    @property
    def dearest(self) -> Price:
        """The highest input and the highest output price of its offers."""
        return Price(max(offer.price.input for offer in self.offers), max(offer.price.output for offer in self.offers))

    def signing(self, crypto: Crypto) -> dict[str, Any]:
        """The values its owner signs: what a wallet can show, and a hash of all of it."""
        contents = crypto.keccak256(encode(msgspec.structs.replace(self, signature=b"")))
        return {
            "endpoint": self.endpoints[0],
            "nodeKey": self.node_key,
            "operator": self.operator,
            "payee": self.payee,
            "epoch": self.epoch,
            "contents": contents,
        }

    def signed(self, crypto: Crypto, domain: Domain, owner_key: bytes) -> Profile:
        """The same with the owner's signature."""
        digest = domain.digest(crypto, PROFILE, self.signing(crypto))
        return msgspec.structs.replace(self, signature=crypto.secp256k1_sign(owner_key, digest))

    def encode(self) -> bytes:
        """Raises ValueError above 2,048 bytes."""
        data = encode(self)
        if len(data) > MAX_PROFILE:
            raise ValueError(f"a profile of {len(data)} bytes is too long")
        return data


def registry_domain(chain_id: int, registry: bytes) -> Domain:
    """The EIP-712 domain of profiles."""
    return Domain("Tallystick Registry", chain_id, registry)


def profile_hash(crypto: Crypto, blob: bytes) -> int:
    """The 160 bits that stand in the registry's slot."""
    return int.from_bytes(crypto.keccak256(blob)[12:], "big")


def read_profile(crypto: Crypto, domain: Domain, owner: bytes, blob: bytes) -> Profile:
    """A profile that is well-formed, canonical and signed by `owner`. Raises PeerError BAD_PROFILE."""
    try:
        profile = decode(Profile, blob)
    except PeerError as error:
        raise PeerError(Code.BAD_PROFILE, **error.values) from None
    if profile.version != VERSION or encode(profile) != blob:
        raise PeerError(Code.BAD_PROFILE, reason="version or encoding")
    digest = domain.digest(crypto, PROFILE, profile.signing(crypto))
    if not is_signed_by(crypto, digest, profile.signature, owner):
        raise PeerError(Code.BAD_PROFILE, reason="signature")
    return profile


def answer_digest(salt: bytes, digest: bytes) -> bytes:
    """The salted digest of an answer that stands in a receipt."""
    return hashlib.blake2s(salt + digest).digest()
