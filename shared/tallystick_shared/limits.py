"""Every limit of a connection, once: what the node enforces, what sessions check, and what the documents say.

Section 7 of the protocol. A row tells what is limited, how much of it is allowed, what happens beyond, and the error
code that the other side reads where it can be told anything at all. Those with a `setting` may be changed by the
node's owner (`TALLYSTICK_LISTEN__…`); the value here is what holds where nothing is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from .errors import Code

N = TypeVar("N", int, float)
KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Limit(Generic[N]):
    """One limit. `unit` is that of `value`: s, B, a second, or what is counted."""

    name: str
    what: str
    value: N
    unit: str
    beyond: str
    """What happens where it is exceeded."""
    code: Code | None = None
    """What the other side is told; None where the connection has no key yet, or does not read."""
    setting: str = ""
    """The node's setting that changes it, as it stands in the file; empty where none does."""


_CUT = "the connection is cut"
_END = "the connection ends"
_OLDEST = "the oldest of them goes, never the newest"

# -- a stranger: a connection whose channel is not accepted yet

HEADER_DEADLINE = Limit("header_deadline", "from TCP to the end of the WebSocket's headers", 4.0, "s", _CUT)
AUTH_DEADLINE = Limit("auth_deadline", "from the WebSocket to AUTH or a guest's OPEN", 5.0, "s", _END, Code.TIMED_OUT)
STRANGERS_PER_ADDRESS = Limit(
    "strangers_per_address",
    "unauthenticated connections of an IPv4 address, or an IPv6 /64",
    8,
    "connections",
    _OLDEST,
    Code.TOO_MANY_CONNECTIONS,
    "listen.unauthenticated_per_address",
)
STRANGERS_PER_NEIGHBOURHOOD = Limit(
    "strangers_per_neighbourhood",
    "unauthenticated connections of an IPv4 /24, or an IPv6 /48",
    64,
    "connections",
    _OLDEST,
    Code.TOO_MANY_CONNECTIONS,
    "listen.unauthenticated_per_neighbourhood",
)
STRANGERS = Limit(
    "strangers",
    "unauthenticated connections in all",
    256,
    "connections",
    _OLDEST,
    Code.TOO_MANY_CONNECTIONS,
    "listen.unauthenticated",
)
TICKET_HOLDERS = Limit(
    "ticket_holders",
    "unauthenticated connections that showed a ticket: no strangers, but a pool of their own",
    256,
    "connections",
    _OLDEST,
    Code.TOO_MANY_CONNECTIONS,
    "listen.ticket_holders",
)
HANDSHAKES_PER_ADDRESS = Limit(
    "handshakes_per_address",
    "handshakes of an IPv4 address, or an IPv6 /64, after the first ten",
    2.0,
    "a second",
    "refused before any cryptography",
    Code.TOO_MANY_CONNECTIONS,
    "listen.handshakes_per_address",
)
HANDSHAKE_BURST = Limit(
    "handshake_burst",
    "handshakes of an address at once",
    10,
    "handshakes",
    "refused before any cryptography",
    Code.TOO_MANY_CONNECTIONS,
    "listen.handshake_burst",
)
HANDSHAKES = Limit(
    "handshakes",
    "handshakes in all, but of those who show a ticket",
    500.0,
    "a second",
    "refused before it is answered",
    Code.TOO_MANY_CONNECTIONS,
    "listen.handshakes",
)
AUTH_BACKLOG = Limit("auth_backlog", "what waits while a channel is looked up", 64 * KIB, "B", _END, Code.TOO_LARGE)

# -- a channel

PARKED = Limit(
    "parked", "how long AUTH waits for a channel that is not on chain yet", 4.0, "s", "refused, to be tried again",
    Code.UNKNOWN_CHANNEL,
)  # fmt: skip
BACKFILL_IDS = Limit(
    "backfill_ids", "channels that one call of `channelsOf` reads", 100, "channels", "the others wait for the next call"
)
BACKFILL_CALLS = Limit(
    "backfill_calls",
    "calls that look for unknown channels, after the first ten",
    2.0,
    "a second",
    "whoever is not looked up in time is refused, to be tried again",
    Code.UNKNOWN_CHANNEL,
)
BACKFILL_BURST = Limit(
    "backfill_burst", "such calls at once", 10, "calls", "the others wait for the next call", Code.UNKNOWN_CHANNEL
)
P256_REST = Limit(
    "p256_rest",
    "between two questions to the chain whether it verifies P-256, while it does not",
    60.0,
    "s",
    "such a channel is refused unasked",
    Code.UNCLAIMABLE,
)
EXPIRY_MARGIN = Limit(
    "expiry_margin",
    "a channel is served no nearer than this to its end",
    7200,
    "s",
    _END,
    Code.CHANNEL_EXPIRING,
    "money.expiry_margin",
)
CONNECTIONS_PER_CHANNEL = Limit(
    "connections_per_channel",
    "connections of one channel",
    4,
    "connections",
    "the one that was silent longest goes",
    Code.TOO_MANY_CONNECTIONS,
    "listen.connections_per_channel",
)

# -- a connection whose channel is accepted

