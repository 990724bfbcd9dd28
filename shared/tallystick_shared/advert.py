"""A provider's advert: how full it is, at which prices and limits, for the next minutes.

The profile on chain is signed by the owner and changes seldom; what changes by the minute stands in an advert, signed
by the operator, whose key is in the profile. It names the profile that it goes with by its hash, so neither can be
taken for another's. Its sequence never falls and it lives an hour at most: an old one, held back by somebody, ends.

A node gives it to anybody, as the guest service `node.advert`. It is still only that provider's word: a promise of
what to expect, never of what is owed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from . import limits
from .crypto import Crypto
from .errors import Code, PeerError
from .evm.eip712 import Domain
from .messages import U8, U16, U32, U63, Bytes20, decode, encode_short
from .profile import Profile, profile_hash
from .trial_offer import TrialOffer
from .voucher import is_signed_by

SERVICE = "node.advert"
VERSION = 1
MAX_ADVERT = 512
LIFETIME = int(limits.ADVERT.value)
SKEW = 120
"""Seconds by which two clocks may differ."""
REMEMBERED = 4096
FIRST_FIELDS = 10
"""Of an advert, up to its signature."""
ADVERT = (
    "Advert(address provider,bytes20 profile,uint64 sequence,uint64 issued,uint64 expires,uint64 priceEpoch,"
    "bytes32 contents)"
)


class Load(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """How full the engine is: its slots and those that run, the places of its queue and those that wait."""

    slots: U16
    running: U16
    queue: U16
    waiting: U16

    @property
    def busy(self) -> bool:
        """Would another request be refused?"""
        return self.running >= self.slots and self.waiting >= self.queue


class Promised(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The limits of a connection: streams on it, connections of a channel, bytes of an input, seconds of silence and
    of its life.
    """

    streams: U16
    connections: U16
    max_input: U32
    idle: U32
    session: U32


class Advert(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`profile` is the hash of the announced one, as in the registry; times are Unix seconds. `trial` is what is given
    away, if anything; an advert without it is written as before there was any.
    """

    version: U8
    provider: Bytes20
    profile: Bytes20
    sequence: U63
    issued: U63
    expires: U63
    price_epoch: U63
    load: Load
    promised: Promised
    signature: Annotated[bytes, Meta(max_length=65)] = b""
    trial: TrialOffer | None = None

    def signing(self, crypto: Crypto) -> dict[str, Any]:
        """The values that the operator signs, and a hash of all of it."""
        return {
            "provider": self.provider,
            "profile": self.profile,
            "sequence": self.sequence,
            "issued": self.issued,
            "expires": self.expires,
            "priceEpoch": self.price_epoch,
            "contents": crypto.keccak256(msgspec.structs.replace(self, signature=b"").encode()),
        }

    def signed(self, crypto: Crypto, domain: Domain, operator_key: bytes) -> Advert:
        """The same with the operator's signature; `domain` is the registry's."""
        digest = domain.digest(crypto, ADVERT, self.signing(crypto))
        return msgspec.structs.replace(self, signature=crypto.secp256k1_sign(operator_key, digest))

    def encode(self) -> bytes:
        return encode_short(self, FIRST_FIELDS)


def advert_profile(crypto: Crypto, profile: Profile) -> bytes:
    """How an advert names a profile: the 20 bytes that stand in the registry's slot."""
    return profile_hash(crypto, profile.encode()).to_bytes(20, "big")


def read_advert(crypto: Crypto, domain: Domain, provider: bytes, profile: Profile, blob: bytes, now: int) -> Advert:
    """An advert of this provider and profile, well-formed, canonical, signed by the profile's operator and good now
    (Unix seconds). Raises PeerError BAD_ADVERT, PROFILE_CHANGED, ADVERT_EXPIRED.
    """
    try:
        advert = decode(Advert, blob)
    except PeerError as error:
        raise PeerError(Code.BAD_ADVERT, **error.values) from None
    if len(blob) > MAX_ADVERT or advert.version != VERSION or advert.encode() != blob:
        raise PeerError(Code.BAD_ADVERT, reason="version or encoding")
    if advert.provider != provider:
        raise PeerError(Code.BAD_ADVERT, reason="another provider")
    digest = domain.digest(crypto, ADVERT, advert.signing(crypto))
    if not is_signed_by(crypto, digest, advert.signature, profile.operator):
        raise PeerError(Code.BAD_ADVERT, reason="signature")
    if (advert.profile, advert.price_epoch) != (advert_profile(crypto, profile), profile.epoch):
        raise PeerError(Code.PROFILE_CHANGED, epoch=advert.price_epoch)
    if not advert.issued <= advert.expires <= advert.issued + LIFETIME:
        raise PeerError(Code.BAD_ADVERT, reason="lifetime")
    if not advert.issued - SKEW <= now < advert.expires:
        raise PeerError(Code.ADVERT_EXPIRED, expires=advert.expires)
    return advert


class AdvertBook:
    """Reads the adverts of one registry's providers, and remembers how far each has come: its sequence never falls, and
    stands for one advert only.
    """

    def __init__(self, crypto: Crypto, domain: Domain) -> None:
        self._crypto, self._domain = crypto, domain
        self._seen: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()
        """By provider: sequence and signing hash of the newest. Signatures are left out: one advert may have many."""

    def read(self, provider: bytes, profile: Profile, blob: bytes, now: int) -> Advert:
        """Like `read_advert`. Raises also PeerError ADVERT_OUTDATED where a newer one was seen before, BAD_ADVERT where
        another one with the same sequence was: the provider tells different people different things.
        """
        advert = read_advert(self._crypto, self._domain, provider, profile, blob, now)
        digest = self._domain.digest(self._crypto, ADVERT, advert.signing(self._crypto))
        before, known = self._seen.get(provider, (0, digest))
        if advert.sequence < before:
            raise PeerError(Code.ADVERT_OUTDATED, sequence=advert.sequence, seen=before)
        if advert.sequence == before and digest != known:
            raise PeerError(Code.BAD_ADVERT, reason="another one with the same sequence")
        self._seen[provider] = advert.sequence, digest
        self._seen.move_to_end(provider)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return advert
