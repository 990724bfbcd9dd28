"""The tables said once more, by hand: a row that is added, lost or bent is noticed, and has to be meant."""

from __future__ import annotations

import pytest

from tallystick_shared.records import Type
from tallystick_shared.session.tables import (
    CLIENT_CONNECTION,
    CLIENT_STREAM,
    DROPPED_CLIENT,
    DROPPED_PROVIDER,
    ENDED,
    LIVE,
    PROVIDER_CONNECTION,
    PROVIDER_STREAM,
    ConnectionState,
    StreamState,
)

C, S = ConnectionState, StreamState
# STATE: records that leave it as it is; records > the next state; …
PAPER = {
    "provider connection": """
        KEYED: PAD PING PONG REKEY; OPEN > GUEST; AUTH > AUTHING; ERROR BYE > CLOSED
        GUEST: PAD INPUT CANCEL PING PONG REKEY; ERROR BYE > CLOSED
        READY: PAD OPEN INPUT VOUCHER CANCEL RESUME WINDOW PING PONG REKEY; CLOSE > DRAINING; ERROR BYE > CLOSED
        DRAINING: PAD VOUCHER CANCEL WINDOW PING PONG REKEY; ERROR BYE > CLOSED
    """,
    "client connection": """
        KEYED: PAD ERROR PING PONG REKEY; BYE > CLOSED
        GUEST: PAD ACCEPT DATA END ERROR PING PONG REKEY; BYE > CLOSED
        AUTHING: PAD ERROR PING PONG REKEY; AUTH_OK > READY; BYE > CLOSED
        READY: PAD ACCEPT DATA VOUCHER_OK END WINDOW ERROR PING PONG REKEY PAY_FIRST; BYE > CLOSED
        DRAINING: PAD ACCEPT DATA VOUCHER_OK END WINDOW ERROR PING PONG REKEY PAY_FIRST; BYE CLOSE_OK > CLOSED
    """,
    "provider stream": """
        IDLE: OPEN RESUME > OFFERED
        OFFERED: WINDOW; INPUT > INPUT; CANCEL > CANCELLED
        INPUT: INPUT WINDOW; CANCEL > CANCELLED
        RUNNING: INPUT WINDOW; CANCEL > CANCELLED
        PAUSED: INPUT WINDOW; CANCEL > CANCELLED
        RESUMED: INPUT WINDOW; CANCEL > CANCELLED
        DETACHED: OPEN RESUME > RESUMED
        CANCELLED: CANCEL WINDOW
        DONE: INPUT CANCEL WINDOW
        FAILED: INPUT CANCEL WINDOW
    """,
    "client stream": """
        INPUT: WINDOW; ACCEPT > RUNNING; END > DONE; ERROR > FAILED
        RUNNING: DATA WINDOW; END > DONE; ERROR > FAILED
        RESUMED: WINDOW; ACCEPT > RUNNING; END > DONE; ERROR > FAILED
        CANCELLED: ACCEPT DATA WINDOW; END > DONE; ERROR > FAILED
        DONE: WINDOW
        FAILED: ACCEPT DATA END WINDOW ERROR
    """,
}
TABLES = {
    "provider connection": (PROVIDER_CONNECTION, C),
    "client connection": (CLIENT_CONNECTION, C),
    "provider stream": (PROVIDER_STREAM, S),
    "client stream": (CLIENT_STREAM, S),
}


def read(paper, states):
    rows = {}
    for line in paper.strip().splitlines():
        state, _, ways = line.strip().partition(": ")
        for way in ways.split("; "):
            kinds, _, after = way.partition(" > ")
            rows |= {(states[state], Type[kind]): states[after or state] for kind in kinds.split()}
    return rows


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_the_one_on_paper(name):
    table, states = TABLES[name]
    assert dict(table) == read(PAPER[name], states)


def test_what_a_broken_connection_makes_of_a_stream():
    lost, kept = (S.OFFERED, S.INPUT, S.CANCELLED), (S.RUNNING, S.PAUSED, S.RESUMED, S.DONE, S.FAILED)
    assert dict(DROPPED_PROVIDER) == dict.fromkeys(lost, S.FAILED) | dict.fromkeys(kept, S.DETACHED)
    resumed, stays = (S.INPUT, S.RUNNING, S.RESUMED), (S.CANCELLED, S.DONE, S.FAILED)
    assert dict(DROPPED_CLIENT) == dict.fromkeys(resumed, S.DETACHED) | {state: state for state in stays}


def test_which_streams_live_and_which_ended():
    assert {S.OFFERED, S.INPUT, S.RUNNING, S.PAUSED, S.RESUMED} == LIVE
    assert {S.DONE, S.FAILED} == ENDED
