"""Byte windows: long inputs flow, nobody sends more than was allowed, and what is allowed comes back as it is used."""

from __future__ import annotations

import hashlib

import pytest

from tallystick_shared.errors import Code
from tallystick_shared.messages import MAX_INPUT, Input, Window
from tallystick_shared.services import CHAT
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import StreamState
from tallystick_shared.session.windows import DATA_WINDOW, INPUT_WINDOW, Receiving
from tests.shared.pair import Pair

IN = 10**6


def test_a_window_that_does_not_move_yet():
    window = Receiving(100, moving=False)
    assert window.took(80) is None and window.limit == 100
    window.moving = True
    assert window.took(0) == 180


def test_a_window_moves_once_half_of_it_is_used():
    window = Receiving(100)
    assert (window.limit, window.took(49), window.took(1)) == (100, None, 150)
    assert window.took(40) is None and window.took(100) == 290


@pytest.fixture
def pair(crypto):
    made = Pair(crypto)
    made.count = lambda data: 40
    return made.connect()


def inputs(pair):
    return [message for sender, message in pair.wire if sender == "client" and len(message) == 4096 + 17]


@pytest.mark.parametrize("size", [0, 1, INPUT_WINDOW, INPUT_WINDOW + 1, 300_001, MAX_INPUT])
def test_an_input_of_any_size_arrives_whole(pair, size):
    data = hashlib.shake_128(b"input").digest(size)
    before = len(inputs(pair)) + 1  # OPEN is as large
    pair.ask(data)
    pair.pass_time(8)
    assert pair.seen(ev.InputComplete, "provider")[0].data == data
    assert pair.seen(ev.Accepted)
    pieces = max(1, -(-size // 4073))
    assert len(inputs(pair)) - before == 1 << (pieces - 1).bit_length()


def test_no_more_leaves_at_once_than_the_first_window(pair):
    pair.client.open(pair.request(bytes(MAX_INPUT)), 0)
    assert pair.client.streams[1].brought <= INPUT_WINDOW
    pair.settle()
    assert pair.provider.streams[1].incoming.arrived == len(pair.provider.streams[1].input) <= INPUT_WINDOW


def test_an_input_stops_where_it_is_cancelled(pair):
    stream = pair.ask(bytes(MAX_INPUT))
    pair.client.cancel(stream)
    sent = pair.client.streams[stream].brought
    pair.pass_time(3)
    assert pair.client.streams[stream].brought == sent < MAX_INPUT
    assert pair.seen(ev.Finished)[0].amount == 0 and not pair.provider.closed


def test_input_beyond_its_window(pair):
    """Before anybody said that the request may be served."""
    pair._provider_driver = lambda event: None
    pair.client.open(pair.request(bytes(MAX_INPUT)), 0)
    pair.settle()
    held = pair.client.streams[1]
    assert held.window == INPUT_WINDOW and not pair.provider.closed
    pair.client._post(Input(held.brought, bytes(4000), False), 1, at_once=True)
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.TOO_LARGE


def large(pair, size):
    """A stream with so many bytes of output, in few large pieces; money is no hindrance."""
    pair.account.window = pair.account.cap
    stream = pair.ask(b"")
    for at in range(0, size, CHAT.most):
        pair.provider.data(stream, bytes(min(CHAT.most, size - at)), 1)
    return stream


def test_output_waits_for_the_window(pair):
    """A client that takes nothing away gets no more than 256 KiB of it, and what it gets is kept for it."""
    stream = large(pair, 2 * DATA_WINDOW)
    held = pair.provider.streams[stream]
    for _ in range(900):
        pair.now += 0.1
        pair.provider.tick(pair.now)
        pair.provider.outgoing()
    assert DATA_WINDOW - 512 < held.offset <= DATA_WINDOW
    assert held.state is StreamState.RUNNING  # it owes nothing: this is no pause for money


def test_output_of_any_size_flows_as_it_is_taken(pair):
    stream = large(pair, 3 * DATA_WINDOW)
    held = pair.provider.streams[stream]
    pair.provider.finish(stream, "stop")
    most, kept = 0, 0
    for _ in range(4000):
        pair.pass_time(0.1, 0.1)
        most = max(most, held.offset - pair.client.streams[stream].received)
        kept = max(kept, sum(len(one.body) for one in held.sent))
        if pair.seen(ev.Finished):
            break
    assert sum(len(event.data) for event in pair.seen(ev.Output)) == 3 * DATA_WINDOW
    assert most <= DATA_WINDOW and kept <= 2 * DATA_WINDOW


@pytest.mark.parametrize("limit", [0, 2**32 - 1])
def test_a_window_says_what_it_likes(pair, limit):
    """One that shrinks is passed over; one without bounds acknowledges all, which is the client's own loss."""
    stream = large(pair, 5000)
    pair.pass_time(0.5)
    pair.client._post(Window(limit), stream, at_once=True)
    pair.pass_time(0.5)
    held = pair.provider.streams[stream]
    assert not pair.provider.closed and held.window <= held.offset + DATA_WINDOW
    pair.provider.finish(stream, "stop")
    pair.pass_time(3)
    assert pair.seen(ev.Finished)[0].finish == "stop"
