"""The state machines: nothing but what stands in the tables, on paper and in real sessions."""

from __future__ import annotations

import pytest

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import BODIES, encode
from tallystick_shared.records import Record, Type
from tallystick_shared.session import events as ev
from tallystick_shared.session.tables import (
    CLIENT_CONNECTION,
    CLIENT_STREAM,
    DROPPED_CLIENT,
    DROPPED_PROVIDER,
    LIVE,
    PROVIDER_CONNECTION,
    PROVIDER_STREAM,
    ConnectionState,
    StreamState,
    advance,
)
from tests.shared.pair import Pair
from tests.shared.test_messages import SAMPLES
from tests.shared.tools import refused

C, S = ConnectionState, StreamState
TABLES = {
    "provider connection": (PROVIDER_CONNECTION, C),
    "client connection": (CLIENT_CONNECTION, C),
    "provider stream": (PROVIDER_STREAM, S),
    "client stream": (CLIENT_STREAM, S),
}
# States that are entered by our own act, not by a record: who enters them.
ENTERED = {
    "provider connection": {C.NEW: "start", C.KEYED: "handshake", C.READY: "accept_auth"},
    "client connection": {
        C.NEW: "start", C.HELLO: "start", C.KEYED: "handshake", C.AUTHING: "authenticate", C.DRAINING: "close",
    },
    "provider stream": {
        S.IDLE: "start", S.RUNNING: "measure", S.PAUSED: "window", S.DONE: "finish", S.FAILED: "fail",
        S.DETACHED: "drop",
    },
    "client stream": {S.INPUT: "open", S.CANCELLED: "cancel", S.FAILED: "give up", S.RESUMED: "drop"},
}  # fmt: skip
tables = pytest.mark.parametrize("name", TABLES)


@tables
def test_every_pair_is_a_row_or_a_protocol_error(name):
    table, states = TABLES[name]
    for state in states:
        for kind in Type:
            if (state, kind) in table:
                assert advance(table, state, kind) is table[state, kind]
            else:
                with refused(Code.PROTOCOL, PeerError):
                    advance(table, state, kind)


@tables
def test_every_state_of_a_row_is_reached(name):
    table, _ = TABLES[name]
    reached = set(ENTERED[name]) | set(table.values())
    assert {state for state, _ in table} <= reached


def test_what_a_client_cancelled_still_ends():
    assert advance(CLIENT_STREAM, S.CANCELLED, Type.END) is S.DONE
    assert advance(CLIENT_STREAM, S.CANCELLED, Type.ERROR) is S.FAILED


def test_nothing_follows_closed():
    for table in (PROVIDER_CONNECTION, CLIENT_CONNECTION):
        assert not [row for row in table if row[0] is C.CLOSED]
        assert C.CLOSED in table.values()


def test_a_provider_reads_nothing_while_it_looks_a_channel_up():
    assert not [row for row in PROVIDER_CONNECTION if row[0] is C.AUTHING]


def test_no_record_moves_an_ended_stream_back():
    for table in (PROVIDER_STREAM, CLIENT_STREAM):
        for (state, _), after in table.items():
            if state in (S.DONE, S.FAILED):
                assert after is state


def test_whatever_a_drop_makes_of_a_stream_it_is_not_lost_on_the_way():
    """Each state has its row; what is detached is taken up by RESUME or OPEN, or wiped, and never stays."""
    assert set(DROPPED_PROVIDER) == set(S) - {S.IDLE, S.DETACHED}
    assert set(DROPPED_CLIENT) == set(S) - {S.IDLE, S.OFFERED, S.PAUSED, S.DETACHED}
    assert set(DROPPED_PROVIDER.values()) == {S.DETACHED, S.FAILED}
    for kind in (Type.RESUME, Type.OPEN):
        assert advance(PROVIDER_STREAM, S.DETACHED, kind) is S.RESUMED


@pytest.mark.parametrize("table", [PROVIDER_STREAM, CLIENT_STREAM], ids=["provider", "client"])
def test_no_state_without_a_way_out(table):
    """By records alone: from wherever a stream can be, some that the other side may send lead to an end."""
    ends, states = {S.DONE, S.FAILED, S.CANCELLED}, {state for state, _ in table}
    out = set(ends)
    while more := {state for (state, _), after in table.items() if after in out} - out:
        out |= more
    assert states <= out


def test_a_live_stream_can_always_be_cancelled():
    assert all((state, Type.CANCEL) in PROVIDER_STREAM for state in LIVE)


# -- the same in real sessions


def record_of(kind: Type) -> Record:
    body = b""
    if kind in BODIES:
        body = encode(next(sample for sample in SAMPLES if type(sample) is BODIES[kind]))
    return Record(kind, 0 if kind in (Type.AUTH, Type.VOUCHER, Type.CLOSE) else 1, body)


@pytest.mark.parametrize("kind", list(Type), ids=lambda kind: kind.name)
@pytest.mark.parametrize("state", [C.KEYED, C.GUEST, C.READY, C.DRAINING], ids=lambda state: state.name)
def test_a_record_out_of_turn_closes_the_provider(crypto, state, kind):
    pair = Pair(crypto).connect()
    pair.provider.state = state
    pair.client._send(record_of(kind))
    pair.provider.receive(pair.client.outgoing()[0], 0.0)
    closed = [event for event in pair.provider.events() if isinstance(event, ev.Closed)]
    if (state, kind) not in PROVIDER_CONNECTION:
        assert closed[0].error.code is Code.PROTOCOL
    assert len(closed) <= 1


@pytest.mark.parametrize("kind", list(Type), ids=lambda kind: kind.name)
@pytest.mark.parametrize("state", [C.KEYED, C.AUTHING, C.READY, C.DRAINING], ids=lambda state: state.name)
def test_a_record_out_of_turn_closes_the_client(crypto, state, kind):
    pair = Pair(crypto).connect()
    pair.client.state = state
    pair.provider._send(record_of(kind))
    pair.client.receive(pair.provider.outgoing()[0], 0.0)
    closed = [event for event in pair.client.events() if isinstance(event, ev.Closed)]
    if (state, kind) not in CLIENT_CONNECTION:
        assert closed[0].error.code is Code.PROTOCOL
    assert len(closed) <= 1


@pytest.mark.parametrize(("number", "fatal"), [(21, True), (0x7F, True), (0x80, False), (0xFF, False)])
def test_unknown_types_are_fatal_below_0x80(crypto, number, fatal):
    pair = Pair(crypto).connect()
    pair.client._send(Record(number, 0, b"whatever"))
    pair.settle()
    assert pair.provider.closed is fatal


@pytest.mark.parametrize("kind", [Type.INPUT, Type.CANCEL], ids=lambda kind: kind.name)
def test_a_stream_that_was_never_opened(crypto, kind):
    pair = Pair(crypto).connect()
    pair.client._send(record_of(kind))
    pair.settle()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.PROTOCOL


@pytest.mark.parametrize("kind", [Type.ACCEPT, Type.DATA, Type.END, Type.ERROR], ids=lambda kind: kind.name)
def test_an_answer_to_a_stream_that_was_never_opened(crypto, kind):
    pair = Pair(crypto).connect()
    pair.provider._send(record_of(kind))
    pair.settle()
    assert pair.seen(ev.Closed)[0].error.code is Code.PROTOCOL


def test_a_stream_number_is_used_once(crypto):
    pair = Pair(crypto).connect()
    pair.ask()
    pair.client._next_stream = 1
    pair.ask()
    assert pair.seen(ev.Closed, "provider")[0].error.code is Code.PROTOCOL
