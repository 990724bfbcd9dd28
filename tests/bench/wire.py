"""Bytes on the wire for an answer, from the request to the end of the tail, both directions, headers included.

Ours is counted between two real sessions over a clock that is handed in, so it is the same in every run. The peer is a
real server of events, read by a plain socket, to which the records of TLS are added; it is not padded and not paid.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from tallystick_helper.crypto import NativeCrypto
from tallystick_shared.money import MILLION
from tallystick_shared.session import ClientLimits
from tallystick_shared.session import events as ev
from tests.bench import sse
from tests.bench.row import Row, missing
from tests.bench.tokens import BATCH, EVERY, RATE, words
from tests.shared.pair import PRICE_OUT, Pair

ANSWER = 256
GOAL = 0.6
PROMPT = "Tell me of a lighthouse keeper who repairs watches, and of the ship that passes each night."
AGAINST = "token-by-token server-sent events"
TLS_RECORD = 5 + 1 + 16
"""What a record of TLS 1.3 adds (RFC 8446, section 5.2)."""


def framed(size: int, *, masked: bool) -> int:
    """Bytes of a WebSocket message with its header (RFC 6455, section 5.2); a client's are masked."""
    return size + (2 if size < 126 else 4 if size < 65536 else 10) + (4 if masked else 0)


@dataclass(frozen=True)
class Counted:
    """Bytes down and up."""

    down: int
    up: int

    @property
    def total(self) -> int:
        return self.down + self.up


def ours(low_latency: bool = False) -> Counted:
    """One question on a connection that is ready."""
    window = 2 * RATE * PRICE_OUT // MILLION  # the default: two seconds of output
    pair = Pair(NativeCrypto(), low_latency=low_latency, window=window)
    pair.client.purse.limits = ClientLimits(window, window)
    pair.connect()
    pair.wire.clear()
    stream = pair.ask(PROMPT.encode(), ANSWER)
    made, pieces = 0, words(ANSWER)
    while pair.client.live or pair.provider.next_deadline() is not None or pair.client.next_deadline() is not None:
        if made < ANSWER:
            for piece in pieces[made : made + BATCH]:
                pair.provider.data(stream, piece, 1)
            made += BATCH
            if made >= ANSWER:
                pair.provider.finish(stream, "length")
        pair.pass_time(EVERY)
    text = b"".join(event.data for event in pair.seen(ev.Output) if isinstance(event, ev.Output))
    if text != b"".join(pieces):
        raise RuntimeError("the answer did not come whole")
    down = sum(framed(len(message), masked=False) for sender, message in pair.wire if sender == "provider")
    up = sum(framed(len(message), masked=True) for sender, message in pair.wire if sender == "client")
    return Counted(down, up)


def theirs() -> Counted:
    """The same question to the server of events. TLS is reckoned: a record for each event and its framing."""
    request = sse.post(PROMPT, ANSWER)
    with sse.running() as server, socket.create_connection((sse.HOST, server.port), timeout=30) as plain:
        plain.sendall(request)
        read = b""
        while b"data: [DONE]" not in read[-200:]:
            piece = plain.recv(65536)
            if not piece:
                raise RuntimeError("the events ended early")
            read += piece
    return Counted(len(read) + TLS_RECORD * read.count(b"data: "), len(request) + TLS_RECORD)


def wire_bytes() -> list[Row]:
    """One row: 256 tokens at 50 a second."""
    try:
        mine, plain = ours(), theirs()
    except (OSError, RuntimeError) as error:
        return [missing("wire_bytes", "B", AGAINST, f"≤ {GOAL}", str(error))]
    ratio = mine.total / plain.total
    fast = ours(low_latency=True)
    note = (
        f"{ANSWER} tokens at {RATE}/s; down {mine.down:,}, up {mine.up:,} B (theirs {plain.down:,}, {plain.up:,}); "
        f"low latency {fast.total:,} B"
    )
    against = f"{AGAINST}: {plain.total:,} B"
    return [Row("wire_bytes", mine.total, "B", against, ratio, f"≤ {GOAL}", ratio <= GOAL, 0.0, note)]
