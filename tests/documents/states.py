"""The state machines, drawn and written out from `session/tables.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from contracts.reference import table
from tallystick_shared.records import Type
from tallystick_shared.session import tables
from tallystick_shared.session.tables import ConnectionState, StreamState
from tests.documents.svg import Edge, draw

C, S = ConnectionState, StreamState
Table = Mapping[tuple[Any, Type], Any]

HEAD = """# The protocol's states

*Made by `./run docs` from `shared/tallystick_shared/session/tables.py`; the test run fails where it is stale.*

A connection has a state, and each stream on it has one, at either end. A table says what may arrive in which state and
what the next state is. **Whatever is not in the table is a fault of the peer: it is told PROTOCOL, and the connection
closes.** So is an unknown type of record below `0x80`; those above are skipped, for a later version's sake. Record
types are described in [the wire format](wire.md).

In the pictures a whole line is a record that arrives, a dashed one a move of one's own side: something was sent, a
timer ran out, the driver decided. What may arrive and leaves the state as it is stands in the tables only.
"It breaks" speaks of the connection: a stream may outlive it, detached, until RESUME takes it up on another.
"""


@dataclass(frozen=True)
class Picture:
    """One table: the file's name, a title, whose it is, and the moves of one's own side as (from, to, words)."""

    name: str
    title: str
    table: Table
    states: type[Enum]
    own: tuple[tuple[Any, Any, str], ...]

    def grouped(self) -> list[tuple[Any, Any, str]]:
        """(state, next state, types of records), in the order of the states and of the types: a set's order is none."""
        order, found = list(self.states), {}
        for (state, kind), after in self.table.items():
            found.setdefault((order.index(state), order.index(after)), []).append(kind)
        return [
            (order[state], order[after], ", ".join(kind.name for kind in sorted(kinds)))
            for (state, after), kinds in sorted(found.items())
        ]

    def edges(self) -> list[Edge]:
        arriving = [
            Edge(source.name, target.name, kinds, False)
            for source, target, kinds in self.grouped()
            if source is not target
        ]
        return arriving + [Edge(source.name, target.name, words, True) for source, target, words in self.own]

    def drawn(self) -> str:
        return draw(self.title, [state.name for state in self.states], self.edges())

    def rows(self) -> list[tuple[str, str, str]]:
        """(state, record types, next state), states in their order."""
        return [
            (f"`{state.name}`", kinds, "stays" if state is after else f"`{after.name}`")
            for state, after, kinds in self.grouped()
        ]


def dropped(moves: Mapping[StreamState, StreamState]) -> tuple[tuple[StreamState, StreamState, str], ...]:
    """What a broken connection makes of a stream, in the order of the states."""
    order = list(StreamState)
    return tuple(
        (state, moves[state], "it breaks") for state in sorted(moves, key=order.index) if moves[state] is not state
    )


PICTURES = (
    Picture(
        "states-client-connection",
        "A connection, as the client holds it",
        tables.CLIENT_CONNECTION,
        C,
        (
            (C.NEW, C.HELLO, "HELLO is sent"),
            (C.HELLO, C.KEYED, "the handshake's second message"),
            (C.KEYED, C.GUEST, "a guest's OPEN is sent"),
            (C.KEYED, C.AUTHING, "AUTH is sent"),
            (C.READY, C.DRAINING, "CLOSE is sent"),
            (C.HELLO, C.CLOSED, "refused"),
        ),
    ),
    Picture(
        "states-provider-connection",
        "A connection, as the provider holds it",
        tables.PROVIDER_CONNECTION,
        C,
        (
            (C.NEW, C.KEYED, "HELLO and the first message; the second is sent"),
            (C.GUEST, C.CLOSED, "END is sent"),
            (C.AUTHING, C.READY, "the channel is good: AUTH_OK is sent"),
            (C.AUTHING, C.CLOSED, "refused"),
            (C.DRAINING, C.CLOSED, "CLOSE_OK is sent"),
        ),
    ),
    Picture(
        "states-client-stream",
        "A stream, as the client holds it",
        tables.CLIENT_STREAM,
        S,
        (
            (S.IDLE, S.INPUT, "OPEN and INPUT are sent"),
            (S.INPUT, S.CANCELLED, "CANCEL is sent"),
            (S.RUNNING, S.CANCELLED, "CANCEL is sent"),
            (S.RESUMED, S.CANCELLED, "CANCEL is sent"),
            (S.DETACHED, S.RESUMED, "RESUME is sent"),
            (S.DETACHED, S.INPUT, "OPEN is sent again"),
            *dropped(tables.DROPPED_CLIENT),
        ),
    ),
    Picture(
        "states-provider-stream",
        "A stream, as the provider holds it",
        tables.PROVIDER_STREAM,
        S,
        (
            (S.INPUT, S.RUNNING, "counted and paid for: ACCEPT is sent"),
            (S.RUNNING, S.PAUSED, "a full window is owed"),
            (S.PAUSED, S.RUNNING, "a voucher is on disk"),
            (S.RUNNING, S.DONE, "END is sent"),
            (S.CANCELLED, S.DONE, "END is sent"),
            (S.RUNNING, S.FAILED, "ERROR is sent"),
            (S.INPUT, S.FAILED, "ERROR is sent"),
            (S.RESUMED, S.RUNNING, "DATA goes on"),
            *dropped(tables.DROPPED_PROVIDER),
        ),
    ),
)


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for picture in PICTURES:
        parts.append(f"\n## {picture.title}\n\n![{picture.title}](../img/{picture.name}.svg)\n\n")
        parts.append(table(("state", "arrives", "then"), *picture.rows()) + "\n")
    return "".join(parts)
