"""The state machines, as data.

A connection is one line: greeted, keyed, then (once a channel is proven) ready for streams, until one side says
goodbye.

    NEW → HELLO → KEYED → AUTHING → READY → DRAINING → CLOSED

or, without a channel, opens the one stream that a guest has (`guest`):

    KEYED → GUEST → CLOSED

That stream is answered at once, or, where it asks for what a provider gives away (`trial`), runs like any other: with
input and CANCEL, at no price.

A stream is one request: offered, its input brought, running (paused while the client owes a full window), and one
of three ends.

    IDLE → OFFERED → INPUT → RUNNING ⇄ PAUSED → DONE | CANCELLED | FAILED

A connection that breaks leaves its streams detached. One that was accepted waits for RESUME on a new connection, where
it goes on as if nothing had happened; one that was not is opened again under the same request id.

    any → DETACHED → RESUMED → RUNNING | DONE | CANCELLED | FAILED

Each table maps (state, type of the record that arrives) to the next state. What is not in a table is a fault of
the peer and closes the
connection. While AUTHING the provider reads nothing, so its table has no row there; the client meanwhile sends
ahead. Rows that lead to the
same state are records that may arrive late: DATA that was under way when CANCEL left, a CANCEL that crossed with END.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeVar

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.records import Type


class ConnectionState(Enum):
    NEW = auto()
    HELLO = auto()
    KEYED = auto()
    GUEST = auto()
    AUTHING = auto()
    READY = auto()
    DRAINING = auto()
    CLOSED = auto()


class StreamState(Enum):
    IDLE = auto()
    OFFERED = auto()
    INPUT = auto()
    RUNNING = auto()
    PAUSED = auto()
    DONE = auto()
    CANCELLED = auto()
    FAILED = auto()
    DETACHED = auto()
    RESUMED = auto()


C, S = ConnectionState, StreamState

LIVE = frozenset({S.OFFERED, S.INPUT, S.RUNNING, S.PAUSED, S.RESUMED})
ENDED = frozenset({S.DONE, S.FAILED})

DROPPED_PROVIDER: Mapping[StreamState, StreamState] = {
    **dict.fromkeys((S.OFFERED, S.INPUT, S.CANCELLED), S.FAILED),
    **dict.fromkeys((S.RUNNING, S.PAUSED, S.RESUMED, *ENDED), S.DETACHED),
}
"""What a broken connection makes of a provider's stream. One that ended is kept until its END was heard."""

DROPPED_CLIENT: Mapping[StreamState, StreamState] = {
    S.INPUT: S.DETACHED,
    S.RUNNING: S.DETACHED,
    S.RESUMED: S.DETACHED,
    S.CANCELLED: S.CANCELLED,
    **{state: state for state in ENDED},
}
"""The same for a client's. What it cancelled stays cancelled, and is resumed only to hear what it cost."""

ANY_TIME = (Type.PAD, Type.PING, Type.PONG, Type.REKEY)

PROVIDER_CONNECTION: Mapping[tuple[ConnectionState, Type], ConnectionState] = {
    **{(state, kind): state for state in (C.KEYED, C.GUEST, C.READY, C.DRAINING) for kind in ANY_TIME},
    (C.KEYED, Type.AUTH): C.AUTHING,
    (C.KEYED, Type.OPEN): C.GUEST,
    (C.GUEST, Type.INPUT): C.GUEST,
    (C.GUEST, Type.CANCEL): C.GUEST,
    (C.READY, Type.OPEN): C.READY,
    (C.READY, Type.INPUT): C.READY,
    (C.READY, Type.VOUCHER): C.READY,
    (C.READY, Type.CANCEL): C.READY,
    (C.READY, Type.RESUME): C.READY,
    (C.READY, Type.WINDOW): C.READY,
    (C.READY, Type.CLOSE): C.DRAINING,
    (C.DRAINING, Type.WINDOW): C.DRAINING,
    (C.DRAINING, Type.VOUCHER): C.DRAINING,
    (C.DRAINING, Type.CANCEL): C.DRAINING,
    **{(state, Type.BYE): C.CLOSED for state in (C.KEYED, C.GUEST, C.READY, C.DRAINING)},
    **{(state, Type.ERROR): C.CLOSED for state in (C.KEYED, C.GUEST, C.READY, C.DRAINING)},
}

CLIENT_CONNECTION: Mapping[tuple[ConnectionState, Type], ConnectionState] = {
    **{(state, kind): state for state in (C.KEYED, C.GUEST, C.AUTHING, C.READY, C.DRAINING) for kind in ANY_TIME},
    **{(C.GUEST, kind): C.GUEST for kind in (Type.ACCEPT, Type.DATA, Type.END)},
    (C.AUTHING, Type.AUTH_OK): C.READY,
    **{
        (state, kind): state
        for state in (C.READY, C.DRAINING)
        for kind in (Type.ACCEPT, Type.DATA, Type.END, Type.VOUCHER_OK, Type.PAY_FIRST, Type.WINDOW)
    },
    (C.DRAINING, Type.CLOSE_OK): C.CLOSED,
    **{(state, Type.BYE): C.CLOSED for state in (C.KEYED, C.GUEST, C.AUTHING, C.READY, C.DRAINING)},
    **{(state, Type.ERROR): state for state in (C.KEYED, C.GUEST, C.AUTHING, C.READY, C.DRAINING)},
}

PROVIDER_STREAM: Mapping[tuple[StreamState, Type], StreamState] = {
    (S.IDLE, Type.OPEN): S.OFFERED,
    (S.IDLE, Type.RESUME): S.OFFERED,
    (S.OFFERED, Type.INPUT): S.INPUT,
    (S.INPUT, Type.INPUT): S.INPUT,
    (S.DETACHED, Type.RESUME): S.RESUMED,
    (S.DETACHED, Type.OPEN): S.RESUMED,
    **{(state, Type.INPUT): state for state in (S.RESUMED, S.RUNNING, S.PAUSED, *ENDED)},
    **{(state, Type.CANCEL): S.CANCELLED for state in LIVE},
    **{(state, Type.CANCEL): state for state in (S.CANCELLED, *ENDED)},
    **{(state, Type.WINDOW): state for state in (*LIVE, S.CANCELLED, *ENDED)},
}

CLIENT_STREAM: Mapping[tuple[StreamState, Type], StreamState] = {
    (S.INPUT, Type.ACCEPT): S.RUNNING,
    (S.RUNNING, Type.DATA): S.RUNNING,
    (S.RESUMED, Type.ACCEPT): S.RUNNING,
    (S.CANCELLED, Type.ACCEPT): S.CANCELLED,
    (S.CANCELLED, Type.DATA): S.CANCELLED,
    **{(state, Type.END): S.DONE for state in (S.INPUT, S.RUNNING, S.RESUMED, S.CANCELLED)},
    **{(state, Type.ERROR): S.FAILED for state in (S.INPUT, S.RUNNING, S.RESUMED, S.CANCELLED)},
    **{(state, Type.WINDOW): state for state in (S.INPUT, S.RUNNING, S.RESUMED, S.CANCELLED, *ENDED)},
    **{(S.FAILED, kind): S.FAILED for kind in (Type.ACCEPT, Type.DATA, Type.END, Type.ERROR)},
}

State = TypeVar("State", ConnectionState, StreamState)


def advance(table: Mapping[tuple[State, Type], State], state: State, kind: Type) -> State:
    """The next state. Raises PeerError PROTOCOL where the table has no such row."""
    try:
        return table[state, kind]
    except KeyError:
        raise PeerError(Code.PROTOCOL, state=state.name, type=kind.name) from None
