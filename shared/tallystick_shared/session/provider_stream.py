"""One request as its provider sees it: its input, what the engine made of it, how far that is sent, and what of it may
have to be sent again.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field

from tallystick_shared.errors import Code, PeerError, TallystickError
from tallystick_shared.messages import Data, Input, Open, ResumeAt, amount_int, encode_body
from tallystick_shared.money import Account, Price
from tallystick_shared.records import Type

from .tables import StreamState
from .windows import DATA_WINDOW, INPUT_WINDOW, Receiving

S = StreamState
STARTED = frozenset({S.RUNNING, S.PAUSED, S.RESUMED, S.DETACHED})


@dataclass
class Sent:
    """A DATA that left and is not acknowledged: its seq, units and bytes of the stream with it, and its body."""

    seq: int
    units: int
    offset: int
    body: bytearray


@dataclass
class ProviderStream:
    """`pending` are pieces of output with the stream's total of units after each, and their kind; `waiting` is the
    amount last asked for in advance; `again` is the seq from which DATA is sent once more, 0 where it is not; `ending`
    is the END or ERROR that left.
    """

    open: Open
    price: Price
    request_digest: bytes = b""
    state: StreamState = StreamState.OFFERED
    input: bytearray = field(default_factory=bytearray)
    incoming: Receiving = field(default_factory=lambda: Receiving(INPUT_WINDOW, moving=False))
    input_units: int = -1
    max_units: int = 0
    manifest: bytes = bytes(32)
    pending: deque[tuple[bytearray, int, int]] = field(default_factory=deque)
    queued_units: int = 0
    blocked: int = 0
    """Units that its engine would make next, and may not until more is paid."""
    units: int = 0
    seq: int = 0
    offset: int = 0
    window: int = DATA_WINDOW
    finish: str = ""
    waiting: int = 0
    place: tuple[int, int] = (0, 0)
    paused_since: float | None = None
    excused: bool = False
    """It was resumed while paused, and has sent nothing new since: its pause began anew once, and does not again."""
    complete: bool = False
    accepted: bool = False
    input_repeats: bool = False
    """Re-attached by OPEN: the input comes once more, and is not wanted."""
    resumable: bool = True
    digest: hashlib.blake2s = field(default_factory=hashlib.blake2s)
    sent: deque[Sent] = field(default_factory=deque)
    heard: tuple[int, int] = (0, 0)
    """The last seq that is acknowledged, and the stream's units by then."""
    again: int = 0
    ending: tuple[Type, bytes] | None = None
    failure: tuple[TallystickError, int] | None = None
    """Why its engine gave up while nobody could be told, and when to come back (ms)."""
    cost: int = 0
    """What it came to, once it is settled."""

    @property
    def started(self) -> bool:
        """True from ACCEPT to the end: it stands on the account."""
        return self.accepted and self.ending is None and self.state in STARTED

    @property
    def next_total(self) -> int | None:
        """Units with the next piece, whether it waits or may not be made yet; None where there is none."""
        if self.pending:
            return self.pending[0][1]
        return self.queued_units + self.blocked if self.blocked else None

    @property
    def size(self) -> int:
        """Bytes of output that it holds in memory."""
        return sum(len(piece) for piece, _, _ in self.pending) + sum(len(one.body) for one in self.sent)

    # -- input

    def take_input(self, body: Input) -> bytes | None:
        """A piece of the input; all of it with the last one. Raises PeerError PROTOCOL, BAD_MESSAGE, TOO_LARGE."""
        if self.complete:
            raise PeerError(Code.PROTOCOL, type="INPUT")
        self.input += body.data
        if body.offset + len(body.data) != len(self.input) or len(self.input) > self.open.input_length:
            raise PeerError(Code.BAD_MESSAGE, offset=body.offset)
        if len(self.input) > self.incoming.limit:
            raise PeerError(Code.TOO_LARGE, offset=len(self.input), limit=self.incoming.limit)
        if not body.fin:
            return None
        if len(self.input) != self.open.input_length:
            raise PeerError(Code.BAD_MESSAGE, length=len(self.input))
        data, self.input, self.complete = bytes(self.input), bytearray(), True
        return data

    # -- output

    def add(self, data: bytes, units: int, kind: int) -> None:
        """Output of the engine, worth `units` more units."""
        self.queued_units += units
        self.pending.append((bytearray(data), self.queued_units, kind))

    def fills(self, room: int) -> bool:
        """True where what waits fills a record of `room` bytes, or no more will come."""
        if self.finish or self.again or self.ending or self.failure:
            return True
        size = 0
        for data, _, _ in self.pending:
            size += len(data)
            if size >= room:
                return True
        return False

    def next_data(self, room: int, account: Account) -> bytes | None:
        """The body of the next DATA: one that is sent again, else a new one of at most `room` bytes of output, as far
        as account and window allow; None for none.
        """
        if self.again:
            return self._next_again()
        data, units, kind = bytearray(), self.units, None
        if self.resumable:  # what is kept is bounded; the rest goes as fast as its socket takes it
            room = min(room, self.window - self.offset)
        while self.pending and room > 0:
            piece, total, piece_kind = self.pending[0]
            if kind not in (None, piece_kind) or (data and len(data) + len(piece) > room):
                break
            if not account.allows(self.open.request_id, total, units):
                break
            self.pending.popleft()
            data += piece[:room]
            kind = piece_kind
            if len(piece) > room:  # its units count with its last part: never more units than bytes so far
                self.pending.appendleft((piece[room:], total, piece_kind))
            else:
                units = total
            wipe(piece)
        if kind is None:
            return None
        return self._sent(bytes(data), units, kind, account)

    def _sent(self, data: bytes, units: int, kind: int, account: Account) -> bytes:
        self.seq += 1
        self.excused = False
        self.units = units
        self.offset += len(data)
        account.deliver(self.open.request_id, units)
        body = encode_body(Data(self.seq, units, kind, data))
        self.digest.update(body)
        self.sent.append(Sent(self.seq, units, self.offset, bytearray(body if self.resumable else b"")))
        return body

    def _next_again(self) -> bytes:
        one = self.sent[self.again - self.sent[0].seq]
        self.again = self.again + 1 if self.again < self.seq else 0
        return bytes(one.body)

    # -- what the client has

    def acknowledge(self, seq: int) -> None:
        """All up to this seq arrived; one above the last says that the end did too."""
        while self.sent and self.sent[0].seq <= seq:
            one = self.sent.popleft()
            wipe(one.body)
            self.heard = one.seq, one.units
            self.window = max(self.window, one.offset + DATA_WINDOW)
        if self.again:
            self.again = max(self.again, self.sent[0].seq) if self.sent else 0

    def widen(self, limit: int) -> None:
        """The client's window, and with it an acknowledgement."""
        self.window = max(self.window, min(limit, self.offset + DATA_WINDOW))
        arrived = [one.seq for one in self.sent if one.offset <= limit - DATA_WINDOW]
        if arrived:
            self.acknowledge(arrived[-1])

    def can_resume(self, at: ResumeAt) -> bool:
        """Is all there that the client lacks, and does it count for what it has as this side does?"""
        first, seq = self.heard[0] + 1, at.next_seq
        if not self.accepted or not self.resumable or not first <= seq <= self.seq + 1:
            return False
        units = self.heard[1] if seq == first else self.sent[seq - first - 1].units
        unheard = seq == 1 and not amount_int(at.amount)
        return unheard or amount_int(at.amount) == self.price.amount(self.input_units, units)

    def resume(self, next_seq: int) -> None:
        """It goes on from there, on a new connection."""
        self.state = S.RESUMED
        self.acknowledge(next_seq - 1)
        self.again = next_seq if next_seq <= self.seq else 0
        self.waiting = 0
        if self.paused_since is not None and not self.excused:
            self.paused_since, self.excused = None, True

    def drop_pending(self) -> None:
        """What was not sent is given up."""
        self.blocked = 0
        while self.pending:
            wipe(self.pending.popleft()[0])

    def forget(self) -> None:
        """Everything of input and output is overwritten."""
        self.drop_pending()
        while self.sent:
            wipe(self.sent.popleft().body)
        wipe(self.input)
        self.again, self.ending = 0, None


def wipe(data: bytearray) -> None:
    """Overwrites in place: what a buffer held must not linger in memory that is free."""
    data[:] = bytes(len(data))
