"""The node's advert: as full as it is, of the profile that is announced, newer each time."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import pytest

from tallystick_helper.crypto import NativeCrypto
from tallystick_helper.engines.seat import Load
from tallystick_helper.node.adverts import FRESH, LIFETIME, Adverts
from tallystick_shared import limits
from tallystick_shared.advert import LIFETIME as LONGEST
from tallystick_shared.advert import AdvertBook
from tallystick_shared.profile import registry_domain
from tests.shared.pair import CHAIN, REGISTRY, WALL, Pair


@dataclass
class Engine:
    """Only as full as it says."""

    full: Load

    def load(self) -> Load:
        return self.full


class Bench:
    def __init__(self) -> None:
        self.now = float(WALL)
        self.crypto = NativeCrypto()
        pair = Pair(self.crypto)
        self.identity, self.profile = pair.identity, pair.profile()
        self.engine = Engine(Load(2, 8, 1, 0))
        self.book = AdvertBook(self.crypto, registry_domain(CHAIN, REGISTRY))
        self.adverts = self.started()

    def started(self) -> Adverts:
        return Adverts(self.crypto, self.engine, 4, lambda: self.now)  # type: ignore[arg-type]

    def read(self, blob: bytes):
        return self.book.read(self.identity.provider, self.profile, blob, int(self.now))

    def current(self) -> bytes:
        return self.adverts.current(self.identity, self.profile)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_what_it_says(bench: Bench) -> None:
    advert = bench.read(bench.current())
    assert (advert.load.slots, advert.load.running, advert.load.queue, advert.load.waiting) == (2, 1, 8, 0)
    assert advert.promised.streams == limits.STREAMS.value and advert.promised.connections == 4
    assert (advert.issued, advert.expires) == (WALL, WALL + LIFETIME) and LIFETIME <= LONGEST
    assert advert.price_epoch == bench.profile.epoch


def test_one_is_signed_every_few_seconds_however_many_ask(bench: Bench) -> None:
    first = bench.current()
    bench.engine.full = Load(2, 8, 2, 5)
    bench.now += FRESH - 1
    assert bench.current() == first
    bench.now += 1
    before, second = bench.read(first), bench.read(bench.current())
    assert second.load.waiting == 5 and second.sequence > before.sequence


def test_the_sequence_never_falls(bench: Bench) -> None:
    """Not when the clock is set back a little, and not when the node is started again."""
    seen = []
    for step in (0, 10, -3, 10, 0.5, 20):
        bench.now += step
        bench.adverts._made = None
        seen.append(bench.read(bench.current()).sequence)
    bench.now += 1
    bench.adverts = bench.started()
    seen.append(bench.read(bench.current()).sequence)
    assert seen == sorted(set(seen))


def test_a_changed_profile_is_advertised_at_once(bench: Bench) -> None:
    bench.current()
    bench.profile = msgspec.structs.replace(bench.profile, epoch=bench.profile.epoch + 1)
    assert bench.read(bench.current()).price_epoch == bench.profile.epoch


def test_numbers_beyond_what_fits(bench: Bench) -> None:
    bench.engine.full = Load(10**6, 10**6, 10**6, 10**6)
    assert bench.read(bench.current()).load.waiting == 0xFFFF
