"""Asking as a guest over the user's seats: what comes back, what does not, and when it is too late."""

from __future__ import annotations

import msgspec
import pytest

from tallystick_shared.advert import SERVICE as ADVERT
from tallystick_shared.advert import VERSION, Advert, AdvertBook, Load, Promised, advert_profile
from tallystick_shared.chains import Deployment
from tallystick_shared.channel import Config
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.guest import fetch, fetch_advert, fetch_opened, fetch_snapshot
from tallystick_shared.market import Listing
from tallystick_shared.messages import amount_bytes, decode
from tallystick_shared.profile import registry_domain
from tallystick_shared.recovery import OpenedAsk, OpenedRecord, make_opened
from tallystick_shared.session import events as ev
from tallystick_shared.session.guest import PIECE, Question
from tallystick_shared.snapshot import SERVICE, SnapshotAsk, make_snapshot
from tests.shared.pair import CHAIN, CHANNELS, OPERATOR_KEY, OWNER_KEY, REGISTRY, WALL, Pair
from tests.shared.stage import Stage
from tests.shared.tools import drive, refused

WHERE = Deployment(CHAIN, REGISTRY, CHANNELS, 0)
PAYER = b"\x61" * 20


class Host(Stage):
    """A provider that answers guests by `reply`; each connection is a new one."""

    def __init__(self, crypto) -> None:
        super().__init__(Pair(crypto))
        self.reply = lambda asked: b"an answer"
        self.answers = {ev.GuestAsked: self.answer}
        self.asked: list[ev.GuestAsked] = []
        self.listing = Listing(self.pair.owner, 0, 1, self.pair.profile())

    async def dial(self, url):
        self.again()
        return await super().dial(url)

    def answer(self, asked: ev.GuestAsked) -> None:
        self.asked.append(asked)
        data = self.reply(asked)
        if data is None:
            return
        for at in range(0, len(data), PIECE):
            self.provider.guest_data(data[at : at + PIECE])
        self.provider.guest_end()

    def fetch(self, most=1000, **options):
        question = Question(SERVICE, b"", most)
        return drive(fetch(self.pair.crypto, self, WHERE, self.listing, question, **options))


@pytest.fixture
def host(crypto):
    return Host(crypto)


def test_an_answer(host):
    assert host.fetch() == b"an answer"
    assert host.dialled == ["ws://127.0.0.1:1"] and host.wire.closed == 1


def test_a_large_answer(host):
    host.reply = lambda asked: bytes(300_000)
    assert host.fetch(most=300_000) == bytes(300_000)


def test_a_refusal(host):
    host.reply = lambda asked: host.provider.refuse(PeerError(Code.BUSY))
    with refused(Code.BUSY):
        host.fetch()
    assert host.wire.closed == 1


def test_silence_is_not_waited_for(host):
    host.reply = lambda asked: None
    with refused(Code.TIMED_OUT):
        host.fetch()
    assert host.now - 100 <= 30 and host.wire.closed == 1


def test_a_dripping_provider_does_not_hold_us(host):
    host.reply = lambda asked: host.provider.guest_data(b"d")
    real = host.wire.__class__.receive

    async def drip(wire, timeout):
        host.now += 5
        if host.asked:
            host.provider.guest_data(b"d")
            host.serve()
        return wire.inbox.pop(0) if wire.inbox else await real(wire, timeout)

    host.again()
    made = host.wire
    made.receive = lambda timeout: drip(made, timeout)

    async def dial(url):
        return made

    host.dial = dial
    with refused(Code.TIMED_OUT):
        host.fetch(timeout=60.0)
    assert host.now - 100 <= 70


def test_a_socket_that_breaks(host):
    def broken(asked):
        host.wire.mute = True

    host.reply = broken
    with refused(Code.TRUNCATED):
        host.fetch()


def test_nobody_there(host):
    host.reachable = False
    profile = host.listing.profile
    host.listing = Listing(host.pair.owner, 0, 1, msgspec.structs.replace(profile, endpoints=("ws://a", "ws://b")))
    with refused(Code.PROVIDER_GONE):
        host.fetch()
    assert host.dialled == ["ws://a", "ws://b"]


def test_listings_that_cannot_be_used(host):
    host.listing = Listing(host.pair.owner, 0, 1, None)
    with refused(Code.BAD_PROFILE):
        host.fetch()
    host.listing = Listing(host.pair.owner, 0, 1, msgspec.structs.replace(host.pair.profile(), minimum_suite=9))
    with refused(Code.BAD_SUITE):
        host.fetch()
    assert host.dialled == []


def test_a_snapshot(host):
    data = make_snapshot(CHAIN, REGISTRY, 5, bytes(32), [], SnapshotAsk())
    host.reply = lambda asked: data
    given = drive(fetch_snapshot(host.pair.crypto, host, WHERE, host.listing, SnapshotAsk(3, 4), 5000))
    assert given == data and decode(SnapshotAsk, host.asked[0].params) == SnapshotAsk(3, 4)
    assert (host.asked[0].service, host.asked[0].most) == ("market.snapshot", 5000)


def record(number: int) -> OpenedRecord:
    config = Config(PAYER, PAYER, bytes(32), bytes(20), 900, number.to_bytes(32, "big"))
    return OpenedRecord(config.body(), amount_bytes(1), WALL, 5, bytes(32))


def opened(host, count: int, told: int | None = None):
    def reply(asked):
        start = decode(OpenedAsk, asked.params).start
        records = [record(number) for number in range(start, count)]
        return make_opened(WHERE, 9, count if told is None else told, start, records)

    host.reply = reply
    return drive(fetch_opened(host.pair.crypto, host, WHERE, host.listing, PAYER))


def test_opened_channels(host):
    assert opened(host, 3) == [record(0), record(1), record(2)]
    assert len(host.asked) == 1


def test_many_of_them_in_parts_and_not_for_ever(host):
    assert len(opened(host, 700)) == 700 and len(host.asked) == 2
    host.asked.clear()
    assert len(opened(host, 5000)) == 2000 and len(host.asked) == 4


def test_a_count_that_never_comes(host):
    assert opened(host, 3, told=10**6) == [record(0), record(1), record(2)]
    assert len(host.asked) == 2


def test_an_answer_about_somebody_else(host):
    host.reply = lambda asked: b"\x90"
    with refused(Code.BAD_MESSAGE):
        drive(fetch_opened(host.pair.crypto, host, WHERE, host.listing, PAYER))


def test_an_advert(host):
    """Asked for without parameters, and checked before anything of it is believed."""
    crypto, profile, domain = host.pair.crypto, host.pair.profile(), registry_domain(CHAIN, REGISTRY)
    book, named = AdvertBook(crypto, domain), advert_profile(crypto, profile)
    advert = Advert(
        VERSION, host.pair.owner, named, 5, WALL, WALL + 60, profile.epoch, Load(1, 0, 1, 0), Promised(8, 4, 1, 1, 1)
    )
    for key, sequence, code in (
        (OPERATOR_KEY, 5, None),
        (OWNER_KEY, 6, Code.BAD_ADVERT),
        (OPERATOR_KEY, 4, Code.ADVERT_OUTDATED),
    ):
        said = msgspec.structs.replace(advert, sequence=sequence).signed(crypto, domain, key)
        host.reply = lambda asked, said=said: said.encode()
        asking = fetch_advert(crypto, host, WHERE, host.listing, book)
        if code is None:
            assert drive(asking) == said
        else:
            with refused(code, PeerError):
                drive(asking)
    assert {(asked.service, asked.params) for asked in host.asked} == {(ADVERT, b"")}
