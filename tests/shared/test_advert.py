"""Adverts: signed by the operator of the profile they go with, rising, good for an hour at most."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.advert import (
    ADVERT,
    LIFETIME,
    MAX_ADVERT,
    REMEMBERED,
    SKEW,
    VERSION,
    Advert,
    AdvertBook,
    Load,
    Promised,
    advert_profile,
    read_advert,
)
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.profile import profile_hash, registry_domain
from tests.shared.pair import CHAIN, OPERATOR_KEY, OWNER_KEY, REGISTRY, WALL, Pair
from tests.shared.tools import flipped, refused

DOMAIN = registry_domain(CHAIN, REGISTRY)
LOAD, PROMISED = Load(4, 2, 8, 0), Promised(8, 4, 1 << 20, 600, 3600)


class Scene:
    """A provider, its profile, and what a client makes of its adverts."""

    def __init__(self, crypto) -> None:
        pair = Pair(crypto)
        self.crypto, self.provider, self.profile = crypto, pair.owner, pair.profile()
        self.book = AdvertBook(crypto, DOMAIN)

    def advert(self, key=OPERATOR_KEY, domain=DOMAIN, **changes) -> Advert:
        made = Advert(
            VERSION, self.provider, advert_profile(self.crypto, self.profile), 7, WALL, WALL + 600,
            self.profile.epoch, LOAD, PROMISED,
        )  # fmt: skip
        return msgspec.structs.replace(made, **changes).signed(self.crypto, domain, key)

    def read(self, blob, now=WALL, **others) -> Advert:
        named = {"provider": self.provider, "profile": self.profile, **others}
        return read_advert(self.crypto, DOMAIN, named["provider"], named["profile"], blob, now)


@pytest.fixture
def scene(crypto):
    return Scene(crypto)


def test_a_good_one(scene):
    read = scene.read(scene.advert().encode())
    assert (read.sequence, read.load, read.promised) == (7, LOAD, PROMISED)
    assert len(read.encode()) <= MAX_ADVERT // 2
    assert int.from_bytes(read.profile, "big") == profile_hash(scene.crypto, scene.profile.encode())


def test_the_longest_fits(scene):
    full = scene.advert(
        sequence=2**63 - 1, issued=2**63 - 1, expires=2**63 - 1, price_epoch=2**63 - 1,
        load=Load(*[0xFFFF] * 4), promised=Promised(0xFFFF, 0xFFFF, *[0xFFFFFFFF] * 3),
    )  # fmt: skip
    assert len(full.encode()) <= MAX_ADVERT


def test_every_byte_counts(scene):
    blob = scene.advert().encode()
    for at in range(len(blob)):
        with refused(Code.BAD_ADVERT, PeerError):
            scene.read(flipped(blob, at))


def test_every_truncation_and_any_tail(scene):
    blob = scene.advert().encode()
    for bad in [blob[:size] for size in range(len(blob))] + [blob + b"\0", b"\xc0", b"\xff" * 64, bytes(4096)]:
        with refused(Code.BAD_ADVERT, PeerError):
            scene.read(bad)


def test_an_encoding_that_is_not_the_shortest(scene):
    blob = scene.advert().encode()
    assert blob[1] == VERSION
    with refused(Code.BAD_ADVERT, PeerError):
        scene.read(blob[:1] + b"\xcc" + blob[1:])


def test_who_may_sign(scene):
    """The operator, and nobody else: not even the owner. For this provider, on this chain and registry."""
    others = [
        scene.advert(key=OWNER_KEY),
        scene.advert(domain=registry_domain(CHAIN + 1, REGISTRY)),
        scene.advert(domain=registry_domain(CHAIN, b"\x12" * 20)),
        scene.advert(provider=b"\x77" * 20),
        msgspec.structs.replace(scene.advert(), signature=b""),
        scene.advert(version=2),
    ]
    for other in others:
        with refused(Code.BAD_ADVERT, PeerError):
            scene.read(other.encode())
    with refused(Code.BAD_ADVERT, PeerError):
        scene.read(scene.advert().encode(), provider=b"\x77" * 20)


def test_another_profile(scene):
    """The advert goes with the announced one, its prices among them."""
    for advert in (scene.advert(profile=bytes(20)), scene.advert(price_epoch=scene.profile.epoch + 1)):
        with refused(Code.PROFILE_CHANGED, PeerError):
            scene.read(advert.encode())
    later = msgspec.structs.replace(scene.profile, minimum_delay=1000)
    with refused(Code.PROFILE_CHANGED, PeerError):
        scene.read(scene.advert().encode(), profile=later)


@pytest.mark.parametrize("now", [WALL - SKEW, WALL, WALL + 599])
def test_when_it_is_good(scene, now):
    scene.read(scene.advert().encode(), now)


@pytest.mark.parametrize("now", [WALL - SKEW - 1, WALL + 600, WALL + 10**6, 0])
def test_when_it_is_not(scene, now):
    with refused(Code.ADVERT_EXPIRED, PeerError):
        scene.read(scene.advert().encode(), now)


def test_an_hour_at_most(scene):
    assert LIFETIME == 3600
    scene.read(scene.advert(expires=WALL + 3600).encode())
    for expires in (WALL + 3601, WALL - 1, 2**63 - 1):
        with refused(Code.BAD_ADVERT, PeerError):
            scene.read(scene.advert(expires=expires).encode())


def test_a_sequence_that_falls(scene):
    for sequence in (7, 7, 8, 100):
        advert = scene.advert(sequence=sequence)
        assert scene.book.read(scene.provider, scene.profile, advert.encode(), WALL) == advert
    with refused(Code.ADVERT_OUTDATED, PeerError):
        scene.book.read(scene.provider, scene.profile, scene.advert(sequence=99).encode(), WALL)
    # One that is refused moves nothing.
    with refused(Code.BAD_ADVERT, PeerError):
        scene.book.read(scene.provider, scene.profile, scene.advert(key=OWNER_KEY, sequence=10**9).encode(), WALL)
    with refused(Code.ADVERT_EXPIRED, PeerError):
        scene.book.read(scene.provider, scene.profile, scene.advert(sequence=10**9).encode(), WALL + 600)
    scene.book.read(scene.provider, scene.profile, scene.advert(sequence=100).encode(), WALL)


def test_two_adverts_with_one_sequence(scene):
    first, other = scene.advert(sequence=7), scene.advert(sequence=7, load=Load(4, 4, 8, 8))
    scene.book.read(scene.provider, scene.profile, first.encode(), WALL)
    with refused(Code.BAD_ADVERT, PeerError):
        scene.book.read(scene.provider, scene.profile, other.encode(), WALL)
    scene.book.read(scene.provider, scene.profile, first.encode(), WALL)


def test_what_a_book_remembers_is_bounded(scene):
    scene.book._seen.update((number.to_bytes(20, "big"), (1, b"")) for number in range(REMEMBERED + 50))
    scene.book.read(scene.provider, scene.profile, scene.advert().encode(), WALL)
    assert len(scene.book._seen) == REMEMBERED and scene.book._seen[scene.provider][0] == 7


def test_a_digest_that_others_would_compute(scene):
    """EIP-712 in a wallet's words gives the same fields in the same order."""
    advert = scene.advert()
    shown = DOMAIN.typed_data(ADVERT, advert.signing(scene.crypto))
    assert shown["primaryType"] == "Advert"
    assert list(shown["message"]) == [field["name"] for field in shown["types"]["Advert"]]
    fields = [getattr(advert, name) for name in advert.__struct_fields__ if name not in ("signature", "trial")]
    contents = scene.crypto.keccak256(msgspec.msgpack.encode([*fields, b""]))
    assert shown["message"]["contents"] == "0x" + contents.hex()


@pytest.mark.parametrize(
    ("load", "busy"), [(Load(4, 4, 8, 8), True), (Load(4, 4, 8, 7), False), (Load(4, 3, 0, 0), False)]
)
def test_busy(load, busy):
    assert load.busy is busy