_REFUSED = "the stream is refused"
STREAMS = Limit("streams", "streams of a connection", 8, "streams", _REFUSED, Code.TOO_MANY_STREAMS)
PAUSE = Limit("pause", "a stream waits for a voucher", 5.0, "s", "it ends as `interrupted`")
MESSAGE = Limit("message", "a WebSocket message", 16_448, "B", _END, Code.TOO_LARGE)
FRAMES = Limit("frames", "frames of one WebSocket message", 16, "frames", _CUT)
MESSAGES_AT_ONCE = Limit("messages_at_once", "WebSocket messages that came and are not read", 1024, "messages", _CUT)
CONTROL_FRAMES = Limit("control_frames", "WebSocket PING and PONG, after the first sixteen", 1.0, "a second", _CUT)
CONTROL_BURST = Limit("control_burst", "such frames at once", 16, "frames", _CUT)
PROMPT = Limit("prompt", "the input of a request, where it is text", MIB, "B", _REFUSED, Code.PROMPT_TOO_LONG)
ATTACHMENTS = Limit(
    "attachments", "the input of a request, where it is more than text", 16 * MIB, "B", _REFUSED, Code.PROMPT_TOO_LONG
)
INPUTS = Limit(
    "inputs", "the inputs of all requests that are under way, by the length that OPEN tells", 256 * MIB, "B",
    "the oldest that is not whole, of the channel that holds most, is refused, to be tried again", Code.BUSY,
)  # fmt: skip
REQUESTS = Limit(
    "requests", "requests of a channel whose ids are remembered", 4096, "requests",
    "the one that began first is forgotten; its id would be taken for a new one",
)  # fmt: skip
PARAMS = Limit("params", "the parameters of a request", 8 * KIB, "B", _END, Code.BAD_MESSAGE)
SEND_QUEUE = Limit("send_queue", "what waits for a client that does not read", 256 * KIB, "B", _CUT)
RECORD_QUEUE = Limit("record_queue", "records that wait for their beat", 256, "records", _END, Code.TOO_LARGE)
INPUT_WINDOW = Limit(
    "input_window", "input of a stream that may come before more is allowed", 64 * KIB, "B", _END, Code.TOO_LARGE
)
DATA_WINDOW = Limit(
    "data_window", "output of a stream that is under way and not acknowledged", 256 * KIB, "B", "the stream waits"
)

# -- what is given away (`[trial]`)

TRIAL_INPUT = Limit("trial_input", "the input of a free question", 16 * KIB, "B", _REFUSED, Code.PROMPT_TOO_LONG)
TRIAL_TIME = Limit(
    "trial_time",
    "a free question, from OPEN to its end, its wait for a slot included",
    120.0,
    "s",
    _END,
    Code.TIMED_OUT,
)
TRIAL_AT_ONCE = Limit(
    "trial_at_once", "free questions of an IPv4 address, or an IPv6 /64, at the same time", 1, "streams", _REFUSED,
    Code.BUSY,
)  # fmt: skip

# -- a stream whose connection broke

_WIPED = "the oldest is settled and overwritten"
KEPT_BYTES = Limit("kept_bytes", "output of one stream that waits for RESUME", 256 * KIB, "B", "it is not kept")
KEPT_STREAMS = Limit("kept_streams", "streams of one channel that wait for RESUME", 8, "streams", _WIPED)
KEPT_IN_ALL = Limit("kept_in_all", "output of all streams that wait for RESUME", 64 * MIB, "B", _WIPED)
KEPT_TIME = Limit("kept_time", "how long a stream waits for RESUME", 120.0, "s", "it is settled and overwritten")
KEPT_SLOT = Limit("kept_slot", "how long its engine goes on, within the window", 5.0, "s", "it ends as `interrupted`")

# -- time

IDLE = Limit("idle", "silence of a client; PAD, PING and PONG break none", 600.0, "s", _END, Code.TIMED_OUT)
SESSION = Limit("session", "a connection's life", 3600.0, "s", _END, Code.TIMED_OUT)
FAREWELL = Limit("farewell", "from the end of a connection to that of its socket, without a byte read", 2.0, "s", _CUT)

ADVERT = Limit("advert", "the life of an operator's advert", 3600.0, "s", "a client takes it no more")

LIMITS: tuple[Limit[int] | Limit[float], ...] = (
    HEADER_DEADLINE,
    AUTH_DEADLINE,
    STRANGERS_PER_ADDRESS,
    STRANGERS_PER_NEIGHBOURHOOD,
    STRANGERS,
    TICKET_HOLDERS,
    HANDSHAKES_PER_ADDRESS,
    HANDSHAKE_BURST,
    HANDSHAKES,
    AUTH_BACKLOG,
    PARKED,
    BACKFILL_IDS,
    BACKFILL_CALLS,
    BACKFILL_BURST,
    P256_REST,
    EXPIRY_MARGIN,
    CONNECTIONS_PER_CHANNEL,
    STREAMS,
    PAUSE,
    MESSAGE,
    FRAMES,
    MESSAGES_AT_ONCE,
    CONTROL_FRAMES,
    CONTROL_BURST,
    PROMPT,
    ATTACHMENTS,
    INPUTS,
    REQUESTS,
    PARAMS,
    SEND_QUEUE,
    RECORD_QUEUE,
    INPUT_WINDOW,
    DATA_WINDOW,
    TRIAL_INPUT,
    TRIAL_TIME,
    TRIAL_AT_ONCE,
    KEPT_BYTES,
    KEPT_STREAMS,
    KEPT_IN_ALL,
    KEPT_TIME,
    KEPT_SLOT,
    IDLE,
    SESSION,
    FAREWELL,
    ADVERT,
)
"""All of them, in the order in which a connection meets them."""
