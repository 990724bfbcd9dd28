"""Every flow once more, its bytes cut and joined in all ways: the same events.

The transport carries messages, so three things are meant. The bytes of a socket may arrive in any pieces: the WebSocket
layer that the node and the terminal use puts the same messages together again, wherever they are split, also where a
message comes in fragments. The messages may be handed to a session one by one, its events looked at after each, or
many at once. And a message that is not whole, or two that are taken for one, is no message: it is refused.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Ping
from tallystick_shared.session import events as ev
from tests.shared.pair import Pair

CRYPTO = NativeCrypto()
PING = Ping(b"12345678")
SHORT, FULL = 3_000, 60_000
"""Bytes of each flow and direction that are split at every offset."""


class Handed(Pair):
    """A pair whose messages arrive in groups: `group` says how many at once."""

    group: Callable[[], int] = staticmethod(lambda: 10**6)

    def _deliver(self, sender: str, messages: list[bytes]) -> bool:
        messages = list(messages)
        moved = bool(messages)
        while messages:
            count = self.group()
            some, messages = messages[:count], messages[count:]
            super()._deliver(sender, some)
            if messages:
                self._look()
        return moved

    def _look(self) -> None:
        for event in self.provider.events():
            self.provider_events.append(event)
            self._provider_driver(event)
        for event in self.client.events():
            self.client_events.append(event)
            self._client_driver(event)


def answer(pair: Pair) -> Pair:
    stream = pair.ask(b"q" * 300)
    pair.pass_time(0.4)
    pair.engine(stream, 30)
    pair.provider.finish(stream, "stop")
    pair.pass_time(6)
    return pair


def several(pair: Pair) -> Pair:
    streams = [pair.ask(b"q" * 8) for _ in range(9)]
    pair.pass_time(1)
    for stream in streams[:8]:
        pair.engine(stream, 4)
        pair.provider.finish(stream, "length")
    pair.pass_time(6)
    return pair


def long_input(pair: Pair) -> Pair:
    pair.count = lambda data: 40
    stream = pair.ask(b"q" * 200_000)
    pair.pass_time(2)
    pair.provider.finish(stream, "stop")
    pair.pass_time(3)
    return pair


def stopped(pair: Pair) -> Pair:
    stream = pair.ask()
    pair.engine(stream, 40)
    pair.pass_time(0.6)
    pair.client.cancel(stream)
    pair.settle()
    failing = pair.ask()
    pair.pass_time(0.4)
    pair.provider.fail(failing, PeerError(Code.ENGINE_FAILED))
    pair.pass_time(4)
    return pair


def resumed(pair: Pair) -> Pair:
    stream = pair.ask()
    pair.pass_time(0.4)
    pair.engine(stream, 12)
    pair.pass_time(0.2)
    pair.engine(stream, 12)
    pair.now += 0.1
    pair.provider.tick(pair.now)
    pair.break_off()
    wire = pair.wire
    pair = pair.rejoin()
    pair.wire = [*wire, *pair.wire]
    pair.provider.finish(stream, "stop")
    pair.pass_time(6)
    return pair


def closed(pair: Pair) -> Pair:
    answer(pair)
    pair.client.close()
    pair.settle()
    pair.provider.close_ok(bytes(32))
    pair.settle()
    return pair


FLOWS = {flow.__name__: flow for flow in (answer, several, long_input, stopped, resumed, closed)}
flows = pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)


def told(events: list[ev.Event]) -> dict[Any, list[Any]]:
    """What events say, without what is drawn by lot: hashes, ids, salts and signatures. Each stream's in their order,
    and those of the connection in theirs. Of vouchers only the last: a driver that looks earlier has them on disk
    earlier, and what is acknowledged in between may be said at once.
    """
    told: dict[Any, list[Any]] = {}
    for kind, *rest in said(events):
        if "voucher" in kind.lower():
            told[kind] = rest
        else:
            told.setdefault(rest[0], []).append((kind, *rest))
    return told


def said(events: list[ev.Event]) -> list[Any]:
    out: list[Any] = []
    for event in events:
        if isinstance(event, ev.Finished):
            out.append(("finished", event.stream, event.finish, event.units, event.amount, event.receipt.amount))
        elif isinstance(event, ev.Output):
            out.append(("output", event.stream, event.data, event.units))
        elif isinstance(event, ev.Refused):
            out.append(("refused", event.stream, event.error.code, event.retryable))
        elif isinstance(event, ev.VoucherReceived):
            out.append(("voucher", event.voucher.amount))
        elif isinstance(event, ev.InputComplete):
            out.append(("input", event.stream, event.data))
        else:
            out.append((type(event).__name__, getattr(event, "stream", None), getattr(event, "amount", None)))
    return out


def run(flow: Callable[[Pair], Pair], group: Callable[[], int]) -> Pair:
    made = type("Grouped", (Handed,), {"group": staticmethod(group)})(CRYPTO)
    return flow(made.connect())


@flows
def test_messages_one_by_one_or_many_at_once(flow):
    together = run(flow, lambda: 10**6)
    chance = random.Random(7)
    for group in (lambda: 1, lambda: 2, lambda: chance.randint(1, 5)):
        other = run(flow, group)
        assert told(other.client_events) == told(together.client_events)
        assert told(other.provider_events) == told(together.provider_events)
    assert together.seen(ev.Finished)


# -- the bytes below


def received(side: Side, pieces: Iterator[bytes]) -> list[bytes]:
    """The messages that a WebSocket makes of pieces of bytes."""
    socket, messages, message = Protocol(side, state=OPEN, max_size=2**20), [], b""
    for piece in pieces:
        socket.receive_data(piece)
        for frame in socket.events_received():
            assert isinstance(frame, Frame)
            message = frame.data if frame.opcode is Opcode.BINARY else message + frame.data
            if frame.fin:
                messages.append(bytes(message))
    assert socket.parser_exc is None
    return messages


def as_bytes(sender: str, messages: list[bytes], cut: int | None = None) -> bytes:
    """Frames of these messages; each in two fragments, cut at that offset, if one is given."""
    out, mask = [], sender == "client"
    for message in messages:
        if cut is not None and cut < len(message):
            out.append(Frame(Opcode.BINARY, message[:cut], fin=False).serialize(mask=mask))
            out.append(Frame(Opcode.CONT, message[cut:]).serialize(mask=mask))
        else:
            out.append(Frame(Opcode.BINARY, message).serialize(mask=mask))
    return b"".join(out)


@flows
@pytest.mark.parametrize("sender", ["client", "provider"])
def test_bytes_split_at_every_offset_and_joined(flow, sender):
    messages = [message for who, message in run(flow, lambda: 10**6).wire if who == sender]
    side = Side.SERVER if sender == "client" else Side.CLIENT
    whole = as_bytes(sender, messages)
    assert received(side, iter([whole])) == messages
    assert received(side, (whole[at : at + 1] for at in range(len(whole)))) == messages
    most, some = (FULL if os.environ.get("TALLYSTICK_FULL") else SHORT), []
    for message in messages:
        if sum(map(len, some)) < most:
            some.append(message)
    part = as_bytes(sender, some)
    for at in range(len(part) + 1):
        assert received(side, iter([part[:at], part[at:]])) == some
    for cut in range(1, 530):
        assert received(side, iter([as_bytes(sender, some, cut)])) == some


# -- what is no message


@pytest.mark.parametrize("sender", ["client", "provider"])
def test_a_record_in_two_messages_is_none(sender):
    """Cut at any offset: the first part is refused already, and nothing of it is released."""
    for at in range(273):
        pair = Pair(CRYPTO, suite=1).connect()
        end, other = (pair.provider, pair.client) if sender == "client" else (pair.client, pair.provider)
        other._post(PING, at_once=True)
        (message,) = other.outgoing()
        end.receive(message[:at], pair.now)
        assert end.closed
        end.receive(message[at:], pair.now)
        assert [type(event) for event in end.events()] == [ev.Closed]


def test_two_records_in_one_message_are_none():
    pair = Pair(CRYPTO).connect()
    for _ in range(2):
        pair.client._post(PING, at_once=True)
    pair.provider.receive(b"".join(pair.client.outgoing()), pair.now)
    assert pair.provider.closed
