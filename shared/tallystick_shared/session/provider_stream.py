"""One request as its provider sees it: its input, what the engine made of it, and how far that is sent."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from tallystick_shared.errors import Code, PeerError
from tallystick_shared.messages import Data, Input, Open, encode_body
from tallystick_shared.money import Account, Price

from .tables import StreamState

S = StreamState
STARTED = frozenset({S.RUNNING, S.PAUSED})


@dataclass
class ProviderStream:
    """`pending` are pieces of output with the stream's total of units after each, and their kind; `waiting` is the
    amount last asked for in advance.
    """

    open: Open
    price: Price
    state: StreamState = StreamState.OFFERED
    input: bytearray = field(default_factory=bytearray)
    input_units: int = -1
    max_units: int = 0
    manifest: bytes = bytes(32)
    pending: deque[tuple[bytes, int, int]] = field(default_factory=deque)
    queued_units: int = 0
    units: int = 0
    seq: int = 0
    finish: str = ""
    waiting: int = 0
    place: tuple[int, int] = (0, 0)
    paused_since: float | None = None
    acknowledged: int = 0
    complete: bool = False
    accepted: bool = False
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)

    @property
    def started(self) -> bool:
        """True from ACCEPT to the end: it stands on the account."""
        return self.state in STARTED

    def take_input(self, body: Input) -> bytes | None:
        """A piece of the input; all of it with the last one. Raises PeerError PROTOCOL, BAD_MESSAGE."""
        if self.complete:
            raise PeerError(Code.PROTOCOL, type="INPUT")
        self.input += body.data
        if body.offset + len(body.data) != len(self.input) or len(self.input) > self.open.input_length:
            raise PeerError(Code.BAD_MESSAGE, offset=body.offset)
        if not body.fin:
            return None
        if len(self.input) != self.open.input_length:
            raise PeerError(Code.BAD_MESSAGE, length=len(self.input))
        data, self.input, self.complete = bytes(self.input), bytearray(), True
        return data

    def add(self, data: bytes, units: int, kind: int) -> None:
        """Output of the engine, worth `units` more units."""
        self.queued_units += units
        self.pending.append((data, self.queued_units, kind))

    def fills(self, room: int) -> bool:
        """True where what waits fills a record of `room` bytes, or no more will come."""
        if self.finish:
            return True
        size = 0
        for data, _, _ in self.pending:
            size += len(data)
            if size >= room:
                return True
        return False

    def next_data(self, room: int, account: Account) -> bytes | None:
        """The body of the next DATA, at most `room` bytes of output, as far as the account allows; None for none."""
        data, units, kind = bytearray(), self.units, None
        while self.pending:
            piece, total, piece_kind = self.pending[0]
            if kind not in (None, piece_kind) or (data and len(data) + len(piece) > room):
                break
            if not account.allows(self.open.request_id, total):
                break
            self.pending.popleft()
            data += piece[:room]
            kind = piece_kind
            if len(piece) > room:  # its units count with its last part: never more units than bytes so far
                self.pending.appendleft((piece[room:], total, piece_kind))
            else:
                units = total
        if kind is None:
            return None
        self.seq += 1
        self.units = units
        account.deliver(self.open.request_id, units)
        body = encode_body(Data(self.seq, units, kind, bytes(data)))
        self.digest.update(body)
        return body
