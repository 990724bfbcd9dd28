"""While the cadence runs every record has its class's size and beat, whatever happens inside."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Ping, encode_body
from tallystick_shared.records import LOW_LATENCY, RICH, Record, Type
from tallystick_shared.session import events as ev
from tallystick_shared.session.shape import BULK, FAREWELL_LIMIT, shape_of
from tallystick_shared.session.tables import LIVE, ConnectionState
from tests.shared.eavesdropper import OVERHEAD, Tapped, check
from tests.shared.pair import WINDOW

CRYPTO = NativeCrypto()
OUT = 4 * 10**6
CLASSES = [0, RICH, LOW_LATENCY]
runs = settings(max_examples=300 if os.environ.get("TALLYSTICK_FULL") else 40, deadline=None)

pick = st.integers(0, 7)
moments = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 9000), st.sampled_from([1, 30, 1000])),
    st.tuples(st.just("make"), pick, st.integers(1, 40), st.sampled_from([1, 4, 600, 4000])),
    st.tuples(st.just("finish"), pick),
    st.tuples(st.just("fail"), pick),
    st.tuples(st.just("cancel"), pick),
    st.tuples(st.just("ping"), st.booleans()),
    st.tuples(st.just("disk"), st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.01, 0.1, 0.3, 0.5, 1.1, 4.0])),
)


class Life(Tapped):
    """Does what hypothesis thinks of."""

    slow = 0.0
    """Seconds for which the disk has kept a voucher waiting."""

    def live(self, at: int) -> int | None:
        numbers = [number for number, held in self.provider.streams.items() if held.state in LIVE]
        return numbers[at % len(numbers)] if numbers else None

    def do(self, what: str, *how: int) -> None:
        if what == "ask":
            if sum(held.state in LIVE for held in self.client.streams.values()) < 9:  # one more than are served
                self.ask(b"q" * how[0], how[1])
        elif what == "wait":
            # A tail waits for a voucher on its way to the disk, but not for ever: what is later is told when it comes.
            self.slow = 0.0 if self.durable else self.slow + how[0]
            if self.slow >= FAREWELL_LIMIT - 1:
                self.disk(True)
            self.let_pass(how[0])
        elif what == "disk":
            self.disk(bool(how[0]))
        elif what == "ping":
            side = self.client if how[0] else self.provider
            if self.client.live and not side._queue:  # at rest an answer would leave at once, as it may
                side._later(Record(Type.PING, 0, encode_body(Ping(bytes(8)))))
        elif (stream := self.live(how[0])) is not None:
            self.touch(stream, what, *how[1:])
        self.settle()

    def touch(self, stream: int, what: str, *how: int) -> None:
        if what == "make":
            held = self.provider.streams[stream]
            self.engine(stream, min(how[0], held.max_units - held.queued_units), b"w" * how[1])
        elif what == "finish":
            self.provider.finish(stream, "stop")
        elif what == "fail":
            self.provider.fail(stream, PeerError(Code.ENGINE_FAILED))
        elif what == "cancel" and self.client.streams[stream].state in LIVE:
            self.cancel(stream)

    def disk(self, durable: bool) -> None:
        self.durable = durable
        received = [event for event in self.provider_events if isinstance(event, ev.VoucherReceived)]
        if durable and received and received[-1].voucher.amount > self.provider.account.durable:
            self.provider.voucher_durable(received[-1].voucher)

    def bring_to_an_end(self) -> None:
        self.disk(True)
        for _ in range(400):
            if not self.client.live:
                break
            for number, held in list(self.provider.streams.items()):
                if held.state in LIVE:
                    self.provider.finish(number, "stop")
                    if not held.started:
                        self.provider.fail(number, PeerError(Code.BUSY))
            self.let_pass(0.5)
        assert not self.client.live
        self.rest()


def begun(flags: int, window: int, service: str = "chat") -> Life:
    pair = Life(CRYPTO, flags=flags, window=window).connect()
    assert isinstance(pair, Life)
    pair.seen_by.clear()
    pair.ask()
    return pair


@given(flags=st.sampled_from(CLASSES), window=st.sampled_from([0, OUT, 10 * OUT, WINDOW]), life=st.lists(moments))
@runs
def test_every_record_has_its_size_and_its_beat(flags, window, life):
    pair = begun(flags, window)
    for what, *how in life:
        pair.do(what, *how)
        if pair.client.live:
            assert pair.provider._cadence.running and pair.client._cadence.running
    pair.bring_to_an_end()
    assert pair.provider.state is pair.client.state is ConnectionState.READY
    check(pair, shape_of(flags, "chat"))


pieces = st.lists(st.tuples(st.integers(1, 60), st.floats(0, 0.2)), min_size=1, max_size=25)


def spoken(flags: int, said: list[tuple[int, float]], question: int) -> list[tuple[float, str, int]]:
    """What is seen of an answer in such pieces, each so long after the last, that ends after 3 s."""
    pair = begun(flags, WINDOW)
    pair.lengths.clear()
    pair.let_pass(0.01)
    pair.ask(b"q" * question)
    pair.let_pass(0.6)
    left = 3.0
    for size, wait in said:
        pair.provider.data(2, b"w" * size, 1)
        pair.let_pass(min(wait, left))
        left -= min(wait, left)
    pair.let_pass(left)
    for stream in (1, 2):
        pair.provider.finish(stream, "stop")
    pair.rest()
    return pair.view()


@given(flags=st.sampled_from(CLASSES), one=pieces, other=pieces, lengths=st.tuples(*[st.integers(0, 4073)] * 2))
@runs
def test_two_answers_of_one_length_class_cannot_be_told_apart(flags, one, other, lengths):
    assert spoken(flags, one, lengths[0]) == spoken(flags, other, lengths[1])


@given(life=st.lists(moments), window=st.sampled_from([10 * OUT, WINDOW]))
@runs
def test_bulk_has_one_size_each_way(life, window):
    pair = begun_bulk(window)
    for what, *how in life:
        if what == "make":
            how[2] *= 64  # an image has some bytes
        if what != "ask":
            pair.do(what, *how)
    pair.bring_to_an_end()
    assert {seen.size for seen in pair.heard("provider")} == {BULK.down.size + OVERHEAD}
    assert {seen.size for seen in pair.heard("client")} == {BULK.up.size + OVERHEAD}


def begun_bulk(window: int) -> Life:
    pair = Life(CRYPTO, window=window).connect()
    assert isinstance(pair, Life)
    pair.seen_by.clear()
    pair.ask(b"a picture", 1000, "images")
    return pair


@pytest.mark.parametrize("flags", CLASSES)
def test_the_checker_sees_what_is_off(flags):
    """The control: one record at once, one too large, one beat left out, one beat too many in the tail."""
    for spoil in (
        lambda pair: pair.provider._send(Record(Type.PAD, 0, b"")),
        lambda pair: pair.client._send(Record(Type.PAD, 0, b"")),
        lambda pair: pair.provider._queue.append(Record(Type.PAD, 0, bytes(5000))),
        lambda pair: setattr(pair.provider._cadence, "next", pair.provider._cadence.next + 0.01),
        lambda pair: setattr(pair.provider._cadence, "count", pair.provider._cadence.count + 1),
    ):
        pair = begun(flags, WINDOW)
        pair.let_pass(0.93)
        spoil(pair)
        pair.settle()
        pair.bring_to_an_end()
        with pytest.raises((AssertionError, ValueError)):
            check(pair, shape_of(flags, "chat"))
