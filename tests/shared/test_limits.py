"""The table of limits: complete, plain, and the one that everybody reads."""

from __future__ import annotations

from tallystick_shared import limits, messages, records
from tallystick_shared.errors import WIRE_CODES_END
from tallystick_shared.limits import KIB, LIMITS, MIB, Limit
from tallystick_shared.session import peer, provider, serving

DESIGN = {
    "header_deadline": 4.0,
    "auth_deadline": 5.0,
    "strangers_per_address": 8,
    "strangers_per_neighbourhood": 64,
    "strangers": 256,
    "handshakes_per_address": 2.0,
    "handshake_burst": 10,
    "handshakes": 500.0,
    "parked": 4.0,
    "expiry_margin": 7200,
    "connections_per_channel": 4,
    "streams": 8,
    "prompt": MIB,
    "attachments": 16 * MIB,
    "message": 16_448,
    "send_queue": 256 * KIB,
    "input_window": 64 * KIB,
    "kept_bytes": 256 * KIB,
    "kept_streams": 8,
    "kept_in_all": 64 * MIB,
    "kept_time": 120.0,
    "kept_slot": 5.0,
    "idle": 600.0,
    "session": 3600.0,
}
"""Section 7 of the protocol, written down a second time."""


def test_what_the_protocol_says():
    values = {limit.name: limit.value for limit in LIMITS}
    assert {name: values[name] for name in DESIGN} == DESIGN


def test_every_limit_stands_in_the_table_once():
    defined = {value for value in vars(limits).values() if isinstance(value, Limit)}
    assert set(LIMITS) == defined and len(LIMITS) == len({limit.name for limit in LIMITS}) == len(defined)
    assert all(vars(limits)[limit.name.upper()] is limit for limit in LIMITS)


def test_every_row_can_be_read():
    for limit in LIMITS:
        assert limit.value > 0 and limit.what and limit.unit and limit.beyond
        assert limit.code is None or limit.code < WIRE_CODES_END


def test_sessions_go_by_it():
    assert limits.MESSAGE.value == records.MAX_MESSAGE
    assert (limits.PROMPT.value, limits.PARAMS.value) == (messages.MAX_INPUT, messages.MAX_PARAMS)
    assert limits.RECORD_QUEUE.value == peer.MAX_QUEUE
    assert limits.AUTH_BACKLOG.value == provider.MAX_BACKLOG
    assert limits.STREAMS.value == provider.MAX_STREAMS
    assert limits.PAUSE.value == serving.PAUSE_LIMIT
