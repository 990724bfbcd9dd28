"""Profiles: canonical, signed by their owner, and refused where anything is odd."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import amount_bytes, amount_int, encode
from tallystick_shared.profile import (
    MAX_PROFILE,
    Offer,
    answer_digest,
    profile_hash,
    read_profile,
    registry_domain,
    sum_bytes,
)
from tests.shared.pair import CHAIN, OFFER, OWNER_KEY, REGISTRY, Pair
from tests.shared.tools import flipped, refused

DOMAIN = registry_domain(CHAIN, REGISTRY)


@pytest.fixture
def owner(crypto):
    return crypto.secp256k1_address(OWNER_KEY)


@pytest.fixture
def profile(crypto):
    return Pair(crypto).profile()


def blob_of(crypto, profile, **changes):
    return msgspec.structs.replace(profile, **changes).signed(crypto, DOMAIN, OWNER_KEY).encode()


def test_round_trip_is_canonical(crypto, owner, profile):
    blob = blob_of(crypto, profile)
    read = read_profile(crypto, DOMAIN, owner, blob)
    assert read.encode() == blob
    assert msgspec.structs.replace(read, signature=b"") == profile


def test_every_byte_counts(crypto, owner, profile):
    blob = blob_of(crypto, profile)
    for at in range(len(blob)):
        with refused(Code.BAD_PROFILE, PeerError):
            read_profile(crypto, DOMAIN, owner, flipped(blob, at))


def test_every_truncation_and_any_tail(crypto, owner, profile):
    blob = blob_of(crypto, profile)
    for bad in [blob[:size] for size in range(len(blob))] + [blob + b"\0", b"", b"\xc0", b"\xff" * 64]:
        with refused(Code.BAD_PROFILE, PeerError):
            read_profile(crypto, DOMAIN, owner, bad)


def test_another_owner_registry_or_chain(crypto, owner, profile):
    blob = blob_of(crypto, profile)
    for domain, who in (
        (DOMAIN, b"\x77" * 20),
        (registry_domain(CHAIN + 1, REGISTRY), owner),
        (registry_domain(CHAIN, b"\x12" * 20), owner),
    ):
        with refused(Code.BAD_PROFILE, PeerError):
            read_profile(crypto, domain, who, blob)


def test_an_encoding_that_is_not_the_shortest(crypto, owner, profile):
    """The same values, the version as a two-byte integer: same meaning, other bytes, so it is refused."""
    blob = blob_of(crypto, profile)
    assert blob[1] == 1
    with refused(Code.BAD_PROFILE, PeerError):
        read_profile(crypto, DOMAIN, owner, blob[:1] + b"\xcc\x01" + blob[2:])


def test_another_version(crypto, owner, profile):
    with refused(Code.BAD_PROFILE, PeerError):
        read_profile(crypto, DOMAIN, owner, blob_of(crypto, profile, version=2))


@pytest.mark.parametrize(
    "endpoints",
    [
        (), ("wss://a",) * 5, ("http://a",), ("https://a/",), ("ws://",), ("ws:///x",), ("ws://a b",),
        ("javascript:alert(1)",),
        ("ws://a\n",), ("ws://a\nws://b",), ("wss://" + "a" * 200,), (" ws://a",),
    ],
)  # fmt: skip
def test_endpoints_that_are_none(crypto, owner, profile, endpoints):
    signed = msgspec.structs.replace(profile, endpoints=endpoints or ("ws://x",)).signed(crypto, DOMAIN, OWNER_KEY)
    blob = encode(msgspec.structs.replace(signed, endpoints=endpoints))
    with refused(Code.BAD_PROFILE, PeerError):
        read_profile(crypto, DOMAIN, owner, blob)


@pytest.mark.parametrize("endpoint", ["ws://127.0.0.1:1", "wss://node.example/ws?x=1", "ws://[::1]:8080/", "wss://a.b"])
def test_endpoints_that_are_some(crypto, owner, profile, endpoint):
    blob = blob_of(crypto, profile, endpoints=(endpoint,))
    assert read_profile(crypto, DOMAIN, owner, blob).endpoints == (endpoint,)


@pytest.mark.parametrize(
    ("field", "value"), [("tokens", ()), ("offers", ()), ("offers", (OFFER,) * 33), ("epoch", 2**63)]
)
def test_limits(crypto, owner, profile, field, value):
    blob = encode(msgspec.structs.replace(profile, **{field: value}))
    with refused(Code.BAD_PROFILE, PeerError):
        read_profile(crypto, DOMAIN, owner, blob)


def test_a_profile_longer_than_the_contract_takes(crypto, profile):
    offers = tuple(msgspec.structs.replace(OFFER, model=f"{'m' * 100}{number}") for number in range(20))
    with pytest.raises(ValueError):
        msgspec.structs.replace(profile, offers=offers).encode()
    assert len(profile.encode()) < MAX_PROFILE


def test_hash_is_the_low_160_bits(crypto):
    assert profile_hash(crypto, b"abc") == int(crypto.keccak256(b"abc").hex()[24:], 16)


def test_offers_by_model(profile):
    assert profile.offer("toy") is profile.offers[0]
    with refused(Code.UNKNOWN_MODEL, PeerError):
        profile.offer("other")


def test_prices_beyond_64_bits():
    offer = Offer("m", "text", amount_bytes(2**100), amount_bytes(2**127), "token", 4, 0, 1, bytes(32))
    assert (offer.price.input, offer.price.output) == (2**100, 2**127)


def test_amounts_are_written_short(crypto, owner, profile):
    assert [sum_bytes(amount) for amount in (0, 1, 256)] == [b"", b"\x01", b"\x01\0"]
    assert amount_int(sum_bytes(2**128 - 1)) == 2**128 - 1
    with pytest.raises(OverflowError):
        sum_bytes(2**128)
    short = blob_of(crypto, profile, window=sum_bytes(7))
    assert amount_int(read_profile(crypto, DOMAIN, owner, short).window) == 7
    long = encode(msgspec.structs.replace(profile, window=bytes(17)))
    with refused(Code.BAD_PROFILE, PeerError):
        read_profile(crypto, DOMAIN, owner, long)


def test_answer_digest_is_salted():
    assert answer_digest(b"\x01" * 16, bytes(32)) != answer_digest(b"\x02" * 16, bytes(32))
    assert len(answer_digest(b"", b"")) == 32
